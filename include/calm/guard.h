/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The guard notices that the functions one calls are not the library's: a preloaded interposer, a
 * definition in the executable, a patched traversal. It detects accidental or uncooperative
 * interposition; it is no defence against an attacker in the process.
 *
 * This version of calm declares the interface and has no checks yet: whatever would take effect
 * answers CALM_EUNSUPPORTED.
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
 * What was found: the symbol, the object that took it, and one sentence. Good until the callback
 * returns.
 */
typedef struct calm_guard_finding {
	const char *symbol;
	const char *object;
	const char *message;
} calm_guard_finding;

typedef void calm_guard_report_fn(const calm_guard_finding *finding, void *context);

/* Sets the mode; report may be NULL: stderr. OK, EINVAL, EUNSUPPORTED. */
CALM_API calm_status calm_guard_set(calm_guard_mode mode, calm_guard_report_fn *report,
				    void *context);

/* Also checks callers: only the named modules (base name of a shared object or executable) may
 * call a traversal. OK, EINVAL, ENOMEM, EUNSUPPORTED. */
CALM_API calm_status calm_guard_allow(const char *module);

/* Checks now. The number of findings, each reported; below 0 a calm_status. */
CALM_API int calm_guard_check(void);

#ifdef __cplusplus
}
#endif

#endif
