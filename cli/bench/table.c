/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The results of a suite as tables: one for each number of entries and threads; a row a subject, a
 * column a figure.
 *
 *	* best   = within the column's tie of the best   tie: of the column's own spread (bench_tie)
 *
 * A column whose spread is more than a tie may be has it told below, as noisy.
 * Rows of subjects that are no maps (floor) stand last, and have no part in marks and ranks. Where
 * a table has rows of both calm and others, the last line is the rank of calm's best row, ties
 * shared.
 */
#include "cli/bench/bench.h"
#include "cli/cli.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define COLUMNS_SHOWN 10 /* side by side */
#define LINES_SUBJECTS 8

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

static void print_heads(FILE *file, const struct bench_group *group, size_t from, size_t to,
			const char *field)
{
	bool any = false;

	for (size_t c = from; c < to; c++) {
		const struct bench_result *column = group->columns[c];
		any = any || *(field[0] == 'k'   ? column->keys
			       : field[0] == 'w' ? column->what
						 : "x") != '\0';
	}
	if (!any)
		return;
	(void)fprintf(file, "%-26s", "");
	for (size_t c = from; c < to; c++) {
		const struct bench_result *column = group->columns[c];
		const char *text = field[0] == 'k'   ? column->keys
				   : field[0] == 'w' ? column->what
				   : field[0] == 'u' ? column->unit
						     : column->workload;
		(void)fprintf(file, " %9.*s ", 10, text);
	}
	(void)fputc('\n', file);
}

static void print_cell(FILE *file, const struct bench_result *result,
		       const struct bench_ranking *ranking)
{
	const char *mark = " ";

	if (result != NULL && !result->bare && ranking->count > 1)
		mark = result == ranking->best                                  ? "*"
		       : bench_tied(result, ranking->best, ranking->tie.within) ? "="
										: " ";
	print_figure(file, result != NULL ? result->median : NAN, mark);
}

static void print_share(FILE *file, const struct bench_ranking *ranking, double share)
{
	if (bench_in_points(ranking->best))
		(void)fprintf(file, " %6.0f pt ", share);
	else
		(void)fprintf(file, " %8.0f%% ", 100 * share);
}

static void print_tie(FILE *file, const struct bench_ranking *ranking)
{
	if (ranking->count < 2)
		(void)fprintf(file, " %9s ", "-");
	else
		print_share(file, ranking, ranking->tie.within);
}

static bool is_noisy(const struct bench_ranking *ranking)
{
	return ranking->count > 1 && ranking->tie.noisy;
}

/* The spreads of the noisy ones of some columns. */
static void print_noise(FILE *file, const struct bench_ranking *rankings, size_t count)
{
	bool any = false;

	for (size_t c = 0; c < count; c++)
		any = any || is_noisy(&rankings[c]);
	if (!any)
		return;
	(void)fprintf(file, "%-26s", "noisy, with a spread of");
	for (size_t c = 0; c < count; c++) {
		if (is_noisy(&rankings[c]))
			print_share(file, &rankings[c], rankings[c].tie.spread);
		else
			(void)fprintf(file, " %9s ", "");
	}
	(void)fputc('\n', file);
}

static void print_rank(FILE *file, const struct bench_ranking *ranking)
{
	if (ranking->ours != NULL && ranking->theirs != NULL)
		(void)fprintf(file, " %9zu ", ranking->rank);
	else
		(void)fprintf(file, " %9s ", "-");
}

static void print_columns(FILE *file, const struct bench_group *group, size_t from, size_t to)
{
	struct bench_ranking rankings[COLUMNS_SHOWN];

	print_heads(file, group, from, to, "name");
	print_heads(file, group, from, to, "keys");
	print_heads(file, group, from, to, "what");
	print_heads(file, group, from, to, "unit");
	for (size_t c = from; c < to; c++)
		(void)bench_rank(group, c, &rankings[c - from]);
	for (size_t r = 0; r < group->row_count; r++) {
		(void)fprintf(file, "%-26.26s", group->rows[r]->subject);
		for (size_t c = from; c < to; c++)
			print_cell(file, group->cells[r][c], &rankings[c - from]);
		(void)fputc('\n', file);
	}
	(void)fprintf(file, "%-26s", "tie within");
	for (size_t c = from; c < to; c++)
		print_tie(file, &rankings[c - from]);
	(void)fputc('\n', file);
	print_noise(file, rankings, to - from);
	if (!bench_contest(group))
		return;
	(void)fprintf(file, "%-26s", "calm's rank");
	for (size_t c = from; c < to; c++)
		print_rank(file, &rankings[c - from]);
	(void)fputc('\n', file);
}

/* Many figures of few subjects: a line a figure. */
static void print_lines(FILE *file, const struct bench_group *group)
{
	(void)fprintf(file, "%-40s", "");
	for (size_t r = 0; r < group->row_count; r++) {
		const char *name = group->rows[r]->subject;
		(void)fprintf(file, " %9.9s ", strncmp(name, "calm ", 5) == 0 ? name + 5 : name);
	}
	(void)fprintf(file, " %10s\n", "tie within");
	for (size_t c = 0; c < group->column_count; c++) {
		const struct bench_result *column = group->columns[c];
		struct bench_ranking ranking;
		int used = fprintf(file, "%s%s%s%s%s, %s", column->workload,
				   *column->keys != '\0' ? " " : "", column->keys,
				   *column->what != '\0' ? " " : "", column->what, column->unit);
		(void)fprintf(file, "%*s", used < 40 ? 40 - used : 0, "");
		(void)bench_rank(group, c, &ranking);
		for (size_t r = 0; r < group->row_count; r++)
			print_cell(file, group->cells[r][c], &ranking);
		print_tie(file, &ranking);
		if (is_noisy(&ranking)) {
			(void)fputs(" noisy:", file);
			print_share(file, &ranking, ranking.tie.spread);
		}
		(void)fputc('\n', file);
	}
}

static void print_claims(FILE *file, const struct bench_results *results,
			 const struct bench_result *first)
{
	for (size_t i = 0; i < results->count; i++) {
		const struct bench_result *result = &results->items[i];
		if (result->claim == NULL || !bench_group_same(result, first))
			continue;
		(void)fprintf(file, "  %s, %s%s%s: measured %.4g %s; the article: %s\n",
			      result->subject, result->workload, *result->what != '\0' ? " " : "",
			      result->what, result->median, result->unit, result->claim);
	}
}

static void print_side_by_side(FILE *file, const struct bench_group *group)
{
	for (size_t c = 0; c < group->column_count; c += COLUMNS_SHOWN) {
		size_t end = c + COLUMNS_SHOWN < group->column_count ? c + COLUMNS_SHOWN
								     : group->column_count;
		print_columns(file, group, c, end);
	}
}

static void print_group(FILE *file, const struct bench_group *group,
			const struct bench_result *first)
{
	(void)fprintf(file, "\n%s", first->suite);
	if (first->entries > 0)
		(void)fprintf(file, ", %" PRIu64 " entries", first->entries);
	if (first->threads > 0)
		(void)fprintf(file, ", %u thread%s", first->threads,
			      first->threads == 1 ? "" : "s");
	if (group->least_repeats == group->most_repeats)
		(void)fprintf(file, "; medians of %u\n", group->least_repeats);
	else
		(void)fprintf(file, "; medians of %u to %u\n", group->least_repeats,
			      group->most_repeats);
	if (group->column_count > COLUMNS_SHOWN && group->row_count <= LINES_SUBJECTS)
		print_lines(file, group);
	else
		print_side_by_side(file, group);
}

void bench_print_suite(FILE *file, const struct bench_results *results, const char *suite)
{
	struct bench_group *group = bench_alloc(sizeof *group);
	const struct bench_result *first;

	for (size_t i = 0; (first = bench_group_first(results, suite, i)) != NULL; i++) {
		bench_group_fill(group, results, first);
		print_group(file, group, first);
		print_claims(file, results, first);
	}
	free(group);
	for (size_t i = 0; i < results->note_count; i++) {
		if (strcmp(results->notes[i].suite, suite) != 0)
			continue;
		(void)fprintf(file, "%s: ", suite);
		cli_clean(file, results->notes[i].text, strlen(results->notes[i].text));
		(void)fputc('\n', file);
	}
}
