/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Findings: adding one, unless a comment allows it or the baseline knows it.
 *
 * A comment on the line above allows one rule and says why: //calm:allow GO02 reason. In scripts and build files it
 * begins with #. Several stand above each other. Without a reason it allows nothing.
 *
 * A baseline is a text, a finding a line: hash, rule, path, symbol. Only the hash counts; the rest is for people. It
 * has no line numbers, so that it holds while code moves, and paths from its own folder on, so that it can be committed.
 */
#include "cli/cli.h"
#include "cli/scan/scan.h"
#include "cli/scan/tree.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define BASELINE_HEAD "# calm scan baseline 1"

/* Line n, from 1; empty beyond the end. */
static struct scan_span line_of(struct scan_span text, unsigned number)
{
	struct scan_span line = {"", 0};

	for (unsigned i = 0; i < number; i++) {
		if (!scan_next_line(&text, &line))
			return (struct scan_span){"", 0};
	}
	return line;
}

/* The allow in a line, or an empty span; *reason tells whether it says why. */
static struct scan_span allowed(struct scan_span line, bool *reason)
{
	static const char *const begins[] = {"//calm:allow", "#calm:allow", "/*calm:allow"};
	struct scan_span word = scan_next_word(&line);

	*reason = false;
	if (scan_is(word, "#") || scan_is(word, "/*")) { /* a blank is usual there, and harmless */
		word = scan_next_word(&line);
		if (!scan_is(word, "calm:allow"))
			return (struct scan_span){"", 0};
	} else if (!scan_is(word, begins[0]) && !scan_is(word, begins[1]) &&
		   !scan_is(word, begins[2])) {
		return (struct scan_span){"", 0};
	}
	struct scan_span rule = scan_next_word(&line);
	word = scan_next_word(&line);
	*reason = word.size > 0 && !scan_is(word, "*/");
	return rule;
}

static bool is_allowed(const struct scan_place *place, const char *rule, bool *unreasoned)
{
	*unreasoned = false;
	for (unsigned number = place->line; number > 1 && place->text.size > 0; number--) {
		bool reason;
		struct scan_span allow = allowed(line_of(place->text, number - 1), &reason);
		if (allow.size == 0)
			break;
		if (scan_is(allow, rule) && reason)
			return true;
		*unreasoned = *unreasoned || scan_is(allow, rule);
	}
	return false;
}

/* The path from the baseline's folder on; the path itself where that cannot be told. The caller frees it. */
static char *relative(const struct scan *scan, const char *path)
{
	char whole[PATH_MAX];

	if (scan->baseline_folder == NULL || realpath(path, whole) == NULL) {
		while (strncmp(path, "./", 2) == 0)
			path += 2;
		return scan_copy(path, strlen(path));
	}
	size_t size = strlen(scan->baseline_folder);
	bool below = strncmp(whole, scan->baseline_folder, size) == 0 && whole[size] == '/';
	const char *rest = below ? whole + size + 1 : whole;
	return scan_copy(rest, strlen(rest));
}

uint64_t scan_hash(const struct scan *scan, const struct scan_finding *finding)
{
	char *path = relative(scan, finding->path);
	char *whole = scan_print("%s\n%s\n%s", scan_rules[finding->rule].id, path, finding->symbol);
	uint64_t hash = XXH3_64bits(whole, strlen(whole));

	free(whole);
	free(path);
	return hash;
}

static int by_hash(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

struct scan_finding *scan_find(struct scan *scan, enum scan_rule_id rule, enum scan_level level,
			       const struct scan_place *place, struct scan_span symbol,
			       char *message)
{
	bool unreasoned;

	if (is_allowed(place, scan_rules[rule].id, &unreasoned)) {
		scan->allowed++;
		free(message);
		return NULL;
	}
	if (unreasoned) {
		char *longer = scan_print(
			"%s (the calm:allow above gives no reason, and so allows nothing)",
			message);
		free(message);
		message = longer;
	}
	struct scan_finding finding = {.rule = rule,
				       .level = level,
				       .path = scan_copy(place->path, strlen(place->path)),
				       .symbol = scan_copy(symbol.text, symbol.size),
				       .since = scan_copy("", 0),
				       .message = message,
				       .hint = scan_rules[rule].hint,
				       .line = place->line,
				       .column = place->column};
	uint64_t hash = scan->baseline.count > 0 ? scan_hash(scan, &finding) : 0;
	if (scan->baseline.count > 0 && bsearch(&hash, scan->baseline.items, scan->baseline.count,
						sizeof hash, by_hash) != NULL) {
		scan->known++;
		free(finding.path);
		free(finding.symbol);
		free(finding.since);
		free(finding.message);
		return NULL;
	}
	struct scan_finding *added = SCAN_ADD(&scan->findings, struct scan_finding);
	*added = finding;
	return added;
}

void scan_since(struct scan_finding *finding, int minor)
{
	if (finding == NULL || minor == 0)
		return;
	free(finding->since);
	finding->since = scan_print("1.%d", minor);
}

bool scan_baseline_parse(struct scan_span text, struct scan_list *hashes, unsigned *line)
{
	struct scan_span next;

	for (*line = 1; scan_next_line(&text, &next); ++*line) {
		struct scan_span word = scan_next_word(&next);
		uint64_t hash = 0;
		if (word.size == 0 || *word.text == '#')
			continue;
		if (word.size != 16)
			return false;
		for (size_t i = 0; i < 16; i++) {
			const char *digits = "0123456789abcdef",
				   *digit = strchr(digits, word.text[i]);
			if (digit == NULL || *digit == '\0')
				return false;
			hash = hash << 4 | (uint64_t)(digit - digits);
		}
		*SCAN_ADD(hashes, uint64_t) = hash;
	}
	return true;
}

/* Sets the folder that paths are told from. */
static void set_folder(struct scan *scan, const char *path)
{
	const char *last = strrchr(path, '/');
	char *folder = last != NULL ? scan_copy(path, (size_t)(last - path) + 1)
				    : scan_copy(".", 1);
	char whole[PATH_MAX];

	free(scan->baseline_folder);
	scan->baseline_folder = NULL;
	if (realpath(folder, whole) != NULL)
		scan->baseline_folder = scan_copy(strcmp(whole, "/") == 0 ? "" : whole,
						  strlen(whole));
	free(folder);
}

bool scan_baseline_read(struct scan *scan, const char *path)
{
	char *text;
	size_t size;
	unsigned line;

	if (!tree_load_any(path, &text, &size)) {
		(void)cli_error(SCAN_NAME, "%s: %s", path, strerror(errno));
		return false;
	}
	bool done = scan_baseline_parse((struct scan_span){text, size}, &scan->baseline, &line);
	if (!done)
		(void)cli_error(SCAN_NAME,
				"%s:%u: not a line of a baseline: 16 hexadecimal digits come first",
				path, line);
	free(text);
	set_folder(scan, path);
	if (scan->baseline.count > 0)
		qsort(scan->baseline.items, scan->baseline.count, sizeof(uint64_t), by_hash);
	return done;
}

bool scan_baseline_write(struct scan *scan, const char *path)
{
	set_folder(scan, path);
	FILE *file = fopen(path, "w");
	uint64_t last = 0;

	if (file != NULL) {
		(void)fprintf(
			file,
			"%s\n# hash rule path symbol: what 'calm scan --baseline' leaves out\n",
			BASELINE_HEAD);
		for (size_t i = 0; i < scan->findings.count; i++) {
			const struct scan_finding *finding = SCAN_AT(&scan->findings,
								     struct scan_finding, i);
			uint64_t hash = scan_hash(scan, finding);
			char *name = relative(scan, finding->path);
			if (hash != last)
				(void)fprintf(file, "%016" PRIx64 " %s ", hash,
					      scan_rules[finding->rule].id);
			if (hash != last) {
				cli_clean(file, name, strlen(name));
				(void)fputc(' ', file);
				cli_clean(file, finding->symbol, strlen(finding->symbol));
				(void)fputc('\n', file);
			}
			last = hash;
			free(name);
		}
	}
	bool wrong = file == NULL || ferror(file) != 0;
	if ((file != NULL && fclose(file) != 0) || wrong) {
		(void)cli_error(SCAN_NAME, "%s: %s", path, strerror(errno));
		return false;
	}
	return true;
}

static int by_place(const void *a, const void *b)
{
	const struct scan_finding *x = a, *y = b;
	int order = strcmp(x->path, y->path);

	if (order == 0)
		order = (x->line > y->line) - (x->line < y->line);
	if (order == 0)
		order = (x->column > y->column) - (x->column < y->column);
	if (order == 0)
		order = (x->rule > y->rule) - (x->rule < y->rule);
	return order != 0 ? order : strcmp(x->symbol, y->symbol);
}

void scan_sort(struct scan *scan)
{
	if (scan->findings.count > 0)
		qsort(scan->findings.items, scan->findings.count, sizeof(struct scan_finding),
		      by_place);
}
