/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * shardmap: options.shards tables, a lock for each.
 *
 *      hash   63 … 57 | 56 … 41 | 40 … 0
 *             tag     | shard   | home slot in the shard's table
 *
 *      shards  [lock count table least] [lock count table least] …      each on lines of its own
 *
 * A key lies in the shard that 16 bits of its hash choose, bits that a table uses neither for the
 * tag nor, below 2^41 slots, for the slot. So threads meet only where they use the same shard.
 *
 * Invariants, under a shard's lock: its table holds every binding whose hash chooses it, and no
 * other; count is the table's count. Who takes more than one lock takes them in the order of the
 * shards, and only clear does. No lock is held while a visitor, an update or a release runs.
 *
 * What is displaced is retired: a load gives a value away under the lock, and its caller, inside a
 * section, uses it after. Tables are never seen without their lock, so they are freed at once; but
 * a clear's tables hold what must be released, and go as one.
 *
 * A walk copies a shard's table under its lock, and visits the copy without. Where the map has
 * releases, values and records are kept by a read section across the shard's visits. Where it has
 * only records to care for, their bytes are copied too, so that the visitor may block.
 *
 * Linearization: under the shard's lock; clear, while it holds all of them.
 *
 * Progress: every verb takes a lock, but size. Memory: as one table; a walk holds one shard's copy.
 *
 * Source: lock striping, as ConcurrentHashMap had it before Java 8 (Lea), with a table per stripe,
 * so that shards also grow one by one. Rejected: a readers-writer lock per shard: with many shards
 * readers rarely meet, and glibc's costs each of them more (docs/design/maps.md has the figures); a
 * counter of bindings beside the shards', which every write would have to change too.
 */
#include "base/probe.h"
#include "core/table.h"
#include "map/kind.h"

#define SHARDS 32
#define SHARD_SHIFT 41
#define SHARD_BITS 16
/* Slots of a table that does not shrink: there are many tables, so few. */
#define SMALL 8

struct shard {
	_Alignas(CALM__LINE) struct calm__lock lock;
	shared_u64 count; /* the table's, for who has no lock; changed under it */
	struct calm__table *table;
	size_t least; /* entries that were asked for: the table does not shrink below */
};

struct shardmap {
	struct calm_map base;
	struct shard *shards;
	uint32_t n;
	bool cares;   /* for what is displaced: values to release, or records to free */
	void *memory; /* what shards lies in, aligned */
};

/* The tables that a clear took away, one from each shard. */
struct cleared {
	uint64_t bytes;
	struct calm__table *tables[];
};

/* Loads are const to the user, but take the lock. */
static struct shardmap *shardmap_of(const struct calm_map *map)
{
	return (struct shardmap *)(uintptr_t)map;
}

static struct shard *shard_of(const struct shardmap *map, uint64_t hash)
{
	uint64_t chosen = hash >> SHARD_SHIFT & (((uint64_t)1 << SHARD_BITS) - 1);
	return &map->shards[chosen * map->n >> SHARD_BITS];
}

/* How much room a shard needs for its part of so many entries, which are spread by chance. */
static size_t share_of(const struct shardmap *map, size_t entries)
{
	if (map->n == 1 || entries == 0)
		return entries;
	size_t mean = entries / map->n + 1;
	size_t deviation = 1; /* the square root, or up to twice that */
	while (deviation < mean / deviation)
		deviation *= 2;
	return mean + 4 * deviation;
}

/* ---- single keys; everything called …_locked has the shard's lock ---- */

static calm_status load(const struct calm_map *base, calm_key key, void **value)
{
	uint64_t hash = calm__key_hash(&base->keys, key);
	struct shard *shard = shard_of(shardmap_of(base), hash);
	calm__lock(&shard->lock);
	size_t slot = calm__table_find(shard->table, &base->keys, key, hash);
	if (slot != CALM__NO_SLOT)
		*value = shard->table->slots[slot].value;
	calm__unlock(&shard->lock);
	return slot != CALM__NO_SLOT ? CALM_OK : CALM_ABSENT;
}

static calm_status resize_locked(struct calm_map *base, struct shard *shard, size_t entries)
{
	calm__probe2(copy__begin, base, shard->table->count);
	struct calm__table *table = calm__table_resized(&base->heap, &base->keys, shard->table,
							entries);
	calm__probe1(copy__end, base);
	if (!table)
		return CALM_ENOMEM;
	struct calm__table *old = shard->table;
	shard->table = table;
	calm__table_free(&base->heap, old); /* after, for who looks at a core */
	/* order: none - statistics. */
	add_relaxed(&base->resizes, 1);
	return CALM_OK;
}

static void count_locked(struct shard *shard)
{
	/* order: none - a count for who has no lock. */
	store_relaxed(&shard->count, shard->table->count);
}

static calm_status insert_locked(struct calm_map *base, struct shard *shard, calm_key key,
				 uint64_t hash, void *value)
{
	if (shard->table->count == calm__table_room(shard->table) &&
	    resize_locked(base, shard, 2 * shard->table->count) != CALM_OK)
		return CALM_ENOMEM;
	uint64_t stored = calm_key_word(key);
	if (base->keys.kind == CALM_KEYS_BYTES) {
		struct calm__record *record = calm__record_new(&base->heap, key, hash);
		if (!record)
			return CALM_ENOMEM;
		stored = (uint64_t)(uintptr_t)record;
	}
	calm__table_insert(shard->table, stored, hash, value);
	count_locked(shard);
	return CALM_OK;
}

/* A table less than an eighth full shrinks. Without memory it stays large. */
static void shrink_locked(struct calm_map *base, struct shard *shard)
{
	size_t slots = shard->table->mask + 1;
	if (slots > SMALL && shard->table->count < slots / 8 && slots / 4 >= shard->least)
		resize_locked(base, shard, slots / 4);
}

/* *record: what the caller must retire, beside write->previous if the effect says so. */
static calm_status write_locked(struct calm_map *base, struct shard *shard, calm_key key,
				uint64_t hash, struct calm__write *write, enum calm__effect *effect,
				struct calm__record **record)
{
	size_t slot = calm__table_find(shard->table, &base->keys, key, hash);
	bool present = slot != CALM__NO_SLOT;
	write->previous = present ? shard->table->slots[slot].value : NULL;
	calm_status status;
	*effect = calm__decide(write, present, write->previous, &status);
	if (*effect == CALM__REMOVE) {
		if (base->keys.kind == CALM_KEYS_BYTES)
			*record = calm__record_of(shard->table->slots[slot].key);
		calm__table_remove(shard->table, &base->keys, slot);
		count_locked(shard);
		shrink_locked(base, shard);
	} else if (*effect == CALM__PUT && present) {
		shard->table->slots[slot].value = write->value;
	} else if (*effect == CALM__PUT) {
		*effect = CALM__LEAVE; /* nothing is displaced */
		if (insert_locked(base, shard, key, hash, write->value) != CALM_OK)
			return CALM_ENOMEM;
	}
	return status;
}

static calm_status write_key(struct calm_map *base, calm_key key, struct calm__write *write)
{
	struct shardmap *map = shardmap_of(base);
	uint64_t hash = calm__key_hash(&base->keys, key);
	struct shard *shard = shard_of(map, hash);
	struct calm__self *self = calm__self();
	struct calm__record *record = NULL;
	enum calm__effect effect;
	if (map->cares && !calm__reserve(self, 2)) /* a value, a record */
		return CALM_ENOMEM;
	calm__lock(&shard->lock);
	calm_status status = write_locked(base, shard, key, hash, write, &effect, &record);
	calm__unlock(&shard->lock);
	if (!map->cares || effect == CALM__LEAVE)
		return status;
	calm__enter(self); /* its end releases what is due */
	if (base->release)
		calm__retire(self, write->previous, calm__release_value, base);
	if (record)
		calm__retire(self, record, calm__release_record, base);
	calm__leave(self);
	return status;
}

/* ---- walking ---- */

/* Gives a copied table records of its own, in one block: *bytes of it. NULL: no memory. */
static void *own_records(struct calm_map *base, struct calm__table *table, size_t *bytes)
{
	const size_t aligned = _Alignof(struct calm__record);
	size_t sum = 0;
	for (size_t i = calm__table_next(table, 0); i != CALM__NO_SLOT;
	     i = calm__table_next(table, i + 1))
		sum += (calm__record_size(calm__record_of(table->slots[i].key)->size) + aligned -
			1) &
		       ~(aligned - 1);
	char *block = calm__heap_alloc(&base->heap, sum);
	char *to = block;
	for (size_t i = block ? calm__table_next(table, 0) : CALM__NO_SLOT; i != CALM__NO_SLOT;
	     i = calm__table_next(table, i + 1)) {
		const struct calm__record *from = calm__record_of(table->slots[i].key);
		size_t size = calm__record_size(from->size);
		memcpy(to, from, size);
		table->slots[i].key = (uint64_t)(uintptr_t)to;
		to += (size + aligned - 1) & ~(aligned - 1);
	}
	*bytes = sum;
	return block;
}

static int visit_all(const struct calm_map *base, const struct calm__table *table,
		     calm_visit_fn *visit, void *context)
{
	int result = 0;
	for (size_t i = calm__table_next(table, 0); i != CALM__NO_SLOT && result == 0;
	     i = calm__table_next(table, i + 1))
		result = visit(calm__key_of(&base->keys, table->slots[i].key),
			       table->slots[i].value, context);
	return result;
}

/* A copy of the shard's table, if it holds anything; false: no memory. */
static bool copy_shard(struct calm_map *base, struct shard *shard, struct calm__table **copy)
{
	*copy = NULL;
	calm__lock(&shard->lock);
	bool empty = shard->table->count == 0;
	if (!empty)
		*copy = calm__table_copy(&base->heap, shard->table);
	calm__unlock(&shard->lock);
	return empty || *copy;
}

/* A shard's bindings. The section, if there is one, began before the copy was made. */
static int visit_shard(struct shardmap *map, struct shard *shard, calm_visit_fn *visit,
		       void *context)
{
	struct calm_map *base = &map->base;
	struct calm__self *self = calm__self();
	struct calm__table *copy;
	void *records = NULL;
	size_t bytes = 0;
	int result = CALM_ENOMEM;
	bool owns = !base->release && base->keys.kind == CALM_KEYS_BYTES;
	if (map->cares)
		calm__enter(self);
	bool copied = copy_shard(base, shard, &copy);
	if (copied && copy && owns) {
		records = own_records(base, copy, &bytes);
		copied = records != NULL;
	}
	if (owns)
		calm__leave(self);
	if (copied)
		result = copy ? visit_all(base, copy, visit, context) : 0;
	if (map->cares && !owns)
		calm__leave(self);
	calm__heap_free(&base->heap, records, bytes);
	calm__table_free(&base->heap, copy);
	return result;
}

static int each(const struct calm_map *base, calm_visit_fn *visit, void *context)
{
	struct shardmap *map = shardmap_of(base);
	int result = 0;
	for (uint32_t i = 0; i < map->n && result == 0; i++)
		result = visit_shard(map, &map->shards[i], visit, context);
	return result;
}

/* ---- the whole map ---- */

/* Every value and record of a table that nobody sees any more, and the table. */
static void release_table(struct calm_map *base, struct calm__table *table)
{
	for (size_t i = calm__table_next(table, 0); i != CALM__NO_SLOT;
	     i = calm__table_next(table, i + 1)) {
		if (base->release)
			base->release(table->slots[i].value, base->context);
		if (base->keys.kind == CALM_KEYS_BYTES)
			calm__record_free(&base->heap, calm__record_of(table->slots[i].key));
	}
	calm__table_free(&base->heap, table);
}

static size_t cleared_size(const struct shardmap *map)
{
	return sizeof(struct cleared) + map->n * sizeof(struct calm__table *);
}

static void release_cleared(void *pointer, void *context)
{
	struct calm_map *base = context;
	struct cleared *cleared = pointer;
	const struct shardmap *map = shardmap_of(base);
	for (uint32_t i = 0; i < map->n && cleared->tables[i]; i++)
		release_table(base, cleared->tables[i]);
	calm__heap_free(&base->heap, cleared, cleared_size(map));
}

/* An empty table for each shard; NULL: no memory. */
static struct cleared *empty_tables(struct shardmap *map)
{
	struct cleared *tables = calm__heap_zero(&map->base.heap, cleared_size(map));
	for (uint32_t i = 0; tables && i < map->n; i++) {
		tables->tables[i] = calm__table_new(&map->base.heap, sizeof(struct calm__table), 0,
						    false);
		if (tables->tables[i])
			continue;
		release_cleared(tables, &map->base);
		return NULL;
	}
	return tables;
}

static calm_status clear(struct calm_map *base)
{
	struct shardmap *map = shardmap_of(base);
	struct calm__self *self = calm__self();
	if (map->cares && !calm__reserve(self, 1))
		return CALM_ENOMEM;
	struct cleared *cleared = empty_tables(map);
	if (!cleared)
		return CALM_ENOMEM;
	for (uint32_t i = 0; i < map->n && rule(SHARD_CLEAR_ALL); i++)
		calm__lock(&map->shards[i].lock);
	for (uint32_t i = 0; i < map->n; i++) {
		struct shard *shard = &map->shards[i];
		if (!rule(SHARD_CLEAR_ALL))
			calm__lock(&shard->lock);
		struct calm__table *old = shard->table;
		shard->table = cleared->tables[i];
		cleared->tables[i] = old;
		cleared->bytes += old->bytes;
		count_locked(shard);
		if (!rule(SHARD_CLEAR_ALL))
			calm__unlock(&shard->lock);
	}
	for (uint32_t i = 0; i < map->n && rule(SHARD_CLEAR_ALL); i++)
		calm__unlock(&map->shards[i].lock);
	if (!map->cares) {
		release_cleared(cleared, base);
		return CALM_OK;
	}
	calm__enter(self);
	calm__retire_large(self, cleared, release_cleared, base, cleared->bytes);
	calm__leave(self);
	return CALM_OK;
}

static uint64_t size(const struct calm_map *base)
{
	const struct shardmap *map = shardmap_of(base);
	uint64_t sum = 0;
	for (uint32_t i = 0; i < map->n; i++)
		/* order: none - counts; exact when quiet. */
		sum += load_relaxed(&map->shards[i].count);
	return sum;
}

static calm_status reserve(struct calm_map *base, size_t entries)
{
	struct shardmap *map = shardmap_of(base);
	size_t share = share_of(map, entries);
	calm_status status = CALM_OK;
	for (uint32_t i = 0; i < map->n && status == CALM_OK; i++) {
		struct shard *shard = &map->shards[i];
		calm__lock(&shard->lock);
		if (share > calm__table_room(shard->table))
			status = resize_locked(base, shard, share);
		if (status == CALM_OK && share > shard->least)
			shard->least = share;
		calm__unlock(&shard->lock);
	}
	return status;
}

static void stats(const struct calm_map *base, calm_stats *out)
{
	(void)base;
	(void)out;
}

static const char *check_shard(const struct shardmap *map, const struct shard *shard)
{
	const struct calm__keys *keys = &map->base.keys;
	const struct calm__table *table = shard->table;
	for (size_t i = calm__table_next(table, 0); i != CALM__NO_SLOT;
	     i = calm__table_next(table, i + 1))
		if (shard_of(map, calm__stored_hash(keys, table->slots[i].key)) != shard)
			return "a binding is in a shard that its hash does not choose";
	/* order: none - under the lock. */
	if (load_relaxed(&shard->count) != table->count)
		return "a shard's count is not its table's";
	return calm__table_check(table, keys);
}

static const char *check(const struct calm_map *base)
{
	struct shardmap *map = shardmap_of(base);
	const char *broken = NULL;
	for (uint32_t i = 0; i < map->n && !broken; i++) {
		calm__lock(&map->shards[i].lock);
		broken = check_shard(map, &map->shards[i]);
		calm__unlock(&map->shards[i].lock);
	}
	return broken;
}

/* ---- making and unmaking ---- */

static size_t shards_size(const struct shardmap *map)
{
	return map->n * sizeof(struct shard) + CALM__LINE;
}

static void destroy(struct calm_map *base)
{
	struct shardmap *map = shardmap_of(base);
	for (uint32_t i = 0; map->shards && i < map->n && map->shards[i].table; i++)
		release_table(base, map->shards[i].table);
	calm__heap_free(&base->heap, map->memory, shards_size(map));
}

static const struct calm__kind shard_kind = {
	.name = "shardmap",
	.destroy = destroy,
	.load = load,
	.write = write_key,
	.clear = clear,
	.size = size,
	.reserve = reserve,
	.each = each,
	.stats = stats,
	.check = check,
};

/* False: no memory; destroy frees what there is. */
static bool make_shards(struct shardmap *map, size_t capacity)
{
	size_t share = share_of(map, capacity);
	map->memory = calm__heap_zero(&map->base.heap, shards_size(map));
	if (!map->memory)
		return false;
	uintptr_t up = ((uintptr_t)map->memory + CALM__LINE - 1) & ~(uintptr_t)(CALM__LINE - 1);
	map->shards = (struct shard *)up;
	for (uint32_t i = 0; i < map->n; i++) {
		map->shards[i].least = share;
		map->shards[i].table = calm__table_new(&map->base.heap, sizeof(struct calm__table),
						       share, false);
		if (!map->shards[i].table)
			return false;
	}
	return true;
}

calm_status calm_shardmap_create(calm_map **out, const calm_options *options)
{
	struct calm_map *base;
	calm_status status = calm__map_new(&base, out, options, &shard_kind,
					   sizeof(struct shardmap));
	if (status != CALM_OK)
		return status;
	struct shardmap *map = shardmap_of(base);
	map->cares = base->release || base->keys.kind == CALM_KEYS_BYTES;
	map->n = options && options->shards > 0 ? options->shards : SHARDS;
	if (!make_shards(map, options ? options->capacity : 0)) {
		destroy(base);
		calm__map_free(base);
		return CALM_ENOMEM;
	}
	*out = base;
	return CALM_OK;
}
