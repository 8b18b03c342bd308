/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What syncmap.c (the verbs) and syncmap_tier.c (the life of tables and entries) share; the
 * algorithm is in syncmap.c.
 */
#ifndef CALM_MAP_SYNCMAP_H
#define CALM_MAP_SYNCMAP_H

#include "core/table.h"
#include "map/kind.h"

#define AMENDED ((uintptr_t)1)

/* Their addresses are no value a user can have. */
extern char calm__syncmap_marks[2];
#define DELETED ((void *)&calm__syncmap_marks[0])
#define EXPUNGED ((void *)&calm__syncmap_marks[1])

struct entry {
	shared_ptr value;
	shared_ptr last; /* the table that frees it, once it is EXPUNGED; set under the mutex */
	uint64_t key;    /* as the tables store it */
};

/* What a clear ends: a count of its own, so that a late writer does not disturb the next one's. */
struct generation {
	struct calm__stripes count;
};

struct tier {
	struct calm__table *table;
	struct generation *generation;
	struct tier *next;  /* the read table after this one; holds a reference to it */
	struct tier *stray; /* map->strays */
	shared_u64 refs;    /* the map's, its predecessor's, and one per walk */
	bool cleared; /* it frees all its entries, and the generation; set before it is retired */
};

struct syncmap {
	struct calm_map base;
	shared_u64 read; /* tier's address | AMENDED */
	struct calm__lock mutex;
	struct tier *dirty; /* guarded by mutex, as is everything below */
	uint64_t looked;    /* misses since the last promotion */
	size_t expected;    /* entries to make room for */
	struct tier
		*strays; /* tiers no walk pins any more, that found no memory to be retired with */
	struct calm__stripes hits;
	shared_u64 misses;
	shared_u64 promotions;
};

static inline struct syncmap *calm__syncmap_of(const struct calm_map *map)
{
	return (struct syncmap *)(uintptr_t)map;
}

static inline bool calm__syncmap_bound(const void *value)
{
	return value != DELETED && value != EXPUNGED;
}

static inline struct tier *calm__tier_of(uint64_t read)
{
	return (struct tier *)(uintptr_t)(read & ~(uint64_t)AMENDED);
}

/* The entry and its record. */
void calm__entry_free(struct calm_map *base, struct entry *entry);

/* A tier with one reference and room for `entries`; NULL: no memory. */
struct tier *calm__tier_new(struct syncmap *map, size_t entries, struct generation *generation);
/* The same, empty, with a generation of its own. */
struct tier *calm__tier_empty(struct syncmap *map);
/* One that nobody has seen yet. */
void calm__tier_free(struct syncmap *map, struct tier *tier);

/* `next` is read after `old`, and dies after it. */
void calm__tier_succeed(struct tier *old, struct tier *next);
/* As a release function: the map's reference, a grace period after the tier was replaced. */
void calm__tier_drop(void *tier, void *map);
/*
 * The same for a tier without references: it dies, and gives its reference to its successor back,
 * which may die too.
 */
void calm__tier_dies(void *tier, void *map);
/* A walk's reference. */
void calm__tier_unpin(struct syncmap *map, struct tier *tier);

#endif
