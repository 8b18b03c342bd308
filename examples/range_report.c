/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Reports over ranges of an ordered map while it is written.
 *
 * Sales lie under "city/time", so a city's are a range, in order of time; how many a city has lies
 * under "city". A seller adds the sale and raises the count in one calm_map_apply, which snapshots
 * see in one instant. So in every report the range has exactly as many sales as the count says, and
 * the latest ones, read from its end, come in falling order; the sellers never wait for a report.
 *
 * To build: cc range_report.c $(pkg-config --cflags --libs calm)
 */
#include <calm/calm.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define CITIES 4
#define SALES 20000 /* of a city */
#define LATEST 3

static const char *const cities[CITIES] = {"Bergen", "Bern", "Berlin", "Bari"};
static calm_map *sales;
static atomic_int selling; /* sellers */

/* Each city has one seller, who knows its count. */
static void *seller(void *context)
{
	const char *city = context;
	for (uintptr_t n = 1; n <= SALES; n++) {
		char sale[32];
		snprintf(sale, sizeof(sale), "%s/%010" PRIuPTR, city, n);
		calm_change changes[] = {{.key = calm_str(sale), .value = (void *)(n % 100)},
					 {.key = calm_str(city), .value = (void *)n}};
		if (calm_map_apply(sales, 2, changes) != CALM_OK)
			break;
	}
	selling--;
	return NULL;
}

struct report {
	uint64_t count;
	uint64_t sum;
};

static int add(calm_key key, void *value, void *context)
{
	struct report *report = context;
	(void)key;
	report->count++;
	report->sum += (uintptr_t)value;
	return 0;
}

/* The latest sales, newest first; stops the range after LATEST of them. */
static int list(calm_key key, void *value, void *context)
{
	uint64_t *seen = context;
	printf("  %.*s: %" PRIuPTR "\n", (int)key.size, (const char *)key.data, (uintptr_t)value);
	return ++*seen == LATEST;
}

/* One city as of a snapshot; true: the range and the count agree. */
static bool report_city(calm_snapshot *snapshot, const char *city, bool print)
{
	char first[32];
	char behind[32];
	snprintf(first, sizeof(first), "%s/", city);
	snprintf(behind, sizeof(behind), "%s0", city); /* 0 comes after / */
	calm_key from = calm_str(first);
	calm_key to = calm_str(behind);
	struct report report = {0, 0};
	void *count = NULL;
	uint64_t seen = 0;
	if (calm_snapshot_range(snapshot, &from, &to, add, &report) != 0 ||
	    calm_snapshot_load(snapshot, calm_str(city), &count) < CALM_OK)
		return false;
	if (print) {
		printf("%s: %" PRIu64 " sales, %" PRIu64 " in all; the latest:\n", city,
		       report.count, report.sum);
		if (calm_snapshot_range_descending(snapshot, &from, &to, list, &seen) < 0)
			return false;
	}
	return report.count == (uintptr_t)count;
}

int main(void)
{
	pthread_t threads[CITIES];
	calm_options options = CALM_OPTIONS_INIT;
	unsigned reports = 0;
	unsigned wrong = 0;
	options.keys = CALM_KEYS_BYTES;
	selling = CITIES;
	if (calm_treemap_create(&sales, &options) != CALM_OK)
		return 1;
	for (int i = 0; i < CITIES; i++)
		if (pthread_create(&threads[i], NULL, seller, (void *)(uintptr_t)cities[i]) != 0)
			return 1;
	for (bool last = false; !last; reports++) {
		calm_snapshot *snapshot;
		last = selling == 0;
		if (calm_map_snapshot(sales, &snapshot) != CALM_OK)
			return 1;
		for (int i = 0; i < CITIES; i++)
			wrong += !report_city(snapshot, cities[i], last);
		calm_snapshot_close(snapshot);
	}
	for (int i = 0; i < CITIES; i++)
		pthread_join(threads[i], NULL);
	wrong += calm_map_size(sales) != CITIES * (SALES + 1);
	printf("%u reports of %d cities, %u wrong\n", reports, CITIES, wrong);
	return calm_map_destroy(sales) == CALM_OK && wrong == 0 ? 0 : 1;
}
