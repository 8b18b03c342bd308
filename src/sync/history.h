/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What places of a map held in earlier epochs, for the snapshots that see those. See history.c.
 *
 * A place is a range of positions, 64-bit numbers: those that begin with the same bits. A writer
 * that is about to change a place saves an image of it:
 *     if (!calm__history_room(history, self, n))    no lock held: may allocate
 *             calm__history_grow(history, self, n)
 *     image = calm__history_begin(…)                owns the place; fill image->entries
 *     calm__history_commit(…)                       from here on readers find it
 */
#ifndef CALM_SYNC_HISTORY_H
#define CALM_SYNC_HISTORY_H

#include "sync/heap.h"
#include "sync/snap.h"

/* The heads that a history has without asking for memory. */
#define CALM__HEADS 64
/* Lanes are found by the number of a thread's record, in pages. */
#define CALM__LANE_PAGE 128
#define CALM__LANE_PAGES (CALM__THREADS / CALM__LANE_PAGE)
/* Bytes of log, ten images or so, that are fetched before they are written. */
#define CALM__LOG_AHEAD 1024

struct calm__entry {
	uint64_t key;
	void *value;
};

/* Written by the thread that saved it, but for next, which is the index's. */
struct calm__image {
	uint64_t place; /* calm__place(); 0: nobody needs it any more */
	uint64_t from;  /* it was so from this epoch */
	uint64_t to;    /* to this one, in which it was last so */
	struct calm__image *next;
	uint32_t n;          /* entries, with the vacant ones */
	uint32_t vacant;     /* bit i: entries[i] is none; of the first 32 */
	uint32_t generation; /* of the map's tables: a place is one of one generation */
	_Alignas(16) struct calm__entry entries[];
};

/* The first `bits` bits of a position, and a mark behind them that says how many; bits < 64. */
static inline uint64_t calm__place(uint64_t position, unsigned bits)
{
	uint64_t mark = (uint64_t)1 << (63 - bits);
	return (position & ~(mark | (mark - 1))) | mark;
}

static inline uint64_t calm__place_first(uint64_t place)
{
	return place & (place - 1);
}

static inline uint64_t calm__place_last(uint64_t place)
{
	return place | (place - 1);
}

static inline size_t calm__image_size(uint64_t n)
{
	return sizeof(struct calm__image) + n * sizeof(struct calm__entry);
}

struct calm__segment {
	shared_ptr next; /* in a lane: the one after it, and then its owner is done with this one */
	size_t size;     /* of data */
	shared_u64 tail; /* bytes of data that are images; the owner's */
	shared_u64 last; /* `to` of the last of them; the owner's */
	size_t drained;  /* indexed up to here; guarded by history->lock, as is dead */
	size_t dead;     /* of these, given up up to here */
	_Alignas(16) char data[];
};

static inline struct calm__image *calm__image_at(struct calm__segment *segment, size_t at)
{
	return (struct calm__image *)(void *)(segment->data + at);
}

/* One thread's log. Its owner appends; who holds history->lock takes from the front. */
struct calm__lane {
	struct calm__segment *current; /* the owner's */
	shared_u64 appended;           /* bytes ever; the owner's */
	struct calm__segment *first;   /* guarded by history->lock, as is next */
	struct calm__lane *next;
	char apart[96];
};

struct calm__history {
	struct calm__heap *heap;
	struct calm__snaps *snaps;
	shared_ptr pages[CALM__LANE_PAGES]; /* of lanes; made by their threads */
	shared_ptr lanes;                   /* all of them, linked, the last made first */

	struct calm__lock lock;       /* of the rest */
	struct calm__segment *closed; /* indexed, and no thread appends to them */
	struct calm__image **heads;   /* chains of images by place */
	struct calm__image *few[CALM__HEADS];
	uint64_t mask;
	uint64_t images; /* in the chains */
	uint64_t newest; /* the largest `to` among them */
	uint64_t levels; /* bit b: there may be images of places of b bits */
	uint64_t after;  /* bytes that the last compaction left */
	shared_u64 gone; /* bytes of images that nobody needs any more */
	shared_u64 held; /* bytes that are there for snapshots only and are no images; the map's */

	struct calm__lock spare_lock;
	struct calm__segment *spares;
	unsigned spare;
	const void *map; /* whose it is, for probes */
};

void calm__history_init(struct calm__history *history, const void *map, struct calm__heap *heap,
			struct calm__snaps *snaps);
/* No snapshot is open and no thread uses it. */
void calm__history_free(struct calm__history *history);

static inline struct calm__lane *calm__lane_of(struct calm__history *history,
					       const struct calm__self *self)
{
	/* order: history.page acquire <- lane_page(): the page is zeroed. */
	shared_ptr *page = load_acquire(&history->pages[self->index / CALM__LANE_PAGE]);
	/* order: none - a thread's own, or its predecessor's in the record. */
	return page ? load_relaxed(&page[self->index % CALM__LANE_PAGE]) : NULL;
}

/* Whether n entries fit where the next image of this thread will be. */
static inline bool calm__history_room(struct calm__history *history, const struct calm__self *self,
				      uint64_t n)
{
	struct calm__lane *lane = calm__lane_of(history, self);
	/* order: none - the owner's own. */
	return likely(lane) &&
	       lane->current->size - load_relaxed(&lane->current->tail) >= calm__image_size(n);
}

/* Makes them fit. False: no memory. */
bool calm__history_grow(struct calm__history *history, const struct calm__self *self, uint64_t n);
/*
 * After calm__history_room said true, for which the image, and what was written behind its n
 * entries, had room. `to` never falls from one image of a thread to the next.
 */
static inline struct calm__image *calm__history_begin(struct calm__history *history,
						      const struct calm__self *self)
{
	struct calm__segment *segment = calm__lane_of(history, self)->current;
	/* order: none - the owner's own. */
	return calm__image_at(segment, load_relaxed(&segment->tail));
}

static inline void calm__history_commit(struct calm__history *history,
					const struct calm__self *self,
					const struct calm__image *image)
{
	struct calm__lane *lane = calm__lane_of(history, self);
	struct calm__segment *segment = lane->current;
	size_t size = calm__image_size(image->n);
	/* order: none - the owner's own. */
	size_t tail = load_relaxed(&segment->tail) + size;
	if (likely(tail + CALM__LOG_AHEAD + size <= segment->size)) {
		/* Readers have been here: lines of the log come from another processor's cache. */
		calm__prefetch_to_write(segment->data + tail + CALM__LOG_AHEAD);
		calm__prefetch_to_write(segment->data + tail + CALM__LOG_AHEAD + 64);
	}
	/* order: none - for statistics. */
	store_relaxed(&lane->appended, load_relaxed(&lane->appended) + size);
	/* order: none - before tail's edge. */
	store_relaxed(&segment->last, image->to);
	/* order: history.tail release -> calm__history_drain(), skip(): the image. */
	store_release(&segment->tail, tail);
}

/*
 * Under the lock: the image of the place that has `position`, as it was in epoch `stamp`. The
 * caller has seen, by an acquire, that the place was changed later, and keeps a snapshot open that
 * sees it. NULL: there is none, which is a mistake in the map. Good until the unlock.
 */
void calm__history_lock(struct calm__history *history);
const struct calm__image *calm__history_find(struct calm__history *history, uint32_t generation,
					     uint64_t position, uint64_t stamp);
void calm__history_unlock(struct calm__history *history);

/* After a snapshot has left: gives back what nobody needs. press: all that can be found now. */
void calm__history_trim(struct calm__history *history, bool press);

/* Bytes of images that are there only for snapshots. */
uint64_t calm__history_bytes(struct calm__history *history);

#endif
