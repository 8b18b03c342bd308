/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A torn value: two words that belong together, read while they are written one by one.
 *
 *	writer                          reader
 *	1  account.total = 2
 *	                                2  total = 2, parts = 1: never stored
 *	3  account.parts = 2
 *
 * The rule: what must be seen together is published together, by one store. Two stores, whatever their order, have a between.
 * Right: the value is immutable; a new one is built, and the map's binding is changed to it. A reader has all of the old or all of
 * the new, and keeps it for as long as its section lasts.
 *
 * Seen as: values that were never stored. Each is counted.
 */
#include "lab/victim.h"

#include <calm/calm.h>
#include <stdlib.h>

struct account {
	volatile uint64_t total;
	volatile uint64_t parts; /* always the same number */
};

static struct account shared;
static calm_map *map; /* NULL: the wrong way */

static void release_account(void *account, void *context)
{
	(void)context;
	free(account);
}

/* The deed. */
static __attribute__((noinline)) void write_in_place(uint64_t number)
{
	shared.total = number;
	lab_did(1, "stores the first word", &shared);
	lab_at(3, "stores the second word", &shared);
	shared.parts = number;
	lab_did(3, NULL, NULL);
}

static void write_anew(uint64_t number)
{
	struct account *account = malloc(sizeof *account);
	if (account == NULL)
		abort();
	account->total = account->parts = number;
	if (calm_map_store(map, calm_word(1), account) != CALM_OK)
		abort();
}

static bool read_is_whole(void)
{
	uint64_t total, parts;
	void *value = &shared;
	lab_at(2, "reads both words", &shared);
	if (map != NULL) {
		calm_read_begin();
		if (calm_map_load(map, calm_word(1), &value) != CALM_OK)
			abort();
	}
	const struct account *account = value;
	total = account->total;
	parts = account->parts;
	if (map != NULL)
		calm_read_end();
	lab_did(2, total == parts ? NULL : "they are of different values", value);
	return total == parts;
}

static void work(unsigned number, void *context)
{
	(void)context;
	uint64_t torn = 0, reads = 0;
	for (uint64_t i = 1; number == 0 && (lab_replay ? i == 1 : lab_goes_on()); i++) {
		for (int k = 0; k < (lab_replay ? 1 : 100); k++) {
			if (map != NULL)
				write_anew(i);
			else
				write_in_place(100 * i + (uint64_t)k);
		}
	}
	while (number == 1 && (lab_replay ? reads == 0 : lab_goes_on())) {
		for (int k = 0; k < (lab_replay ? 1 : 100); k++)
			torn += !read_is_whole();
		reads += 100;
		if (torn > 0)
			lab_found("a reader got a value that was never stored");
	}
	if (number != 1)
		return;
	lab_count("reads", reads);
	lab_count("values never stored", torn);
}

static void run(void)
{
	static const char *const names[] = {"writer", "reader"};
	lab_together(2, names, work, NULL);
}

static void right(void)
{
	calm_options options = CALM_OPTIONS_INIT;
	options.release = release_account;
	if (calm_hashmap_create(&map, &options) != CALM_OK)
		abort();
	write_anew(0);
	run();
	(void)calm_map_destroy(map);
}

static const struct lab_variant variants[] = {{"wrong", run}, {"right", right}, {NULL, NULL}};
const struct lab_case lab_torn = {"torn", variants};
