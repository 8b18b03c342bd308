/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Reads a GOROOT's sources as the linker would see them; promises: goworld.h.
 *
 * The Go files of all platforms are read together, since a file under scan may be for any of them. Of assembly that of
 * linux/amd64 decides: which ABI a symbol has differs between platforms. Tests, commands and what no build has are
 * left out.
 */
#include "cli/scan/goasm.h"
#include "cli/scan/gofile.h"
#include "cli/scan/goworld.h"
#include "cli/scan/tree.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct scan_span no_span = {"", 0};

static void note(struct go_world *world, struct scan_span package, struct scan_span name,
		 unsigned flags)
{
	struct go_symbol *symbol = SCAN_ADD(&world->symbols, struct go_symbol);

	symbol->name = package.size > 0
			       ? scan_print("%.*s.%.*s", SCAN_ARGS(package), SCAN_ARGS(name))
			       : scan_copy(name.text, name.size);
	symbol->flags = flags;
}

/* The receiver's type: (*T) or T, before the name of a method. */
static char *method_name(const struct go_file *file, const struct go_decl *decl)
{
	struct scan_span type = {"", 0};
	bool pointer = false;
	size_t i = decl->first - 1; /* the closing bracket */

	while (i > 0 && !go_is(SCAN_AT(&file->tokens, struct go_token, i), "("))
		i--;
	for (i++; i < decl->first - 1; i++) {
		const struct go_token *token = SCAN_AT(&file->tokens, struct go_token, i);
		if (token->kind == GO_NAME)
			type = (struct scan_span){token->text, token->size};
		pointer = pointer || go_is(token, "*");
		if (go_is(token, "["))
			break;
	}
	return scan_print(pointer ? "(*%.*s).%.*s" : "%.*s.%.*s", SCAN_ARGS(type),
			  SCAN_ARGS(decl->name));
}

static const struct go_decl *declared(const struct go_file *file, struct scan_span name)
{
	for (size_t i = 0; i < file->decls.count; i++) {
		const struct go_decl *decl = SCAN_AT(&file->decls, struct go_decl, i);
		if ((decl->what == GO_FUNC || decl->what == GO_VAR) && scan_same(decl->name, name))
			return decl;
	}
	return NULL;
}

/* Whether a directive gives the declaration another symbol than its package's own. */
static bool renamed(const struct go_file *file, struct scan_span name)
{
	for (size_t i = 0; i < file->directives.count; i++) {
		const struct go_directive *directive = SCAN_AT(&file->directives,
							       struct go_directive, i);
		if (directive->target.size > 0 && scan_same(directive->local, name))
			return true;
	}
	return false;
}

static void read_directive(struct go_world *world, const struct go_file *file,
			   struct scan_span package, const struct go_directive *directive)
{
	const struct go_decl *local = declared(file, directive->local);
	unsigned flags = GO_HAS_MARK;

	if (directive->form != GO_DIRECTIVE)
		return;
	if (directive->target.size == 0) {
		note(world, package, directive->local, flags);
		return;
	}
	/* std declares so what its assembly defines under another package's name; and so it marks methods of its own. */
	if (scan_same(go_package_of(directive->target), package))
		note(world, no_span, directive->target,
		     local != NULL && local->filled ? flags | GO_HAS_GO : flags);
	else if (scan_begins(directive->local, "abigen_"))
		note(world, no_span, directive->target, flags | GO_HAS_DECLARATION);
	else if (local == NULL || local->filled)
		note(world, no_span, directive->target,
		     flags | GO_HAS_GO |
			     (local != NULL && local->what == GO_VAR ? GO_HAS_VARIABLE : 0));
}

static void read_go(struct go_world *world, struct scan_span package, struct scan_span text)
{
	struct go_file file = {.path = NULL};

	go_file_read(&file, text.text, text.size);
	if (go_file_for(&file, world->minor, GO_ANY_PLATFORM) && !scan_is(file.package, "main")) {
		for (size_t i = 0; i < file.decls.count; i++) {
			const struct go_decl *decl = SCAN_AT(&file.decls, struct go_decl, i);
			if (decl->what == GO_METHOD) {
				char *name = method_name(&file, decl);
				note(world, package, scan_word(name), GO_HAS_GO);
				free(name);
			} else if (renamed(&file, decl->name)) {
				continue;
			} else if (decl->what == GO_FUNC) {
				note(world, package, decl->name,
				     decl->filled ? GO_HAS_GO : GO_HAS_DECLARATION);
			} else if (decl->what == GO_VAR) {
				note(world, package, decl->name, GO_HAS_GO | GO_HAS_VARIABLE);
			}
		}
		for (size_t i = 0; i < file.directives.count; i++)
			read_directive(world, &file, package,
				       SCAN_AT(&file.directives, struct go_directive, i));
	}
	go_file_free(&file);
}

/* Flags of what assembly says: of another platform's, only that the symbol is there. */
static unsigned assembly_flags(const struct asm_symbol *symbol, bool elsewhere)
{
	if (elsewhere)
		return symbol->defined ? GO_HAS_ELSEWHERE : 0;
	if (!symbol->defined)
		return symbol->internal ? 0 : GO_HAS_CALL;
	if (!symbol->text)
		return GO_HAS_GO | GO_HAS_VARIABLE | GO_HAS_TEXT;
	return symbol->internal ? GO_HAS_INTERNAL : GO_HAS_TEXT;
}

static void read_assembly(struct go_world *world, struct scan_span package, struct scan_span text,
			  bool elsewhere)
{
	struct go_file header = {.path = NULL};

	go_file_read(&header, text.text, text.size);
	elsewhere = elsewhere || !go_file_for(&header, world->minor, GO_LINUX_AMD64);
	if (go_file_for(&header, world->minor, GO_ANY_PLATFORM)) {
		struct scan_list symbols = asm_read(text.text, text.size);
		for (size_t i = 0; i < symbols.count; i++) {
			const struct asm_symbol *symbol = SCAN_AT(&symbols, struct asm_symbol, i);
			struct scan_span name = scan_word(symbol->name);
			bool own = symbol->package == 0 ||
				   scan_same((struct scan_span){name.text, symbol->package},
					     package);
			unsigned flags = assembly_flags(symbol, elsewhere);
			if (flags == 0 || (!symbol->defined && !own))
				continue;
			if (symbol->package == 0)
				note(world, package,
				     (struct scan_span){name.text + 1, name.size - 1}, flags);
			else
				note(world, no_span, name, flags);
		}
		asm_free(&symbols);
	}
	go_file_free(&header);
}

static void read_file(struct go_world *world, const char *path, struct scan_span package)
{
	char *text;
	size_t size;

	bool assembly = scan_ends(path, ".s");
	if ((!assembly && !scan_ends(path, ".go")) || scan_ends(path, "_test.go") ||
	    !tree_load(path, &text, &size))
		return;
	if (assembly)
		read_assembly(world, package, (struct scan_span){text, size},
			      !go_name_for_linux_amd64(path));
	else
		read_go(world, package, (struct scan_span){text, size});
	free(text);
}

static bool read_folder(struct go_world *world, const char *path, size_t root)
{
	DIR *folder = opendir(path);
	struct dirent *entry;

	if (folder == NULL)
		return false;
	while ((entry = readdir(folder)) != NULL) {
		const char *name = entry->d_name;
		if (*name == '.' || *name == '_' || strcmp(name, "testdata") == 0 ||
		    (strcmp(name, "cmd") == 0 && path[root] == '\0'))
			continue;
		char *inner = scan_print("%s/%s", path, name);
		struct stat status;
		if (stat(inner, &status) == 0 && S_ISDIR(status.st_mode))
			(void)read_folder(world, inner, root);
		else
			read_file(world, inner,
				  scan_word(path[root] != '\0' ? path + root + 1 : ""));
		free(inner);
	}
	(void)closedir(folder);
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct go_symbol *)a)->name, ((const struct go_symbol *)b)->name);
}

bool go_world_read(struct go_world *world, const char *root, int minor)
{
	char *sources = scan_print("%s/src", root);

	*world = (struct go_world){.minor = minor, .root = root};
	bool done = read_folder(world, sources, strlen(sources));
	int reason = errno;
	free(sources);
	if (!done) {
		errno = reason;
		world->root = NULL;
		return false;
	}
	struct go_symbol *symbols = world->symbols.items;
	size_t count = world->symbols.count, kept = 0;
	if (count > 0)
		qsort(symbols, count, sizeof *symbols, by_name);
	for (size_t i = 0; i < count; i++) {
		if (kept > 0 && strcmp(symbols[kept - 1].name, symbols[i].name) == 0) {
			symbols[kept - 1].flags |= symbols[i].flags;
			free(symbols[i].name);
		} else {
			symbols[kept++] = symbols[i];
		}
	}
	world->symbols.count = kept;
	return true;
}

void go_world_free(struct go_world *world)
{
	for (size_t i = 0; i < world->symbols.count; i++)
		free(SCAN_AT(&world->symbols, struct go_symbol, i)->name);
	free(world->symbols.items);
}
