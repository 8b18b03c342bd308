/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Planted defects: that the scheduler finds what is there to be found, in few seeds, and that what
 * it does not find is not for want of waking sleepers, ending spins or seeing poison.
 *
 *	lost-update   a counter that is loaded and stored: one switch between the two
 *	two-locks     two locks taken in either order: a deadlock
 *	polite        each waits until the other is done: a livelock
 *	late          a flag that is looked at once more after two others have changed: depth 3
 *	stays-away    a reader without a read section, and a writer that retires what it reads
 *	lost-wake     a sleeper that is told before it sleeps: a deadlock
 */
#include "explore/planted.h"

#include "explore/history.h"
#include "suite.h"

#include "base/lock.h"
#include <calm/calm.h>

static struct {
	shared_u64 counter;
	shared_u32 flags[3];
	struct calm__lock locks[2];
	calm_cell cell;
} shared;

/* ---- lost-update ---- */

static void lost_update(unsigned fiber, void *context)
{
	(void)fiber;
	(void)context;
	store_relaxed(&shared.counter, load_relaxed(&shared.counter) + 1);
}

static void run_lost_update(const struct explore_plan *plan, struct explore_outcome *outcome)
{
	struct explore_plan with = *plan;
	with.run = lost_update;
	with.fibers = 3;
	explore_run(&with, outcome);
	if (load_relaxed(&shared.counter) != 3)
		explore_fail("the counter is %d", (int)load_relaxed(&shared.counter));
}

/* ---- two-locks ---- */

static void two_locks(unsigned fiber, void *context)
{
	(void)context;
	calm__lock(&shared.locks[fiber]);
	calm__lock(&shared.locks[1 - fiber]);
	calm__unlock(&shared.locks[1 - fiber]);
	calm__unlock(&shared.locks[fiber]);
}

static void run_two_locks(const struct explore_plan *plan, struct explore_outcome *outcome)
{
	struct explore_plan with = *plan;
	with.run = two_locks;
	with.fibers = 2;
	explore_run(&with, outcome);
}

/* ---- polite ---- */

static void polite(unsigned fiber, void *context)
{
	(void)context;
	store_relaxed(&shared.flags[fiber], 1);
	while (load_relaxed(&shared.flags[1 - fiber]) != 0)
		calm__pause();
	store_relaxed(&shared.flags[fiber], 0);
}

static void run_polite(const struct explore_plan *plan, struct explore_outcome *outcome)
{
	struct explore_plan with = *plan;
	with.run = polite;
	with.fibers = 2;
	explore_run(&with, outcome);
}

/* ---- late ---- */

static void late(unsigned fiber, void *context)
{
	(void)context;
	if (fiber > 0) {
		for (int i = 0; i < 10; i++)
			add_relaxed(&shared.counter, 1);
		store_relaxed(&shared.flags[fiber], 1);
		for (int i = 0; i < 10; i++)
			add_relaxed(&shared.counter, 1);
		store_relaxed(&shared.flags[fiber], 2);
		return;
	}
	bool first = load_relaxed(&shared.flags[1]) == 1;
	if (first && load_relaxed(&shared.flags[2]) == 1)
		explore_fail("both halfway");
}

static void run_late(const struct explore_plan *plan, struct explore_outcome *outcome)
{
	struct explore_plan with = *plan;
	with.run = late;
	with.fibers = 3;
	explore_run(&with, outcome);
}

/* ---- stays-away ---- */

static uint64_t states[8];

static void poison(void *state, void *context)
{
	(void)context;
	*(uint64_t *)state = 0;
}

static void stays_away(unsigned fiber, void *context)
{
	(void)context;
	if (fiber == 0) {
		const uint64_t *state = calm_cell_load(&shared.cell);
		explore_yield();
		if (*state != 1)
			explore_fail("a reader sees what was released");
		return;
	}
	for (int i = 1; i < 8; i++)
		(void)calm_cell_swap(&shared.cell, &states[i], NULL);
}

static void run_stays_away(const struct explore_plan *plan, struct explore_outcome *outcome)
{
	struct explore_plan with = *plan;
	for (int i = 0; i < 8; i++)
		states[i] = 1;
	(void)calm_cell_init(&shared.cell, &states[0], poison, NULL);
	with.run = stays_away;
	with.fibers = 2;
	explore_run(&with, outcome);
	(void)calm_cell_destroy(&shared.cell);
	(void)calm_read_wait();
}

/* ---- lost-wake ---- */

static void lost_wake(unsigned fiber, void *context)
{
	(void)context;
	if (fiber == 0) {
		/* The word that is slept on never changes: between the look and the sleep, the wake is lost. */
		if (load_relaxed(&shared.flags[0]) == 0)
			calm__futex_wait(&shared.flags[1], 0);
	} else {
		store_relaxed(&shared.flags[0], 1);
		calm__futex_wake(&shared.flags[1], 1);
	}
}

static void run_lost_wake(const struct explore_plan *plan, struct explore_outcome *outcome)
{
	struct explore_plan with = *plan;
	with.run = lost_wake;
	with.fibers = 2;
	explore_run(&with, outcome);
}

const struct planted planted[] = {
	{"lost-update", run_lost_update, "the counter is", {200, 500, 500}},
	{"two-locks", run_two_locks, "deadlock", {200, 500, 500}},
	{"polite", run_polite, "livelock", {200, 500, 500}},
	{"late", run_late, "both halfway", {0, 5000, 5000}},
	{"stays-away", run_stays_away, "a reader sees", {0, 20000, 20000}},
	{"lost-wake", run_lost_wake, "deadlock", {1000, 1500, 1500}},
};
const unsigned planted_count = sizeof(planted) / sizeof(planted[0]);

/* ---- histories ---- */

#define EVENT(b, e, v, k, ...)                                                         \
	{                                                                              \
		.begin = (b), .end = (e), .verb = HISTORY_##v, .key = (k), __VA_ARGS__ \
	}

struct history_case {
	enum history_verdict verdict;
	bool strict;
	unsigned count;
	struct history_event events[5];
};

static const struct history_case cases[] = {
	/* A load may see a store that overlaps it, or not. */
	{HISTORY_LINEARIZABLE,
	 false,
	 2,
	 {EVENT(1, 4, STORE, 0, .value = 1), EVENT(2, 3, LOAD, 0, .result = 1)}},
	{HISTORY_LINEARIZABLE,
	 false,
	 2,
	 {EVENT(1, 4, STORE, 0, .value = 1), EVENT(2, 3, LOAD, 0, .status = CALM_ABSENT)}},
	/* Of one that is over, it must. */
	{HISTORY_VIOLATION,
	 false,
	 2,
	 {EVENT(1, 2, STORE, 0, .value = 1), EVENT(3, 4, LOAD, 0, .status = CALM_ABSENT)}},
	/* Two loads that disagree on the order. */
	{HISTORY_VIOLATION,
	 false,
	 3,
	 {EVENT(1, 8, STORE, 0, .value = 1), EVENT(2, 3, LOAD, 0, .result = 1),
	  EVENT(4, 5, LOAD, 0, .status = CALM_ABSENT)}},
	/* A snapshot without what a load before it saw. */
	{HISTORY_VIOLATION,
	 false,
	 3,
	 {EVENT(1, 8, STORE, 0, .value = 1), EVENT(2, 3, LOAD, 0, .result = 1),
	  EVENT(4, 5, SNAPSHOT, 0, .state = 0)}},
	/* One with a write, but not with what had to precede that. */
	{HISTORY_VIOLATION,
	 false,
	 3,
	 {EVENT(1, 2, STORE, 0, .value = 1), EVENT(3, 8, STORE, 1, .value = 2),
	  EVENT(4, 5, SNAPSHOT, 0, .state = 0x200)}},
	{HISTORY_LINEARIZABLE,
	 false,
	 3,
	 {EVENT(1, 2, STORE, 0, .value = 1), EVENT(3, 8, STORE, 1, .value = 2),
	  EVENT(4, 5, SNAPSHOT, 0, .state = 0x201)}},
	/* A load that is older than a snapshot before it. */
	{HISTORY_VIOLATION,
	 false,
	 3,
	 {EVENT(1, 8, STORE, 0, .value = 1), EVENT(2, 3, SNAPSHOT, 0, .state = 1),
	  EVENT(4, 5, LOAD, 0, .status = CALM_ABSENT)}},
	/* All keys go at once. */
	{HISTORY_VIOLATION,
	 false,
	 5,
	 {EVENT(1, 2, STORE, 0, .value = 1), EVENT(3, 4, STORE, 1, .value = 2),
	  EVENT(5, 12, CLEAR, 0, .status = 0), EVENT(6, 7, LOAD, 0, .status = CALM_ABSENT),
	  EVENT(8, 9, LOAD, 1, .result = 2)}},
	/* Between the two writes of an apply: loads, if the kind says so; never a snapshot. */
	{HISTORY_LINEARIZABLE,
	 false,
	 4,
	 {EVENT(1, 9, STORE, 0, .value = 1, .group = 1),
	  EVENT(1, 9, STORE, 1, .value = 2, .group = 1), EVENT(2, 3, LOAD, 0, .result = 1),
	  EVENT(4, 5, LOAD, 1, .status = CALM_ABSENT)}},
	{HISTORY_VIOLATION,
	 true,
	 4,
	 {EVENT(1, 9, STORE, 0, .value = 1, .group = 1),
	  EVENT(1, 9, STORE, 1, .value = 2, .group = 1), EVENT(2, 3, LOAD, 0, .result = 1),
	  EVENT(4, 5, LOAD, 1, .status = CALM_ABSENT)}},
	{HISTORY_VIOLATION,
	 false,
	 3,
	 {EVENT(1, 9, STORE, 0, .value = 1, .group = 1),
	  EVENT(1, 9, STORE, 1, .value = 2, .group = 1), EVENT(2, 3, SNAPSHOT, 0, .state = 1)}},
	/* Two deletes of one binding; two inserts. */
	{HISTORY_VIOLATION,
	 false,
	 3,
	 {EVENT(1, 2, STORE, 0, .value = 1), EVENT(3, 6, DELETE, 0, .status = 0),
	  EVENT(4, 5, DELETE, 0, .status = 0)}},
	{HISTORY_VIOLATION,
	 false,
	 2,
	 {EVENT(1, 4, LOAD_OR_STORE, 0, .value = 1), EVENT(2, 3, LOAD_OR_STORE, 0, .value = 2)}},
	{HISTORY_LINEARIZABLE,
	 false,
	 2,
	 {EVENT(1, 4, LOAD_OR_STORE, 0, .value = 1),
	  EVENT(2, 3, LOAD_OR_STORE, 0, .value = 2, .status = CALM_PRESENT, .result = 1)}},
	/* A compare that failed, though nothing else was ever there. */
	{HISTORY_VIOLATION,
	 false,
	 2,
	 {EVENT(1, 2, STORE, 0, .value = 1),
	  EVENT(3, 4, COMPARE_AND_SWAP, 0, .value = 2, .expected = 1, .status = CALM_CHANGED)}},
};

void planted_run(const struct planted *it, const struct explore_plan *plan,
		 struct explore_outcome *outcome)
{
	explore_fresh(false);
	memset(&shared, 0, sizeof(shared));
	it->run(plan, outcome);
}

void planted_histories(void)
{
	for (unsigned i = 0; i < SUITE_COUNT(cases); i++) {
		struct history history = {.count = cases[i].count, .strict = cases[i].strict};
		memcpy(history.events, cases[i].events, sizeof(cases[i].events));
		if (history_check(&history) == cases[i].verdict)
			continue;
		printf("history %u is judged wrongly:\n", i);
		history_print(stdout, &history);
		abort();
	}
}
