/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The table of what each version of Go accepts, go-symbols.txt, which lies in the program as it is; promises:
 * goworld.h. It is read at the first question.
 */
#include "cli/scan/goworld.h"

#include <stdlib.h>
#include <string.h>

#define VERSIONS (GO_NEWEST - GO_OLDEST + 1)

/* clang-format off */
__asm__(".pushsection .rodata\n"
	"calm_scan_table:\n"
	".incbin \"" CALM_SCAN_TABLE "\"\n"
	"calm_scan_table_end:\n"
	".byte 0\n"
	".popsection\n");
/* clang-format on */
extern const char table_text[] __asm__("calm_scan_table");
extern const char table_end[] __asm__("calm_scan_table_end");

struct row {
	struct scan_span package, name;
	struct scan_span pull, assembly; /* a letter a version */
};

struct blocked {
	struct scan_span name;
	int since;
};

static struct {
	bool read;
	struct scan_list rows;    /* sorted by package, then name */
	struct scan_list std;     /* of struct scan_span, sorted */
	struct scan_list listed;  /* likewise */
	struct scan_list blocked; /* of struct blocked, sorted */
} table;

static int compare(struct scan_span a, struct scan_span b)
{
	size_t size = a.size < b.size ? a.size : b.size;
	int order = size > 0 ? memcmp(a.text, b.text, size) : 0;

	return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int by_span(const void *a, const void *b)
{
	return compare(*(const struct scan_span *)a, *(const struct scan_span *)b);
}

static int by_row(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = compare(x->package, y->package);

	return order != 0 ? order : compare(x->name, y->name);
}

static void words(struct scan_list *list, struct scan_span rest)
{
	struct scan_span word;

	while ((word = scan_next_word(&rest)).size > 0)
		*SCAN_ADD(list, struct scan_span) = word;
}

static void blocks(struct scan_span rest)
{
	struct scan_span since = scan_next_word(&rest), word;

	while ((word = scan_next_word(&rest)).size > 0)
		*SCAN_ADD(&table.blocked, struct blocked) = (struct blocked){word,
									     atoi(since.text)};
}

static void sort(struct scan_list *list, size_t size, int (*order)(const void *, const void *))
{
	if (list->count > 0)
		qsort(list->items, list->count, size, order);
}

static void read_table(void)
{
	struct scan_span rest = {table_text, (size_t)(table_end - table_text)}, line;
	struct row group = {{"", 0}, {"", 0}, {"", 0}, {"", 0}};

	if (table.read)
		return;
	table.read = true;
	while (scan_next_line(&rest, &line)) {
		struct scan_span after = line, word = scan_next_word(&after);
		if (scan_begins(word, "#")) {
			continue;
		} else if (scan_is(word, "std")) {
			words(&table.std, after);
		} else if (scan_is(word, "listed")) {
			words(&table.listed, after);
		} else if (scan_is(word, "blocked")) {
			blocks(after);
		} else if (scan_is(word, "=")) {
			group.package = scan_next_word(&after);
			group.pull = scan_next_word(&after);
			group.assembly = scan_next_word(&after);
		} else {
			while ((group.name = scan_next_word(&line)).size > 0)
				*SCAN_ADD(&table.rows, struct row) = group;
		}
	}
	sort(&table.rows, sizeof(struct row), by_row);
	sort(&table.std, sizeof(struct scan_span), by_span);
	sort(&table.listed, sizeof(struct scan_span), by_span);
	sort(&table.blocked, sizeof(struct blocked), by_span); /* the name is its first member */
}

static bool holds(const struct scan_list *list, struct scan_span word, size_t size)
{
	read_table();
	return list->count > 0 && bsearch(&word, list->items, list->count, size, by_span) != NULL;
}

bool go_is_std(struct scan_span package)
{
	return holds(&table.std, package, sizeof(struct scan_span));
}

bool go_table_lists(struct scan_span package)
{
	return holds(&table.listed, package, sizeof(struct scan_span));
}

bool go_table_blocks(struct scan_span symbol, int minor)
{
	if (!holds(&table.blocked, symbol, sizeof(struct blocked)))
		return false;
	const struct blocked *found = bsearch(&symbol, table.blocked.items, table.blocked.count,
					      sizeof(struct blocked), by_span);
	return found->since <= minor;
}

static enum go_answer answer(struct scan_span symbol, int minor, bool assembly)
{
	struct scan_span package = go_package_of(symbol);

	read_table();
	if (package.size == 0 || package.size + 1 >= symbol.size)
		return GO_ABSENT;
	int at = minor < GO_OLDEST ? 0 : minor > GO_NEWEST ? VERSIONS - 1 : minor - GO_OLDEST;
	struct row key = {.package = package,
			  .name = {symbol.text + package.size + 1, symbol.size - package.size - 1}};
	const struct row *row = table.rows.count == 0
					? NULL
					: bsearch(&key, table.rows.items, table.rows.count,
						  sizeof key, by_row);
	if (row == NULL) {
		/* Methods are listed only where they are open to others. */
		bool method = memchr(key.name.text, '.', key.name.size) != NULL;
		if (go_table_lists(package) && !method)
			return GO_ABSENT;
		return assembly ? GO_REFUSED : GO_UNLISTED; /* a Go function has no ABI0 */
	}
	struct scan_span states = assembly ? row->assembly : row->pull;
	char letter = states.size == VERSIONS ? states.text[at] : '-';
	return letter == 'l' ? GO_LINKS : letter == 'r' ? GO_REFUSED : GO_ABSENT;
}

enum go_answer go_table_pull(struct scan_span symbol, int minor)
{
	return answer(symbol, minor, false);
}

enum go_answer go_table_assembly(struct scan_span symbol, int minor)
{
	return answer(symbol, minor, true);
}
