/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* What tools/probe-cost has callgrind count: probe_job ROUNDS. One thread, the same instructions in each run. */
#include <calm/calm.h>
#include <stdio.h>
#include <stdlib.h>

#define KEYS 2000

static int sum_up(calm_key key, void *value, void *context)
{
	(void)key;
	*(unsigned long *)context += *(unsigned long *)value;
	return 0;
}

/* Every verb that has a probe: read sections, stores that retire tables and images, traversals, a snapshot. */
static int round_of(calm_map *map, unsigned long *values)
{
	unsigned long sum = 0;
	calm_snapshot *snapshot = NULL;
	void *found;
	int wrong = 0;

	for (uint64_t i = 1; i <= KEYS; i++)
		wrong |= calm_map_store(map, calm_word(i), &values[i % 16]) != CALM_OK;
	for (uint64_t i = 1; i <= KEYS; i++) {
		calm_read_begin();
		wrong |= calm_map_load(map, calm_word(i), &found) != CALM_OK;
		calm_read_end();
	}
	if (calm_map_snapshot(map, &snapshot) == CALM_OK) {
		for (uint64_t i = 1; i <= KEYS; i += 2)
			wrong |= calm_map_delete(map, calm_word(i)) != CALM_OK;
		wrong |= calm_snapshot_each(snapshot, sum_up, &sum);
		calm_snapshot_close(snapshot);
	}
	return wrong | calm_map_each(map, sum_up, &sum);
}

int main(int argc, char **argv)
{
	calm_status (*const kinds[])(calm_map **, const calm_options *) = {
		calm_hashmap_create, calm_treemap_create, calm_syncmap_create};
	static unsigned long values[16];
	int wrong = 0;

	for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
		calm_options options = CALM_OPTIONS_INIT;
		calm_map *map = NULL;
		options.seed = 1; /* the same tables each time */
		if (kinds[kind](&map, &options) != CALM_OK)
			return 1;
		for (int i = 0; i < (argc > 1 ? atoi(argv[1]) : 1); i++)
			wrong |= round_of(map, values);
		wrong |= calm_map_destroy(map);
	}
	return wrong != 0;
}
