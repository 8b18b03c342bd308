/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * hashmap's snapshots: a stamp and a generation, opened, closed and read.
 *
 * Opening takes the epoch for its stamp and increments it, O(1); writers find out by the epoch. A
 * snapshot holds its generation, and so survives a clear; it holds no table and no section, so that
 * writers resize and reclaim beside it. What it may see of records and values is kept by their births
 * and deaths (sync/snap.c), what it may see of buckets by history (sync/history.c).
 *
 * Stamps of buckets are short, so opening also refreshes a few, and refuses (EBUSY) when a snapshot
 * has been open for a quarter of what a stamp can count.
 */
#include "map/hashmap_units.h"

/* ---- opening and closing ---- */

/* What a snapshot kept goes. By one thread, once. */
static void leave(struct calm__hashmap *map, struct calm__snap *snap,
		  struct calm__generation *generation, struct calm__base *under)
{
	struct calm__self *self = calm__self();
	calm__enter(self);
	calm__snap_leave(&map->snaps, snap, self, &map->base);
	calm__base_leave(map, under);
	calm__generation_drop(map, self, generation);
	calm__leave(self);
	calm__history_trim(&map->history, false);
}

static void dispose(struct calm_snapshot *base)
{
	struct calm__hash_snapshot *snapshot = (struct calm__hash_snapshot *)base;
	leave(calm__hashmap_of(base->map), &base->snap, snapshot->generation, snapshot->under);
}

/*
 * The current generation and what lies under it, kept. Under turn, in a section that began before it
 * was taken: what is released at a section's end may open a snapshot. EBUSY: a snapshot is too old for
 * one more; ENOMEM.
 */
static calm_status prepare(struct calm__hashmap *map, struct calm__self *self,
			   struct calm__generation **generation, struct calm__base **under)
{
	/* order: none - it changes under turn, but for closes, which only raise it. */
	if (calm__snaps_now(&map->snaps) - load_relaxed(&map->snaps.horizon) >= STAMP_QUARTER)
		return CALM_EBUSY;
	if (!calm__hashmap_refresh(map, self))
		return CALM_ENOMEM;
	*generation = map->current;
	(*generation)->refs++;
	*under = calm__base_hold(*generation);
	return CALM_OK;
}

static calm_status open_snapshot(struct calm_map *base, struct calm_snapshot **out)
{
	struct calm__hashmap *map = calm__hashmap_of(base);
	struct calm_snapshot *snapshot = calm__snapshot_new(base);
	if (!snapshot)
		return CALM_ENOMEM;
	struct calm__self *self = calm__self();
	calm__enter(self);
	calm__lock(&map->turn);
	struct calm__hash_snapshot *own = (struct calm__hash_snapshot *)snapshot;
	calm_status status = prepare(map, self, &own->generation, &own->under);
	if (status == CALM_OK)
		calm__snap_open(&map->snaps, &snapshot->snap, sizeof(struct calm__hash_snapshot));
	calm__unlock(&map->turn);
	calm__leave(self);
	if (status != CALM_OK) {
		calm__snapshot_free(snapshot);
		return status;
	}
	*out = snapshot;
	calm__history_keep_budget(base, &map->history);
	calm__snapshot_done(snapshot);
	return CALM_OK;
}

int calm__hashmap_walk(struct calm_map *base, calm_visit_fn *visit, void *context)
{
	struct calm__hashmap *map = calm__hashmap_of(base);
	struct calm__view view = {.map = map};
	struct calm__base *under;
	struct calm__snap snap;
	struct calm__self *self = calm__self();
	calm__enter(self);
	calm__lock(&map->turn);
	calm_status status = prepare(map, self, &view.generation, &under);
	if (status == CALM_OK)
		calm__snap_open_walk(&map->snaps, &snap);
	calm__unlock(&map->turn);
	calm__leave(self);
	if (status != CALM_OK)
		return (int)status;
	view.stamp = snap.stamp;
	view.under = under;
	int result = calm__visit_units(&view, visit, context, &snap);
	leave(map, &snap, view.generation, under);
	return result;
}

/* ---- reading ---- */

struct calm__view calm__view_of(const struct calm_snapshot *base)
{
	const struct calm__hash_snapshot *own = (const struct calm__hash_snapshot *)base;
	return (struct calm__view){calm__hashmap_of(base->map), own->generation, base->snap.stamp,
				   own->under};
}

static calm_status load(struct calm_snapshot *base, calm_key key, void **value)
{
	struct calm__view view = calm__view_of(base);
	struct calm__entry entry;
	if (!calm__snap_use(&base->snap))
		return CALM_ESTALE;
	calm_status status = calm__read_key(&view, key, calm__key_hash(&base->map->keys, key),
					    &entry);
	if (status == CALM_OK)
		*value = entry.value;
	calm__snapshot_done(base);
	return status;
}

static int each(struct calm_snapshot *base, calm_visit_fn *visit, void *context)
{
	struct calm__view view = calm__view_of(base);
	if (!calm__snap_use(&base->snap))
		return CALM_ESTALE;
	int result = calm__visit_units(&view, visit, context, NULL);
	calm__snapshot_done(base);
	return result;
}

struct count {
	const struct calm__keys *keys;
	const struct calm__dense *under; /* NULL: nothing */
	uint64_t n;
};

/* A binding is one more; a mark, what it changes. */
static int count_one(calm_key key, void *value, void *context)
{
	struct count *count = context;
	if (!count->under) {
		count->n++;
		return 0;
	}
	bool was = calm__dense_find(count->under, count->keys, key,
				    calm__key_hash(count->keys, key)) != CALM__NOWHERE;
	count->n += (uint64_t)(value != CALM__GONE) - was;
	return 0;
}

static uint64_t size(struct calm_snapshot *base)
{
	struct calm__hash_snapshot *snapshot = (struct calm__hash_snapshot *)base;
	/* order: none - any thread that counts finds the same. */
	uint64_t known = load_relaxed(&snapshot->size);
	if (known > 0)
		return known - 1;
	struct calm__view view = calm__view_of(base);
	struct count count = {&base->map->keys, NULL, 0};
	if (!calm__snap_use(&base->snap))
		return 0;
	if (view.under) {
		count.under = view.under->dense;
		count.n = count.under->count;
	}
	view.under = NULL;
	if (calm__visit_units(&view, count_one, &count, NULL) == 0)
		/* order: none - as above. */
		store_relaxed(&snapshot->size, count.n + 1);
	else
		count.n = 0;
	calm__snapshot_done(base);
	return count.n;
}

const struct calm__snapshot_kind calm__hashmap_snapshots = {
	.bytes = sizeof(struct calm__hash_snapshot),
	.open = open_snapshot,
	.dispose = dispose,
	.load = load,
	.each = each,
	.size = size,
	.seek = calm__hash_cursor_seek,
	.step = calm__hash_cursor_step,
};
