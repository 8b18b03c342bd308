/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What snapshots cost: opening one by the size of the map, writing while one is held open (once
 * warm: after every entry was written once, so that what had to be kept is kept), and opening while
 * many are open. Kinds without snapshots, and peers, which have none, say so.
 */
#include "bench/suites.h"

#include <calm/snapshot.h>
#include <math.h>
#include <stdlib.h>

#define SUITE "snapshot"
#define OPENS 1000
#define OPENS_NS (50 * BENCH_MS)
#define MANY 1000
#define MANY_ENTRIES 10000

static void add(struct bench *bench, const struct bench_instance *instance, const char *workload,
		const char *what, const char *unit, const struct bench_samples *samples)
{
	struct bench_result result = {.suite = SUITE,
				      .what = what,
				      .entries = instance->entries,
				      .threads = 1,
				      .unit = unit,
				      .better = unit[0] == 'n' || unit[0] == '%' ? BENCH_LESS
										 : BENCH_MORE};

	(void)snprintf(result.workload, sizeof result.workload, "%s", workload);
	bench_add(bench, &result, instance->subject, samples);
}

/* The median of up to OPENS opens and closes. NaN: it failed. */
static double open_ns(calm_map *map)
{
	struct bench_samples samples = {.count = 0};
	uint64_t start = kit_now_ns();

	for (int i = 0; i < OPENS && kit_now_ns() - start < OPENS_NS; i++) {
		calm_snapshot *snapshot;
		uint64_t began = kit_now_ns();
		if (calm_map_snapshot(map, &snapshot) != CALM_OK)
			return NAN;
		bench_sample(&samples, (double)(kit_now_ns() - began));
		calm_snapshot_close(snapshot);
	}
	return bench_median(&samples);
}

static void measure_open(struct bench *bench, const struct bench_subject *subject, uint64_t entries)
{
	struct bench_samples samples = {.count = 0};
	struct bench_instance instance;

	if (!bench_instance_make(bench, SUITE, &instance, subject, entries, entries))
		return;
	for (unsigned r = 0; r < bench_repeats(bench, 3, 5) && !bench->stopped(); r++)
		bench_sample(&samples, open_ns(instance.map));
	add(bench, &instance, "open", "", "ns", &samples);
	bench_instance_free(&instance);
}

static void measure_held(struct bench *bench, const struct bench_subject *subject, uint64_t entries)
{
	const struct bench_workload puts = {"put", 0, 100, 0, 0};
	struct bench_samples free_rate = {.count = 0}, held_rate = {.count = 0},
			     loss = {.count = 0};
	uint64_t ns = bench_slice_ns(bench, 100 * BENCH_MS, 300 * BENCH_MS);
	struct bench_stream stream = {.file = -1};
	struct bench_instance instance;

	if (!bench_instance_make(bench, SUITE, &instance, subject, entries, entries))
		return;
	if (!bench_stream_make(&stream, &puts, KIT_UNIFORM, entries)) {
		bench_instance_free(&instance);
		return;
	}
	for (unsigned r = 0; r < bench_repeats(bench, 3, 5) && !bench->stopped(); r++) {
		calm_snapshot *snapshot;
		double alone = bench_slice(bench, &instance, &stream, 1, ns / 5, ns);
		if (calm_map_snapshot(instance.map, &snapshot) != CALM_OK)
			break;
		/* A second at most: a kind of microseconds a write never gets warm. */
		(void)bench_slice(bench, &instance, &stream, 1, 0, ns > BENCH_S / 3 ? ns : 3 * ns);
		double held = bench_slice(bench, &instance, &stream, 1, ns / 5, ns);
		calm_snapshot_close(snapshot);
		bench_sample(&free_rate, alone / 1e6);
		bench_sample(&held_rate, held / 1e6);
		bench_sample(&loss, 100 * (1 - held / alone));
	}
	add(bench, &instance, "put", "none open", "Mops/s", &free_rate);
	add(bench, &instance, "put", "one held", "Mops/s", &held_rate);
	add(bench, &instance, "put", "lost", "%", &loss);
	bench_stream_free(&stream);
	bench_instance_free(&instance);
}

/* Each of the snapshots sees another state. */
static void measure_many(struct bench *bench, const struct bench_subject *subject)
{
	struct bench_samples opens = {.count = 0}, puts = {.count = 0};
	calm_snapshot **held = calloc(MANY, sizeof(calm_snapshot *));
	struct bench_instance instance;

	if (held == NULL ||
	    !bench_instance_make(bench, SUITE, &instance, subject, MANY_ENTRIES, MANY_ENTRIES)) {
		free(held);
		return;
	}
	for (unsigned r = 0; r < bench_repeats(bench, 3, 5) && !bench->stopped(); r++) {
		size_t count = 0;
		uint64_t put_ns = 0;
		for (; count < MANY; count++) {
			uint64_t key = bench_key(count);
			if (calm_map_snapshot(instance.map, &held[count]) != CALM_OK)
				break;
			uint64_t began = kit_now_ns();
			(void)calm_map_store(instance.map, calm_word(key),
					     (void *)(uintptr_t)bench_value(key, r));
			put_ns += kit_now_ns() - began;
		}
		bench_sample(&opens, open_ns(instance.map));
		bench_sample(&puts, (double)put_ns / (double)(count > 0 ? count : 1));
		while (count > 0)
			calm_snapshot_close(held[--count]);
	}
	add(bench, &instance, "open", "1000 open", "ns", &opens);
	add(bench, &instance, "put", "first write", "ns", &puts);
	bench_instance_free(&instance);
	free(held);
}

void bench_suite_snapshot(struct bench *bench)
{
	static const uint64_t sizes[] = {1000, 100000, 1000000, 10000000};
	size_t size_count = bench->quick ? 3 : 4;
	uint64_t entries = bench_entries(bench, 100000, 1000000);

	for (size_t s = 0; s < bench->subject_count && !bench->stopped(); s++) {
		const struct bench_subject *subject = bench->subjects[s];
		bench->progress(SUITE, subject->name, (double)s / (double)bench->subject_count);
		if (!bench_is_kind(subject) || subject->ordered)
			continue;
		if (!subject->kind->snapshots) {
			bench_say(bench, SUITE, "%s: has no snapshots", subject->name);
			continue;
		}
		for (size_t i = 0; i < size_count && !bench->stopped(); i++) {
			if (bench->entries == 0 || sizes[i] <= bench->entries)
				measure_open(bench, subject, sizes[i]);
		}
		measure_held(bench, subject, entries);
		measure_many(bench, subject);
	}
	bench_say(bench, SUITE,
		  "no peer here has snapshots; of those listed LMDB does, see ordered");
}
