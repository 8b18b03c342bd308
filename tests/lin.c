/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Histories of concurrent calls, recorded and checked for linearizability: every kind of map and of
 * key, at 2, 8 and 32 threads, on few keys, where all contend, and on many, where the map grows.
 * Maps start small and are replaced after two rounds, so that growth is under way in most of them;
 * clear is in the mix.
 */
#include "suite.h"

#include "kit/lin_run.h"

#define FEW 4
#define MANY 1000
#define TEST_NS 150000000 /* a test, at scale 1 */
#define ROUND 20000

/* kit_lin_mix and one clear in so many calls. */
static void mix_with_clear(struct kit_lin_plan *plan, unsigned clear_every)
{
	unsigned sum = 0;
	for (int v = 0; v < KIT_LIN_VERBS; v++)
		sum += kit_lin_mix[v];
	for (int v = 0; v < KIT_LIN_VERBS; v++)
		plan->mix[v] = kit_lin_mix[v] * clear_every;
	plan->mix[KIT_LIN_CLEAR] = sum;
}

static void is_linearizable(const struct suite *on, struct kit_lin_plan *plan)
{
	struct kit_lin_result result;
	plan->kind = on->kind;
	plan->key_kind = on->keys;
	plan->seed = suite_seed();
	plan->compact_at = plan->keys <= FEW ? 2 : 32; /* deltamap: again and again */
	plan->ops = ROUND / SUITE_SLOWER / plan->threads + 1;
	plan->rounds = UINT64_MAX;
	plan->ns = TEST_NS * suite_number("CALM_TEST_SCALE", 1);
	plan->rounds_per_map = 2;
	assert_int_equal(kit_lin_run(plan, &result), CALM_OK);
	if (result.report.violations + result.report.undecided > 0)
		fail_msg("%llu keys not linearizable, %llu undecided (CALM_TEST_SEED=%llu):\n%s",
			 (unsigned long long)result.report.violations,
			 (unsigned long long)result.report.undecided,
			 (unsigned long long)plan->seed, result.report.text);
	assert_int_equal(result.failed, 0);
	assert_true(result.rounds > 0);
	assert_int_equal(result.ops, (plan->ops * plan->threads + plan->keys) * result.rounds);
}

static void few_keys(const struct suite *on, unsigned threads)
{
	struct kit_lin_plan plan = {.threads = threads, .keys = FEW};
	/*
	 * A clear takes as long as hundreds of other calls where it must have every lock. Were all
	 * threads at one at the same time, the checker would have to follow each order of them.
	 */
	mix_with_clear(&plan, 50 * threads);
	is_linearizable(on, &plan);
}

static void many_keys(const struct suite *on, unsigned threads)
{
	struct kit_lin_plan plan = {.threads = threads, .keys = MANY};
	mix_with_clear(&plan, 2000);
	is_linearizable(on, &plan);
}

static void few_keys_2_threads(void **state)
{
	few_keys(*state, 2);
}

static void few_keys_8_threads(void **state)
{
	few_keys(*state, 8);
}

static void few_keys_32_threads(void **state)
{
	few_keys(*state, 32);
}

static void many_keys_2_threads(void **state)
{
	many_keys(*state, 2);
}

static void many_keys_8_threads(void **state)
{
	many_keys(*state, 8);
}

static void many_keys_32_threads(void **state)
{
	many_keys(*state, 32);
}

/*
 * Mostly inserts and deletes of ever the same keys: the map grows and shrinks, syncmap expunges and
 * revives.
 */
static void inserts_and_deletes(void **state)
{
	struct kit_lin_plan plan = {.threads = 8, .keys = MANY / 4};
	plan.mix[KIT_LIN_LOAD] = 10;
	plan.mix[KIT_LIN_SWAP] = 20;
	plan.mix[KIT_LIN_LOAD_OR_STORE] = 20;
	plan.mix[KIT_LIN_LOAD_AND_DELETE] = 40;
	plan.mix[KIT_LIN_COMPARE_AND_DELETE] = 10;
	is_linearizable(*state, &plan);
}

/* Nearly only reads, and those of few hot keys: the paths without a lock. */
static void hot_reads(void **state)
{
	struct kit_lin_plan plan = {.threads = 8, .keys = MANY / 4, .zipf = true};
	plan.mix[KIT_LIN_LOAD] = 90;
	plan.mix[KIT_LIN_STORE] = 3;
	plan.mix[KIT_LIN_COMPARE_AND_SWAP] = 4;
	plan.mix[KIT_LIN_LOAD_AND_DELETE] = 3;
	is_linearizable(*state, &plan);
}

int main(int argc, char **argv)
{
	static const struct suite_test tests[] = {
		SUITE_TEST(few_keys_2_threads),  SUITE_TEST(few_keys_8_threads),
		SUITE_TEST(few_keys_32_threads), SUITE_TEST(many_keys_2_threads),
		SUITE_TEST(many_keys_8_threads), SUITE_TEST(many_keys_32_threads),
		SUITE_TEST(inserts_and_deletes), SUITE_TEST(hot_reads),
	};
	return suite_run(argc, argv, tests, SUITE_COUNT(tests), NULL, 0);
}
