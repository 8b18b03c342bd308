/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * One migration step, ../grow.pml, with its memory orders.
 *
 * Modelled: a bucket that moves to a new place (one child stands for two); the migrator; a writer of
 * the values 1 and 2, which follows MOVED; a thread that gets, opens a snapshot, reads it, gets, and
 * reads it again, with the images of both places.
 *
 * Not modelled: the root, which the parent's MOVED stands for; the freeing of the old table.
 *
 * Checked: gets never go back; the snapshot reads the same twice, and lies between the gets.
 *
 * Source and rejected: ../grow.pml.
 *
 * mutation LOCK: a writer takes the lock acq_rel
 * mutation MIGRATE_LOCK: the migrator takes the lock relaxed: it may copy what was before
 * mutation MOVED: MOVED is stored relaxed: it may show before the child is filled
 * mutation GET_HEADER: a get loads the header relaxed
 * mutation READ_HEADER: a snapshot's reader loads the header relaxed
 * mutation UNLOCK: a writer lets the lock go relaxed
 * mutation STAMP: the stamp is stored relaxed
 * mutation CHILD_STAMP: the child gets the current epoch for a stamp
 */
#define THREADS 3
/* clang-format off */
#define MUTATIONS(X) \
	X(LOCK) X(MIGRATE_LOCK) X(MOVED) X(GET_HEADER) X(READ_HEADER) X(UNLOCK) \
	X(STAMP) X(CHILD_STAMP)
/* clang-format on */
#include "weak.h"

#define LOCKED 1U
#define IS_MOVED 2U

struct bucket {
	word header;
	word stamp;
	word value;
	word tail;
	plain from[2], to[2], kept[2];
};

struct world {
	word epoch;
	word newest;
	struct bucket parent, child;
};

static void set_up(void)
{
	STORE(&w->epoch, 1, relaxed);
	STORE(&w->newest, 0, relaxed);
	struct bucket *both[] = {&w->parent, &w->child};
	for (int i = 0; i < 2; i++) {
		STORE(&both[i]->header, 0, relaxed);
		STORE(&both[i]->stamp, i == 0, relaxed);
		STORE(&both[i]->value, 0, relaxed);
		STORE(&both[i]->tail, 0, relaxed);
	}
}

/* Locks a bucket, or says that it has moved. */
static int lock(struct bucket *b)
{
	for (;; PAUSE()) {
		unsigned h = 0;
		if (CAS(&b->header, &h, LOCKED, ORDER(LOCK, sc, acq_rel)))
			return 1;
		/* A failed exchange loads relaxed: who follows MOVED looks again. */
		if (LOAD(&b->header, acquire) & IS_MOVED)
			return 0;
	}
}

static void write(unsigned value)
{
	struct bucket *b = &w->parent;
	if (!lock(b)) {
		b = &w->child;
		lock(b);
	}
	unsigned e = LOAD(&w->epoch, sc);
	unsigned stamp = LOAD(&b->stamp, relaxed);
	if (stamp != e) {
		if (LOAD(&w->newest, relaxed) >= stamp) {
			unsigned n = LOAD(&b->tail, relaxed);
			PUT(&b->from[n], stamp);
			PUT(&b->to[n], e - 1);
			PUT(&b->kept[n], LOAD(&b->value, relaxed));
			STORE(&b->tail, n + 1, release);
		}
		STORE(&b->stamp, e, ORDER(STAMP, release, relaxed));
	}
	STORE(&b->value, value, release);
	STORE(&b->header, 0, ORDER(UNLOCK, release, relaxed));
}

static void migrate(void)
{
	unsigned h = 0;
	while (!CAS(&w->parent.header, &h, LOCKED, ORDER(MIGRATE_LOCK, sc, relaxed))) {
		h = 0;
		PAUSE();
	}
	STORE(&w->child.value, LOAD(&w->parent.value, relaxed), relaxed);
	unsigned stamp = LOAD(mutate == (int)CHILD_STAMP ? &w->epoch : &w->parent.stamp, relaxed);
	STORE(&w->child.stamp, stamp, relaxed);
	STORE(&w->parent.header, IS_MOVED, ORDER(MOVED, release, relaxed));
}

static unsigned find(void)
{
	for (struct bucket *b = &w->parent;; PAUSE()) {
		unsigned h = LOAD(&b->header, ORDER(GET_HEADER, sc, relaxed));
		if (h & IS_MOVED) {
			b = &w->child;
			continue;
		}
		if ((h & LOCKED) && LOAD(&b->stamp, acquire) != LOAD(&w->epoch, sc))
			continue;
		unsigned value = LOAD(&b->value, acquire);
		if (((LOAD(&b->header, relaxed) ^ h) & ~LOCKED) == 0)
			return value;
	}
}

static int image(struct bucket *b, unsigned s, unsigned *value)
{
	unsigned n = LOAD(&b->tail, acquire);
	for (unsigned i = 0; i < n; i++) {
		if (GET(&b->from[i]) <= s && s <= GET(&b->to[i])) {
			*value = GET(&b->kept[i]);
			return 1;
		}
	}
	return 0;
}

static unsigned read_at(unsigned s)
{
	for (struct bucket *b = &w->parent;; PAUSE()) {
		unsigned value = 0;
		unsigned h = LOAD(&b->header, ORDER(READ_HEADER, sc, relaxed));
		if (h & IS_MOVED) {
			b = &w->child;
			continue;
		}
		unsigned stamp = LOAD(&b->stamp, acquire);
		if (stamp > s) {
			CHECK(image(b, s, &value) || image(&w->parent, s, &value));
			return value;
		}
		if (h & LOCKED)
			continue;
		value = LOAD(&b->value, acquire);
		if (LOAD(&b->header, relaxed) == h && LOAD(&b->stamp, relaxed) == stamp)
			return value;
	}
}

static void run(unsigned i)
{
	if (i == 0) {
		write(1);
		write(2);
	} else if (i == 1) {
		migrate();
	} else {
		unsigned before = find();
		unsigned s = LOAD(&w->epoch, relaxed);
		STORE(&w->newest, s, relaxed);
		ADD(&w->epoch, 1, sc);
		unsigned first = read_at(s);
		unsigned after = find();
		CHECK(before <= first && first <= after);
		CHECK(read_at(s) == first);
	}
}

MAIN
