/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * treemap's snapshots: a stamp and a generation, opened, closed and read, as hashmap's
 * (hashmap_snapshot.c). Stamps of leaves are epochs, whole: nothing has to be refreshed, and opening
 * never answers EBUSY.
 */
#include "map/treemap_range.h"

/* ---- opening and closing ---- */

/* What a snapshot kept goes. By one thread, once. */
static void leave(struct calm__treemap *map, struct calm__snap *snap, struct calm__tree *tree)
{
	struct calm__self *self = calm__self();
	calm__enter(self);
	calm__snap_leave(&map->snaps, snap, self, &map->base);
	calm__tree_drop(map, self, tree);
	calm__leave(self);
	calm__history_trim(&map->history, false);
}

static void dispose(struct calm_snapshot *base)
{
	leave(calm__treemap_of(base->map), &base->snap, ((struct calm__tree_snapshot *)base)->tree);
}

/* The current generation, kept. Under turn. */
static struct calm__tree *keep_tree(struct calm__treemap *map)
{
	/* order: none - it changes under turn. */
	struct calm__tree *tree = load_relaxed(&map->tree);
	tree->refs++;
	return tree;
}

static calm_status open_snapshot(struct calm_map *base, struct calm_snapshot **out)
{
	struct calm__treemap *map = calm__treemap_of(base);
	struct calm_snapshot *snapshot = calm__snapshot_new(base);
	if (!snapshot)
		return CALM_ENOMEM;
	calm__lock(&map->turn);
	((struct calm__tree_snapshot *)snapshot)->tree = keep_tree(map);
	calm__snap_open(&map->snaps, &snapshot->snap, sizeof(struct calm__tree_snapshot));
	calm__unlock(&map->turn);
	*out = snapshot;
	calm__history_keep_budget(base, &map->history);
	calm__snapshot_done(snapshot);
	return CALM_OK;
}

int calm__treemap_walk(struct calm_map *base, calm_visit_fn *visit, void *context)
{
	struct calm__treemap *map = calm__treemap_of(base);
	struct calm__tree_view view = {.map = map};
	struct calm__snap snap;
	calm__lock(&map->turn);
	view.tree = keep_tree(map);
	calm__snap_open_walk(&map->snaps, &snap);
	calm__unlock(&map->turn);
	view.stamp = snap.stamp;
	struct calm__scan scan;
	scan.from = scan.to = (struct calm__edge){.open = true};
	scan.ascending = true;
	scan.done = false;
	int result = calm__scan_visit(&view, &scan, visit, context, &snap);
	leave(map, &snap, view.tree);
	return result;
}

/* ---- reading ---- */

struct calm__tree_view calm__tree_view_of(const struct calm_snapshot *base)
{
	return (struct calm__tree_view){calm__treemap_of(base->map),
					((const struct calm__tree_snapshot *)base)->tree,
					base->snap.stamp};
}

static calm_status load(struct calm_snapshot *base, calm_key key, void **value)
{
	struct calm__tree_view view = calm__tree_view_of(base);
	if (!calm__snap_use(&base->snap))
		return CALM_ESTALE;
	calm_status status = calm__tree_read(&view, key, value);
	calm__snapshot_done(base);
	return status;
}

static struct calm__edge edge_of(const calm_key *key)
{
	return (struct calm__edge){key == NULL, false, key ? *key : calm_word(0)};
}

static bool empty(const struct calm__treemap *map, const calm_key *from, const calm_key *to)
{
	if (!from || !to)
		return false;
	if (!calm__has_names(map))
		return calm_key_word(*from) >= calm_key_word(*to);
	return calm__bytes_compare(from->data, from->size, to->data, to->size, 0) >= 0;
}

static int range(struct calm_snapshot *base, const calm_key *from, const calm_key *to,
		 bool ascending, calm_visit_fn *visit, void *context)
{
	struct calm__tree_view view = calm__tree_view_of(base);
	struct calm__scan scan;
	if (!calm__snap_use(&base->snap))
		return CALM_ESTALE;
	scan.from = edge_of(from);
	scan.to = edge_of(to);
	scan.ascending = ascending;
	scan.done = empty(view.map, from, to);
	int result = calm__scan_visit(&view, &scan, visit, context, NULL);
	calm__snapshot_done(base);
	return result;
}

static int each(struct calm_snapshot *base, calm_visit_fn *visit, void *context)
{
	return range(base, NULL, NULL, true, visit, context);
}

static uint64_t size(struct calm_snapshot *base)
{
	struct calm__tree_snapshot *snapshot = (struct calm__tree_snapshot *)base;
	/* order: none - any thread that counts finds the same. */
	uint64_t known = load_relaxed(&snapshot->size);
	if (known > 0)
		return known - 1;
	struct calm__tree_view view = calm__tree_view_of(base);
	struct calm__scan scan;
	uint64_t count = 0;
	if (!calm__snap_use(&base->snap))
		return 0;
	scan.from = scan.to = edge_of(NULL);
	scan.ascending = true;
	for (scan.done = false; !scan.done; count += scan.n)
		calm__scan_take(&view, &scan, CALM__HAUL);
	/* order: none - as above. */
	store_relaxed(&snapshot->size, count + 1);
	calm__snapshot_done(base);
	return count;
}

const struct calm__snapshot_kind calm__treemap_snapshots = {
	.bytes = sizeof(struct calm__tree_snapshot),
	.open = open_snapshot,
	.dispose = dispose,
	.load = load,
	.each = each,
	.size = size,
	.seek = calm__tree_cursor_seek,
	.step = calm__tree_cursor_step,
	.range = range,
};
