/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * hashmap: reads without a lock, writes that lock one cache line, and snapshots that cost nothing
 * until a writer first touches a bucket after one was opened.
 *
 * A bucket is a line: header, stamp, three slots (hashmap.h). The top bits of the hash choose it, so
 * a bucket holds a range of hashes, and a doubling splits each in two. The stamp is the epoch of
 * the bucket's last change; opening a snapshot takes the epoch as its stamp S and increments it, and
 * nothing else does.
 *
 *     get                                        write
 *     R: h = header                              lock the header (compare-and-swap)
 *        moved: in the next table, again         e = epoch
 *        locked and stamp != epoch: R    (1)     if stamp != e: save an image, if a snapshot
 *        look in the slots h names                              may see it;  stamp = e
 *        header's version changed: R             change the value in place, or a slot that the
 *                                                header does not name
 *     a snapshot S reads a bucket                unlock, with the new header
 *     R: h = header
 *        stamp > S: the image from <= S <= to
 *        locked: R                       (2)
 *        copy; header or stamp changed: R
 *
 * (2) The lock, the epoch's load and its increment are sequentially consistent: if a writer found an
 * epoch <= S, its lock came before the snapshot was open, and the snapshot sees the lock or what
 * was done under it. So a snapshot holds exactly the writes that found an epoch <= S.
 * (1) Such a writer may not have published when the snapshot is open already. A get that returned
 * the old value then would contradict the snapshot. If the stamp is the epoch, no snapshot has
 * opened since the holder looked, and the get reads what the lock guards. So a get waits for a
 * writer only if a snapshot opened since that bucket was last written.
 *
 * A write is linearized when it is published, or just before the first snapshot that holds it
 * opens, if that is earlier.
 *
 * Progress: gets are lock-free but for (1); writers lock a bucket. Word keys cost no allocation per
 * entry. Resizing is shared among writers, a few buckets each (hashmap_resize.c).
 *
 * Source: seqlocked buckets of a line, MICA (Lim et al., NSDI 2014, section 4.2) and DLHT (Tsirigos
 * et al., HPDC 2024); copy-on-write at the first change after a snapshot, as in-memory databases do
 * with pages, here by bucket. Rejected: a version chain per bucket (history.c); reading the epoch
 * from the processor's time stamp counter, whose order between cores is not ours to promise;
 * locking reads, which stop when a writer is not running.
 */
#include "map/hashmap.h"

#include "map/hashmap_bucket.h"

/* ---- gets ---- */

/* Whether a header is still that of the bindings that were read under it. */
INLINE bool same_version(struct calm__line *line, uint64_t header)
{
	/* order: none - after the slots' acquires, whose edges bring the header that changed
	 * before them. */
	return !rule(GET_CHECKS) || ((load_relaxed(&line->header) ^ header) & ~LINE_LOCK) == 0;
}

/*
 * In what overflowed, looking at the bucket's header after each line, so that a line that has gone
 * elsewhere leads nowhere. CHANGED: so it did.
 */
static calm_status find_overflow(const struct calm__keys *keys, struct calm__hash_table *table,
				 struct calm__line *bucket, uint64_t header, calm_key key,
				 uint64_t hash, void **value)
{
	/* order: hash.chain acquire <- calm__bucket_extend(), calm__bucket_unchain(): the line. */
	uint32_t number = load_acquire(&bucket->overflow);
	while (same_version(bucket, header)) {
		if (number == 0)
			return CALM_ABSENT;
		struct calm__line *line = calm__overflow(table, number);
		/* order: hash.overflow acquire <- calm__bucket_insert(): the slots it names. */
		uint64_t own = load_acquire(&line->header);
		unsigned match = calm__line_match(keys, line, own, key, hash,
						  keys->kind == CALM_KEYS_BYTES);
		if (match) {
			/* order: hash.slot acquire <- calm__slot_fill(): what the value points to. */
			void *found = load_acquire(&line->slots[__builtin_ctz(match)].value);
			if (!same_version(bucket, header))
				return CALM_CHANGED;
			*value = found;
			return CALM_OK;
		}
		/* order: hash.chain acquire <- calm__bucket_extend(), calm__bucket_unchain(): the
		 * next line. */
		number = load_acquire(&line->overflow);
	}
	return CALM_CHANGED;
}

/* A locked or moved bucket. True: read it; false: look again. */
static bool may_read(struct calm__hashmap *map, struct calm__line *line, uint64_t header,
		     unsigned *turn)
{
	if (header & LINE_MOVED)
		return false;
	/* order: hash.stamp acquire <- calm__bucket_stamp(): who finds a later holder's stamp sees
	 * what the holders before it changed. */
	uint32_t stamp = load_acquire(&line->stamp);
	if (!rule(GET_WAITS) || stamp == calm__stamp(calm__snaps_now(&map->snaps)))
		return true;
	calm__hashmap_wait(turn);
	return false;
}

/* Inside a section. */
INLINE calm_status load_key(struct calm__hashmap *map, struct calm__hash_table *table, calm_key key,
			    uint64_t hash, void **value, const bool bytes)
{
	unsigned turn = 0;
	for (;;) {
		struct calm__line *line = calm__bucket(table, hash);
		/* order: hash.publish acquire <- calm__unlock_bucket(): the slots it names. sc:
		 * a lock taken before a snapshot opened is seen after. */
		uint64_t header = load_sc(&line->header);
		if (unlikely(header & (LINE_LOCK | LINE_MOVED)) &&
		    !may_read(map, line, header, &turn)) {
			if (header & LINE_MOVED)
				/* order: none - MOVED came after it, and brought it. */
				table = load_relaxed(&table->next);
			continue;
		}
		unsigned match = calm__line_match(&map->base.keys, line, header, key, hash, bytes);
		if (match) {
			/* order: hash.slot acquire <- calm__slot_fill(): what the value points to. */
			void *found = load_acquire(&line->slots[__builtin_ctz(match)].value);
			if (likely(same_version(line, header))) {
				*value = found;
				return CALM_OK;
			}
		} else if (likely(!(header & LINE_OVERFLOW))) {
			if (likely(same_version(line, header)))
				return CALM_ABSENT;
		} else {
			calm_status status = find_overflow(&map->base.keys, table, line, header,
							   key, hash, value);
			if (likely(status != CALM_CHANGED))
				return status;
		}
	}
}

calm_status calm__hashmap_find(struct calm__hashmap *map, struct calm__hash_table *table,
			       calm_key key, uint64_t hash, void **value)
{
	return map->base.keys.kind == CALM_KEYS_BYTES
		       ? load_key(map, table, key, hash, value, true)
		       : load_key(map, table, key, hash, value, false);
}

/* Everything that is rare: in a section already, locked, moved, overflowed, changed meanwhile. */
__attribute__((noinline)) static calm_status load_slowly(const struct calm_map *base, calm_key key,
							 uint64_t hash, void **value)
{
	struct calm__hashmap *map = calm__hashmap_of(base);
	struct calm__self *self = calm__self();
	calm__enter(self);
	calm_status status = calm__hashmap_find(map, calm__hashmap_table(map), key, hash, value);
	calm__leave(self);
	return status;
}

/*
 * What is not rare, in so few instructions that the processor works on the next get, and on its
 * miss, before this one's line has come.
 */
INLINE calm_status load_quickly(const struct calm_map *base, calm_key key, uint64_t hash,
				void **value, const bool bytes)
{
	struct calm__hashmap *map = calm__hashmap_of(base);
	struct calm__self *self = calm__current;
	if (unlikely(!calm__glance(self)))
		return load_slowly(base, key, hash, value);
	struct calm__line *line = calm__bucket(calm__hashmap_table(map), hash);
	/* order: hash.publish acquire <- calm__unlock_bucket(): as in load_key(). */
	uint64_t header = load_sc(&line->header);
	unsigned match = calm__line_match(&base->keys, line, header, key, hash, bytes);
	/* order: hash.slot acquire <- calm__slot_fill(): what the value points to. */
	void *found = load_acquire(&line->slots[__builtin_ctz(match | 4)].value);
	if (unlikely((header & (LINE_LOCK | LINE_MOVED)) || !same_version(line, header) ||
		     (!match && (header & LINE_OVERFLOW)))) {
		calm__glanced(self);
		return load_slowly(base, key, hash, value);
	}
	calm__glanced(self);
	if (!match)
		return CALM_ABSENT;
	*value = found;
	return CALM_OK;
}

static calm_status load_word(const struct calm_map *base, calm_key key, void **value)
{
	uint64_t hash = calm__hash_word(calm_key_word(key), base->keys.seed);
	return load_quickly(base, key, hash, value, false);
}

static calm_status load_bytes(const struct calm_map *base, calm_key key, void **value)
{
	uint64_t hash = calm__hash_bytes(key.data, key.size, base->keys.seed);
	return load_quickly(base, key, hash, value, true);
}

/* Misses that load_many has on the way at one time. */
#define AHEAD 16U

static uint64_t prefetch(struct calm__hashmap *map, calm_key key)
{
	uint64_t hash = calm__key_hash(&map->base.keys, key);
	__builtin_prefetch(calm__bucket(calm__hashmap_table(map), hash));
	return hash;
}

static size_t load_many(const struct calm_map *base, size_t n, const calm_key keys[],
			void *values[], calm_status found[])
{
	struct calm__hashmap *map = calm__hashmap_of(base);
	struct calm__self *self = calm__self();
	uint64_t hashes[AHEAD] = {0};
	size_t ok = 0;
	calm__enter(self);
	for (size_t i = 0; i < n + AHEAD; i++) {
		if (i >= AHEAD) {
			size_t done = i - AHEAD;
			uint64_t hash = hashes[done % AHEAD];
			if (found[done] == CALM_OK)
				found[done] = calm__hashmap_find(map, calm__hashmap_table(map),
								 keys[done], hash, &values[done]);
			ok += found[done] == CALM_OK;
		}
		if (i >= n)
			continue;
		found[i] = calm__key_check(&base->keys, keys[i]);
		if (found[i] == CALM_OK)
			hashes[i % AHEAD] = prefetch(map, keys[i]);
	}
	calm__leave(self);
	return ok;
}

/* ---- the rest ---- */

/* The walk is consistent, and asks no more of a visitor. */
static int each(const struct calm_map *base, calm_visit_fn *visit, void *context)
{
	return calm__hashmap_walk(&calm__hashmap_of(base)->base, visit, context);
}

static uint64_t size(const struct calm_map *base)
{
	struct calm__self *self = calm__self();
	calm__enter(self);
	uint64_t count = calm__stripes_sum(
		&calm__hashmap_table(calm__hashmap_of(base))->generation->count);
	calm__leave(self);
	return count;
}

void calm__hashmap_stats(const struct calm_map *base, calm_stats *out)
{
	struct calm__hashmap *map = calm__hashmap_of(base);
	out->history_bytes = calm__history_kept(&map->history);
	out->oldest_snapshot_ns = calm__snaps_oldest_ns(&map->snaps);
}

void calm__hashmap_destroy(struct calm_map *base)
{
	struct calm__hashmap *map = calm__hashmap_of(base);
	calm__generation_free(map, map->current);
	for (struct calm__generation *next, *one = map->orphans; one; one = next) {
		next = one->orphan;
		calm__generation_free(map, one);
	}
	calm__history_free(&map->history);
}

#define KIND(loads, writes)                                                                   \
	{                                                                                     \
		.name = "hashmap", .destroy = calm__hashmap_destroy, .load = (loads),         \
		.write = (writes), .clear = calm__hashmap_clear, .size = size,                \
		.reserve = calm__hashmap_reserve, .each = each, .stats = calm__hashmap_stats, \
		.check = calm__hashmap_check, .load_many = load_many,                         \
		.apply = calm__hashmap_apply, .drain = calm__hashmap_drain,                   \
		.walk = calm__hashmap_walk, .snapshots = &calm__hashmap_snapshots,            \
	}
static const struct calm__kind word_kind = KIND(load_word, calm__hashmap_write_word);
static const struct calm__kind bytes_kind = KIND(load_bytes, calm__hashmap_write_bytes);

calm_status calm__hashmap_init(struct calm__hashmap *map, size_t capacity)
{
	calm__snaps_init(&map->snaps);
	calm__history_init(&map->history, map, &map->base.heap, &map->snaps);
	/* order: none - nobody else has the map yet. */
	store_relaxed(&map->least, capacity);
	map->current = calm__generation_new(map, capacity, calm__snaps_epoch(&map->snaps));
	if (!map->current)
		return CALM_ENOMEM;
	/* order: none - nobody else has the map yet. */
	store_relaxed(&map->table, load_relaxed(&map->current->table));
	return CALM_OK;
}

calm_status calm_hashmap_create(calm_map **out, const calm_options *options)
{
	struct calm_map *base;
	bool bytes = options && options->keys == CALM_KEYS_BYTES;
	calm_status status = calm__map_new(&base, out, options, bytes ? &bytes_kind : &word_kind,
					   sizeof(struct calm__hashmap));
	if (status != CALM_OK)
		return status;
	status = calm__hashmap_init(calm__hashmap_of(base), options ? options->capacity : 0);
	if (status != CALM_OK) {
		calm__map_free(base);
		return status;
	}
	*out = base;
	return CALM_OK;
}
