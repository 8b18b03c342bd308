/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What is shardmap's own: any number of shards, keys spread over them, clear in one step though it
 * takes every lock, and visitors that may block where no value is released.
 */
#include "suite.h"

#define KEYS 20000

static calm_map *map_of(unsigned shards, calm_key_kind keys)
{
	calm_options options = CALM_OPTIONS_INIT;
	calm_map *map = NULL;
	options.shards = shards;
	options.keys = keys;
	assert_int_equal(calm_shardmap_create(&map, &options), CALM_OK);
	return map;
}

static int add_up(calm_key key, void *value, void *context)
{
	suite_check(value == suite_int(calm_key_word(key) + 1));
	*(uint64_t *)context += calm_key_word(key);
	return 0;
}

static void any_number_of_shards(void **state)
{
	static const unsigned shards[] = {1, 2, 3, 7, 32, 1000, 65535, 65536};
	(void)state;
	for (size_t s = 0; s < SUITE_COUNT(shards); s++) {
		calm_map *map = map_of(shards[s], CALM_KEYS_WORD);
		uint64_t sum = 0;
		for (uint64_t i = 0; i < KEYS; i++)
			assert_int_equal(calm_map_store(map, calm_word(i), suite_int(i + 1)),
					 CALM_OK);
		assert_int_equal(calm_map_size(map), KEYS);
		assert_int_equal(calm_map_each(map, add_up, &sum), 0);
		assert_int_equal(sum, (uint64_t)KEYS * (KEYS - 1) / 2);
		assert_int_equal(calm_map_clear(map), CALM_OK);
		assert_int_equal(calm_map_size(map), 0);
		suite_end(map, NULL, NULL);
	}
}

static void keys_are_spread(void **state)
{
	calm_stats stats;
	(void)state;
	calm_map *map = map_of(4096, CALM_KEYS_WORD);
	for (uint64_t i = 0; i < 4096; i++)
		assert_int_equal(calm_map_store(map, calm_word(i), NULL), CALM_OK);
	calm_map_stats(map, &stats);
	/* A shard grows with its fourth key: about one in fifty has so many. */
	assert_true(stats.resizes < 4096 / 10);
	suite_end(map, NULL, NULL);
}

struct race {
	calm_map *map;
	_Atomic uint64_t turn; /* the round that may begin */
	_Atomic uint64_t done; /* the round whose clear has returned */
	uint64_t rounds;
};

static void clear_or_look(unsigned index, void *context)
{
	struct race *race = context;
	for (uint64_t round = 1; round <= race->rounds; round++) {
		calm_key there = calm_word(2 * round);
		calm_key new = calm_word(2 * round + 1);
		void *value;
		if (index == 0) {
			while (atomic_load(&race->turn) < round)
				;
			suite_check(calm_map_clear(race->map) == CALM_OK);
			atomic_store(&race->done, round);
			continue;
		}
		suite_check(calm_map_store(race->map, there, NULL) == CALM_OK);
		atomic_store(&race->turn, round);
		bool before = false; /* whether the last store was before the clear */
		uint64_t last = kit_mix(round) % 4096;
		for (uint64_t i = 0; atomic_load(&race->done) < round; i++) {
			suite_check(calm_map_store(race->map, new, suite_int(i)) == CALM_OK);
			before = calm_map_load(race->map, there, &value) == CALM_OK;
			if (before && i >= last)
				break;
		}
		while (atomic_load(&race->done) < round)
			;
		/* What was stored while the clear was still to come, it has removed. */
		suite_check(!before || calm_map_load(race->map, new, &value) == CALM_ABSENT);
	}
}

static void clear_is_one_step(void **state)
{
	(void)state;
	struct race race = {.map = map_of(4096, CALM_KEYS_WORD), .rounds = suite_long(500)};
	suite_threads(2, clear_or_look, &race);
	suite_end(race.map, NULL, NULL);
}

static int wait_for_readers(calm_key key, void *value, void *context)
{
	calm_map *map = context;
	unsigned char before[24];
	(void)value;
	suite_check(key.size == sizeof(before));
	memcpy(before, key.data, sizeof(before));
	suite_check(calm_map_clear(map) == CALM_OK);
	/* CALM_EBUSY inside a section; and all that was removed is released now. */
	suite_check(calm_read_wait() == CALM_OK);
	suite_check(memcmp(before, key.data, sizeof(before)) == 0);
	return 0;
}

static void a_visitor_of_plain_values_may_block(void **state)
{
	unsigned char bytes[24] = {0};
	(void)state;
	calm_map *map = map_of(2, CALM_KEYS_BYTES);
	for (unsigned char i = 0; i < 50; i++) {
		bytes[i % 24] = i;
		assert_int_equal(calm_map_store(map, calm_bytes(bytes, sizeof(bytes)), NULL),
				 CALM_OK);
	}
	assert_int_equal(calm_map_each(map, wait_for_readers, map), 0);
	suite_end(map, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_number_of_shards),
		cmocka_unit_test(keys_are_spread),
		cmocka_unit_test(clear_is_one_step),
		cmocka_unit_test(a_visitor_of_plain_values_may_block),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
