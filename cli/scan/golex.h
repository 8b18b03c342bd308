/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Go source as tokens (The Go Programming Language Specification, "Lexical elements"), semicolons that newlines stand
 * for included.
 *
 * Invariants: every byte is part of one token, or blank between two; a token never begins inside a comment or a
 * string; text that is no Go ends as SYMBOL or UNFINISHED tokens, never in an error and never past the end.
 *
 * Rejected: a grammar from a parser generator (a dependency of megabytes, for what 300 lines do; the tests hold this
 * lexer against one), and regular expressions (they cannot tell a directive from the text of a raw string).
 */
#ifndef CLI_SCAN_GOLEX_H
#define CLI_SCAN_GOLEX_H

#include <stdbool.h>
#include <stddef.h>

enum go_kind {
	GO_END,
	GO_NAME, /* keywords too */
	GO_NUMBER,
	GO_STRING, /* "…" */
	GO_RAW,    /* `…` */
	GO_RUNE,
	GO_LINE_COMMENT,
	GO_BLOCK_COMMENT,
	GO_SYMBOL, /* an operator or punctuation, one byte each, but == != <= >= ++ -- && || are one token */
	GO_SEMICOLON, /* written, or implied by the end of a line: then it has no size */
	GO_UNFINISHED /* a comment, string or rune that the line's or the file's end cuts off */
};

struct go_token {
	enum go_kind kind;
	const char *text;
	size_t size;
	unsigned line, column; /* from 1; column in bytes */
	bool first;            /* only blanks stand before it on its line */
};

struct go_lexer {
	const char *at, *end;
	const char *line_start;
	unsigned line;
	bool ends_statement; /* a newline now is a semicolon */
	bool blank;          /* only blanks since the line began */
};

/* Text must stay until the last token is done with. A byte order mark at its beginning is blank. */
void go_lexer_init(struct go_lexer *lexer, const char *text, size_t size);

/* The next token; GO_END again and again at the end. */
struct go_token go_next(struct go_lexer *lexer);

/* Whether the token is that text. */
bool go_is(const struct go_token *token, const char *text);

#endif
