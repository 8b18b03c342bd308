/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The bucket protocol of ../bucket.pml with its memory orders: {lock, stamp, value, image}.
 *
 * Modelled: two buckets; a writer that writes 1 to the first, 1 to the second, 2 to the first; another
 * that locks the first and writes nothing, as a migrator does; a thread that gets, opens a snapshot,
 * gets and reads it twice; a log of one image a bucket and epoch, found by its count as by the tail.
 * Parts of that as scenarios of their own.
 *
 * Not modelled: several snapshots, inserts (slots.c), migration (grow.c), reclamation (history.c).
 *
 * Checked: the snapshot is a cut of the writer's history (the first bucket is never behind the second,
 * and at most one ahead) and reads the same twice; it holds what a get before its opening found, and
 * no get after it finds less than it holds.
 *
 * Source and rejected: ../bucket.pml.
 *
 * mutation LOCK: the lock is taken acq_rel: it may show after the epoch was loaded
 * mutation EPOCH: a writer loads the epoch acquire
 * mutation INCREMENT: an opening increments acq_rel
 * mutation STAMP: the stamp is stored relaxed: it may show before the image
 * mutation VALUE: the value is stored relaxed: it may show before the stamp
 * mutation UNLOCK: the lock is let go relaxed
 * mutation GET_HEADER: a get loads the header relaxed
 * mutation GET_STAMP: a get loads the stamp relaxed: it may know that the writer it would have to wait
 *	for is done, and not see what it wrote
 * mutation READ_HEADER: a snapshot's reader loads the header acquire
 * mutation READ_STAMP: a snapshot's reader loads the stamp relaxed
 * mutation READ_VALUE: a snapshot's reader loads the value relaxed: it may not see the new stamp then
 * equivalent TAIL: the tail is stored relaxed; the stamp's release, which comes after, publishes it
 *	to a reader that waits for the stamp (not to one that searches other logs: history.c)
 * equivalent GET_EPOCH: a get that comes after an opening finds at least its epoch by coherence
 * equivalent GET_VALUE: with no slot to be freed there is nothing that must be seen with the value
 */
#define THREADS 3
/* clang-format off */
#define MUTATIONS(X) \
	X(LOCK) X(EPOCH) X(INCREMENT) X(TAIL) X(STAMP) X(VALUE) X(UNLOCK) \
	X(GET_HEADER) X(GET_STAMP) X(GET_EPOCH) X(GET_VALUE) X(READ_HEADER) \
	X(READ_STAMP) X(READ_VALUE)
/* clang-format on */
#include "weak.h"

#define BUCKETS 2
#define LOCKED 1U

struct bucket {
	word header;
	word stamp;
	word value;
	word tail; /* images in the log: image i shows the bucket in epochs [from, to] */
	plain from[2], to[2], kept[2];
};

struct world {
	word epoch;
	word newest;
	struct bucket buckets[BUCKETS];
	unsigned scenario;
};

static void set_up(void)
{
	w->scenario = CHOOSE(3);
	STORE(&w->epoch, 1, relaxed);
	STORE(&w->newest, 0, relaxed);
	for (int i = 0; i < BUCKETS; i++) {
		struct bucket *b = &w->buckets[i];
		STORE(&b->header, 0, relaxed);
		STORE(&b->stamp, 1, relaxed);
		STORE(&b->value, 0, relaxed);
		STORE(&b->tail, 0, relaxed);
	}
}

static void lock(struct bucket *b)
{
	unsigned unlocked = 0;
	while (!CAS(&b->header, &unlocked, LOCKED, ORDER(LOCK, sc, acq_rel))) {
		unlocked = 0;
		PAUSE();
	}
}

static void unlock(struct bucket *b)
{
	STORE(&b->header, 0, ORDER(UNLOCK, release, relaxed));
}

static void write(struct bucket *b, unsigned value)
{
	lock(b);
	unsigned e = LOAD(&w->epoch, ORDER(EPOCH, sc, acquire));
	unsigned stamp = LOAD(&b->stamp, relaxed);
	if (stamp != e) {
		if (LOAD(&w->newest, relaxed) >= stamp) {
			unsigned n = LOAD(&b->tail, relaxed);
			PUT(&b->from[n], stamp);
			PUT(&b->to[n], e - 1);
			PUT(&b->kept[n], LOAD(&b->value, relaxed));
			STORE(&b->tail, n + 1, ORDER(TAIL, release, relaxed));
		}
		STORE(&b->stamp, e, ORDER(STAMP, release, relaxed));
	}
	STORE(&b->value, value, ORDER(VALUE, release, relaxed));
	unlock(b);
}

static unsigned find(struct bucket *b)
{
	for (;;) {
		unsigned h = LOAD(&b->header, ORDER(GET_HEADER, sc, relaxed));
		if (!(h & LOCKED) || LOAD(&b->stamp, ORDER(GET_STAMP, acquire, relaxed)) ==
					     LOAD(&w->epoch, ORDER(GET_EPOCH, sc, relaxed)))
			return LOAD(&b->value, ORDER(GET_VALUE, acquire, relaxed));
		PAUSE();
	}
}

static unsigned read_at(struct bucket *b, unsigned s)
{
	for (;; PAUSE()) {
		unsigned h = LOAD(&b->header, ORDER(READ_HEADER, sc, acquire));
		unsigned stamp = LOAD(&b->stamp, ORDER(READ_STAMP, acquire, relaxed));
		if (stamp > s) {
			unsigned n = LOAD(&b->tail, acquire);
			for (unsigned i = 0; i < n; i++)
				if (GET(&b->from[i]) <= s && s <= GET(&b->to[i]))
					return GET(&b->kept[i]);
			CHECK(!"an image");
		}
		if (h & LOCKED)
			continue;
		unsigned value = LOAD(&b->value, ORDER(READ_VALUE, acquire, relaxed));
		if (LOAD(&b->header, relaxed) == h && LOAD(&b->stamp, relaxed) == stamp)
			return value;
	}
}

static unsigned open_snapshot(void)
{
	unsigned s = LOAD(&w->epoch, relaxed);
	STORE(&w->newest, s, relaxed);
	ADD(&w->epoch, 1, ORDER(INCREMENT, sc, acq_rel));
	return s;
}

/* All of it. */
static void cut(unsigned i)
{
	struct bucket *b = w->buckets;
	if (i == 0) {
		write(&b[0], 1);
		write(&b[1], 1);
		write(&b[0], 2);
	} else if (i == 1) {
		lock(&b[0]);
		unlock(&b[0]);
	} else {
		unsigned before = find(&b[0]);
		unsigned s = open_snapshot();
		unsigned after[BUCKETS] = {find(&b[0]), find(&b[1])};
		unsigned second = read_at(&b[1], s);
		unsigned first = read_at(&b[0], s);
		CHECK(first >= second && first <= second + 1);
		CHECK(before <= first && first <= after[0] && second <= after[1]);
		CHECK(read_at(&b[0], s) == first && read_at(&b[1], s) == second);
		CHECK(find(&b[0]) >= after[0]);
	}
}

/* One write, one snapshot: few steps, so that rare executions of them are met. */
static void reread(unsigned i)
{
	struct bucket *b = w->buckets;
	if (i == 0) {
		write(b, 1);
	} else if (i == 2) {
		unsigned s = open_snapshot();
		unsigned first = read_at(b, s);
		CHECK(read_at(b, s) == first);
	}
}

/* A get after the opening, while a writer from before it writes again. */
static void get_after(unsigned i)
{
	struct bucket *b = w->buckets;
	if (i == 0) {
		write(b, 1);
		write(b, 2);
	} else if (i == 2) {
		unsigned s = open_snapshot();
		unsigned after = find(b);
		CHECK(after >= read_at(b, s));
	}
}

static void run(unsigned i)
{
	if (w->scenario == 0)
		cut(i);
	else if (w->scenario == 1)
		reread(i);
	else
		get_after(i);
}

MAIN
