/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * From events to spans: a begin and its end become one.
 *
 * Two ways of pairing:
 *	nested	what begins and ends in one call, so in one thread, and within whatever that thread is in:
 *		traversals, reclamations, copies, compactions. Each thread has a stack of those it is in;
 *		an end closes the innermost that it fits. What lay above that one on the stack must have
 *		ended before: its end was lost, and is taken to be then.
 *	named	what any thread may end, and of which there is one at a time: a resize per map, a snapshot
 *		per address, the stall. A begin while it is open shows that an end was lost.
 * A read section tells of itself at its end, and needs no pairing.
 *
 * What is open at last ends with the recording. An end that fits nothing makes a span too, from when its thread was first
 * seen: a guess, which overlap.c leaves alone.
 *
 * Each event is pushed once and popped once: O(events), and the sort of the spans by their begins, which are nearly in order.
 * Rejected: looking for the end from each begin (quadratic where ends were lost), and a stack for each kind (cannot tell that
 * a reclamation within a traversal that ended has ended too).
 */
#include "cli/trace/table.h"
#include "cli/trace/trace.h"

#include <stdlib.h>
#include <string.h>

#define STILL_OPEN UINT64_MAX /* as a span's end, while the timeline is made */

/* Beside each span while it is made. */
struct waiting {
	uint64_t key[3];
	uint32_t below; /* the span around it, of its thread; nested ones only */
	uint32_t older; /* the next older open one with the same key */
};

struct maker {
	const struct trace_recording *recording;
	struct trace_timeline *timeline;
	struct waiting *waiting;
	struct trace_table open; /* key of a span: the youngest that is open */
	struct trace_table maps; /* address: index */
	uint32_t *tops;          /* of each thread's stack */
	uint64_t last;           /* of the recording and its events */
	bool failed;             /* no memory */
};

static const struct rule {
	uint8_t span; /* enum trace_span_kind */
	bool begins, ends, nested, of_map;
} rules[TRACE_EVENT_KINDS] = {
	[TRACE_TRAVERSAL_BEGIN] = {TRACE_SPAN_TRAVERSAL, .begins = true, .nested = true,
				   .of_map = true},
	[TRACE_TRAVERSAL_END] = {TRACE_SPAN_TRAVERSAL, .ends = true, .nested = true,
				 .of_map = true},
	[TRACE_SNAPSHOT_OPEN] = {TRACE_SPAN_SNAPSHOT, .begins = true, .of_map = true},
	[TRACE_SNAPSHOT_CLOSE] = {TRACE_SPAN_SNAPSHOT, .ends = true, .of_map = true},
	[TRACE_RESIZE_BEGIN] = {TRACE_SPAN_RESIZE, .begins = true, .of_map = true},
	[TRACE_RESIZE_CHUNK] = {.of_map = true},
	[TRACE_RESIZE_END] = {TRACE_SPAN_RESIZE, .ends = true, .of_map = true},
	[TRACE_COPY_BEGIN] = {TRACE_SPAN_COPY, .begins = true, .nested = true, .of_map = true},
	[TRACE_COPY_END] = {TRACE_SPAN_COPY, .ends = true, .nested = true, .of_map = true},
	[TRACE_PROMOTION] = {.of_map = true},
	[TRACE_COMPACT_BEGIN] = {TRACE_SPAN_COMPACT, .begins = true, .nested = true,
				 .of_map = true},
	[TRACE_COMPACT_END] = {TRACE_SPAN_COMPACT, .ends = true, .nested = true, .of_map = true},
	[TRACE_RECLAIM_BEGIN] = {TRACE_SPAN_RECLAIM, .begins = true, .nested = true},
	[TRACE_RECLAIM_END] = {TRACE_SPAN_RECLAIM, .ends = true, .nested = true},
	[TRACE_STALL_BEGIN] = {TRACE_SPAN_STALL, .begins = true},
	[TRACE_STALL_END] = {TRACE_SPAN_STALL, .ends = true},
	[TRACE_SECTION] = {.span = TRACE_SPAN_SECTION},
	[TRACE_IMAGES] = {.of_map = true},
};

/* ---- keys and maps ---- */

/* What an end must share with its begin. */
static void key_of(const struct trace_event *event, uint64_t key[3])
{
	const struct rule *rule = &rules[event->kind];

	key[0] = rule->span | (rule->nested ? ((uint64_t)event->thread + 1) << 8 : 0);
	key[1] = rule->of_map ? event->a : 0;
	key[2] = rule->span == TRACE_SPAN_TRAVERSAL || rule->span == TRACE_SPAN_SNAPSHOT ? event->b
											 : 0;
}

static uint32_t map_of(struct maker *maker, const struct trace_event *event)
{
	if (!rules[event->kind].of_map)
		return TRACE_NONE;
	uint32_t *index = trace_table_at(&maker->maps, event->a, 0, 0);
	if (index == NULL)
		maker->failed = true;
	return index != NULL ? *index : TRACE_NONE;
}

static bool know_maps(struct maker *maker)
{
	for (uint32_t i = 0; i < maker->recording->map_count; i++) {
		uint32_t *index = trace_table_at(&maker->maps, maker->recording->maps[i].address, 0,
						 0);
		if (index == NULL)
			return false;
		if (*index == TRACE_NONE)
			*index = i;
	}
	return true;
}

/* The youngest open span under a key. */
static uint32_t *open_under(struct maker *maker, const uint64_t key[3])
{
	uint32_t *youngest = trace_table_at(&maker->open, key[0], key[1], key[2]);

	if (youngest == NULL)
		maker->failed = true;
	return youngest;
}

/* ---- spans ---- */

static uint32_t add_span(struct maker *maker, const struct trace_event *event, uint64_t begin)
{
	struct trace_timeline *timeline = maker->timeline;
	uint32_t index = (uint32_t)timeline->span_count++;

	timeline->spans[index] = (struct trace_span){
		.begin = begin,
		.end = STILL_OPEN,
		.thread = event->thread,
		.end_thread = TRACE_NONE,
		.map = map_of(maker, event),
		.number = index,
		.kind = rules[event->kind].span,
	};
	return index;
}

/* Ends the youngest open span under its key; a nested one is the top of its thread's stack. */
static void end_span(struct maker *maker, uint32_t index, uint64_t ns, uint32_t thread)
{
	struct trace_span *span = &maker->timeline->spans[index];
	const struct waiting *waiting = &maker->waiting[index];
	uint32_t *youngest = open_under(maker, waiting->key);

	span->end = ns;
	span->end_thread = thread;
	if (youngest != NULL)
		*youngest = waiting->older;
	if ((waiting->key[0] >> 8) != 0)
		maker->tops[span->thread] = waiting->below;
}

static void begin(struct maker *maker, const struct trace_event *event)
{
	const struct rule *rule = &rules[event->kind];
	struct waiting waiting = {.below = TRACE_NONE, .older = TRACE_NONE};

	key_of(event, waiting.key);
	uint32_t *youngest = open_under(maker, waiting.key);
	if (youngest == NULL)
		return;
	if (rule->nested) {
		waiting.older = *youngest;
		waiting.below = maker->tops[event->thread];
	} else if (*youngest != TRACE_NONE) {
		end_span(maker, *youngest, event->ns, TRACE_NONE);
	}
	uint32_t index = add_span(maker, event, event->ns);
	struct trace_span *span = &maker->timeline->spans[index];
	/* Where a map comes first, it is the span's map. */
	span->a = rule->of_map ? event->b : event->a;
	span->b = rule->of_map ? event->c : event->b;
	maker->waiting[index] = waiting;
	*youngest = index;
	if (rule->nested)
		maker->tops[event->thread] = index;
}

/* An end whose begin was not seen. */
static void end_alone(struct maker *maker, const struct trace_event *event)
{
	uint64_t seen = maker->recording->threads[event->thread].begin;
	uint32_t index = add_span(maker, event, seen < event->ns ? seen : event->ns);
	struct trace_span *span = &maker->timeline->spans[index];

	if (span->kind == TRACE_SPAN_TRAVERSAL || span->kind == TRACE_SPAN_SNAPSHOT)
		span->a = event->b;
	else if (span->kind == TRACE_SPAN_RECLAIM || span->kind == TRACE_SPAN_STALL)
		span->b = event->a;
	span->end = event->ns;
	span->end_thread = event->thread;
	span->begin_lost = true;
}

static void end(struct maker *maker, const struct trace_event *event)
{
	uint64_t key[3];

	key_of(event, key);
	const uint32_t *youngest = open_under(maker, key);
	if (youngest == NULL)
		return;
	uint32_t index = *youngest;
	struct trace_span *spans = maker->timeline->spans;
	bool fits = index != TRACE_NONE &&
		    (spans[index].kind != TRACE_SPAN_STALL || spans[index].b == event->a);
	if (!fits) {
		end_alone(maker, event);
		return;
	}
	while (rules[event->kind].nested && maker->tops[event->thread] != index)
		end_span(maker, maker->tops[event->thread], event->ns, TRACE_NONE);
	end_span(maker, index, event->ns, event->thread);
	if (spans[index].kind == TRACE_SPAN_RECLAIM)
		spans[index].b = event->a;
}

static void section(struct maker *maker, const struct trace_event *event)
{
	uint64_t length = event->c < event->ns ? event->c : event->ns;
	uint32_t index = add_span(maker, event, event->ns - length);
	struct trace_span *span = &maker->timeline->spans[index];

	span->end = event->ns;
	span->end_thread = event->thread;
}

static void mark(struct maker *maker, const struct trace_event *event)
{
	bool burst = event->kind >= TRACE_SECTIONS;

	maker->timeline->marks[maker->timeline->mark_count++] = (struct trace_mark){
		.ns = event->ns,
		.length = !burst                 ? 0
			  : event->c < event->ns ? event->c
						 : event->ns,
		.a = burst ? 0 : event->b,
		.count = event->count,
		.thread = event->thread,
		.map = map_of(maker, event),
		.kind = event->kind,
	};
}

static void take(struct maker *maker, const struct trace_event *event)
{
	if (rules[event->kind].begins)
		begin(maker, event);
	else if (rules[event->kind].ends)
		end(maker, event);
	else if (event->kind == TRACE_SECTION)
		section(maker, event);
	else
		mark(maker, event);
}

/* ---- the whole ---- */

/* In the order of their begins; of several that began together the outer one first. */
static int earlier(const void *a, const void *b)
{
	const struct trace_span *one = a, *other = b;

	if (one->begin != other->begin)
		return one->begin < other->begin ? -1 : 1;
	if (one->end != other->end)
		return one->end > other->end ? -1 : 1;
	return one->number < other->number ? -1 : one->number > other->number;
}

static void finish(struct maker *maker)
{
	struct trace_timeline *timeline = maker->timeline;
	uint32_t numbers[TRACE_SPAN_KINDS] = {0};
	bool sorted = true;

	for (uint64_t i = 0; i < timeline->span_count; i++) {
		if (timeline->spans[i].end == STILL_OPEN)
			timeline->spans[i].end = maker->last;
		sorted = sorted &&
			 (i == 0 || earlier(&timeline->spans[i - 1], &timeline->spans[i]) < 0);
	}
	if (!sorted)
		qsort(timeline->spans, timeline->span_count, sizeof *timeline->spans, earlier);
	for (uint64_t i = 0; i < timeline->span_count; i++)
		timeline->spans[i].number = ++numbers[timeline->spans[i].kind];
}

static bool room_for(struct maker *maker)
{
	const struct trace_recording *recording = maker->recording;
	uint64_t spans = 0, marks = 0;

	maker->last = recording->ns;
	for (uint64_t i = 0; i < recording->event_count; i++) {
		const struct trace_event *event = &recording->events[i];
		bool span = event->kind == TRACE_SECTION ||
			    (event->kind < TRACE_EVENT_KINDS &&
			     (rules[event->kind].begins || rules[event->kind].ends));
		spans += span;
		marks += !span;
		if (event->ns > maker->last)
			maker->last = event->ns;
	}
	if (spans >= TRACE_NONE)
		return false;
	/* Untouched room for the ends, most of which need none, is no memory. */
	maker->timeline->spans = calloc(spans + 1, sizeof *maker->timeline->spans);
	maker->timeline->marks = calloc(marks + 1, sizeof *maker->timeline->marks);
	maker->waiting = calloc(spans + 1, sizeof *maker->waiting);
	maker->tops = malloc((recording->thread_count + 1) * sizeof *maker->tops);
	if (maker->timeline->spans == NULL || maker->timeline->marks == NULL ||
	    maker->waiting == NULL || maker->tops == NULL)
		return false;
	memset(maker->tops, 0xff, (recording->thread_count + 1) * sizeof *maker->tops);
	return true;
}

bool trace_timeline_make(const struct trace_recording *recording, struct trace_timeline *timeline)
{
	struct maker maker = {.recording = recording, .timeline = timeline};

	*timeline = (struct trace_timeline){.recording = recording};
	bool made = room_for(&maker) && know_maps(&maker);
	for (uint64_t i = 0; made && i < recording->event_count; i++) {
		const struct trace_event *event = &recording->events[i];
		if (event->kind < TRACE_EVENT_KINDS && event->thread < recording->thread_count)
			take(&maker, event);
		made = !maker.failed;
	}
	if (made)
		finish(&maker);
	made = made && trace_overlaps_find(timeline);
	free(maker.waiting);
	free(maker.tops);
	trace_table_free(&maker.open);
	trace_table_free(&maker.maps);
	if (!made)
		trace_timeline_free(timeline);
	return made;
}

void trace_timeline_free(struct trace_timeline *timeline)
{
	free(timeline->spans);
	free(timeline->marks);
	free(timeline->overlaps);
	*timeline = (struct trace_timeline){0};
}
