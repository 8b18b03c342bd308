/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Stamps that wrap. Where maps begin at snapshot 2^32 - 40 (knobs/knobs.c), some
 * hundred snapshots take the epoch across what 32 bits hold: snapshots opened before it are read after
 * it, beside walks, drains, deletes, growth and a budget. Each must hold what the map held when it was
 * opened; and stamps only grow. Elsewhere the same test runs without a wrap.
 */
#include "suite.h"

#define KEYS 64
#define OPEN 8
#define ROUNDS 160

struct held {
	calm_snapshot *snapshot;
	uint64_t values[KEYS]; /* + 1; 0: not bound */
	uint64_t stamp;
};

struct seen {
	uint64_t values[KEYS];
};

static int see(calm_key key, void *value, void *context)
{
	struct seen *seen = context;
	uint64_t i = suite_index(key);
	suite_check(i < KEYS && seen->values[i] == 0);
	seen->values[i] = (uint64_t)(uintptr_t)value;
	return 0;
}

static void holds(const struct suite *on, const struct held *held, bool budget)
{
	struct seen seen = {{0}};
	int status = calm_snapshot_each(held->snapshot, see, &seen);
	if (budget && status == CALM_ESTALE)
		return;
	assert_int_equal(status, 0);
	assert_memory_equal(seen.values, held->values, sizeof(seen.values));
	for (uint64_t i = 0; i < KEYS; i += 7) {
		void *value = NULL;
		status = calm_snapshot_load(held->snapshot, suite_key(on, i), &value);
		if (budget && status == CALM_ESTALE)
			return;
		assert_int_equal(status, held->values[i] ? CALM_OK : CALM_ABSENT);
		assert_int_equal((uint64_t)(uintptr_t)value, held->values[i]);
	}
}

static void write_some(const struct suite *on, calm_map *map, struct kit_random *random,
		       uint64_t *model)
{
	for (unsigned n = 0; n < 12; n++) {
		uint64_t i = kit_random_below(random, KEYS);
		uint64_t value = 1 + kit_random_below(random, 1000);
		if (kit_random_below(random, 3) == 0) {
			calm_status status = calm_map_delete(map, suite_key(on, i));
			assert_int_equal(status, model[i] ? CALM_OK : CALM_ABSENT);
			model[i] = 0;
		} else {
			assert_int_equal(calm_map_store(map, suite_key(on, i), suite_int(value)),
					 CALM_OK);
			model[i] = value;
		}
	}
}

static void cross(const struct suite *on, size_t budget)
{
	calm_options options = suite_options(on);
	struct kit_random random;
	struct held held[OPEN] = {{0}};
	uint64_t model[KEYS] = {0};
	uint64_t before = 0;
	calm_map *map = NULL;
	options.snapshot_budget = budget;
	kit_random_seed(&random, suite_seed());
	assert_int_equal(on->kind->create(&map, &options), CALM_OK);
	for (unsigned round = 0; round < ROUNDS; round++) {
		/* The first few stay open for long; the rest are closed in turn. */
		struct held *slot = &held[round < OPEN ? round : OPEN / 2 + round % (OPEN / 2)];
		struct seen seen = {{0}};
		write_some(on, map, &random, model);
		calm_snapshot_close(slot->snapshot);
		slot->snapshot = NULL;
		memcpy(slot->values, model, sizeof(model));
		if (round % 23 == 22) {
			assert_int_equal(calm_map_drain(map, &slot->snapshot), CALM_OK);
			memset(model, 0, sizeof(model));
		} else {
			assert_int_equal(calm_map_snapshot(map, &slot->snapshot), CALM_OK);
		}
		slot->stamp = calm_snapshot_stamp(slot->snapshot);
		assert_true(slot->stamp > before);
		before = slot->stamp;
		write_some(on, map, &random, model);
		assert_int_equal(calm_map_walk(map, see, &seen), 0);
		assert_memory_equal(seen.values, model, sizeof(model));
		for (unsigned s = 0; s < OPEN; s++)
			if (held[s].snapshot)
				holds(on, &held[s], budget > 0);
		for (uint64_t i = 0; i < KEYS; i++) {
			void *value = NULL;
			calm_status status = calm_map_load(map, suite_key(on, i), &value);
			assert_int_equal(status, model[i] ? CALM_OK : CALM_ABSENT);
			assert_int_equal((uint64_t)(uintptr_t)value, model[i]);
		}
	}
#ifdef SUITE_NARROW_HASH /* the builds that begin late */
	assert_true(before > UINT32_MAX);
#endif
	for (unsigned s = 0; s < OPEN; s++)
		calm_snapshot_close(held[s].snapshot);
	suite_end(map, NULL, NULL);
}

static void snapshots_outlive_the_wrap(void **state)
{
	cross(*state, 0);
}

static void and_a_budget(void **state)
{
	cross(*state, 4096);
	cross(*state, 1);
}

int main(int argc, char **argv)
{
	static const struct suite_test tests[] = {
		SUITE_TEST_ONLY(snapshots_outlive_the_wrap, SUITE_SNAPSHOTS),
		SUITE_TEST_ONLY(and_a_budget, SUITE_SNAPSHOTS)};
	return suite_run(argc, argv, tests, SUITE_COUNT(tests), NULL, 0);
}
