/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* What record.c, drain.c and finish.c share: a recording that is being made. */
#ifndef CLI_TRACE_RECORD_H
#define CLI_TRACE_RECORD_H

#include "cli/trace/agent/shared.h"
#include "cli/trace/trace.h"

#include <sys/types.h>

/* A map that was made, or went: recordings name maps, not addresses. */
struct trace_made {
	uint64_t ticks;
	uint64_t map;
	char kind[16];
};

/* Whose slot it is at the moment. */
struct trace_owner {
	uint32_t thread; /* index, or TRACE_NONE */
	uint64_t reclaim; /* index of the event with which its last reclamation began, or UINT64_MAX */
};

struct trace_making {
	struct agent_head *head;
	struct trace_recording *recording; /* its times are ticks until finish.c makes ns of them */
	struct trace_stacks *stacks;
	uint64_t events_most;
	uint64_t event_room, sample_room;
	uint32_t thread_room, module_room;
	struct trace_made *made;
	uint64_t made_count, made_room;
	struct trace_owner owners[AGENT_SLOTS];
	pid_t process;     /* that records; 0: none yet */
	bool unmapped;     /* a sample lies in no module that is known */
	bool no_memory;    /* something was lost for want of it */
	uint64_t tick, ns; /* CLOCK_MONOTONIC, at the beginning */
};

/* ---- drain.c ---- */

/* Takes what there is in all rings. last: the program is over. How many events. */
uint64_t trace_drain(struct trace_making *making, bool last);
/* Reads the modules of the process anew, and the names of its threads. */
void trace_look(struct trace_making *making);
/* Adds the modules in the text of a /proc/PID/maps that are not yet known. */
void trace_modules_read(struct trace_making *making, FILE *maps);

/* ---- finish.c ---- */

/* Ticks into ns, events and samples into their order, addresses into maps. False: no memory. */
bool trace_finish(struct trace_making *making, uint64_t tick, uint64_t ns);

/* ---- record.c ---- */

uint64_t trace_ticks(const struct agent_head *head);

/* Room for one more. False: no memory, nothing changed. */
bool trace_grow(void **array, uint64_t count, uint64_t *room, size_t size);

#endif
