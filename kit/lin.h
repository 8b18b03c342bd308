/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Recorded histories, and whether they are linearizable.
 *
 * A map is a product of registers, one per key, and linearizability is local (Herlihy and Wing,
 * "Linearizability: a correctness condition for concurrent objects", TOPLAS 12(3), 1990, theorem
 * 1): a history is linearizable if and only if each key's part of it is. So every key is checked by
 * itself, against the sequential specification "absent | value".
 *
 * calm_map_clear is no operation on one key. It is recorded once and held against every key as a
 * delete of that key, which is necessary but not sufficient: that all keys vanish in one instant is
 * not checked here.
 *
 * Invariants: a log is written by one thread; an event's begin stamp was taken before its call and
 * its end stamp after its effect was visible to all (kit/clock.h); no thread is inside a recorded
 * operation while a check runs. A history that cannot be decided within the bounds counts as a
 * failure, never as a pass.
 *
 * Values: any 64-bit number below KIT_LIN_VALUES. The checker is exact for repeated values too, but
 * bites and runs best if each stored value is unique, as kit_lin_value makes them.
 */
#ifndef KIT_LIN_H
#define KIT_LIN_H

#include <calm/map.h>
#include <stdio.h>

enum kit_lin_verb {
	KIT_LIN_LOAD,
	KIT_LIN_STORE,
	KIT_LIN_SWAP,
	KIT_LIN_LOAD_OR_STORE,
	KIT_LIN_DELETE,
	KIT_LIN_LOAD_AND_DELETE,
	KIT_LIN_COMPARE_AND_SWAP,
	KIT_LIN_COMPARE_AND_DELETE,
	KIT_LIN_CLEAR,
	KIT_LIN_VERBS
};

#define KIT_LIN_VALUES ((uint64_t)0xffffffff00000000u) /* values are below this */
#define KIT_LIN_ABSENT UINT64_MAX                      /* a key's state: no binding */
#define KIT_LIN_PENDING 64                             /* operations on one key at the same time */
#define KIT_LIN_CONFIGS (1u << 16)                     /* configurations of one key */
#define KIT_LIN_STATES 8                               /* states a key may be left in */

struct kit_lin_event {
	uint64_t begin, end; /* stamps */
	uint64_t value;      /* stored */
	uint64_t expected;   /* by a compare */
	uint64_t result; /* what came out: the loaded, previous or actual value; valid where the verb gives one */
	uint32_t key; /* index; of clear: unused */
	uint8_t verb;
	int8_t status;   /* what the call returned */
	uint16_t thread; /* for the report */
};

/* One thread's log. */
struct kit_lin_log {
	struct kit_lin_event *events; /* in order of begin */
	size_t count, room;
	uint64_t lost; /* not recorded for want of memory: the check then decides nothing */
	uint16_t thread;
};

/* Room for so many events at first; it grows, outside the stamps. CALM_OK, CALM_ENOMEM. */
calm_status kit_lin_log_init(struct kit_lin_log *log, uint16_t thread, size_t room);
void kit_lin_log_free(struct kit_lin_log *log);

/* A value no other call makes: thread < 65535, count < 2^48. */
static inline void *kit_lin_value(uint16_t thread, uint64_t count)
{
	return (void *)(uintptr_t)((uint64_t)thread << 48 | count);
}

/* Appends a finished event: for histories that were made by hand or come from elsewhere. */
void kit_lin_append(struct kit_lin_log *log, const struct kit_lin_event *event);

/* A call to make: key index, the key itself, what to store, what to compare with. */
struct kit_lin_call {
	enum kit_lin_verb verb;
	uint32_t index;
	calm_key key;
	void *value;
	void *expected;
};

/*
 * Calls the verb on the map and records it; returns what the map did. *result (may be NULL) gets
 * what came out, NULL where nothing does. A status below 0 promises that nothing changed and is not
 * recorded. About 40 ns over the call, the fences of kit/clock.h.
 */
calm_status kit_lin_do(struct kit_lin_log *log, calm_map *map, const struct kit_lin_call *call,
		       void **result);

static inline calm_status kit_lin_do_load(struct kit_lin_log *log, calm_map *map, uint32_t index,
					  calm_key key, void **value)
{
	struct kit_lin_call call = {KIT_LIN_LOAD, index, key, NULL, NULL};
	return kit_lin_do(log, map, &call, value);
}

static inline calm_status kit_lin_do_store(struct kit_lin_log *log, calm_map *map, uint32_t index,
					   calm_key key, void *value)
{
	struct kit_lin_call call = {KIT_LIN_STORE, index, key, value, NULL};
	return kit_lin_do(log, map, &call, NULL);
}

static inline calm_status kit_lin_do_swap(struct kit_lin_log *log, calm_map *map, uint32_t index,
					  calm_key key, void *value, void **previous)
{
	struct kit_lin_call call = {KIT_LIN_SWAP, index, key, value, NULL};
	return kit_lin_do(log, map, &call, previous);
}

static inline calm_status kit_lin_do_load_or_store(struct kit_lin_log *log, calm_map *map,
						   uint32_t index, calm_key key, void *value,
						   void **actual)
{
	struct kit_lin_call call = {KIT_LIN_LOAD_OR_STORE, index, key, value, NULL};
	return kit_lin_do(log, map, &call, actual);
}

static inline calm_status kit_lin_do_delete(struct kit_lin_log *log, calm_map *map, uint32_t index,
					    calm_key key)
{
	struct kit_lin_call call = {KIT_LIN_DELETE, index, key, NULL, NULL};
	return kit_lin_do(log, map, &call, NULL);
}

static inline calm_status kit_lin_do_load_and_delete(struct kit_lin_log *log, calm_map *map,
						     uint32_t index, calm_key key, void **value)
{
	struct kit_lin_call call = {KIT_LIN_LOAD_AND_DELETE, index, key, NULL, NULL};
	return kit_lin_do(log, map, &call, value);
}

static inline calm_status kit_lin_do_compare_and_swap(struct kit_lin_log *log, calm_map *map,
						      uint32_t index, calm_key key, void *expected,
						      void *value)
{
	struct kit_lin_call call = {KIT_LIN_COMPARE_AND_SWAP, index, key, value, expected};
	return kit_lin_do(log, map, &call, NULL);
}

static inline calm_status kit_lin_do_compare_and_delete(struct kit_lin_log *log, calm_map *map,
							uint32_t index, calm_key key,
							void *expected)
{
	struct kit_lin_call call = {KIT_LIN_COMPARE_AND_DELETE, index, key, NULL, expected};
	return kit_lin_do(log, map, &call, NULL);
}

static inline calm_status kit_lin_do_clear(struct kit_lin_log *log, calm_map *map)
{
	struct kit_lin_call call = {KIT_LIN_CLEAR, 0, calm_word(0), NULL, NULL};
	return kit_lin_do(log, map, &call, NULL);
}

/* What was checked so far. */
struct kit_lin_report {
	uint64_t events; /* checked */
	uint64_t violations; /* keys whose history is not linearizable; the key is not looked at again */
	uint64_t undecided; /* keys past a bound, or rounds with lost events: failures too */
	uint64_t widest;    /* the most configurations any key needed */
	uint64_t deepest;   /* the most operations pending on a key */
	char text[2400]; /* the first failure: the key, what was possible, the operations around it */
};

struct kit_lin; /* opaque */

/*
 * A checker of keys 0 … keys-1, all absent to begin with. OK; EINVAL: 0 or over 2^32 - 2 keys;
 * ENOMEM.
 */
calm_status kit_lin_new(struct kit_lin **out, size_t keys);
void kit_lin_free(struct kit_lin *lin); /* NULL is fine */

/*
 * Checks what n logs recorded since the last check, and empties them. The states each key may be
 * left in are where the next round starts. True: linearizable. False: see the report. CPU: about
 * 100 ns an event where few overlap; memory: 48 bytes an event, for the round.
 */
bool kit_lin_check(struct kit_lin *lin, struct kit_lin_log *logs, size_t n);

/*
 * Forgets all states: every key is absent again (a new map), and none is excluded for an earlier
 * violation.
 */
void kit_lin_reset(struct kit_lin *lin);

/* So far. Good until the next check or free. */
const struct kit_lin_report *kit_lin_report(const struct kit_lin *lin);

/*
 * The states a key may be in now, at most KIT_LIN_STATES: values or KIT_LIN_ABSENT. 0: given up
 * after a failure.
 */
size_t kit_lin_states(const struct kit_lin *lin, size_t key, uint64_t states[KIT_LIN_STATES]);

#endif
