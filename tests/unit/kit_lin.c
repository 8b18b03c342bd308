/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The linearizability checker: histories made by hand, and random small ones against brute force
 * over all orders, so that it is known to be exact in both directions.
 */
#include "kit/jit.h"
#include "kit/lin.h"
#include "kit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define LOGS 40

static struct kit_lin *lin;
static struct kit_lin_log logs[LOGS];

static int set_up(void **state)
{
	(void)state;
	for (int i = 0; i < LOGS; i++) {
		if (kit_lin_log_init(&logs[i], (uint16_t)(i + 1), 4) != CALM_OK)
			return -1;
	}
	return kit_lin_new(&lin, 10) == CALM_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	for (int i = 0; i < LOGS; i++)
		kit_lin_log_free(&logs[i]);
	kit_lin_free(lin);
	return 0;
}

/* Thread t calls a verb on key 1 during [begin, end]. */
static void op(int t, uint64_t begin, uint64_t end, enum kit_lin_verb verb, uint64_t value,
	       uint64_t expected, calm_status status, uint64_t result)
{
	struct kit_lin_event event = {.begin = begin,
				      .end = end,
				      .value = value,
				      .expected = expected,
				      .result = result,
				      .key = 1,
				      .verb = (uint8_t)verb,
				      .status = (int8_t)status,
				      .thread = (uint16_t)t};

	kit_lin_append(&logs[t], &event);
}

static void store(int t, uint64_t begin, uint64_t end, uint64_t value)
{
	op(t, begin, end, KIT_LIN_STORE, value, 0, CALM_OK, 0);
}

static void load(int t, uint64_t begin, uint64_t end, uint64_t result)
{
	op(t, begin, end, KIT_LIN_LOAD, 0, 0, CALM_OK, result);
}

static void absent(int t, uint64_t begin, uint64_t end)
{
	op(t, begin, end, KIT_LIN_LOAD, 0, 0, CALM_ABSENT, 0);
}

static void swap(int t, uint64_t begin, uint64_t end, uint64_t value, uint64_t previous)
{
	op(t, begin, end, KIT_LIN_SWAP, value, 0, CALM_OK, previous);
}

static void good(void)
{
	if (!kit_lin_check(lin, logs, LOGS))
		fail_msg("%s", kit_lin_report(lin)->text);
}

static void bad(void)
{
	uint64_t before = kit_lin_report(lin)->violations;

	assert_false(kit_lin_check(lin, logs, LOGS));
	assert_int_equal(kit_lin_report(lin)->violations, before + 1);
	assert_int_equal(kit_lin_report(lin)->undecided, 0);
	assert_non_null(strstr(kit_lin_report(lin)->text, "key 1: not linearizable"));
	kit_lin_reset(lin);
}

static void one_after_the_other(void **state)
{
	(void)state;
	absent(0, 1, 2);
	op(1, 3, 4, KIT_LIN_DELETE, 0, 0, CALM_ABSENT, 0);
	op(0, 5, 6, KIT_LIN_LOAD_OR_STORE, 7, 0, CALM_OK, 7);
	op(1, 7, 8, KIT_LIN_LOAD_OR_STORE, 8, 0, CALM_PRESENT, 7);
	swap(0, 9, 10, 9, 7);
	op(1, 11, 12, KIT_LIN_COMPARE_AND_SWAP, 10, 7, CALM_CHANGED, 0);
	op(1, 13, 14, KIT_LIN_COMPARE_AND_SWAP, 10, 9, CALM_OK, 0);
	load(0, 15, 16, 10);
	op(1, 17, 18, KIT_LIN_COMPARE_AND_DELETE, 0, 9, CALM_CHANGED, 0);
	op(1, 19, 20, KIT_LIN_COMPARE_AND_DELETE, 0, 10, CALM_OK, 0);
	op(1, 21, 22, KIT_LIN_COMPARE_AND_DELETE, 0, 10, CALM_ABSENT, 0);
	op(0, 23, 24, KIT_LIN_COMPARE_AND_SWAP, 11, 10, CALM_ABSENT, 0);
	op(0, 25, 26, KIT_LIN_SWAP, 12, 0, CALM_ABSENT, 0);
	op(1, 27, 28, KIT_LIN_LOAD_AND_DELETE, 0, 0, CALM_OK, 12);
	op(1, 29, 30, KIT_LIN_LOAD_AND_DELETE, 0, 0, CALM_ABSENT, 0);
	store(0, 31, 32, 13);
	op(1, 33, 34, KIT_LIN_CLEAR, 0, 0, CALM_OK, 0);
	absent(0, 35, 36);
	store(0, 37, 38, 14);
	op(1, 39, 40, KIT_LIN_DELETE, 0, 0, CALM_OK, 0);
	absent(0, 41, 42);
	good();
	assert_int_equal(kit_lin_report(lin)->events, 21);
}

static void each_wrong_answer(void **state)
{
	static const struct {
		enum kit_lin_verb verb;
		uint64_t value, expected;
		calm_status status;
		uint64_t result;
	} wrong_if_5[] =
		{
			{KIT_LIN_LOAD, 0, 0, CALM_ABSENT, 0},
			{KIT_LIN_LOAD, 0, 0, CALM_OK, 6},
			{KIT_LIN_STORE, 6, 0, CALM_ABSENT, 0},
			{KIT_LIN_SWAP, 6, 0, CALM_ABSENT, 0},
			{KIT_LIN_SWAP, 6, 0, CALM_OK, 4},
			{KIT_LIN_LOAD_OR_STORE, 6, 0, CALM_OK, 6},
			{KIT_LIN_LOAD_OR_STORE, 6, 0, CALM_PRESENT, 4},
			{KIT_LIN_DELETE, 0, 0, CALM_ABSENT, 0},
			{KIT_LIN_LOAD_AND_DELETE, 0, 0, CALM_ABSENT, 0},
			{KIT_LIN_LOAD_AND_DELETE, 0, 0, CALM_OK, 4},
			{KIT_LIN_COMPARE_AND_SWAP, 6, 5, CALM_CHANGED, 0},
			{KIT_LIN_COMPARE_AND_SWAP, 6, 4, CALM_OK, 0},
			{KIT_LIN_COMPARE_AND_SWAP, 6, 5, CALM_ABSENT, 0},
			{KIT_LIN_COMPARE_AND_SWAP, 6, 5, CALM_PRESENT, 0},
			{KIT_LIN_COMPARE_AND_DELETE, 0, 5, CALM_CHANGED, 0},
			{KIT_LIN_COMPARE_AND_DELETE, 0, 4, CALM_OK, 0},
			{KIT_LIN_COMPARE_AND_DELETE, 0, 5, CALM_ABSENT, 0},
		},
	  wrong_if_absent[] = {
		  {KIT_LIN_LOAD, 0, 0, CALM_OK, 5},
		  {KIT_LIN_SWAP, 6, 0, CALM_OK, 5},
		  {KIT_LIN_LOAD_OR_STORE, 6, 0, CALM_PRESENT, 5},
		  {KIT_LIN_LOAD_OR_STORE, 6, 0, CALM_OK, 5},
		  {KIT_LIN_DELETE, 0, 0, CALM_OK, 0},
		  {KIT_LIN_LOAD_AND_DELETE, 0, 0, CALM_OK, 5},
		  {KIT_LIN_COMPARE_AND_SWAP, 6, 5, CALM_OK, 0},
		  {KIT_LIN_COMPARE_AND_SWAP, 6, 5, CALM_CHANGED, 0},
		  {KIT_LIN_COMPARE_AND_DELETE, 0, 5, CALM_OK, 0},
		  {KIT_LIN_COMPARE_AND_DELETE, 0, 5, CALM_CHANGED, 0},
	  };

	(void)state;
	for (size_t i = 0; i < sizeof wrong_if_5 / sizeof *wrong_if_5; i++) {
		store(0, 1, 2, 5);
		op(1, 3, 4, wrong_if_5[i].verb, wrong_if_5[i].value, wrong_if_5[i].expected,
		   wrong_if_5[i].status, wrong_if_5[i].result);
		bad();
	}
	for (size_t i = 0; i < sizeof wrong_if_absent / sizeof *wrong_if_absent; i++) {
		op(1, 3, 4, wrong_if_absent[i].verb, wrong_if_absent[i].value,
		   wrong_if_absent[i].expected, wrong_if_absent[i].status,
		   wrong_if_absent[i].result);
		bad();
	}
}

static void a_stale_read(void **state)
{
	(void)state;
	store(0, 1, 2, 5);
	store(0, 3, 4, 6);
	load(1, 5, 6, 5);
	bad();
	/* While the second store is under way, either may be read, but not the new before the
	 * old. */
	store(0, 1, 2, 5);
	store(0, 3, 10, 6);
	load(1, 4, 5, 5);
	load(1, 6, 7, 6);
	load(2, 5, 6, 6);
	good();
	kit_lin_reset(lin);
	store(0, 1, 2, 5);
	store(0, 3, 10, 6);
	load(1, 4, 5, 6);
	load(1, 6, 7, 5);
	bad();
}

static void a_lost_update(void **state)
{
	(void)state;
	store(0, 1, 2, 5);
	/* Both swaps saw 5: the first was lost. */
	swap(1, 3, 6, 6, 5);
	swap(2, 4, 7, 7, 5);
	bad();
	store(0, 1, 2, 5);
	swap(1, 3, 6, 6, 5);
	swap(2, 4, 7, 7, 6);
	load(0, 8, 9, 7);
	good();
	kit_lin_reset(lin);
	/* Two inserters that both won. */
	op(1, 1, 4, KIT_LIN_LOAD_OR_STORE, 6, 0, CALM_OK, 6);
	op(2, 2, 5, KIT_LIN_LOAD_OR_STORE, 7, 0, CALM_OK, 7);
	bad();
	/* Two deletes of one binding. */
	store(0, 1, 2, 5);
	op(1, 3, 6, KIT_LIN_DELETE, 0, 0, CALM_OK, 0);
	op(2, 4, 7, KIT_LIN_DELETE, 0, 0, CALM_OK, 0);
	bad();
}

static void absent_after_an_insert(void **state)
{
	(void)state;
	op(0, 1, 2, KIT_LIN_LOAD_OR_STORE, 5, 0, CALM_OK, 5);
	absent(1, 3, 4);
	bad();
	/* Overlapping, it may be. */
	op(0, 1, 4, KIT_LIN_LOAD_OR_STORE, 5, 0, CALM_OK, 5);
	absent(1, 3, 5);
	good();
}

static void a_compare_that_was_wrong(void **state)
{
	(void)state;
	store(0, 1, 2, 5);
	op(1, 3, 4, KIT_LIN_COMPARE_AND_SWAP, 6, 5, CALM_OK, 0);
	op(2, 5, 6, KIT_LIN_COMPARE_AND_SWAP, 7, 5, CALM_OK, 0);
	bad();
	/* Two compares from the same value overlap: one must fail. */
	store(0, 1, 2, 5);
	op(1, 3, 6, KIT_LIN_COMPARE_AND_SWAP, 6, 5, CALM_OK, 0);
	op(2, 4, 7, KIT_LIN_COMPARE_AND_SWAP, 7, 5, CALM_OK, 0);
	bad();
	store(0, 1, 2, 5);
	op(1, 3, 6, KIT_LIN_COMPARE_AND_SWAP, 6, 5, CALM_OK, 0);
	op(2, 4, 7, KIT_LIN_COMPARE_AND_SWAP, 7, 5, CALM_CHANGED, 0);
	good();
}

static void the_order_of_stamps_binds(void **state)
{
	(void)state;
	/* Equal stamps overlap. */
	store(0, 1, 5, 5);
	absent(1, 5, 6);
	good();
	kit_lin_reset(lin);
	store(0, 1, 5, 5);
	absent(1, 6, 7);
	bad();
	/* A long operation may take effect at any time in it. */
	store(0, 1, 100, 5);
	absent(1, 2, 3);
	absent(1, 50, 60);
	load(1, 98, 99, 5);
	load(2, 98, 101, 5);
	good();
}

static void rounds_continue_from_the_last(void **state)
{
	uint64_t states[KIT_LIN_STATES];

	(void)state;
	store(0, 1, 5, 5);
	store(1, 2, 6, 6);
	good();
	assert_int_equal(kit_lin_states(lin, 1, states), 2);
	assert_int_equal(states[0] + states[1], 11);
	assert_int_equal(kit_lin_states(lin, 2, states), 1);
	assert_true(states[0] == KIT_LIN_ABSENT);
	/* Whichever it was, it is decided now. */
	load(2, 10, 11, 5);
	good();
	assert_int_equal(kit_lin_states(lin, 1, states), 1);
	assert_int_equal(states[0], 5);
	load(2, 12, 13, 6);
	assert_false(kit_lin_check(lin, logs, LOGS));
	/* Given up: no second report of the same key. */
	assert_int_equal(kit_lin_states(lin, 1, states), 0);
	load(2, 14, 15, 99);
	assert_true(kit_lin_check(lin, logs, LOGS));
	kit_lin_reset(lin);
	absent(2, 16, 17);
	good();
}

static void a_clear_touches_every_key(void **state)
{
	struct kit_lin_event other = {.begin = 1,
				      .end = 2,
				      .value = 9,
				      .key = 3,
				      .verb = KIT_LIN_STORE};
	uint64_t states[KIT_LIN_STATES];

	(void)state;
	store(0, 3, 4, 5);
	kit_lin_append(&logs[3], &other);
	op(1, 6, 7, KIT_LIN_CLEAR, 0, 0, CALM_OK, 0);
	absent(0, 8, 9);
	good();
	assert_int_equal(kit_lin_states(lin, 3, states), 1);
	assert_true(states[0] == KIT_LIN_ABSENT);
	/* In a round of its own, with no event of the key. */
	store(0, 10, 11, 5);
	good();
	op(1, 12, 13, KIT_LIN_CLEAR, 0, 0, CALM_OK, 0);
	good();
	load(0, 14, 15, 5);
	bad();
	/* A delete that found something cannot follow a clear without a store between them. */
	store(0, 1, 2, 5);
	op(1, 3, 8, KIT_LIN_CLEAR, 0, 0, CALM_OK, 0);
	op(2, 4, 9, KIT_LIN_DELETE, 0, 0, CALM_OK, 0);
	good();
	kit_lin_reset(lin);
	store(0, 1, 2, 5);
	op(1, 3, 5, KIT_LIN_CLEAR, 0, 0, CALM_OK, 0);
	op(2, 6, 9, KIT_LIN_DELETE, 0, 0, CALM_OK, 0);
	bad();
}

static void many_blind_writers_are_decided(void **state)
{
	(void)state;
	store(0, 1, 2, 1000);
	for (int t = 1; t < LOGS; t++)
		store(t, 10, 100 + (uint64_t)t, (uint64_t)t);
	load(0, 20, 30, 7);
	load(0, 31, 32, 9);
	load(0, 300, 301, 3);
	good();
	kit_lin_reset(lin);
	store(0, 1, 2, 1000);
	for (int t = 1; t < LOGS; t++)
		store(t, 10, 100 + (uint64_t)t, (uint64_t)t);
	load(0, 20, 30, 7);
	load(0, 31, 32, 9);
	load(0, 300, 301, 7);
	bad();
}

static void too_many_pending_is_no_pass(void **state)
{
	(void)state;
	for (int i = 0; i <= KIT_LIN_PENDING; i++)
		store(0, 1, 1000, (uint64_t)i);
	assert_false(kit_lin_check(lin, logs, LOGS));
	assert_int_equal(kit_lin_report(lin)->undecided, 1);
	assert_non_null(strstr(kit_lin_report(lin)->text, "undecided"));
}

static void lost_events_and_foreign_keys_are_no_pass(void **state)
{
	struct kit_lin_event foreign = {.begin = 1, .end = 2, .key = 10, .verb = KIT_LIN_STORE};

	(void)state;
	kit_lin_append(&logs[0], &foreign);
	assert_false(kit_lin_check(lin, logs, LOGS));
	logs[0].lost = 1;
	assert_false(kit_lin_check(lin, logs, LOGS));
	assert_int_equal(kit_lin_report(lin)->undecided, 2);
}

static void reports_show_the_operations(void **state)
{
	const char *text;

	(void)state;
	store(0, 1, 2, 5);
	swap(1, 3, 6, 6, 5);
	swap(2, 4, 7, 7, 5);
	assert_false(kit_lin_check(lin, logs, LOGS));
	text = kit_lin_report(lin)->text;
	assert_non_null(strstr(text, "thread 0   store(0:5) = OK"));
	assert_non_null(strstr(text, "swap(0:7) = OK 0:5"));
	assert_non_null(strstr(text, "\n> ["));
	kit_lin_reset(lin);
}

/*
 * Brute force: every order of the pending operations, over all orders that the stamps allow. Verbs
 * by hand again.
 */
static bool specified(const struct kit_lin_event *e, int *value)
{
	bool found = *value >= 0;
	int old = *value;

	switch (e->verb) {
	case KIT_LIN_LOAD:
		return found ? e->status == CALM_OK && (int)e->result == old
			     : e->status == CALM_ABSENT;
	case KIT_LIN_STORE:
		*value = (int)e->value;
		return e->status == CALM_OK;
	case KIT_LIN_SWAP:
		*value = (int)e->value;
		return found ? e->status == CALM_OK && (int)e->result == old
			     : e->status == CALM_ABSENT;
	case KIT_LIN_LOAD_OR_STORE:
		if (found)
			return e->status == CALM_PRESENT && (int)e->result == old;
		*value = (int)e->value;
		return e->status == CALM_OK && e->result == e->value;
	case KIT_LIN_DELETE:
		*value = -1;
		return e->status == (found ? CALM_OK : CALM_ABSENT);
	case KIT_LIN_LOAD_AND_DELETE:
		*value = -1;
		return found ? e->status == CALM_OK && (int)e->result == old
			     : e->status == CALM_ABSENT;
	case KIT_LIN_COMPARE_AND_SWAP:
	case KIT_LIN_COMPARE_AND_DELETE:
		if (!found)
			return e->status == CALM_ABSENT;
		if ((int)e->expected != old)
			return e->status == CALM_CHANGED;
		*value = e->verb == KIT_LIN_COMPARE_AND_SWAP ? (int)e->value : -1;
		return e->status == CALM_OK;
	default:
		*value = -1;
		return e->status == CALM_OK;
	}
}

/* Bit v + 1 of finals: the value v (-1: absent) may be left. */
static void search(const struct kit_lin_event *events, int n, unsigned done, int value,
		   unsigned *finals)
{
	uint64_t first_end = UINT64_MAX;

	if (done == (1u << n) - 1) {
		*finals |= 1u << (value + 1);
		return;
	}
	for (int i = 0; i < n; i++) {
		if ((done >> i & 1) == 0 && events[i].end < first_end)
			first_end = events[i].end;
	}
	for (int i = 0; i < n; i++) {
		int after = value;
		if ((done >> i & 1) == 0 && events[i].begin <= first_end &&
		    specified(&events[i], &after))
			search(events, n, done | 1u << i, after, finals);
	}
}

/* Fills in what a verb would answer in this state, and applies it. */
static void perform(struct kit_lin_event *e, int *value)
{
	for (int status = CALM_OK; status <= CALM_CHANGED; status++) {
		int after = *value;
		e->status = (int8_t)status;
		e->result = e->verb == KIT_LIN_LOAD_OR_STORE && status == CALM_OK ? e->value
			    : *value >= 0                                         ? (uint64_t)*value
										  : 0;
		if (specified(e, &after)) {
			*value = after;
			return;
		}
	}
}

/*
 * n operations at random: performed in the order of instants inside their intervals, so
 * linearizable; then, in half of the histories, one answer is changed. unique: no value is stored
 * twice.
 */
static int make_history(struct kit_random *random, struct kit_lin_event *events, int n, bool unique,
			uint64_t width)
{
	int value = -1;

	for (int i = 0; i < n; i++) {
		uint64_t instant = 100 + 10 * (uint64_t)i;
		events[i] = (struct kit_lin_event){
			.begin = instant - kit_random_below(random, width),
			.end = instant + kit_random_below(random, width),
			.value = unique ? (uint64_t)i : kit_random_below(random, 3),
			.expected = kit_random_below(random, unique ? (uint64_t)i + 1 : 3),
			.key = 1,
			.verb = (uint8_t)kit_random_below(random, KIT_LIN_CLEAR + (n % 2 == 0)),
			.thread = (uint16_t)i};
		perform(&events[i], &value);
	}
	if (kit_random_below(random, 2) == 0) {
		struct kit_lin_event *e = &events[kit_random_below(random, (uint64_t)n)];
		if (kit_random_below(random, 2) == 0)
			e->status = (int8_t)kit_random_below(random, 4);
		else
			e->result = kit_random_below(random, (uint64_t)n);
	}
	return value;
}

static int by_begin(const void *a, const void *b)
{
	uint64_t x = ((const struct kit_lin_event *)a)->begin,
		 y = ((const struct kit_lin_event *)b)->begin;

	return (x > y) - (x < y);
}

static void verdicts_are_those_of_brute_force(void **state)
{
	enum { RUNS = 120000, MOST = 9 };
	struct kit_jit *jit = NULL;
	size_t linearizable = 0, wrong = 0;

	(void)state;
	assert_int_equal(kit_jit_new(&jit), CALM_OK);
	for (int run = 0; run < RUNS; run++) {
		struct kit_lin_event events[MOST];
		const struct kit_lin_event *culprit = NULL;
		struct kit_random random;
		uint64_t states[KIT_LIN_STATES] = {KIT_LIN_ABSENT};
		size_t count = 1;
		unsigned finals = 0, found = 0;
		kit_random_seed(&random, (uint64_t)run / 2);
		kit_jit_always_hint(jit, run % 2 == 1);
		int n = 2 + (int)kit_random_below(&random, MOST - 1);
		(void)make_history(&random, events, n, run % 4 < 2, run / 2 % 3 == 0 ? 20 : 60);
		qsort(events, (size_t)n, sizeof *events, by_begin);
		search(events, n, 0, -1, &finals);
		enum kit_jit_outcome outcome = kit_jit_check(jit, events, (size_t)n, states, &count,
							     &culprit);
		/* More final states than a key can keep is undecided, by contract. */
		if (__builtin_popcount(finals) > KIT_LIN_STATES) {
			assert_int_equal(outcome, KIT_JIT_UNDECIDED);
			continue;
		}
		if (outcome != (finals != 0 ? KIT_JIT_FINE : KIT_JIT_WRONG))
			fail_msg("run %d: %d, but brute force has finals %x", run, outcome, finals);
		linearizable += finals != 0;
		wrong += finals == 0;
		if (finals == 0) {
			assert_true(culprit >= events && culprit < events + n);
			continue;
		}
		for (size_t i = 0; i < count; i++)
			found |= states[i] == KIT_LIN_ABSENT ? 1 : 1u << (states[i] + 1);
		if (found != finals)
			fail_msg("run %d: finals %x, brute force has %x", run, found, finals);
	}
	assert_true(linearizable > RUNS / 4 && wrong > RUNS / 8);
	kit_jit_free(jit);
}

/*
 * Long histories with much overlap, linearizable by construction, are decided; with one stale load
 * they are refused.
 */
static void long_histories_of_many_threads(void **state)
{
	enum { N = 4000 };
	struct kit_lin_event *events = calloc(N, sizeof *events);
	struct kit_jit *jit = NULL;

	(void)state;
	assert_int_equal(kit_jit_new(&jit), CALM_OK);
	for (uint64_t seed = 0; seed < 10; seed++) {
		const struct kit_lin_event *culprit = NULL;
		struct kit_random random;
		uint64_t states[KIT_LIN_STATES] = {KIT_LIN_ABSENT};
		size_t count = 1;
		int value = -1;
		kit_random_seed(&random, seed);
		for (int i = 0; i < N; i++) {
			uint64_t instant = 1000 + 10 * (uint64_t)i;
			/* Some operations take very long, as those of a preempted thread do. */
			uint64_t width = kit_random_below(&random, 100) == 0 ? 900 : 30;
			events[i] = (struct kit_lin_event){
				.begin = instant - kit_random_below(&random, width),
				.end = instant + kit_random_below(&random, width),
				.value = (uint64_t)i,
				.expected = (uint64_t)(value < 0 ? 0 : value),
				.key = 1,
				.verb = (uint8_t)kit_random_below(&random, KIT_LIN_CLEAR)};
			perform(&events[i], &value);
		}
		qsort(events, N, sizeof *events, by_begin);
		assert_int_equal(kit_jit_check(jit, events, N, states, &count, &culprit),
				 KIT_JIT_FINE);
		int at = N / 2;
		while (events[at].verb != KIT_LIN_LOAD || events[at].status != CALM_OK)
			at++;
		events[at].result -= 400;
		states[0] = KIT_LIN_ABSENT;
		count = 1;
		assert_int_equal(kit_jit_check(jit, events, N, states, &count, &culprit),
				 KIT_JIT_WRONG);
	}
	kit_jit_free(jit);
	free(events);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(one_after_the_other),
		TEST(each_wrong_answer),
		TEST(a_stale_read),
		TEST(a_lost_update),
		TEST(absent_after_an_insert),
		TEST(a_compare_that_was_wrong),
		TEST(the_order_of_stamps_binds),
		TEST(rounds_continue_from_the_last),
		TEST(a_clear_touches_every_key),
		TEST(many_blind_writers_are_decided),
		TEST(too_many_pending_is_no_pass),
		TEST(lost_events_and_foreign_keys_are_no_pass),
		TEST(reports_show_the_operations),
		cmocka_unit_test(verdicts_are_those_of_brute_force),
		cmocka_unit_test(long_histories_of_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
