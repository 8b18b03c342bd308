/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Snapshots as cuts: writers number their writes, and every snapshot must be exactly a prefix of
 * each one's history, the same when read again, and never newer than a later load. Kinds without
 * snapshots are held to what the live walk promises. Every kind of map and of key, at 2, 8 and 32
 * threads; each checker is also shown to bite.
 */
#include "suite.h"

#include "kit/cut_run.h"

#define ENTRIES 2000
#define RUNS 4 /* a test; each makes its map anew */
#define RUN_NS 50000000

static struct kit_cut_plan plan_for(const struct suite *on, unsigned writers, unsigned walkers)
{
	return (struct kit_cut_plan){
		.kind = on->kind,
		.key_kind = on->keys,
		.entries = ENTRIES,
		.touched = ENTRIES / 2,
		.writers = writers,
		.walkers = walkers,
		.delete_every = 4,
		.verbs = true,
		.compact_at = ENTRIES / 50,
		.ns = RUN_NS * suite_number("CALM_TEST_SCALE", 1),
		.seed = suite_seed(),
	};
}

/*
 * A lock that prefers writers may keep the walkers of a run out, and a short run its writers: not
 * of all runs.
 */
static void is_exact(struct kit_cut_plan *plan)
{
	uint64_t traversals = 0;
	uint64_t writes = 0;
	for (unsigned run = 0; run < RUNS; run++, plan->seed++) {
		struct kit_cut_result result;
		assert_int_equal(kit_cut_run(plan, &result), CALM_OK);
		if (result.report.total > 0)
			fail_msg("%llu violations (CALM_TEST_SEED=%llu):\n%s",
				 (unsigned long long)result.report.total,
				 (unsigned long long)plan->seed, result.report.text);
		assert_true(result.bindings >= result.traversals * (plan->entries - plan->touched));
		traversals += result.traversals;
		writes += result.writes;
	}
	assert_true(traversals >= RUNS);
	assert_true(writes > 0);
}

static void cut_2_threads(void **state)
{
	struct kit_cut_plan plan = plan_for(*state, 1, 1);
	is_exact(&plan);
}

static void cut_8_threads(void **state)
{
	struct kit_cut_plan plan = plan_for(*state, 5, 3);
	is_exact(&plan);
}

static void cut_32_threads(void **state)
{
	struct kit_cut_plan plan = plan_for(*state, 20, 12);
	is_exact(&plan);
}

/* All is written, the map starts empty and grows, the writers only bind. */
static void cut_while_it_grows(void **state)
{
	struct kit_cut_plan plan = plan_for(*state, 3, 3);
	plan.touched = plan.entries;
	plan.delete_every = 0;
	plan.verbs = false;
	is_exact(&plan);
}

/*
 * Few entries, mostly deleted again: the cut must not show one writer's delete without the store
 * before it.
 */
static void cut_few_entries(void **state)
{
	struct kit_cut_plan plan = plan_for(*state, 4, 4);
	plan.entries = 16;
	plan.touched = 16;
	plan.compact_at = 3;
	plan.delete_every = 2;
	is_exact(&plan);
}

/* The live walk of a kind that could do better, beside its snapshots. */
static void cut_every_pass(void **state)
{
	struct kit_cut_plan plan = plan_for(*state, 3, 3);
	plan.passes = KIT_PASS_SNAPSHOT | KIT_PASS_WALK | KIT_PASS_EACH;
	is_exact(&plan);
}

static void a_planted_fault_is_found(void **state)
{
	/* Those that no live walk could show either. */
	static const enum kit_plant plants[] = {KIT_PLANT_TWICE, KIT_PLANT_MISSING,
						KIT_PLANT_ALIEN};
	for (size_t i = 0; i < SUITE_COUNT(plants); i++) {
		struct kit_cut_plan plan = plan_for(*state, 2, 1);
		struct kit_cut_result result;
		plan.plant = plants[i];
		plan.ns = 0;
		plan.traversals = 3;
		assert_int_equal(kit_cut_run(&plan, &result), CALM_OK);
		assert_true(result.planted > 0);
		assert_true(result.report.total > 0);
	}
}

int main(int argc, char **argv)
{
	static const struct suite_test tests[] = {
		SUITE_TEST(cut_2_threads),
		SUITE_TEST(cut_8_threads),
		SUITE_TEST(cut_32_threads),
		SUITE_TEST(cut_while_it_grows),
		SUITE_TEST(cut_few_entries),
		SUITE_TEST_ONLY(cut_every_pass, SUITE_SNAPSHOTS),
		SUITE_TEST(a_planted_fault_is_found),
	};
	return suite_run(argc, argv, tests, SUITE_COUNT(tests), NULL, 0);
}
