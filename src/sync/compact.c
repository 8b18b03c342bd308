/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Compaction of a history: what some open snapshot may see is copied together, segment by segment,
 * and the index is made anew.
 *
 * Images in a thread's current segment stay where they are; those that nobody needs lose their
 * place and are counted as gone. A snapshot that opens meanwhile is not among the stamps collected:
 * what it may see has a `to` of at least the epoch then, and stays.
 *
 * Without memory it stops where it is: what was not copied stays.
 */
#include "base/probe.h"
#include "sync/segment.h"

#include <stdlib.h>

struct stamps {
	uint64_t n;
	uint64_t next; /* no snapshot that is not among them has a stamp below */
	size_t size;
	uint64_t of[];
};

/* Rising. NULL: no memory. */
static struct stamps *collect(struct calm__history *history)
{
	struct calm__snaps *snaps = history->snaps;
	for (;;) {
		/* order: none - a guess. */
		uint64_t room = load_relaxed(&snaps->open) + 8;
		size_t size = sizeof(struct stamps) + room * sizeof(uint64_t);
		struct stamps *stamps = calm__heap_alloc(history->heap, size);
		if (!stamps)
			return NULL;
		stamps->n = 0;
		stamps->size = size;
		calm__lock(&snaps->lock);
		struct calm__snap *snap = snaps->oldest;
		for (; snap && stamps->n < room; snap = snap->newer)
			stamps->of[stamps->n++] = snap->stamp;
		stamps->next = calm__snaps_epoch(snaps);
		calm__unlock(&snaps->lock);
		if (!snap)
			return stamps;
		calm__heap_free(history->heap, stamps, size);
	}
}

static bool needed(const struct stamps *stamps, const struct calm__image *image)
{
	if (!rule(COMPACT_KEEPS) || image->place == 0)
		return false;
	if (image->to >= stamps->next)
		return true;
	uint64_t low = 0;
	for (uint64_t high = stamps->n; low < high;) {
		uint64_t middle = (low + high) / 2;
		if (stamps->of[middle] < image->from)
			low = middle + 1;
		else
			high = middle;
	}
	return low < stamps->n && stamps->of[low] <= image->to;
}

/* The segments being filled; head is the one with room. */
struct packed {
	struct calm__segment *head;
};

static void pack(struct packed *packed, const struct calm__image *image)
{
	struct calm__segment *to = packed->head;
	/* order: none - guarded by history->lock. */
	size_t tail = load_relaxed(&to->tail);
	size_t size = calm__image_size(image->n);
	__builtin_memcpy(to->data + tail, image, size);
	/* order: none - guarded by history->lock. */
	store_relaxed(&to->tail, tail + size);
	to->drained = tail + size;
}

/* A segment that is certain to take what is left of another. False: no memory. */
static bool make_room(struct calm__history *history, struct packed *packed, size_t most)
{
	/* order: none - guarded by history->lock. */
	if (packed->head && packed->head->size - load_relaxed(&packed->head->tail) >= most)
		return true;
	struct calm__segment *segment = calm__segment_new(history, most);
	if (!segment)
		return false;
	/* order: none - guarded by history->lock. */
	store_relaxed(&segment->next, packed->head);
	packed->head = segment;
	return true;
}

/* Bytes of the images that are needed; the others lose their place. */
static size_t sort_out(struct calm__history *history, const struct stamps *stamps,
		       struct calm__segment *segment, size_t end)
{
	size_t keep = 0;
	for (size_t at = segment->dead; at < end;) {
		struct calm__image *image = calm__image_at(segment, at);
		size_t size = calm__image_size(image->n);
		at += size;
		if (needed(stamps, image)) {
			keep += size;
		} else if (image->place != 0) {
			image->place = 0;
			calm__history_gives_up(history, size);
		}
	}
	return keep;
}

static void move(struct packed *packed, struct calm__segment *from, size_t end)
{
	for (size_t at = from->dead; at < end;) {
		struct calm__image *image = calm__image_at(from, at);
		at += calm__image_size(image->n);
		if (image->place != 0)
			pack(packed, image);
	}
}

/* Indexes what has a place. */
static void index_again(struct calm__history *history, struct calm__segment *segment)
{
	for (size_t at = segment->dead; at < segment->drained;) {
		struct calm__image *image = calm__image_at(segment, at);
		at += calm__image_size(image->n);
		if (image->place != 0)
			calm__history_insert(history, image);
	}
}

void calm__history_compact(struct calm__history *history)
{
	struct stamps *stamps = collect(history);
	if (!stamps)
		return;
	calm__probe1(compact__begin, history->map);
	calm__history_drain(history);
	struct packed packed = {NULL};
	struct calm__segment *segment;
	while ((segment = history->closed) != NULL) {
		size_t keep = sort_out(history, stamps, segment, segment->drained);
		/* order: none - guarded by history->lock. */
		void *next = load_relaxed(&segment->next);
		if (keep > 0 && !make_room(history, &packed, keep))
			break;
		if (keep > 0)
			move(&packed, segment, segment->drained);
		history->closed = next;
		calm__segment_give(history, segment);
	}
	while ((segment = packed.head) != NULL) {
		/* order: none - guarded by history->lock. */
		packed.head = load_relaxed(&segment->next);
		store_relaxed(&segment->next, history->closed);
		history->closed = segment;
	}
	calm__history_empty_index(history);
	/* order: none - guarded by history->lock. */
	for (segment = history->closed; segment; segment = load_relaxed(&segment->next))
		index_again(history, segment);
	for (struct calm__lane *lane = calm__all_lanes(history); lane; lane = lane->next) {
		sort_out(history, stamps, lane->first, lane->first->drained);
		index_again(history, lane->first);
	}
	calm__heap_free(history->heap, stamps, stamps->size);
	history->after = calm__history_bytes(history);
	calm__probe1(compact__end, history->map);
}
