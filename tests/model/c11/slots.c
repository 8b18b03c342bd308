/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Insert and delete, ../slots.pml, with their memory orders.
 *
 * Modelled: a bucket of one slot; a writer that deletes A, inserts B, deletes B and inserts A anew; two
 * gets at a time. Key and value are words of their own.
 *
 * Not modelled: snapshots (bucket.c: the lock is read through here), several slots.
 *
 * Checked: a get of A finds a value of A or nothing, and of B likewise.
 *
 * Source and rejected: ../slots.pml.
 *
 * mutation UNLOCK: the occupied bit is published relaxed
 * mutation STORE_KEY: the key is stored relaxed: it may show before the version changed
 * mutation STORE_VALUE: so may the value
 * mutation GET_HEADER: a get loads the header relaxed: it may see a slot occupied and not what is in it
 * mutation GET_KEY: a get loads the key relaxed
 * mutation GET_VALUE: a get loads the value relaxed
 * mutation NO_VERSION: no version
 */
#define THREADS 3
/* clang-format off */
#define MUTATIONS(X) \
	X(UNLOCK) X(STORE_KEY) X(STORE_VALUE) X(GET_HEADER) X(GET_KEY) X(GET_VALUE) \
	X(NO_VERSION)
/* clang-format on */
#include "weak.h"

#define LOCKED 1U
#define OCCUPIED 2U
#define VERSION 4U
#define A 1U
#define B 2U

struct world {
	word header;
	word key;
	word value;
};

static void set_up(void)
{
	STORE(&w->header, OCCUPIED, relaxed);
	STORE(&w->key, A, relaxed);
	STORE(&w->value, 10 * A, relaxed);
}

static unsigned lock(void)
{
	unsigned h = LOAD(&w->header, relaxed) & ~LOCKED;
	while (!CAS(&w->header, &h, h | LOCKED, sc)) {
		h &= ~LOCKED;
		PAUSE();
	}
	return h;
}

/* The header without the lock, the slot full or free, and a new version. */
static void publish(unsigned h, unsigned occupied)
{
	unsigned version = (h & ~(VERSION - 1)) + (mutate == (int)NO_VERSION ? 0 : VERSION);
	STORE(&w->header, version | occupied, ORDER(UNLOCK, release, relaxed));
}

static void erase(void)
{
	publish(lock(), 0);
}

static void insert(unsigned key, unsigned value)
{
	unsigned h = lock();
	STORE(&w->key, key, ORDER(STORE_KEY, release, relaxed));
	STORE(&w->value, value, ORDER(STORE_VALUE, release, relaxed));
	publish(h, OCCUPIED);
}

static unsigned find(unsigned key)
{
	for (;; PAUSE()) {
		unsigned value = 0;
		unsigned h = LOAD(&w->header, ORDER(GET_HEADER, sc, relaxed));
		if ((h & OCCUPIED) && LOAD(&w->key, ORDER(GET_KEY, acquire, relaxed)) == key)
			value = LOAD(&w->value, ORDER(GET_VALUE, acquire, relaxed));
		if (((LOAD(&w->header, relaxed) ^ h) & ~LOCKED) == 0)
			return value;
	}
}

static void run(unsigned i)
{
	if (i == 0) {
		erase();
		insert(B, 10 * B);
		erase();
		insert(A, 10 * A + 1);
	} else {
		unsigned key = i == 1 ? A : B;
		unsigned value = find(key);
		CHECK(value == 0 || value / 10 == key);
	}
}

MAIN
