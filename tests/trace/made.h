/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Recordings that are made up, for what is made of recordings. */
#ifndef TESTS_TRACE_MADE_H
#define TESTS_TRACE_MADE_H

#include "cli/trace/trace.h"

#define MADE_THREADS 4
#define MADE_MAPS 3

struct made {
	struct trace_recording recording;
	struct trace_thread threads[MADE_THREADS];
	struct trace_map maps[MADE_MAPS];
	char *command[3];
	uint64_t room;
};

/* Threads that were heard from 0 to ns on, maps at 0x1000, 0x2000, 0x3000, and no event. */
void made_begin(struct made *made, uint64_t ns);
void made_end(struct made *made);
void made_add(struct made *made, uint64_t ns, unsigned thread, enum trace_event_kind kind,
	      uint64_t a, uint64_t b, uint64_t c);

/* A plausible run: spans of all kinds, nested in their threads, and a few of what has no length. */
void made_run(struct made *made, uint64_t events, uint64_t seed);
/* Anything in any order, with times in theirs. */
void made_noise(struct made *made, uint64_t events, uint64_t seed);

/* A small generator of random numbers (splitmix64). */
uint64_t made_random(uint64_t *state);

#endif
