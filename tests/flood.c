/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Hash flooding: keys chosen to collide in hashmap. XXH3 of eight bytes is a bijection, so for a seed
 * that is known any number of keys can be computed whose hashes begin alike. In a map whose seed is
 * another they are keys like all others; in a map with that seed they make one bucket long, and
 * nothing else: no table grows for them, and every verb still answers.
 */
#include "suite.h"

#include "base/hash.h"

#define SEED 0x5eed
#define KEYS_ELSEWHERE 100000
#define KEYS_HERE 3000

/* ---- XXH3_64bits_withSeed of a word, backwards ---- */

#define BITFLIP 0xc73ab174c5ecd5a2U /* two words of its default secret */
#define PRIME 0x9fb21c651e98df25U

static uint64_t rotate(uint64_t x, unsigned n)
{
	return n % 64 == 0 ? x : x << n % 64 | x >> (64 - n % 64);
}

/* 1 / PRIME modulo 2^64: each round doubles the bits that are right. */
static uint64_t inverse_prime(void)
{
	uint64_t inverse = PRIME;
	for (int i = 0; i < 5; i++)
		inverse *= 2 - PRIME * inverse;
	return inverse;
}

/*
 * x ^ rotate(x, 49) ^ rotate(x, 24) is a polynomial p in a rotation by one; as squaring doubles the
 * rotations, p^64 is 1, and 1 / p is p^63 = p p^2 p^4 p^8 p^16 p^32.
 */
static uint64_t unrotate(uint64_t x)
{
	for (unsigned times = 1; times <= 32; times *= 2)
		x ^= rotate(x, 49 * times) ^ rotate(x, 24 * times);
	return x;
}

static uint64_t key_with_hash(uint64_t hash, uint64_t seed)
{
	uint64_t flip = BITFLIP - (seed ^ (uint64_t)__builtin_bswap32((uint32_t)seed) << 32);
	uint64_t x = hash ^ hash >> 28 ^ hash >> 56;
	x *= inverse_prime();
	x ^= (x >> 35) + 8;
	x *= inverse_prime();
	return rotate(unrotate(x) ^ flip, 32);
}

/* The i-th of those whose hashes under SEED differ in the last 24 bits only. */
static uint64_t colliding(uint64_t i)
{
	return key_with_hash(0xf100d00000000000U | i, SEED);
}

static void keys_collide_as_computed(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(calm__hash_word(colliding(i), SEED), 0xf100d00000000000U | i);
}

/* ---- in maps ---- */

static calm_map *map_of(uint64_t seed)
{
	calm_options options = CALM_OPTIONS_INIT;
	calm_map *map = NULL;
	options.seed = seed;
	assert_int_equal(calm_hashmap_create(&map, &options), CALM_OK);
	return map;
}

static calm_stats fill(calm_map *map, uint64_t n, uint64_t (*key)(uint64_t))
{
	calm_stats stats;
	for (uint64_t i = 0; i < n; i++)
		assert_int_equal(calm_map_store(map, calm_word(key(i)), (void *)(i + 1)), CALM_OK);
	assert_int_equal(calm_map_size(map), n);
	calm_map_stats(map, &stats);
	return stats;
}

static uint64_t plain(uint64_t i)
{
	return i;
}

/* A table and overflow lines as for other keys: an eighth more of them would be 12 500 long chains. */
static void another_seed_is_not_flooded(void **state)
{
	(void)state;
	calm_map *flooded = map_of(0);
	calm_map *other = map_of(0);
	calm_stats of_flooded = fill(flooded, KEYS_ELSEWHERE, colliding);
	calm_stats of_other = fill(other, KEYS_ELSEWHERE, plain);
	assert_int_equal(of_flooded.resizes, of_other.resizes);
	assert_true(of_flooded.bytes <= of_other.bytes + of_other.bytes / 8);
	assert_true(of_other.bytes <= of_flooded.bytes + of_flooded.bytes / 8);
	assert_int_equal(calm_map_destroy(flooded), CALM_OK);
	assert_int_equal(calm_map_destroy(other), CALM_OK);
}

static int count(calm_key key, void *value, void *context)
{
	suite_check(calm_key_word(key) == colliding((uint64_t)(uintptr_t)value - 1));
	++*(uint64_t *)context;
	return 0;
}

static void the_known_seed_still_answers(void **state)
{
	(void)state;
	calm_map *flooded = map_of(SEED);
	calm_map *other = map_of(SEED);
	calm_snapshot *snapshot = NULL;
	uint64_t seen = 0;
	void *value = NULL;
	uint64_t resizes = fill(other, KEYS_HERE, plain).resizes;
	assert_int_equal(fill(flooded, KEYS_HERE, colliding).resizes, resizes);
	assert_int_equal(calm_map_snapshot(flooded, &snapshot), CALM_OK);
	for (uint64_t i = 0; i < KEYS_HERE; i++) {
		calm_key key = calm_word(colliding(i));
		assert_int_equal(calm_map_load(flooded, key, &value), CALM_OK);
		assert_ptr_equal(value, (void *)(i + 1));
		if (i % 2 == 0)
			assert_int_equal(calm_map_delete(flooded, key), CALM_OK);
	}
	assert_int_equal(calm_map_load(flooded, calm_word(colliding(KEYS_HERE)), &value),
			 CALM_ABSENT);
	assert_int_equal(calm_map_size(flooded), KEYS_HERE / 2);
	assert_int_equal(calm_snapshot_each(snapshot, count, &seen), 0);
	assert_int_equal(seen, KEYS_HERE);
	calm_snapshot_close(snapshot);
	assert_int_equal(calm_debug_check(flooded, NULL), CALM_OK);
	assert_int_equal(calm_map_destroy(flooded), CALM_OK);
	assert_int_equal(calm_map_destroy(other), CALM_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_collide_as_computed),
		cmocka_unit_test(another_seed_is_not_flooded),
		cmocka_unit_test(the_known_seed_still_answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
