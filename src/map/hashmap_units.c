/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * How a snapshot of hashmap is read: unit by unit. A unit is a place: a bucket that has not changed
 * since, or the image of one that has (sync/history.c). A position is a hash; the unit that holds it
 * gives what is bound there, and says where it ends, which is the next position. So growing,
 * shrinking and saving in between change the units, but not what they add up to. What a walk comes
 * into the middle of, it filters by hash.
 *
 * Order: a walk's is by unit, and within one by slot; a cursor's is by hash, then key, which does not
 * depend on the units. Over a base, both are by hash, then key.
 *
 * Invariant: entries are copied out in a section, then it is left, and they are visited. What they
 * point to stays while the snapshot is open: records and values are displaced by birth and death.
 */
#include "map/hashmap_units.h"

#include "map/hashmap_bucket.h"

#include <stdlib.h>
#include <string.h>

/* ---- batches ---- */

void calm__batch_end(struct calm__hashmap *map, struct calm__batch *batch)
{
	if (batch->entries != batch->own)
		calm__heap_free(&map->base.heap, batch->entries,
				batch->room * sizeof(*batch->entries));
}

/* Room for a unit of n entries more. False: no memory. */
static bool widen(struct calm__hashmap *map, struct calm__batch *batch, size_t n)
{
	struct calm__entry *wide = calm__heap_alloc(&map->base.heap,
						    (batch->n + n) * sizeof(*wide));
	if (!wide)
		return false;
	memcpy(wide, batch->entries, batch->n * sizeof(*wide));
	calm__batch_end(map, batch);
	batch->entries = wide;
	batch->room = batch->n + n;
	return true;
}

/* ---- order ---- */

static uint64_t hash_of(const struct calm__hashmap *map, const struct calm__entry *entry)
{
	return calm__stored_hash(&map->base.keys, entry->key);
}

static int compare_entries(const void *a, const void *b, void *keys)
{
	return calm__entry_compare(keys, a, b);
}

void calm__sort_entries(const struct calm__hashmap *map, struct calm__entry *entries, size_t n)
{
	if (n > 8) {
		qsort_r(entries, n, sizeof(*entries), compare_entries,
			(void *)(uintptr_t)&map->base.keys);
		return;
	}
	for (size_t i = 1; i < n; i++) {
		struct calm__entry entry = entries[i];
		size_t at = i;
		for (; at > 0 && calm__entry_compare(&map->base.keys, &entry, &entries[at - 1]) < 0;
		     at--)
			entries[at] = entries[at - 1];
		entries[at] = entry;
	}
}

/* ---- units ---- */

enum taken { TAKEN, TAKEN_NOTHING, NEEDS_ROOM };

/* Copies the slots of a line; there is room for all three. */
INLINE size_t copy_slots(struct calm__entry *to, struct calm__line *line, uint64_t header)
{
	size_t n = 0;
	unsigned occupied = calm__line_occupied(header);
	for (unsigned at = 0; at < CALM__SLOTS; at++) {
		/* order: hash.slot acquire <- calm__slot_fill(), calm__bucket_change(): what it
		 * points to; and the stamp and header from before it was filled, or later ones. */
		to[n].key = load_acquire(&line->slots[at].key);
		to[n].value = load_acquire(&line->slots[at].value);
		n += occupied >> at & 1;
	}
	return n;
}

INLINE bool unchanged(struct calm__line *line, uint64_t header, uint32_t stamp)
{
	/* order: none - after the slots' acquires. */
	return !rule(SNAPSHOT_CHECKS) ||
	       (load_relaxed(&line->header) == header && load_relaxed(&line->stamp) == stamp);
}

/* What overflows from a bucket, after `n` entries of it. NEEDS_ROOM: *n is how much in all. */
static enum taken copy_overflow(struct calm__batch *batch, struct calm__hash_table *table,
				struct calm__line *bucket, uint64_t header, uint32_t stamp,
				size_t *n)
{
	bool fits = true;
	/* order: hash.chain acquire <- calm__bucket_extend(), calm__bucket_unchain(): the line. */
	uint32_t number = load_acquire(&bucket->overflow);
	while (number != 0) {
		if (!unchanged(bucket, header, stamp))
			return TAKEN_NOTHING;
		struct calm__line *line = calm__overflow(table, number);
		/* order: hash.overflow acquire <- calm__bucket_insert(): the slots it names. */
		uint64_t own = load_acquire(&line->header);
		fits = fits && batch->room - batch->n >= *n + CALM__SLOTS;
		*n += fits ? copy_slots(batch->entries + batch->n + *n, line, own) : CALM__SLOTS;
		/* order: hash.chain acquire <- calm__bucket_extend(), calm__bucket_unchain(): the
		 * next line. */
		number = load_acquire(&line->overflow);
	}
	return fits ? TAKEN : NEEDS_ROOM;
}

static void take_unit(struct calm__batch *batch, uint64_t place, size_t n)
{
	batch->n += n;
	batch->first = calm__place_first(place);
	batch->last = calm__place_last(place);
}

static size_t copy_image(struct calm__entry *to, const struct calm__image *image)
{
	size_t n = 0;
	uint64_t vacant = image->vacant;
	for (uint32_t i = 0; i < image->n; i++, vacant >>= 1) {
		to[n] = image->entries[i];
		if (!(vacant & 1))
			n++;
	}
	return n;
}

/* The image of the place that a position is in. */
static enum taken read_image(const struct calm__view *view, uint64_t position,
			     struct calm__batch *batch, size_t *n)
{
	struct calm__history *history = &view->map->history;
	calm__history_lock(history);
	const struct calm__image *image = calm__history_find(history, view->generation->number,
							     position, view->stamp);
	if (!image)
		calm__misuse("hashmap", "what a snapshot saw is gone: memory was overwritten");
	*n = image->n;
	enum taken taken = batch->room - batch->n >= *n ? TAKEN : NEEDS_ROOM;
	if (taken == TAKEN)
		take_unit(batch, image->place, copy_image(batch->entries + batch->n, image));
	calm__history_unlock(history);
	return taken;
}

/* A bucket, if the snapshot sees it as it is. TAKEN_NOTHING: look again. */
INLINE enum taken read_bucket(struct calm__hash_table *table, struct calm__line *line,
			      uint64_t header, uint32_t stamp, uint64_t position,
			      struct calm__batch *batch, size_t *n)
{
	*n = CALM__SLOTS;
	if (batch->room - batch->n < CALM__SLOTS)
		return NEEDS_ROOM;
	*n = copy_slots(batch->entries + batch->n, line, header);
	if (unlikely(header & LINE_OVERFLOW)) {
		enum taken taken = copy_overflow(batch, table, line, header, stamp, n);
		if (taken != TAKEN)
			return taken;
	}
	if (!unchanged(line, header, stamp))
		return TAKEN_NOTHING;
	take_unit(batch, calm__bucket_place(table, position), *n);
	return TAKEN;
}

/* The unit that a position is in, added to the batch. NEEDS_ROOM: for *n. Inside a section. */
INLINE enum taken read_unit(const struct calm__view *view, uint64_t position,
			    struct calm__batch *batch, size_t *n)
{
	/* order: hash.table acquire <- finish(): the table. */
	struct calm__hash_table *table = load_acquire(&view->generation->table);
	unsigned turn = 0;
	for (;;) {
		struct calm__line *line = calm__bucket(table, position);
		/* order: hash.publish acquire <- calm__unlock_bucket(): the slots it names. sc: a
		 * lock from before the snapshot was open is seen. */
		uint64_t header = load_sc(&line->header);
		if (unlikely(header & LINE_MOVED)) {
			/* order: none - MOVED came after it, and brought it. */
			table = load_relaxed(&table->next);
			continue;
		}
		/* order: hash.stamp acquire <- calm__bucket_stamp(): the image. */
		uint32_t stamp = load_acquire(&line->stamp);
		if (calm__stamp_after(stamp, view->stamp))
			return read_image(view, position, batch, n);
		if (unlikely(header & LINE_LOCK) && rule(SNAPSHOT_WAITS)) {
			calm__hashmap_wait(&turn);
			continue;
		}
		enum taken taken = read_bucket(table, line, header, stamp, position, batch, n);
		if (likely(taken != TAKEN_NOTHING))
			return taken;
	}
}

/* ---- marks over a base ---- */

/* A base is read in pieces of so many of its buckets, if the marks over it are rarer. */
#define PIECE_BITS 4

/* Ends the unit that was read last where the base's piece ends that a position is in. */
static void cut_unit(const struct calm__dense *dense, uint64_t position, struct calm__batch *batch)
{
	unsigned bits = dense->bits > PIECE_BITS ? dense->bits - PIECE_BITS : 0;
	uint64_t first = bits > 0 ? position >> (64 - bits) << (64 - bits) : 0;
	uint64_t last = first | (bits > 0 ? UINT64_MAX >> bits : UINT64_MAX);
	/* Both begin with some bits of the position, and end where these do. */
	batch->first = first > batch->first ? first : batch->first;
	batch->last = last < batch->last ? last : batch->last;
}

/* Drops from the last unit's entries, which begin at `from`, those outside of [first, last]. */
__attribute__((noinline)) static void filter(const struct calm__hashmap *map,
					     struct calm__batch *batch, size_t from, uint64_t first,
					     uint64_t last)
{
	size_t n = from;
	for (size_t i = from; i < batch->n; i++) {
		uint64_t hash = hash_of(map, &batch->entries[i]);
		if (hash >= first && hash <= last)
			batch->entries[n++] = batch->entries[i];
	}
	batch->n = n;
}

/*
 * Merges k marks, in order, which lie at the end of the room, with the base's entries from i to end.
 * What is put has passed as many marks and entries, so no mark is overwritten before it is read.
 */
static size_t merge(const struct calm__view *view, struct calm__entry *to,
		    const struct calm__entry *mark, size_t k, size_t i, size_t end)
{
	const struct calm__keys *keys = &view->map->base.keys;
	const struct calm__dense *dense = view->under->dense;
	const struct calm__entry *entries = dense->entries;
	struct calm__entry *put = to;
	for (const struct calm__entry *marks_end = mark + k; mark < marks_end; mark++) {
		struct calm__entry one = *mark;
		size_t near = calm__dense_from(dense, keys, calm__stored_hash(keys, one.key));
		if (near > i) {
			memcpy(put, entries + i, (near - i) * sizeof(*put));
			put += near - i;
			i = near;
		}
		int order = 1;
		for (; i < end; i++) {
			order = calm__entry_compare(keys, &entries[i], &one);
			if (order >= 0)
				break;
			*put++ = entries[i];
		}
		i += i < end && order == 0;
		if (one.value != CALM__GONE)
			*put++ = one;
	}
	memcpy(put, entries + i, (end - i) * sizeof(*put));
	return (size_t)(put - to) + (end - i);
}

/*
 * The last unit's entries, which begin at `from`, are marks: makes bindings of them and the base's, of
 * those with hashes from `first` on; position: one in the unit. NEEDS_ROOM: for *n, and the unit is as if it had not been read.
 */
__attribute__((noinline)) static enum taken lay_over(const struct calm__view *view,
						     struct calm__batch *batch, size_t from,
						     uint64_t first, uint64_t position, size_t *n)
{
	const struct calm__keys *keys = &view->map->base.keys;
	const struct calm__dense *dense = view->under->dense;
	cut_unit(dense, position, batch);
	first = first > batch->first ? first : batch->first;
	filter(view->map, batch, from, first, batch->last);
	size_t i = calm__dense_from(dense, keys, first);
	size_t end = calm__dense_to(dense, keys, batch->last);
	size_t k = batch->n - from;
	*n = k + end - i;
	if (batch->room - from < *n) {
		batch->n = from;
		return NEEDS_ROOM;
	}
	struct calm__entry *to = batch->entries + from;
	struct calm__entry *marks = to + (end - i);
	calm__sort_entries(view->map, to, k);
	memmove(marks, to, k * sizeof(*marks));
	batch->n = from + merge(view, to, marks, k, i, end);
	return TAKEN;
}

/* ---- a unit, a key ---- */

/* A unit, of bindings or, if they lie over a base that is not asked, of marks. */
static calm_status read_marks(const struct calm__view *view, uint64_t position,
			      struct calm__batch *batch)
{
	struct calm__self *self = calm__self();
	size_t n = 0;
	for (;;) {
		batch->n = 0;
		calm__enter(self);
		enum taken taken = read_unit(view, position, batch, &n);
		calm__leave(self);
		if (taken == TAKEN)
			return CALM_OK;
		if (!widen(view->map, batch, 2 * n))
			return CALM_ENOMEM;
	}
}

calm_status calm__read_unit(const struct calm__view *view, uint64_t position,
			    struct calm__batch *batch)
{
	size_t n;
	for (;;) {
		calm_status status = read_marks(view, position, batch);
		if (status != CALM_OK || !view->under)
			return status;
		if (lay_over(view, batch, 0, 0, position, &n) == TAKEN)
			return CALM_OK;
		if (!widen(view->map, batch, n))
			return CALM_ENOMEM;
	}
}

/* What a base says of a key that has no mark, or a mark of a key that is not bound. */
static calm_status read_below(const struct calm__view *view, calm_key key, uint64_t hash,
			      calm_status status, struct calm__entry *entry)
{
	const struct calm__dense *dense = view->under->dense;
	if (status == CALM_OK)
		return entry->value != CALM__GONE ? CALM_OK : CALM_ABSENT;
	size_t i = calm__dense_find(dense, &view->map->base.keys, key, hash);
	if (i == CALM__NOWHERE)
		return CALM_ABSENT;
	*entry = dense->entries[i];
	return CALM_OK;
}

calm_status calm__read_key(const struct calm__view *view, calm_key key, uint64_t hash,
			   struct calm__entry *entry)
{
	struct calm__batch batch;
	calm__batch_begin(&batch);
	calm_status status = read_marks(view, hash, &batch);
	if (status == CALM_OK) {
		status = CALM_ABSENT;
		for (size_t i = 0; i < batch.n && status == CALM_ABSENT; i++) {
			*entry = batch.entries[i];
			if (calm__key_is(&view->map->base.keys, entry->key, key, hash))
				status = CALM_OK;
		}
		if (view->under)
			status = read_below(view, key, hash, status, entry);
	}
	calm__batch_end(view->map, &batch);
	return status;
}

/* ---- the whole ---- */

/* What is asked for before its turn comes: buckets, which lie in a row, and what overflowed from them. */
#define BUCKETS_AHEAD 96
#define OVERFLOW_AHEAD 24

INLINE void fetch_ahead(struct calm__hash_table *table, struct calm__line *line)
{
	__builtin_prefetch(line + BUCKETS_AHEAD);
	struct calm__line *ahead = line + OVERFLOW_AHEAD;
	if (ahead >= table->lines + ((size_t)1 << table->bits))
		return;
	/* order: none - hints; the table stays for the section. */
	uint64_t header = load_relaxed(&ahead->header);
	uint32_t number = load_relaxed(&ahead->overflow);
	if (likely(!(header & LINE_OVERFLOW)) || number == 0)
		return;
	unsigned chunk = calm__chunk_of(table, number);
	/* order: none - a hint, and NULL if only the number is seen yet. */
	const struct calm__line *lines = load_relaxed(&table->chunk[chunk]);
	if (lines)
		__builtin_prefetch(lines + (number - 1 - calm__chunk_start(table, chunk)));
}

/*
 * Buckets in a row that the snapshot sees as they are and that have not overflowed, from a position
 * on, as far as there are any; most are. But for the table's last, which the caller reads. Inside a
 * section.
 */
INLINE void fill_plain(const struct calm__view *view, struct calm__batch *batch, uint64_t *next)
{
	/* order: hash.table acquire <- finish(): the table. */
	struct calm__hash_table *table = load_acquire(&view->generation->table);
	struct calm__line *line = calm__bucket(table, *next);
	struct calm__line *last = calm__bucket(table, UINT64_MAX);
	if (*next != calm__place_first(calm__bucket_place(table, *next)))
		return;
	size_t n = batch->n;
	for (; line < last && batch->room - n >= CALM__SLOTS; line++) {
		fetch_ahead(table, line);
		/* order: hash.publish acquire <- calm__unlock_bucket(): as in read_unit(). */
		uint64_t header = load_sc(&line->header);
		/* order: hash.stamp acquire <- calm__bucket_stamp(): as in read_unit(). */
		uint32_t stamp = load_acquire(&line->stamp);
		if ((header & (LINE_LOCK | LINE_MOVED | LINE_OVERFLOW)) ||
		    calm__stamp_after(stamp, view->stamp))
			break;
		size_t more = copy_slots(batch->entries + n, line, header);
		if (!unchanged(line, header, stamp))
			break;
		n += more;
	}
	batch->n = n;
	*next = (uint64_t)(line - table->lines) << table->shift;
}

/*
 * Fills a batch with units from a position on. *next: where to go on; *more: whether there is
 * anything there. NEEDS_ROOM: a unit alone does not fit.
 */
static enum taken fill(const struct calm__view *view, struct calm__batch *batch, uint64_t *next,
		       bool *more, size_t *n)
{
	struct calm__self *self = calm__self();
	enum taken taken = TAKEN;
	batch->n = 0;
	calm__enter(self);
	while (*more) {
		if (likely(!view->under))
			fill_plain(view, batch, next);
		size_t from = batch->n;
		taken = read_unit(view, *next, batch, n);
		if (taken != TAKEN)
			break;
		if (unlikely(view->under != NULL)) {
			taken = lay_over(view, batch, from, *next, *next, n);
			if (taken != TAKEN)
				break;
		} else if (unlikely(batch->first < *next)) {
			filter(view->map, batch, from, *next, batch->last);
		}
		*next = batch->last + 1;
		*more = *next != 0;
	}
	calm__leave(self);
	return batch->n > 0 || taken == TAKEN ? TAKEN : taken;
}

/* Batches between two words to the writers, who would else miss the line each time. */
#define PASS_EVERY 8

/* passes: NULL, or the walk's own snapshot, which says how far it is. */
int calm__visit_units(const struct calm__view *view, calm_visit_fn *visit, void *context,
		      struct calm__snap *passes)
{
	struct calm__batch batch;
	uint64_t next = 0;
	bool more = true;
	int result = 0;
	unsigned batches = 0;
	size_t n = 0;
	calm__batch_begin(&batch);
	while (more && result == 0) {
		if (passes && !rule(PASS_AFTER_COPY))
			calm__walk_passes(passes, UINT64_MAX);
		if (fill(view, &batch, &next, &more, &n) == NEEDS_ROOM &&
		    !widen(view->map, &batch, 2 * n)) {
			result = CALM_ENOMEM;
			break;
		}
		if (passes && ++batches % PASS_EVERY == 0)
			calm__walk_passes(passes, more ? next : UINT64_MAX);
		const struct calm__entry *entry = batch.entries;
		for (const struct calm__entry *end = entry + batch.n; entry < end && result == 0;
		     entry++)
			result = visit(calm__key_of(&view->map->base.keys, entry->key),
				       entry->value, context);
	}
	calm__batch_end(view->map, &batch);
	return result;
}
