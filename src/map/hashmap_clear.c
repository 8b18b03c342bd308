/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Generations of hashmap: clearing it in one step, and keeping what was there.
 *
 * The bindings between two clears are a generation: its tables, its count, and the snapshots that
 * were opened on it. A clear makes an empty generation current by one store of the map's table. What
 * still works in the old one belongs before the clear: a writer looks again, inside its bucket's
 * lock, whether its generation is current, and if not has changed nothing and begins again.
 *
 * A writer that found the old generation current found an epoch no later than the one that the
 * clear finds afterwards. So drain, which takes its snapshot's stamp after the table was exchanged,
 * holds every write that went into the old generation.
 *
 * A generation goes when it is not current, no snapshot of it is open, and no reader is left in it;
 * and with it what is bound in it. If snapshots are open when it is cleared, what is bound is
 * displaced there and then, each value and record by its own birth, so that it goes as soon as those
 * that see it have closed; the table stays as they read it.
 *
 * Rejected: deleting the bindings one by one in one epoch, which is one step for snapshots only.
 */
#include "map/hashmap_base.h"
#include "map/hashmap_bucket.h"

struct calm__generation *calm__generation_new(struct calm__hashmap *map, uint64_t capacity,
					      uint64_t epoch)
{
	struct calm__generation *generation = calm__heap_zero(&map->base.heap, sizeof(*generation));
	if (!generation)
		return NULL;
	struct calm__hash_table *table = calm__table_make(map, calm__table_bits(capacity),
							  generation, epoch, false);
	if (!table) {
		calm__heap_free(&map->base.heap, generation, sizeof(*generation));
		return NULL;
	}
	generation->bed = map->layered ? calm__bed_new(map) : NULL;
	if (map->layered && !generation->bed) {
		calm__table_unmake(map, table);
		calm__heap_free(&map->base.heap, generation, sizeof(*generation));
		return NULL;
	}
	/* order: none - nobody else has it yet. */
	store_relaxed(&generation->table, table);
	generation->refs = 1;
	return generation;
}

/* ---- the end of one ---- */

struct ending {
	struct calm__hashmap *map;
	struct calm__self *self;
	struct calm__generation *generation;
	uint64_t death;
};

typedef void slot_fn(const struct ending *, struct calm__hash_table *, struct calm__line *,
		     uint32_t number, unsigned at);

static void each_slot(const struct ending *ending, struct calm__hash_table *table,
		      struct calm__line *line, slot_fn *visit)
{
	for (uint32_t number = 0;;) {
		/* order: none - under the lock, or no other thread is left in it. */
		for (unsigned left = calm__line_occupied(load_relaxed(&line->header)); left;
		     left &= left - 1) {
			unsigned at = (unsigned)__builtin_ctz(left);
			visit(ending, table, line, number, at);
		}
		/* order: none - as above. */
		number = load_relaxed(&line->overflow);
		if (number == 0)
			return;
		line = calm__overflow(table, number);
	}
}

static void free_slot(const struct ending *ending, struct calm__hash_table *table,
		      struct calm__line *line, uint32_t number, unsigned at)
{
	struct calm_map *base = &ending->map->base;
	(void)table;
	(void)number;
	/* order: none - no other thread is left in it. */
	void *value = load_relaxed(&line->slots[at].value);
	uint64_t stored = load_relaxed(&line->slots[at].key);
	if (base->keys.kind == CALM_KEYS_BYTES)
		calm__record_free(&base->heap, calm__record_of(stored));
	if (base->release)
		base->release(value, base->context);
}

/* What was displaced is not looked at: it may be gone. */
static void free_bucket(struct calm__hash_table *table, struct calm__line *line, void *context)
{
	const struct ending *ending = context;
	if ((uint64_t)(line - table->lines) << table->shift >= ending->generation->displaced)
		each_slot(ending, table, line, free_slot);
}

/* The base's values that are the generation's still; before its marks are freed. */
static void free_base(const struct ending *ending, struct calm__hash_table *table)
{
	struct calm_map *base = &ending->map->base;
	const struct calm__generation *generation = ending->generation;
	if (!generation->bed || !base->release)
		return;
	const struct calm__dense *dense = calm__base_of(generation)->dense;
	for (size_t i = calm__dense_from(dense, &base->keys, generation->displaced);
	     i < dense->count; i++) {
		uint64_t stored = dense->entries[i].key;
		void *mark;
		if (calm__hashmap_find(ending->map, table, calm__key_of(&base->keys, stored),
				       calm__stored_hash(&base->keys, stored),
				       &mark) == CALM_ABSENT)
			base->release(dense->entries[i].value, base->context);
	}
}

static bool cares(const struct calm__hashmap *map)
{
	return map->base.release || map->base.keys.kind == CALM_KEYS_BYTES;
}

void calm__generation_free(struct calm__hashmap *map, struct calm__generation *generation)
{
	/* order: none - no other thread is left in it. */
	struct calm__hash_table *table = load_relaxed(&generation->table);
	struct calm__hash_table *next = load_relaxed(&table->next);
	struct ending ending = {map, NULL, generation, 0};
	if (cares(map) && !generation->all_displaced) {
		free_base(&ending, table);
		calm__table_each(table, free_bucket, &ending);
	}
	calm__bed_free(map, generation->bed);
	if (next)
		calm__table_unmake(map, next);
	calm__table_unmake(map, table);
	calm__heap_free(&map->base.heap, generation, sizeof(*generation));
}

static void release_generation(void *pointer, void *context)
{
	calm__generation_free(calm__hashmap_of(context), pointer);
}

void calm__generation_drop(struct calm__hashmap *map, struct calm__self *self,
			   struct calm__generation *generation)
{
	bool reserved = calm__reserve(self, 1);
	calm__lock(&map->turn);
	bool last = --generation->refs == 0;
	if (last && !reserved) {
		generation->orphan = map->orphans;
		map->orphans = generation;
	}
	calm__unlock(&map->turn);
	if (!last || !reserved)
		return;
	/* order: hash.table acquire <- finish(): its size, of a growth that ends beside this. */
	const struct calm__hash_table *table = load_acquire(&generation->table);
	calm__retire_large(self, generation, release_generation, &map->base, table->bytes);
}

/* ---- what snapshots see of one that was cleared ---- */

static void displace_slot(const struct ending *ending, struct calm__hash_table *table,
			  struct calm__line *line, uint32_t number, unsigned at)
{
	struct calm_map *base = &ending->map->base;
	/* order: none - under the lock. */
	void *value = load_relaxed(&line->slots[at].value);
	uint64_t stored = load_relaxed(&line->slots[at].key);
	if (base->release)
		calm__displace(&ending->map->snaps, ending->self,
			       *calm__birth(table, line, number, at), ending->death,
			       (struct calm__retired){value, calm__release_value, base});
	if (base->keys.kind == CALM_KEYS_BYTES) {
		struct calm__record *record = calm__record_of(stored);
		calm__displace(&ending->map->snaps, ending->self, record->birth, ending->death,
			       (struct calm__retired){record, calm__release_record, base});
	}
}

/* The base's bindings that a bucket has no mark of, from `displaced` on: how many at most. */
static uint64_t count_base(const struct ending *ending, uint64_t last)
{
	const struct calm__generation *generation = ending->generation;
	const struct calm__keys *keys = &ending->map->base.keys;
	if (!generation->bed || !ending->map->base.release)
		return 0;
	const struct calm__dense *dense = calm__base_of(generation)->dense;
	return calm__dense_to(dense, keys, last) -
	       calm__dense_from(dense, keys, generation->displaced);
}

static void displace_base(const struct ending *ending, struct calm__locked *locked, uint64_t last)
{
	const struct calm__keys *keys = &ending->map->base.keys;
	if (count_base(ending, last) == 0)
		return;
	const struct calm__dense *dense = calm__base_of(ending->generation)->dense;
	size_t end = calm__dense_to(dense, keys, last);
	for (size_t i = calm__dense_from(dense, keys, ending->generation->displaced); i < end;
	     i++) {
		uint64_t stored = dense->entries[i].key;
		struct calm__below below = {true, dense->entries[i].value, dense->births[i]};
		struct calm__slot hit;
		struct calm__slot hole;
		locked->hash = calm__stored_hash(keys, stored);
		calm__bucket_find(keys, locked, calm__key_of(keys, stored),
				  keys->kind == CALM_KEYS_BYTES, &hit, &hole);
		if (!hit.line)
			calm__base_displace(ending->map, ending->self, &below, ending->death);
	}
}

/* The bucket at `displaced`. False: no memory, it stays the generation's. */
static bool displace_bucket(const struct ending *ending, struct calm__hash_table *table)
{
	struct calm__generation *generation = ending->generation;
	struct calm__locked locked = calm__lock_bucket(table, generation->displaced);
	/* order: none - a snapshot that opens now sees nothing of it. */
	uint64_t targets = load_relaxed(&ending->map->snaps.open) + 1;
	uint64_t last = calm__place_last(calm__bucket_place(locked.table, generation->displaced));
	uint64_t n = 2 * calm__bucket_count(locked.table, locked.line, locked.header) +
		     count_base(ending, last);
	targets = targets < n ? targets : n;
	bool has_room = n + CALM__BLOCK_ITEMS * targets <= UINT32_MAX / 4 &&
			calm__displace_reserve(ending->self, (uint32_t)n, (uint32_t)targets);
	if (has_room) {
		each_slot(ending, locked.table, locked.line, displace_slot);
		displace_base(ending, &locked, last);
		generation->displaced = last + 1;
		generation->all_displaced = generation->displaced == 0;
	}
	calm__unlock_bucket(&locked, locked.header);
	return has_room;
}

/*
 * Whoever still writes in it has found it current, and holds its bucket's lock. Only the thread that
 * cleared it displaces.
 */
static void displace_all(const struct ending *ending)
{
	if (!cares(ending->map))
		return;
	/* order: hash.table acquire <- finish(): the table. */
	struct calm__hash_table *table = load_acquire(&ending->generation->table);
	while (!ending->generation->all_displaced && displace_bucket(ending, table))
		;
}

/* ---- clearing ---- */

/*
 * Puts an empty generation in the current one's place; with a snapshot, keeps what was there as of
 * that moment. NULL: no memory.
 */
static struct calm__generation *take_place(struct calm__hashmap *map,
					   struct calm__hash_snapshot *keeps)
{
	struct calm__snap *snap = keeps ? &keeps->base.snap : NULL;
	/* The stamps of the empty table may be too old, not too young. */
	/* order: none - a hint. */
	struct calm__generation *fresh = calm__generation_new(map, load_relaxed(&map->least),
							      calm__snaps_now(&map->snaps));
	if (!fresh)
		return NULL;
	calm__lock(&map->turn);
	struct calm__generation *old = map->current;
	fresh->number = old->number + 1;
	map->current = fresh;
	if (snap && !rule(DRAIN_ORDER))
		calm__snap_open(&map->snaps, snap, sizeof(*keeps));
	/* order: hash.table sc -> calm__hashmap_table(), calm__still_current(): the empty table,
	 * before the drain's epoch. */
	swap_sc(&map->table, load_relaxed(&fresh->table));
	if (snap && rule(DRAIN_ORDER))
		calm__snap_open(&map->snaps, snap, sizeof(*keeps));
	if (keeps) {
		/* The map's reference becomes the snapshot's. */
		keeps->generation = old;
		keeps->under = calm__base_hold(old);
	}
	if (old->bed)
		calm__base_replaced(map, calm__base_of(old));
	calm__unlock(&map->turn);
	/* order: hash.table acquire <- finish(): the table. */
	const struct calm__hash_table *table = load_acquire(&old->table);
	/* order: none - for who looks on: a table that was being moved stays as it is. */
	if (load_relaxed(&table->next) != NULL)
		calm__probe1(resize__end, map);
	return old;
}

calm_status calm__hashmap_clear(struct calm_map *base)
{
	struct calm__hashmap *map = calm__hashmap_of(base);
	struct calm__self *self = calm__self();
	calm__enter(self);
	struct calm__generation *old = take_place(map, NULL);
	if (old) {
		struct ending ending = {map, self, old, calm__snaps_now(&map->snaps)};
		/* order: none - snapshots that open from now on do not see it. */
		if (load_relaxed(&map->snaps.open) > 0)
			displace_all(&ending);
		calm__generation_drop(map, self, old);
	}
	calm__leave(self);
	return old ? CALM_OK : CALM_ENOMEM;
}

calm_status calm__hashmap_drain(struct calm_map *base, struct calm_snapshot **out)
{
	struct calm__hashmap *map = calm__hashmap_of(base);
	struct calm_snapshot *snapshot = calm__snapshot_new(base);
	if (!snapshot)
		return CALM_ENOMEM;
	struct calm__generation *old = take_place(map, (struct calm__hash_snapshot *)snapshot);
	if (!old) {
		calm__snapshot_free(snapshot);
		return CALM_ENOMEM;
	}
	struct calm__self *self = calm__self();
	struct ending ending = {map, self, old, snapshot->snap.stamp + 1};
	calm__enter(self);
	displace_all(&ending);
	calm__leave(self);
	*out = snapshot;
	calm__history_keep_budget(&map->base, &map->history);
	calm__snapshot_done(snapshot);
	return CALM_OK;
}
