/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Atomic operations that are relaxed, to see what comes of it: see sites.c. */
#ifndef TESTS_EXPLORE_SITES_H
#define TESTS_EXPLORE_SITES_H

#include <stdbool.h>

/*
 * Relaxes every site in a list FILE:LINE,...; FILE as compiled, or its end; with :sc behind it, only
 * to acquire and release. False: malformed.
 */
bool sites_relax(const char *sites);
/* Whether each of those was met. */
bool sites_all_met(void);

#endif
