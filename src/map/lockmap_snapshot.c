/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * lockmap's snapshots: copies of its table.
 *
 * A copy is taken under the shared lock, so readers go on and writers wait for a memcpy. Its slots name the same records
 * and values as the map's did; what the map displaces later goes to the snapshots' dead lists (sync/snap.c). drain takes the
 * table itself.
 *
 * Invariant: whoever looks into a snapshot's table is counted as a user (calm__snap_use), so a budget that ousts the
 * snapshot frees the table after the last of them.
 */
#include "map/lockmap.h"

struct lock_snapshot {
	struct calm_snapshot base;
	struct calm__table *table; /* frozen */
};

/* What a snapshot kept that its map does not need any more. */
static void dispose(struct lock_snapshot *snapshot)
{
	struct lockmap *map = calm__lockmap_of(snapshot->base.map);
	struct calm__self *self = calm__self();
	calm__enter(self);
	calm__snap_leave(&map->snaps, &snapshot->base.snap, self, &map->base);
	/* order: none - statistics. */
	add_relaxed(&map->history, -(uint64_t)snapshot->table->bytes);
	calm__table_free(&map->base.heap, snapshot->table);
	calm__leave(self);
}

static struct lock_snapshot *snapshot_of(struct calm__snap *snap)
{
	return (struct lock_snapshot *)((char *)snap - offsetof(struct lock_snapshot, base.snap));
}

/* Counts a new snapshot's table, and keeps the map within its budget. */
static void account(struct lockmap *map, struct lock_snapshot *snapshot)
{
	/* order: none - statistics; a budget is kept to the table, not to the byte. */
	add_relaxed(&map->history, snapshot->table->bytes);
	struct calm__snap *gone;
	while (map->base.budget > 0 && load_relaxed(&map->history) > map->base.budget &&
	       calm__snaps_oust(&map->snaps, &snapshot->base.snap, &gone))
		if (gone)
			dispose(snapshot_of(gone));
}

static calm_status open_snapshot(struct calm_map *base, struct calm_snapshot **out)
{
	struct lockmap *map = calm__lockmap_of(base);
	struct lock_snapshot *snapshot = calm__heap_zero(&base->heap, sizeof(*snapshot));
	if (!snapshot)
		return CALM_ENOMEM;
	snapshot->base.map = base;
	pthread_rwlock_rdlock(&map->lock);
	snapshot->table = calm__table_copy(&base->heap, map->table);
	if (snapshot->table)
		calm__snap_open(&map->snaps, &snapshot->base.snap);
	pthread_rwlock_unlock(&map->lock);
	if (!snapshot->table) {
		calm__heap_free(&base->heap, snapshot, sizeof(*snapshot));
		return CALM_ENOMEM;
	}
	/* order: none - statistics. */
	add_relaxed(&base->copies, 1);
	add_relaxed(&base->copied_bytes, snapshot->table->bytes);
	account(map, snapshot);
	*out = &snapshot->base;
	return CALM_OK;
}

calm_status calm__lockmap_drain(struct calm_map *base, struct calm_snapshot **out)
{
	struct lockmap *map = calm__lockmap_of(base);
	struct calm__self *self;
	struct lock_snapshot *snapshot = calm__heap_zero(&base->heap, sizeof(*snapshot));
	if (!snapshot)
		return CALM_ENOMEM;
	snapshot->base.map = base;
	if (calm__lockmap_take(map, true, &self, &snapshot->table) != CALM_OK) {
		calm__heap_free(&base->heap, snapshot, sizeof(*snapshot));
		return CALM_ENOMEM;
	}
	calm__snap_open(&map->snaps, &snapshot->base.snap);
	uint64_t death = calm__snaps_epoch(&map->snaps);
	pthread_rwlock_unlock(&map->lock);
	if (map->cares)
		calm__lockmap_displace_all(map, self, snapshot->table, death);
	calm__leave(self);
	account(map, snapshot);
	*out = &snapshot->base;
	return CALM_OK;
}

static void close_snapshot(struct calm_snapshot *base)
{
	struct lock_snapshot *snapshot = (struct lock_snapshot *)base;
	struct calm_map *map = base->map;
	if (calm__snap_closes(&base->snap))
		dispose(snapshot);
	calm__heap_free(&map->heap, snapshot, sizeof(*snapshot));
}

static void done(struct lock_snapshot *snapshot)
{
	if (calm__snap_done(&snapshot->base.snap))
		dispose(snapshot);
}

static calm_status load(struct calm_snapshot *base, calm_key key, void **value)
{
	struct lock_snapshot *snapshot = (struct lock_snapshot *)base;
	const struct calm__keys *keys = &base->map->keys;
	if (!calm__snap_use(&base->snap))
		return CALM_ESTALE;
	size_t slot = calm__table_find(snapshot->table, keys, key, calm__key_hash(keys, key));
	if (slot != CALM__NO_SLOT)
		*value = snapshot->table->slots[slot].value;
	done(snapshot);
	return slot != CALM__NO_SLOT ? CALM_OK : CALM_ABSENT;
}

static int each(struct calm_snapshot *base, calm_visit_fn *visit, void *context)
{
	struct lock_snapshot *snapshot = (struct lock_snapshot *)base;
	if (!calm__snap_use(&base->snap))
		return CALM_ESTALE;
	const struct calm__table *table = snapshot->table;
	int result = 0;
	for (size_t i = calm__table_next(table, 0); i != CALM__NO_SLOT && result == 0;
	     i = calm__table_next(table, i + 1))
		result = visit(calm__key_of(&base->map->keys, table->slots[i].key), table->slots[i].value, context);
	done(snapshot);
	return result;
}

static uint64_t size(struct calm_snapshot *base)
{
	if (!calm__snap_use(&base->snap))
		return 0;
	uint64_t count = ((struct lock_snapshot *)base)->table->count;
	done((struct lock_snapshot *)base);
	return count;
}

/* A cursor's state[0] is a slot: the first that next has not passed. */
static calm_status seek(struct calm_cursor *cursor, calm_key key)
{
	struct lock_snapshot *snapshot = (struct lock_snapshot *)cursor->snapshot;
	const struct calm__keys *keys = &snapshot->base.map->keys;
	if (!calm__snap_use(&snapshot->base.snap))
		return CALM_ESTALE;
	size_t slot = calm__table_find(snapshot->table, keys, key, calm__key_hash(keys, key));
	if (slot != CALM__NO_SLOT)
		cursor->state[0] = slot;
	done(snapshot);
	return slot != CALM__NO_SLOT ? CALM_OK : CALM_ABSENT;
}

static calm_status step(struct calm_cursor *cursor, bool forward, calm_key *key, void **value)
{
	struct lock_snapshot *snapshot = (struct lock_snapshot *)cursor->snapshot;
	if (!calm__snap_use(&snapshot->base.snap))
		return CALM_ESTALE;
	const struct calm__table *table = snapshot->table;
	size_t slot = forward ? calm__table_next(table, cursor->state[0]) : calm__table_prev(table, cursor->state[0]);
	if (slot != CALM__NO_SLOT) {
		*key = calm__key_of(&snapshot->base.map->keys, table->slots[slot].key);
		*value = table->slots[slot].value;
		cursor->state[0] = forward ? slot + 1 : slot;
	}
	done(snapshot);
	return slot != CALM__NO_SLOT ? CALM_OK : CALM_ABSENT;
}

int calm__lockmap_walk(struct calm_map *base, calm_visit_fn *visit, void *context)
{
	struct calm_snapshot *at;
	calm_status status = open_snapshot(base, &at);
	if (status != CALM_OK)
		return status;
	int result = each(at, visit, context);
	close_snapshot(at);
	return result;
}

const struct calm__snapshot_kind calm__lockmap_snapshots = {
	.open = open_snapshot,
	.close = close_snapshot,
	.load = load,
	.each = each,
	.size = size,
	.seek = seek,
	.step = step,
};
