/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A snapshot written to a file while writers run, and read back: a backup that needs no pause, and
 * takes as long as the disk likes.
 *
 * Writers move amounts between accounts, two keys in one calm_map_apply, so the sum is always the
 * same, also in the file. It is written beside its name and renamed: a backup is whole or absent.
 *
 * To build: cc snapshot_file.c $(pkg-config --cflags --libs calm); ./a.out [FILE]
 */
#include <calm/calm.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ACCOUNTS 5000
#define EACH 1000

static calm_map *accounts;
static atomic_bool over;
static atomic_ulong moves;
static atomic_uint failures;

static calm_key name_of(char text[32], uint64_t i)
{
	(void)snprintf(text, 32, "account %" PRIu64, i);
	return calm_str(text);
}

/* One thread to a half of the accounts: it alone changes them, so what it loads is still so. */
static void *mover(void *context)
{
	uint64_t half = (uint64_t)(uintptr_t)context;
	for (uint64_t i = 0; !over; i++) {
		char names[2][32];
		void *amounts[2] = {NULL, NULL};
		calm_change changes[2] = {{.remove = false}, {.remove = false}};
		for (int k = 0; k < 2; k++) {
			uint64_t number = (i * 7 + (uint64_t)k * 3) % (ACCOUNTS / 2);
			changes[k].key = name_of(names[k], half * (ACCOUNTS / 2) + number);
			failures += calm_map_load(accounts, changes[k].key, &amounts[k]) != CALM_OK;
		}
		if (!amounts[0])
			continue;
		changes[0].value = (void *)((uintptr_t)amounts[0] - 1);
		changes[1].value = (void *)((uintptr_t)amounts[1] + 1);
		failures += calm_map_apply(accounts, 2, changes) != CALM_OK;
		moves++;
	}
	return NULL;
}

static int write_one(calm_key key, void *value, void *context)
{
	return fprintf((FILE *)context, "%zu %.*s\t%" PRIuPTR "\n", key.size, (int)key.size,
		       (const char *)key.data, (uintptr_t)value) < 0;
}

static bool save(const char *name)
{
	char beside[512];
	calm_snapshot *snapshot;
	(void)snprintf(beside, sizeof(beside), "%s.new", name);
	FILE *file = fopen(beside, "w");
	if (!file || calm_map_snapshot(accounts, &snapshot) != CALM_OK)
		return false;
	bool good = calm_snapshot_each(snapshot, write_one, file) == 0 && fflush(file) == 0 &&
		    fsync(fileno(file)) == 0;
	calm_snapshot_close(snapshot);
	return fclose(file) == 0 && good && rename(beside, name) == 0;
}

/* Reads a backup into another map; what all accounts have, or 0: it is not whole. */
static uint64_t read_back(const char *name, calm_map *into)
{
	FILE *file = fopen(name, "r");
	uint64_t sum = 0, amount, size;
	char key[32];
	while (file &&
	       fscanf(file, "%" SCNu64 " %31[^\t]\t%" SCNu64 "\n", &size, key, &amount) == 3 &&
	       size == strlen(key) &&
	       calm_map_store(into, calm_bytes(key, size), (void *)(uintptr_t)amount) == CALM_OK)
		sum += amount;
	bool whole = file && feof(file) && calm_map_size(into) == ACCOUNTS;
	return file && fclose(file) == 0 && whole ? sum : 0;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "calm-snapshot.txt";
	pthread_t movers[2];
	char text[32];
	calm_options options = CALM_OPTIONS_INIT;
	options.keys = CALM_KEYS_BYTES;
	if (calm_hashmap_create(&accounts, &options) != CALM_OK)
		return 1;
	for (uint64_t i = 0; i < ACCOUNTS; i++)
		failures += calm_map_store(accounts, name_of(text, i), (void *)EACH) != CALM_OK;
	for (uintptr_t i = 0; i < 2; i++)
		if (pthread_create(&movers[i], NULL, mover, (void *)i) != 0)
			return 1;
	for (int backup = 0; backup < 5; backup++) {
		calm_map *copy;
		failures += !save(name) || calm_deltamap_create(&copy, &options) != CALM_OK ||
			    read_back(name, copy) != (uint64_t)ACCOUNTS * EACH ||
			    calm_map_destroy(copy) != CALM_OK;
	}
	over = true;
	pthread_join(movers[0], NULL);
	pthread_join(movers[1], NULL);
	printf("5 backups of %d accounts during %lu moves, %u failures\n", ACCOUNTS,
	       (unsigned long)moves, (unsigned)failures);
	failures += argc == 1 && unlink(name) != 0; /* no name was given: nobody wants it */
	return calm_map_destroy(accounts) == CALM_OK && failures == 0 ? 0 : 1;
}
