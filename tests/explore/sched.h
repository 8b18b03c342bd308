/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The scheduler: runs fibers in place of threads, and decides from a seed which one makes the next
 * access to shared memory. See sched.c.
 */
#ifndef TESTS_EXPLORE_SCHED_H
#define TESTS_EXPLORE_SCHED_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define EXPLORE_FIBERS 4
/* Priority changes, or preemptions, of a schedule. */
#define EXPLORE_POINTS 3

enum explore_policy {
	EXPLORE_UNIFORM, /* at each access, any fiber that can run */
	EXPLORE_PRIORITY, /* the one of the highest random priority; up to 3 times it falls to the lowest */
	EXPLORE_BOUNDED, /* the same until it waits; up to 3 preemptions */
	EXPLORE_POLICIES
};
extern const char *const explore_policies[EXPLORE_POLICIES];

struct explore_plan {
	enum explore_policy policy;
	uint64_t seed;
	unsigned fibers; /* 1 … EXPLORE_FIBERS */
	void (*run)(unsigned fiber, void *context);
	void *context;
	uint64_t horizon; /* changes and preemptions fall within so many steps */
	uint64_t most;    /* more steps than this is a livelock */
	bool exits;       /* threads begin with the schedule, and exit in it */
	bool stale;       /* loads need not see the newest (stale.h) */
	FILE *trace;      /* a line for each switch; or NULL */
	/*
	 * Not 0: no policy. Fiber 0 runs until it is about to make this step, and stands still until
	 * the others have ended, or can do nothing more without it, or have made `patience` steps.
	 */
	uint64_t freeze_at;
	uint64_t patience;
};

enum explore_end {
	EXPLORE_DONE,
	EXPLORE_DEADLOCK, /* the fibers that have not finished all sleep */
	EXPLORE_LIVELOCK  /* too many steps */
};

/* Fibers that did not end are forgotten, with whatever they hold. */
struct explore_outcome {
	enum explore_end end;
	uint64_t steps;
	uint64_t switches;
	uint64_t print;    /* of who ran when: equal for equal schedules */
	bool froze;        /* fiber 0 did not end before */
	bool waited;       /* some other did not end while it stood */
	char failure[400]; /* the first that was said, or how it ended; "": none */
};

/*
 * Before each schedule, and before what it is about is set up: time, threads and reclamation are as
 * at the program's start. exits: as the plan will have it.
 */
void explore_fresh(bool exits);
/* Runs one schedule. Not from a fiber. */
void explore_run(const struct explore_plan *plan, struct explore_outcome *outcome);

/* ---- for the fibers ---- */

/* Says that something is wrong; the schedule goes on, so that the library is left whole. */
__attribute__((format(printf, 1, 2))) void explore_fail(const char *format, ...);
/* The time in a schedule's history: each call one more. Begins at 1. */
uint32_t explore_tick(void);
/* A place where others may run, as the accesses to shared memory are. */
void explore_yield(void);
/* Whether fiber 0 stands still (freeze_at). */
bool explore_frozen(void);
/* For the trace, if there is one. */
__attribute__((format(printf, 1, 2))) void explore_note(const char *format, ...);

/* ---- for what stands in for the system (port.c, threads.c) ---- */

#define EXPLORE_NOBODY EXPLORE_FIBERS
/* The running fiber; EXPLORE_NOBODY: explore_run's caller. */
unsigned explore_current(void);
/* The caller has nothing to do until others have run. */
void explore_pause(void);
/* Sleeps until explore_wake() of the same address. */
void explore_block(const volatile void *address);
void explore_wake(const volatile void *address, int count);
/* True once in `one_in` on average, by the seed; never outside a schedule. */
bool explore_chance(unsigned one_in);
/* Virtual time in ns. */
uint64_t explore_now(void);
void explore_sleep(uint64_t ns);

#endif
