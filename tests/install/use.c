/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* A user's program: every public header by itself and together, and a call into each part. C11 and C++17. */
#include <calm/base.h>
#include <calm/cell.h>
#include <calm/debug.h>
#include <calm/guard.h>
#include <calm/map.h>
#include <calm/snapshot.h>
#include <calm/calm.h>

#include <stdio.h>
#include <string.h>

#define CHECK(condition)                                                   \
	do {                                                               \
		if (!(condition)) {                                        \
			fprintf(stderr, "%d: %s\n", __LINE__, #condition); \
			return 1;                                          \
		}                                                          \
	} while (0)

static int count_visit(calm_key key, void *value, void *context)
{
	if (calm_key_is_word(key) && value != NULL)
		++*(int *)context;
	return 0;
}

static int words(void)
{
	static int value = 1;
	calm_map *map = NULL;
	calm_snapshot *snapshot = NULL;
	calm_cursor cursor;
	void *found = NULL;
	int visited = 0;

	CHECK(calm_lockmap_create(&map, NULL) == CALM_OK);
	CHECK(strcmp(calm_map_kind(map), "lockmap") == 0);
	CHECK(calm_map_store(map, calm_word(7), &value) == CALM_OK);
	CHECK(calm_map_snapshot(map, &snapshot) == CALM_OK);
	CHECK(calm_map_delete(map, calm_word(7)) == CALM_OK);
	CHECK(calm_map_load(map, calm_word(7), &found) == CALM_ABSENT);
	CHECK(calm_snapshot_load(snapshot, calm_word(7), &found) == CALM_OK && found == &value);
	CHECK(calm_snapshot_each(snapshot, count_visit, &visited) == 0 && visited == 1);
	CHECK(calm_cursor_init(&cursor, snapshot) == CALM_OK);
	CHECK(calm_cursor_next(&cursor, NULL, &found) == CALM_OK && found == &value);
	CHECK(calm_map_destroy(map) == CALM_EBUSY);
	calm_snapshot_close(snapshot);
	CHECK(calm_debug_check(map, NULL) == CALM_OK);
	CHECK(calm_map_destroy(map) == CALM_OK);
	return 0;
}

static int bytes(void)
{
	static int value = 2;
	calm_options options = CALM_OPTIONS_INIT;
	calm_map *map = NULL;
	void *found = NULL;

	options.keys = CALM_KEYS_BYTES;
	CHECK(calm_syncmap_create(&map, &options) == CALM_OK);
	CHECK(calm_map_store(map, calm_str("key"), &value) == CALM_OK);
	calm_read_begin();
	CHECK(calm_read_active());
	CHECK(calm_map_load(map, calm_bytes("key", 3), &found) == CALM_OK && found == &value);
	calm_read_end();
	CHECK(calm_map_store(map, calm_word(1), &value) == CALM_EKEY);
	CHECK(calm_map_destroy(map) == CALM_OK);
	return 0;
}

static int rest(void)
{
	static int value = 3;
	calm_cell cell;

	CHECK(calm_cell_init(&cell, &value, NULL, NULL) == CALM_OK);
	CHECK(calm_cell_load(&cell) == &value);
	CHECK(calm_cell_destroy(&cell) == CALM_OK);
	CHECK(calm_read_wait() == CALM_OK);
	CHECK(calm_guard_check() == 0);
	CHECK(strcmp(calm_version(), CALM_VERSION_STRING) == 0);
	CHECK(calm_strerror(CALM_EBUSY)[0] != '\0');
	return 0;
}

int main(void)
{
	return words() || bytes() || rest();
}
