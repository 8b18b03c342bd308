/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Which plots a suite has. hash: one for each size, workload and distribution of keys, with
 * threads as series. snapshot: what opening costs by size. Others: one for each unit of a group,
 * with the figures that have it as series; where figures are many and subjects few, a row a figure
 * and a series a subject.
 */
#include "bench/report_parts.h"

#include <string.h>

#define COLUMNS_SHOWN 12
#define LINES_SUBJECTS BENCH_SERIES_MAX
#define SHADES 4

/* What bars say nothing about that the table does not. */
static bool plots_badly(const char *unit)
{
	return strchr(unit, '%') != NULL || strcmp(unit, "x") == 0 ||
	       strcmp(unit, "x as fast") == 0 || strcmp(unit, "entries") == 0 ||
	       strcmp(unit, "ns/entry") == 0;
}

static const char *direction(const struct bench_result *result)
{
	return result->better == BENCH_MORE ? "more is better" : "less is better";
}

static struct bench_bars *new_bars(void)
{
	struct bench_bars *bars = bench_alloc(sizeof *bars);

	memset(bars, 0, sizeof *bars);
	return bars;
}

/* The row of that label, a new one if there is none. */
static size_t row_of(struct bench_bars *bars, const char *label)
{
	size_t r = 0;

	while (r < bars->rows && strcmp(bars->labels[r], label) != 0)
		r++;
	if (r == bars->rows && r < BENCH_ROWS_MAX) {
		(void)snprintf(bars->labels[r], sizeof bars->labels[r], "%s", label);
		bars->rows++;
	}
	return r;
}

static size_t series_of(struct bench_bars *bars, const char *name)
{
	size_t s = 0;

	while (s < bars->series && strcmp(bars->names[s], name) != 0)
		s++;
	if (s == bars->series && s < BENCH_SERIES_MAX) {
		(void)snprintf(bars->names[s], sizeof bars->names[s], "%s", name);
		bars->series++;
	}
	return s;
}

static void put(struct bench_bars *bars, const char *label, const char *name,
		const struct bench_result *result)
{
	size_t r = row_of(bars, label), s = series_of(bars, name);

	if (r < BENCH_ROWS_MAX && s < BENCH_SERIES_MAX && bars->cells[r][s] == NULL)
		bars->cells[r][s] = result;
}

/* Prints and frees; one lonely bar is not worth it. How many failed. */
static unsigned finish(FILE *file, struct bench_bars *bars)
{
	bool drawn = true, any = false;

	for (size_t r = 0; r < bars->rows; r++) {
		for (size_t s = 0; s < bars->series; s++)
			any = any || (bars->cells[r][s] != NULL && bars->cells[r][s]->max > 0);
	}
	size_t used = strlen(bars->title);
	if (bars->series == 1 && !bars->coloured && strstr(bars->title, bars->names[0]) == NULL)
		(void)snprintf(bars->title + used, sizeof bars->title - used, "; %s",
			       bars->names[0]);
	if (any && bars->rows > 1)
		drawn = bench_html_bars(file, bars);
	free(bars);
	return drawn ? 0 : 1;
}

static bool same_plot(const struct bench_result *a, const struct bench_result *b)
{
	return a->entries == b->entries && strcmp(a->suite, b->suite) == 0 &&
	       strcmp(a->workload, b->workload) == 0 && strcmp(a->keys, b->keys) == 0 &&
	       strcmp(a->what, b->what) == 0 && strcmp(a->unit, b->unit) == 0;
}

/* Maps first, what is bare last, as in the tables. */
static unsigned plot_threads(FILE *file, const struct bench_results *results,
			     const struct bench_result *first)
{
	struct bench_bars *bars = new_bars();
	char name[32];

	(void)snprintf(bars->title, sizeof bars->title, "%s, %s, %s: %s", first->workload,
		       first->keys, first->unit, direction(first));
	for (int bare = 0; bare <= 1; bare++) {
		for (size_t i = 0; i < results->count; i++) {
			const struct bench_result *result = &results->items[i];
			if (!same_plot(result, first) || result->bare != (bare == 1))
				continue;
			(void)snprintf(name, sizeof name, "%u thread%s", result->threads,
				       result->threads == 1 ? "" : "s");
			put(bars, result->subject, name, result);
		}
	}
	return finish(file, bars);
}

/* Columns that stand in one plot. */
static bool together(const struct bench_result *a, const struct bench_result *b, bool apart,
		     bool across)
{
	if (strcmp(a->unit, b->unit) != 0 || a->better != b->better)
		return false;
	if (across)
		return strcmp(a->what, b->what) == 0 && strcmp(a->keys, b->keys) == 0;
	return !apart || strcmp(a->workload, b->workload) == 0;
}

static void name_column(char *text, size_t size, const struct bench_result *column, bool workload)
{
	const char *what = column->what, *name = workload || *what == '\0' ? column->workload : "";

	(void)snprintf(text, size, "%s%s%s", name, *name != '\0' && *what != '\0' ? " " : "", what);
}

/* The title, of what all columns of the plot have in common. */
static void name_plot(struct bench_bars *bars, const struct bench_result *first, bool across,
		      bool workloads)
{
	const char *common = across ? first->what : workloads ? "" : first->workload;
	char sizes[32] = "";

	if (first->threads > 0)
		(void)snprintf(sizes, sizeof sizes, ", %u thread%s", first->threads,
			       first->threads == 1 ? "" : "s");
	(void)snprintf(bars->title, sizeof bars->title, "%s%s%s%s: %s", common,
		       *common != '\0' ? ", " : "", first->unit, sizes, direction(first));
}

static unsigned plot_columns(FILE *file, const struct bench_group *group, size_t column, bool apart,
			     bool across)
{
	const struct bench_result *first = group->columns[column];
	struct bench_bars *bars = new_bars();
	bool workloads = false;
	char name[64];

	for (size_t c = column; c < group->column_count; c++)
		workloads = workloads ||
			    (together(first, group->columns[c], apart, across) &&
			     strcmp(first->workload, group->columns[c]->workload) != 0);
	name_plot(bars, first, across, workloads);
	bars->coloured = across;
	for (size_t i = 0; i < group->row_count * group->column_count; i++) {
		size_t r = i / group->column_count, c = i % group->column_count;
		const struct bench_result *cell = group->cells[r][c];
		if (cell == NULL || !together(first, group->columns[c], apart, across))
			continue;
		name_column(name, sizeof name, cell, workloads);
		if (across)
			put(bars, cell->workload, cell->subject, cell);
		else
			put(bars, cell->subject, name, cell);
	}
	return finish(file, bars);
}

unsigned bench_html_group_plots(FILE *file, const struct bench_group *group)
{
	bool across = group->column_count > COLUMNS_SHOWN && group->row_count <= LINES_SUBJECTS;
	unsigned failed = 0;

	(void)fputs("<div class=\"plots\">\n", file);
	for (size_t c = 0; c < group->column_count; c++) {
		const struct bench_result *first = group->columns[c];
		size_t like = 0, before = 0;
		if (plots_badly(first->unit))
			continue;
		for (size_t i = 0; i < group->column_count; i++)
			like += together(first, group->columns[i], false, across);
		while (before < c &&
		       !together(first, group->columns[before], like > SHADES, across))
			before++;
		if (before == c)
			failed += plot_columns(file, group, c, like > SHADES, across);
	}
	(void)fputs("</div>\n", file);
	return failed;
}

/* hash: after the last group of a size. */
unsigned bench_html_hash_plots(FILE *file, const struct bench_results *results, uint64_t entries)
{
	unsigned failed = 0;

	(void)fputs("<div class=\"plots\">\n", file);
	for (size_t i = 0; i < results->count; i++) {
		const struct bench_result *first = &results->items[i];
		size_t before = 0;
		if (strcmp(first->suite, "hash") != 0 || *first->what != '\0' ||
		    first->entries != entries)
			continue;
		while (before < i && !same_plot(&results->items[before], first))
			before++;
		if (before == i)
			failed += plot_threads(file, results, first);
	}
	(void)fputs("</div>\n", file);
	return failed;
}

unsigned bench_html_snapshot_plots(FILE *file, const struct bench_results *results)
{
	struct bench_bars *bars = new_bars();
	char label[64];

	(void)snprintf(bars->title, sizeof bars->title,
		       "opening a snapshot, by entries, ns: less is better");
	bars->coloured = true;
	for (size_t i = 0; i < results->count; i++) {
		const struct bench_result *result = &results->items[i];
		if (strcmp(result->suite, "snapshot") != 0 || strcmp(result->workload, "open") != 0)
			continue;
		(void)snprintf(label, sizeof label, "%llu%s%s", (unsigned long long)result->entries,
			       *result->what != '\0' ? ", " : "", result->what);
		put(bars, label, result->subject, result);
	}
	(void)fputs("<div class=\"plots\">\n", file);
	unsigned failed = finish(file, bars);
	(void)fputs("</div>\n", file);
	return failed;
}
