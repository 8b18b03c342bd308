/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A lock of four bytes: spins briefly, then sleeps on a futex. Zero is unlocked, so zeroed memory
 * holds unlocked locks.
 *
 * State: 0 free; 1 held; 2 held, and someone may sleep. Mutex 2 of Ulrich Drepper, "Futexes Are
 * Tricky" (2011), section 6, with a bounded spin before the first sleep: on a machine with more
 * threads than cores the holder is often not running, and each spin takes from it.
 *
 * Rejected: pthread_mutex_t, which is 40 bytes and would not fit a shard's or a record's first
 * line.
 */
#ifndef CALM_BASE_LOCK_H
#define CALM_BASE_LOCK_H

#include "base/atomic.h"
#include "base/port.h"

struct calm__lock {
	shared_u32 state;
};

void calm__lock_slow(struct calm__lock *lock);

static inline bool calm__try_lock(struct calm__lock *lock)
{
	uint32_t free = 0;
	/* order: lock.hand acquire <- calm__unlock(): the next holder sees what the last one
	 * did. */
	return cas_acquire(&lock->state, &free, 1);
}

static inline void calm__lock(struct calm__lock *lock)
{
	if (unlikely(!calm__try_lock(lock)))
		calm__lock_slow(lock);
}

static inline void calm__unlock(struct calm__lock *lock)
{
	/* order: lock.hand release -> calm__try_lock(), calm__lock_slow(): publishes the
	 * critical section. */
	if (unlikely(swap_release(&lock->state, 0) == 2))
		calm__futex_wake(&lock->state, 1);
}

#endif
