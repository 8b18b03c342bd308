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

static void drop(struct calm__hash_snapshot *snapshot)
{
	if (calm__snap_drop(&snapshot->base.snap))
		calm__heap_free(&snapshot->base.map->heap, snapshot, sizeof(*snapshot));
}

/* What a snapshot kept goes. By one thread, once. */
static void leave(struct calm__hashmap *map, struct calm__snap *snap,
		  struct calm__generation *generation, bool press)
{
	struct calm__self *self = calm__self();
	calm__enter(self);
	calm__snap_leave(&map->snaps, snap, self, &map->base);
	calm__generation_drop(map, self, generation);
	calm__leave(self);
	calm__history_trim(&map->history, press);
}

/* For whoever calm__snap_done, _oust or _closes told so. */
static void dispose(struct calm__hash_snapshot *snapshot, bool press)
{
	leave(calm__hashmap_of(snapshot->base.map), &snapshot->base.snap, snapshot->generation,
	      press);
	drop(snapshot);
}

void calm__hashmap_done(struct calm__hash_snapshot *snapshot)
{
	if (calm__snap_done(&snapshot->base.snap))
		dispose(snapshot, false);
}

static uint64_t history_bytes(struct calm__hashmap *map)
{
	/* order: none - a budget is kept to the image, not to the byte. */
	return calm__history_bytes(&map->history) +
	       load_relaxed(&map->snaps.dead) * sizeof(struct calm__retired);
}

void calm__hashmap_keep_budget(struct calm__hashmap *map)
{
	struct calm__snap *gone = NULL;
	if (map->base.budget == 0 || history_bytes(map) <= map->base.budget)
		return;
	/* With nothing left to oust, pressing would copy all that stays at each write, for nothing. */
	/* order: none - as in history_bytes(). */
	calm__history_trim(&map->history, load_relaxed(&map->snaps.history) > 0);
	while (history_bytes(map) > map->base.budget && calm__snaps_oust(&map->snaps, true, &gone))
		if (gone)
			dispose((struct calm__hash_snapshot
					 *)(void *)((char *)gone -
						    offsetof(struct calm__hash_snapshot,
							     base.snap)),
				true);
}

/*
 * The current generation, kept. Under turn, in a section that began before it was taken: what is
 * released at a section's end may open a snapshot. EBUSY: a snapshot is too old for one more; ENOMEM.
 */
static calm_status prepare(struct calm__hashmap *map, struct calm__self *self,
			   struct calm__generation **generation)
{
	/* order: none - it changes under turn, but for closes, which only raise it. */
	if (calm__snaps_now(&map->snaps) - load_relaxed(&map->snaps.horizon) >= STAMP_QUARTER)
		return CALM_EBUSY;
	if (!calm__hashmap_refresh(map, self))
		return CALM_ENOMEM;
	*generation = map->current;
	(*generation)->refs++;
	return CALM_OK;
}

void calm__hashmap_opened(struct calm__hashmap *map, struct calm__hash_snapshot *snapshot)
{
	calm__hashmap_keep_budget(map);
	calm__hashmap_done(snapshot);
}

static calm_status open_snapshot(struct calm_map *base, struct calm_snapshot **out)
{
	struct calm__hashmap *map = calm__hashmap_of(base);
	struct calm__hash_snapshot *snapshot = calm__heap_zero(&base->heap, sizeof(*snapshot));
	if (!snapshot)
		return CALM_ENOMEM;
	snapshot->base.map = base;
	struct calm__self *self = calm__self();
	calm__enter(self);
	calm__lock(&map->turn);
	calm_status status = prepare(map, self, &snapshot->generation);
	if (status == CALM_OK)
		calm__snap_open(&map->snaps, &snapshot->base.snap, sizeof(*snapshot));
	calm__unlock(&map->turn);
	calm__leave(self);
	if (status != CALM_OK) {
		calm__heap_free(&base->heap, snapshot, sizeof(*snapshot));
		return status;
	}
	*out = &snapshot->base;
	calm__hashmap_opened(map, snapshot);
	return CALM_OK;
}

static void close_snapshot(struct calm_snapshot *base)
{
	struct calm__hash_snapshot *snapshot = (struct calm__hash_snapshot *)base;
	if (calm__snap_closes(&base->snap))
		dispose(snapshot, false);
	drop(snapshot);
}

int calm__hashmap_walk(struct calm_map *base, calm_visit_fn *visit, void *context)
{
	struct calm__hashmap *map = calm__hashmap_of(base);
	struct calm__view view = {.map = map};
	struct calm__snap snap;
	struct calm__self *self = calm__self();
	calm__enter(self);
	calm__lock(&map->turn);
	calm_status status = prepare(map, self, &view.generation);
	if (status == CALM_OK)
		calm__snap_open_walk(&map->snaps, &snap);
	calm__unlock(&map->turn);
	calm__leave(self);
	if (status != CALM_OK)
		return (int)status;
	view.stamp = snap.stamp;
	int result = calm__visit_units(&view, visit, context, &snap);
	leave(map, &snap, view.generation, false);
	return result;
}

/* ---- reading ---- */

struct calm__view calm__view_of(const struct calm__hash_snapshot *snapshot)
{
	return (struct calm__view){calm__hashmap_of(snapshot->base.map), snapshot->generation,
				   snapshot->base.snap.stamp, true};
}

static calm_status load(struct calm_snapshot *base, calm_key key, void **value)
{
	struct calm__hash_snapshot *snapshot = (struct calm__hash_snapshot *)base;
	const struct calm__keys *keys = &base->map->keys;
	uint64_t hash = calm__key_hash(keys, key);
	struct calm__view view = calm__view_of(snapshot);
	struct calm__batch batch;
	if (!calm__snap_use(&base->snap))
		return CALM_ESTALE;
	calm__batch_begin(&batch);
	calm_status status = calm__read_unit(&view, hash, &batch);
	if (status == CALM_OK) {
		status = CALM_ABSENT;
		for (size_t i = 0; i < batch.n; i++) {
			if (calm__key_is(keys, batch.entries[i].key, key, hash)) {
				*value = batch.entries[i].value;
				status = CALM_OK;
			}
		}
	}
	calm__batch_end(view.map, &batch);
	calm__hashmap_done(snapshot);
	return status;
}

static int each(struct calm_snapshot *base, calm_visit_fn *visit, void *context)
{
	struct calm__hash_snapshot *snapshot = (struct calm__hash_snapshot *)base;
	struct calm__view view = calm__view_of(snapshot);
	if (!calm__snap_use(&base->snap))
		return CALM_ESTALE;
	int result = calm__visit_units(&view, visit, context, NULL);
	calm__hashmap_done(snapshot);
	return result;
}

static int count_one(calm_key key, void *value, void *context)
{
	(void)key;
	(void)value;
	++*(uint64_t *)context;
	return 0;
}

static uint64_t size(struct calm_snapshot *base)
{
	struct calm__hash_snapshot *snapshot = (struct calm__hash_snapshot *)base;
	/* order: none - any thread that counts finds the same. */
	uint64_t known = load_relaxed(&snapshot->size);
	if (known > 0)
		return known - 1;
	struct calm__view view = calm__view_of(snapshot);
	view.ordered = false;
	uint64_t count = 0;
	if (!calm__snap_use(&base->snap))
		return 0;
	if (calm__visit_units(&view, count_one, &count, NULL) == 0)
		/* order: none - as above. */
		store_relaxed(&snapshot->size, count + 1);
	calm__hashmap_done(snapshot);
	return count;
}

const struct calm__snapshot_kind calm__hashmap_snapshots = {
	.open = open_snapshot,
	.close = close_snapshot,
	.load = load,
	.each = each,
	.size = size,
	.seek = calm__hash_cursor_seek,
	.step = calm__hash_cursor_step,
};
