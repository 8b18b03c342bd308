/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The scheduler. Every access to shared memory is a step (base/atomic.h calls calm__explore_step()
 * before it), and before each step the policy may let another fiber go on. All is decided by one
 * generator, seeded by the schedule's seed; nothing else varies: the clock is virtual, and each
 * schedule finds the threads and the reclamation as if the program had just begun (threads.c).
 *
 *	now         the step that is about to be made
 *	next        the first step at which the policy wants to be asked: the usual step costs an
 *	            increment and a compare
 *	runnable    bit per fiber: has not finished, and does not sleep
 *	paused      bit per fiber: spins, and gets no turn while one that does not spin can run
 *
 * Policies. Uniform: any runnable fiber, at each step; every schedule is possible, and those that
 * need a fiber to stand still for long are improbable. Priority: the runnable fiber of the highest
 * random priority runs, which at d - 1 random steps falls below all others: a defect that needs d
 * ordered events is found with probability at least 1 / (n * k^(d-1)) for n fibers and k steps,
 * however long one must stand still. Bounded: a fiber runs until it sleeps, spins or ends, but for
 * at most 3 preemptions at random steps; most known defects need one or two.
 *
 * Or none of them: one fiber is frozen at a step of its own, to see who can go on without it.
 *
 * A fiber that spins would hang a schedule under the latter two, so to pause is to let others go
 * first: until each of them pauses, sleeps or ends, or a change or preemption stirs them up.
 *
 * Source: priorities, Burckhardt, Kothari, Musuvathi and Nagarakatte, "A randomized scheduler with
 * probabilistic guarantees of finding bugs", ASPLOS 2010, section 3; bounded preemptions, Musuvathi
 * and Qadeer, "Iterative context bounding for systematic testing of multithreaded programs", PLDI
 * 2007. Rejected: enumerating all schedules with partial-order reduction. It decides small cases for
 * good, but the cases of interest (a resize under a snapshot) have hundreds of steps.
 */
#include "explore/sched.h"

#include "explore/fiber.h"
#include "explore/stale.h"
#include "explore/threads.h"
#include "kit/random.h"

#include "base/atomic.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *const explore_policies[EXPLORE_POLICIES] = {"uniform", "priority", "bounded"};

#define NEVER UINT64_MAX
#define ALONE_MOST 10000
/* The virtual clock: when it starts, and what a step takes. */
#define CLOCK_START 1000000000U
#define CLOCK_STEP 20

/* A priority change, or a preemption. */
struct point {
	uint64_t step;
	unsigned priority; /* what the running fiber falls to */
};

static struct {
	uint64_t now;
	uint64_t next;
	unsigned current;
	unsigned runnable;
	unsigned paused;
	unsigned waking; /* position in `waits` from which a wake looks */
	uint64_t random;
	const struct explore_plan *plan;
	struct explore_outcome *outcome;
	struct point points[EXPLORE_POINTS + 1]; /* the last at step NEVER */
	unsigned point;                          /* the next of them */
	unsigned priority[EXPLORE_FIBERS];
	const volatile void *waits[EXPLORE_FIBERS]; /* what a sleeping fiber waits for, or NULL */
	uint32_t tick;
	uint64_t slept;
	bool frozen;
	unsigned alone;                          /* pauses of explore_run's caller */
	struct fiber fibers[EXPLORE_FIBERS + 1]; /* the last: explore_run's caller */
	bool ready;
} sched = {.next = NEVER, .current = EXPLORE_NOBODY};

/* ---- choosing ---- */

static uint64_t below(uint64_t n)
{
	__extension__ typedef unsigned __int128 wide;
	return (uint64_t)((wide)kit_splitmix(&sched.random) * n >> 64);
}

static unsigned one_of(unsigned bits)
{
	if (bits & (bits - 1))
		for (uint64_t k = below((unsigned)__builtin_popcount(bits)); k > 0; k--)
			bits &= bits - 1;
	return (unsigned)__builtin_ctz(bits);
}

/* The fiber that the policy lets run, of those in bits, which are not none. */
static unsigned choose(unsigned bits)
{
	if (sched.plan->policy != EXPLORE_PRIORITY)
		return one_of(bits);
	unsigned best = (unsigned)__builtin_ctz(bits);
	for (unsigned i = best + 1; i < EXPLORE_FIBERS; i++)
		if (bits >> i & 1 && sched.priority[i] > sched.priority[best])
			best = i;
	return best;
}

/* Random places for the changes or preemptions; and random priorities above all those of changes. */
static void draw_points(const struct explore_plan *plan)
{
	bool none = plan->policy == EXPLORE_UNIFORM || plan->freeze_at != 0;
	unsigned n = none ? 0 : (unsigned)below(EXPLORE_POINTS + 1);
	for (unsigned i = 0; i < n; i++) {
		struct point point = {1 + below(plan->horizon), i + 1};
		unsigned at = i;
		for (; at > 0 && sched.points[at - 1].step > point.step; at--)
			sched.points[at] = sched.points[at - 1];
		sched.points[at] = point;
	}
	sched.points[n].step = NEVER;
	sched.point = 0;
	for (unsigned i = 0; i < plan->fibers; i++) {
		unsigned other = (unsigned)below(i + 1);
		sched.priority[i] = sched.priority[other];
		sched.priority[other] = EXPLORE_POINTS + 1 + i;
	}
}

/* When the policy wants to be asked again. */
static void set_next(void)
{
	uint64_t next = sched.points[sched.point].step;
	if (sched.plan->freeze_at != 0)
		next = sched.frozen ? sched.now + sched.plan->patience : sched.plan->freeze_at;
	else if (sched.plan->policy == EXPLORE_UNIFORM)
		next = sched.now + 1;
	sched.next = next < sched.plan->most ? next : sched.plan->most;
}

/* ---- switching ---- */

/* Where in the program: what addr2line wants. */
static void trace(unsigned to, const volatile void *address, const void *caller)
{
	extern const char __executable_start[];
	fprintf(sched.plan->trace, "%6" PRIu64 "  ", sched.now);
	if (sched.current == EXPLORE_NOBODY)
		fprintf(sched.plan->trace, "fiber %u begins", to);
	else if (!(sched.runnable >> sched.current & 1) && !sched.waits[sched.current])
		fprintf(sched.plan->trace, "fiber %u has ended -> %u", sched.current, to);
	else
		fprintf(sched.plan->trace, "fiber %u %s -> %u", sched.current,
			sched.waits[sched.current] ? "sleeps" : "stands", to);
	if (address)
		fprintf(sched.plan->trace, ", before %p", (const void *)(uintptr_t)address);
	if (caller)
		fprintf(sched.plan->trace, ", code 0x%" PRIxPTR,
			(uintptr_t)caller - (uintptr_t)__executable_start);
	fputc('\n', sched.plan->trace);
}

static void go(unsigned to, const volatile void *address, const void *caller)
{
	unsigned from = sched.current;
	struct explore_outcome *outcome = sched.outcome;
	sched.paused &= ~(1U << to);
	if (to == from)
		return;
	outcome->switches++;
	outcome->print = (outcome->print ^ (sched.now << 3 | to)) * 0x9e3779b97f4a7c15U;
	if (sched.plan->trace)
		trace(to, address, caller);
	sched.current = to;
	threads_swap(from, to);
	fiber_switch(&sched.fibers[from], &sched.fibers[to]);
}

/* The schedule is over, and with it the running fiber. */
_Noreturn static void end(enum explore_end how)
{
	sched.outcome->end = how;
	if (how == EXPLORE_DEADLOCK)
		explore_fail("deadlock: all fibers that have not ended sleep");
	if (how == EXPLORE_LIVELOCK)
		explore_fail("livelock: %" PRIu64 " steps", sched.now);
	fiber_before(&sched);
	unsigned from = sched.current;
	sched.current = EXPLORE_NOBODY;
	threads_swap(from, EXPLORE_NOBODY);
	fiber_switch(&sched.fibers[from], &sched.fibers[EXPLORE_NOBODY]);
	abort();
}

/* Fiber 0 goes on. */
static void thaw(bool waited)
{
	sched.outcome->waited = waited;
	sched.runnable |= 1;
	sched.frozen = false;
	sched.next = sched.plan->most;
}

static bool somebody_sleeps(void)
{
	for (unsigned i = 0; i < EXPLORE_FIBERS; i++)
		if (sched.waits[i])
			return true;
	return false;
}

/* Lets one of the others run: the caller cannot, or has nothing to do. */
static void go_elsewhere(const volatile void *address, const void *caller)
{
	if (sched.runnable == 0 && sched.frozen)
		thaw(somebody_sleeps());
	unsigned others = sched.runnable & ~sched.paused;
	if (others == 0) {
		others = sched.runnable & ~(1U << sched.current);
		sched.paused = 0;
	}
	if (others == 0)
		others = sched.runnable;
	if (others == 0)
		end(EXPLORE_DEADLOCK);
	go(choose(others), address, caller);
}

__attribute__((noinline)) static void decide(const volatile void *address, const void *caller)
{
	if (sched.now >= sched.plan->most)
		end(EXPLORE_LIVELOCK);
	unsigned to = sched.current;
	if (sched.frozen) {
		thaw(true);
		go(0, address, caller);
		return;
	}
	if (sched.plan->freeze_at != 0) {
		if (to != 0) { /* fiber 0 ended before, or sleeps */
			sched.next = sched.plan->most;
			return;
		}
		sched.outcome->froze = sched.frozen = true;
		sched.runnable &= ~1U;
		set_next();
		go_elsewhere(address, caller);
		return;
	}
	if (sched.plan->policy == EXPLORE_UNIFORM) {
		to = one_of(sched.runnable);
	} else {
		unsigned others = sched.runnable & ~(1U << to);
		sched.paused = 0;
		sched.priority[to] = sched.points[sched.point].priority;
		if (sched.plan->policy == EXPLORE_PRIORITY)
			to = choose(sched.runnable);
		else if (others != 0)
			to = one_of(others);
		while (sched.points[sched.point].step <= sched.now)
			sched.point++;
	}
	set_next();
	go(to, address, caller);
}

void calm__explore_step(const volatile void *address)
{
	if (++sched.now >= sched.next)
		decide(address, __builtin_return_address(0));
}

/* ---- what fibers do ---- */

unsigned explore_current(void)
{
	return sched.current;
}

void explore_yield(void)
{
	if (++sched.now >= sched.next)
		decide(NULL, __builtin_return_address(0));
}

/* Outside a schedule. */
static void die_alone(void)
{
	fprintf(stderr, "explore: waits for what no fiber is left to do\n");
	abort();
}

void explore_pause(void)
{
	if (sched.current == EXPLORE_NOBODY) {
		if (++sched.alone == ALONE_MOST)
			die_alone();
		return;
	}
	if (++sched.now >= sched.plan->most)
		end(EXPLORE_LIVELOCK);
	sched.paused |= 1U << sched.current;
	go_elsewhere(NULL, __builtin_return_address(0));
}

void explore_block(const volatile void *address)
{
	if (sched.current == EXPLORE_NOBODY)
		die_alone();
	sched.runnable &= ~(1U << sched.current);
	sched.waits[sched.current] = address;
	go_elsewhere(address, __builtin_return_address(0));
}

void explore_wake(const volatile void *address, int count)
{
	if (sched.current == EXPLORE_NOBODY)
		return;
	for (unsigned i = 0; i < EXPLORE_FIBERS && count > 0; i++) {
		unsigned sleeper = sched.waking++ % EXPLORE_FIBERS;
		if (sched.waits[sleeper] != address)
			continue;
		sched.waits[sleeper] = NULL;
		sched.runnable |= 1U << sleeper;
		count--;
	}
}

bool explore_chance(unsigned one_in)
{
	return sched.current != EXPLORE_NOBODY && below(one_in) == 0;
}

uint64_t explore_now(void)
{
	return CLOCK_START + sched.now * CLOCK_STEP + sched.slept;
}

void explore_sleep(uint64_t ns)
{
	sched.slept += ns;
}

uint32_t explore_tick(void)
{
	stale_tick(++sched.tick);
	return sched.tick;
}

bool explore_frozen(void)
{
	return sched.frozen;
}

void explore_fail(const char *format, ...)
{
	struct explore_outcome *outcome = sched.outcome;
	if (!outcome || outcome->failure[0] != '\0')
		return;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(outcome->failure, sizeof(outcome->failure), format, arguments);
	va_end(arguments);
	explore_note("FAILS: %s", outcome->failure);
}

void explore_note(const char *format, ...)
{
	if (!sched.plan || !sched.plan->trace)
		return;
	va_list arguments;
	va_start(arguments, format);
	fprintf(sched.plan->trace, "%6" PRIu64 "  fiber %u: ", sched.now, sched.current);
	vfprintf(sched.plan->trace, format, arguments);
	fputc('\n', sched.plan->trace);
	va_end(arguments);
}

/* ---- a schedule ---- */

static void fiber_main(void)
{
	fiber_entered();
	fiber_after(&sched);
	sched.plan->run(sched.current, sched.plan->context);
	if (sched.plan->exits)
		threads_exit();
	fiber_before(&sched);
	sched.runnable &= ~(1U << sched.current);
	if (sched.runnable == 0 && !sched.frozen && !somebody_sleeps())
		end(EXPLORE_DONE);
	go_elsewhere(NULL, NULL);
	abort();
}

static void get_ready(void)
{
	fiber_adopt(&sched.fibers[EXPLORE_NOBODY]);
	for (unsigned i = 0; i < EXPLORE_FIBERS; i++)
		if (!fiber_new(&sched.fibers[i]))
			abort();
	sched.ready = true;
}

void explore_fresh(bool exits)
{
	sched.now = sched.slept = 0;
	sched.alone = 0;
	threads_prepare(exits);
}

void explore_run(const struct explore_plan *plan, struct explore_outcome *outcome)
{
	if (!sched.ready)
		get_ready();
	*outcome = (struct explore_outcome){.end = EXPLORE_DONE};
	sched.plan = plan;
	sched.outcome = outcome;
	sched.random = kit_mix(plan->seed) ^ (uint64_t)plan->policy << 56;
	sched.now = 0;
	sched.waking = 0;
	sched.tick = 0;
	sched.paused = 0;
	sched.frozen = false;
	sched.runnable = (1U << plan->fibers) - 1;
	memset(sched.waits, 0, sizeof(sched.waits));
	draw_points(plan);
	for (unsigned i = 0; i < plan->fibers; i++)
		fiber_start(&sched.fibers[i], fiber_main);
	set_next();
	stale_begin(plan->stale, plan->seed);
	fiber_before(&sched);
	go(plan->freeze_at != 0 ? 0 : choose(sched.runnable), NULL, NULL);
	fiber_after(&sched);
	stale_end();
	sched.next = NEVER;
	outcome->steps = sched.now;
	outcome->print = (outcome->print ^ sched.now) * 0x9e3779b97f4a7c15U;
	sched.plan = NULL;
}
