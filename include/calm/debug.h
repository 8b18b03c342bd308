/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Seeing into a running process. For people: the text's form may change between versions. None of these may be called from a
 * signal handler but calm_debug_stack, and only as said there. What each method can see, this one and a debugger's:
 * docs/debugging.md.
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

/*
 * A line per attached thread: kernel id, name, read section (open since which epoch), pointers retired. OK, EINVAL. Takes no lock of
 * a map; each number is true of some recent moment.
 */
CALM_API calm_status calm_debug_threads(FILE *file);

/*
 * The calling thread's stack, the caller first: a line per frame, module(function+offset)[address], where functions without a
 * dynamic symbol have no name (addr2line -e module offset has it). OK, EINVAL, EUNSUPPORTED: a C library without backtrace(3).
 *
 * With stderr, or another file that has a descriptor and no buffered text, it allocates nothing and takes no lock of calm: it may then
 * be called from the handler of a fatal signal, if it was called once before, since the first call loads the unwinder.
 */
CALM_API calm_status calm_debug_stack(FILE *file);

#ifdef __cplusplus
}
#endif

#endif
