/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Where the library asks the guard: when a map is made, when a cursor is made, and at the traversals, about their
 * caller. While the guard is off that is one load and a branch that is not taken.
 *
 * Under the explorer there is no dynamic linker to watch, and each load would be a step of the schedule: no hooks.
 */
#ifndef CALM_GUARD_GUARD_H
#define CALM_GUARD_GUARD_H

#include "base/atomic.h"
#include "base/port.h"

#define CALM__WATCH_ON 1U      /* the mode is not off */
#define CALM__WATCH_CALLERS 2U /* and there is a list of callers */

extern shared_u32 calm__watch;

void calm__guard_map_made(void);
void calm__guard_cursor_made(void);
void calm__guard_called(const char *function, const void *from);

#ifdef CALM_EXPLORE
#define calm__watched(bit) false
#else
static inline bool calm__watched(uint32_t bit)
{
	/* order: none - who turns the guard on tells other threads by its own means. */
	return unlikely((load_relaxed(&calm__watch) & bit) != 0);
}
#endif

static inline void calm__watch_map(void)
{
	if (calm__watched(CALM__WATCH_ON))
		calm__guard_map_made();
}

static inline void calm__watch_cursor(void)
{
	if (calm__watched(CALM__WATCH_ON))
		calm__guard_cursor_made();
}

/* In a public function itself, since the caller is who it returns to. */
#define calm__watch_caller()                                                       \
	do {                                                                       \
		if (calm__watched(CALM__WATCH_CALLERS))                            \
			calm__guard_called(__func__, __builtin_return_address(0)); \
	} while (0)

#endif
