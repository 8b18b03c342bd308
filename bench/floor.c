/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The two subjects that are no map. floor: a bare array of relaxed atomics indexed by the key, what
 * the memory allows; its insert and erase are a load and a store, so two threads may both believe
 * they did it. null: does nothing, so what it costs is the harness.
 */
#include "bench/adapter.h"
#include "bench/text.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Indices go up to twice the capacity. */
static void *floor_create(const struct bench_subject *subject, size_t capacity)
{
	(void)subject;
	return calloc(2 * capacity + 1, sizeof(_Atomic uint64_t));
}

static _Atomic uint64_t *slot(void *map, uint64_t key)
{
	return (_Atomic uint64_t *)map + (key & BENCH_INDEX_MASK);
}

BENCH_INLINE bool floor_get(void *map, void *thread, uint64_t key, uint64_t *value)
{
	(void)thread;
	*value = atomic_load_explicit(slot(map, key), memory_order_relaxed);
	return *value != 0;
}

BENCH_INLINE bool floor_put(void *map, void *thread, uint64_t key, uint64_t value)
{
	(void)thread;
	atomic_store_explicit(slot(map, key), value, memory_order_relaxed);
	return true;
}

BENCH_INLINE bool floor_insert(void *map, void *thread, uint64_t key, uint64_t value)
{
	uint64_t was;

	if (floor_get(map, thread, key, &was))
		return false;
	return floor_put(map, thread, key, value);
}

BENCH_INLINE bool floor_erase(void *map, void *thread, uint64_t key)
{
	uint64_t was;

	if (!floor_get(map, thread, key, &was))
		return false;
	return floor_put(map, thread, key, 0);
}

BENCH_BATCH(floor_batch, floor_get, floor_put, floor_insert, floor_erase, BENCH_NO_PAUSE)

const struct bench_subject bench_floor = {
	.id = "floor",
	.name = "floor",
	.create = floor_create,
	.destroy = free,
	.batch = floor_batch,
	.get = floor_get,
	.put = floor_put,
	.insert = floor_insert,
	.erase = floor_erase,
	.bare = true,
	.racy = true,
};

static void *null_create(const struct bench_subject *subject, size_t capacity)
{
	(void)subject;
	(void)capacity;
	return malloc(1);
}

/* The compiler must believe that the key is used and the value comes from somewhere. */
BENCH_INLINE bool null_get(void *map, void *thread, uint64_t key, uint64_t *value)
{
	(void)map;
	(void)thread;
	__asm__ volatile("" : "+r"(key) : : "memory");
	*value = key;
	return true;
}

BENCH_INLINE bool null_put(void *map, void *thread, uint64_t key, uint64_t value)
{
	(void)map;
	(void)thread;
	__asm__ volatile("" : : "r"(key), "r"(value) : "memory");
	return true;
}

BENCH_INLINE bool null_erase(void *map, void *thread, uint64_t key)
{
	return null_put(map, thread, key, 0);
}

BENCH_BATCH(null_batch, null_get, null_put, null_put, null_erase, BENCH_NO_PAUSE)

/* What making the key takes besides. */
#define NULL_TEXT_16(key, word)    \
	BENCH_TEXT_16(text, word); \
	(void)text;                \
	uint64_t key = (word)
#define NULL_TEXT_48(key, word)    \
	BENCH_TEXT_48(text, word); \
	(void)text;                \
	uint64_t key = (word)

BENCH_BATCH_OF(null_batch_16, NULL_TEXT_16, null_get, null_put, null_put, null_erase,
	       BENCH_NO_PAUSE)
BENCH_BATCH_OF(null_batch_48, NULL_TEXT_48, null_get, null_put, null_put, null_erase,
	       BENCH_NO_PAUSE)

#define NULL_SUBJECT(size, driver, others)                                             \
	{                                                                              \
		.id = "null", .name = "null", .create = null_create, .destroy = free,  \
		.batch = driver, .get = null_get, .put = null_put, .insert = null_put, \
		.erase = null_erase, .texts = others, .key_size = size, .bare = true,  \
		.racy = true,                                                          \
	}

static const struct bench_subject null_texts[BENCH_TEXTS] = {
	NULL_SUBJECT(16, null_batch_16, NULL),
	NULL_SUBJECT(48, null_batch_48, NULL),
};
const struct bench_subject bench_null = NULL_SUBJECT(0, null_batch, null_texts);
