/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * How long single operations take, half of them gets, half puts, with 2 threads and with more than
 * there are cores.
 *
 *	wake   op   op   op  …  op     sleep                    wake
 *	|------|----|----|------|                               |---
 *	       intended every GAP ns from the wake on
 *
 * A thread wakes every PERIOD and does a burst on a schedule. An operation's latency counts from
 * when it was due, not from when it was begun, so one that stands still makes those behind it late:
 * no coordinated omission. How late the timer woke the thread is nobody's doing and is not counted.
 * The row "null" has the scheduler and the clock alone.
 *
 * Rejected: operations at full speed, each timed from its own begin (what waits behind a stall is
 * never counted), and a schedule across sleeps (the timer's 50 us would be all that is seen).
 */
#include "bench/adapter.h"
#include "bench/suites.h"

#include <stdlib.h>

#define SUITE "latency"
#define BURST 64
#define GAP 2000
#define PERIOD (2 * BENCH_MS)

struct pace {
	const struct bench_instance *instance;
	const struct bench_stream *stream;
	struct kit_hist *hists; /* a thread each */
};

static void burst(struct bench_worker *worker, const struct pace *pace, void *thread, size_t at)
{
	const struct bench_subject *subject = pace->instance->subject;
	struct kit_hist *hist = &pace->hists[worker->number];
	bool counted = bench_phase(worker) == BENCH_MEASURED;
	uint64_t due = kit_now_ns();

	for (size_t i = 0; i < BURST; i++, due += GAP) {
		uint64_t word = pace->stream->words[(at + i) % pace->stream->count],
			 key = word & BENCH_KEY_MASK;
		uint64_t value;
		while (kit_now_ns() < due)
			;
		if (word >> 62 == BENCH_GET)
			(void)subject->get(pace->instance->map, thread, key, &value);
		else
			(void)subject->put(pace->instance->map, thread, key, bench_value(key, i));
		uint64_t now = kit_now_ns();
		if (counted)
			kit_hist_record(hist, now - due);
	}
}

static void body(struct bench_worker *worker)
{
	const struct pace *pace = worker->context;
	const struct bench_instance *instance = pace->instance;
	void *thread = bench_enter(instance->subject, instance->map);
	struct kit_random random;

	kit_random_seed(&random, worker->number);
	do {
		burst(worker, pace, thread, kit_random_below(&random, pace->stream->count));
		bench_sleep(PERIOD);
	} while (bench_worker_tick(worker, BURST));
	bench_leave(instance->subject, instance->map, thread);
}

static const struct {
	const char *name;
	double percent;
} figures[] = {{"p50", 50}, {"p99", 99}, {"p99.9", 99.9}, {"max", 100}};

#define FIGURES (sizeof figures / sizeof *figures)

static bool run_once(struct bench *bench, const struct bench_instance *instance,
		     const struct bench_stream *stream, unsigned threads,
		     struct bench_samples samples[FIGURES])
{
	struct pace pace = {.instance = instance, .stream = stream};
	struct bench_role role = {.body = body, .context = &pace, .threads = threads};
	uint64_t ns = bench_slice_ns(bench, 250 * BENCH_MS, 1000 * BENCH_MS);

	pace.hists = calloc(threads, sizeof *pace.hists);
	if (pace.hists == NULL)
		return false;
	for (unsigned i = 0; i < threads; i++)
		kit_hist_init(&pace.hists[i]);
	bool done = bench_run(bench, &role, 1, ns / 5, ns) > 0;
	for (unsigned i = 1; i < threads; i++)
		kit_hist_merge(&pace.hists[0], &pace.hists[i]);
	for (size_t f = 0; done && f < FIGURES; f++)
		bench_sample(&samples[f],
			     (double)kit_hist_percentile(&pace.hists[0], figures[f].percent));
	free(pace.hists);
	return done;
}

static bool chosen(const struct bench_subject *subject)
{
	return bench_is_local(subject) && !subject->ordered &&
	       !(bench_is_kind(subject) && subject->kind->ordered);
}

static void run_threads(struct bench *bench, struct bench_instance *instances, size_t count,
			unsigned threads, const struct bench_stream *stream, double base)
{
	struct bench_samples(*samples)[FIGURES] = calloc(count, sizeof *samples);
	unsigned repeats = bench_repeats(bench, 3, 5);

	for (unsigned r = 0; samples != NULL && r < repeats; r++) {
		for (size_t i = 0; i < count && !bench->stopped(); i++) {
			size_t s = (i + r) % count;
			bench->progress(SUITE, instances[s].subject->name,
					base + 0.5 * (double)(r * count + i) /
							(double)(repeats * count));
			(void)run_once(bench, &instances[s], stream, threads, samples[s]);
		}
	}
	for (size_t s = 0; samples != NULL && s < count; s++) {
		for (size_t f = 0; f < FIGURES; f++) {
			struct bench_result result = {.suite = SUITE,
						      .workload = "g50u50",
						      .what = figures[f].name,
						      .keys = "uniform",
						      .entries = instances[s].entries,
						      .threads = threads,
						      .unit = "ns",
						      .better = BENCH_LESS};
			bench_add(bench, &result, instances[s].subject, &samples[s][f]);
		}
	}
	free(samples);
}

void bench_suite_latency(struct bench *bench)
{
	uint64_t entries = bench_entries(bench, 1000000, 1000000);
	struct bench_instance instances[BENCH_SUBJECTS_MAX + 1];
	struct bench_stream stream;
	size_t count = 0;

	if (!bench_stream_make(&stream, &bench_workloads[2], KIT_UNIFORM, entries)) {
		bench_refuse(bench, SUITE, "out of memory");
		return;
	}
	for (size_t i = 0; i < bench->subject_count && !bench->stopped(); i++) {
		if (bench->subjects[i]->slice != NULL)
			bench_say(bench, SUITE,
				  "%s: not measured: it runs in a process of its own, by batches",
				  bench->subjects[i]->name);
		if (chosen(bench->subjects[i]) &&
		    bench_instance_make(bench, SUITE, &instances[count], bench->subjects[i],
					entries, entries))
			count++;
	}
	if (bench_instance_make(bench, SUITE, &instances[count], &bench_null, 0, 0))
		instances[count++].entries = entries;
	run_threads(bench, instances, count, 2, &stream, 0);
	run_threads(bench, instances, count, 16, &stream, 0.5);
	for (size_t i = 0; i < count; i++)
		bench_instance_free(&instances[i]);
	bench_stream_free(&stream);
}
