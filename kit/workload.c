/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Key streams. Zipf is drawn by rejection-inversion (Hörmann and Derflinger, "Rejection-inversion
 * to generate variates from monotone discrete distributions", ACM TOMACS 6(3), 1996, section 3): H
 * is the integral of the hat function x^-exponent, a uniform number between H's ends is inverted to
 * a real rank, rounded, and kept unless it fell between the hat and the step below it, which
 * happens for less than one draw in five. Exact for every n and exponent.
 *
 * Rejected: Gray et al. (SIGMOD 1994), as in YCSB, needs zeta(n), an O(n) sum before the first
 * draw, and is only approximate past the second rank; a cumulative table with binary search misses
 * the cache 20 times a draw.
 */
#include "kit/workload.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* log1p(x) / x and expm1(x) / x, by their series where the quotient would lose its digits. */
static double log1p_over(double x)
{
	return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x * (0.5 - x * (1.0 / 3 - 0.25 * x));
}

static double expm1_over(double x)
{
	return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x * 0.5 * (1 + x * (1.0 / 3) * (1 + 0.25 * x));
}

static double hat(double x, double exponent)
{
	return exp(-exponent * log(x));
}

static double hat_integral(double x, double exponent)
{
	double l = log(x);

	return expm1_over((1 - exponent) * l) * l;
}

static double hat_integral_inverse(double y, double exponent)
{
	double t = y * (1 - exponent);

	return exp(log1p_over(t < -1 ? -1 : t) * y);
}

void kit_zipf_init(struct kit_zipf *zipf, uint64_t n, double exponent)
{
	zipf->n = n;
	zipf->exponent = exponent;
	zipf->first = hat_integral(1.5, exponent) - 1;
	zipf->last = hat_integral((double)n + 0.5, exponent);
	zipf->squeeze = 2 - hat_integral_inverse(hat_integral(2.5, exponent) - hat(2, exponent),
						 exponent);
}

uint64_t kit_zipf_rank(const struct kit_zipf *zipf, struct kit_random *random)
{
	for (;;) {
		double u = zipf->last + kit_random_unit(random) * (zipf->first - zipf->last);
		double x = hat_integral_inverse(u, zipf->exponent);
		double k = floor(x + 0.5);

		if (k < 1)
			k = 1;
		if (k > (double)zipf->n)
			k = (double)zipf->n;
		if (k - x <= zipf->squeeze ||
		    u >= hat_integral(k + 0.5, zipf->exponent) - hat(k, zipf->exponent))
			return (uint64_t)k - 1;
	}
}

/*
 * A bijection of the next power of two (odd multiplication and xor-shift are both invertible
 * there), walked until it lands below n again: the cycle that starts below n must return below n,
 * and does so in under two steps on average (cycle-walking: Black and Rogaway, CT-RSA 2002).
 */
uint64_t kit_scatter(uint64_t index, uint64_t n)
{
	unsigned bits = n > 1 ? 64 - (unsigned)__builtin_clzll(n - 1) : 1;
	uint64_t mask = bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
	unsigned half = (bits + 1) / 2;

	do {
		index = (index * 0x9e3779b97f4a7c15u + 0x7f4a7c15u) & mask;
		index ^= index >> half;
		index = (index * 0xd6e8feb86659fd93u) & mask;
		index ^= index >> half;
	} while (index >= n);
	return index;
}

uint32_t *kit_stream_make(enum kit_distribution distribution, uint64_t n, size_t count,
			  uint64_t seed)
{
	uint32_t *stream = calloc(count > 0 ? count : 1, sizeof *stream);
	struct kit_random random;
	struct kit_zipf zipf;

	if (stream == NULL)
		return NULL;
	kit_random_seed(&random, seed);
	if (distribution == KIT_ZIPF) {
		kit_zipf_init(&zipf, n, KIT_ZIPF_EXPONENT);
		for (size_t i = 0; i < count; i++)
			stream[i] = (uint32_t)kit_scatter(kit_zipf_rank(&zipf, &random), n);
		return stream;
	}
	for (size_t i = 0; i < count; i++)
		stream[i] = (uint32_t)kit_random_below(&random, n);
	return stream;
}

uint32_t *kit_shuffle_make(uint32_t n, uint64_t seed)
{
	uint32_t *order = calloc(n > 0 ? n : 1, sizeof *order);
	struct kit_random random;

	if (order == NULL)
		return NULL;
	kit_random_seed(&random, seed);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t j = (uint32_t)kit_random_below(&random, (uint64_t)i + 1);
		order[i] = order[j];
		order[j] = i;
	}
	return order;
}

calm_key *kit_byte_keys_make(size_t n)
{
	enum { ROOM = 44 };
	calm_key *keys = n < SIZE_MAX / (sizeof *keys + ROOM)
				 ? malloc(n * (sizeof *keys + ROOM) + 1)
				 : NULL;

	if (keys == NULL)
		return NULL;
	char *text = (char *)(keys + n);
	for (size_t i = 0; i < n; i++, text += ROOM) {
		int digits = snprintf(text, ROOM, "%zu", i);
		size_t padding = (size_t)(kit_mix(i) % 4 == 0 ? kit_mix(i) >> 8 & 15 : 0);
		memset(text + digits, 0, padding + 1);
		/* The NUL after the digits keeps padded keys apart from longer numbers. */
		if (padding > 0)
			memset(text + digits + 1, 'k', padding - 1);
		keys[i] = calm_bytes(text, i == 0 ? 0 : (size_t)digits + padding);
	}
	return keys;
}

static const char *const names[] = {[KIT_UNIFORM] = "uniform", [KIT_ZIPF] = "zipf"};

bool kit_distribution_parse(const char *name, enum kit_distribution *out)
{
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(name, names[i]) == 0) {
			*out = (enum kit_distribution)i;
			return true;
		}
	}
	return false;
}

const char *kit_distribution_name(enum kit_distribution distribution)
{
	return names[distribution];
}
