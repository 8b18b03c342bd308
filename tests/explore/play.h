/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Scenarios: what a few fibers do to one map, as short texts, played under the scheduler and judged.
 * See play.c for how a schedule is set up and judged, act.c for how an act is played.
 *
 * A program is a row of acts, a letter each; those of a key are followed by its number, or by ? for
 * any. * is an act of the scenario's alphabet.
 *	L load  S store  W swap  I load_or_store  D delete  T load_and_delete
 *	C compare_and_swap, X compare_and_delete, expecting what the fiber last saw
 *	U update  u update to no binding  m load_many of all keys
 *	A apply: store this key and the next  B apply: store this key, remove the next
 *	Z clear  R drain, and read what was drained
 *	N open a snapshot  E read it with each  G with loads  K with a cursor  Q close it
 *	n e g k q  the same with a second one  H diff of the two
 *	Y the first by a seek to the key and a cursor's way back  J j by ranges up and down  # its size
 *	P calm_map_walk  V calm_map_each  p v  with a visitor that deletes what it is shown
 *	M calm_deltamap_compact  h calm_map_reserve  s size and stats
 *	l calm_cell_load  w calm_cell_swap  c calm_cell_compare_and_swap  r calm_retire
 *	d make a map, with a value, and destroy it
 *	x close the snapshot of another map, which is open from the start  y destroy that map
 *	( ) a read section  O the fiber's sections end with its thread  F calm_read_wait
 */
#ifndef TESTS_EXPLORE_PLAY_H
#define TESTS_EXPLORE_PLAY_H

#include "explore/history.h"
#include "explore/sched.h"
#include "kit/kinds.h"

#define PLAY_FIBERS 3

enum play_flags {
	PLAY_SNAPSHOTS = 1,  /* for kinds that have them */
	PLAY_APPLY = 2,      /* for kinds that have it */
	PLAY_GROWS = 4,      /* the next new keys make the map grow */
	PLAY_SHRINKS = 8,    /* the next deletes make it shrink */
	PLAY_EXITS = 16,     /* the threads begin and end with their programs */
	PLAY_BUDGET = 32,    /* a snapshot_budget of one byte to some thousand */
	PLAY_RELEASES = 64,  /* values are always to be released; else in half of the schedules */
	PLAY_COMPACTS = 128, /* for kinds that compact */
	PLAY_ORDERED = 256,  /* for kinds that have an order */
	PLAY_CELL = 512,     /* has a cell */
	PLAY_PAIR = 1024,    /* the programs are two verbs' (pairs.h), to be varied */
	PLAY_CROWDED =
		2048, /* all keys are bound, behind fillers: where hashes are one, in a chain */
	PLAY_NAMES = 4096, /* byte keys; in half of the schedules they differ late */
	PLAY_AMONG = 8192, /* the keys lie among the last fillers, in their order, or behind them */
	PLAY_DEEP = 16384, /* with PLAY_GROWS: so large that inner nodes are split */
	PLAY_THIN = 32768  /* with PLAY_AMONG: key 0 alone in its leaf, the last not bound */
};

struct scenario {
	const char *name;
	unsigned flags;
	unsigned keys;                     /* 1 … 4 */
	const char *alphabet;              /* of random acts */
	const char *programs[PLAY_FIBERS]; /* NULL: none; all NULL: two or three random ones */
};

extern const struct scenario scenarios[];
extern const unsigned scenario_count;

/* Counts blocks, and overwrites what is freed. */
extern const calm_allocator *const play_allocator;

/* Whether the kind can play it. */
bool play_applies(const struct kit_kind *kind, const struct scenario *scenario);

/*
 * Plays one schedule: all of it follows from the plan's policy, seed, horizon and most. True: nothing
 * was wrong; else the outcome's failure says what. After an end that is not EXPLORE_DONE, or a
 * failure, the process is not fit for more.
 */
bool play(const struct kit_kind *kind, const struct scenario *scenario,
	  const struct explore_plan *plan, struct explore_outcome *outcome);

/* What the last schedule was, and its history. */
void play_describe(FILE *file);

#endif
