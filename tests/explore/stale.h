/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Stale loads: what C11 lets a load see, in a schedule that is one interleaving. See stale.c; the
 * operations themselves come in through explore/atomic.h.
 */
#ifndef TESTS_EXPLORE_STALE_H
#define TESTS_EXPLORE_STALE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Around a schedule. Not on: every load sees the newest, and nothing is kept. */
void stale_begin(bool on, uint64_t seed);
void stale_end(void);

/* Memory that the running fiber got, or gives back. */
void stale_allocated(void *block, size_t size);
void stale_freed(const void *block, size_t size);

/* A lock that is not made of atomics. */
void stale_acquires(const volatile void *lock);
void stale_releases(const volatile void *lock);
/* membarrier(2): every other thread passes a full barrier. */
void stale_barrier(void);
/*
 * The history's clock strikes: either all share it, and what a call has done happens before whatever
 * begins later; or it is nobody's, and what precedes what is only what the library tells.
 */
void stale_tick(uint32_t tick);
/* Whether what ended at one tick precedes what began at the other. */
bool stale_precedes(uint32_t end, uint32_t begin);

/* A point in the running fiber's life; and whether it happens before what the running one does now. */
struct stale_point {
	uint32_t clock; /* 0: before the schedule */
	uint32_t fiber;
};
struct stale_point stale_here(void);
bool stale_knows(struct stale_point point);

#endif
