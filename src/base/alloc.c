/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void *malloc_alloc(size_t size, void *context)
{
	(void)context;
	return malloc(size);
}

static void malloc_free(void *pointer, void *context)
{
	(void)context;
	free(pointer);
}

const calm_allocator calm__malloc = {malloc_alloc, malloc_free, NULL};

void *calm__alloc(const calm_allocator *allocator, size_t size)
{
	int saved = errno;
	void *pointer = allocator->alloc(size > 0 ? size : 1, allocator->context);
	errno = saved;
	return pointer;
}

void *calm__alloc_zero(const calm_allocator *allocator, size_t size)
{
	int saved = errno;
	void *pointer;
	if (allocator->alloc == malloc_alloc) {
		pointer = calloc(1, size > 0 ? size : 1);
	} else {
		pointer = allocator->alloc(size > 0 ? size : 1, allocator->context);
		if (pointer)
			memset(pointer, 0, size);
	}
	errno = saved;
	return pointer;
}

void calm__free(const calm_allocator *allocator, void *pointer)
{
	if (!pointer)
		return;
	int saved = errno;
	allocator->free(pointer, allocator->context);
	errno = saved;
}
