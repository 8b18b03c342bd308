/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Which snapshots of a map are open, and what must stay because one of them may still see it. See
 * snap.c.
 */
#ifndef CALM_SYNC_SNAP_H
#define CALM_SYNC_SNAP_H

#include "base/rules.h"
#include "sync/read.h"

/* One-pass walks that can publish how far they are; more of them count as snapshots. */
#define CALM__WALKS 4

/*
 * A walk that reads each place once, in rising order of position. Writers need not keep for it what
 * it has passed.
 */
struct calm__walk {
	shared_u64 stamp;  /* of its snapshot, + 1; 0: this place is free */
	shared_u64 passed; /* it has read every position below */
	char apart[112];
};

/*
 * What several snapshots keep together. It counts in the history once: from when the map has left it
 * until the last of them that counts has been closed or ousted.
 */
struct calm__shared {
	shared_u64 payers; /* snapshots that count; and the map, until it leaves: so 1 at first */
	uint64_t bytes;
};

/* A snapshot's place in its map's list; embedded in the kind's own snapshot. */
struct calm__snap {
	uint64_t stamp; /* it sees what was born <= stamp and died > stamp */
	uint64_t opened_ns;
	shared_u64 use;     /* users, | SNAP_STALE, | SNAP_GONE */
	shared_u32 holders; /* the list and the handle: the last frees the struct */
	uint64_t bytes; /* counted in the list's history, and lost if it is ousted; 0: never ousted */
	struct calm__shared *shared; /* paid for, until it is closed or ousted; or NULL */
	struct calm__snap *older;    /* guarded by the list's lock, as are newer and dead */
	struct calm__snap *newer;
	struct calm__block *dead; /* displaced while this was the newest snapshot that saw it */
	struct calm__walk *walk;  /* NULL: no one-pass walk, or there was no place for it */
};

/*
 * What writers read stands together, apart from what is counted: it changes only when a snapshot
 * opens or closes.
 */
struct calm__snaps {
	struct calm__lock lock;
	struct calm__snap *newest;
	struct calm__snap *oldest;
	shared_ptr joined;  /* by calm__snap_join, and not yet in the list; linked by older */
	shared_u64 open;    /* snapshots in the list, or joined */
	shared_u64 dead;    /* pointers in all dead lists */
	shared_u64 history; /* bytes of those in the list that were not ousted */
	char apart[112];
	/* Births and deaths are stamped with it; only opening a snapshot increments it. */
	shared_u64 epoch;
	shared_u64 kept;    /* stamp + 1 of the newest in the list that is no walk; 0: none */
	shared_u64 horizon; /* no snapshot in the list, nor any to come, has a stamp below */
	shared_u64 walking; /* walks that have a place */
	char apart_too[96];
	struct calm__walk walks[CALM__WALKS];
};

void calm__snaps_init(struct calm__snaps *snaps);

/*
 * The stamp for what is born or dies now. The caller must keep snapshots from opening meanwhile, or
 * know why not.
 */
static inline uint64_t calm__snaps_epoch(struct calm__snaps *snaps)
{
	/* order: none - the callers hold the lock that opening takes. */
	return load_relaxed(&snaps->epoch);
}

/*
 * The same for who holds not that lock but one of their own, taken by a sequentially consistent
 * compare-and-swap before the call: a snapshot that opens later than the epoch returned here looks
 * for the lock later than it was taken.
 */
static inline uint64_t calm__snaps_now(struct calm__snaps *snaps)
{
	/* order: snap.epoch sc <- open_locked(): knows of every snapshot below the epoch. */
	return load_sc(&snaps->epoch);
}

/*
 * Puts snap at the head of the list with the next stamp. It keeps `bytes` of its own; 0: a budget
 * leaves it alone. The opener counts as a user until its calm__snap_done.
 */
void calm__snap_open(struct calm__snaps *snaps, struct calm__snap *snap, uint64_t bytes);
/* The same for a one-pass walk; no budget ousts it. */
void calm__snap_open_walk(struct calm__snaps *snaps, struct calm__snap *snap);
/*
 * The same without a lock; stamp and opened_ns are as the caller has set them. Writers do not hear of
 * it: it is for lists of which they do not ask calm__snaps_need(); what is displaced finds it. What it
 * shares, if not NULL, it pays for together with the others that do.
 */
void calm__snap_join(struct calm__snaps *snaps, struct calm__snap *snap, uint64_t bytes,
		     struct calm__shared *shared);
/* A stamp for it: later than all that were drawn before. */
uint64_t calm__snaps_draw(struct calm__snaps *snaps);
/* The map has no more use for it. */
void calm__shared_leave(struct calm__snaps *snaps, struct calm__shared *shared);

/* A walk has read, and copied what it needs, of every position below. */
static inline void calm__walk_passes(struct calm__snap *snap, uint64_t position)
{
	if (snap->walk)
		/* order: snap.passed release -> calm__snaps_need(): the walk's loads come before
		 * what the writer does who saves nothing for it. */
		store_release(&snap->walk->passed, position);
}

bool calm__walks_need(struct calm__snaps *snaps, uint64_t stamp, uint64_t last);

/*
 * Whether a snapshot may see what was last written in epoch `stamp`, at positions up to `last`. The
 * caller has loaded the epoch, later than stamp, and so knows of every snapshot below it.
 */
static inline bool calm__snaps_need(struct calm__snaps *snaps, uint64_t stamp, uint64_t last)
{
	/* order: none - the caller's load of the epoch was the acquire, and what is read too late
	 * still counts every snapshot that is open. */
	if (load_relaxed(&snaps->kept) > stamp)
		return true;
	/* order: none - as kept. */
	return load_relaxed(&snaps->walking) > 0 && calm__walks_need(snaps, stamp, last);
}

/* False if it was ousted; else nothing of it goes away before calm__snap_done. */
bool calm__snap_use(struct calm__snap *snap);
/* True: it was ousted meanwhile, this was the last user, and the caller must free what it kept. */
bool calm__snap_done(struct calm__snap *snap);
/*
 * Ousts the oldest that may be, if any; the newest in the list only if newest_too. *gone: it, if the caller must free what
 * it kept; else NULL.
 */
bool calm__snaps_oust(struct calm__snaps *snaps, bool newest_too, struct calm__snap **gone);
/*
 * At close, with no user left: whether the caller must free what it kept; else an ousting does or
 * did.
 */
bool calm__snap_closes(struct calm__snap *snap);
/*
 * Part of freeing: takes it from the list; what only it saw is retired with context (no reserve
 * needed). Inside a section, which ends after the last user was done: who displaces, and finds no
 * snapshot open any more, was told so by nothing, but waits for that section before it frees.
 */
void calm__snap_leave(struct calm__snaps *snaps, struct calm__snap *snap, struct calm__self *self,
		      void *context);
/*
 * Who has freed what it kept, and who closed the handle, each drop it once. True: the last; the
 * struct may be freed.
 */
bool calm__snap_drop(struct calm__snap *snap);

/*
 * Makes sure that n calm__displace of this thread cannot fail, while snapshots close and each may
 * become the first to keep something: at most `targets` of them, those open now and one that the
 * caller opens.
 */
static inline bool calm__displace_reserve(struct calm__self *self, uint32_t n, uint32_t targets)
{
	return calm__reserve(self, n + CALM__BLOCK_ITEMS * (n / CALM__BLOCK_ITEMS +
							    (targets < n ? targets : n)));
}

/*
 * A pointer was unlinked that was born at birth and died at death: released with release(pointer,
 * context) when no open snapshot can see it and no reader is left. The same of something large.
 */
void calm__displace(struct calm__snaps *snaps, struct calm__self *self, uint64_t birth,
		    uint64_t death, struct calm__retired item);
void calm__displace_large(struct calm__snaps *snaps, struct calm__self *self, uint64_t birth,
			  uint64_t death, struct calm__retired item, uint64_t bytes);

/* Age of the oldest open snapshot in ns; 0: none. */
uint64_t calm__snaps_oldest_ns(struct calm__snaps *snaps);

#endif
