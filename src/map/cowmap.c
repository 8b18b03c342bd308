/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * cowmap: an immutable table behind one atomic pointer.
 *
 *      readers ---------------------------> table (frozen)
 *      snapshots ----> sheet: refs, table -----^
 *      writers: request -> request -> …   pending; one of them makes the next table for all
 *
 * A reader loads the pointer and looks; a write that would change nothing is a read. Any other
 * write makes the next table, or has it made together with others' (cowmap_write.c). A snapshot
 * holds the table that was there (cowmap_snapshot.c).
 *
 * Invariants. A table is never changed once it was published; map->table is map->sheet->table. Tables
 * are made under `combine`, so the one that is copied is the newest. The switch from one to the
 * next happens under `publish`, as does the opening of a snapshot: so a snapshot's stamp says which
 * table it holds, and the stamp read at the switch which snapshots may still see what was
 * displaced. `publish` is held for no longer than that. A binding's birth is the epoch in which its
 * table was being made: if a snapshot opens before the switch, the birth is too early, and the value
 * may stay until that snapshot closes: late, not lost. Tables are counted by reference; what they
 * hold goes through calm__displace.
 *
 * Orders. One word decides what is bound, and only a newer table takes an older one's place: release
 * and acquire are enough for all threads to agree on one order of all verbs.
 *
 * Linearization: a read by its load of the pointer, a batch of writes by the store.
 *
 * Progress: reads, and writes that change nothing, are wait-free. Other writes take a lock, and are
 * O(n); opening a snapshot takes one that is held for a few instructions at a time.
 *
 * Source: read-copy-update of a whole, as Go's atomic.Value has it in its examples. Rejected: a
 * tree with shared parts, which would be another map; counting how often a value is shared by
 * tables, a read-modify-write for each binding of each copy.
 */
#include "map/cowmap.h"

#include "base/probe.h"

/* ---- tables ---- */

void calm__sheet_drop(void *pointer, void *context)
{
	struct calm_map *base = context;
	struct sheet *sheet = pointer;
	/* order: cow.refs release -> calm__sheet_drop(): each holder's reads before the free. */
	/* order: cow.refs acquire <- calm__sheet_drop(): the last one frees. */
	if (add_acq_rel(&sheet->refs, (uint64_t)-1) > 1)
		return;
	calm__table_free(&base->heap, sheet->table);
	calm__heap_free(&base->heap, sheet, sizeof(*sheet));
}

struct sheet *calm__sheet_of(struct cowmap *map, struct calm__table *table)
{
	struct calm__heap *heap = &map->base.heap;
	struct sheet *sheet = table ? calm__heap_zero(heap, sizeof(*sheet)) : NULL;
	if (!sheet) {
		calm__table_free(heap, table);
		return NULL;
	}
	sheet->table = table;
	/* order: none - not yet shared. */
	store_relaxed(&sheet->refs, 1);
	return sheet;
}

/* ---- from one table to the next ---- */

/* How many snapshots are open is only known under the lock: so it guesses, and looks. */
bool calm__cowmap_lock_to_publish(struct cowmap *map, struct calm__self *self, uint64_t n,
				  uint64_t n_seen, bool opens)
{
	for (;;) {
		/* order: none - looked at again under the lock that opening takes. */
		uint64_t open = load_relaxed(&map->snaps.open) + opens;
		uint64_t all = 1 + (open > 0 ? n_seen : n);
		uint64_t targets = open < all ? open : all;
		if (all + CALM__BLOCK_ITEMS * targets > UINT32_MAX / 4 ||
		    !calm__displace_reserve(self, (uint32_t)all, (uint32_t)targets))
			return false;
		calm__lock(&map->publish);
		/* order: none - snapshots open under the lock. */
		if (load_relaxed(&map->snaps.open) + opens <= open)
			return true;
		calm__unlock(&map->publish);
	}
}

struct sheet *calm__cowmap_publish(struct cowmap *map, struct sheet *sheet, uint64_t *death)
{
	struct sheet *old = map->sheet;
	calm__cowmap_charge_locked(map);
	map->sheet = sheet;
	/* order: cow.table release -> calm__cowmap_table(): the table, frozen, before its address. */
	store_release(&map->table, sheet->table);
	*death = calm__snaps_epoch(&map->snaps);
	calm__unlock(&map->publish);
	return old;
}

void calm__cowmap_retire(struct cowmap *map, struct calm__self *self, struct sheet *old)
{
	calm__retire_large(self, old, calm__sheet_drop, &map->base, old->table->bytes);
}

void calm__cowmap_displace_value(struct cowmap *map, struct calm__self *self, uint64_t birth,
				 uint64_t death, void *value)
{
	if (map->base.release)
		calm__displace(&map->snaps, self, birth, death,
			       (struct calm__retired){value, calm__release_value, &map->base});
}

void calm__cowmap_displace_record(struct cowmap *map, struct calm__self *self, uint64_t death,
				  struct calm__record *record)
{
	calm__displace(&map->snaps, self, record->birth, death,
		       (struct calm__retired){record, calm__release_record, &map->base});
}

/* ---- loads ---- */

static calm_status load(const struct calm_map *base, calm_key key, void **value)
{
	uint64_t hash = calm__key_hash(&base->keys, key);
	struct calm__self *self = calm__self();
	calm__enter(self);
	const struct calm__table *table = calm__cowmap_table(calm__cowmap_of(base));
	size_t slot = calm__table_find(table, &base->keys, key, hash);
	if (slot != CALM__NO_SLOT)
		*value = table->slots[slot].value;
	calm__leave(self);
	return slot != CALM__NO_SLOT ? CALM_OK : CALM_ABSENT;
}

static size_t load_many(const struct calm_map *base, size_t n, const calm_key keys[],
			void *values[], calm_status found[])
{
	struct calm__self *self = calm__self();
	size_t ok = 0;
	calm__enter(self);
	const struct calm__table *table = calm__cowmap_table(calm__cowmap_of(base));
	for (size_t i = 0; i < n; i++) {
		found[i] = calm__key_check(&base->keys, keys[i]);
		if (found[i] != CALM_OK)
			continue;
		size_t slot = calm__table_find(table, &base->keys, keys[i],
					       calm__key_hash(&base->keys, keys[i]));
		found[i] = slot != CALM__NO_SLOT ? CALM_OK : CALM_ABSENT;
		if (slot != CALM__NO_SLOT) {
			values[i] = table->slots[slot].value;
			ok++;
		}
	}
	calm__leave(self);
	return ok;
}

/* ---- the whole map ---- */

static void release_all(struct calm_map *base, const struct calm__table *table)
{
	for (size_t i = calm__table_next(table, 0); i != CALM__NO_SLOT;
	     i = calm__table_next(table, i + 1)) {
		if (base->release)
			base->release(table->slots[i].value, base->context);
		if (base->keys.kind == CALM_KEYS_BYTES)
			calm__record_free(&base->heap, calm__record_of(table->slots[i].key));
	}
}

/* A sheet that was replaced by an empty one while no snapshot was open. */
static void release_sheet(void *pointer, void *context)
{
	struct sheet *sheet = pointer;
	release_all(context, sheet->table);
	calm__sheet_drop(sheet, context);
}

static void displace_all(struct cowmap *map, struct calm__self *self,
			 const struct calm__table *table, uint64_t death)
{
	for (size_t i = calm__table_next(table, 0); i != CALM__NO_SLOT;
	     i = calm__table_next(table, i + 1)) {
		calm__cowmap_displace_value(map, self, table->births[i], death,
					    table->slots[i].value);
		if (map->base.keys.kind == CALM_KEYS_BYTES)
			calm__cowmap_displace_record(map, self, death,
						     calm__record_of(table->slots[i].key));
	}
}

calm_status calm__cowmap_empty(struct cowmap *map, struct calm_snapshot *opens)
{
	struct calm_map *base = &map->base;
	struct calm__self *self = calm__self();
	struct sheet *empty = calm__sheet_of(
		map, calm__table_new(&base->heap, sizeof(struct calm__table), 0, map->cares));
	if (!empty)
		return CALM_ENOMEM;
	calm__lock(&map->combine);
	calm__enter(self);
	uint64_t all = map->cares ? 2 * (uint64_t)map->sheet->table->count : 0;
	if (!calm__cowmap_lock_to_publish(map, self, 0, all, opens != NULL)) {
		calm__unlock(&map->combine);
		calm__leave(self);
		calm__sheet_drop(empty, base);
		return CALM_ENOMEM;
	}
	if (opens)
		calm__cowmap_open_locked(map, opens, true);
	/* order: none - snapshots open under the lock; those that open later do not see the old
	 * table. */
	bool seen = load_relaxed(&map->snaps.open) > 0;
	uint64_t death;
	struct sheet *old = calm__cowmap_publish(map, empty, &death);
	calm__unlock(&map->combine);
	if (map->cares && !seen) {
		calm__retire_large(self, old, release_sheet, base, old->table->bytes);
	} else {
		if (map->cares)
			displace_all(map, self, old->table, death);
		calm__cowmap_retire(map, self, old);
	}
	calm__leave(self);
	calm__snapshots_keep_budget(&map->base, &map->snaps);
	return CALM_OK;
}

static calm_status clear(struct calm_map *base)
{
	return calm__cowmap_empty(calm__cowmap_of(base), NULL);
}

static uint64_t size(const struct calm_map *base)
{
	struct calm__self *self = calm__self();
	calm__enter(self);
	uint64_t count = calm__cowmap_table(calm__cowmap_of(base))->count;
	calm__leave(self);
	return count;
}

static calm_status reserve_locked(struct cowmap *map, struct calm__self *self, size_t entries)
{
	struct calm_map *base = &map->base;
	if (entries <= calm__table_room(map->sheet->table))
		return CALM_OK;
	calm__probe2(copy__begin, map, map->sheet->table->count);
	struct sheet *larger = calm__sheet_of(
		map, calm__table_resized(&base->heap, &base->keys, map->sheet->table, entries));
	calm__probe1(copy__end, map);
	if (!larger)
		return CALM_ENOMEM;
	if (!calm__cowmap_lock_to_publish(map, self, 0, 0, false)) {
		calm__sheet_drop(larger, base);
		return CALM_ENOMEM;
	}
	uint64_t death;
	calm__cowmap_retire(map, self, calm__cowmap_publish(map, larger, &death));
	/* order: none - statistics. */
	add_relaxed(&base->resizes, 1);
	return CALM_OK;
}

static calm_status reserve(struct calm_map *base, size_t entries)
{
	struct cowmap *map = calm__cowmap_of(base);
	struct calm__self *self = calm__self();
	calm__lock(&map->combine);
	calm__enter(self);
	calm_status status = reserve_locked(map, self, entries);
	if (status == CALM_OK && entries > map->least)
		map->least = entries;
	calm__unlock(&map->combine);
	calm__leave(self);
	calm__snapshots_keep_budget(&map->base, &map->snaps);
	return status;
}

static int each(const struct calm_map *base, calm_visit_fn *visit, void *context)
{
	return calm__cowmap_walk(&calm__cowmap_of(base)->base, visit, context);
}

static void stats(const struct calm_map *base, calm_stats *out)
{
	struct cowmap *map = calm__cowmap_of(base);
	/* order: none - statistics. */
	out->history_bytes = load_relaxed(&map->snaps.history) +
			     load_relaxed(&map->snaps.dead) * sizeof(struct calm__retired);
	out->oldest_snapshot_ns = calm__snaps_oldest_ns(&map->snaps);
}

static const char *check(const struct calm_map *base)
{
	struct cowmap *map = calm__cowmap_of(base);
	calm__lock(&map->combine);
	const struct calm__table *table = map->sheet->table;
	const char *broken = calm__table_check(table, &base->keys);
	if (calm__cowmap_table(map) != table)
		broken = "readers and writers see different tables";
	calm__unlock(&map->combine);
	return broken;
}

static void destroy(struct calm_map *base)
{
	struct cowmap *map = calm__cowmap_of(base);
	release_all(base, map->sheet->table);
	calm__sheet_drop(map->sheet, base);
}

static const struct calm__kind cow_kind = {
	.name = "cowmap",
	.destroy = destroy,
	.load = load,
	.write = calm__cowmap_write,
	.clear = clear,
	.size = size,
	.reserve = reserve,
	.each = each,
	.stats = stats,
	.check = check,
	.load_many = load_many,
	.apply = calm__cowmap_apply,
	.drain = calm__cowmap_drain,
	.walk = calm__cowmap_walk,
	.snapshots = &calm__cowmap_snapshots,
};

calm_status calm_cowmap_create(calm_map **out, const calm_options *options)
{
	struct calm_map *base;
	calm_status status = calm__map_new(&base, out, options, &cow_kind, sizeof(struct cowmap));
	if (status != CALM_OK)
		return status;
	struct cowmap *map = calm__cowmap_of(base);
	map->cares = base->release || base->keys.kind == CALM_KEYS_BYTES;
	map->least = options ? options->capacity : 0;
	calm__snaps_init(&map->snaps);
	map->sheet = calm__sheet_of(map, calm__table_new(&base->heap, sizeof(struct calm__table),
							 map->least, map->cares));
	if (!map->sheet) {
		calm__map_free(base);
		return CALM_ENOMEM;
	}
	/* order: none - the map reaches other threads by the user's own means. */
	store_relaxed(&map->table, map->sheet->table);
	*out = base;
	return CALM_OK;
}
