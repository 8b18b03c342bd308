/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Build files and scripts, a line at a time (rules GB01, EL06), and C sources (EC01).
 *
 * A comment is no order: what stands behind # or // at the beginning of a line is passed over, and documents, which are
 * prose, are not looked at.
 */
#include "cli/scan/scan.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_document(const char *path)
{
	static const char *const endings[] = {
		".md",   ".markdown", ".rst", ".txt", ".adoc", ".html", ".htm", ".tex",
		".1",    ".3",        ".7",   ".8",   ".po",   ".pot",  ".log", ".patch",
		".diff", ".csv",      ".svg", ".xml", ".texi", ".info"};

	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
		if (scan_ends(path, endings[i]))
			return true;
	}
	return false;
}

static bool word_byte(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= '0' && byte <= '9') || byte == '_';
}

static const char *in_line(struct scan_span line, const char *text)
{
	return memmem(line.text, line.size, text, strlen(text));
}

/* -checklinkname=0, as the flag package reads a false. */
static const char *unchecked(struct scan_span line)
{
	static const char *const values[] = {"0", "f", "F", "false", "FALSE", "False"};
	const char *found = in_line(line, "-checklinkname=");

	if (found == NULL)
		return NULL;
	struct scan_span value = {found + 15, 0};
	while (value.text + value.size < line.text + line.size && word_byte(value.text[value.size]))
		value.size++;
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		if (scan_is(value, values[i]))
			return found;
	}
	return NULL;
}

/* LD_PRELOAD or LD_AUDIT given a value: NAME=value, or Docker's ENV NAME value, or YAML's NAME: value. */
static const char *preloads(struct scan_span line, struct scan_span *name)
{
	static const char *const names[] = {"LD_PRELOAD", "LD_AUDIT"};

	for (size_t i = 0; i < 2; i++) {
		const char *found = in_line(line, names[i]), *end = line.text + line.size;
		*name = scan_word(names[i]);
		const char *after = found != NULL ? found + name->size : NULL;
		if (found == NULL || (found > line.text && (word_byte(found[-1]) ||
							    found[-1] == '$' || found[-1] == '{')))
			continue;
		if (after < end && (*after == '"' || *after == '\''))
			after++;
		struct scan_span rest = {after, (size_t)(end - after)};
		bool docker = scan_begins(line, "ENV ") && rest.size > 1 && *after == ' ';
		bool sets = rest.size > 1 && (*after == '=' || *after == ':') && after[1] != '=' &&
			    after[1] != '\0';
		/* An empty value takes a preload away. */
		bool empty = sets && (rest.size == 1 || after[1] == ' ' || after[1] == ';' ||
				      scan_begins(rest, "=\"\"") || scan_begins(rest, "=''"));
		if (*after == ':' && rest.size > 2)
			empty = scan_begins(rest, ": \"\"") || scan_begins(rest, ": ''");
		if (docker || (sets && !empty))
			return found;
	}
	return NULL;
}

void scan_build_file(struct scan *scan, const char *path, struct scan_span text)
{
	struct scan_span rest = text, line, name;
	struct scan_place place = {path, 0, 0, text};
	bool preload_list = scan_ends(path, "/ld.so.preload");

	if (is_document(path))
		return;
	if (!preload_list && in_line(text, "checklinkname") == NULL &&
	    in_line(text, "LD_PRELOAD") == NULL && in_line(text, "LD_AUDIT") == NULL)
		return;
	while (scan_next_line(&rest, &line)) {
		struct scan_span copy = line, word = scan_next_word(&copy);
		const char *found;
		place.line++;
		if (scan_begins(word, "#") || scan_begins(word, "//"))
			continue;
		if ((found = unchecked(line)) != NULL) {
			place.column = (unsigned)(found - line.text) + 1;
			(void)scan_find(
				scan, GB01, SCAN_WARNING, &place, scan_word("-checklinkname=0"),
				scan_print(
					"turns off the linker's check of what is bound to by //go:linkname"));
		}
		if (preload_list && word.size > 0) {
			place.column = (unsigned)(word.text - line.text) + 1;
			(void)scan_find(
				scan, EL06, SCAN_WARNING, &place, word,
				scan_print("preloads %.*s into every process", SCAN_ARGS(word)));
		} else if ((found = preloads(line, &name)) != NULL) {
			place.column = (unsigned)(found - line.text) + 1;
			(void)scan_find(
				scan, EL06, SCAN_WARNING, &place, name,
				scan_print("sets %.*s: what it names comes before every library",
					   SCAN_ARGS(name)));
		}
	}
}

/* Whether the file lies in calm's own sources, which may name what is theirs. */
static bool calms_own(const char *path)
{
	char whole[PATH_MAX], *last;

	if (realpath(path, whole) == NULL)
		return false;
	while ((last = strrchr(whole, '/')) != NULL) {
		*last = '\0';
		char *header = scan_print("%s/include/calm/base.h", whole),
		     *map = scan_print("%s/src/calm.map", whole);
		bool own = access(header, F_OK) == 0 && access(map, F_OK) == 0;
		free(header);
		free(map);
		if (own)
			return true;
	}
	return false;
}

/* The end of a comment or a string at `at`; at itself if there is none. */
static const char *skip_text(const char *at, const char *end, unsigned *line)
{
	const char *from = at;

	if (*at == '/' && at + 1 < end && at[1] == '/') {
		while (at < end && *at != '\n')
			at++;
	} else if (*at == '/' && at + 1 < end && at[1] == '*') {
		const char *close = memmem(at + 2, (size_t)(end - at - 2), "*/", 2);
		at = close != NULL ? close + 2 : end;
	} else if (*at == '"' || *at == '\'') {
		for (at++; at < end && *at != *from && *at != '\n'; at++)
			at += *at == '\\' && at + 1 < end && at[1] != '\n';
		at = at < end && *at == *from ? at + 1 : at;
	}
	for (; from < at; from++)
		*line += *from == '\n';
	return at;
}

void scan_c_source(struct scan *scan, const char *path, struct scan_span text)
{
	const char *at = text.text, *end = at + text.size, *start = at;
	struct scan_place place = {path, 1, 0, text};

	if (in_line(text, "calm__") == NULL || calms_own(path))
		return;
	while (at < end) {
		const char *next = skip_text(at, end, &place.line);
		if (next != at) {
			at = next;
		} else if (word_byte(*at)) {
			struct scan_span word = {at, 0};
			while (at < end && word_byte(*at))
				at++;
			word.size = (size_t)(at - word.text);
			while (start < word.text) { /* the line's start; both only go forward */
				const char *newline = memchr(start, '\n',
							     (size_t)(word.text - start));
				if (newline == NULL)
					break;
				start = newline + 1;
			}
			place.column = (unsigned)(word.text - start) + 1;
			if (scan_begins(word, "calm__"))
				(void)scan_find(
					scan, EC01, SCAN_ERROR, &place, word,
					scan_print(
						"names %.*s, which is calm's own and changes without notice",
						SCAN_ARGS(word)));
		} else {
			place.line += *at++ == '\n';
		}
	}
}
