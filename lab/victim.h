/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What the lab's cases are written with: threads, a schedule that can be forced, counts, and a verdict.
 *
 * A schedule is a number that rises. A thread does
 *     lab_at(2, …);     waits until everything before step 2 is done
 *     … step 2 …
 *     lab_did(2, …);    step 3 may begin
 * In a free run both are a test of one flag; when the schedule is replayed they also write the timeline.
 */
#ifndef LAB_VICTIM_H
#define LAB_VICTIM_H

#include "lab/record.h"

#include <stddef.h>

/* One way of doing it. A wrong one must fail, a right one must not. */
struct lab_variant {
	const char *name; /* "wrong", "right", or what is wrong */
	void (*run)(void);
};

/* A case: its variants, the last one without a name. */
struct lab_case {
	const char *name;
	const struct lab_variant *variants;
};

extern const struct lab_case lab_uaf, lab_refcount, lab_aba, lab_rcu, lab_leak, lab_order, lab_torn,
	lab_resize, lab_snapshot, lab_livelock;

/* ---- what was asked for ---- */

extern bool lab_replay;     /* the schedule is forced */
extern uint64_t lab_rounds; /* asked for, or 0 */

/* Whether the run's time is not over yet, and how much of it there is. */
bool lab_time_left(void);
uint64_t lab_ns_left(void);
/* The same; but a wrong variant that has found nothing yet goes on, up to eight times as long: the machine may be busy. */
bool lab_goes_on(void);

/* ---- threads ---- */

/*
 * Runs n threads, which begin together, and waits for all of them. Each has its number, from 0, and its name. A free run has
 * as many as are asked for.
 */
void lab_together(unsigned n, const char *const names[],
		  void (*body)(unsigned number, void *context), void *context);

/* Says what the calling thread waits for, should it wait for ever. NULL: for nothing. */
void lab_doing(const char *what);

/* ---- the schedule ---- */

void lab_at(unsigned step, const char *text, const void *address);
void lab_did(unsigned step, const char *text, const void *address);
/* As lab_did, for the step that gives memory back; an address that is no pointer any more. */
void lab_freed(unsigned step, const char *text, uintptr_t address);

/* ---- findings ---- */

/* Adds to a count that the watcher prints. Names are string literals. */
void lab_count(const char *name, uint64_t n);
uint64_t lab_counted(const char *name);
/* It failed, in these words (printf); the first call's stay. */
__attribute__((format(printf, 1, 2))) void lab_found(const char *format, ...);

/* ---- memory ---- */

/*
 * Memory whose end is seen. In a free run malloc's, and what is given back is filled with LAB_POISON first; in a replay each
 * piece has pages of its own, which go back to the system.
 */
#define LAB_POISON 0xa5
void *lab_new(size_t size);
void lab_free(void *pointer, size_t size);

/* ---- chance ---- */

/* Once in 64 calls of a thread: sleeps a moment, as if the scheduler had taken the processor away. Not in a replay. */
void lab_preempt(void);

static inline uint64_t lab_random(uint64_t *state)
{
	/* xorshift64*, Vigna (2016). */
	uint64_t x = *state;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dU;
}

/* ---- the program's own ---- */

extern _Thread_local unsigned lab_thread_number; /* in the record */
uint64_t lab_now_ns(void);
/* From here on a death is written down there. */
void lab_watch_for_death(struct lab_record *of);

/* Keeps the compiler from knowing what a pointer or number is. */
#define lab_opaque(x) __asm__ volatile("" : "+r"(x) : : "memory")

#endif
