/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Read sections and deferred release, as the rest of the library uses them. The algorithm is
 * described in read.c.
 *
 * A writer inside the library does
 *     struct calm__self *self = calm__self();
 *     calm__reserve(self, n)       may fail: nothing has changed yet
 *     calm__enter(self);
 *     … unlink, calm__retire(self, …) at most n times: cannot fail …
 *     calm__leave(self);           the outermost one releases what is due
 */
#ifndef CALM_SYNC_READ_H
#define CALM_SYNC_READ_H

#include "base/atomic.h"
#include "base/lock.h"
#include "base/port.h"
#include <calm/base.h>

/* Threads attached at one time. Their records are zero pages of the program until used. */
#define CALM__THREADS 16384
#ifndef CALM_EXPLORE
/* Retired pointers in a block: it fills 4 KiB less malloc's header. */
#define CALM__BLOCK_ITEMS 168
/* A thread that has more than this waiting for readers waits with them, up to CALM__STALL_NS. */
#define CALM__BACKLOG 4096
/* Large pieces (tables) are counted in bytes: so many are due at once, so many are waited for. */
#define CALM__LARGE ((uint64_t)256 << 10)
#define CALM__BACKLOG_BYTES ((uint64_t)64 << 20)
/* While readers hold up as much, the thread looks again at the end of one section in so many. */
#define CALM__LATER_TURNS 1024U
#else /* so little that a schedule of a few calls fills blocks, empties them, and waits */
#define CALM__BLOCK_ITEMS 3
#define CALM__BACKLOG 4
#define CALM__LARGE ((uint64_t)1 << 10)
#define CALM__BACKLOG_BYTES ((uint64_t)8 << 10)
#define CALM__LATER_TURNS 2U
#endif
#define CALM__STALL_NS 100000000U
/* Release functions that may be running inside one another on one thread. */
#define CALM__NESTED 8
/* Pointers that a thread released last, kept for a debugger. */
#define CALM__RELEASED 32

/*
 * A thread's state: how deep it is in sections, and why the end or the beginning of one may need
 * more than a store.
 */
#define CALM__DEPTH 0xffffU
#define CALM__DUE 0x10000U    /* a block was filled: settle at the end of the section */
#define CALM__FENCE 0x20000U  /* no membarrier: the reader pays for the fence */
#define CALM__NOBODY 0x40000U /* not a thread's record: attach first */
#define CALM__LATER 0x80000U  /* large pieces that were due wait for readers: settle again */

struct calm__retired {
	void *pointer;
	calm_release_fn *release;
	void *context;
};

/*
 * Retired pointers in order. taken <= used, marked <= used; items from taken to marked may go once
 * calm__domain.safe >= stamp. One that was taken out of turn has no release any more.
 */
struct calm__block {
	struct calm__block *next;
	uint64_t stamp;
	uint32_t taken;
	uint32_t marked;
	uint32_t used;
	uint64_t bytes; /* of the large ones among the items */
	struct calm__retired items[CALM__BLOCK_ITEMS];
};

/*
 * What a thread has retired: a queue of blocks, stamps rising, the last one still open. Guarded by
 * lock, but for room.
 */
struct calm__bag {
	struct calm__lock lock;
	struct calm__block *first; /* NULL: empty */
	struct calm__block *last;
	uint64_t dropped;          /* blocks ever taken off the front */
	struct calm__block *spare; /* empty blocks, linked */
	uint32_t spares;
	uint32_t room;     /* the owner's: so many calm__retire cannot fail; a lower bound */
	uint64_t bytes;    /* of the large items in it, until their block is emptied */
	shared_u64 pushed; /* ever; changed under lock */
	shared_u64 popped; /* ever; popped == pushed: empty */
	uint64_t peak;     /* of pushed - popped */
};

/*
 * One per attached thread. Life: free -> attached (owner's id in thread) -> free again, when its
 * thread exits; what its bag still holds stays there, for the next owner or any helper. Never
 * unmapped, so a reclaimer may look at any time.
 */
struct calm__self {
	/* The owner's line: reclaimers only read epoch. */
	_Alignas(CALM__LINE)
		shared_u64 epoch; /* 0: outside; else the epoch in which the section began */
	uint32_t state;           /* sections inside one another, and the bits above */
	uint32_t nested;          /* release functions inside one another */
	uint32_t index;           /* of this record: spreads striped counters */
	uint32_t turn;            /* of what is done once in so many times; the owner's */

	_Alignas(CALM__LINE) struct calm__bag bag;
	shared_ptr running[CALM__NESTED]; /* contexts of the release functions being run */
	shared_u64 runs;                  /* release functions that have returned */
	void *released[CALM__RELEASED]; /* the last of releases, in a ring; only a debugger reads it */
	uint64_t releases;
	shared_u32 thread; /* kernel id; 0: free */
	struct calm__self *next_free;
};

/* The epoch on a line of its own: read by every section, written once per filled block. */
struct calm__domain {
	_Alignas(CALM__LINE) shared_u64 epoch;
	_Alignas(CALM__LINE) shared_u64 safe; /* everything stamped up to here may be released */
};

extern struct calm__domain calm__domain;
/* The calling thread's record; calm__nobody before its first section. */
extern _Thread_local struct calm__self *calm__current __attribute__((tls_model("initial-exec")));
extern struct calm__self calm__nobody;

struct calm__self *calm__attach(void);
void calm__settle(struct calm__self *self);
void calm__enter_slow(struct calm__self *self);
void calm__leave_slow(struct calm__self *self);

/*
 * The calling thread's record: the one way to per-thread state, so that fibers can stand in for
 * threads.
 */
static inline struct calm__self *calm__self(void)
{
	struct calm__self *self = calm__current;
	return likely(self != &calm__nobody) ? self : calm__attach();
}

/*
 * Both store constants where they could add and subtract: a sum would hang on the one before it,
 * and chain each section to the next through memory, 4 ns a pair.
 */
static inline void calm__enter(struct calm__self *self)
{
	if (unlikely(self->state != 0)) {
		calm__enter_slow(self);
		return;
	}
	self->state = 1;
	/* order: read.epoch acquire <- seal(), calm__grace_begins(): a section that begins
	 * in a new epoch sees what was unlinked before that epoch was opened. */
	uint64_t epoch = load_acquire(&calm__domain.epoch);
	/* order: read.section release -> grace_of(): keeps the last section's loads before this
	 * announcement. */
	store_release(&self->epoch, epoch);
	/* order: none - store-load: the announcement before the section's loads; its partner is
	 * in grace_of(). */
	fence_section(false);
}

static inline void calm__leave(struct calm__self *self)
{
	if (unlikely(self->state != 1)) {
		calm__leave_slow(self);
		return;
	}
	self->state = 0;
	/* order: read.section release -> grace_of(): the section's loads come before its end. */
	store_release(&self->epoch, 0);
}

/*
 * A section of a load that calls nothing and retires nothing: it only announces. False: the thread is
 * in a section already, or has to do more; use calm__enter.
 */
static inline bool calm__glance(struct calm__self *self)
{
	if (unlikely(self->state != 0))
		return false;
	/* order: read.epoch acquire <- seal(), calm__grace_begins(): as in calm__enter(). */
	uint64_t epoch = load_acquire(&calm__domain.epoch);
	/* order: read.section release -> grace_of(): as in calm__enter(). */
	store_release(&self->epoch, epoch);
	/* order: none - store-load, as in calm__enter(). */
	fence_section(false);
	return true;
}

static inline void calm__glanced(struct calm__self *self)
{
	/* order: read.section release -> grace_of(): the section's loads come before its end. */
	store_release(&self->epoch, 0);
}

/*
 * Inside a section: what this thread has retired, and was due when readers were in the way, is looked
 * at again when the section ends. For who retires large pieces, but seldom.
 */
void calm__settle_later(struct calm__self *self);

/* Whether the thread is inside a section. */
static inline bool calm__inside(const struct calm__self *self)
{
	return (self->state & CALM__DEPTH) != 0;
}

/* Makes sure that the next n calm__retire of this thread cannot fail. False: no memory. */
bool calm__reserve_slow(struct calm__self *self, uint32_t n);
static inline bool calm__reserve(struct calm__self *self, uint32_t n)
{
	return likely(self->bag.room >= n) || calm__reserve_slow(self, n);
}

/* After calm__reserve. Never runs anything: releases happen when the outermost section ends. */
void calm__retire(struct calm__self *self, void *pointer, calm_release_fn *release, void *context);

/*
 * The same for something large: its bytes count too, and past CALM__LARGE it is due when this
 * section ends.
 */
void calm__retire_large(struct calm__self *self, void *pointer, calm_release_fn *release,
			void *context, uint64_t bytes);

/*
 * For a single piece that its owner keeps until its readers are gone: a stamp, drawn after it was
 * unlinked; and whether every section that began before that has ended. over() looks, for a
 * microsecond; own sections count.
 */
uint64_t calm__grace_begins(void);
bool calm__grace_over(uint64_t stamp);

/*
 * Blocks of their own, for what must wait for something else first (sync/snap.c). After
 * calm__reserve(CALM__BLOCK_ITEMS + n), n > 0, calm__take_block() cannot fail, and n calm__retire
 * cannot either. calm__retire_blocks() retires all that a linked list of them holds, and takes the
 * blocks back; it cannot fail and needs no reserve.
 */
struct calm__block *calm__take_block(struct calm__self *self);
void calm__retire_blocks(struct calm__self *self, struct calm__block *blocks);

/*
 * Waits until everything retired before the call has been released, and no release function with
 * this context is running on another thread. CALM_EBUSY: inside a section, or CALM__NESTED release
 * functions deep.
 */
calm_status calm__flush(const void *context);

/* What reclamation is doing, for calm_map_stats and calm_debug_threads. */
struct calm__backlog {
	uint64_t waiting;
	uint64_t peak; /* sum of each thread's own peak: at least the true one */
	uint64_t stalls;
	int stalled_thread;
};
void calm__backlog(struct calm__backlog *out);

/* The i-th record; NULL past the last one ever used. */
struct calm__self *calm__record(uint32_t i);

#endif
