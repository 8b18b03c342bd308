/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Read sections and deferred release: epochs over an asymmetric barrier.
 *
 * A section announces the epoch in which it began; retired pointers collect in their thread's bag, in blocks. When a
 * block is full it is sealed with a stamp: a new epoch, opened by that very increment. A section that begins in an epoch
 * >= stamp has seen the increment, hence everything that was unlinked before it; so a block may go when every section
 * that began before its stamp has ended. grace() finds out: heavy barrier, then the oldest announced epoch.
 *
 *      reader                              reclaimer
 *      epoch = domain.epoch   (acquire)    unlink
 *      self.epoch = epoch                  stamp = ++domain.epoch
 *      (compiler barrier)                  membarrier: every thread passes a full barrier
 *      load pointers                       oldest = min of all self.epoch != 0
 *      self.epoch = 0         (release)    release blocks with stamp <= oldest
 *
 * Either the reclaimer's scan sees the announcement, or the reader passed its barrier before announcing, and its loads see
 * the unlinking. Without membarrier(2) both sides execute a fence. A reader that dallies between reading domain.epoch and
 * announcing it announces an old epoch: it only delays.
 *
 * Bound. A thread whose bag holds more than CALM__BACKLOG pointers waits, at the end of its outermost section, for the
 * readers in its way: so at most CALM__BACKLOG + CALM__BLOCK_ITEMS wait per attached thread, plus what a thread retires
 * inside one section of its own. A section in its way for longer than CALM__STALL_NS is a stall: counted, its thread
 * named, and writers no longer wait for that one section; from then on memory grows with what they retire.
 *
 * No allocation is needed to read or to attach; retiring takes a 4 KiB block per 168 pointers, reserved before anything
 * is unlinked. A thread that exits leaves its bag in its record, to the record's next owner and to every thread that
 * settles meanwhile. After a fork the child keeps the caller's record and inherits the bags of the others.
 *
 * Invariants: a bag's blocks are released in order (popped counts towards pushed), which is what calm__flush waits on.
 * A release function runs in no section, under no lock.
 *
 * Source: epochs, Fraser, "Practical lock-freedom" (2004), section 5.2.3; the asymmetric barrier, Desnoyers et al.,
 * "User-Level Implementations of Read-Copy Update", IEEE TPDS 23:2 (2012), section 5.3 (there with signals).
 * Rejected: hazard pointers, a store and a barrier for each node on a chain; quiescent-state RCU, which asks every thread
 * to report in; three rotating limbo lists, where one delayed reader holds back everything rather than what it can see.
 */
#include "sync/read.h"

#include "base/alloc.h"
#include "base/probe.h"

#include <pthread.h>

/* The tests build the library once more as if the kernel had no membarrier. */
#ifdef CALM_FENCED
#define CALM__FENCED true
#else
#define CALM__FENCED false
#endif

#define SPARES 2
#define SETTLE_BLOCKS 2

struct calm__domain calm__domain = {.epoch = 1};
struct calm__self calm__nobody = {.state = CALM__NOBODY};
_Thread_local struct calm__self *calm__current __attribute__((tls_model("initial-exec"))) = &calm__nobody;

static struct calm__self records[CALM__THREADS];

static struct {
	struct calm__lock lock; /* guards attaching and detaching: free, and used's growth */
	struct calm__self *free;
	shared_u32 used;      /* records ever attached: the scan's end */
	shared_u32 abandoned; /* free records whose bags may not be empty: a hint */
	shared_u64 stalls;
	shared_u64 stalled_epoch; /* the stalled section's epoch; 0: no stall */
	shared_u32 stalled_record;
	bool asymmetric;
	pthread_key_t exits;
} threads;

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* ---- attaching and detaching ---- */

static uint32_t records_used(void)
{
	/* order: read.used acquire <- calm__attach(): a counted record is initialized. */
	return load_acquire(&threads.used);
}

static uint64_t bag_waiting(struct calm__bag *bag)
{
	/* order: none - popped first: it never passes pushed, so a stale pair is a number that was true or too big. */
	uint64_t popped = load_relaxed(&bag->popped);
	uint64_t pushed = load_relaxed(&bag->pushed);
	return pushed - popped;
}

static void run_due(struct calm__self *self, struct calm__bag *bag, unsigned blocks);
static uint64_t grace(void);
static uint64_t mark(struct calm__bag *bag);

static void put_free(struct calm__self *self)
{
	/* order: none - under threads.lock. */
	store_relaxed(&self->thread, 0);
	self->next_free = threads.free;
	threads.free = self;
	if (bag_waiting(&self->bag) > 0)
		/* order: none - a hint, looked at by every settle. */
		add_relaxed(&threads.abandoned, 1);
}

static void thread_exits(void *pointer)
{
	struct calm__self *self = pointer;
	self->state &= ~CALM__DEPTH;
	self->nested = 0;
	for (uint32_t k = 0; k < CALM__NESTED; k++)
		/* order: read.running release -> is_running(), wait_for_releases(): a release function that ends its
		 * thread is done. */
		store_release(&self->running[k], NULL);
	/* order: read.section release -> grace(): a thread that exits inside a section ends it. */
	store_release(&self->epoch, 0);
	if (bag_waiting(&self->bag) > 0) {
		mark(&self->bag);
		grace();
		run_due(self, &self->bag, UINT32_MAX);
	}
	calm__current = &calm__nobody;
	calm__lock(&threads.lock);
	put_free(self);
	calm__unlock(&threads.lock);
}

static void fork_prepare(void)
{
	calm__lock(&threads.lock);
	for (uint32_t i = 0; i < records_used(); i++)
		calm__lock(&records[i].bag.lock);
}

static void fork_unlock(void)
{
	for (uint32_t i = 0; i < records_used(); i++)
		calm__unlock(&records[i].bag.lock);
	calm__unlock(&threads.lock);
}

/* Only the forking thread lives on: the sections of the others are over, their bags are inherited. */
static void fork_child(void)
{
	if (threads.asymmetric)
		threads.asymmetric = calm__membarrier_register();
	for (uint32_t i = 0; i < records_used(); i++) {
		struct calm__self *self = &records[i];
		/* order: none - the child has one thread. */
		if (self == calm__current) {
			store_relaxed(&self->thread, (uint32_t)calm__thread_id());
			self->state |= threads.asymmetric ? 0 : CALM__FENCE;
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
	threads.asymmetric = !CALM__FENCED && calm__membarrier_register();
	if (pthread_key_create(&threads.exits, thread_exits) != 0)
		calm__misuse("calm_read_begin", "no thread key left: the process has used all PTHREAD_KEYS_MAX");
	pthread_atfork(fork_prepare, fork_unlock, fork_child);
}

struct calm__self *calm__attach(void)
{
	pthread_once(&once, start);
	struct calm__self *self = NULL;
	for (unsigned turn = 0; !self; turn++) {
		calm__lock(&threads.lock);
		/* order: none - grows only under threads.lock. */
		uint32_t used = load_relaxed(&threads.used);
		if (threads.free) {
			self = threads.free;
			threads.free = self->next_free;
		} else if (used < CALM__THREADS) {
			self = &records[used];
			self->index = used;
			/* order: read.used release -> records_used(): the record before its number. */
			store_release(&threads.used, used + 1);
		}
		if (self) {
			self->state = threads.asymmetric ? 0 : CALM__FENCE;
			/* order: none - under threads.lock; elsewhere only shown to people. */
			store_relaxed(&self->thread, (uint32_t)calm__thread_id());
		}
		calm__unlock(&threads.lock);
		if (!self)
			calm__wait_turn(turn);
	}
	if (pthread_setspecific(threads.exits, self) != 0)
		calm__misuse("calm_read_begin", "no memory to notice when this thread exits");
	calm__current = self;
	return self;
}

/* ---- sections that need more than a store ---- */

void calm__enter_slow(struct calm__self *self)
{
	if (self->state & CALM__NOBODY)
		self = calm__attach();
	if (!calm__inside(self)) {
		/* order: read.epoch acquire <- seal(), wait_for_readers(): as in calm__enter(). */
		uint64_t epoch = load_acquire(&calm__domain.epoch);
		/* order: read.section release -> grace_of(): as in calm__enter(). */
		store_release(&self->epoch, epoch);
		/* order: none - store-load, as in calm__enter(); in full where the kernel cannot help. */
		fence_section((self->state & CALM__FENCE) != 0);
	}
	if ((self->state & CALM__DEPTH) == CALM__DEPTH)
		calm__misuse("calm_read_begin", "65536 sections inside one another");
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
	if (self->state & CALM__DUE)
		calm__settle(self);
}

/* ---- filling a bag ---- */

/* Under bag->lock: everything in the open block may go once the sections that are open now have ended. */
static void seal(struct calm__block *block)
{
	block->marked = block->used;
	/* order: read.epoch release -> calm__enter(): what was unlinked before, with the epoch that follows it. */
	block->stamp = add_acq_rel(&calm__domain.epoch, 1) + 1;
}

/* Stamps the open block without closing it, so that what it holds now becomes due. How much was ever pushed. */
static uint64_t mark(struct calm__bag *bag)
{
	calm__lock(&bag->lock);
	if (bag->last && bag->last->marked < bag->last->used)
		seal(bag->last);
	/* order: none - under bag->lock. */
	uint64_t pushed = load_relaxed(&bag->pushed);
	calm__unlock(&bag->lock);
	return pushed;
}

static void add_spare(struct calm__bag *bag, struct calm__block *block)
{
	block->next = bag->spare;
	bag->spare = block;
	bag->spares++;
}

/* Under bag->lock. */
static uint32_t bag_room(const struct calm__bag *bag)
{
	uint32_t open = bag->last ? CALM__BLOCK_ITEMS - bag->last->used : 0;
	return open + bag->spares * CALM__BLOCK_ITEMS;
}

bool calm__reserve_slow(struct calm__self *self, uint32_t n)
{
	struct calm__bag *bag = &self->bag;
	calm__lock(&bag->lock);
	bag->room = bag_room(bag);
	calm__unlock(&bag->lock);
	while (bag->room < n) {
		struct calm__block *block = calm__alloc(&calm__malloc, sizeof(*block));
		if (!block)
			return false;
		calm__lock(&bag->lock);
		add_spare(bag, block);
		calm__unlock(&bag->lock);
		bag->room += CALM__BLOCK_ITEMS;
	}
	return true;
}

static struct calm__block *take_spare(struct calm__bag *bag)
{
	struct calm__block *block = bag->spare;
	bag->spare = block->next;
	bag->spares--;
	block->next = NULL;
	block->taken = block->marked = block->used = 0;
	return block;
}

static void append_block(struct calm__bag *bag, struct calm__block *block)
{
	if (bag->last)
		bag->last->next = block;
	else
		bag->first = block;
	bag->last = block;
}

static void count_pushed(struct calm__bag *bag, uint64_t n)
{
	/* order: none - both change only under bag->lock. */
	uint64_t pushed = load_relaxed(&bag->pushed) + n;
	store_relaxed(&bag->pushed, pushed);
	uint64_t waiting = pushed - load_relaxed(&bag->popped);
	if (waiting > bag->peak)
		bag->peak = waiting;
}

struct calm__block *calm__take_block(struct calm__self *self)
{
	struct calm__bag *bag = &self->bag;
	calm__lock(&bag->lock);
	struct calm__block *block = take_spare(bag);
	bag->room -= CALM__BLOCK_ITEMS;
	calm__unlock(&bag->lock);
	return block;
}

void calm__retire_blocks(struct calm__self *self, struct calm__block *blocks)
{
	if (!blocks)
		return;
	struct calm__bag *bag = &self->bag;
	calm__lock(&bag->lock);
	if (bag->last)
		seal(bag->last); /* closed early: stamps rise along the queue */
	for (struct calm__block *next; blocks; blocks = next) {
		next = blocks->next;
		blocks->next = NULL;
		blocks->taken = 0;
		seal(blocks);
		append_block(bag, blocks);
		count_pushed(bag, blocks->used);
	}
	bag->room = bag_room(bag);
	self->state |= CALM__DUE;
	calm__unlock(&bag->lock);
}

void calm__retire(struct calm__self *self, void *pointer, calm_release_fn *release, void *context)
{
	struct calm__bag *bag = &self->bag;
	calm__lock(&bag->lock);
	struct calm__block *block = bag->last;
	if (!block || block->used == CALM__BLOCK_ITEMS) {
		block = take_spare(bag);
		append_block(bag, block);
	}
	block->items[block->used++] = (struct calm__retired){pointer, release, context};
	bag->room--;
	count_pushed(bag, 1);
	if (block->used == CALM__BLOCK_ITEMS) {
		seal(block);
		self->state |= CALM__DUE;
	}
	calm__unlock(&bag->lock);
}

/* ---- grace periods ---- */

static void note_stall_over(uint64_t oldest)
{
	/* order: none - shown to people, and a hint to waiters. */
	uint64_t stalled = load_relaxed(&threads.stalled_epoch);
	if (stalled != 0 && oldest > stalled)
		cas_relaxed(&threads.stalled_epoch, &stalled, 0);
}

/* Finds the oldest section, raises calm__domain.safe to it, and returns it; *oldest_record is whose. */
static uint64_t grace_of(uint32_t *oldest_record)
{
	/* order: read.epoch acquire <- seal(): what was unlinked before this epoch, before the barrier. */
	uint64_t oldest = load_acquire(&calm__domain.epoch);
	/* order: none - store-load: the unlinkings before the scan; its partner is in calm__enter(). */
	if (threads.asymmetric)
		calm__membarrier();
	else
		fence_section(true);
	*oldest_record = UINT32_MAX;
	uint32_t used = records_used();
	for (uint32_t i = 0; i < used; i++) {
		/* order: read.section acquire <- calm__enter(), calm__leave(), thread_exits(): a section that has
		 * ended has done its loads. */
		uint64_t epoch = load_acquire(&records[i].epoch);
		if (epoch != 0 && epoch < oldest) {
			oldest = epoch;
			*oldest_record = i;
		}
	}
	/* order: none - only a start for the compare-and-swap. */
	uint64_t safe = load_relaxed(&calm__domain.safe);
	/* order: read.safe release -> run_due(): the ended sections' loads before what is freed on another thread. */
	while (safe < oldest && !cas_acq_rel(&calm__domain.safe, &safe, oldest))
		;
	note_stall_over(oldest);
	return oldest;
}

static uint64_t grace(void)
{
	uint32_t whose;
	return grace_of(&whose);
}

/*
 * Waits for one reader after another: called in turns, until the caller has what it wants. True: the reader in the way
 * has been there for CALM__STALL_NS, or was known to be.
 */
struct patience {
	uint64_t since; /* when `epoch` was first seen to be the oldest */
	uint64_t epoch;
	unsigned turn;
};

static bool stalled(struct patience *patience)
{
	uint32_t whose;
	uint64_t oldest = grace_of(&whose);
	uint64_t now = calm__now_ns();
	if (whose == UINT32_MAX || oldest != patience->epoch) {
		patience->since = now;
		patience->epoch = oldest;
	}
	if (whose == UINT32_MAX)
		return false;
	/* order: none - as in note_stall_over(). */
	uint64_t known = load_relaxed(&threads.stalled_epoch);
	if (known == oldest)
		return true;
	if (now - patience->since < CALM__STALL_NS)
		return false;
	/* order: none - counts and names for people. */
	if (cas_relaxed(&threads.stalled_epoch, &known, oldest)) {
		store_relaxed(&threads.stalled_record, whose);
		add_relaxed(&threads.stalls, 1);
		calm__probe2(stall, whose, oldest);
	}
	return true;
}

/* ---- emptying a bag ---- */

/* Under bag->lock. popped counts what the queue has moved on by, so an item taken from its middle counts when passed. */
static void count_popped(struct calm__bag *bag)
{
	/* order: none - changes only under bag->lock. */
	store_relaxed(&bag->popped, load_relaxed(&bag->popped) + 1);
}

/*
 * Under bag->lock: passes over what take_own() took from the front, and takes emptied blocks off it: to the spares, or
 * linked to *empty. The last block stays, open, if it has room.
 */
static void drop_front(struct calm__bag *bag, struct calm__block **empty)
{
	struct calm__block *block;
	while ((block = bag->first)) {
		while (block->taken < block->used && !block->items[block->taken].release) {
			block->taken++;
			count_popped(bag);
		}
		if (block->taken < block->used)
			return;
		if (block == bag->last && block->used < CALM__BLOCK_ITEMS) {
			block->taken = block->marked = block->used = 0;
			return;
		}
		bag->first = block->next;
		if (!bag->first)
			bag->last = NULL;
		if (bag->spares < SPARES) {
			add_spare(bag, block);
		} else {
			block->next = *empty;
			*empty = block;
		}
	}
}

/* Takes the next item that is due; under bag->lock. */
static bool pop(struct calm__bag *bag, struct calm__retired *item, struct calm__block **empty)
{
	drop_front(bag, empty);
	struct calm__block *block = bag->first;
	/* order: read.safe acquire <- grace_of(): whose sections ended, their loads are done. */
	if (!block || block->taken >= block->marked || block->stamp > load_acquire(&calm__domain.safe))
		return false;
	*item = block->items[block->taken++];
	count_popped(bag);
	drop_front(bag, empty);
	return true;
}

static void free_blocks(struct calm__block *blocks)
{
	for (struct calm__block *next; blocks; blocks = next) {
		next = blocks->next;
		calm__free(&calm__malloc, blocks);
	}
}

/* Releases items that this thread alone has, and has announced in running. */
static void run(struct calm__self *self, const struct calm__retired *items, uint32_t n)
{
	self->nested++;
	for (uint32_t i = 0; i < n; i++)
		items[i].release(items[i].pointer, items[i].context);
	self->nested--;
	/* order: none - for calm_read_wait(), which only needs to see it move, before running's edge. */
	store_relaxed(&self->runs, load_relaxed(&self->runs) + 1);
	/* order: read.running release -> is_running(), wait_for_releases(): the releases are done. */
	store_release(&self->running[self->nested], NULL);
}

/* Releases at most so many blocks' worth of what is due in a bag, which may be another thread's. */
static void run_due(struct calm__self *self, struct calm__bag *bag, unsigned blocks)
{
	uint64_t left = (uint64_t)blocks * CALM__BLOCK_ITEMS;
	struct calm__block *empty = NULL;
	struct calm__retired item;
	for (; left > 0; left--) {
		calm__lock(&bag->lock);
		bool any = pop(bag, &item, &empty);
		if (any)
			/* order: none - bag->lock hands it to who waits for it, after searching the bag. */
			store_relaxed(&self->running[self->nested], item.context ? item.context : &calm__nobody);
		calm__unlock(&bag->lock);
		if (!any)
			break;
		run(self, &item, 1);
	}
	free_blocks(empty);
}

/* Threads that exited left something: take a share of it. */
static void help_abandoned(struct calm__self *self)
{
	uint32_t used = records_used();
	uint32_t left = 0;
	/* order: none - a hint; a record taken meanwhile is only helped once more. */
	store_relaxed(&threads.abandoned, 0);
	for (uint32_t i = 0; i < used; i++) {
		struct calm__self *other = &records[i];
		if (load_relaxed(&other->thread) != 0 || bag_waiting(&other->bag) == 0)
			continue;
		mark(&other->bag);
		run_due(self, &other->bag, SETTLE_BLOCKS);
		left += bag_waiting(&other->bag) > 0;
	}
	if (left > 0)
		/* order: none - a hint. */
		add_relaxed(&threads.abandoned, left);
}

void calm__settle(struct calm__self *self)
{
	if (self->nested > 0)
		return; /* the run_due() that we are inside of goes on */
	struct calm__bag *bag = &self->bag;
	while (self->state & CALM__DUE) {
		self->state &= ~CALM__DUE;
		grace();
		run_due(self, bag, SETTLE_BLOCKS);
		/* order: none - a hint. */
		if (load_relaxed(&threads.abandoned) > 0)
			help_abandoned(self);
	}
	struct patience patience = {0};
	while (bag_waiting(bag) > CALM__BACKLOG) {
		bool stall = stalled(&patience);
		run_due(self, bag, UINT32_MAX);
		if (stall || bag_waiting(bag) <= CALM__BACKLOG)
			break;
		calm__wait_turn(patience.turn++);
	}
	self->state &= ~CALM__DUE;
}

/* Until every section that is open now has ended. */
static void wait_for_readers(void)
{
	/* order: read.epoch release -> calm__enter(): a stamp as a sealed block's. */
	uint64_t stamp = add_acq_rel(&calm__domain.epoch, 1) + 1;
	struct patience patience = {0};
	while (grace() < stamp) {
		stalled(&patience);
		calm__wait_turn(patience.turn++);
	}
}

/* Whether another thread runs a release function with this context. */
static bool is_running(const struct calm__self *self, const void *context)
{
	for (uint32_t i = 0; i < records_used(); i++) {
		for (uint32_t k = 0; &records[i] != self && k < CALM__NESTED; k++) {
			/* order: read.running acquire <- run(), thread_exits(): done when it has gone. */
			if (load_acquire(&records[i].running[k]) == context)
				return true;
		}
	}
	return false;
}

/* Until every release function that runs now, on any thread, has returned. */
static void wait_for_releases(void)
{
	for (uint32_t i = 0; i < records_used(); i++) {
		struct calm__self *other = &records[i];
		/* order: none - only whether it moves. */
		uint64_t runs = load_relaxed(&other->runs);
		/* order: read.running acquire <- run(), thread_exits(): done when it has gone, or another came. */
		for (unsigned turn = 0; load_acquire(&other->running[0]) && load_relaxed(&other->runs) == runs; turn++)
			calm__wait_turn(turn);
	}
}

/* Empties a bag of all that it held at the call. */
static void flush_bag(struct calm__self *self, struct calm__bag *bag)
{
	uint64_t target = mark(bag); /* once: a mark renewed in the loop would chase a busy owner for ever */
	struct patience patience = {0};
	/* order: none - a number that only rises; what was taken but still runs, wait_for_releases() waits for. */
	while (load_relaxed(&bag->popped) < target) {
		if (patience.turn > 0)
			calm__wait_turn(patience.turn);
		patience.turn++;
		stalled(&patience);
		run_due(self, bag, UINT32_MAX);
	}
}

/* Takes at most n items with this context out of the middle of a bag. */
static uint32_t take_own(struct calm__self *self, struct calm__bag *bag, const void *context,
			 struct calm__retired *items, uint32_t n)
{
	uint32_t found = 0;
	struct calm__block *empty = NULL;
	calm__lock(&bag->lock);
	for (struct calm__block *block = bag->first; block && found < n; block = block->next) {
		for (uint32_t i = block->taken; i < block->used && found < n; i++) {
			if (block->items[i].context != context || !block->items[i].release)
				continue;
			items[found++] = block->items[i];
			block->items[i].release = NULL;
		}
	}
	drop_front(bag, &empty);
	if (found > 0)
		/* order: none - as in run_due(). */
		store_relaxed(&self->running[self->nested], (void *)(uintptr_t)context);
	calm__unlock(&bag->lock);
	free_blocks(empty);
	return found;
}

/* Releases what a bag holds for one context; the readers have been waited for. */
static void flush_own(struct calm__self *self, struct calm__bag *bag, const void *context)
{
	struct calm__retired items[64];
	uint32_t n;
	while ((n = take_own(self, bag, context, items, 64)) > 0)
		run(self, items, n);
}

calm_status calm__flush(const void *context)
{
	struct calm__self *self = calm__self();
	if (calm__inside(self) || self->nested == CALM__NESTED)
		return CALM_EBUSY;
	wait_for_readers();
	for (uint32_t i = 0; i < records_used(); i++)
		flush_own(self, &records[i].bag, context);
	for (unsigned turn = 0; is_running(self, context); turn++)
		calm__wait_turn(turn);
	return CALM_OK;
}

/* ---- for people ---- */

struct calm__self *calm__record(uint32_t i)
{
	return i < records_used() ? &records[i] : NULL;
}

void calm__backlog(struct calm__backlog *out)
{
	*out = (struct calm__backlog){0};
	for (uint32_t i = 0; i < records_used(); i++) {
		struct calm__bag *bag = &records[i].bag;
		calm__lock(&bag->lock);
		out->waiting += bag_waiting(bag);
		out->peak += bag->peak;
		calm__unlock(&bag->lock);
	}
	/* order: none - shown to people. */
	out->stalls = load_relaxed(&threads.stalls);
	uint64_t epoch = load_relaxed(&threads.stalled_epoch);
	struct calm__self *record = &records[load_relaxed(&threads.stalled_record)];
	/* order: none - a stall that is over is not named. */
	if (epoch != 0 && load_relaxed(&record->epoch) == epoch)
		out->stalled_thread = (int)load_relaxed(&record->thread);
}

/* ---- the public interface ---- */

void calm_read_begin(void)
{
	calm__enter(calm__current);
}

void calm_read_end(void)
{
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
		if (unlikely(self->state == CALM__DUE || self->state == (CALM__DUE | CALM__FENCE)))
			calm__settle(self);
		return CALM_OK;
	}
	if (calm__inside(self))
		return CALM_ENOMEM;
	wait_for_readers();
	release(pointer, context);
	return CALM_OK;
}

calm_status calm_read_wait(void)
{
	struct calm__self *self = calm__self();
	if (calm__inside(self) || self->nested > 0)
		return CALM_EBUSY;
	wait_for_readers();
	for (uint32_t i = 0; i < records_used(); i++)
		flush_bag(self, &records[i].bag);
	wait_for_releases();
	return CALM_OK;
}
