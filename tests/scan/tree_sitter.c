/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * calm scan's reading of Go against tree-sitter's: tree_sitter FILE... For each file the comments, the strings and what is
 * declared at its top level must be the same, at the same bytes. Files that tree-sitter cannot parse are counted, and not
 * compared. See tree_sitter.sh.
 */
#include "cli/scan/gofile.h"
#include "cli/scan/tree.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tree_sitter/api.h>

const TSLanguage *tree_sitter_go(void);

/* A thing that was read: what, where it begins, and a number (an end, or whether there is a body). */
struct thing {
	uint32_t at;
	char what;
	uint32_t more;
};

static int by_place(const void *a, const void *b)
{
	const struct thing *x = a, *y = b;
	return x->at != y->at ? (x->at > y->at) - (x->at < y->at) : x->what - y->what;
}

static void note(struct scan_list *things, char what, uint32_t at, uint32_t more)
{
	*SCAN_ADD(things, struct thing) = (struct thing){at, what, more};
}

static bool is(TSNode node, const char *type)
{
	return strcmp(ts_node_type(node), type) == 0;
}

static bool has(TSNode node, const char *field)
{
	return !ts_node_is_null(ts_node_child_by_field_name(node, field, (uint32_t)strlen(field)));
}

/* The names of a specification, each. */
static void specification(struct scan_list *things, TSNode node, char what)
{
	TSTreeCursor cursor = ts_tree_cursor_new(node);
	if (ts_tree_cursor_goto_first_child(&cursor)) {
		do {
			const char *field = ts_tree_cursor_current_field_name(&cursor);
			TSNode child = ts_tree_cursor_current_node(&cursor);
			if (field && strcmp(field, "name") == 0 && ts_node_is_named(child))
				note(things, what, ts_node_start_byte(child),
				     what == 'c' || what == 't' ? 0 : has(node, "value"));
		} while (ts_tree_cursor_goto_next_sibling(&cursor));
	}
	ts_tree_cursor_delete(&cursor);
}

static void declarations(struct scan_list *things, TSNode node)
{
	TSNode name = ts_node_child_by_field_name(node, "name", 4);
	if (is(node, "function_declaration"))
		note(things, 'f', ts_node_start_byte(name), has(node, "body"));
	else if (is(node, "method_declaration"))
		note(things, 'm', ts_node_start_byte(name), has(node, "body"));
	else if (is(node, "var_spec"))
		specification(things, node, 'v');
	else if (is(node, "const_spec"))
		specification(things, node, 'c');
	else if (is(node, "type_spec") || is(node, "type_alias"))
		specification(things, node, 't');
	else if (is(node, "import_spec"))
		note(things, 'i', ts_node_start_byte(ts_node_child_by_field_name(node, "path", 4)),
		     0);
	else if (!is(node, "block") && !is(node, "func_literal"))
		for (uint32_t i = 0; i < ts_node_named_child_count(node); i++)
			declarations(things, ts_node_named_child(node, i));
}

static void lexical(struct scan_list *things, TSNode node)
{
	bool string = is(node, "interpreted_string_literal") || is(node, "raw_string_literal") ||
		      is(node, "rune_literal");
	if (string || is(node, "comment")) {
		note(things, string ? 's' : '/', ts_node_start_byte(node), ts_node_end_byte(node));
		return;
	}
	for (uint32_t i = 0; i < ts_node_child_count(node); i++)
		lexical(things, ts_node_child(node, i));
}

static void ours(struct scan_list *things, const char *text, size_t size)
{
	static const char letters[] =
		{[GO_FUNC] = 'f', [GO_METHOD] = 'm', [GO_VAR] = 'v', [GO_CONST] = 'c', [GO_TYPE] = 't'};
	struct go_file file = {.path = NULL};
	struct go_lexer lexer;
	struct go_token token;

	go_file_read(&file, text, size);
	for (size_t i = 0; i < file.decls.count; i++) {
		const struct go_decl *decl = SCAN_AT(&file.decls, struct go_decl, i);
		bool counts = decl->what != GO_CONST && decl->what != GO_TYPE;
		note(things, letters[decl->what], (uint32_t)(decl->name.text - text),
		     counts && decl->filled);
	}
	for (size_t i = 0; i < file.imports.count; i++)
		note(things, 'i',
		     (uint32_t)(SCAN_AT(&file.imports, struct go_import, i)->path.text - 1 - text),
		     0);
	go_lexer_init(&lexer, text, size);
	while ((token = go_next(&lexer)).kind != GO_END) {
		uint32_t at = (uint32_t)(token.text - text);
		if (token.kind == GO_LINE_COMMENT || token.kind == GO_BLOCK_COMMENT)
			note(things, '/', at, at + (uint32_t)token.size);
		else if (token.kind == GO_STRING || token.kind == GO_RAW || token.kind == GO_RUNE)
			note(things, 's', at, at + (uint32_t)token.size);
	}
	go_file_free(&file);
}

/* Differences in one file; they are printed. */
static unsigned compare(const char *path, struct scan_list *theirs, struct scan_list *mine)
{
	unsigned differences = 0;
	size_t i = 0, j = 0;

	qsort(theirs->items, theirs->count, sizeof(struct thing), by_place);
	qsort(mine->items, mine->count, sizeof(struct thing), by_place);
	while (i < theirs->count || j < mine->count) {
		const struct thing *a = i < theirs->count ? SCAN_AT(theirs, struct thing, i) : NULL;
		const struct thing *b = j < mine->count ? SCAN_AT(mine, struct thing, j) : NULL;
		int order = !a ? 1 : !b ? -1 : by_place(a, b);
		if (order == 0 && a->more == b->more) {
			i++;
			j++;
			continue;
		}
		differences++;
		printf("%s: byte %u: %s %c %u\n", path, order <= 0 ? a->at : b->at,
		       order < 0   ? "only tree-sitter has"
		       : order > 0 ? "only calm has"
				   : "they differ about",
		       order <= 0 ? a->what : b->what, order <= 0 ? a->more : b->more);
		i += order <= 0;
		j += order >= 0;
	}
	return differences;
}

int main(int argc, char **argv)
{
	TSParser *parser = ts_parser_new();
	unsigned files = 0, refused = 0, differences = 0;
	size_t things = 0;

	if (!ts_parser_set_language(parser, tree_sitter_go())) {
		fprintf(stderr, "this libtree-sitter does not take the grammar\n");
		return 77;
	}
	for (int i = 1; i < argc; i++) {
		char *text;
		size_t size;
		if (!tree_load(argv[i], &text, &size))
			continue;
		TSTree *tree = ts_parser_parse_string(parser, NULL, text, (uint32_t)size);
		TSNode root = ts_tree_root_node(tree);
		if (ts_node_has_error(root)) {
			refused++;
		} else {
			struct scan_list theirs = {NULL, 0, 0}, mine = {NULL, 0, 0};
			declarations(&theirs, root);
			lexical(&theirs, root);
			ours(&mine, text, size);
			differences += theirs.count + mine.count > 0
					       ? compare(argv[i], &theirs, &mine)
					       : 0;
			things += theirs.count;
			files++;
			free(theirs.items);
			free(mine.items);
		}
		ts_tree_delete(tree);
		free(text);
	}
	ts_parser_delete(parser);
	printf("%u files, %zu things in them, %u differences; %u files that tree-sitter does not parse\n",
	       files, things, differences, refused);
	return differences > 0;
}
