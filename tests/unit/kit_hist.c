/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The latency histogram: buckets, percentiles and merging against exact answers. */
#include "kit/hist.h"
#include "kit/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static struct kit_hist *make(void)
{
	struct kit_hist *hist = malloc(sizeof *hist);

	assert_non_null(hist);
	kit_hist_init(hist);
	return hist;
}

static void buckets_cover_all_values_in_order(void **state)
{
	(void)state;
	assert_int_equal(kit_hist_bucket(0), 0);
	assert_int_equal(kit_hist_low(0), 0);
	assert_int_equal(kit_hist_bucket(UINT64_MAX), KIT_HIST_BUCKETS - 1);
	assert_true(kit_hist_high(KIT_HIST_BUCKETS - 1) == UINT64_MAX);
	for (size_t i = 0; i < KIT_HIST_BUCKETS; i++) {
		uint64_t low = kit_hist_low(i), high = kit_hist_high(i);
		assert_true(low <= high);
		assert_int_equal(kit_hist_bucket(low), i);
		assert_int_equal(kit_hist_bucket(high), i);
		if (i > 0)
			assert_true(low == kit_hist_high(i - 1) + 1);
		/* The promised precision. */
		assert_true(high - low <= low / 128);
	}
}

static void empty_is_all_zero(void **state)
{
	struct kit_hist *hist = make();

	(void)state;
	assert_int_equal(kit_hist_percentile(hist, 50), 0);
	assert_int_equal(kit_hist_max(hist), 0);
	assert_int_equal(kit_hist_min(hist), 0);
	assert_int_equal(kit_hist_count(hist), 0);
	assert_true(kit_hist_mean(hist) == 0);
	free(hist);
}

static void small_values_are_exact(void **state)
{
	struct kit_hist *hist = make();

	(void)state;
	for (uint64_t v = 1; v <= 100; v++)
		kit_hist_record(hist, v);
	assert_int_equal(kit_hist_percentile(hist, 50), 50);
	assert_int_equal(kit_hist_percentile(hist, 99), 99);
	assert_int_equal(kit_hist_percentile(hist, 99.5), 100);
	assert_int_equal(kit_hist_percentile(hist, 0), 1);
	assert_int_equal(kit_hist_percentile(hist, 100), 100);
	assert_int_equal(kit_hist_count(hist), 100);
	assert_int_equal(kit_hist_min(hist), 1);
	assert_true(kit_hist_mean(hist) == 50.5);
	free(hist);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void percentiles_are_within_a_hundredth(void **state)
{
	enum { N = 100000 };
	static const double percents[] = {1, 25, 50, 90, 99, 99.9, 99.99};
	struct kit_hist *hist = make();
	uint64_t *values = calloc(N, sizeof *values);
	struct kit_random random;

	(void)state;
	kit_random_seed(&random, 7);
	for (size_t i = 0; i < N; i++) {
		values[i] = kit_random_next(&random) >> kit_random_below(&random, 60);
		kit_hist_record(hist, values[i]);
	}
	qsort(values, N, sizeof *values, by_value);
	for (size_t i = 0; i < sizeof percents / sizeof *percents; i++) {
		double exact = (double)values[(size_t)(percents[i] / 100 * N) - 1];
		double got = (double)kit_hist_percentile(hist, percents[i]);
		assert_true(got >= exact && got <= exact * 1.01);
	}
	assert_true(kit_hist_max(hist) == values[N - 1]);
	assert_true(kit_hist_min(hist) == values[0]);
	free(values);
	free(hist);
}

static void merging_equals_recording_into_one(void **state)
{
	struct kit_hist *a = make(), *b = make(), *all = make();
	struct kit_random random;

	(void)state;
	kit_random_seed(&random, 8);
	for (int i = 0; i < 10000; i++) {
		uint64_t v = kit_random_below(&random, 1000000);
		kit_hist_record(i % 3 == 0 ? a : b, v);
		kit_hist_record(all, v);
	}
	kit_hist_merge(a, b);
	for (double p = 0; p <= 100; p += 0.5)
		assert_int_equal(kit_hist_percentile(a, p), kit_hist_percentile(all, p));
	assert_int_equal(kit_hist_count(a), 10000);
	assert_int_equal(kit_hist_min(a), kit_hist_min(all));
	assert_true(kit_hist_mean(a) == kit_hist_mean(all));
	free(a);
	free(b);
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_cover_all_values_in_order),
		cmocka_unit_test(empty_is_all_zero),
		cmocka_unit_test(small_values_are_exact),
		cmocka_unit_test(percentiles_are_within_a_hundredth),
		cmocka_unit_test(merging_equals_recording_into_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
