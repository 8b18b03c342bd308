/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Every pair of verbs as a scenario. See pairs.c. */
#ifndef TESTS_EXPLORE_PAIRS_H
#define TESTS_EXPLORE_PAIRS_H

#include "explore/play.h"

#define PAIRS_PROGRAM 40

/* All of them, *count: made at the first call, and static. Their names begin with "pair-". */
const struct scenario *pairs_all(unsigned *count);

/* How a seed varies a pair: flags to be added where the kind is able to, */
unsigned pairs_flags(uint64_t seed);
/* and the programs. flags: what the kind is able to. "": none. */
void pairs_programs(const struct scenario *scenario, unsigned flags, uint64_t seed,
		    char programs[PLAY_FIBERS][PAIRS_PROGRAM]);

#endif
