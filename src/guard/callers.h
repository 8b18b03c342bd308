/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Which modules may call a traversal. */
#ifndef CALM_GUARD_CALLERS_H
#define CALM_GUARD_CALLERS_H

#include <calm/guard.h>

/* Adds a module. CALM_OK; CALM_ENOMEM: the list is full, or memory short. */
calm_status calm__callers_allow(const char *module);

/*
 * The module that runs at an address, if it is known and not allowed; NULL: it may call, or nobody knows what it is.
 * Wait-free.
 */
const char *calm__callers_refuse(const void *from);

#endif
