/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What cowmap.c (the table, and from one to the next), cowmap_write.c (writers) and
 * cowmap_snapshot.c (who holds a table) share; the algorithm is in cowmap.c.
 */
#ifndef CALM_MAP_COWMAP_H
#define CALM_MAP_COWMAP_H

#include "core/table.h"
#include "map/kind.h"

/*
 * A table, and who needs it. Life: the map's -> replaced, and kept while snapshots hold it -> freed
 * with its last reference.
 */
struct sheet {
	struct calm__table table;
	uint64_t number;  /* one more than that of the sheet before it */
	shared_u64 holds; /* snapshots'; the map's, until it was replaced. Once 0, always 0 */
	shared_u64 refs;  /* the map's, until a grace period after that; its place's */
	bool is_kept;     /* it has a place; set by who replaced it, while the map holds it */
	struct calm__snap place; /* in map->kept, until the last hold goes */
	struct calm__shared cost;
	shared_u64 drained; /* what was before it: the drain's snapshot's stamp; 0: not drawn yet */
};
#define CALM__NOT_DRAINED UINT64_MAX

struct cowmap {
	struct calm_map base;
	shared_ptr sheet;          /* what readers see: the newest */
	shared_ptr pending;        /* the last request of a stack of them; NULL: none */
	struct calm__lock combine; /* its holder alone makes new tables, and replaces one */
	struct calm__snaps snaps;
	struct calm__snaps kept; /* sheets, stamped with their numbers; they come under combine */
	size_t least; /* entries that were asked for: no table is smaller; guarded by combine */
	bool cares;   /* for births: values to release, or records to free */
};

/* Loads are const to the user, but a walk of them opens a snapshot. */
static inline struct cowmap *calm__cowmap_of(const struct calm_map *map)
{
	return (struct cowmap *)(uintptr_t)map;
}

/* The newest; it stays so under `combine`. Else the caller is inside a section. */
static inline struct sheet *calm__cowmap_sheet(const struct cowmap *map)
{
	/* order: cow.table acquire <- calm__cowmap_publish(): who sees a table sees its slots. */
	return load_acquire(&calm__cowmap_of(&map->base)->sheet);
}

static inline const struct calm__table *calm__cowmap_table(const struct cowmap *map)
{
	return &calm__cowmap_sheet(map)->table;
}

/* The next sheet: a table of that size, or NULL. */
struct sheet *calm__sheet_of(struct calm__table *table);
/* Gives a reference back; as a release function, the map's. */
void calm__sheet_drop(void *sheet, void *map);
/* Gives a hold back. Inside a section. */
void calm__sheet_let_go(struct cowmap *map, struct calm__self *self, struct sheet *sheet);

/*
 * From one table to the next, under `combine`, inside a section.
 *
 * Room to retire the old sheet and to displace n pointers. False: no memory.
 */
bool calm__cowmap_reserve(struct cowmap *map, struct calm__self *self, uint64_t n);
/* Makes a sheet the map's. The one before it. */
struct sheet *calm__cowmap_publish(struct cowmap *map, struct sheet *sheet);
/* What only the old one had; and then that itself. */
void calm__cowmap_displace_value(struct cowmap *map, struct calm__self *self,
				 const struct sheet *old, uint64_t birth, void *value);
void calm__cowmap_displace_record(struct cowmap *map, struct calm__self *self,
				  const struct sheet *old, struct calm__record *record);
void calm__cowmap_retire(struct cowmap *map, struct calm__self *self, struct sheet *old);

/* cowmap_write.c */
calm_status calm__cowmap_write(struct calm_map *base, calm_key key, struct calm__write *write);
calm_status calm__cowmap_apply(struct calm_map *base, size_t n, const calm_change changes[]);

/*
 * Puts an empty table in the map's place; if `opens` is not NULL, opens that snapshot on what was
 * there. What was there is displaced: the caller has no more to do.
 */
calm_status calm__cowmap_empty(struct cowmap *map, struct calm_snapshot *opens);

/* A snapshot of a sheet that it holds. Only if it `counts` does it in the budget. */
void calm__cowmap_open(struct cowmap *map, struct calm_snapshot *snapshot, struct sheet *sheet,
		       uint64_t stamp, bool counts);
/* The stamp of the drain that made a sheet. */
uint64_t calm__cowmap_drained(struct cowmap *map, struct sheet *sheet);

extern const struct calm__snapshot_kind calm__cowmap_snapshots;
calm_status calm__cowmap_drain(struct calm_map *base, struct calm_snapshot **out);
int calm__cowmap_walk(struct calm_map *base, calm_visit_fn *visit, void *context);

#endif
