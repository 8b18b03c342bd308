/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Reads a Go file's top level; promises: gofile.h.
 *
 * Declarations are found by keyword at depth 0. In a group, `var ( … )`, each statement at depth 1 is one. A file that
 * is cut off or wrong yields what stands before the fault.
 */
#include "cli/scan/gofile.h"

#include <stdlib.h>
#include <string.h>

struct reader {
	struct go_file *file;
	size_t at; /* among the tokens */
};

static const struct go_token *token(const struct reader *reader)
{
	static const struct go_token end = {.kind = GO_END, .text = ""};

	return reader->at < reader->file->tokens.count
		       ? SCAN_AT(&reader->file->tokens, struct go_token, reader->at)
		       : &end;
}

static struct scan_span span_of(const struct go_token *token)
{
	return (struct scan_span){token->text, token->size};
}

/* What a bracket adds to the depth. */
static int depth_of(const struct go_token *token)
{
	if (token->kind != GO_SYMBOL || token->size != 1)
		return 0;
	switch (*token->text) {
	case '(':
	case '[':
	case '{':
		return 1;
	case ')':
	case ']':
	case '}':
		return -1;
	default:
		return 0;
	}
}

/* Goes past the bracket here and all it holds. */
static void skip_brackets(struct reader *reader)
{
	int depth = 0;

	do {
		depth += depth_of(token(reader));
		reader->at++;
	} while (depth > 0 && token(reader)->kind != GO_END);
}

/* Goes to the end of the statement, which may be the bracket that closes its group. True: an = stood in it. */
static bool skip_statement(struct reader *reader)
{
	bool filled = false;

	while (token(reader)->kind != GO_END && token(reader)->kind != GO_SEMICOLON) {
		int depth = depth_of(token(reader));
		if (depth < 0)
			break;
		filled = filled || (token(reader)->kind == GO_SYMBOL && go_is(token(reader), "="));
		if (depth > 0)
			skip_brackets(reader);
		else
			reader->at++;
	}
	return filled;
}

static struct go_decl *declare(struct reader *reader, enum go_declares what)
{
	const struct go_token *name = token(reader);
	struct go_decl *decl = SCAN_ADD(&reader->file->decls, struct go_decl);

	*decl = (struct go_decl){.what = what,
				 .name = span_of(name),
				 .line = name->line,
				 .column = name->column,
				 .first = reader->at};
	return decl;
}

static void import_one(struct reader *reader)
{
	struct scan_span name = {"", 0};
	const struct go_token *here = token(reader);

	if (here->kind == GO_NAME || (here->kind == GO_SYMBOL && go_is(here, "."))) {
		name = span_of(here);
		reader->at++;
		here = token(reader);
	}
	if ((here->kind == GO_STRING || here->kind == GO_RAW) && here->size >= 2) {
		struct go_import *import = SCAN_ADD(&reader->file->imports, struct go_import);
		*import = (struct go_import){name, {here->text + 1, here->size - 2}, here->line};
		if (scan_is(import->path, "unsafe"))
			reader->file->unsafe = true;
	}
	(void)skip_statement(reader);
}

/* a, b T = 1, 2 declares each of its names. */
static void specification(struct reader *reader, enum go_declares what)
{
	size_t first = reader->file->decls.count;

	while (token(reader)->kind == GO_NAME) {
		(void)declare(reader, what);
		reader->at++;
		if (what == GO_TYPE || !go_is(token(reader), ","))
			break;
		reader->at++;
	}
	bool filled = skip_statement(reader);
	for (size_t i = first; i < reader->file->decls.count; i++) {
		SCAN_AT(&reader->file->decls, struct go_decl, i)->filled = filled;
		SCAN_AT(&reader->file->decls, struct go_decl, i)->last = reader->at;
	}
}

static void group(struct reader *reader, const struct go_token *keyword)
{
	enum go_declares what = go_is(keyword, "var")     ? GO_VAR
				: go_is(keyword, "const") ? GO_CONST
							  : GO_TYPE;
	bool imports = go_is(keyword, "import");
	bool many = go_is(token(reader), "(");

	if (many)
		reader->at++;
	do {
		while (many && token(reader)->kind == GO_SEMICOLON)
			reader->at++;
		if (many && depth_of(token(reader)) < 0)
			break;
		size_t began = reader->at;
		if (imports)
			import_one(reader);
		else
			specification(reader, what);
		if (reader->at == began)
			reader->at++;
	} while (many && token(reader)->kind != GO_END);
	if (many)
		reader->at++;
}

/* func name(…) … {…}, func (receiver) name(…) …, func name[T any](…) … */
static void function(struct reader *reader)
{
	enum go_declares what = GO_FUNC;

	if (go_is(token(reader), "(")) {
		what = GO_METHOD;
		skip_brackets(reader);
	}
	if (token(reader)->kind != GO_NAME)
		return;
	size_t index = reader->file->decls.count;
	(void)declare(reader, what);
	reader->at++;
	bool body = false;
	while (token(reader)->kind != GO_SEMICOLON && token(reader)->kind != GO_END) {
		const struct go_token *here = token(reader);
		/* A result may be struct{…} or interface{…}, whose brace is none of a body. */
		bool of_type = (go_is(here, "struct") || go_is(here, "interface")) &&
			       here->kind == GO_NAME;
		if (of_type)
			reader->at++;
		else if (go_is(here, "{"))
			body = true;
		if (depth_of(token(reader)) > 0)
			skip_brackets(reader);
		else if (!of_type)
			reader->at++;
	}
	struct go_decl *decl = SCAN_AT(&reader->file->decls, struct go_decl, index);
	decl->filled = body;
	decl->last = reader->at;
}

static void top_level(struct go_file *file)
{
	struct reader reader = {file, 0};

	while (token(&reader)->kind != GO_END) {
		const struct go_token *here = token(&reader);
		bool keyword = here->kind == GO_NAME;
		if (depth_of(here) > 0) {
			skip_brackets(&reader);
			continue;
		}
		reader.at++;
		if (!keyword)
			continue;
		if (go_is(here, "package") && file->package.size == 0 &&
		    token(&reader)->kind == GO_NAME)
			file->package = span_of(token(&reader));
		else if (go_is(here, "func"))
			function(&reader);
		else if (go_is(here, "import") || go_is(here, "var") || go_is(here, "const") ||
			 go_is(here, "type"))
			group(&reader, here);
	}
}

/* What the words after go:linkname are. */
static void words(struct go_directive *directive, struct scan_span rest)
{
	directive->local = scan_next_word(&rest);
	directive->target = scan_next_word(&rest);
	if (directive->local.size == 0 || scan_next_word(&rest).size > 0)
		directive->form = GO_WORDS;
}

/* A comment that says go:linkname at its beginning, in whatever way. */
static void linkname(struct go_file *file, const struct go_token *comment)
{
	static const char word[] = "go:linkname";
	size_t size = sizeof word - 1;
	struct scan_span text = {comment->text + 2, comment->size - 2};
	bool alone = comment->first;
	bool exact = comment->kind == GO_LINE_COMMENT && scan_begins(text, "go:linkname ");

	while (!exact && text.size > 0 && scan_one_of(*text.text, " \t\r\n*")) {
		text.text++;
		text.size--;
	}
	if (!scan_begins(text, word) ||
	    (text.size > size && text.text[size] != ' ' && text.text[size] != '\t'))
		return;
	if (comment->kind != GO_LINE_COMMENT) {
		const char *end = memchr(text.text, '\n', text.size);
		text.size = end != NULL ? (size_t)(end - text.text) : text.size - 2;
	}
	struct go_directive *directive = SCAN_ADD(&file->directives, struct go_directive);
	*directive = (struct go_directive){.line = comment->line, .column = comment->column};
	words(directive, (struct scan_span){text.text + size, text.size - size});
	if (!exact)
		directive->form = GO_LOOKS_LIKE_ONE;
	else if (!alone)
		directive->form = GO_NOT_ALONE;
}

static void constrain(struct go_file *file, const struct go_token *comment)
{
	struct scan_span text = {comment->text + 2, comment->size - 2};

	if (comment->kind != GO_LINE_COMMENT || !comment->first)
		return;
	if (scan_begins(text, "go:build ") && file->constraint.size == 0) {
		file->constraint = (struct scan_span){text.text + 9, text.size - 9};
		return;
	}
	struct scan_span word = scan_next_word(&text);
	if (scan_is(word, "+build"))
		*SCAN_ADD(&file->plus, struct scan_span) = text;
}

/* Where line `number`, from 1, begins. */
static const char *line_at(struct scan_span text, unsigned number)
{
	struct scan_span line;

	while (number > 1 && scan_next_line(&text, &line))
		number--;
	return text.text;
}

/* Takes back what stands in the comment above import "C": that is C, and Go's compiler never sees it. */
static void drop_preamble(struct go_file *file, struct scan_span text, unsigned import)
{
	struct go_directive *directives = file->directives.items;
	unsigned first = import;
	size_t kept = 0;

	while (first > 1) {
		struct scan_span line = {line_at(text, first - 1), 0};
		line.size = (size_t)(text.text + text.size - line.text);
		if (!scan_begins(scan_next_word(&line), "//"))
			break;
		first--;
	}
	for (size_t i = 0; i < file->directives.count; i++) {
		if (directives[i].line < first || directives[i].line >= import)
			directives[kept++] = directives[i];
	}
	file->directives.count = kept;
}

void go_file_read(struct go_file *file, const char *text, size_t size)
{
	struct go_lexer lexer;
	bool header = true;

	go_lexer_init(&lexer, text, size);
	for (;;) {
		struct go_token next = go_next(&lexer);
		if (next.kind == GO_END)
			break;
		if (next.kind != GO_LINE_COMMENT && next.kind != GO_BLOCK_COMMENT) {
			header = false;
			*SCAN_ADD(&file->tokens, struct go_token) = next;
			continue;
		}
		if (header)
			constrain(file, &next);
		linkname(file, &next);
	}
	top_level(file);
	for (size_t i = 0; i < file->imports.count && file->directives.count > 0; i++) {
		const struct go_import *import = SCAN_AT(&file->imports, struct go_import, i);
		if (scan_is(import->path, "C"))
			drop_preamble(file, (struct scan_span){text, size}, import->line);
	}
	for (size_t i = 0; i < file->directives.count && !file->unsafe; i++) {
		struct go_directive *directive = SCAN_AT(&file->directives, struct go_directive, i);
		if (directive->form == GO_DIRECTIVE)
			directive->form = GO_NO_UNSAFE;
	}
}

void go_file_free(struct go_file *file)
{
	free(file->plus.items);
	free(file->imports.items);
	free(file->decls.items);
	free(file->directives.items);
	free(file->tokens.items);
}

const struct go_import *go_file_import(const struct go_file *file, const char *path)
{
	for (size_t i = 0; i < file->imports.count; i++) {
		const struct go_import *import = SCAN_AT(&file->imports, struct go_import, i);
		if (scan_is(import->path, path))
			return import;
	}
	return NULL;
}

bool go_file_calls(const struct go_file *file, struct scan_span name, const char *path)
{
	const struct go_import *import = go_file_import(file, path);

	if (import == NULL)
		return false;
	if (import->name.size > 0)
		return scan_same(import->name, name);
	const char *last = strrchr(path, '/');
	return scan_is(name, last != NULL ? last + 1 : path);
}
