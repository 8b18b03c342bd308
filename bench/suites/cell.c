/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The article's 5.4: a session's state behind one atomic pointer, renewed by load, build,
 * compare-and-swap, against storing it into a map under the session's key. Both build a new
 * immutable state per write and release the old one after a grace period; the ratio is the claim.
 */
#include "bench/suites.h"

#include <calm/cell.h>
#include <math.h>
#include <stdlib.h>

#define SUITE "cell"
#define SESSION 1
#define OTHERS 10000 /* other sessions in the map */
#define BATCH 64

struct state {
	uint64_t user, expires, requests, flags;
};

static void state_free(void *state, void *context)
{
	(void)context;
	free(state);
}

/* The next state of a session. */
static struct state *renewed(const struct state *old)
{
	struct state *state = bench_alloc(sizeof *state);

	*state = *old;
	state->requests++;
	return state;
}

struct run {
	calm_cell cell;
	calm_map *map;
};

static void cell_cas(struct bench_worker *worker)
{
	struct run *run = worker->context;

	do {
		for (int i = 0; i < BATCH; i++) {
			calm_status status;
			do {
				calm_read_begin();
				struct state *old = calm_cell_load(&run->cell);
				struct state *state = renewed(old);
				status = calm_cell_compare_and_swap(&run->cell, old, state);
				if (status != CALM_OK)
					free(state);
				calm_read_end();
			} while (status == CALM_CHANGED);
		}
	} while (bench_worker_tick(worker, BATCH));
}

static void cell_swap(struct bench_worker *worker)
{
	struct run *run = worker->context;

	do {
		for (int i = 0; i < BATCH; i++) {
			calm_read_begin();
			struct state *state = renewed(calm_cell_load(&run->cell));
			if (calm_cell_swap(&run->cell, state, NULL) != CALM_OK)
				free(state);
			calm_read_end();
		}
	} while (bench_worker_tick(worker, BATCH));
}

static void cell_load(struct bench_worker *worker)
{
	struct run *run = worker->context;
	volatile uint64_t sink = 0;

	do {
		for (int i = 0; i < BATCH; i++) {
			calm_read_begin();
			const struct state *state = calm_cell_load(&run->cell);
			sink = sink + state->requests;
			calm_read_end();
		}
	} while (bench_worker_tick(worker, BATCH));
}

static void map_store(struct bench_worker *worker)
{
	struct run *run = worker->context;

	do {
		for (int i = 0; i < BATCH; i++) {
			void *old;
			calm_read_begin();
			if (calm_map_load(run->map, calm_word(SESSION), &old) == CALM_OK) {
				struct state *state = renewed(old);
				if (calm_map_store(run->map, calm_word(SESSION), state) != CALM_OK)
					free(state);
			}
			calm_read_end();
		}
	} while (bench_worker_tick(worker, BATCH));
}

static bool start(struct run *run, const struct kit_kind *kind)
{
	static const struct state first = {.user = 1};
	calm_options options = CALM_OPTIONS_INIT;

	options.release = state_free;
	options.capacity = OTHERS;
	if (calm_cell_init(&run->cell, renewed(&first), state_free, NULL) != CALM_OK)
		return false;
	if (kind == NULL)
		return true;
	if (kind->create(&run->map, &options) != CALM_OK)
		return false;
	/* In a write or two of everything: a map that copies on writes would take long. */
	calm_change *changes = calloc(OTHERS, sizeof *changes);
	for (uint64_t i = 0; changes != NULL && i < OTHERS; i++)
		changes[i] = (calm_change){.key = calm_word(i), .value = renewed(&first)};
	bool done = changes != NULL;
	if (done && calm_map_apply(run->map, OTHERS, changes) == CALM_EUNSUPPORTED) {
		for (uint64_t i = 0; i < OTHERS; i++)
			done = calm_map_store(run->map, changes[i].key, changes[i].value) ==
				       CALM_OK &&
			       done;
	}
	free(changes);
	return done;
}

static double run_once(struct bench *bench, bench_body_fn *body, const struct kit_kind *kind,
		       unsigned threads)
{
	struct run run = {.map = NULL};
	struct bench_role role = {.body = body, .context = &run, .threads = threads};
	uint64_t ns = bench_slice_ns(bench, 50 * BENCH_MS, 300 * BENCH_MS), elapsed = 0;

	if (start(&run, kind))
		elapsed = bench_run(bench, &role, 1, ns / 5, ns);
	(void)calm_map_destroy(run.map);
	(void)calm_cell_destroy(&run.cell);
	(void)calm_read_wait();
	return elapsed > 0 ? (double)role.ops * 1e3 / (double)elapsed : NAN;
}

struct row {
	char name[48];
	bench_body_fn *body;
	const struct kit_kind *kind;
	const char *claim;
	struct bench_samples rate, ratio;
};

static size_t list_rows(struct bench *bench, struct row rows[])
{
	size_t count = 0;

	rows[count++] = (struct row){.name = "calm_cell cas", .body = cell_cas};
	rows[count++] = (struct row){.name = "calm_cell swap", .body = cell_swap};
	rows[count++] = (struct row){.name = "calm_cell load", .body = cell_load};
	for (size_t s = 0; s < bench->subject_count; s++) {
		const struct kit_kind *kind = bench->subjects[s]->kind;
		if (kind == NULL)
			continue;
		rows[count] = (struct row){.body = map_store,
					   .kind = kind,
					   .claim = "4.2 x faster than Store"};
		(void)snprintf(rows[count++].name, sizeof rows->name, "calm %s store", kind->name);
	}
	return count;
}

static void report(struct bench *bench, const struct row *row, unsigned threads)
{
	struct bench_result result = {.suite = SUITE,
				      .threads = threads,
				      .unit = "Mops/s",
				      .better = BENCH_MORE,
				      .calm = true};

	(void)snprintf(result.subject, sizeof result.subject, "%s", row->name);
	(void)snprintf(result.workload, sizeof result.workload, "session");
	bench_add(bench, &result, NULL, &row->rate);
	if (row->kind == NULL)
		return;
	result.what = "cell cas";
	result.unit = "x as fast";
	result.claim = row->claim;
	bench_add(bench, &result, NULL, &row->ratio);
}

void bench_suite_cell(struct bench *bench)
{
	unsigned repeats = bench_repeats(bench, 3, 5);

	for (unsigned threads = 1; threads <= 2; threads++) {
		struct row *rows = calloc(BENCH_SUBJECTS_MAX + 3, sizeof *rows);
		if (rows == NULL)
			return;
		size_t count = list_rows(bench, rows);
		for (unsigned r = 0; r < repeats && !bench->stopped(); r++) {
			double cell = NAN;
			for (size_t i = 0; i < count; i++) {
				bench->progress(SUITE, rows[i].name,
						(double)((threads - 1) * repeats + r) /
							(2 * repeats));
				double rate = run_once(bench, rows[i].body, rows[i].kind, threads);
				bench_sample(&rows[i].rate, rate);
				cell = i == 0 ? rate : cell;
				bench_sample(&rows[i].ratio, cell / rate);
			}
		}
		for (size_t i = 0; i < count; i++)
			report(bench, &rows[i], threads);
		free(rows);
	}
}
