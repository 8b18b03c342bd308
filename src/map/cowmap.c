/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * cowmap: an immutable table behind one atomic pointer.
 *
 *      readers --------------> sheet: table (frozen), number, holds <-- snapshots
 *                              sheet  …   kept: replaced, and held by snapshots
 *      writers: request -> request -> …   pending; one of them makes the next table for all
 *
 * A reader loads the pointer and looks; a write that would change nothing is a read. Any other
 * write makes the next table, or has it made together with others' (cowmap_write.c). A snapshot
 * holds the table that was there, and opens without a lock (cowmap_snapshot.c).
 *
 * Invariants. A table is never changed once it was published. Tables are made, and replaced, under
 * `combine`, so the one that is copied is the newest, and their numbers rise by one. Who has
 * replaced a table lets the map's hold on it go if that is the last, in one step; and nobody holds
 * what is held no more. So whether snapshots see a replaced table is settled there: either none does
 * or will, or it is `kept` until the last lets go. What is displaced was born with one number and dies
 * with another: the newest kept table that has it keeps it (calm__displace, where those tables
 * stand for the snapshots that hold them). A binding's birth is the number of the first table that
 * has it. A table's memory goes with its last reference.
 *
 * Orders. One word decides what is bound, and only a newer table takes an older one's place: release
 * and acquire are enough for all threads to agree on one order of all verbs.
 *
 * Linearization: a read by its load of the pointer, a batch of writes by the store.
 *
 * Progress: reads, and writes that change nothing, are wait-free. Opening a snapshot is lock-free,
 * and begins again only if the table was replaced meanwhile; closing one takes locks that are held for a
 * few instructions at a time, and by whoever displaces. Other writes take a lock, and are O(n).
 *
 * Source: read-copy-update of a whole, as Go's atomic.Value has it in its examples. Rejected: a
 * tree with shared parts, which would be another map; counting how often a value is shared by
 * tables, a read-modify-write for each binding of each copy; a lock under which the table is replaced
 * and snapshots open, for which both wait when a thread stands still in it (docs/decisions/0016.md).
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
	calm__table_free(&base->heap, &sheet->table);
}

struct sheet *calm__sheet_of(struct calm__table *table)
{
	struct sheet *sheet = (struct sheet *)table;
	if (!sheet)
		return NULL;
	sheet->number = 0;
	sheet->is_kept = false;
	sheet->cost.bytes = table->bytes;
	/* order: none - not yet shared. */
	store_relaxed(&sheet->holds, 1);
	store_relaxed(&sheet->refs, 1);
	store_relaxed(&sheet->cost.payers, 1);
	store_relaxed(&sheet->drained, CALM__NOT_DRAINED);
	return sheet;
}

void calm__sheet_let_go(struct cowmap *map, struct calm__self *self, struct sheet *sheet)
{
	/* order: cow.holds release -> calm__sheet_let_go(), calm__cowmap_publish(): what a snapshot
	 * has read, and is_kept. */
	/* order: cow.holds acquire <- calm__sheet_let_go(): the last one takes it from its place. */
	if (add_acq_rel(&sheet->holds, (uint64_t)-1) > 1 || !sheet->is_kept)
		return;
	calm__snap_leave(&map->kept, &sheet->place, self, &map->base);
	calm__sheet_drop(sheet, &map->base);
}

/* ---- from one table to the next ---- */

bool calm__cowmap_reserve(struct cowmap *map, struct calm__self *self, uint64_t n)
{
	/* order: none - it grows under `combine` only, and by the old sheet. */
	uint64_t kept = load_relaxed(&map->kept.open) + 1;
	uint64_t targets = kept < n + 1 ? kept : n + 1;
	return n + CALM__BLOCK_ITEMS * targets <= UINT32_MAX / 4 &&
	       calm__displace_reserve(self, (uint32_t)n + 1, (uint32_t)targets);
}

struct sheet *calm__cowmap_publish(struct cowmap *map, struct sheet *sheet)
{
	struct sheet *old = calm__cowmap_sheet(map);
	sheet->number = old->number + 1;
	/* order: cow.table release -> calm__cowmap_table(): the table, frozen, before its address. */
	store_release(&map->sheet, sheet);
	calm__shared_leave(&map->snaps, &old->cost);
	uint64_t alone = 1;
	/* order: cow.holds release -> hold(): who finds it gone finds the next table. */
	/* order: cow.holds acquire <- calm__sheet_let_go(): what was held is displaced after. */
	if (!cas_acq_rel(&old->holds, &alone, 0)) {
		old->is_kept = true;
		/* order: none - while the map's is there. */
		add_relaxed(&old->refs, 1);
		old->place.stamp = old->number;
		old->place.opened_ns = 0;
		calm__snap_join(&map->kept, &old->place, 0, NULL);
	}
	return old;
}

void calm__cowmap_displace_value(struct cowmap *map, struct calm__self *self,
				 const struct sheet *old, uint64_t birth, void *value)
{
	if (map->base.release)
		calm__displace(&map->kept, self, birth, old->number + 1,
			       (struct calm__retired){value, calm__release_value, &map->base});
}

void calm__cowmap_displace_record(struct cowmap *map, struct calm__self *self,
				  const struct sheet *old, struct calm__record *record)
{
	calm__displace(&map->kept, self, record->birth, old->number + 1,
		       (struct calm__retired){record, calm__release_record, &map->base});
}

/* With the reference that the map had; then what was reserved is used, and its hold may go. */
static void give_up(struct cowmap *map, struct calm__self *self, struct sheet *old)
{
	if (old->is_kept)
		calm__sheet_let_go(map, self, old);
}

void calm__cowmap_retire(struct cowmap *map, struct calm__self *self, struct sheet *old)
{
	calm__retire_large(self, old, calm__sheet_drop, &map->base, old->table.bytes);
	give_up(map, self, old);
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

/* A sheet that was replaced by an empty one. */
static void release_sheet(void *pointer, void *context)
{
	struct sheet *sheet = pointer;
	release_all(context, &sheet->table);
	calm__sheet_drop(sheet, context);
}

/* Older sheets are kept, and may have some of it too. */
static void displace_each(struct cowmap *map, struct calm__self *self, const struct sheet *old)
{
	const struct calm__table *table = &old->table;
	for (size_t i = calm__table_next(table, 0); i != CALM__NO_SLOT;
	     i = calm__table_next(table, i + 1)) {
		calm__cowmap_displace_value(map, self, old, table->births[i],
					    table->slots[i].value);
		if (map->base.keys.kind == CALM_KEYS_BYTES)
			calm__cowmap_displace_record(map, self, old,
						     calm__record_of(table->slots[i].key));
	}
}

/* None are: what snapshots of it see goes with it, with no memory for each binding. */
static void displace_at_once(struct cowmap *map, struct calm__self *self, struct sheet *old)
{
	calm__displace_large(&map->kept, self, old->number, old->number + 1,
			     (struct calm__retired){old, release_sheet, &map->base},
			     old->table.bytes);
	give_up(map, self, old);
}

calm_status calm__cowmap_empty(struct cowmap *map, struct calm_snapshot *opens)
{
	struct calm_map *base = &map->base;
	struct calm__self *self = calm__self();
	struct sheet *empty = calm__sheet_of(
		calm__table_new(&base->heap, sizeof(*empty), 0, map->cares));
	if (!empty)
		return CALM_ENOMEM;
	calm__lock(&map->combine);
	calm__enter(self);
	/* order: none - it grows under `combine` only. */
	bool each = map->cares && load_relaxed(&map->kept.open) > 0;
	if (!calm__cowmap_reserve(map, self,
				  each ? 2 * (uint64_t)calm__cowmap_table(map)->count : 0)) {
		calm__unlock(&map->combine);
		calm__leave(self);
		calm__sheet_drop(empty, base);
		return CALM_ENOMEM;
	}
	if (opens) {
		/* order: none - not yet shared; and under `combine` the map's own hold cannot go. */
		store_relaxed(&empty->drained, 0);
		add_relaxed(&calm__cowmap_sheet(map)->holds, 1);
	}
	struct sheet *old = calm__cowmap_publish(map, empty);
	if (opens)
		calm__cowmap_open(map, opens, old, calm__cowmap_drained(map, empty), true);
	if (each)
		displace_each(map, self, old);
	if (each || !map->cares)
		calm__cowmap_retire(map, self, old);
	else
		displace_at_once(map, self, old);
	calm__unlock(&map->combine);
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
	const struct calm__table *table = calm__cowmap_table(map);
	if (entries <= calm__table_room(table))
		return CALM_OK;
	calm__probe2(copy__begin, map, table->count);
	struct sheet *larger = calm__sheet_of(
		calm__table_resized(&base->heap, &base->keys, table, entries));
	calm__probe1(copy__end, map);
	if (!larger)
		return CALM_ENOMEM;
	if (!calm__cowmap_reserve(map, self, 0)) {
		calm__sheet_drop(larger, base);
		return CALM_ENOMEM;
	}
	calm__cowmap_retire(map, self, calm__cowmap_publish(map, larger));
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
			     load_relaxed(&map->kept.dead) * sizeof(struct calm__retired);
	out->oldest_snapshot_ns = calm__snaps_oldest_ns(&map->snaps);
}

static const char *check(const struct calm_map *base)
{
	struct cowmap *map = calm__cowmap_of(base);
	calm__lock(&map->combine);
	const struct sheet *sheet = calm__cowmap_sheet(map);
	const char *broken = calm__table_check(&sheet->table, &base->keys);
	/* order: none - under `combine` the map's own hold cannot go. */
	if (load_relaxed(&sheet->holds) == 0 || sheet->is_kept)
		broken = "the map's table has been replaced";
	calm__unlock(&map->combine);
	return broken;
}

static void destroy(struct calm_map *base)
{
	struct cowmap *map = calm__cowmap_of(base);
	struct sheet *sheet = calm__cowmap_sheet(map);
	release_all(base, &sheet->table);
	calm__sheet_drop(sheet, base);
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
	calm__snaps_init(&map->kept);
	struct sheet *sheet = calm__sheet_of(
		calm__table_new(&base->heap, sizeof(*sheet), map->least, map->cares));
	if (!sheet) {
		calm__map_free(base);
		return CALM_ENOMEM;
	}
	/* order: none - the map reaches other threads by the user's own means. */
	store_relaxed(&map->sheet, sheet);
	*out = base;
	return CALM_OK;
}
