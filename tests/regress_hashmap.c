/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Defects of hashmap that were found once and must not come back; each test says what went wrong.
 */
#include "base/hash.h"
#include "sync/segment.h"
#include "sync/snap.h"
#include <calm/calm.h>

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static atomic_long released;

static int nothing(calm_key key, void *value, void *context)
{
	(void)key;
	(void)value;
	(void)context;
	return 0;
}

/*
 * hashmap: a thread whose first verb opened a snapshot released what its record's last owner had left
 * with the map locked; a release that opened a snapshot stood still.
 */
static void open_in_release(void *pointer, void *context)
{
	calm_snapshot *snapshot;
	(void)context;
	if (calm_map_snapshot(pointer, &snapshot) == CALM_OK)
		calm_snapshot_close(snapshot);
	atomic_fetch_add(&released, 1);
}

static void *leave_one(void *pointer)
{
	return calm_retire(pointer, open_in_release, NULL) == CALM_OK ? pointer : NULL;
}

static void *open_first(void *pointer)
{
	calm_snapshot *snapshot;
	if (calm_map_snapshot(pointer, &snapshot) != CALM_OK)
		return NULL;
	calm_snapshot_close(snapshot);
	return pointer;
}

static void *walk_first(void *pointer)
{
	return calm_map_walk(pointer, nothing, NULL) == 0 ? pointer : NULL;
}

static void opening_releases_nothing_under_a_lock(void **state)
{
	(void)state;
	void *(*const first[])(void *) = {open_first, walk_first};
	calm_map *map;
	assert_int_equal(calm_hashmap_create(&map, NULL), CALM_OK);
	atomic_store(&released, 0);
	for (int i = 0; i < 2; i++) {
		pthread_t thread;
		void *result;
		calm_read_begin(); /* so that it is left over */
		assert_int_equal(pthread_create(&thread, NULL, leave_one, map), 0);
		pthread_join(thread, &result);
		assert_ptr_equal(result, map);
		calm_read_end();
		alarm(20);
		assert_int_equal(pthread_create(&thread, NULL, first[i], map), 0);
		pthread_join(thread, &result);
		alarm(0);
		assert_ptr_equal(result, map);
		assert_int_equal(atomic_load(&released), i + 1);
	}
	assert_int_equal(calm_map_destroy(map), CALM_OK);
}

/*
 * hashmap: when a snapshot closed, the front of a thread's log that nobody else needed was given back
 * although the index, which another thread's later images kept, still led through it; and it was not
 * counted as gone.
 */
enum { LOGGED = 6000 };

struct logging {
	calm_map *map;
	pthread_barrier_t turn;
	uint64_t from;
	uint64_t n; /* 0: end */
};

static void *log_for(void *pointer)
{
	struct logging *logging = pointer;
	for (;;) {
		pthread_barrier_wait(&logging->turn);
		if (logging->n == 0)
			return NULL;
		for (uint64_t i = logging->from; i < logging->from + logging->n; i++)
			calm_map_store(logging->map, calm_word(i), logging);
		pthread_barrier_wait(&logging->turn);
	}
}

/* The history's bytes then. */
static size_t log_range(struct logging *logging, uint64_t from, uint64_t n)
{
	calm_stats stats;
	logging->from = from;
	logging->n = n;
	pthread_barrier_wait(&logging->turn);
	if (n > 0)
		pthread_barrier_wait(&logging->turn);
	calm_map_stats(logging->map, &stats);
	return stats.history_bytes;
}

/* The other thread fills a segment, which only an older snapshot needs, to the last image or so. */
static uint64_t fill_a_segment(struct logging *logging, bool *full)
{
	const size_t least = calm__image_size(1);
	uint64_t first = 500;
	size_t bytes = log_range(logging, 0, first);
	while (bytes + least <= CALM__SEGMENT)
		bytes = log_range(logging, first++, 1);
	*full = bytes <= CALM__SEGMENT;
	return first;
}

static bool index_a_full_segment(struct logging *logging)
{
	calm_snapshot *older, *newer;
	bool full;
	for (uint64_t i = 0; i < LOGGED; i++)
		assert_int_equal(calm_map_store(logging->map, calm_word(i), NULL), CALM_OK);
	assert_int_equal(calm_map_snapshot(logging->map, &older), CALM_OK);
	uint64_t first = fill_a_segment(logging, &full);
	assert_int_equal(calm_map_snapshot(logging->map, &newer), CALM_OK);
	assert_int_equal(calm_map_store(logging->map, calm_word(LOGGED - 1), logging), CALM_OK);
	assert_int_equal(calm_snapshot_each(older, nothing, NULL), 0); /* all is indexed */
	assert_int_equal(calm_snapshot_each(newer, nothing, NULL), 0);
	log_range(logging, 2000, 100); /* the segment is left, */
	calm_snapshot_close(older);
	log_range(logging, 2000, 3000); /* and used again */
	for (uint64_t i = 0; i < LOGGED; i++) {
		void *value = NULL;
		assert_int_equal(calm_snapshot_load(newer, calm_word(i), &value), CALM_OK);
		assert_ptr_equal(value, i < first ? logging : NULL);
	}
	calm_snapshot_close(newer);
	assert_int_equal(log_range(logging, 0, 0), 0);
	return full;
}

static void what_is_indexed_is_not_given_back(void **state)
{
	(void)state;
	struct logging logging;
	calm_options options = CALM_OPTIONS_INIT;
	int full = 0;
	options.capacity = LOGGED;
	pthread_barrier_init(&logging.turn, NULL, 2);
	for (options.seed = 1; options.seed <= 16 && full == 0; options.seed++) {
		pthread_t thread;
		assert_int_equal(calm_hashmap_create(&logging.map, &options), CALM_OK);
		assert_int_equal(pthread_create(&thread, NULL, log_for, &logging), 0);
		full += index_a_full_segment(&logging);
		pthread_join(thread, NULL);
		assert_int_equal(calm_map_destroy(logging.map), CALM_OK);
	}
	assert_true(full > 0);
	pthread_barrier_destroy(&logging.turn);
}

/*
 * hashmap: two threads that each stored one key and then loaded the other's both missed the other's
 * store. Thread 0's i-th load saw what came before thread 1's store j, and thread 1's load after that
 * store saw what came before thread 0's store i.
 */
enum { CROSSINGS = 500000 };

struct crossing {
	calm_map *map;
	atomic_int *ready;
	uint64_t own;
	uint64_t other;
	uintptr_t *seen;
};

static void *cross(void *pointer)
{
	const struct crossing *crossing = pointer;
	atomic_fetch_add(crossing->ready, 1);
	while (atomic_load(crossing->ready) < 2)
		sched_yield();
	for (uintptr_t i = 1; i <= CROSSINGS; i++) {
		void *value = NULL;
		calm_map_store(crossing->map, calm_word(crossing->own), (void *)i);
		calm_map_load(crossing->map, calm_word(crossing->other), &value);
		crossing->seen[i] = (uintptr_t)value;
	}
	return NULL;
}

/* Both keys lie behind their buckets, in lines that overflowed: the store takes longer than the lock. */
static void overflow(calm_map *map, uint64_t seed, uint64_t keys[2])
{
	uint64_t key = 0;
	for (int i = 0; i < 2; i++)
		for (int n = 0; n < 4; key++) {
			if (calm__hash_word(key, seed) >> 61 != (i ? 5 : 2))
				continue;
			keys[i] = key;
			assert_int_equal(calm_map_store(map, calm_word(key), NULL), CALM_OK);
			n++;
		}
}

static void cross_once(void)
{
	calm_options options = CALM_OPTIONS_INIT;
	options.seed = 42;
	calm_map *map;
	uint64_t keys[2];
	assert_int_equal(calm_hashmap_create(&map, &options), CALM_OK);
	overflow(map, options.seed, keys);
	atomic_int ready = 0;
	pthread_t threads[2];
	struct crossing crossing[2];
	for (int i = 0; i < 2; i++) {
		uintptr_t *seen = calloc(CROSSINGS + 1, sizeof(*seen));
		assert_non_null(seen);
		crossing[i] = (struct crossing){map, &ready, keys[i], keys[1 - i], seen};
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, cross, &crossing[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (uintptr_t i = 1; i <= CROSSINGS; i++) {
		uintptr_t next = crossing[0].seen[i] + 1;
		assert_true(next > CROSSINGS || crossing[1].seen[next] >= i);
	}
	for (int i = 0; i < 2; i++)
		free(crossing[i].seen);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
}

static void a_store_is_seen_once_it_returned(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++)
		cross_once();
}

/*
 * hashmap: lines that overflowed went to the pool of the thread that emptied them, and never back to
 * the thread that filled them: a queue of constant length took memory without end.
 */
enum { QUEUED = 20000, PASSED = 500000 };

struct queue {
	calm_map *map;
	atomic_ulong head;
	atomic_ulong tail;
};

static void *take_out(void *pointer)
{
	struct queue *queue = pointer;
	for (uint64_t i = 0; i < PASSED; i++) {
		while (atomic_load(&queue->head) < i + QUEUED)
			sched_yield();
		calm_map_delete(queue->map, calm_word(i));
		atomic_store(&queue->tail, i + 1);
	}
	return NULL;
}

static void a_queue_keeps_to_its_memory(void **state)
{
	(void)state;
	struct queue queue = {NULL, 0, 0};
	calm_stats stats;
	pthread_t thread;
	assert_int_equal(calm_hashmap_create(&queue.map, NULL), CALM_OK);
	assert_int_equal(pthread_create(&thread, NULL, take_out, &queue), 0);
	for (uint64_t i = 0; i < PASSED + QUEUED; i++) {
		while (i > atomic_load(&queue.tail) + QUEUED + QUEUED / 16)
			sched_yield();
		assert_int_equal(calm_map_store(queue.map, calm_word(i), NULL), CALM_OK);
		atomic_store(&queue.head, i + 1);
	}
	pthread_join(thread, NULL);
	calm_map_stats(queue.map, &stats);
	assert_int_equal(stats.entries, QUEUED);
	assert_true(stats.bytes < QUEUED * (uint64_t)150);
	assert_int_equal(calm_map_destroy(queue.map), CALM_OK);
}

/* hashmap: a reserve that failed for want of memory made every later clear fail too. */
static void what_failed_to_be_reserved_is_forgotten(void **state)
{
	(void)state;
	calm_map *map;
	calm_snapshot *snapshot;
	assert_int_equal(calm_hashmap_create(&map, NULL), CALM_OK);
	assert_int_equal(calm_map_reserve(map, SIZE_MAX), CALM_ENOMEM);
	assert_int_equal(calm_map_clear(map), CALM_OK);
	assert_int_equal(calm_map_drain(map, &snapshot), CALM_OK);
	calm_snapshot_close(snapshot);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
}

/*
 * hashmap: lines to overflow into were allocated under a lock that other writers took with their
 * bucket locked.
 */
struct slow {
	calm_map *map;
	uint64_t key;
	bool armed;
};

static void *store_one(void *pointer)
{
	const struct slow *slow = pointer;
	calm_map_store(slow->map, calm_word(slow->key), NULL);
	return NULL;
}

static void *alloc_slowly(size_t size, void *context)
{
	struct slow *slow = context;
	pthread_t thread;
	if (slow->armed) {
		slow->armed = false;
		if (pthread_create(&thread, NULL, store_one, slow) == 0)
			pthread_join(thread, NULL);
	}
	return malloc(size);
}

static void free_it(void *pointer, void *context)
{
	(void)context;
	free(pointer);
}

static void writers_do_not_wait_for_an_allocation(void **state)
{
	(void)state;
	struct slow slow = {NULL, 0, false};
	const calm_allocator allocator = {alloc_slowly, free_it, &slow};
	calm_options options = CALM_OPTIONS_INIT;
	uint64_t keys[2][4];
	options.seed = 42;
	options.allocator = &allocator;
	assert_int_equal(calm_hashmap_create(&slow.map, &options), CALM_OK);
	for (uint64_t key = 0, n[2] = {0, 0}; n[0] < 4 || n[1] < 4; key++) {
		uint64_t bucket = calm__hash_word(key, options.seed) >> 61;
		if ((bucket == 2 || bucket == 5) && n[bucket == 5] < 4)
			keys[bucket == 5][n[bucket == 5]++] = key;
	}
	for (int i = 0; i < 6; i++)
		assert_int_equal(calm_map_store(slow.map, calm_word(keys[i % 2][i / 2]), NULL),
				 CALM_OK);
	slow.key = keys[1][3];
	slow.armed = true;
	alarm(20);
	assert_int_equal(calm_map_store(slow.map, calm_word(keys[0][3]), NULL), CALM_OK);
	alarm(0);
	assert_false(slow.armed);
	assert_int_equal(calm_map_size(slow.map), 8);
	assert_int_equal(calm_map_destroy(slow.map), CALM_OK);
}

/* hashmap: a reserve moved each bucket to all of its new ones at once; a put waited for all of it. */
static void a_reserve_goes_in_steps(void **state)
{
	(void)state;
	calm_map *map;
	calm_stats stats;
	assert_int_equal(calm_hashmap_create(&map, NULL), CALM_OK);
	assert_int_equal(calm_map_reserve(map, 1000000), CALM_OK);
	calm_map_stats(map, &stats);
	assert_true(stats.resizes >= 4);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
}

/*
 * hashmap: while a walk, which no budget ousts, kept more than the budget, every batch and every full
 * segment copied all of the history once more.
 */
struct budgeted {
	calm_map *map;
	unsigned long allocations;
	bool written;
};

static void *alloc_counted(size_t size, void *context)
{
	((struct budgeted *)context)->allocations++;
	return malloc(size);
}

static int write_beyond_the_budget(calm_key key, void *value, void *context)
{
	struct budgeted *budgeted = context;
	(void)key;
	(void)value;
	for (uint64_t i = 0; i < 20000; i++)
		assert_int_equal(calm_map_store(budgeted->map, calm_word(i), budgeted), CALM_OK);
	const calm_change change = {calm_word(1), NULL, false};
	assert_int_equal(calm_map_apply(budgeted->map, 1, &change), CALM_OK);
	unsigned long before = budgeted->allocations;
	for (int i = 0; i < 10; i++)
		assert_int_equal(calm_map_apply(budgeted->map, 1, &change), CALM_OK);
	assert_int_equal(budgeted->allocations - before, 2 * 10); /* its own two */
	budgeted->written = true;
	return 1;
}

static void a_budget_copies_nothing_in_vain(void **state)
{
	(void)state;
	struct budgeted budgeted = {NULL, 0, false};
	const calm_allocator allocator = {alloc_counted, free_it, &budgeted};
	calm_options options = CALM_OPTIONS_INIT;
	options.snapshot_budget = 100000;
	options.allocator = &allocator;
	assert_int_equal(calm_hashmap_create(&budgeted.map, &options), CALM_OK);
	for (uint64_t i = 0; i < 20000; i++)
		assert_int_equal(calm_map_store(budgeted.map, calm_word(i), NULL), CALM_OK);
	assert_int_equal(calm_map_walk(budgeted.map, write_beyond_the_budget, &budgeted), 1);
	assert_true(budgeted.written);
	assert_int_equal(calm_map_destroy(budgeted.map), CALM_OK);
}

/* Its keys went into the chains of a table that could not grow meanwhile: n^2 / 100 steps. */
static void a_batch_has_room(void **state)
{
	enum { N = 20000 };
	calm_change *changes = calloc(N, sizeof(*changes));
	calm_options options = CALM_OPTIONS_INIT;
	calm_map *map;
	calm_stats before;
	calm_stats after;
	(void)state;
	assert_non_null(changes);
	for (uint64_t i = 0; i < N; i++)
		changes[i] = (calm_change){calm_word(i), changes, false};
	assert_int_equal(calm_hashmap_create(&map, &options), CALM_OK);
	assert_int_equal(calm_map_apply(map, N, changes), CALM_OK);
	assert_int_equal(calm_map_size(map), N);
	calm_map_stats(map, &before);
	assert_int_equal(calm_map_reserve(map, N), CALM_OK);
	calm_map_stats(map, &after);
	assert_true(before.resizes > 0);
	assert_int_equal(before.resizes, after.resizes);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
	free(changes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opening_releases_nothing_under_a_lock),
		cmocka_unit_test(what_is_indexed_is_not_given_back),
		cmocka_unit_test(a_store_is_seen_once_it_returned),
		cmocka_unit_test(a_queue_keeps_to_its_memory),
		cmocka_unit_test(what_failed_to_be_reserved_is_forgotten),
		cmocka_unit_test(writers_do_not_wait_for_an_allocation),
		cmocka_unit_test(a_reserve_goes_in_steps),
		cmocka_unit_test(a_budget_copies_nothing_in_vain),
		cmocka_unit_test(a_batch_has_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
