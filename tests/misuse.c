/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What a caller does wrong: NULL for each pointer of each function, keys that are none, destroying
 * what is in use, waiting for oneself. Each has its status, and changes nothing. What ends in an
 * abort is in process.c.
 */
#include "suite.h"

#include <unistd.h>

/* A test that hangs has failed. */
#define PATIENCE 60

static int visit_none(calm_key key, void *value, void *context)
{
	(void)key;
	(void)value;
	(void)context;
	return 0;
}

static int differ_none(calm_key key, bool before, void *old_value, bool after, void *new_value,
		       void *context)
{
	(void)key;
	(void)(before && after && old_value == new_value && context);
	return 0;
}

static calm_status update_none(calm_key key, bool present, void **value, bool *keep, void *context)
{
	(void)key;
	(void)value;
	(void)context;
	*keep = present;
	return CALM_OK;
}

/* ---- NULL ---- */

static void null_map(void **state)
{
	const struct suite *on = *state;
	calm_key key = suite_key(on, 1);
	calm_change change = {key, NULL, false};
	calm_snapshot *snapshot = (calm_snapshot *)SUITE_UNTOUCHED;
	calm_status found = CALM_OK;
	void *value = SUITE_UNTOUCHED;
	assert_int_equal(calm_map_load(NULL, key, &value), CALM_EINVAL);
	assert_int_equal(calm_map_store(NULL, key, NULL), CALM_EINVAL);
	assert_int_equal(calm_map_swap(NULL, key, NULL, &value), CALM_EINVAL);
	assert_int_equal(calm_map_load_or_store(NULL, key, NULL, &value), CALM_EINVAL);
	assert_int_equal(calm_map_delete(NULL, key), CALM_EINVAL);
	assert_int_equal(calm_map_load_and_delete(NULL, key, &value), CALM_EINVAL);
	assert_int_equal(calm_map_compare_and_swap(NULL, key, NULL, NULL), CALM_EINVAL);
	assert_int_equal(calm_map_compare_and_delete(NULL, key, NULL), CALM_EINVAL);
	assert_int_equal(calm_map_update(NULL, key, update_none, NULL), CALM_EINVAL);
	assert_int_equal(calm_map_clear(NULL), CALM_EINVAL);
	assert_int_equal(calm_map_drain(NULL, &snapshot), CALM_EINVAL);
	assert_int_equal(calm_map_size(NULL), 0);
	assert_int_equal(calm_map_reserve(NULL, 1), CALM_EINVAL);
	assert_int_equal(calm_map_load_many(NULL, 1, &key, &value, &found), 0);
	assert_int_equal(found, CALM_EINVAL);
	assert_int_equal(calm_map_apply(NULL, 1, &change), CALM_EINVAL);
	assert_int_equal(calm_map_each(NULL, visit_none, NULL), CALM_EINVAL);
	assert_int_equal(calm_map_walk(NULL, visit_none, NULL), CALM_EINVAL);
	assert_int_equal(calm_map_snapshot(NULL, &snapshot), CALM_EINVAL);
	assert_int_equal(calm_debug_check(NULL, NULL), CALM_EINVAL);
	assert_int_equal(calm_debug_dump(NULL, stderr), CALM_EINVAL);
	assert_ptr_equal(value, SUITE_UNTOUCHED);
	assert_ptr_equal(snapshot, SUITE_UNTOUCHED);
}

static void null_results(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	calm_key key = suite_key(on, 1);
	calm_status found = CALM_OK;
	void *value = SUITE_UNTOUCHED;
	assert_int_equal(calm_map_load(map, key, NULL), CALM_EINVAL);
	assert_int_equal(calm_map_update(map, key, NULL, NULL), CALM_EINVAL);
	assert_int_equal(calm_map_load_many(map, 1, NULL, &value, &found), 0);
	assert_int_equal(found, CALM_EINVAL);
	found = CALM_OK;
	assert_int_equal(calm_map_load_many(map, 1, &key, NULL, &found), 0);
	assert_int_equal(found, CALM_EINVAL);
	assert_int_equal(calm_map_load_many(map, 1, &key, &value, NULL), 0);
	assert_int_equal(calm_map_apply(map, 1, NULL), CALM_EINVAL);
	assert_int_equal(calm_map_each(map, NULL, NULL), CALM_EINVAL);
	assert_int_equal(calm_map_walk(map, NULL, NULL), CALM_EINVAL);
	assert_int_equal(calm_map_snapshot(map, NULL), CALM_EINVAL);
	assert_int_equal(calm_map_drain(map, NULL), CALM_EINVAL);
	assert_int_equal(calm_debug_dump(map, NULL), CALM_EINVAL);
	assert_int_equal(calm_debug_check(map, NULL), CALM_OK);
	assert_ptr_equal(value, SUITE_UNTOUCHED);
	assert_int_equal(calm_map_size(map), 0);
	calm_map_stats(map, NULL);
	suite_end(map, NULL, NULL);
}

static void null_snapshots(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	calm_key key = suite_key(on, 1);
	calm_snapshot *snapshot = NULL;
	calm_cursor cursor;
	void *value = SUITE_UNTOUCHED;
	assert_int_equal(calm_map_snapshot(map, &snapshot), CALM_OK);
	assert_int_equal(calm_snapshot_load(NULL, key, &value), CALM_EINVAL);
	assert_int_equal(calm_snapshot_load(snapshot, key, NULL), CALM_EINVAL);
	assert_int_equal(calm_snapshot_each(NULL, visit_none, NULL), CALM_EINVAL);
	assert_int_equal(calm_snapshot_each(snapshot, NULL, NULL), CALM_EINVAL);
	assert_int_equal(calm_snapshot_range(NULL, &key, &key, visit_none, NULL), CALM_EINVAL);
	assert_int_equal(calm_snapshot_range(snapshot, &key, &key, NULL, NULL), CALM_EINVAL);
	assert_int_equal(calm_snapshot_range_descending(NULL, NULL, NULL, visit_none, NULL),
			 CALM_EINVAL);
	assert_int_equal(calm_snapshot_range_descending(snapshot, NULL, NULL, NULL, NULL),
			 CALM_EINVAL);
	assert_int_equal(calm_snapshot_diff(NULL, snapshot, differ_none, NULL), CALM_EINVAL);
	assert_int_equal(calm_snapshot_diff(snapshot, NULL, differ_none, NULL), CALM_EINVAL);
	assert_int_equal(calm_snapshot_diff(snapshot, snapshot, NULL, NULL), CALM_EINVAL);
	assert_int_equal(calm_snapshot_size(NULL), 0);
	assert_int_equal(calm_snapshot_stamp(NULL), 0);
	assert_int_equal(calm_cursor_init(NULL, snapshot), CALM_EINVAL);
	assert_int_equal(calm_cursor_init(&cursor, NULL), CALM_EINVAL);
	assert_int_equal(calm_cursor_seek(NULL, key), CALM_EINVAL);
	assert_int_equal(calm_cursor_next(NULL, &key, &value), CALM_EINVAL);
	assert_int_equal(calm_cursor_prev(NULL, &key, &value), CALM_EINVAL);
	memset(&cursor, 0, sizeof(cursor)); /* one that was never on anything */
	assert_int_equal(calm_cursor_seek(&cursor, key), CALM_EINVAL);
	assert_int_equal(calm_cursor_next(&cursor, &key, &value), CALM_EINVAL);
	assert_int_equal(calm_cursor_prev(&cursor, &key, &value), CALM_EINVAL);
	assert_ptr_equal(value, SUITE_UNTOUCHED);
	calm_snapshot_close(snapshot);
	calm_snapshot_close(NULL);
	suite_end(map, NULL, NULL);
}

static void ignore(void *value, void *context)
{
	(void)value;
	(void)context;
}

static void null_elsewhere(void **state)
{
	calm_cell cell;
	(void)state;
	for (size_t k = 0; k < KIT_KINDS; k++)
		assert_int_equal(kit_kinds[k].create(NULL, NULL), CALM_EINVAL);
	assert_int_equal(calm_map_destroy(NULL), CALM_OK);
	assert_int_equal(calm_retire(NULL, NULL, NULL), CALM_EINVAL);
	assert_int_equal(calm_retire(NULL, ignore, NULL), CALM_OK);
	assert_int_equal(calm_cell_init(NULL, NULL, NULL, NULL), CALM_EINVAL);
	assert_null(calm_cell_load(NULL));
	assert_int_equal(calm_cell_swap(NULL, NULL, NULL), CALM_EINVAL);
	assert_int_equal(calm_cell_compare_and_swap(NULL, NULL, NULL), CALM_EINVAL);
	assert_int_equal(calm_cell_destroy(NULL), CALM_EINVAL);
	assert_int_equal(calm_cell_init(&cell, NULL, NULL, NULL), CALM_OK);
	assert_int_equal(calm_cell_destroy(&cell), CALM_OK);
	assert_int_equal(calm_debug_threads(NULL), CALM_EINVAL);
	assert_int_equal(calm_debug_stack(NULL), CALM_EINVAL);
	assert_int_equal(calm_guard_allow(NULL), CALM_EINVAL);
	assert_int_equal(calm_guard_set((calm_guard_mode)3, NULL, NULL), CALM_EINVAL);
	assert_int_equal(calm_guard_check(), 0);
	assert_string_equal(calm_version(), CALM_VERSION_STRING);
	assert_string_equal(calm_strerror((calm_status)-1000), "unknown status");
	assert_string_equal(calm_strerror((calm_status)1000), "unknown status");
	calm_map_stats(NULL, NULL);
	assert_string_equal(calm_map_kind(NULL), "none");
}

/* ---- makers ---- */

static void options_out_of_range(void **state)
{
	static kit_create_fn *const makers[KIT_KINDS] = {
		calm_hashmap_create,  calm_treemap_create,  calm_syncmap_create,
		calm_lockmap_create,  calm_shardmap_create, calm_cowmap_create,
		calm_deltamap_create,
	};
	static const calm_allocator half = {NULL, NULL, NULL};
	(void)state;
	for (size_t k = 0; k < KIT_KINDS; k++) {
		for (int wrong = 0; wrong < 5; wrong++) {
			calm_options options = CALM_OPTIONS_INIT;
			calm_map *map = (calm_map *)SUITE_UNTOUCHED;
			options.size -= wrong == 0;
			options.keys = wrong == 1 ? (calm_key_kind)2 : CALM_KEYS_WORD;
			options.shards = wrong == 2 ? 65537 : 0;
			options.allocator = wrong == 3 ? &half : NULL;
			calm_map **out = wrong == 4 ? NULL : &map;
			assert_int_equal(makers[k](out, &options), CALM_EINVAL);
			assert_ptr_equal(map, SUITE_UNTOUCHED);
		}
	}
}

/* What no memory could hold is refused, or, where it is only a hint, ignored; the map is whole. */
static void absurd_sizes(void **state)
{
	const struct suite *on = *state;
	calm_options options = suite_options(on);
	calm_map *map = NULL;
	options.capacity = SIZE_MAX;
	calm_status status = on->kind->create(&map, &options);
	assert_true(status == CALM_OK || status == CALM_ENOMEM);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
	map = suite_map(on, NULL, NULL);
	for (size_t entries = SIZE_MAX; entries > (size_t)1 << 50; entries >>= 4) {
		status = calm_map_reserve(map, entries);
		assert_true(status == CALM_OK || status == CALM_ENOMEM);
	}
	assert_int_equal(calm_map_store(map, suite_key(on, 1), suite_int(2)), CALM_OK);
	assert_bound(map, suite_key(on, 1), suite_int(2));
	suite_end(map, NULL, NULL);
}

static int measure(calm_key key, void *value, void *context)
{
	(void)value;
	*(size_t *)context += key.size;
	return 0;
}

static void a_mebibyte_of_key(void **state)
{
	const struct suite *on = *state;
	const size_t size = (size_t)1 << 20;
	calm_map *map = suite_map(on, NULL, NULL);
	char *bytes = calloc(1, size);
	size_t seen = 0;
	suite_check(bytes != NULL);
	for (char i = 0; i < 3; i++) {
		bytes[size - 1] = i;
		assert_int_equal(calm_map_store(map, calm_bytes(bytes, size - (size_t)i), bytes),
				 CALM_OK);
	}
	bytes[size - 1] = 0;
	assert_bound(map, calm_bytes(bytes, size), bytes);
	assert_int_equal(calm_map_each(map, measure, &seen), 0);
	assert_int_equal(seen, 3 * size - 3);
	assert_int_equal(calm_map_delete(map, calm_bytes(bytes, size)), CALM_OK);
	assert_absent(map, calm_bytes(bytes, size));
	free(bytes);
	suite_end(map, NULL, NULL);
}

/* Also on a kind that has nothing of it. */
static void compact_what_cannot(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	assert_int_equal(calm_deltamap_compact(NULL), CALM_EINVAL);
	assert_int_equal(calm_deltamap_compact(map), suite_compacts(on));
	suite_end(map, NULL, NULL);
}

/* ---- keys that are none ---- */

static void refuse(const struct suite *on, calm_key key, calm_status expected)
{
	struct suite_items items = {0};
	calm_map *map = suite_map(on, &items, NULL);
	struct suite_item *item = suite_item(&items, 1);
	calm_change changes[] = {{suite_key(on, 1), item, false}, {key, NULL, true}};
	calm_status found = CALM_OK;
	void *value = SUITE_UNTOUCHED;
	assert_int_equal(calm_map_load(map, key, &value), expected);
	assert_int_equal(calm_map_store(map, key, item), expected);
	assert_int_equal(calm_map_swap(map, key, item, &value), expected);
	assert_int_equal(calm_map_load_or_store(map, key, item, &value), expected);
	assert_int_equal(calm_map_delete(map, key), expected);
	assert_int_equal(calm_map_load_and_delete(map, key, &value), expected);
	assert_int_equal(calm_map_compare_and_swap(map, key, NULL, item), expected);
	assert_int_equal(calm_map_compare_and_delete(map, key, NULL), expected);
	assert_int_equal(calm_map_update(map, key, update_none, NULL), expected);
	assert_int_equal(calm_map_load_many(map, 1, &key, &value, &found), 0);
	assert_int_equal(found, expected);
	if (on->kind->snapshots) {
		calm_snapshot *snapshot = NULL;
		calm_cursor cursor;
		assert_int_equal(calm_map_apply(map, 2, changes), expected);
		assert_int_equal(calm_map_snapshot(map, &snapshot), CALM_OK);
		assert_int_equal(calm_snapshot_load(snapshot, key, &value), expected);
		assert_int_equal(calm_snapshot_range(snapshot, &key, NULL, visit_none, NULL),
				 expected);
		assert_int_equal(calm_snapshot_range(snapshot, NULL, &key, visit_none, NULL),
				 expected);
		assert_int_equal(calm_cursor_init(&cursor, snapshot), CALM_OK);
		assert_int_equal(calm_cursor_seek(&cursor, key), expected);
		calm_snapshot_close(snapshot);
	}
	assert_ptr_equal(value, SUITE_UNTOUCHED);
	assert_int_equal(calm_map_size(map), 0);
	assert_int_equal(items.released, 0);
	suite_item_release(item, &items);
	suite_end(map, &items, NULL);
}

static void keys_that_are_none(void **state)
{
	const struct suite *on = *state;
	static const char byte = 'x';
	bool words = on->keys == CALM_KEYS_WORD;
	refuse(on, words ? calm_str("word") : calm_word(1), CALM_EKEY);
	refuse(on, calm_bytes(&byte, CALM_KEY_SIZE_MAX + 1), CALM_EKEY);
	refuse(on, calm_bytes(NULL, CALM_KEY_SIZE_MAX + 1), CALM_EKEY);
	refuse(on, calm_bytes(&byte, SIZE_MAX - 1), CALM_EKEY);
	refuse(on, calm_bytes(NULL, 1), words ? CALM_EKEY : CALM_EINVAL);
	refuse(on, calm_bytes(NULL, CALM_KEY_SIZE_MAX), words ? CALM_EKEY : CALM_EINVAL);
	if (words)
		refuse(on, calm_bytes(NULL, 0), CALM_EKEY);
}

/* ---- destroying and waiting at the wrong time ---- */

static void destroy_in_use(void **state)
{
	const struct suite *on = *state;
	struct suite_items items = {0};
	calm_map *map = suite_map(on, &items, NULL);
	assert_int_equal(calm_map_store(map, suite_key(on, 1), suite_item(&items, 1)), CALM_OK);
	calm_read_begin();
	assert_int_equal(calm_map_destroy(map), CALM_EBUSY);
	calm_read_begin();
	calm_read_end();
	assert_int_equal(calm_map_destroy(map), CALM_EBUSY);
	calm_read_end();
	if (on->kind->snapshots) {
		calm_snapshot *snapshots[2] = {NULL, NULL};
		assert_int_equal(calm_map_snapshot(map, &snapshots[0]), CALM_OK);
		assert_int_equal(calm_map_drain(map, &snapshots[1]), CALM_OK);
		assert_int_equal(calm_map_destroy(map), CALM_EBUSY);
		calm_snapshot_close(snapshots[0]);
		assert_int_equal(calm_map_destroy(map), CALM_EBUSY);
		calm_snapshot_close(snapshots[1]);
		assert_int_equal(calm_map_store(map, suite_key(on, 1), suite_item(&items, 2)),
				 CALM_OK);
	}
	/* It is whole after all that. */
	assert_int_equal(calm_map_size(map), 1);
	suite_end(map, &items, NULL);
}

static void wait_and_expect_busy(void *value, void *context)
{
	(void)value;
	*(calm_status *)context = calm_read_wait();
}

static void waiting_for_oneself(void **state)
{
	calm_status inside = CALM_OK;
	(void)state;
	alarm(PATIENCE);
	calm_read_begin();
	assert_true(calm_read_active());
	assert_int_equal(calm_read_wait(), CALM_EBUSY);
	calm_read_begin();
	calm_read_end();
	assert_true(calm_read_active());
	assert_int_equal(calm_read_wait(), CALM_EBUSY);
	calm_read_end();
	assert_false(calm_read_active());
	assert_int_equal(calm_retire(NULL, wait_and_expect_busy, &inside), CALM_OK);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(inside, CALM_EBUSY);
	alarm(0);
}

/*
 * A release function may destroy another map, here one that holds a third, and so on; bound in it,
 * or just deleted.
 */
struct nest {
	const struct suite *on;
	_Atomic unsigned released;
};

static void release_nest(void *value, void *context)
{
	struct nest *nest = context;
	atomic_fetch_add(&nest->released, 1);
	if (value)
		suite_check(calm_map_destroy(value) == CALM_OK);
}

static void maps_in_maps(void **state)
{
	enum { DEPTH = 7 };
	const struct suite *on = *state;
	calm_options options = suite_options(on);
	alarm(PATIENCE);
	for (int deleted = 0; deleted < 2; deleted++) {
		struct nest nest = {.on = on};
		calm_map *inner = NULL;
		options.release = release_nest;
		options.context = &nest;
		for (unsigned depth = 0; depth < DEPTH; depth++) {
			calm_map *outer = NULL;
			assert_int_equal(on->kind->create(&outer, &options), CALM_OK);
			assert_int_equal(calm_map_store(outer, suite_key(on, depth), inner),
					 CALM_OK);
			if (deleted)
				assert_int_equal(calm_map_delete(outer, suite_key(on, depth)),
						 CALM_OK);
			inner = outer;
		}
		assert_int_equal(calm_map_destroy(inner), CALM_OK);
		assert_int_equal(nest.released, DEPTH);
	}
	alarm(0);
}

int main(int argc, char **argv)
{
	static const struct suite_test tests[] = {
		SUITE_TEST(null_map),
		SUITE_TEST(null_results),
		SUITE_TEST_ONLY(null_snapshots, SUITE_SNAPSHOTS),
		SUITE_TEST(keys_that_are_none),
		SUITE_TEST(absurd_sizes),
		SUITE_TEST_ONLY(a_mebibyte_of_key, SUITE_BYTES),
		SUITE_TEST(compact_what_cannot),
		SUITE_TEST(destroy_in_use),
		SUITE_TEST(maps_in_maps),
	};
	static const struct CMUnitTest others[] = {cmocka_unit_test(null_elsewhere),
						   cmocka_unit_test(options_out_of_range),
						   cmocka_unit_test(waiting_for_oneself)};
	return suite_run(argc, argv, tests, SUITE_COUNT(tests), others, SUITE_COUNT(others));
}
