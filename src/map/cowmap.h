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

/* A table and who needs it. It is freed with its last reference. */
struct sheet {
	struct calm__table *table;
	shared_u64 refs; /* the map's, until a grace period after it was replaced; a snapshot's */
};

struct cowmap {
	struct calm_map base;
	shared_ptr table;          /* what readers see: sheet->table */
	shared_ptr pending;        /* the last request of a stack of them; NULL: none */
	struct calm__lock combine; /* its holder alone makes new tables */
	struct calm__lock publish; /* held to replace the table, and to open a snapshot of it */
	struct sheet *sheet;       /* changed under both locks, so either guards it */
	struct calm__snaps snaps;  /* opened under publish */
	size_t least; /* entries that were asked for: no table is smaller; guarded by combine */
	bool cares;   /* for births: values to release, or records to free */
};

/* Loads are const to the user, but a walk of them opens a snapshot. */
static inline struct cowmap *calm__cowmap_of(const struct calm_map *map)
{
	return (struct cowmap *)(uintptr_t)map;
}

/* What readers see. */
static inline const struct calm__table *calm__cowmap_table(const struct cowmap *map)
{
	/* order: cow.table acquire <- calm__cowmap_publish(): who sees a table sees its slots. */
	return load_acquire(&calm__cowmap_of(&map->base)->table);
}

/* A sheet of a table, which may be NULL; NULL: no memory, and the table is gone. */
struct sheet *calm__sheet_of(struct cowmap *map, struct calm__table *table);
/* Gives a reference back; as a release function, the map's. */
void calm__sheet_drop(void *sheet, void *map);

/*
 * From one table to the next, under `combine`, inside a section.
 *
 * Takes `publish`, with room to retire the old sheet and to displace n pointers, or n_seen if a
 * snapshot is open, or will be as the caller `opens` one. False: no memory.
 */
bool calm__cowmap_lock_to_publish(struct cowmap *map, struct calm__self *self, uint64_t n,
				  uint64_t n_seen, bool opens);
/* Makes a table the map's and gives `publish` back. The sheet before it, and when that died. */
struct sheet *calm__cowmap_publish(struct cowmap *map, struct sheet *sheet, uint64_t *death);
/* What the caller then does with the old sheet, and with what only that had. */
void calm__cowmap_retire(struct cowmap *map, struct calm__self *self, struct sheet *old);
void calm__cowmap_displace_value(struct cowmap *map, struct calm__self *self, uint64_t birth,
				 uint64_t death, void *value);
void calm__cowmap_displace_record(struct cowmap *map, struct calm__self *self, uint64_t death,
				  struct calm__record *record);

/* cowmap_write.c */
calm_status calm__cowmap_write(struct calm_map *base, calm_key key, struct calm__write *write);
calm_status calm__cowmap_apply(struct calm_map *base, size_t n, const calm_change changes[]);

/*
 * Puts an empty table in the map's place; if `opens` is not NULL, opens that snapshot on what was
 * there in the same instant. What was there is the map's to displace, and is: the caller has no
 * more to do.
 */
calm_status calm__cowmap_empty(struct cowmap *map, struct calm_snapshot *opens);

/* Under publish: opens a snapshot on the map's table. Only if it `counts` does it in the budget. */
void calm__cowmap_open_locked(struct cowmap *map, struct calm_snapshot *snapshot, bool counts);
/* Under publish: the map's table is being replaced, so it is history if a snapshot holds it. */
void calm__cowmap_charge_locked(struct cowmap *map);

extern const struct calm__snapshot_kind calm__cowmap_snapshots;
calm_status calm__cowmap_drain(struct calm_map *base, struct calm_snapshot **out);
int calm__cowmap_walk(struct calm_map *base, calm_visit_fn *visit, void *context);

#endif
