/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* A fuzz target: Go sources and assembly, to all that reads them. */
#include "cli/scan/goasm.h"
#include "cli/scan/gofile.h"
#include "cli/scan/golayout.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Tokens lie in order, inside the text, and do not overlap. */
static void check_tokens(const char *text, size_t size)
{
	struct go_lexer lexer;
	const char *end = text;

	go_lexer_init(&lexer, text, size);
	for (;;) {
		struct go_token token = go_next(&lexer);
		if (token.text < end || token.text + token.size > text + size || token.line == 0 ||
		    token.column == 0)
			abort();
		end = token.text + token.size;
		if (token.kind == GO_END)
			return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = scan_copy((const char *)data, size);
	struct scan_list files = {NULL, 0, 0};
	struct go_file *file = SCAN_ADD(&files, struct go_file);
	struct scan_span names[4];

	check_tokens(text, size);
	go_file_read(file, text, size);
	for (int minor = 19; minor < 28; minor++)
		(void)go_file_for(file, minor, minor % 2 == 0 ? GO_ANY_PLATFORM : GO_LINUX_AMD64);
	for (size_t i = 0; i < file->decls.count; i++) {
		const struct go_decl *decl = SCAN_AT(&file->decls, struct go_decl, i);
		if (decl->last > file->tokens.count || decl->first >= file->tokens.count)
			abort();
		if (decl->what == GO_TYPE) {
			(void)go_layout_of(file, decl, &files);
			(void)go_fields_of(file, decl, names, 4);
		}
	}
	struct scan_list symbols = asm_read(text, size);
	asm_free(&symbols);
	go_file_free(file);
	free(files.items);
	free(text);
	return 0;
}
