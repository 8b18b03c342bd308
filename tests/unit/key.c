/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Keys: which a map takes; as tables hold them, and back; and what the header's helpers make. */
#include "core/key.h"

#include "suite.h"

static const struct calm__keys words = {CALM_KEYS_WORD, 3};
static const struct calm__keys bytes = {CALM_KEYS_BYTES, 3};

static void what_the_helpers_make(void **state)
{
	static const uint64_t numbers[] = {0, 1, SIZE_MAX, UINT64_MAX - 1, (uint64_t)1 << 63};
	(void)state;
	for (size_t i = 0; i < SUITE_COUNT(numbers); i++) {
		calm_key key = calm_word(numbers[i]);
		assert_true(calm_key_is_word(key));
		assert_int_equal(calm_key_word(key), numbers[i]);
	}
	assert_int_equal(sizeof(calm_key), 16);
	calm_key key = calm_bytes("a\0b", 3);
	assert_false(calm_key_is_word(key));
	assert_int_equal(key.size, 3);
	key = calm_str("four");
	assert_int_equal(key.size, 4);
	assert_memory_equal(key.data, "four", 4);
	assert_int_equal(calm_str("").size, 0);
	assert_false(calm_key_is_word(calm_bytes(NULL, CALM_KEY_SIZE_MAX)));
}

static void which_a_map_takes(void **state)
{
	(void)state;
	assert_int_equal(calm__key_check(&words, calm_word(0)), CALM_OK);
	assert_int_equal(calm__key_check(&words, calm_word(UINT64_MAX)), CALM_OK);
	assert_int_equal(calm__key_check(&words, calm_str("x")), CALM_EKEY);
	assert_int_equal(calm__key_check(&words, calm_bytes(NULL, 0)), CALM_EKEY);
	assert_int_equal(calm__key_check(&words, calm_bytes(NULL, 5)), CALM_EKEY);
	assert_int_equal(calm__key_check(&bytes, calm_word(0)), CALM_EKEY);
	assert_int_equal(calm__key_check(&bytes, calm_word(UINT64_MAX)), CALM_EKEY);
	assert_int_equal(calm__key_check(&bytes, calm_str("")), CALM_OK);
	assert_int_equal(calm__key_check(&bytes, calm_bytes(NULL, 0)), CALM_OK);
	assert_int_equal(calm__key_check(&bytes, calm_bytes(NULL, 1)), CALM_EINVAL);
	assert_int_equal(calm__key_check(&bytes, calm_bytes("", CALM_KEY_SIZE_MAX)), CALM_OK);
	assert_int_equal(calm__key_check(&bytes, calm_bytes("", CALM_KEY_SIZE_MAX + 1)), CALM_EKEY);
	assert_int_equal(calm__key_check(&bytes, calm_bytes(NULL, CALM_KEY_SIZE_MAX + 1)),
			 CALM_EKEY);
	assert_int_equal(calm__key_check(&bytes, calm_bytes("", SIZE_MAX - 1)), CALM_EKEY);
}

static void there_and_back(void **state)
{
	struct suite_heap memory;
	struct calm__heap heap = {.allocator = {NULL, NULL, NULL}};
	unsigned char text[300];
	(void)state;
	suite_heap_init(&memory);
	heap.allocator = memory.allocator;
	for (size_t size = 0; size <= 300; size++) {
		memset(text, (int)size, sizeof(text));
		calm_key key = calm_bytes(size > 0 ? text : NULL, size);
		uint64_t hash = calm__key_hash(&bytes, key);
		struct calm__record *record = calm__record_new(&heap, key, hash);
		assert_non_null(record);
		uint64_t stored = (uint64_t)(uintptr_t)record;
		assert_int_equal(memory.bytes, calm__record_size(size));
		memset(text, 0xee, sizeof(text));
		calm_key back = calm__key_of(&bytes, stored);
		assert_int_equal(back.size, size);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(((const unsigned char *)back.data)[i], size & 255);
		assert_int_equal(calm__stored_hash(&bytes, stored), hash);
		assert_true(calm__key_is(&bytes, stored, back, hash));
		assert_int_equal(calm__key_hash(&bytes, back), hash);
		assert_false(calm__key_is(&bytes, stored, back, hash + 1));
		assert_false(calm__key_is(&bytes, stored, calm_bytes(text, size + 1), hash));
		if (size > 0) {
			memset(text, (int)size, sizeof(text));
			text[size - 1] ^= 1;
			assert_false(calm__key_is(&bytes, stored, calm_bytes(text, size), hash));
			assert_false(
				calm__key_is(&bytes, stored, calm_bytes(text, size - 1), hash));
		}
		calm__record_free(&heap, record);
	}
	suite_heap_fail(&memory, 1, false);
	assert_null(calm__record_new(&heap, calm_str("x"), 0));
	calm__record_free(&heap, NULL);
	assert_int_equal(memory.blocks, 0);
	assert_int_equal(calm__stripes_sum(&heap.bytes), 0);
}

static void words_are_themselves(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 64; i++) {
		uint64_t word = (uint64_t)1 << i;
		uint64_t hash = calm__key_hash(&words, calm_word(word));
		assert_int_equal(calm_key_word(calm__key_of(&words, word)), word);
		assert_true(calm_key_is_word(calm__key_of(&words, word)));
		assert_int_equal(calm__stored_hash(&words, word), hash);
		assert_true(calm__key_is(&words, word, calm_word(word), hash));
		assert_false(calm__key_is(&words, word, calm_word(word + 1), hash));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_helpers_make),
		cmocka_unit_test(which_a_map_takes),
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(words_are_themselves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
