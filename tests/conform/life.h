/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * conform: making and unmaking a map: options; the allocator gets back all it gave; each value
 * stored is released once, and not before it is displaced.
 */
#ifndef TESTS_CONFORM_LIFE_H
#define TESTS_CONFORM_LIFE_H

#include "conform/snapshots.h"

static void options(void **state)
{
	const struct suite *on = *state;
	const calm_options good = suite_options(on);
	struct suite_heap heap;
	suite_heap_init(&heap);
	calm_map *map = (calm_map *)SUITE_UNTOUCHED;
	calm_options bad = good;
	assert_int_equal(on->kind->create(NULL, &good), CALM_EINVAL);
	bad.size = 0;
	assert_int_equal(on->kind->create(&map, &bad), CALM_EINVAL);
	bad = good;
	bad.size = sizeof(bad) - 1;
	assert_int_equal(on->kind->create(&map, &bad), CALM_EINVAL);
	bad = good;
	bad.keys = (calm_key_kind)2;
	assert_int_equal(on->kind->create(&map, &bad), CALM_EINVAL);
	bad = good;
	bad.shards = 65537;
	assert_int_equal(on->kind->create(&map, &bad), CALM_EINVAL);
	bad = good;
	calm_allocator half = {heap.allocator.alloc, NULL, &heap};
	bad.allocator = &half;
	assert_int_equal(on->kind->create(&map, &bad), CALM_EINVAL);
	half = (calm_allocator){NULL, heap.allocator.free, &heap};
	assert_int_equal(on->kind->create(&map, &bad), CALM_EINVAL);
	bad = good;
	bad.allocator = &heap.allocator;
	bad.capacity = SIZE_MAX;
	assert_int_equal(on->kind->create(&map, &bad), CALM_ENOMEM);
	bad.capacity = PTRDIFF_MAX;
	assert_int_equal(on->kind->create(&map, &bad), CALM_ENOMEM);
	assert_ptr_equal(map, SUITE_UNTOUCHED);
	assert_int_equal(heap.blocks, 0);
	for (unsigned shards = 0; shards <= 65536; shards += 65536) {
		bad = good;
		bad.shards = shards;
		assert_int_equal(on->kind->create(&map, &bad), CALM_OK);
		assert_int_equal(calm_map_destroy(map), CALM_OK);
	}
	assert_int_equal(on->kind->create(&map, NULL), CALM_OK);
	assert_int_equal(calm_map_store(map, calm_word(1), NULL), CALM_OK);
	assert_int_equal(calm_map_store(map, calm_str("1"), NULL), CALM_EKEY);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
	assert_int_equal(calm_map_destroy(NULL), CALM_OK);
	assert_string_equal(calm_map_kind(NULL), "none");
}

/* The allocator's struct is copied, and all that is allocated is given back. */
static void the_allocator_balances(void **state)
{
	const struct suite *on = *state;
	struct suite_heap heap;
	suite_heap_init(&heap);
	calm_allocator passing = heap.allocator;
	calm_options with = suite_options(on);
	calm_map *map = NULL;
	with.allocator = &passing;
	with.capacity = 100;
	assert_int_equal(on->kind->create(&map, &with), CALM_OK);
	memset(&passing, 0, sizeof(passing));
	assert_true(heap.blocks > 0);
	for (uint64_t round = 0; round < 5; round++) {
		fill(on, map, MANY / 2, round);
		for (uint64_t i = round; i < MANY / 2; i += 2)
			assert_int_equal(calm_map_delete(map, suite_key(on, i)), CALM_OK);
		if (round == 2)
			assert_int_equal(calm_map_clear(map), CALM_OK);
		uint64_t visits = 0;
		assert_int_equal(calm_map_each(map, count_visits, &visits), 0);
		assert_int_equal(visits, calm_map_size(map));
		if (!on->kind->snapshots)
			continue;
		calm_snapshot *drained = NULL;
		calm_snapshot *snapshot = open_snapshot(map);
		assert_int_equal(calm_map_drain(map, &drained), CALM_OK);
		fill(on, map, 10, round);
		calm_snapshot_close(snapshot);
		calm_snapshot_close(drained);
	}
	assert_int_equal(calm_map_destroy(map), CALM_OK);
	assert_int_equal(heap.blocks, 0);
	assert_int_equal(heap.bytes, 0);
}

/* ---- releases ---- */

static calm_status replace_with_context(calm_key key, bool present, void **value, bool *keep,
					void *context)
{
	(void)key;
	(void)present;
	*value = context;
	*keep = context != NULL;
	return CALM_OK;
}

/* Stores a new item under key 1, however the verb says; what it returned. */
static calm_status put(const struct suite *on, calm_map *map, unsigned verb,
		       struct suite_item *item)
{
	calm_key key = suite_key(on, 1);
	calm_change change = {key, item, false};
	void *current = NULL;
	calm_status status = calm_map_load(map, key, &current);
	if (verb == 1)
		return calm_map_swap(map, key, item, NULL) < CALM_OK ? CALM_EINVAL : CALM_OK;
	if (verb == 2 && status == CALM_ABSENT)
		return calm_map_load_or_store(map, key, item, NULL);
	if (verb == 3 && status == CALM_OK)
		return calm_map_compare_and_swap(map, key, current, item);
	if (verb == 4)
		return calm_map_update(map, key, replace_with_context, item);
	if (verb == 5 && on->kind->snapshots)
		return calm_map_apply(map, 1, &change);
	return calm_map_store(map, key, item);
}

static calm_status take(const struct suite *on, calm_map *map, unsigned verb)
{
	calm_key key = suite_key(on, 1);
	calm_change change = {key, NULL, true};
	calm_snapshot *old = NULL;
	void *current = NULL;
	calm_status status = calm_map_load(map, key, &current);
	if (verb == 1)
		return calm_map_load_and_delete(map, key, NULL);
	if (verb == 2 && status == CALM_OK)
		return calm_map_compare_and_delete(map, key, current);
	if (verb == 3)
		return calm_map_update(map, key, replace_with_context, NULL);
	if (verb == 4)
		return calm_map_clear(map);
	if (verb == 5 && on->kind->snapshots)
		return calm_map_apply(map, 1, &change);
	if (verb == 6 && on->kind->snapshots) {
		status = calm_map_drain(map, &old);
		calm_snapshot_close(old);
		return status;
	}
	return calm_map_delete(map, key);
}

static void assert_live(struct suite_items *items, int64_t live, uint64_t released)
{
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(items->live, live);
	assert_int_equal(items->released, released);
}

/* Every way to bind, followed by every way to replace, followed by every way to unbind. */
static void each_value_is_released_once(void **state)
{
	const struct suite *on = *state;
	struct suite_items items = {0};
	calm_map *map = suite_map(on, &items, NULL);
	uint64_t gone = 0;
	for (unsigned way = 0; way < 6 * 6 * 7; way++) {
		assert_int_equal(put(on, map, way % 6, suite_item(&items, way)), CALM_OK);
		assert_live(&items, 1, gone);
		assert_int_equal(put(on, map, way / 6 % 6, suite_item(&items, way)), CALM_OK);
		assert_live(&items, 1, ++gone);
		assert_int_equal(take(on, map, way / 36), CALM_OK);
		assert_live(&items, 0, ++gone);
	}
	for (unsigned verb = 0; verb < 6; verb++) {
		assert_int_equal(put(on, map, verb, suite_item(&items, verb)), CALM_OK);
		suite_end(map, &items, NULL);
		assert_int_equal(items.released, ++gone);
		map = suite_map(on, &items, NULL);
	}
	suite_end(map, &items, NULL);
}

/* A value that was not stored stays the caller's. */
static void a_refused_value_is_not_released(void **state)
{
	const struct suite *on = *state;
	struct suite_items items = {0};
	calm_map *map = suite_map(on, &items, NULL);
	struct suite_item *bound = suite_item(&items, 1);
	struct suite_item *mine = suite_item(&items, 2);
	calm_key key = suite_key(on, 1);
	calm_key other = on->keys == CALM_KEYS_WORD ? calm_str("word") : calm_word(1);
	calm_change changes[] = {{suite_key(on, 2), mine, false}, {other, mine, false}};
	assert_int_equal(calm_map_compare_and_swap(map, key, NULL, mine), CALM_ABSENT);
	assert_int_equal(calm_map_store(map, key, bound), CALM_OK);
	assert_int_equal(calm_map_load_or_store(map, key, mine, NULL), CALM_PRESENT);
	assert_int_equal(calm_map_compare_and_swap(map, key, mine, mine), CALM_CHANGED);
	assert_int_equal(calm_map_compare_and_delete(map, key, mine), CALM_CHANGED);
	assert_int_equal(calm_map_store(map, other, mine), CALM_EKEY);
	assert_int_equal(calm_map_apply(map, 2, changes),
			 on->kind->snapshots ? CALM_EKEY : CALM_EUNSUPPORTED);
	assert_live(&items, 2, 0);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
	assert_int_equal(items.released, 1);
	assert_int_equal(suite_item_number(mine), 2);
	suite_item_release(mine, &items);
	assert_int_equal(items.live, 0);
}

static void count_release(void *value, void *context)
{
	(void)value;
	++*(unsigned *)context;
}

/* The same value stored n times is n values; NULL is one like any other. */
static void the_same_value_counts_each_time(void **state)
{
	const struct suite *on = *state;
	calm_options with = suite_options(on);
	calm_map *map = NULL;
	unsigned releases = 0;
	with.release = count_release;
	with.context = &releases;
	assert_int_equal(on->kind->create(&map, &with), CALM_OK);
	for (unsigned i = 1; i <= 5; i++) {
		assert_int_equal(calm_map_store(map, suite_key(on, 1), &releases), CALM_OK);
		assert_int_equal(calm_read_wait(), CALM_OK);
		assert_int_equal(releases, i - 1);
	}
	assert_int_equal(calm_map_compare_and_swap(map, suite_key(on, 1), &releases, &releases),
			 CALM_OK);
	assert_int_equal(calm_map_store(map, suite_key(on, 2), &releases), CALM_OK);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(releases, 5);
	assert_int_equal(calm_map_store(map, suite_key(on, 3), NULL), CALM_OK);
	assert_int_equal(calm_map_delete(map, suite_key(on, 3)), CALM_OK);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(releases, 6);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
	assert_int_equal(releases, 8);
}

/* What was displaced inside a section, or before it ended, is good until it ends. */
static void a_section_keeps_what_it_loaded(void **state)
{
	const struct suite *on = *state;
	struct suite_items items = {0};
	calm_map *map = suite_map(on, &items, NULL);
	void *value = NULL;
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(calm_map_store(map, suite_key(on, i), suite_item(&items, i)),
				 CALM_OK);
	calm_read_begin();
	for (uint64_t i = 0; i < 1000; i++) {
		if (i % 2 == 0)
			assert_int_equal(calm_map_swap(map, suite_key(on, i),
						       suite_item(&items, i + 5000), &value),
					 CALM_OK);
		else
			assert_int_equal(calm_map_load_and_delete(map, suite_key(on, i), &value),
					 CALM_OK);
		assert_int_equal(suite_item_number(value), i);
	}
	assert_int_equal(items.released, 0);
	assert_int_equal(items.live, 1500);
	calm_read_end();
	assert_live(&items, 500, 1000);
	suite_end(map, &items, NULL);
}

/*
 * A release function may use the map whose value it releases: here each deletes the next of a
 * chain.
 */
struct chain {
	const struct suite *on;
	calm_map *map;
	_Atomic uint64_t releases;
};

static void release_and_delete(void *value, void *context)
{
	struct chain *chain = context;
	uint64_t i = (uint64_t)(uintptr_t)value;
	atomic_fetch_add(&chain->releases, 1);
	if (i > 0)
		suite_check(calm_map_delete(chain->map, suite_key(chain->on, i - 1)) == CALM_OK);
}

static void a_release_may_use_the_map(void **state)
{
	enum { CHAIN = 200 };
	const struct suite *on = *state;
	calm_options with = suite_options(on);
	struct chain chain = {.on = on};
	with.release = release_and_delete;
	with.context = &chain;
	assert_int_equal(on->kind->create(&chain.map, &with), CALM_OK);
	fill(on, chain.map, CHAIN, 0);
	assert_int_equal(calm_map_delete(chain.map, suite_key(on, CHAIN - 1)), CALM_OK);
	for (unsigned i = 0; i < CHAIN && chain.releases < CHAIN; i++)
		assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(chain.releases, CHAIN);
	suite_end(chain.map, NULL, NULL);
	assert_int_equal(chain.releases, CHAIN);
}

#define CONFORM_LIFE                                             \
	SUITE_TEST(options), SUITE_TEST(the_allocator_balances), \
		SUITE_TEST(each_value_is_released_once),         \
		SUITE_TEST(a_refused_value_is_not_released),     \
		SUITE_TEST(the_same_value_counts_each_time),     \
		SUITE_TEST(a_section_keeps_what_it_loaded), SUITE_TEST(a_release_may_use_the_map)

#endif
