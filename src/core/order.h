/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Byte keys as they are sorted: memcmp, then length. An ordered table keeps a key as an immutable name, and
 * next to it, in the same word, a tag: the two bytes that follow what all keys of its node have in
 * common. Most comparisons are decided by tags and never touch the name.
 *
 *     stored   tag (16 bits) | address of the name (48 bits)
 *     name     birth (48 bits) | size, or 0xffff (16 bits); [size]; bytes
 *
 * Tags and heads are zero-padded, so they order as keys do but for ties, which the names decide.
 *
 * User space has 47-bit addresses on x86-64 and 48-bit ones on arm64, unless a program asks mmap for
 * higher; a name that an allocator puts there is refused. Rejected: heads of eight bytes beside the
 * pointers: half as much memory again per slot, and one more serial cache miss per get.
 */
#ifndef CALM_CORE_ORDER_H
#define CALM_CORE_ORDER_H

#include "sync/heap.h"
#include <calm/map.h>

#include <string.h>

struct calm__name {
	uint64_t meta;
	unsigned char rest[];
};

#define CALM__NAME_LONG 0xffffU
#define CALM__ADDRESS (((uint64_t)1 << 48) - 1)

static inline size_t calm__name_size(const struct calm__name *name)
{
	size_t size = name->meta & CALM__NAME_LONG;
	if (__builtin_expect(size == CALM__NAME_LONG, 0))
		memcpy(&size, name->rest, sizeof(size));
	return size;
}

static inline const unsigned char *calm__name_bytes(const struct calm__name *name)
{
	return name->rest +
	       ((name->meta & CALM__NAME_LONG) == CALM__NAME_LONG ? sizeof(size_t) : 0);
}

/* Before it is published. 2^48 epochs: nine years of opening a snapshot every microsecond. */
static inline void calm__name_born(struct calm__name *name, uint64_t epoch)
{
	name->meta = (name->meta & CALM__NAME_LONG) | epoch << 16;
}

static inline uint64_t calm__name_birth(const struct calm__name *name)
{
	return name->meta >> 16;
}

static inline size_t calm__name_bytes_needed(size_t size)
{
	return sizeof(struct calm__name) + (size >= CALM__NAME_LONG ? sizeof(size) : 0) + size;
}

static inline void calm__name_free(struct calm__heap *heap, struct calm__name *name)
{
	if (name)
		calm__heap_free(heap, name, calm__name_bytes_needed(calm__name_size(name)));
}

/* NULL: no memory. */
static inline struct calm__name *calm__name_new(struct calm__heap *heap, const void *data,
						size_t size)
{
	struct calm__name *name = calm__heap_alloc(heap, calm__name_bytes_needed(size));
	if (!name)
		return NULL;
	name->meta = size < CALM__NAME_LONG ? size : CALM__NAME_LONG;
	if (size >= CALM__NAME_LONG)
		memcpy(name->rest, &size, sizeof(size));
	if (size > 0)
		memcpy((unsigned char *)(uintptr_t)calm__name_bytes(name), data, size);
	if (((uint64_t)(uintptr_t)name & ~CALM__ADDRESS) == 0)
		return name;
	calm__name_free(heap, name);
	return NULL;
}

/* The first eight bytes behind the first `skip`, as a big-endian number, zero-padded. */
static inline uint64_t calm__head(const unsigned char *data, size_t size, size_t skip)
{
	uint64_t head = 0;
	if (__builtin_expect(size >= skip + sizeof(head), 1)) {
		memcpy(&head, data + skip, sizeof(head));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		head = __builtin_bswap64(head);
#endif
		return head;
	}
	for (size_t i = skip; i < size; i++)
		head |= (uint64_t)data[i] << (8 * (7 - (i - skip)));
	return head;
}

static inline uint64_t calm__name_head(const struct calm__name *name, size_t skip)
{
	return calm__head(calm__name_bytes(name), calm__name_size(name), skip);
}

/* < 0, 0, > 0, as memcmp. Both are known to agree in their first `skip` bytes. */
static inline int calm__bytes_compare(const unsigned char *a, size_t a_size, const unsigned char *b,
				      size_t b_size, size_t skip)
{
	size_t common = a_size < b_size ? a_size : b_size;
	int order = common > skip ? memcmp(a + skip, b + skip, common - skip) : 0;
	return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

static inline int calm__name_compare(const struct calm__name *name, calm_key key, size_t skip)
{
	return calm__bytes_compare(calm__name_bytes(name), calm__name_size(name), key.data,
				   key.size, skip);
}

static inline int calm__names_compare(const struct calm__name *a, const struct calm__name *b)
{
	return calm__bytes_compare(calm__name_bytes(a), calm__name_size(a), calm__name_bytes(b),
				   calm__name_size(b), 0);
}

/* How many bytes two keys have in common at their beginning. */
static inline size_t calm__common(const unsigned char *a, size_t a_size, const unsigned char *b,
				  size_t b_size)
{
	size_t least = a_size < b_size ? a_size : b_size;
	size_t n = 0;
	while (n + sizeof(uint64_t) <= least && memcmp(a + n, b + n, sizeof(uint64_t)) == 0)
		n += sizeof(uint64_t);
	while (n < least && a[n] == b[n])
		n++;
	return n;
}

/*
 * The size of the shortest beginning of `right` that is above `left`, which is below right: between
 * the two, as short as can be.
 */
static inline size_t calm__separator_size(const unsigned char *left, size_t left_size,
					  const unsigned char *right, size_t right_size)
{
	return calm__common(left, left_size, right, right_size) + 1;
}

/* ---- what a slot holds ---- */

static inline struct calm__name *calm__name_of(uint64_t stored)
{
	return (struct calm__name *)(uintptr_t)(stored & CALM__ADDRESS);
}

static inline uint64_t calm__tag_of(uint64_t head)
{
	return head >> 48;
}

static inline uint64_t calm__stored_name(const struct calm__name *name, size_t skip)
{
	return (uint64_t)(uintptr_t)name | calm__tag_of(calm__name_head(name, skip)) << 48;
}

#endif
