/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Ordered maps with 16-byte keys: get and 50/50, ranges of 100 keys at one instant, the same beside
 * a writer at full speed and that writer's rate, and a full scan.
 */
#include "bench/adapter.h"
#include "bench/suites.h"

#include <math.h>
#include <stdlib.h>

#define SUITE "ordered"
#define RANGE 100

enum figure { GET1, GET2, MIX1, MIX2, RANGE1, RANGE2, BESIDE, WRITER, SCAN, FIGURES };

static const struct {
	const char *workload, *what, *unit;
	unsigned threads;
	enum bench_better better;
} figures[FIGURES] = {
	[GET1] = {"get", "", "Mops/s", 1, BENCH_MORE},
	[GET2] = {"get", "", "Mops/s", 2, BENCH_MORE},
	[MIX1] = {"g50u50", "", "Mops/s", 1, BENCH_MORE},
	[MIX2] = {"g50u50", "", "Mops/s", 2, BENCH_MORE},
	[RANGE1] = {"range100", "", "kops/s", 1, BENCH_MORE},
	[RANGE2] = {"range100", "", "kops/s", 2, BENCH_MORE},
	[BESIDE] = {"range100", "w/ writer", "kops/s", 1, BENCH_MORE},
	[WRITER] = {"put", "w/ ranges", "Mops/s", 1, BENCH_MORE},
	[SCAN] = {"scan", "", "ms", 1, BENCH_LESS},
};

struct row {
	struct bench_instance instance;
	struct bench_samples samples[FIGURES];
};

struct run {
	struct row *row;
	const struct bench_stream *stream;
	_Atomic uint64_t wrong;
};

struct ascending {
	unsigned char last[16];
	uint64_t wrong;
};

static int check_order(uint64_t key, uint64_t value, void *context)
{
	struct ascending *ascending = context;
	unsigned char wide[16];

	bench_wide_key(key, wide);
	ascending->wrong += !bench_value_fits(key, value) ||
			    __builtin_memcmp(wide, ascending->last, 16) <= 0;
	__builtin_memcpy(ascending->last, wide, 16);
	return 0;
}

static void ranger(struct bench_worker *worker)
{
	struct run *run = worker->context;
	const struct bench_instance *instance = &run->row->instance;
	void *thread = bench_enter(instance->subject, instance->map);
	struct kit_random random;
	uint64_t wrong = 0;

	kit_random_seed(&random, worker->number);
	do {
		struct ascending ascending = {.wrong = 0};
		uint64_t from = run->stream->words[kit_random_below(&random, run->stream->count)] &
				BENCH_KEY_MASK;
		size_t n = instance->subject->range(instance->map, thread, from, RANGE, check_order,
						    &ascending);
		wrong += ascending.wrong + (n == 0);
	} while (bench_worker_tick(worker, 1));
	run->wrong += wrong;
	bench_leave(instance->subject, instance->map, thread);
}

static void writer(struct bench_worker *worker)
{
	struct run *run = worker->context;
	const struct bench_instance *instance = &run->row->instance;
	void *thread = bench_enter(instance->subject, instance->map);
	struct kit_random random;
	uint64_t version = 0;

	kit_random_seed(&random, 1000);
	do {
		uint64_t key = run->stream->words[kit_random_below(&random, run->stream->count)] &
			       BENCH_KEY_MASK;
		(void)instance->subject->put(instance->map, thread, key,
					     bench_value(key, version++));
	} while (bench_worker_tick(worker, 1));
	bench_leave(instance->subject, instance->map, thread);
}

static double a_second(uint64_t ops, uint64_t ns)
{
	return ns > 0 ? (double)ops * 1e9 / (double)ns : NAN;
}

static double scan_ms(const struct bench_instance *instance, uint64_t *wrong)
{
	void *thread = bench_enter(instance->subject, instance->map);
	struct ascending ascending = {.wrong = 0};
	uint64_t began = kit_now_ns();
	size_t n = instance->subject->walk(instance->map, thread, check_order, &ascending);
	double ms = (double)(kit_now_ns() - began) / 1e6;

	*wrong += ascending.wrong + (n != instance->entries);
	bench_leave(instance->subject, instance->map, thread);
	return ms;
}

static void run_ranges(struct bench *bench, struct run *run, uint64_t ns)
{
	struct bench_samples *samples = run->row->samples;

	for (unsigned threads = 1; threads <= 2; threads++) {
		struct bench_role role = {.body = ranger, .context = run, .threads = threads};
		uint64_t elapsed = bench_run(bench, &role, 1, ns / 5, ns);
		bench_sample(&samples[threads == 1 ? RANGE1 : RANGE2],
			     a_second(role.ops, elapsed) / 1e3);
	}
	struct bench_role roles[] = {{.body = ranger, .context = run, .threads = 1},
				     {.body = writer, .context = run, .threads = 1}};
	uint64_t elapsed = bench_run(bench, roles, 2, ns / 5, ns);
	bench_sample(&samples[BESIDE], a_second(roles[0].ops, elapsed) / 1e3);
	bench_sample(&samples[WRITER], a_second(roles[1].ops, elapsed) / 1e6);
}

static void run_row(struct bench *bench, struct row *row, const struct bench_stream *gets,
		    const struct bench_stream *mix)
{
	struct run run = {.row = row, .stream = gets};
	uint64_t ns = bench_slice_ns(bench, 100 * BENCH_MS, 500 * BENCH_MS), wrong = 0;

	for (unsigned threads = 1; threads <= 2; threads++)
		bench_sample(&row->samples[threads == 1 ? GET1 : GET2],
			     bench_slice(bench, &row->instance, gets, threads, ns / 5, ns) / 1e6);
	if (!bench->stopped())
		bench_check(bench, SUITE, &row->instance, &bench_workloads[0]);
	for (unsigned threads = 1; threads <= 2; threads++)
		bench_sample(&row->samples[threads == 1 ? MIX1 : MIX2],
			     bench_slice(bench, &row->instance, mix, threads, ns / 5, ns) / 1e6);
	if (!bench->stopped())
		bench_check(bench, SUITE, &row->instance, &bench_workloads[2]);
	run_ranges(bench, &run, ns);
	bench_sample(&row->samples[SCAN], scan_ms(&row->instance, &wrong));
	if (run.wrong + wrong > 0)
		bench_refuse(bench, SUITE,
			     "%s: %llu bindings of ranges or scans were wrong or out of order",
			     row->instance.subject->name, (unsigned long long)(run.wrong + wrong));
}

static void report(struct bench *bench, const struct row *row)
{
	for (size_t f = 0; f < FIGURES; f++) {
		struct bench_result result = {.suite = SUITE,
					      .what = figures[f].what,
					      .keys = "uniform",
					      .entries = row->instance.entries,
					      .threads = figures[f].threads,
					      .unit = figures[f].unit,
					      .better = figures[f].better};
		(void)snprintf(result.workload, sizeof result.workload, "%s", figures[f].workload);
		bench_add(bench, &result, row->instance.subject, &row->samples[f]);
	}
}

void bench_suite_ordered(struct bench *bench)
{
	uint64_t entries = bench_entries(bench, 200000, 1000000);
	unsigned repeats = bench_repeats(bench, 3, 5);
	struct row *rows = calloc(BENCH_SUBJECTS_MAX, sizeof *rows);
	struct bench_stream gets = {.file = -1}, mix = {.file = -1};
	size_t count = 0;

	if (rows == NULL || !bench_stream_make(&gets, &bench_workloads[0], KIT_UNIFORM, entries) ||
	    !bench_stream_make(&mix, &bench_workloads[2], KIT_UNIFORM, entries)) {
		bench_refuse(bench, SUITE, "out of memory");
		goto out;
	}
	if (!bench_subject_exists(&bench_calm_tree))
		bench_say(bench, SUITE, "no calm kind yet: this build has no treemap");
	for (size_t s = 0; s < bench->subject_count && !bench->stopped(); s++) {
		const struct bench_subject *subject = bench->subjects[s];
		if (bench_is_kind(subject) && subject->kind->ordered)
			subject = &bench_calm_tree;
		if (subject->ordered && bench_instance_make(bench, SUITE, &rows[count].instance,
							    subject, entries, entries))
			count++;
	}
	for (unsigned r = 0; r < repeats; r++) {
		for (size_t i = 0; i < count && !bench->stopped(); i++) {
			struct row *row = &rows[(i + r) % count];
			bench->progress(SUITE, row->instance.subject->name,
					(double)(r * count + i) / (double)(repeats * count));
			run_row(bench, row, &gets, &mix);
		}
	}
	for (size_t i = 0; i < count; i++) {
		report(bench, &rows[i]);
		if (!bench->stopped())
			bench_check_size(bench, SUITE, &rows[i].instance);
		bench_instance_free(&rows[i].instance);
	}
out:
	bench_stream_free(&gets);
	bench_stream_free(&mix);
	free(rows);
}
