/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* conform: the verbs on one key, each with each of its answers; and the values they carry. */
#ifndef TESTS_CONFORM_VERBS_H
#define TESTS_CONFORM_VERBS_H

#include "suite.h"

static void load_and_store(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	assert_string_equal(calm_map_kind(map), on->kind->name);
	assert_absent(map, suite_key(on, 1));
	assert_int_equal(calm_map_store(map, suite_key(on, 1), suite_int(10)), CALM_OK);
	assert_bound(map, suite_key(on, 1), suite_int(10));
	assert_absent(map, suite_key(on, 2));
	assert_int_equal(calm_map_store(map, suite_key(on, 1), suite_int(11)), CALM_OK);
	assert_bound(map, suite_key(on, 1), suite_int(11));
	assert_int_equal(calm_map_store(map, suite_key(on, 2), suite_int(20)), CALM_OK);
	assert_bound(map, suite_key(on, 1), suite_int(11));
	assert_bound(map, suite_key(on, 2), suite_int(20));
	suite_end(map, NULL, NULL);
}

static void swap(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	void *previous = SUITE_UNTOUCHED;
	assert_int_equal(calm_map_swap(map, suite_key(on, 1), suite_int(10), &previous),
			 CALM_ABSENT);
	assert_ptr_equal(previous, SUITE_UNTOUCHED);
	assert_bound(map, suite_key(on, 1), suite_int(10));
	assert_int_equal(calm_map_swap(map, suite_key(on, 1), suite_int(11), &previous), CALM_OK);
	assert_ptr_equal(previous, suite_int(10));
	assert_int_equal(calm_map_swap(map, suite_key(on, 1), suite_int(12), NULL), CALM_OK);
	assert_int_equal(calm_map_swap(map, suite_key(on, 2), suite_int(20), NULL), CALM_ABSENT);
	assert_bound(map, suite_key(on, 1), suite_int(12));
	assert_bound(map, suite_key(on, 2), suite_int(20));
	assert_int_equal(calm_map_delete(map, suite_key(on, 2)), CALM_OK);
	previous = SUITE_UNTOUCHED;
	assert_int_equal(calm_map_swap(map, suite_key(on, 2), suite_int(21), &previous),
			 CALM_ABSENT);
	assert_ptr_equal(previous, SUITE_UNTOUCHED);
	suite_end(map, NULL, NULL);
}

static void load_or_store(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	void *actual = SUITE_UNTOUCHED;
	assert_int_equal(calm_map_load_or_store(map, suite_key(on, 1), suite_int(10), &actual),
			 CALM_OK);
	assert_ptr_equal(actual, suite_int(10));
	assert_int_equal(calm_map_load_or_store(map, suite_key(on, 1), suite_int(11), &actual),
			 CALM_PRESENT);
	assert_ptr_equal(actual, suite_int(10));
	assert_int_equal(calm_map_load_or_store(map, suite_key(on, 1), suite_int(12), NULL),
			 CALM_PRESENT);
	assert_bound(map, suite_key(on, 1), suite_int(10));
	assert_int_equal(calm_map_load_or_store(map, suite_key(on, 2), suite_int(20), NULL),
			 CALM_OK);
	assert_bound(map, suite_key(on, 2), suite_int(20));
	assert_int_equal(calm_map_delete(map, suite_key(on, 1)), CALM_OK);
	assert_int_equal(calm_map_load_or_store(map, suite_key(on, 1), suite_int(13), &actual),
			 CALM_OK);
	assert_ptr_equal(actual, suite_int(13));
	suite_end(map, NULL, NULL);
}

static void deletes(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	void *value = SUITE_UNTOUCHED;
	assert_int_equal(calm_map_delete(map, suite_key(on, 1)), CALM_ABSENT);
	assert_int_equal(calm_map_load_and_delete(map, suite_key(on, 1), &value), CALM_ABSENT);
	assert_ptr_equal(value, SUITE_UNTOUCHED);
	for (uint64_t i = 1; i <= 3; i++)
		assert_int_equal(calm_map_store(map, suite_key(on, i), suite_int(i * 10)), CALM_OK);
	assert_int_equal(calm_map_delete(map, suite_key(on, 1)), CALM_OK);
	assert_absent(map, suite_key(on, 1));
	assert_int_equal(calm_map_delete(map, suite_key(on, 1)), CALM_ABSENT);
	assert_int_equal(calm_map_load_and_delete(map, suite_key(on, 2), &value), CALM_OK);
	assert_ptr_equal(value, suite_int(20));
	assert_absent(map, suite_key(on, 2));
	assert_int_equal(calm_map_load_and_delete(map, suite_key(on, 2), NULL), CALM_ABSENT);
	assert_int_equal(calm_map_load_and_delete(map, suite_key(on, 3), NULL), CALM_OK);
	assert_absent(map, suite_key(on, 3));
	assert_int_equal(calm_map_size(map), 0);
	suite_end(map, NULL, NULL);
}

static void compare_and_swap(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	calm_key key = suite_key(on, 1);
	assert_int_equal(calm_map_compare_and_swap(map, key, suite_int(1), suite_int(2)),
			 CALM_ABSENT);
	assert_int_equal(calm_map_compare_and_swap(map, key, NULL, suite_int(2)), CALM_ABSENT);
	assert_absent(map, key);
	assert_int_equal(calm_map_store(map, key, suite_int(10)), CALM_OK);
	assert_int_equal(calm_map_compare_and_swap(map, key, suite_int(9), suite_int(11)),
			 CALM_CHANGED);
	assert_int_equal(calm_map_compare_and_swap(map, key, NULL, suite_int(11)), CALM_CHANGED);
	assert_bound(map, key, suite_int(10));
	assert_int_equal(calm_map_compare_and_swap(map, key, suite_int(10), suite_int(11)),
			 CALM_OK);
	assert_bound(map, key, suite_int(11));
	assert_int_equal(calm_map_compare_and_swap(map, key, suite_int(11), suite_int(11)),
			 CALM_OK);
	assert_bound(map, key, suite_int(11));
	assert_int_equal(calm_map_delete(map, key), CALM_OK);
	assert_int_equal(calm_map_compare_and_swap(map, key, suite_int(11), suite_int(12)),
			 CALM_ABSENT);
	assert_int_equal(calm_map_compare_and_swap(map, key, NULL, suite_int(12)), CALM_ABSENT);
	assert_int_equal(calm_map_size(map), 0);
	suite_end(map, NULL, NULL);
}

static void compare_and_delete(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	calm_key key = suite_key(on, 1);
	assert_int_equal(calm_map_compare_and_delete(map, key, suite_int(1)), CALM_ABSENT);
	assert_int_equal(calm_map_compare_and_delete(map, key, NULL), CALM_ABSENT);
	assert_int_equal(calm_map_store(map, key, suite_int(10)), CALM_OK);
	assert_int_equal(calm_map_compare_and_delete(map, key, suite_int(9)), CALM_CHANGED);
	assert_int_equal(calm_map_compare_and_delete(map, key, NULL), CALM_CHANGED);
	assert_bound(map, key, suite_int(10));
	assert_int_equal(calm_map_compare_and_delete(map, key, suite_int(10)), CALM_OK);
	assert_absent(map, key);
	assert_int_equal(calm_map_compare_and_delete(map, key, suite_int(10)), CALM_ABSENT);
	assert_int_equal(calm_map_compare_and_delete(map, key, NULL), CALM_ABSENT);
	suite_end(map, NULL, NULL);
}

static void null_is_a_value(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	calm_key key = suite_key(on, 1);
	void *got = SUITE_UNTOUCHED;
	assert_int_equal(calm_map_store(map, key, NULL), CALM_OK);
	assert_bound(map, key, NULL);
	assert_int_equal(calm_map_size(map), 1);
	assert_int_equal(calm_map_load_or_store(map, key, suite_int(1), &got), CALM_PRESENT);
	assert_null(got);
	assert_int_equal(calm_map_compare_and_swap(map, key, suite_int(1), suite_int(2)),
			 CALM_CHANGED);
	assert_int_equal(calm_map_compare_and_swap(map, key, NULL, suite_int(3)), CALM_OK);
	assert_int_equal(calm_map_compare_and_swap(map, key, suite_int(3), NULL), CALM_OK);
	got = SUITE_UNTOUCHED;
	assert_int_equal(calm_map_swap(map, key, NULL, &got), CALM_OK);
	assert_null(got);
	assert_int_equal(calm_map_compare_and_delete(map, key, suite_int(1)), CALM_CHANGED);
	assert_int_equal(calm_map_compare_and_delete(map, key, NULL), CALM_OK);
	assert_absent(map, key);
	got = SUITE_UNTOUCHED;
	assert_int_equal(calm_map_load_or_store(map, key, NULL, &got), CALM_OK);
	assert_null(got);
	got = SUITE_UNTOUCHED;
	assert_int_equal(calm_map_load_and_delete(map, key, &got), CALM_OK);
	assert_null(got);
	suite_end(map, NULL, NULL);
}

/* Any pattern of bits: none is the kind's own mark. */
static void any_bits_are_a_value(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	struct kit_random random;
	uint64_t bits[64 * 3 + 256];
	size_t n = 0;
	for (unsigned i = 0; i < 64; i++) {
		bits[n++] = (uint64_t)1 << i;
		bits[n++] = ~((uint64_t)1 << i);
		bits[n++] = ((uint64_t)1 << i) - 1;
	}
	kit_random_seed(&random, 1);
	while (n < SUITE_COUNT(bits))
		bits[n++] = kit_random_next(&random);
	for (size_t i = 0; i < n; i++) {
		void *value = suite_int(bits[i]);
		void *other = suite_int(~bits[i]);
		void *got = SUITE_UNTOUCHED;
		calm_key key = suite_key(on, i / 2);
		assert_int_equal(calm_map_store(map, key, value), CALM_OK);
		assert_bound(map, key, value);
		assert_int_equal(calm_map_compare_and_swap(map, key, other, value), CALM_CHANGED);
		assert_int_equal(calm_map_compare_and_swap(map, key, value, other), CALM_OK);
		assert_int_equal(calm_map_swap(map, key, value, &got), CALM_OK);
		assert_ptr_equal(got, other);
		assert_int_equal(calm_map_compare_and_delete(map, key, other), CALM_CHANGED);
		assert_int_equal(calm_map_load_or_store(map, key, other, &got), CALM_PRESENT);
		assert_ptr_equal(got, value);
		if (i % 2 == 1)
			assert_int_equal(calm_map_compare_and_delete(map, key, value), CALM_OK);
	}
	assert_int_equal(calm_map_size(map), 0);
	suite_end(map, NULL, NULL);
}

/* ---- update ---- */

struct update {
	calm_map *map;
	const struct suite *on;
	unsigned calls;
	bool present; /* in, at the last call */
	void *before;
	void *after; /* to answer with */
	bool keep;
	calm_status status;
	bool meddle; /* at the first call, another write gets in between */
	bool meddle_deletes;
};

static calm_status update_as_told(calm_key key, bool present, void **value, bool *keep,
				  void *context)
{
	struct update *update = context;
	suite_check(*keep);
	update->calls++;
	update->present = present;
	update->before = present ? *value : SUITE_UNTOUCHED;
	if (update->meddle && update->calls == 1) {
		if (update->meddle_deletes)
			suite_check(calm_map_delete(update->map, key) == CALM_OK);
		else
			suite_check(calm_map_store(update->map, key, suite_int(99)) == CALM_OK);
	}
	/* A second call for no reason would be the first of a loop without end. */
	suite_check(update->calls <= 2);
	*value = update->after;
	*keep = update->keep;
	return update->status;
}

/* Calls update on key 1; the number of calls it took. */
static unsigned run_update(struct update *update, calm_status expected)
{
	update->calls = 0;
	calm_status status = calm_map_update(update->map, suite_key(update->on, 1), update_as_told,
					     update);
	assert_int_equal(status, expected);
	return update->calls;
}

static void update_binds_and_unbinds(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	calm_key key = suite_key(on, 1);
	struct update update = {.map = map, .on = on, .keep = false};
	assert_int_equal(run_update(&update, CALM_OK), 1);
	assert_false(update.present);
	assert_absent(map, key);
	update.keep = true;
	update.after = suite_int(10);
	assert_int_equal(run_update(&update, CALM_OK), 1);
	assert_false(update.present);
	assert_bound(map, key, suite_int(10));
	update.after = suite_int(11);
	assert_int_equal(run_update(&update, CALM_OK), 1);
	assert_true(update.present);
	assert_ptr_equal(update.before, suite_int(10));
	assert_bound(map, key, suite_int(11));
	update.after = NULL;
	assert_int_equal(run_update(&update, CALM_OK), 1);
	assert_bound(map, key, NULL);
	update.keep = false;
	assert_int_equal(run_update(&update, CALM_OK), 1);
	assert_true(update.present);
	assert_null(update.before);
	assert_absent(map, key);
	suite_end(map, NULL, NULL);
}

static void update_gives_up_with_any_status(void **state)
{
	const struct suite *on = *state;
	static const calm_status statuses[] = {CALM_ABSENT, CALM_PRESENT, CALM_ENOMEM,
					       CALM_EINVAL, CALM_EKEY,    CALM_EUNSUPPORTED,
					       CALM_ESTALE, CALM_EBUSY};
	calm_map *map = suite_map(on, NULL, NULL);
	calm_key key = suite_key(on, 1);
	struct update update = {.map = map, .on = on, .after = suite_int(12)};
	for (size_t i = 0; i < 2 * SUITE_COUNT(statuses); i++) {
		update.status = statuses[i / 2];
		update.keep = i % 2 == 0;
		assert_int_equal(calm_map_delete(map, key), i > 0 ? CALM_OK : CALM_ABSENT);
		assert_int_equal(run_update(&update, update.status), 1);
		assert_absent(map, key);
		assert_int_equal(calm_map_store(map, key, suite_int(5)), CALM_OK);
		assert_int_equal(run_update(&update, update.status), 1);
		assert_bound(map, key, suite_int(5));
	}
	suite_end(map, NULL, NULL);
}

/* CHANGED too is "any status but OK", whatever it means inside the library. */
static calm_status give_up_changed(calm_key key, bool present, void **value, bool *keep,
				   void *context)
{
	unsigned *calls = context;
	(void)key;
	(void)present;
	(void)value;
	*keep = false;
	return ++*calls < 3 ? CALM_CHANGED : CALM_OK;
}

static void update_gives_up_with_changed(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	unsigned calls = 0;
	assert_int_equal(calm_map_store(map, suite_key(on, 1), suite_int(5)), CALM_OK);
	assert_int_equal(calm_map_update(map, suite_key(on, 1), give_up_changed, &calls),
			 CALM_CHANGED);
	assert_int_equal(calls, 1);
	assert_bound(map, suite_key(on, 1), suite_int(5));
	suite_end(map, NULL, NULL);
}

static void update_starts_again_when_it_lost(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	calm_key key = suite_key(on, 1);
	struct update update = {.map = map,
				.on = on,
				.after = suite_int(10),
				.keep = true,
				.meddle = true};
	/* It would insert, and another thread did. */
	assert_int_equal(run_update(&update, CALM_OK), 2);
	assert_true(update.present);
	assert_ptr_equal(update.before, suite_int(99));
	assert_bound(map, key, suite_int(10));
	/* It would replace, and another did. */
	update.after = suite_int(11);
	assert_int_equal(run_update(&update, CALM_OK), 2);
	assert_ptr_equal(update.before, suite_int(99));
	assert_bound(map, key, suite_int(11));
	/* It would remove, and another replaced. */
	update.keep = false;
	assert_int_equal(run_update(&update, CALM_OK), 2);
	assert_ptr_equal(update.before, suite_int(99));
	assert_absent(map, key);
	/* It would replace, and another removed. */
	assert_int_equal(calm_map_store(map, key, suite_int(5)), CALM_OK);
	update.keep = update.meddle_deletes = true;
	assert_int_equal(run_update(&update, CALM_OK), 2);
	assert_false(update.present);
	assert_bound(map, key, suite_int(11));
	suite_end(map, NULL, NULL);
}

/* The value as it came in is no write: the item is not displaced, and so not released. */
static calm_status leave_it(calm_key key, bool present, void **value, bool *keep, void *context)
{
	(void)key;
	(void)keep;
	suite_check(present && suite_item_number(*value) == 7);
	suite_check(calm_read_active());
	++*(unsigned *)context;
	return CALM_OK;
}

static void update_to_the_same_is_no_write(void **state)
{
	const struct suite *on = *state;
	struct suite_items items = {0};
	calm_map *map = suite_map(on, &items, NULL);
	struct suite_item *item = suite_item(&items, 7);
	unsigned calls = 0;
	assert_int_equal(calm_map_store(map, suite_key(on, 1), item), CALM_OK);
	assert_int_equal(calm_map_update(map, suite_key(on, 1), leave_it, &calls), CALM_OK);
	assert_int_equal(calls, 1);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(items.released, 0);
	assert_bound(map, suite_key(on, 1), item);
	suite_end(map, &items, NULL);
	assert_int_equal(items.released, 1);
}

#define ADDERS 4
#define SUMS 3

struct adding {
	calm_map *map;
	const struct suite *on;
	uint64_t rounds;
};

static calm_status add_one(calm_key key, bool present, void **value, bool *keep, void *context)
{
	(void)key;
	(void)keep;
	(void)context;
	*value = suite_int((present ? (uint64_t)(uintptr_t)*value : 0) + 1);
	return CALM_OK;
}

static void add(unsigned index, void *context)
{
	const struct adding *adding = context;
	for (uint64_t i = 0; i < adding->rounds; i++)
		suite_check(calm_map_update(adding->map, suite_key(adding->on, (i + index) % SUMS),
					    add_one, NULL) == CALM_OK);
}

static void updates_under_contention_add_up(void **state)
{
	const struct suite *on = *state;
	struct adding adding = {suite_map(on, NULL, NULL), on, suite_long(9000)};
	suite_threads(ADDERS, add, &adding);
	uint64_t sum = 0;
	for (uint64_t i = 0; i < SUMS; i++) {
		void *value = NULL;
		assert_int_equal(calm_map_load(adding.map, suite_key(on, i), &value), CALM_OK);
		sum += (uint64_t)(uintptr_t)value;
	}
	assert_int_equal(sum, ADDERS * adding.rounds);
	suite_end(adding.map, NULL, NULL);
}

#define CONFORM_VERBS                                                                              \
	SUITE_TEST(load_and_store), SUITE_TEST(swap), SUITE_TEST(load_or_store),                   \
		SUITE_TEST(deletes), SUITE_TEST(compare_and_swap), SUITE_TEST(compare_and_delete), \
		SUITE_TEST(null_is_a_value), SUITE_TEST(any_bits_are_a_value),                     \
		SUITE_TEST(update_binds_and_unbinds), SUITE_TEST(update_gives_up_with_any_status), \
		SUITE_TEST(update_gives_up_with_changed),                                          \
		SUITE_TEST(update_starts_again_when_it_lost),                                      \
		SUITE_TEST(update_to_the_same_is_no_write),                                        \
		SUITE_TEST(updates_under_contention_add_up)

#endif
