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
	struct calm_snapshot base;
	struct sheet *sheet;
};

static struct cow_snapshot *snapshot_of(struct calm__snap *snap)
{
	return (struct cow_snapshot *)((char *)snap - offsetof(struct cow_snapshot, base.snap));
}

static const struct calm__table *table_of(const struct calm_snapshot *base)
{
	return ((const struct cow_snapshot *)base)->sheet->table;
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
	struct calm__snap *snap = &snapshot->base.snap;
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

static void drop(struct cow_snapshot *snapshot)
{
	if (calm__snap_drop(&snapshot->base.snap))
		calm__heap_free(&snapshot->base.map->heap, snapshot, sizeof(*snapshot));
}

/* Gives back what a snapshot kept. By one thread, once: whoever calm__snap_done, _oust or _closes told so. */
static void dispose(struct cow_snapshot *snapshot)
{
	struct cowmap *map = calm__cowmap_of(snapshot->base.map);
	struct calm__self *self = calm__self();
	calm__enter(self);
	discharge(&map->snaps, snapshot);
	calm__snap_leave(&map->snaps, &snapshot->base.snap, self, &map->base);
	calm__sheet_drop(snapshot->sheet, &map->base);
	drop(snapshot);
	calm__leave(self);
}

static void done(struct calm_snapshot *base)
{
	if (calm__snap_done(&base->snap))
		dispose((struct cow_snapshot *)base);
}

void calm__cowmap_keep_budget(struct cowmap *map)
{
	struct calm__snap *gone;
	/* order: none - a budget is kept to the table, not to the byte. */
	while (map->base.budget > 0 && load_relaxed(&map->snaps.history) > map->base.budget &&
	       calm__snaps_oust(&map->snaps, false, &gone))
		if (gone)
			dispose(snapshot_of(gone));
}

void calm__cowmap_open_locked(struct cowmap *map, struct calm_snapshot *base, bool counts)
{
	struct cow_snapshot *snapshot = (struct cow_snapshot *)base;
	snapshot->sheet = map->sheet;
	/* order: none - under `publish` the map's own reference cannot go. */
	add_relaxed(&map->sheet->refs, 1);
	calm__snap_open(&map->snaps, &base->snap, counts ? sizeof(*snapshot) : 0);
}

/* A snapshot yet to be opened. */
static struct calm_snapshot *snapshot_new(struct calm_map *base)
{
	struct cow_snapshot *snapshot = calm__heap_zero(&base->heap, sizeof(*snapshot));
	if (!snapshot)
		return NULL;
	snapshot->base.map = base;
	return &snapshot->base;
}

/* One with the caller as its user; NULL: no memory. */
static struct calm_snapshot *open(struct calm_map *base, bool counts)
{
	struct cowmap *map = calm__cowmap_of(base);
	struct calm_snapshot *snapshot = snapshot_new(base);
	if (!snapshot)
		return NULL;
	calm__lock(&map->publish);
	calm__cowmap_open_locked(map, snapshot, counts);
	calm__unlock(&map->publish);
	return snapshot;
}

static calm_status open_snapshot(struct calm_map *base, struct calm_snapshot **out)
{
	struct calm_snapshot *snapshot = open(base, true);
	if (!snapshot)
		return CALM_ENOMEM;
	calm__cowmap_keep_budget(calm__cowmap_of(base));
	*out = snapshot;
	done(snapshot);
	return CALM_OK;
}

static void close_snapshot(struct calm_snapshot *base)
{
	struct cow_snapshot *snapshot = (struct cow_snapshot *)base;
	if (calm__snap_closes(&base->snap))
		dispose(snapshot);
	drop(snapshot);
}

calm_status calm__cowmap_drain(struct calm_map *base, struct calm_snapshot **out)
{
	struct calm_snapshot *snapshot = snapshot_new(base);
	if (!snapshot)
		return CALM_ENOMEM;
	calm_status status = calm__cowmap_empty(calm__cowmap_of(base), snapshot);
	if (status != CALM_OK) {
		calm__heap_free(&base->heap, snapshot, sizeof(struct cow_snapshot));
		return status;
	}
	*out = snapshot;
	done(snapshot);
	return CALM_OK;
}

/* ---- looking ---- */

static size_t find(const struct calm_snapshot *base, calm_key key)
{
	const struct calm__keys *keys = &base->map->keys;
	return calm__table_find(table_of(base), keys, key, calm__key_hash(keys, key));
}

static calm_status load(struct calm_snapshot *base, calm_key key, void **value)
{
	if (!calm__snap_use(&base->snap))
		return CALM_ESTALE;
	size_t slot = find(base, key);
	if (slot != CALM__NO_SLOT)
		*value = table_of(base)->slots[slot].value;
	done(base);
	return slot != CALM__NO_SLOT ? CALM_OK : CALM_ABSENT;
}

static int visit_all(const struct calm_snapshot *base, calm_visit_fn *visit, void *context)
{
	const struct calm__table *table = table_of(base);
	int result = 0;
	for (size_t i = calm__table_next(table, 0); i != CALM__NO_SLOT && result == 0;
	     i = calm__table_next(table, i + 1))
		result = visit(calm__key_of(&base->map->keys, table->slots[i].key),
			       table->slots[i].value, context);
	return result;
}

static int each(struct calm_snapshot *base, calm_visit_fn *visit, void *context)
{
	if (!calm__snap_use(&base->snap))
		return CALM_ESTALE;
	int result = visit_all(base, visit, context);
	done(base);
	return result;
}

static uint64_t size(struct calm_snapshot *base)
{
	if (!calm__snap_use(&base->snap))
		return 0;
	uint64_t count = table_of(base)->count;
	done(base);
	return count;
}

/* A cursor's state[0] is a slot: the first that next has not passed. */
static calm_status seek(struct calm_cursor *cursor, calm_key key)
{
	struct calm_snapshot *base = cursor->snapshot;
	if (!calm__snap_use(&base->snap))
		return CALM_ESTALE;
	size_t slot = find(base, key);
	if (slot != CALM__NO_SLOT)
		cursor->state[0] = slot;
	done(base);
	return slot != CALM__NO_SLOT ? CALM_OK : CALM_ABSENT;
}

static calm_status step(struct calm_cursor *cursor, bool forward, calm_key *key, void **value)
{
	struct calm_snapshot *base = cursor->snapshot;
	if (!calm__snap_use(&base->snap))
		return CALM_ESTALE;
	const struct calm__table *table = table_of(base);
	size_t slot = forward ? calm__table_next(table, cursor->state[0])
			      : calm__table_prev(table, cursor->state[0]);
	if (slot != CALM__NO_SLOT) {
		*key = calm__key_of(&base->map->keys, table->slots[slot].key);
		*value = table->slots[slot].value;
		cursor->state[0] = forward ? slot + 1 : slot;
	}
	done(base);
	return slot != CALM__NO_SLOT ? CALM_OK : CALM_ABSENT;
}

int calm__cowmap_walk(struct calm_map *base, calm_visit_fn *visit, void *context)
{
	struct calm_snapshot *snapshot = open(base, false);
	if (!snapshot)
		return CALM_ENOMEM;
	int result = visit_all(snapshot, visit, context);
	done(snapshot);
	close_snapshot(snapshot);
	return result;
}

const struct calm__snapshot_kind calm__cowmap_snapshots = {
	.open = open_snapshot,
	.close = close_snapshot,
	.load = load,
	.each = each,
	.size = size,
	.seek = seek,
	.step = step,
};
