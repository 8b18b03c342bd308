/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Shrinking: two buckets are merged into one while they are written, read and kept for snapshots.
 *
 * Modelled: an old table of two buckets with a key each, a new table with one bucket for both; the
 * merge (lock both in order, load the epoch, save an image of each that needs one, fill the merged
 * bucket, stamp it with the epoch, MOVED on the first, then on the second), the change of the root; a
 * writer that writes key 0, 1 and follows MOVED; a get; two snapshots that walk by a cursor and find
 * images under the prefix of the bucket or of what was merged into it.
 *
 * Not modelled: several steps at once, the freeing of the old table, overflow, memory orders.
 *
 * Checked as in grow.pml: against a map that changes in one instant; each key exactly once.
 *
 * Source: as grow.pml. Rejected: merging with one lock at a time, which needs a third state.
 *
 * mutation NO_IMAGES: the merge saves nothing
 * mutation STAMP_MIN: the merged bucket gets the older of the two stamps
 * mutation STAMP_MAX+NO_IMAGES: the merged bucket gets the newer of the two stamps, nothing is saved
 * mutation EPOCH_BEFORE_LOCKS: the epoch is loaded before the locks
 * mutation EPOCH_BETWEEN_LOCKS: the epoch is loaded under the first lock only
 * mutation IMAGES_LATE: the images are saved after MOVED
 * mutation MOVED_FIRST: MOVED shows before the merged bucket is filled
 * mutation NO_MOVED: the old buckets are unlocked without MOVED
 * mutation NO_CURSOR: a reader takes all of the merged bucket though it has read one half before
 * mutation MERGED_IMAGES_ONLY: a reader does not look for images of what was merged
 * mutation CROSSED_LOCKS: two merges of the same pair lock in different orders
 * equivalent STAMP_MAX: the newer of the two stamps is as good as the epoch: what the image of the
 *	other claims to know beyond it, no snapshot asks for
 */
#define MERGED 0
#define SNAPS 2
#define IMAGES 6
#define cell(bucket, k) ((bucket) * 2 + (k))

byte epoch = 1;
byte newest;
bool mutex, opened;
byte live[SNAPS];
bool shrunk; /* the root is the new table */

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

inline save(b, n)
{
	if
	:: n && stamp[b] != e && n >= stamp[b] ->
		assert(n_images < IMAGES);
		prefix[n_images] = b;
		from[n_images] = stamp[b];
		to[n_images] = e - 1;
		kept[cell(n_images, 0)] = value[cell(b, 0)];
		kept[cell(n_images, 1)] = value[cell(b, 1)];
		n_images++
	:: else
	fi
}

inline write(k, v)
{
	b = (shrunk -> MERGED : 1 + k);
	do
	:: atomic { !locked[b] && !moved[b] -> locked[b] = true }; break
	:: !locked[b] && moved[b] -> b = MERGED
	od;
	skip;
	d_step { e = epoch; due = true; due_key = k; due_value = v }
	n = newest;
	d_step { save(b, n); n = 0 }
	stamp[b] = e;
	d_step {
		value[cell(b, k)] = v;
		if
		:: due -> effect(k, v); due = false; due_key = 0; due_value = 0
		:: else
		fi;
		n = 0
	}
	d_step { locked[b] = false; b = 0; e = 0 }
}

proctype writer()
{
	byte b, e, n;
	write(0, 1);
	write(1, 2)
}

inline lock(b)
{
	atomic { !locked[b] -> locked[b] = true }
}

inline save_both()
{
#ifndef NO_IMAGES
	n = newest;
	d_step { save(1, n); save(2, n); n = 0 }
#else
	skip
#endif
}

inline fill()
{
	value[cell(MERGED, 0)] = value[cell(1, 0)];
	value[cell(MERGED, 1)] = value[cell(2, 1)];
#ifdef STAMP_MIN
	stamp[MERGED] = (stamp[1] < stamp[2] -> stamp[1] : stamp[2])
#else
#ifdef STAMP_MAX
	stamp[MERGED] = (stamp[1] > stamp[2] -> stamp[1] : stamp[2])
#else
	stamp[MERGED] = e
#endif
#endif
}

inline show_moved()
{
#ifdef NO_MOVED
	locked[1] = false;
	locked[2] = false
#else
	d_step { moved[1] = true; locked[1] = false }
	d_step { moved[2] = true; locked[2] = false }
#endif
}

proctype merger()
{
	byte e, n;
#ifdef EPOCH_BEFORE_LOCKS
	e = epoch;
#endif
	lock(1);
#ifdef EPOCH_BETWEEN_LOCKS
	e = epoch;
#endif
	lock(2);
#if !defined(EPOCH_BEFORE_LOCKS) && !defined(EPOCH_BETWEEN_LOCKS)
	e = epoch;
#endif
#ifdef IMAGES_LATE
	fill();
	show_moved();
	save_both();
#else
	save_both();
#ifdef MOVED_FIRST
	show_moved();
	fill();
#else
	fill();
	show_moved();
#endif
#endif
	shrunk = true
}

#ifdef CROSSED_LOCKS
/* Another thread with the same merge in mind, which finds it done. */
proctype other_merger()
{
	lock(2);
	lock(1);
	locked[1] = false;
	locked[2] = false
}
#endif

proctype getter()
{
	byte k, b, st;
	bool h, gone;
	if
	:: k = 0
	:: k = 1
	fi;
	d_step {
		b = (shrunk -> MERGED : 1 + k);
		may = 1 << ideal[k];
		may_key = k
	}
again:
	skip;
	d_step { h = locked[b]; gone = moved[b] }
	if
	:: gone -> b = MERGED; goto again
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

/* What bucket b shows of the keys from k on. */
inline read_bucket(k)
{
	skip;
again:
	skip;
	d_step { h = locked[b]; gone = moved[b] }
	if
	:: gone -> b = MERGED; goto again
	:: else
	fi;
	st = stamp[b];
	if
	:: st > S ->
		d_step {
			one = b == MERGED;
#ifdef NO_CURSOR
			k = (one -> 0 : k);
#endif
			do
			:: k < 2 && (one || b == 1 + k) ->
				i = 0;
				do
				:: i < n_images && !((prefix[i] == b
#ifndef MERGED_IMAGES_ONLY
						      || prefix[i] == 1 + k
#endif
						      ) && from[i] <= S && S <= to[i]) -> i++
				:: else -> break
				od;
				assert(i < n_images);
				emit(k, kept[cell(i, k)]);
				k++
			:: else -> break
			od;
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
			:: k == 0 && b != 2 -> emit(0, v0); k = 1; one = b == 1
			:: else -> one = false
			fi;
			if
			:: k == 1 && b != 1 -> emit(1, v1); k = 2
			:: else
			fi;
			v0 = 0;
			v1 = 0;
			one = false
		}
	fi;
	st = 0
}

proctype snapshot(byte me)
{
	byte S, k, b, st, v0, v1, i;
	bool h, gone, one, shown[2];
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
	b = (shrunk -> MERGED : 1);
	do
	:: k < 2 ->
		read_bucket(k);
		b = (b == MERGED -> MERGED : 2)
	:: else -> break
	od;
	assert(shown[0] && shown[1]);
close:
	atomic { !mutex -> live[me] = 0; newest = live[1 - me] }
}

init
{
	atomic {
		d_step { stamp[1] = 1; stamp[2] = 1 }
		if
		:: observer = 0
		:: observer = 1
		:: observer = SNAPS -> run getter()
		fi;
		run writer();
		run merger();
#ifdef CROSSED_LOCKS
		run other_merger();
#endif
		run snapshot(0);
		run snapshot(1)
	}
}
