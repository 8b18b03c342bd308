/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What went on during a traversal and may have slowed it: reclamations, resizes, copies, compactions, stalls.
 *
 * A reclamation and a stall are of the process, not of a map: every traversal's concern, and the more so in its own thread. A
 * resize, copy or compaction concerns the traversals of its own map; of another map it still takes processor time and memory
 * bandwidth, so it is listed too, but after all the others. Spans whose begin was not seen, or whose end was not and may
 * have been lost, take no part: how long they overlapped would be a guess.
 *
 * A sweep over the spans in the order of their begins, with those that are open on either side in a list each. A span that
 * begins overlaps everything open on the other side; whoever has ended is taken out when it is met. So each step
 * finds an overlap or takes a span out for good: O(spans + overlaps), and O(log TRACE_OVERLAPS) for an overlap that is kept, in a
 * heap with the least one on top. Rejected: an interval tree, which answers any question in any order and is not needed
 * where the order is given.
 */
#include "cli/trace/trace.h"

#include <stdlib.h>

struct side {
	uint32_t *open;
	uint64_t count;
};

struct sweep {
	struct trace_timeline *timeline;
	struct side traversals, others;
	bool any_lost;
};

/* Whether it comes before the other in the list. No two are equal. */
static bool before(const struct trace_overlap *one, const struct trace_overlap *other)
{
	if (one->elsewhere != other->elsewhere)
		return other->elsewhere;
	if (one->ns != other->ns)
		return one->ns > other->ns;
	if (one->traversal != other->traversal)
		return one->traversal < other->traversal;
	return one->other < other->other;
}

static int compare(const void *a, const void *b)
{
	return before(a, b) ? -1 : before(b, a);
}

/* Puts an overlap where the last one of the heap's list was, and lets it sink to its place. */
static void replace_last(struct trace_overlap *heap, uint32_t count, struct trace_overlap overlap)
{
	uint32_t at = 0;

	for (uint32_t child = 1; child < count; child = 2 * at + 1) {
		if (child + 1 < count && before(&heap[child], &heap[child + 1]))
			child++;
		if (before(&heap[child], &overlap))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = overlap;
}

static void keep(struct trace_timeline *timeline, struct trace_overlap overlap)
{
	struct trace_overlap *heap = timeline->overlaps;

	if (timeline->overlap_count == TRACE_OVERLAPS) {
		timeline->overlaps_left_out++;
		if (before(&overlap, &heap[0]))
			replace_last(heap, TRACE_OVERLAPS, overlap);
		return;
	}
	uint32_t at = timeline->overlap_count++;
	while (at > 0 && before(&heap[(at - 1) / 2], &overlap)) {
		heap[at] = heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	heap[at] = overlap;
}

static void found(struct trace_timeline *timeline, uint32_t traversal, uint32_t other)
{
	const struct trace_span *walk = &timeline->spans[traversal];
	const struct trace_span *slows = &timeline->spans[other];
	uint64_t begin = walk->begin > slows->begin ? walk->begin : slows->begin;
	uint64_t end = walk->end < slows->end ? walk->end : slows->end;
	bool of_process = slows->kind == TRACE_SPAN_RECLAIM || slows->kind == TRACE_SPAN_STALL;

	if (end > begin)
		keep(timeline, (struct trace_overlap){
				       .traversal = traversal,
				       .other = other,
				       .ns = end - begin,
				       .elsewhere = !of_process && (slows->map == TRACE_NONE ||
								    slows->map != walk->map),
			       });
}

/* A span begins: it overlaps what is open on the other side. */
static void meet(struct sweep *sweep, uint32_t index, bool traversal)
{
	struct side *across = traversal ? &sweep->others : &sweep->traversals;
	struct side *own = traversal ? &sweep->traversals : &sweep->others;
	const struct trace_span *spans = sweep->timeline->spans;
	uint64_t still = 0;

	for (uint64_t i = 0; i < across->count; i++) {
		uint32_t met = across->open[i];
		if (spans[met].end <= spans[index].begin)
			continue;
		across->open[still++] = met;
		found(sweep->timeline, traversal ? index : met, traversal ? met : index);
	}
	across->count = still;
	own->open[own->count++] = index;
}

static bool guessed(const struct sweep *sweep, const struct trace_span *span)
{
	const struct trace_thread *thread = &sweep->timeline->recording->threads[span->thread];
	bool any_ends = span->kind == TRACE_SPAN_RESIZE || span->kind == TRACE_SPAN_STALL;

	if (span->begin_lost)
		return true;
	return span->end_thread == TRACE_NONE &&
	       (any_ends ? sweep->any_lost : thread->events_lost > 0);
}

static bool slows(const struct trace_span *span)
{
	switch (span->kind) {
	case TRACE_SPAN_RECLAIM:
	case TRACE_SPAN_RESIZE:
	case TRACE_SPAN_COPY:
	case TRACE_SPAN_COMPACT:
	case TRACE_SPAN_STALL:
		return true;
	default:
		return false;
	}
}

static bool room_for(struct sweep *sweep)
{
	const struct trace_timeline *timeline = sweep->timeline;
	uint64_t traversals = 0, others = 0;

	for (uint64_t i = 0; i < timeline->span_count; i++) {
		traversals += timeline->spans[i].kind == TRACE_SPAN_TRAVERSAL;
		others += slows(&timeline->spans[i]);
	}
	sweep->traversals.open = malloc((traversals + 1) * sizeof(uint32_t));
	sweep->others.open = malloc((others + 1) * sizeof(uint32_t));
	sweep->timeline->overlaps = malloc(TRACE_OVERLAPS * sizeof *timeline->overlaps);
	return sweep->traversals.open != NULL && sweep->others.open != NULL &&
	       timeline->overlaps != NULL;
}

bool trace_overlaps_find(struct trace_timeline *timeline)
{
	const struct trace_recording *recording = timeline->recording;
	struct sweep sweep = {.timeline = timeline, .any_lost = recording->threads_lost > 0};

	for (uint32_t i = 0; i < recording->thread_count; i++)
		sweep.any_lost = sweep.any_lost || recording->threads[i].events_lost > 0;
	bool room = room_for(&sweep);
	for (uint64_t i = 0; room && i < timeline->span_count; i++) {
		const struct trace_span *span = &timeline->spans[i];
		bool traversal = span->kind == TRACE_SPAN_TRAVERSAL;
		if ((traversal || slows(span)) && !guessed(&sweep, span))
			meet(&sweep, (uint32_t)i, traversal);
	}
	if (room)
		qsort(timeline->overlaps, timeline->overlap_count, sizeof *timeline->overlaps,
		      compare);
	free(sweep.traversals.open);
	free(sweep.others.open);
	return room;
}
