/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A table that is written once and then only read: no free slot, everything in the order in which
 * snapshots are walked. See dense.c.
 */
#ifndef CALM_CORE_DENSE_H
#define CALM_CORE_DENSE_H

#include "core/key.h"
#include "sync/history.h"

#define CALM__NOWHERE SIZE_MAX

struct calm__dense {
	size_t count;  /* bindings; while it is being filled, so far */
	size_t bytes;  /* of this allocation */
	size_t keys;   /* bytes of the keys' records; while it is being filled, so far */
	unsigned bits; /* the top bits of a hash are its bucket: hash >> (64 - bits); bits > 0 */
	size_t next;   /* while it is being filled: the first bucket that has no start yet */
	struct calm__entry *entries; /* by hash, then by key; a byte key is a record of `records` */
	uint64_t *births; /* each value's birth epoch, or NULL: not kept. The only thing that changes:
	                     guarded as its owner says */
	size_t *starts;   /* of each bucket, and one more: where its entries begin */
	uint8_t *tags;    /* of byte keys: eight bits of the hash; NULL: words */
	unsigned char *records;
};

/* The bytes that a key takes among the records. */
size_t calm__dense_key_bytes(const struct calm__keys *keys, uint64_t stored);

/* Room for exactly `count` bindings with so many bytes of keys. NULL: no memory. */
struct calm__dense *calm__dense_new(struct calm__heap *heap, calm_key_kind kind, size_t count,
				    size_t key_bytes, bool births);
/* The next binding, in order. A byte key's record is copied. */
void calm__dense_append(struct calm__dense *dense, const struct calm__keys *keys,
			struct calm__entry entry, uint64_t birth);
/* After the last. */
void calm__dense_seal(struct calm__dense *dense);
/* Values are the caller's. NULL is fine. */
void calm__dense_free(struct calm__heap *heap, struct calm__dense *dense);

/* A binding's index, or CALM__NOWHERE. */
size_t calm__dense_find(const struct calm__dense *dense, const struct calm__keys *keys,
			calm_key key, uint64_t hash);
/* The index of the first binding whose hash is not below. */
size_t calm__dense_from(const struct calm__dense *dense, const struct calm__keys *keys,
			uint64_t hash);

/* The order of a stored key and another of the same kind: numbers, or memcmp, then length. */
static inline int calm__key_compare(const struct calm__keys *keys, uint64_t stored, calm_key key)
{
	if (keys->kind == CALM_KEYS_WORD)
		return (stored > calm_key_word(key)) - (stored < calm_key_word(key));
	const struct calm__record *record = calm__record_of(stored);
	size_t common = record->size < key.size ? record->size : key.size;
	int order = common > 0 ? memcmp(record->bytes, key.data, common) : 0;
	return order != 0 ? order : (record->size > key.size) - (record->size < key.size);
}

/* By hash, then by key: the order of snapshots. */
static inline int calm__entry_compare(const struct calm__keys *keys, const struct calm__entry *a,
				      const struct calm__entry *b)
{
	uint64_t left = calm__stored_hash(keys, a->key);
	uint64_t right = calm__stored_hash(keys, b->key);
	return left != right ? (left < right ? -1 : 1)
			     : calm__key_compare(keys, a->key, calm__key_of(keys, b->key));
}

/* Where the bindings with hashes from `first` to `last` end. */
static inline size_t calm__dense_to(const struct calm__dense *dense, const struct calm__keys *keys,
				    uint64_t last)
{
	return last == UINT64_MAX ? dense->count : calm__dense_from(dense, keys, last + 1);
}

/* What a load will touch first. */
__attribute__((always_inline)) static inline void calm__dense_fetch(const struct calm__dense *dense,
								    uint64_t hash)
{
	__builtin_prefetch(&dense->starts[hash >> (64 - dense->bits)]);
}

/* And, once that has come, what it touches then. Called, it would have no effect that gcc knows of. */
__attribute__((always_inline)) static inline void calm__dense_fetch_entries(
	const struct calm__dense *dense, uint64_t hash)
{
	size_t i = dense->starts[hash >> (64 - dense->bits)];
	if (dense->tags)
		__builtin_prefetch(&dense->tags[i]);
	__builtin_prefetch(&dense->entries[i]);
	__builtin_prefetch(&dense->entries[i] + 64 / sizeof(*dense->entries));
}

/* A sentence naming the invariant that does not hold, or NULL. */
const char *calm__dense_check(const struct calm__dense *dense, const struct calm__keys *keys);

#endif
