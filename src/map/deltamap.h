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
	size_t at;       /* options.compact_at */
	shared_u64 work; /* not 0: writers do a step of compaction each */
	shared_u64 most; /* marks: no attempt with fewer, since one failed; 0: none did */
	struct calm__lock compacting;
	struct calm__compaction *running; /* guarded by compacting; NULL: none */
};

/* Loads are const to the user. */
static inline struct deltamap *calm__deltamap_of(const struct calm_map *map)
{
	return (struct deltamap *)(uintptr_t)map;
}

bool calm__is_deltamap(const struct calm_map *map);
/* One step of compaction, begun if need be, unless another thread is at it. Outside all locks. */
void calm__deltamap_step(struct deltamap *map);
/* The map is quiet: what was begun is given up. */
void calm__deltamap_stop(struct deltamap *map);

#endif
