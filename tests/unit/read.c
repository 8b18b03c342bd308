/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Read sections and deferred release: nothing goes while a section that could see it is open,
 * everything goes after, once; the bound on what waits; stalls; threads that exit; fork; release
 * functions that use calm; no memory.
 */
#include <calm/calm.h>

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define BACKLOG 4096
#define BLOCK 168

static atomic_long released;
static atomic_bool fail_malloc;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return atomic_load(&fail_malloc) ? NULL : __real_malloc(size);
}

static long scale(void)
{
	const char *text = getenv("CALM_TEST_SCALE");
	long n = text ? atol(text) : 1;
	return n > 0 ? n : 1;
}

static void count(void *pointer, void *context)
{
	(void)context;
	free(pointer);
	atomic_fetch_add(&released, 1);
}

static void retire_one(void)
{
	assert_int_equal(calm_retire(malloc(8), count, NULL), CALM_OK);
}

/* A thread that sits in a section until told to leave. */
struct reader {
	pthread_t thread;
	atomic_int state; /* 1: inside; 2: leave */
	int id;
	bool exits_inside;
};

static void *sit(void *pointer)
{
	struct reader *reader = pointer;
	pthread_setname_np(pthread_self(), "sitter");
	reader->id = (int)syscall(SYS_gettid);
	calm_read_begin();
	atomic_store(&reader->state, 1);
	while (atomic_load(&reader->state) != 2)
		sched_yield();
	if (!reader->exits_inside)
		calm_read_end();
	return NULL;
}

static void reader_start(struct reader *reader)
{
	atomic_store(&reader->state, 0);
	assert_int_equal(pthread_create(&reader->thread, NULL, sit, reader), 0);
	while (atomic_load(&reader->state) != 1)
		sched_yield();
}

static void reader_stop(struct reader *reader)
{
	atomic_store(&reader->state, 2);
	pthread_join(reader->thread, NULL);
}

static void sections_nest(void **state)
{
	(void)state;
	assert_false(calm_read_active());
	calm_read_begin();
	calm_read_begin();
	calm_read_end();
	assert_true(calm_read_active());
	assert_int_equal(calm_read_wait(), CALM_EBUSY);
	calm_read_end();
	assert_false(calm_read_active());
	assert_int_equal(calm_read_wait(), CALM_OK);
}

static void nothing_goes_while_a_section_is_open(void **state)
{
	(void)state;
	atomic_store(&released, 0);
	struct reader reader = {0};
	reader_start(&reader);
	for (int i = 0; i < 10 * BLOCK; i++)
		retire_one();
	assert_int_equal(atomic_load(&released), 0);
	reader_stop(&reader);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(atomic_load(&released), 10 * BLOCK);
}

static void a_section_begun_later_is_not_waited_for(void **state)
{
	(void)state;
	atomic_store(&released, 0);
	for (int i = 0; i < BLOCK - 1; i++)
		retire_one();
	retire_one(); /* seals the block: it is due before the reader comes */
	struct reader reader = {0};
	reader_start(&reader);
	for (int i = 0; i < BLOCK; i++)
		retire_one();
	assert_true(atomic_load(&released) >= BLOCK);
	assert_true(atomic_load(&released) < 2 * BLOCK);
	reader_stop(&reader);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(atomic_load(&released), 2 * BLOCK);
}

struct retirer {
	pthread_t thread;
	long n;
	unsigned seed;
};

static void *retire_many(void *pointer)
{
	struct retirer *retirer = pointer;
	for (long i = 0; i < retirer->n;) {
		calm_read_begin();
		for (int k = rand_r(&retirer->seed) % 8; k >= 0 && i < retirer->n; k--, i++)
			retire_one();
		calm_read_end();
	}
	return NULL;
}

/* The bound stated in docs/memory-model.md; here a thread retires at most 8 in a section. */
static void backlog_stays_within_its_bound(void **state)
{
	(void)state;
	enum { THREADS = 16 };
	long n = 62500 * scale();
	atomic_store(&released, 0);
	struct retirer retirers[THREADS];
	calm_stats before;
	calm_map_stats(NULL, &before);
	for (int i = 0; i < THREADS; i++) {
		retirers[i] = (struct retirer){.n = n, .seed = (unsigned)i};
		assert_int_equal(
			pthread_create(&retirers[i].thread, NULL, retire_many, &retirers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(retirers[i].thread, NULL);
	calm_stats stats;
	calm_map_stats(NULL, &stats);
	/* peak is the sum of every record's own, so of this test's threads and the few before it */
	if (stats.stalls == before.stalls)
		assert_true(stats.retired_peak <= (THREADS + 4) * (uint64_t)(BACKLOG + BLOCK + 8));
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(atomic_load(&released), THREADS * n);
	calm_map_stats(NULL, &stats);
	assert_int_equal(stats.retired, 0);
	print_message("%ld retired by %d threads: peak %lu, bound %lu, waiting at the end %lu\n",
		      THREADS * n, THREADS, (unsigned long)stats.retired_peak,
		      (unsigned long)(THREADS + 4) * (BACKLOG + BLOCK + 8),
		      (unsigned long)stats.retired);
}

static void a_stall_is_counted_and_named(void **state)
{
	(void)state;
	atomic_store(&released, 0);
	calm_stats before, during, after;
	calm_map_stats(NULL, &before);
	struct reader reader = {0};
	reader_start(&reader);
	for (int i = 0; i < 2 * BACKLOG; i++)
		retire_one();
	calm_map_stats(NULL, &during);
	assert_int_equal(during.stalls, before.stalls + 1);
	assert_int_equal(during.stalled_thread, reader.id);
	assert_string_equal(during.stalled_name, "sitter");
	assert_int_equal(atomic_load(&released), 0);
	reader_stop(&reader);
	assert_int_equal(calm_read_wait(), CALM_OK);
	calm_map_stats(NULL, &after);
	assert_int_equal(after.stalled_thread, 0);
	assert_int_equal(after.retired, 0);
	assert_int_equal(atomic_load(&released), 2 * BACKLOG);
}

static void *retire_and_exit(void *pointer)
{
	for (long i = 0; i < *(long *)pointer; i++)
		retire_one();
	return NULL;
}

static void a_thread_that_exits_hands_over(void **state)
{
	(void)state;
	atomic_store(&released, 0);
	struct reader reader = {0};
	reader_start(&reader); /* keeps the exiting threads from releasing it themselves */
	long n = 37;
	enum { THREADS = 300 };
	for (int i = 0; i < THREADS; i++) {
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, retire_and_exit, &n), 0);
		pthread_join(thread, NULL);
	}
	assert_int_equal(atomic_load(&released), 0);
	reader_stop(&reader);
	for (int i = 0; i < 2 * BLOCK; i++) /* any thread that settles helps */
		retire_one();
	assert_true(atomic_load(&released) > 2 * BLOCK);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(atomic_load(&released), THREADS * n + 2 * BLOCK);
}

static void a_thread_may_exit_inside_a_section(void **state)
{
	(void)state;
	struct reader reader = {.exits_inside = true};
	reader_start(&reader);
	reader_stop(&reader);
	alarm(20);
	assert_int_equal(calm_read_wait(), CALM_OK);
	alarm(0);
}

/* What works in a child: 0, or the number of the step that did not. */
static int child_of_a_section(void)
{
	alarm(20);
	if (!calm_read_active())
		return 1;
	calm_read_end();
	if (calm_read_wait() != CALM_OK) /* the sitter's section does not exist here */
		return 2;
	if (atomic_load(&released) != 10) /* retired by the parent before the fork */
		return 3;
	for (int i = 0; i < 2 * BLOCK; i++)
		if (calm_retire(malloc(8), count, NULL) != CALM_OK)
			return 4;
	if (calm_read_wait() != CALM_OK || atomic_load(&released) != 10 + 2 * BLOCK)
		return 5;
	return 0;
}

static void fork_leaves_the_child_usable(void **state)
{
	(void)state;
	atomic_store(&released, 0);
	struct reader reader = {0};
	reader_start(&reader);
	for (int i = 0; i < 10; i++)
		retire_one();
	calm_read_begin();
	pid_t child = fork();
	if (child == 0)
		_exit(child_of_a_section());
	calm_read_end();
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	reader_stop(&reader);
	assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(atomic_load(&released), 10);
}

static void again(void *pointer, void *context)
{
	long *left = context;
	if ((*left)-- > 0)
		assert_int_equal(calm_retire(malloc(8), again, left), CALM_OK);
	assert_int_equal(calm_read_wait(), CALM_EBUSY);
	assert_false(calm_read_active());
	free(pointer);
	atomic_fetch_add(&released, 1);
}

static void a_release_may_retire(void **state)
{
	(void)state;
	atomic_store(&released, 0);
	long left = 1000;
	assert_int_equal(calm_retire(malloc(8), again, &left), CALM_OK);
	while (left >= 0)
		assert_int_equal(calm_read_wait(), CALM_OK);
	assert_int_equal(atomic_load(&released), 1001);
}

static void destroy_map(void *pointer, void *context)
{
	(void)context;
	assert_int_equal(calm_map_destroy(pointer), CALM_OK);
	atomic_fetch_add(&released, 1);
}

static void a_release_may_destroy_a_map(void **state)
{
	(void)state;
	atomic_store(&released, 0);
	calm_options options = CALM_OPTIONS_INIT;
	calm_map *outer, *inner;
	options.release = destroy_map;
	assert_int_equal(calm_lockmap_create(&outer, &options), CALM_OK);
	options.release = count;
	for (uint64_t i = 0; i < 20; i++) {
		assert_int_equal(calm_lockmap_create(&inner, &options), CALM_OK);
		assert_int_equal(calm_map_store(inner, calm_word(i), malloc(8)), CALM_OK);
		assert_int_equal(calm_map_store(inner, calm_word(i), malloc(8)), CALM_OK);
		assert_int_equal(calm_map_store(outer, calm_word(i % 10), inner), CALM_OK);
	}
	assert_int_equal(calm_map_destroy(outer), CALM_OK);
	assert_int_equal(atomic_load(&released), 20 + 40);
}

/* A release that takes its time: destroy on another thread must wait for it. */
static atomic_int slow_state;

static void slow(void *pointer, void *context)
{
	(void)context;
	atomic_store(&slow_state, 1);
	usleep(100000);
	atomic_store(&slow_state, 2);
	free(pointer);
}

static void *wait_on_another_thread(void *pointer)
{
	(void)pointer;
	calm_read_wait();
	return NULL;
}

static void destroy_waits_for_a_running_release(void **state)
{
	(void)state;
	atomic_store(&slow_state, 0);
	calm_options options = CALM_OPTIONS_INIT;
	options.release = slow;
	calm_map *map;
	assert_int_equal(calm_lockmap_create(&map, &options), CALM_OK);
	assert_int_equal(calm_map_store(map, calm_word(1), malloc(8)), CALM_OK);
	assert_int_equal(calm_map_delete(map, calm_word(1)), CALM_OK);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, wait_on_another_thread, NULL), 0);
	while (atomic_load(&slow_state) == 0)
		sched_yield();
	assert_int_equal(calm_map_destroy(map), CALM_OK);
	assert_int_equal(atomic_load(&slow_state), 2);
	pthread_join(thread, NULL);
}

static void *without_memory(void *pointer)
{
	(void)pointer;
	void *object = malloc(8), *other = malloc(8);
	atomic_store(&fail_malloc, true);
	/* A fresh record has no block: outside a section calm waits and releases, inside it
	 * cannot. */
	assert_int_equal(calm_retire(object, count, NULL), CALM_OK);
	assert_int_equal(atomic_load(&released), 1);
	calm_read_begin();
	assert_int_equal(calm_retire(other, count, NULL), CALM_ENOMEM);
	calm_read_end();
	atomic_store(&fail_malloc, false);
	assert_int_equal(atomic_load(&released), 1);
	free(other);
	return NULL;
}

static void no_memory_loses_nothing(void **state)
{
	(void)state;
	atomic_store(&released, 0);
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, without_memory, NULL), 0);
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&released), 1);
	assert_int_equal(calm_retire(NULL, NULL, NULL), CALM_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_memory_loses_nothing), /* while no record has a block yet */
		cmocka_unit_test(sections_nest),
		cmocka_unit_test(nothing_goes_while_a_section_is_open),
		cmocka_unit_test(a_section_begun_later_is_not_waited_for),
		cmocka_unit_test(backlog_stays_within_its_bound),
		cmocka_unit_test(a_stall_is_counted_and_named),
		cmocka_unit_test(a_thread_that_exits_hands_over),
		cmocka_unit_test(a_thread_may_exit_inside_a_section),
		cmocka_unit_test(fork_leaves_the_child_usable),
		cmocka_unit_test(a_release_may_retire),
		cmocka_unit_test(a_release_may_destroy_a_map),
		cmocka_unit_test(destroy_waits_for_a_running_release),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
