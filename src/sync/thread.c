/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Threads: a record each, taken at the thread's first section and given back when it exits, without
 * registration.
 *
 * Records lie in one array that is never unmapped, so a scan may look at any of them at any time;
 * what no thread has used yet has no memory behind it. A thread that exits gives its record back
 * with what its bag still holds: to the next owner, and to every thread that settles meanwhile.
 *
 * Fork: the child has one thread. Before it, all bags are locked, so that they are whole in the
 * child; there, every other record is free, its section over, and its bag inherited. What another
 * thread was just releasing is lost to the child. Locks of maps that other threads held at that
 * moment stay held: the child must not use such a map.
 *
 * Rejected: records in thread-local storage, linked on attach (a key destructor that runs after
 * ours would link a record that is about to vanish); records from malloc (a thread's first read
 * could fail).
 */
#include "sync/thread.h"

#include "base/knobs.h"
#include "sync/bag.h"

#include <pthread.h>

struct calm__self calm__nobody = {.state = CALM__NOBODY};
_Thread_local struct calm__self *calm__current
	__attribute__((tls_model("initial-exec"))) = &calm__nobody;

struct calm__self calm__records[CALM__THREADS];
shared_u32 calm__threads_used;
shared_u32 calm__abandoned;
bool calm__asymmetric;

static struct {
	struct calm__lock lock; /* guards free, and the growth of calm__threads_used */
	struct calm__self *free;
	pthread_key_t exits;
} threads;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void put_free(struct calm__self *self)
{
	/* order: none - under threads.lock. */
	store_relaxed(&self->thread, 0);
	self->next_free = threads.free;
	threads.free = self;
	if (calm__bag_waiting(&self->bag) > 0)
		/* order: read.abandoned release -> help_abandoned(): that the record is free,
		 * before it counts. */
		add_acq_rel(&calm__abandoned, 1);
}

static void thread_exits(void *pointer)
{
	struct calm__self *self = pointer;
	self->state &= ~CALM__DEPTH;
	self->nested = 0;
	for (uint32_t k = 0; k < CALM__NESTED; k++)
		/* order: read.running release -> is_running(), wait_for_releases(): a release
		 * function that ends its thread is done. */
		store_release(&self->running[k], NULL);
	/* order: read.section release -> grace_of(): a thread that exits inside a section ends
	 * it. */
	store_release(&self->epoch, 0);
	calm__exit_settle(self);
	calm__current = &calm__nobody;
	calm__lock(&threads.lock);
	put_free(self);
	calm__unlock(&threads.lock);
}

static void fork_prepare(void)
{
	calm__lock(&threads.lock);
	for (uint32_t i = 0; i < calm__records_used(); i++)
		calm__lock(&calm__records[i].bag.lock);
}

static void fork_unlock(void)
{
	for (uint32_t i = 0; i < calm__records_used(); i++)
		calm__unlock(&calm__records[i].bag.lock);
	calm__unlock(&threads.lock);
}

/* Only the forking thread lives on: the sections of the others are over, their bags are inherited. */
static void fork_child(void)
{
	if (calm__asymmetric)
		calm__asymmetric = calm__membarrier_register();
	for (uint32_t i = 0; i < calm__records_used(); i++) {
		struct calm__self *self = &calm__records[i];
		/* order: none - the child has one thread. */
		if (self == calm__current) {
			store_relaxed(&self->thread, (uint32_t)calm__thread_id());
			self->state |= calm__asymmetric ? 0 : CALM__FENCE;
		} else if (load_relaxed(&self->thread) != 0) {
			store_relaxed(&self->epoch, 0);
			for (uint32_t k = 0; k < CALM__NESTED; k++)
				store_relaxed(&self->running[k], NULL);
			self->state = 0;
			self->nested = 0;
			put_free(self);
		}
	}
	fork_unlock();
}

static void start(void)
{
	/* The tests have it also as if the kernel had no membarrier. */
	calm__asymmetric = !CALM__KNOB(fenced, false) && calm__membarrier_register();
	if (pthread_key_create(&threads.exits, thread_exits) != 0)
		calm__misuse("calm_read_begin",
			     "no thread key left: the process has used all PTHREAD_KEYS_MAX");
	pthread_atfork(fork_prepare, fork_unlock, fork_child);
}

struct calm__self *calm__attach(void)
{
	pthread_once(&once, start);
	struct calm__self *self = NULL;
	for (unsigned turn = 0; !self; turn++) {
		calm__lock(&threads.lock);
		/* order: none - grows only under threads.lock. */
		uint32_t used = load_relaxed(&calm__threads_used);
		if (threads.free) {
			self = threads.free;
			threads.free = self->next_free;
		} else if (used < CALM__THREADS) {
			self = &calm__records[used];
			self->index = used;
			/* order: read.used release -> calm__records_used(): the record before
			 * its number. */
			store_release(&calm__threads_used, used + 1);
		}
		if (self) {
			self->state = calm__asymmetric ? 0 : CALM__FENCE;
			/* order: none - under threads.lock; elsewhere only shown to people. */
			store_relaxed(&self->thread, (uint32_t)calm__thread_id());
		}
		calm__unlock(&threads.lock);
		if (!self)
			calm__wait_turn(turn);
	}
	if (calm__bag_waiting(&self->bag) > 0)
		self->state |= CALM__DUE; /* what the last owner left */
	if (pthread_setspecific(threads.exits, self) != 0)
		calm__misuse("calm_read_begin", "no memory to notice when this thread exits");
	calm__current = self;
	return self;
}
