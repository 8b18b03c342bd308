/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Go's sync/map_bench_test.go over every kind of calm, name by name and number by number, so that
 * the table can be read beside `go test -bench=. sync`. As many threads as cores, ns an operation
 * of wall time over all of them, as Go counts it (elapsed / operations).
 *
 * Each thread counts i up from a start of its own, as Go's do. Keys and values are small words.
 */
#include "bench/suites.h"

#include <math.h>
#include <stdlib.h>

#define SUITE "go"
#define MAP_SIZE ((uint64_t)1 << 10)

/* A thread's own. */
struct thread {
	calm_map *map;
	uint64_t stores, since; /* AdversarialAlloc */
	uint64_t wrong;
};

static void *value_of(uint64_t word)
{
	return (void *)(uintptr_t)word;
}

static bool load(const struct thread *t, uint64_t key)
{
	void *value;

	return calm_map_load(t->map, calm_word(key), &value) == CALM_OK;
}

static void store(const struct thread *t, uint64_t key, uint64_t value)
{
	(void)calm_map_store(t->map, calm_word(key), value_of(value));
}

static bool load_or_store(const struct thread *t, uint64_t key, uint64_t value)
{
	return calm_map_load_or_store(t->map, calm_word(key), value_of(value), NULL) ==
	       CALM_PRESENT;
}

static bool load_and_delete(const struct thread *t, uint64_t key)
{
	return calm_map_load_and_delete(t->map, calm_word(key), NULL) == CALM_OK;
}

static void swap(const struct thread *t, uint64_t key, uint64_t value)
{
	(void)calm_map_swap(t->map, calm_word(key), value_of(value), NULL);
}

static bool compare_and_swap(const struct thread *t, uint64_t key, uint64_t old, uint64_t value)
{
	return calm_map_compare_and_swap(t->map, calm_word(key), value_of(old), value_of(value)) ==
	       CALM_OK;
}

static bool compare_and_delete(const struct thread *t, uint64_t key, uint64_t old)
{
	return calm_map_compare_and_delete(t->map, calm_word(key), value_of(old)) == CALM_OK;
}

#define MOSTLY_HITS 1023
#define MOSTLY_MISSES 1
#define MOSTLY 1024
#define BALANCED 128

static void load_mostly(struct thread *t, uint64_t i)
{
	(void)load(t, i % MOSTLY);
}

static void load_or_store_balanced(struct thread *t, uint64_t i)
{
	uint64_t j = i % (2 * BALANCED);

	t->wrong += load_or_store(t, j < BALANCED ? j : i, i) != (j < BALANCED);
}

static void load_or_store_unique(struct thread *t, uint64_t i)
{
	t->wrong += load_or_store(t, i, i);
}

static void load_or_store_collision(struct thread *t, uint64_t i)
{
	(void)i;
	t->wrong += !load_or_store(t, 0, 0);
}

static void load_and_delete_balanced(struct thread *t, uint64_t i)
{
	uint64_t j = i % (2 * BALANCED);

	(void)load_and_delete(t, j < BALANCED ? j : i);
}

static void load_and_delete_unique(struct thread *t, uint64_t i)
{
	t->wrong += load_and_delete(t, i);
}

static void load_and_delete_collision(struct thread *t, uint64_t i)
{
	(void)i;
	if (load_and_delete(t, 0))
		store(t, 0, 0);
}

static int keep_on(calm_key key, void *value, void *context)
{
	(void)key;
	(void)value;
	++*(uint64_t *)context;
	return 0;
}

static void range(struct thread *t, uint64_t i)
{
	uint64_t n = 0;

	(void)i;
	(void)calm_map_each(t->map, keep_on, &n);
	t->wrong += n != MAP_SIZE;
}

static void adversarial_alloc(struct thread *t, uint64_t i)
{
	(void)load(t, i);
	if (++t->since > t->stores) {
		(void)load_or_store(t, i, t->stores);
		t->since = 0;
		t->stores++;
	}
}

static int delete_first(calm_key key, void *value, void *context)
{
	(void)value;
	(void)calm_map_delete(context, key);
	return 1;
}

static void adversarial_delete(struct thread *t, uint64_t i)
{
	(void)load(t, i);
	if (i % MAP_SIZE == 0) {
		(void)calm_map_each(t->map, delete_first, t->map);
		store(t, i, i);
	}
}

static void delete_collision(struct thread *t, uint64_t i)
{
	(void)i;
	(void)calm_map_delete(t->map, calm_word(0));
}

static void swap_collision(struct thread *t, uint64_t i)
{
	(void)i;
	swap(t, 0, 0);
}

static void swap_mostly(struct thread *t, uint64_t i, uint64_t hits)
{
	uint64_t j = i % MOSTLY;

	if (j < hits) {
		swap(t, j, j);
	} else {
		swap(t, i, i);
		(void)calm_map_delete(t->map, calm_word(i));
	}
}

static void swap_mostly_hits(struct thread *t, uint64_t i)
{
	swap_mostly(t, i, MOSTLY_HITS);
}

static void swap_mostly_misses(struct thread *t, uint64_t i)
{
	swap_mostly(t, i, MOSTLY_MISSES);
}

static void cas_collision(struct thread *t, uint64_t i)
{
	(void)i;
	if (compare_and_swap(t, 0, 0, 42))
		(void)compare_and_swap(t, 0, 42, 0);
}

static void cas_no_existing_key(struct thread *t, uint64_t i)
{
	t->wrong += compare_and_swap(t, i, 0, 0);
}

static void cas_value_not_equal(struct thread *t, uint64_t i)
{
	(void)i;
	t->wrong += compare_and_swap(t, 0, 1, 2);
}

static uint64_t mostly(uint64_t i, uint64_t hits)
{
	return i % MOSTLY < hits ? i % MOSTLY : i;
}

static void cas_mostly_hits(struct thread *t, uint64_t i)
{
	uint64_t v = mostly(i, MOSTLY_HITS);

	(void)compare_and_swap(t, v, v, v);
}

static void cas_mostly_misses(struct thread *t, uint64_t i)
{
	uint64_t v = mostly(i, MOSTLY_MISSES);

	(void)compare_and_swap(t, v, v, v);
}

static void cad_collision(struct thread *t, uint64_t i)
{
	(void)i;
	if (compare_and_delete(t, 0, 0))
		store(t, 0, 0);
}

static void cad_mostly_hits(struct thread *t, uint64_t i)
{
	uint64_t v = mostly(i, MOSTLY_HITS);

	if (compare_and_delete(t, v, v))
		store(t, v, v);
}

static void cad_mostly_misses(struct thread *t, uint64_t i)
{
	uint64_t v = mostly(i, MOSTLY_MISSES);

	if (compare_and_delete(t, v, v))
		store(t, v, v);
}

static void clear(struct thread *t, uint64_t i)
{
	(void)calm_map_clear(t->map);
	store(t, i % 256, i % 256);
}

static const struct test {
	const char *name;
	uint64_t present; /* keys 0 … present - 1 are stored, and loaded once, before */
	void (*run)(struct thread *t, uint64_t i);
} tests[] = {
	{"LoadMostlyHits", MOSTLY_HITS, load_mostly},
	{"LoadMostlyMisses", MOSTLY_MISSES, load_mostly},
	{"LoadOrStoreBalanced", BALANCED, load_or_store_balanced},
	{"LoadOrStoreUnique", 0, load_or_store_unique},
	{"LoadOrStoreCollision", 1, load_or_store_collision},
	{"LoadAndDeleteBalanced", BALANCED, load_and_delete_balanced},
	{"LoadAndDeleteUnique", 0, load_and_delete_unique},
	{"LoadAndDeleteCollision", 1, load_and_delete_collision},
	{"Range", MAP_SIZE, range},
	{"AdversarialAlloc", 0, adversarial_alloc},
	{"AdversarialDelete", MAP_SIZE, adversarial_delete},
	{"DeleteCollision", 1, delete_collision},
	{"SwapCollision", 1, swap_collision},
	{"SwapMostlyHits", MOSTLY_HITS, swap_mostly_hits},
	{"SwapMostlyMisses", MOSTLY_MISSES, swap_mostly_misses},
	{"CompareAndSwapCollision", 1, cas_collision},
	{"CompareAndSwapNoExistingKey", 0, cas_no_existing_key},
	{"CompareAndSwapValueNotEqual", 1, cas_value_not_equal},
	{"CompareAndSwapMostlyHits", MOSTLY_HITS, cas_mostly_hits},
	{"CompareAndSwapMostlyMisses", MOSTLY_MISSES, cas_mostly_misses},
	{"CompareAndDeleteCollision", 1, cad_collision},
	{"CompareAndDeleteMostlyHits", MOSTLY_HITS, cad_mostly_hits},
	{"CompareAndDeleteMostlyMisses", MOSTLY_MISSES, cad_mostly_misses},
	{"Clear", 0, clear},
};

#define TESTS (sizeof tests / sizeof *tests)

struct run {
	const struct test *test;
	calm_map *map;
	_Atomic uint64_t wrong;
};

static void body(struct bench_worker *worker)
{
	struct run *run = worker->context;
	struct thread thread = {.map = run->map};
	/* Go's threads start b.N apart; past the keys that are present. */
	uint64_t i = (uint64_t)worker->number << 40, did = 0;

	/* Small steps: on some kinds one operation takes milliseconds. */
	for (uint64_t batch = 1; bench_worker_tick(worker, did); did = batch) {
		uint64_t began = batch < 256 ? kit_now_ns() : 0;
		for (uint64_t n = 0; n < batch; n++)
			run->test->run(&thread, i++);
		did = batch;
		if (batch < 256 && kit_now_ns() - began < 20000)
			batch *= 2;
	}
	run->wrong += thread.wrong;
}

static double run_once(struct bench *bench, const struct bench_subject *subject,
		       const struct test *test, uint64_t ns)
{
	struct run run = {.test = test};
	struct bench_role role = {.body = body, .context = &run, .threads = bench_cores()};

	run.map = subject->create(subject, 0);
	if (run.map == NULL)
		return NAN;
	struct thread self = {.map = run.map};
	for (uint64_t i = 0; i < test->present; i++)
		store(&self, i, i);
	for (uint64_t i = 0; i < 2 * test->present; i++)
		(void)load(&self, i % test->present);
	uint64_t elapsed = bench_run(bench, &role, 1, ns / 5, ns);
	subject->destroy(run.map);
	if (run.wrong > 0)
		bench_refuse(bench, SUITE, "%s, %s: %llu answers that cannot be", subject->name,
			     test->name, (unsigned long long)run.wrong);
	return elapsed > 0 && role.ops > 0 ? (double)elapsed / (double)role.ops : NAN;
}

void bench_suite_go(struct bench *bench)
{
	unsigned repeats = bench_repeats(bench, 3, 5);
	uint64_t ns = bench_slice_ns(bench, 20 * BENCH_MS, 200 * BENCH_MS);

	for (size_t t = 0; t < TESTS && !bench->stopped(); t++) {
		struct bench_samples *samples = calloc(bench->subject_count, sizeof *samples);
		for (unsigned r = 0; samples != NULL && r < repeats; r++) {
			for (size_t i = 0; i < bench->subject_count && !bench->stopped(); i++) {
				size_t s = (i + r) % bench->subject_count;
				if (!bench_is_kind(bench->subjects[s]))
					continue;
				bench->progress(SUITE, tests[t].name, (double)t / TESTS);
				bench_sample(&samples[s],
					     run_once(bench, bench->subjects[s], &tests[t], ns));
			}
		}
		for (size_t s = 0; samples != NULL && s < bench->subject_count; s++) {
			struct bench_result result = {.suite = SUITE,
						      .threads = bench_cores(),
						      .unit = "ns/op",
						      .better = BENCH_LESS};
			(void)snprintf(result.workload, sizeof result.workload, "%s",
				       tests[t].name);
			bench_add(bench, &result, bench->subjects[s], &samples[s]);
		}
		free(samples);
	}
}
