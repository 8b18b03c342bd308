/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Which snapshots of a map are open, and what must stay because one of them may still see it. See snap.c.
 */
#ifndef CALM_SYNC_SNAP_H
#define CALM_SYNC_SNAP_H

#include "sync/read.h"

/* A snapshot's place in its map's list; embedded in the kind's own snapshot. */
struct calm__snap {
	uint64_t stamp; /* it sees what was born <= stamp and died > stamp */
	uint64_t opened_ns;
	shared_u64 use;           /* users, | SNAP_STALE, | SNAP_GONE */
	struct calm__snap *older; /* guarded by the list's lock, as are newer and dead */
	struct calm__snap *newer;
	struct calm__block *dead; /* displaced while this was the newest snapshot that saw it */
};

struct calm__snaps {
	struct calm__lock lock;
	struct calm__snap *newest;
	struct calm__snap *oldest;
	shared_u64 open;  /* snapshots in the list */
	shared_u64 dead;  /* pointers in all dead lists */
	shared_u64 epoch; /* births and deaths are stamped with it; only opening a snapshot increments it */
};

void calm__snaps_init(struct calm__snaps *snaps);

/* The stamp for what is born or dies now. The caller must keep snapshots from opening meanwhile, or know why not. */
static inline uint64_t calm__snaps_epoch(struct calm__snaps *snaps)
{
	/* order: none - the callers hold the lock that opening takes. */
	return load_relaxed(&snaps->epoch);
}

/* Puts snap at the head of the list with the next stamp. */
void calm__snap_open(struct calm__snaps *snaps, struct calm__snap *snap);

/* calm__snap_use: false if it was ousted; else nothing of it goes away before calm__snap_done. */
bool calm__snap_use(struct calm__snap *snap);
/* True: it was ousted meanwhile, this was the last user, and the caller must calm__snap_leave and free what it kept. */
bool calm__snap_done(struct calm__snap *snap);
/* Ousts the oldest but `keep` (may be NULL). *gone: it, if the caller must leave and free; else NULL. False: none left. */
bool calm__snaps_oust(struct calm__snaps *snaps, const struct calm__snap *keep, struct calm__snap **gone);
/* At close, with no user left: whether the caller must leave and free, or an ousting already did. */
bool calm__snap_closes(struct calm__snap *snap);
/* Takes it from the list; what only it saw is retired with context (no reserve needed). */
void calm__snap_leave(struct calm__snaps *snaps, struct calm__snap *snap, struct calm__self *self, void *context);

/* Makes sure that n calm__displace of this thread cannot fail. */
static inline bool calm__displace_reserve(struct calm__self *self, uint32_t n)
{
	return calm__reserve(self, n + CALM__BLOCK_ITEMS * (n / CALM__BLOCK_ITEMS + 2));
}

/*
 * A pointer was unlinked that was born at birth and died at death: released with release(pointer, context) when no open
 * snapshot can see it and no reader is left.
 */
void calm__displace(struct calm__snaps *snaps, struct calm__self *self, uint64_t birth, uint64_t death,
		    struct calm__retired item);

/* Age of the oldest open snapshot in ns; 0: none. */
uint64_t calm__snaps_oldest_ns(struct calm__snaps *snaps);

#endif
