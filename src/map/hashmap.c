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
	/* order: hash.stamp acquire <- calm__bucket_stamp(): an epoch loaded later is no older. */
	uint32_t stamp = load_acquire(&line->stamp);
	if (!rule(GET_WAITS) || stamp == calm__stamp(calm__snaps_now(&map->snaps)))
		return true;
	calm__hashmap_wait(turn);
	return false;
}

/* Inside a section. */
INLINE calm_status load_key(struct calm__hashmap *map, calm_key key, uint64_t hash, void **value,
			    const bool bytes)
{
	struct calm__hash_table *table = calm__hashmap_table(map);
	unsigned turn = 0;
	for (;;) {
		struct calm__line *line = calm__bucket(table, hash);
		/* order: hash.publish acquire <- calm__unlock_bucket(): the slots it names. sc:
		 * a lock taken before a snapshot opened is seen after. */
		uint64_t header = load_sc(&line->header);
		if (unlikely(header & (LINE_LOCK | LINE_MOVED)) &&
		    !may_read(map, line, header, &turn)) {
			if (header & LINE_MOVED)
				/* order: hash.next acquire <- calm__hashmap_start(): the table. */
				table = load_acquire(&table->next);
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

/* Everything that is rare: in a section already, locked, moved, overflowed, changed meanwhile. */
__attribute__((noinline)) static calm_status load_slowly(const struct calm_map *base, calm_key key,
							 uint64_t hash, void **value)
{
	struct calm__hashmap *map = calm__hashmap_of(base);
	struct calm__self *self = calm__self();
	calm__enter(self);
	calm_status status = base->keys.kind == CALM_KEYS_BYTES
				     ? load_key(map, key, hash, value, true)
				     : load_key(map, key, hash, value, false);
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
	bool bytes = base->keys.kind == CALM_KEYS_BYTES;
	calm__enter(self);
	for (size_t i = 0; i < n + AHEAD; i++) {
		if (i >= AHEAD) {
			size_t done = i - AHEAD;
			uint64_t hash = hashes[done % AHEAD];
			if (found[done] == CALM_OK)
				found[done] = bytes ? load_key(map, keys[done], hash, &values[done],
							       true)
						    : load_key(map, keys[done], hash, &values[done],
							       false);
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

/* ---- writes ---- */

/* What a write may find, under the lock, that it must get before. */
enum need {
	NEED_NOTHING,
	NEED_RECORD,  /* for a byte key that is not there */
	NEED_LINE,    /* a chunk of overflow lines for the table */
	NEED_HISTORY, /* a log segment with room for the bucket */
	NEED_AGAIN,   /* the map was cleared: nothing, but begin again */
};

struct attempt {
	struct calm__write *write;
	struct calm__record *record; /* made for the key, until it is used */
	calm_status status;
	struct calm__hash_table *table; /* NEED_LINE's */
	uint64_t entries;               /* NEED_HISTORY's */
};

/* Under the lock, with nothing changed yet. *saves: an image must be saved, and has room. */
INLINE enum need look_ahead(struct calm__hashmap *map, const struct calm__self *self,
			    const struct calm__locked *locked, struct attempt *attempt, bool *saves)
{
	*saves = calm__bucket_needs_image(map, locked);
	if (likely(!*saves))
		return NEED_NOTHING;
	attempt->entries = calm__bucket_room(locked);
	return calm__history_room(&map->history, self, attempt->entries) ? NEED_NOTHING
									 : NEED_HISTORY;
}

INLINE enum need write_locked(struct calm__hashmap *map, struct calm__self *self,
			      const struct calm__locked *locked, calm_key key,
			      struct attempt *attempt, const bool bytes)
{
	struct calm__write *write = attempt->write;
	struct calm__slot hit;
	struct calm__slot hole;
	calm__bucket_find(&map->base.keys, locked, key, bytes, &hit, &hole);
	bool present = hit.line != NULL;
	/* order: none - changed under the lock. */
	write->previous = present ? load_relaxed(&hit.line->slots[hit.at].value) : NULL;
	enum calm__effect effect = calm__decide(write, present, write->previous, &attempt->status);
	uint32_t extension = 0;
	enum need need = NEED_NOTHING;
	bool saves = false;
	if (effect == CALM__PUT && !present) {
		if (bytes && !attempt->record)
			need = NEED_RECORD;
		else if (unlikely(!hole.line) &&
			 (extension = calm__pool_take(locked->table, self)) == 0)
			need = NEED_LINE;
	}
	if (need == NEED_NOTHING && effect != CALM__LEAVE)
		need = look_ahead(map, self, locked, attempt, &saves);
	if (effect == CALM__LEAVE || unlikely(need != NEED_NOTHING)) {
		attempt->table = locked->table;
		calm__unlock_bucket(locked, locked->header);
		if (extension != 0)
			calm__pool_give(locked->table, self, extension);
		return need;
	}

	if (!rule(IMAGE_FIRST))
		calm__bucket_stamp(locked);
	if (unlikely(saves))
		calm__bucket_save(map, self, locked);
	if (rule(STAMP_FIRST))
		calm__bucket_stamp(locked);
	struct calm__unlinked unlinked = {0};
	uint64_t header;
	if (present) {
		header = calm__bucket_change(map, locked, &hit, effect, write->value, &unlinked,
					     bytes);
	} else {
		uint64_t stored = bytes ? (uint64_t)(uintptr_t)attempt->record : calm_key_word(key);
		header = calm__bucket_bind(map, locked, &hole, extension, stored, write->value,
					   bytes);
		attempt->record = NULL;
	}
	if (!rule(STAMP_FIRST))
		calm__bucket_stamp(locked);
	calm__unlock_bucket(locked, header);
	if (present)
		calm__bucket_displace(map, self, locked, &unlinked, write->previous);
	if (!present || effect == CALM__REMOVE) {
		int64_t count = calm__stripes_add(&locked->table->generation->count, self,
						  present ? -1 : 1);
		if (unlikely((count & (int64_t)(locked->table->tally - 1)) == 0))
			calm__hashmap_look(map, locked->table);
	}
	return NEED_NOTHING;
}

INLINE enum need write_once(struct calm__hashmap *map, struct calm__self *self, calm_key key,
			    uint64_t hash, struct attempt *attempt, const bool bytes)
{
	struct calm__hash_table *table = calm__hashmap_table(map);
	calm__prefetch_to_write(calm__bucket(table, hash));
	/* order: hash.next acquire <- calm__hashmap_start(): the table. */
	if (unlikely(load_acquire(&table->next) != NULL))
		calm__hashmap_help(map, self, table, hash);
	uint64_t epoch = 0;
	if (!rule(EPOCH_IN_LOCK))
		epoch = calm__snaps_now(&map->snaps);
	struct calm__locked locked = calm__lock_bucket(table, hash);
	if (rule(EPOCH_IN_LOCK))
		epoch = calm__snaps_now(&map->snaps);
	locked.epoch = epoch;
	if (unlikely(!calm__still_current(map, locked.table))) {
		calm__unlock_bucket(&locked, locked.header);
		return NEED_AGAIN;
	}
	return write_locked(map, self, &locked, key, attempt, bytes);
}

/* Outside all sections and locks. False: no memory. */
static bool provide(struct calm__hashmap *map, struct calm__self *self, enum need need,
		    calm_key key, uint64_t hash, struct attempt *attempt)
{
	switch (need) {
	case NEED_RECORD:
		attempt->record = calm__record_new(&map->base.heap, key, hash);
		return attempt->record != NULL;
	case NEED_HISTORY:
		calm__history_keep_budget(&map->base, &map->history);
		return calm__history_grow(&map->history, self, attempt->entries);
	case NEED_LINE:
	case NEED_NOTHING:
	case NEED_AGAIN:
		break;
	}
	return true;
}

/* As often as it takes, with whatever it needs. */
INLINE calm_status write_until_done(struct calm__hashmap *map, calm_key key, uint64_t hash,
				    struct calm__write *write, const bool bytes)
{
	struct calm__self *self = calm__self();
	struct attempt attempt = {.write = write};
	enum need need;
	bool provided;
	do {
		if ((bytes || map->base.release) && !calm__displace_reserve(self, 2, 2)) {
			provided = false;
			break;
		}
		calm__enter(self);
		need = write_once(map, self, key, hash, &attempt, bytes);
		/* The table of a chunk that lacks is there only in the section. */
		provided = need != NEED_LINE || calm__pool_grow(map, attempt.table);
		calm__leave(self);
		if (need == NEED_NOTHING)
			break;
		provided = provided && provide(map, self, need, key, hash, &attempt);
	} while (provided);
	if (attempt.record)
		calm__record_free(&map->base.heap, attempt.record);
	return provided ? attempt.status : CALM_ENOMEM;
}

__attribute__((noinline)) static calm_status write_slowly(struct calm__hashmap *map, calm_key key,
							  uint64_t hash, struct calm__write *write)
{
	return map->base.keys.kind == CALM_KEYS_BYTES
		       ? write_until_done(map, key, hash, write, true)
		       : write_until_done(map, key, hash, write, false);
}

/* The first attempt; it stands alone so that all of it lies in registers. */
INLINE calm_status write_key(struct calm__hashmap *map, calm_key key, uint64_t hash,
			     struct calm__write *write, const bool bytes)
{
	struct calm__self *self = calm__self();
	struct attempt attempt = {.write = write};
	if ((bytes || unlikely(map->base.release)) && unlikely(!calm__displace_reserve(self, 2, 2)))
		return CALM_ENOMEM;
	calm__enter(self);
	enum need need = write_once(map, self, key, hash, &attempt, bytes);
	calm__leave(self);
	return likely(need == NEED_NOTHING) ? attempt.status : write_slowly(map, key, hash, write);
}

static calm_status write_word(struct calm_map *base, calm_key key, struct calm__write *write)
{
	return write_key(calm__hashmap_of(base), key,
			 calm__hash_word(calm_key_word(key), base->keys.seed), write, false);
}

static calm_status write_bytes(struct calm_map *base, calm_key key, struct calm__write *write)
{
	return write_key(calm__hashmap_of(base), key,
			 calm__hash_bytes(key.data, key.size, base->keys.seed), write, true);
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

static void stats(const struct calm_map *base, calm_stats *out)
{
	struct calm__hashmap *map = calm__hashmap_of(base);
	out->history_bytes = calm__history_kept(&map->history);
	out->oldest_snapshot_ns = calm__snaps_oldest_ns(&map->snaps);
}

static void destroy(struct calm_map *base)
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
		.name = "hashmap", .destroy = destroy, .load = (loads), .write = (writes),    \
		.clear = calm__hashmap_clear, .size = size, .reserve = calm__hashmap_reserve, \
		.each = each, .stats = stats, .check = calm__hashmap_check,                   \
		.load_many = load_many, .apply = calm__hashmap_apply,                         \
		.drain = calm__hashmap_drain, .walk = calm__hashmap_walk,                     \
		.snapshots = &calm__hashmap_snapshots,                                        \
	}
static const struct calm__kind word_kind = KIND(load_word, write_word);
static const struct calm__kind bytes_kind = KIND(load_bytes, write_bytes);

calm_status calm_hashmap_create(calm_map **out, const calm_options *options)
{
	struct calm_map *base;
	bool bytes = options && options->keys == CALM_KEYS_BYTES;
	calm_status status = calm__map_new(&base, out, options, bytes ? &bytes_kind : &word_kind,
					   sizeof(struct calm__hashmap));
	if (status != CALM_OK)
		return status;
	struct calm__hashmap *map = calm__hashmap_of(base);
	size_t capacity = options ? options->capacity : 0;
	calm__snaps_init(&map->snaps);
	calm__history_init(&map->history, &base->heap, &map->snaps);
	/* order: none - nobody else has the map yet. */
	store_relaxed(&map->least, capacity);
	map->current = calm__generation_new(map, capacity, 1);
	if (!map->current) {
		calm__map_free(base);
		return CALM_ENOMEM;
	}
	/* order: none - nobody else has the map yet. */
	store_relaxed(&map->table, load_relaxed(&map->current->table));
	*out = base;
	return CALM_OK;
}
