/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * cowmap's snapshots: references to the table that was the map's.
 *
 * Opening one takes a reference, so it is O(1); a writer's next table goes past it. A walk is a
 * snapshot that no budget counts.
 *
 * Accounts. A snapshot keeps itself, and of its table, once that is no longer the map's, nothing
 * else does. Several may share a table: the newest of them that counts pays for it. It pays when the
 * table is replaced; when it closes, the next older one that shares the table does. Since a budget
 * ousts the oldest first, who pays is ousted last, and what is counted is what is kept.
 *
 * Invariants: snapshots of one table are neighbours in the list, since tables are replaced under
 * the lock that opening takes. Whoever looks into a snapshot's table is counted as a user, the
 * opener from the start, so a budget that ousts the snapshot drops the table after the last of
 * them.
 *
 * Rejected: each snapshot pays for its table: ten of a map that does not change would cost ten
 * tables, and be ousted for it.
 */
#include "map/cowmap.h"

struct cow_snapshot {
	struct calm__frozen frozen; /* sheet's table */
	struct sheet *sheet;
};

static struct cow_snapshot *snapshot_of(struct calm__snap *snap)
{
	return (struct cow_snapshot *)((char *)snap -
				       offsetof(struct cow_snapshot, frozen.base.snap));
}

/* ---- accounts ---- */

/* Under the list's lock: from this one on to older ones, the first that counts pays for the sheet. */
static void charge(struct calm__snaps *snaps, struct calm__snap *snap, const struct sheet *sheet)
{
	for (; snap && snapshot_of(snap)->sheet == sheet; snap = snap->older) {
		if (snap->bytes == 0)
			continue;
		snap->bytes += sheet->table->bytes;
		/* order: none - a count, under the list's lock. */
		add_relaxed(&snaps->history, sheet->table->bytes);
		return;
	}
}

void calm__cowmap_charge_locked(struct cowmap *map)
{
	struct calm__snaps *snaps = &map->snaps;
	/* order: none - snapshots open under `publish`, which the caller holds. */
	if (load_relaxed(&snaps->open) == 0)
		return;
	calm__lock(&snaps->lock);
	charge(snaps, snaps->newest, map->sheet);
	calm__unlock(&snaps->lock);
}

/* A snapshot counts no more; if it paid for its sheet, another that shares it does. */
static void discharge(struct calm__snaps *snaps, struct cow_snapshot *snapshot)
{
	struct calm__snap *snap = &snapshot->frozen.base.snap;
	calm__lock(&snaps->lock);
	bool paid = snap->bytes > sizeof(*snapshot);
	/* order: none - a count, under the list's lock. */
	add_relaxed(&snaps->history, -snap->bytes);
	snap->bytes = 0;
	if (paid)
		charge(snaps, snap->older, snapshot->sheet);
	calm__unlock(&snaps->lock);
}

/* ---- opening and closing ---- */

static void dispose(struct calm_snapshot *base)
{
	struct cow_snapshot *snapshot = (struct cow_snapshot *)base;
	struct cowmap *map = calm__cowmap_of(base->map);
	struct calm__self *self = calm__self();
	calm__enter(self);
	discharge(&map->snaps, snapshot);
	calm__snap_leave(&map->snaps, &base->snap, self, &map->base);
	calm__sheet_drop(snapshot->sheet, &map->base);
	calm__leave(self);
}

void calm__cowmap_open_locked(struct cowmap *map, struct calm_snapshot *base, bool counts)
{
	struct cow_snapshot *snapshot = (struct cow_snapshot *)base;
	snapshot->sheet = map->sheet;
	snapshot->frozen.table = map->sheet->table;
	/* order: none - under `publish` the map's own reference cannot go. */
	add_relaxed(&map->sheet->refs, 1);
	calm__snap_open(&map->snaps, &base->snap, counts ? sizeof(*snapshot) : 0);
}

/* One with the caller as its user; NULL: no memory. */
static struct calm_snapshot *open(struct calm_map *base, bool counts)
{
	struct cowmap *map = calm__cowmap_of(base);
	struct calm_snapshot *snapshot = calm__snapshot_new(base);
	if (!snapshot)
		return NULL;
	if (rule(COW_STAMP))
		calm__lock(&map->publish);
	calm__cowmap_open_locked(map, snapshot, counts);
	if (rule(COW_STAMP))
		calm__unlock(&map->publish);
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
