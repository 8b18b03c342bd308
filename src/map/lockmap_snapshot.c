/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * lockmap's snapshots: copies of its table.
 *
 * A copy is taken under the shared lock, so readers go on and writers wait for a memcpy. Its slots
 * name the same records and values as the map's did; what the map displaces later goes to the
 * snapshots' dead lists (sync/snap.c). drain takes the table itself.
 *
 * Invariant: whoever looks into a snapshot's table is counted as a user, the opener from the start,
 * so a budget that ousts the snapshot frees the table after the last of them. A walk's own copy is
 * outside the budget.
 */
#include "map/lockmap.h"

struct lock_snapshot {
	struct calm_snapshot base;
	struct calm__table *table; /* frozen */
};

static struct lock_snapshot *snapshot_of(struct calm__snap *snap)
{
	return (struct lock_snapshot *)((char *)snap - offsetof(struct lock_snapshot, base.snap));
}

static void drop(struct lock_snapshot *snapshot)
{
	if (calm__snap_drop(&snapshot->base.snap))
		calm__heap_free(&snapshot->base.map->heap, snapshot, sizeof(*snapshot));
}

/*
 * Frees what a snapshot kept. By one thread, once: whoever calm__snap_done, _oust or _closes told
 * so.
 */
static void dispose(struct lock_snapshot *snapshot)
{
	struct lockmap *map = calm__lockmap_of(snapshot->base.map);
	struct calm__self *self = calm__self();
	calm__enter(self);
	calm__snap_leave(&map->snaps, &snapshot->base.snap, self, &map->base);
	calm__table_free(&map->base.heap, snapshot->table);
	drop(snapshot);
	calm__leave(self);
}

static void done(struct lock_snapshot *snapshot)
{
	if (calm__snap_done(&snapshot->base.snap))
		dispose(snapshot);
}

/* Ousts the oldest snapshots until the map is within its budget. */
static void keep_budget(struct lockmap *map)
{
	struct calm__snap *gone;
	/* order: none - a budget is kept to the table, not to the byte. */
	while (map->base.budget > 0 && load_relaxed(&map->snaps.history) > map->base.budget &&
	       calm__snaps_oust(&map->snaps, false, &gone))
		if (gone)
			dispose(snapshot_of(gone));
}

/*
 * A copy, with the caller as its user; NULL: no memory. Only if it is `kept` does it count in the
 * budget.
 */
static struct lock_snapshot *copy(struct lockmap *map, bool kept)
{
	struct calm_map *base = &map->base;
	struct lock_snapshot *snapshot = calm__heap_zero(&base->heap, sizeof(*snapshot));
	if (!snapshot)
		return NULL;
	snapshot->base.map = base;
	calm__lockmap_share(map);
	snapshot->table = calm__table_copy(&base->heap, map->table);
	if (snapshot->table)
		calm__snap_open(&map->snaps, &snapshot->base.snap,
				kept ? snapshot->table->bytes : 0);
	pthread_rwlock_unlock(&map->lock);
	if (!snapshot->table) {
		calm__heap_free(&base->heap, snapshot, sizeof(*snapshot));
		return NULL;
	}
	/* order: none - statistics. */
	add_relaxed(&base->copies, 1);
	add_relaxed(&base->copied_bytes, snapshot->table->bytes);
	return snapshot;
}

static void close_snapshot(struct calm_snapshot *base)
{
	struct lock_snapshot *snapshot = (struct lock_snapshot *)base;
	if (calm__snap_closes(&base->snap))
		dispose(snapshot);
	drop(snapshot);
}

static calm_status open_snapshot(struct calm_map *base, struct calm_snapshot **out)
{
	struct lockmap *map = calm__lockmap_of(base);
	struct lock_snapshot *snapshot = copy(map, true);
	if (!snapshot)
		return CALM_ENOMEM;
	keep_budget(map);
	*out = &snapshot->base;
	done(snapshot);
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
	calm__snap_open(&map->snaps, &snapshot->base.snap, snapshot->table->bytes);
	uint64_t death = calm__snaps_epoch(&map->snaps);
	calm__lockmap_unlock(map);
	if (map->cares)
		calm__lockmap_displace_all(map, self, snapshot->table, death);
	calm__leave(self);
	keep_budget(map);
	*out = &snapshot->base;
	done(snapshot);
	return CALM_OK;
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

static int visit_all(const struct lock_snapshot *snapshot, calm_visit_fn *visit, void *context)
{
	const struct calm__keys *keys = &snapshot->base.map->keys;
	const struct calm__table *table = snapshot->table;
	int result = 0;
	for (size_t i = calm__table_next(table, 0); i != CALM__NO_SLOT && result == 0;
	     i = calm__table_next(table, i + 1))
		result = visit(calm__key_of(keys, table->slots[i].key), table->slots[i].value,
			       context);
	return result;
}

static int each(struct calm_snapshot *base, calm_visit_fn *visit, void *context)
{
	struct lock_snapshot *snapshot = (struct lock_snapshot *)base;
	if (!calm__snap_use(&base->snap))
		return CALM_ESTALE;
	int result = visit_all(snapshot, visit, context);
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
	size_t slot = forward ? calm__table_next(table, cursor->state[0])
			      : calm__table_prev(table, cursor->state[0]);
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
	struct lock_snapshot *snapshot = copy(calm__lockmap_of(base), false);
	if (!snapshot)
		return CALM_ENOMEM;
	int result = visit_all(snapshot, visit, context);
	done(snapshot);
	close_snapshot(&snapshot->base);
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
