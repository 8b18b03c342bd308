/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Groups and rankings; promises: report.h. */
#include "bench/report.h"

#include <math.h>
#include <string.h>

bool bench_group_same(const struct bench_result *a, const struct bench_result *b)
{
	return strcmp(a->suite, b->suite) == 0 && a->entries == b->entries &&
	       a->threads == b->threads;
}

static bool same_column(const struct bench_result *a, const struct bench_result *b)
{
	return strcmp(a->workload, b->workload) == 0 && strcmp(a->keys, b->keys) == 0 &&
	       strcmp(a->what, b->what) == 0 && strcmp(a->unit, b->unit) == 0;
}

const struct bench_result *bench_group_first(const struct bench_results *results, const char *suite,
					     size_t i)
{
	size_t seen = 0;

	for (size_t r = 0; r < results->count; r++) {
		const struct bench_result *result = &results->items[r];
		size_t before = 0;
		if (suite != NULL && strcmp(result->suite, suite) != 0)
			continue;
		while (before < r && !bench_group_same(&results->items[before], result))
			before++;
		if (before == r && seen++ == i)
			return result;
	}
	return NULL;
}

static const char *suite_of(const struct bench_results *results, size_t i)
{
	return i < results->count ? results->items[i].suite
				  : results->notes[i - results->count].suite;
}

const char *bench_suite_present(const struct bench_results *results, size_t i)
{
	size_t seen = 0;

	for (size_t r = 0; r < results->count + results->note_count; r++) {
		size_t before = 0;
		while (before < r && strcmp(suite_of(results, before), suite_of(results, r)) != 0)
			before++;
		if (before == r && seen++ == i)
			return suite_of(results, r);
	}
	return NULL;
}

static void add(struct bench_group *group, const struct bench_result *result)
{
	size_t c = 0, r = 0;

	while (c < group->column_count && !same_column(group->columns[c], result))
		c++;
	while (r < group->row_count && strcmp(group->rows[r]->subject, result->subject) != 0)
		r++;
	if (c == BENCH_COLUMNS_MAX || r == BENCH_ROWS_MAX)
		return;
	if (c == group->column_count)
		group->columns[group->column_count++] = result;
	if (r == group->row_count)
		group->rows[group->row_count++] = result;
	if (group->cells[r][c] == NULL)
		group->cells[r][c] = result;
	if (result->repeats < group->least_repeats)
		group->least_repeats = result->repeats;
	if (result->repeats > group->most_repeats)
		group->most_repeats = result->repeats;
}

void bench_group_fill(struct bench_group *group, const struct bench_results *results,
		      const struct bench_result *first)
{
	memset(group, 0, sizeof *group);
	group->least_repeats = UINT32_MAX;
	for (int bare = 0; bare <= 1; bare++) {
		for (size_t i = 0; i < results->count; i++) {
			const struct bench_result *result = &results->items[i];
			if (bench_group_same(result, first) && result->bare == (bare == 1))
				add(group, result);
		}
	}
}

static bool better(const struct bench_result *a, const struct bench_result *b)
{
	if (b == NULL)
		return true;
	return a->better == BENCH_MORE ? a->median > b->median : a->median < b->median;
}

bool bench_rank(const struct bench_group *group, size_t column, struct bench_ranking *ranking)
{
	memset(ranking, 0, sizeof *ranking);
	for (size_t r = 0; r < group->row_count; r++) {
		const struct bench_result *result = group->cells[r][column];
		if (result == NULL || result->bare || !isfinite(result->median))
			continue;
		const struct bench_result **side = result->calm ? &ranking->ours : &ranking->theirs;
		ranking->results[ranking->count++] = result;
		if (better(result, *side))
			*side = result;
		if (better(result, ranking->best))
			ranking->best = result;
	}
	ranking->tie = bench_tie(ranking->results, ranking->count);
	if (ranking->ours == NULL)
		return ranking->count > 0;
	ranking->rank = 1;
	for (size_t i = 0; i < ranking->count; i++) {
		const struct bench_result *result = ranking->results[i];
		ranking->rank += !result->calm && better(result, ranking->ours) &&
				 !bench_tied(result, ranking->ours, ranking->tie.within);
	}
	return true;
}

bool bench_contest(const struct bench_group *group)
{
	struct bench_ranking ranking;

	for (size_t c = 0; c < group->column_count; c++) {
		if (bench_rank(group, c, &ranking) && ranking.ours != NULL &&
		    ranking.theirs != NULL)
			return true;
	}
	return false;
}
