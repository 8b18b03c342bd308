/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Fibers: stacks that take turns on one thread. See fiber.c. */
#ifndef TESTS_EXPLORE_FIBER_H
#define TESTS_EXPLORE_FIBER_H

#include <stdbool.h>
#include <stddef.h>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

struct fiber {
#if defined(__x86_64__)
	void *stack_pointer; /* where its registers lie while it does not run */
#else
	ucontext_t context;
#endif
	char *stack; /* its lowest byte; below it a page that faults */
	size_t size;
	void *fake; /* AddressSanitizer's and ThreadSanitizer's idea of it */
	void *shadow;
};

/* The fiber that the caller runs on: its own stack. */
void fiber_adopt(struct fiber *fiber);

/* One with a stack of its own. False: no memory. Never freed. */
bool fiber_new(struct fiber *fiber);

/*
 * The next switch to it calls entry, which must not return. Whatever it was doing is forgotten.
 */
void fiber_start(struct fiber *fiber, void (*entry)(void));
/* The first thing that entry does. */
void fiber_entered(void);

/* Leaves `from`, the running one, and goes on with `to`. A few nanoseconds on x86-64. */
void fiber_switch(struct fiber *from, struct fiber *to);

/*
 * What ThreadSanitizer must know, since a switch orders nothing for it: all that ran before this
 * call happens before whatever runs after fiber_after() with the same address.
 */
void fiber_before(void *address);
void fiber_after(void *address);

#endif
