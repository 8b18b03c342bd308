/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * syncmap: Go's sync.Map before 1.24, for C.
 *
 *      read ---> generation | table (frozen)      amended: dirty holds keys that read does not
 *                              | entry* entry* …
 *      dirty --> table (under mutex)  …           the same entries, and the new ones
 *
 * Two tables share entries. `read` is looked up without a lock; `dirty`, under the mutex, takes new
 * keys. Looking in vain in read and then in dirty is a miss; as many misses as dirty has keys
 * promote dirty to read. The next new key copies read into a new dirty. An entry is one atomic
 * pointer:
 *      a value         bound
 *      DELETED         not bound; in read, and in dirty if there is one
 *      EXPUNGED        not bound; in read only: dirty was copied without it. Only the mutex's
 *                      holder revives it.
 * Values are bound, replaced and deleted by compare-and-swap on entries in read. What is in dirty
 * only is written under the mutex; loads of it go on after the mutex, so entries and records are
 * freed after a grace period.
 *
 * Invariants. amended <=> dirty exists. Every entry in read that is not EXPUNGED is in dirty, if
 * dirty exists. Which table frees an entry: the last read table it is in. An entry knows it (last)
 * from the moment it is expunged, and a cleared table frees all of its own. Tables die in the order
 * they were read (each holds a reference to its successor), because a walk pins its table and an
 * entry must outlive every table that has it. A value stored into a cleared table by a writer who
 * was already inside is a write before the clear: it is counted with its generation and released
 * with its table.
 *
 * Orders. Who gets a value by sync.entry sees what it points to, and who gets a table by sync.read
 * sees its slots: acquire and release. That the map is linearizable across keys needs more, one
 * order of all that decides: so these two are sequentially consistent.
 *
 * Linearization: a write by its compare-and-swap on the entry, or under the mutex; a load by its
 * load of the entry, or of `read` where that decides it; clear by its store of `read`.
 *
 * Progress: loads of keys in read are wait-free, writes to them lock-free; all else takes the
 * mutex.
 *
 * Source: Go 1.23, sync/map.go; the clear without sweep and the reclamation are calm's own.
 * Rejected: a box per value, as Go's, so that any value can be told from the two marks: it would
 * cost an allocation per store. The marks are two addresses of this library instead, which no
 * user's pointer can have.
 */
#include "base/probe.h"
#include "map/syncmap.h"

/* ---- entries ---- */

static void release_entry(void *entry, void *map)
{
	calm__entry_free(map, entry);
}

static struct entry *entry_new(struct calm_map *base, calm_key key, uint64_t hash, void *value)
{
	struct entry *entry = calm__heap_zero(&base->heap, sizeof(*entry));
	if (!entry)
		return NULL;
	entry->key = calm_key_word(key);
	if (base->keys.kind == CALM_KEYS_BYTES) {
		struct calm__record *record = calm__record_new(&base->heap, key, hash);
		if (!record) {
			calm__heap_free(&base->heap, entry, sizeof(*entry));
			return NULL;
		}
		entry->key = (uint64_t)(uintptr_t)record;
	}
	/* order: none - the mutex, and then sync.read, publish the entry. */
	store_relaxed(&entry->value, value);
	return entry;
}

static struct entry *find(const struct tier *tier, const struct calm__keys *keys, calm_key key,
			  uint64_t hash)
{
	size_t slot = calm__table_find(tier->table, keys, key, hash);
	return slot != CALM__NO_SLOT ? tier->table->slots[slot].value : NULL;
}

/*
 * Does a write on an entry that any thread may reach. False: it is EXPUNGED, and the write would
 * bind it: under the mutex only. Takes room for one retire.
 */
static bool write_entry(struct calm_map *base, struct calm__self *self,
			struct generation *generation, struct entry *entry,
			struct calm__write *write, calm_status *status)
{
	/* order: sync.entry acquire <- write_entry(), write_dirty(): who gets the value sees
	 * what it points to. */
	void *current = load_sc(&entry->value);
	for (;;) {
		if (current == EXPUNGED && calm__inserts(write))
			return false;
		bool present = calm__syncmap_bound(current);
		enum calm__effect effect = calm__decide(write, present, current, status);
		write->previous = present ? current : NULL;
		if (effect == CALM__LEAVE)
			return true;
		void *next = effect == CALM__PUT ? write->value : DELETED;
		/* order: sync.entry release -> load(), write_entry(), table_dies(): publishes
		 * what the value points to, and has seen what the one it displaces does. */
		if (!cas_sc(&entry->value, &current, next))
			continue;
		if (present != (effect == CALM__PUT))
			calm__stripes_add(&generation->count, self, present ? -1 : 1);
		if (present && base->release)
			calm__retire(self, current, calm__release_value, base);
		return true;
	}
}

static uint64_t load_read(const struct syncmap *map)
{
	/* order: sync.read acquire <- publish(): who sees a table sees its slots and entries. */
	return load_sc(&calm__syncmap_of(&map->base)->read);
}

static void publish(struct syncmap *map, struct tier *tier, bool amended)
{
	/* order: sync.read release -> load_read(): the table, frozen, before its address. */
	store_sc(&map->read, (uint64_t)(uintptr_t)tier | (amended ? AMENDED : 0));
}

/* ---- under the mutex ---- */

/* Dirty becomes read. Takes room for one retire. */
static void promote_locked(struct syncmap *map, struct calm__self *self)
{
	struct tier *old = calm__tier_of(load_read(map));
	calm__probe2(promotion, map, map->dirty->table->count);
	calm__tier_succeed(old, map->dirty);
	publish(map, map->dirty, false);
	map->dirty = NULL;
	map->looked = 0;
	/* order: none - statistics. */
	add_relaxed(&map->promotions, 1);
	calm__retire_large(self, old, calm__tier_drop, map, old->table->bytes);
}

static void miss_locked(struct syncmap *map, struct calm__self *self)
{
	/* order: none - statistics. */
	add_relaxed(&map->misses, 1);
	if (++map->looked >= map->dirty->table->count && calm__reserve(self, 1))
		promote_locked(map, self);
}

/* Whether the entry is out of use, and to be left out of dirty. */
static bool expunge_locked(struct entry *entry, struct tier *read)
{
	void *current = DELETED;
	/* order: none - no value goes either way. */
	if (!cas_relaxed(&entry->value, &current, EXPUNGED) && current != EXPUNGED)
		return false;
	/* order: none - read by table_dies(), after a retire and a grace period. */
	store_relaxed(&entry->last, read);
	return true;
}

static struct tier *copy_of(struct syncmap *map, struct tier *read)
{
	const struct calm__keys *keys = &map->base.keys;
	size_t least = read->table->count + 1;
	struct tier *dirty = NULL;
	if (map->expected > least)
		dirty = calm__tier_new(map, map->expected, read->generation);
	if (!dirty)
		dirty = calm__tier_new(map, least, read->generation);
	if (!dirty)
		return NULL;
	const struct calm__table *from = read->table;
	for (size_t i = calm__table_next(from, 0); i != CALM__NO_SLOT;
	     i = calm__table_next(from, i + 1)) {
		struct entry *entry = from->slots[i].value;
		if (!expunge_locked(entry, read))
			calm__table_insert(dirty->table, entry->key,
					   calm__stored_hash(keys, entry->key), entry);
	}
	return dirty;
}

/* Copies read into a new dirty. */
static calm_status copy_locked(struct syncmap *map)
{
	struct tier *read = calm__tier_of(load_read(map));
	calm__probe2(copy__begin, map, read->table->count);
	struct tier *dirty = copy_of(map, read);
	calm__probe1(copy__end, map);
	if (!dirty)
		return CALM_ENOMEM;
	map->dirty = dirty;
	map->expected = 0; /* had its table */
	/* order: none - statistics. */
	add_relaxed(&map->base.copies, 1);
	add_relaxed(&map->base.copied_bytes, dirty->table->bytes);
	publish(map, read, true);
	return CALM_OK;
}

static calm_status dirty_room_locked(struct syncmap *map)
{
	struct calm__table *table = map->dirty->table;
	if (table->count < calm__table_room(table))
		return CALM_OK;
	calm__probe2(copy__begin, map, table->count);
	struct calm__table *larger = calm__table_resized(&map->base.heap, &map->base.keys, table,
							 2 * table->count);
	calm__probe1(copy__end, map);
	if (!larger)
		return CALM_ENOMEM;
	map->dirty->table = larger;
	calm__table_free(&map->base.heap, table);
	/* order: none - statistics. */
	add_relaxed(&map->base.resizes, 1);
	return CALM_OK;
}

/* Brings an expunged entry back into dirty, unbound. */
static calm_status revive_locked(struct syncmap *map, struct entry *entry, uint64_t hash)
{
	/* order: none - only the mutex's holder makes an entry EXPUNGED, or ends it. */
	if (load_relaxed(&entry->value) != EXPUNGED)
		return CALM_OK;
	if (dirty_room_locked(map) != CALM_OK)
		return CALM_ENOMEM;
	store_relaxed(&entry->last, NULL);
	calm__table_insert(map->dirty->table, entry->key, hash, entry);
	/* order: none - no value is published; the next write does that. */
	store_relaxed(&entry->value, DELETED);
	return CALM_OK;
}

/* A write to an entry that is in dirty only: no other thread writes it, some may be loading it. */
static calm_status write_dirty(struct syncmap *map, struct calm__self *self, size_t slot,
			       struct calm__write *write)
{
	struct calm_map *base = &map->base;
	struct entry *entry = map->dirty->table->slots[slot].value;
	/* order: none - written under the mutex only. */
	void *current = load_relaxed(&entry->value);
	calm_status status;
	enum calm__effect effect = calm__decide(write, true, current, &status);
	write->previous = current;
	if (effect == CALM__LEAVE)
		return status;
	/* order: sync.entry release -> load(), write_entry(): publishes what the value points
	 * to. */
	store_sc(&entry->value, effect == CALM__PUT ? write->value : EXPUNGED);
	if (base->release)
		calm__retire(self, current, calm__release_value, base);
	if (effect == CALM__REMOVE) {
		calm__table_remove(map->dirty->table, &base->keys, slot);
		calm__retire(self, entry, release_entry, base);
		calm__stripes_add(&map->dirty->generation->count, self, -1);
	}
	return status;
}

static calm_status insert_locked(struct syncmap *map, struct calm__self *self, calm_key key,
				 uint64_t hash, struct calm__write *write)
{
	struct entry *entry = entry_new(&map->base, key, hash, write->value);
	if (!entry)
		return CALM_ENOMEM;
	if ((!map->dirty && copy_locked(map) != CALM_OK) || dirty_room_locked(map) != CALM_OK) {
		calm__entry_free(&map->base, entry);
		return CALM_ENOMEM;
	}
	calm__table_insert(map->dirty->table, entry->key, hash, entry);
	calm__stripes_add(&map->dirty->generation->count, self, 1);
	calm_status status;
	calm__decide(write, false, NULL, &status);
	return status;
}

static calm_status write_locked(struct syncmap *map, struct calm__self *self, calm_key key,
				uint64_t hash, struct calm__write *write)
{
	struct tier *read = calm__tier_of(load_read(map));
	struct entry *entry = find(read, &map->base.keys, key, hash);
	if (entry) {
		if (calm__inserts(write) && revive_locked(map, entry, hash) != CALM_OK)
			return CALM_ENOMEM;
		calm_status status;
		write_entry(&map->base, self, read->generation, entry, write, &status);
		return status;
	}
	size_t slot = map->dirty ? calm__table_find(map->dirty->table, &map->base.keys, key, hash)
				 : CALM__NO_SLOT;
	calm_status status = CALM_ABSENT;
	if (slot != CALM__NO_SLOT)
		status = write_dirty(map, self, slot, write);
	else if (calm__inserts(write))
		return insert_locked(map, self, key, hash, write);
	if (map->dirty && write->verb != CALM__STORE)
		miss_locked(map, self);
	return status;
}

/* ---- verbs ---- */

static calm_status accepts(const struct calm_map *base, const void *value)
{
	(void)base;
	return calm__syncmap_bound(value) ? CALM_OK : CALM_EINVAL;
}

static calm_status load(const struct calm_map *base, calm_key key, void **value)
{
	struct syncmap *map = calm__syncmap_of(base);
	uint64_t hash = calm__key_hash(&base->keys, key);
	struct calm__self *self = calm__self();
	calm__enter(self);
	uint64_t read = load_read(map);
	struct entry *entry = find(calm__tier_of(read), &base->keys, key, hash);
	if (entry || !(read & AMENDED)) {
		calm__stripes_tally(&map->hits, self);
	} else {
		calm__lock(&map->mutex);
		entry = find(calm__tier_of(load_read(map)), &base->keys, key, hash);
		if (!entry && map->dirty) {
			entry = find(map->dirty, &base->keys, key, hash);
			miss_locked(map, self);
		}
		calm__unlock(&map->mutex);
	}
	/* order: sync.entry acquire <- write_entry(), write_dirty(): who gets the value sees
	 * what it points to. */
	void *current = entry ? load_sc(&entry->value) : DELETED;
	if (calm__syncmap_bound(current))
		*value = current;
	calm__leave(self);
	return calm__syncmap_bound(current) ? CALM_OK : CALM_ABSENT;
}

static calm_status write_key(struct calm_map *base, calm_key key, struct calm__write *write)
{
	struct syncmap *map = calm__syncmap_of(base);
	uint64_t hash = calm__key_hash(&base->keys, key);
	struct calm__self *self = calm__self();
	if (!calm__reserve(self, 3)) /* a value, an entry, a table */
		return CALM_ENOMEM;
	calm__enter(self);
	uint64_t read = load_read(map);
	struct tier *tier = calm__tier_of(read);
	struct entry *entry = find(tier, &base->keys, key, hash);
	calm_status status = CALM_ABSENT;
	bool decided = entry ? write_entry(base, self, tier->generation, entry, write, &status)
			     : !(read & AMENDED) && !calm__inserts(write);
	if (!decided) {
		calm__lock(&map->mutex);
		status = write_locked(map, self, key, hash, write);
		calm__unlock(&map->mutex);
	}
	calm__leave(self);
	return status;
}

static calm_status clear(struct calm_map *base)
{
	struct syncmap *map = calm__syncmap_of(base);
	struct calm__self *self = calm__self();
	struct tier *empty = calm__tier_empty(map);
	if (!empty)
		return CALM_ENOMEM;
	if (!calm__reserve(self, 2)) {
		calm__heap_free(&base->heap, empty->generation, sizeof(*empty->generation));
		calm__tier_free(map, empty);
		return CALM_ENOMEM;
	}
	calm__enter(self);
	calm__lock(&map->mutex);
	struct tier *read = calm__tier_of(load_read(map));
	struct tier *dirty = map->dirty;
	struct tier *last = dirty ? dirty : read;
	if (dirty)
		calm__tier_succeed(read, dirty);
	calm__tier_succeed(last, empty);
	last->cleared = true;
	publish(map, empty, false);
	map->dirty = NULL;
	map->looked = 0;
	calm__retire_large(self, read, calm__tier_drop, map, read->table->bytes);
	if (dirty)
		calm__retire_large(self, dirty, calm__tier_drop, map, dirty->table->bytes);
	calm__unlock(&map->mutex);
	calm__leave(self);
	return CALM_OK;
}

static uint64_t size(const struct calm_map *base)
{
	struct calm__self *self = calm__self();
	calm__enter(self);
	uint64_t count = calm__stripes_sum(
		&calm__tier_of(load_read(calm__syncmap_of(base)))->generation->count);
	calm__leave(self);
	return count;
}

static calm_status reserve(struct calm_map *base, size_t entries)
{
	struct syncmap *map = calm__syncmap_of(base);
	calm__lock(&map->mutex);
	if (entries > map->expected)
		map->expected = entries;
	calm__unlock(&map->mutex);
	return CALM_OK;
}

/* ---- walking ---- */

/*
 * The read table with all keys in it, held until calm__tier_unpin; NULL: no memory to promote
 * dirty.
 */
static struct tier *pin(struct syncmap *map, struct calm__self *self)
{
	struct tier *tier = NULL;
	if (!calm__reserve(self, 1))
		return NULL;
	calm__enter(self);
	uint64_t read = load_read(map);
	if (read & AMENDED) {
		calm__lock(&map->mutex);
		if (map->dirty)
			promote_locked(map, self);
		read = load_read(map);
		calm__unlock(&map->mutex);
	}
	tier = calm__tier_of(read);
	/* order: none - the map's own reference cannot go while this section is open. */
	add_relaxed(&tier->refs, 1);
	calm__leave(self);
	return tier;
}

static int each(const struct calm_map *base, calm_visit_fn *visit, void *context)
{
	struct syncmap *map = calm__syncmap_of(base);
	struct calm__self *self = calm__self();
	struct tier *tier = pin(map, self);
	if (!tier)
		return CALM_ENOMEM;
	const struct calm__table *table = tier->table;
	int result = 0;
	for (size_t i = calm__table_next(table, 0); i != CALM__NO_SLOT && result == 0;
	     i = calm__table_next(table, i + 1)) {
		struct entry *entry = table->slots[i].value;
		if (base->release)
			calm__enter(self);
		/* order: sync.entry acquire <- write_entry(): who gets the value sees what it
		 * points to. */
		void *value = load_sc(&entry->value);
		if (calm__syncmap_bound(value))
			result = visit(calm__key_of(&base->keys, entry->key), value, context);
		if (base->release)
			calm__leave(self);
	}
	calm__tier_unpin(map, tier);
	return result;
}

/* ---- the rest ---- */

static void stats(const struct calm_map *base, calm_stats *out)
{
	struct syncmap *map = calm__syncmap_of(base);
	out->hits = calm__stripes_sum(&map->hits);
	/* order: none - statistics. */
	out->misses = load_relaxed(&map->misses);
	out->promotions = load_relaxed(&map->promotions);
}

static const char *check_entries(struct syncmap *map, struct tier *read)
{
	const struct calm__keys *keys = &map->base.keys;
	const struct calm__table *table = read->table;
	for (size_t i = calm__table_next(table, 0); i != CALM__NO_SLOT;
	     i = calm__table_next(table, i + 1)) {
		struct entry *entry = table->slots[i].value;
		/* order: none - the map is quiet. */
		bool out = load_relaxed(&entry->value) == EXPUNGED;
		bool last = load_relaxed(&entry->last) == read;
		if (out && !map->dirty)
			return "an entry is expunged, but there is no dirty table";
		if (out != last)
			return "an entry's last table is not the one it was expunged from";
		calm_key key = calm__key_of(keys, entry->key);
		if (map->dirty && out == (find(map->dirty, keys, key,
					       calm__stored_hash(keys, entry->key)) != NULL))
			return "an expunged entry is in dirty, or another is not";
	}
	return NULL;
}

static const char *check(const struct calm_map *base)
{
	struct syncmap *map = calm__syncmap_of(base);
	calm__lock(&map->mutex);
	uint64_t word = load_read(map);
	struct tier *read = calm__tier_of(word);
	const char *broken = calm__table_check(read->table, &base->keys);
	if (!broken && map->dirty)
		broken = calm__table_check(map->dirty->table, &base->keys);
	if (!broken && ((word & AMENDED) != 0) != (map->dirty != NULL))
		broken = "amended does not say whether there is a dirty table";
	if (!broken)
		broken = check_entries(map, read);
	calm__unlock(&map->mutex);
	return broken;
}

static void destroy(struct calm_map *base)
{
	struct syncmap *map = calm__syncmap_of(base);
	struct tier *read = calm__tier_of(load_read(map));
	struct tier *last = map->dirty ? map->dirty : read;
	last->cleared = true;
	for (struct tier *next, *stray = map->strays; stray; stray = next) {
		next = stray->stray;
		calm__tier_dies(stray, map);
	}
	if (map->dirty) {
		calm__tier_succeed(read, map->dirty);
		calm__tier_drop(read, map);
	}
	calm__tier_drop(last, map);
}

static const struct calm__kind sync_kind = {
	.name = "syncmap",
	.destroy = destroy,
	.load = load,
	.write = write_key,
	.clear = clear,
	.size = size,
	.reserve = reserve,
	.each = each,
	.stats = stats,
	.check = check,
	.accepts = accepts,
};

calm_status calm_syncmap_create(calm_map **out, const calm_options *options)
{
	struct calm_map *base;
	calm_status status = calm__map_new(&base, out, options, &sync_kind, sizeof(struct syncmap));
	if (status != CALM_OK)
		return status;
	struct syncmap *map = calm__syncmap_of(base);
	struct tier *empty = options && options->capacity > PTRDIFF_MAX / sizeof(struct entry)
				     ? NULL
				     : calm__tier_empty(map);
	if (!empty) {
		calm__map_free(base);
		return CALM_ENOMEM;
	}
	map->expected = options ? options->capacity : 0;
	publish(map, empty, false);
	*out = base;
	return CALM_OK;
}
