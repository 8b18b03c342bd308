/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The process around the library: a section that was not opened aborts with a word; a fork leaves
 * the child usable, be it inside a section or while other threads read, write and retire; a thread
 * may exit inside a section; and no call touches errno, whether it succeeds or fails.
 */
#include "suite.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A test that hangs has failed. */
#define PATIENCE 60

/* ---- children ---- */

/* Where coverage is counted: an _exit() does not write the counts. */
int __llvm_profile_write_file(void) __attribute__((weak));

/*
 * Runs body in a child with a deadline; its exit status, as waitpid gives it, and what it said on
 * stderr.
 */
static int in_child(void (*body)(void *), void *context, char *said, size_t size)
{
	int ends[2];
	fflush(NULL);
	suite_check(pipe(ends) == 0);
	pid_t child = fork();
	suite_check(child >= 0);
	if (child == 0) {
		const struct rlimit none = {0, 0};
		(void)setrlimit(RLIMIT_CORE, &none);
		(void)signal(SIGALRM, SIG_DFL);
		alarm(PATIENCE / 2);
		if (said)
			(void)dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		body(context);
		if (__llvm_profile_write_file)
			(void)__llvm_profile_write_file();
		_exit(0);
	}
	close(ends[1]);
	size_t got = 0;
	ssize_t n = 1;
	while (said && n > 0 && got < size - 1) {
		n = read(ends[0], said + got, size - 1 - got);
		got += n > 0 ? (size_t)n : 0;
	}
	if (said)
		said[got] = '\0';
	close(ends[0]);
	int status = 0;
	suite_check(waitpid(child, &status, 0) == child);
	return status;
}

static void end_nothing(void *context)
{
	(void)context;
	calm_read_end();
}

static void end_once_too_often(void *context)
{
	(void)context;
	calm_read_begin();
	calm_read_begin();
	calm_read_end();
	calm_read_end();
	calm_read_end();
}

static void begin_too_often(void *context)
{
	(void)context;
	for (unsigned i = 0; i < 100000; i++)
		calm_read_begin();
}

static void begin_often(void *context)
{
	(void)context;
	for (unsigned i = 0; i < 60000; i++)
		calm_read_begin();
	for (unsigned i = 0; i < 60000; i++)
		calm_read_end();
	suite_check(!calm_read_active());
	suite_check(calm_read_wait() == CALM_OK);
}

static void assert_aborts(void (*body)(void *), const char *function)
{
	char said[1000];
	int status = in_child(body, NULL, said, sizeof(said));
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(said, "calm: "));
	assert_non_null(strstr(said, function));
}

static void unbalanced_sections_abort(void **state)
{
	(void)state;
	assert_aborts(end_nothing, "calm_read_end");
	assert_aborts(end_once_too_often, "calm_read_end");
	assert_aborts(begin_too_often, "calm_read_begin");
	assert_int_equal(in_child(begin_often, NULL, NULL, 0), 0);
}

/* ---- fork ---- */

static void count_release(void *pointer, void *context)
{
	free(pointer);
	atomic_fetch_add((_Atomic unsigned *)context, 1);
}

static int count_visits(calm_key key, void *value, void *context)
{
	(void)key;
	(void)value;
	++*(uint64_t *)context;
	return 0;
}

/* All that a process may do with calm, on maps of its own. */
static void use_calm(void *context)
{
	_Atomic unsigned released = 0;
	(void)context;
	for (unsigned i = 0; i < 1000; i++) {
		calm_read_begin();
		suite_check(calm_retire(malloc(8), count_release, &released) == CALM_OK);
		calm_read_end();
	}
	suite_check(calm_read_wait() == CALM_OK);
	suite_check(released == 1000);
	for (size_t k = 0; k < KIT_KINDS; k++) {
		struct suite on = {&kit_kinds[k], CALM_KEYS_BYTES};
		struct suite_items items = {0};
		uint64_t visits = 0;
		if (!kit_kind_exists(on.kind))
			continue;
		calm_map *map = suite_map(&on, &items, NULL);
		for (uint64_t i = 0; i < 300; i++)
			suite_check(calm_map_store(map, suite_key(&on, i % 100),
						   suite_item(&items, i)) == CALM_OK);
		suite_check(calm_map_each(map, count_visits, &visits) == 0 && visits == 100);
		suite_check(calm_map_delete(map, suite_key(&on, 1)) == CALM_OK);
		suite_check(calm_map_destroy(map) == CALM_OK);
		suite_check(items.live == 0);
	}
}

static void end_and_use_calm(void *context)
{
	suite_check(calm_read_active());
	suite_check(calm_read_wait() == CALM_EBUSY);
	calm_read_end();
	suite_check(!calm_read_active());
	use_calm(context);
}

static void fork_inside_a_section(void **state)
{
	(void)state;
	calm_read_begin();
	int status = in_child(end_and_use_calm, NULL, NULL, 0);
	assert_true(calm_read_active());
	calm_read_end();
	assert_int_equal(status, 0);
	use_calm(NULL);
}

struct busy {
	calm_map *maps[KIT_KINDS];
	struct suite on[KIT_KINDS];
	struct suite_items items;
	_Atomic bool stop;
	_Atomic unsigned running;
	_Atomic unsigned released;
};

/* Reads, writes, retires; one of them sits in sections nearly all the while. */
static void be_busy(unsigned index, void *context)
{
	struct busy *busy = context;
	struct kit_random random;
	kit_random_seed(&random, index);
	atomic_fetch_add(&busy->running, 1);
	while (!busy->stop && index == 1) {
		uint64_t began = kit_now_ns();
		calm_read_begin();
		while (kit_now_ns() - began < 1000000)
			;
		calm_read_end();
	}
	while (!busy->stop && index > 1) {
		size_t k = kit_random_below(&random, KIT_KINDS);
		void *value = NULL;
		if (!busy->maps[k])
			continue;
		calm_key key = suite_key(&busy->on[k], kit_random_below(&random, 50));
		calm_read_begin();
		if (calm_map_load(busy->maps[k], key, &value) == CALM_OK)
			(void)suite_item_number(value);
		calm_read_end();
		suite_check(calm_map_store(busy->maps[k], key, suite_item(&busy->items, 1)) ==
			    CALM_OK);
		suite_check(calm_retire(malloc(8), count_release, &busy->released) == CALM_OK);
	}
	if (index > 0) {
		suite_check(calm_read_wait() == CALM_OK);
		return;
	}
	while (busy->running < 4)
		;
	/*
	 * In the child, the section of another thread is no section, and its half-done work harms
	 * nobody.
	 */
	for (uint64_t i = suite_long(200); i > 0; i--)
		suite_check(in_child(use_calm, NULL, NULL, 0) == 0);
	busy->stop = true;
}

static void fork_while_others_are_busy(void **state)
{
#if SUITE_SLOWER > 1
	skip(); /* the sanitizers of gcc 12 leave their allocators locked in the child */
#endif
	struct busy busy = {.stop = false};
	(void)state;
	for (size_t k = 0; k < KIT_KINDS; k++) {
		busy.on[k] = (struct suite){&kit_kinds[k], CALM_KEYS_WORD};
		if (kit_kind_exists(&kit_kinds[k]))
			busy.maps[k] = suite_map(&busy.on[k], &busy.items, NULL);
	}
	suite_threads(4, be_busy, &busy);
	for (size_t k = 0; k < KIT_KINDS; k++)
		assert_int_equal(calm_map_destroy(busy.maps[k]), CALM_OK);
	assert_int_equal(busy.items.live, 0);
}

/* ---- thread exit ---- */

static void *exit_inside(void *context)
{
	struct suite_items *items = context;
	for (int i = 0; i < 3; i++)
		calm_read_begin();
	suite_check(calm_retire(suite_item(items, 1), suite_item_release, items) == CALM_OK);
	pthread_exit(NULL);
}

static void threads_may_exit_inside_a_section(void **state)
{
	struct suite_items items = {0};
	(void)state;
	alarm(PATIENCE);
	for (unsigned i = 0; i < 100; i++) {
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, exit_inside, &items), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_false(calm_read_active());
		assert_int_equal(calm_read_wait(), CALM_OK);
		assert_int_equal(items.live, 0);
	}
	assert_int_equal(items.released, 100);
	alarm(0);
}

/* ---- the last moments of a thread ---- */

static struct {
	pthread_key_t key;
	calm_map *map;
	struct suite_items items;
	_Atomic unsigned rounds;
} farewell;

/* Runs after calm's own destructor for the thread, which then has to run again. */
static void say_farewell(void *value)
{
	struct suite_item *item = suite_item(&farewell.items, 1);
	calm_read_begin();
	suite_check(calm_map_store(farewell.map, calm_word(1), item) == CALM_OK);
	suite_check(suite_item_number(item) == 1);
	calm_read_end();
	suite_check(calm_retire(suite_item(&farewell.items, 2), suite_item_release,
				&farewell.items) == CALM_OK);
	if (atomic_fetch_add(&farewell.rounds, 1) % 2 == 0)
		suite_check(pthread_setspecific(farewell.key, value) == 0);
}

static void *leave_with_farewell(void *context)
{
	calm_read_begin();
	calm_read_end();
	suite_check(pthread_setspecific(farewell.key, context) == 0);
	return NULL;
}

static void a_key_destructor_may_use_calm(void **state)
{
	enum { LEAVERS = 50 };
	struct suite on = {kit_kind_find("lockmap"), CALM_KEYS_WORD};
	(void)state;
	alarm(PATIENCE);
	assert_int_equal(calm_read_wait(), CALM_OK); /* calm's key comes before this one */
	assert_int_equal(pthread_key_create(&farewell.key, say_farewell), 0);
	farewell.map = suite_map(&on, &farewell.items, NULL);
	for (unsigned i = 0; i < LEAVERS; i++) {
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, leave_with_farewell, &farewell), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
	}
	assert_int_equal(farewell.rounds, 2 * LEAVERS);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(farewell.items.live, 1);
	suite_end(farewell.map, &farewell.items, NULL);
	assert_int_equal(pthread_key_delete(farewell.key), 0);
	alarm(0);
}

/* ---- errno ---- */

#define ERRNO 1234

/* Does the call, whatever it answers, and sees that errno is what it was. */
#define quietly(call)                           \
	do {                                    \
		errno = ERRNO;                  \
		(void)(call);                   \
		assert_int_equal(errno, ERRNO); \
	} while (0)

static int visit_none(calm_key key, void *value, void *context)
{
	(void)key;
	(void)value;
	(void)context;
	return 0;
}

static int differ_none(calm_key key, bool before, void *old_value, bool after, void *new_value,
		       void *context)
{
	(void)key;
	(void)(before && after && old_value == new_value && context);
	return 0;
}

static calm_status update_next(calm_key key, bool present, void **value, bool *keep, void *context)
{
	(void)key;
	(void)context;
	*value = present ? (char *)*value + 1 : NULL;
	*keep = true;
	return CALM_OK;
}

static void quiet_verbs(const struct suite *on, calm_map *map, calm_key key)
{
	calm_key keys[] = {key, suite_key(on, 2)};
	calm_change changes[] = {{key, NULL, false}, {suite_key(on, 2), NULL, true}};
	void *values[2];
	calm_status found[2];
	calm_stats stats;
	quietly(calm_map_store(map, key, suite_int(1)));
	quietly(calm_map_load(map, key, values));
	quietly(calm_map_swap(map, key, suite_int(2), values));
	quietly(calm_map_load_or_store(map, key, suite_int(3), values));
	quietly(calm_map_compare_and_swap(map, key, suite_int(2), suite_int(3)));
	quietly(calm_map_compare_and_swap(map, key, suite_int(2), suite_int(3)));
	quietly(calm_map_update(map, key, update_next, NULL));
	quietly(calm_map_compare_and_delete(map, key, suite_int(9)));
	quietly(calm_map_compare_and_delete(map, key, suite_int(4)));
	quietly(calm_map_delete(map, key));
	quietly(calm_map_load_and_delete(map, key, values));
	quietly(calm_map_load_many(map, 2, keys, values, found));
	quietly(calm_map_apply(map, 2, changes));
	quietly(calm_map_each(map, visit_none, NULL));
	quietly(calm_map_walk(map, visit_none, NULL));
	quietly(calm_map_reserve(map, 100));
	quietly(calm_map_reserve(map, SIZE_MAX));
	quietly(calm_map_size(map));
	quietly((calm_map_stats(map, &stats), 0));
	quietly(calm_map_kind(map));
	quietly(calm_debug_check(map, NULL));
}

static void quiet_snapshots(const struct suite *on, calm_map *map, calm_key key)
{
	calm_snapshot *snapshots[2] = {NULL, NULL};
	calm_cursor cursor = {.snapshot = NULL};
	void *value;
	calm_key at = suite_key(on, 1);
	quietly(calm_map_snapshot(map, &snapshots[0]));
	quietly(calm_map_destroy(snapshots[0] ? map : NULL));
	quietly(calm_map_store(map, at, suite_int(5)));
	quietly(calm_map_drain(map, &snapshots[1]));
	quietly(calm_snapshot_load(snapshots[0], key, &value));
	quietly(calm_snapshot_each(snapshots[0], visit_none, NULL));
	quietly(calm_snapshot_range(snapshots[0], NULL, NULL, visit_none, NULL));
	quietly(calm_snapshot_diff(snapshots[0], snapshots[1], differ_none, NULL));
	quietly(calm_snapshot_size(snapshots[0]));
	quietly(calm_snapshot_stamp(snapshots[0]));
	quietly(calm_cursor_init(&cursor, snapshots[1]));
	quietly(calm_cursor_seek(&cursor, at));
	quietly(calm_cursor_next(&cursor, &at, &value));
	quietly(calm_cursor_prev(&cursor, &at, &value));
	quietly((calm_snapshot_close(snapshots[0]), 0));
	quietly((calm_snapshot_close(snapshots[1]), 0));
}

/*
 * With memory and without, which sets errno in the allocator; with keys that are fine and that are
 * not.
 */
static void no_verb_touches_errno(void **state)
{
	const struct suite *on = *state;
	static const char nothing[1];
	for (unsigned round = 0; round < 4; round++) {
		struct suite_heap heap;
		calm_options options = suite_options(on);
		calm_map *map = NULL;
		calm_key key = round < 2 ? suite_key(on, 1)
					 : calm_bytes(nothing, CALM_KEY_SIZE_MAX + 1);
		suite_heap_init(&heap);
		options.allocator = &heap.allocator;
		quietly(on->kind->create(&map, &options));
		for (uint64_t i = 0; i < 30; i++) {
			quietly(calm_map_store(map, suite_key(on, i + 10), NULL));
			suite_heap_fail(&heap, round % 2, true);
		}
		quiet_verbs(on, map, key);
		quiet_snapshots(on, map, key);
		suite_heap_fail(&heap, round % 2, true);
		quietly(calm_map_clear(map));
		quietly(calm_map_clear(map));
		assert_true(round % 2 == 0 || heap.failed > 0);
		errno = ERRNO;
		suite_end(map, NULL, &heap);
		assert_int_equal(errno, ERRNO);
		suite_heap_fail(&heap, 1, true);
		quietly(on->kind->create(&map, &options));
		options.capacity = SIZE_MAX;
		quietly(on->kind->create(&map, &options));
	}
}

static void *attach_quietly(void *context)
{
	errno = ERRNO;
	calm_read_begin();
	calm_read_end();
	*(int *)context = errno;
	return NULL;
}

static void nothing_else_touches_errno(void **state)
{
	calm_cell cell;
	pthread_t thread;
	_Atomic unsigned released = 0;
	int other = 0;
	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		quietly((calm_read_begin(), 0));
		quietly(calm_read_active());
		quietly((calm_read_end(), 0));
		quietly(calm_retire(malloc(8), count_release, &released));
	}
	quietly(calm_read_wait());
	assert_int_equal(released, 500);
	quietly(calm_cell_init(&cell, malloc(8), count_release, &released));
	quietly(calm_cell_swap(&cell, malloc(8), NULL));
	quietly(calm_cell_compare_and_swap(&cell, NULL, NULL));
	quietly(calm_cell_destroy(&cell));
	quietly(calm_read_wait());
	quietly(calm_strerror(CALM_EBUSY));
	quietly(calm_guard_check());
	quietly(calm_version());
	assert_int_equal(pthread_create(&thread, NULL, attach_quietly, &other), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(other, ERRNO);
}

/* What cannot be written is the caller's to notice, with ferror(). */
static void dumping_into_the_void_keeps_errno(void **state)
{
	const struct suite *on = *state;
	calm_map *map = suite_map(on, NULL, NULL);
	FILE *full = fopen("/dev/full", "w");
	if (!full) {
		assert_int_equal(calm_map_destroy(map), CALM_OK);
		skip();
	}
	setvbuf(full, NULL, _IONBF, 0);
	quietly(calm_debug_dump(map, full));
	assert_true(ferror(full));
	quietly(calm_debug_threads(full));
	fclose(full);
	suite_end(map, NULL, NULL);
}

int main(int argc, char **argv)
{
	static const struct suite_test tests[] = {SUITE_TEST(no_verb_touches_errno),
						  SUITE_TEST(dumping_into_the_void_keeps_errno)};
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(unbalanced_sections_abort),
		cmocka_unit_test(fork_inside_a_section),
		cmocka_unit_test(fork_while_others_are_busy),
		cmocka_unit_test(threads_may_exit_inside_a_section),
		cmocka_unit_test(a_key_destructor_may_use_calm),
		cmocka_unit_test(nothing_else_touches_errno),
	};
	return suite_run(argc, argv, tests, SUITE_COUNT(tests), others, SUITE_COUNT(others));
}
