/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Defects that were found once and must not come back; each test says what went wrong.
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

static void count(void *value, void *context)
{
	(void)value;
	(void)context;
	atomic_fetch_add(&released, 1);
}

static int nothing(calm_key key, void *value, void *context)
{
	(void)key;
	(void)value;
	(void)context;
	return 0;
}

/*
 * An ousting raced with the opening, the closing and the draining of the same snapshot: table and
 * handle freed twice.
 */
struct ousting {
	calm_map *map;
	int turn;
};

static void *open_and_close(void *pointer)
{
	const struct ousting *ousting = pointer;
	for (int i = 0; i < 3000; i++) {
		calm_snapshot *snapshot;
		calm_status status = (i + ousting->turn) % 7 == 0
					     ? calm_map_drain(ousting->map, &snapshot)
					     : calm_map_snapshot(ousting->map, &snapshot);
		assert_int_equal(status, CALM_OK);
		int result = calm_snapshot_each(snapshot, nothing, NULL);
		assert_true(result == 0 || result == CALM_ESTALE);
		calm_snapshot_close(snapshot);
		assert_int_equal(calm_map_store(ousting->map, calm_word((uint64_t)i % 50), NULL),
				 CALM_OK);
	}
	return NULL;
}

static void ousting_races_with_opening_and_closing(void **state)
{
	(void)state;
	calm_options options = CALM_OPTIONS_INIT;
	options.release = count;
	options.snapshot_budget = 1;
	calm_map *map;
	assert_int_equal(calm_lockmap_create(&map, &options), CALM_OK);
	pthread_t threads[4];
	struct ousting ousting[4];
	for (int i = 0; i < 4; i++) {
		ousting[i] = (struct ousting){map, i};
		assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, &ousting[i]), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	calm_stats stats;
	calm_map_stats(map, &stats);
	assert_int_equal(stats.snapshots, 0);
	assert_int_equal(stats.history_bytes, 0);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
}

/* The latest snapshot is never the one that a budget ousts; a live walk ousts nothing. */
static void a_budget_ousts_the_oldest(void **state)
{
	(void)state;
	calm_options options = CALM_OPTIONS_INIT;
	options.snapshot_budget = 1;
	calm_map *map;
	calm_snapshot *first, *second;
	void *value;
	assert_int_equal(calm_lockmap_create(&map, &options), CALM_OK);
	assert_int_equal(calm_map_store(map, calm_word(1), NULL), CALM_OK);
	assert_int_equal(calm_map_snapshot(map, &first), CALM_OK);
	assert_int_equal(calm_map_each(map, nothing, NULL), 0);
	assert_int_equal(calm_snapshot_load(first, calm_word(1), &value), CALM_OK);
	assert_int_equal(calm_map_snapshot(map, &second), CALM_OK);
	assert_int_equal(calm_snapshot_load(first, calm_word(1), &value), CALM_ESTALE);
	assert_int_equal(calm_snapshot_each(first, nothing, NULL), CALM_ESTALE);
	assert_int_equal(calm_snapshot_load(second, calm_word(1), &value), CALM_OK);
	calm_snapshot_close(second);
	calm_snapshot_close(first);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
}

/*
 * Snapshots that close during a batch hand it from one dead list to the next, each of which may
 * need a block.
 */
static void a_batch_finds_a_block_for_every_snapshot(void **state)
{
	(void)state;
	enum { SNAPSHOTS = 12 };
	static struct calm__snap snaps[SNAPSHOTS];
	struct calm__snaps list;
	struct calm__self *self = calm__self();
	calm__snaps_init(&list);
	for (int i = 0; i < SNAPSHOTS; i++)
		calm__snap_open(&list, &snaps[i], 0);
	atomic_store(&released, 0);
	assert_true(calm__displace_reserve(self, SNAPSHOTS, SNAPSHOTS));
	calm__enter(self);
	for (int i = SNAPSHOTS - 1; i >= 0; i--) {
		/* born after all older ones: nothing is inherited when this one closes */
		calm__displace(&list, self, snaps[i].stamp, SNAPSHOTS + 1,
			       (struct calm__retired){&snaps[i], count, &list});
		calm__snap_leave(&list, &snaps[i], self, &list);
	}
	calm__leave(self);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(atomic_load(&released), SNAPSHOTS);
}

/* calm_read_wait took the end of a release inside a release for the end of the outer one. */
static atomic_int outer_state;

static void outer(void *pointer, void *context)
{
	(void)context;
	calm_map_destroy(pointer); /* releases inside this release */
	atomic_store(&outer_state, 1);
	usleep(50000);
	atomic_store(&outer_state, 2);
}

static void *settle_elsewhere(void *pointer)
{
	assert_int_equal(calm_retire(pointer, outer, NULL), CALM_OK);
	return NULL; /* its exit releases */
}

static void waiting_waits_for_the_outer_release(void **state)
{
	(void)state;
	calm_options options = CALM_OPTIONS_INIT;
	options.release = count;
	calm_map *map;
	assert_int_equal(calm_lockmap_create(&map, &options), CALM_OK);
	for (uint64_t i = 0; i < 10; i++) {
		assert_int_equal(calm_map_store(map, calm_word(i), NULL), CALM_OK);
		assert_int_equal(calm_map_delete(map, calm_word(i)), CALM_OK);
	}
	atomic_store(&outer_state, 0);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, settle_elsewhere, map), 0);
	while (atomic_load(&outer_state) == 0)
		sched_yield();
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(atomic_load(&outer_state), 2);
	pthread_join(thread, NULL);
}

/* A promotion retires a whole table as one pointer: 168 of them were kept before any was freed. */
static void tables_are_counted_in_bytes(void **state)
{
	(void)state;
	calm_map *map;
	assert_int_equal(calm_syncmap_create(&map, NULL), CALM_OK);
	for (uint64_t i = 0; i < 50000; i++)
		assert_int_equal(calm_map_store(map, calm_word(i), NULL), CALM_OK);
	assert_int_equal(calm_map_each(map, nothing, NULL), 0);
	calm_stats stats;
	calm_map_stats(map, &stats);
	uint64_t bytes = stats.bytes, peak = 0;
	for (uint64_t i = 0; i < 50; i++) {
		assert_int_equal(calm_map_store(map, calm_word(50000 + i), NULL), CALM_OK);
		assert_int_equal(calm_map_each(map, nothing, NULL), 0);
		calm_map_stats(map, &stats);
		peak = stats.bytes > peak ? stats.bytes : peak;
	}
	assert_true(stats.promotions >= 50);
	assert_true(peak < 3 * bytes);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
}

/*
 * A small pointer retired after a large one, in one section, kept the large one's bytes counted:
 * the thread waited for ever.
 */
static void a_small_one_does_not_hold_a_large_one(void **state)
{
	(void)state;
	struct calm__self *self = calm__self();
	atomic_store(&released, 0);
	assert_true(calm__reserve(self, 2));
	alarm(20);
	calm__enter(self);
	calm__retire_large(self, self, count, NULL, 2 * CALM__BACKLOG_BYTES);
	calm__retire(self, self, count, NULL);
	calm__leave(self);
	alarm(0);
	assert_int_equal(atomic_load(&released), 2);
}

/* The values of a cleared table waited for 168 more retired pointers, perhaps for ever. */
static void a_cleared_table_goes_at_once(void **state)
{
	(void)state;
	calm_options options = CALM_OPTIONS_INIT;
	options.release = count;
	calm_map *map;
	assert_int_equal(calm_lockmap_create(&map, &options), CALM_OK);
	atomic_store(&released, 0);
	for (uint64_t i = 0; i < 20000; i++)
		assert_int_equal(calm_map_store(map, calm_word(i), NULL), CALM_OK);
	assert_int_equal(calm_map_clear(map), CALM_OK);
	assert_int_equal(atomic_load(&released), 20000);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
}

/* The table shrank after the first store, whatever capacity or reserve had asked for. */
static void capacity_outlives_the_first_writes(void **state)
{
	(void)state;
	calm_options options = CALM_OPTIONS_INIT;
	options.capacity = 10000;
	calm_map *map;
	assert_int_equal(calm_lockmap_create(&map, &options), CALM_OK);
	for (uint64_t i = 0; i < 10000; i++) {
		assert_int_equal(calm_map_store(map, calm_word(i), NULL), CALM_OK);
		assert_int_equal(calm_map_store(map, calm_word(i + 1), NULL), CALM_OK);
		assert_int_equal(calm_map_delete(map, calm_word(i + 1)), CALM_OK);
	}
	calm_stats stats;
	calm_map_stats(map, &stats);
	assert_int_equal(stats.resizes, 0);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
}

/* update took the callback's own CALM_CHANGED for a lost race, and tried again for ever. */
static calm_status give_up(calm_key key, bool present, void **value, bool *keep, void *context)
{
	(void)key;
	(void)present;
	(void)value;
	(void)keep;
	++*(int *)context;
	return CALM_CHANGED;
}

static void update_returns_what_its_callback_does(void **state)
{
	(void)state;
	calm_map *map;
	int calls = 0;
	assert_int_equal(calm_lockmap_create(&map, NULL), CALM_OK);
	alarm(10);
	assert_int_equal(calm_map_update(map, calm_word(1), give_up, &calls), CALM_CHANGED);
	alarm(0);
	assert_int_equal(calls, 1);
	assert_int_equal(calm_map_size(map), 0);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
}

/*
 * treemap: a batch that names a key several times, and then another, in a leaf without room for both
 * was cut at the first key again and again.
 */
static void a_key_several_times_in_a_batch(void **state)
{
	(void)state;
	calm_map *map = NULL;
	calm_change changes[] = {{.key = calm_word(5), .value = (void *)1},
				 {.key = calm_word(5), .value = (void *)2},
				 {.key = calm_word(5), .value = (void *)3},
				 {.key = calm_word(500), .value = (void *)4}};
	void *value = NULL;
	assert_int_equal(calm_treemap_create(&map, NULL), CALM_OK);
	alarm(10);
	for (uint64_t i = 1; i <= 256; i++)
		assert_int_equal(calm_map_store(map, calm_word(1000 * i), NULL), CALM_OK);
	for (uint64_t i = 1; i <= 256; i++) {
		changes[0].key = changes[1].key = changes[2].key = calm_word(1000 * i - 1);
		changes[3].key = calm_word(1000 * i + 1);
		assert_int_equal(calm_map_apply(map, 4, changes), CALM_OK);
	}
	alarm(0);
	assert_int_equal(calm_map_size(map), 3 * 256);
	assert_int_equal(calm_map_load(map, calm_word(999), &value), CALM_OK);
	assert_ptr_equal(value, (void *)3);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
}

/*
 * calm_snapshot_diff used the younger snapshot for one load at a time: ousted in between, the value that
 * the visitor had been given was released under it.
 */
struct shown {
	calm_map *map;
	calm_snapshot *snapshots[2];
	long released[4]; /* by number of the value */
	int visits;
};

static void count_by_number(void *value, void *context)
{
	struct shown *shown = context;
	shown->released[(uintptr_t)value < 4 ? (uintptr_t)value : 0]++;
}

static int oust_both(calm_key key, bool before, void *old_value, bool after, void *new_value,
		     void *context)
{
	struct shown *shown = context;
	void *value;
	calm_status stale[2];
	(void)key;
	assert_true(before && after);
	for (uint64_t i = 0; i < 10000; i++)
		assert_int_equal(calm_map_store(shown->map, calm_word(1 + i % 5000), NULL),
				 CALM_OK);
	assert_int_equal(calm_read_wait(), CALM_OK);
	for (int i = 0; i < 2; i++)
		stale[i] = calm_snapshot_load(shown->snapshots[i], calm_word(1), &value);
	assert_int_equal(stale[0], CALM_ESTALE);
	assert_int_equal(stale[1], CALM_ESTALE);
	assert_int_equal(shown->released[(uintptr_t)old_value], 0);
	assert_int_equal(shown->released[(uintptr_t)new_value], 0);
	shown->visits++;
	return 0;
}

static void diff_keeps_what_it_shows(void **state)
{
	(void)state;
	calm_status (*const create[])(calm_map **, const calm_options *) = {
		calm_hashmap_create, calm_treemap_create, calm_deltamap_create};
	for (int k = 0; k < 3; k++) {
		struct shown shown = {.visits = 0};
		calm_options options = CALM_OPTIONS_INIT;
		options.release = count_by_number;
		options.context = &shown;
		options.snapshot_budget = 4096;
		assert_int_equal(create[k](&shown.map, &options), CALM_OK);
		for (uint64_t i = 0; i < 5000; i++)
			assert_int_equal(calm_map_store(shown.map, calm_word(1 + i), NULL),
					 CALM_OK);
		for (uintptr_t i = 0; i < 2; i++) {
			assert_int_equal(calm_map_store(shown.map, calm_word(1), (void *)(1 + i)),
					 CALM_OK);
			assert_int_equal(calm_map_snapshot(shown.map, &shown.snapshots[i]),
					 CALM_OK);
		}
		assert_int_equal(calm_snapshot_diff(shown.snapshots[0], shown.snapshots[1],
						    oust_both, &shown),
				 CALM_ESTALE);
		assert_int_equal(shown.visits, 1);
		calm_snapshot_close(shown.snapshots[0]);
		calm_snapshot_close(shown.snapshots[1]);
		assert_int_equal(calm_map_destroy(shown.map), CALM_OK);
		assert_int_equal(shown.released[1], 1);
		assert_int_equal(shown.released[2], 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ousting_races_with_opening_and_closing),
		cmocka_unit_test(a_budget_ousts_the_oldest),
		cmocka_unit_test(a_batch_finds_a_block_for_every_snapshot),
		cmocka_unit_test(waiting_waits_for_the_outer_release),
		cmocka_unit_test(tables_are_counted_in_bytes),
		cmocka_unit_test(a_small_one_does_not_hold_a_large_one),
		cmocka_unit_test(a_cleared_table_goes_at_once),
		cmocka_unit_test(capacity_outlives_the_first_writes),
		cmocka_unit_test(update_returns_what_its_callback_does),
		cmocka_unit_test(a_key_several_times_in_a_batch),
		cmocka_unit_test(diff_keeps_what_it_shows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
