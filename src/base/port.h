/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The one border to the operating system and the compiler: Linux system calls, clocks, hints.
 * Nothing above this floor includes a Linux header.
 *
 * An explore build (base/atomic.h) has no kernel to wait for: pauses, waits, barriers, the clock and
 * thread ids are then the scheduler's, in tests/explore/port.c.
 */
#ifndef CALM_BASE_PORT_H
#define CALM_BASE_PORT_H

#include "base/atomic.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/*
 * What two threads must not share unwittingly: two 64-byte lines, since processors fetch them in
 * pairs.
 */
#define CALM__LINE 128

/* Tells the processor that this is a spin loop. */
#ifdef CALM_EXPLORE
void calm__pause(void);
#else
static inline void calm__pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
}
#endif

/* Has the line on the way, for writing. */
static inline void calm__prefetch_to_write(const void *line)
{
#if defined(__x86_64__)
	/* The compiler's own says prefetcht0 here, which leaves the line shared: a second round trip.
	 * Processors that lack it take it for a nop. */
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)line));
#else
	__builtin_prefetch(line, 1);
#endif
}

/* Sleeps while *word == value, until woken or for no reason. */
void calm__futex_wait(shared_u32 *word, uint32_t value);
/* Wakes at most count sleepers. */
void calm__futex_wake(shared_u32 *word, int count);

/*
 * Registers the process for calm__membarrier(). False: the kernel has no private expedited
 * membarrier (Linux < 4.14).
 */
bool calm__membarrier_register(void);
/*
 * Runs a full barrier on every running thread of the process. Only after
 * calm__membarrier_register() said true.
 */
void calm__membarrier(void);

/* Asks for large pages behind what lies in [memory, memory + size), where that is more than one. */
void calm__prefer_large_pages(void *memory, size_t size);

/* CLOCK_MONOTONIC in ns. */
uint64_t calm__now_ns(void);
/*
 * Gives the processor away: a yield for small turns, then naps that double up to 1 ms. Turn counts
 * from 0.
 */
void calm__wait_turn(unsigned turn);

/* 64 unpredictable bits; from the clock and addresses if the system has none to give. */
uint64_t calm__random_seed(void);

/* The calling thread's kernel id, and the name of any thread of this process ("" if unknown). */
int calm__thread_id(void);
void calm__thread_name(int thread, char name[16]);

/* Says what is wrong with the caller's program on stderr, and aborts. */
_Noreturn void calm__misuse(const char *function, const char *message);

#endif
