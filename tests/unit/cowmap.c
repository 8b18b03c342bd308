/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What is cowmap's own: what snapshots of one table cost, whichever closes first; that writers share
 * copies; that a write which changes nothing makes none; all or none also for loads; that a large
 * table goes when its readers have gone, which it shares with syncmap.
 */
#include "map/cowmap.h"

#include "suite.h"

#define ENTRIES 100
#define OPEN 4

static calm_map *map_with(size_t budget)
{
	calm_options options = CALM_OPTIONS_INIT;
	calm_map *map = NULL;
	options.snapshot_budget = budget;
	assert_int_equal(calm_cowmap_create(&map, &options), CALM_OK);
	for (uint64_t i = 0; i < ENTRIES; i++)
		assert_int_equal(calm_map_store(map, calm_word(i), suite_int(i)), CALM_OK);
	return map;
}

static uint64_t history(const calm_map *map)
{
	calm_stats stats;
	calm_map_stats(map, &stats);
	return stats.history_bytes;
}

static uint64_t copies(const calm_map *map)
{
	calm_stats stats;
	calm_map_stats(map, &stats);
	return stats.copies;
}

static uint64_t table_bytes(const calm_map *map)
{
	return calm__cowmap_table(calm__cowmap_of(map))->bytes;
}

static calm_snapshot *open_one(calm_map *map)
{
	calm_snapshot *snapshot = NULL;
	assert_int_equal(calm_map_snapshot(map, &snapshot), CALM_OK);
	return snapshot;
}

static bool stale(calm_snapshot *snapshot)
{
	void *value;
	return calm_snapshot_load(snapshot, calm_word(1), &value) == CALM_ESTALE;
}

/* Four snapshots of one table cost it once, until the last of them closes, in each order. */
static void a_shared_table_counts_once(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 4 * 3 * 2; order++) {
		calm_map *map = map_with(0);
		calm_snapshot *open[OPEN];
		for (size_t i = 0; i < OPEN; i++)
			open[i] = open_one(map);
		uint64_t handles = history(map);
		uint64_t table = table_bytes(map);
		assert_true(handles < table);
		assert_int_equal(calm_map_store(map, calm_word(1), NULL), CALM_OK);
		assert_int_equal(history(map), handles + table);
		assert_int_equal(calm_map_store(map, calm_word(1), suite_int(9)), CALM_OK);
		assert_int_equal(history(map), handles + table);
		unsigned choice = order;
		for (unsigned left = OPEN; left > 0; left--) {
			unsigned at = choice % left;
			choice /= left;
			calm_snapshot_close(open[at]);
			open[at] = open[left - 1];
			uint64_t expected = left > 1 ? handles / OPEN * (left - 1) + table : 0;
			assert_int_equal(history(map), expected);
		}
		suite_end(map, NULL, NULL);
	}
}

/* Nothing is ousted for a table that the map has anyway, or that a newer snapshot needs. */
static void a_budget_counts_what_is_kept(void **state)
{
	(void)state;
	calm_map *map = map_with(12000);
	calm_snapshot *open[2 * OPEN];
	assert_true(table_bytes(map) > 4000 && table_bytes(map) < 5000);
	for (size_t i = 0; i < OPEN; i++)
		open[i] = open_one(map);
	assert_int_equal(calm_map_store(map, calm_word(1), NULL), CALM_OK);
	for (size_t i = OPEN; i < 2 * OPEN; i++)
		open[i] = open_one(map);
	for (size_t i = 0; i < 2 * OPEN; i++)
		assert_false(stale(open[i]));
	/* A write, with no snapshot opened since, is enough to go past the budget. */
	assert_int_equal(calm_map_reserve(map, 1000), CALM_OK);
	calm_snapshot *large = open_one(map);
	for (size_t i = 0; i < 2 * OPEN; i++)
		assert_false(stale(open[i]));
	assert_int_equal(calm_map_store(map, calm_word(2), NULL), CALM_OK);
	for (size_t i = 0; i < 2 * OPEN; i++)
		assert_true(stale(open[i]));
	assert_false(stale(large)); /* never the newest */
	for (size_t i = 0; i < 2 * OPEN; i++)
		calm_snapshot_close(open[i]);
	calm_snapshot_close(large);
	assert_int_equal(history(map), 0);
	suite_end(map, NULL, NULL);
}

static void what_changes_nothing_copies_nothing(void **state)
{
	(void)state;
	calm_map *map = map_with(0);
	uint64_t before = copies(map);
	assert_int_equal(before, ENTRIES);
	assert_int_equal(calm_map_delete(map, calm_word(ENTRIES)), CALM_ABSENT);
	assert_int_equal(calm_map_load_or_store(map, calm_word(1), NULL, NULL), CALM_PRESENT);
	assert_int_equal(calm_map_compare_and_swap(map, calm_word(1), NULL, NULL), CALM_CHANGED);
	assert_int_equal(calm_map_compare_and_delete(map, calm_word(1), NULL), CALM_CHANGED);
	assert_int_equal(copies(map), before);
	assert_int_equal(calm_map_load_or_store(map, calm_word(ENTRIES), NULL, NULL), CALM_OK);
	assert_int_equal(copies(map), before + 1);
	suite_end(map, NULL, NULL);
}

/* ---- writers together ---- */

#define THREADS 16

static void write_once(unsigned index, void *map)
{
	suite_check(calm_map_store(map, calm_word(ENTRIES + index), suite_int(index)) == CALM_OK);
}

/* How many writers wait. A request begins with the address of the one before it. */
static unsigned waiting(struct cowmap *map)
{
	unsigned n = 0;
	for (void *request = load_acquire(&map->pending); request; request = *(void **)request)
		n++;
	return n;
}

static void *open_the_lock(void *context)
{
	struct cowmap *map = calm__cowmap_of(context);
	while (waiting(map) < THREADS)
		calm__wait_turn(0);
	calm__unlock(&map->combine);
	return NULL;
}

static void writers_share_a_copy(void **state)
{
	(void)state;
	calm_map *map = map_with(0);
	uint64_t before = copies(map);
	pthread_t opener;
	calm__lock(&calm__cowmap_of(map)->combine);
	assert_int_equal(pthread_create(&opener, NULL, open_the_lock, map), 0);
	suite_threads(THREADS, write_once, map);
	assert_int_equal(pthread_join(opener, NULL), 0);
	assert_int_equal(copies(map), before + 1);
	for (uint64_t i = 0; i < THREADS; i++)
		assert_bound(map, calm_word(ENTRIES + i), suite_int(i));
	suite_end(map, NULL, NULL);
}

/* ---- all or none ---- */

struct pairs {
	calm_map *map;
	uint64_t rounds;
	_Atomic bool over;
};

static uint64_t loaded(calm_map *map, calm_key key)
{
	void *value = NULL;
	suite_check(calm_map_load(map, key, &value) == CALM_OK);
	return (uint64_t)(uintptr_t)value;
}

static void write_or_read_pairs(unsigned index, void *context)
{
	struct pairs *pairs = context;
	const calm_key keys[] = {calm_word(1), calm_word(2)};
	for (uint64_t i = 2; index == 0 && i <= pairs->rounds; i++) {
		calm_change changes[] = {{keys[0], suite_int(i), false},
					 {keys[1], suite_int(i), false}};
		suite_check(calm_map_apply(pairs->map, 2, changes) == CALM_OK);
	}
	if (index == 0)
		atomic_store(&pairs->over, true);
	while (!atomic_load(&pairs->over)) {
		void *values[2];
		calm_status found[2];
		suite_check(calm_map_load_many(pairs->map, 2, keys, values, found) == 2);
		suite_check(values[0] == values[1]);
		/* Whichever is loaded first: what was not there by then may be in the later only. */
		for (unsigned first = 0; first < 2; first++) {
			uint64_t earlier = loaded(pairs->map, keys[first]);
			suite_check(loaded(pairs->map, keys[1 - first]) >= earlier);
		}
	}
}

static void loads_see_all_of_an_apply_or_nothing(void **state)
{
	(void)state;
	struct pairs pairs = {.map = map_with(0), .rounds = suite_long(30000)};
	assert_int_equal(calm_map_store(pairs.map, calm_word(2), suite_int(1)), CALM_OK);
	suite_threads(3, write_or_read_pairs, &pairs);
	suite_end(pairs.map, NULL, NULL);
}

/* ---- large tables ---- */

#define MANY 20000
#define LOADS (4 * CALM__LATER_TURNS)

struct inside {
	pthread_barrier_t in;
	pthread_barrier_t out;
};

static void *stay_inside(void *context)
{
	struct inside *inside = context;
	calm_read_begin();
	pthread_barrier_wait(&inside->in);
	pthread_barrier_wait(&inside->out);
	calm_read_end();
	return NULL;
}

static int pass_over(calm_key key, void *value, void *context)
{
	(void)key;
	(void)value;
	(void)context;
	return 0;
}

static uint64_t bytes(const calm_map *map)
{
	calm_stats stats;
	calm_map_stats(map, &stats);
	return stats.bytes;
}

/* After the call a thread has retired a large table, and a reader was in the way. */
static void replace_beside_a_reader(calm_map *map)
{
	struct inside inside;
	pthread_t reader;
	assert_int_equal(pthread_barrier_init(&inside.in, NULL, 2), 0);
	assert_int_equal(pthread_barrier_init(&inside.out, NULL, 2), 0);
	assert_int_equal(pthread_create(&reader, NULL, stay_inside, &inside), 0);
	pthread_barrier_wait(&inside.in);
	assert_int_equal(calm_map_store(map, calm_word(MANY), NULL), CALM_OK);
	assert_int_equal(calm_map_each(map, pass_over, NULL), 0); /* syncmap promotes */
	pthread_barrier_wait(&inside.out);
	assert_int_equal(pthread_join(reader, NULL), 0);
	pthread_barrier_destroy(&inside.in);
	pthread_barrier_destroy(&inside.out);
}

/* The thread that retired it only loads from then on. */
static void a_large_table_goes_after_its_readers(void **state)
{
	(void)state;
	calm_status (*const create[])(calm_map **, const calm_options *) = {calm_cowmap_create,
									    calm_syncmap_create};
	for (unsigned k = 0; k < sizeof(create) / sizeof(create[0]); k++) {
		calm_map *map = NULL;
		calm_options options = CALM_OPTIONS_INIT;
		options.capacity = MANY + 1;
		assert_int_equal(create[k](&map, &options), CALM_OK);
		calm_change *changes = calloc(MANY, sizeof(*changes));
		assert_non_null(changes);
		for (uint64_t i = 0; i < MANY; i++)
			changes[i].key = calm_word(i);
		if (calm_map_apply(map, MANY, changes) != CALM_OK)
			for (uint64_t i = 0; i < MANY; i++)
				assert_int_equal(calm_map_store(map, changes[i].key, NULL),
						 CALM_OK);
		free(changes);
		assert_int_equal(calm_map_each(map, pass_over, NULL), 0);
		assert_int_equal(calm_read_wait(), CALM_OK);
		uint64_t before = bytes(map);
		assert_true(before > CALM__LARGE);
		replace_beside_a_reader(map);
		uint64_t beside = bytes(map);
		for (unsigned i = 0; i < LOADS; i++)
			assert_bound(map, calm_word(MANY), NULL);
		uint64_t after = bytes(map);
		print_message("%s: %llu bytes, %llu beside the reader, %llu after it\n",
			      map->kind->name, (unsigned long long)before,
			      (unsigned long long)beside, (unsigned long long)after);
		assert_true(beside > before + CALM__LARGE);
		assert_true(after < before + CALM__LARGE / 16);
		suite_end(map, NULL, NULL);
	}
}

/* ---- checks ---- */

static void a_check_bites(void **state)
{
	(void)state;
	calm_map *map = map_with(0);
	const char *broken = NULL;
	struct cowmap *cow = calm__cowmap_of(map);
	struct sheet *sheet = calm__cowmap_sheet(cow);
	struct sheet *other = calm__sheet_of(calm__table_new(&map->heap, sizeof(*other), 0, false));
	assert_non_null(other);
	store_release(&other->holds, 0);
	store_release(&cow->sheet, other);
	assert_int_equal(calm_debug_check(map, &broken), CALM_CHANGED);
	assert_non_null(broken);
	store_release(&cow->sheet, sheet);
	calm__table_free(&map->heap, &other->table);
	sheet->table.count++;
	assert_int_equal(calm_debug_check(map, &broken), CALM_CHANGED);
	sheet->table.count--;
	suite_end(map, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_shared_table_counts_once),
		cmocka_unit_test(a_budget_counts_what_is_kept),
		cmocka_unit_test(what_changes_nothing_copies_nothing),
		cmocka_unit_test(writers_share_a_copy),
		cmocka_unit_test(loads_see_all_of_an_apply_or_nothing),
		cmocka_unit_test(a_large_table_goes_after_its_readers),
		cmocka_unit_test(a_check_bites),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
