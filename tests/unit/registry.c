/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The list of all maps: who is in it, in which order, whatever goes when; and in a child. */
#include "map/kind.h"

#include "suite.h"

#include <sys/wait.h>
#include <unistd.h>

static uint64_t length(void)
{
	uint64_t n = 0;
	const struct calm_map *newer = NULL;
	calm__lock(&calm__maps.lock);
	for (const struct calm_map *map = calm__maps.newest; map; map = map->older, n++) {
		assert_ptr_equal(map->newer, newer);
		newer = map;
	}
	calm__unlock(&calm__maps.lock);
	return n;
}

static calm_map *make(void)
{
	calm_map *map = NULL;
	assert_int_equal(calm_lockmap_create(&map, NULL), CALM_OK);
	return map;
}

static void maps_are_listed_until_they_are_destroyed(void **state)
{
	(void)state;
	/* Which of three goes first, and which next. */
	static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					{1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	for (size_t i = 0; i < SUITE_COUNT(orders); i++) {
		calm_map *maps[3];
		for (uint64_t k = 0; k < 3; k++) {
			maps[k] = make();
			assert_ptr_equal(calm__maps.newest, maps[k]);
			assert_int_equal(length(), k + 1);
		}
		for (uint64_t k = 0; k < 3; k++) {
			assert_int_equal(calm_map_destroy(maps[orders[i][k]]), CALM_OK);
			assert_int_equal(length(), 2 - k);
		}
	}
}

static void what_could_not_be_made_is_not_listed(void **state)
{
	(void)state;
	calm_options options = CALM_OPTIONS_INIT;
	calm_map *map = NULL;
	options.shards = 1000000;
	assert_int_equal(calm_shardmap_create(&map, &options), CALM_EINVAL);
	assert_int_equal(length(), 0);
}

static void *make_and_destroy(void *stop)
{
	while (!atomic_load((atomic_bool *)stop))
		assert_int_equal(calm_map_destroy(make()), CALM_OK);
	return NULL;
}

/* The lock is taken all the time; a child finds it free, and the list whole. */
static void a_child_has_the_list(void **state)
{
	pthread_t threads[2];
	atomic_bool stop = false;
	(void)state;
	calm_map *map = make();
	for (size_t i = 0; i < SUITE_COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, make_and_destroy, &stop), 0);
	for (int i = 0; i < 20; i++) {
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			alarm(20);
			uint64_t before = length();
			calm_map *own = make();
			_exit(length() == before + 1 && calm_map_destroy(own) == CALM_OK ? 0 : 1);
		}
		int status = 0;
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	atomic_store(&stop, true);
	for (size_t i = 0; i < SUITE_COUNT(threads); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(length(), 1);
	assert_int_equal(calm_map_destroy(map), CALM_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_are_listed_until_they_are_destroyed),
		cmocka_unit_test(what_could_not_be_made_is_not_listed),
		cmocka_unit_test(a_child_has_the_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
