/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What is measured: a subject is a map behind one interface, calm's kinds and other libraries'
 * alike. An adapter, one small file each in bench/peers, uses its library as the library's own
 * manual does. C and C++.
 *
 * Invariants: keys and values are words, or keys are made of words (bench/text.h). Every subject is given the same keys in the same order,
 * the same capacity, and, if it lets the user choose, the same hash. The measured loop is
 * instantiated in the adapter (BENCH_BATCH), so that there is one indirect call a batch and none an
 * operation. Every value read is held against its key.
 *
 * Rejected: a table of function pointers in the loop (2 to 4 ns an operation, and no inlining of
 * header-only peers), and dense integers as keys (a map that hashes by multiplication would place
 * them without a collision).
 */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

#include "kit/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A key: 62 bits, never 0, never all ones, different for each index; a word of a stream has the
 * operation above it.
 *
 *	63..62     61 ............ 28  27 .... 0
 *	operation  mixed               index
 */
#define BENCH_INDEX_BITS 28
#define BENCH_INDEX_MASK (((uint64_t)1 << BENCH_INDEX_BITS) - 1)
#define BENCH_KEY_MASK (((uint64_t)1 << 62) - 1)

enum bench_op { BENCH_GET, BENCH_PUT, BENCH_INSERT, BENCH_ERASE };

static inline uint64_t bench_key(uint64_t index)
{
	return ((kit_mix(index + 0x9e3779b97f4a7c15u) << BENCH_INDEX_BITS) | index) &
	       BENCH_KEY_MASK;
}

static inline uint64_t bench_hash(uint64_t key)
{
	return kit_mix(key);
}

/* What is stored under a key: the key, and two bits that change from write to write. */
static inline uint64_t bench_value(uint64_t key, uint64_t version)
{
	return key | version << 62;
}

static inline bool bench_value_fits(uint64_t key, uint64_t value)
{
	return (key ^ value) << 2 == 0;
}

/* What a loop did; gets are the operations that are nothing else. */
struct bench_tally {
	uint64_t ops, hits, wrong; /* wrong: a value of another key, or an operation that failed */
	uint64_t puts, inserts, inserted, erases, erased;
};

/* The measured part of a slice. */
struct bench_timed {
	uint64_t ops, ns;
};

typedef int bench_visit_fn(uint64_t key, uint64_t value, void *context);

struct bench_stream;
struct kit_kind;

struct bench_subject {
	const char *id;   /* on the command line */
	const char *name; /* in results */
	const char *from; /* what to install where it is missing */

	/* NULL: not in this build. NULL from it: no memory. capacity 0: not presized. */
	void *(*create)(const struct bench_subject *subject, size_t capacity);
	void (*destroy)(void *map);

	/* Around a thread's use of the map: what it needs for itself. NULL: nothing. */
	void *(*enter)(void *map);
	void (*leave)(void *map, void *thread);

	/*
	 * Runs count words of a stream and adds to *tally. flip: inserts are erases and erases
	 * inserts; drawn for each batch, for in a stream that is run again and again a key would
	 * else end every pass as it ended the last.
	 */
	void (*batch)(void *map, void *thread, const uint64_t *words, size_t count, bool flip,
		      struct bench_tally *tally);

	/* Single operations. put: stored; insert: was absent; erase: was present. */
	bool (*get)(void *map, void *thread, uint64_t key, uint64_t *value);
	bool (*put)(void *map, void *thread, uint64_t key, uint64_t value);
	bool (*insert)(void *map, void *thread, uint64_t key, uint64_t value);
	bool (*erase)(void *map, void *thread, uint64_t key);

	size_t (*size)(void *map); /* of a quiet map, exact; NULL: unknown */

	/* A traversal: how many bindings; NULL: there is none that may run beside writers. */
	size_t (*walk)(void *map, void *thread, bench_visit_fn *visit, void *context);

	/* Up to count bindings from key on, in order, at one instant. Ordered subjects only. */
	size_t (*range)(void *map, void *thread, uint64_t from, size_t count, bench_visit_fn *visit,
			void *context);

	/* A subject in a process of its own measures itself. False: it is gone. */
	bool (*slice)(void *map, const struct bench_stream *stream, unsigned threads,
		      uint64_t warm_ns, uint64_t ns, struct bench_tally *tally,
		      struct bench_timed *timed);

	/* Inserts the keys of the stream; NULL: batch does it. False: it could not. */
	bool (*fill)(void *map, const struct bench_stream *stream);
	uint64_t (*bytes)(void *map); /* as its process counts them */

	/*
	 * BENCH_TEXTS of them: the same map with text keys, driven by batch alone (bench/text.h).
	 * NULL: none.
	 */
	const struct bench_subject *texts;
	size_t key_size; /* of byte keys; 0: words */

	const struct kit_kind *kind; /* of calm's own */
	bool ordered;
	bool bare; /* no map: the harness, or what memory allows; never ranked */
	bool racy; /* bare: may lose an update, so its size is not checked */
};

/* malloc, or the end of the process with a message: adapters have nowhere to put "no memory". */
static inline void *bench_alloc(size_t size)
{
	void *memory = malloc(size > 0 ? size : 1);

	if (memory == NULL) {
		(void)fputs("calm bench: out of memory\n", stderr);
		_exit(2);
	}
	return memory;
}

/* The 16-byte key that ordered subjects use for a key: memcmp order is number order. */
static inline void bench_wide_key(uint64_t key, unsigned char out[16])
{
	uint64_t words[2] = {__builtin_bswap64(key << 2), __builtin_bswap64(key)};
	__builtin_memcpy(out, words, 16);
}

static inline uint64_t bench_wide_word(const void *wide)
{
	uint64_t word;
	__builtin_memcpy(&word, (const unsigned char *)wide + 8, 8);
	return __builtin_bswap64(word);
}

#ifdef __cplusplus
}
#endif

#define BENCH_INLINE static inline __attribute__((always_inline))

/*
 * The measured loop over an adapter's four inline operations; pause(map, thread) ends a batch.
 * KEY(key, word) declares key, what the operations take for the key, and makes it of the word.
 */
#define BENCH_BATCH_OF(name, KEY, get, put, insert, erase, pause)                                 \
	static void name(void *map, void *thread, const uint64_t *words, size_t count, bool flip, \
			 struct bench_tally *tally)                                               \
	{                                                                                         \
		uint64_t flipped = (uint64_t)flip << 62; /* of words with bit 63 */               \
		uint64_t hits = 0, wrong = 0, puts = 0, inserts = 0, inserted = 0, erases = 0,    \
			 erased = 0;                                                              \
		for (size_t i = 0; i < count; i++) {                                              \
			uint64_t word = words[i], number = word & BENCH_KEY_MASK, value = 0;      \
			KEY(key, number);                                                         \
			switch ((word ^ (word >> 1 & flipped)) >> 62) {                           \
			case BENCH_GET:                                                           \
				if (get(map, thread, key, &value)) {                              \
					hits++;                                                   \
					wrong += !bench_value_fits(number, value);                \
				}                                                                 \
				break;                                                            \
			case BENCH_PUT:                                                           \
				puts++;                                                           \
				wrong += !put(map, thread, key, bench_value(number, i));          \
				break;                                                            \
			case BENCH_INSERT:                                                        \
				inserts++;                                                        \
				inserted += insert(map, thread, key, bench_value(number, i));     \
				break;                                                            \
			default:                                                                  \
				erases++;                                                         \
				erased += erase(map, thread, key);                                \
			}                                                                         \
		}                                                                                 \
		pause(map, thread);                                                               \
		tally->ops += count;                                                              \
		tally->hits += hits;                                                              \
		tally->wrong += wrong;                                                            \
		tally->puts += puts;                                                              \
		tally->inserts += inserts;                                                        \
		tally->inserted += inserted;                                                      \
		tally->erases += erases;                                                          \
		tally->erased += erased;                                                          \
	}

#define BENCH_NO_PAUSE(map, thread) ((void)(map), (void)(thread))

/* The single operations prefix_get … prefix_erase, likewise. */
#define BENCH_SINGLES(prefix, KEY, get, put, insert, erase)                                   \
	static bool prefix##_get(void *map, void *thread, uint64_t number, uint64_t *value)   \
	{                                                                                     \
		KEY(key, number);                                                             \
		return get(map, thread, key, value);                                          \
	}                                                                                     \
	static bool prefix##_put(void *map, void *thread, uint64_t number, uint64_t value)    \
	{                                                                                     \
		KEY(key, number);                                                             \
		return put(map, thread, key, value);                                          \
	}                                                                                     \
	static bool prefix##_insert(void *map, void *thread, uint64_t number, uint64_t value) \
	{                                                                                     \
		KEY(key, number);                                                             \
		return insert(map, thread, key, value);                                       \
	}                                                                                     \
	static bool prefix##_erase(void *map, void *thread, uint64_t number)                  \
	{                                                                                     \
		KEY(key, number);                                                             \
		return erase(map, thread, key);                                               \
	}

#define BENCH_WORD(key, word) uint64_t key = (word)
#define BENCH_BATCH(name, get, put, insert, erase, pause) \
	BENCH_BATCH_OF(name, BENCH_WORD, get, put, insert, erase, pause)

#endif
