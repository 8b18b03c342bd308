/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What Go promises of its sync.Map, and what once went wrong there, asked of every kind of map; the
 * behaviours are those that go/src/sync/map_test.go names, the tests are written anew. Those about
 * misses and promotion are syncmap's alone.
 */
#include "suite.h"

#define THREADS 8
#define KEYS 256

static int count_visits(calm_key key, void *value, void *context)
{
	(void)key;
	(void)value;
	++*(uint64_t *)context;
	return 0;
}

static uint64_t visits_of(const calm_map *map)
{
	uint64_t visits = 0;
	assert_int_equal(calm_map_each(map, count_visits, &visits), 0);
	return visits;
}

static void fill(const struct suite *on, calm_map *map, uint64_t from, uint64_t end)
{
	for (uint64_t i = from; i < end; i++)
		assert_int_equal(calm_map_store(map, suite_key(on, i), suite_int(i + 1)), CALM_OK);
}

/* ---- walks ---- */

struct walk {
	const struct suite *on;
	calm_map *map;
	uint64_t rounds;
	_Atomic bool stop;
	bool seen[2 * KEYS];
	uint64_t visits;
};

static int visit_multiple(calm_key key, void *value, void *context)
{
	struct walk *walk = context;
	uint64_t i = suite_index(key);
	suite_check(i < KEYS && !walk->seen[i]);
	suite_check((uint64_t)(uintptr_t)value % (i + 1) == 0);
	walk->seen[i] = true;
	walk->visits++;
	return 0;
}

/*
 * Keys that are always there, under ever other values: a walk sees each exactly once, with a value
 * of its own.
 */
static void store_multiples(unsigned index, void *context)
{
	struct walk *shared = context;
	if (index > 1) {
		for (uint64_t n = 1; !shared->stop; n++)
			for (uint64_t i = 0; i < KEYS; i++)
				suite_check(calm_map_store(shared->map, suite_key(shared->on, i),
							   suite_int(n * (i + 1))) == CALM_OK);
		return;
	}
	for (uint64_t round = 0; round < shared->rounds; round++) {
		struct walk walk = {.on = shared->on};
		suite_check(calm_map_each(shared->map, visit_multiple, &walk) == 0);
		suite_check(walk.visits == KEYS);
	}
	shared->stop = true;
}

static void no_key_twice_under_concurrent_stores(void **state)
{
	struct walk shared = {.on = *state, .rounds = suite_long(200)};
	shared.map = suite_map(shared.on, NULL, NULL);
	fill(shared.on, shared.map, 0, KEYS);
	suite_threads(4, store_multiples, &shared);
	assert_int_equal(visits_of(shared.map), KEYS);
	suite_end(shared.map, NULL, NULL);
}

static int visit_innermost(calm_key key, void *value, void *context)
{
	struct walk *walk = context;
	(void)value;
	walk->visits++;
	suite_check(calm_map_delete(walk->map, suite_key(walk->on, suite_index(key))) >= CALM_OK);
	return 0;
}

static int visit_nested(calm_key key, void *value, void *context)
{
	struct walk *walk = context;
	uint64_t i = suite_index(key);
	(void)value;
	suite_check(!walk->seen[i]);
	walk->seen[i] = true;
	suite_check(calm_map_store(walk->map, suite_key(walk->on, 7), suite_int(9)) == CALM_OK);
	suite_check(calm_map_load_or_store(walk->map, suite_key(walk->on, i + KEYS), NULL, NULL) >=
		    CALM_OK);
	/* The walk inside empties the map, what was just stored too. */
	walk->visits = 0;
	suite_check(calm_map_each(walk->map, visit_innermost, walk) == 0);
	suite_check(walk->visits >= 2 && calm_map_size(walk->map) == 0);
	return 0;
}

static void walks_nest(void **state)
{
	struct walk walk = {.on = *state};
	walk.map = suite_map(walk.on, NULL, NULL);
	fill(walk.on, walk.map, 0, 5);
	assert_int_equal(calm_map_each(walk.map, visit_nested, &walk), 0);
	assert_int_equal(calm_map_size(walk.map), 0);
	fill(walk.on, walk.map, 0, 3);
	assert_int_equal(visits_of(walk.map), 3);
	suite_end(walk.map, NULL, NULL);
}

/* ---- comparing ---- */

/*
 * Absent never equals NULL: not before, not after a deletion, not once the deletion was forgotten.
 */
static void an_absent_key_compares_to_nothing(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	calm_key key = suite_key(on, 1);
	for (uint64_t round = 0; round < 4; round++) {
		assert_int_equal(calm_map_compare_and_swap(map, key, NULL, suite_int(1)),
				 CALM_ABSENT);
		assert_int_equal(calm_map_compare_and_delete(map, key, NULL), CALM_ABSENT);
		assert_int_equal(calm_map_compare_and_swap(map, key, suite_int(1), suite_int(1)),
				 CALM_ABSENT);
		assert_absent(map, key);
		assert_int_equal(calm_map_store(map, key, NULL), CALM_OK);
		if (round % 2 == 0)
			(void)visits_of(map); /* promotes */
		assert_int_equal(calm_map_compare_and_delete(map, key, NULL), CALM_OK);
		if (round > 1)
			fill(on, map, 100 * round,
			     100 * round + 2); /* copies, and leaves out what was deleted */
	}
	suite_end(map, NULL, NULL);
}

/* ---- who wins ---- */

struct race {
	const struct suite *on;
	calm_map *map;
	_Atomic uint64_t wins[KEYS];
	_Atomic uint64_t sum;
};

static void delete_all(unsigned index, void *context)
{
	struct race *race = context;
	for (uint64_t n = 0; n < KEYS; n++) {
		uint64_t i = (n + index * 31) % KEYS;
		void *value = NULL;
		if (calm_map_load_and_delete(race->map, suite_key(race->on, i), &value) != CALM_OK)
			continue;
		suite_check(value == suite_int(i + 1));
		atomic_fetch_add(&race->wins[i], 1);
	}
}

static void store_all(unsigned index, void *context)
{
	struct race *race = context;
	for (uint64_t n = 0; n < KEYS; n++) {
		uint64_t i = (n + index * 31) % KEYS;
		void *actual = NULL;
		calm_status status = calm_map_load_or_store(race->map, suite_key(race->on, i),
							    suite_int(index), &actual);
		suite_check(status == CALM_OK ? actual == suite_int(index)
					      : status == CALM_PRESENT);
		/* Who came second, or looks again, sees the winner. */
		void *again = SUITE_UNTOUCHED;
		suite_check(calm_map_load(race->map, suite_key(race->on, i), &again) == CALM_OK &&
			    again == actual);
		if (status == CALM_OK)
			atomic_fetch_add(&race->wins[i], 1);
	}
}

static void swap_once(unsigned index, void *context)
{
	struct race *race = context;
	for (uint64_t i = 0; i < KEYS; i++) {
		calm_status status = calm_map_compare_and_swap(race->map, suite_key(race->on, i),
							       suite_int(i + 1),
							       suite_int(1000 + index));
		suite_check(status == CALM_OK || status == CALM_CHANGED);
		if (status == CALM_OK)
			atomic_fetch_add(&race->wins[i], 1);
	}
}

static void assert_one_winner_each(struct race *race)
{
	for (uint64_t i = 0; i < KEYS; i++) {
		assert_int_equal(race->wins[i], 1);
		race->wins[i] = 0;
	}
}

static void one_thread_wins(void **state)
{
	struct race race = {.on = *state};
	race.map = suite_map(race.on, NULL, NULL);
	for (uint64_t round = suite_long(40); round > 0; round--) {
		suite_threads(THREADS, store_all, &race);
		assert_one_winner_each(&race);
		assert_int_equal(calm_map_size(race.map), KEYS);
		fill(race.on, race.map, 0, KEYS);
		suite_threads(THREADS, swap_once, &race);
		assert_one_winner_each(&race);
		fill(race.on, race.map, 0, KEYS);
		suite_threads(THREADS, delete_all, &race);
		assert_one_winner_each(&race);
		assert_int_equal(calm_map_size(race.map), 0);
	}
	suite_end(race.map, NULL, NULL);
}

/* ---- clear under load ---- */

static void store_and_clear(unsigned index, void *context)
{
	struct walk *shared = context;
	if (index < 2) {
		for (uint64_t round = 0; round < shared->rounds; round++)
			suite_check(calm_map_clear(shared->map) == CALM_OK);
		shared->stop = true;
		return;
	}
	for (uint64_t n = index; !shared->stop; n++) {
		uint64_t i = n % KEYS;
		void *actual = NULL;
		struct walk walk = {.on = shared->on};
		suite_check(calm_map_load_or_store(shared->map, suite_key(shared->on, i),
						   suite_int(i + 1), &actual) >= CALM_OK);
		suite_check((uint64_t)(uintptr_t)actual % (i + 1) == 0);
		suite_check(calm_map_swap(shared->map, suite_key(shared->on, i),
					  suite_int(2 * i + 2), NULL) >= CALM_OK);
		if (n % 64 == 0)
			suite_check(calm_map_each(shared->map, visit_multiple, &walk) == 0);
	}
}

static void clear_under_load(void **state)
{
	struct walk shared = {.on = *state, .rounds = suite_long(2000)};
	struct suite_heap heap;
	suite_heap_init(&heap);
	shared.map = suite_map(shared.on, NULL, &heap);
	suite_threads(THREADS, store_and_clear, &shared);
	assert_int_equal(visits_of(shared.map), calm_map_size(shared.map));
	assert_int_equal(calm_map_clear(shared.map), CALM_OK);
	assert_int_equal(visits_of(shared.map), 0);
	assert_int_equal(calm_map_size(shared.map), 0);
	for (uint64_t i = 0; i < KEYS; i++)
		assert_absent(shared.map, suite_key(shared.on, i));
	fill(shared.on, shared.map, 0, KEYS);
	assert_int_equal(visits_of(shared.map), KEYS);
	suite_end(shared.map, NULL, &heap);
}

/* ---- memory ---- */

static int64_t bytes_when_quiet(struct suite_heap *heap)
{
	assert_int_equal(calm_read_wait(), CALM_OK);
	return heap->bytes;
}

/*
 * Go's issue 40999: a key stored and deleted, then another, and so on, never with a load between.
 */
static void ever_new_keys_do_not_leak(void **state)
{
	const struct suite *on = *state;
	struct suite_items items = {0};
	struct suite_heap heap;
	uint64_t warm = 1000;
	uint64_t rounds = warm + suite_long(100000);
	int64_t before = 0;
	suite_heap_init(&heap);
	calm_map *map = suite_map(on, &items, &heap);
	for (uint64_t i = 0; i < rounds; i++) {
		if (i == warm)
			before = bytes_when_quiet(&heap);
		assert_int_equal(calm_map_store(map, suite_key(on, i), suite_item(&items, i)),
				 CALM_OK);
		assert_int_equal(calm_map_load_and_delete(map, suite_key(on, i), NULL), CALM_OK);
	}
	assert_int_equal(calm_map_size(map), 0);
	assert_true(bytes_when_quiet(&heap) < before + 65536);
	assert_int_equal(items.live, 0);
	suite_end(map, &items, &heap);
}

/* Keys that were read, and so promoted, and then deleted: the next promotions leave them behind. */
static void deleted_keys_go_after_promotion(void **state)
{
	enum { MANY = 5000 / SUITE_SLOWER }; /* each write may copy them all */
	const struct suite *on = *state;
	struct suite_items items = {0};
	struct suite_heap heap;
	void *value;
	suite_heap_init(&heap);
	calm_map *map = suite_map(on, &items, &heap);
	int64_t empty = heap.bytes;
	for (uint64_t i = 0; i < MANY; i++)
		assert_int_equal(calm_map_store(map, suite_key(on, i), suite_item(&items, i)),
				 CALM_OK);
	for (uint64_t i = 0; i < 2 * MANY; i++)
		(void)calm_map_load(map, suite_key(on, i), &value);
	int64_t full = bytes_when_quiet(&heap);
	for (uint64_t i = 0; i < MANY; i++)
		assert_int_equal(calm_map_delete(map, suite_key(on, i)), CALM_OK);
	for (uint64_t i = MANY; i < MANY + 4; i++) {
		assert_int_equal(calm_map_store(map, suite_key(on, i), suite_item(&items, i)),
				 CALM_OK);
		assert_int_equal(visits_of(map), i - MANY + 1);
	}
	assert_true(full - empty > MANY * 16);
	/* Left alone, a deltamap keeps room for the marks that it had of late. */
	assert_int_equal(calm_deltamap_compact(map), suite_compacts(on));
	assert_true(bytes_when_quiet(&heap) - empty < (full - empty) / 4);
	assert_int_equal(items.live, 4);
	suite_end(map, &items, &heap);
}

static void looking_and_missing_cost_no_memory(void **state)
{
	const struct suite *on = *state;
	struct suite_heap heap;
	void *value;
	suite_heap_init(&heap);
	calm_map *map = suite_map(on, NULL, &heap);
	fill(on, map, 0, KEYS);
	for (uint64_t i = 0; i < 2 * KEYS; i++)
		(void)calm_map_load(map, suite_key(on, i), &value);
	uint64_t calls = heap.calls;
	for (uint64_t i = 0; i < 4 * KEYS; i++) {
		uint64_t there = i % KEYS;
		assert_int_equal(calm_map_delete(map, suite_key(on, KEYS + i)), CALM_ABSENT);
		assert_int_equal(calm_map_load_and_delete(map, suite_key(on, KEYS + i), NULL),
				 CALM_ABSENT);
		assert_int_equal(
			calm_map_compare_and_swap(map, suite_key(on, KEYS + i), NULL, NULL),
			CALM_ABSENT);
		assert_int_equal(calm_map_compare_and_delete(map, suite_key(on, KEYS + i), NULL),
				 CALM_ABSENT);
		assert_absent(map, suite_key(on, KEYS + i));
		assert_bound(map, suite_key(on, there), suite_int(there + 1));
		assert_int_equal(calm_map_load_or_store(map, suite_key(on, there), NULL, &value),
				 CALM_PRESENT);
		assert_int_equal(calm_map_compare_and_swap(map, suite_key(on, there), NULL, NULL),
				 CALM_CHANGED);
	}
	assert_int_equal(heap.calls, calls);
	suite_end(map, NULL, &heap);
}

/* ---- misses and promotions: syncmap ---- */

static calm_stats stats_of(const calm_map *map)
{
	calm_stats stats;
	calm_map_stats(map, &stats);
	return stats;
}

static void misses_promote(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	calm_stats stats = stats_of(map);
	assert_int_equal(stats.hits + stats.misses + stats.promotions + stats.copies, 0);
	/* New keys go to dirty; storing is no miss. */
	fill(on, map, 0, 100);
	fill(on, map, 0, 100);
	stats = stats_of(map);
	assert_int_equal(stats.misses + stats.promotions, 0);
	assert_int_equal(stats.copies, 1);
	assert_true(stats.copied_bytes > 0);
	/* As many misses as dirty has keys, found there or not. */
	for (uint64_t i = 0; i < 99; i++) {
		if (i % 2 == 0)
			assert_bound(map, suite_key(on, i), suite_int(i + 1));
		else
			assert_absent(map, suite_key(on, 1000 + i));
	}
	stats = stats_of(map);
	assert_int_equal(stats.misses, 99);
	assert_int_equal(stats.promotions, 0);
	assert_bound(map, suite_key(on, 50), suite_int(51));
	stats = stats_of(map);
	assert_int_equal(stats.misses, 100);
	assert_int_equal(stats.promotions, 1);
	uint64_t hits = stats.hits;
	for (uint64_t i = 0; i < 100; i++) {
		assert_bound(map, suite_key(on, i), suite_int(i + 1));
		assert_absent(map, suite_key(on, 1000 + i));
	}
	stats = stats_of(map);
	assert_int_equal(stats.hits, hits + 200);
	assert_int_equal(stats.misses, 100);
	/* Writes to what is in read neither copy nor miss; one new key copies all. */
	fill(on, map, 0, 100);
	for (uint64_t i = 0; i < 100; i += 2)
		assert_int_equal(calm_map_delete(map, suite_key(on, i)), CALM_OK);
	stats = stats_of(map);
	assert_int_equal(stats.misses, 100);
	assert_int_equal(stats.copies, 1);
	uint64_t copied = stats.copied_bytes;
	fill(on, map, 200, 203);
	stats = stats_of(map);
	assert_int_equal(stats.copies, 2);
	assert_true(stats.copied_bytes > copied);
	assert_int_equal(stats.entries, 53);
	/* load_and_delete in vain is a miss too: else ever new keys would never be promoted. */
	uint64_t misses = stats.misses;
	assert_int_equal(calm_map_load_and_delete(map, suite_key(on, 5000), NULL), CALM_ABSENT);
	assert_int_equal(stats_of(map).misses, misses + 1);
	suite_end(map, NULL, NULL);
}

static void a_walk_promotes(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	fill(on, map, 0, 50);
	assert_int_equal(visits_of(map), 50);
	assert_int_equal(stats_of(map).promotions, 1);
	assert_int_equal(visits_of(map), 50);
	assert_int_equal(stats_of(map).promotions, 1);
	for (uint64_t i = 0; i < 50; i++)
		assert_bound(map, suite_key(on, i), suite_int(i + 1));
	assert_int_equal(stats_of(map).misses, 0);
	/* Deleted, left out of the next dirty, and revived there. */
	assert_int_equal(calm_map_delete(map, suite_key(on, 3)), CALM_OK);
	fill(on, map, 50, 51);
	assert_absent(map, suite_key(on, 3));
	assert_int_equal(calm_map_size(map), 50);
	assert_int_equal(calm_map_load_or_store(map, suite_key(on, 3), suite_int(33), NULL),
			 CALM_OK);
	assert_bound(map, suite_key(on, 3), suite_int(33));
	assert_int_equal(visits_of(map), 51);
	assert_bound(map, suite_key(on, 3), suite_int(33));
	assert_int_equal(stats_of(map).promotions, 2);
	suite_end(map, NULL, NULL);
}

static void if_syncmap(void (*test)(void **), void **state)
{
	const struct suite *on = *state;
	if (strcmp(on->kind->name, "syncmap") != 0)
		skip();
	test(state);
}

static void syncmap_misses_promote(void **state)
{
	if_syncmap(misses_promote, state);
}

static void syncmap_walks_promote(void **state)
{
	if_syncmap(a_walk_promotes, state);
}

int main(int argc, char **argv)
{
	static const struct suite_test tests[] = {
		SUITE_TEST(no_key_twice_under_concurrent_stores),
		SUITE_TEST(walks_nest),
		SUITE_TEST(an_absent_key_compares_to_nothing),
		SUITE_TEST(one_thread_wins),
		SUITE_TEST(clear_under_load),
		SUITE_TEST(ever_new_keys_do_not_leak),
		SUITE_TEST(deleted_keys_go_after_promotion),
		SUITE_TEST(looking_and_missing_cost_no_memory),
		SUITE_TEST_ONLY(syncmap_misses_promote, SUITE_NO_SNAPSHOTS),
		SUITE_TEST_ONLY(syncmap_walks_promote, SUITE_NO_SNAPSHOTS),
	};
	return suite_run(argc, argv, tests, SUITE_COUNT(tests), NULL, 0);
}
