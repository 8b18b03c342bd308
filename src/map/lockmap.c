/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * lockmap: one readers-writer lock and one table. The yardstick the other kinds are held against.
 *
 * Loads share the lock, writes have it alone. A snapshot is a copy of the table, taken under the
 * shared lock: readers go on, writers wait for the length of a memcpy. Every traversal is over a
 * snapshot, so a visitor may do anything.
 *
 * Invariants, under the lock: the table holds every binding; with releases or byte keys to care for
 * (`births`), a binding's birth is the epoch in which its value was stored, a record's the epoch of
 * its insertion. What is displaced goes through calm__displace, which keeps it for the snapshots
 * that see it. Tables themselves are never seen without the lock, but by their own snapshot, so
 * they are freed at once.
 *
 * The lock prefers writers, and says so (PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP): glibc's
 * default lets a steady stream of readers keep writers out for ever. The other way round, writers
 * that never leave the lock free would keep readers out: one that has waited for a millisecond
 * queues as a writer, once. No lock is held while a visitor, an update or a release runs, so the
 * non-recursive kind is safe.
 *
 * Rejected: walking under the lock, as most libraries do: a visitor that writes would deadlock.
 * Copying the records with the table: a snapshot would cost an allocation per key.
 */
#include "map/lockmap.h"

#include "base/probe.h"

/* A reader that writers have kept out for so long queues as a writer. */
#define READER_PATIENCE_NS 1000000

/* What a binding is taken to hold outside the table, where only its size matters. */
#define RECORD_BYTES 64

/* ---- the lock ---- */

void calm__lockmap_share(struct lockmap *map)
{
	if (pthread_rwlock_tryrdlock(&map->lock) == 0)
		return;
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += READER_PATIENCE_NS;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	if (pthread_rwlock_timedrdlock(&map->lock, &until) != 0)
		pthread_rwlock_wrlock(&map->lock);
}

void calm__lockmap_unlock(struct lockmap *map)
{
	/* order: none - a count for who has no lock. */
	store_relaxed(&map->count, map->table->count);
	pthread_rwlock_unlock(&map->lock);
}

/* ---- single keys; everything called …_locked has the lock alone ---- */

static calm_status load(const struct calm_map *base, calm_key key, void **value)
{
	struct lockmap *map = calm__lockmap_of(base);
	uint64_t hash = calm__key_hash(&base->keys, key);
	calm__lockmap_share(map);
	size_t slot = calm__table_find(map->table, &base->keys, key, hash);
	if (slot != CALM__NO_SLOT)
		*value = map->table->slots[slot].value;
	pthread_rwlock_unlock(&map->lock);
	return slot != CALM__NO_SLOT ? CALM_OK : CALM_ABSENT;
}

static size_t load_many(const struct calm_map *base, size_t n, const calm_key keys[],
			void *values[], calm_status found[])
{
	struct lockmap *map = calm__lockmap_of(base);
	size_t ok = 0;
	calm__lockmap_share(map);
	for (size_t i = 0; i < n; i++) {
		found[i] = calm__key_check(&base->keys, keys[i]);
		if (found[i] != CALM_OK)
			continue;
		size_t slot = calm__table_find(map->table, &base->keys, keys[i],
					       calm__key_hash(&base->keys, keys[i]));
		found[i] = slot != CALM__NO_SLOT ? CALM_OK : CALM_ABSENT;
		if (slot != CALM__NO_SLOT) {
			values[i] = map->table->slots[slot].value;
			ok++;
		}
	}
	pthread_rwlock_unlock(&map->lock);
	return ok;
}

static calm_status resize_locked(struct lockmap *map, size_t entries)
{
	calm__probe2(copy__begin, map, map->table->count);
	struct calm__table *table = calm__table_resized(&map->base.heap, &map->base.keys,
							map->table, entries);
	calm__probe1(copy__end, map);
	if (!table)
		return CALM_ENOMEM;
	struct calm__table *old = map->table;
	map->table = table;
	calm__table_free(&map->base.heap, old); /* after, for who looks at a core */
	/* order: none - statistics. */
	add_relaxed(&map->base.resizes, 1);
	return CALM_OK;
}

static void displace_value_locked(struct lockmap *map, struct calm__self *self, size_t slot)
{
	if (map->base.release)
		calm__displace(&map->snaps, self, map->table->births[slot],
			       calm__snaps_epoch(&map->snaps),
			       (struct calm__retired){map->table->slots[slot].value,
						      calm__release_value, &map->base});
}

static void displace_record_locked(struct lockmap *map, struct calm__self *self, size_t slot)
{
	if (map->base.keys.kind != CALM_KEYS_BYTES)
		return;
	struct calm__record *record = calm__record_of(map->table->slots[slot].key);
	calm__displace(&map->snaps, self, record->birth, calm__snaps_epoch(&map->snaps),
		       (struct calm__retired){record, calm__release_record, &map->base});
}

/* record: made ahead for a byte key, and taken; NULL: made here. */
static calm_status insert_locked(struct lockmap *map, calm_key key, uint64_t hash, void *value,
				 struct calm__record *record)
{
	if (map->table->count == calm__table_room(map->table) &&
	    resize_locked(map, 2 * map->table->count) != CALM_OK)
		return CALM_ENOMEM;
	uint64_t stored = calm_key_word(key);
	if (map->base.keys.kind == CALM_KEYS_BYTES) {
		if (!record)
			record = calm__record_new(&map->base.heap, key, hash);
		if (!record)
			return CALM_ENOMEM;
		record->birth = calm__snaps_epoch(&map->snaps);
		stored = (uint64_t)(uintptr_t)record;
	}
	size_t slot = calm__table_insert(map->table, stored, hash, value);
	if (map->cares)
		map->table->births[slot] = calm__snaps_epoch(&map->snaps);
	return CALM_OK;
}

static void remove_locked(struct lockmap *map, struct calm__self *self, size_t slot)
{
	displace_value_locked(map, self, slot);
	displace_record_locked(map, self, slot);
	calm__table_remove(map->table, &map->base.keys, slot);
}

/* After a deletion: a table less than an eighth full shrinks. Without memory it stays large. */
static void shrink_locked(struct lockmap *map)
{
	size_t slots = map->table->mask + 1;
	if (slots > 64 && map->table->count < slots / 8 && slots / 4 >= map->least)
		resize_locked(map, slots / 4);
}

static calm_status write_locked(struct lockmap *map, struct calm__self *self, calm_key key,
				uint64_t hash, struct calm__write *write,
				struct calm__record *record)
{
	size_t slot = calm__table_find(map->table, &map->base.keys, key, hash);
	bool present = slot != CALM__NO_SLOT;
	write->previous = present ? map->table->slots[slot].value : NULL;
	calm_status status;
	enum calm__effect effect = calm__decide(write, present, write->previous, &status);
	if (effect == CALM__REMOVE) {
		remove_locked(map, self, slot);
	} else if (effect == CALM__PUT && present) {
		displace_value_locked(map, self, slot);
		map->table->slots[slot].value = write->value;
		if (map->cares)
			map->table->births[slot] = calm__snaps_epoch(&map->snaps);
	} else if (effect == CALM__PUT) {
		calm_status inserted = insert_locked(map, key, hash, write->value, record);
		return inserted == CALM_OK ? status : inserted;
	}
	return status;
}

/*
 * Between this and calm__leave, which runs releases and so comes after the lock, n pointers can be
 * displaced.
 */
static struct calm__self *enter(const struct lockmap *map, uint64_t n, uint64_t targets)
{
	struct calm__self *self = calm__self();
	if (map->cares) {
		uint64_t most = targets < n ? targets : n;
		if (n + CALM__BLOCK_ITEMS * most > UINT32_MAX / 4 ||
		    !calm__displace_reserve(self, (uint32_t)n, (uint32_t)most))
			return NULL;
	}
	calm__enter(self);
	return self;
}

/*
 * Enters and locks with room to displace n pointers and, if they are seen or the caller `drains`,
 * all that the table holds. What is seen, and how much there is, is only known under the lock: so
 * it guesses, looks, and if need be guesses again.
 */
static struct calm__self *enter_and_lock(struct lockmap *map, uint64_t n, bool all, bool drains)
{
	uint64_t targets = 1;
	for (;;) {
		struct calm__self *self = enter(map, n, targets);
		if (!self)
			return NULL;
		pthread_rwlock_wrlock(&map->lock);
		/* order: none - snapshots open under the lock. */
		uint64_t open = load_relaxed(&map->snaps.open);
		uint64_t need = all && (drains || open > 0) ? 2 * (uint64_t)map->table->count : n;
		if (!map->cares || (need <= n && open + drains <= targets))
			return self;
		calm__lockmap_unlock(map);
		calm__leave(self);
		n = need > n ? need : n;
		targets = open + drains > targets ? open + drains : targets;
	}
}

static calm_status write_key(struct calm_map *base, calm_key key, struct calm__write *write)
{
	struct lockmap *map = calm__lockmap_of(base);
	uint64_t hash = calm__key_hash(&base->keys, key);
	struct calm__self *self = enter(map, 2, 2);
	if (!self)
		return CALM_ENOMEM;
	pthread_rwlock_wrlock(&map->lock);
	calm_status status = write_locked(map, self, key, hash, write, NULL);
	if (status == CALM_OK && !calm__puts(write))
		shrink_locked(map);
	calm__lockmap_unlock(map);
	calm__leave(self);
	return status;
}

/* ---- many keys ---- */

/*
 * A record for each change that may insert; false: no memory, the caller frees those that were
 * made.
 */
static bool make_records(struct lockmap *map, size_t n, const calm_change changes[],
			 struct calm__record *records[])
{
	for (size_t i = 0; i < n; i++) {
		if (changes[i].remove)
			continue;
		uint64_t hash = calm__key_hash(&map->base.keys, changes[i].key);
		records[i] = calm__record_new(&map->base.heap, changes[i].key, hash);
		if (!records[i])
			return false;
	}
	return true;
}

static void apply_locked(struct lockmap *map, struct calm__self *self, size_t n,
			 const calm_change changes[], struct calm__record *records[])
{
	for (size_t i = 0; i < n; i++) {
		struct calm__write write = {.verb = changes[i].remove ? CALM__DELETE : CALM__STORE,
					    .value = changes[i].value};
		uint64_t hash = calm__key_hash(&map->base.keys, changes[i].key);
		calm_status status = write_locked(map, self, changes[i].key, hash, &write,
						  records ? records[i] : NULL);
		if (records && !(write.verb == CALM__STORE && status == CALM_ABSENT))
			calm__record_free(&map->base.heap, records[i]); /* the key was there */
	}
}

static calm_status apply(struct calm_map *base, size_t n, const calm_change changes[])
{
	struct lockmap *map = calm__lockmap_of(base);
	struct calm__record **records = NULL;
	if (n > PTRDIFF_MAX / sizeof(*records))
		return CALM_ENOMEM;
	if (base->keys.kind == CALM_KEYS_BYTES) {
		records = calm__heap_zero(&base->heap, n * sizeof(*records));
		if (!records)
			return CALM_ENOMEM;
	}
	calm_status status = CALM_ENOMEM;
	struct calm__self *self = NULL;
	if ((!records || make_records(map, n, changes, records)) &&
	    (self = enter_and_lock(map, 2 * (uint64_t)n, false, false))) {
		status = CALM_OK;
		if (map->table->count + n > calm__table_room(map->table))
			status = resize_locked(map, map->table->count + n);
		if (status == CALM_OK)
			apply_locked(map, self, n, changes, records);
		shrink_locked(map);
		calm__lockmap_unlock(map);
		calm__leave(self);
	}
	for (size_t i = 0; records && status != CALM_OK && i < n; i++)
		calm__record_free(&base->heap, records[i]);
	calm__heap_free(&base->heap, records, n * sizeof(*records));
	return status;
}

/* ---- taking the whole table away ---- */

/* Every value and record of a table that nobody sees any more, and the table. */
static void release_table(void *pointer, void *context)
{
	struct calm__table *table = pointer;
	struct calm_map *base = context;
	for (size_t i = calm__table_next(table, 0); i != CALM__NO_SLOT;
	     i = calm__table_next(table, i + 1)) {
		if (base->release)
			base->release(table->slots[i].value, base->context);
		if (base->keys.kind == CALM_KEYS_BYTES)
			calm__record_free(&base->heap, calm__record_of(table->slots[i].key));
	}
	calm__table_free(&base->heap, table);
}

calm_status calm__lockmap_take(struct lockmap *map, bool drains, struct calm__self **self,
			       struct calm__table **old)
{
	struct calm__table *empty = calm__table_new(&map->base.heap, sizeof(struct calm__table), 0,
						    map->cares);
	if (!empty)
		return CALM_ENOMEM;
	*self = enter_and_lock(map, 1, true, drains);
	if (!*self) {
		calm__table_free(&map->base.heap, empty);
		return CALM_ENOMEM;
	}
	*old = map->table;
	map->table = empty;
	return CALM_OK;
}

void calm__lockmap_displace_all(struct lockmap *map, struct calm__self *self,
				struct calm__table *table, uint64_t death)
{
	struct calm_map *base = &map->base;
	for (size_t i = calm__table_next(table, 0); i != CALM__NO_SLOT;
	     i = calm__table_next(table, i + 1)) {
		if (base->release)
			calm__displace(&map->snaps, self, table->births[i], death,
				       (struct calm__retired){table->slots[i].value,
							      calm__release_value, base});
		if (base->keys.kind == CALM_KEYS_BYTES) {
			struct calm__record *record = calm__record_of(table->slots[i].key);
			calm__displace(&map->snaps, self, record->birth, death,
				       (struct calm__retired){record, calm__release_record, base});
		}
	}
}

static calm_status clear(struct calm_map *base)
{
	struct lockmap *map = calm__lockmap_of(base);
	struct calm__self *self;
	struct calm__table *old;
	if (calm__lockmap_take(map, false, &self, &old) != CALM_OK)
		return CALM_ENOMEM;
	uint64_t death = calm__snaps_epoch(&map->snaps);
	/* order: none - snapshots open under the lock; those that open later do not see the old
	 * table. */
	bool seen = load_relaxed(&map->snaps.open) > 0;
	calm__lockmap_unlock(map);
	if (map->cares && !seen) {
		calm__retire_large(self, old, release_table, base,
				   old->bytes + old->count * RECORD_BYTES);
	} else {
		if (map->cares)
			calm__lockmap_displace_all(map, self, old, death);
		calm__table_free(&base->heap, old);
	}
	calm__leave(self);
	return CALM_OK;
}

/* ---- the rest ---- */

static int each(const struct calm_map *base, calm_visit_fn *visit, void *context)
{
	return calm__lockmap_walk(&calm__lockmap_of(base)->base, visit, context);
}

static uint64_t size(const struct calm_map *base)
{
	/* order: none - a count; exact when quiet. */
	return load_relaxed(&calm__lockmap_of(base)->count);
}

static calm_status reserve(struct calm_map *base, size_t entries)
{
	struct lockmap *map = calm__lockmap_of(base);
	calm_status status = CALM_OK;
	pthread_rwlock_wrlock(&map->lock);
	if (entries > calm__table_room(map->table))
		status = resize_locked(map, entries);
	if (status == CALM_OK && entries > map->least)
		map->least = entries;
	calm__lockmap_unlock(map);
	return status;
}

static void stats(const struct calm_map *base, calm_stats *out)
{
	struct lockmap *map = calm__lockmap_of(base);
	/* order: none - statistics. */
	out->history_bytes = load_relaxed(&map->snaps.history) +
			     load_relaxed(&map->snaps.dead) * sizeof(struct calm__retired);
	out->oldest_snapshot_ns = calm__snaps_oldest_ns(&map->snaps);
}

static const char *check(const struct calm_map *base)
{
	struct lockmap *map = calm__lockmap_of(base);
	calm__lockmap_share(map);
	const char *broken = calm__table_check(map->table, &base->keys);
	pthread_rwlock_unlock(&map->lock);
	return broken;
}

static void destroy(struct calm_map *base)
{
	struct lockmap *map = calm__lockmap_of(base);
	release_table(map->table, base);
	pthread_rwlock_destroy(&map->lock);
}

static const struct calm__kind lock_kind = {
	.name = "lockmap",
	.destroy = destroy,
	.load = load,
	.write = write_key,
	.clear = clear,
	.size = size,
	.reserve = reserve,
	.each = each,
	.stats = stats,
	.check = check,
	.load_many = load_many,
	.apply = apply,
	.drain = calm__lockmap_drain,
	.walk = calm__lockmap_walk,
	.snapshots = &calm__lockmap_snapshots,
};

static bool lock_init(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attributes;
	pthread_rwlockattr_init(&attributes);
	pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	int failed = pthread_rwlock_init(lock, &attributes);
	pthread_rwlockattr_destroy(&attributes);
	return failed == 0;
}

calm_status calm_lockmap_create(calm_map **out, const calm_options *options)
{
	struct calm_map *base;
	calm_status status = calm__map_new(&base, out, options, &lock_kind, sizeof(struct lockmap));
	if (status != CALM_OK)
		return status;
	struct lockmap *map = calm__lockmap_of(base);
	map->cares = base->release || base->keys.kind == CALM_KEYS_BYTES;
	calm__snaps_init(&map->snaps);
	map->least = options ? options->capacity : 0;
	map->table = calm__table_new(&base->heap, sizeof(struct calm__table), map->least,
				     map->cares);
	if (!map->table || !lock_init(&map->lock)) {
		calm__table_free(&base->heap, map->table);
		calm__map_free(base);
		return CALM_ENOMEM;
	}
	*out = base;
	return CALM_OK;
}
