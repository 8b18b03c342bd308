/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The four-byte lock: one holder at a time, sleepers are woken, and its three states. */
#include "base/lock.h"

#include "suite.h"

#include <sched.h>

#define THREADS 8

struct guarded {
	struct calm__lock lock;
	uint64_t rounds;
	uint64_t count; /* plain: the lock is all that orders it */
	unsigned inside;
};

static void states(void **state)
{
	struct calm__lock lock = {0};
	(void)state;
	assert_int_equal(sizeof(lock), 4);
	calm__lock(&lock);
	assert_int_equal(lock.state, 1);
	assert_false(calm__try_lock(&lock));
	assert_int_equal(lock.state, 1);
	calm__unlock(&lock);
	assert_int_equal(lock.state, 0);
	assert_true(calm__try_lock(&lock));
	assert_int_equal(lock.state, 1);
	calm__unlock(&lock);
	assert_int_equal(lock.state, 0);
}

static void count_up(unsigned index, void *context)
{
	struct guarded *guarded = context;
	for (uint64_t i = 0; i < guarded->rounds; i++) {
		if (i % 16 != index || !calm__try_lock(&guarded->lock))
			calm__lock(&guarded->lock);
		suite_check(guarded->inside++ == 0);
		guarded->count++;
		if (i % 1024 == 0)
			sched_yield(); /* so that others have to sleep */
		guarded->inside--;
		calm__unlock(&guarded->lock);
	}
}

static void one_at_a_time(void **state)
{
	struct guarded guarded = {.rounds = suite_long(100000)};
	(void)state;
	suite_threads(THREADS, count_up, &guarded);
	assert_int_equal(guarded.count, THREADS * guarded.rounds);
	assert_int_equal(guarded.lock.state, 0);
}

static void *lock_once(void *context)
{
	struct guarded *guarded = context;
	calm__lock(&guarded->lock);
	guarded->count++;
	calm__unlock(&guarded->lock);
	return NULL;
}

static void sleepers_are_woken(void **state)
{
	struct guarded guarded = {.count = 0};
	pthread_t threads[THREADS];
	(void)state;
	for (uint64_t round = 0; round < 10; round++) {
		calm__lock(&guarded.lock);
		for (size_t i = 0; i < THREADS; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, lock_once, &guarded), 0);
		/* 2: one of them has gone to sleep, or is about to. */
		while (guarded.lock.state != 2)
			sched_yield();
		assert_int_equal(guarded.count, round * THREADS);
		calm__unlock(&guarded.lock);
		for (size_t i = 0; i < THREADS; i++)
			assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(guarded.count, (round + 1) * THREADS);
		assert_int_equal(guarded.lock.state, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states),
		cmocka_unit_test(one_at_a_time),
		cmocka_unit_test(sleepers_are_woken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
