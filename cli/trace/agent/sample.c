/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Stacks: a thread that has used a period of processor time gets SIGPROF, and writes down where it is.
 *
 * The unwinder is the compiler's own, linked in, so that nothing is loaded, and, as it finds its tables without a lock
 * (glibc 2.35 and later), nothing is waited for. Frame pointers would be faster, and are not there in most programs.
 *
 * In a probe there is nothing to unwind from: a stub has no tables. The stack is then the probe's place alone.
 */
#include "cli/trace/agent/agent.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>
#include <unwind.h>

struct stack {
	uint64_t from; /* where the program was interrupted: frames before it are the signal's */
	uint64_t *out;
	size_t n;
};

static _Unwind_Reason_Code frame(struct _Unwind_Context *context, void *pointer)
{
	struct stack *stack = pointer;
	uint64_t address = _Unwind_GetIP(context);

	if (stack->n == 0 && address != stack->from)
		return _URC_NO_REASON;
	if (address == 0)
		return _URC_END_OF_STACK;
	stack->out[stack->n++] = agent_patch_place(address);
	return stack->n < AGENT_DEPTH ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static void write_down(struct agent_self *self, const uint64_t *record, size_t n)
{
	struct agent_slot *slot = self->slot;
	uint64_t at = atomic_load_explicit(&slot->words, memory_order_relaxed);

	/* The recorder has read what it took before it said so. */
	if (at + n - atomic_load_explicit(&slot->words_taken, memory_order_acquire) > AGENT_WORDS) {
		atomic_fetch_add_explicit(&slot->samples_lost, 1, memory_order_relaxed);
		return;
	}
	for (size_t i = 0; i < n; i++)
		self->words[(at + i) % AGENT_WORDS] = record[i];
	/* The record, before the recorder may read it. */
	atomic_store_explicit(&slot->words, at + n, memory_order_release);
}

static void on_signal(int signal, siginfo_t *about, void *pointer)
{
	const ucontext_t *context = pointer;
	struct agent_self *self = &agent_self;
	uint64_t record[2 + AGENT_DEPTH];
	int error = errno;

	(void)signal;
	if (*agent_on == 0 || self->slot == NULL)
		return;
	uint64_t pc = (uint64_t)context->uc_mcontext.gregs[REG_RIP];
	struct stack stack = {pc, record + 2, 0};
	record[0] = agent_ticks();
	if (self->at == NULL)
		(void)_Unwind_Backtrace(frame, &stack);
	if (stack.n == 0)
		stack.out[stack.n++] = self->at != NULL ? self->at->address : agent_patch_place(pc);
	record[1] = stack.n;
	write_down(self, record, 2 + stack.n);
	uint64_t periods = about->si_code == SI_TIMER && about->si_overrun > 0
				   ? (uint64_t)about->si_overrun + 1
				   : 1;
	atomic_fetch_add_explicit(&agent_head->sample_periods, periods, memory_order_relaxed);
	atomic_fetch_add_explicit(&agent_head->sample_count, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&agent_head->sample_cost, agent_ticks() - record[0],
				  memory_order_relaxed);
	atomic_store_explicit(&self->slot->seen_last, record[0], memory_order_relaxed);
	errno = error;
}

/* Whatever is done only once, before the first signal does it. */
static void warm_up(void)
{
	uint64_t unused[AGENT_DEPTH];
	struct stack stack = {0, unused, 0};

	(void)_Unwind_Backtrace(frame, &stack);
}

void agent_samples_start(void)
{
	struct sigaction action = {.sa_sigaction = on_signal,
				   .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
	struct sigaction before;

	warm_up();
	(void)sigemptyset(&action.sa_mask);
	if (sigaction(SIGPROF, NULL, &before) == 0 && before.sa_handler != SIG_DFL &&
	    before.sa_handler != SIG_IGN)
		atomic_store(&agent_head->samples, AGENT_SAMPLES_SIGPROF);
	else if (agent_sigaction(SIGPROF, &action, NULL) != 0)
		atomic_store(&agent_head->samples, AGENT_SAMPLES_REFUSED);
}
