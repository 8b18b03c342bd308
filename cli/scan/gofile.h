/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What a Go file says at its top level: package, imports, build constraint, declarations, linkname directives and what
 * only looks like one.
 *
 * The directive's grammar, as the compiler has it (cmd/compile: syntax/scanner.go, noder/noder.go), each form of it in
 * the tests held against real linkers: a line comment that begins with "//go:linkname" and a blank, alone on its line
 * at any column, anywhere in the file, also in a function; then one or two words. One word marks a symbol as open to
 * others, two rename: with a body (or a value) that pushes, without it pulls. The file must import "unsafe".
 */
#ifndef CLI_SCAN_GOFILE_H
#define CLI_SCAN_GOFILE_H

#include "cli/scan/golex.h"
#include "cli/scan/text.h"

struct go_import {
	struct scan_span name; /* empty: by its package's name */
	struct scan_span path; /* without quotes */
	unsigned line;
};

enum go_declares { GO_FUNC, GO_METHOD, GO_VAR, GO_CONST, GO_TYPE };

struct go_decl {
	enum go_declares what;
	struct scan_span name;
	bool filled; /* a function has a body, a variable a value */
	unsigned line, column;
	size_t first, last; /* its tokens, name first; last is past the end */
};

enum go_form {
	GO_DIRECTIVE, /* one */
	GO_WORDS,     /* too many or too few words: the compiler refuses it */
	GO_NOT_ALONE, /* something stands before it on its line: the compiler refuses it */
	GO_NO_UNSAFE, /* the file does not import "unsafe": the compiler refuses it */
	GO_LOOKS_LIKE_ONE /* blanks before go:linkname, no blank after it, or in a block comment: no directive at all */
};

struct go_directive {
	enum go_form form;
	struct scan_span local, target; /* target is empty: a mark */
	unsigned line, column;
};

struct go_file {
	char *path; /* these two are the caller's */
	struct scan_span text;
	struct scan_span package;
	struct scan_span constraint; /* after //go:build */
	struct scan_list plus;       /* of struct scan_span: after // +build */
	struct scan_list imports, decls, directives;
	struct scan_list tokens; /* of struct go_token, comments left out */
	bool unsafe;             /* imported */
};

/* Reads text, which must stay as long as the file does. */
void go_file_read(struct go_file *file, const char *text, size_t size);
void go_file_free(struct go_file *file);

/* The import of a path, or NULL; and whether `name` is how the file calls the package imported from path. */
const struct go_import *go_file_import(const struct go_file *file, const char *path);
bool go_file_calls(const struct go_file *file, struct scan_span name, const char *path);

enum go_platform { GO_ANY_PLATFORM, GO_LINUX_AMD64 };

/*
 * Whether some build with Go 1.minor has the file in it, by its constraint, with whatever tags but "ignore"; and
 * whether its name lets it into a build for linux/amd64.
 */
bool go_file_for(const struct go_file *file, int minor, enum go_platform platform);
bool go_name_for_linux_amd64(const char *path);

#endif
