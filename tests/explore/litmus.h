/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Whether stale loads show what C11 allows, and nothing that it forbids: see litmus.c. */
#ifndef TESTS_EXPLORE_LITMUS_H
#define TESTS_EXPLORE_LITMUS_H

#include <stdbool.h>
#include <stdint.h>

/* Prints a line for each test. False: one showed what it must not, or not what it must. */
bool litmus_all(uint64_t seed);

#endif
