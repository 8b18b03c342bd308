/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* A map's memory: its allocator, and how many bytes it has from it now. */
#ifndef CALM_SYNC_HEAP_H
#define CALM_SYNC_HEAP_H

#include "base/alloc.h"
#include "sync/stripe.h"

struct calm__heap {
	calm_allocator allocator;
	struct calm__stripes bytes;
};

static inline void *calm__heap_alloc(struct calm__heap *heap, size_t size)
{
	void *pointer = calm__alloc(&heap->allocator, size);
	if (pointer)
		calm__stripes_add(&heap->bytes, calm__self(), (int64_t)size);
	return pointer;
}

static inline void *calm__heap_zero(struct calm__heap *heap, size_t size)
{
	void *pointer = calm__alloc_zero(&heap->allocator, size);
	if (pointer)
		calm__stripes_add(&heap->bytes, calm__self(), (int64_t)size);
	return pointer;
}

/* size is what was asked for. NULL is fine. */
static inline void calm__heap_free(struct calm__heap *heap, void *pointer, size_t size)
{
	if (!pointer)
		return;
	calm__free(&heap->allocator, pointer);
	calm__stripes_add(&heap->bytes, calm__self(), -(int64_t)size);
}

#endif
