/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* conform: snapshots: what they hold, that they keep it, differences, cursors, ranges, budgets. */
#ifndef TESTS_CONFORM_SNAPSHOTS_H
#define TESTS_CONFORM_SNAPSHOTS_H

#include "conform/whole.h"

#define KEPT 300

static calm_snapshot *open_snapshot(calm_map *map)
{
	calm_snapshot *snapshot = NULL;
	suite_check(calm_map_snapshot(map, &snapshot) == CALM_OK && snapshot != NULL);
	return snapshot;
}

struct expected {
	const struct suite *on;
	calm_snapshot *snapshot;
	uint64_t first, end; /* the keys that are there */
	uint64_t add;        /* key i has the value i + add */
	uint64_t visits;
	bool seen[4 * KEPT];
};

static int visit_expected(calm_key key, void *value, void *context)
{
	struct expected *expected = context;
	uint64_t i = suite_index(key);
	suite_check(i >= expected->first && i < expected->end && !expected->seen[i]);
	suite_check(value == suite_int(i + expected->add));
	expected->seen[i] = true;
	expected->visits++;
	return 0;
}

/* The snapshot holds exactly the keys first … end-1, by every way of looking. */
static void assert_holds(const struct suite *on, calm_snapshot *snapshot, uint64_t first,
			 uint64_t end, uint64_t add)
{
	struct expected expected = {.on = on, .first = first, .end = end, .add = add};
	assert_int_equal(calm_snapshot_size(snapshot), end - first);
	assert_int_equal(calm_snapshot_each(snapshot, visit_expected, &expected), 0);
	assert_int_equal(expected.visits, end - first);
	for (uint64_t i = first > 20 ? first - 20 : 0; i < end + 20; i++) {
		void *value = SUITE_UNTOUCHED;
		bool there = i >= first && i < end;
		assert_int_equal(calm_snapshot_load(snapshot, suite_key(on, i), &value),
				 there ? CALM_OK : CALM_ABSENT);
		assert_ptr_equal(value, there ? suite_int(i + add) : SUITE_UNTOUCHED);
	}
}

static void a_snapshot_does_not_change(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	calm_snapshot *empty = open_snapshot(map);
	fill(on, map, KEPT, 1);
	calm_snapshot *full = open_snapshot(map);
	assert_holds(on, full, 0, KEPT, 1);
	fill(on, map, KEPT, 2);
	assert_holds(on, full, 0, KEPT, 1);
	calm_snapshot *replaced = open_snapshot(map);
	fill(on, map, 3 * KEPT, 3); /* grows */
	assert_holds(on, replaced, 0, KEPT, 2);
	for (uint64_t i = 0; i < 2 * KEPT; i++)
		assert_int_equal(calm_map_delete(map, suite_key(on, i)), CALM_OK);
	calm_snapshot *part = open_snapshot(map);
	assert_int_equal(calm_map_clear(map), CALM_OK);
	calm_snapshot *cleared = open_snapshot(map);
	fill(on, map, KEPT, 4);
	for (int round = 0; round < 2; round++) {
		assert_holds(on, empty, 0, 0, 0);
		assert_holds(on, full, 0, KEPT, 1);
		assert_holds(on, replaced, 0, KEPT, 2);
		assert_holds(on, part, 2 * KEPT, 3 * KEPT, 3);
		assert_holds(on, cleared, 0, 0, 0);
	}
	assert_int_equal(calm_map_destroy(map), CALM_EBUSY);
	/* Closed in no order at all, the others hold what they held. */
	calm_snapshot_close(replaced);
	assert_holds(on, full, 0, KEPT, 1);
	calm_snapshot_close(empty);
	calm_snapshot_close(cleared);
	assert_int_equal(calm_map_destroy(map), CALM_EBUSY);
	assert_holds(on, full, 0, KEPT, 1);
	calm_snapshot_close(full);
	assert_holds(on, part, 2 * KEPT, 3 * KEPT, 3);
	calm_snapshot_close(part);
	for (uint64_t i = 0; i < KEPT; i++)
		assert_bound(map, suite_key(on, i), suite_int(i + 4));
	calm_snapshot_close(NULL);
	suite_end(map, NULL, NULL);
}

static void drain(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	calm_snapshot *first = NULL;
	calm_snapshot *second = NULL;
	calm_snapshot *none = NULL;
	fill(on, map, KEPT, 1);
	assert_int_equal(calm_map_drain(map, &first), CALM_OK);
	assert_int_equal(calm_map_size(map), 0);
	assert_absent(map, suite_key(on, 3));
	assert_holds(on, first, 0, KEPT, 1);
	fill(on, map, KEPT / 2, 2);
	calm_snapshot *between = open_snapshot(map);
	assert_int_equal(calm_map_drain(map, &second), CALM_OK);
	assert_int_equal(calm_map_drain(map, &none), CALM_OK);
	fill(on, map, 2 * KEPT, 3);
	assert_holds(on, first, 0, KEPT, 1);
	assert_holds(on, between, 0, KEPT / 2, 2);
	assert_holds(on, second, 0, KEPT / 2, 2);
	assert_holds(on, none, 0, 0, 0);
	assert_true(calm_snapshot_stamp(first) < calm_snapshot_stamp(between));
	assert_true(calm_snapshot_stamp(between) < calm_snapshot_stamp(second));
	assert_true(calm_snapshot_stamp(second) < calm_snapshot_stamp(none));
	calm_snapshot_close(second);
	calm_snapshot_close(first);
	assert_int_equal(calm_map_destroy(map), CALM_EBUSY);
	calm_snapshot_close(none);
	calm_snapshot_close(between);
	suite_end(map, NULL, NULL);
}

/* A snapshot's values are good while it is open, and go when the last one that sees them closes. */
static void snapshots_keep_values_alive(void **state)
{
	const struct suite *on = *state;
	struct suite_items items = {0};
	calm_map *map = suite_map(on, &items, NULL);
	calm_snapshot *open[4];
	for (uint64_t s = 0; s < 4; s++) {
		for (uint64_t i = 0; i < 50; i++)
			assert_int_equal(calm_map_store(map, suite_key(on, i),
							suite_item(&items, 100 * s + i)),
					 CALM_OK);
		open[s] = open_snapshot(map);
	}
	assert_int_equal(calm_map_clear(map), CALM_OK);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(items.live, 200);
	for (uint64_t s = 0; s < 4; s++) {
		for (uint64_t i = 0; i < 50; i++) {
			void *value = NULL;
			assert_int_equal(calm_snapshot_load(open[s], suite_key(on, i), &value),
					 CALM_OK);
			assert_int_equal(suite_item_number(value), 100 * s + i);
		}
	}
	static const unsigned order[] = {1, 3, 0, 2};
	for (int64_t n = 0; n < 4; n++) {
		calm_snapshot_close(open[order[n]]);
		assert_int_equal(calm_read_wait(), CALM_OK);
		assert_int_equal(items.live, 150 - 50 * n);
	}
	suite_end(map, &items, NULL);
}

static void stamps_grow(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	uint64_t last = 0;
	assert_int_equal(calm_snapshot_stamp(NULL), 0);
	for (int i = 0; i < 10; i++) {
		calm_snapshot *snapshot = open_snapshot(map);
		assert_true(calm_snapshot_stamp(snapshot) > last);
		last = calm_snapshot_stamp(snapshot);
		assert_int_equal(calm_map_store(map, suite_key(on, 1), NULL), CALM_OK);
		assert_int_equal(calm_snapshot_stamp(snapshot), last);
		calm_snapshot_close(snapshot);
	}
	suite_end(map, NULL, NULL);
}

static void statistics_of_snapshots(void **state)
{
	const struct suite *on = *state;
	struct suite_heap heap;
	suite_heap_init(&heap);
	calm_map *map = suite_map(on, NULL, &heap);
	calm_stats stats;
	fill(on, map, KEPT, 0);
	calm_snapshot *older = open_snapshot(map);
	uint64_t opened = kit_now_ns();
	calm_snapshot *newer = open_snapshot(map);
	fill(on, map, KEPT, 1);
	assert_int_equal(calm_read_wait(), CALM_OK);
	calm_map_stats(map, &stats);
	assert_int_equal(stats.snapshots, 2);
	assert_true(stats.oldest_snapshot_ns > 0);
	assert_true(stats.history_bytes > 0 && stats.history_bytes < stats.bytes);
	assert_int_equal(stats.bytes, heap.bytes);
	calm_snapshot_close(newer);
	calm_map_stats(map, &stats);
	assert_int_equal(stats.snapshots, 1);
	while (kit_now_ns() - opened < 1000000)
		;
	calm_map_stats(map, &stats);
	assert_true(stats.oldest_snapshot_ns > 1000000);
	calm_snapshot_close(older);
	assert_int_equal(calm_read_wait(), CALM_OK);
	calm_map_stats(map, &stats);
	assert_int_equal(stats.snapshots, 0);
	assert_int_equal(stats.oldest_snapshot_ns, 0);
	assert_int_equal(stats.history_bytes, 0);
	assert_int_equal(stats.bytes, heap.bytes);
	suite_end(map, NULL, &heap);
}

/* ---- differences ---- */

struct differences {
	uint64_t added, removed, changed;
	uint64_t stop_at;
	bool seen[4 * KEPT];
};

/* Keys below 100 stayed, to 200 changed by 1000, to 300 went, to 400 came. */
static int visit_difference(calm_key key, bool before, void *old_value, bool after, void *new_value,
			    void *context)
{
	struct differences *differences = context;
	uint64_t i = suite_index(key);
	suite_check(i >= 100 && i < 400 && !differences->seen[i]);
	differences->seen[i] = true;
	suite_check(before == (i < 300) && after == (i < 200 || i >= 300));
	suite_check(!before || old_value == suite_int(i));
	suite_check(!after || new_value == suite_int(i + 1000));
	differences->added += !before;
	differences->removed += !after;
	differences->changed += before && after;
	return differences->added + differences->removed + differences->changed ==
			       differences->stop_at
		       ? 5
		       : 0;
}

static void differences(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	calm_map *stranger = suite_map(on, NULL, NULL);
	struct differences all = {0};
	struct differences none = {0};
	struct differences one = {.stop_at = 1};
	fill(on, map, 300, 0);
	calm_snapshot *older = open_snapshot(map);
	for (uint64_t i = 0; i < 100; i++) { /* away and back: not a change */
		assert_int_equal(calm_map_delete(map, suite_key(on, i)), CALM_OK);
		assert_int_equal(calm_map_store(map, suite_key(on, i), suite_int(i)), CALM_OK);
	}
	for (uint64_t i = 100; i < 400; i++) {
		if (i < 200 || i >= 300)
			assert_int_equal(calm_map_store(map, suite_key(on, i), suite_int(i + 1000)),
					 CALM_OK);
		else
			assert_int_equal(calm_map_delete(map, suite_key(on, i)), CALM_OK);
	}
	calm_snapshot *newer = open_snapshot(map);
	calm_snapshot *alien = open_snapshot(stranger);
	assert_int_equal(calm_map_clear(map), CALM_OK);
	assert_int_equal(calm_snapshot_diff(older, newer, visit_difference, &all), 0);
	assert_int_equal(all.added, 100);
	assert_int_equal(all.removed, 100);
	assert_int_equal(all.changed, 100);
	assert_int_equal(calm_snapshot_diff(older, newer, visit_difference, &one), 5);
	assert_int_equal(one.added + one.removed + one.changed, 1);
	assert_int_equal(calm_snapshot_diff(older, older, visit_difference, &none), 0);
	assert_int_equal(calm_snapshot_diff(newer, older, visit_difference, &none), CALM_EINVAL);
	assert_int_equal(calm_snapshot_diff(older, alien, visit_difference, &none), CALM_EINVAL);
	assert_int_equal(calm_snapshot_diff(older, NULL, visit_difference, &none), CALM_EINVAL);
	assert_int_equal(calm_snapshot_diff(NULL, newer, visit_difference, &none), CALM_EINVAL);
	assert_int_equal(none.added + none.removed + none.changed, 0);
	calm_snapshot_close(alien);
	calm_snapshot_close(older);
	calm_snapshot_close(newer);
	suite_end(map, NULL, NULL);
	suite_end(stranger, NULL, NULL);
}

/* ---- cursors ---- */

struct order {
	uint64_t keys[KEPT];
	size_t n;
};

static int note_key(calm_key key, void *value, void *context)
{
	struct order *order = context;
	suite_check(order->n < KEPT && value == suite_int(suite_index(key) + 1));
	order->keys[order->n++] = suite_index(key);
	return 0;
}

/* A cursor's order: it has every key once, and on an ordered kind it is that of each. */
static struct order order_of(const struct suite *on, calm_snapshot *snapshot)
{
	struct order order = {.n = 0};
	struct order each = {.n = 0};
	bool seen[KEPT] = {false};
	calm_cursor cursor;
	calm_key key = calm_word(0);
	void *value = NULL;
	assert_int_equal(calm_cursor_init(&cursor, snapshot), CALM_OK);
	while (calm_cursor_next(&cursor, &key, &value) == CALM_OK)
		note_key(key, value, &order);
	assert_int_equal(calm_snapshot_each(snapshot, note_key, &each), 0);
	assert_int_equal(order.n, KEPT);
	assert_int_equal(each.n, KEPT);
	for (size_t i = 0; i < KEPT; i++) {
		assert_true(order.keys[i] < KEPT && !seen[order.keys[i]]);
		seen[order.keys[i]] = true;
		if (on->kind->ordered)
			assert_int_equal(order.keys[i], each.keys[i]);
	}
	return order;
}

typedef calm_status step_fn(calm_cursor *cursor, calm_key *key, void **value);

static void assert_steps(step_fn *step, calm_cursor *cursor, uint64_t expected)
{
	calm_key key = calm_word(0);
	void *value = SUITE_UNTOUCHED;
	assert_int_equal(step(cursor, &key, &value), CALM_OK);
	assert_int_equal(suite_index(key), expected);
	assert_ptr_equal(value, suite_int(expected + 1));
}

static void cursors(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	calm_cursor cursor;
	calm_cursor other;
	calm_key key = calm_word(0);
	void *value = NULL;
	fill(on, map, KEPT, 1);
	calm_snapshot *snapshot = open_snapshot(map);
	struct order order = order_of(on, snapshot);
	assert_int_equal(calm_map_clear(map), CALM_OK);
	assert_int_equal(calm_cursor_init(&cursor, snapshot), CALM_OK);
	assert_int_equal(calm_cursor_init(&other, snapshot), CALM_OK);
	assert_int_equal(calm_cursor_prev(&cursor, &key, &value), CALM_ABSENT);
	for (size_t i = 0; i < KEPT; i++) {
		assert_steps(calm_cursor_next, &cursor, order.keys[i]);
		/* Back over it, and forward again. */
		assert_steps(calm_cursor_prev, &cursor, order.keys[i]);
		assert_steps(calm_cursor_next, &cursor, order.keys[i]);
	}
	value = SUITE_UNTOUCHED;
	assert_int_equal(calm_cursor_next(&cursor, &key, &value), CALM_ABSENT);
	assert_int_equal(calm_cursor_next(&cursor, &key, &value), CALM_ABSENT);
	assert_ptr_equal(value, SUITE_UNTOUCHED);
	for (size_t i = KEPT; i-- > 0;)
		assert_steps(calm_cursor_prev, &cursor, order.keys[i]);
	assert_int_equal(calm_cursor_prev(&cursor, &key, &value), CALM_ABSENT);
	assert_steps(calm_cursor_next, &other, order.keys[0]);
	assert_int_equal(calm_cursor_next(&other, NULL, NULL), CALM_OK);
	assert_int_equal(calm_cursor_prev(&other, NULL, NULL), CALM_OK);
	assert_steps(calm_cursor_next, &other, order.keys[1]);
	for (size_t i = 0; i < KEPT; i += 7) {
		assert_int_equal(calm_cursor_seek(&cursor, suite_key(on, order.keys[i])), CALM_OK);
		assert_steps(calm_cursor_next, &cursor, order.keys[i]);
		assert_int_equal(calm_cursor_seek(&cursor, suite_key(on, order.keys[i])), CALM_OK);
		assert_int_equal(calm_cursor_seek(&cursor, suite_key(on, KEPT + i)), CALM_ABSENT);
		if (!on->kind->ordered) /* it has not moved */
			assert_steps(calm_cursor_next, &cursor, order.keys[i]);
	}
	key = on->keys == CALM_KEYS_WORD ? calm_str("word") : calm_word(1);
	assert_int_equal(calm_cursor_seek(&cursor, key), CALM_EKEY);
	calm_snapshot_close(snapshot);
	suite_end(map, NULL, NULL);
}

static void a_cursor_on_nothing(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	calm_snapshot *snapshot = open_snapshot(map);
	calm_cursor cursor;
	fill(on, map, 10, 0);
	assert_int_equal(calm_cursor_init(&cursor, snapshot), CALM_OK);
	assert_int_equal(calm_cursor_next(&cursor, NULL, NULL), CALM_ABSENT);
	assert_int_equal(calm_cursor_prev(&cursor, NULL, NULL), CALM_ABSENT);
	assert_int_equal(calm_cursor_seek(&cursor, suite_key(on, 1)), CALM_ABSENT);
	assert_int_equal(calm_cursor_next(&cursor, NULL, NULL), CALM_ABSENT);
	calm_snapshot_close(snapshot);
	suite_end(map, NULL, NULL);
}

/* ---- ranges ---- */

struct range {
	uint64_t next, visits;
	bool down;
};

static int visit_in_order(calm_key key, void *value, void *context)
{
	struct range *range = context;
	(void)value;
	suite_check(calm_key_word(key) == range->next);
	range->next += range->down ? (uint64_t)-3 : 3;
	range->visits++;
	return 0;
}

static void ranges(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	for (uint64_t i = 0; i < KEPT; i++)
		assert_int_equal(calm_map_store(map, calm_word(3 * (i * 7 % KEPT)), NULL), CALM_OK);
	calm_snapshot *snapshot = open_snapshot(map);
	calm_key from = calm_word(30);
	calm_key to = calm_word(60);
	struct range range = {0};
	calm_status expected = on->kind->ordered ? CALM_OK : CALM_EUNSUPPORTED;
	assert_int_equal(calm_snapshot_range(snapshot, NULL, NULL, visit_in_order, &range),
			 expected);
	assert_int_equal(range.visits, on->kind->ordered ? KEPT : 0);
	range = (struct range){.next = 30};
	assert_int_equal(calm_snapshot_range(snapshot, &from, &to, visit_in_order, &range),
			 expected);
	assert_int_equal(range.visits, on->kind->ordered ? 10 : 0);
	range = (struct range){.next = 57, .down = true};
	assert_int_equal(
		calm_snapshot_range_descending(snapshot, &from, &to, visit_in_order, &range),
		expected);
	assert_int_equal(range.visits, on->kind->ordered ? 10 : 0);
	from = calm_str("no word");
	assert_int_equal(calm_snapshot_range(snapshot, &from, NULL, visit_in_order, &range),
			 CALM_EKEY);
	assert_int_equal(
		calm_snapshot_range_descending(snapshot, NULL, &from, visit_in_order, &range),
		CALM_EKEY);
	calm_snapshot_close(snapshot);
	suite_end(map, NULL, NULL);
}

/* ---- budgets ---- */

static void a_budget_ousts_the_oldest(void **state)
{
	enum { OPEN = 64 };
	const struct suite *on = *state;
	struct suite_heap heap;
	suite_heap_init(&heap);
	calm_options options = suite_options(on);
	calm_map *map = NULL;
	calm_snapshot *open[OPEN];
	calm_cursor cursor;
	calm_key key;
	void *value = SUITE_UNTOUCHED;
	struct expected expected = {.on = on};
	struct differences none = {0};
	options.allocator = &heap.allocator;
	options.snapshot_budget = 200000;
	assert_int_equal(on->kind->create(&map, &options), CALM_OK);
	for (uint64_t s = 0; s < OPEN; s++) {
		fill(on, map, KEPT, s);
		open[s] = open_snapshot(map);
		if (s == 0)
			assert_int_equal(calm_cursor_init(&cursor, open[0]), CALM_OK);
		assert_holds(on, open[s], 0, KEPT, s);
	}
	assert_int_equal(calm_snapshot_load(open[0], suite_key(on, 1), &value), CALM_ESTALE);
	assert_ptr_equal(value, SUITE_UNTOUCHED);
	assert_int_equal(calm_snapshot_each(open[0], visit_expected, &expected), CALM_ESTALE);
	assert_int_equal(expected.visits, 0);
	assert_int_equal(calm_snapshot_diff(open[0], open[OPEN - 1], visit_difference, &none),
			 CALM_ESTALE);
	assert_int_equal(calm_cursor_next(&cursor, &key, &value), CALM_ESTALE);
	assert_int_equal(calm_cursor_seek(&cursor, suite_key(on, 1)), CALM_ESTALE);
	assert_true(calm_snapshot_stamp(open[0]) > 0);
	assert_holds(on, open[OPEN - 1], 0, KEPT, OPEN - 1);
	calm_stats stats;
	calm_map_stats(map, &stats);
	assert_int_equal(stats.snapshots, OPEN);
	assert_true(stats.history_bytes <= 200000);
	assert_int_equal(stats.bytes, heap.bytes);
	assert_int_equal(calm_map_destroy(map), CALM_EBUSY);
	for (unsigned s = 0; s < OPEN; s++)
		calm_snapshot_close(open[s * 37 % OPEN]);
	suite_end(map, NULL, &heap);
}

#define CONFORM_SNAPSHOTS                                                      \
	SUITE_TEST_ONLY(a_snapshot_does_not_change, SUITE_SNAPSHOTS),          \
		SUITE_TEST_ONLY(drain, SUITE_SNAPSHOTS),                       \
		SUITE_TEST_ONLY(snapshots_keep_values_alive, SUITE_SNAPSHOTS), \
		SUITE_TEST_ONLY(stamps_grow, SUITE_SNAPSHOTS),                 \
		SUITE_TEST_ONLY(statistics_of_snapshots, SUITE_SNAPSHOTS),     \
		SUITE_TEST_ONLY(differences, SUITE_SNAPSHOTS),                 \
		SUITE_TEST_ONLY(cursors, SUITE_SNAPSHOTS),                     \
		SUITE_TEST_ONLY(a_cursor_on_nothing, SUITE_SNAPSHOTS),         \
		SUITE_TEST_ONLY(ranges, SUITE_SNAPSHOTS | SUITE_WORDS),        \
		SUITE_TEST_ONLY(a_budget_ousts_the_oldest, SUITE_SNAPSHOTS)

#endif
