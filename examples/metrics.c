/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Counters that are collected at intervals: calm_map_drain takes all of them and leaves an empty map,
 * in one instant, so that nothing is counted twice or lost between two intervals.
 *
 * Threads count events by name with calm_map_update. The collector drains, adds up what it got, and
 * closes. At the end what it has and what the threads did must be the same, name by name.
 *
 * To build: cc metrics.c $(pkg-config --cflags --libs calm)
 */
#include <calm/calm.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#define COUNTERS 3
#define EVENTS 100000 /* of each thread */

static const char *const names[] = {"http.200", "http.404", "http.500", "cache.hit", "cache.miss"};
#define NAMES (sizeof(names) / sizeof(names[0]))

static calm_map *counts;
static atomic_uint running = COUNTERS;
static atomic_uint failures;
static atomic_ulong counted[NAMES];

static calm_status add_one(calm_key key, bool present, void **value, bool *keep, void *context)
{
	(void)key;
	(void)keep;
	(void)context;
	*value = (void *)((present ? (uintptr_t)*value : 0) + 1);
	return CALM_OK;
}

static void *counter(void *context)
{
	uint64_t random = (uint64_t)(uintptr_t)context;
	for (int i = 0; i < EVENTS; i++) {
		random = random * 6364136223846793005U + 1442695040888963407U;
		size_t which = (size_t)(random >> 33) % NAMES;
		failures += calm_map_update(counts, calm_str(names[which]), add_one, NULL) !=
			    CALM_OK;
		counted[which]++;
	}
	running--;
	return NULL;
}

/* The interval's counts are added to the sums of all intervals. */
static int collect_one(calm_key key, void *value, void *context)
{
	return calm_map_store(context, key, value) != CALM_OK;
}

static int add_up(calm_key key, void *value, void *context)
{
	void *before = NULL;
	(void)calm_map_load(context, key, &before);
	return collect_one(key, (void *)((uintptr_t)before + (uintptr_t)value), context);
}

int main(void)
{
	pthread_t threads[COUNTERS];
	calm_map *sums;
	calm_options options = CALM_OPTIONS_INIT;
	uint64_t intervals = 0;
	options.keys = CALM_KEYS_BYTES;
	if (calm_hashmap_create(&counts, &options) != CALM_OK ||
	    calm_lockmap_create(&sums, &options) != CALM_OK)
		return 1;
	for (uintptr_t i = 0; i < COUNTERS; i++)
		if (pthread_create(&threads[i], NULL, counter, (void *)(i + 1)) != 0)
			return 1;
	for (bool last = false; !last; intervals++) {
		const struct timespec interval = {0, 1000000};
		calm_snapshot *drained;
		last = running == 0; /* then there is one interval more to collect */
		if (calm_map_drain(counts, &drained) != CALM_OK)
			return 1;
		failures += calm_snapshot_each(drained, add_up, sums) != 0;
		calm_snapshot_close(drained);
		nanosleep(&interval, NULL);
	}
	for (int i = 0; i < COUNTERS; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < NAMES; i++) {
		void *sum = NULL;
		(void)calm_map_load(sums, calm_str(names[i]), &sum);
		printf("%-11s %8" PRIuPTR "\n", names[i], (uintptr_t)sum);
		failures += (uintptr_t)sum != counted[i];
	}
	printf("%" PRIu64 " intervals, %u failures\n", intervals, (unsigned)failures);
	failures += calm_map_destroy(counts) != CALM_OK || calm_map_destroy(sums) != CALM_OK;
	return failures == 0 ? 0 : 1;
}
