/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Fibers as threads: each has a record of sync/thread.c, which becomes calm__current while it runs,
 * and values of its own for the library's pthread keys. Keys are made and set through --wrap, so the
 * library is tested as it is: a fiber that needs a record attaches one, and a fiber whose thread
 * ends gives it back from the key's destructor, with every access on the way a step.
 *
 * A schedule must depend on its seed alone. What is left by the one before it, and could be seen: the
 * order of free records, blocks that a bag keeps, the epoch, how much room is reserved. All of it is
 * brought to one state before each schedule. What a map leaves is not: maps live within a schedule.
 *
 * Rejected: a process for each schedule (200 us); saving and restoring the library's variables (the
 * blocks that they point to have gone back to malloc meanwhile).
 */
#include "explore/threads.h"

#include "base/alloc.h"
#include "sync/bag.h"
#include "sync/grace.h"
#include "sync/thread.h"

#include <pthread.h>
#include <stdlib.h>

#define KEYS 4
/* Empty blocks that every bag has when a schedule begins. */
#define SPARES 2
/* Rounds of destructors: PTHREAD_DESTRUCTOR_ITERATIONS. */
#define ROUNDS 4

struct calm__self *threads_records[EXPLORE_FIBERS + 1];

static struct {
	unsigned count;
	void (*destructors[KEYS])(void *);
	void *values[EXPLORE_FIBERS + 1][KEYS];
} keys;

static void expect(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "explore: between schedules: not so: %s\n", what);
	abort();
}

/* ---- pthread keys ---- */

int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *));
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);

int __wrap_pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
	expect(keys.count < KEYS, "the library makes few keys");
	keys.destructors[keys.count] = destructor;
	*key = keys.count++;
	return 0;
}

static unsigned stands_for = EXPLORE_NOBODY;

unsigned threads_whose(void)
{
	unsigned current = explore_current();
	return current == EXPLORE_NOBODY ? stands_for : current;
}

int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
	keys.values[threads_whose()][key] = (void *)(uintptr_t)value;
	return 0;
}

void threads_exit(void)
{
	void **values = keys.values[threads_whose()];
	for (unsigned i = 0; i < ROUNDS * keys.count; i++) {
		void *value = values[i % keys.count];
		values[i % keys.count] = NULL;
		if (value && keys.destructors[i % keys.count])
			keys.destructors[i % keys.count](value);
	}
	calm__current = &calm__nobody;
}

/* The library's errno: what one thread does with it is no access to another's. */
int *__wrap___errno_location(void);
int *__wrap___errno_location(void)
{
	static int numbers[EXPLORE_FIBERS + 1];
	return &numbers[explore_current()];
}

/* ---- the same state before each schedule ---- */

/* An empty bag with SPARES blocks. */
static void tidy_bag(struct calm__bag *bag)
{
	expect(calm__bag_waiting(bag) == 0, "all that was retired has been released");
	struct calm__block *blocks = bag->spare;
	uint32_t count = bag->spares;
	if (bag->first) {
		expect(bag->first == bag->last, "an empty bag has one block");
		bag->first->next = blocks;
		blocks = bag->first;
		count++;
	}
	for (; count > SPARES; count--) {
		struct calm__block *extra = blocks;
		blocks = blocks->next;
		calm__free(&calm__malloc, extra);
	}
	for (; count < SPARES; count++) {
		struct calm__block *block = calm__alloc_zero(&calm__malloc, sizeof(*block));
		expect(block != NULL, "there is memory");
		block->next = blocks;
		blocks = block;
	}
	*bag = (struct calm__bag){.spare = blocks,
				  .spares = SPARES,
				  .room = SPARES * CALM__BLOCK_ITEMS};
}

static void tidy_record(struct calm__self *self)
{
	expect(!calm__inside(self) && self->nested == 0, "no section is open");
	self->state &= ~(CALM__DUE | CALM__LATER);
	store_relaxed(&self->runs, 0);
	self->turn = 0;
	tidy_bag(&self->bag);
}

static bool attached(unsigned i)
{
	return threads_records[i] && threads_records[i] != &calm__nobody;
}

/* What the library does on the thread that fiber i stands for, outside a schedule. */
static void on_thread(unsigned i, bool exits)
{
	struct calm__self *own = calm__current;
	stands_for = i;
	if (exits) {
		calm__current = threads_records[i];
		threads_exit();
	} else {
		calm__current = &calm__nobody;
		calm__attach();
	}
	threads_records[i] = calm__current;
	stands_for = EXPLORE_NOBODY;
	calm__current = own;
}

static void exchange(unsigned i, unsigned j)
{
	struct calm__self *self = threads_records[i];
	threads_records[i] = threads_records[j];
	threads_records[j] = self;
	for (unsigned k = 0; k < keys.count; k++) {
		void *value = keys.values[i][k];
		keys.values[i][k] = keys.values[j][k];
		keys.values[j][k] = value;
	}
}

/* Which record a fiber has must not depend on the order in which they were attached. */
static void sort_records(void)
{
	for (unsigned i = 1; i < EXPLORE_FIBERS; i++)
		for (unsigned j = i; j > 0; j--)
			if (threads_records[j - 1]->index > threads_records[j]->index)
				exchange(j - 1, j);
}

void threads_prepare(bool exits)
{
	calm__self();
	bool moved = false;
	for (unsigned i = 0; i < EXPLORE_FIBERS; i++) {
		if (attached(i))
			continue;
		on_thread(i, false);
		moved = true;
	}
	if (moved)
		sort_records();
	calm__grace(); /* ends what is known of a stall */
	for (uint32_t i = 0; i < calm__records_used(); i++)
		tidy_record(&calm__records[i]);
	store_relaxed(&calm__domain.epoch, 1);
	store_relaxed(&calm__domain.safe, 0);
	store_relaxed(&calm__abandoned, 0);
	for (unsigned i = EXPLORE_FIBERS; exits && i > 0; i--)
		on_thread(i - 1, true);
}
