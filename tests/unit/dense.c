/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The dense table: what is put in is found, nothing else is, ranges of hashes, and the order. */
#include "core/dense.h"

#include "suite.h"

#define MOST 3000

static struct calm__heap heap;

static int compare(const void *a, const void *b, void *keys)
{
	return calm__entry_compare(keys, a, b);
}

/* n bindings of the keys 0, 2, 4 …; the value of key i is i + 1, its birth i + 2. */
static struct calm__dense *dense_of(struct calm__keys *keys, size_t n, struct calm__entry *entries)
{
	const struct suite on = {NULL, keys->kind};
	size_t bytes = 0;
	for (size_t i = 0; i < n; i++) {
		calm_key key = suite_key(&on, 2 * i);
		entries[i] = (struct calm__entry){calm_key_word(key), suite_int(2 * i + 1)};
		if (keys->kind == CALM_KEYS_BYTES)
			entries[i].key = (uint64_t)(uintptr_t)calm__record_new(
				&heap, key, calm__key_hash(keys, key));
		bytes += calm__dense_key_bytes(keys, entries[i].key);
	}
	qsort_r(entries, n, sizeof(*entries), compare, keys);
	struct calm__dense *dense = calm__dense_new(&heap, keys->kind, n, bytes, true);
	assert_non_null(dense);
	for (size_t i = 0; i < n; i++)
		calm__dense_append(dense, keys, entries[i],
				   (uint64_t)(uintptr_t)entries[i].value + 1);
	calm__dense_seal(dense);
	assert_int_equal(dense->count, n);
	assert_int_equal(dense->keys, bytes);
	return dense;
}

static void check_finds(const struct calm__dense *dense, const struct calm__keys *keys, size_t n)
{
	const struct suite on = {NULL, keys->kind};
	for (size_t i = 0; i < n; i++) {
		calm_key key = suite_key(&on, 2 * i);
		size_t at = calm__dense_find(dense, keys, key, calm__key_hash(keys, key));
		assert_true(at < n);
		assert_ptr_equal(dense->entries[at].value, suite_int(2 * i + 1));
		assert_int_equal(dense->births[at], 2 * i + 2);
		key = suite_key(&on, 2 * i + 1);
		assert_int_equal(calm__dense_find(dense, keys, key, calm__key_hash(keys, key)),
				 CALM__NOWHERE);
	}
}

/* Every range of hashes begins and ends where counting says. */
static void check_ranges(const struct calm__dense *dense, const struct calm__keys *keys)
{
	for (unsigned i = 0; i <= 200; i++) {
		uint64_t hash = i == 200 ? UINT64_MAX : UINT64_MAX / 199 * i;
		size_t below = 0;
		size_t up_to = 0;
		for (size_t k = 0; k < dense->count; k++) {
			uint64_t own = calm__stored_hash(keys, dense->entries[k].key);
			below += own < hash;
			up_to += own <= hash;
		}
		assert_int_equal(calm__dense_from(dense, keys, hash), below);
		assert_int_equal(calm__dense_to(dense, keys, hash), up_to);
	}
}

static void what_is_put_in_is_found(void **state)
{
	static const size_t sizes[] = {0, 1, 2, 7, 100, MOST};
	static struct calm__entry entries[MOST];
	(void)state;
	heap = (struct calm__heap){.allocator = calm__malloc};
	for (size_t s = 0; s < 2 * SUITE_COUNT(sizes); s++) {
		struct calm__keys keys = {s % 2 ? CALM_KEYS_BYTES : CALM_KEYS_WORD, 7};
		size_t n = sizes[s / 2];
		struct calm__dense *dense = dense_of(&keys, n, entries);
		/* Its byte keys are its own. */
		for (size_t i = 0; keys.kind == CALM_KEYS_BYTES && i < n; i++)
			calm__record_free(&heap, calm__record_of(entries[i].key));
		assert_null(calm__dense_check(dense, &keys));
		check_finds(dense, &keys, n);
		check_ranges(dense, &keys);
		if (n == MOST && keys.kind == CALM_KEYS_WORD)
			assert_true(dense->bytes < n * (16 + 8 + 3));
		calm__dense_free(&heap, dense);
	}
	calm__dense_free(&heap, NULL);
	assert_int_equal(calm__stripes_sum(&heap.bytes), 0);
}

static void a_wrong_order_is_seen(void **state)
{
	static struct calm__entry entries[MOST];
	struct calm__keys keys = {CALM_KEYS_WORD, 7};
	(void)state;
	struct calm__dense *dense = dense_of(&keys, MOST, entries);
	struct calm__entry first = dense->entries[0];
	dense->entries[0] = dense->entries[MOST - 1];
	dense->entries[MOST - 1] = first;
	assert_non_null(calm__dense_check(dense, &keys));
	calm__dense_free(&heap, dense);
}

static void what_no_memory_holds_is_refused(void **state)
{
	(void)state;
	assert_null(calm__dense_new(&heap, CALM_KEYS_WORD, SIZE_MAX, 0, false));
	assert_null(calm__dense_new(&heap, CALM_KEYS_BYTES, 1, SIZE_MAX / 2, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_in_is_found),
		cmocka_unit_test(a_wrong_order_is_seen),
		cmocka_unit_test(what_no_memory_holds_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
