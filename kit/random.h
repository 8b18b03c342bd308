/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Seeded pseudo-random numbers: xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom
 * number generators", ACM TOMS 47(4), 2021), its state filled by splitmix64 (Steele, Lea and Flood,
 * OOPSLA 2014).
 *
 * Invariant: the same seed gives the same numbers on every machine, so that a failing run can be
 * repeated from the seed it printed. One generator per thread; about 1 ns a number. Not for
 * secrets.
 *
 * Rejected: rand_r and drand48 (15 or 48 weak bits, libc's choice), x % n (biased), and a shared
 * generator (its cache line would order the very threads whose races are sought).
 */
#ifndef KIT_RANDOM_H
#define KIT_RANDOM_H

#include <stdint.h>

struct kit_random {
	uint64_t s[4]; /* never all zero */
};

/* A bijection of 64-bit numbers that mixes well: splitmix64's output function. */
static inline uint64_t kit_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* The next number of a splitmix64 sequence; *state is its only state, and may start at anything. */
static inline uint64_t kit_splitmix(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15u;
	return kit_mix(*state);
}

/*
 * Starts a generator; any seed is good, 0 too, and neighbouring seeds start far apart: give thread
 * t seed + t.
 */
static inline void kit_random_seed(struct kit_random *random, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		random->s[i] = kit_splitmix(&seed);
}

static inline uint64_t kit_random_next(struct kit_random *random)
{
	uint64_t *s = random->s;
	uint64_t r = s[1] * 5;
	uint64_t t = s[1] << 17;

	r = ((r << 7) | (r >> 57)) * 9;
	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = (s[3] << 45) | (s[3] >> 19);
	return r;
}

/*
 * A number in [0, n), n > 0, each exactly as likely: the high half of a 128-bit product, redrawn in
 * the rare case that would favour some (Lemire, "Fast random integer generation in an interval",
 * ACM TOMACS 29(1), 2019, algorithm 5).
 */
static inline uint64_t kit_random_below(struct kit_random *random, uint64_t n)
{
	__extension__ typedef unsigned __int128 wide;
	wide product = (wide)kit_random_next(random) * n;

	if ((uint64_t)product < n) {
		uint64_t least = (0 - n) % n;
		while ((uint64_t)product < least)
			product = (wide)kit_random_next(random) * n;
	}
	return (uint64_t)(product >> 64);
}

/* A number in [0, 1), of 53 random bits. */
static inline double kit_random_unit(struct kit_random *random)
{
	return (double)(kit_random_next(random) >> 11) * 0x1p-53;
}

#endif
