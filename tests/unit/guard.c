/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The guard from inside: arguments, modes, and that a healthy process has no finding, whatever it was built with. What it
 * finds under attack: tests/guard/attacks.sh.
 */
#include <calm/calm.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct seen {
	atomic_int count;
	char symbol[64], object[256];
	calm_map *map; /* walked from inside of the callback */
};

static int visit(calm_key key, void *value, void *context)
{
	(void)key;
	(void)value;
	++*(int *)context;
	return 0;
}

static void report(const calm_guard_finding *finding, void *context)
{
	struct seen *seen = context;
	int visited = 0;
	strncpy(seen->symbol, finding->symbol, sizeof(seen->symbol) - 1);
	strncpy(seen->object, finding->object, sizeof(seen->object) - 1);
	assert_non_null(strstr(finding->message, finding->symbol));
	atomic_fetch_add(&seen->count, 1);
	if (seen->map)
		assert_int_equal(calm_map_each(seen->map, visit, &visited), 0);
}

static const char *own_name(void)
{
	static char path[4096];
	ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
	assert_true(size > 0);
	return strrchr(path, '/') + 1;
}

static void arguments(void **state)
{
	(void)state;
	errno = 77;
	assert_int_equal(calm_guard_set((calm_guard_mode)3, NULL, NULL), CALM_EINVAL);
	assert_int_equal(calm_guard_set((calm_guard_mode)-1, NULL, NULL), CALM_EINVAL);
	assert_int_equal(calm_guard_allow(NULL), CALM_EINVAL);
	assert_int_equal(calm_guard_allow(""), CALM_EINVAL);
	assert_int_equal(calm_guard_allow("a/b"), CALM_EINVAL);
	assert_int_equal(calm_guard_set(CALM_GUARD_OFF, NULL, NULL), CALM_OK);
	assert_int_equal(errno, 77);
}

static void peace(void **state)
{
	struct seen seen = {0};
	calm_map *map;
	calm_snapshot *snapshot;
	calm_cursor cursor;
	(void)state;
	errno = 77;
	assert_int_equal(calm_guard_check(), 0);
	assert_int_equal(calm_guard_set(CALM_GUARD_REPORT, report, &seen), CALM_OK);
	assert_int_equal(calm_hashmap_create(&map, NULL), CALM_OK);
	assert_int_equal(calm_map_snapshot(map, &snapshot), CALM_OK);
	assert_int_equal(calm_cursor_init(&cursor, snapshot), CALM_OK);
	assert_int_equal(calm_guard_check(), 0);
	calm_snapshot_close(snapshot);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
	assert_int_equal(seen.count, 0);
	assert_int_equal(errno, 77);
	assert_int_equal(calm_guard_set(CALM_GUARD_OFF, NULL, NULL), CALM_OK);
}

/* This program calls, and only another may. */
static void callers(void **state)
{
	struct seen seen = {0};
	calm_map *map;
	calm_snapshot *snapshot;
	calm_cursor cursor;
	int visited = 0;
	(void)state;
	assert_int_equal(calm_hashmap_create(&map, NULL), CALM_OK);
	assert_int_equal(calm_guard_allow("libnobody.so.1"), CALM_OK);
	assert_int_equal(calm_guard_allow("libnobody.so.1"), CALM_OK);
	assert_int_equal(calm_map_each(map, visit, &visited), 0); /* off: nobody looks */
	assert_int_equal(seen.count, 0);
	seen.map = map;
	assert_int_equal(calm_guard_set(CALM_GUARD_REPORT, report, &seen), CALM_OK);
	errno = 77;
	assert_int_equal(calm_map_each(map, visit, &visited), 0);
	assert_int_equal(errno, 77);
	assert_int_equal(seen.count, 1);
	assert_string_equal(seen.symbol, "calm_map_each");
	assert_string_equal(seen.object, own_name());
	assert_int_equal(calm_map_each(map, visit, &visited), 0);
	assert_int_equal(seen.count, 1); /* told once */
	assert_int_equal(calm_map_walk(map, visit, &visited), 0);
	assert_int_equal(calm_map_snapshot(map, &snapshot), CALM_OK);
	assert_int_equal(calm_snapshot_each(snapshot, visit, &visited), 0);
	(void)calm_snapshot_range(snapshot, NULL, NULL, visit, &visited);
	(void)calm_snapshot_range_descending(snapshot, NULL, NULL, visit, &visited);
	assert_int_equal(calm_cursor_init(&cursor, snapshot), CALM_OK);
	assert_int_equal(seen.count, 6);
	calm_snapshot_close(snapshot);
	assert_int_equal(calm_guard_set(CALM_GUARD_REPORT, report, &seen), CALM_OK);
	assert_int_equal(calm_map_each(map, visit, &visited), 0);
	assert_int_equal(seen.count, 7); /* told anew */
	assert_int_equal(calm_guard_allow(own_name()), CALM_OK);
	assert_int_equal(calm_guard_set(CALM_GUARD_REPORT, report, &seen), CALM_OK);
	assert_int_equal(calm_map_each(map, visit, &visited), 0);
	assert_int_equal(seen.count, 7);
	assert_int_equal(calm_guard_set(CALM_GUARD_OFF, NULL, NULL), CALM_OK);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
}

static void *walks(void *map)
{
	int visited = 0;
	for (int i = 0; i < 200; i++)
		(void)calm_map_each(map, visit, &visited);
	return NULL;
}

/* Threads walk while the guard goes on and off. */
static void turning(void **state)
{
	struct seen seen = {0};
	pthread_t threads[2];
	calm_map *map;
	(void)state;
	assert_int_equal(calm_hashmap_create(&map, NULL), CALM_OK);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, walks, map), 0);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(calm_guard_set(CALM_GUARD_REPORT, report, &seen), CALM_OK);
		assert_int_equal(calm_guard_set(CALM_GUARD_OFF, NULL, NULL), CALM_OK);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(seen.count, 0);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
}

static void full(void **state)
{
	char name[16] = "module-a.so";
	calm_status status = CALM_OK;
	(void)state;
	for (int i = 0; i < 100 && status == CALM_OK; i++) {
		name[7] = (char)('0' + i % 64);
		status = calm_guard_allow(name);
	}
	assert_int_equal(status, CALM_ENOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments), cmocka_unit_test(peace), cmocka_unit_test(callers),
		cmocka_unit_test(turning),   cmocka_unit_test(full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
