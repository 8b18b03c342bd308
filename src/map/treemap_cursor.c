/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Cursors on treemap's snapshots. A cursor stands before or behind a binding that the snapshot has,
 * or at an end, and knows it by its key alone: which leaf that is in, the tree says at every step.
 * O(log n) a step. Seeking a key that is not there stands before the next greater one, so the
 * cursor needs no copy of the key: the name of one that is there stays while the snapshot is open.
 */
#include "map/treemap_range.h"

/* A cursor's state[]. */
enum { WHERE, KEY };
enum where { AT_START, BEFORE, BEHIND, AT_END };

static struct calm__edge edge_at(const struct calm__treemap *map, const struct calm_cursor *cursor)
{
	enum where where = (enum where)cursor->state[WHERE];
	struct calm__edge edge = {where == AT_START || where == AT_END, where == BEHIND,
				  calm_word(0)};
	if (!edge.open)
		edge.key = calm__tree_key(map, cursor->state[KEY]);
	return edge;
}

/* The nearest entry on one side of an edge. False: there is none. */
static bool nearest(const struct calm__tree_view *view, struct calm__edge edge, bool forward,
		    struct calm__entry *found)
{
	struct calm__scan scan;
	scan.from = scan.to = (struct calm__edge){.open = true};
	*(forward ? &scan.from : &scan.to) = edge;
	scan.ascending = forward;
	scan.done = false;
	calm__scan_take(view, &scan, 1);
	if (scan.n > 0)
		*found = scan.entries[0];
	return scan.n > 0;
}

calm_status calm__tree_cursor_step(struct calm_cursor *cursor, bool forward, calm_key *key,
				   void **value)
{
	struct calm_snapshot *base = cursor->snapshot;
	struct calm__tree_view view = calm__tree_view_of(base);
	struct calm__entry found;
	calm_status status = CALM_ABSENT;
	if (!calm__snap_use(&base->snap))
		return CALM_ESTALE;
	if (cursor->state[WHERE] != (forward ? AT_END : AT_START) &&
	    nearest(&view, edge_at(view.map, cursor), forward, &found)) {
		*key = calm__tree_key(view.map, found.key);
		*value = found.value;
		cursor->state[WHERE] = forward ? BEHIND : BEFORE;
		cursor->state[KEY] = found.key;
		status = CALM_OK;
	}
	calm__snapshot_done(base);
	return status;
}

calm_status calm__tree_cursor_seek(struct calm_cursor *cursor, calm_key key)
{
	struct calm_snapshot *base = cursor->snapshot;
	struct calm__tree_view view = calm__tree_view_of(base);
	struct calm__entry found;
	calm_status status = CALM_ABSENT;
	if (!calm__snap_use(&base->snap))
		return CALM_ESTALE;
	if (nearest(&view, (struct calm__edge){false, false, key}, true, &found)) {
		cursor->state[WHERE] = BEFORE;
		cursor->state[KEY] = found.key;
		bool same = calm__has_names(view.map)
				    ? calm__name_compare(calm__name_of(found.key), key, 0) == 0
				    : found.key == calm_key_word(key);
		status = same ? CALM_OK : CALM_ABSENT;
	} else {
		cursor->state[WHERE] = AT_END;
	}
	calm__snapshot_done(base);
	return status;
}
