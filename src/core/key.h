/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Keys as tables hold them: a word is itself; a byte key is the address of an immutable record,
 * which has the bytes right behind its header. Both fit the 64 bits of a slot.
 */
#ifndef CALM_CORE_KEY_H
#define CALM_CORE_KEY_H

#include "base/hash.h"
#include "sync/heap.h"
#include <calm/map.h>

#include <string.h>

struct calm__record {
	uint64_t hash;
	uint64_t birth; /* the epoch in which it came into the map (sync/snap.c) */
	uint32_t size;
	unsigned char bytes[];
};

/* Which keys a map takes, and how it hashes them. */
struct calm__keys {
	calm_key_kind kind;
	uint64_t seed;
};

/* CALM_OK, CALM_EKEY, CALM_EINVAL (bytes without an address). */
static inline calm_status calm__key_check(const struct calm__keys *keys, calm_key key)
{
	if (calm_key_is_word(key))
		return keys->kind == CALM_KEYS_WORD ? CALM_OK : CALM_EKEY;
	if (keys->kind == CALM_KEYS_WORD || key.size > CALM_KEY_SIZE_MAX)
		return CALM_EKEY;
	return key.data || key.size == 0 ? CALM_OK : CALM_EINVAL;
}

static inline uint64_t calm__key_hash(const struct calm__keys *keys, calm_key key)
{
	if (keys->kind == CALM_KEYS_WORD)
		return calm__hash_word(calm_key_word(key), keys->seed);
	return calm__hash_bytes(key.data, key.size, keys->seed);
}

static inline struct calm__record *calm__record_of(uint64_t stored)
{
	return (struct calm__record *)(uintptr_t)stored;
}

static inline size_t calm__record_size(size_t key_size)
{
	return sizeof(struct calm__record) + key_size;
}

/* A copy of a byte key; NULL: no memory. */
static inline struct calm__record *calm__record_new(struct calm__heap *heap, calm_key key,
						    uint64_t hash)
{
	struct calm__record *record = calm__heap_alloc(heap, calm__record_size(key.size));
	if (!record)
		return NULL;
	record->hash = hash;
	record->birth = 0;
	record->size = (uint32_t)key.size;
	if (key.size > 0)
		memcpy(record->bytes, key.data, key.size);
	return record;
}

static inline void calm__record_free(struct calm__heap *heap, struct calm__record *record)
{
	calm__heap_free(heap, record, record ? calm__record_size(record->size) : 0);
}

/* The key that a slot's 64 bits stand for. */
static inline calm_key calm__key_of(const struct calm__keys *keys, uint64_t stored)
{
	if (keys->kind == CALM_KEYS_WORD)
		return calm_word(stored);
	const struct calm__record *record = calm__record_of(stored);
	return calm_bytes(record->bytes, record->size);
}

static inline uint64_t calm__stored_hash(const struct calm__keys *keys, uint64_t stored)
{
	return keys->kind == CALM_KEYS_WORD ? calm__hash_word(stored, keys->seed)
					    : calm__record_of(stored)->hash;
}

static inline bool calm__key_is(const struct calm__keys *keys, uint64_t stored, calm_key key,
				uint64_t hash)
{
	if (keys->kind == CALM_KEYS_WORD)
		return stored == calm_key_word(key);
	const struct calm__record *record = calm__record_of(stored);
	return record->hash == hash && record->size == key.size &&
	       (key.size == 0 || memcmp(record->bytes, key.data, key.size) == 0);
}

#endif
