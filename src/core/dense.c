/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A sorted array with a coarse index over it: deltamap's base.
 *
 *      starts   0       3    5         9 …         one for each bucket of 2^bits
 *      entries  k v k v k v  k v k v   k v …       in order of hash, then key
 *
 * Hashes are spread evenly, so the top bits of one say where it lies to within a few entries, and a
 * find reads one start and a line or two. There is no free slot and no mark, so a word binding takes 16
 * bytes and its share of a start, 1.3 to 2.7; a pass reads memory in order; and two tables are merged
 * as two sorted lists are. Byte keys lie in one piece, in the same order, so that a pass over them
 * is a pass over memory too, and no key is freed but with its table.
 *
 * Invariants, once sealed: entries rise strictly; starts[b] is the first entry of bucket b or of a
 * later one; starts[2^bits] is count; nothing but births changes any more.
 *
 * Source: a sorted file with an index over its blocks, as log-structured merge trees have (O'Neil et
 * al., Acta Informatica 33, 1996), ordered by hash as in Fredman and Willard's and others'
 * interpolation tables. Rejected: open addressing (core/table): a third more memory, and a pass in
 * an order that the delta does not have; an interpolation search without an index, which computes
 * a hash for every key that it looks at.
 */
#include "core/dense.h"

#include <string.h>

/* Entries in a bucket, on average: half as many to as many. */
#define FULL 6
/* What is longer is searched by halves, however alike the hashes are. */
#define LONG 16

size_t calm__dense_key_bytes(const struct calm__keys *keys, uint64_t stored)
{
	if (keys->kind == CALM_KEYS_WORD)
		return 0;
	size_t size = calm__record_size(calm__record_of(stored)->size);
	return (size + 7) & ~(size_t)7;
}

static size_t bucket_of(const struct calm__dense *dense, uint64_t hash)
{
	return (size_t)(hash >> (64 - dense->bits));
}

static size_t buckets(const struct calm__dense *dense)
{
	return (size_t)1 << dense->bits;
}

struct calm__dense *calm__dense_new(struct calm__heap *heap, calm_key_kind kind, size_t count,
				    size_t key_bytes, bool births)
{
	size_t each = sizeof(struct calm__entry) + (births ? sizeof(uint64_t) : 0) +
		      (kind == CALM_KEYS_BYTES);
	if (key_bytes > PTRDIFF_MAX / 4 || count > PTRDIFF_MAX / 4 / (each + sizeof(size_t)))
		return NULL;
	unsigned bits = 1;
	while (((size_t)FULL << bits) < count)
		bits++;
	size_t starts = (((size_t)1 << bits) + 1) * sizeof(size_t);
	size_t bytes = sizeof(struct calm__dense) + starts + key_bytes + count * each;
	struct calm__dense *dense = calm__heap_alloc(heap, bytes);
	if (!dense)
		return NULL;
	calm__prefer_large_pages(dense, bytes);
	char *at = (char *)(dense + 1);
	*dense = (struct calm__dense){.bytes = bytes, .bits = bits};
	dense->entries = (struct calm__entry *)at;
	at += count * sizeof(*dense->entries);
	dense->births = births ? (uint64_t *)at : NULL;
	at += births ? count * sizeof(*dense->births) : 0;
	dense->starts = (size_t *)at;
	at += starts;
	dense->records = (unsigned char *)at;
	dense->tags = kind == CALM_KEYS_BYTES ? dense->records + key_bytes : NULL;
	return dense;
}

void calm__dense_append(struct calm__dense *dense, const struct calm__keys *keys,
			struct calm__entry entry, uint64_t birth)
{
	uint64_t hash = calm__stored_hash(keys, entry.key);
	if (dense->tags) {
		struct calm__record *record = (struct calm__record *)(dense->records + dense->keys);
		const struct calm__record *from = calm__record_of(entry.key);
		memcpy(record, from, calm__record_size(from->size));
		dense->keys += calm__dense_key_bytes(keys, entry.key);
		dense->tags[dense->count] = (uint8_t)hash;
		entry.key = (uint64_t)(uintptr_t)record;
	}
	for (size_t bucket = bucket_of(dense, hash); dense->next <= bucket; dense->next++)
		dense->starts[dense->next] = dense->count;
	if (dense->births)
		dense->births[dense->count] = birth;
	dense->entries[dense->count++] = entry;
}

void calm__dense_seal(struct calm__dense *dense)
{
	for (; dense->next <= buckets(dense); dense->next++)
		dense->starts[dense->next] = dense->count;
}

void calm__dense_free(struct calm__heap *heap, struct calm__dense *dense)
{
	calm__heap_free(heap, dense, dense ? dense->bytes : 0);
}

/* Whether an entry lies before a hash and a key, or at it. */
static int side(const struct calm__keys *keys, uint64_t stored, calm_key key, uint64_t hash)
{
	uint64_t own = calm__stored_hash(keys, stored);
	return own != hash ? (own < hash ? -1 : 1) : calm__key_compare(keys, stored, key);
}

static size_t find_long(const struct calm__dense *dense, const struct calm__keys *keys,
			calm_key key, uint64_t hash, size_t from, size_t to)
{
	while (from < to) {
		size_t middle = from + (to - from) / 2;
		int order = side(keys, dense->entries[middle].key, key, hash);
		if (order == 0)
			return middle;
		from = order < 0 ? middle + 1 : from;
		to = order < 0 ? to : middle;
	}
	return CALM__NOWHERE;
}

size_t calm__dense_find(const struct calm__dense *dense, const struct calm__keys *keys,
			calm_key key, uint64_t hash)
{
	const size_t *start = &dense->starts[bucket_of(dense, hash)];
	if (unlikely(start[1] - start[0] > LONG))
		return find_long(dense, keys, key, hash, start[0], start[1]);
	for (size_t i = start[0]; i < start[1]; i++) {
		if (dense->tags && dense->tags[i] != (uint8_t)hash)
			continue;
		if (calm__key_is(keys, dense->entries[i].key, key, hash))
			return i;
	}
	return CALM__NOWHERE;
}

size_t calm__dense_from(const struct calm__dense *dense, const struct calm__keys *keys,
			uint64_t hash)
{
	size_t bucket = bucket_of(dense, hash);
	size_t from = dense->starts[bucket];
	size_t to = dense->starts[bucket + 1];
	if (hash << dense->bits == 0) /* where a bucket begins */
		return from;
	while (to - from > LONG) {
		size_t middle = from + (to - from) / 2;
		if (calm__stored_hash(keys, dense->entries[middle].key) < hash)
			from = middle + 1;
		else
			to = middle;
	}
	while (from < to && calm__stored_hash(keys, dense->entries[from].key) < hash)
		from++;
	return from;
}

const char *calm__dense_check(const struct calm__dense *dense, const struct calm__keys *keys)
{
	for (size_t i = 0; i + 1 < dense->count; i++)
		if (calm__entry_compare(keys, &dense->entries[i], &dense->entries[i + 1]) >= 0)
			return "a base is not in order";
	for (size_t i = 0; i < dense->count; i++) {
		uint64_t stored = dense->entries[i].key;
		if (calm__dense_find(dense, keys, calm__key_of(keys, stored),
				     calm__stored_hash(keys, stored)) != i)
			return "a binding of a base cannot be found from its bucket's start";
	}
	return dense->starts[buckets(dense)] == dense->count ? NULL : "a base's index is wrong";
}
