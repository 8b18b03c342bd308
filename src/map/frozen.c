/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Snapshots that are a table as it was: lockmap's copies, and the tables that cowmap's writers leave
 * behind.
 *
 * Invariant: whoever looks into the table is counted as a user, so a budget that ousts the snapshot
 * gives the table back after the last of them.
 */
#include "core/table.h"
#include "map/kind.h"

static const struct calm__table *table_of(const struct calm_snapshot *base)
{
	return ((const struct calm__frozen *)base)->table;
}

static size_t find(const struct calm_snapshot *base, calm_key key)
{
	const struct calm__keys *keys = &base->map->keys;
	return calm__table_find(table_of(base), keys, key, calm__key_hash(keys, key));
}

calm_status calm__frozen_load(struct calm_snapshot *base, calm_key key, void **value)
{
	if (!calm__snap_use(&base->snap))
		return CALM_ESTALE;
	size_t slot = find(base, key);
	if (slot != CALM__NO_SLOT)
		*value = table_of(base)->slots[slot].value;
	calm__snapshot_done(base);
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

int calm__frozen_each(struct calm_snapshot *base, calm_visit_fn *visit, void *context)
{
	if (!calm__snap_use(&base->snap))
		return CALM_ESTALE;
	int result = visit_all(base, visit, context);
	calm__snapshot_done(base);
	return result;
}

int calm__frozen_walk(struct calm_snapshot *base, calm_visit_fn *visit, void *context)
{
	int result = visit_all(base, visit, context);
	calm__snapshot_done(base);
	calm__snapshot_close(base);
	return result;
}

uint64_t calm__frozen_size(struct calm_snapshot *base)
{
	if (!calm__snap_use(&base->snap))
		return 0;
	uint64_t count = table_of(base)->count;
	calm__snapshot_done(base);
	return count;
}

/* A cursor's state[0] is a slot: the first that next has not passed. */
calm_status calm__frozen_seek(struct calm_cursor *cursor, calm_key key)
{
	struct calm_snapshot *base = cursor->snapshot;
	if (!calm__snap_use(&base->snap))
		return CALM_ESTALE;
	size_t slot = find(base, key);
	if (slot != CALM__NO_SLOT)
		cursor->state[0] = slot;
	calm__snapshot_done(base);
	return slot != CALM__NO_SLOT ? CALM_OK : CALM_ABSENT;
}

calm_status calm__frozen_step(struct calm_cursor *cursor, bool forward, calm_key *key, void **value)
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
	calm__snapshot_done(base);
	return slot != CALM__NO_SLOT ? CALM_OK : CALM_ABSENT;
}
