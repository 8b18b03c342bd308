/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The three rules of read sections, each broken.
 *
 *	after   a reader keeps the pointer when its section has ended
 *	early   a writer frees what it has unlinked, without waiting for readers
 *	wait    a reader waits, inside its section, until no reader is inside one: for itself
 *
 *	reader                          writer (after)          writer (early)
 *	1  begin; p = load(); end
 *	                                2  swap, wait, free     2  swap, free
 *	3  p->key
 *
 * The rule: a pointer lives as long as the section in which it was loaded, a displaced object until all sections that may have
 * seen it have ended, and who is inside a section does not wait for sections.
 * Right: use inside, retire, wait outside. calm_read_wait() inside a section does not wait: it answers CALM_EBUSY.
 *
 * Seen as: SIGSEGV or values that nobody stored; a process that hangs, and a watchdog that says which thread waits for what.
 */
#include "lab/victim.h"

#include <calm/calm.h>
#include <sched.h>

struct object {
	uint64_t key;
	uint64_t twice;
};

static _Atomic(struct object *) current;
static bool after, early;

static struct object *object_new(uint64_t key)
{
	struct object *object = lab_new(sizeof *object);
	*object = (struct object){key, 2 * key};
	return object;
}

static void release_object(void *object, void *context)
{
	(void)context;
	lab_free(object, sizeof(struct object));
}

static __attribute__((noinline)) uint64_t use(const struct object *object)
{
	lab_at(3, "uses it", object);
	uint64_t wrong = object->twice != 2 * object->key;
	lab_did(3, NULL, NULL);
	return wrong;
}

/* One reading; what was wrong. */
static uint64_t read_once(void)
{
	uint64_t wrong = 0;
	calm_read_begin();
	struct object *object = atomic_load_explicit(&current, memory_order_acquire);
	if (!after) {
		lab_did(1, "begins a section, loads the pointer", object);
		wrong = use(object);
	}
	calm_read_end();
	if (after) {
		lab_did(1, "loads the pointer, ends its section", object);
		lab_preempt();
		wrong = use(object);
	}
	return wrong;
}

static __attribute__((noinline)) void replace(uint64_t key)
{
	lab_at(2, NULL, NULL);
	struct object *old = atomic_exchange_explicit(&current, object_new(key),
						      memory_order_acq_rel);
	uintptr_t address = (uintptr_t)old;
	if (early) {
		lab_free(old, sizeof *old);
		lab_freed(2, "displaces it and frees it at once", address);
		return;
	}
	(void)calm_retire(old, release_object, NULL);
	if (after) { /* in the schedule the reader's section is over, so waiting ends */
		if (lab_replay)
			(void)calm_read_wait();
		lab_freed(2, "displaces it, waits for readers, frees it", address);
	} else {
		lab_did(2, "displaces and retires it", old);
	}
}

static void work(unsigned number, void *context)
{
	(void)context;
	if (lab_replay && number == 1) {
		replace(2);
		lab_at(4, NULL, NULL);
		return;
	}
	for (uint64_t key = 1; number == 1 && lab_goes_on(); key++) {
		replace(key);
		if (key % 64 == 0)
			lab_count("objects replaced", 64);
		if (after)
			(void)calm_read_wait();
	}
	uint64_t wrong = 0;
	do {
		for (int i = 0; i < (lab_replay ? 1 : 100) && number == 0; i++)
			wrong += read_once();
		if (wrong > 0)
			lab_found("a reader read what nobody had stored");
	} while (number == 0 && !lab_replay && lab_goes_on());
	if (wrong > 0)
		lab_count("wrong values read", wrong);
}

static void run(void)
{
	static const char *const names[] = {"reader", "writer"};
	atomic_store(&current, object_new(1));
	lab_together(2, names, work, NULL);
	(void)calm_read_wait();
}

static void run_after(void)
{
	after = true;
	run();
}

static void run_early(void)
{
	early = true;
	run();
}

/* A hand-made scheme of sections, as small as can be: who waits, waits until nobody is inside. */
static _Atomic unsigned inside;

static void wait_for_readers(void)
{
	lab_doing("waits until no reader is inside a section, and is inside one itself");
	while (atomic_load(&inside) > 0)
		(void)sched_yield();
	lab_doing(NULL);
}

static void wait_inside(unsigned number, void *context)
{
	(void)number;
	(void)context;
	atomic_fetch_add(&inside, 1);
	lab_did(1, "begins a section", NULL);
	lab_at(2, "waits for all readers to end theirs", NULL);
	wait_for_readers();
	atomic_fetch_sub(&inside, 1);
}

static void run_wait(void)
{
	static const char *const names[] = {"reader"};
	lab_together(1, names, wait_inside, NULL);
}

/* calm's own, asked the same: it refuses, and outside it waits. */
static void run_right(void)
{
	calm_read_begin();
	if (calm_read_wait() != CALM_EBUSY)
		lab_found("calm_read_wait() waits inside a section");
	calm_read_end();
	run();
}

static const struct lab_variant variants[] = {{"after", run_after},
					      {"early", run_early},
					      {"wait", run_wait},
					      {"right", run_right},
					      {NULL, NULL}};
const struct lab_case lab_rcu = {"rcu", variants};
