/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Segments of the history that are taken back and filled again, ../history.pml, with memory orders.
 *
 * Modelled: two writers, each with a bucket, which it writes three times, and a log of three segments
 * of one image each; a thread that opens, reads twice and closes a snapshot, and one that does so
 * with two in turn; the mutex of the list of live snapshots. The images are plain memory, so that a segment
 * which is filled while it is read is a data race, which Relacy and GenMC report as such.
 *
 * Not modelled: the index; a log handed over.
 *
 * Checked: there is no race, and an image is the one of the epoch that was asked for.
 *
 * Source and rejected: ../history.pml.
 *
 * mutation CLOSE: a close stores the oldest live snapshot relaxed
 * mutation OLDEST: a writer loads it relaxed
 * mutation STAMP: the stamp is stored relaxed
 * mutation READ_STAMP: the stamp is loaded relaxed
 * mutation TAIL: a log's tail is stored relaxed
 * mutation TAIL_TO: the last `to` at its tail is stored relaxed
 * mutation READ_TAIL: the tail is loaded relaxed
 * mutation READ_TAIL_TO: the last `to` at the tail is loaded relaxed
 * mutation FREE_EQUAL: a segment goes when its last `to` is the oldest live snapshot
 * mutation TAIL_UNCHECKED: a search steps onto the tail to see how far its images reach
 */
#define THREADS 4
/* clang-format off */
#define MUTATIONS(X) \
	X(CLOSE) X(OLDEST) X(STAMP) X(READ_STAMP) X(TAIL) X(TAIL_TO) X(READ_TAIL) \
	X(READ_TAIL_TO) X(FREE_EQUAL) X(TAIL_UNCHECKED)
/* clang-format on */
#include "weak.h"

#define WRITERS 2
#define SEGMENTS 3U
#define NOBODY 1000U
#define LOCKED 1U

struct segment {
	plain from, to, kept, before, before_to;
};

struct bucket {
	word header;
	word stamp;
	word value;
	word tail; /* of the writer's log: a segment, and the last `to` in it */
	word tail_to;
	struct segment segments[SEGMENTS];
};

struct world {
	word epoch;
	word newest;
	word oldest;
	word mutex;
	plain live[2];
	struct bucket buckets[WRITERS];
};

static void set_up(void)
{
	STORE(&w->epoch, 1, relaxed);
	STORE(&w->newest, 0, relaxed);
	STORE(&w->oldest, NOBODY, relaxed);
	STORE(&w->mutex, 0, relaxed);
	PUT(&w->live[0], 0);
	PUT(&w->live[1], 0);
	for (int i = 0; i < WRITERS; i++) {
		struct bucket *b = &w->buckets[i];
		STORE(&b->header, 0, relaxed);
		STORE(&b->stamp, 1, relaxed);
		STORE(&b->value, 0, relaxed);
		STORE(&b->tail, SEGMENTS, relaxed);
		STORE(&b->tail_to, 0, relaxed);
	}
}

/* The writer's own: what each segment's last `to` is, 0 where it is free. */
static void append(struct bucket *b, unsigned to[SEGMENTS], unsigned stamp, unsigned e)
{
	unsigned oldest = LOAD(&w->oldest, ORDER(OLDEST, acquire, relaxed));
	unsigned tail = LOAD(&b->tail, relaxed);
	unsigned n = SEGMENTS;
	for (unsigned i = 0; i < SEGMENTS; i++) {
		if (i != tail && to[i] < oldest + (mutate == (int)FREE_EQUAL))
			to[i] = 0;
		if (to[i] == 0)
			n = i;
	}
	CHECK(n < SEGMENTS);
	struct segment *s = &b->segments[n];
	PUT(&s->from, stamp);
	PUT(&s->to, e - 1);
	PUT(&s->kept, LOAD(&b->value, relaxed));
	PUT(&s->before, tail);
	PUT(&s->before_to, LOAD(&b->tail_to, relaxed));
	to[n] = e - 1;
	STORE(&b->tail, n, ORDER(TAIL, release, relaxed));
	STORE(&b->tail_to, e - 1, ORDER(TAIL_TO, release, relaxed));
}

static void write(struct bucket *b, unsigned to[SEGMENTS], unsigned value)
{
	unsigned h = 0;
	CHECK(CAS(&b->header, &h, LOCKED, sc));
	unsigned e = LOAD(&w->epoch, sc);
	unsigned stamp = LOAD(&b->stamp, relaxed);
	if (stamp != e) {
		if (LOAD(&w->newest, relaxed) >= stamp)
			append(b, to, stamp, e);
		STORE(&b->stamp, e, ORDER(STAMP, release, relaxed));
	}
	STORE(&b->value, value, release);
	STORE(&b->header, 0, release);
}

/* As ../history.pml: all logs, and nothing is touched that does not reach to s. */
static unsigned search(struct bucket *b, unsigned s)
{
	unsigned found = NOBODY;
	for (int i = 0; i < WRITERS; i++) {
		struct bucket *c = &w->buckets[i];
		unsigned reach = LOAD(&c->tail_to, ORDER(READ_TAIL_TO, acquire, relaxed));
		unsigned n = LOAD(&c->tail, ORDER(READ_TAIL, acquire, relaxed));
		if (mutate == (int)TAIL_UNCHECKED && n < SEGMENTS)
			reach = GET(&c->segments[n].to);
		while (reach >= s) {
			CHECK(n < SEGMENTS);
			struct segment *p = &c->segments[n];
			if (c == b && GET(&p->from) <= s && s <= GET(&p->to))
				found = GET(&p->kept);
			reach = GET(&p->before_to);
			n = GET(&p->before);
		}
	}
	CHECK(found != NOBODY);
	return found;
}

static unsigned read_at(struct bucket *b, unsigned s)
{
	for (;; PAUSE()) {
		unsigned h = LOAD(&b->header, sc);
		unsigned stamp = LOAD(&b->stamp, ORDER(READ_STAMP, acquire, relaxed));
		if (stamp > s)
			return search(b, s);
		if (h & LOCKED)
			continue;
		unsigned value = LOAD(&b->value, acquire);
		if (LOAD(&b->header, relaxed) == h && LOAD(&b->stamp, relaxed) == stamp)
			return value;
	}
}

static void lock(void)
{
	unsigned unlocked = 0;
	for (; !CAS(&w->mutex, &unlocked, 1, acquire); unlocked = 0)
		PAUSE();
}

/* The list of live snapshots has a place for each of the two threads. Under the mutex. */
static void bounds(void)
{
	unsigned oldest = NOBODY;
	unsigned newest = 0;
	for (int i = 0; i < 2; i++) {
		unsigned s = GET(&w->live[i]);
		oldest = s && s < oldest ? s : oldest;
		newest = s > newest ? s : newest;
	}
	STORE(&w->newest, newest, relaxed);
	STORE(&w->oldest, oldest, ORDER(CLOSE, release, relaxed));
}

static unsigned open_snapshot(unsigned place)
{
	lock();
	unsigned s = LOAD(&w->epoch, relaxed);
	PUT(&w->live[place], s);
	bounds();
	ADD(&w->epoch, 1, sc);
	STORE(&w->mutex, 0, release);
	return s;
}

static void close_snapshot(unsigned place)
{
	lock();
	PUT(&w->live[place], 0);
	bounds();
	STORE(&w->mutex, 0, release);
}

static void run(unsigned i)
{
	unsigned to[SEGMENTS] = {0};
	struct bucket *b = &w->buckets[0];
	if (i % 3 == 0) {
		for (unsigned value = 1; value <= 3; value++)
			write(&w->buckets[i / 3], to, value);
	} else if (i == 1) {
		unsigned s = open_snapshot(0);
		unsigned first = read_at(b, s);
		CHECK(read_at(b, s) == first);
		close_snapshot(0);
	} else {
		unsigned last = 0;
		for (int n = 0; n < 2; n++) {
			unsigned s = open_snapshot(1);
			unsigned first = read_at(b, s);
			CHECK(first >= last);
			last = first;
			if (n == 0)
				close_snapshot(1);
		}
	}
}

MAIN
