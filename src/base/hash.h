/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Seeded hashing of keys: XXH3 (xxHash, header-only). The seed is drawn per map, so that keys which
 * collide in one map do not in another and an attacker who does not know it cannot choose colliding
 * keys.
 *
 * The tests have a hash that is constant, and one that keeps two bits at either end, so that every
 * chain and every split is met.
 */
#ifndef CALM_BASE_HASH_H
#define CALM_BASE_HASH_H

#include "base/knobs.h"

#include <stddef.h>
#include <stdint.h>

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

static inline uint64_t calm__hash_word(uint64_t word, uint64_t seed)
{
	return XXH3_64bits_withSeed(&word, sizeof(word), seed) & CALM__KNOB(hash_mask, UINT64_MAX);
}

static inline uint64_t calm__hash_bytes(const void *data, size_t size, uint64_t seed)
{
	return XXH3_64bits_withSeed(size > 0 ? data : "", size, seed) &
	       CALM__KNOB(hash_mask, UINT64_MAX);
}

#endif
