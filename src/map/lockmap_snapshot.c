/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * lockmap's snapshots: copies of its table.
 *
 * A copy is taken under the shared lock, so readers go on and writers wait for a memcpy. Its slots
 * name the same records and values as the map's did; what the map displaces later goes to the
 * snapshots' dead lists (sync/snap.c). drain takes the table itself.
 *
 * Reading one is frozen.c's. A walk's own copy is outside the budget.
 */
#include "base/probe.h"
#include "map/lockmap.h"

static void dispose(struct calm_snapshot *base)
{
	struct lockmap *map = calm__lockmap_of(base->map);
	struct calm__self *self = calm__self();
	calm__enter(self);
	calm__snap_leave(&map->snaps, &base->snap, self, &map->base);
	calm__leave(self);
	calm__table_free(&map->base.heap,
			 (struct calm__table *)(uintptr_t)((struct calm__frozen *)base)->table);
}

/*
 * A copy, with the caller as its user; NULL: no memory. Only if it is `kept` does it count in the
 * budget.
 */
static struct calm_snapshot *copy(struct lockmap *map, bool kept)
{
	struct calm_map *base = &map->base;
	struct calm_snapshot *snapshot = calm__snapshot_new(base);
	if (!snapshot)
		return NULL;
	calm__lockmap_share(map);
	calm__probe2(copy__begin, map, map->table->count);
	struct calm__table *table = calm__table_copy(&base->heap, map->table);
	calm__probe1(copy__end, map);
	((struct calm__frozen *)snapshot)->table = table;
	if (table)
		calm__snap_open(&map->snaps, &snapshot->snap, kept ? table->bytes : 0);
	pthread_rwlock_unlock(&map->lock);
	if (!table) {
		calm__snapshot_free(snapshot);
		return NULL;
	}
	/* order: none - statistics. */
	add_relaxed(&base->copies, 1);
	add_relaxed(&base->copied_bytes, table->bytes);
	return snapshot;
}

static calm_status open_snapshot(struct calm_map *base, struct calm_snapshot **out)
{
	struct lockmap *map = calm__lockmap_of(base);
	struct calm_snapshot *snapshot = copy(map, true);
	if (!snapshot)
		return CALM_ENOMEM;
	calm__snapshots_keep_budget(base, &map->snaps);
	*out = snapshot;
	calm__snapshot_done(snapshot);
	return CALM_OK;
}

calm_status calm__lockmap_drain(struct calm_map *base, struct calm_snapshot **out)
{
	struct lockmap *map = calm__lockmap_of(base);
	struct calm__self *self;
	struct calm__table *table;
	struct calm_snapshot *snapshot = calm__snapshot_new(base);
	if (!snapshot)
		return CALM_ENOMEM;
	if (calm__lockmap_take(map, true, &self, &table) != CALM_OK) {
		calm__snapshot_free(snapshot);
		return CALM_ENOMEM;
	}
	((struct calm__frozen *)snapshot)->table = table;
	calm__snap_open(&map->snaps, &snapshot->snap, table->bytes);
	uint64_t death = calm__snaps_epoch(&map->snaps);
	calm__lockmap_unlock(map);
	if (map->cares)
		calm__lockmap_displace_all(map, self, table, death);
	calm__leave(self);
	calm__snapshots_keep_budget(base, &map->snaps);
	*out = snapshot;
	calm__snapshot_done(snapshot);
	return CALM_OK;
}

int calm__lockmap_walk(struct calm_map *base, calm_visit_fn *visit, void *context)
{
	struct calm_snapshot *snapshot = copy(calm__lockmap_of(base), false);
	return snapshot ? calm__frozen_walk(snapshot, visit, context) : (int)CALM_ENOMEM;
}

const struct calm__snapshot_kind calm__lockmap_snapshots = {
	.bytes = sizeof(struct calm__frozen),
	.open = open_snapshot,
	.dispose = dispose,
	.load = calm__frozen_load,
	.each = calm__frozen_each,
	.size = calm__frozen_size,
	.seek = calm__frozen_seek,
	.step = calm__frozen_step,
};
