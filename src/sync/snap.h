/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Which snapshots of a map are open, and what must stay because one of them may still see it. See
 * snap.c.
 */
#ifndef CALM_SYNC_SNAP_H
#define CALM_SYNC_SNAP_H

#include "sync/read.h"

/* A snapshot's place in its map's list; embedded in the kind's own snapshot. */
struct calm__snap {
	uint64_t stamp; /* it sees what was born <= stamp and died > stamp */
	uint64_t opened_ns;
	shared_u64 use;     /* users, | SNAP_STALE, | SNAP_GONE */
	shared_u32 holders; /* the list and the handle: the last frees the struct */
	uint64_t bytes; /* counted in the list's history, and lost if it is ousted; 0: never ousted */
	struct calm__snap *older; /* guarded by the list's lock, as are newer and dead */
	struct calm__snap *newer;
	struct calm__block *dead; /* displaced while this was the newest snapshot that saw it */
};

struct calm__snaps {
	struct calm__lock lock;
	struct calm__snap *newest;
	struct calm__snap *oldest;
	shared_u64 open;    /* snapshots in the list */
	shared_u64 dead;    /* pointers in all dead lists */
	shared_u64 history; /* bytes of those in the list that were not ousted */
	shared_u64
		epoch; /* births and deaths are stamped with it; only opening a snapshot increments it */
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
 * Puts snap at the head of the list with the next stamp. It keeps `bytes` of its own; 0: a budget
 * leaves it alone. The opener counts as a user until its calm__snap_done.
 */
void calm__snap_open(struct calm__snaps *snaps, struct calm__snap *snap, uint64_t bytes);

/* False if it was ousted; else nothing of it goes away before calm__snap_done. */
bool calm__snap_use(struct calm__snap *snap);
/* True: it was ousted meanwhile, this was the last user, and the caller must free what it kept. */
bool calm__snap_done(struct calm__snap *snap);
/*
 * Ousts the oldest that may be, if any; never the newest. *gone: it, if the caller must free what
 * it kept; else NULL.
 */
bool calm__snaps_oust(struct calm__snaps *snaps, struct calm__snap **gone);
/*
 * At close, with no user left: whether the caller must free what it kept; else an ousting does or
 * did.
 */
bool calm__snap_closes(struct calm__snap *snap);
/*
 * Part of freeing: takes it from the list; what only it saw is retired with context (no reserve
 * needed).
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
 * context) when no open snapshot can see it and no reader is left.
 */
void calm__displace(struct calm__snaps *snaps, struct calm__self *self, uint64_t birth,
		    uint64_t death, struct calm__retired item);

/* Age of the oldest open snapshot in ns; 0: none. */
uint64_t calm__snaps_oldest_ns(struct calm__snaps *snaps);

#endif
