/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Spans and lists; promises: text.h. */
#include "cli/scan/text.h"
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn static void starve(void)
{
	exit(cli_error("calm scan", "out of memory: nothing was decided"));
}

void *scan_grow(void *memory, size_t size)
{
	void *grown = realloc(memory, size > 0 ? size : 1);

	if (grown == NULL)
		starve();
	return grown;
}

char *scan_copy(const char *text, size_t size)
{
	char *copy = scan_grow(NULL, size + 1);

	if (size > 0)
		memcpy(copy, text, size);
	copy[size] = '\0';
	return copy;
}

char *scan_print(const char *format, ...)
{
	va_list list;
	char *text;

	va_start(list, format);
	int size = vasprintf(&text, format, list);
	va_end(list);
	if (size < 0)
		starve();
	return text;
}

void *scan_add(struct scan_list *list, size_t size)
{
	if (list->count == list->room) {
		list->room = list->room > 0 ? 2 * list->room : 8;
		list->items = scan_grow(list->items, list->room * size);
	}
	char *item = (char *)list->items + list->count++ * size;
	memset(item, 0, size);
	return item;
}

bool scan_one_of(char byte, const char *bytes)
{
	return byte != '\0' && strchr(bytes, byte) != NULL;
}

struct scan_span scan_word(const char *text)
{
	return (struct scan_span){text, strlen(text)};
}

bool scan_same(struct scan_span a, struct scan_span b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.text, b.text, a.size) == 0);
}

bool scan_is(struct scan_span span, const char *text)
{
	return scan_same(span, scan_word(text));
}

bool scan_begins(struct scan_span span, const char *text)
{
	size_t size = strlen(text);

	return span.size >= size && memcmp(span.text, text, size) == 0;
}

bool scan_ends(const char *name, const char *ending)
{
	size_t size = strlen(name), more = strlen(ending);

	return size >= more && strcmp(name + size - more, ending) == 0;
}

/* The size of the blank at text, as Go's strings.Fields has it (unicode.IsSpace); 0: there is none. */
static size_t blank(const char *text, size_t size)
{
	static const char *const wide[] = {"\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80",
					   "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
					   "\xe2\x81\x9f", "\xe3\x80\x80"};

	if (size == 0)
		return 0;
	if (*text == ' ' || (*text >= '\t' && *text <= '\r'))
		return 1;
	if (*text >= 0) /* ASCII */
		return 0;
	for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
		size_t n = strlen(wide[i]);
		if (size >= n && memcmp(text, wide[i], n) == 0)
			return n;
	}
	bool general = size >= 3 && memcmp(text, "\xe2\x80", 2) == 0 &&
		       (unsigned char)text[2] <= 0x8a;
	return general ? 3 : 0;
}

struct scan_span scan_next_word(struct scan_span *rest)
{
	size_t n;

	while ((n = blank(rest->text, rest->size)) > 0) {
		rest->text += n;
		rest->size -= n;
	}
	struct scan_span word = {rest->text, 0};
	while (rest->size > 0 && blank(rest->text, rest->size) == 0) {
		rest->text++;
		rest->size--;
		word.size++;
	}
	return word;
}

bool scan_next_line(struct scan_span *rest, struct scan_span *line)
{
	if (rest->size == 0)
		return false;
	const char *end = memchr(rest->text, '\n', rest->size);
	size_t size = end != NULL ? (size_t)(end - rest->text) : rest->size;
	size_t whole = end != NULL ? size + 1 : size;
	*line = (struct scan_span){rest->text, size};
	if (line->size > 0 && line->text[line->size - 1] == '\r')
		line->size--;
	rest->text += whole;
	rest->size -= whole;
	return true;
}
