/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The memory that `calm trace` (cli/trace/record.c) and its agent in the traced process share: a memfd, whose number is in the
 * environment.
 *
 *      head | slot, its events, its samples | slot … | …
 *
 * A thread claims a slot at its first event or when it starts, is the only one that appends to its two rings, and releases it when
 * it exits; the recorder is the only one that takes from them, and frees a released slot once it is empty. A ring's head counts
 * what was ever appended, its tail what was ever taken; what finds no room is lost, and counted.
 *
 * Slot: FREE -> OWNED (the thread, by compare-and-swap) -> RELEASED (the thread) -> FREE (the recorder).
 *
 * Invariants: nothing in it is an address that the recorder follows; whatever a broken program writes there, the recorder stays
 * within its own bounds. Untouched pages cost nothing.
 */
#ifndef CLI_TRACE_AGENT_SHARED_H
#define CLI_TRACE_AGENT_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGENT_ENVIRONMENT "CALM_TRACE_FD"
#define AGENT_MAGIC 0x31306361726d6c63U /* another build's agent must not guess */

#define AGENT_SLOTS 512
#define AGENT_EVENTS 8192 /* in a ring: 256 KiB */
#define AGENT_WORDS 8192  /* of samples in a ring: 64 KiB */
#define AGENT_DEPTH 128   /* frames of a stack */
#define AGENT_PAGE 4096

/* Beside those of enum trace_event_kind. */
enum {
	AGENT_MAP_CREATE = 64, /* map; b and c are the 16 bytes of its kind */
	AGENT_MAP_DESTROY      /* map */
};

/* when: ticks << 8 | kind. Of a burst b is how many, c how many ticks; of a section c is its ticks. */
struct agent_event {
	uint64_t when;
	uint64_t a, b, c;
};

enum { AGENT_FREE, AGENT_OWNED, AGENT_RELEASED };

/* A burst that is not yet in the ring. */
struct agent_burst {
	uint64_t first, last; /* ticks */
	uint64_t count;       /* 0: none */
	uint64_t map;
};

enum { AGENT_SECTIONS, AGENT_RETIRES, AGENT_IMAGES, AGENT_BURSTS };

struct agent_slot {
	/* The thread's. */
	_Alignas(128) _Atomic uint64_t events; /* appended */
	_Atomic uint64_t words; /* of samples, appended: when, n, n addresses, the innermost first */
	_Atomic uint64_t events_lost, samples_lost;
	_Atomic uint32_t state;
	_Atomic uint32_t thread; /* the kernel's id; 0: what stands here is not filled in yet */
	char name[16];
	_Atomic int32_t timer;                  /* of its samples; -1: none */
	_Atomic uint64_t seen_first, seen_last; /* ticks */
	struct agent_burst bursts[AGENT_BURSTS];
	/* The recorder's. */
	_Alignas(128) _Atomic uint64_t events_taken;
	_Atomic uint64_t words_taken;
};

/* Why there are no samples. */
enum { AGENT_SAMPLES, AGENT_SAMPLES_REFUSED, AGENT_SAMPLES_SIGPROF };

struct agent_head {
	/* The recorder's, before the program begins. */
	uint64_t magic;
	uint64_t size;
	uint64_t sample_ns;  /* of processor time between two samples */
	uint64_t reclaim_ns; /* one reclamation a second is made to last so much longer; 0: none */
	uint64_t tsc;        /* whether ticks are the processor's; else ns of CLOCK_MONOTONIC */
	uint64_t tick;       /* of the beginning, which events count from */
	uint64_t ticks_burst, ticks_section,
		ticks_second; /* 100 us, 10 us and 1 s in ticks, about */
	/* The agent's. */
	_Atomic uint32_t process; /* that records; 0: none yet */
	_Atomic uint32_t attached;
	uint32_t probes, patched; /* sites found, and turned into jumps */
	uint32_t threads_before; /* threads that were there already, so that nothing was patched; else 0 */
	_Atomic uint32_t samples; /* enum above */
	uint64_t event_cost;      /* ticks of AGENT_COSTS events */
	uint64_t nop_cost;        /* and of as many unpatched ones */
	_Atomic uint64_t threads_lost;
	_Atomic uint64_t sample_periods; /* of sample_ns, that have passed */
	_Atomic uint64_t sample_count;   /* of the samples, those lost included */
	_Atomic uint64_t sample_cost;    /* ticks that the handler took for all of them */
	_Atomic uint64_t reclaim_next;   /* tick before which none is delayed again */
	/* The recorder's again. */
	_Atomic uint32_t go; /* it has seen the agent */
	struct agent_slot slots[AGENT_SLOTS];
};

#define AGENT_COSTS 4096

#define AGENT_HEAD ((sizeof(struct agent_head) + AGENT_PAGE - 1) / AGENT_PAGE * AGENT_PAGE)
#define AGENT_RINGS (AGENT_EVENTS * sizeof(struct agent_event) + AGENT_WORDS * sizeof(uint64_t))
#define AGENT_SIZE (AGENT_HEAD + AGENT_SLOTS * AGENT_RINGS)

static inline struct agent_event *agent_events(struct agent_head *head, size_t slot)
{
	return (struct agent_event *)(void *)((char *)head + AGENT_HEAD + slot * AGENT_RINGS);
}

static inline uint64_t *agent_words(struct agent_head *head, size_t slot)
{
	return (uint64_t *)(void *)(agent_events(head, slot) + AGENT_EVENTS);
}

#endif
