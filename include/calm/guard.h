/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The guard notices that the functions one calls are not the library's: a preloaded interposer, an
 * auditor that redirects, a definition in the executable, an overwritten slot, a patched traversal;
 * and, if asked to, that a traversal is called from a module that should not. It detects accidental
 * or uncooperative interposition; it is no defence against an attacker in the process.
 *
 * While it is off, the default, a traversal costs one load and a branch more. When it is on it
 * checks at once, whenever a map is made, and (the traversals' first bytes only) whenever a cursor
 * is. What it cannot see: calls redirected by the linker (--wrap: calm scan sees that in objects),
 * an auditor that only watches, hooks made of breakpoints. What it cannot tell it does not report:
 * a library's file that was replaced while the process runs, code that is in no module.
 */
#ifndef CALM_GUARD_H
#define CALM_GUARD_H

#include <calm/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum calm_guard_mode {
	CALM_GUARD_OFF = 0,    /* the default */
	CALM_GUARD_REPORT = 1, /* tell the callback, or stderr */
	CALM_GUARD_ABORT = 2   /* tell, then abort */
} calm_guard_mode;

/*
 * What was found: the function of calm's, the object that took it or calls it (its path, or a word
 * for memory that is in none), and one sentence. Good until the callback returns.
 */
typedef struct calm_guard_finding {
	const char *symbol;
	const char *object;
	const char *message;
} calm_guard_finding;

typedef void calm_guard_report_fn(const calm_guard_finding *finding, void *context);

/*
 * Sets the mode, and unless that is off checks at once. Report may be NULL: then a finding goes to
 * stderr, with the stack. It is called from whatever thread finds something, with no lock held, and
 * may call calm, where the guard then looks away. A finding is told once until the mode is set
 * again; calm_guard_check() tells all anew.
 *
 * CALM_OK. CALM_EINVAL: mode is none. Cost: as calm_guard_check().
 */
CALM_API calm_status calm_guard_set(calm_guard_mode mode, calm_guard_report_fn *report,
				    void *context);

/*
 * From now on, while the guard is on, only the named modules may call a traversal: calm_map_each,
 * calm_map_walk, calm_snapshot_each, calm_snapshot_range, calm_snapshot_range_descending,
 * calm_snapshot_diff, calm_cursor_init. A module is the base name of a shared object or of the
 * executable; it need not be loaded yet. The first call begins the list, and nothing shortens it.
 *
 * CALM_OK. CALM_EINVAL: module is NULL, empty, or a path. CALM_ENOMEM: no memory, or 64 are named.
 * Cost: for a call from the executable, if that is allowed, 4 ns; from another module, which is
 * looked up each time since it may have been replaced, 25. Wait-free.
 */
CALM_API calm_status calm_guard_allow(const char *module);

/*
 * Checks now, in whatever mode: what each exported name resolves to, what the slots of every loaded
 * object hold, and the traversals' code against the library's file.
 *
 * The number of findings, each told; below 0: CALM_ENOMEM. Cost: a lookup per exported name, and
 * a pass over the relocations of all loaded objects: 0.3 ms and more. Blocks dlopen() meanwhile.
 */
CALM_API int calm_guard_check(void);

#ifdef __cplusplus
}
#endif

#endif
