/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* conform: keys of either kind, their edges, and that a map keeps its own copy of them. */
#ifndef TESTS_CONFORM_KEYS_H
#define TESTS_CONFORM_KEYS_H

#include "suite.h"

#define LONG_KEY ((size_t)1 << 20)

struct key_list {
	calm_key keys[400];
	bool seen[400];
	size_t n;
	unsigned alien;
};

static bool same_key(calm_key a, calm_key b)
{
	if (calm_key_is_word(a) || calm_key_is_word(b))
		return calm_key_is_word(a) == calm_key_is_word(b) &&
		       calm_key_word(a) == calm_key_word(b);
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static int tick_off(calm_key key, void *value, void *context)
{
	struct key_list *list = context;
	size_t i = (size_t)(uintptr_t)value;
	if (i >= list->n || list->seen[i] || !same_key(key, list->keys[i]))
		list->alien++;
	else
		list->seen[i] = true;
	return 0;
}

/*
 * Binds each key of the list to its place in it; each is a key of its own, and comes back whole
 * from every traversal.
 */
static void all_different(const struct suite *on, struct key_list *list)
{
	calm_map *map = suite_map(on, NULL, NULL);
	for (size_t i = 0; i < list->n; i++)
		assert_int_equal(calm_map_swap(map, list->keys[i], suite_int(i), NULL),
				 CALM_ABSENT);
	assert_int_equal(calm_map_size(map), list->n);
	for (size_t i = 0; i < list->n; i++)
		assert_bound(map, list->keys[i], suite_int(i));
	assert_int_equal(calm_map_each(map, tick_off, list), 0);
	for (size_t i = 0; i < list->n; i++)
		assert_true(list->seen[i]);
	assert_int_equal(list->alien, 0);
	for (size_t i = 0; i < list->n; i += 2)
		assert_int_equal(calm_map_delete(map, list->keys[i]), CALM_OK);
	for (size_t i = 0; i < list->n; i++) {
		if (i % 2 == 0)
			assert_absent(map, list->keys[i]);
		else
			assert_bound(map, list->keys[i], suite_int(i));
	}
	suite_end(map, NULL, NULL);
}

static void words_at_the_edges(void **state)
{
	const struct suite *on = *state;
	struct key_list list = {.n = 0};
	list.keys[list.n++] = calm_word(0);
	list.keys[list.n++] = calm_word(UINT64_MAX);
	list.keys[list.n++] = calm_word(UINT64_MAX - 1);
	for (unsigned i = 0; i < 64; i++)
		list.keys[list.n++] = calm_word((uint64_t)1 << i);
	for (unsigned i = 2; i < 64; i++)
		list.keys[list.n++] = calm_word(((uint64_t)1 << i) - 1);
	list.keys[list.n++] = calm_word((uint64_t)(uintptr_t)&list);
	all_different(on, &list);
}

/*
 * The empty key; keys of one byte repeated, so that each begins the next; the same with another
 * last byte; NULs.
 */
static void bytes_at_the_edges(void **state)
{
	const struct suite *on = *state;
	static const unsigned char zeros[130];
	static unsigned char bytes[130][2][130];
	struct key_list list = {.n = 0};
	for (size_t size = 0; size < 130; size++) {
		memset(bytes[size], 'a', sizeof(bytes[size]));
		list.keys[list.n++] = calm_bytes(zeros, size);
		if (size == 0)
			continue;
		list.keys[list.n++] = calm_bytes(bytes[size][0], size);
		bytes[size][1][size - 1] = 'b';
		list.keys[list.n++] = calm_bytes(bytes[size][1], size);
	}
	all_different(on, &list);
}

static void the_empty_key(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	assert_absent(map, calm_bytes(NULL, 0));
	assert_int_equal(calm_map_store(map, calm_bytes(NULL, 0), suite_int(1)), CALM_OK);
	assert_bound(map, calm_bytes("whatever", 0), suite_int(1));
	assert_bound(map, calm_str(""), suite_int(1));
	assert_absent(map, calm_bytes("", 1));
	assert_int_equal(calm_map_swap(map, calm_str(""), suite_int(2), NULL), CALM_OK);
	assert_int_equal(calm_map_size(map), 1);
	assert_int_equal(calm_map_compare_and_delete(map, calm_bytes(NULL, 0), suite_int(2)),
			 CALM_OK);
	assert_absent(map, calm_bytes(NULL, 0));
	suite_end(map, NULL, NULL);
}

static void nuls_inside(void **state)
{
	const struct suite *on = *state;
	struct key_list list = {.keys = {calm_bytes("\0", 1), calm_bytes("\0\0", 2),
					 calm_bytes("a", 1), calm_bytes("a\0", 2),
					 calm_bytes("a\0b", 3), calm_bytes("a\0c", 3),
					 calm_bytes("\0a", 2), calm_bytes("a\0\0", 3)},
				.n = 8};
	all_different(on, &list);
}

static int long_key_comes_back(calm_key key, void *value, void *context)
{
	const unsigned char *bytes = key.data;
	suite_check(key.size == LONG_KEY && bytes[0] == 'x' && bytes[LONG_KEY / 2] == 0);
	suite_check(bytes[LONG_KEY - 1] == (uintptr_t)value);
	++*(unsigned *)context;
	return 0;
}

static void a_key_of_a_mebibyte(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	unsigned char *bytes = malloc(LONG_KEY);
	unsigned visited = 0;
	assert_non_null(bytes);
	memset(bytes, 'x', LONG_KEY);
	bytes[LONG_KEY / 2] = 0;
	for (unsigned last = 0; last < 4; last++) {
		bytes[LONG_KEY - 1] = (unsigned char)last;
		assert_int_equal(
			calm_map_swap(map, calm_bytes(bytes, LONG_KEY), suite_int(last), NULL),
			CALM_ABSENT);
	}
	assert_absent(map, calm_bytes(bytes, LONG_KEY - 1));
	for (unsigned last = 0; last < 4; last++) {
		bytes[LONG_KEY - 1] = (unsigned char)last;
		assert_bound(map, calm_bytes(bytes, LONG_KEY), suite_int(last));
	}
	assert_int_equal(calm_map_each(map, long_key_comes_back, &visited), 0);
	assert_int_equal(visited, 4);
	free(bytes);
	suite_end(map, NULL, NULL);
}

static calm_status spoil_and_store(calm_key key, bool present, void **value, bool *keep,
				   void *context)
{
	(void)key;
	(void)present;
	(void)keep;
	(void)context;
	*value = suite_int(8);
	return CALM_OK;
}

static int count_spoilt(calm_key key, void *value, void *context)
{
	(void)value;
	*(unsigned *)context += key.size != 9 || memcmp(key.data, "a key no ", 8) != 0;
	return 0;
}

/* Each verb that inserts, from one buffer that is overwritten after every call. */
static void the_buffer_is_the_callers_again(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	char buffer[10];
	unsigned spoilt = 0;
	for (char verb = '0'; verb < '6'; verb++) {
		memcpy(buffer, "a key no ", 9);
		buffer[8] = verb;
		calm_key key = calm_bytes(buffer, 9);
		calm_change change = {key, suite_int(8), false};
		if (verb == '0')
			assert_int_equal(calm_map_store(map, key, suite_int(8)), CALM_OK);
		else if (verb == '1')
			assert_int_equal(calm_map_swap(map, key, suite_int(8), NULL), CALM_ABSENT);
		else if (verb == '2')
			assert_int_equal(calm_map_load_or_store(map, key, suite_int(8), NULL),
					 CALM_OK);
		else if (verb == '3')
			assert_int_equal(calm_map_update(map, key, spoil_and_store, NULL), CALM_OK);
		else if (verb == '4' && on->kind->snapshots)
			assert_int_equal(calm_map_apply(map, 1, &change), CALM_OK);
		else
			assert_int_equal(calm_map_store(map, key, suite_int(8)), CALM_OK);
		memset(buffer, 0xff, sizeof(buffer));
		char again[10] = "a key no ";
		again[8] = verb;
		assert_bound(map, calm_bytes(again, 9), suite_int(8));
		assert_int_equal(calm_map_swap(map, calm_bytes(again, 9), suite_int(9), NULL),
				 CALM_OK);
		memset(again, 0xff, sizeof(again));
	}
	assert_int_equal(calm_map_size(map), 6);
	assert_int_equal(calm_map_each(map, count_spoilt, &spoilt), 0);
	assert_int_equal(spoilt, 0);
	suite_end(map, NULL, NULL);
}

/* A key's address tells nothing: the same bytes at every alignment are the same key. */
static void keys_at_any_alignment(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	static const char text[] = "the quick brown fox jumps over the lazy dog, twice or so";
	char buffer[sizeof(text) + 16];
	for (size_t size = 1; size < sizeof(text); size += 5) {
		assert_int_equal(calm_map_store(map, calm_bytes(text, size), suite_int(size)),
				 CALM_OK);
		for (size_t at = 0; at < 16; at++) {
			memcpy(buffer + at, text, size);
			assert_bound(map, calm_bytes(buffer + at, size), suite_int(size));
		}
	}
	suite_end(map, NULL, NULL);
}

static void the_other_kind_of_key(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	calm_key other = on->keys == CALM_KEYS_WORD ? calm_str("word") : calm_word(5);
	void *value = SUITE_UNTOUCHED;
	assert_int_equal(calm_map_load(map, other, &value), CALM_EKEY);
	assert_int_equal(calm_map_store(map, other, NULL), CALM_EKEY);
	assert_int_equal(calm_map_swap(map, other, NULL, &value), CALM_EKEY);
	assert_int_equal(calm_map_load_or_store(map, other, NULL, &value), CALM_EKEY);
	assert_int_equal(calm_map_delete(map, other), CALM_EKEY);
	assert_int_equal(calm_map_load_and_delete(map, other, &value), CALM_EKEY);
	assert_int_equal(calm_map_compare_and_swap(map, other, NULL, NULL), CALM_EKEY);
	assert_int_equal(calm_map_compare_and_delete(map, other, NULL), CALM_EKEY);
	assert_int_equal(calm_map_update(map, other, spoil_and_store, NULL), CALM_EKEY);
	assert_ptr_equal(value, SUITE_UNTOUCHED);
	assert_int_equal(calm_map_size(map), 0);
	suite_end(map, NULL, NULL);
}

#define CONFORM_KEYS                                                           \
	SUITE_TEST_ONLY(words_at_the_edges, SUITE_WORDS),                      \
		SUITE_TEST_ONLY(bytes_at_the_edges, SUITE_BYTES),              \
		SUITE_TEST_ONLY(the_empty_key, SUITE_BYTES),                   \
		SUITE_TEST_ONLY(nuls_inside, SUITE_BYTES),                     \
		SUITE_TEST_ONLY(a_key_of_a_mebibyte, SUITE_BYTES),             \
		SUITE_TEST_ONLY(the_buffer_is_the_callers_again, SUITE_BYTES), \
		SUITE_TEST_ONLY(keys_at_any_alignment, SUITE_BYTES),           \
		SUITE_TEST(the_other_kind_of_key)

#endif
