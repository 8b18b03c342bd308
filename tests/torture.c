/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Every verb at once, on few keys and many, from 2, 8 and 32 threads, with values that know whether
 * they live: one that is loaded inside a section or out of a snapshot must, and at the end each
 * must have been released once. Snapshots change hands between opening and closing. Meant for ASan
 * and TSan, but the values tell in any build.
 */
#include "suite.h"

#define TEST_NS 250000000 /* at scale 1 */
#define SLOTS 6

struct torture {
	const struct suite *on;
	calm_map *map;
	struct suite_items items;
	uint64_t keys;
	uint64_t deadline;
	_Atomic(calm_snapshot *) slots[SLOTS]; /* open, for anybody to take */
	_Atomic uint64_t retired, released;    /* by calm_retire */
};

struct actor {
	struct torture *torture;
	struct kit_random random;
	struct suite_item *spare; /* what update, which may run several times, would store, */
	bool kept;                /* and did, the last time */
	uint64_t key;
};

static uint64_t below(struct actor *actor, uint64_t n)
{
	return kit_random_below(&actor->random, n);
}

static calm_key key_of(const struct actor *actor, uint64_t i)
{
	return suite_key(actor->torture->on, i);
}

/* A value for a key, which is the number's remainder. */
static struct suite_item *item_for(struct actor *actor, uint64_t key)
{
	return suite_item(&actor->torture->items,
			  kit_random_next(&actor->random) / 65536 * 65536 + key);
}

static void drop(struct actor *actor, struct suite_item *item)
{
	suite_item_release(item, &actor->torture->items);
}

static void check_value(uint64_t key, void *value)
{
	suite_check(suite_item_number(value) % 65536 == key);
}

static int look(calm_key key, void *value, void *context)
{
	uint64_t *left = context;
	check_value(suite_index(key), value);
	return (*left)-- == 0;
}

/* ---- verbs ---- */

static void act_load(struct actor *actor)
{
	const calm_map *map = actor->torture->map;
	void *values[4];
	uint64_t keys[4];
	calm_status found[4];
	calm_read_begin();
	for (size_t i = 0; i < 4; i++) {
		keys[i] = below(actor, actor->torture->keys);
		found[i] = calm_map_load(map, key_of(actor, keys[i]), &values[i]);
		suite_check(found[i] == CALM_OK || found[i] == CALM_ABSENT);
	}
	for (size_t i = 0; i < 4; i++)
		if (found[i] == CALM_OK)
			check_value(keys[i], values[i]);
	calm_read_end();
}

static void act_load_many(struct actor *actor)
{
	void *values[8];
	uint64_t at[8];
	calm_key keys[8];
	calm_status found[8];
	calm_read_begin();
	for (size_t i = 0; i < 8; i++) {
		at[i] = below(actor, actor->torture->keys);
		keys[i] = key_of(actor, at[i]);
	}
	size_t there = calm_map_load_many(actor->torture->map, 8, keys, values, found);
	for (size_t i = 0; i < 8; i++) {
		suite_check(found[i] == CALM_OK || found[i] == CALM_ABSENT);
		if (found[i] == CALM_OK)
			check_value(at[i], values[i]);
		there -= found[i] == CALM_OK;
	}
	suite_check(there == 0);
	calm_read_end();
}

static void act_store(struct actor *actor, uint64_t key)
{
	suite_check(calm_map_store(actor->torture->map, key_of(actor, key), item_for(actor, key)) ==
		    CALM_OK);
}

static void act_swap(struct actor *actor, uint64_t key)
{
	void *previous = NULL;
	calm_read_begin();
	calm_status status = calm_map_swap(actor->torture->map, key_of(actor, key),
					   item_for(actor, key), &previous);
	suite_check(status == CALM_OK || status == CALM_ABSENT);
	if (status == CALM_OK)
		check_value(key, previous);
	calm_read_end();
}

static void act_load_or_store(struct actor *actor, uint64_t key)
{
	struct suite_item *item = item_for(actor, key);
	void *actual = NULL;
	calm_read_begin();
	calm_status status = calm_map_load_or_store(actor->torture->map, key_of(actor, key), item,
						    &actual);
	suite_check(status == CALM_OK ? actual == item : status == CALM_PRESENT);
	check_value(key, actual);
	if (status == CALM_PRESENT)
		drop(actor, item);
	calm_read_end();
}

static void act_delete(struct actor *actor, uint64_t key)
{
	void *value = NULL;
	calm_status status = calm_map_delete(actor->torture->map, key_of(actor, key));
	suite_check(status == CALM_OK || status == CALM_ABSENT);
	calm_read_begin();
	status = calm_map_load_and_delete(actor->torture->map, key_of(actor, key), &value);
	if (status == CALM_OK)
		check_value(key, value);
	calm_read_end();
}

static void act_compare(struct actor *actor, uint64_t key, bool deletes)
{
	calm_map *map = actor->torture->map;
	void *expected = NULL;
	calm_read_begin();
	if (calm_map_load(map, key_of(actor, key), &expected) == CALM_OK && deletes) {
		suite_check(calm_map_compare_and_delete(map, key_of(actor, key), expected) >=
			    CALM_OK);
		check_value(key, expected);
	} else if (expected) {
		struct suite_item *item = item_for(actor, key);
		if (calm_map_compare_and_swap(map, key_of(actor, key), expected, item) != CALM_OK)
			drop(actor, item);
		check_value(key, expected);
	}
	calm_read_end();
}

static calm_status renew(calm_key key, bool present, void **value, bool *keep, void *context)
{
	struct actor *actor = context;
	suite_check(suite_index(key) == actor->key);
	if (present)
		check_value(actor->key, *value);
	*keep = actor->kept = below(actor, 4) > 0;
	*value = actor->spare;
	return CALM_OK;
}

static void act_update(struct actor *actor, uint64_t key)
{
	actor->key = key;
	actor->spare = item_for(actor, key);
	suite_check(calm_map_update(actor->torture->map, key_of(actor, key), renew, actor) ==
		    CALM_OK);
	if (!actor->kept)
		drop(actor, actor->spare);
}

static void act_apply(struct actor *actor)
{
	calm_change changes[6];
	size_t n = below(actor, 7);
	for (size_t i = 0; i < n; i++) {
		uint64_t key = below(actor, actor->torture->keys);
		changes[i].key = key_of(actor, key);
		changes[i].remove = below(actor, 2) == 0;
		changes[i].value = changes[i].remove ? NULL : item_for(actor, key);
	}
	suite_check(calm_map_apply(actor->torture->map, n, changes) == CALM_OK);
}

/* ---- the whole map ---- */

static int meddle(calm_key key, void *value, void *context)
{
	struct actor *actor = context;
	uint64_t i = suite_index(key);
	uint64_t which = below(actor, 40);
	check_value(i, value);
	if (which == 0)
		act_store(actor, i);
	else if (which == 1)
		act_delete(actor, below(actor, actor->torture->keys));
	return which == 2;
}

static void act_each(struct actor *actor, bool walks)
{
	calm_map *map = actor->torture->map;
	int result = walks ? calm_map_walk(map, meddle, actor) : calm_map_each(map, meddle, actor);
	suite_check(result == 0 || result == 1);
}

static int count_difference(calm_key key, bool before, void *old_value, bool after, void *new_value,
			    void *context)
{
	uint64_t i = suite_index(key);
	if (before)
		check_value(i, old_value);
	if (after)
		check_value(i, new_value);
	++*(uint64_t *)context;
	return 0;
}

/* Looks at a snapshot in one way or another, and closes it: no matter who opened it. */
static void use_snapshot(struct actor *actor, calm_snapshot *snapshot)
{
	uint64_t key = below(actor, actor->torture->keys);
	uint64_t left = UINT64_MAX;
	uint64_t differences = 0;
	calm_snapshot *other = NULL;
	calm_cursor cursor;
	calm_key at;
	void *value = NULL;
	if (calm_snapshot_load(snapshot, key_of(actor, key), &value) == CALM_OK)
		check_value(key, value);
	switch (below(actor, 4)) {
	case 0:
		suite_check(calm_snapshot_each(snapshot, look, &left) == 0);
		suite_check(UINT64_MAX - left == calm_snapshot_size(snapshot));
		break;
	case 1:
		suite_check(calm_map_snapshot(actor->torture->map, &other) == CALM_OK);
		suite_check(calm_snapshot_diff(snapshot, other, count_difference, &differences) ==
			    0);
		calm_snapshot_close(other);
		break;
	case 2:
		suite_check(calm_cursor_init(&cursor, snapshot) == CALM_OK);
		while (calm_cursor_next(&cursor, &at, &value) == CALM_OK)
			check_value(suite_index(at), value);
		break;
	default:
		break;
	}
	calm_snapshot_close(snapshot);
}

static void act_snapshot(struct actor *actor, bool drains)
{
	struct torture *torture = actor->torture;
	calm_snapshot *snapshot = NULL;
	calm_status status = drains ? calm_map_drain(torture->map, &snapshot)
				    : calm_map_snapshot(torture->map, &snapshot);
	suite_check(status == CALM_OK);
	snapshot = atomic_exchange(&torture->slots[below(actor, SLOTS)], snapshot);
	if (snapshot)
		use_snapshot(actor, snapshot);
}

static void count_released(void *pointer, void *context)
{
	free(pointer);
	atomic_fetch_add(&((struct torture *)context)->released, 1);
}

static void act_rarely(struct actor *actor)
{
	struct torture *torture = actor->torture;
	bool snapshots = torture->on->kind->snapshots;
	calm_stats stats;
	switch (below(actor, 16)) {
	case 0:
		suite_check(calm_map_clear(torture->map) == CALM_OK);
		break;
	case 1:
		if (snapshots)
			act_snapshot(actor, true);
		break;
	case 2:
		suite_check(calm_map_reserve(torture->map, below(actor, 2 * torture->keys)) ==
			    CALM_OK);
		break;
	case 3:
		calm_map_stats(torture->map, &stats);
		suite_check(stats.bytes > 0 && calm_map_size(torture->map) <= torture->keys + 64);
		break;
	case 4:
		suite_check(calm_read_wait() == CALM_OK);
		break;
	case 5:
		atomic_fetch_add(&torture->retired, 1);
		suite_check(calm_retire(malloc(8), count_released, torture) == CALM_OK);
		break;
	case 6:
	case 7:
		if (snapshots)
			act_each(actor, true);
		break;
	case 8:
	case 9:
		act_each(actor, false);
		break;
	case 10:
		suite_check(calm_deltamap_compact(torture->map) == suite_compacts(torture->on));
		break;
	default:
		if (snapshots)
			act_snapshot(actor, false);
	}
}

static void act(unsigned index, void *context)
{
	struct torture *torture = context;
	struct actor actor = {.torture = torture};
	kit_random_seed(&actor.random, suite_seed() + index);
	/* Some, even if a busy machine starts the thread after the deadline. */
	for (unsigned n = 0; n < 100 || kit_now_ns() < torture->deadline; n++) {
		uint64_t key = below(&actor, torture->keys);
		uint64_t which = below(&actor, 100);
		if (which < 30)
			act_load(&actor);
		else if (which < 35)
			act_load_many(&actor);
		else if (which < 50)
			act_store(&actor, key);
		else if (which < 60)
			act_swap(&actor, key);
		else if (which < 65)
			act_load_or_store(&actor, key);
		else if (which < 75)
			act_delete(&actor, key);
		else if (which < 85)
			act_compare(&actor, key, which < 80);
		else if (which < 95)
			act_update(&actor, key);
		else if (which < 97 && torture->on->kind->snapshots)
			act_apply(&actor);
		else if (which == 99)
			act_rarely(&actor);
	}
}

static void everything(const struct suite *on, unsigned threads, uint64_t keys)
{
	struct torture torture = {.on = on, .keys = keys};
	struct suite_heap heap;
	suite_heap_init(&heap);
	torture.map = suite_map(on, &torture.items, &heap);
	torture.deadline = kit_now_ns() + TEST_NS * suite_number("CALM_TEST_SCALE", 1) / 2;
	suite_threads(threads, act, &torture);
	for (size_t i = 0; i < SLOTS; i++)
		calm_snapshot_close(torture.slots[i]);
	suite_end(torture.map, &torture.items, &heap);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(torture.released, torture.retired);
	assert_true(torture.items.released > 0);
}

static void all_verbs_2_threads(void **state)
{
	everything(*state, 2, 32);
	everything(*state, 2, 2000);
}

static void all_verbs_8_threads(void **state)
{
	everything(*state, 8, 32);
	everything(*state, 8, 2000);
}

static void all_verbs_32_threads(void **state)
{
	everything(*state, 32, 32);
	everything(*state, 32, 2000);
}

/* ---- budgets ---- */

/* A snapshot may be ousted at any time: then it says so, and until then it is whole. */
static void open_and_close(unsigned index, void *context)
{
	struct torture *torture = context;
	struct actor actor = {.torture = torture};
	kit_random_seed(&actor.random, suite_seed() + index);
	while (kit_now_ns() < torture->deadline) {
		uint64_t key = below(&actor, torture->keys);
		uint64_t left = UINT64_MAX;
		calm_snapshot *snapshot = NULL;
		void *value = NULL;
		act_store(&actor, key);
		suite_check(calm_map_snapshot(torture->map, &snapshot) == CALM_OK);
		snapshot = atomic_exchange(&torture->slots[below(&actor, SLOTS)], snapshot);
		if (!snapshot)
			continue;
		calm_read_begin();
		calm_status status = calm_snapshot_load(snapshot, key_of(&actor, key), &value);
		if (status == CALM_OK)
			check_value(key, value);
		calm_read_end();
		int result = below(&actor, 4) > 0 ? 0 : calm_snapshot_each(snapshot, look, &left);
		suite_check(status == CALM_OK || status == CALM_ABSENT || status == CALM_ESTALE);
		suite_check(result == 0 || result == CALM_ESTALE);
		suite_check(status != CALM_ESTALE || result == CALM_ESTALE || left == UINT64_MAX);
		calm_snapshot_close(snapshot);
		left = UINT64_MAX;
		suite_check(calm_map_each(torture->map, look, &left) == 0);
	}
}

static void snapshots_over_budget(void **state)
{
	const struct suite *on = *state;
	struct torture torture = {.on = on, .keys = 100};
	struct suite_heap heap;
	calm_options options = suite_options(on);
	suite_heap_init(&heap);
	options.release = suite_item_release;
	options.context = &torture.items;
	options.allocator = &heap.allocator;
	options.snapshot_budget = 10000;
	assert_int_equal(on->kind->create(&torture.map, &options), CALM_OK);
	torture.deadline = kit_now_ns() + TEST_NS * suite_number("CALM_TEST_SCALE", 1);
	suite_threads(8, open_and_close, &torture);
	for (size_t i = 0; i < SLOTS; i++)
		calm_snapshot_close(torture.slots[i]);
	suite_end(torture.map, &torture.items, &heap);
}

/* ---- threads that come and go ---- */

static void live_briefly(unsigned index, void *context)
{
	struct torture *torture = context;
	struct actor actor = {.torture = torture};
	kit_random_seed(&actor.random, suite_seed() + index);
	for (unsigned i = 0; i < 30; i++)
		act_swap(&actor, below(&actor, torture->keys));
	act_update(&actor, below(&actor, torture->keys));
	/* One in two exits inside a section: that ends it. */
	if (index % 2 == 0)
		calm_read_begin();
	act_load(&actor);
}

static void threads_come_and_go(void **state)
{
	struct torture torture = {.on = *state, .keys = 50};
	torture.map = suite_map(torture.on, &torture.items, NULL);
	uint64_t rounds = suite_long(100);
	for (uint64_t round = 0; round < rounds; round++)
		suite_threads(8, live_briefly, &torture);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(torture.items.live, calm_map_size(torture.map));
	suite_end(torture.map, &torture.items, NULL);
}

/* ---- waiting for a release that another thread is running ---- */

struct slow {
	_Atomic int state; /* 1: running, 2: done */
	calm_map *map;
};

static void release_slowly(void *value, void *context)
{
	struct slow *slow = context;
	(void)value;
	atomic_store(&slow->state, 1);
	uint64_t began = kit_now_ns();
	while (kit_now_ns() - began < 30000000)
		;
	atomic_store(&slow->state, 2);
}

static void *run_releases(void *context)
{
	(void)context;
	suite_check(calm_read_wait() == CALM_OK);
	return NULL;
}

static void a_wait_waits_for_a_running_release(void **state)
{
	struct slow slow = {0};
	pthread_t thread;
	(void)state;
	assert_int_equal(calm_retire(&slow, release_slowly, &slow), CALM_OK);
	assert_int_equal(pthread_create(&thread, NULL, run_releases, NULL), 0);
	while (atomic_load(&slow.state) == 0)
		;
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(atomic_load(&slow.state), 2);
	pthread_join(thread, NULL);
}

static void destroy_waits_for_a_running_release(void **state)
{
	const struct suite *on = *state;
	struct slow slow = {0};
	calm_options options = suite_options(on);
	pthread_t thread;
	options.release = release_slowly;
	options.context = &slow;
	assert_int_equal(on->kind->create(&slow.map, &options), CALM_OK);
	assert_int_equal(calm_map_store(slow.map, suite_key(on, 1), NULL), CALM_OK);
	assert_int_equal(calm_map_delete(slow.map, suite_key(on, 1)), CALM_OK);
	assert_int_equal(pthread_create(&thread, NULL, run_releases, NULL), 0);
	while (atomic_load(&slow.state) == 0)
		;
	assert_int_equal(calm_map_destroy(slow.map), CALM_OK);
	assert_int_equal(atomic_load(&slow.state), 2);
	pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	static const struct suite_test tests[] = {
		SUITE_TEST(all_verbs_2_threads),
		SUITE_TEST(all_verbs_8_threads),
		SUITE_TEST(all_verbs_32_threads),
		SUITE_TEST_ONLY(snapshots_over_budget, SUITE_SNAPSHOTS),
		SUITE_TEST(threads_come_and_go),
		SUITE_TEST(destroy_waits_for_a_running_release),
	};
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(a_wait_waits_for_a_running_release)};
	return suite_run(argc, argv, tests, SUITE_COUNT(tests), others, SUITE_COUNT(others));
}
