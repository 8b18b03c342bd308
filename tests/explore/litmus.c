/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Litmus tests: programs of a few operations each, and an outcome that a memory model allows or
 * forbids. C11 allows more than stale.c shows; those outcomes are here too, as never shown, so that
 * the page that says so is held to it (docs/design/explore.md).
 *
 *	message       x = 1; flag = 1 | flag, x       saw the flag, not x
 *	store-load    x = 1; y | y = 1; x             each missed the other's store
 *	readers       x = 1 | y = 1 | x, y | y, x     the two disagree on which came first
 *	handed-on     x = 1; y = 1 | y, z = 1 | z, x  saw z, not x
 *	backwards     x = 1; x = 2 | x, x             saw 2 and then 1
 *	passed-on     x = 1; y = 1 | y += 1 | y, x    saw 2, not x
 *	load-store    x, y = 1 | y, x = 1             each saw the other's store
 *	told          x = 1; y | y = 1; told of x?    missed y, was not told
 *
 * Source: the shapes are those of Maranget, Sarkar and Sewell, "A tutorial introduction to the ARM and POWER
 * relaxed memory models" (2012).
 */
#include "explore/litmus.h"

#include "explore/sched.h"
#include "explore/stale.h"

#include "base/atomic.h"
#include "base/port.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SEEDS 4000
#define FIBERS 4

static struct {
	shared_u64 x, y, z;
	uint64_t saw[FIBERS][2];
	struct stale_point stored;
} at;

/* The programs, by fiber; each kind of order is one of their arguments. */
enum order { RELAXED, ACQUIRE_RELEASE, SC, HALF, FENCES, BARRIER, LIGHT, SC_AND_FENCE };

static void put(shared_u64 *word, uint64_t value, enum order order)
{
	if (order == ACQUIRE_RELEASE)
		store_release(word, value);
	else if (order == SC)
		store_sc(word, value);
	else
		store_relaxed(word, value);
}

static uint64_t get(shared_u64 *word, enum order order)
{
	if (order == ACQUIRE_RELEASE || order == HALF)
		return load_acquire(word);
	return order == SC ? load_sc(word) : load_relaxed(word);
}

static void between(enum order order, unsigned fiber)
{
	if (order == FENCES || (order == LIGHT && fiber == 0) ||
	    (order == SC_AND_FENCE && fiber == 1))
		fence_section(true);
	if (order == BARRIER && fiber == 0)
		calm__membarrier();
}

static void message(unsigned fiber, enum order order)
{
	if (fiber == 0) {
		put(&at.x, 1, RELAXED);
		put(&at.y, 1, order);
	} else {
		at.saw[1][0] = get(&at.y, order);
		at.saw[1][1] = get(&at.x, RELAXED);
	}
}

static bool missed_message(void)
{
	return at.saw[1][0] == 1 && at.saw[1][1] == 0;
}

static void store_load(unsigned fiber, enum order order)
{
	enum order own = order == SC_AND_FENCE && fiber == 0 ? SC : order;
	put(fiber == 0 ? &at.x : &at.y, 1, own);
	between(order, fiber);
	at.saw[fiber][0] = get(fiber == 0 ? &at.y : &at.x, own);
}

static bool missed_both(void)
{
	return at.saw[0][0] == 0 && at.saw[1][0] == 0;
}

static void readers(unsigned fiber, enum order order)
{
	if (fiber < 2) {
		put(fiber == 0 ? &at.x : &at.y, 1, order);
		return;
	}
	at.saw[fiber][0] = get(fiber == 2 ? &at.x : &at.y, order);
	at.saw[fiber][1] = get(fiber == 2 ? &at.y : &at.x, order);
}

static bool disagreed(void)
{
	return at.saw[2][0] == 1 && at.saw[2][1] == 0 && at.saw[3][0] == 1 && at.saw[3][1] == 0;
}

static void handed_on(unsigned fiber, enum order order)
{
	if (fiber == 0) {
		put(&at.x, 1, RELAXED);
		put(&at.y, 1, order);
	} else if (fiber == 1) {
		if (get(&at.y, order) == 1)
			put(&at.z, 1, order);
	} else {
		at.saw[1][0] = get(&at.z, order);
		at.saw[1][1] = get(&at.x, RELAXED);
	}
}

static void backwards(unsigned fiber, enum order order)
{
	if (fiber == 0) {
		put(&at.x, 1, order);
		put(&at.x, 2, order);
	} else {
		at.saw[1][0] = get(&at.x, order);
		at.saw[1][1] = get(&at.x, order);
	}
}

static bool went_back(void)
{
	return at.saw[1][0] > at.saw[1][1];
}

static void passed_on(unsigned fiber, enum order order)
{
	if (fiber == 0) {
		put(&at.x, 1, RELAXED);
		put(&at.y, 1, order);
	} else if (fiber == 1) {
		(void)add_relaxed(&at.y, 1);
	} else {
		at.saw[1][0] = get(&at.y, order) == 2;
		at.saw[1][1] = get(&at.x, RELAXED);
	}
}

/* That the second is added first, and the sum is none, is not asked. */
static bool missed_sum(void)
{
	return at.saw[1][0] == 1 && at.saw[1][1] == 0 && load_relaxed(&at.y) == 2;
}

static void load_store(unsigned fiber, enum order order)
{
	at.saw[fiber][0] = get(fiber == 0 ? &at.x : &at.y, order);
	put(fiber == 0 ? &at.y : &at.x, 1, order);
}

static bool saw_both(void)
{
	return at.saw[0][0] == 1 && at.saw[1][0] == 1;
}

/* What is not told may not be given back, though it be seen to be over. */
static void told(unsigned fiber, enum order order)
{
	put(fiber == 0 ? &at.x : &at.y, 1, RELAXED);
	if (fiber == 0)
		at.stored = stale_here();
	between(order, fiber);
	at.saw[fiber][0] = fiber == 0 ? get(&at.y, RELAXED) : stale_knows(at.stored);
}

enum shown { FORBIDDEN, SHOWN, NEVER_SHOWN };

static const struct litmus {
	const char *name;
	unsigned fibers;
	void (*run)(unsigned fiber, enum order order);
	enum order order;
	bool (*outcome)(void);
	enum shown shown;
} tests[] = {
	{"message, relaxed", 2, message, RELAXED, missed_message, SHOWN},
	{"message, acquire alone", 2, message, HALF, missed_message, SHOWN},
	{"message, release and acquire", 2, message, ACQUIRE_RELEASE, missed_message, FORBIDDEN},
	{"store-load, release and acquire", 2, store_load, ACQUIRE_RELEASE, missed_both, SHOWN},
	{"store-load, sc", 2, store_load, SC, missed_both, FORBIDDEN},
	{"store-load, sc and fence", 2, store_load, SC_AND_FENCE, missed_both, FORBIDDEN},
	{"store-load, fences", 2, store_load, FENCES, missed_both, FORBIDDEN},
	{"store-load, one fence", 2, store_load, LIGHT, missed_both, SHOWN},
	{"store-load, membarrier", 2, store_load, BARRIER, missed_both, FORBIDDEN},
	{"readers, release and acquire", 4, readers, ACQUIRE_RELEASE, disagreed, SHOWN},
	{"readers, sc", 4, readers, SC, disagreed, FORBIDDEN},
	{"handed-on, relaxed", 3, handed_on, RELAXED, missed_message, SHOWN},
	{"handed-on, release and acquire", 3, handed_on, ACQUIRE_RELEASE, missed_message,
	 FORBIDDEN},
	{"backwards, relaxed", 2, backwards, RELAXED, went_back, FORBIDDEN},
	{"passed-on, relaxed", 3, passed_on, RELAXED, missed_sum, SHOWN},
	{"passed-on, release and acquire", 3, passed_on, ACQUIRE_RELEASE, missed_sum, FORBIDDEN},
	{"load-store, relaxed", 2, load_store, RELAXED, saw_both, NEVER_SHOWN},
	{"told, fences", 2, told, FENCES, missed_both, SHOWN},
	{"told, membarrier", 2, told, BARRIER, missed_both, FORBIDDEN},
};

static void run(unsigned fiber, void *context)
{
	const struct litmus *test = context;
	test->run(fiber, test->order);
}

bool litmus_all(uint64_t seed)
{
	bool fine = true;
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		uint64_t shown = 0;
		for (uint64_t n = 0; n < SEEDS; n++) {
			struct explore_plan plan = {.policy = EXPLORE_UNIFORM,
						    .seed = seed + n,
						    .fibers = tests[i].fibers,
						    .run = run,
						    .context = (void *)(uintptr_t)&tests[i],
						    .horizon = 16,
						    .most = 1000,
						    .stale = true};
			struct explore_outcome outcome;
			explore_fresh(false);
			memset(&at, 0, sizeof(at));
			explore_run(&plan, &outcome);
			shown += tests[i].outcome();
		}
		bool right = (shown > 0) == (tests[i].shown == SHOWN);
		printf("litmus: %-32s %" PRIu64 " of %d%s\n", tests[i].name, shown, SEEDS,
		       right ? "" : ", WRONG");
		fine &= right;
	}
	return fine;
}
