/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What the program calls of the C library, and the agent stands before: pthread_create, to have a thread's slot and timer from its
 * beginning to its end; sigaction, signal and setitimer, because SIGPROF is the program's if it wants it.
 *
 * A thread's last events come from destructors of its own (calm releases what it retired). So its slot is released in the
 * last but one of the rounds in which the library calls them.
 */
#include "cli/trace/agent/agent.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define SEEN __attribute__((visibility("default")))

static pthread_key_t key;

static void *next_of(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

/* ---- threads ---- */

static void at_thread_end(void *pointer)
{
	struct agent_self *self = pointer;

	if (*agent_on == 0)
		return;
	if (++self->endings < PTHREAD_DESTRUCTOR_ITERATIONS - 1)
		(void)pthread_setspecific(key, self);
	else
		agent_release(self);
}

struct start {
	void *(*function)(void *);
	void *argument;
};

static void *begin_thread(void *pointer)
{
	struct start start = *(struct start *)pointer;

	free(pointer);
	if (*agent_on != 0 && pthread_setspecific(key, &agent_self) == 0)
		(void)agent_claim(&agent_self);
	return start.function(start.argument);
}

typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

SEEN int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			void *(*function)(void *), void *argument)
{
	static create_fn *next;
	struct start *start;

	if (next == NULL)
		*(void **)&next = next_of("pthread_create");
	if (agent_on == NULL || *agent_on == 0 || (start = malloc(sizeof *start)) == NULL)
		return next(thread, attributes, function, argument);
	*start = (struct start){function, argument};
	int error = next(thread, attributes, begin_thread, start);
	if (error != 0)
		free(start);
	return error;
}

bool agent_wrap_start(void)
{
	return pthread_key_create(&key, at_thread_end) == 0;
}

/* ---- signals ---- */

int agent_sigaction(int signal, const struct sigaction *action, struct sigaction *before)
{
	static int (*next)(int, const struct sigaction *, struct sigaction *);

	if (next == NULL)
		*(void **)&next = next_of("sigaction");
	return next(signal, action, before);
}

/* The program has its own use for SIGPROF. */
static void yield_signal(void)
{
	if (agent_on != NULL && *agent_on != 0 &&
	    atomic_load(&agent_head->samples) == AGENT_SAMPLES)
		agent_timers_stop(AGENT_SAMPLES_SIGPROF);
}

SEEN int sigaction(int signal, const struct sigaction *action, struct sigaction *before)
{
	if (signal == SIGPROF && action != NULL)
		yield_signal();
	return agent_sigaction(signal, action, before);
}

SEEN sighandler_t signal(int signal, sighandler_t handler)
{
	static sighandler_t (*next)(int, sighandler_t);

	if (next == NULL)
		*(void **)&next = next_of("signal");
	if (signal == SIGPROF)
		yield_signal();
	return next(signal, handler);
}

SEEN int setitimer(__itimer_which_t which, const struct itimerval *value, struct itimerval *before)
{
	static int (*next)(__itimer_which_t, const struct itimerval *, struct itimerval *);

	if (next == NULL)
		*(void **)&next = next_of("setitimer");
	if (which == ITIMER_PROF && value != NULL)
		yield_signal();
	return next(which, value, before);
}
