/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The history's segments: the writers' logs of images, and when a segment may be used again.
 *
 * Modelled: two writers with a bucket and a log each. A log is a list of segments of one image, from
 * the tail back. Its owner takes back, oldest first and never the tail, the segments whose last `to`
 * is before the oldest live snapshot. Two snapshots; one of them reads. A reader
 * cannot tell whose log has the image that it needs, so it searches both, as far back as S may lie:
 * a log says what the last `to` at its tail is, stored after the tail and loaded before it, and each
 * segment says what the last `to` of the one before it was. So nothing is touched that may have been
 * taken back, and a search needs no read section.
 *
 * Not modelled: several images in a segment; the index, which holds copies; compaction; a log handed
 * over by a thread that exits; ousting; the
 * steps in a bucket (bucket.pml: here an unlocked one is read in one).
 *
 * Checked: a reader never looks at a segment that was taken back since it found the way to it, and
 * finds exactly the image that shows the bucket as of the opening.
 *
 * Source: an epoch as the bound of what a reader may need, as in Fraser, "Practical lock-freedom"
 * (2004), section 5.2.3, here with the snapshot's own number. Rejected: a reader's count on each
 * segment, a write to a shared line for each look.
 *
 * mutation FREE_EQUAL: a segment goes when its last `to` is the oldest live snapshot
 * mutation FREE_NEWEST: the newest live snapshot is the bound
 * mutation CLOSE_EARLY: a snapshot is closed before it is read
 * mutation CLOSE_FORGETS: closing one snapshot leaves no oldest, though another is open
 * mutation TAIL_UNCHECKED: a search steps onto the tail to see how far its images reach
 * mutation TAIL_LATE: the last `to` at the tail shows before the tail
 * mutation TOUCH_BEFORE: a search steps onto the segment before to see how far its images reach
 * mutation RESUME: a second search goes on from the segment that was the tail at the first
 * mutation LOG_AFTER_STAMP: the tail shows after the bucket's stamp
 */
#define SNAPS 2
#define WRITERS 2
#define SEGMENTS 3
#define NONE 255
#ifdef RESUME
#define READS 2
#else
#define READS 1 /* a read leaves nothing behind, and the writers are alike */
#endif
#define at(w, s) ((w) * SEGMENTS + (s))

byte epoch = 1;
byte newest;
byte oldest = NONE;
bool mutex, opened;
byte live[SNAPS];

/* Bucket w is written by writer w alone: nobody else waits for its lock, but readers see it. */
bool locked[WRITERS];
byte stamp[WRITERS] = 1;
byte value[WRITERS];

byte tail[WRITERS] = NONE;
byte tail_to[WRITERS];
bool used[6];
byte from[6], to[6], kept[6];
byte before[6], before_to[6]; /* the segment before, and its last `to` */
byte life[6];                 /* counts how often it was taken back */

byte ideal[WRITERS];
byte holds[(SNAPS + 1) * WRITERS];
bool due[WRITERS];
byte due_value[WRITERS];
byte observer;

inline append()
{
	d_step {
		s = 0;
		do
		:: used[at(w, s)] -> s++
		:: else -> break
		od;
		assert(s < SEGMENTS);
		used[at(w, s)] = true;
		from[at(w, s)] = was;
		to[at(w, s)] = e - 1;
		kept[at(w, s)] = value[w];
		before[at(w, s)] = tail[w];
		before_to[at(w, s)] = tail_to[w]
	}
#ifdef TAIL_LATE
	tail_to[w] = e - 1;
	tail[w] = s;
#else
	tail[w] = s;
	tail_to[w] = e - 1;
#endif
#ifdef FREE_NEWEST
	bound = newest;
#else
	bound = oldest;
#endif
	/* All but the tail that nobody may need: the list is short, and only its end goes. */
	d_step {
		s = 0;
		do
		:: s < SEGMENTS ->
			if
#ifdef FREE_EQUAL
			:: used[at(w, s)] && s != tail[w] && to[at(w, s)] <= bound ->
#else
			:: used[at(w, s)] && s != tail[w] && to[at(w, s)] < bound ->
#endif
				used[at(w, s)] = false;
				from[at(w, s)] = 0;
				to[at(w, s)] = 0;
				kept[at(w, s)] = 0;
				before[at(w, s)] = 0;
				before_to[at(w, s)] = 0;
				life[at(w, s)]++
			:: else
			fi;
			s++
		:: else -> break
		od;
		s = 0;
		bound = 0
	}
}

inline write(v)
{
	d_step { locked[w] = true; e = epoch; due[w] = true; due_value[w] = v; was = stamp[w] }
	n = newest;
#ifdef LOG_AFTER_STAMP
	stamp[w] = e;
#endif
	if
	:: was != e && n && n >= was -> append()
	:: else
	fi;
	stamp[w] = e;
	d_step {
		value[w] = v;
		if
		:: due[w] -> ideal[w] = v; due[w] = false
		:: else
		fi;
		due_value[w] = 0;
		locked[w] = false;
		e = 0;
		n = 0;
		was = 0
	}
}

proctype writer(byte w)
{
	byte e, n, s, was, bound;
	write(1);
	write(2)
}

/* Looks at the image in segment p of log c, to which a link was found in its life l. */
inline look()
{
	d_step {
		assert(used[at(c, p)] && life[at(c, p)] == l);
		if
		:: c == b && from[at(c, p)] <= S && S <= to[at(c, p)] ->
			assert(!found && kept[at(c, p)] == holds[S * WRITERS + b]);
			found = true
		:: else
		fi;
		more = to[at(c, p)] >= S;
#ifndef TOUCH_BEFORE
		more = more && before_to[at(c, p)] >= S;
#endif
		p = before[at(c, p)];
		l = (p != NONE -> life[at(c, p)] : 0)
	}
}

inline search()
{
	c = 0;
	found = false;
	do
	:: c < WRITERS ->
#ifdef RESUME
		skip;
		d_step { assert(!known[c] || (used[at(c, place[c])] && life[at(c, place[c])] == place_life[c])); p = 0 }
#endif
		more = tail_to[c] >= S;
#ifdef TAIL_UNCHECKED
		more = true;
#endif
		d_step {
			p = tail[c];
			l = (p != NONE -> life[at(c, p)] : 0);
#ifdef RESUME
			known[c] = p != NONE;
			place[c] = p;
			place_life[c] = l;
#endif
			more = more && p != NONE
		}
		do
		:: more && p != NONE -> look()
		:: else -> break
		od;
		skip;
		d_step { c++; p = 0; l = 0; more = false }
	:: else -> break
	od;
	assert(found);
	d_step { found = false; c = 0 }
}

inline read_bucket()
{
	skip;
again:
	skip;
	d_step { h = locked[b]; st = stamp[b]; v = value[b] }
	if
	:: st > S -> search()
	:: st <= S && h -> goto again
	:: st <= S && !h -> assert(v == holds[S * WRITERS + b])
	fi;
	d_step { h = false; st = 0; v = 0 }
}

inline close()
{
	atomic {
		!mutex -> live[me] = 0;
		newest = live[1 - me];
#ifdef CLOSE_FORGETS
		oldest = NONE;
#else
		oldest = (live[1 - me] -> live[1 - me] : NONE);
#endif
	}
}

proctype snapshot(byte me)
{
	byte S, b, c, p, l, st, v, i;
	bool h, found, more;
#ifdef RESUME
	bool known[WRITERS];
	byte place[WRITERS], place_life[WRITERS];
#endif
	me == 0 || opened;
	atomic {
		!mutex -> mutex = true;
		opened = true;
		S = epoch;
		live[me] = S;
		newest = S;
		oldest = (live[1 - me] -> live[1 - me] : S)
	}
	d_step {
		i = 0;
		do
		:: i < WRITERS ->
			if
			:: due[i] -> ideal[i] = due_value[i]; due[i] = false; due_value[i] = 0
			:: else
			fi;
			holds[S * WRITERS + i] = ideal[i];
			i++
		:: else -> break
		od;
		epoch++;
		mutex = false;
		i = 0
	}
#ifdef CLOSE_EARLY
	close();
#endif
	do
	:: observer == me && i < READS ->
		b = i;
		read_bucket();
		i++
	:: else -> break
	od;
#ifndef CLOSE_EARLY
	close()
#endif
}

init
{
	/* Reads change nothing: one observer at a time. */
	atomic {
		if
		:: observer = 0
		:: observer = 1
		fi;
		run writer(0);
		run writer(1);
		run snapshot(0);
		run snapshot(1)
	}
}
