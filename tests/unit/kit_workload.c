/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Random numbers, key streams and made keys. */
#include "kit/workload.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void random_is_repeatable_and_known(void **state)
{
	struct kit_random a, b;
	uint64_t seed = 1234567;

	(void)state;
	/* The reference values of splitmix64 for this seed. */
	assert_true(kit_splitmix(&seed) == 6457827717110365317u);
	assert_true(kit_splitmix(&seed) == 3203168211198807973u);
	/* xoshiro256** from the state {1, 2, 3, 4}: 11520, 0, 1509978240. */
	a = (struct kit_random){{1, 2, 3, 4}};
	assert_true(kit_random_next(&a) == 11520);
	assert_true(kit_random_next(&a) == 0);
	assert_true(kit_random_next(&a) == 1509978240);
	kit_random_seed(&a, 5);
	kit_random_seed(&b, 5);
	for (int i = 0; i < 100; i++)
		assert_true(kit_random_next(&a) == kit_random_next(&b));
}

static void below_is_even(void **state)
{
	enum { N = 7, DRAWS = 700000 };
	size_t counts[N] = {0};
	struct kit_random random;
	double square = 0;

	(void)state;
	kit_random_seed(&random, 3);
	for (int i = 0; i < DRAWS; i++) {
		uint64_t x = kit_random_below(&random, N);
		assert_true(x < N);
		counts[x]++;
	}
	for (int i = 0; i < N; i++)
		square += pow((double)counts[i] - (double)DRAWS / N, 2) / ((double)DRAWS / N);
	/* Chi square with 6 degrees of freedom: above 22.5 once in a thousand. The seed is
	 * fixed. */
	assert_true(square < 22.5);
	/* A bound where taking the remainder would favour the low half two to one. */
	size_t low = 0;
	for (int i = 0; i < 100000; i++)
		low += kit_random_below(&random, 3u * ((uint64_t)1 << 62)) < (uint64_t)1 << 62;
	assert_in_range(low, 32500, 34200);
}

static void zipf_frequencies_are_the_theory(void **state)
{
	enum { N = 1000, DRAWS = 1000000 };
	static const double exponents[] = {0.5, 0.99, 1.0, 1.5};
	size_t *counts = calloc(N, sizeof *counts);

	(void)state;
	for (size_t e = 0; e < sizeof exponents / sizeof *exponents; e++) {
		struct kit_zipf zipf;
		struct kit_random random;
		double sum = 0;
		memset(counts, 0, N * sizeof *counts);
		kit_random_seed(&random, 11);
		kit_zipf_init(&zipf, N, exponents[e]);
		for (int i = 0; i < DRAWS; i++) {
			uint64_t rank = kit_zipf_rank(&zipf, &random);
			assert_true(rank < N);
			counts[rank]++;
		}
		for (int r = 1; r <= N; r++)
			sum += pow(r, -exponents[e]);
		for (int r = 1; r <= N; r *= 2) {
			double expected = DRAWS * pow(r, -exponents[e]) / sum;
			/* Five standard deviations of a Poisson count. */
			assert_true(fabs((double)counts[r - 1] - expected) <
				    5 * sqrt(expected) + 1);
		}
	}
	free(counts);
}

static void zipf_of_one_key_is_that_key(void **state)
{
	struct kit_zipf zipf;
	struct kit_random random;

	(void)state;
	kit_random_seed(&random, 1);
	kit_zipf_init(&zipf, 1, KIT_ZIPF_EXPONENT);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(kit_zipf_rank(&zipf, &random), 0);
}

static void scatter_is_a_bijection_that_parts_neighbours(void **state)
{
	static const uint64_t sizes[] = {1, 2, 3, 5, 64, 1000, 4096, 100003};

	(void)state;
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
		uint64_t n = sizes[s], near = 0;
		bool *hit = calloc(n, sizeof *hit);
		uint64_t last = kit_scatter(0, n);
		for (uint64_t i = 0; i < n; i++) {
			uint64_t at = kit_scatter(i, n);
			assert_true(at < n);
			assert_false(hit[at]);
			hit[at] = true;
			near += i > 0 && (at > last ? at - last : last - at) < 8;
			last = at;
		}
		if (n >= 1000)
			assert_true(near < n / 20);
		free(hit);
	}
}

static void streams_depend_on_their_seed_alone(void **state)
{
	enum { COUNT = 10000, N = 5000 };

	(void)state;
	for (enum kit_distribution d = KIT_UNIFORM; d <= KIT_ZIPF; d++) {
		uint32_t *a = kit_stream_make(d, N, COUNT, 9), *b = kit_stream_make(d, N, COUNT, 9);
		uint32_t *c = kit_stream_make(d, N, COUNT, 10);
		assert_memory_equal(a, b, COUNT * sizeof *a);
		assert_memory_not_equal(a, c, COUNT * sizeof *a);
		for (int i = 0; i < COUNT; i++)
			assert_true(a[i] < N);
		free(a);
		free(b);
		free(c);
	}
}

static void zipf_streams_have_a_hot_key(void **state)
{
	enum { COUNT = 100000, N = 1000 };
	uint32_t *stream = kit_stream_make(KIT_ZIPF, N, COUNT, 9);
	size_t hot = 0;

	(void)state;
	for (int i = 0; i < COUNT; i++)
		hot += stream[i] == kit_scatter(0, N);
	/* 1 / sum of r^-0.99 over 1000 ranks is 12.9 %. */
	assert_in_range(hot, 12000, 13900);
	free(stream);
}

static void shuffles_hold_every_number_once(void **state)
{
	enum { N = 1000 };
	uint32_t *order = kit_shuffle_make(N, 4);
	bool hit[N] = {false};
	size_t fixed = 0;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		assert_true(order[i] < N);
		assert_false(hit[order[i]]);
		hit[order[i]] = true;
		fixed += order[i] == i;
	}
	assert_true(fixed < 10);
	free(order);
}

static void byte_keys_are_all_different(void **state)
{
	enum { N = 3000 };
	calm_key *keys = kit_byte_keys_make(N);
	size_t with_nul = 0;

	(void)state;
	assert_int_equal(keys[0].size, 0);
	for (size_t i = 0; i < N; i++) {
		with_nul += keys[i].size > 0 && memchr(keys[i].data, 0, keys[i].size) != NULL;
		for (size_t j = 0; j < i; j++) {
			assert_false(keys[i].size == keys[j].size &&
				     memcmp(keys[i].data, keys[j].data, keys[i].size) == 0);
		}
	}
	assert_true(with_nul > N / 10);
	free(keys);
}

static void distributions_have_names(void **state)
{
	enum kit_distribution d = KIT_UNIFORM;

	(void)state;
	assert_true(kit_distribution_parse("zipf", &d));
	assert_int_equal(d, KIT_ZIPF);
	assert_string_equal(kit_distribution_name(d), "zipf");
	assert_false(kit_distribution_parse("zip", &d));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_is_repeatable_and_known),
		cmocka_unit_test(below_is_even),
		cmocka_unit_test(zipf_frequencies_are_the_theory),
		cmocka_unit_test(zipf_of_one_key_is_that_key),
		cmocka_unit_test(scatter_is_a_bijection_that_parts_neighbours),
		cmocka_unit_test(streams_depend_on_their_seed_alone),
		cmocka_unit_test(zipf_streams_have_a_hot_key),
		cmocka_unit_test(shuffles_hold_every_number_once),
		cmocka_unit_test(byte_keys_are_all_different),
		cmocka_unit_test(distributions_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
