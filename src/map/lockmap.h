/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* What lockmap.c (the table under its lock) and lockmap_snapshot.c (its copies) share. */
#ifndef CALM_MAP_LOCKMAP_H
#define CALM_MAP_LOCKMAP_H

#include "core/table.h"
#include "map/kind.h"

#include <pthread.h>
#include <time.h>

struct lockmap {
	struct calm_map base;
	pthread_rwlock_t lock;
	struct calm__table *table; /* guarded by lock, as is what it holds */
	shared_u64 count;          /* table->count as of the last unlock, for who has no lock */
	struct calm__snaps snaps;
	size_t least; /* entries that were asked for: the table does not shrink below; guarded by lock */
	bool cares; /* for births: values to release, or records to free */
};

/* Loads are const to the user, but take the lock. */
static inline struct lockmap *calm__lockmap_of(const struct calm_map *map)
{
	return (struct lockmap *)(uintptr_t)map;
}

/* Holds the lock with other readers; or alone, if writers keep it out for too long. */
void calm__lockmap_share(struct lockmap *map);
/* Gives the lock back that a writer held alone. */
void calm__lockmap_unlock(struct lockmap *map);

/*
 * Puts an empty table in the map's place. On success the lock is held alone, the read section *self
 * is entered, and there is room to displace everything in *old if snapshots see it, or if the
 * caller, who `drains`, opens one that does.
 */
calm_status calm__lockmap_take(struct lockmap *map, bool drains, struct calm__self **self,
			       struct calm__table **old);

/* Displaces each value and record of a table that was taken when the epoch was `death`. */
void calm__lockmap_displace_all(struct lockmap *map, struct calm__self *self,
				struct calm__table *table, uint64_t death);

extern const struct calm__snapshot_kind calm__lockmap_snapshots;
calm_status calm__lockmap_drain(struct calm_map *base, struct calm_snapshot **out);
int calm__lockmap_walk(struct calm_map *base, calm_visit_fn *visit, void *context);

#endif
