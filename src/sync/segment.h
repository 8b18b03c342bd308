/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* What history.c, which appends and indexes, and compact.c, which copies, share. */
#ifndef CALM_SYNC_SEGMENT_H
#define CALM_SYNC_SEGMENT_H

#include "sync/history.h"

/* Bytes of data in a segment; more if one image needs more. */
#define CALM__SEGMENT ((size_t)64 << 10)

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

/* NULL: no memory. */
struct calm__segment *calm__segment_new(struct calm__history *history, size_t least);
void calm__segment_free(struct calm__history *history, struct calm__segment *segment);
/* To the spare ones, or freed. */
void calm__segment_give(struct calm__history *history, struct calm__segment *segment);

static inline struct calm__lane *calm__all_lanes(struct calm__history *history)
{
	/* order: history.lane acquire <- new_lane(): each lane with its first segment. */
	return load_acquire(&history->lanes);
}

/* All under history->lock. */
void calm__history_gives_up(struct calm__history *history, uint64_t bytes);
void calm__history_insert(struct calm__history *history, struct calm__image *image);
void calm__history_empty_index(struct calm__history *history);
/* Indexes what the logs gained. */
void calm__history_drain(struct calm__history *history);
/* Copies together what an open snapshot may see, and gives up the rest. */
void calm__history_compact(struct calm__history *history);

#endif
