/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * One-pass walks: a writer need not save what every walk that would need it has passed.
 *
 * Modelled: two buckets in the walk's order; a list of two live snapshots: in the first place two
 * walks, one after the other, each with a cursor that it publishes after each bucket; in the second
 * a handle, which may read any bucket again and has no cursor; a writer of bucket 0 and 1. A writer
 * asks every live snapshot with S >= the bucket's stamp, the snapshot's number and its cursor being
 * loads of their own.
 *
 * Not modelled: resizing (a walk has passed a bucket when its cursor is past the bucket's whole
 * range of prefixes), where images lie (history.pml), memory orders.
 *
 * Checked as in bucket.pml: whoever reads finds the bucket as of its opening.
 *
 * Source: calm's own. Rejected: a flag in each bucket for "walked"; it needs a store to each bucket,
 * and one flag for each walk.
 *
 * mutation CURSOR_FIRST: a walk publishes its cursor before it reads
 * mutation CURSOR_EQUAL: a writer saves nothing for a walk that is at its bucket
 * mutation NEWEST_ONLY: a writer asks the newest live snapshot alone
 * mutation ANY_WALK: a writer saves nothing if any walk has passed
 * mutation HANDLE_CURSOR: a handle's first reading publishes a cursor
 * mutation RESET_LATE: a new walk resets the cursor that it found after the increment
 * equivalent CURSOR_LOADED_FIRST: an old cursor with a new walk's number needs an opening between the
 *	two loads, and then the writer's epoch is not after the new walk's number
 */
#define BUCKETS 2
#define PLACES 2
#define SNAPS 3
#define IMAGES 3
#ifdef HANDLE_CURSOR
#define READS 2
#else
#define READS 1 /* at any time: a handle's read leaves nothing behind */
#endif

byte epoch = 1;
bool mutex;
byte live[PLACES];
byte cursor[PLACES]; /* the first bucket that may still be read */

bool locked[BUCKETS];
byte stamp[BUCKETS] = 1;
byte value[BUCKETS];
byte n_images[BUCKETS];
byte from[6], to[6], kept[6];

byte ideal[BUCKETS];
byte holds[(SNAPS + 1) * BUCKETS];
bool due;
byte due_bucket, due_value;

inline write(bucket, v)
{
	b = bucket;
	locked[b] = true;
	d_step { e = epoch; due = true; due_bucket = b; due_value = v }
	if
	:: stamp[b] == e
	:: else ->
		do
		:: i < PLACES ->
#ifdef CURSOR_LOADED_FIRST
			c = cursor[i];
			s = live[i];
#else
			s = live[i];
			c = cursor[i];
#endif
			d_step {
				if
				:: s && s >= stamp[b] ->
#ifdef CURSOR_EQUAL
					passed = c >= b && c;
#else
					passed = c > b;
#endif
					any = any || passed;
#ifdef NEWEST_ONLY
					if
					:: s > newest -> newest = s; need = !passed
					:: else
					fi
#else
					need = need || !passed
#endif
				:: else
				fi;
				i++
			}
		:: else -> break
		od;
#ifdef ANY_WALK
		need = need && !any;
#endif
		if
		:: need ->
			d_step {
				from[b * IMAGES + n_images[b]] = stamp[b];
				to[b * IMAGES + n_images[b]] = e - 1;
				kept[b * IMAGES + n_images[b]] = value[b];
				n_images[b]++
			}
		:: else
		fi;
		stamp[b] = e
	fi;
	d_step {
		value[b] = v;
		if
		:: due -> ideal[b] = v; due = false; due_bucket = 0; due_value = 0
		:: else
		fi;
		e = 0; s = 0; c = 0; i = 0; newest = 0; need = false; any = false; passed = false
	}
	locked[b] = false
}

proctype writer()
{
	byte b, e, s, c, i, newest;
	bool need, any, passed;
	write(0, 1);
	write(1, 2)
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
			assert(i < n_images[b] && kept[b * IMAGES + i] == holds[S * BUCKETS + b]);
			i = 0
		}
	:: st <= S && h -> goto again
	:: st <= S && !h ->
		v = value[b];
		if
		:: locked[b] || stamp[b] != st -> goto again
		:: else
		fi;
		assert(v == holds[S * BUCKETS + b])
	fi;
	d_step { h = false; st = 0; v = 0 }
}

inline open(place)
{
	atomic { !mutex -> mutex = true; S = epoch }
#ifndef RESET_LATE
	cursor[place] = 0;
#endif
	live[place] = S;
	d_step {
		if
		:: due -> ideal[due_bucket] = due_value; due = false; due_bucket = 0; due_value = 0
		:: else
		fi;
		holds[S * BUCKETS] = ideal[0];
		holds[S * BUCKETS + 1] = ideal[1];
		epoch++
	}
#ifdef RESET_LATE
	cursor[place] = 0;
#endif
	mutex = false
}

inline close(place)
{
	atomic { !mutex -> live[place] = 0; S = 0; b = 0 }
}

proctype walks()
{
	byte S, b, st, v, i, n;
	bool h;
	do
	:: n < 2 ->
		open(0);
		do
		:: b < BUCKETS ->
#ifdef CURSOR_FIRST
			cursor[0] = b + 1;
			read_bucket();
#else
			read_bucket();
			cursor[0] = b + 1;
#endif
			b++
		:: else -> break
		od;
		close(0);
		n++
	:: else -> break
	od
}

proctype handle()
{
	byte S, b, st, v, i, n;
	bool h;
	open(1);
	do
	:: n < READS ->
		if
		:: b = 0
		:: b = 1
		fi;
		read_bucket();
#ifdef HANDLE_CURSOR
		cursor[1] = b + 1;
#endif
		n++
	:: else -> break
	od;
	close(1)
}

init
{
	atomic {
		run writer();
		run walks();
		run handle()
	}
}
