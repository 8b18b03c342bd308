/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Seeing into a running process. For people: the text's form may change between versions.
 */
#ifndef CALM_DEBUG_H
#define CALM_DEBUG_H

#include <calm/map.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes what calm_map_stats knows, a line each. OK, EINVAL. Takes no lock of the map. */
CALM_API calm_status calm_debug_dump(const calm_map *map, FILE *file);

/*
 * Walks the structure and verifies its invariants; the map must be quiet. OK: it holds.
 * CALM_CHANGED: it does not, and *broken (if broken is not NULL) is a static sentence saying which.
 * EINVAL, EUNSUPPORTED. O(n).
 */
CALM_API calm_status calm_debug_check(const calm_map *map, const char **broken);

/* A line per attached thread: kernel id, name, read section (open since which epoch, how deep),
 * pointers retired. OK, EINVAL. */
CALM_API calm_status calm_debug_threads(FILE *file);

/* The calling thread's stack, symbolized. This version: EUNSUPPORTED. */
CALM_API calm_status calm_debug_stack(FILE *file);

#ifdef __cplusplus
}
#endif

#endif
