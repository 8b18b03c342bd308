/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Buckets that are copied on the first write after a snapshot: the protocol of one word per bucket.
 *
 * Modelled: two buckets of one key {lock, stamp, value, images}, the epoch, the list of live
 * snapshots and its newest; a writer that writes bucket 0, 1, 0; a second writer of bucket 0; gets
 * of any bucket; two snapshots, open at the same time or one after the other, each of which reads
 * any bucket three times. Every access to a shared word is a step of its own.
 *
 * Not modelled: inserts and deletes (slots.pml), resizing (grow.pml, shrink.pml), where images lie
 * and when they go (history.pml), one-pass walks (walk.pml), memory orders (c11/).
 *
 * Checked, step by step against a map that changes in one instant: a write takes effect at the
 * earlier of its value's store and the opening of the first snapshot with S >= its epoch. A snapshot
 * holds exactly that map as of its opening, whenever it is read and however often (so it is a cut);
 * a get returns a value that its key had between the get's first load and its last.
 *
 * Source: copy on the first write after a checkpoint, Li et al., "Concurrent checkpointing", IEEE
 * TPDS 5:8 (1994), with an undo log for its pages. Rejected: a check of snapshots against each
 * other and against gets only. It needs more snapshots and gets for the same violations.
 *
 * mutation NO_GET_WAIT: a get reads through a lock whatever the stamp
 * mutation EPOCH_BEFORE_LOCK: a writer loads the epoch before it locks
 * mutation STAMP_BEFORE_IMAGE: the new stamp shows before the image is in the log
 * mutation NO_IMAGE: nothing is saved
 * mutation NO_READER_WAIT: a snapshot's reader copies a locked bucket
 * mutation NO_STAMP_RECHECK: a snapshot's reader does not look again after it copied
 * mutation NEWEST_BEFORE_EPOCH: a writer looks for live snapshots before it loads the epoch
 * mutation INCREMENT_FIRST: an opening snapshot increments the epoch before it is in the list
 * mutation INCREMENT_UNLOCKED: two snapshots open without the list's lock
 * mutation IMAGE_TO_EPOCH: an image claims the epoch of the write too
 * mutation CLOSE_FORGETS: closing one snapshot leaves no newest, though another is open
 * mutation UNLOCK_BEFORE_VALUE: the lock is let go before the value is stored
 * mutation MUTATE_BEFORE_STAMP+NO_HEADER_RECHECK: the new value shows before the new stamp, and a
 *	snapshot's reader looks again at the stamp alone
 * equivalent MUTATE_BEFORE_STAMP: the reader finds the lock taken when it looks again, or else the
 *	stamp changed. It must look in that order, and the rule is kept for want of a reason to break it
 * equivalent NO_HEADER_RECHECK: an unlocked bucket with a stamp <= S is changed only by writers that
 *	locked after the opening, and they stamp it anew first: the stamp's re-check covers it
 * equivalent GET_EPOCH_FIRST: a get that was let through by an older epoch began before the
 *	snapshot opened, and its value was current then
 */
#define BUCKETS 2
#define IMAGES 3
#define SNAPS 2
#define GETS 1
#define WRITERS 2

byte epoch = 1;
byte newest; /* 0: none is live */
bool mutex;
byte live[SNAPS];
bool opened;
byte observer; /* which snapshot reads; SNAPS: the get instead */

bool locked[BUCKETS];
byte stamp[BUCKETS] = 1;
byte value[BUCKETS];

byte n_images[BUCKETS];
byte from[BUCKETS * IMAGES], to[BUCKETS * IMAGES], kept[BUCKETS * IMAGES];

/* The ideal map, what snapshot S must hold, writes that have an epoch but no effect yet. */
byte ideal[BUCKETS];
byte holds[(SNAPS + 1) * BUCKETS];
bool due[WRITERS];
byte due_bucket[WRITERS], due_value[WRITERS];
/* The values that a get may return, as bits; 0: no get. */
byte may[GETS], may_bucket[GETS];

inline effect(bucket, v)
{
	ideal[bucket] = v;
	g = 0;
	do
	:: g < GETS ->
		if
		:: may[g] && may_bucket[g] == bucket -> may[g] = may[g] | (1 << v)
		:: else
		fi;
		g++
	:: else -> break
	od;
	g = 0
}

inline load_epoch()
{
	d_step {
		e = epoch;
		due[w] = true;
		due_bucket[w] = b;
		due_value[w] = v
	}
}

inline store_value()
{
	d_step {
		value[b] = v;
		if
		:: due[w] -> effect(b, v); due[w] = false; due_bucket[w] = 0; due_value[w] = 0
		:: else
		fi
	}
}

inline save()
{
	d_step {
		assert(n_images[b] < IMAGES);
		from[b * IMAGES + n_images[b]] = was;
#ifdef IMAGE_TO_EPOCH
		to[b * IMAGES + n_images[b]] = e;
#else
		to[b * IMAGES + n_images[b]] = e - 1;
#endif
#ifdef MUTATE_BEFORE_STAMP
		kept[b * IMAGES + n_images[b]] = old;
#else
		kept[b * IMAGES + n_images[b]] = value[b];
#endif
		n_images[b]++
	}
}

inline write(bucket, new)
{
	b = bucket;
	v = new;
#ifdef EPOCH_BEFORE_LOCK
	load_epoch();
#endif
#ifdef NEWEST_BEFORE_EPOCH
	n = newest;
#endif
	atomic { !locked[b] -> locked[b] = true }
#ifndef EPOCH_BEFORE_LOCK
	load_epoch();
#endif
#ifdef MUTATE_BEFORE_STAMP
	old = value[b];
	store_value();
#endif
	/* One load, of newest: the stamp is the lock holder's own. */
	d_step {
		was = stamp[b];
#ifndef NEWEST_BEFORE_EPOCH
		n = newest;
#endif
		n = (was != e && n >= was -> n : 0)
	}
	if
	:: was == e
	:: else ->
#ifdef STAMP_BEFORE_IMAGE
		stamp[b] = e;
#endif
#ifndef NO_IMAGE
		if
		:: n -> save()
		:: else
		fi;
#endif
#ifndef STAMP_BEFORE_IMAGE
		stamp[b] = e
#endif
	fi;
#ifdef UNLOCK_BEFORE_VALUE
	locked[b] = false;
	store_value();
#else
#ifndef MUTATE_BEFORE_STAMP
	store_value();
#endif
	locked[b] = false;
#endif
	d_step { b = 0; v = 0; e = 0; n = 0; was = 0 }
}

proctype writer(byte w)
{
	byte b, v, e, n, g, was;
#ifdef MUTATE_BEFORE_STAMP
	byte old;
#endif
	if
	:: w == 0 -> write(0, 1); write(1, 2)
	:: else -> write(0, 3)
	fi
}

proctype getter(byte i)
{
	byte b, st, v, ep;
	bool h, begun;
	if
	:: b = 0
	:: b = 1
	fi;
again:
	skip;
#ifdef GET_EPOCH_FIRST
	d_step {
		ep = epoch;
		if
		:: !begun -> may[i] = 1 << ideal[b]; may_bucket[i] = b; begun = true
		:: else
		fi
	}
	h = locked[b];
#else
	d_step {
		h = locked[b];
		if
		:: !begun -> may[i] = 1 << ideal[b]; may_bucket[i] = b; begun = true
		:: else
		fi
	}
#endif
#ifndef NO_GET_WAIT
	if
	:: h ->
		st = stamp[b];
#ifndef GET_EPOCH_FIRST
		ep = epoch;
#endif
		if
		:: st != ep -> goto again
		:: else
		fi
	:: else
	fi;
#endif
	d_step {
		v = value[b];
		assert(may[i] & (1 << v));
		may[i] = 0;
		may_bucket[i] = 0;
		b = 0; st = 0; v = 0; ep = 0; h = false
	}
}

inline read_bucket()
{
	skip;
again:
	h = locked[b];
	st = stamp[b];
	if
	:: st > S ->
		d_step {
			i = 0;
			do
			:: i < n_images[b] && !(from[b * IMAGES + i] <= S && S <= to[b * IMAGES + i]) -> i++
			:: else -> break
			od;
			assert(i < n_images[b]);
			assert(kept[b * IMAGES + i] == holds[S * BUCKETS + b]);
			i = 0
		}
#ifndef NO_READER_WAIT
	:: st <= S && h -> goto again
	:: st <= S && !h ->
#else
	:: else ->
#endif
		v = value[b];
#if !defined(NO_HEADER_RECHECK) && !defined(NO_READER_WAIT)
		if
		:: locked[b] -> goto again
		:: else
		fi;
#endif
#ifndef NO_STAMP_RECHECK
		if
		:: stamp[b] != st -> goto again
		:: else
		fi;
#endif
		assert(v == holds[S * BUCKETS + b])
	fi;
	d_step { b = 0; h = 0; st = 0; v = 0 }
}

inline increment()
{
	d_step {
		i = 0;
		do
		:: i < WRITERS ->
			if
			:: due[i] -> effect(due_bucket[i], due_value[i]); due[i] = false; due_bucket[i] = 0; due_value[i] = 0
			:: else
			fi;
			i++
		:: else -> break
		od;
		holds[S * BUCKETS] = ideal[0];
		holds[S * BUCKETS + 1] = ideal[1];
		epoch++;
#ifndef INCREMENT_FIRST
		mutex = false;
#endif
		i = 0
	}
}

proctype snapshot(byte me)
{
	byte S, b, st, v, i, g;
	bool h;
	me == 0 || opened; /* the two are alike: the first is the one that opens first */
#ifdef INCREMENT_UNLOCKED
	d_step { opened = true; S = epoch }
#else
	atomic { !mutex -> mutex = true; opened = true; S = epoch }
#endif
#ifdef INCREMENT_FIRST
	increment();
	d_step { live[me] = S; newest = S; mutex = false }
#else
	d_step { live[me] = S; newest = S }
	increment();
#endif

	if
	:: observer == me && b == 0
	:: observer == me -> b = 1
	:: observer != me -> goto close
	fi;
	read_bucket();
close:
#ifdef CLOSE_FORGETS
	atomic { !mutex -> live[me] = 0; newest = 0 }
#else
	atomic { !mutex -> live[me] = 0; newest = live[1 - me] }
#endif
}

init
{
	/* Reads change nothing, so one observer at a time sees what many would. */
	atomic {
		if
		:: observer = 0
		:: observer = 1
		:: observer = SNAPS -> run getter(0)
		fi;
		run writer(0);
		run writer(1);
		run snapshot(0);
		run snapshot(1)
	}
}
