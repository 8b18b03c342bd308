/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What the kernel and libpthread are to the library in an explore build: the part of base/port.c
 * that waits, wakes and tells time, and the locks that lockmap takes.
 *
 * A futex sleep may end for no reason, so now and then it does. A timed lock gives up after a few
 * looks. The clock is virtual, and naps advance it: so a reader that stays away long enough is a
 * stall, within a few hundred steps.
 *
 * The locks are libpthread's own, but only tried: for it all fibers are one thread, and one that
 * slept in it would never be woken.
 */
#include "base/port.h"

#include "explore/atomic.h"
#include "explore/sched.h"
#include "explore/stale.h"
#include "explore/threads.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <time.h>

#define SPURIOUS 16   /* one sleep in so many ends for no reason */
#define LOOKS 3       /* of a timed lock */
#define YIELD_TURNS 4 /* of calm__wait_turn(), before it naps */
#define YIELD_NS 1000U
#define NAP_NS 1000000U

void calm__pause(void)
{
	explore_pause();
}

void calm__futex_wait(shared_u32 *word, uint32_t value)
{
	/* The kernel sees the newest, as a read-modify-write does. */
	if (add_relaxed(word, 0) == value && !explore_chance(SPURIOUS))
		explore_block(word);
}

void calm__futex_wake(shared_u32 *word, int count)
{
	explore_yield();
	explore_wake(word, count);
}

bool calm__membarrier_register(void)
{
	return true;
}

/* It can be relaxed as any site can. */
void calm__membarrier(void)
{
	static struct explore_site site = {__FILE__, __LINE__, EXPLORE_SITE_NEW};
	explore_yield();
	if (!explore_site_relaxed(&site))
		stale_barrier();
}

uint64_t calm__now_ns(void)
{
	return explore_now();
}

void calm__wait_turn(unsigned turn)
{
	explore_sleep(turn < YIELD_TURNS ? YIELD_NS : NAP_NS);
	explore_pause();
}

int calm__thread_id(void)
{
	return (int)threads_whose() + 1;
}

/* ---- readers-writer locks ---- */

int __real_pthread_rwlock_tryrdlock(pthread_rwlock_t *lock);
int __real_pthread_rwlock_trywrlock(pthread_rwlock_t *lock);
int __real_pthread_rwlock_unlock(pthread_rwlock_t *lock);
int __wrap_pthread_rwlock_tryrdlock(pthread_rwlock_t *lock);
int __wrap_pthread_rwlock_timedrdlock(pthread_rwlock_t *lock, const struct timespec *until);
int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *lock);
int __wrap_pthread_rwlock_unlock(pthread_rwlock_t *lock);

int __wrap_pthread_rwlock_tryrdlock(pthread_rwlock_t *lock)
{
	explore_yield();
	int result = __real_pthread_rwlock_tryrdlock(lock);
	if (result == 0)
		stale_acquires(lock);
	return result;
}

int __wrap_pthread_rwlock_timedrdlock(pthread_rwlock_t *lock, const struct timespec *until)
{
	(void)until;
	for (int look = 0; look < LOOKS; look++) {
		explore_pause();
		if (__real_pthread_rwlock_tryrdlock(lock) != 0)
			continue;
		stale_acquires(lock);
		return 0;
	}
	return ETIMEDOUT;
}

int __wrap_pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
	explore_yield();
	while (__real_pthread_rwlock_trywrlock(lock) != 0)
		explore_block(lock);
	stale_acquires(lock);
	return 0;
}

int __wrap_pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
	explore_yield();
	stale_releases(lock);
	int result = __real_pthread_rwlock_unlock(lock);
	explore_wake(lock, INT_MAX);
	return result;
}
