/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A walk over a table that is being replaced by a larger or a smaller one.
 *
 *	walker                          writer
 *	1  table = current
 *	                                2  current = larger; free(table)
 *	3  table->slots[i]      the table is gone; and if it loads `current` anew for each slot,
 *	                        index i is elsewhere: what was behind it may be before it, and again behind
 *
 * The rule: a position must mean the same in the next table, and a table must outlive those who are in it.
 * Right: calm's hashmap chooses a bucket by the top bits of the hash, so a walk's position is a hash, which means the same in
 * every table; old tables are retired; and the walk is over one instant.
 *
 * Seen as: keys that were there all the time, and are skipped or shown twice; what the allocator wrote where a table was; SIGSEGV.
 */
#include "lab/victim.h"

#include <calm/calm.h>
#include <stdlib.h>
#include <string.h>

#define KEYS 4096
#define SMALL 8192U
#define LARGE 32768U

struct table {
	size_t size;
	_Atomic uint64_t slots[]; /* keys; 0: free */
};

static _Atomic(struct table *) current;
static calm_map *map; /* NULL: the wrong way */

static size_t bytes_of(size_t size)
{
	return sizeof(struct table) + size * sizeof(uint64_t);
}

static struct table *table_new(size_t size)
{
	struct table *table = lab_new(bytes_of(size));
	memset(table, 0, bytes_of(size));
	table->size = size;
	for (uint64_t key = 1; key <= KEYS; key++) {
		size_t at = key * 0x9e3779b97f4a7c15U % size;
		while (atomic_load_explicit(&table->slots[at], memory_order_relaxed) != 0)
			at = (at + 1) % size;
		atomic_store_explicit(&table->slots[at], key, memory_order_relaxed);
	}
	return table;
}

static __attribute__((noinline)) void replace(size_t size)
{
	struct table *table = table_new(size);
	lab_at(2, NULL, NULL);
	struct table *old = atomic_exchange(&current, table);
	uintptr_t address = (uintptr_t)old;
	lab_free(old, bytes_of(old->size));
	lab_freed(2, "puts another table there, frees it", address);
}

/* What a walk was shown. */
struct shown {
	uint8_t times[KEYS + 1];
	uint64_t alien;
};

static void show(struct shown *shown, uint64_t key)
{
	if (key == 0)
		return;
	if (key > KEYS)
		shown->alien++;
	else if (shown->times[key] < 2)
		shown->times[key]++;
}

/* The deed. */
static __attribute__((noinline)) void walk_tables(struct shown *shown)
{
	for (size_t i = 0;; i++) {
		struct table *table = atomic_load(&current);
		lab_did(1, "loads the table", table);
		lab_at(3, "looks into it", table);
		if (i >= table->size)
			return;
		show(shown, atomic_load(&table->slots[i]));
	}
}

static int visit(calm_key key, void *value, void *context)
{
	(void)value;
	if (calm_key_word(key) <= KEYS)
		show(context, calm_key_word(key));
	return 0;
}

static void walk(void)
{
	static struct shown shown;
	uint64_t skipped = 0, twice = 0;
	memset(&shown, 0, sizeof shown);
	if (map == NULL)
		walk_tables(&shown);
	else if (calm_map_walk(map, visit, &shown) != 0)
		abort();
	for (uint64_t key = 1; key <= KEYS; key++) {
		skipped += shown.times[key] == 0;
		twice += shown.times[key] == 2;
	}
	lab_count("walks", 1);
	lab_count("keys skipped", skipped);
	lab_count("keys shown twice", twice);
	lab_count("what is no key", shown.alien);
	if (skipped + twice + shown.alien > 0)
		lab_found("a walk skipped keys, or showed some twice");
}

/* As many keys again, and away: the table doubles, and halves. */
static void resize_map(void)
{
	for (uint64_t key = KEYS + 1; key <= 16 * KEYS; key++)
		(void)calm_map_store(map, calm_word(key), NULL);
	for (uint64_t key = KEYS + 1; key <= 16 * KEYS; key++)
		(void)calm_map_delete(map, calm_word(key));
}

static void work(unsigned number, void *context)
{
	(void)context;
	if (lab_replay) {
		if (number == 0)
			walk();
		else
			replace(LARGE);
		lab_at(4, NULL, NULL);
		return;
	}
	for (unsigned i = 0; lab_goes_on(); i++) {
		if (number == 0)
			walk();
		else if (map != NULL)
			resize_map();
		else
			replace(i % 2 == 0 ? LARGE : SMALL);
	}
}

static void run(void)
{
	static const char *const names[] = {"walker", "writer"};
	atomic_store(&current, table_new(SMALL));
	lab_together(2, names, work, NULL);
}

static void right(void)
{
	if (calm_hashmap_create(&map, NULL) != CALM_OK)
		abort();
	for (uint64_t key = 1; key <= KEYS; key++)
		(void)calm_map_store(map, calm_word(key), NULL);
	run();
	calm_stats stats;
	calm_map_stats(map, &stats);
	lab_count("resizes", stats.resizes);
	(void)calm_map_destroy(map);
}

static const struct lab_variant variants[] = {{"wrong", run}, {"right", right}, {NULL, NULL}};
const struct lab_case lab_resize = {"resize", variants};
