/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A schedule's history, and whether it is linearizable as that of one map: not key by key, so that
 * clear, snapshots and drains are what they are, single operations on all keys. See history.c.
 */
#ifndef TESTS_EXPLORE_HISTORY_H
#define TESTS_EXPLORE_HISTORY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define HISTORY_EVENTS 32
/* Keys whose values are told apart. */
#define HISTORY_KEYS 7

/*
 * A map's state: byte k is the value of key k, 0 where it is not bound. The last byte stands for
 * all other keys of a map together, which nothing but a clear changes.
 */
typedef uint64_t history_state;
#define HISTORY_OTHERS HISTORY_KEYS

static inline unsigned history_value(history_state state, unsigned key)
{
	return (unsigned)(state >> 8 * key & 0xff);
}

static inline history_state history_bind(history_state state, unsigned key, unsigned value)
{
	return (state & ~((history_state)0xff << 8 * key)) | (history_state)value << 8 * key;
}

enum history_verb {
	HISTORY_LOAD,
	HISTORY_STORE,
	HISTORY_SWAP,
	HISTORY_LOAD_OR_STORE,
	HISTORY_DELETE,
	HISTORY_LOAD_AND_DELETE,
	HISTORY_COMPARE_AND_SWAP,
	HISTORY_COMPARE_AND_DELETE,
	HISTORY_UPDATE,
	HISTORY_CLEAR,
	HISTORY_DRAIN,
	HISTORY_SNAPSHOT,
	HISTORY_VERBS
};

/* begin and end are ticks, all different. */
struct history_event {
	uint32_t begin, end;
	uint8_t verb;
	uint8_t key;
	uint8_t value;    /* stored */
	uint8_t expected; /* by a compare */
	uint8_t result;   /* loaded, previous, actual, or found by update; 0: none */
	int8_t status;    /* calm_status, >= 0 */
	uint8_t group;    /* not 0: of the apply of this number */
	uint8_t fiber;
	history_state state; /* that a snapshot or a drain saw */
	uint64_t stamp;      /* of that, later ones' being larger; 0: not known */
};

struct history {
	unsigned count;
	struct history_event events[HISTORY_EVENTS];
	history_state start;
	bool strict; /* single loads too see all of an apply or nothing */
	/* Whether what ended at one tick precedes what began at the other; NULL: by their numbers. */
	bool (*precedes)(uint32_t end, uint32_t begin);
};

enum history_verdict { HISTORY_LINEARIZABLE, HISTORY_VIOLATION, HISTORY_UNDECIDED };

enum history_verdict history_check(const struct history *history);

void history_print(FILE *file, const struct history *history);

#endif
