/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Allocation failure where much is kept for snapshots. Three are open, and every key has been stored since each.
 * Then the middle one is closed, which compacts the history, and the others are read, which indexes it; meanwhile the
 * n-th allocation fails, alone or with all after it, until none does. A reading is right as far as it comes, and says
 * CALM_ENOMEM where that is not the end; with memory again all is there. Short programs, every verb: oom.c.
 */
#include "suite.h"

#define KEYS 16000U
#define ROUNDS 4U
#define CLOSE_BY 8U /* of the first failures all, then fewer and fewer */

struct reading {
	uint64_t round, n;
	bool seen[KEYS];
};

static int look(calm_key key, void *value, void *context)
{
	struct reading *reading = context;
	uint64_t i = suite_index(key);
	suite_check(i < KEYS && !reading->seen[i]);
	suite_check(value == suite_int(i * ROUNDS + reading->round + 1));
	reading->seen[i] = true;
	reading->n++;
	return 0;
}

/* What was stored in the round; all of it, if it says so. */
static int read_round(calm_snapshot *snapshot, uint64_t round)
{
	static struct reading reading;
	reading = (struct reading){.round = round};
	int result = calm_snapshot_each(snapshot, look, &reading);
	suite_check(result != 0 || reading.n == KEYS);
	return result;
}

static void store_round(const struct suite *on, calm_map *map, uint64_t round)
{
	for (uint64_t i = 0; i < KEYS; i++)
		suite_check(calm_map_store(map, suite_key(on, i),
					   suite_int(i * ROUNDS + round + 1)) == CALM_OK);
}

/* False: the n-th allocation was not reached. */
static bool fails_at(const struct suite *on, uint64_t nth, bool on_and_on)
{
	struct suite_heap heap;
	calm_snapshot *open[ROUNDS - 1];
	suite_heap_init(&heap);
	calm_map *map = suite_map(on, NULL, &heap);
	for (uint64_t round = 0; round < ROUNDS; round++) {
		store_round(on, map, round);
		if (round + 1 < ROUNDS)
			suite_check(calm_map_snapshot(map, &open[round]) == CALM_OK);
	}
	suite_heap_fail(&heap, nth, on_and_on);
	calm_snapshot_close(open[1]);
	int first = read_round(open[0], 0);
	int last = read_round(open[2], 2);
	void *value = NULL;
	calm_status one = calm_snapshot_load(open[0], suite_key(on, nth % KEYS), &value);
	bool failed = heap.failed > 0;
	suite_heap_fail(&heap, 0, false);
	assert_true(first == 0 || (failed && first == CALM_ENOMEM));
	assert_true(last == 0 || (failed && last == CALM_ENOMEM));
	assert_true(one == CALM_OK || (failed && one == CALM_ENOMEM));
	if (one == CALM_OK)
		assert_ptr_equal(value, suite_int(nth % KEYS * ROUNDS + 1));
	assert_int_equal(read_round(open[0], 0), 0);
	assert_int_equal(read_round(open[2], 2), 0);
	calm_snapshot_close(open[0]);
	assert_int_equal(read_round(open[2], 2), 0);
	calm_snapshot_close(open[2]);
	suite_end(map, NULL, &heap);
	return failed;
}

static void fail_each(const struct suite *on, bool on_and_on)
{
	uint64_t nth = 1;
	if (SUITE_SLOWER > 1 && suite_number("CALM_TEST_SCALE", 1) == 1)
		skip(); /* minutes */
	while (fails_at(on, nth, on_and_on))
		nth += 1 + nth / CLOSE_BY;
	/* Where a snapshot is a table, nothing needs memory here. */
	assert_int_equal(nth > 1, on->kind != kit_kind_find("lockmap") &&
					  on->kind != kit_kind_find("cowmap"));
}

static void one_allocation(void **state)
{
	fail_each(*state, false);
}

static void allocations_from_one_on(void **state)
{
	fail_each(*state, true);
}

int main(int argc, char **argv)
{
	static const struct suite_test tests[] = {
		{"one_allocation", one_allocation, SUITE_SNAPSHOTS},
		{"allocations_from_one_on", allocations_from_one_on, SUITE_SNAPSHOTS}};
	return suite_run(argc, argv, tests, SUITE_COUNT(tests), NULL, 0);
}
