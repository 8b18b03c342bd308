/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Where calm loses: each column in which another's best figure is ahead of calm's best by more
 * than the column's tie. Made from the results alone, so that nothing can be left out of it.
 */
#include "bench/report_parts.h"

#include <math.h>
#include <string.h>

struct loss {
	const struct bench_result *ours, *theirs;
	double factor; /* by which calm is behind; INFINITY: a figure of 0 or less has none */
	bool noisy;    /* the column: another run may find it otherwise */
};

struct standing {
	const char *suite;
	size_t ahead, tied, behind;
};

struct losses {
	struct loss *items;
	size_t count;
	struct standing standing;
};

static double factor(const struct bench_result *ours, const struct bench_result *theirs)
{
	double more = ours->better == BENCH_MORE ? theirs->median : ours->median;
	double less = ours->better == BENCH_MORE ? ours->median : theirs->median;

	return less > 0 && !bench_in_points(ours) ? more / less : INFINITY;
}

static int worst_first(const void *a, const void *b)
{
	double x = ((const struct loss *)a)->factor, y = ((const struct loss *)b)->factor;

	return (x < y) - (x > y);
}

static void judge(struct losses *losses, const struct bench_ranking *ranking)
{
	if (ranking->ours == NULL || ranking->theirs == NULL)
		return;
	if (ranking->rank > 1)
		losses->items[losses->count++] = (struct loss){
			.ours = ranking->ours,
			.theirs = ranking->theirs,
			.factor = factor(ranking->ours, ranking->theirs),
			.noisy = ranking->tie.noisy};
	losses->standing.behind += ranking->rank > 1;
	bool tied = ranking->rank == 1 &&
		    bench_tied(ranking->ours, ranking->theirs, ranking->tie.within);
	losses->standing.tied += tied;
	losses->standing.ahead += ranking->rank == 1 && !tied;
}

/* The losses of a suite; items has room for a column each. */
static void collect(struct losses *losses, const struct bench_results *results, const char *suite)
{
	struct bench_group *group = bench_alloc(sizeof *group);
	const struct bench_result *first;
	struct bench_ranking ranking;

	losses->standing = (struct standing){.suite = suite};
	losses->count = 0;
	for (size_t i = 0; (first = bench_group_first(results, suite, i)) != NULL; i++) {
		bench_group_fill(group, results, first);
		for (size_t c = 0; c < group->column_count; c++) {
			if (bench_rank(group, c, &ranking))
				judge(losses, &ranking);
		}
	}
	if (losses->count > 0)
		qsort(losses->items, losses->count, sizeof *losses->items, worst_first);
	free(group);
}

static void print_figure(FILE *file, const struct bench_result *result)
{
	(void)fprintf(file, "<td data-v=\"%.6g\"><b>", result->median);
	bench_html_figure(file, result->median);
	(void)fputs("</b><small>", file);
	bench_html_range(file, result);
	(void)fputs("</small><small>", file);
	bench_html(file, result->subject);
	(void)fputs("</small></td>", file);
}

static void print_loss(FILE *file, const struct loss *loss)
{
	const struct bench_result *ours = loss->ours;

	(void)fputs("<tr><th>", file);
	bench_html(file, ours->workload);
	(void)fputs(*ours->keys != '\0' ? " " : "", file);
	bench_html(file, ours->keys);
	(void)fputs(*ours->what != '\0' ? " " : "", file);
	bench_html(file, ours->what);
	(void)fputs(", ", file);
	bench_html(file, ours->unit);
	(void)fputs("<small>", file);
	bench_html_sizes(file, ours);
	(void)fputs("</small></th>", file);
	if (isfinite(loss->factor))
		(void)fprintf(file, "<td data-v=\"%.6g\"><b>%.*f \xc3\x97</b>", loss->factor,
			      loss->factor >= 100 ? 0 : 2, loss->factor);
	else {
		(void)fputs("<td data-v=\"1e300\"><b>", file);
		bench_html_figure(file, fabs(ours->median - loss->theirs->median));
		(void)fprintf(file, "</b><small>%s</small>",
			      bench_in_points(ours) ? "points" : "apart");
	}
	(void)fputs(loss->noisy ? "<small>noisy</small></td>" : "</td>", file);
	print_figure(file, ours);
	print_figure(file, loss->theirs);
	(void)fputs("</tr>\n", file);
}

static void print_losses(FILE *file, const struct losses *losses)
{
	(void)fputs("<h3>", file);
	bench_html(file, losses->standing.suite);
	(void)fputs(
		"</h3>\n<div class=\"scroll\"><table>\n<thead><tr><th>figure</th><th>behind by</th><th>calm&#39;s best</th>"
		"<th>the best</th></tr></thead>\n<tbody>\n",
		file);
	for (size_t i = 0; i < losses->count; i++)
		print_loss(file, &losses->items[i]);
	(void)fputs("</tbody>\n</table></div>\n", file);
}

/* Whether the suite has begun before item i. */
static bool begun(const struct bench_results *results, size_t i)
{
	for (size_t before = 0; before < i; before++) {
		if (strcmp(results->items[before].suite, results->items[i].suite) == 0)
			return true;
	}
	return false;
}

void bench_html_losses(FILE *file, const struct bench_results *results)
{
	struct losses losses = {.items = bench_alloc(results->count * sizeof *losses.items)};
	size_t contests = 0, behind = 0;

	(void)fputs(
		"<p class=\"dim\">Columns that calm and others share, calm&#39;s best kind "
		"against the best of the others.</p>\n<div class=\"scroll\"><table>\n<thead><tr><th>suite</th><th>ahead</th><th>tied</th>"
		"<th>behind</th></tr></thead>\n<tbody>\n",
		file);
	for (size_t i = 0; i < results->count; i++) {
		if (begun(results, i))
			continue;
		collect(&losses, results, results->items[i].suite);
		const struct standing *at = &losses.standing;
		if (at->ahead + at->tied + at->behind == 0)
			continue;
		contests++;
		behind += at->behind;
		(void)fputs("<tr><th>", file);
		bench_html(file, at->suite);
		(void)fprintf(file, "</th><td>%zu</td><td>%zu</td><td>%zu</td></tr>\n", at->ahead,
			      at->tied, at->behind);
	}
	(void)fputs("</tbody>\n</table></div>\n", file);
	if (contests == 0)
		(void)fputs("<p>No column of this run has both calm and another library.</p>\n",
			    file);
	else if (behind == 0)
		(void)fputs("<p>In no column is another ahead beyond the tie.</p>\n", file);
	for (size_t i = 0; behind > 0 && i < results->count; i++) {
		if (begun(results, i))
			continue;
		collect(&losses, results, results->items[i].suite);
		if (losses.count > 0)
			print_losses(file, &losses);
	}
	free(losses.items);
}
