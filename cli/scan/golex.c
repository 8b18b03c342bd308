/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The Go lexer; promises: golex.h. */
#include "cli/scan/golex.h"
#include "cli/scan/text.h"

#include <string.h>

static bool is_name(unsigned char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
	       byte >= 0x80;
}

static bool is_digit(unsigned char byte)
{
	return byte >= '0' && byte <= '9';
}

void go_lexer_init(struct go_lexer *lexer, const char *text, size_t size)
{
	if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		size -= 3;
	}
	*lexer = (struct go_lexer){.at = text,
				   .end = text + size,
				   .line_start = text,
				   .line = 1,
				   .blank = true};
}

bool go_is(const struct go_token *token, const char *text)
{
	return token->size == strlen(text) && memcmp(token->text, text, token->size) == 0;
}

static struct go_token begin(const struct go_lexer *lexer, enum go_kind kind)
{
	return (struct go_token){.kind = kind,
				 .text = lexer->at,
				 .line = lexer->line,
				 .column = (unsigned)(lexer->at - lexer->line_start) + 1,
				 .first = lexer->blank};
}

static void finish(struct go_lexer *lexer, struct go_token *token, const char *end)
{
	token->size = (size_t)(end - token->text);
	for (const char *at = token->text; (at = memchr(at, '\n', (size_t)(end - at))) != NULL;
	     at++) {
		lexer->line++;
		lexer->line_start = at + 1;
	}
	lexer->at = end;
	lexer->blank = false;
}

/* The byte after the closing quote; where the line ends first, *closed is false. */
static const char *quoted(const char *at, const char *end, char quote, bool *closed)
{
	*closed = false;
	while (at < end && *at != '\n') {
		if (*at == '\\' && at + 1 < end && at[1] != '\n') {
			at += 2;
			continue;
		}
		if (*at++ == quote) {
			*closed = true;
			return at;
		}
	}
	return at;
}

static struct go_token string(struct go_lexer *lexer, char quote)
{
	struct go_token token = begin(lexer, quote == '"'   ? GO_STRING
					     : quote == '`' ? GO_RAW
							    : GO_RUNE);
	const char *end = lexer->at + 1;
	bool closed;

	if (quote == '`') {
		end = memchr(end, '`', (size_t)(lexer->end - end));
		closed = end != NULL;
		end = closed ? end + 1 : lexer->end;
	} else {
		end = quoted(end, lexer->end, quote, &closed);
	}
	if (!closed)
		token.kind = GO_UNFINISHED;
	finish(lexer, &token, end);
	lexer->ends_statement = true;
	return token;
}

static struct go_token comment(struct go_lexer *lexer)
{
	bool block = lexer->at[1] == '*';
	struct go_token token = begin(lexer, block ? GO_BLOCK_COMMENT : GO_LINE_COMMENT);
	const char *end;

	if (block) {
		const char *from = lexer->at + 2;
		end = from;
		while ((end = memchr(end, '*', (size_t)(lexer->end - end))) != NULL) {
			end++;
			if (end < lexer->end && *end == '/')
				break;
		}
		if (end == NULL)
			token.kind = GO_UNFINISHED;
		end = end != NULL ? end + 1 : lexer->end;
	} else {
		end = memchr(lexer->at, '\n', (size_t)(lexer->end - lexer->at));
		if (end == NULL)
			end = lexer->end;
	}
	finish(lexer, &token, end);
	return token;
}

/* What follows a digit, or a point and a digit: good enough to find its end (1e+9, 0x1p-2, 0b1_0, .5i). */
static struct go_token number(struct go_lexer *lexer)
{
	struct go_token token = begin(lexer, GO_NUMBER);
	const char *at = lexer->at;
	bool hexadecimal = at + 1 < lexer->end && at[0] == '0' && (at[1] == 'x' || at[1] == 'X');

	while (at < lexer->end) {
		char low = (char)(*at | 0x20);
		bool exponent = hexadecimal ? low == 'p' : low == 'e';
		if (exponent && at + 1 < lexer->end && (at[1] == '+' || at[1] == '-'))
			at += 2;
		else if (is_name((unsigned char)*at) || is_digit((unsigned char)*at) || *at == '.')
			at++;
		else
			break;
	}
	finish(lexer, &token, at);
	lexer->ends_statement = true;
	return token;
}

static struct go_token name(struct go_lexer *lexer)
{
	static const char *const go_on[] = {
		"case",    "chan",  "const",  "default", "defer",  "else",      "for",
		"func",    "go",    "goto",   "if",      "import", "interface", "map",
		"package", "range", "select", "struct",  "switch", "type",      "var",
	};
	struct go_token token = begin(lexer, GO_NAME);
	const char *at = lexer->at;

	while (at < lexer->end && (is_name((unsigned char)*at) || is_digit((unsigned char)*at)))
		at++;
	finish(lexer, &token, at);
	lexer->ends_statement = true;
	for (size_t i = 0; i < sizeof go_on / sizeof *go_on && lexer->ends_statement; i++)
		lexer->ends_statement = !go_is(&token, go_on[i]);
	return token;
}

static struct go_token symbol(struct go_lexer *lexer)
{
	static const char *const pairs[] = {"==", "!=", "<=", ">=", "++", "--", "&&", "||"};
	struct go_token token = begin(lexer, *lexer->at == ';' ? GO_SEMICOLON : GO_SYMBOL);
	size_t size = 1;

	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		if (lexer->end - lexer->at >= 2 && memcmp(lexer->at, pairs[i], 2) == 0)
			size = 2;
	}
	finish(lexer, &token, lexer->at + size);
	lexer->ends_statement = scan_one_of(*token.text, ")]}") || go_is(&token, "++") ||
				go_is(&token, "--");
	return token;
}

/* Whether a comment that is about to come ends the statement before it: it reaches the line's end, or further. */
static bool comment_ends_line(const struct go_lexer *lexer)
{
	const char *at = lexer->at;

	while (at + 1 < lexer->end && at[0] == '/' && at[1] == '*') {
		for (at += 2;
		     at < lexer->end && !(at[0] == '*' && at + 1 < lexer->end && at[1] == '/');
		     at++) {
			if (*at == '\n')
				return true;
		}
		at = at < lexer->end ? at + 2 : at;
		while (at < lexer->end && (*at == ' ' || *at == '\t' || *at == '\r'))
			at++;
		if (at >= lexer->end || *at == '\n')
			return true;
	}
	return at + 1 < lexer->end && at[0] == '/' && at[1] == '/';
}

struct go_token go_next(struct go_lexer *lexer)
{
	while (lexer->at < lexer->end) {
		unsigned char byte = (unsigned char)*lexer->at;
		bool comes_comment = byte == '/' && lexer->at + 1 < lexer->end &&
				     (lexer->at[1] == '/' || lexer->at[1] == '*');
		if (lexer->ends_statement &&
		    (byte == '\n' || (comes_comment && comment_ends_line(lexer)))) {
			lexer->ends_statement = false;
			return begin(lexer, GO_SEMICOLON);
		}
		if (byte == '\n') {
			lexer->line++;
			lexer->line_start = ++lexer->at;
			lexer->blank = true;
		} else if (byte == ' ' || byte == '\t' || byte == '\r') {
			lexer->at++;
		} else if (comes_comment) {
			return comment(lexer);
		} else if (byte == '"' || byte == '`' || byte == '\'') {
			return string(lexer, (char)byte);
		} else if (is_digit(byte) || (byte == '.' && lexer->at + 1 < lexer->end &&
					      is_digit((unsigned char)lexer->at[1]))) {
			return number(lexer);
		} else if (is_name(byte)) {
			return name(lexer);
		} else {
			return symbol(lexer);
		}
	}
	if (lexer->ends_statement) {
		lexer->ends_statement = false;
		return begin(lexer, GO_SEMICOLON);
	}
	return begin(lexer, GO_END);
}
