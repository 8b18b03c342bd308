/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What is deltamap's own: what compaction does and leaves alone, when it begins, who keeps an old base
 * and what that counts for, what it costs in memory; and that a half-made base keeps nothing from
 * being released; and what waits for readers is bounded.
 */
#include "map/deltamap.h"

#include "suite.h"

#include <sched.h>

#define ENTRIES 1000

static calm_map *map_of(calm_key_kind keys, size_t compact_at, size_t budget,
			struct suite_items *items)
{
	calm_options options = CALM_OPTIONS_INIT;
	calm_map *map = NULL;
	options.keys = keys;
	options.compact_at = compact_at;
	options.snapshot_budget = budget;
	if (items) {
		options.release = suite_item_release;
		options.context = items;
	}
	assert_int_equal(calm_deltamap_create(&map, &options), CALM_OK);
	return map;
}

static void fill(calm_map *map, uint64_t n, uint64_t plus)
{
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(calm_map_store(map, calm_word(i), suite_int(i + plus)), CALM_OK);
}

static struct calm__generation *generation_of(calm_map *map)
{
	return calm__hashmap_table(calm__hashmap_of(map))->generation;
}

static size_t based(calm_map *map)
{
	return calm__base_of(generation_of(map))->dense->count;
}

static uint64_t marks(calm_map *map)
{
	return calm__stripes_sum(&generation_of(map)->count);
}

static calm_stats stats_of(const calm_map *map)
{
	calm_stats stats;
	calm_map_stats(map, &stats);
	return stats;
}

static int sum(calm_key key, void *value, void *context)
{
	(void)key;
	*(uint64_t *)context += (uint64_t)(uintptr_t)value;
	return 0;
}

static uint64_t sum_of(calm_map *map)
{
	uint64_t total = 0;
	assert_int_equal(calm_map_walk(map, sum, &total), 0);
	return total;
}

static void compaction_moves_marks_into_the_base(void **state)
{
	(void)state;
	calm_map *map = map_of(CALM_KEYS_WORD, SIZE_MAX, 0, NULL);
	fill(map, ENTRIES, 1);
	assert_int_equal(based(map), 0);
	assert_int_equal(marks(map), ENTRIES);
	assert_int_equal(calm_deltamap_compact(map), CALM_OK);
	assert_int_equal(based(map), ENTRIES);
	assert_int_equal(marks(map), 0);
	/* UPDATE, REMOVE, ADD, and an ADD that is removed again. */
	assert_int_equal(calm_map_store(map, calm_word(1), suite_int(100)), CALM_OK);
	assert_int_equal(calm_map_delete(map, calm_word(2)), CALM_OK);
	assert_int_equal(calm_map_store(map, calm_word(ENTRIES), suite_int(7)), CALM_OK);
	assert_int_equal(calm_map_store(map, calm_word(ENTRIES + 1), suite_int(8)), CALM_OK);
	assert_int_equal(calm_map_delete(map, calm_word(ENTRIES + 1)), CALM_OK);
	assert_int_equal(marks(map), 4);
	uint64_t expected = ENTRIES * (ENTRIES + 1) / 2 - 2 + 100 - 3 + 7;
	for (int round = 0; round < 2; round++) {
		assert_int_equal(calm_map_size(map), ENTRIES);
		assert_int_equal(sum_of(map), expected);
		assert_bound(map, calm_word(1), suite_int(100));
		assert_absent(map, calm_word(2));
		assert_bound(map, calm_word(ENTRIES), suite_int(7));
		assert_absent(map, calm_word(ENTRIES + 1));
		assert_int_equal(calm_deltamap_compact(map), CALM_OK);
		assert_int_equal(marks(map), 0);
		assert_int_equal(based(map), ENTRIES);
	}
	suite_end(map, NULL, NULL);
}

/* Writers begin it, and make it in passing; a read is no occasion. */
static void it_begins_at_its_size(void **state)
{
	(void)state;
	calm_map *map = map_of(CALM_KEYS_WORD, 200, 0, NULL);
	fill(map, 150, 0);
	assert_int_equal(based(map), 0);
	fill(map, ENTRIES, 0);
	assert_true(based(map) >= 200);
	assert_true(marks(map) < 400);
	uint64_t copies = stats_of(map).copies;
	assert_true(copies > 1);
	for (uint64_t i = 0; i < 10 * ENTRIES; i++)
		assert_int_equal(calm_map_delete(map, calm_word(ENTRIES + i)), CALM_ABSENT);
	assert_int_equal(stats_of(map).copies, copies);
	suite_end(map, NULL, NULL);
}

/* A snapshot keeps its base through any number of next ones; the budget counts it once. */
static void an_old_base_is_history(void **state)
{
	(void)state;
	calm_snapshot *open[3] = {NULL};
	calm_map *map = map_of(CALM_KEYS_WORD, SIZE_MAX, 0, NULL);
	fill(map, ENTRIES, 1);
	assert_int_equal(calm_deltamap_compact(map), CALM_OK);
	uint64_t base = calm__base_of(generation_of(map))->dense->bytes;
	for (int i = 0; i < 3; i++)
		assert_int_equal(calm_map_snapshot(map, &open[i]), CALM_OK);
	assert_true(stats_of(map).history_bytes < base);
	fill(map, ENTRIES, 5000);
	uint64_t before = stats_of(map).history_bytes;
	for (int round = 0; round < 3; round++) {
		assert_int_equal(calm_deltamap_compact(map), CALM_OK);
		fill(map, ENTRIES, 6000 + (uint64_t)round);
	}
	assert_true(stats_of(map).history_bytes - before >= base);
	assert_true(stats_of(map).history_bytes - before < 2 * base);
	for (int i = 0; i < 3; i++) {
		uint64_t total = 0;
		assert_int_equal(calm_snapshot_size(open[i]), ENTRIES);
		assert_int_equal(calm_snapshot_each(open[i], sum, &total), 0);
		assert_int_equal(total, ENTRIES * (ENTRIES + 1) / 2);
		calm_snapshot_close(open[i]);
	}
	assert_true(stats_of(map).history_bytes < base);
	suite_end(map, NULL, NULL);

	map = map_of(CALM_KEYS_WORD, SIZE_MAX, base / 2, NULL);
	fill(map, ENTRIES, 1);
	assert_int_equal(calm_deltamap_compact(map), CALM_OK);
	assert_int_equal(calm_map_snapshot(map, &open[0]), CALM_OK);
	assert_int_equal(calm_map_store(map, calm_word(1), NULL), CALM_OK);
	void *value;
	assert_int_equal(calm_snapshot_load(open[0], calm_word(1), &value), CALM_OK);
	assert_int_equal(calm_deltamap_compact(map), CALM_OK);
	assert_int_equal(calm_snapshot_load(open[0], calm_word(1), &value), CALM_ESTALE);
	calm_snapshot_close(open[0]);
	suite_end(map, NULL, NULL);
}

/* The values' owner changes from mark to base and back, and each is released once, at once. */
static void values_are_released_at_once(void **state)
{
	(void)state;
	struct suite_items items = {0};
	calm_map *map = map_of(CALM_KEYS_WORD, SIZE_MAX, 0, &items);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(calm_map_store(map, calm_word(i), suite_item(&items, i)), CALM_OK);
	assert_int_equal(calm_deltamap_compact(map), CALM_OK);
	for (uint64_t i = 0; i < 100; i++) {
		if (i % 2)
			assert_int_equal(calm_map_delete(map, calm_word(i)), CALM_OK);
		else
			assert_int_equal(calm_map_store(map, calm_word(i), suite_item(&items, i)),
					 CALM_OK);
		assert_int_equal(calm_read_wait(), CALM_OK);
		assert_int_equal(items.released, i + 1);
		if (i % 10 == 9)
			assert_int_equal(calm_deltamap_compact(map), CALM_OK);
	}
	assert_int_equal(items.live, 50);
	assert_int_equal(calm_map_clear(map), CALM_OK);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(items.live, 0);
	suite_end(map, &items, NULL);
}

/* Whatever step a compaction was left at. */
static void a_half_made_base_keeps_nothing(void **state)
{
	(void)state;
	for (uint64_t steps = 1; steps < 40; steps++) {
		struct suite_items items = {0};
		calm_map *map = map_of(CALM_KEYS_BYTES, SIZE_MAX, 0, &items);
		const struct suite on = {NULL, CALM_KEYS_BYTES};
		for (uint64_t i = 0; i < ENTRIES; i++)
			assert_int_equal(
				calm_map_store(map, suite_key(&on, i), suite_item(&items, i)),
				CALM_OK);
		struct deltamap *delta = calm__deltamap_of(map);
		store_relaxed(&delta->work, 1);
		for (uint64_t i = 0; i < steps; i++)
			calm__deltamap_step(delta);
		assert_int_equal(calm_map_delete(map, suite_key(&on, 3)), CALM_OK);
		assert_int_equal(calm_read_wait(), CALM_OK);
		assert_int_equal(items.released, 1);
		if (steps % 3 == 0)
			assert_int_equal(calm_map_clear(map), CALM_OK);
		if (steps % 2 == 0)
			assert_int_equal(calm_deltamap_compact(map), CALM_OK);
		suite_end(map, &items, NULL);
	}
}

/* ---- an old base and its readers ---- */

struct crowd {
	calm_map *map;
	atomic_bool inside;
	atomic_uint writing;
	_Atomic uint64_t most; /* bytes */
};

/* The first stays in a section until the others have written at full speed. */
static void stay_or_write(unsigned index, void *context)
{
	struct crowd *crowd = context;
	if (index == 0) {
		void *value;
		calm_read_begin();
		suite_check(calm_map_load(crowd->map, calm_word(1), &value) == CALM_OK);
		atomic_store(&crowd->inside, true);
		while (atomic_load(&crowd->writing) > 0)
			sched_yield();
		calm_read_end();
		return;
	}
	while (!atomic_load(&crowd->inside))
		sched_yield();
	struct kit_random random;
	kit_random_seed(&random, index);
	for (uint64_t i = 0; i < suite_long(100000); i++) {
		calm_key key = calm_word(kit_random_below(&random, ENTRIES));
		suite_check(calm_map_store(crowd->map, key, suite_int(i)) == CALM_OK);
		uint64_t bytes = i % 16 == 0 ? stats_of(crowd->map).bytes : 0;
		if (bytes > atomic_load(&crowd->most))
			atomic_store(&crowd->most, bytes);
	}
	atomic_fetch_sub(&crowd->writing, 1);
}

static void while_a_reader_stays_there_are_two_bases(void **state)
{
	(void)state;
	struct crowd crowd = {.map = map_of(CALM_KEYS_WORD, 0, 0, NULL), .writing = 2};
	fill(crowd.map, ENTRIES, 0);
	assert_int_equal(calm_deltamap_compact(crowd.map), CALM_OK);
	assert_int_equal(calm_read_wait(), CALM_OK);
	calm_stats before = stats_of(crowd.map);
	suite_threads(3, stay_or_write, &crowd);
	assert_int_equal(stats_of(crowd.map).copies, before.copies + 1);
	assert_true(atomic_load(&crowd.most) > before.bytes);
	assert_true(atomic_load(&crowd.most) < 10 * before.bytes);
	/* It is gone, so writers find out, and go on. */
	fill(crowd.map, 2 * ENTRIES, 0);
	assert_true(stats_of(crowd.map).copies > before.copies + 1);
	assert_true(marks(crowd.map) < ENTRIES);
	suite_end(crowd.map, NULL, NULL);
}

/* Keys that come and go leave a mark each, of which the base says nothing. */
static void not_even_a_reader_that_stays_keeps_every_mark(void **state)
{
	(void)state;
	calm_map *map = map_of(CALM_KEYS_WORD, 0, 0, NULL);
	fill(map, ENTRIES, 0);
	assert_int_equal(calm_deltamap_compact(map), CALM_OK);
	calm_read_begin();
	struct calm__base *base = calm__base_of(generation_of(map));
	uint64_t most = 0;
	for (uint64_t i = ENTRIES; i < 20 * ENTRIES; i++) {
		assert_int_equal(calm_map_store(map, calm_word(i), NULL), CALM_OK);
		assert_int_equal(calm_map_delete(map, calm_word(i)), CALM_OK);
		most = marks(map) > most ? marks(map) : most;
	}
	assert_true(most > ENTRIES);
	assert_true(most < 4 * ENTRIES);
	assert_int_equal(base->dense->count, ENTRIES); /* still there */
	calm_read_end();
	suite_end(map, NULL, NULL);
}

static void by_hand_waits_for_no_reader(void **state)
{
	(void)state;
	calm_map *map = map_of(CALM_KEYS_WORD, 0, 0, NULL);
	calm_read_begin();
	for (uint64_t round = 1; round < 5; round++) {
		struct calm__base *base = calm__base_of(generation_of(map));
		fill(map, ENTRIES * round, round);
		assert_int_equal(calm_deltamap_compact(map), CALM_OK);
		assert_int_equal(marks(map), 0);
		assert_int_equal(based(map), ENTRIES * round);
		assert_true(base->dense->count < ENTRIES * round);
	}
	calm_read_end();
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_true(stats_of(map).bytes < 2 * calm__base_of(generation_of(map))->dense->bytes);
	suite_end(map, NULL, NULL);
}

/* Of keys in the base alone, marked, gone, and neither; more than it has on the way at one time. */
static void many_loads_say_what_single_ones_say(void **state)
{
	(void)state;
	for (int bytes = 0; bytes < 2; bytes++) {
		const struct suite on = {NULL, bytes ? CALM_KEYS_BYTES : CALM_KEYS_WORD};
		calm_map *map = map_of(on.keys, SIZE_MAX, 0, NULL);
		calm_key keys[50];
		void *values[50];
		calm_status found[50];
		for (uint64_t i = 0; i < 2 * ENTRIES; i += 2)
			assert_int_equal(calm_map_store(map, suite_key(&on, i), suite_int(i)),
					 CALM_OK);
		assert_int_equal(calm_deltamap_compact(map), CALM_OK);
		for (uint64_t i = 0; i < 2 * ENTRIES; i += 3) {
			calm_status status = i % 2 ? calm_map_store(map, suite_key(&on, i),
								    suite_int(3 * i))
						   : calm_map_delete(map, suite_key(&on, i));
			assert_int_equal(status, CALM_OK);
		}
		for (uint64_t from = 0; from < 2 * ENTRIES; from += 50) {
			size_t bound = 0;
			for (uint64_t i = 0; i < 50; i++)
				keys[i] = suite_key(&on, from + i);
			keys[7] = bytes ? calm_word(7) : calm_str("seven");
			size_t ok = calm_map_load_many(map, 50, keys, values, found);
			for (uint64_t i = 0; i < 50; i++) {
				void *value;
				assert_int_equal(found[i], calm_map_load(map, keys[i], &value));
				bound += found[i] == CALM_OK;
				if (found[i] == CALM_OK)
					assert_ptr_equal(values[i], value);
			}
			assert_int_equal(found[7], CALM_EKEY);
			assert_int_equal(ok, bound);
			assert_true(bound > 20 && bound < 30);
		}
		suite_end(map, NULL, NULL);
	}
}

/* Over one plain map of dense memory, at 1 % changed: at most a twentieth more. */
static void one_in_a_hundred_changed_costs_a_twentieth(void **state)
{
	(void)state;
	const uint64_t n = 300000;
	calm_map *map = map_of(CALM_KEYS_WORD, 0, 0, NULL);
	fill(map, n, 0);
	assert_int_equal(calm_deltamap_compact(map), CALM_OK);
	assert_int_equal(calm_read_wait(), CALM_OK);
	uint64_t plain = calm__base_of(generation_of(map))->dense->bytes;
	assert_true(plain < 19 * n);
	for (uint64_t i = 0; i < n / 100; i++)
		assert_int_equal(calm_map_store(map, calm_word(i * 100), NULL), CALM_OK);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(marks(map), n / 100);
	printf("%.2f bytes an entry; 1 %% changed: %.3f times that\n", (double)plain / (double)n,
	       (double)stats_of(map).bytes / (double)plain);
	assert_true(stats_of(map).bytes * 100 <= plain * 105);
	suite_end(map, NULL, NULL);
}

static void only_a_deltamap_compacts(void **state)
{
	(void)state;
	calm_map *map = NULL;
	assert_int_equal(calm_deltamap_compact(NULL), CALM_EINVAL);
	assert_int_equal(calm_hashmap_create(&map, NULL), CALM_OK);
	assert_int_equal(calm_deltamap_compact(map), CALM_EUNSUPPORTED);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
	map = map_of(CALM_KEYS_WORD, 0, 0, NULL);
	assert_int_equal(calm_deltamap_compact(map), CALM_OK);
	assert_int_equal(calm_map_store(map, calm_word(1), CALM__GONE), CALM_EINVAL);
	assert_absent(map, calm_word(1));
	suite_end(map, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compaction_moves_marks_into_the_base),
		cmocka_unit_test(it_begins_at_its_size),
		cmocka_unit_test(an_old_base_is_history),
		cmocka_unit_test(values_are_released_at_once),
		cmocka_unit_test(a_half_made_base_keeps_nothing),
		cmocka_unit_test(while_a_reader_stays_there_are_two_bases),
		cmocka_unit_test(not_even_a_reader_that_stays_keeps_every_mark),
		cmocka_unit_test(by_hand_waits_for_no_reader),
		cmocka_unit_test(many_loads_say_what_single_ones_say),
		cmocka_unit_test(one_in_a_hundred_changed_costs_a_twentieth),
		cmocka_unit_test(only_a_deltamap_compacts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
