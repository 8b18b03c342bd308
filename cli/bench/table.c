/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The results of a suite as tables: one for each number of entries and threads; a row a subject, a
 * column a figure.
 *
 *	* best   = within the column's tie of the best   tie: the column's own spread (bench_tie)
 *
 * Rows of subjects that are no maps (floor) stand last, and have no part in marks and ranks. Where
 * a table has rows of both calm and others, the last line is the rank of calm's best row, ties
 * shared.
 */
#include "cli/bench/bench.h"
#include "cli/cli.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define COLUMNS_MAX 64
#define ROWS_MAX 64
#define COLUMNS_SHOWN 10 /* side by side */
#define LINES_SUBJECTS 8

struct table {
	const struct bench_results *results;
	const struct bench_result *columns[COLUMNS_MAX]; /* each by one of its results */
	size_t column_count;
	const struct bench_result *rows[ROWS_MAX];
	size_t row_count;
};

static bool same_group(const struct bench_result *a, const struct bench_result *b)
{
	return strcmp(a->suite, b->suite) == 0 && a->entries == b->entries &&
	       a->threads == b->threads;
}

static bool same_column(const struct bench_result *a, const struct bench_result *b)
{
	return strcmp(a->workload, b->workload) == 0 && strcmp(a->keys, b->keys) == 0 &&
	       strcmp(a->what, b->what) == 0 && strcmp(a->unit, b->unit) == 0;
}

static const struct bench_result *cell(const struct table *table, size_t row, size_t column)
{
	for (size_t i = 0; i < table->results->count; i++) {
		const struct bench_result *result = &table->results->items[i];
		if (same_group(result, table->rows[row]) &&
		    same_column(result, table->columns[column]) &&
		    strcmp(result->subject, table->rows[row]->subject) == 0)
			return result;
	}
	return NULL;
}

static void fill(struct table *table, const struct bench_result *first)
{
	for (int bare = 0; bare <= 1; bare++) {
		for (size_t i = 0; i < table->results->count; i++) {
			const struct bench_result *result = &table->results->items[i];
			size_t c = 0, r = 0;
			if (!same_group(result, first) || result->bare != (bare == 1))
				continue;
			while (c < table->column_count && !same_column(table->columns[c], result))
				c++;
			while (r < table->row_count &&
			       strcmp(table->rows[r]->subject, result->subject) != 0)
				r++;
			if (c == table->column_count && c < COLUMNS_MAX)
				table->columns[table->column_count++] = result;
			if (r == table->row_count && r < ROWS_MAX)
				table->rows[table->row_count++] = result;
		}
	}
}

/* The measured results of a column that take part in its ranks. */
static size_t ranked(const struct table *table, size_t column,
		     const struct bench_result *out[ROWS_MAX])
{
	size_t count = 0;

	for (size_t r = 0; r < table->row_count; r++) {
		const struct bench_result *result = cell(table, r, column);
		if (result != NULL && !result->bare && isfinite(result->median))
			out[count++] = result;
	}
	return count;
}

static bool better(const struct bench_result *a, const struct bench_result *b)
{
	return a->better == BENCH_MORE ? a->median > b->median : a->median < b->median;
}

static const struct bench_result *best_of(const struct bench_result *const ranked[], size_t count)
{
	const struct bench_result *best = NULL;

	for (size_t i = 0; i < count; i++) {
		if (best == NULL || better(ranked[i], best))
			best = ranked[i];
	}
	return best;
}

/* Four digits of a figure. */
static void print_figure(FILE *file, double value, const char *mark)
{
	char text[32];
	double size = fabs(value);

	if (!isfinite(value))
		(void)snprintf(text, sizeof text, "-");
	else if (size >= 1e7)
		(void)snprintf(text, sizeof text, "%.3g", value);
	else
		(void)snprintf(text, sizeof text, "%.*f",
			       size >= 1000 || size == 0 ? 0
			       : size >= 100             ? 1
			       : size >= 1               ? 2
							 : 4,
			       value);
	(void)fprintf(file, " %9s%s", text, mark);
}

static void print_heads(FILE *file, const struct table *table, size_t from, size_t to,
			const char *field)
{
	bool any = false;

	for (size_t c = from; c < to; c++) {
		const struct bench_result *column = table->columns[c];
		any = any || *(field[0] == 'k'   ? column->keys
			       : field[0] == 'w' ? column->what
						 : "x") != '\0';
	}
	if (!any)
		return;
	(void)fprintf(file, "%-26s", "");
	for (size_t c = from; c < to; c++) {
		const struct bench_result *column = table->columns[c];
		const char *text = field[0] == 'k'   ? column->keys
				   : field[0] == 'w' ? column->what
				   : field[0] == 'u' ? column->unit
						     : column->workload;
		(void)fprintf(file, " %9.*s ", 10, text);
	}
	(void)fputc('\n', file);
}

static void print_rank(FILE *file, const struct bench_result *const column[], size_t count,
		       double tie)
{
	const struct bench_result *ours = NULL;
	size_t rank = 1;

	for (size_t i = 0; i < count; i++) {
		if (column[i]->calm && (ours == NULL || better(column[i], ours)))
			ours = column[i];
	}
	if (ours == NULL) {
		(void)fprintf(file, " %9s ", "-");
		return;
	}
	for (size_t i = 0; i < count; i++)
		rank += !column[i]->calm && better(column[i], ours) &&
			!bench_tied(column[i], ours, tie);
	(void)fprintf(file, " %9zu ", rank);
}

/* A column's results, its best, its tie. */
struct ranking {
	const struct bench_result *results[ROWS_MAX];
	size_t count;
	const struct bench_result *best;
	double tie;
};

static struct ranking rank_column(const struct table *table, size_t column)
{
	struct ranking ranking;

	ranking.count = ranked(table, column, ranking.results);
	ranking.best = best_of(ranking.results, ranking.count);
	ranking.tie = bench_tie(ranking.results, ranking.count);
	return ranking;
}

static void print_cell(FILE *file, const struct bench_result *result, const struct ranking *ranking)
{
	const char *mark = " ";

	if (result != NULL && !result->bare && ranking->count > 1)
		mark = result == ranking->best                           ? "*"
		       : bench_tied(result, ranking->best, ranking->tie) ? "="
									 : " ";
	print_figure(file, result != NULL ? result->median : NAN, mark);
}

static void print_tie(FILE *file, const struct ranking *ranking)
{
	if (ranking->count > 0 && bench_in_points(ranking->results[0]))
		(void)fprintf(file, " %6.0f pt ", ranking->tie);
	else
		(void)fprintf(file, " %8.0f%% ", 100 * ranking->tie);
}

/* Whether a table has both calm's rows and others that rank. */
static bool is_contest(const struct table *table)
{
	bool calm = false, others = false;

	for (size_t r = 0; r < table->row_count; r++) {
		calm = calm || table->rows[r]->calm;
		others = others || !(table->rows[r]->calm || table->rows[r]->bare);
	}
	return calm && others;
}

static void print_columns(FILE *file, const struct table *table, size_t from, size_t to)
{
	struct ranking rankings[COLUMNS_SHOWN];

	print_heads(file, table, from, to, "name");
	print_heads(file, table, from, to, "keys");
	print_heads(file, table, from, to, "what");
	print_heads(file, table, from, to, "unit");
	for (size_t c = from; c < to; c++)
		rankings[c - from] = rank_column(table, c);
	for (size_t r = 0; r < table->row_count; r++) {
		(void)fprintf(file, "%-26.26s", table->rows[r]->subject);
		for (size_t c = from; c < to; c++)
			print_cell(file, cell(table, r, c), &rankings[c - from]);
		(void)fputc('\n', file);
	}
	(void)fprintf(file, "%-26s", "tie within");
	for (size_t c = from; c < to; c++)
		print_tie(file, &rankings[c - from]);
	(void)fputc('\n', file);
	if (is_contest(table)) {
		(void)fprintf(file, "%-26s", "calm's rank");
		for (size_t c = from; c < to; c++)
			print_rank(file, rankings[c - from].results, rankings[c - from].count,
				   rankings[c - from].tie);
		(void)fputc('\n', file);
	}
}

/* Many figures of few subjects: a line a figure. */
static void print_lines(FILE *file, const struct table *table)
{
	(void)fprintf(file, "%-40s", "");
	for (size_t r = 0; r < table->row_count; r++) {
		const char *name = table->rows[r]->subject;
		(void)fprintf(file, " %9.9s ", strncmp(name, "calm ", 5) == 0 ? name + 5 : name);
	}
	(void)fprintf(file, " %10s\n", "tie within");
	for (size_t c = 0; c < table->column_count; c++) {
		const struct bench_result *column = table->columns[c];
		struct ranking ranking = rank_column(table, c);
		int used = fprintf(file, "%s%s%s%s%s, %s", column->workload,
				   *column->keys != '\0' ? " " : "", column->keys,
				   *column->what != '\0' ? " " : "", column->what, column->unit);
		(void)fprintf(file, "%*s", used < 40 ? 40 - used : 0, "");
		for (size_t r = 0; r < table->row_count; r++)
			print_cell(file, cell(table, r, c), &ranking);
		print_tie(file, &ranking);
		(void)fputc('\n', file);
	}
}

static void print_claims(FILE *file, const struct table *table)
{
	for (size_t i = 0; i < table->results->count; i++) {
		const struct bench_result *result = &table->results->items[i];
		if (result->claim == NULL || !same_group(result, table->rows[0]))
			continue;
		(void)fprintf(file, "  %s, %s%s%s: measured %.4g %s; the article: %s\n",
			      result->subject, result->workload, *result->what != '\0' ? " " : "",
			      result->what, result->median, result->unit, result->claim);
	}
}

static void print_side_by_side(FILE *file, const struct table *table)
{
	for (size_t c = 0; c < table->column_count; c += COLUMNS_SHOWN) {
		size_t end = c + COLUMNS_SHOWN < table->column_count ? c + COLUMNS_SHOWN
								     : table->column_count;
		print_columns(file, table, c, end);
	}
}

static void print_group(FILE *file, const struct bench_results *results,
			const struct bench_result *first)
{
	struct table table = {.results = results};
	unsigned least = BENCH_REPEATS_MAX, most = 0;

	fill(&table, first);
	for (size_t i = 0; i < results->count; i++) {
		if (!same_group(&results->items[i], first))
			continue;
		least = results->items[i].repeats < least ? results->items[i].repeats : least;
		most = results->items[i].repeats > most ? results->items[i].repeats : most;
	}
	(void)fprintf(file, "\n%s", first->suite);
	if (first->entries > 0)
		(void)fprintf(file, ", %" PRIu64 " entries", first->entries);
	if (first->threads > 0)
		(void)fprintf(file, ", %u thread%s", first->threads,
			      first->threads == 1 ? "" : "s");
	if (least == most)
		(void)fprintf(file, "; medians of %u\n", least);
	else
		(void)fprintf(file, "; medians of %u to %u\n", least, most);
	if (table.column_count > COLUMNS_SHOWN && table.row_count <= LINES_SUBJECTS)
		print_lines(file, &table);
	else
		print_side_by_side(file, &table);
	print_claims(file, &table);
}

void bench_print_suite(FILE *file, const struct bench_results *results, const char *suite)
{
	for (size_t i = 0; i < results->count; i++) {
		size_t before = 0;
		if (strcmp(results->items[i].suite, suite) != 0)
			continue;
		while (before < i && !same_group(&results->items[before], &results->items[i]))
			before++;
		if (before == i)
			print_group(file, results, &results->items[i]);
	}
	for (size_t i = 0; i < results->note_count; i++) {
		if (strcmp(results->notes[i].suite, suite) != 0)
			continue;
		(void)fprintf(file, "%s: ", suite);
		cli_clean(file, results->notes[i].text, strlen(results->notes[i].text));
		(void)fputc('\n', file);
	}
}
