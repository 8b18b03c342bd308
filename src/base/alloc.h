/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * All memory of the library comes and goes here: through the map's calm_allocator, or malloc. So a
 * test that fails the n-th allocation reaches every site.
 */
#ifndef CALM_BASE_ALLOC_H
#define CALM_BASE_ALLOC_H

#include <calm/base.h>

/* malloc and free. */
extern const calm_allocator calm__malloc;

/* size bytes aligned for any type, uninitialized; NULL: no memory. size 0 is a byte. */
void *calm__alloc(const calm_allocator *allocator, size_t size);

/* The same, all bits zero. Large blocks from malloc's own pages are not touched. */
void *calm__alloc_zero(const calm_allocator *allocator, size_t size);

/* NULL is fine. */
void calm__free(const calm_allocator *allocator, void *pointer);

#endif
