/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A leak: an entry is deleted from the map, and stays reachable from another chain.
 *
 *	read ──► table ──► entry ──► value          delete(key):  the slot in dirty = NULL, a plain store;
 *	                     ▲                                     the entry, and its value, stay in read
 *	dirty ─► table ──────┘
 *
 * Two tables share entries, as in Go's sync.Map. Delete clears the slot where it found the key. The other table still leads to the
 * entry, so nothing frees it; nobody looks for a deleted key, so nobody ever comes by.
 *
 * The rule: a value is released exactly once, after the last way to it is gone; so there must be one place that knows the last way.
 * Right: syncmap has the same two tables. An entry that is deleted lets go of its value at once (a compare-and-swap on the entry,
 * which both tables see), and the last table that has the entry frees it.
 *
 * Seen as: bytes that grow with each delete and never come back. The counts are exact, and the same in every run.
 */
#include "lab/victim.h"

#include <calm/calm.h>
#include <stdlib.h>

#define ROUNDS 50
#define KEYS 200
#define VALUE_BYTES 256

static _Atomic uint64_t live; /* bytes of values */

static void *value_new(void)
{
	void *value = malloc(VALUE_BYTES);
	if (value == NULL)
		abort();
	atomic_fetch_add(&live, VALUE_BYTES);
	return value;
}

static void value_free(void *value, void *context)
{
	(void)context;
	free(value);
	atomic_fetch_sub(&live, VALUE_BYTES);
}

/* ---- the wrong way ---- */

struct entry {
	void *value;
	struct entry *older; /* the chain that nobody thinks of: all that were ever read */
};

static struct entry *read_chain;
static struct entry *dirty[KEYS];

static void store_shared(uint64_t key)
{
	struct entry *entry = malloc(sizeof *entry);
	if (entry == NULL)
		abort();
	*entry = (struct entry){value_new(), read_chain};
	read_chain = entry;
	dirty[key] = entry;
}

/* The deed: one way to the entry is cut, with a plain store, and it is not the last. */
static void delete_shared(uint64_t key)
{
	dirty[key] = NULL;
}

static void store_and_delete(void (*store)(uint64_t key), void (*delete)(uint64_t key))
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (uint64_t key = 0; key < KEYS; key++)
			store(key);
		for (uint64_t key = 0; key < KEYS; key++)
			delete (key);
		lab_count("deletes", KEYS);
	}
}

static void judge(void)
{
	uint64_t left = atomic_load(&live);
	lab_count("bytes never returned", left);
	if (left > 0)
		lab_found("%llu bytes were never returned, %llu for each delete",
			  (unsigned long long)left, (unsigned long long)(left / (ROUNDS * KEYS)));
}

static void wrong(void)
{
	store_and_delete(store_shared, delete_shared);
	judge();
}

/* ---- the right way ---- */

static calm_map *map;

static void store_in_map(uint64_t key)
{
	void *value;
	if (calm_map_store(map, calm_word(key), value_new()) != CALM_OK)
		abort();
	(void)calm_map_load(map, calm_word(key),
			    &value); /* misses promote: then both tables have it */
}

static void delete_from_map(uint64_t key)
{
	if (calm_map_delete(map, calm_word(key)) != CALM_OK)
		lab_found("a key that was stored is not there");
}

static void right(void)
{
	calm_options options = CALM_OPTIONS_INIT;
	options.release = value_free;
	if (calm_syncmap_create(&map, &options) != CALM_OK)
		abort();
	store_and_delete(store_in_map, delete_from_map);
	(void)calm_read_wait();
	judge(); /* with the map still there */
	(void)calm_map_destroy(map);
}

static const struct lab_variant variants[] = {{"wrong", wrong}, {"right", right}, {NULL, NULL}};
const struct lab_case lab_leak = {"leak", variants};
