/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* What history.c, which appends and indexes, and compact.c, which copies, share. */
#ifndef CALM_SYNC_SEGMENT_H
#define CALM_SYNC_SEGMENT_H

#include "sync/history.h"

/* Bytes of data in a segment; more if one image needs more. So many spare ones stay with the map. */
#ifndef CALM_EXPLORE
#define CALM__SEGMENT ((size_t)64 << 10)
#define CALM__SEGMENT_SPARES 16
#else /* so that a schedule fills some */
#define CALM__SEGMENT ((size_t)512)
#define CALM__SEGMENT_SPARES 1
#endif

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
