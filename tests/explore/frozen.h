/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Writers that stop for ever. See frozen.c. */
#ifndef TESTS_EXPLORE_FROZEN_H
#define TESTS_EXPLORE_FROZEN_H

#include <stdbool.h>

/* Says what waited for what. False: something that must not. */
bool frozen_all(void);

#endif
