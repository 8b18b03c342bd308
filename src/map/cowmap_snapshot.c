/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * cowmap's snapshots: references to the table that was the map's.
 *
 * Opening one takes a hold, so it is O(1); a writer's next table goes past it. A walk is a snapshot
 * that no budget counts.
 *
 * A stamp is drawn between two looks at the pointer that find the same table: so that was the newest
 * when the stamp was drawn, and stamps rise with the tables that they are of. For of two, the later
 * one's second look comes after the earlier one's first, and finds a table no older. A drain's stamp is
 * drawn after its empty table was published, and before any that opens a snapshot of that: by
 * whoever comes first, the drain or such an opener.
 *
 * The hold comes last: so who has to begin again has nothing to give back, which could make it wait.
 *
 * Accounts. A snapshot keeps itself, and its table, once that is no longer the map's, with the others
 * that hold it: it counts once, for all of them (struct calm__shared).
 *
 * Invariant: whoever looks into a snapshot's table is counted as a user, the opener from the start, so a
 * budget that ousts the snapshot lets the table go after the last of them.
 *
 * Rejected: each snapshot pays for its table: ten of a map that does not change would cost ten
 * tables, and be ousted for it.
 */
#include "map/cowmap.h"

struct cow_snapshot {
	struct calm__frozen frozen; /* sheet's table */
	struct sheet *sheet;        /* held */
};

/* ---- opening and closing ---- */

static void dispose(struct calm_snapshot *base)
{
	struct cow_snapshot *snapshot = (struct cow_snapshot *)base;
	struct cowmap *map = calm__cowmap_of(base->map);
	struct calm__self *self = calm__self();
	calm__enter(self);
	calm__snap_leave(&map->snaps, &base->snap, self, base->map);
	calm__sheet_let_go(map, self, snapshot->sheet);
	calm__leave(self);
}

void calm__cowmap_open(struct cowmap *map, struct calm_snapshot *base, struct sheet *sheet,
		       uint64_t stamp, bool counts)
{
	struct cow_snapshot *snapshot = (struct cow_snapshot *)base;
	snapshot->sheet = sheet;
	snapshot->frozen.table = &sheet->table;
	base->snap.stamp = stamp;
	base->snap.opened_ns = calm__now_ns();
	calm__snap_join(&map->snaps, &base->snap, counts ? sizeof(*snapshot) : 0,
			counts ? &sheet->cost : NULL);
}

uint64_t calm__cowmap_drained(struct cowmap *map, struct sheet *sheet)
{
	/* order: cow.drained acquire <- calm__cowmap_drained(): the next stamp is drawn later. */
	uint64_t stamp = load_acquire(&sheet->drained);
	if (stamp > 0)
		return stamp;
	uint64_t drawn = calm__snaps_draw(&map->snaps);
	/* order: cow.drained release -> calm__cowmap_drained(): the stamp is drawn before. */
	return cas_acq_rel(&sheet->drained, &stamp, drawn) ? drawn : stamp;
}

/* Unless nobody does any more. */
static bool hold(struct sheet *sheet)
{
	/* order: cow.holds acquire <- calm__cowmap_publish(): as below. */
	uint64_t holds = load_acquire(&sheet->holds);
	do {
		if (holds == 0 && rule(COW_HOLD))
			return false;
		/* order: cow.holds acquire <- calm__cowmap_publish(): then the table that replaced
		 * it is found. */
	} while (!cas_acq_rel(&sheet->holds, &holds, holds + 1));
	return true;
}

/* Inside a section: the newest sheet, held, and a stamp that was drawn while it was the newest. */
static struct sheet *hold_newest(struct cowmap *map, uint64_t *stamp)
{
	struct sheet *sheet;
	do {
		sheet = calm__cowmap_sheet(map);
		if (rule(COW_DRAIN))
			calm__cowmap_drained(map, sheet);
		*stamp = calm__snaps_draw(&map->snaps);
	} while ((calm__cowmap_sheet(map) != sheet && rule(COW_STAMP)) || !hold(sheet));
	return sheet;
}

/* One with the caller as its user; NULL: no memory. */
static struct calm_snapshot *open(struct calm_map *base, bool counts)
{
	struct cowmap *map = calm__cowmap_of(base);
	struct calm_snapshot *snapshot = calm__snapshot_new(base);
	if (!snapshot)
		return NULL;
	struct calm__self *self = calm__self();
	uint64_t stamp;
	calm__enter(self);
	struct sheet *sheet = hold_newest(map, &stamp);
	calm__leave(self);
	calm__cowmap_open(map, snapshot, sheet, stamp, counts);
	return snapshot;
}

static calm_status open_snapshot(struct calm_map *base, struct calm_snapshot **out)
{
	struct calm_snapshot *snapshot = open(base, true);
	if (!snapshot)
		return CALM_ENOMEM;
	calm__snapshots_keep_budget(base, &calm__cowmap_of(base)->snaps);
	*out = snapshot;
	calm__snapshot_done(snapshot);
	return CALM_OK;
}

calm_status calm__cowmap_drain(struct calm_map *base, struct calm_snapshot **out)
{
	struct calm_snapshot *snapshot = calm__snapshot_new(base);
	if (!snapshot)
		return CALM_ENOMEM;
	calm_status status = calm__cowmap_empty(calm__cowmap_of(base), snapshot);
	if (status != CALM_OK) {
		calm__snapshot_free(snapshot);
		return status;
	}
	*out = snapshot;
	calm__snapshot_done(snapshot);
	return CALM_OK;
}

int calm__cowmap_walk(struct calm_map *base, calm_visit_fn *visit, void *context)
{
	struct calm_snapshot *snapshot = open(base, false);
	return snapshot ? calm__frozen_walk(snapshot, visit, context) : (int)CALM_ENOMEM;
}

const struct calm__snapshot_kind calm__cowmap_snapshots = {
	.bytes = sizeof(struct cow_snapshot),
	.open = open_snapshot,
	.dispose = dispose,
	.load = calm__frozen_load,
	.each = calm__frozen_each,
	.size = calm__frozen_size,
	.seek = calm__frozen_seek,
	.step = calm__frozen_step,
};
