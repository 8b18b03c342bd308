/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Bags, for the rest of reclamation; see bag.c. The maps use sync/read.h. */
#ifndef CALM_SYNC_BAG_H
#define CALM_SYNC_BAG_H

#include "sync/read.h"

/* How many pointers wait in it: true of some recent moment, or a little too many. */
static inline uint64_t calm__bag_waiting(struct calm__bag *bag)
{
	/* order: none - popped first: it never passes pushed. */
	uint64_t popped = load_relaxed(&bag->popped);
	uint64_t pushed = load_relaxed(&bag->pushed);
	return pushed - popped;
}

/*
 * Stamps the open block without closing it, so that what it holds now becomes due. How much was
 * ever pushed.
 */
uint64_t calm__bag_mark(struct calm__bag *bag);

/* Frees spare blocks beyond what a bag keeps. Whether large pieces are left in it. The owner's. */
bool calm__bag_trim(struct calm__bag *bag);

/*
 * How far a search of a bag has come; zeroed at its start. Blocks are numbered since the bag's
 * beginning.
 */
struct calm__bag_place {
	uint64_t block;
	uint32_t item;
};

/*
 * Both under bag->lock; emptied blocks that are no longer needed are linked to *empty, to be freed
 * after the lock. pop takes the next pointer that is due; take_own at most n of one context, due or
 * not, from anywhere.
 */
bool calm__bag_pop(struct calm__bag *bag, struct calm__retired *item, struct calm__block **empty);
uint32_t calm__bag_take_own(struct calm__bag *bag, const void *context,
			    struct calm__bag_place *place, struct calm__retired *items, uint32_t n,
			    struct calm__block **empty);

void calm__free_blocks(struct calm__block *blocks);

#endif
