/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What deltamap.c (the verbs) and deltamap_compact.c (the next base) share; the algorithm is in
 * deltamap.c.
 */
#ifndef CALM_MAP_DELTAMAP_H
#define CALM_MAP_DELTAMAP_H

#include "map/hashmap_units.h"

struct calm__compaction;

struct deltamap {
	struct calm__hashmap over; /* the marks, with a base under each generation */
	calm_release_fn *release;  /* the user's; over's leaves marks of nothing alone */
	void *context;
	size_t at;        /* options.compact_at */
	shared_u64 work;  /* a hint: what writers do in passing, see below */
	shared_u64 again; /* not 0: since an old base waits, the delta has become large */
	shared_u64 most;  /* marks: no attempt with fewer, since one failed; 0: none did */
	shared_u64 asked; /* room for marks that the user's capacity, or reserve, came to */
	struct calm__lock compacting;
	struct calm__compaction *running; /* guarded by compacting, as is usual; NULL: none */
	uint64_t usual;                   /* marks that there were of late when a base was made */
};

/*
 * What `work` says: nothing; a step of compaction each; and else, that an old base waits for readers,
 * and that each so manieth write of a thread looks whether they are gone.
 */
enum { DELTA_REST, DELTA_MAKES };

/* Loads are const to the user. */
static inline struct deltamap *calm__deltamap_of(const struct calm_map *map)
{
	return (struct deltamap *)(uintptr_t)map;
}

bool calm__is_deltamap(const struct calm_map *map);
/* Marks over a base of so many bindings at which a compaction begins. */
uint64_t calm__deltamap_limit(const struct deltamap *map, uint64_t bindings);
/* One step of compaction, begun if need be, unless another thread is at it. Outside all locks. */
void calm__deltamap_step(struct deltamap *map);
/* The map is quiet: what was begun is given up. */
void calm__deltamap_stop(struct deltamap *map);

#endif
