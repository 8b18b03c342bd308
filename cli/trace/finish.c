/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The end of a recording: what came thread by thread is put into the order of time.
 *
 * A map is named by its address, and another may have that address later. So each that is made is a map of its own; where an
 * address is used again, the recording tells the later one by the bits that an address does not have (48 and up).
 */
#include "cli/trace/record.h"
#include "cli/trace/table.h"

#include <stdlib.h>
#include <string.h>

#define REMOVED TRACE_EVENT_KINDS
#define ADDRESS_BITS 48

/* ---- times ---- */

struct scale {
	double ns_per_tick;
	uint64_t last;
};

/* What the program may have written has no bounds. */
static uint64_t whole(double number)
{
	return number < 0x1p64 ? (uint64_t)number : UINT64_MAX;
}

static uint64_t ns_of(const struct scale *scale, uint64_t ticks)
{
	double ns = (double)ticks * scale->ns_per_tick;

	return ns < (double)scale->last ? (uint64_t)ns : scale->last;
}

static void scale_times(struct trace_making *making, const struct scale *scale)
{
	struct trace_recording *recording = making->recording;
	uint64_t kept = 0;

	for (uint64_t i = 0; i < recording->event_count; i++) {
		struct trace_event event = recording->events[i];
		if (event.kind == REMOVED)
			continue;
		event.ns = ns_of(scale, event.ns);
		if (event.kind >= TRACE_SECTION)
			event.c = ns_of(scale, event.c);
		recording->events[kept++] = event;
	}
	recording->event_count = kept;
	for (uint64_t i = 0; i < recording->sample_count; i++)
		recording->samples[i].ns = ns_of(scale, recording->samples[i].ns);
	for (uint32_t i = 0; i < recording->thread_count; i++) {
		recording->threads[i].begin = ns_of(scale, recording->threads[i].begin);
		recording->threads[i].end = ns_of(scale, recording->threads[i].end);
	}
	for (uint64_t i = 0; i < making->made_count; i++)
		making->made[i].ticks = ns_of(scale, making->made[i].ticks);
}

/* ---- order ---- */

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/* By ticks, of which one thread never has the same twice: an event takes some. */
static int compare_events(const void *a, const void *b)
{
	const struct trace_event *x = a;
	const struct trace_event *y = b;
	int order = compare(x->ns, y->ns);

	return order != 0 ? order : compare(x->thread, y->thread);
}

static int compare_samples(const void *a, const void *b)
{
	return compare(((const struct trace_sample *)a)->ns, ((const struct trace_sample *)b)->ns);
}

static int compare_made(const void *a, const void *b)
{
	return compare(((const struct trace_made *)a)->ticks,
		       ((const struct trace_made *)b)->ticks);
}

/* ---- maps ---- */

struct maps {
	struct trace_recording *recording;
	struct trace_table current; /* address: index */
	struct trace_table ages;    /* address: how many had it before */
	uint64_t room;
};

static bool new_map(struct maps *maps, uint64_t address, const char *kind, uint32_t *at)
{
	struct trace_recording *recording = maps->recording;
	uint32_t *age = trace_table_at(&maps->ages, address, 0, 0);

	if (age == NULL || !trace_grow((void **)&recording->maps, recording->map_count, &maps->room,
				       sizeof *recording->maps))
		return false;
	*age = *age == TRACE_NONE ? 0 : *age + 1;
	struct trace_map *map = &recording->maps[recording->map_count];
	*map = (struct trace_map){.address = address | (uint64_t)*age << ADDRESS_BITS};
	memcpy(map->kind, kind, sizeof map->kind);
	*at = recording->map_count++;
	return true;
}

static bool made(struct maps *maps, const struct trace_made *made)
{
	uint32_t *at = trace_table_at(&maps->current, made->map, 0, 0);

	if (at == NULL)
		return false;
	if (made->kind[0] == '\0') {
		*at = TRACE_NONE;
		return true;
	}
	return new_map(maps, made->map, made->kind, at);
}

static bool name_map(struct maps *maps, struct trace_event *event)
{
	static const char unknown[16] = "";
	uint32_t *at;

	if (event->a == 0 || event->kind == TRACE_RECLAIM_BEGIN ||
	    event->kind == TRACE_RECLAIM_END || event->kind == TRACE_STALL_BEGIN ||
	    event->kind == TRACE_STALL_END)
		return true;
	at = trace_table_at(&maps->current, event->a, 0, 0);
	if (at == NULL || (*at == TRACE_NONE && !new_map(maps, event->a, unknown, at)))
		return false;
	event->a = maps->recording->maps[*at].address;
	return true;
}

static bool name_maps(struct trace_making *making)
{
	struct trace_recording *recording = making->recording;
	struct maps maps = {.recording = recording};
	uint64_t next = 0;
	bool done = true;

	for (uint64_t i = 0; i < recording->event_count && done; i++) {
		while (next < making->made_count &&
		       making->made[next].ticks <= recording->events[i].ns && done)
			done = made(&maps, &making->made[next++]);
		done = done && name_map(&maps, &recording->events[i]);
	}
	while (next < making->made_count && done)
		done = made(&maps, &making->made[next++]);
	trace_table_free(&maps.current);
	trace_table_free(&maps.ages);
	return done;
}

/* ---- all of it ---- */

bool trace_finish(struct trace_making *making, uint64_t tick, uint64_t ns)
{
	struct trace_recording *recording = making->recording;
	const struct agent_head *head = making->head;
	uint64_t ticks = tick > making->tick ? tick - making->tick : 1;
	struct scale scale = {(double)(ns - making->ns) / (double)ticks, ns - making->ns};
	uint64_t samples = atomic_load(&head->sample_count);

	recording->ns = ns - making->ns;
	if (recording->event_count > 0)
		qsort(recording->events, recording->event_count, sizeof *recording->events,
		      compare_events);
	if (recording->sample_count > 0)
		qsort(recording->samples, recording->sample_count, sizeof *recording->samples,
		      compare_samples);
	if (making->made_count > 0)
		qsort(making->made, making->made_count, sizeof *making->made, compare_made);
	scale_times(making, &scale);
	recording->sample_ns = head->sample_ns;
	if (samples > 0) {
		recording->sample_ns = whole((double)head->sample_ns *
					     (double)atomic_load(&head->sample_periods) /
					     (double)samples);
		recording->sample_cost_ns = whole((double)atomic_load(&head->sample_cost) *
						  scale.ns_per_tick / (double)samples);
	}
	if (head->event_cost > head->nop_cost)
		recording->event_cost_ps = whole((double)(head->event_cost - head->nop_cost) *
						 1000 * scale.ns_per_tick / AGENT_COSTS);
	recording->threads_lost = atomic_load(&head->threads_lost);
	return name_maps(making);
}
