/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Finds go.mod (go.dev/ref/mod: one line "module path", or a block of them) upwards; promises: gomodule.h. */
#include "cli/scan/gomodule.h"
#include "cli/scan/tree.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct module {
	char *folder, *path;
};

/* The path after "module", without quotes. */
static char *module_path(struct scan_span text)
{
	struct scan_span line;
	bool block = false;

	while (scan_next_line(&text, &line)) {
		struct scan_span word = scan_next_word(&line);
		bool begins = scan_is(word, "module");
		if (begins)
			word = scan_next_word(&line);
		if (begins && scan_is(word, "(")) {
			block = true;
			continue;
		}
		if ((!begins && !block) || word.size == 0 || scan_begins(word, "//"))
			continue;
		if (word.size >= 2 && (*word.text == '"' || *word.text == '`')) {
			word.text++;
			word.size -= 2;
		}
		return scan_copy(word.text, word.size);
	}
	return scan_copy("", 0);
}

/* The module of a whole path's folder, which is cut off at each step. */
static char *look_up(char *folder)
{
	for (;;) {
		char *file = scan_print("%s/go.mod", folder), *text, *found;
		size_t size;
		bool there = tree_load(file, &text, &size);
		free(file);
		if (there) {
			found = module_path((struct scan_span){text, size});
			free(text);
			return found;
		}
		char *last = strrchr(folder, '/');
		if (last == NULL)
			return scan_copy("", 0);
		*last = '\0';
	}
}

struct scan_span go_module_of(struct scan_list *known, const char *path)
{
	const char *last = strrchr(path, '/');
	char *folder = last != NULL ? scan_copy(path, (size_t)(last - path)) : scan_copy(".", 1);
	char whole[PATH_MAX];

	for (size_t i = known->count; i > 0; i--) { /* the last is the likeliest */
		const struct module *module = SCAN_AT(known, struct module, i - 1);
		if (strcmp(module->folder, folder) == 0) {
			free(folder);
			return scan_word(module->path);
		}
	}
	struct module *module = SCAN_ADD(known, struct module);
	module->folder = folder;
	module->path = realpath(*folder != '\0' ? folder : "/", whole) != NULL ? look_up(whole)
									       : scan_copy("", 0);
	return scan_word(module->path);
}

void go_modules_free(struct scan_list *known)
{
	for (size_t i = 0; i < known->count; i++) {
		free(SCAN_AT(known, struct module, i)->folder);
		free(SCAN_AT(known, struct module, i)->path);
	}
	free(known->items);
}
