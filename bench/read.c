/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What a read section costs: calm_read_begin/calm_read_end beside liburcu's memb flavour, called as
 * a user of either would (functions of a shared library; liburcu also inlined), in one run,
 * interleaved, each pair around one load.
 *
 * Prints the median and range of the rounds in ns a pair, less nothing: "empty" is the loop with
 * the load alone.
 */
#include <calm/calm.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define _LGPL_SOURCE /* inline read sides, as LGPL-compatible users may */
#include <urcu/urcu-memb.h>

#define PAIRS 20000000
#define ROUNDS 11

static volatile unsigned word;

extern void urcu_memb_read_lock_call(void) __asm__("urcu_memb_read_lock");
extern void urcu_memb_read_unlock_call(void) __asm__("urcu_memb_read_unlock");

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

#define TIMED(name, begin, end)                   \
	static double name(void)                  \
	{                                         \
		double start = now();             \
		for (int i = 0; i < PAIRS; i++) { \
			begin;                    \
			(void)word;               \
			end;                      \
		}                                 \
		return (now() - start) / PAIRS;   \
	}

TIMED(empty, (void)0, (void)0)
TIMED(calm, calm_read_begin(), calm_read_end())
TIMED(urcu_inline, urcu_memb_read_lock(), urcu_memb_read_unlock())
TIMED(urcu_call, urcu_memb_read_lock_call(), urcu_memb_read_unlock_call())

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(void)
{
	static const struct {
		const char *name;
		double (*run)(void);
	} subjects[] = {{"empty loop", empty},
			{"calm", calm},
			{"liburcu memb, called", urcu_call},
			{"liburcu memb, inlined", urcu_inline}};
	enum { SUBJECTS = sizeof(subjects) / sizeof(subjects[0]) };
	double ns[SUBJECTS][ROUNDS];
	urcu_memb_register_thread();
	for (int round = -1; round < ROUNDS; round++)
		for (int i = 0; i < SUBJECTS; i++)
			ns[i][round < 0 ? 0 : round] = subjects[i].run();
	urcu_memb_unregister_thread();
	printf("%-24s %8s %8s %8s   ns a pair, %d rounds of %d\n", "read section", "median", "min",
	       "max", ROUNDS, PAIRS);
	for (int i = 0; i < SUBJECTS; i++) {
		qsort(ns[i], ROUNDS, sizeof(double), ascending);
		printf("%-24s %8.2f %8.2f %8.2f\n", subjects[i].name, ns[i][ROUNDS / 2], ns[i][0],
		       ns[i][ROUNDS - 1]);
	}
	return 0;
}
