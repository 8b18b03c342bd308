/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Slots of threads, and the timers that have their stacks taken.
 *
 * A thread that the program makes by pthread_create has its slot from its beginning to its end; any other from its first event on,
 * and the recorder finds out that it has gone. Called at a probe, this calls no library, as event.c.
 *
 * A timer counts its thread's processor time and sends the thread SIGPROF. Kernels look at such timers at their clock ticks,
 * a hundred to a thousand a second; how many periods have passed, a sample tells.
 */
#include "cli/trace/agent/agent.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#define CLOCK CLOCK_THREAD_CPUTIME_ID

/* The kernel's struct sigevent, of which the library's hides the thread. */
struct notice {
	uint64_t value;
	int32_t signal;
	int32_t how;
	int32_t thread;
	int32_t padding[11];
};

static void start_timer(struct agent_slot *slot, uint32_t thread)
{
	struct notice notice = {.signal = SIGPROF,
				.how = SIGEV_THREAD_ID,
				.thread = (int32_t)thread};
	int timer = -1;

	if (atomic_load_explicit(&agent_head->samples, memory_order_relaxed) != AGENT_SAMPLES)
		return;
	if (agent_call(SYS_timer_create, CLOCK, (long)&notice, (long)&timer, 0) != 0) {
		atomic_store_explicit(&agent_head->samples, AGENT_SAMPLES_REFUSED,
				      memory_order_relaxed);
		return;
	}
	struct timespec period = {.tv_sec = (time_t)(agent_head->sample_ns / 1000000000U),
				  .tv_nsec = (long)(agent_head->sample_ns % 1000000000U)};
	struct itimerspec both = {period, period};
	atomic_store_explicit(&slot->timer, timer, memory_order_relaxed);
	(void)agent_call(SYS_timer_settime, timer, 0, (long)&both, 0);
}

static void stop_timer(struct agent_slot *slot)
{
	int timer = atomic_exchange_explicit(&slot->timer, -1, memory_order_relaxed);

	if (timer >= 0)
		(void)agent_call(SYS_timer_delete, timer, 0, 0, 0);
}

void agent_timers_stop(uint32_t why)
{
	atomic_store_explicit(&agent_head->samples, why, memory_order_relaxed);
	for (size_t i = 0; i < AGENT_SLOTS; i++) {
		if (atomic_load_explicit(&agent_head->slots[i].state, memory_order_acquire) ==
		    AGENT_OWNED)
			stop_timer(&agent_head->slots[i]);
	}
}

bool agent_claim(struct agent_self *self)
{
	for (size_t i = 0; i < AGENT_SLOTS && !self->gone; i++) {
		struct agent_slot *slot = &agent_head->slots[i];
		uint32_t state = AGENT_FREE;
		/* The recorder has emptied it before it said that it is free. */
		if (atomic_load_explicit(&slot->state, memory_order_relaxed) != AGENT_FREE ||
		    !atomic_compare_exchange_strong_explicit(&slot->state, &state, AGENT_OWNED,
							     memory_order_acquire,
							     memory_order_relaxed))
			continue;
		(void)agent_call(SYS_prctl, PR_GET_NAME, (long)slot->name, 0, 0);
		uint64_t now = agent_ticks();
		atomic_store_explicit(&slot->seen_first, now, memory_order_relaxed);
		atomic_store_explicit(&slot->seen_last, now, memory_order_relaxed);
		atomic_store_explicit(&slot->timer, -1, memory_order_relaxed);
		self->events = agent_events(agent_head, i);
		self->words = agent_words(agent_head, i);
		uint32_t thread = (uint32_t)agent_call(SYS_gettid, 0, 0, 0, 0);
		/* What the slot says of its thread, before the recorder reads it. */
		atomic_store_explicit(&slot->thread, thread, memory_order_release);
		/* Last: from here on a sample is taken. */
		*(struct agent_slot *volatile *)&self->slot = slot;
		start_timer(slot, thread);
		return true;
	}
	if (!self->gone)
		atomic_fetch_add_explicit(&agent_head->threads_lost, 1, memory_order_relaxed);
	self->gone = true;
	return false;
}

void agent_release(struct agent_self *self)
{
	struct agent_slot *slot = self->slot;

	self->gone = true;
	if (slot == NULL)
		return;
	stop_timer(slot);
	*(struct agent_slot *volatile *)&self->slot = NULL;
	(void)agent_call(SYS_prctl, PR_GET_NAME, (long)slot->name, 0, 0);
	atomic_store_explicit(&slot->seen_last, agent_ticks(), memory_order_relaxed);
	/* Its rings and bursts, before the recorder empties them. */
	atomic_store_explicit(&slot->state, AGENT_RELEASED, memory_order_release);
}
