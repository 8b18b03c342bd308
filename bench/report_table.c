/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Figures and tables in HTML.
 *
 *	median *          * best, = a tie with it
 *	min–max
 *	0.52 ×            of the best, where a ratio says something
 *
 * Subjects are rows; where figures are many and subjects few, the other way round.
 */
#include "bench/report_parts.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define COLUMNS_SHOWN 12
#define LINES_SUBJECTS 8
#define NONE "\xe2\x80\x93" /* an en dash */
#define GAP "\xe2\x80\xaf"  /* a narrow space that does not break */
#define TIMES "\xc3\x97"

void bench_html(FILE *file, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '<':
			(void)fputs("&lt;", file);
			break;
		case '>':
			(void)fputs("&gt;", file);
			break;
		case '&':
			(void)fputs("&amp;", file);
			break;
		case '"':
			(void)fputs("&quot;", file);
			break;
		case '\'':
			(void)fputs("&#39;", file);
			break;
		default:
			(void)fputc(*text, file);
		}
	}
}

static void print_digits(FILE *file, const char *digits)
{
	size_t whole = strcspn(digits, ".") - (digits[0] == '-');

	if (*digits == '-')
		(void)fputc(*digits++, file);
	for (size_t i = 0; digits[i] != '\0'; i++) {
		if (i > 0 && i < whole && whole > 4 && (whole - i) % 3 == 0)
			(void)fputs(GAP, file);
		(void)fputc(digits[i], file);
	}
}

void bench_html_figure(FILE *file, double value)
{
	char digits[32];
	double size = fabs(value);

	if (!isfinite(value)) {
		(void)fputs(NONE, file);
		return;
	}
	if (size >= 1e15)
		(void)snprintf(digits, sizeof digits, "%.3g", value);
	else
		(void)snprintf(digits, sizeof digits, "%.*f",
			       size >= 1000 || size == 0 ? 0
			       : size >= 100             ? 1
			       : size >= 1               ? 2
			       : size >= 0.01            ? 3
							 : 5,
			       value);
	print_digits(file, digits);
}

void bench_html_range(FILE *file, const struct bench_result *result)
{
	bench_html_figure(file, result->min);
	(void)fputs(result->min < 0 ? " to " : NONE, file);
	bench_html_figure(file, result->max);
}

void bench_html_entries(FILE *file, uint64_t entries)
{
	char digits[32];

	if (entries >= 1000000 && entries % 100000 == 0)
		(void)fprintf(file, "%.3g" GAP "M", (double)entries * 1e-6);
	else if (entries >= 1000 && entries % 100 == 0 && entries < 1000000)
		(void)fprintf(file, "%.4g" GAP "k", (double)entries * 1e-3);
	else {
		(void)snprintf(digits, sizeof digits, "%" PRIu64, entries);
		print_digits(file, digits);
	}
}

void bench_html_sizes(FILE *file, const struct bench_result *result)
{
	if (result->entries > 0) {
		bench_html_entries(file, result->entries);
		(void)fputs(" entries", file);
	}
	if (result->entries > 0 && result->threads > 0)
		(void)fputs(", ", file);
	if (result->threads > 0)
		(void)fprintf(file, "%u thread%s", result->threads,
			      result->threads == 1 ? "" : "s");
}

static void print_cell(FILE *file, const struct bench_result *result,
		       const struct bench_ranking *ranking)
{
	const char *class = "", *mark = "";

	if (result == NULL || !isfinite(result->median)) {
		(void)fputs("<td>" NONE "</td>", file);
		return;
	}
	if (!result->bare && ranking->count > 1) {
		if (result == ranking->best) {
			class = " class=\"best\"";
			mark = " *";
		} else if (bench_tied(result, ranking->best, ranking->tie.within)) {
			class = " class=\"tie\"";
			mark = " =";
		}
	}
	(void)fprintf(file, "<td%s data-v=\"%.6g\"><b>", class, result->median);
	bench_html_figure(file, result->median);
	(void)fprintf(file, "%s</b>", mark);
	if (result->repeats > 1 && result->min != result->max) {
		(void)fputs("<small>", file);
		bench_html_range(file, result);
		(void)fputs("</small>", file);
	}
	if (ranking->count > 1 && result != ranking->best && ranking->best->median > 0 &&
	    !bench_in_points(result) && result->median > 0)
		(void)fprintf(file, "<small>%.*f" GAP TIMES "</small>",
			      result->median / ranking->best->median >= 10 ? 0 : 2,
			      result->median / ranking->best->median);
	(void)fputs("</td>", file);
}

/* The parts of a column's name, each on a line; the unit too, if it is not the same everywhere. */
static void print_name(FILE *file, const struct bench_result *column, bool unit, const char *end)
{
	bench_html(file, column->workload);
	if (*column->keys != '\0') {
		(void)fputs(end, file);
		bench_html(file, column->keys);
	}
	if (*column->what != '\0') {
		(void)fputs(end, file);
		bench_html(file, column->what);
	}
	if (unit) {
		(void)fputs(end, file);
		(void)fputs("<small>", file);
		bench_html(file, column->unit);
		(void)fputs("</small>", file);
	}
}

static void print_tie(FILE *file, const struct bench_ranking *ranking)
{
	const struct bench_tie *tie = &ranking->tie;

	if (ranking->count < 2) {
		(void)fputs("<td>" NONE "</td>", file);
		return;
	}
	bool points = bench_in_points(ranking->best);
	double factor = points ? 1 : 100;
	const char *unit = points ? GAP "pt" : GAP "%";
	(void)fprintf(file, "<td>%.0f%s", factor * tie->within, unit);
	if (tie->noisy)
		(void)fprintf(file, "<small>noisy: %.0f%s</small>", factor * tie->spread, unit);
	(void)fputs("</td>", file);
}

static void print_foot(FILE *file, const struct bench_group *group)
{
	struct bench_ranking ranking;
	bool ties = false;

	for (size_t c = 0; c < group->column_count; c++)
		ties = ties || (bench_rank(group, c, &ranking) && ranking.count > 1);
	if (!ties)
		return;
	(void)fputs("<tfoot><tr><th>tie within</th>", file);
	for (size_t c = 0; c < group->column_count; c++) {
		(void)bench_rank(group, c, &ranking);
		print_tie(file, &ranking);
	}
	if (bench_contest(group)) {
		(void)fputs("</tr><tr><th>calm&#39;s rank</th>", file);
		for (size_t c = 0; c < group->column_count; c++) {
			if (bench_rank(group, c, &ranking) && ranking.rank > 0 &&
			    ranking.theirs != NULL)
				(void)fprintf(file, "<td>%zu</td>", ranking.rank);
			else
				(void)fputs("<td>" NONE "</td>", file);
		}
	}
	(void)fputs("</tr></tfoot>\n", file);
}

static const char *row_class(const struct bench_result *row)
{
	return row->calm ? " class=\"calm\"" : row->bare ? " class=\"bare\"" : "";
}

static void print_rows(FILE *file, const struct bench_group *group, bool units)
{
	struct bench_ranking ranking;

	(void)fputs("<thead><tr><th>subject</th>", file);
	for (size_t c = 0; c < group->column_count; c++) {
		(void)fputs("<th>", file);
		print_name(file, group->columns[c], units, "<br>");
		(void)fputs("</th>", file);
	}
	(void)fputs("</tr></thead>\n<tbody>\n", file);
	for (size_t r = 0; r < group->row_count; r++) {
		(void)fprintf(file, "<tr%s><th>", row_class(group->rows[r]));
		bench_html(file, group->rows[r]->subject);
		(void)fputs("</th>", file);
		for (size_t c = 0; c < group->column_count; c++) {
			(void)bench_rank(group, c, &ranking);
			print_cell(file, group->cells[r][c], &ranking);
		}
		(void)fputs("</tr>\n", file);
	}
	(void)fputs("</tbody>\n", file);
	print_foot(file, group);
}

static void print_lines(FILE *file, const struct bench_group *group, bool units)
{
	struct bench_ranking ranking;

	(void)fputs("<thead><tr><th>figure</th>", file);
	for (size_t r = 0; r < group->row_count; r++) {
		(void)fputs("<th>", file);
		bench_html(file, group->rows[r]->subject);
		(void)fputs("</th>", file);
	}
	(void)fputs("<th>tie within</th></tr></thead>\n<tbody>\n", file);
	for (size_t c = 0; c < group->column_count; c++) {
		(void)bench_rank(group, c, &ranking);
		(void)fputs("<tr><th>", file);
		print_name(file, group->columns[c], units, " ");
		(void)fputs("</th>", file);
		for (size_t r = 0; r < group->row_count; r++)
			print_cell(file, group->cells[r][c], &ranking);
		print_tie(file, &ranking);
		(void)fputs("</tr>\n", file);
	}
	(void)fputs("</tbody>\n", file);
}

void bench_html_table(FILE *file, const struct bench_group *group)
{
	const struct bench_result *first = group->columns[0];
	bool units = false;

	for (size_t c = 1; c < group->column_count; c++)
		units = units || strcmp(group->columns[c]->unit, first->unit) != 0;
	(void)fputs("<h3>", file);
	bench_html_sizes(file, first);
	(void)fputs("</h3>\n<p class=\"dim\">", file);
	if (!units)
		bench_html(file, first->unit);
	(void)fputs(units ? "medians of " : ", medians of ", file);
	if (group->least_repeats == group->most_repeats)
		(void)fprintf(file, "%u", group->most_repeats);
	else
		(void)fprintf(file, "%u to %u", group->least_repeats, group->most_repeats);
	(void)fputs(
		"; below each its range, and its ratio to the best</p>\n<div class=\"scroll\"><table>\n",
		file);
	if (group->column_count > COLUMNS_SHOWN && group->row_count <= LINES_SUBJECTS)
		print_lines(file, group, units);
	else
		print_rows(file, group, units);
	(void)fputs("</table></div>\n", file);
}
