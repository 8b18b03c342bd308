/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The list of results and notes, and what is computed from repeats.
 *
 * Rejected: mean and standard deviation. A neighbour's burst moves both; the median of five it
 * cannot move, and the range shows it.
 */
#include "bench/bench.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIE_LEAST 0.03
#define TIE_MOST 0.30
#define TIE_POINTS_LEAST 1
#define TIE_POINTS_MOST 10

void bench_sample(struct bench_samples *samples, double value)
{
	if (isfinite(value) && samples->count < BENCH_REPEATS_MAX)
		samples->at[samples->count++] = value;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct bench_samples sorted(const struct bench_samples *samples)
{
	struct bench_samples copy = *samples;

	qsort(copy.at, copy.count, sizeof *copy.at, ascending);
	return copy;
}

static double middle(const struct bench_samples *copy)
{
	unsigned n = copy->count;

	if (n == 0)
		return NAN;
	return n % 2 == 1 ? copy->at[n / 2] : (copy->at[n / 2 - 1] + copy->at[n / 2]) / 2;
}

double bench_median(const struct bench_samples *samples)
{
	struct bench_samples copy = sorted(samples);

	return middle(&copy);
}

/* Room for one more of size bytes in a list. */
static void *grown(void *items, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return items;
	size_t wanted = *room > 0 ? 2 * *room : 64;
	void *more = bench_alloc(wanted * size);
	if (count > 0)
		memcpy(more, items, count * size);
	free(items);
	*room = wanted;
	return more;
}

void bench_add(struct bench *bench, const struct bench_result *prototype,
	       const struct bench_subject *subject, const struct bench_samples *samples)
{
	struct bench_results *results = &bench->results;
	struct bench_samples copy = sorted(samples);

	if (copy.count == 0)
		return;
	results->items = grown(results->items, results->count, &results->room,
			       sizeof *results->items);
	struct bench_result *result = &results->items[results->count++];
	*result = *prototype;
	result->median = middle(&copy);
	result->min = copy.at[0];
	result->max = copy.at[copy.count - 1];
	result->repeats = copy.count;
	if (result->keys == NULL)
		result->keys = "";
	if (result->what == NULL)
		result->what = "";
	if (subject != NULL) {
		if (result->subject[0] == '\0')
			(void)snprintf(result->subject, sizeof result->subject, "%s",
				       subject->name);
		result->calm = subject->kind != NULL;
		result->bare = subject->bare;
	}
}

static void note(struct bench *bench, const char *suite, const char *format, va_list list)
{
	struct bench_results *results = &bench->results;
	char *text = NULL;

	if (vasprintf(&text, format, list) < 0)
		return;
	for (size_t i = 0; i < results->note_count; i++) {
		if (strcmp(results->notes[i].suite, suite) == 0 &&
		    strcmp(results->notes[i].text, text) == 0) {
			free(text);
			return;
		}
	}
	results->notes = grown(results->notes, results->note_count, &results->note_room,
			       sizeof *results->notes);
	results->notes[results->note_count++] = (struct bench_note){.suite = suite, .text = text};
}

void bench_say(struct bench *bench, const char *suite, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	note(bench, suite, format, list);
	va_end(list);
}

void bench_refuse(struct bench *bench, const char *suite, const char *format, ...)
{
	char *marked = NULL;
	va_list list;

	bench->results.invalid++;
	if (asprintf(&marked, "INVALID: %s", format) < 0)
		return;
	va_start(list, format);
	note(bench, suite, marked, list);
	va_end(list);
	free(marked);
}

void bench_results_free(struct bench_results *results)
{
	for (size_t i = 0; i < results->note_count; i++)
		free(results->notes[i].text);
	free(results->notes);
	free(results->items);
	*results = (struct bench_results){0};
}

bool bench_in_points(const struct bench_result *result)
{
	return strchr(result->unit, '%') != NULL;
}

struct bench_tie bench_tie(const struct bench_result *const column[], size_t count)
{
	struct bench_samples spreads = {.count = 0};
	bool points = count > 0 && bench_in_points(column[0]);
	double least = points ? TIE_POINTS_LEAST : TIE_LEAST;
	double most = points ? TIE_POINTS_MOST : TIE_MOST;

	for (size_t i = 0; i < count; i++) {
		double range = column[i]->max - column[i]->min;
		if (points)
			bench_sample(&spreads, range);
		else if (column[i]->median > 0)
			bench_sample(&spreads, range / column[i]->median);
	}
	double spread = spreads.count > 0 ? bench_median(&spreads) : 0;
	return (struct bench_tie){.within = fmin(fmax(spread, least), most),
				  .spread = spread,
				  .noisy = spread > most};
}

bool bench_tied(const struct bench_result *a, const struct bench_result *b, double within)
{
	bool a_better = a->better == BENCH_MORE ? a->median > b->median : a->median < b->median;
	double best = fabs(a_better ? a->median : b->median);

	return fabs(a->median - b->median) <= (bench_in_points(a) ? within : within * best);
}
