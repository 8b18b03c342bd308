/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * conform: calm_map_each and calm_map_walk, on a map that is left alone and one that the visitor
 * itself changes.
 */
#ifndef TESTS_CONFORM_WALKS_H
#define TESTS_CONFORM_WALKS_H

#include "conform/whole.h"

#define WALKED 300

typedef int pass_fn(calm_map *map, calm_visit_fn *visit, void *context);

static int pass_each(calm_map *map, calm_visit_fn *visit, void *context)
{
	return calm_map_each(map, visit, context);
}

/* One pass of a snapshot: what calm_map_walk promises, spelt out. */
static int pass_snapshot(calm_map *map, calm_visit_fn *visit, void *context)
{
	calm_snapshot *snapshot = NULL;
	suite_check(calm_map_snapshot(map, &snapshot) == CALM_OK);
	int result = calm_snapshot_each(snapshot, visit, context);
	calm_snapshot_close(snapshot);
	return result;
}

/* The ways to walk a kind; each test takes them in turn. */
static size_t passes_of(const struct suite *on, pass_fn *passes[3])
{
	passes[0] = pass_each;
	passes[1] = calm_map_walk;
	passes[2] = pass_snapshot;
	return on->kind->snapshots ? 3 : 1;
}

struct walk {
	const struct suite *on;
	calm_map *map;
	uint64_t add; /* key i has the value i + add */
	uint64_t visits;
	uint64_t stop_at; /* visits after which to stop; 0: never */
	int stop_with;
	unsigned depth;
	uint8_t seen[4 * WALKED];
};

/* Notes a visit: a known key, not seen before. */
static uint64_t visit_once(calm_key key, struct walk *walk)
{
	uint64_t i = suite_index(key);
	suite_check(i < SUITE_COUNT(walk->seen));
	suite_check(walk->seen[i] == 0);
	walk->seen[i] = 1;
	walk->visits++;
	return i;
}

static int visit_exactly(calm_key key, void *value, void *context)
{
	struct walk *walk = context;
	uint64_t i = visit_once(key, walk);
	suite_check(value == suite_int(i + walk->add));
	return walk->stop_at == walk->visits ? walk->stop_with : 0;
}

static void walks_see_every_binding_once(void **state)
{
	const struct suite *on = *state;
	pass_fn *passes[3];
	for (size_t n = passes_of(on, passes); n-- > 0;) {
		calm_map *map = suite_map(on, NULL, NULL);
		struct walk nothing = {.on = on};
		struct walk all = {.on = on, .add = 5};
		struct walk rest = {.on = on, .add = 5};
		assert_int_equal(passes[n](map, visit_exactly, &nothing), 0);
		assert_int_equal(nothing.visits, 0);
		fill(on, map, WALKED, 5);
		assert_int_equal(passes[n](map, visit_exactly, &all), 0);
		assert_int_equal(all.visits, WALKED);
		for (uint64_t i = 0; i < WALKED; i += 3)
			assert_int_equal(calm_map_delete(map, suite_key(on, i)), CALM_OK);
		assert_int_equal(passes[n](map, visit_exactly, &rest), 0);
		assert_int_equal(rest.visits, WALKED - WALKED / 3);
		for (uint64_t i = 0; i < WALKED; i++)
			assert_int_equal(rest.seen[i], i % 3 != 0);
		suite_end(map, NULL, NULL);
	}
}

static void a_visitor_can_stop(void **state)
{
	const struct suite *on = *state;
	static const int answers[] = {1, 7, INT32_MAX};
	pass_fn *passes[3];
	for (size_t n = passes_of(on, passes); n-- > 0;) {
		calm_map *map = suite_map(on, NULL, NULL);
		fill(on, map, WALKED, 0);
		for (size_t i = 0; i < SUITE_COUNT(answers); i++) {
			struct walk walk = {.on = on,
					    .stop_at = i * 100 + 1,
					    .stop_with = answers[i]};
			assert_int_equal(passes[n](map, visit_exactly, &walk), answers[i]);
			assert_int_equal(walk.visits, i * 100 + 1);
		}
		struct walk last = {.on = on, .stop_at = WALKED, .stop_with = 9};
		assert_int_equal(passes[n](map, visit_exactly, &last), 9);
		suite_end(map, NULL, NULL);
	}
}

static int visit_and_delete(calm_key key, void *value, void *context)
{
	struct walk *walk = context;
	uint64_t i = visit_once(key, walk);
	suite_check(value == suite_int(i));
	suite_check(calm_map_delete(walk->map, suite_key(walk->on, i)) == CALM_OK);
	/* With the key as it came: it may have been the map's own copy. */
	suite_check(calm_map_load(walk->map, key, &value) == CALM_ABSENT);
	return 0;
}

static void a_visitor_may_delete_what_it_sees(void **state)
{
	const struct suite *on = *state;
	pass_fn *passes[3];
	for (size_t n = passes_of(on, passes); n-- > 0;) {
		calm_map *map = suite_map(on, NULL, NULL);
		struct walk walk = {.on = on, .map = map};
		fill(on, map, WALKED, 0);
		assert_int_equal(passes[n](map, visit_and_delete, &walk), 0);
		assert_int_equal(walk.visits, WALKED);
		assert_int_equal(calm_map_size(map), 0);
		suite_end(map, NULL, NULL);
	}
}

static int visit_and_insert(calm_key key, void *value, void *context)
{
	struct walk *walk = context;
	uint64_t i = visit_once(key, walk);
	(void)value;
	for (uint64_t more = 1; i < WALKED && more <= 3; more++)
		suite_check(calm_map_store(walk->map, suite_key(walk->on, i + more * WALKED),
					   NULL) == CALM_OK);
	return 0;
}

/* Old keys are all seen, new ones once at most (never by a snapshot), and the walk ends. */
static void a_visitor_may_insert(void **state)
{
	const struct suite *on = *state;
	pass_fn *passes[3];
	for (size_t n = passes_of(on, passes); n-- > 0;) {
		calm_map *map = suite_map(on, NULL, NULL);
		struct walk walk = {.on = on, .map = map};
		fill(on, map, WALKED, 0);
		assert_int_equal(passes[n](map, visit_and_insert, &walk), 0);
		for (uint64_t i = 0; i < WALKED; i++)
			assert_int_equal(walk.seen[i], 1);
		if (n > 0)
			assert_int_equal(walk.visits, WALKED);
		assert_int_equal(calm_map_size(map), 4 * WALKED);
		suite_end(map, NULL, NULL);
	}
}

static int visit_and_replace(calm_key key, void *value, void *context)
{
	struct walk *walk = context;
	uint64_t i = visit_once(key, walk);
	bool other = i % 2 == 0;
	(void)value;
	/* Delete and insert again, this one and a neighbour: the walk may meet either value
	 * there, but the key once. */
	calm_key keys[] = {suite_key(walk->on, i), suite_key(walk->on, other ? i + 1 : i - 1)};
	for (size_t k = 0; k < 2; k++) {
		suite_check(calm_map_delete(walk->map, keys[k]) == CALM_OK);
		suite_check(calm_map_store(walk->map, keys[k], suite_int(walk->visits)) == CALM_OK);
	}
	return 0;
}

static void a_visitor_may_replace(void **state)
{
	const struct suite *on = *state;
	pass_fn *passes[3];
	for (size_t n = passes_of(on, passes); n-- > 0;) {
		calm_map *map = suite_map(on, NULL, NULL);
		struct walk walk = {.on = on, .map = map};
		fill(on, map, WALKED, 0);
		assert_int_equal(passes[n](map, visit_and_replace, &walk), 0);
		assert_true(walk.visits >= (n > 0 ? WALKED : WALKED / 2));
		assert_int_equal(calm_map_size(map), WALKED);
		suite_end(map, NULL, NULL);
	}
}

static int visit_and_grow(calm_key key, void *value, void *context)
{
	struct walk *walk = context;
	uint64_t i = visit_once(key, walk);
	suite_check(i >= WALKED || value == suite_int(i + 1));
	/* By the first visits the map grows several times over, by later ones it shrinks again. */
	for (uint64_t k = 0; k < 40; k++) {
		calm_key passing = suite_key(walk->on, 100000 + walk->visits % 32 * 40 + k);
		if (walk->visits <= 32)
			suite_check(calm_map_store(walk->map, passing, NULL) == CALM_OK);
		else if (walk->visits <= 64)
			suite_check(calm_map_delete(walk->map, passing) == CALM_OK);
	}
	return 0;
}

static int visit_and_grow_some(calm_key key, void *value, void *context)
{
	return suite_index(key) >= 100000 ? 0 : visit_and_grow(key, value, context);
}

static void a_walk_survives_resizes(void **state)
{
	const struct suite *on = *state;
	pass_fn *passes[3];
	for (size_t n = passes_of(on, passes); n-- > 0;) {
		calm_map *map = suite_map(on, NULL, NULL);
		struct walk walk = {.on = on, .map = map};
		fill(on, map, WALKED, 1);
		assert_int_equal(passes[n](map, visit_and_grow_some, &walk), 0);
		assert_int_equal(walk.visits, WALKED);
		assert_int_equal(calm_map_size(map), WALKED);
		suite_end(map, NULL, NULL);
	}
}

static int visit_and_clear(calm_key key, void *value, void *context)
{
	struct walk *walk = context;
	uint64_t i = visit_once(key, walk);
	suite_check(value == suite_int(i) || i >= WALKED);
	if (walk->visits == 10) {
		suite_check(calm_map_clear(walk->map) == CALM_OK);
		for (uint64_t k = WALKED; k < WALKED + 50; k++)
			suite_check(calm_map_store(walk->map, suite_key(walk->on, k), NULL) ==
				    CALM_OK);
	}
	return 0;
}

static void a_visitor_may_clear(void **state)
{
	const struct suite *on = *state;
	pass_fn *passes[3];
	for (size_t n = passes_of(on, passes); n-- > 0;) {
		calm_map *map = suite_map(on, NULL, NULL);
		struct walk walk = {.on = on, .map = map};
		fill(on, map, WALKED, 0);
		assert_int_equal(passes[n](map, visit_and_clear, &walk), 0);
		assert_true(n > 0 ? walk.visits == WALKED : walk.visits >= 10);
		assert_int_equal(calm_map_size(map), 50);
		suite_end(map, NULL, NULL);
	}
}

static calm_status bump(calm_key key, bool present, void **value, bool *keep, void *context)
{
	struct walk *walk = context;
	suite_check(present && walk->depth > 0);
	*keep = true;
	*value = suite_int((uint64_t)(uintptr_t)*value + 1);
	return suite_index(key) < WALKED ? CALM_OK : CALM_EINVAL;
}

/* Every verb, on the map that is being walked; also the walks themselves. */
static int visit_and_call_everything(calm_key key, void *value, void *context)
{
	struct walk *walk = context;
	calm_map *map = walk->map;
	uint64_t i = visit_once(key, walk);
	calm_key own = suite_key(walk->on, i);
	calm_key new = suite_key(walk->on, i + WALKED);
	calm_status found = CALM_EINVAL;
	calm_snapshot *snapshot = NULL;
	calm_stats stats;
	uint64_t visits = 0;
	walk->depth++;
	suite_check(calm_map_load(map, own, &value) == CALM_OK);
	suite_check(calm_map_store(map, own, suite_int(1)) == CALM_OK);
	suite_check(calm_map_swap(map, own, suite_int(2), &value) == CALM_OK &&
		    value == suite_int(1));
	suite_check(calm_map_load_or_store(map, own, NULL, &value) == CALM_PRESENT &&
		    value == suite_int(2));
	suite_check(calm_map_compare_and_swap(map, own, suite_int(2), suite_int(3)) == CALM_OK);
	suite_check(calm_map_update(map, own, bump, walk) == CALM_OK);
	suite_check(calm_map_load_many(map, 1, &own, &value, &found) == 1 && value == suite_int(4));
	suite_check(calm_map_compare_and_delete(map, own, suite_int(4)) == CALM_OK);
	suite_check(calm_map_load_and_delete(map, own, &value) == CALM_ABSENT);
	suite_check(calm_map_load_or_store(map, new, NULL, NULL) == CALM_OK);
	suite_check(calm_map_delete(map, new) == CALM_OK);
	suite_check(calm_map_reserve(map, 4 * WALKED) == CALM_OK);
	suite_check(calm_map_size(map) == WALKED - walk->visits);
	suite_check(calm_map_each(map, count_visits, &visits) == 0 &&
		    visits == WALKED - walk->visits);
	calm_map_stats(map, &stats);
	if (walk->on->kind->snapshots) {
		calm_change change = {new, NULL, false};
		suite_check(calm_map_apply(map, 1, &change) == CALM_OK);
		visits = 0;
		suite_check(calm_map_walk(map, count_visits, &visits) == 0);
		suite_check(visits == WALKED - walk->visits + 1);
		change.remove = true;
		suite_check(calm_map_apply(map, 1, &change) == CALM_OK);
		suite_check(calm_map_snapshot(map, &snapshot) == CALM_OK);
		suite_check(calm_snapshot_size(snapshot) == WALKED - walk->visits);
		calm_snapshot_close(snapshot);
	}
	if (walk->visits == WALKED) {
		suite_check(calm_map_clear(map) == CALM_OK);
		if (walk->on->kind->snapshots) {
			suite_check(calm_map_drain(map, &snapshot) == CALM_OK);
			calm_snapshot_close(snapshot);
		}
	}
	walk->depth--;
	return 0;
}

static void a_visitor_may_call_every_verb(void **state)
{
	const struct suite *on = *state;
	pass_fn *passes[3];
	for (size_t n = passes_of(on, passes); n-- > 0;) {
		calm_map *map = suite_map(on, NULL, NULL);
		struct walk walk = {.on = on, .map = map};
		fill(on, map, WALKED, 0);
		assert_int_equal(passes[n](map, visit_and_call_everything, &walk), 0);
		assert_int_equal(walk.visits, WALKED);
		assert_int_equal(calm_map_size(map), 0);
		suite_end(map, NULL, NULL);
	}
}

static int visit_items(calm_key key, void *value, void *context)
{
	struct walk *walk = context;
	uint64_t i = visit_once(key, walk);
	suite_check(suite_item_number(value) % WALKED == i);
	/* Whatever happens to it now, this visit may still look at it. */
	suite_check(calm_map_delete(walk->map, suite_key(walk->on, i)) == CALM_OK);
	suite_check(suite_item_number(value) % WALKED == i);
	return 0;
}

static void a_value_outlives_its_visit(void **state)
{
	const struct suite *on = *state;
	pass_fn *passes[3];
	for (size_t n = passes_of(on, passes); n-- > 0;) {
		struct suite_items items = {0};
		calm_map *map = suite_map(on, &items, NULL);
		struct walk walk = {.on = on, .map = map};
		for (uint64_t i = 0; i < WALKED; i++)
			assert_int_equal(
				calm_map_store(map, suite_key(on, i), suite_item(&items, i)),
				CALM_OK);
		assert_int_equal(passes[n](map, visit_items, &walk), 0);
		assert_int_equal(walk.visits, WALKED);
		assert_int_equal(calm_read_wait(), CALM_OK);
		assert_int_equal(items.live, 0);
		suite_end(map, &items, NULL);
	}
}

#define CONFORM_WALKS                                                                            \
	SUITE_TEST(walks_see_every_binding_once), SUITE_TEST(a_visitor_can_stop),                \
		SUITE_TEST(a_visitor_may_delete_what_it_sees), SUITE_TEST(a_visitor_may_insert), \
		SUITE_TEST(a_visitor_may_replace), SUITE_TEST(a_walk_survives_resizes),          \
		SUITE_TEST(a_visitor_may_clear), SUITE_TEST(a_visitor_may_call_every_verb),      \
		SUITE_TEST(a_value_outlives_its_visit)

#endif
