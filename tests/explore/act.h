/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* What setting up and judging a schedule (play.c) shares with playing it (act.c). */
#ifndef TESTS_EXPLORE_ACT_H
#define TESTS_EXPLORE_ACT_H

#include "explore/play.h"
#include "explore/stale.h"

#include <calm/calm.h>

#define ACT_ACTS 10
#define ACT_KEYS 4 /* keys that are told apart; the others are fillers */
/* Values: 1 … 63 are the acts', the rest the fillers'. */
#define ACT_FILLER 64
#define ACT_VALUES 256
#define ACT_FILLERS (ACT_VALUES - ACT_FILLER)

/* A value that was given to the map. */
struct act_item {
	uint8_t offered;  /* to a verb */
	uint8_t accepted; /* the verb said that it is the map's now */
	uint8_t released;
	uint8_t holders;                        /* sections and snapshots that may see it */
	struct stale_point made;                /* when its storer could last write to it */
	struct stale_point looked[PLAY_FIBERS]; /* when each last could look at it */
	struct stale_point gone;                /* when its release returned */
};

struct act {
	char verb;
	uint8_t key;
};

struct act_snapshot {
	calm_snapshot *handle; /* NULL: none is open */
	uint32_t begin, end;   /* of its opening */
	bool read;             /* state is known */
	history_state state;
	uint64_t held; /* values */
};

struct act_fiber {
	unsigned count;
	struct act acts[ACT_ACTS];
	unsigned seen[ACT_KEYS]; /* what the fiber last saw bound to a key */
	struct act_snapshot snapshots[2];
	unsigned cell;    /* what it last saw in the cell */
	unsigned depth;   /* of read sections */
	uint64_t held;    /* values loaded in them */
	uint64_t retired; /* values, with calm_retire */
};

/* One schedule; everything but the items is all zero at its start. */
struct act_stage {
	calm_map *map;
	calm_cell cell;
	bool has_cell;
	calm_map *other; /* a cowmap with one open snapshot, beside the cell */
	calm_snapshot *of_other;
	unsigned keys;
	unsigned base;    /* the number of key 0 */
	unsigned fillers; /* bound */
	bool bytes;
	bool alike; /* these differ in their eleventh byte */
	bool releases;
	bool clears;     /* some act may clear the map */
	bool budget;     /* a snapshot may be ousted, and what it saw be released */
	unsigned values; /* given out */
	uint8_t groups;
	struct act_fiber fibers[PLAY_FIBERS];
	struct history history;
};

extern struct act_stage stage;
extern struct act_item act_items[ACT_VALUES];

/* The key of number n: keys are numbered from stage.base, fillers from ACT_FILLER. */
calm_key act_key(unsigned number);
/* Where in a byte key its number is. */
unsigned act_number_at(void);
void *act_value(unsigned id);
/* The map's release function. */
void act_release(void *value, void *context);
/* A value for an act to store. */
unsigned act_new_value(void);
/* Which value the map gave; 0, and a failure, if nobody stored it. */
unsigned act_id(const void *value);
/* Adds to the values that somebody may look at, and lets them all go. */
void act_hold(uint64_t *held, unsigned id);
void act_let_go(uint64_t *held);

/* ---- the history ---- */

struct history_event act_begin(unsigned fiber, enum history_verb verb, unsigned key);
/* The call is over: ends the event and records it. */
void act_answered(struct history_event *event, calm_status status, unsigned result);
void act_record(const struct history_event *event);

/* ---- seeing all keys (act_see.c) ---- */

/* What a traversal sees. */
struct act_view {
	history_state state;
	unsigned fillers;
	bool yields; /* others run between two bindings */
	int order;   /* of the keys: 1 ascending, -1 descending, 0 any */
	unsigned last;
	uint32_t began;          /* when the first was seen; 0: none yet */
	uint32_t seen[ACT_KEYS]; /* and each key */
	uint64_t filler_seen[(ACT_FILLERS + 63) / 64];
};

/* A calm_visit_fn; the context is a view. */
int act_visit(calm_key key, void *value, void *view);
/* Ends a traversal that saw one instant: the fillers are all there, or none. */
void act_viewed(struct act_view *view);

void act_walk(unsigned fiber);
void act_live_walk(unsigned fiber);
/* Both again, with a visitor that deletes each key that it is shown. */
void act_walk_and_delete(unsigned fiber);
void act_live_walk_and_delete(unsigned fiber);
void act_drain(unsigned fiber);
/* The acts N E G K Y J j H # Q; the lower-case ones of N E G K Q on the second snapshot. */
void act_on_snapshot(unsigned fiber, struct act act);
void act_close(struct act_snapshot *snapshot);

/* A verb of one key, also from a visitor. removes: an update that keeps no binding. */
void act_on_key(unsigned fiber, enum history_verb verb, unsigned key, bool removes);

/* ---- a cell beside the map (act_cell.c) ---- */

/* Its key in the history. */
#define ACT_CELL (HISTORY_KEYS - 1)

void act_cell_set_up(void);
/* The acts l w c r d x y. */
void act_on_cell(unsigned fiber, char verb);
/* The last load, and its end. */
void act_cell_end(struct act_view *view);

/* A fiber's program: what explore_run runs. */
void act_run(unsigned fiber, void *context);

#endif
