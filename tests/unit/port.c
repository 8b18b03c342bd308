/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The border to the system: futexes, the barrier, clocks and naps, thread ids and names. */
#include "base/port.h"

#include "suite.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ERRNO 1234

struct sleeper {
	shared_u32 word;
	_Atomic int awake;
};

static void *sleep_on_it(void *context)
{
	struct sleeper *sleeper = context;
	while (sleeper->word == 1)
		calm__futex_wait(&sleeper->word, 1);
	sleeper->awake++;
	return NULL;
}

static void futexes(void **state)
{
	struct sleeper sleeper = {.word = 1};
	pthread_t threads[4];
	(void)state;
	/* Another value: it does not sleep. */
	errno = ERRNO;
	calm__futex_wait(&sleeper.word, 7);
	calm__futex_wake(&sleeper.word, 1);
	assert_int_equal(errno, ERRNO);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sleep_on_it, &sleeper), 0);
	for (int i = 0; i < 100; i++)
		sched_yield();
	assert_int_equal(sleeper.awake, 0);
	sleeper.word = 2;
	while (sleeper.awake < 4)
		calm__futex_wake(&sleeper.word, 1);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void barrier(void **state)
{
	(void)state;
	errno = ERRNO;
	bool has = calm__membarrier_register();
	assert_int_equal(errno, ERRNO);
	if (!has)
		skip(); /* a kernel without it; the fenced build is tested by unit_read_fenced */
	for (int i = 0; i < 100; i++)
		calm__membarrier();
	assert_int_equal(errno, ERRNO);
}

static void time_goes_on(void **state)
{
	uint64_t last = calm__now_ns();
	uint64_t began = last;
	(void)state;
	for (int i = 0; i < 10000; i++) {
		uint64_t now = calm__now_ns();
		assert_true(now >= last);
		last = now;
	}
	assert_true(last > began);
}

/* Small turns do not sleep; later ones do, but never long. */
static void turns(void **state)
{
	(void)state;
	errno = ERRNO;
	uint64_t began = calm__now_ns();
	for (unsigned turn = 100; turn < 105; turn++)
		calm__wait_turn(turn);
	uint64_t napped = calm__now_ns() - began;
	calm__wait_turn(0);
	calm__wait_turn(UINT32_MAX);
	assert_int_equal(errno, ERRNO);
	assert_true(napped >= 5 * 900000);
	assert_true(napped < 5 * 1000000000U);
}

static void seeds_differ(void **state)
{
	uint64_t seeds[20];
	(void)state;
	for (size_t i = 0; i < 20; i++) {
		seeds[i] = calm__random_seed();
		for (size_t j = 0; j < i; j++)
			assert_true(seeds[i] != seeds[j]);
	}
}

static void *name_itself(void *context)
{
	char name[16] = "?";
	suite_check(prctl(PR_SET_NAME, "fifteen letters", 0, 0, 0) == 0);
	suite_check(calm__thread_id() != *(const int *)context);
	errno = ERRNO;
	calm__thread_name(calm__thread_id(), name);
	suite_check(errno == ERRNO);
	suite_check(strcmp(name, "fifteen letters") == 0);
	return NULL;
}

static void threads(void **state)
{
	pthread_t thread;
	char name[16] = "?";
	int own = calm__thread_id();
	(void)state;
	assert_int_equal(own, syscall(SYS_gettid));
	assert_int_equal(pthread_create(&thread, NULL, name_itself, &own), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	/* A thread there is none of. */
	errno = ERRNO;
	calm__thread_name(INT32_MAX, name);
	assert_string_equal(name, "");
	assert_int_equal(errno, ERRNO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(futexes),      cmocka_unit_test(barrier),
		cmocka_unit_test(time_goes_on), cmocka_unit_test(turns),
		cmocka_unit_test(seeds_differ), cmocka_unit_test(threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
