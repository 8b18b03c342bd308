/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Time: nanoseconds for people, and stamps that bracket an operation in a recorded history.
 *
 * Invariant of the stamps: if one operation's end stamp is smaller than another's begin stamp, then
 * everything the first one did was visible to every thread before the second one began. A history
 * checker may rely on that order and on no other; equal stamps say nothing.
 *
 *   begin  rdtsc, then lfence: nothing of the operation starts before the counter was read. Reading it too early only
 *          widens the interval, which is safe.
 *   end    mfence, lfence, rdtsc. The operation's last store may still stand in the store buffer when its function
 *          returns; other cores do not see it, so for them it has not happened. Without mfence the stamp would be
 *          earlier than the effect and the checker would call a correct map wrong. lfence keeps rdtsc from being read
 *          ahead of the operation's loads (AMD64 APM vol. 3, RDTSC; Intel SDM vol. 2, RDTSC).
 *
 * This needs a time stamp counter that is constant and the same on all cores (constant_tsc and
 * nonstop_tsc in /proc/cpuinfo, clock source "tsc"): what Linux itself asks of it. Where that is in
 * doubt, and on other processors, compile with -DKIT_STAMP_CLOCK: CLOCK_MONOTONIC between
 * sequentially consistent fences, some 20 ns dearer.
 *
 * Rejected: one shared atomic counter as the clock. It orders every pair of operations by
 * cache-coherence, which hides the races that are sought and costs a contended line per operation.
 */
#ifndef KIT_CLOCK_H
#define KIT_CLOCK_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

/* Nanoseconds of CLOCK_MONOTONIC; never goes back. About 20 ns. */
static inline uint64_t kit_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#if defined(__x86_64__) && !defined(KIT_STAMP_CLOCK)

/* The stamp before an operation. In ticks: compare them, do not convert them. About 10 ns. */
static inline uint64_t kit_stamp_begin(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* The stamp after an operation. About 25 ns, for the store buffer must drain. */
static inline uint64_t kit_stamp_end(void)
{
	uint32_t low, high;

	__asm__ volatile("mfence\n\tlfence\n\trdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

#else

static inline uint64_t kit_stamp_begin(void)
{
	uint64_t now = kit_now_ns();

	atomic_thread_fence(memory_order_seq_cst);
	return now;
}

static inline uint64_t kit_stamp_end(void)
{
	atomic_thread_fence(memory_order_seq_cst);
	return kit_now_ns();
}

#endif

#endif
