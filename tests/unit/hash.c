/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Hashing: the seed decides, every bit and byte of a key counts, and keys spread over both ends of
 * the hash.
 */
#include "base/hash.h"

#include "suite.h"

#define N 65536

static void the_seed_decides(void **state)
{
	unsigned same = 0;
	(void)state;
	for (uint64_t i = 0; i < 1000; i++) {
		assert_int_equal(calm__hash_word(i, 5), calm__hash_word(i, 5));
		assert_int_equal(calm__hash_bytes(&i, 8, 5), calm__hash_bytes(&i, 8, 5));
		same += calm__hash_word(i, 5) == calm__hash_word(i, 6);
		same += calm__hash_bytes(&i, 8, 5) == calm__hash_bytes(&i, 8, 6);
		same += calm__hash_bytes(&i, 5, 5) == calm__hash_bytes(&i, 6, 5);
	}
	assert_int_equal(same, 0);
}

static void nothing_has_a_hash(void **state)
{
	(void)state;
	assert_int_equal(calm__hash_bytes(NULL, 0, 7), calm__hash_bytes("x", 0, 7));
	assert_true(calm__hash_bytes(NULL, 0, 7) != calm__hash_bytes(NULL, 0, 8));
	assert_true(calm__hash_bytes(NULL, 0, 7) != calm__hash_bytes("", 1, 7));
}

static void every_bit_counts(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 64; bit++)
		assert_true(calm__hash_word(0, 9) != calm__hash_word((uint64_t)1 << bit, 9));
	/* Lengths on either side of where the function changes its ways; unaligned too. */
	static const size_t sizes[] = {1, 3, 4, 8, 9, 16, 17, 128, 129, 240, 241, 1025};
	unsigned char bytes[1100];
	for (size_t s = 0; s < SUITE_COUNT(sizes); s++) {
		memset(bytes, 0, sizeof(bytes));
		uint64_t hash = calm__hash_bytes(bytes + 1, sizes[s], 9);
		assert_int_equal(calm__hash_bytes(bytes + 8, sizes[s], 9), hash);
		for (size_t i = 0; i < sizes[s]; i++) {
			bytes[1 + i] = 0x80;
			assert_true(calm__hash_bytes(bytes + 1, sizes[s], 9) != hash);
			bytes[1 + i] = 0;
		}
	}
}

/* Tables take the low bits for a home and the high ones for a tag: neither may be far from even. */
static void keys_spread(void **state)
{
	(void)state;
	for (uint64_t stride = 1; stride < UINT64_MAX / 4096; stride *= 4096) {
		uint32_t low[256] = {0};
		uint32_t high[256] = {0};
		for (uint64_t i = 0; i < N; i++) {
			uint64_t hash = calm__hash_word(i * stride, 11);
			low[hash & 255]++;
			high[hash >> 56]++;
		}
		for (unsigned b = 0; b < 256; b++) {
			/* 256 expected; ten standard deviations. */
			assert_in_range(low[b], 96, 416);
			assert_in_range(high[b], 96, 416);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_seed_decides),
		cmocka_unit_test(nothing_has_a_hash),
		cmocka_unit_test(every_bit_counts),
		cmocka_unit_test(keys_spread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
