/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What a traversal costs, and what it and a writer at full speed cost each other. By turns, in
 * every round:
 *
 *	quiet     the walker walks, nobody writes         ms a traversal, ns an entry
 *	alone     one writer puts, uniform keys           Mops/s
 *	reader    beside a thread that reads an array     Mops/s: what company costs at all
 *	beside    beside the walker, walking without end  Mops/s, ms a traversal, longest stall
 *
 * lost: of the writer's rate, beside the walker against beside the reader; negative is noise.
 * stall: the longest batch of 32 puts. On kinds with snapshots both calm_map_walk and snapshot,
 * each, close are rows.
 */
#include "bench/suites.h"

#include <calm/snapshot.h>
#include <math.h>
#include <stdlib.h>

#define SUITE "walk"
#define BATCH 32
#define READER_BYTES ((size_t)64 << 20)

typedef size_t walk_fn(void *map, void *thread, bench_visit_fn *visit, void *context);

enum figure { QUIET, ENTRY, ALONE, READER, BESIDE, BESIDE_MS, LOST, STALL, FIGURES };

static const struct {
	const char *name, *unit;
	enum bench_better better;
} figures[FIGURES] = {
	[QUIET] = {"quiet", "ms", BENCH_LESS},
	[ENTRY] = {"quiet", "ns/entry", BENCH_LESS},
	[ALONE] = {"writer", "Mops/s", BENCH_MORE},
	[READER] = {"w/ reader", "Mops/s", BENCH_MORE},
	[BESIDE] = {"w/ walker", "Mops/s", BENCH_MORE},
	[BESIDE_MS] = {"walk", "ms", BENCH_LESS},
	[LOST] = {"lost", "%", BENCH_LESS},
	[STALL] = {"stall", "us", BENCH_LESS},
};

struct row {
	char name[48];
	struct bench_instance instance;
	walk_fn *walk;
	struct bench_samples samples[FIGURES];
};

struct run {
	struct row *row;
	const struct bench_stream *stream;
	uint64_t longest;     /* ns of a batch, the writer's */
	uint64_t walked;      /* entries, */
	uint64_t walks;       /* traversals ended, */
	uint64_t walk_ns;     /* and what they took: the walker's */
	const uint64_t *bulk; /* the reader's */
	_Atomic uint64_t sink;
};

static void writer(struct bench_worker *worker)
{
	struct run *run = worker->context;
	const struct bench_instance *instance = &run->row->instance;
	void *thread = bench_enter(instance->subject, instance->map);
	struct bench_tally tally = {0};
	struct kit_random random;
	uint64_t then = kit_now_ns();

	kit_random_seed(&random, then);
	size_t at = kit_random_below(&random, run->stream->count) / BATCH * BATCH;
	while (bench_worker_tick(worker, BATCH)) {
		instance->subject->batch(instance->map, thread, run->stream->words + at, BATCH,
					 false, &tally);
		at = at + BATCH < run->stream->count ? at + BATCH : 0;
		uint64_t now = kit_now_ns();
		if (now - then > run->longest && bench_phase(worker) == BENCH_MEASURED)
			run->longest = now - then;
		then = now;
	}
	bench_leave(instance->subject, instance->map, thread);
}

static int sum_up(uint64_t key, uint64_t value, void *context)
{
	*(uint64_t *)context += bench_value_fits(key, value);
	return 0;
}

static void walker(struct bench_worker *worker)
{
	struct run *run = worker->context;
	const struct bench_instance *instance = &run->row->instance;
	void *thread = bench_enter(instance->subject, instance->map);

	do {
		uint64_t right = 0, began = kit_now_ns();
		size_t n = run->row->walk(instance->map, thread, sum_up, &right);
		run->walk_ns += kit_now_ns() - began;
		run->walked += right;
		run->walks++;
		if (n != right)
			run->row->instance.tally.wrong++;
	} while (bench_worker_tick(worker, 1));
	bench_leave(instance->subject, instance->map, thread);
}

static void reader(struct bench_worker *worker)
{
	struct run *run = worker->context;
	uint64_t sum = 0;

	do {
		for (size_t i = 0;
		     i < READER_BYTES / sizeof *run->bulk && bench_phase(worker) != BENCH_STOP;
		     i += 8)
			sum += run->bulk[i];
	} while (bench_worker_tick(worker, 1));
	atomic_store_explicit(&run->sink, sum, memory_order_relaxed);
}

/* The writer's rate in Mops/s beside another thread; NaN if there was none, or ^C. */
static double write_beside(struct bench *bench, struct run *run, bench_body_fn *other, uint64_t ns)
{
	struct bench_role roles[] = {{.body = writer, .context = run, .threads = 1},
				     {.body = other, .context = run, .threads = 1}};
	uint64_t elapsed = bench_run(bench, roles, other != NULL ? 2 : 1, ns / 5, ns);

	return elapsed > 0 ? (double)roles[0].ops * 1e3 / (double)elapsed : NAN;
}

static void run_row(struct bench *bench, struct row *row, const struct bench_stream *stream,
		    const uint64_t *bulk)
{
	struct run run = {.row = row, .stream = stream, .bulk = bulk};
	struct bench_role role = {.body = walker, .context = &run, .threads = 1};
	uint64_t ns = bench_slice_ns(bench, 200 * BENCH_MS, 500 * BENCH_MS);

	if (bench_run(bench, &role, 1, 0, ns / 2) == 0)
		return;
	if (run.walked != run.walks * row->instance.entries)
		bench_refuse(bench, SUITE, "%s: quiet traversals showed %.1f entries of %llu",
			     row->name, (double)run.walked / (double)run.walks,
			     (unsigned long long)row->instance.entries);
	double quiet = (double)run.walk_ns / (double)run.walks;
	bench_sample(&row->samples[QUIET], quiet / 1e6);
	bench_sample(&row->samples[ENTRY], quiet / (double)row->instance.entries);
	bench_sample(&row->samples[ALONE], write_beside(bench, &run, NULL, ns));
	double company = write_beside(bench, &run, reader, ns);
	bench_sample(&row->samples[READER], company);
	run.walks = run.walk_ns = run.longest = 0;
	double beside = write_beside(bench, &run, walker, ns);
	bench_sample(&row->samples[BESIDE], beside);
	bench_sample(&row->samples[BESIDE_MS], (double)run.walk_ns / (double)run.walks / 1e6);
	bench_sample(&row->samples[LOST], 100 * (1 - beside / company));
	bench_sample(&row->samples[STALL], (double)run.longest / 1e3);
	if (row->instance.tally.wrong > 0)
		bench_refuse(bench, SUITE, "%s: a traversal showed values that are not their key's",
			     row->name);
	row->instance.tally.wrong = 0;
}

static int visit_word(calm_key key, void *value, void *context)
{
	uint64_t *sums = context;

	sums[0] += bench_value_fits(calm_key_word(key), (uint64_t)(uintptr_t)value);
	sums[1]++;
	return 0;
}

static size_t walk_snapshot(void *map, void *thread, bench_visit_fn *visit, void *context)
{
	uint64_t sums[2] = {0, 0};
	calm_snapshot *snapshot;

	(void)thread;
	(void)visit;
	if (calm_map_snapshot(map, &snapshot) != CALM_OK)
		return 0;
	(void)calm_snapshot_each(snapshot, visit_word, sums);
	calm_snapshot_close(snapshot);
	*(uint64_t *)context += sums[0];
	return sums[1];
}

static void report(struct bench *bench, const struct row *row)
{
	for (size_t f = 0; f < FIGURES; f++) {
		struct bench_result result = {.suite = SUITE,
					      .workload = "walk",
					      .what = figures[f].name,
					      .entries = row->instance.entries,
					      .threads = 1,
					      .unit = figures[f].unit,
					      .better = figures[f].better};
		(void)snprintf(result.subject, sizeof result.subject, "%s", row->name);
		bench_add(bench, &result, row->instance.subject, &row->samples[f]);
	}
}

/* A row of its own map. */
static size_t add_row(struct bench *bench, struct row *rows, size_t count,
		      const struct bench_subject *subject, walk_fn *walk, uint64_t entries)
{
	struct row *row = &rows[count];

	if (!bench_instance_make(bench, SUITE, &row->instance, subject, entries, entries))
		return count;
	row->walk = walk;
	(void)snprintf(row->name, sizeof row->name, "%s%s", subject->name,
		       walk == walk_snapshot ? " snapshot" : "");
	return count + 1;
}

void bench_suite_walk(struct bench *bench)
{
	const struct bench_workload puts = {"put", 0, 100, 0, 0};
	uint64_t entries = bench_entries(bench, 1000000, 1000000);
	unsigned repeats = bench_repeats(bench, 3, 5);
	struct row *rows = calloc(2 * BENCH_SUBJECTS_MAX, sizeof *rows);
	uint64_t *bulk = calloc(READER_BYTES, 1);
	struct bench_stream stream = {.file = -1};
	size_t count = 0;

	if (rows == NULL || bulk == NULL ||
	    !bench_stream_make(&stream, &puts, KIT_UNIFORM, entries)) {
		bench_refuse(bench, SUITE, "out of memory");
		goto out;
	}
	for (size_t i = 0; i < READER_BYTES / sizeof *bulk; i += 512)
		bulk[i] = i;
	for (size_t s = 0; s < bench->subject_count && !bench->stopped(); s++) {
		const struct bench_subject *subject = bench->subjects[s];
		if (subject->walk == NULL || subject->ordered)
			continue;
		count = add_row(bench, rows, count, subject, subject->walk, entries);
		if (bench_is_kind(subject) && subject->kind->snapshots)
			count = add_row(bench, rows, count, subject, walk_snapshot, entries);
	}
	for (unsigned r = 0; r < repeats; r++) {
		for (size_t i = 0; i < count && !bench->stopped(); i++) {
			struct row *row = &rows[(i + r) % count];
			bench->progress(SUITE, row->name,
					(double)(r * count + i) / (double)(repeats * count));
			run_row(bench, row, &stream, bulk);
		}
	}
	for (size_t i = 0; i < count; i++) {
		report(bench, &rows[i]);
		bench_instance_free(&rows[i].instance);
	}
	bench_say(
		bench, SUITE,
		"consistent are calm's kinds with snapshots, and tables whose lock stops every writer; "
		"liburcu, 32 shards and live walks are not");
out:
	bench_stream_free(&stream);
	free(bulk);
	free(rows);
}
