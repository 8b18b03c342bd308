/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Growing: one bucket is split in two while it is written, read and kept for snapshots.
 *
 * Modelled: an old table of one bucket with two keys, a new table with a bucket for each; the
 * migration step (lock, fill the children, give them the parent's stamp, MOVED), the change of the
 * root; a writer that writes key 0, 1 and follows MOVED; a get; two snapshots, which find images
 * under the prefix of the bucket or the parent's, and descend through MOVED.
 *
 * Not modelled: several steps at once, a table after the next; the freeing of the old table (a
 * grace period of the read sections); overflow; memory orders (c11/).
 *
 * Checked as in bucket.pml, against a map that changes in one instant. A snapshot's reading shows
 * each key exactly once.
 *
 * Source: split-ordered doubling, Shalev and Shavit, J. ACM 53:3 (2006), for the prefix that outlives
 * the table. Rejected: copying the history along with the bucket; finding it under the shorter
 * prefix costs readers of old snapshots a second look and writers nothing.
 *
 * mutation NO_MOVED: the old bucket is unlocked without MOVED
 * mutation STAMP_ZERO: the children begin with stamp 0
 * mutation STAMP_EPOCH: the children begin with the current epoch
 * mutation FILL_BEFORE_LOCK: the children are filled before the parent is locked
 * mutation MOVED_BEFORE_FILL: MOVED shows before the children are filled
 * mutation OWN_IMAGES_ONLY: a reader does not look for the parent's images
 * mutation NO_FILTER: a reader takes all of the parent's image for a child's
 * mutation LOCK_IGNORES_MOVED: a writer that waited for the lock does not see MOVED
 * equivalent STAMP_FIRST: the children get their stamp before they are filled
 */
#define PARENT 0
#define SNAPS 2
#define IMAGES 4
#define cell(bucket, k) ((bucket) * 2 + (k))

byte epoch = 1;
byte newest;
bool mutex, opened;
byte live[SNAPS];
bool grown; /* the root is the new table */

bool locked[3], moved[3];
byte stamp[3];
byte value[6];

byte n_images;
byte prefix[IMAGES], from[IMAGES], to[IMAGES], kept[IMAGES * 2];

byte ideal[2];
byte holds[(SNAPS + 1) * 2];
bool due;
byte due_key, due_value;
byte may, may_key;
byte observer; /* which snapshot reads; SNAPS: the get instead */

inline effect(k, v)
{
	ideal[k] = v;
	if
	:: may && may_key == k -> may = may | (1 << v)
	:: else
	fi
}

inline write(k, v)
{
	b = (grown -> 1 + k : PARENT);
	do
	:: atomic { !locked[b] && !moved[b] -> locked[b] = true }; break
#ifdef LOCK_IGNORES_MOVED
	:: atomic { b == PARENT && !locked[b] && moved[b] -> locked[b] = true }; break
#else
	:: !locked[b] && moved[b] -> b = 1 + k
#endif
	od;
	skip;
	d_step { e = epoch; due = true; due_key = k; due_value = v }
	d_step {
		n = newest;
		n = (stamp[b] != e && n >= stamp[b] -> n : 0)
	}
	if
	:: stamp[b] == e
	:: else ->
		if
		:: n ->
			d_step {
				assert(n_images < IMAGES);
				prefix[n_images] = b;
				from[n_images] = stamp[b];
				to[n_images] = e - 1;
				kept[cell(n_images, 0)] = value[cell(b, 0)];
				kept[cell(n_images, 1)] = value[cell(b, 1)];
				n_images++
			}
		:: else
		fi;
		stamp[b] = e
	fi;
	d_step {
		value[cell(b, k)] = v;
		if
		:: due -> effect(k, v); due = false; due_key = 0; due_value = 0
		:: else
		fi;
		n = 0
	}
	d_step { locked[b] = false; b = 0; e = 0; n = 0 }
}

proctype writer()
{
	byte b, e, n;
	write(0, 1);
	write(1, 2)
}

inline fill()
{
#ifdef STAMP_FIRST
	give_stamp();
#endif
	value[cell(1, 0)] = value[cell(PARENT, 0)];
	value[cell(2, 1)] = value[cell(PARENT, 1)];
#ifndef STAMP_FIRST
	give_stamp();
#endif
}

inline give_stamp()
{
#ifdef STAMP_EPOCH
	d_step { stamp[1] = epoch; stamp[2] = epoch }
#else
#ifdef STAMP_ZERO
	skip
#else
	d_step { stamp[1] = stamp[PARENT]; stamp[2] = stamp[PARENT] }
#endif
#endif
}

proctype migrator()
{
#ifdef FILL_BEFORE_LOCK
	fill();
#endif
	atomic { !locked[PARENT] -> locked[PARENT] = true }
#ifdef MOVED_BEFORE_FILL
	moved[PARENT] = true;
#endif
#ifndef FILL_BEFORE_LOCK
	fill();
#endif
#ifdef NO_MOVED
	locked[PARENT] = false;
#else
	d_step { locked[PARENT] = false; moved[PARENT] = true }
#endif
	grown = true
}

proctype getter()
{
	byte k, b, st;
	bool h, gone;
	if
	:: k = 0
	:: k = 1
	fi;
	d_step {
		b = (grown -> 1 + k : PARENT);
		may = 1 << ideal[k];
		may_key = k
	}
again:
	skip;
	d_step { h = locked[b]; gone = moved[b] }
	if
	:: gone -> b = 1 + k; goto again
	:: !gone && h ->
		st = stamp[b];
		if
		:: st != epoch -> goto again
		:: else
		fi
	:: !gone && !h
	fi;
	d_step { st = value[cell(b, k)]; h = moved[b] }
	if
	:: h -> goto again
	:: else
	fi;
	d_step { assert(may & (1 << st)); may = 0; may_key = 0; st = 0; b = 0; k = 0; gone = false }
}

inline emit(k, v)
{
	assert(!shown[k]);
	shown[k] = true;
	assert(v == holds[cell(S, k)])
}

/* What bucket b shows, or, if it was split, what there is in its place of key k. */
inline read_bucket(k)
{
	skip;
again:
	skip;
	d_step { h = locked[b]; gone = moved[b] }
	if
	:: gone -> b = 1 + k; goto again
	:: else
	fi;
	st = stamp[b];
	if
	:: st > S ->
		d_step {
			i = 0;
			do
			:: i < n_images && !((prefix[i] == b
#ifndef OWN_IMAGES_ONLY
					      || prefix[i] == PARENT
#endif
					      ) && from[i] <= S && S <= to[i]) -> i++
			:: else -> break
			od;
			assert(i < n_images);
#ifdef NO_FILTER
			if
			:: prefix[i] == PARENT || b == 1 -> emit(0, kept[cell(i, 0)])
			:: else
			fi;
			if
			:: prefix[i] == PARENT || b == 2 -> emit(1, kept[cell(i, 1)])
			:: else
			fi;
#else
			if
			:: b != 2 -> emit(0, kept[cell(i, 0)])
			:: else
			fi;
			if
			:: b != 1 -> emit(1, kept[cell(i, 1)])
			:: else
			fi;
#endif
			i = 0
		}
	:: st <= S && h -> goto again
	:: st <= S && !h ->
		v0 = value[cell(b, 0)];
		v1 = value[cell(b, 1)];
		if
		:: locked[b] || moved[b] -> goto again
		:: else
		fi;
		if
		:: stamp[b] != st -> goto again
		:: else
		fi;
		d_step {
			if
			:: b != 2 -> emit(0, v0)
			:: else
			fi;
			if
			:: b != 1 -> emit(1, v1)
			:: else
			fi;
			v0 = 0;
			v1 = 0
		}
	fi;
	st = 0
}

proctype snapshot(byte me)
{
	byte S, k, b, st, v0, v1, i;
	bool h, gone, shown[2];
	me == 0 || opened;
	atomic { !mutex -> mutex = true; opened = true; S = epoch; live[me] = S; newest = S }
	d_step {
		if
		:: due -> effect(due_key, due_value); due = false; due_key = 0; due_value = 0
		:: else
		fi;
		holds[cell(S, 0)] = ideal[0];
		holds[cell(S, 1)] = ideal[1];
		epoch++;
		mutex = false
	}
	if
	:: observer != me -> goto close
	:: else
	fi;
	b = (grown -> 1 : PARENT);
	do
	:: k < 2 ->
		read_bucket(k);
		k = (b == PARENT -> 2 : k + 1); /* the walk goes on after the bucket that it has read */
		b = 2
	:: else -> break
	od;
	assert(shown[0] && shown[1]);
close:
	atomic { !mutex -> live[me] = 0; newest = live[1 - me] }
}

init
{
	atomic {
		d_step { stamp[PARENT] = 1 }
		if
		:: observer = 0
		:: observer = 1
		:: observer = SNAPS -> run getter()
		fi;
		run writer();
		run migrator();
		run snapshot(0);
		run snapshot(1)
	}
}
