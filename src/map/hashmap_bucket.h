/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * One bucket of hashmap: finding a key in it, saving what it holds, changing it. Inline, and
 * compiled once for word keys and once for byte keys (`bytes` is a constant at each call).
 *
 * What a writer does under the lock is in this order, each step visible before the next:
 *     image of what the bucket holds, if a snapshot needs it
 *     stamp = epoch
 *     the change: a value in place, or slots that the header does not yet name
 *     header, unlocked: the change of what is there
 */
#ifndef CALM_MAP_HASHMAP_BUCKET_H
#define CALM_MAP_HASHMAP_BUCKET_H

#include "base/probe.h"
#include "map/hashmap.h"

#define INLINE static inline __attribute__((always_inline))

/* Where a key is, or could be put; line NULL: nowhere. */
struct calm__slot {
	struct calm__line *line;
	uint32_t number; /* of an overflow line; 0: the bucket */
	unsigned at;
};

/* Eight bits of the hash that do not choose the bucket. */
INLINE uint64_t calm__tag(uint64_t hash)
{
	return hash & 0xff;
}

/* The occupied slots of a line, as a mask, that hold the key. */
INLINE unsigned calm__line_match(const struct calm__keys *keys, struct calm__line *line,
				 uint64_t header, calm_key key, uint64_t hash, const bool bytes)
{
	unsigned occupied = calm__line_occupied(header);
	if (!bytes) {
		uint64_t word = calm_key_word(key);
		/* order: hash.slot acquire <- calm__slot_fill(): as the stamp, so the header, which
		 * is read again later. */
		unsigned first = load_acquire(&line->slots[0].key) == word;
		unsigned second = load_acquire(&line->slots[1].key) == word;
		unsigned third = load_acquire(&line->slots[2].key) == word;
		return (first | second << 1 | third << 2) & occupied;
	}
	uint64_t tags = header >> LINE_TAG_SHIFT;
	for (unsigned at = 0; at < CALM__SLOTS; at++, tags >>= 8) {
		if (!(occupied & 1U << at) || (tags & 0xff) != calm__tag(hash))
			continue;
		/* order: hash.slot acquire <- calm__slot_fill(): the record. */
		if (calm__key_is(keys, load_acquire(&line->slots[at].key), key, hash))
			return 1U << at;
	}
	return 0;
}

/* Under the lock: where the key is (hit), else where there is room for it (hole). */
INLINE void calm__bucket_find(const struct calm__keys *keys, const struct calm__locked *locked,
			      calm_key key, const bool bytes, struct calm__slot *hit,
			      struct calm__slot *hole)
{
	struct calm__line *line = locked->line;
	uint64_t header = locked->header;
	uint32_t number = 0;
	*hit = *hole = (struct calm__slot){NULL, 0, 0};
	for (;;) {
		unsigned match = calm__line_match(keys, line, header, key, locked->hash, bytes);
		unsigned occupied = calm__line_occupied(header);
		if (match) {
			*hit = (struct calm__slot){line, number, (unsigned)__builtin_ctz(match)};
			return;
		}
		if (!hole->line && occupied != 7)
			*hole = (struct calm__slot){line, number,
						    (unsigned)__builtin_ctz(~occupied)};
		if (likely(!(locked->header & LINE_OVERFLOW)))
			return;
		/* order: none - changed under the lock. */
		number = load_relaxed(&line->overflow);
		if (number == 0)
			return;
		line = calm__overflow(locked->table, number);
		/* order: none - changed under the lock. */
		header = load_relaxed(&line->header);
	}
}

/* Whether the map has not been cleared since the table was looked up. */
INLINE bool calm__still_current(struct calm__hashmap *map, const struct calm__hash_table *table)
{
	if (!rule(GENERATION_CHECK))
		return true;
	/* order: hash.table sc <- take_place(): a clear that this load misses comes after it, and so
	 * after the epoch that the writer found. */
	struct calm__hash_table *now = load_sc(&map->table);
	return likely(now == table) || now->generation == table->generation;
}

/* ---- what it held ---- */

/* Whether a change must save the bucket first: a snapshot may see it as it is. */
INLINE bool calm__bucket_needs_image(struct calm__hashmap *map, const struct calm__locked *locked)
{
	/* order: none - changed under the lock. */
	uint32_t stamp = load_relaxed(&locked->line->stamp);
	return stamp != calm__stamp(locked->epoch) && rule(SAVE) &&
	       calm__snaps_need(&map->snaps, calm__stamp_epoch(stamp, locked->epoch),
				calm__place_last(calm__bucket_place(locked->table, locked->hash)));
}

/*
 * A write is as fast as the misses of successive writes overlap. So on the way through a write
 * - no store has an address that depends on what the bucket holds: an image takes all slots, with a
 *   note of the vacant ones, and so always ends where the last write could tell. Packing them halves
 *   the rate of writes that save;
 * - the rarer functions take what they need of `locked`: were its address taken, it would live in
 *   memory, and every write would store it.
 */

/* Entries in the bucket and in what overflowed. */
uint64_t calm__bucket_count(struct calm__hash_table *table, const struct calm__line *bucket,
			    uint64_t header);
/* Copies them. */
void calm__bucket_copy(struct calm__hash_table *table, const struct calm__line *bucket,
		       uint64_t header, struct calm__entry *to);
/* Slots of what overflowed. */
uint64_t calm__bucket_overflow_slots(struct calm__hash_table *table,
				     const struct calm__line *bucket);
/* What overflowed goes to an image, behind the bucket's own slots. */
void calm__bucket_save_overflow(struct calm__hash_table *table, const struct calm__line *bucket,
				struct calm__image *image);

/* Entries that history must have room for. */
INLINE uint64_t calm__bucket_room(const struct calm__locked *locked)
{
	return likely(!(locked->header & LINE_OVERFLOW))
		       ? CALM__SLOTS
		       : CALM__SLOTS + calm__bucket_overflow_slots(locked->table, locked->line);
}

/* Saves the bucket as it has been since its stamp; there is room. */
INLINE void calm__bucket_save(struct calm__hashmap *map, const struct calm__self *self,
			      const struct calm__locked *locked)
{
	struct calm__line *line = locked->line;
	struct calm__image *image = calm__history_begin(&map->history, self);
	image->place = calm__bucket_place(locked->table, locked->hash);
	/* order: none - changed under the lock. */
	image->from = calm__stamp_epoch(load_relaxed(&line->stamp), locked->epoch);
	image->to = locked->epoch - 1;
	image->n = CALM__SLOTS;
	image->vacant = calm__line_occupied(~locked->header);
	image->generation = locked->table->generation->number;
	/* Nobody changes a slot now, so this need not be atomic. */
	__builtin_memcpy(image->entries, line->slots, sizeof(line->slots));
	if (unlikely(locked->header & LINE_OVERFLOW) && rule(SAVE_OVERFLOW))
		calm__bucket_save_overflow(locked->table, line, image);
	calm__probe1(image, map);
	calm__history_commit(&map->history, self, image);
}

INLINE void calm__bucket_stamp(const struct calm__locked *locked)
{
	/* order: hash.stamp release -> may_read(), read_unit(): the image comes before. */
	store_release(&locked->line->stamp, calm__stamp(locked->epoch));
}

/* ---- changing it ---- */

INLINE void calm__slot_fill(struct calm__line *line, unsigned at, uint64_t stored, void *value)
{
	/* order: hash.slot release -> calm__line_match(), load_key(), copy_slots(): who reads this
	 * finds the stamp, and the header that freed the slot, when it looks again. */
	store_release(&line->slots[at].key, stored);
	store_release(&line->slots[at].value, value);
}

/* A key that is not there, into a hole of the bucket or its overflow. The header to unlock with. */
INLINE uint64_t calm__bucket_insert(const struct calm__slot *hole, uint64_t header, uint64_t stored,
				    uint64_t hash, void *value)
{
	uint64_t version = rule(RENEWS) ? LINE_VERSION : 0;
	calm__slot_fill(hole->line, hole->at, stored, value);
	if (hole->number == 0)
		return calm__line_take(header, hole->at, calm__tag(hash)) + version;
	/* order: none - changed under the lock. */
	uint64_t own = load_relaxed(&hole->line->header);
	/* order: hash.overflow release -> find_overflow(), copy_overflow(): the slot is filled. */
	store_release(&hole->line->header, calm__line_take(own, hole->at, calm__tag(hash)));
	return header + version;
}

/* A free line becomes the first that overflows from the bucket, with room for one at its first slot. */
INLINE struct calm__slot calm__bucket_extend(const struct calm__locked *locked, uint32_t number,
					     uint64_t *header)
{
	struct calm__line *line = calm__overflow(locked->table, number);
	/* order: hash.chain release -> find_overflow(), copy_overflow(): who has come with the line
	 * from another bucket sees that that one has changed. */
	store_release(&line->overflow, load_relaxed(&locked->line->overflow));
	/* order: hash.chain release -> find_overflow(), copy_overflow(): the line is empty, and leads on. */
	store_release(&locked->line->overflow, number);
	*header |= LINE_OVERFLOW;
	return (struct calm__slot){line, number, 0};
}

/* Takes an empty overflow line out of the chain. The header to unlock with, from the one given. */
uint64_t calm__bucket_unchain(struct calm__hash_table *table, struct calm__line *bucket,
			      uint32_t number, uint64_t header);

/*
 * Frees a slot. The header to unlock with; *empty: an overflow line that the caller gives to its
 * pool after the unlock, or 0.
 */
INLINE uint64_t calm__bucket_remove(const struct calm__locked *locked, const struct calm__slot *hit,
				    uint64_t header, uint32_t *empty)
{
	uint64_t version = rule(RENEWS) ? LINE_VERSION : 0;
	*empty = 0;
	if (hit->number == 0)
		return calm__line_leave(header, hit->at) + version;
	/* order: none - changed under the lock. */
	uint64_t own = calm__line_leave(load_relaxed(&hit->line->header), hit->at);
	/* order: hash.overflow release -> find_overflow(), copy_overflow(): after the stamp. */
	store_release(&hit->line->header, own);
	if (calm__line_occupied(own) == 0) {
		header = calm__bucket_unchain(locked->table, locked->line, hit->number, header);
		*empty = hit->number;
	}
	return header + version;
}

/* What a write has unlinked. It is displaced after the unlock: the section keeps it so long. */
struct calm__unlinked {
	bool value;
	uint64_t birth; /* of the value */
	struct calm__record *record;
	uint32_t line; /* of overflow, empty; 0: none */
};

/* A key that is not there, where calm__bucket_find found room or in a free line, `extension`. */
INLINE uint64_t calm__bucket_bind(struct calm__hashmap *map, const struct calm__locked *locked,
				  struct calm__slot *hole, uint32_t extension, uint64_t stored,
				  void *value, const bool bytes)
{
	uint64_t header = locked->header;
	if (bytes)
		calm__record_of(stored)->birth = locked->epoch;
	if (unlikely(extension != 0))
		*hole = calm__bucket_extend(locked, extension, &header);
	if (unlikely(map->base.release))
		*calm__birth(locked->table, hole->line, hole->number, hole->at) = locked->epoch;
	return calm__bucket_insert(hole, header, stored, locked->hash, value);
}

/* Another value for a key that is there, or none. The header to unlock with. */
INLINE uint64_t calm__bucket_change(struct calm__hashmap *map, const struct calm__locked *locked,
				    const struct calm__slot *hit, enum calm__effect effect,
				    void *value, struct calm__unlinked *unlinked, const bool bytes)
{
	struct calm__line *line = hit->line;
	if (unlikely(map->base.release)) {
		uint64_t *birth = calm__birth(locked->table, line, hit->number, hit->at);
		unlinked->value = true;
		unlinked->birth = *birth;
		*birth = locked->epoch;
	}
	if (effect == CALM__PUT) {
		/* order: hash.slot release -> load_key(), copy_slots(): what the value points to,
		 * and the stamp. */
		store_release(&line->slots[hit->at].value, value);
		return locked->header;
	}
	if (bytes)
		/* order: none - changed under the lock. */
		unlinked->record = calm__record_of(load_relaxed(&line->slots[hit->at].key));
	return calm__bucket_remove(locked, hit, locked->header, &unlinked->line);
}

/* After the unlock. */
INLINE void calm__bucket_displace(struct calm__hashmap *map, struct calm__self *self,
				  const struct calm__locked *locked,
				  const struct calm__unlinked *unlinked, void *value)
{
	if (unlikely(unlinked->line != 0))
		calm__pool_give(locked->table, self, unlinked->line);
	if (unlinked->value)
		calm__displace(&map->snaps, self, unlinked->birth, locked->epoch,
			       (struct calm__retired){value, calm__release_value, &map->base});
	if (unlinked->record)
		calm__displace(
			&map->snaps, self, unlinked->record->birth, locked->epoch,
			(struct calm__retired){unlinked->record, calm__release_record, &map->base});
}

#endif
