/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A process that ends with a core for the debugger's test: victim KIND word|bytes CLASS SEED. It knows of one pointer, `truth`, what
 * it is; check.py holds against that what calm-gdb.py makes of the core.
 *
 *	live      a value of the map, or a place inside it
 *	image     displaced, and an open snapshot sees it
 *	retired   displaced, and a reader that is inside a section since before
 *	freed     displaced, and released: just now, or many releases ago
 *	unknown   this program's own: never in a map
 *	broken    a key in a table has another value than it was stored with: calm check must say so
 *	busy      stopped in the middle of writes, walks, resizes; truth is a live value that nobody touches
 */
#include "kit/kinds.h"

#include <calm/calm.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VALUE_BYTES 200

/* The debugger reads these. */
void *volatile truth;
calm_map *volatile asked;
volatile uint64_t truth_key;

static const struct kit_kind *kind;
static calm_key_kind keys;
static uint64_t entries, state;
static char *heap; /* where it begins */

static uint64_t random_below(uint64_t n)
{
	state = state * 6364136223846793005U + 1442695040888963407U;
	return (state >> 33) % n;
}

static calm_key key_of(uint64_t n, char text[40])
{
	if (keys == CALM_KEYS_WORD)
		return calm_word(n);
	return calm_bytes(text, (size_t)snprintf(text, 40, "key %llu", (unsigned long long)n));
}

static void release(void *value, void *context)
{
	(void)context;
	free(value);
}

static void *value_new(void)
{
	char *value = malloc(VALUE_BYTES);
	if (value == NULL)
		exit(2);
	memset(value, 'v', VALUE_BYTES);
	return value;
}

static void *store(calm_map *map, uint64_t n)
{
	char text[40];
	void *value = value_new();
	if (calm_map_store(map, key_of(n, text), value) != CALM_OK)
		exit(2);
	return value;
}

static void *load(calm_map *map, uint64_t n)
{
	char text[40];
	void *value = NULL;
	if (calm_map_load(map, key_of(n, text), &value) != CALM_OK)
		exit(2);
	return value;
}

static calm_map *map_new(void)
{
	calm_options options = CALM_OPTIONS_INIT;
	calm_map *map;
	options.keys = keys;
	options.release = release;
	calm_status status = kind->create(&map, &options);
	if (status != CALM_OK)
		exit(status == CALM_EUNSUPPORTED ? 77 : 2);
	for (uint64_t n = 0; n < entries; n++)
		store(map, n);
	for (uint64_t n = 0; n < entries && random_below(2) == 0; n++)
		(void)load(map, n); /* syncmap promotes */
	return map;
}

/* ---- who stands inside a section, or works ---- */

static pthread_barrier_t inside;

static void *stay_inside(void *unused)
{
	calm_read_begin();
	pthread_barrier_wait(&inside);
	for (;;)
		(void)pause();
	return unused;
}

static void *write_on(void *map)
{
	for (uint64_t n = 0;; n++) {
		char text[40];
		uint64_t at = entries + n % (4 * entries);
		store(map, at);
		if (n / (4 * entries) % 2 == 1)
			(void)calm_map_delete(map, key_of(at, text));
	}
	return NULL;
}

static int look(calm_key key, void *value, void *context)
{
	(void)key;
	*(unsigned char *)context ^= *(unsigned char *)value;
	return 0;
}

static void *walk_on(void *map)
{
	unsigned char sum = 0;
	for (;;) {
		calm_snapshot *snapshot;
		(void)calm_map_each(map, look, &sum);
		if (calm_map_snapshot(map, &snapshot) != CALM_OK)
			continue;
		(void)calm_snapshot_each(snapshot, look, &sum);
		calm_snapshot_close(snapshot);
	}
	return NULL;
}

/* ---- the classes ---- */

static void make_image(calm_map *map, uint64_t n)
{
	static calm_snapshot *snapshot; /* stays open */
	truth = load(map, n);
	if (calm_map_snapshot(map, &snapshot) != CALM_OK)
		exit(77);
	store(map, n);
}

static void make_retired(calm_map *map, uint64_t n)
{
	pthread_t reader;
	pthread_barrier_init(&inside, NULL, 2);
	if (pthread_create(&reader, NULL, stay_inside, NULL) != 0)
		exit(2);
	pthread_barrier_wait(&inside);
	truth = load(map, n);
	store(map, n);
}

static void make_freed(calm_map *map, uint64_t n)
{
	void *held[64];
	truth = load(map, n);
	/* What is freed before it fills malloc's cache now and then, so that it goes elsewhere. */
	uint64_t before = random_below(10);
	for (uint64_t i = 0; i < before; i++)
		store(map, (n + 1 + i) % entries);
	for (int i = 0; i < 64; i++)
		held[i] = value_new(); /* so that it is not given out again */
	store(map, n);
	(void)calm_read_wait();
	if (random_below(2) == 0)
		return;
	for (uint64_t i = 0; i < 40; i++) { /* and now calm has forgotten it */
		(void)calm_retire(held[i], release, NULL);
		(void)calm_read_wait();
	}
}

static void make_unknown(void)
{
	static char global[64];
	static char *kept;
	kept = value_new();
	switch (random_below(3)) {
	case 0:
		truth = kept + random_below(VALUE_BYTES);
		break;
	case 1:
		truth = global;
		break;
	default:
		truth = &state;
	}
}

static void make_busy(calm_map *map, uint64_t n)
{
	pthread_t thread;
	truth = load(map, n);
	if (pthread_create(&thread, NULL, write_on, map) != 0 ||
	    pthread_create(&thread, NULL, write_on, map) != 0 ||
	    pthread_create(&thread, NULL, walk_on, map) != 0)
		exit(2);
	(void)usleep((useconds_t)(1000 + random_below(20000)));
}

/* Tables hold key and value side by side; this finds the pair wherever it is in the main heap. */
static void break_key(calm_map *map, uint64_t n)
{
	uint64_t pair[2] = {n, (uint64_t)(uintptr_t)load(map, n)};
	char *end = sbrk(0);
	unsigned found = 0;
	for (char *at = heap; at + sizeof pair <= end; at += 8) {
		if (memcmp(at, pair, sizeof pair) != 0)
			continue;
		*(volatile uint64_t *)(void *)at ^= (uint64_t)1 << 40;
		found++;
	}
	if (found == 0)
		exit(2);
}

int main(int argc, char **argv)
{
	if (argc != 5 || (kind = kit_kind_find(argv[1])) == NULL)
		return 2;
	/* What malloc gives is then 0x38, in a bucket: three entries, free for all to read. */
	(void)mallopt(M_PERTURB, 0x38 ^ 0xff);
	heap = sbrk(0);
	keys = strcmp(argv[2], "word") == 0 ? CALM_KEYS_WORD : CALM_KEYS_BYTES;
	state = strtoull(argv[4], NULL, 10) * 2 + 1;
	entries = 20 + random_below(300);
	calm_map *other = map_new();
	calm_map *map = map_new();
	uint64_t n = random_below(entries);
	asked = map;
	truth_key = n;
	if (strcmp(argv[3], "live") == 0)
		truth = (char *)load(map, n) +
			(random_below(2) == 0 ? 0 : random_below(VALUE_BYTES));
	else if (strcmp(argv[3], "image") == 0)
		make_image(map, n);
	else if (strcmp(argv[3], "retired") == 0)
		make_retired(map, n);
	else if (strcmp(argv[3], "freed") == 0)
		make_freed(map, n);
	else if (strcmp(argv[3], "unknown") == 0)
		make_unknown();
	else if (strcmp(argv[3], "broken") == 0)
		break_key(map, n + (n == 0));
	else if (strcmp(argv[3], "busy") == 0)
		make_busy(map, n);
	else
		return 2;
	(void)other;
	abort();
}
