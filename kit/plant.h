/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Planted faults: a tap between a traversal and its checker that spoils what passes, so that a run
 * can show that the checker bites. The checker knows nothing of it, and neither does the map.
 *
 * Invariant: a plant that reports `planted` fed the checker something that no correct map can show.
 *
 * Rejected: switches inside the checker (then the planted fault tests the switch) and a broken map
 * (it shows one fault, when the schedule allows).
 */
#ifndef KIT_PLANT_H
#define KIT_PLANT_H

#include "kit/cut.h"
#include "kit/random.h"

enum kit_plant {
	KIT_PLANT_NONE,
	KIT_PLANT_TWICE,   /* one binding shown twice                              -> twice */
	KIT_PLANT_MISSING, /* an entry that nobody writes left out                 -> untouched */
	KIT_PLANT_LOST, /* all entries of a writer left out                     -> prefix; live: lost */
	KIT_PLANT_TORN, /* one value from the writer's far future               -> new or prefix; live: new */
	KIT_PLANT_OLD, /* one value as it was after the preload                -> prefix or old; live: old */
	KIT_PLANT_ALIEN,   /* one value that nobody wrote                          -> alien */
	KIT_PLANT_CROSSED, /* one value under the next entry's key                 -> alien */
	KIT_PLANT_REREAD,  /* one binding left out of a second reading only        -> reread */
	KIT_PLANT_LOAD,    /* a later load that finds an untouched entry absent    -> load */
	KIT_PLANTS
};

/* "none", "twice", … And the plant of such a name into *out; false: there is none. */
const char *kit_plant_name(enum kit_plant plant);
bool kit_plant_parse(const char *name, enum kit_plant *out);

struct kit_plant_tap {
	struct kit_cut_check *check;
	enum kit_plant plant;
	uint64_t skip;    /* bindings to let pass before spoiling one */
	uint64_t planted; /* bindings spoilt, of all traversals */
	bool done;        /* in this traversal */
};

/* Before a traversal, after kit_cut_begin or kit_cut_again; skip bindings pass unspoilt. */
void kit_plant_begin(struct kit_plant_tap *tap, uint64_t skip);

/*
 * A calm_visit_fn, context is the tap: passes the binding on to kit_cut_visit, spoilt or not.
 * Always 0.
 */
int kit_plant_visit(calm_key key, void *value, void *tap);

#endif
