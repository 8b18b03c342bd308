/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* What a fiber is to the library: a thread. See threads.c. */
#ifndef TESTS_EXPLORE_THREADS_H
#define TESTS_EXPLORE_THREADS_H

#include "explore/sched.h"
#include "sync/read.h"

/* Of each fiber that does not run, what calm__current is while it does. */
extern struct calm__self *threads_records[EXPLORE_FIBERS + 1];

static inline void threads_swap(unsigned from, unsigned to)
{
	threads_records[from] = calm__current;
	calm__current = threads_records[to];
}

/*
 * Makes the library's threads and its reclamation what they were at the program's start: every
 * fiber has its record, or, if the threads of the schedule come and go, none has.
 */
void threads_prepare(bool exits);

/* The fiber whose thread runs, or is being made or ended from outside a schedule; EXPLORE_NOBODY. */
unsigned threads_whose(void);

/* Ends the running fiber's thread, as pthread_exit would. */
void threads_exit(void);

#endif
