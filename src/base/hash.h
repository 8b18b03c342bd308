/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Seeded hashing of keys: XXH3 (xxHash, header-only). The seed is drawn per map, so that keys which
 * collide in one map do not in another and an attacker who does not know it cannot choose colliding
 * keys.
 *
 * The tests build the library twice more, with a hash that is constant and one that keeps two bits
 * at either end, so that every chain and every split is met (CALM_HASH_CONSTANT,
 * CALM_HASH_TRUNCATED).
 */
#ifndef CALM_BASE_HASH_H
#define CALM_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

static inline uint64_t calm__hash_narrow(uint64_t hash)
{
#if defined(CALM_HASH_CONSTANT)
	return hash & 0;
#elif defined(CALM_HASH_TRUNCATED)
	return hash & 0xc000000000000003U;
#else
	return hash;
#endif
}

static inline uint64_t calm__hash_word(uint64_t word, uint64_t seed)
{
	return calm__hash_narrow(XXH3_64bits_withSeed(&word, sizeof(word), seed));
}

static inline uint64_t calm__hash_bytes(const void *data, size_t size, uint64_t seed)
{
	return calm__hash_narrow(XXH3_64bits_withSeed(size > 0 ? data : "", size, seed));
}

#endif
