/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * From the rings of the traced program (agent/shared.h) into the recording.
 *
 * Bounded: so many events and samples are kept, and the rest is counted as its thread's loss. What the program writes there is
 * not trusted: counts are held against the rings' size, kinds against those there are.
 *
 * Reclamations that found nothing due are left out: every write that fills a block looks.
 */
#include "cli/trace/record.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SAMPLES_MOST 2000000
#define MODULES_MOST 4096
#define REMOVED TRACE_EVENT_KINDS

/* ---- threads ---- */

static void read_name(const struct trace_making *making, struct trace_thread *thread)
{
	char path[64];

	(void)snprintf(path, sizeof path, "/proc/%d/task/%u/comm", (int)making->process,
		       thread->id);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return;
	if (fgets(thread->name, sizeof thread->name, file) != NULL)
		thread->name[strcspn(thread->name, "\n")] = '\0';
	(void)fclose(file);
}

static struct trace_thread *thread_of(struct trace_making *making, size_t i)
{
	struct trace_recording *recording = making->recording;
	struct agent_slot *slot = &making->head->slots[i];
	struct trace_owner *owner = &making->owners[i];
	uint64_t room = making->thread_room;

	if (owner->thread != TRACE_NONE)
		return &recording->threads[owner->thread];
	if (!trace_grow((void **)&recording->threads, recording->thread_count, &room,
			sizeof *recording->threads)) {
		making->no_memory = true;
		return NULL;
	}
	making->thread_room = (uint32_t)room;
	*owner = (struct trace_owner){recording->thread_count++, UINT64_MAX};
	struct trace_thread *thread = &recording->threads[owner->thread];
	*thread = (struct trace_thread){
		.id = atomic_load_explicit(&slot->thread, memory_order_relaxed),
		.begin = atomic_load_explicit(&slot->seen_first, memory_order_relaxed)};
	memcpy(thread->name, slot->name, sizeof thread->name - 1);
	return thread;
}

/* ---- events ---- */

static void note_made(struct trace_making *making, uint64_t kind, const struct agent_event *from)
{
	if (!trace_grow((void **)&making->made, making->made_count, &making->made_room,
			sizeof *making->made)) {
		making->no_memory = true;
		return;
	}
	struct trace_made *made = &making->made[making->made_count++];
	*made = (struct trace_made){.ticks = from->when >> 8, .map = from->a};
	if (kind == AGENT_MAP_CREATE) {
		memcpy(made->kind, &from->b, 8);
		memcpy(made->kind + 8, &from->c, 7);
	}
}

/* Whether it is the end of a reclamation that released nothing, in no time: then it has no beginning either. */
static bool empty_reclaim(const struct trace_making *making, struct trace_owner *owner,
			  const struct trace_event *event)
{
	struct trace_event *events = making->recording->events;
	uint64_t begin = owner->reclaim;

	if (event->kind != TRACE_RECLAIM_END)
		return false;
	owner->reclaim = UINT64_MAX;
	if (event->a != 0 || begin == UINT64_MAX ||
	    event->ns - events[begin].ns > making->head->ticks_section)
		return false;
	events[begin].kind = REMOVED;
	return true;
}

static void add_event(struct trace_making *making, size_t i, struct trace_thread *thread,
		      const struct agent_event *from)
{
	struct trace_recording *recording = making->recording;
	struct trace_owner *owner = &making->owners[i];
	uint64_t kind = from->when & 0xff;
	bool burst = kind == TRACE_SECTIONS || kind == TRACE_RETIRES || kind == TRACE_IMAGES;

	if (kind == AGENT_MAP_CREATE || kind == AGENT_MAP_DESTROY) {
		note_made(making, kind, from);
		return;
	}
	if (kind >= TRACE_EVENT_KINDS)
		return;
	struct trace_event event = {.ns = from->when >> 8,
				    .a = from->a,
				    .b = burst ? 0 : from->b,
				    .c = from->c,
				    .count = burst ? (uint32_t)from->b : 1,
				    .thread = owner->thread,
				    .kind = (uint8_t)kind};
	if (empty_reclaim(making, owner, &event))
		return;
	bool kept = recording->event_count < making->events_most &&
		    trace_grow((void **)&recording->events, recording->event_count,
			       &making->event_room, sizeof event);
	if (kind == TRACE_RECLAIM_BEGIN)
		owner->reclaim = kept ? recording->event_count : UINT64_MAX;
	if (!kept) {
		thread->events_lost++;
		return;
	}
	recording->events[recording->event_count++] = event;
}

static uint64_t drain_events(struct trace_making *making, size_t i, struct trace_thread *thread)
{
	struct agent_slot *slot = &making->head->slots[i];
	const struct agent_event *ring = agent_events(making->head, i);
	uint64_t taken = atomic_load_explicit(&slot->events_taken, memory_order_relaxed);
	/* The events before their count. */
	uint64_t end = atomic_load_explicit(&slot->events, memory_order_acquire);

	if (end - taken > AGENT_EVENTS)
		taken = end - AGENT_EVENTS; /* a program gone wild */
	for (uint64_t at = taken; at != end; at++)
		add_event(making, i, thread, &ring[at % AGENT_EVENTS]);
	/* They have been read, before the thread may write there again. */
	atomic_store_explicit(&slot->events_taken, end, memory_order_release);
	return end - taken;
}

/* What was being counted when the thread ended. */
static void drain_bursts(struct trace_making *making, size_t i, struct trace_thread *thread)
{
	static const uint8_t kinds[AGENT_BURSTS] = {TRACE_SECTIONS, TRACE_RETIRES, TRACE_IMAGES};
	struct agent_burst *bursts = making->head->slots[i].bursts;

	for (unsigned k = 0; k < AGENT_BURSTS; k++) {
		struct agent_event event = {bursts[k].last << 8 | kinds[k], bursts[k].map,
					    bursts[k].count, bursts[k].last - bursts[k].first};
		if (bursts[k].count != 0)
			add_event(making, i, thread, &event);
		bursts[k].count = 0;
	}
}

/* ---- samples ---- */

static bool in_modules(const struct trace_recording *recording, uint64_t address)
{
	for (uint32_t i = recording->module_count; i-- > 0;) {
		if (address >= recording->modules[i].begin && address < recording->modules[i].end)
			return true;
	}
	return false;
}

static void add_sample(struct trace_making *making, size_t i, struct trace_thread *thread,
		       uint64_t ticks, const uint64_t *addresses, size_t depth)
{
	struct trace_recording *recording = making->recording;
	uint32_t stack = TRACE_NONE;

	if (recording->sample_count < SAMPLES_MOST &&
	    trace_grow((void **)&recording->samples, recording->sample_count, &making->sample_room,
		       sizeof *recording->samples))
		stack = trace_stacks_add(making->stacks, addresses, depth);
	if (stack == TRACE_NONE) {
		thread->samples_lost++;
		return;
	}
	making->unmapped = making->unmapped || !in_modules(recording, addresses[0]);
	recording->samples[recording->sample_count++] = (struct trace_sample){
		.ns = ticks,
		.thread = making->owners[i].thread,
		.stack = stack};
}

static void drain_samples(struct trace_making *making, size_t i, struct trace_thread *thread)
{
	struct agent_slot *slot = &making->head->slots[i];
	const uint64_t *ring = agent_words(making->head, i);
	uint64_t at = atomic_load_explicit(&slot->words_taken, memory_order_relaxed);
	/* The records before their count. */
	uint64_t end = atomic_load_explicit(&slot->words, memory_order_acquire);

	while (end - at >= 2 && end - at <= AGENT_WORDS) {
		uint64_t addresses[AGENT_DEPTH];
		uint64_t ticks = ring[at % AGENT_WORDS];
		uint64_t depth = ring[(at + 1) % AGENT_WORDS];
		if (depth == 0 || depth > AGENT_DEPTH || depth > end - at - 2)
			break; /* a program gone wild */
		for (uint64_t k = 0; k < depth; k++)
			addresses[k] = ring[(at + 2 + k) % AGENT_WORDS];
		add_sample(making, i, thread, ticks, addresses, depth);
		at += 2 + depth;
	}
	/* They have been read, before the thread may write there again. */
	atomic_store_explicit(&slot->words_taken, end, memory_order_release);
}

/* ---- slots ---- */

static void take_counts(struct agent_slot *slot, struct trace_thread *thread)
{
	thread->end = atomic_load_explicit(&slot->seen_last, memory_order_relaxed);
	thread->events_lost += atomic_exchange_explicit(&slot->events_lost, 0,
							memory_order_relaxed);
	thread->samples_lost += atomic_exchange_explicit(&slot->samples_lost, 0,
							 memory_order_relaxed);
}

/* The thread has gone without a word. */
static bool has_gone(const struct trace_making *making, const struct agent_slot *slot)
{
	return syscall(SYS_tgkill, making->process,
		       (pid_t)atomic_load_explicit(&slot->thread, memory_order_relaxed), 0) != 0;
}

static uint64_t drain_slot(struct trace_making *making, size_t i, bool last)
{
	struct agent_slot *slot = &making->head->slots[i];
	/* What the owner did before it released the slot. */
	uint32_t state = atomic_load_explicit(&slot->state, memory_order_acquire);

	if (state == AGENT_FREE || atomic_load_explicit(&slot->thread, memory_order_acquire) == 0)
		return 0; /* or not yet filled in */
	struct trace_thread *thread = thread_of(making, i);
	if (thread == NULL)
		return 0;
	uint64_t n = drain_events(making, i, thread);
	drain_samples(making, i, thread);
	take_counts(slot, thread);
	if (state != AGENT_RELEASED && !last)
		return n;
	drain_bursts(making, i, thread);
	if (slot->name[0] != '\0')
		memcpy(thread->name, slot->name, sizeof thread->name - 1);
	making->owners[i].thread = TRACE_NONE;
	atomic_store_explicit(&slot->thread, 0, memory_order_relaxed);
	/* It is empty, before a thread claims it. */
	atomic_store_explicit(&slot->state, AGENT_FREE, memory_order_release);
	return n;
}

uint64_t trace_drain(struct trace_making *making, bool last)
{
	uint64_t n = 0;

	for (size_t i = 0; i < AGENT_SLOTS; i++)
		n += drain_slot(making, i, last);
	return n;
}

/* ---- the process ---- */

static char *module_path(const char *text)
{
	const char *path = strchr(text, '/');
	size_t size = path != NULL ? strcspn(path, "\n") : 0;
	static const char deleted[] = " (deleted)";

	if (size > sizeof deleted &&
	    memcmp(path + size - (sizeof deleted - 1), deleted, sizeof deleted - 1) == 0)
		size -= sizeof deleted - 1;
	return size > 0 ? strndup(path, size) : NULL;
}

/* A line of /proc/PID/maps. */
static void read_module(struct trace_making *making, const char *line)
{
	struct trace_recording *recording = making->recording;
	unsigned long long begin, end, offset;
	char how[8];
	int used = 0;
	uint64_t room = making->module_room;

	if (sscanf(line, "%llx-%llx %7s %llx %n", &begin, &end, how, &offset, &used) != 4 ||
	    how[2] != 'x' || recording->module_count >= MODULES_MOST ||
	    in_modules(recording, begin))
		return;
	char *path = module_path(line + used);
	if (path == NULL || !trace_grow((void **)&recording->modules, recording->module_count,
					&room, sizeof *recording->modules)) {
		free(path);
		return;
	}
	making->module_room = (uint32_t)room;
	recording->modules[recording->module_count++] =
		(struct trace_module){.path = path, .begin = begin, .end = end, .offset = offset};
}

void trace_modules_read(struct trace_making *making, FILE *maps)
{
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, maps) > 0)
		read_module(making, line);
	free(line);
}

static void read_modules(struct trace_making *making)
{
	char path[64];

	(void)snprintf(path, sizeof path, "/proc/%d/maps", (int)making->process);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return;
	trace_modules_read(making, file);
	(void)fclose(file);
	making->unmapped = false;
}

void trace_look(struct trace_making *making)
{
	if (making->unmapped || making->recording->module_count == 0)
		read_modules(making);
	for (size_t i = 0; i < AGENT_SLOTS; i++) {
		struct agent_slot *slot = &making->head->slots[i];
		uint32_t thread = making->owners[i].thread;
		uint32_t state = AGENT_OWNED;
		if (thread == TRACE_NONE ||
		    atomic_load_explicit(&slot->state, memory_order_relaxed) != AGENT_OWNED)
			continue;
		if (has_gone(making, slot))
			/* Nobody writes there any more; only the state may have changed meanwhile. */
			(void)atomic_compare_exchange_strong_explicit(
				&slot->state, &state, AGENT_RELEASED, memory_order_acq_rel,
				memory_order_relaxed);
		else
			read_name(making, &making->recording->threads[thread]);
	}
}
