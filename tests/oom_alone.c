/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * No memory at all, without a map: retiring, cells, a thread's first section and its exit. Every malloc
 * fails (--wrap); what a thread keeps of blocks is taken from it before. With maps: oom.c.
 */
#include "suite.h"

#include "base/alloc.h"
#include "sync/read.h"

static _Atomic bool none;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_malloc(size_t size)
{
	return none ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return none ? NULL : __real_calloc(n, size);
}

static void fail_all_mallocs(bool fail)
{
	none = fail;
}

static void ignore(void *pointer, void *context)
{
	(void)pointer;
	(void)context;
}

/* Leaves the thread without a block to retire into. */
static void exhaust(void)
{
	struct calm__self *self = calm__self();
	suite_check(calm_read_wait() == CALM_OK);
	while (self->bag.last) {
		suite_check(calm_retire(NULL, ignore, NULL) == CALM_OK);
		if (self->bag.last && self->bag.last->used == CALM__BLOCK_ITEMS)
			suite_check(calm_read_wait() == CALM_OK);
	}
	while (self->bag.spares > 0)
		calm__free(&calm__malloc, calm__take_block(self));
	suite_check(!calm__reserve(self, 0) || self->bag.room == 0);
}

static void retire(void **state)
{
	struct suite_items items = {0};
	(void)state;
	struct suite_item *item = suite_item(&items, 1);
	exhaust();
	fail_all_mallocs(true);
	calm_read_begin();
	calm_status inside = calm_retire(item, suite_item_release, &items);
	calm_read_end();
	calm_status waited = calm_read_wait();
	int64_t still = items.live;
	calm_status outside = calm_retire(item, suite_item_release, &items);
	int64_t left = items.live;
	fail_all_mallocs(false);
	assert_int_equal(inside, CALM_ENOMEM);
	assert_int_equal(waited, CALM_OK);
	assert_int_equal(still, 1);
	assert_int_equal(outside, CALM_OK);
	assert_int_equal(left, 0);
}

static void cell(void **state)
{
	struct suite_items items = {0};
	calm_cell cell;
	void *previous = SUITE_UNTOUCHED;
	(void)state;
	struct suite_item *first = suite_item(&items, 1);
	struct suite_item *second = suite_item(&items, 2);
	assert_int_equal(calm_cell_init(&cell, first, suite_item_release, &items), CALM_OK);
	exhaust();
	fail_all_mallocs(true);
	calm_status swapped = calm_cell_swap(&cell, second, &previous);
	calm_status compared = calm_cell_compare_and_swap(&cell, first, second);
	calm_status destroyed = calm_cell_destroy(&cell);
	fail_all_mallocs(false);
	assert_int_equal(swapped, CALM_ENOMEM);
	assert_int_equal(compared, CALM_ENOMEM);
	assert_int_equal(destroyed, CALM_ENOMEM);
	assert_ptr_equal(previous, SUITE_UNTOUCHED);
	assert_ptr_equal(calm_cell_load(&cell), first);
	assert_int_equal(calm_cell_swap(&cell, second, &previous), CALM_OK);
	assert_int_equal(calm_cell_destroy(&cell), CALM_OK);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(items.live, 0);
}

static void *read_without_memory(void *map)
{
	void *value = NULL;
	calm_read_begin();
	suite_check(calm_map_load(map, calm_word(1), &value) == CALM_OK && value == suite_int(10));
	calm_read_end();
	suite_check(calm_read_wait() == CALM_OK);
	return NULL;
}

/* A thread's first section, and its exit. */
static void readers_need_no_memory(void **state)
{
	(void)state;
	for (size_t k = 0; k < KIT_KINDS; k++) {
		calm_map *map = NULL;
		pthread_t thread;
		if (kit_kinds[k].create(&map, NULL) == CALM_EUNSUPPORTED)
			continue;
		assert_int_equal(calm_map_store(map, calm_word(1), suite_int(10)), CALM_OK);
		fail_all_mallocs(true);
		int made = pthread_create(&thread, NULL, read_without_memory, map);
		int joined = made == 0 ? pthread_join(thread, NULL) : made;
		fail_all_mallocs(false);
		assert_int_equal(joined, 0);
		assert_int_equal(calm_map_destroy(map), CALM_OK);
	}
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest others[] = {cmocka_unit_test(retire), cmocka_unit_test(cell),
						   cmocka_unit_test(readers_need_no_memory)};
	return suite_run(argc, argv, NULL, 0, others, SUITE_COUNT(others));
}
