/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Cursors on hashmap's snapshots. The order is that of calm__entry_compare, which does not depend
 * on how the table is divided at the moment, so a cursor needs to know only where it stands: before
 * or after an entry, by its hash and key.
 *
 * A step reads the unit that the hash lies in, and takes the nearest entry; O(unit) a step.
 */
#include "map/hashmap_units.h"

/* A cursor's state[]. */
enum { WHERE, HASH, KEY };
enum where { AT_START, BEFORE, AFTER };

/* Where an entry lies as seen from the cursor: < 0 behind it, > 0 ahead. */
static int side(const struct calm__hashmap *map, const struct calm_cursor *cursor,
		const struct calm__entry *entry)
{
	struct calm__entry at = {cursor->state[KEY], NULL};
	if (cursor->state[WHERE] == AT_START)
		return 1;
	int order = calm__entry_compare(&map->base.keys, entry, &at);
	if (order != 0)
		return order;
	return cursor->state[WHERE] == BEFORE ? 1 : -1;
}

/* The entry of a batch nearest to the cursor on one side; NULL: there is none. */
static const struct calm__entry *nearest(const struct calm__hashmap *map,
					 const struct calm_cursor *cursor,
					 const struct calm__batch *batch, bool forward)
{
	const struct calm__entry *best = NULL;
	for (size_t i = 0; i < batch->n; i++) {
		const struct calm__entry *entry = &batch->entries[i];
		if ((side(map, cursor, entry) > 0) != forward)
			continue;
		int order = best ? calm__entry_compare(&map->base.keys, entry, best) : 0;
		if (!best || (forward ? order < 0 : order > 0))
			best = entry;
	}
	return best;
}

static void stand(struct calm_cursor *cursor, enum where where, uint64_t hash, uint64_t key)
{
	cursor->state[WHERE] = where;
	cursor->state[HASH] = hash;
	cursor->state[KEY] = key;
}

static calm_status step(const struct calm__view *view, struct calm_cursor *cursor, bool forward,
			struct calm__batch *batch, struct calm__entry *found)
{
	uint64_t position = cursor->state[WHERE] == AT_START ? 0 : cursor->state[HASH];
	for (;;) {
		calm_status status = calm__read_unit(view, position, batch);
		if (status != CALM_OK)
			return status;
		const struct calm__entry *entry = nearest(view->map, cursor, batch, forward);
		if (entry) {
			*found = *entry;
			stand(cursor, forward ? AFTER : BEFORE,
			      calm__stored_hash(&view->map->base.keys, entry->key), entry->key);
			return CALM_OK;
		}
		if (forward ? batch->last == UINT64_MAX : batch->first == 0)
			return CALM_ABSENT;
		position = forward ? batch->last + 1 : batch->first - 1;
	}
}

calm_status calm__hash_cursor_step(struct calm_cursor *cursor, bool forward, calm_key *key,
				   void **value)
{
	struct calm_snapshot *base = cursor->snapshot;
	struct calm__view view = calm__view_of(base);
	struct calm__batch batch;
	struct calm__entry found;
	if (!calm__snap_use(&base->snap))
		return CALM_ESTALE;
	calm__batch_begin(&batch);
	calm_status status = step(&view, cursor, forward, &batch, &found);
	calm__batch_end(view.map, &batch);
	if (status == CALM_OK) {
		*key = calm__key_of(&base->map->keys, found.key);
		*value = found.value;
	}
	calm__snapshot_done(base);
	return status;
}

calm_status calm__hash_cursor_seek(struct calm_cursor *cursor, calm_key key)
{
	struct calm_snapshot *base = cursor->snapshot;
	struct calm__view view = calm__view_of(base);
	uint64_t hash = calm__key_hash(&base->map->keys, key);
	struct calm__entry entry;
	if (!calm__snap_use(&base->snap))
		return CALM_ESTALE;
	calm_status status = calm__read_key(&view, key, hash, &entry);
	if (status == CALM_OK)
		stand(cursor, BEFORE, hash, entry.key);
	calm__snapshot_done(base);
	return status;
}
