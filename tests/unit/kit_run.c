/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The ready runs of both checkers over every kind this build has: quiet on a correct map, and not
 * on a spoilt one. The long runs are in tests/lin.c and the soak; this shows that the runners work.
 */
#include "kit/clock.h"
#include "kit/cut_run.h"
#include "kit/lin_run.h"
#include "kit/workload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static _Atomic uint64_t told, told_good;

static void count_traversal(const struct kit_cut_traversal *one, void *context)
{
	(void)context;
	atomic_fetch_add(&told, 1);
	if (one->good && one->ns > 0 && one->bindings > 0)
		atomic_fetch_add(&told_good, 1);
}

static struct kit_cut_plan cut_plan(const struct kit_kind *kind, calm_key_kind key_kind)
{
	return (struct kit_cut_plan){.kind = kind,
				     .key_kind = key_kind,
				     .entries = 600,
				     .touched = 300,
				     .writers = 3,
				     .walkers = 2,
				     .delete_every = 4,
				     .traversals = 40,
				     .ns = 20000000000u,
				     .seed = 3};
}

static void correct_maps_pass_the_cut(void **state)
{
	(void)state;
	for (int i = 0; i < KIT_KINDS; i++) {
		if (!kit_kind_exists(&kit_kinds[i]))
			continue;
		for (int bytes = 0; bytes < 2; bytes++) {
			struct kit_cut_plan plan = cut_plan(&kit_kinds[i], bytes ? CALM_KEYS_BYTES
										 : CALM_KEYS_WORD);
			struct kit_cut_result result;
			plan.verbs = true;
			plan.traversed = count_traversal;
			atomic_store(&told, 0);
			atomic_store(&told_good, 0);
			assert_int_equal(kit_cut_run(&plan, &result), CALM_OK);
			if (result.report.total != 0)
				fail_msg("%s: %s", kit_kinds[i].name, result.report.text);
			assert_true(result.traversals >= 40);
			assert_true(result.bindings >= 40 * 300);
			assert_int_equal(atomic_load(&told), result.traversals);
			assert_int_equal(atomic_load(&told_good), result.traversals);
			assert_int_equal(result.rereads > 0, kit_kinds[i].snapshots);
			assert_int_equal(result.loads > 0, kit_kinds[i].snapshots);
			assert_int_equal(result.planted, 0);
		}
	}
}

static void planted_faults_fail_the_cut(void **state)
{
	(void)state;
	for (int i = 0; i < KIT_KINDS; i++) {
		if (!kit_kind_exists(&kit_kinds[i]))
			continue;
		for (enum kit_plant plant = KIT_PLANT_TWICE; plant < KIT_PLANTS; plant++) {
			struct kit_cut_plan plan = cut_plan(&kit_kinds[i], CALM_KEYS_WORD);
			struct kit_cut_result result;
			bool snapshots_only = plant == KIT_PLANT_REREAD || plant == KIT_PLANT_LOAD;
			if (snapshots_only && !kit_kinds[i].snapshots)
				continue;
			plan.plant = plant;
			/* A live walk need not show what is being written: more than can be in
			 * one walk. */
			plan.entries = 40000;
			plan.touched = 20000;
			plan.traversals = 8;
			assert_int_equal(kit_cut_run(&plan, &result), CALM_OK);
			if (result.planted > 0 && result.report.total == 0)
				fail_msg("%s: %s was planted %llu times and not found",
					 kit_kinds[i].name, kit_plant_name(plant),
					 (unsigned long long)result.planted);
			/* Nothing is too old until a writer has been round twice. */
			if (plant != KIT_PLANT_OLD)
				assert_true(result.planted > 0);
		}
	}
}

static void nap(long ms)
{
	const struct timespec time = {.tv_nsec = ms * 1000000};

	(void)nanosleep(&time, NULL);
}

static const struct kit_kind *any_kind(void)
{
	for (int i = 0; i < KIT_KINDS; i++) {
		if (kit_kind_exists(&kit_kinds[i]))
			return &kit_kinds[i];
	}
	skip();
	return NULL;
}

static void held_threads_stand(void **state)
{
	struct kit_cut_plan plan = cut_plan(any_kind(), CALM_KEYS_WORD);
	struct kit_cut_session *session;
	struct kit_cut_result result;

	(void)state;
	assert_int_equal(kit_cut_session_start(&session, &plan, true), CALM_OK);
	nap(20);
	assert_int_equal(kit_cut_session_writes(session), 0);
	assert_int_equal(kit_cut_session_traversals(session), 0);
	for (int turn = 0; turn < 3; turn++) {
		kit_cut_hold_writers(session, false);
		while (kit_cut_session_writes(session) < 1000 * (uint64_t)(turn + 1))
			nap(1);
		kit_cut_hold_writers(session, true);
		uint64_t writes = kit_cut_session_writes(session);
		uint64_t traversals = kit_cut_session_traversals(session);
		assert_true(turn > 0 || traversals == 0);
		kit_cut_hold_walkers(session, false);
		while (kit_cut_session_traversals(session) < traversals + 5)
			nap(1);
		kit_cut_hold_walkers(session, true);
		assert_int_equal(kit_cut_session_writes(session), writes);
		traversals = kit_cut_session_traversals(session);
		nap(5);
		assert_int_equal(kit_cut_session_traversals(session), traversals);
	}
	assert_int_equal(kit_cut_session_violations(session), 0);
	assert_true(calm_map_size(kit_cut_session_map(session)) >= 300);
	/* Stopped while all are held. */
	kit_cut_session_stop(session, &result);
	assert_int_equal(result.report.total, 0);
	assert_true(result.traversals >= 15);
}

static void a_run_without_writers_or_walkers(void **state)
{
	struct kit_cut_plan plan = cut_plan(any_kind(), CALM_KEYS_BYTES);
	struct kit_cut_result result;

	(void)state;
	plan.writers = 0;
	plan.touched = 0;
	assert_int_equal(kit_cut_run(&plan, &result), CALM_OK);
	assert_int_equal(result.report.total, 0);
	assert_int_equal(result.writes, 0);
	assert_int_equal(result.bindings % 600, 0);
	plan = cut_plan(plan.kind, CALM_KEYS_BYTES);
	plan.walkers = 0;
	plan.writes = 2000;
	plan.traversals = 0;
	assert_int_equal(kit_cut_run(&plan, &result), CALM_OK);
	assert_int_equal(result.report.total, 0);
	assert_true(result.writes >= 2000);
}

static void cut_plans_that_cannot_be(void **state)
{
	struct kit_cut_plan plan = cut_plan(any_kind(), CALM_KEYS_WORD);
	struct kit_cut_result result;

	(void)state;
	plan.touched = 2;
	assert_int_equal(kit_cut_run(&plan, &result), CALM_EINVAL);
	plan = cut_plan(plan.kind, CALM_KEYS_WORD);
	plan.ns = plan.traversals = 0;
	assert_int_equal(kit_cut_run(&plan, &result), CALM_EINVAL);
	for (int i = 0; i < KIT_KINDS; i++) {
		plan = cut_plan(&kit_kinds[i], CALM_KEYS_WORD);
		if (!kit_kind_exists(plan.kind))
			assert_int_equal(kit_cut_run(&plan, &result), CALM_EUNSUPPORTED);
	}
}

static struct kit_lin_plan lin_plan(const struct kit_kind *kind, calm_key_kind key_kind)
{
	return (struct kit_lin_plan){.kind = kind,
				     .key_kind = key_kind,
				     .threads = 4,
				     .keys = 50,
				     .ops = 5000,
				     .rounds = 4,
				     .seed = 9};
}

static void correct_maps_are_linearizable(void **state)
{
	(void)state;
	for (int i = 0; i < KIT_KINDS; i++) {
		if (!kit_kind_exists(&kit_kinds[i]))
			continue;
		for (int variant = 0; variant < 4; variant++) {
			struct kit_lin_plan plan = lin_plan(
				&kit_kinds[i], variant % 2 == 0 ? CALM_KEYS_WORD : CALM_KEYS_BYTES);
			struct kit_lin_result result;
			plan.zipf = variant >= 2;
			plan.rounds_per_map = (uint64_t)variant;
			if (variant == 3) {
				memcpy(plan.mix, kit_lin_mix, sizeof plan.mix);
				plan.mix[KIT_LIN_CLEAR] = 1;
			}
			assert_int_equal(kit_lin_run(&plan, &result), CALM_OK);
			if (result.report.violations + result.report.undecided != 0)
				fail_msg("%s: %s", kit_kinds[i].name, result.report.text);
			/* Every call, and a load of every key at the end of each round. */
			assert_int_equal(result.ops, 4 * (4 * 5000 + 50));
			assert_int_equal(result.rounds, 4);
			assert_int_equal(result.failed, 0);
		}
	}
}

/* A map whose every thousandth load answers with another value than it has. */
static void a_lying_map_is_not(void **state)
{
	const struct kit_kind *kind = any_kind();
	calm_options options = CALM_OPTIONS_INIT;
	struct kit_lin_log log;
	struct kit_lin *lin;
	calm_map *map = NULL;
	void *value;

	(void)state;
	assert_int_equal(kind->create(&map, &options), CALM_OK);
	assert_int_equal(kit_lin_new(&lin, 4), CALM_OK);
	assert_int_equal(kit_lin_log_init(&log, 1, 0), CALM_OK);
	for (uint64_t i = 1; i <= 3000; i++) {
		assert_int_equal(
			kit_lin_do_store(&log, map, i % 4, calm_word(i % 4), kit_lin_value(1, i)),
			CALM_OK);
		assert_int_equal(kit_lin_do_load(&log, map, i % 4, calm_word(i % 4), &value),
				 CALM_OK);
		assert_ptr_equal(value, kit_lin_value(1, i));
	}
	assert_int_equal(log.count, 6000);
	log.events[3001].result ^= 1;
	assert_false(kit_lin_check(lin, &log, 1));
	assert_int_equal(kit_lin_report(lin)->violations, 1);
	assert_int_equal(log.count, 0);
	kit_lin_log_free(&log);
	kit_lin_free(lin);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
}

static void every_verb_is_recorded(void **state)
{
	static const calm_status expected[] = {CALM_ABSENT,  CALM_OK,     CALM_OK,
					       CALM_PRESENT, CALM_OK,     CALM_ABSENT,
					       CALM_ABSENT,  CALM_ABSENT, CALM_OK};
	const struct kit_kind *kind = any_kind();
	struct kit_lin_log log;
	struct kit_lin *lin;
	calm_map *map = NULL;
	calm_key key = calm_word(3);
	void *out;

	(void)state;
	assert_int_equal(kind->create(&map, NULL), CALM_OK);
	assert_int_equal(kit_lin_new(&lin, 4), CALM_OK);
	assert_int_equal(kit_lin_log_init(&log, 1, 0), CALM_OK);
	(void)kit_lin_do_load(&log, map, 3, key, &out);
	(void)kit_lin_do_store(&log, map, 3, key, kit_lin_value(1, 1));
	(void)kit_lin_do_swap(&log, map, 3, key, kit_lin_value(1, 2), &out);
	assert_ptr_equal(out, kit_lin_value(1, 1));
	(void)kit_lin_do_load_or_store(&log, map, 3, key, kit_lin_value(1, 3), &out);
	(void)kit_lin_do_delete(&log, map, 3, key);
	(void)kit_lin_do_load_and_delete(&log, map, 3, key, &out);
	(void)kit_lin_do_compare_and_swap(&log, map, 3, key, kit_lin_value(1, 3),
					  kit_lin_value(1, 4));
	(void)kit_lin_do_compare_and_delete(&log, map, 3, key, kit_lin_value(1, 3));
	(void)kit_lin_do_clear(&log, map);
	assert_int_equal(log.count, KIT_LIN_VERBS);
	for (int v = 0; v < KIT_LIN_VERBS; v++) {
		assert_int_equal(log.events[v].verb, v);
		assert_int_equal(log.events[v].status, expected[v]);
		assert_true(log.events[v].begin < log.events[v].end);
		assert_true(v == 0 || log.events[v - 1].end < log.events[v].begin);
	}
	/* A key of the wrong kind changes nothing, and is no event. */
	assert_int_equal(kit_lin_do_store(&log, map, 3, calm_str("x"), NULL), CALM_EKEY);
	assert_int_equal(log.count, KIT_LIN_VERBS);
	assert_true(kit_lin_check(lin, &log, 1));
	kit_lin_log_free(&log);
	kit_lin_free(lin);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(correct_maps_pass_the_cut),
		cmocka_unit_test(planted_faults_fail_the_cut),
		cmocka_unit_test(held_threads_stand),
		cmocka_unit_test(a_run_without_writers_or_walkers),
		cmocka_unit_test(cut_plans_that_cannot_be),
		cmocka_unit_test(correct_maps_are_linearizable),
		cmocka_unit_test(a_lying_map_is_not),
		cmocka_unit_test(every_verb_is_recorded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
