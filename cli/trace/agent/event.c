/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What a probe tells, as an event in the thread's ring.
 *
 * Sections, retired pointers and images, of which there can be a million a second, are counted, and what was counted within
 * 100 us becomes one event, a burst. A section that lasted over 10 us is an event of its own.
 *
 * Compiled without vector registers, and calls nothing that was not: they hold what the program keeps there.
 */
#include "cli/trace/agent/agent.h"

#include "cli/trace/trace.h"

#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>

_Thread_local struct agent_self agent_self;

static uint64_t clock_ticks(void)
{
	struct timespec now = {0, 0};

	/* The call, not the library's way around it. */
	(void)agent_call(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0, 0);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

uint64_t agent_ticks(void)
{
	uint64_t now = agent_head->tsc ? __builtin_ia32_rdtsc() : clock_ticks();

	return now - agent_head->tick;
}

static void append(struct agent_self *self, uint64_t kind, uint64_t ticks, uint64_t a, uint64_t b,
		   uint64_t c)
{
	struct agent_slot *slot = self->slot;
	uint64_t at = atomic_load_explicit(&slot->events, memory_order_relaxed);

	/* The recorder has read what it took before it said so. */
	if (at - atomic_load_explicit(&slot->events_taken, memory_order_acquire) >= AGENT_EVENTS) {
		atomic_fetch_add_explicit(&slot->events_lost, 1, memory_order_relaxed);
		return;
	}
	struct agent_event *event = &self->events[at % AGENT_EVENTS];
	event->when = ticks << 8 | kind;
	event->a = a;
	event->b = b;
	event->c = c;
	/* The event, before the recorder may read it. */
	atomic_store_explicit(&slot->events, at + 1, memory_order_release);
}

static void add_to_burst(struct agent_self *self, unsigned which, uint64_t now, uint64_t map,
			 uint64_t count)
{
	static const uint8_t kinds[AGENT_BURSTS] = {TRACE_SECTIONS, TRACE_RETIRES, TRACE_IMAGES};
	struct agent_burst *burst = &self->slot->bursts[which];

	if (burst->count != 0 && now - burst->first > agent_head->ticks_burst) {
		append(self, kinds[which], burst->last, burst->map, burst->count,
		       burst->last - burst->first);
		burst->count = 0;
	}
	if (burst->count == 0)
		burst->first = now;
	burst->last = now;
	burst->map = map;
	burst->count += count;
}

static void section_ends(struct agent_self *self, uint64_t now)
{
	if (self->depth == 0 || --self->depth > 0)
		return; /* it began before the recording, or goes on */
	uint64_t ticks = now - self->section;
	if (ticks > agent_head->ticks_section)
		append(self, TRACE_SECTION, now, 0, 0, ticks);
	else
		add_to_burst(self, AGENT_SECTIONS, now, 0, 1);
}

static void map_made(struct agent_self *self, uint64_t now, uint64_t map, const char *kind)
{
	uint64_t name[2] = {0, 0};

	for (unsigned i = 0; kind != NULL && i < 15 && kind[i] != '\0'; i++)
		name[i / 8] |= (uint64_t)(unsigned char)kind[i] << (i % 8 * 8);
	append(self, AGENT_MAP_CREATE, now, map, name[0], name[1]);
}

/* Holds up one reclamation a second, of those that have something to release. */
static void delay(uint64_t now)
{
	uint64_t next = atomic_load_explicit(&agent_head->reclaim_next, memory_order_relaxed);

	if (now < next || !atomic_compare_exchange_strong_explicit(
				  &agent_head->reclaim_next, &next, now + agent_head->ticks_second,
				  memory_order_relaxed, memory_order_relaxed))
		return;
	struct timespec rest = {.tv_sec = (time_t)(agent_head->reclaim_ns / 1000000000U),
				.tv_nsec = (long)(agent_head->reclaim_ns % 1000000000U)};
	while (agent_call(SYS_nanosleep, (long)&rest, (long)&rest, 0, 0) != 0)
		;
}

static void tell(struct agent_self *self, const struct agent_site *site, const uint64_t *registers)
{
	uint64_t value[SITE_OPERANDS] = {0, 0, 0};

	for (unsigned i = 0; i < site->operands; i++)
		value[i] = agent_value(&site->operand[i], registers);
	uint64_t now = agent_ticks();
	switch (site->probe) {
	case PROBE_READ_BEGIN:
		if (self->depth++ == 0)
			self->section = now;
		break;
	case PROBE_READ_END:
		section_ends(self, now);
		break;
	case PROBE_RETIRE:
		add_to_burst(self, AGENT_RETIRES, now, 0, 1);
		break;
	case PROBE_RETIRE_MANY:
		add_to_burst(self, AGENT_RETIRES, now, 0, value[0]);
		break;
	case PROBE_IMAGE:
		add_to_burst(self, AGENT_IMAGES, now, value[0], 1);
		break;
	case PROBE_MAP_CREATE:
		map_made(self, now, value[0], (const char *)(uintptr_t)value[1]);
		break;
	case PROBE_MAP_DESTROY:
		append(self, AGENT_MAP_DESTROY, now, value[0], 0, 0);
		break;
	case PROBE_RECLAIM_BEGIN:
		append(self, TRACE_RECLAIM_BEGIN, now, value[0], 0, 0);
		if (agent_head->reclaim_ns != 0 && value[0] != 0)
			delay(now);
		break;
	default:
		append(self, site->kind, now, value[0], value[1], value[2]);
	}
	atomic_store_explicit(&self->slot->seen_last, now, memory_order_relaxed);
}

void agent_hit(const struct agent_site *site, const uint64_t *registers)
{
	struct agent_self *self = &agent_self;

	if (*agent_on == 0)
		return; /* a forked child: the memory is not even there */
	if (self->at != NULL) {
		/* A signal handler of the program came between, and has calm do something. */
		if (self->slot != NULL)
			atomic_fetch_add_explicit(&self->slot->events_lost, 1,
						  memory_order_relaxed);
		return;
	}
	self->at = site;
	if (self->slot != NULL || agent_claim(self))
		tell(self, site, registers);
	self->at = NULL;
}
