/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Pieces of log that are used again; a few spare ones stay with the map. */
#include "sync/segment.h"

struct calm__segment *calm__segment_new(struct calm__history *history, size_t least)
{
	struct calm__segment *segment = NULL;
	if (least <= CALM__SEGMENT) {
		least = CALM__SEGMENT;
		calm__lock(&history->spare_lock);
		segment = history->spares;
		if (segment) {
			/* order: none - under spare_lock. */
			history->spares = load_relaxed(&segment->next);
			history->spare--;
		}
		calm__unlock(&history->spare_lock);
	}
	if (!segment)
		segment = calm__heap_alloc(history->heap, sizeof(*segment) + least);
	if (segment)
		*segment = (struct calm__segment){.size = least};
	return segment;
}

void calm__segment_free(struct calm__history *history, struct calm__segment *segment)
{
	calm__heap_free(history->heap, segment, sizeof(*segment) + segment->size);
}

void calm__segment_give(struct calm__history *history, struct calm__segment *segment)
{
	bool keep = false;
	if (segment->size == CALM__SEGMENT) {
		calm__lock(&history->spare_lock);
		keep = history->spare < CALM__SEGMENT_SPARES;
		if (keep) {
			/* order: none - under spare_lock. */
			store_relaxed(&segment->next, history->spares);
			history->spares = segment;
			history->spare++;
		}
		calm__unlock(&history->spare_lock);
	}
	if (!keep)
		calm__segment_free(history, segment);
}
