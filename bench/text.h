/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Text keys, as the suite bytes has them: made of a word in front of each operation, as a server has
 * its key just parsed and in the cache. C and C++.
 *
 *	16   00c5a1b20000002a
 *	48   shop-17/session/00c5a1b20000002a/cart/items/open
 *
 * Invariants: a batch has keys of one size, but no library's code may know which at compile time,
 * nor any byte of them. Each sixteen bytes are written at once, so that what reads eight or sixteen
 * of them is forwarded from the store. A NUL follows, for those that take strings.
 *
 * Rejected: keys made beforehand, in a table (a cache miss an operation which is the harness's).
 */
#ifndef BENCH_TEXT_H
#define BENCH_TEXT_H

#include "bench/subject.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define BENCH_TEXTS 2 /* sizes of them: 16, 48 */
#define BENCH_TEXT_MOST 48

struct bench_text {
	uint32_t size;
	char bytes[BENCH_TEXT_MOST + 1];
};

typedef uint64_t bench_pair __attribute__((vector_size(16)));

/* Sixteen hexadecimal digits. */
BENCH_INLINE void bench_hex(uint64_t word, char out[16])
{
	bench_pair x = {word >> 32, word & 0xffffffff};

	x = (x << 16 | x) & 0x0000ffff0000ffff;
	x = (x << 8 | x) & 0x00ff00ff00ff00ff;
	x = (x << 4 | x) & 0x0f0f0f0f0f0f0f0f;
	bench_pair letters = ((x + 0x0606060606060606) >> 4) & 0x0101010101010101;
	x += 0x3030303030303030 + letters * ('a' - '0' - 10);
	x = (bench_pair){__builtin_bswap64(x[0]), __builtin_bswap64(x[1])};
	memcpy(out, &x, 16);
}

BENCH_INLINE const struct bench_text *bench_text_16(struct bench_text *text, uint64_t word)
{
	uint32_t size = 16;

	bench_hex(word, text->bytes);
	text->bytes[16] = '\0';
	__asm__ volatile("" : "+r"(size), "+r"(text) : : "memory");
	text->size = size;
	return text;
}

BENCH_INLINE const struct bench_text *bench_text_48(struct bench_text *text, uint64_t word)
{
	uint32_t size = 48;

	memcpy(text->bytes, "shop-17/session/", 16);
	bench_hex(word, text->bytes + 16);
	memcpy(text->bytes + 32, "/cart/items/open", 17);
	__asm__ volatile("" : "+r"(size), "+r"(text) : : "memory");
	text->size = size;
	return text;
}

/* For BENCH_BATCH_OF. */
#define BENCH_TEXT_16(key, word)    \
	struct bench_text key##_at; \
	const struct bench_text *key = bench_text_16(&key##_at, word)
#define BENCH_TEXT_48(key, word)    \
	struct bench_text key##_at; \
	const struct bench_text *key = bench_text_48(&key##_at, word)

/* batch_16 and batch_48, of operations on const struct bench_text *. */
#define BENCH_TEXT_BATCHES(get, put, insert, erase, pause)                      \
	BENCH_BATCH_OF(batch_16, BENCH_TEXT_16, get, put, insert, erase, pause) \
	BENCH_BATCH_OF(batch_48, BENCH_TEXT_48, get, put, insert, erase, pause)

BENCH_INLINE uint64_t bench_text_hash(const void *bytes, size_t size)
{
	return XXH3_64bits(bytes, size);
}

/* A stored key, its size in front, against one that is sought. */
BENCH_INLINE bool bench_text_same(const struct bench_text *a, const struct bench_text *b)
{
	return a->size == b->size && memcmp(a->bytes, b->bytes, b->size) == 0;
}

/* What a copy of the key takes. */
BENCH_INLINE size_t bench_text_bytes(const struct bench_text *text)
{
	return offsetof(struct bench_text, bytes) + text->size;
}

#endif
