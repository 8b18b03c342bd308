/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Read sections and deferred release: epochs over an asymmetric barrier.
 *
 * A section announces the epoch in which it began; retired pointers collect in their thread's bag,
 * in blocks. When a block is full it is sealed with a stamp: a new epoch, opened by that very
 * increment. A section that begins in that epoch or later has seen the increment, hence everything
 * that was unlinked before it; so a block may go when every section that began before its stamp has
 * ended. calm__grace() finds out: heavy barrier, then the oldest announced epoch.
 *
 *      reader                              reclaimer
 *      epoch = domain.epoch   (acquire)    unlink
 *      self.epoch = epoch                  stamp = ++domain.epoch
 *      (compiler barrier)                  membarrier: every thread passes a full barrier
 *      load pointers                       oldest = min of all self.epoch != 0
 *      self.epoch = 0         (release)    release blocks with stamp <= oldest
 *
 * Either the reclaimer's scan sees the announcement, or the reader passed its barrier before
 * announcing, and its loads see the unlinking. Without membarrier(2) both sides execute a fence. A
 * reader that dallies between reading domain.epoch and announcing it announces an old epoch: it
 * only delays.
 *
 * Bound. A thread whose bag holds more than CALM__BACKLOG pointers waits, at the end of its
 * outermost section, for the readers in its way: so at most CALM__BACKLOG + CALM__BLOCK_ITEMS wait
 * per attached thread, plus what a thread retires inside one section of its own. A section in its
 * way for longer than CALM__STALL_NS is a stall: counted, its thread named, and writers no longer
 * wait for that one section; from then on memory grows with what they retire.
 *
 * Large pieces that readers hold up, 256 KiB or more of them, the thread looks at again at the end of
 * one section in 1024, also if it retires nothing more; meanwhile each of its sections takes a few
 * nanoseconds longer. Rejected: to look at the end of each, a microsecond; by the clock, which
 * every section would have to read.
 *
 * No allocation is needed to read or to attach; retiring takes a 4 KiB block per 168 pointers,
 * reserved before anything is unlinked. A thread that exits leaves its bag in its record, to the
 * record's next owner and to every thread that settles meanwhile. After a fork the child keeps the
 * caller's record and inherits the bags of the others.
 *
 * Invariants: a bag's queue moves on in order (popped counts towards pushed), which is what
 * calm_read_wait waits on; only calm__flush takes what is one map's own from the middle. A release
 * function runs in no section, under no lock.
 *
 * Source: epochs, Fraser, "Practical lock-freedom" (2004), section 5.2.3; the asymmetric barrier,
 * Desnoyers et al., "User-Level Implementations of Read-Copy Update", IEEE TPDS 23:2 (2012),
 * section 5.3 (there with signals). Rejected: hazard pointers, a store and a barrier for each node
 * on a chain; quiescent-state RCU, which asks every thread to report in; three rotating limbo
 * lists, where one delayed reader holds back everything rather than what it can see.
 */
#include "sync/read.h"

#include "base/probe.h"

#include "sync/bag.h"
#include "sync/grace.h"
#include "sync/thread.h"

#define SETTLE_BLOCKS 2

struct calm__domain calm__domain = {.epoch = 1};

/* ---- sections that need more than a store ---- */

void calm__enter_slow(struct calm__self *self)
{
	if (self->state & CALM__NOBODY)
		self = calm__attach();
	if (!calm__inside(self)) {
		/* order: read.epoch acquire <- seal(), calm__grace_begins(): as in
		 * calm__enter(). */
		uint64_t epoch = load_acquire(&calm__domain.epoch);
		/* order: read.section release -> grace_of(): as in calm__enter(). */
		store_release(&self->epoch, epoch);
		/* order: none - store-load, as in calm__enter(); in full where the kernel cannot
		 * help. */
		fence_section((self->state & CALM__FENCE) != 0);
	}
	if ((self->state & CALM__DEPTH) == CALM__DEPTH)
		calm__misuse("calm_read_begin", "more than 65535 sections inside one another");
	self->state++;
}

void calm__leave_slow(struct calm__self *self)
{
	if (!calm__inside(self))
		calm__misuse("calm_read_end", "no read section is open on this thread");
	self->state--;
	if (calm__inside(self))
		return;
	/* order: read.section release -> grace_of(): the section's loads come before its end. */
	store_release(&self->epoch, 0);
	if ((self->state & CALM__LATER) && ++self->turn % CALM__LATER_TURNS == 0)
		self->state |= CALM__DUE;
	if (self->state & CALM__DUE)
		calm__settle(self);
}

/* ---- releasing ---- */

/*
 * Under the lock of the bag that the item was taken from: from here on it is in no bag, but is
 * being released.
 */
static void announce(struct calm__self *self, const void *context)
{
	/* order: read.running release -> is_running(), wait_for_releases(): who finds this one
	 * in place of the one before sees that one done. The bag's lock hands it to who searches
	 * the bag, finds nothing, and then looks here. */
	store_release(&self->running[self->nested],
		      context ? (void *)(uintptr_t)context : &calm__nobody);
}

/* Releases items that this thread alone has, and has announced in running. */
static void run(struct calm__self *self, const struct calm__retired *items, uint32_t n)
{
	self->nested++;
	for (uint32_t i = 0; i < n; i++) {
		self->released[self->releases++ % CALM__RELEASED] = items[i].pointer;
		items[i].release(items[i].pointer, items[i].context);
	}
	self->nested--;
	if (self->nested == 0)
		/* order: read.running release -> wait_for_releases(): who sees it move, and not
		 * running's end, sees the releases done as well. */
		store_release(&self->runs, load_relaxed(&self->runs) + 1);
	/* order: read.running release -> is_running(), wait_for_releases(): the releases are
	 * done. */
	store_release(&self->running[self->nested], NULL);
}

/* Releases at most so many blocks' worth of what is due in a bag, which may be another thread's. */
static void run_due(struct calm__self *self, struct calm__bag *bag, unsigned blocks)
{
	uint64_t most = (uint64_t)blocks * CALM__BLOCK_ITEMS;
	uint64_t released = 0;
	struct calm__block *empty = NULL;
	struct calm__retired item;
	calm__probe1(reclaim__begin, calm__bag_waiting(bag));
	for (; released < most; released++) {
		calm__lock(&bag->lock);
		bool any = calm__bag_pop(bag, &item, &empty);
		if (any)
			announce(self, item.context);
		calm__unlock(&bag->lock);
		if (!any)
			break;
		run(self, &item, 1);
	}
	calm__probe1(reclaim__end, released);
	calm__free_blocks(empty);
}

/* Threads that exited left something: take a share of it. */
static void help_abandoned(struct calm__self *self)
{
	uint32_t used = calm__records_used();
	uint32_t left = 0;
	/* order: read.abandoned acquire <- put_free(): who is counted is seen to be gone. */
	swap_acquire(&calm__abandoned, 0);
	for (uint32_t i = 0; i < used; i++) {
		struct calm__self *other = &calm__records[i];
		/* order: none - a record taken meanwhile is only helped once more. */
		if (load_relaxed(&other->thread) != 0 || calm__bag_waiting(&other->bag) == 0)
			continue;
		calm__bag_mark(&other->bag);
		run_due(self, &other->bag, SETTLE_BLOCKS);
		left += calm__bag_waiting(&other->bag) > 0;
	}
	if (left > 0)
		/* order: none - a hint. */
		add_relaxed(&calm__abandoned, left);
}

/* Whether the thread must wait for readers before it goes on. */
static bool too_much(struct calm__bag *bag)
{
	calm__lock(&bag->lock);
	bool too = calm__bag_waiting(bag) > CALM__BACKLOG || bag->bytes > CALM__BACKLOG_BYTES;
	calm__unlock(&bag->lock);
	return too;
}

void calm__settle(struct calm__self *self)
{
	if (self->nested > 0)
		return; /* the run_due() that we are inside of goes on */
	struct calm__bag *bag = &self->bag;
	struct calm__patience patience = {0};
	while (self->state & CALM__DUE) {
		self->state &= ~(CALM__DUE | CALM__LATER);
		calm__grace();
		run_due(self, bag, SETTLE_BLOCKS);
		/* order: none - a hint. */
		if (load_relaxed(&calm__abandoned) > 0)
			help_abandoned(self);
		for (bool stall = false; !stall && too_much(bag);) {
			/* What came after the last stamp would keep its block, and the block's bytes. */
			calm__bag_mark(bag);
			calm__wait_turn(patience.turn++);
			stall = calm__stalled(&patience);
			run_due(self, bag, UINT32_MAX);
		}
		if (calm__bag_trim(bag))
			self->state |= CALM__LATER;
	}
}

void calm__settle_later(struct calm__self *self)
{
	if (calm__bag_waiting(&self->bag) > 0)
		self->state |= CALM__DUE;
}

void calm__exit_settle(struct calm__self *self)
{
	if (calm__bag_waiting(&self->bag) > 0) {
		calm__bag_mark(&self->bag);
		calm__grace();
		run_due(self, &self->bag, UINT32_MAX);
	}
	self->state &= ~CALM__DUE;
}

/* ---- waiting for all of it ---- */

/* Whether another thread runs a release function with this context. */
static bool is_running(const struct calm__self *self, const void *context)
{
	for (uint32_t i = 0; i < calm__records_used(); i++) {
		for (uint32_t k = 0; &calm__records[i] != self && k < CALM__NESTED; k++) {
			/* order: read.running acquire <- run(), thread_exits(): done when it has
			 * gone. */
			if (load_acquire(&calm__records[i].running[k]) == context)
				return true;
		}
	}
	return false;
}

/* Until every release function that runs now, on any thread, has returned. */
static void wait_for_releases(void)
{
	for (uint32_t i = 0; i < calm__records_used(); i++) {
		struct calm__self *other = &calm__records[i];
		/* order: none - only where it is to move from. */
		uint64_t runs = load_relaxed(&other->runs);
		/* order: read.running acquire <- run(), thread_exits(): done when it has gone,
		 * or another came. */
		for (unsigned turn = 0;
		     load_acquire(&other->running[0]) && load_acquire(&other->runs) == runs; turn++)
			calm__wait_turn(turn);
	}
}

/*
 * Whether a bag's queue has come so far; then what was taken but still runs is announced, for
 * wait_for_releases().
 */
static bool passed(struct calm__bag *bag, uint64_t target)
{
	calm__lock(&bag->lock);
	/* order: none - under bag->lock. */
	bool is = load_relaxed(&bag->popped) >= target;
	calm__unlock(&bag->lock);
	return is;
}

/* Empties a bag of all that it held at the call. */
static void flush_bag(struct calm__self *self, struct calm__bag *bag)
{
	uint64_t target = calm__bag_mark(
		bag); /* once: a mark renewed in the loop would chase a busy owner for ever */
	struct calm__patience patience = {0};
	while (!passed(bag, target)) {
		if (patience.turn > 0)
			calm__wait_turn(patience.turn);
		patience.turn++;
		calm__stalled(&patience);
		run_due(self, bag, UINT32_MAX);
	}
}

/* Releases what a bag holds for one context; the readers have been waited for. */
static void flush_own(struct calm__self *self, struct calm__bag *bag, const void *context)
{
	struct calm__retired items[64];
	struct calm__block *empty = NULL;
	struct calm__bag_place place = {0};
	uint32_t n;
	do {
		calm__lock(&bag->lock);
		n = calm__bag_take_own(bag, context, &place, items, 64, &empty);
		if (n > 0)
			announce(self, context);
		calm__unlock(&bag->lock);
		if (n > 0) {
			calm__probe1(reclaim__begin, n);
			run(self, items, n);
			calm__probe1(reclaim__end, n);
		}
	} while (n > 0);
	calm__free_blocks(empty);
}

calm_status calm__flush(const void *context)
{
	struct calm__self *self = calm__self();
	if (calm__inside(self) || self->nested == CALM__NESTED)
		return CALM_EBUSY;
	calm__wait_for_readers();
	for (uint32_t i = 0; i < calm__records_used(); i++)
		flush_own(self, &calm__records[i].bag, context);
	for (unsigned turn = 0; is_running(self, context); turn++)
		calm__wait_turn(turn);
	return CALM_OK;
}

/* ---- for people ---- */

struct calm__self *calm__record(uint32_t i)
{
	return i < calm__records_used() ? &calm__records[i] : NULL;
}

void calm__backlog(struct calm__backlog *out)
{
	*out = (struct calm__backlog){0};
	for (uint32_t i = 0; i < calm__records_used(); i++) {
		struct calm__bag *bag = &calm__records[i].bag;
		calm__lock(&bag->lock);
		out->waiting += calm__bag_waiting(bag);
		out->peak += bag->peak;
		calm__unlock(&bag->lock);
	}
	calm__stall_seen(out);
}

/* ---- the public interface ---- */

void calm_read_begin(void)
{
	calm__probe0(read__begin); /* before: behind a call it would need a frame */
	calm__enter(calm__current);
}

void calm_read_end(void)
{
	calm__probe0(read__end);
	calm__leave(calm__current);
}

bool calm_read_active(void)
{
	return calm__inside(calm__current);
}

calm_status calm_retire(void *pointer, calm_release_fn *release, void *context)
{
	if (!release)
		return CALM_EINVAL;
	struct calm__self *self = calm__self();
	if (likely(calm__reserve(self, 1))) {
		calm__retire(self, pointer, release, context);
		if (unlikely((self->state & CALM__DUE) && !calm__inside(self)))
			calm__settle(self);
		return CALM_OK;
	}
	if (calm__inside(self))
		return CALM_ENOMEM;
	calm__wait_for_readers();
	release(pointer, context);
	return CALM_OK;
}

calm_status calm_read_wait(void)
{
	struct calm__self *self = calm__self();
	if (calm__inside(self) || self->nested > 0)
		return CALM_EBUSY;
	calm__wait_for_readers();
	for (uint32_t i = 0; i < calm__records_used(); i++)
		flush_bag(self, &calm__records[i].bag);
	wait_for_releases();
	return CALM_OK;
}
