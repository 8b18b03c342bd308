/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Counters that many threads change and few read: a cell per group of threads, each on its own
 * lines; the sum is exact when no thread is changing it.
 *
 * Rejected: one cell per thread, which would tie a map's size to the number of threads.
 */
#ifndef CALM_SYNC_STRIPE_H
#define CALM_SYNC_STRIPE_H

#include "base/atomic.h"
#include "sync/read.h"

#define CALM__STRIPES 8

struct calm__stripes {
	struct {
		shared_i64 count;
		char apart[56]; /* a line's distance, wherever the map lies */
	} cells[CALM__STRIPES];
};

/* What the thread's cell holds then. */
static inline int64_t calm__stripes_add(struct calm__stripes *stripes,
					const struct calm__self *self, int64_t n)
{
	/* order: none - a count publishes nothing. */
	return add_relaxed(&stripes->cells[self->index % CALM__STRIPES].count, n) + n;
}

/*
 * Adds one, for statistics only: without a read-modify-write, so that two threads on one cell may
 * lose counts to each other. About a nanosecond.
 */
static inline void calm__stripes_tally(struct calm__stripes *stripes, const struct calm__self *self)
{
	shared_i64 *count = &stripes->cells[self->index % CALM__STRIPES].count;
	/* order: none - a count publishes nothing, and this one may be off. */
	store_relaxed(count, load_relaxed(count) + 1);
}

/* Never below 0, as a sum over moving cells could be. */
static inline uint64_t calm__stripes_sum(const struct calm__stripes *stripes)
{
	int64_t sum = 0;
	for (int i = 0; i < CALM__STRIPES; i++)
		/* order: none - exact only when quiet. */
		sum += load_relaxed(&stripes->cells[i].count);
	return sum > 0 ? (uint64_t)sum : 0;
}

#endif
