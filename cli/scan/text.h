/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Spans of text, and lists: what every reader of calm scan is made of.
 *
 * Memory that is short ends the command with CLI_FAILED and a word on stderr: half a scan would look like a clean one.
 */
#ifndef CLI_SCAN_TEXT_H
#define CLI_SCAN_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Part of a text that someone else owns. */
struct scan_span {
	const char *text;
	size_t size;
};

struct scan_list {
	void *items;
	size_t count, room;
};

/* Never NULL. */
void *scan_grow(void *memory, size_t size);
char *scan_copy(const char *text, size_t size);
__attribute__((format(printf, 1, 2))) char *scan_print(const char *format, ...);

/* Room for one more item of that size at the end, zeroed. */
void *scan_add(struct scan_list *list, size_t size);
#define SCAN_ADD(list, type) ((type *)scan_add(list, sizeof(type)))
#define SCAN_AT(list, type, i) (&((type *)(list)->items)[i])

/* Whether byte is one of those; NUL never is. */
bool scan_one_of(char byte, const char *bytes);

bool scan_is(struct scan_span span, const char *text);
bool scan_same(struct scan_span a, struct scan_span b);
bool scan_begins(struct scan_span span, const char *text);
/* Whether a name has that ending. */
bool scan_ends(const char *name, const char *ending);
struct scan_span scan_word(const char *text);

/* Takes the next word (of what is no blank) off *rest; an empty one at its end. */
struct scan_span scan_next_word(struct scan_span *rest);

/* Takes the next line off *rest, without its end. False: there is none. */
bool scan_next_line(struct scan_span *rest, struct scan_span *line);

#define SCAN_ARGS(span) (int)(span).size, (span).text /* for "%.*s" */

#endif
