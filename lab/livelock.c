/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Livelock: a walk that begins again when it finds that something has changed.
 *
 *	walker                          writer
 *	version is 7; walks …
 *	                                changes an entry; version = 8
 *	version is 8: begins again …
 *	                                changes an entry; version = 9
 *	…
 *
 * The rule: who checks at the end and tries again makes progress only if the others rest. A walk is longer than a write, so beside
 * a writer at full speed it never ends. (A sequence lock is this scheme; it is for reads that are short, and writes that are rare.)
 * Right: calm_map_walk is over one instant. It ends when it has seen everything, whatever writers do meanwhile.
 *
 * Seen as: rounds that rise, and no walk that ends, for as long as the writer writes.
 */
#include "lab/victim.h"

#include <calm/calm.h>
#include <stdlib.h>
#include <unistd.h>

#define ENTRIES (1 << 16)

static _Atomic uint64_t entries[ENTRIES];
static _Atomic uint64_t version;
static _Atomic unsigned ended; /* the walker has */
static calm_map *map;          /* NULL: the wrong way */

/* A visitor's work: eight times in a walk it waits for something. */
static void do_something(uint64_t entry)
{
	if (entry % (ENTRIES / 8) == 1)
		(void)usleep(1000);
}

/* The deed: all or nothing, and so nothing. Whether it came to its end. */
static bool walk_unchanged(uint64_t *sum)
{
	uint64_t before = atomic_load(&version);
	*sum = 0;
	for (unsigned i = 0; i < ENTRIES; i++) {
		do_something(i);
		*sum += atomic_load_explicit(&entries[i], memory_order_acquire);
	}
	return atomic_load(&version) == before;
}

static int add(calm_key key, void *value, void *context)
{
	(void)key;
	(void)value;
	do_something(++*(uint64_t *)context);
	return 0;
}

static void walk(void)
{
	uint64_t rounds = 0, walks = 0;
	do {
		uint64_t sum = 0;
		rounds++;
		if (map == NULL)
			walks += walk_unchanged(&sum);
		else
			walks += calm_map_walk(map, add, &sum) == 0 && sum == ENTRIES;
	} while (lab_time_left());
	atomic_store(&ended, 1);
	lab_count("rounds", rounds);
	lab_count("walks that ended", walks);
	if (walks * 2 < rounds)
		lab_found("%llu rounds, and %llu walks that ended", (unsigned long long)rounds,
			  (unsigned long long)walks);
}

static void work(unsigned number, void *context)
{
	(void)context;
	if (number == 0) {
		walk();
		return;
	}
	for (uint64_t random = number; atomic_load(&ended) == 0;) {
		uint64_t at = lab_random(&random) % ENTRIES;
		if (map != NULL) {
			(void)calm_map_store(map, calm_word(at), (void *)(uintptr_t)random);
			continue;
		}
		atomic_store_explicit(&entries[at], random, memory_order_relaxed);
		atomic_fetch_add(&version, 1);
	}
}

static void run(void)
{
	static const char *const names[] = {"walker", "writer", "writer"};
	lab_together(3, names, work, NULL);
}

static void right(void)
{
	if (calm_hashmap_create(&map, NULL) != CALM_OK)
		abort();
	for (uint64_t i = 0; i < ENTRIES; i++)
		(void)calm_map_store(map, calm_word(i), NULL);
	run();
	(void)calm_map_destroy(map);
}

static const struct lab_variant variants[] = {{"wrong", run}, {"right", right}, {NULL, NULL}};
const struct lab_case lab_livelock = {"livelock", variants};
