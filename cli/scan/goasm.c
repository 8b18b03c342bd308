/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Reads Go's assembly; promises: goasm.h. */
#include "cli/scan/goasm.h"

#include <stdlib.h>
#include <string.h>

#define POINT "\xc2\xb7"     /* U+00B7 */
#define SLASH "\xe2\x88\x95" /* U+2215 */

struct asm_reader {
	const char *at, *end, *line_start;
	unsigned line;
	bool defining, text; /* this statement, by what word */
};

static bool name_byte(unsigned char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= '0' && byte <= '9') || byte == '_' || byte >= 0x80;
}

static void newline(struct asm_reader *reader, const char *next)
{
	reader->line++;
	reader->line_start = next;
	reader->defining = false;
}

/* Goes past a comment, a string or a character here. False: there is none. */
static bool skip_text(struct asm_reader *reader)
{
	const char *at = reader->at;
	bool slash = *at == '/' && at + 1 < reader->end;

	if (slash && at[1] == '/') {
		while (at < reader->end && *at != '\n')
			at++;
	} else if (slash && at[1] == '*') {
		for (at += 2;
		     at < reader->end && !(*at == '/' && at[-1] == '*' && at - reader->at > 2);
		     at++) {
			if (*at == '\n') {
				reader->line++;
				reader->line_start = at + 1;
			}
		}
		at = at < reader->end ? at + 1 : at;
	} else if (*at == '"' || *at == '\'') {
		char quote = *at++;
		while (at < reader->end && *at != quote && *at != '\n')
			at += *at == '\\' && at + 1 < reader->end && at[1] != '\n' ? 2 : 1;
		at = at < reader->end && *at == quote ? at + 1 : at;
	} else {
		return false;
	}
	reader->at = at;
	return true;
}

static const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at;
}

/* What follows a name: <…>, an offset, (SB). The end of it, or NULL: the name is no symbol. */
static const char *suffix(const char *at, const char *end, struct asm_symbol *symbol, bool *local)
{
	*local = false;
	if (at < end && *at == '<') {
		const char *close = memchr(at, '>', (size_t)(end - at));
		if (close == NULL)
			return NULL;
		struct scan_span inside = {at + 1, (size_t)(close - at - 1)};
		*local = inside.size == 0;
		symbol->internal = scan_is(inside, "ABIInternal");
		at = close + 1;
	}
	at = skip_blanks(at, end);
	while (at < end && *at != '\n' && *at != '(' && *at != ',' && *at != ';' && *at != '\0' &&
	       scan_one_of(*at, "+-*/%|&^~<>xX0123456789abcdefABCDEF_ \t"))
		at++;
	return end - at >= 4 && memcmp(at, "(SB)", 4) == 0 ? at + 4 : NULL;
}

/* The name with a point and slashes for what stands for them; *package gets the size of what is before the point. */
static char *plain_name(const char *text, size_t size, size_t *package)
{
	char *name = scan_copy(text, size), *out = name;
	bool parted = false;

	for (size_t i = 0; i < size;) {
		if (size - i >= 2 && memcmp(text + i, POINT, 2) == 0) {
			if (!parted)
				*package = (size_t)(out - name);
			parted = true;
			*out++ = '.';
			i += 2;
		} else if (size - i >= 3 && memcmp(text + i, SLASH, 3) == 0) {
			*out++ = '/';
			i += 3;
		} else {
			*out++ = text[i++];
		}
	}
	*out = '\0';
	return name;
}

static void name(struct asm_reader *reader, struct scan_list *symbols)
{
	const char *from = reader->at, *at = from;

	while (at < reader->end && name_byte((unsigned char)*at))
		at++;
	struct scan_span word = {from, (size_t)(at - from)};
	reader->at = at;
	if (memmem(from, word.size, POINT, 2) == NULL) {
		reader->text = scan_is(word, "TEXT");
		reader->defining = reader->defining || reader->text || scan_is(word, "GLOBL") ||
				   scan_is(word, "DATA");
		return;
	}
	struct asm_symbol symbol = {.line = reader->line,
				    .column = (unsigned)(from - reader->line_start) + 1,
				    .defined = reader->defining,
				    .text = reader->defining && reader->text};
	bool local;
	const char *end = suffix(at, reader->end, &symbol, &local);
	reader->defining = false; /* what else this line names, it refers to */
	if (end == NULL)
		return;
	reader->at = end;
	if (local)
		return;
	symbol.name = plain_name(word.text, word.size, &symbol.package);
	*SCAN_ADD(symbols, struct asm_symbol) = symbol;
}

struct scan_list asm_read(const char *text, size_t size)
{
	struct asm_reader reader = {.at = text, .end = text + size, .line_start = text, .line = 1};
	struct scan_list symbols = {NULL, 0, 0};

	while (reader.at < reader.end) {
		if (*reader.at == '\n')
			newline(&reader, ++reader.at);
		else if (*reader.at == ';')
			reader.defining = false, reader.at++;
		else if (name_byte((unsigned char)*reader.at))
			name(&reader, &symbols);
		else if (!skip_text(&reader))
			reader.at++;
	}
	return symbols;
}

void asm_free(struct scan_list *symbols)
{
	for (size_t i = 0; i < symbols->count; i++)
		free(SCAN_AT(symbols, struct asm_symbol, i)->name);
	free(symbols->items);
}
