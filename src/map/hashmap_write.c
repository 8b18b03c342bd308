/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * hashmap's single-key writes. One template, compiled for word and for byte keys, and for either once
 * more with a base under the bindings (`over`), where they are marks: what deltamap writes.
 *
 * What a write needs and can fail for want of, it gets before it changes anything: it locks the
 * bucket, looks at what will be needed, and if that lacks gives the lock back, provides it, and begins
 * again.
 *
 * Over a base, all of it is still one step under the bucket's lock: a key without a mark is looked up
 * in the newest base inside the lock. Marks are taken away under it too, and only after a base that
 * says the same was published, so what is found is what is bound.
 */
#include "map/hashmap_base.h"
#include "map/hashmap_bucket.h"

/* Of a deltamap: a thread whose count of marks is a multiple looks at how many there are. */
#ifndef CALM_EXPLORE
#define MARKS_LOOK 16
#else
#define MARKS_LOOK 1
#endif

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
	/* What bindings are marks over (deltamap): */
	const struct calm__base *under; /* the newest base */
	const struct calm__base *trims; /* the mark goes if it says what this base does; else NULL */
	enum calm__marked marked;       /* out */
};

/* A key as a verb over a base finds it, and what it makes of it. */
struct over {
	bool marked;
	void *mark;               /* if it is marked */
	struct calm__below below; /* if it is not */
	void *next;               /* the mark that is put */
};

/* What becomes of a mark, or of a key that has none: as calm__decide of the binding that it stands for. */
INLINE enum calm__effect decide_over(const struct calm__hashmap *map,
				     const struct calm__locked *locked, calm_key key,
				     struct attempt *attempt, struct over *over)
{
	struct calm__write *write = attempt->write;
	bool trims = unlikely(attempt->trims != NULL);
	if (rule(BASE_IN_LOCK))
		attempt->under = calm__base_of(locked->table->generation);
	if (!over->marked || trims || !rule(DELETE_MARKS))
		over->below = calm__base_find(map, attempt->under, key, locked->hash);
	if (trims) {
		void *said = over->below.bound ? over->below.value : CALM__GONE;
		bool agrees = over->mark == said || !rule(TRIM_AGREES);
		attempt->status = CALM_OK;
		return over->marked && agrees && attempt->under == attempt->trims ? CALM__REMOVE
										  : CALM__LEAVE;
	}
	bool present = over->marked ? over->mark != CALM__GONE : over->below.bound;
	void *value = over->marked ? over->mark : over->below.value;
	write->previous = present ? value : NULL;
	enum calm__effect effect = calm__decide(write, present, write->previous, &attempt->status);
	over->next = effect == CALM__REMOVE ? CALM__GONE : write->value;
	if (!rule(DELETE_MARKS) && over->marked && !over->below.bound)
		return effect;
	return effect == CALM__REMOVE ? CALM__PUT : effect;
}

/* After the unlock: what a mark that was laid or changed means besides itself. */
INLINE void settle_over(struct calm__hashmap *map, struct calm__self *self,
			const struct calm__locked *locked, const struct attempt *attempt,
			const struct over *over)
{
	bool was = over->marked ? over->mark != CALM__GONE : over->below.bound;
	bool is = over->next != CALM__GONE;
	if (attempt->trims)
		return;
	if (was != is)
		calm__stripes_add(&locked->table->generation->bed->bindings, self, is ? 1 : -1);
	if (!over->marked && was)
		calm__base_displace(map, self, &over->below, locked->epoch);
}

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

/* over: bindings are marks over a base. */
INLINE enum need write_locked(struct calm__hashmap *map, struct calm__self *self,
			      const struct calm__locked *locked, calm_key key,
			      struct attempt *attempt, const bool bytes, const bool over)
{
	struct calm__write *write = attempt->write;
	struct calm__slot hit;
	struct calm__slot hole;
	calm__bucket_find(&map->base.keys, locked, key, bytes, &hit, &hole);
	bool present = hit.line != NULL;
	/* order: none - changed under the lock. */
	void *before = present ? load_relaxed(&hit.line->slots[hit.at].value) : NULL;
	struct over found = {.marked = present, .mark = before, .next = write->value};
	enum calm__effect effect;
	if (over) {
		effect = decide_over(map, locked, key, attempt, &found);
	} else {
		write->previous = before;
		effect = calm__decide(write, present, before, &attempt->status);
	}
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
		header = calm__bucket_change(map, locked, &hit, effect, found.next, &unlinked,
					     bytes);
	} else {
		uint64_t stored = bytes ? (uint64_t)(uintptr_t)attempt->record : calm_key_word(key);
		header = calm__bucket_bind(map, locked, &hole, extension, stored, found.next,
					   bytes);
		attempt->record = NULL;
	}
	if (over && unlikely(attempt->trims != NULL))
		calm__base_inherit(map, attempt->trims, key, locked->hash, &unlinked.birth,
				   &unlinked.value);
	if (!rule(STAMP_FIRST))
		calm__bucket_stamp(locked);
	calm__unlock_bucket(locked, header);
	if (present)
		calm__bucket_displace(map, self, locked, &unlinked, before);
	attempt->marked = CALM__MARKED;
	if (over)
		settle_over(map, self, locked, attempt, &found);
	if (!present || effect == CALM__REMOVE) {
		int64_t count = calm__stripes_add(&locked->table->generation->count, self,
						  present ? -1 : 1);
		if (unlikely((count & (int64_t)(locked->table->tally - 1)) == 0))
			calm__hashmap_look(map, locked->table);
		if (over && !present && (count & (MARKS_LOOK - 1)) == 0)
			attempt->marked = CALM__MARKED_ONE_MORE;
	}
	return NEED_NOTHING;
}

INLINE enum need write_once(struct calm__hashmap *map, struct calm__self *self, calm_key key,
			    uint64_t hash, struct attempt *attempt, const bool bytes,
			    const bool over)
{
	struct calm__hash_table *table = calm__hashmap_table(map);
	calm__prefetch_to_write(calm__bucket(table, hash));
	if (over) {
		attempt->under = calm__base_of(table->generation);
		calm__dense_fetch(attempt->under->dense, hash);
	}
	/* order: none - only whether there is one. */
	if (unlikely(load_relaxed(&table->next) != NULL))
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
	return write_locked(map, self, &locked, key, attempt, bytes, over);
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
				    struct attempt *attempt, const bool bytes, const bool over)
{
	struct calm__self *self = calm__self();
	enum need need;
	bool provided;
	do {
		if ((bytes || map->base.release) && !calm__displace_reserve(self, 2, 2)) {
			provided = false;
			break;
		}
		calm__enter(self);
		need = write_once(map, self, key, hash, attempt, bytes, over);
		/* The table of a chunk that lacks is there only in the section. */
		provided = need != NEED_LINE || calm__pool_grow(map, attempt->table);
		calm__leave(self);
		if (need == NEED_NOTHING)
			break;
		provided = provided && provide(map, self, need, key, hash, attempt);
	} while (provided);
	if (attempt->record)
		calm__record_free(&map->base.heap, attempt->record);
	return provided ? attempt->status : CALM_ENOMEM;
}

__attribute__((noinline)) static calm_status write_slowly(struct calm__hashmap *map, calm_key key,
							  uint64_t hash, struct calm__write *write)
{
	struct attempt attempt = {.write = write};
	return map->base.keys.kind == CALM_KEYS_BYTES
		       ? write_until_done(map, key, hash, &attempt, true, false)
		       : write_until_done(map, key, hash, &attempt, false, false);
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
	enum need need = write_once(map, self, key, hash, &attempt, bytes, false);
	calm__leave(self);
	return likely(need == NEED_NOTHING) ? attempt.status : write_slowly(map, key, hash, write);
}

calm_status calm__hashmap_write_word(struct calm_map *base, calm_key key, struct calm__write *write)
{
	return write_key(calm__hashmap_of(base), key,
			 calm__hash_word(calm_key_word(key), base->keys.seed), write, false);
}

calm_status calm__hashmap_write_bytes(struct calm_map *base, calm_key key,
				      struct calm__write *write)
{
	return write_key(calm__hashmap_of(base), key,
			 calm__hash_bytes(key.data, key.size, base->keys.seed), write, true);
}

/* ---- marks over a base ---- */

static calm_status write_over(struct calm__hashmap *map, calm_key key, uint64_t hash,
			      struct attempt *attempt)
{
	return map->base.keys.kind == CALM_KEYS_BYTES
		       ? write_until_done(map, key, hash, attempt, true, true)
		       : write_until_done(map, key, hash, attempt, false, true);
}

calm_status calm__hashmap_mark(struct calm__hashmap *map, calm_key key, uint64_t hash,
			       struct calm__write *write, enum calm__marked *marked)
{
	struct attempt attempt = {.write = write};
	calm_status status = write_over(map, key, hash, &attempt);
	*marked = attempt.marked;
	return status;
}

calm_status calm__hashmap_trim(struct calm__hashmap *map, calm_key key, uint64_t hash,
			       const struct calm__base *base)
{
	struct calm__write none = {.verb = CALM__DELETE};
	struct attempt attempt = {.write = &none, .trims = base};
	return write_over(map, key, hash, &attempt);
}
