/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Open snapshots and dead lists.
 *
 * Opening takes the stamp S = epoch and increments the epoch, so everything written before carries
 * a stamp <= S and everything after one > S. A displaced pointer with the life [birth, death) is
 * seen by the open snapshots with birth <= S < death. It goes to the dead list of the newest of
 * them. When a snapshot closes, each pointer on its list passes to the next older snapshot if it
 * was born by then, and else is retired: every pointer is on the list of the newest open snapshot
 * that sees it, and goes as soon as there is none. So one hot key under one long snapshot keeps one
 * version, not all of them.
 *
 * A budget may oust a snapshot while it is in use, being opened or being closed: it is stale at
 * once, and leaves the list when its last user does. use = number of users, the opener's among
 * them, with SNAP_STALE set by the ousting and SNAP_GONE by the one thread that frees what it kept:
 * the ouster, the last user or the closer. The struct itself is freed by the later of that thread
 * and the closer.
 *
 * What need not tell writers of a snapshot opens without the lock (calm__snap_join): it draws a stamp,
 * and leaves the snapshot on a stack, from which whoever next has the lock puts it into the list,
 * in order of stamps.
 *
 * Source: dead lists, Ahrens, "How ZFS snapshots really work" (BSDCan 2019). Rejected: one list of
 * the dead, searched at every close; the same without births, which keeps every version that was
 * displaced under a snapshot, seen or not.
 */
#include "sync/snap.h"

#include "base/knobs.h"

#define SNAP_STALE ((uint64_t)1 << 62)
#define SNAP_GONE ((uint64_t)1 << 63)

void calm__snaps_init(struct calm__snaps *snaps)
{
	/* The tests also begin so late that what has 32 bits of it wraps. */
	uint64_t first = CALM__KNOB(epoch_first, 1);
	*snaps = (struct calm__snaps){.epoch = first, .horizon = first};
}

/* ---- what writers read; changed under snaps->lock ---- */

/* After a change of the list. */
static void tell_writers(struct calm__snaps *snaps)
{
	struct calm__snap *kept = snaps->newest;
	while (kept && kept->walk)
		kept = kept->older;
	/* order: none - before the epoch's increment, or a relief that may come late. */
	store_relaxed(&snaps->kept, kept ? kept->stamp + 1 : 0);
	/* order: none - it only rises, and too low a value only delays. */
	store_relaxed(&snaps->horizon,
		      snaps->oldest ? snaps->oldest->stamp : load_relaxed(&snaps->epoch));
}

static void take_walk(struct calm__snaps *snaps, struct calm__snap *snap)
{
	for (int i = 0; i < CALM__WALKS; i++) {
		struct calm__walk *walk = &snaps->walks[i];
		/* order: none - changed under snaps->lock. */
		if (load_relaxed(&walk->stamp) != 0)
			continue;
		snap->walk = walk;
		/* order: none - all three before the epoch's increment; a writer that has not seen that
		 * changes what this walk may see changed. */
		store_relaxed(&walk->passed, 0);
		store_relaxed(&walk->stamp, snap->stamp + 1);
		add_relaxed(&snaps->walking, 1);
		return;
	}
}

static void give_walk(struct calm__snaps *snaps, struct calm__snap *snap)
{
	if (!snap->walk)
		return;
	/* order: none - too late a look only saves too much. */
	store_relaxed(&snap->walk->stamp, 0);
	add_relaxed(&snaps->walking, (uint64_t)-1);
	snap->walk = NULL;
}

bool calm__walks_need(struct calm__snaps *snaps, uint64_t stamp, uint64_t last)
{
	for (int i = 0; i < CALM__WALKS; i++) {
		struct calm__walk *walk = &snaps->walks[i];
		/* order: none - the caller's load of the epoch brought the walks that matter to it. */
		if (load_relaxed(&walk->stamp) <= stamp)
			continue;
		/* order: snap.passed acquire <- calm__walk_passes(): the walk's loads come before
		 * the caller's change. */
		if (load_acquire(&walk->passed) <= last && rule(WALKS_COUNT))
			return true;
	}
	return false;
}

/* ---- what is shared ---- */

static void pay(struct calm__snaps *snaps, struct calm__shared *shared)
{
	/* order: snap.payers acquire <- unpay(): who pays again adds after it was taken off. */
	if (add_acq_rel(&shared->payers, 1) == 0)
		/* order: none - a count. */
		add_relaxed(&snaps->history, shared->bytes);
}

static void unpay(struct calm__snaps *snaps, struct calm__shared *shared)
{
	/* order: snap.payers release -> pay(), unpay(): what was added comes before it is taken off. */
	/* order: snap.payers acquire <- unpay(), calm__shared_leave(): the last takes it off. */
	if (add_acq_rel(&shared->payers, (uint64_t)-1) == 1)
		/* order: none - a count. */
		add_relaxed(&snaps->history, -shared->bytes);
}

void calm__shared_leave(struct calm__snaps *snaps, struct calm__shared *shared)
{
	uint64_t alone = 1;
	/* order: snap.payers release -> pay(): as unpay(). */
	if (cas_acq_rel(&shared->payers, &alone, 0))
		return;
	/* order: none - a count; while the map pays nobody takes it off. */
	add_relaxed(&snaps->history, shared->bytes);
	unpay(snaps, shared);
}

/* Under snaps->lock: a snapshot counts no more. */
static void discount(struct calm__snaps *snaps, struct calm__snap *snap)
{
	/* order: none - a count. */
	add_relaxed(&snaps->history, -snap->bytes);
	snap->bytes = 0;
	if (snap->shared)
		unpay(snaps, snap->shared);
	snap->shared = NULL;
}

/* ---- opening, use and closing ---- */

/* Under snaps->lock: those that have joined come into the list, which is in order of stamps. */
static void let_in(struct calm__snaps *snaps)
{
	/* order: none - whoever must find one has joined, or been told of it, before. */
	if (likely(!load_relaxed(&snaps->joined)))
		return;
	/* order: snap.joined acquire <- calm__snap_join(): the snapshot before its address. */
	struct calm__snap *snap = swap_acquire(&snaps->joined, NULL);
	for (struct calm__snap *next; snap; snap = next) {
		next = snap->older;
		snap->older = snaps->newest;
		while (snap->older && snap->older->stamp > snap->stamp) {
			snap->newer = snap->older;
			snap->older = snap->older->older;
		}
		*(snap->newer ? &snap->newer->older : &snaps->newest) = snap;
		*(snap->older ? &snap->older->newer : &snaps->oldest) = snap;
	}
}

static void open_locked(struct calm__snaps *snaps, struct calm__snap *snap, bool walks)
{
	snap->older = snaps->newest;
	if (snaps->newest)
		snaps->newest->newer = snap;
	else
		snaps->oldest = snap;
	snaps->newest = snap;
	/* order: none - changed under snaps->lock. */
	snap->stamp = load_relaxed(&snaps->epoch);
	if (walks)
		take_walk(snaps, snap);
	tell_writers(snaps);
	/* order: none - counts, under snaps->lock. */
	add_relaxed(&snaps->open, 1);
	add_relaxed(&snaps->history, snap->bytes);
	/* order: snap.epoch sc -> calm__snaps_now(): who loads the new epoch knows of this snapshot;
	 * and of a bucket's lock, taken before its holder's load of the epoch, and this increment,
	 * one comes first for all. */
	add_sc(&snaps->epoch, 1);
}

static void begin(struct calm__snap *snap, uint64_t bytes)
{
	snap->bytes = bytes;
	snap->shared = NULL;
	snap->dead = NULL;
	snap->newer = NULL;
	snap->walk = NULL;
	/* order: none - nobody else knows this snapshot yet. */
	store_relaxed(&snap->use, 1);
	store_relaxed(&snap->holders, 2);
}

static void open_snap(struct calm__snaps *snaps, struct calm__snap *snap, uint64_t bytes,
		      bool walks)
{
	begin(snap, bytes);
	snap->opened_ns = calm__now_ns();
	calm__lock(&snaps->lock);
	open_locked(snaps, snap, walks);
	calm__unlock(&snaps->lock);
}

void calm__snap_open(struct calm__snaps *snaps, struct calm__snap *snap, uint64_t bytes)
{
	open_snap(snaps, snap, bytes, false);
}

void calm__snap_open_walk(struct calm__snaps *snaps, struct calm__snap *snap)
{
	open_snap(snaps, snap, 0, true);
}

uint64_t calm__snaps_draw(struct calm__snaps *snaps)
{
	/* order: snap.draw release -> calm__snaps_draw(): what came before an earlier stamp. */
	/* order: snap.draw acquire <- calm__snaps_draw(): has been seen by a later one. */
	return add_acq_rel(&snaps->epoch, 1);
}

void calm__snap_join(struct calm__snaps *snaps, struct calm__snap *snap, uint64_t bytes,
		     struct calm__shared *shared)
{
	begin(snap, bytes);
	snap->shared = shared;
	if (shared)
		pay(snaps, shared);
	/* order: none - counts. */
	add_relaxed(&snaps->history, bytes);
	add_relaxed(&snaps->open, 1);
	/* order: none - only a start for the compare-and-swap. */
	void *last = load_relaxed(&snaps->joined);
	do {
		snap->older = last;
		/* order: snap.joined release -> let_in(): the snapshot before its address. */
	} while (!cas_acq_rel(&snaps->joined, &last, snap));
}

bool calm__snap_use(struct calm__snap *snap)
{
	/* order: none - only a start for the compare-and-swap. */
	uint64_t use = load_relaxed(&snap->use);
	do {
		if (use >= SNAP_STALE)
			return false;
		/* order: none - a count: whoever uses it was given it, and what it keeps goes only
		 * after calm__snap_done(). */
	} while (!cas_relaxed(&snap->use, &use, use + 1));
	return true;
}

/* Of all who see the last user of an ousted snapshot gone, one: the one who frees it. */
static bool claim(struct calm__snap *snap)
{
	uint64_t stale = SNAP_STALE;
	/* order: snap.use acquire <- calm__snap_done(): every user has read what it read. */
	return cas_acq_rel(&snap->use, &stale, SNAP_STALE | SNAP_GONE);
}

bool calm__snap_done(struct calm__snap *snap)
{
	/* order: snap.use release -> claim(), calm__snap_closes(): this user's reads come before;
	 * and acquire <- calm__snap_done(): those of the users before it. */
	return add_acq_rel(&snap->use, (uint64_t)-1) == SNAP_STALE + 1 && claim(snap);
}

bool calm__snaps_oust(struct calm__snaps *snaps, bool newest_too, struct calm__snap **gone)
{
	*gone = NULL;
	calm__lock(&snaps->lock);
	let_in(snaps);
	struct calm__snap *snap = snaps->oldest;
	while (snap && snap->bytes == 0)
		snap = snap->newer;
	if (snap == snaps->newest && !newest_too)
		snap = NULL;
	if (snap) {
		discount(snaps, snap); /* still used, it is as good as gone: its users will leave */
		/* order: none - a flag in a count: from here on nobody is let in. */
		add_relaxed(&snap->use, SNAP_STALE);
		if (claim(snap))
			*gone = snap;
	}
	calm__unlock(&snaps->lock);
	return snap != NULL;
}

bool calm__snap_closes(struct calm__snap *snap)
{
	/* order: none - only a start for the compare-and-swap. */
	uint64_t use = load_relaxed(&snap->use);
	/* order: snap.use acquire <- calm__snap_done(): the users before this close have read
	 * what they read. */
	while (!cas_acq_rel(&snap->use, &use, use | SNAP_STALE | SNAP_GONE))
		;
	return (use & SNAP_GONE) == 0;
}

bool calm__snap_drop(struct calm__snap *snap)
{
	/* order: snap.holders release -> calm__snap_drop(): each holder's last use before the
	 * free. */
	/* order: snap.holders acquire <- calm__snap_drop(): the last one frees. */
	return add_acq_rel(&snap->holders, (uint32_t)-1) == 1;
}

/*
 * Parts what the older snapshots still see (the front, up to *end) from the rest. In place: a close
 * cannot fail.
 */
static struct calm__block *part(struct calm__block *blocks, uint64_t older, uint32_t *end)
{
	struct calm__block *keep = blocks;
	uint32_t kept = 0;
	for (struct calm__block *block = blocks; block; block = block->next) {
		for (uint32_t i = 0; i < block->used; i++) {
			if ((uint64_t)(uintptr_t)block->items[i].context > older)
				continue;
			if (kept == keep->used) {
				keep = keep->next;
				kept = 0;
			}
			struct calm__retired item = block->items[i];
			block->items[i] = keep->items[kept];
			keep->items[kept++] = item;
		}
	}
	*end = kept;
	return keep;
}

/*
 * Under snaps->lock: what the next older snapshot sees becomes its own; the rest, with context, is
 * left in the result.
 */
static struct calm__block *inherit(struct calm__snap *older, struct calm__block *blocks,
				   struct calm__self *self, void *context)
{
	uint32_t kept;
	struct calm__block *edge = part(blocks, older->stamp, &kept);
	if (edge == blocks && kept == 0)
		return blocks;
	if (kept < edge->used && calm__reserve(self, edge->used - kept)) {
		/* Without memory the block's rest stays with the older snapshot: late, not lost. */
		for (uint32_t i = kept; i < edge->used; i++)
			calm__retire(self, edge->items[i].pointer, edge->items[i].release, context);
		edge->used = kept;
	}
	struct calm__block *rest = edge->next;
	edge->next = older->dead;
	older->dead = blocks;
	return rest;
}

static uint64_t items(const struct calm__block *block)
{
	uint64_t sum = 0;
	for (; block; block = block->next)
		sum += block->used;
	return sum;
}

void calm__snap_leave(struct calm__snaps *snaps, struct calm__snap *snap, struct calm__self *self,
		      void *context)
{
	calm__lock(&snaps->lock);
	let_in(snaps);
	if (snap->newer)
		snap->newer->older = snap->older;
	else
		snaps->newest = snap->older;
	if (snap->older)
		snap->older->newer = snap->newer;
	else
		snaps->oldest = snap->newer;
	give_walk(snaps, snap);
	tell_writers(snaps);
	struct calm__block *blocks = snap->dead;
	snap->dead = NULL;
	uint64_t before = items(blocks) + (snap->older ? items(snap->older->dead) : 0);
	if (blocks && snap->older)
		blocks = inherit(snap->older, blocks, self, context);
	uint64_t after = snap->older ? items(snap->older->dead) : 0;
	/* order: none - counts, under snaps->lock. */
	add_relaxed(&snaps->dead, after - before);
	add_relaxed(&snaps->open, (uint64_t)-1);
	discount(snaps, snap);
	calm__unlock(&snaps->lock);
	for (struct calm__block *block = blocks; block; block = block->next)
		for (uint32_t i = 0; i < block->used; i++)
			block->items[i].context = context;
	calm__retire_blocks(self, blocks);
}

void calm__displace_large(struct calm__snaps *snaps, struct calm__self *self, uint64_t birth,
			  uint64_t death, struct calm__retired item, uint64_t bytes)
{
	/* order: none - a snapshot that sees the pointer was opened under the lock that the
	 * caller has held since; and one that has closed, did so in a section that is waited for. */
	if (load_relaxed(&snaps->open) == 0 || !rule(DEAD_LISTS)) {
		calm__retire_large(self, item.pointer, item.release, item.context, bytes);
		return;
	}
	calm__lock(&snaps->lock);
	let_in(snaps);
	struct calm__snap *snap = snaps->newest;
	while (snap && snap->stamp >= death)
		snap = snap->older;
	if (!snap || snap->stamp < birth) {
		calm__unlock(&snaps->lock);
		calm__retire_large(self, item.pointer, item.release, item.context, bytes);
		return;
	}
	if (!snap->dead || snap->dead->used == CALM__BLOCK_ITEMS) {
		struct calm__block *block = calm__take_block(self);
		block->next = snap->dead;
		snap->dead = block;
	}
	item.context = (void *)(uintptr_t)birth;
	snap->dead->bytes += bytes;
	snap->dead->items[snap->dead->used++] = item;
	/* order: none - a count, under snaps->lock. */
	add_relaxed(&snaps->dead, 1);
	calm__unlock(&snaps->lock);
}

void calm__displace(struct calm__snaps *snaps, struct calm__self *self, uint64_t birth,
		    uint64_t death, struct calm__retired item)
{
	calm__displace_large(snaps, self, birth, death, item, 0);
}

uint64_t calm__snaps_oldest_ns(struct calm__snaps *snaps)
{
	calm__lock(&snaps->lock);
	let_in(snaps);
	uint64_t opened = snaps->oldest ? snaps->oldest->opened_ns : 0;
	calm__unlock(&snaps->lock);
	return opened ? calm__now_ns() - opened : 0;
}
