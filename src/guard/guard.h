/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Where the library asks the guard: when a map is made, and at the traversals, about their own
 * first bytes and their caller. While the guard is off that is one load and a branch that is not taken.
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
/* A traversal was called from there; a cursor is made for who is there. */
void calm__guard_called(const char *function, const void *caller);
void calm__guard_cursor_made(const char *function, const void *caller);

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

/*
 * A public traversal, `name`, does what `inner` does, another function with its parameters. While the guard is on, that
 * is told first, in a function out of line: what is kept across a call would cost the other way too.
 */
#define CALM__BARE(...) __VA_ARGS__
#define CALM__TRAVERSAL(type, name, inner, guard, parameters, arguments)                   \
	__attribute__((noinline, cold)) static type inner##_watched(CALM__BARE parameters, \
								    const void *caller)    \
	{                                                                                  \
		guard(#name, caller);                                                      \
		return inner(CALM__BARE arguments);                                        \
	}                                                                                  \
	type name(CALM__BARE parameters)                                                   \
	{                                                                                  \
		return calm__watched(CALM__WATCH_ON)                                       \
			       ? inner##_watched(CALM__BARE arguments,                     \
						 __builtin_return_address(0))              \
			       : inner(CALM__BARE arguments);                              \
	}

#endif
