/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The cell: each displaced state is released once, after its readers; a state that was refused is
 * not.
 */
#include "suite.h"

#define WRITERS 3
#define THREADS 6

static void swaps(void **state)
{
	struct suite_items items = {0};
	calm_cell cell;
	void *previous = SUITE_UNTOUCHED;
	(void)state;
	struct suite_item *first = suite_item(&items, 1);
	struct suite_item *second = suite_item(&items, 2);
	struct suite_item *third = suite_item(&items, 3);
	assert_int_equal(calm_cell_init(&cell, first, suite_item_release, &items), CALM_OK);
	assert_ptr_equal(calm_cell_load(&cell), first);
	calm_read_begin();
	assert_int_equal(calm_cell_swap(&cell, second, &previous), CALM_OK);
	assert_ptr_equal(previous, first);
	assert_ptr_equal(calm_cell_load(&cell), second);
	assert_int_equal(suite_item_number(first), 1);
	assert_int_equal(calm_cell_compare_and_swap(&cell, first, third), CALM_CHANGED);
	assert_int_equal(calm_cell_compare_and_swap(&cell, NULL, third), CALM_CHANGED);
	assert_ptr_equal(calm_cell_load(&cell), second);
	assert_int_equal(calm_cell_compare_and_swap(&cell, second, third), CALM_OK);
	assert_int_equal(items.released, 0);
	assert_int_equal(suite_item_number(second), 2);
	calm_read_end();
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(items.released, 2);
	assert_int_equal(suite_item_number(calm_cell_load(&cell)), 3);
	assert_int_equal(calm_cell_destroy(&cell), CALM_OK);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(items.live, 0);
	assert_int_equal(items.released, 3);
}

/* NULL is a state like any other, but there is nothing of it to release. */
static void null_is_a_state(void **state)
{
	struct suite_items items = {0};
	calm_cell cell;
	void *previous = SUITE_UNTOUCHED;
	(void)state;
	assert_int_equal(calm_cell_init(&cell, NULL, suite_item_release, &items), CALM_OK);
	assert_null(calm_cell_load(&cell));
	assert_int_equal(calm_cell_compare_and_swap(&cell, NULL, suite_item(&items, 1)), CALM_OK);
	assert_int_equal(calm_cell_swap(&cell, NULL, NULL), CALM_OK);
	assert_int_equal(calm_cell_swap(&cell, NULL, &previous), CALM_OK);
	assert_null(previous);
	assert_int_equal(calm_cell_destroy(&cell), CALM_OK);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(items.released, 1);
	assert_int_equal(items.nulls, 0);
}

static void without_release(void **state)
{
	struct suite_items items = {0};
	calm_cell cell;
	(void)state;
	struct suite_item *item = suite_item(&items, 1);
	assert_int_equal(calm_cell_init(&cell, item, NULL, NULL), CALM_OK);
	assert_int_equal(calm_cell_swap(&cell, NULL, NULL), CALM_OK);
	assert_int_equal(calm_cell_destroy(&cell), CALM_OK);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(suite_item_number(item), 1);
	suite_item_release(item, &items);
}

struct contention {
	calm_cell cell;
	struct suite_items items;
	uint64_t rounds;
	_Atomic uint64_t renewed;
	_Atomic unsigned writing;
};

/* Writers swap, or renew what they loaded, as sessions are; readers look twice at one state. */
static void renew(unsigned index, void *context)
{
	struct contention *contention = context;
	for (uint64_t i = 0; index < WRITERS && i < contention->rounds; i++) {
		struct suite_item *next = suite_item(&contention->items, 0);
		calm_read_begin();
		void *old = calm_cell_load(&contention->cell);
		next->number = suite_item_number(old) + 1;
		calm_status status = calm_cell_compare_and_swap(&contention->cell, old, next);
		suite_check(suite_item_number(old) + 1 == next->number || status == CALM_OK);
		if (status == CALM_OK)
			atomic_fetch_add(&contention->renewed, 1);
		else
			suite_item_release(next, &contention->items);
		suite_check(status == CALM_OK || status == CALM_CHANGED);
		calm_read_end();
	}
	if (index < WRITERS)
		atomic_fetch_add(&contention->writing, 1);
	uint64_t last = 0;
	while (index >= WRITERS && contention->writing < WRITERS) {
		calm_read_begin();
		void *seen = calm_cell_load(&contention->cell);
		uint64_t number = suite_item_number(seen);
		suite_check(number >= last);
		last = number;
		suite_check(suite_item_number(seen) == number);
		calm_read_end();
	}
}

static void no_renewal_is_lost(void **state)
{
	struct contention contention = {.rounds = suite_long(30000)};
	(void)state;
	assert_int_equal(calm_cell_init(&contention.cell, suite_item(&contention.items, 1),
					suite_item_release, &contention.items),
			 CALM_OK);
	suite_threads(THREADS, renew, &contention);
	assert_int_equal(suite_item_number(calm_cell_load(&contention.cell)),
			 contention.renewed + 1);
	assert_int_equal(calm_cell_destroy(&contention.cell), CALM_OK);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(contention.items.live, 0);
	assert_int_equal(contention.items.released, WRITERS * contention.rounds + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(swaps),
		cmocka_unit_test(null_is_a_state),
		cmocka_unit_test(without_release),
		cmocka_unit_test(no_renewal_is_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
