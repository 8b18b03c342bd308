/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What may lie under a hashmap's bindings: a read-only base, over which they are marks. That is
 * deltamap; see deltamap.c for the whole, and hashmap_base.c for this part of it.
 */
#ifndef CALM_MAP_HASHMAP_BASE_H
#define CALM_MAP_HASHMAP_BASE_H

#include "core/dense.h"
#include "map/hashmap.h"

/* A mark's value: its key is not bound, whatever the base says. */
extern char calm__gone;
#define CALM__GONE ((void *)&calm__gone)

/* A base and who needs it. It is freed with its last reference. */
struct calm__base {
	struct calm__dense *dense;
	shared_u64 refs;  /* its bed's, until a grace period after it was replaced; a snapshot's */
	uint64_t holders; /* snapshots; guarded by turn, as is replaced */
	bool replaced;    /* by a newer base, or cleared: it is there for its holders only */
};

/* What lies under a generation. */
struct calm__bed {
	shared_ptr base; /* the newest; changed under turn, while the generation is current */
	struct calm__stripes bindings; /* in marks and base together */
};

/* A base of a dense table, which may be NULL; NULL: no memory, and the table is gone. */
struct calm__base *calm__base_new(struct calm__hashmap *map, struct calm__dense *dense);
/* One reference less; as a release function, the bed's. */
void calm__base_drop(void *base, void *map);
/* Under turn: it is no longer the newest. */
void calm__base_replaced(struct calm__hashmap *map, struct calm__base *base);

/* A bed with an empty base; NULL: no memory. */
struct calm__bed *calm__bed_new(struct calm__hashmap *map);
void calm__bed_free(struct calm__hashmap *map, struct calm__bed *bed);

/* For a snapshot, under turn: the generation's base, kept; NULL: it has no bed. */
struct calm__base *calm__base_hold(struct calm__generation *generation);
/* The snapshot is gone. NULL is fine. */
void calm__base_leave(struct calm__hashmap *map, struct calm__base *base);

/* Inside a section; the generation has a bed. */
static inline struct calm__base *calm__base_of(const struct calm__generation *generation)
{
	/* order: hash.base acquire <- calm__base_publish(): the table; and who has found a key
	 * without a mark, because its mark was taken away, finds the base that says the same. */
	return load_acquire(&generation->bed->base);
}

/* Under turn: makes a base the generation's newest. */
static inline void calm__base_publish(struct calm__generation *generation, struct calm__base *base)
{
	/* order: hash.base release -> calm__base_of(): the table. */
	store_release(&generation->bed->base, base);
}

/* What a verb did to the marks. */
enum calm__marked {
	CALM__UNMARKED, /* nothing: it was a read */
	CALM__MARKED,
	CALM__MARKED_ONE_MORE /* of a count that is worth a look */
};

/* A binding that has no mark. */
struct calm__below {
	bool bound;
	void *value;
	uint64_t birth;
};

/*
 * What a base says of a key. Inside a section. Under the lock of the key's bucket of marks, with the
 * birth, which that guards.
 */
static inline struct calm__below calm__base_find(const struct calm__hashmap *map,
						 const struct calm__base *base, calm_key key,
						 uint64_t hash)
{
	const struct calm__dense *dense = base->dense;
	size_t i = calm__dense_find(dense, &map->base.keys, key, hash);
	if (i == CALM__NOWHERE)
		return (struct calm__below){false, NULL, 0};
	return (struct calm__below){true, dense->entries[i].value,
				    dense->births ? dense->births[i] : 0};
}

/* The same without the lock, and so without the birth: for gets. */
static inline struct calm__below calm__base_get(const struct calm__hashmap *map,
						const struct calm__base *base, calm_key key,
						uint64_t hash)
{
	size_t i = calm__dense_find(base->dense, &map->base.keys, key, hash);
	if (i == CALM__NOWHERE)
		return (struct calm__below){false, NULL, 0};
	return (struct calm__below){true, base->dense->entries[i].value, 0};
}

/* A binding of the base was replaced or removed by a first mark, in epoch `death`. */
void calm__base_displace(struct calm__hashmap *map, struct calm__self *self,
			 const struct calm__below *below, uint64_t death);

/*
 * Under the lock of the key's bucket: its mark is being taken away, and what that owned is the base's.
 * *displaces: false, for nothing is displaced.
 */
static inline void calm__base_inherit(const struct calm__hashmap *map,
				      const struct calm__base *base, calm_key key, uint64_t hash,
				      const uint64_t *birth, bool *displaces)
{
	if (rule(TRIM_KEEPS))
		*displaces = false;
	if (!base->dense->births)
		return;
	size_t i = calm__dense_find(base->dense, &map->base.keys, key, hash);
	if (i != CALM__NOWHERE)
		base->dense->births[i] = *birth;
}

/* A verb on a deltamap. */
calm_status calm__hashmap_mark(struct calm__hashmap *map, calm_key key, uint64_t hash,
			       struct calm__write *write, enum calm__marked *marked);

/*
 * Takes away a mark that says what `base` says, if that is the newest. Inside no lock. OK: done, or
 * there is none, or it says something else. ENOMEM: it stays.
 */
calm_status calm__hashmap_trim(struct calm__hashmap *map, calm_key key, uint64_t hash,
			       const struct calm__base *base);

#endif
