/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Striped counters: exact when quiet, whoever added and whoever took away; never below zero. */
#include "sync/stripe.h"

#include "suite.h"

#define THREADS 20

static struct calm__stripes stripes;

static void sums(void **state)
{
	struct calm__stripes own = {{{0}}};
	struct calm__self self = {.state = 0};
	(void)state;
	int64_t expected = 0;
	for (uint32_t i = 0; i < 3 * CALM__STRIPES; i++) {
		self.index = i;
		calm__stripes_add(&own, &self, (int64_t)i * i);
		expected += (int64_t)i * i;
		assert_int_equal(calm__stripes_sum(&own), expected);
	}
	/* One cell goes below zero; the sum is what counts, and a negative one is shown as none. */
	self.index = 1;
	calm__stripes_add(&own, &self, -expected);
	assert_int_equal(calm__stripes_sum(&own), 0);
	calm__stripes_add(&own, &self, -5);
	assert_int_equal(calm__stripes_sum(&own), 0);
	calm__stripes_add(&own, &self, 8);
	assert_int_equal(calm__stripes_sum(&own), 3);
	calm__stripes_tally(&own, &self);
	self.index = 7;
	calm__stripes_tally(&own, &self);
	assert_int_equal(calm__stripes_sum(&own), 5);
}

/* Each takes away what its neighbour added. */
static void add_and_take(unsigned index, void *context)
{
	const uint64_t *rounds = context;
	for (uint64_t i = 0; i < *rounds; i++) {
		calm__stripes_add(&stripes, calm__self(), 3);
		calm__stripes_add(&stripes, calm__self(), index % 2 ? -3 : -2);
		suite_check(calm__stripes_sum(&stripes) <= THREADS * 4 * *rounds);
	}
}

static void exact_when_quiet(void **state)
{
	uint64_t rounds = suite_long(50000);
	(void)state;
	suite_threads(THREADS, add_and_take, &rounds);
	assert_int_equal(calm__stripes_sum(&stripes), THREADS / 2 * rounds);
}

static void cells_lie_apart(void **state)
{
	(void)state;
	assert_true((char *)&stripes.cells[1] - (char *)&stripes.cells[0] >= 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums),
		cmocka_unit_test(exact_when_quiet),
		cmocka_unit_test(cells_lie_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
