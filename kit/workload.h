/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Which keys are used, and how often: indices into a key space of n keys, uniform or Zipf, drawn in
 * advance so that a measured loop does nothing but its operation. Keys from a file are in
 * kit/keys.h, included here.
 *
 * Invariant: a stream is a function of (distribution, n, count, seed) alone, so that two maps, or a
 * map and its peer, are given exactly the same keys.
 */
#ifndef KIT_WORKLOAD_H
#define KIT_WORKLOAD_H

#include "kit/keys.h"
#include "kit/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* YCSB's constant: the hottest of 1 M keys is drawn about 7 % of the time. */
#define KIT_ZIPF_EXPONENT 0.99

enum kit_distribution {
	KIT_UNIFORM,
	KIT_ZIPF /* exponent KIT_ZIPF_EXPONENT, hot keys scattered by kit_scatter */
};

/*
 * A Zipf distribution over ranks 0 … n-1: rank r is drawn with probability proportional to 1 / (r +
 * 1)^exponent.
 */
struct kit_zipf {
	uint64_t n;
	double exponent;
	double first; /* H(1.5) - 1: where u stands for the first rank */
	double last;  /* H(n + 0.5) */
	double squeeze;
};

/* n > 0, exponent > 0 (1 is fine too). O(1), no table. */
void kit_zipf_init(struct kit_zipf *zipf, uint64_t n, double exponent);

/* Draws a rank; *zipf is only read and may be shared. About 50 ns. */
uint64_t kit_zipf_rank(const struct kit_zipf *zipf, struct kit_random *random);

/*
 * A fixed bijection of [0, n) that sends neighbours far apart: hot ranks to keys that share no
 * cache line and no bucket. index < n. Expected O(1).
 */
uint64_t kit_scatter(uint64_t index, uint64_t n);

/*
 * count indices below n (n from 1 to UINT32_MAX), in one array that is the caller's to free().
 * NULL: no memory. A few ns each, Zipf some 60.
 */
uint32_t *kit_stream_make(enum kit_distribution distribution, uint64_t n, size_t count,
			  uint64_t seed);

/* The numbers 0 … n-1 in random order (Fisher and Yates), the caller's to free(). NULL: no memory. */
uint32_t *kit_shuffle_make(uint32_t n, uint64_t seed);

/*
 * n byte keys, all different, of 0 to some 40 bytes: key 0 is the empty key, many hold NULs, many
 * share a prefix. One allocation, keys and bytes, the caller's to free(). NULL: no memory.
 */
calm_key *kit_byte_keys_make(size_t n);

/* "uniform" or "zipf" into *out. False: neither. And the name of one. */
bool kit_distribution_parse(const char *name, enum kit_distribution *out);
const char *kit_distribution_name(enum kit_distribution distribution);

#endif
