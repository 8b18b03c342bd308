/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The snapshot verbs: as map.c, each checks its arguments and calls the map's kind. Opening, use,
 * ousting and closing are the same for every kind, but for what it kept. diff is composed of a walk
 * over one snapshot and loads from the other, which needs nothing of a kind.
 */
#include "base/probe.h"
#include "guard/guard.h"
#include "map/kind.h"

/* ---- the life of a snapshot ---- */

static size_t bytes_of(const struct calm_map *map)
{
	return map->kind->snapshots->bytes;
}

struct calm_snapshot *calm__snapshot_new(struct calm_map *map)
{
	struct calm_snapshot *snapshot = calm__heap_zero(&map->heap, bytes_of(map));
	if (snapshot)
		snapshot->map = map;
	return snapshot;
}

void calm__snapshot_free(struct calm_snapshot *snapshot)
{
	calm__heap_free(&snapshot->map->heap, snapshot, bytes_of(snapshot->map));
}

static void drop(struct calm_snapshot *snapshot)
{
	if (calm__snap_drop(&snapshot->snap))
		calm__snapshot_free(snapshot);
}

static void dispose(struct calm_snapshot *snapshot)
{
	snapshot->map->kind->snapshots->dispose(snapshot);
	drop(snapshot);
}

void calm__snapshot_done(struct calm_snapshot *snapshot)
{
	if (calm__snap_done(&snapshot->snap))
		dispose(snapshot);
}

void calm__snapshot_close(struct calm_snapshot *snapshot)
{
	if (calm__snap_closes(&snapshot->snap))
		dispose(snapshot);
	drop(snapshot);
}

bool calm__snapshots_oust(struct calm__snaps *snaps, bool newest_too)
{
	struct calm__snap *gone;
	bool ousted = calm__snaps_oust(snaps, newest_too, &gone);
	if (gone)
		dispose((struct calm_snapshot *)(void *)((char *)gone -
							 offsetof(struct calm_snapshot, snap)));
	return ousted;
}

void calm__snapshots_keep_budget(struct calm_map *map, struct calm__snaps *snaps)
{
	/* order: none - a budget is kept to the table, not to the byte. */
	while (map->budget > 0 && load_relaxed(&snaps->history) > map->budget &&
	       calm__snapshots_oust(snaps, false))
		;
}

uint64_t calm__history_kept(struct calm__history *history)
{
	/* order: none - a budget is kept to the image, not to the byte. */
	return calm__history_bytes(history) + load_relaxed(&history->held) +
	       load_relaxed(&history->snaps->dead) * sizeof(struct calm__retired);
}

void calm__history_keep_budget(struct calm_map *map, struct calm__history *history)
{
	do {
		if (map->budget == 0 || calm__history_kept(history) <= map->budget)
			return;
		/* With nothing to oust, pressing would copy all that stays, each time in vain. */
		/* order: none - as in calm__history_kept(). */
		calm__history_trim(history, load_relaxed(&history->snaps->history) > 0);
	} while (calm__history_kept(history) > map->budget &&
		 calm__snapshots_oust(history->snaps, true));
}

/* ---- the verbs ---- */

static void opened(calm_map *map, const calm_snapshot *snapshot)
{
	calm__probe2(snapshot__open, map, snapshot);
	/* order: none - the handle reaches other threads by the user's own means. */
	add_relaxed(&map->snapshots, 1);
}

calm_status calm_map_snapshot(calm_map *map, calm_snapshot **out)
{
	if (!map || !out)
		return CALM_EINVAL;
	if (!map->kind->snapshots)
		return CALM_EUNSUPPORTED;
	calm_status status = map->kind->snapshots->open(map, out);
	if (status == CALM_OK)
		opened(map, *out);
	return status;
}

calm_status calm_map_drain(calm_map *map, calm_snapshot **old)
{
	if (!map || !old)
		return CALM_EINVAL;
	if (!map->kind->drain)
		return CALM_EUNSUPPORTED;
	calm_status status = map->kind->drain(map, old);
	if (status == CALM_OK)
		opened(map, *old);
	return status;
}

void calm_snapshot_close(calm_snapshot *snapshot)
{
	if (!snapshot)
		return;
	calm_map *map = snapshot->map;
	calm__probe2(snapshot__close, map, snapshot);
	calm__snapshot_close(snapshot);
	/* order: map.snapshots release -> calm_map_destroy(): the last use of the map by this
	 * snapshot. */
	add_acq_rel(&map->snapshots, (uint64_t)-1);
}

calm_status calm_snapshot_load(calm_snapshot *snapshot, calm_key key, void **value)
{
	if (!snapshot || !value)
		return CALM_EINVAL;
	calm_status status = calm__key_check(&snapshot->map->keys, key);
	return status == CALM_OK ? snapshot->map->kind->snapshots->load(snapshot, key, value)
				 : status;
}

static int each(calm_snapshot *snapshot, calm_visit_fn *visit, void *context)
{
	if (!snapshot || !visit)
		return CALM_EINVAL;
	const calm_map *map = snapshot->map;
	calm__probe2(traversal__begin, map, CALM__PROBE_SNAPSHOT_EACH);
	int result = map->kind->snapshots->each(snapshot, visit, context);
	calm__probe2(traversal__end, map, CALM__PROBE_SNAPSHOT_EACH);
	return result;
}

CALM__TRAVERSAL(int, calm_snapshot_each, each, calm__guard_called,
		(calm_snapshot * snapshot, calm_visit_fn *visit, void *context),
		(snapshot, visit, context))

static int range(calm_snapshot *snapshot, const calm_key *from, const calm_key *to, bool ascending,
		 calm_visit_fn *visit, void *context)
{
	if (!snapshot || !visit)
		return CALM_EINVAL;
	const calm_key *ends[] = {from, to};
	for (int i = 0; i < 2; i++) {
		calm_status status = ends[i] ? calm__key_check(&snapshot->map->keys, *ends[i])
					     : CALM_OK;
		if (status != CALM_OK)
			return status;
	}
	const calm_map *map = snapshot->map;
	const struct calm__snapshot_kind *kind = map->kind->snapshots;
	if (!kind->range)
		return CALM_EUNSUPPORTED;
	calm__probe2(traversal__begin, map, CALM__PROBE_SNAPSHOT_RANGE);
	int result = kind->range(snapshot, from, to, ascending, visit, context);
	calm__probe2(traversal__end, map, CALM__PROBE_SNAPSHOT_RANGE);
	return result;
}

static int ascending(calm_snapshot *snapshot, const calm_key *from, const calm_key *to,
		     calm_visit_fn *visit, void *context)
{
	return range(snapshot, from, to, true, visit, context);
}

static int descending(calm_snapshot *snapshot, const calm_key *from, const calm_key *to,
		      calm_visit_fn *visit, void *context)
{
	return range(snapshot, from, to, false, visit, context);
}

CALM__TRAVERSAL(int, calm_snapshot_range, ascending, calm__guard_called,
		(calm_snapshot * snapshot, const calm_key *from, const calm_key *to,
		 calm_visit_fn *visit, void *context),
		(snapshot, from, to, visit, context))

CALM__TRAVERSAL(int, calm_snapshot_range_descending, descending, calm__guard_called,
		(calm_snapshot * snapshot, const calm_key *from, const calm_key *to,
		 calm_visit_fn *visit, void *context),
		(snapshot, from, to, visit, context))

uint64_t calm_snapshot_stamp(const calm_snapshot *snapshot)
{
	return snapshot ? snapshot->snap.stamp : 0;
}

size_t calm_snapshot_size(calm_snapshot *snapshot)
{
	return snapshot ? (size_t)snapshot->map->kind->snapshots->size(snapshot) : 0;
}

struct diff {
	calm_snapshot *other;
	calm_diff_fn *visit;
	void *context;
};

/* A binding of the older snapshot: report it if the younger has another value, or none. */
static int diff_older(calm_key key, void *old_value, void *pointer)
{
	struct diff *diff = pointer;
	void *new_value = NULL;
	calm_status status = calm_snapshot_load(diff->other, key, &new_value);
	if (status < CALM_OK)
		return status;
	bool after = status == CALM_OK;
	if (after && new_value == old_value)
		return 0;
	return diff->visit(key, true, old_value, after, new_value, diff->context);
}

/* A binding of the younger snapshot: report it if the older has none. */
static int diff_newer(calm_key key, void *new_value, void *pointer)
{
	struct diff *diff = pointer;
	void *old_value = NULL;
	calm_status status = calm_snapshot_load(diff->other, key, &old_value);
	if (status != CALM_ABSENT)
		return status < CALM_OK ? (int)status : 0;
	return diff->visit(key, false, NULL, true, new_value, diff->context);
}

static int diff(calm_snapshot *older, calm_snapshot *newer, calm_diff_fn *visit, void *context)
{
	if (!older || !newer || !visit || older->map != newer->map ||
	    older->snap.stamp > newer->snap.stamp)
		return CALM_EINVAL;
	/* Neither goes away meanwhile: the visitor is shown values of both. */
	if (!calm__snap_use(&older->snap))
		return CALM_ESTALE;
	int result = CALM_ESTALE;
	if (calm__snap_use(&newer->snap)) {
		const calm_map *map = older->map;
		const struct calm__snapshot_kind *kind = map->kind->snapshots;
		struct diff diff = {newer, visit, context};
		calm__probe2(traversal__begin, map, CALM__PROBE_SNAPSHOT_DIFF);
		result = kind->each(older, diff_older, &diff);
		diff.other = older;
		if (result == 0)
			result = kind->each(newer, diff_newer, &diff);
		calm__probe2(traversal__end, map, CALM__PROBE_SNAPSHOT_DIFF);
		calm__snapshot_done(newer);
	}
	calm__snapshot_done(older);
	return result;
}

CALM__TRAVERSAL(int, calm_snapshot_diff, diff, calm__guard_called,
		(calm_snapshot * older, calm_snapshot *newer, calm_diff_fn *visit, void *context),
		(older, newer, visit, context))

static calm_status cursor_init(calm_cursor *cursor, calm_snapshot *snapshot)
{
	if (!cursor || !snapshot)
		return CALM_EINVAL;
	*cursor = (calm_cursor){.snapshot = snapshot};
	return CALM_OK;
}

CALM__TRAVERSAL(calm_status, calm_cursor_init, cursor_init, calm__guard_cursor_made,
		(calm_cursor * cursor, calm_snapshot *snapshot), (cursor, snapshot))

calm_status calm_cursor_seek(calm_cursor *cursor, calm_key key)
{
	if (!cursor || !cursor->snapshot)
		return CALM_EINVAL;
	const struct calm_map *map = cursor->snapshot->map;
	calm_status status = calm__key_check(&map->keys, key);
	return status == CALM_OK ? map->kind->snapshots->seek(cursor, key) : status;
}

static calm_status step(calm_cursor *cursor, bool forward, calm_key *key, void **value)
{
	if (!cursor || !cursor->snapshot)
		return CALM_EINVAL;
	calm_key unused_key;
	void *unused_value;
	return cursor->snapshot->map->kind->snapshots->step(
		cursor, forward, key ? key : &unused_key, value ? value : &unused_value);
}

calm_status calm_cursor_next(calm_cursor *cursor, calm_key *key, void **value)
{
	return step(cursor, true, key, value);
}

calm_status calm_cursor_prev(calm_cursor *cursor, calm_key *key, void **value)
{
	return step(cursor, false, key, value);
}
