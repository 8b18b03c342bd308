/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A victim: a program that runs one variant of one case and may die of it.
 *
 *	calm-lab-victim CASE VARIANT [--replay] [--rounds N] [--ms N]
 *
 * It ends with 0 if nothing was wrong, 1 if it found something wrong, 2 for misuse, or by a signal (death.c).
 *
 * Rejected: a parent that traces its child (ptrace): the schedule would not be the free one, and a core would need it too.
 */
#include "lab/victim.h"

#include <execinfo.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 8

bool lab_replay;
uint64_t lab_rounds;

static struct lab_record own_record;
static struct lab_record *record = &own_record;
_Thread_local unsigned lab_thread_number;
static bool wrong; /* the variant is */
static uint64_t run_ns, ends_ns;
static _Atomic unsigned turn = 1;

uint64_t lab_now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t lab_ns_left(void)
{
	uint64_t now = lab_now_ns();
	return now < ends_ns ? ends_ns - now : 0;
}

bool lab_time_left(void)
{
	return lab_ns_left() > 0;
}

bool lab_goes_on(void)
{
	if (lab_time_left())
		return true;
	return wrong && atomic_load(&record->failed) == 0 &&
	       lab_now_ns() < ends_ns + (PATIENCE - 1) * run_ns;
}

/* ---- findings ---- */

void lab_count(const char *name, uint64_t n)
{
	static pthread_mutex_t names = PTHREAD_MUTEX_INITIALIZER;

	(void)pthread_mutex_lock(&names);
	for (unsigned i = 0; i < LAB_COUNTS; i++) {
		struct lab_count *count = &record->counts[i];
		if (count->name[0] == '\0')
			(void)snprintf(count->name, sizeof count->name, "%s", name);
		if (strcmp(count->name, name) != 0)
			continue;
		atomic_fetch_add(&count->n, n);
		break;
	}
	(void)pthread_mutex_unlock(&names);
}

uint64_t lab_counted(const char *name)
{
	for (unsigned i = 0; i < LAB_COUNTS; i++) {
		if (strcmp(record->counts[i].name, name) == 0)
			return atomic_load(&record->counts[i].n);
	}
	return 0;
}

void lab_found(const char *format, ...)
{
	static _Atomic unsigned said;
	va_list list;

	if (atomic_exchange(&said, 1) != 0)
		return;
	va_start(list, format);
	(void)vsnprintf(record->how, sizeof record->how, format, list);
	va_end(list);
	atomic_store(&record->failed, 1);
}

/* ---- the schedule ---- */

/* The calling thread's stack, from where it returns to `from` on. */
static void take_stack(struct lab_stack *stack, const void *from)
{
	void *frames[LAB_FRAMES + 8];
	int n = backtrace(frames, LAB_FRAMES + 8), first = 0;

	while (first < n && frames[first] != from)
		first++;
	stack->depth = 0;
	for (int i = first; i < n && stack->depth < LAB_FRAMES; i++)
		stack->pc[stack->depth++] = (uint64_t)(uintptr_t)frames[i];
}

static void note(const char *text, const void *address, bool frees, const void *from)
{
	uint32_t number = atomic_fetch_add(&record->event_count, 1);

	if (number >= LAB_EVENTS)
		return;
	struct lab_event *event = &record->events[number];
	event->thread = lab_thread_number;
	event->address = (uint64_t)(uintptr_t)address;
	event->frees = frees;
	(void)snprintf(event->text, sizeof event->text, "%s", text);
	take_stack(&event->stack, from);
	atomic_store(&event->ready, 1);
}

__attribute__((noinline)) void lab_at(unsigned step, const char *text, const void *address)
{
	if (!lab_replay)
		return;
	while (atomic_load(&turn) < step)
		(void)sched_yield();
	if (text != NULL && atomic_load(&turn) == step)
		note(text, address, false, __builtin_return_address(0));
}

static void done(unsigned step, const char *text, const void *address, bool frees, const void *from)
{
	if (atomic_load(&turn) != step)
		return;
	if (text != NULL)
		note(text, address, frees, from);
	atomic_store(&turn, step + 1);
}

__attribute__((noinline)) void lab_did(unsigned step, const char *text, const void *address)
{
	if (lab_replay)
		done(step, text, address, false, __builtin_return_address(0));
}

__attribute__((noinline)) void lab_freed(unsigned step, const char *text, uintptr_t address)
{
	if (lab_replay)
		done(step, text, (const void *)address, true, __builtin_return_address(0));
}

void lab_preempt(void)
{
	static _Thread_local unsigned calls;

	if (!lab_replay && ++calls % 64 == 0)
		(void)usleep(1);
}

/* ---- threads ---- */

struct crew {
	void (*body)(unsigned number, void *context);
	void *context;
	pthread_barrier_t barrier;
};

struct member {
	struct crew *crew;
	unsigned number;
};

static void enlist(unsigned number, const char *name)
{
	struct lab_thread *thread = &record->threads[number];

	lab_thread_number = number;
	(void)snprintf(thread->name, sizeof thread->name, "%s", name);
	(void)pthread_setname_np(pthread_self(), thread->name);
	atomic_store(&thread->kernel_id, (uint32_t)gettid());
}

static void *serve(void *pointer)
{
	const struct member *member = pointer;

	(void)pthread_barrier_wait(&member->crew->barrier);
	member->crew->body(member->number, member->crew->context);
	atomic_store(&record->threads[member->number + 1].kernel_id, 0);
	return NULL;
}

static void *start(void *pointer)
{
	const struct member *member = pointer;

	lab_thread_number = member->number + 1;
	atomic_store(&record->threads[lab_thread_number].kernel_id, (uint32_t)gettid());
	(void)pthread_setname_np(pthread_self(), record->threads[lab_thread_number].name);
	return serve(pointer);
}

void lab_together(unsigned n, const char *const names[],
		  void (*body)(unsigned number, void *context), void *context)
{
	struct crew crew = {.body = body, .context = context};
	struct member members[LAB_THREADS];
	pthread_t threads[LAB_THREADS];

	if (n >= LAB_THREADS || pthread_barrier_init(&crew.barrier, NULL, n) != 0)
		abort();
	atomic_store(&record->thread_count, n + 1);
	for (unsigned i = 0; i < n; i++) {
		members[i] = (struct member){&crew, i};
		(void)snprintf(record->threads[i + 1].name, sizeof record->threads[i + 1].name,
			       "%s", names[i]);
		if (pthread_create(&threads[i], NULL, start, &members[i]) != 0)
			abort();
	}
	for (unsigned i = 0; i < n; i++)
		(void)pthread_join(threads[i], NULL);
	(void)pthread_barrier_destroy(&crew.barrier);
}

void lab_doing(const char *what)
{
	struct lab_thread *thread = &record->threads[lab_thread_number];

	(void)snprintf(thread->doing, sizeof thread->doing, "%s", what != NULL ? what : "");
}

/* ---- memory ---- */

static size_t pages(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	return (size + page - 1) / page * page;
}

void *lab_new(size_t size)
{
	void *memory = lab_replay ? mmap(NULL, pages(size), PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
				  : malloc(size);

	if (memory == NULL || memory == MAP_FAILED)
		abort();
	return memory;
}

void lab_free(void *pointer, size_t size)
{
	if (lab_replay) {
		(void)munmap(pointer, pages(size));
		return;
	}
	memset(pointer, LAB_POISON, size);
	lab_opaque(pointer); /* or the compiler drops the memset */
	free(pointer);
}

/* ---- the program ---- */

static const struct lab_case *const cases[] = {&lab_uaf,      &lab_refcount, &lab_aba,  &lab_rcu,
					       &lab_leak,     &lab_order,    &lab_torn, &lab_resize,
					       &lab_snapshot, &lab_livelock};

static void (*find(const char *name, const char *variant))(void)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		if (strcmp(cases[i]->name, name) != 0)
			continue;
		for (const struct lab_variant *at = cases[i]->variants; at->name != NULL; at++) {
			if (strcmp(at->name, variant) == 0)
				return at->run;
		}
	}
	return NULL;
}

static int misuse(void)
{
	(void)fprintf(stderr,
		      "usage: calm-lab-victim CASE VARIANT [--replay] [--rounds N] [--ms N]\n"
		      "It is made to be run by 'calm lab'. The cases and their variants:\n");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		for (const struct lab_variant *at = cases[i]->variants; at->name != NULL; at++)
			(void)fprintf(stderr, "  %s %s\n", cases[i]->name, at->name);
	}
	return 2;
}

static bool read_options(int argc, char **argv, uint64_t *ms)
{
	static const struct option options[] = {{"replay", no_argument, NULL, 'p'},
						{"rounds", required_argument, NULL, 'r'},
						{"ms", required_argument, NULL, 'm'},
						{NULL, 0, NULL, 0}};
	int letter;

	while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (letter == 'p')
			lab_replay = true;
		else if (letter == 'r')
			lab_rounds = strtoull(optarg, NULL, 10);
		else if (letter == 'm')
			*ms = strtoull(optarg, NULL, 10);
		else
			return false;
	}
	return argc - optind == 2;
}

int main(int argc, char **argv)
{
	uint64_t ms = 200;

	if (!read_options(argc, argv, &ms))
		return misuse();
	void (*run)(void) = find(argv[optind], argv[optind + 1]);
	if (run == NULL)
		return misuse();
	void *memory = mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED, LAB_RECORD_FD,
			    0);
	if (memory != MAP_FAILED)
		record = memory;
	wrong = strcmp(argv[optind + 1], "right") != 0;
	run_ns = ms * 1000000;
	ends_ns = lab_now_ns() + run_ns;
	enlist(0, "main");
	atomic_store(&record->thread_count, 1);
	lab_watch_for_death(record);
	run();
	atomic_store(&record->finished, 1);
	if (atomic_load(&record->failed) == 0)
		return 0;
	if (memory == MAP_FAILED)
		(void)fprintf(stderr, "%s\n", record->how);
	return 1;
}
