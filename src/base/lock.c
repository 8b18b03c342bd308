/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
#include "base/lock.h"

#ifndef CALM_EXPLORE
#define SPINS 64
#else /* so that a schedule comes to the sleep */
#define SPINS 1
#endif

void calm__lock_slow(struct calm__lock *lock)
{
	for (int spin = 0; spin < SPINS; spin++) {
		calm__pause();
		/* order: none - only a look; calm__try_lock() takes it. */
		if (load_relaxed(&lock->state) == 0 && calm__try_lock(lock))
			return;
	}
	/* order: lock.hand acquire <- calm__unlock(). Takes it as contended: a sleeper may be
	 * left to wake. */
	while (swap_acquire(&lock->state, 2) != 0)
		calm__futex_wait(&lock->state, 2);
}
