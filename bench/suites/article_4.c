/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The article's tables 4.1 and 4.2: ways to traverse while another thread writes, by traversals a
 * second, their P99, what the writer loses, and memory.
 *
 *	4.1  full copy: a snapshot of lockmap, which copies the table
 *	     range callback: a range over treemap's snapshot
 *	4.2  full copy likewise; rebuild: deltamap's base is made anew before each traversal
 *	     delta: a snapshot of deltamap, 1 % changed
 *
 * A traversal of the article's 4.1 cannot be one of all 1 M keys: 41 700 a second would be 24 ps a
 * key. It is run as a range of 100 keys where the map has ranges, and of everything where it has
 * none, and the entries visited a traversal are told. The same walker and the same writer for every
 * row; lost is against the writer alone, in slices by turns.
 */
#include "bench/suites.h"

#include <calm/snapshot.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RANGE 100

enum figure { RATE, P99, VISITED, ALONE, BESIDE, LOST, MEMORY, FIGURES };

static const struct {
	const char *what, *unit;
	enum bench_better better;
} figures[FIGURES] = {
	[RATE] = {"traversals", "/s", BENCH_MORE},      [P99] = {"p99", "ms", BENCH_LESS},
	[VISITED] = {"visited", "entries", BENCH_MORE}, [ALONE] = {"writes", "kops/s", BENCH_MORE},
	[BESIDE] = {"w/ walker", "kops/s", BENCH_MORE}, [LOST] = {"lost", "%", BENCH_LESS},
	[MEMORY] = {"memory", "x", BENCH_LESS},
};

enum traversal { ALL, OF_RANGE, REBUILD };

struct way {
	const char *suite, *name, *kind;
	enum traversal traversal;
	const char *claims[FIGURES];
};

static const struct way ways[] = {
	{"article-4.1",
	 "calm lockmap full copy",
	 "lockmap",
	 ALL,
	 {[RATE] = "12 400/s", [P99] = "86.3 ms", [LOST] = "38 %"}},
	{"article-4.1",
	 "calm treemap range",
	 "treemap",
	 OF_RANGE,
	 {[RATE] = "41 700/s", [P99] = "9.1 ms", [LOST] = "2.1 %"}},
	{"article-4.1",
	 "calm treemap all",
	 "treemap",
	 ALL,
	 {[RATE] = "41 700/s", [P99] = "9.1 ms", [LOST] = "2.1 %"}},
	{"article-4.1", "calm hashmap snapshot", "hashmap", ALL, {[RATE] = NULL}},
	{"article-4.2",
	 "calm lockmap full copy",
	 "lockmap",
	 ALL,
	 {[P99] = "82 ms", [MEMORY] = "2.0 x"}},
	{"article-4.2", "calm deltamap rebuild", "deltamap", REBUILD, {[P99] = "82 ms"}},
	{"article-4.2", "calm deltamap", "deltamap", ALL, {[P99] = "3.1 ms", [MEMORY] = "1.05 x"}},
	{"article-4.2", "calm hashmap snapshot", "hashmap", ALL, {[P99] = NULL}},
};

struct run {
	const struct way *way;
	calm_map *map;
	const struct bench_stream *stream;
	uint64_t touched; /* indices the writer writes: below this */
	struct kit_hist *hist;
	uint64_t visited, walks, most_bytes;
};

static int visit(calm_key key, void *value, void *context)
{
	(void)key;
	(void)value;
	return ++*(uint64_t *)context == RANGE ? 1 : 0;
}

static int visit_all(calm_key key, void *value, void *context)
{
	(void)key;
	(void)value;
	++*(uint64_t *)context;
	return 0;
}

static void walk(struct bench_worker *worker)
{
	struct run *run = worker->context;
	struct kit_random random;

	kit_random_seed(&random, 7);
	do {
		uint64_t n = 0, began = kit_now_ns();
		calm_snapshot *snapshot;
		calm_stats stats;
		if (run->way->traversal == REBUILD && calm_deltamap_compact(run->map) != CALM_OK)
			continue;
		if (calm_map_snapshot(run->map, &snapshot) != CALM_OK)
			continue;
		calm_key from = calm_word(
			run->stream->words[kit_random_below(&random, run->stream->count)] &
			BENCH_KEY_MASK);
		if (run->way->traversal == OF_RANGE)
			(void)calm_snapshot_range(snapshot, &from, NULL, visit, &n);
		else
			(void)calm_snapshot_each(snapshot, visit_all, &n);
		if (run->way->traversal != OF_RANGE || run->walks % 1024 == 0) {
			calm_map_stats(run->map, &stats);
			run->most_bytes = stats.bytes > run->most_bytes ? stats.bytes
									: run->most_bytes;
		}
		calm_snapshot_close(snapshot);
		kit_hist_record(run->hist, kit_now_ns() - began);
		run->visited += n;
		run->walks++;
	} while (bench_worker_tick(worker, 1));
}

static void write_body(struct bench_worker *worker)
{
	struct run *run = worker->context;
	struct kit_random random;
	uint64_t version = 0;

	kit_random_seed(&random, kit_now_ns());
	do {
		uint64_t key = bench_key(kit_random_below(&random, run->touched));
		(void)calm_map_store(run->map, calm_word(key),
				     (void *)(uintptr_t)bench_value(key, version++));
	} while (bench_worker_tick(worker, 1));
}

static void run_once(struct bench *bench, struct run *run, struct bench_samples samples[FIGURES])
{
	struct bench_role alone = {.body = write_body, .context = run, .threads = 1};
	struct bench_role roles[] = {{.body = write_body, .context = run, .threads = 1},
				     {.body = walk, .context = run, .threads = 1}};
	uint64_t ns = bench_slice_ns(bench, 300 * BENCH_MS, BENCH_S);
	calm_stats quiet;

	(void)calm_read_wait();
	calm_map_stats(run->map, &quiet);
	kit_hist_init(run->hist);
	run->visited = run->walks = run->most_bytes = 0;
	uint64_t elapsed = bench_run(bench, &alone, 1, ns / 5, ns);
	uint64_t together = elapsed > 0 ? bench_run(bench, roles, 2, ns / 5, ns) : 0;
	if (together == 0 || run->walks == 0)
		return;
	double before = (double)alone.ops * 1e6 / (double)elapsed;
	double beside = (double)roles[0].ops * 1e6 / (double)together;
	double rate = (double)roles[1].ops * 1e9 / (double)together;
	bench_sample(&samples[RATE], rate > 0 ? rate : 1e9 / kit_hist_mean(run->hist));
	bench_sample(&samples[P99], (double)kit_hist_percentile(run->hist, 99) / 1e6);
	bench_sample(&samples[VISITED], (double)run->visited / (double)run->walks);
	bench_sample(&samples[ALONE], before);
	bench_sample(&samples[BESIDE], beside);
	bench_sample(&samples[LOST], 100 * (1 - beside / before));
	bench_sample(&samples[MEMORY], (double)run->most_bytes / (double)quiet.bytes);
}

static void report(struct bench *bench, const struct way *way, uint64_t entries,
		   const struct bench_samples samples[FIGURES])
{
	for (int f = 0; f < FIGURES; f++) {
		struct bench_result result = {.suite = way->suite,
					      .workload = "traverse",
					      .what = figures[f].what,
					      .entries = entries,
					      .threads = 2,
					      .unit = figures[f].unit,
					      .claim = way->claims[f],
					      .better = figures[f].better,
					      .calm = true};
		(void)snprintf(result.subject, sizeof result.subject, "%s", way->name);
		bench_add(bench, &result, NULL, &samples[f]);
	}
}

/* The subject of a kind, if it was chosen. */
static const struct bench_subject *subject_of(const struct bench *bench, const char *kind)
{
	for (size_t s = 0; s < bench->subject_count; s++) {
		const struct bench_subject *subject = bench->subjects[s];
		if (bench_is_kind(subject) && strcmp(subject->kind->name, kind) == 0)
			return subject;
	}
	return NULL;
}

static void run_suite(struct bench *bench, const char *suite, double touched)
{
	uint64_t entries = bench_entries(bench, 200000, 1000000);
	struct run run = {.touched = (uint64_t)ceil(touched * (double)entries)};
	struct bench_stream stream;

	run.hist = malloc(sizeof *run.hist);
	if (run.hist == NULL ||
	    !bench_stream_make(&stream, &bench_workloads[0], KIT_UNIFORM, entries)) {
		bench_refuse(bench, suite, "out of memory");
		free(run.hist);
		return;
	}
	run.stream = &stream;
	for (size_t w = 0; w < sizeof ways / sizeof *ways && !bench->stopped(); w++) {
		const struct bench_subject *subject = subject_of(bench, ways[w].kind);
		struct bench_samples samples[FIGURES] = {{.count = 0}};
		struct bench_instance instance;
		if (strcmp(ways[w].suite, suite) != 0)
			continue;
		if (subject == NULL) {
			bench_say(bench, suite, "%s: %s", ways[w].name,
				  kit_kind_exists(kit_kind_find(ways[w].kind))
					  ? "not chosen"
					  : "this build has no such kind yet");
			continue;
		}
		if (!bench_instance_make(bench, suite, &instance, subject, entries, entries))
			continue;
		run.way = &ways[w];
		run.map = instance.map;
		(void)calm_deltamap_compact(run.map); /* of a deltamap: all that was loaded */
		unsigned repeats = bench_repeats(bench, 3, 5);
		for (unsigned r = 0; r < repeats && !bench->stopped(); r++) {
			bench->progress(suite, ways[w].name,
					((double)w + (double)r / repeats) /
						(sizeof ways / sizeof *ways));
			run_once(bench, &run, samples);
		}
		report(bench, &ways[w], entries, samples);
		bench_instance_free(&instance);
	}
	bench_stream_free(&stream);
	free(run.hist);
}

void bench_suite_article_4_1(struct bench *bench)
{
	run_suite(bench, "article-4.1", 1);
	bench_say(bench, "article-4.1",
		  "the article's traversals a second cannot be of 1 M keys each: 12 400/s would "
		  "be 81 ps a key");
}

void bench_suite_article_4_2(struct bench *bench)
{
	run_suite(bench, "article-4.2", 0.01);
	bench_say(
		bench, "article-4.2",
		"the writer writes 1 %% of the entries; memory: the most while a snapshot is open "
		"against the quiet map");
}
