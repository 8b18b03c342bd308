/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Undo logs, and one index over them.
 *
 * Writers log, readers index. A writer that must save a place appends an image to its own thread's
 * log and goes on: sequential, recycled memory, no lock, no word shared with another writer. A
 * snapshot's reader that meets a changed place looks its image up; if the index lacks it, it first
 * moves what the logs gained into the index. So what nobody reads is never indexed, and what many
 * snapshots read is indexed once.
 *
 *     lane (a thread's)     first -> [segment] -> [segment] -> [current]    owner appends
 *     closed                [segment] -> [segment] -> …                     indexed, full
 *     heads[hash(place)]    -> image -> image -> …                          anywhere in these
 *
 * Invariants: in a lane `to` never falls. Images of one place and one generation have disjoint
 * [from, to], and places that nest have disjoint ones too, so at most one image answers for a
 * position and an epoch. The indexed part of a segment is [dead, drained), of a closed one
 * [dead, tail). An image is given up only if no open snapshot, and none to come, has a stamp in
 * [from, to].
 *
 * Giving up: when all that is indexed lies below the horizon (no walk or snapshot from before is
 * left), segments go back whole. While an old snapshot stays, others come and go; what only they
 * needed lies between what it needs. When the history has doubled since the last time, compaction
 * copies what is needed together and gives up the rest: O(history), paid by the close that finds
 * it, at most once per doubling.
 *
 * Source: undo logs of snapshots as in "MVCC with in-place updates", Neumann, Mühlbauer, Kemper,
 * SIGMOD 2015, section 2.2. Rejected: a chain of versions at each bucket, two more cache misses in
 * every first write after a snapshot; an index per snapshot, which costs each of a thousand
 * snapshots what here all pay once; images of their own in malloc, each freed by itself.
 */
#include "sync/segment.h"

#include <string.h>

#ifndef CALM_EXPLORE
#define COMPACT_FROM ((uint64_t)1 << 20)
#else /* so that a schedule comes to it */
#define COMPACT_FROM ((uint64_t)1 << 9)
#endif

void calm__history_init(struct calm__history *history, const void *map, struct calm__heap *heap,
			struct calm__snaps *snaps)
{
	history->map = map;
	history->heap = heap;
	history->snaps = snaps;
	history->heads = history->few;
	history->mask = CALM__HEADS - 1;
}

/* A segment that is no lane's current one. */
static size_t tail_of(struct calm__segment *segment)
{
	/* order: none - its owner is done with it, which the caller learnt from next. */
	return load_relaxed(&segment->tail);
}

static void free_list(struct calm__history *history, struct calm__segment *segment)
{
	while (segment) {
		/* order: none - no other thread is left. */
		struct calm__segment *next = load_relaxed(&segment->next);
		calm__segment_free(history, segment);
		segment = next;
	}
}

/* ---- lanes ---- */

static shared_ptr *lane_page(struct calm__history *history, const struct calm__self *self)
{
	shared_ptr *at = &history->pages[self->index / CALM__LANE_PAGE];
	/* order: history.page acquire <- lane_page(): as in calm__lane_of(). */
	void *page = load_acquire(at);
	if (page)
		return page;
	shared_ptr *made = calm__heap_zero(history->heap, CALM__LANE_PAGE * sizeof(*made));
	/* order: history.page release -> calm__lane_of(): the page is zeroed; and acquire <- the same: of
	 * the thread that was faster. */
	if (!made || cas_acq_rel(at, &page, (void *)made))
		return made;
	calm__heap_free(history->heap, made, CALM__LANE_PAGE * sizeof(*made));
	return page;
}

static bool new_lane(struct calm__history *history, const struct calm__self *self,
		     struct calm__segment *segment)
{
	shared_ptr *page = lane_page(history, self);
	struct calm__lane *lane = page ? calm__heap_zero(history->heap, sizeof(*lane)) : NULL;
	if (!lane)
		return false;
	lane->current = segment;
	lane->first = segment;
	/* order: none - this thread's own. */
	store_relaxed(&page[self->index % CALM__LANE_PAGE], lane);
	/* order: none - only a start for the compare-and-swap. */
	void *head = load_relaxed(&history->lanes);
	do {
		lane->next = head;
		/* order: history.lane release -> calm__all_lanes(): the lane and its first segment; and
		 * acquire <- new_lane(): the lane that becomes the second. */
	} while (!cas_acq_rel(&history->lanes, &head, (void *)lane));
	return true;
}

bool calm__history_grow(struct calm__history *history, const struct calm__self *self, uint64_t n)
{
	struct calm__segment *segment = calm__segment_new(history, calm__image_size(n));
	if (!segment)
		return false;
	struct calm__lane *lane = calm__lane_of(history, self);
	if (lane) {
		/* order: history.closed release -> calm__history_drain(), skip(): this thread is done with the
		 * one before. */
		store_release(&lane->current->next, segment);
		lane->current = segment;
		return true;
	}
	if (new_lane(history, self, segment))
		return true;
	calm__segment_give(history, segment);
	return false;
}

uint64_t calm__history_bytes(struct calm__history *history)
{
	uint64_t sum = 0;
	for (struct calm__lane *lane = calm__all_lanes(history); lane; lane = lane->next)
		/* order: none - statistics. */
		sum += load_relaxed(&lane->appended);
	/* order: none - statistics; what is gone was appended before. */
	uint64_t gone = load_relaxed(&history->gone);
	return sum > gone ? sum - gone : 0;
}

/* ---- the index; all of it under history->lock ---- */

static struct calm__image **head_of(struct calm__history *history, uint64_t place)
{
	/* A place's low bits are all zero but for the mark. */
	uint64_t mixed = (place ^ place >> 32) * 0x9e3779b97f4a7c15U;
	return &history->heads[(mixed >> 32) & history->mask];
}

void calm__history_gives_up(struct calm__history *history, uint64_t bytes)
{
	/* order: none - statistics. */
	add_relaxed(&history->gone, bytes);
}

static void hang(struct calm__history *history, struct calm__image *image)
{
	struct calm__image **head = head_of(history, image->place);
	image->next = *head;
	*head = image;
}

/* More heads; without memory the chains stay long. */
static void widen(struct calm__history *history)
{
	uint64_t heads = history->mask + 1;
	struct calm__image **old = history->heads;
	struct calm__image **wide = calm__heap_zero(history->heap, 4 * heads * sizeof(*wide));
	if (!wide)
		return;
	history->heads = wide;
	history->mask = 4 * heads - 1;
	for (uint64_t i = 0; i < heads; i++) {
		for (struct calm__image *next, *image = old[i]; image; image = next) {
			next = image->next;
			hang(history, image);
		}
	}
	if (old != history->few)
		calm__heap_free(history->heap, old, heads * sizeof(*old));
}

void calm__history_insert(struct calm__history *history, struct calm__image *image)
{
	if (history->images > 2 * history->mask)
		widen(history);
	hang(history, image);
	history->images++;
	history->levels |= (uint64_t)1 << (63 - __builtin_ctzll(image->place));
	if (image->to > history->newest)
		history->newest = image->to;
}

void calm__history_empty_index(struct calm__history *history)
{
	if (history->heads != history->few)
		calm__heap_free(history->heap, history->heads,
				(history->mask + 1) * sizeof(*history->heads));
	history->heads = history->few;
	history->mask = CALM__HEADS - 1;
	memset(history->few, 0, sizeof(history->few));
	history->images = 0;
	history->levels = 0;
	history->newest = 0;
}

static void index_up_to(struct calm__history *history, struct calm__segment *segment, size_t tail)
{
	/* order: none - too low a horizon keeps too much. */
	uint64_t horizon = load_relaxed(&history->snaps->horizon);
	while (segment->drained < tail) {
		struct calm__image *image = calm__image_at(segment, segment->drained);
		size_t size = calm__image_size(image->n);
		segment->drained += size;
		if (rule(HORIZON) && image->to < horizon) {
			image->place = 0;
			calm__history_gives_up(history, size);
			continue;
		}
		calm__history_insert(history, image);
	}
}

/* Takes a lane's first segment, which its owner has left. */
static struct calm__segment *pop(struct calm__lane *lane, struct calm__segment *next)
{
	struct calm__segment *segment = lane->first;
	lane->first = next;
	return segment;
}

static void push_closed(struct calm__history *history, struct calm__segment *segment)
{
	/* order: none - guarded by history->lock from here on. */
	store_relaxed(&segment->next, history->closed);
	history->closed = segment;
}

/* Indexes what the logs gained. */
void calm__history_drain(struct calm__history *history)
{
	struct calm__lane *lane = calm__all_lanes(history);
	for (; lane; lane = rule(DRAIN_ALL) ? lane->next : NULL) {
		for (;;) {
			/* order: history.closed acquire <- calm__history_grow(): tail is final if
			 * there is a next. */
			struct calm__segment *next = load_acquire(&lane->first->next);
			/* order: history.tail acquire <- calm__history_commit(): the images. */
			index_up_to(history, lane->first, load_acquire(&lane->first->tail));
			if (!next)
				break;
			push_closed(history, pop(lane, next));
		}
	}
}

static const struct calm__image *search(const struct calm__history *history, uint32_t generation,
					uint64_t position, uint64_t stamp)
{
	for (uint64_t levels = history->levels; levels; levels &= levels - 1) {
		uint64_t place = calm__place(position, (unsigned)__builtin_ctzll(levels));
		const struct calm__image *image = *head_of(
			(struct calm__history *)(uintptr_t)history, place);
		for (; image; image = image->next)
			if (image->place == place && image->from <= stamp && stamp <= image->to &&
			    image->generation == generation)
				return image;
	}
	return NULL;
}

void calm__history_lock(struct calm__history *history)
{
	calm__lock(&history->lock);
}

void calm__history_unlock(struct calm__history *history)
{
	calm__unlock(&history->lock);
}

const struct calm__image *calm__history_find(struct calm__history *history, uint32_t generation,
					     uint64_t position, uint64_t stamp)
{
	const struct calm__image *image = search(history, generation, position, stamp);
	if (!image) {
		calm__history_drain(history);
		image = search(history, generation, position, stamp);
	}
	return image;
}

/* ---- giving up ---- */

/*
 * The log's own front, as far as nobody needs it: it need not be indexed to go. What is indexed goes
 * with the index only: until then the chains lead through it.
 */
static void skip(struct calm__history *history, struct calm__lane *lane, uint64_t horizon)
{
	for (;;) {
		struct calm__segment *segment = lane->first;
		/* order: history.closed acquire <- calm__history_grow(): as in calm__history_drain(). */
		struct calm__segment *next = load_acquire(&segment->next);
		/* order: history.tail acquire <- calm__history_commit(): last is of this tail, or
		 * of a later one. */
		size_t tail = load_acquire(&segment->tail);
		/* order: none - after tail; it never falls. */
		if (load_relaxed(&segment->last) >= horizon || segment->dead < segment->drained)
			return;
		calm__history_gives_up(history, tail - segment->drained);
		segment->drained = tail;
		segment->dead = tail;
		if (!next)
			return;
		calm__segment_give(history, pop(lane, next));
	}
}

static void kill(struct calm__history *history, struct calm__segment *segment, size_t end)
{
	while (segment->dead < end) {
		const struct calm__image *image = calm__image_at(segment, segment->dead);
		segment->dead += calm__image_size(image->n);
		if (image->place != 0)
			calm__history_gives_up(history, calm__image_size(image->n));
	}
}

/* All that is indexed lies below the horizon. */
static void drop_index(struct calm__history *history)
{
	struct calm__segment *segment;
	while ((segment = history->closed) != NULL) {
		/* order: none - guarded by history->lock. */
		history->closed = load_relaxed(&segment->next);
		kill(history, segment, tail_of(segment));
		calm__segment_give(history, segment);
	}
	for (struct calm__lane *lane = calm__all_lanes(history); lane; lane = lane->next)
		kill(history, lane->first, lane->first->drained);
	calm__history_empty_index(history);
	history->after = 0;
}

void calm__history_trim(struct calm__history *history, bool press)
{
	if (!calm__all_lanes(history))
		return;
	calm__lock(&history->lock);
	/* order: none - it only rises; read too low, it keeps too much until the next close. */
	uint64_t horizon = rule(HORIZON) ? load_relaxed(&history->snaps->horizon) : UINT64_MAX;
	if (history->newest < horizon)
		drop_index(history);
	for (struct calm__lane *lane = calm__all_lanes(history); lane; lane = lane->next)
		skip(history, lane, horizon);
	uint64_t bytes = calm__history_bytes(history);
	if (bytes > 0 && (press || bytes > 2 * history->after + COMPACT_FROM))
		calm__history_compact(history);
	calm__unlock(&history->lock);
}

void calm__history_free(struct calm__history *history)
{
	struct calm__lane *next = NULL;
	for (struct calm__lane *lane = calm__all_lanes(history); lane; lane = next) {
		next = lane->next;
		free_list(history, lane->first);
		calm__heap_free(history->heap, lane, sizeof(*lane));
	}
	free_list(history, history->closed);
	free_list(history, history->spares);
	for (int i = 0; i < CALM__LANE_PAGES; i++)
		/* order: none - no other thread is left. */
		calm__heap_free(history->heap, load_relaxed(&history->pages[i]),
				CALM__LANE_PAGE * sizeof(shared_ptr));
	calm__history_empty_index(history);
}
