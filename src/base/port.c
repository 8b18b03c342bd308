/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The Linux side of port.h. errno is kept as it was: no function of calm touches it. */
#include "base/port.h"

#include <errno.h>
#if defined(__has_include)
#if __has_include(<execinfo.h>)
#include <execinfo.h>
#define HAVE_BACKTRACE
#endif
#endif
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LARGE_PAGE ((uintptr_t)2 << 20)
#define YIELD_TURNS 16
#define NAP_FIRST_NS 50000L
#define NAP_LONGEST_NS 1000000L
#define FRAMES 64

#ifndef CALM_EXPLORE /* else these are the scheduler's */

void calm__futex_wait(shared_u32 *word, uint32_t value)
{
	int saved = errno;
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
	errno = saved;
}

void calm__futex_wake(shared_u32 *word, int count)
{
	int saved = errno;
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
	errno = saved;
}

bool calm__membarrier_register(void)
{
	int saved = errno;
	long done = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
	errno = saved;
	return done == 0;
}

void calm__membarrier(void)
{
	int saved = errno;
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0)
		calm__misuse("membarrier", "the kernel took back a barrier it had granted");
	errno = saved;
}

uint64_t calm__now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

void calm__wait_turn(unsigned turn)
{
	int saved = errno;
	if (turn < YIELD_TURNS) {
		sched_yield();
	} else {
		unsigned doublings = turn - YIELD_TURNS < 5 ? turn - YIELD_TURNS : 5;
		long nap = NAP_FIRST_NS << doublings;
		struct timespec time = {0, nap < NAP_LONGEST_NS ? nap : NAP_LONGEST_NS};
		nanosleep(&time, NULL);
	}
	errno = saved;
}

int calm__thread_id(void)
{
	return (int)syscall(SYS_gettid);
}

#endif

void calm__prefer_large_pages(void *memory, size_t size)
{
	uintptr_t first = ((uintptr_t)memory + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
	uintptr_t end = ((uintptr_t)memory + size) & ~(LARGE_PAGE - 1);
	if (end <= first)
		return;
	int saved = errno;
	madvise((char *)memory + (first - (uintptr_t)memory), end - first, MADV_HUGEPAGE);
	errno = saved;
}

uint64_t calm__random_seed(void)
{
	int saved = errno;
	uint64_t seed = 0;
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
		seed = calm__now_ns() * 0x9e3779b97f4a7c15U ^ (uint64_t)(uintptr_t)&seed;
	errno = saved;
	return seed;
}

void calm__thread_name(int thread, char name[16])
{
	int saved = errno;
	char path[48];
	name[0] = '\0';
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", thread);
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file >= 0) {
		ssize_t got = read(file, name, 15);
		name[got > 0 ? got : 0] = '\0';
		if (got > 0 && name[got - 1] == '\n')
			name[got - 1] = '\0';
		close(file);
	}
	errno = saved;
}

bool calm__write_stack(FILE *file, const void *from)
{
#ifdef HAVE_BACKTRACE
	void *frames[FRAMES];
	int saved = errno;
	int n = backtrace(frames, FRAMES);
	int first = 0;
	while (first < n && frames[first] != from)
		first++;
	first = first < n ? first : 0;
	int descriptor = fileno(file);
	if (descriptor >= 0) {
		fflush(file);
		backtrace_symbols_fd(frames + first, n - first, descriptor);
		errno = saved;
		return true;
	}
	char **names = backtrace_symbols(frames + first, n - first);
	for (int i = first; i < n; i++)
		fprintf(file, "%s\n", names ? names[i - first] : "?");
	free(names);
	errno = saved;
	return true;
#else
	(void)file;
	(void)from;
	return false;
#endif
}

void calm__misuse(const char *function, const char *message)
{
	fprintf(stderr, "calm: %s: %s\n", function, message);
	abort();
}
