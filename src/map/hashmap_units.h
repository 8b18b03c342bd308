/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What a snapshot of hashmap reads: units, which are buckets or images of buckets. See
 * hashmap_units.c.
 */
#ifndef CALM_MAP_HASHMAP_UNITS_H
#define CALM_MAP_HASHMAP_UNITS_H

#include "map/hashmap_base.h"

#define CALM__BATCH 256

/* Entries that were copied out; own is there to begin with. */
struct calm__batch {
	struct calm__entry *entries;
	size_t n;
	size_t room;
	uint64_t first; /* the positions of the unit that was read last */
	uint64_t last;
	struct calm__entry own[CALM__BATCH];
};

/* What is looked at. */
struct calm__view {
	struct calm__hashmap *map;
	struct calm__generation *generation;
	uint64_t stamp;
	const struct calm__base
		*under; /* what lies under the bindings; NULL: nothing, or not asked */
};

struct calm__view calm__view_of(const struct calm_snapshot *base);

static inline void calm__batch_begin(struct calm__batch *batch)
{
	batch->entries = batch->own;
	batch->room = CALM__BATCH;
	batch->n = 0;
}

void calm__batch_end(struct calm__hashmap *map, struct calm__batch *batch);

/*
 * The unit that a position is in, all of it, in no order but that of calm__entry_compare if there is a
 * base. OK, ENOMEM.
 */
calm_status calm__read_unit(const struct calm__view *view, uint64_t position,
			    struct calm__batch *batch);

/* One key's binding. OK, ABSENT, ENOMEM. */
calm_status calm__read_key(const struct calm__view *view, calm_key key, uint64_t hash,
			   struct calm__entry *entry);

/* In order of calm__entry_compare. */
void calm__sort_entries(const struct calm__hashmap *map, struct calm__entry *entries, size_t n);

/*
 * Every binding once. 0, what visit returned, ENOMEM. passes: NULL, or the walk that may say how
 * far it is.
 */
int calm__visit_units(const struct calm__view *view, calm_visit_fn *visit, void *context,
		      struct calm__snap *passes);

#endif
