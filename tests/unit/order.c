/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Names, heads and tags sort as memcmp and length do; separators lie between. */
#include "core/order.h"

#include "suite.h"

#define LONG 70000

static struct calm__heap heap;

static int setup(void **state)
{
	(void)state;
	heap.allocator = calm__malloc;
	return 0;
}

/* Keys in their order, each with what trees get wrong. */
static const struct {
	const char *data;
	size_t size;
} rising[] = {
	{"", 0},
	{"\0", 1},
	{"\0\0", 2},
	{"\0\1", 2},
	{"a", 1},
	{"a\0", 2},
	{"a\0\0", 3},
	{"a\1", 2},
	{"ab", 2},
	{"abcdefgh", 8},
	{"abcdefgh\0", 9},
	{"abcdefghi", 9},
	{"abcdefgi", 8},
	{"b", 1},
	{"\xff", 1},
	{"\xff\xff", 2},
	{"\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9},
};

static int sign(int order)
{
	return (order > 0) - (order < 0);
}

static void names_sort_as_their_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < SUITE_COUNT(rising); i++) {
		struct calm__name *name = calm__name_new(&heap, rising[i].data, rising[i].size);
		assert_non_null(name);
		assert_int_equal(calm__name_size(name), rising[i].size);
		for (size_t k = 0; k < SUITE_COUNT(rising); k++) {
			calm_key key = calm_bytes(rising[k].data, rising[k].size);
			int order = (i > k) - (i < k);
			assert_int_equal(sign(calm__name_compare(name, key, 0)), order);
			uint64_t head = calm__head(key.data, key.size, 0);
			/* Padded, heads may tie, but never disagree. */
			if (order < 0)
				assert_true(calm__name_head(name, 0) <= head);
			if (order > 0)
				assert_true(calm__name_head(name, 0) >= head);
		}
		calm__name_free(&heap, name);
	}
}

static void separators_lie_between(void **state)
{
	(void)state;
	for (size_t i = 0; i < SUITE_COUNT(rising); i++) {
		for (size_t k = i + 1; k < SUITE_COUNT(rising); k++) {
			const unsigned char *left = (const unsigned char *)rising[i].data;
			const unsigned char *right = (const unsigned char *)rising[k].data;
			size_t size = calm__separator_size(left, rising[i].size, right,
							   rising[k].size);
			assert_true(size <= rising[k].size);
			assert_true(calm__bytes_compare(left, rising[i].size, right, size, 0) < 0);
			assert_true(calm__bytes_compare(left, rising[i].size, right, size - 1, 0) >=
				    0);
		}
	}
}

static void a_name_keeps_its_birth_and_its_size(void **state)
{
	static const size_t sizes[] = {0, 1, 0xfffe, 0xffff, 0x10000, LONG};
	static char data[LONG];
	(void)state;
	memset(data, 'x', sizeof(data));
	for (size_t i = 0; i < SUITE_COUNT(sizes); i++) {
		struct calm__name *name = calm__name_new(&heap, data, sizes[i]);
		assert_non_null(name);
		calm__name_born(name, ((uint64_t)1 << 48) - 1);
		calm__name_born(name, 12345678901);
		assert_int_equal(calm__name_birth(name), 12345678901);
		assert_int_equal(calm__name_size(name), sizes[i]);
		assert_memory_equal(calm__name_bytes(name), data, sizes[i]);
		uint64_t stored = calm__stored_name(name, 0);
		assert_ptr_equal(calm__name_of(stored), name);
		assert_int_equal(calm__tag_of(stored), sizes[i] == 0   ? 0
						       : sizes[i] == 1 ? 'x' << 8
								       : 'x' << 8 | 'x');
		calm__name_free(&heap, name);
	}
	assert_int_equal(calm__stripes_sum(&heap.bytes), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_sort_as_their_bytes),
		cmocka_unit_test(separators_lie_between),
		cmocka_unit_test(a_name_keeps_its_birth_and_its_size),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
