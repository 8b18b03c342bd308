/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The sequential table. Its keys are records with hashes of the test's choosing, so that chains
 * cross, wrap around the end and shift back in every way: all ways for small tables, random ones
 * against a model for larger.
 */
#include "core/table.h"

#include "suite.h"

#define KEYS 400

static struct calm__heap heap = {.allocator = {NULL, NULL, NULL}};
static const struct calm__keys byte_keys = {CALM_KEYS_BYTES, 0};
static struct suite_heap memory;

static int set_up(void **state)
{
	(void)state;
	suite_heap_init(&memory);
	heap.allocator = memory.allocator;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	suite_check(calm__stripes_sum(&heap.bytes) == 0);
	return memory.blocks == 0 ? 0 : -1;
}

/* A key of its own, whatever its hash. */
static struct calm__record *record(uint32_t number, uint64_t hash)
{
	return calm__record_new(&heap, calm_bytes(&number, sizeof(number)), hash);
}

static uint64_t stored(const struct calm__record *key)
{
	return (uint64_t)(uintptr_t)key;
}

static size_t find(const struct calm__table *table, const struct calm__record *key)
{
	return calm__table_find(table, &byte_keys, calm_bytes(key->bytes, key->size), key->hash);
}

static void assert_sound(const struct calm__table *table)
{
	const char *broken = calm__table_check(table, &byte_keys);
	if (broken)
		fail_msg("%s", broken);
}

static void room_for_what_was_asked(void **state)
{
	(void)state;
	for (size_t entries = 0; entries < 300; entries++) {
		struct calm__table *table = calm__table_new(&heap, sizeof(struct calm__table),
							    entries, entries % 2 == 0);
		assert_non_null(table);
		assert_true(calm__table_room(table) >= entries && calm__table_room(table) >= 1);
		assert_true(calm__table_room(table) <= table->mask);
		assert_int_equal(table->count, 0);
		assert_true((table->births != NULL) == (entries % 2 == 0));
		assert_int_equal(calm__table_next(table, 0), CALM__NO_SLOT);
		assert_int_equal(calm__table_prev(table, table->mask + 1), CALM__NO_SLOT);
		assert_sound(table);
		calm__table_free(&heap, table);
	}
	static const size_t absurd[] = {SIZE_MAX, SIZE_MAX / 2, PTRDIFF_MAX, PTRDIFF_MAX / 16,
					(size_t)1 << 59};
	for (size_t i = 0; i < SUITE_COUNT(absurd); i++)
		assert_null(calm__table_new(&heap, sizeof(struct calm__table), absurd[i], false));
	suite_heap_fail(&memory, 1, true);
	assert_null(calm__table_new(&heap, sizeof(struct calm__table), 3, false));
	suite_heap_fail(&memory, 0, false);
	calm__table_free(&heap, NULL);
}

/*
 * Five keys in eight slots, every choice of homes, each of them removed in turn: the others must be
 * found.
 */
static void every_way_to_shift_back(void **state)
{
	enum { N = 5, SLOTS = 8 };
	struct calm__record *keys[N];
	struct calm__table *table = calm__table_new(&heap, sizeof(struct calm__table), N, true);
	(void)state;
	assert_int_equal(table->mask, SLOTS - 1);
	for (uint32_t i = 0; i < N; i++)
		keys[i] = record(i, 0);
	for (unsigned homes = 0; homes < 1 << (3 * N); homes += SUITE_SLOWER) {
		for (unsigned gone = 0; gone < N; gone++) {
			for (unsigned i = 0; i < N; i++) {
				keys[i]->hash = homes >> (3 * i) & (SLOTS - 1);
				size_t slot = calm__table_insert(table, stored(keys[i]),
								 keys[i]->hash, keys[i]);
				table->births[slot] = i + 1;
			}
			suite_check(!calm__table_check(table, &byte_keys));
			calm__table_remove(table, &byte_keys, find(table, keys[gone]));
			suite_check(!calm__table_check(table, &byte_keys) && table->count == N - 1);
			suite_check(find(table, keys[gone]) == CALM__NO_SLOT);
			for (unsigned i = 0; i < N; i++) {
				size_t slot = find(table, keys[i]);
				if (i == gone)
					continue;
				suite_check(slot != CALM__NO_SLOT &&
					    table->slots[slot].value == keys[i]);
				suite_check(table->births[slot] == i + 1);
				calm__table_remove(table, &byte_keys, slot);
			}
		}
	}
	assert_int_equal(table->count, 0);
	for (unsigned i = 0; i < N; i++)
		calm__record_free(&heap, keys[i]);
	calm__table_free(&heap, table);
}

/* The bindings, by either direction, are those of the model. */
static void compare(const struct calm__table *table, struct calm__record *const keys[KEYS],
		    const uint64_t births[KEYS])
{
	size_t count = 0;
	for (unsigned i = 0; i < KEYS; i++) {
		size_t slot = find(table, keys[i]);
		assert_true((slot != CALM__NO_SLOT) == (births[i] != 0));
		if (slot == CALM__NO_SLOT)
			continue;
		assert_ptr_equal(table->slots[slot].value, keys[i]);
		assert_int_equal(table->births[slot], births[i]);
		count++;
	}
	assert_int_equal(table->count, count);
	size_t last = CALM__NO_SLOT;
	size_t up = 0;
	size_t down = 0;
	for (size_t i = calm__table_next(table, 0); i != CALM__NO_SLOT;
	     i = calm__table_next(table, i + 1)) {
		assert_true(last == CALM__NO_SLOT || i > last);
		last = i;
		up++;
	}
	for (size_t i = calm__table_prev(table, table->mask + 1); i != CALM__NO_SLOT;
	     i = calm__table_prev(table, i))
		down++;
	assert_int_equal(up, count);
	assert_int_equal(down, count);
	assert_sound(table);
}

static void sequences(uint64_t mask, uint64_t set)
{
	struct kit_random random;
	struct calm__record *keys[KEYS];
	uint64_t births[KEYS] = {0};
	struct calm__table *table = calm__table_new(&heap, sizeof(struct calm__table), 0, true);
	kit_random_seed(&random, mask + set);
	for (uint32_t i = 0; i < KEYS; i++)
		keys[i] = record(i, (kit_random_next(&random) & mask) | set);
	for (uint64_t step = 1; step <= 20000 / SUITE_SLOWER; step++) {
		size_t i = kit_random_below(&random, step / 2048 % 2 == 0 ? KEYS : 40);
		if (births[i] != 0) {
			calm__table_remove(table, &byte_keys, find(table, keys[i]));
			births[i] = 0;
		} else {
			if (table->count == calm__table_room(table)) {
				struct calm__table *larger = calm__table_resized(
					&heap, &byte_keys, table, 2 * table->count);
				calm__table_free(&heap, table);
				table = larger;
			}
			size_t slot = calm__table_insert(table, stored(keys[i]), keys[i]->hash,
							 keys[i]);
			births[i] = table->births[slot] = step;
		}
		if (step % 512 == 0)
			compare(table, keys, births);
	}
	struct calm__table *copy = calm__table_copy(&heap, table);
	struct calm__table *small = calm__table_resized(&heap, &byte_keys, table, 0);
	struct calm__table *large = calm__table_resized(&heap, &byte_keys, table, 5000);
	assert_int_equal(copy->mask, table->mask);
	assert_true(calm__table_room(small) >= table->count && calm__table_room(large) >= 5000);
	while (table->count > 0) {
		size_t slot = calm__table_next(table, 0);
		calm__table_remove(table, &byte_keys, slot);
	}
	assert_sound(table);
	compare(copy, keys, births);
	compare(small, keys, births);
	compare(large, keys, births);
	calm__table_free(&heap, table);
	calm__table_free(&heap, copy);
	calm__table_free(&heap, small);
	calm__table_free(&heap, large);
	for (size_t i = 0; i < KEYS; i++)
		calm__record_free(&heap, keys[i]);
}

static void random_sequences(void **state)
{
	(void)state;
	sequences(UINT64_MAX, 0);
	sequences(0, 0);                   /* one home, one tag */
	sequences(0, UINT64_MAX);          /* the last home: every chain wraps */
	sequences(0xc000000000000003U, 0); /* few homes, few tags */
	sequences(0xfe00000000000000U, 0); /* one home, all tags */
	sequences(3, 0xfffffffffffffffcU); /* about the end */
}

/*
 * The stored hash, and not the key's bytes alone, tells records apart; equal hashes do not make
 * keys equal.
 */
static void same_hash_other_key(void **state)
{
	struct calm__table *table = calm__table_new(&heap, sizeof(struct calm__table), 3, false);
	struct calm__record *a = record(1, 7);
	struct calm__record *b = record(2, 7);
	(void)state;
	calm__table_insert(table, stored(a), 7, a);
	assert_int_equal(find(table, b), CALM__NO_SLOT);
	calm__table_insert(table, stored(b), 7, b);
	assert_ptr_equal(table->slots[find(table, a)].value, a);
	assert_ptr_equal(table->slots[find(table, b)].value, b);
	calm__record_free(&heap, a);
	calm__record_free(&heap, b);
	calm__table_free(&heap, table);
}

static void a_check_finds_what_is_broken(void **state)
{
	static const struct calm__keys words = {CALM_KEYS_WORD, 5};
	struct calm__table *table = calm__table_new(&heap, sizeof(struct calm__table), 100, false);
	(void)state;
	for (uint64_t i = 0; i < 90; i++)
		calm__table_insert(table, i, calm__hash_word(i, 5), NULL);
	assert_null(calm__table_check(table, &words));
	size_t slot = calm__table_next(table, 0);
	table->tags[slot] ^= 1;
	assert_non_null(calm__table_check(table, &words));
	table->tags[slot] ^= 1;
	table->count++;
	assert_non_null(calm__table_check(table, &words));
	table->count--;
	assert_null(calm__table_check(table, &words));
	/* The same key again: one of the two cannot be found. */
	calm__table_insert(table, 3, calm__hash_word(3, 5), NULL);
	assert_non_null(calm__table_check(table, &words));
	calm__table_free(&heap, table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(room_for_what_was_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_way_to_shift_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(random_sequences, set_up, tear_down),
		cmocka_unit_test_setup_teardown(same_hash_other_key, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_check_finds_what_is_broken, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
