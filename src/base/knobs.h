/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What the tests may change in a library: constants, and the compiler sees them; in a build with
 * CALM_KNOBS, which only tests link, variables that tests/knobs/knobs.c sets before main. So one
 * build serves as every variant. What each does stands where it is used.
 *
 * Rejected: a build for each variant, of which there were five, and fifty for the rules.
 */
#ifndef CALM_BASE_KNOBS_H
#define CALM_BASE_KNOBS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef CALM_KNOBS
struct calm__knobs {
	uint64_t hash_mask;   /* hash.h: which bits a hash keeps */
	uint64_t epoch_first; /* sync/snap.c: of every map */
	unsigned without;     /* rules.h: the rule that is left out */
	unsigned stamp_bits;  /* map/hashmap.h */
	bool fenced;          /* sync/thread.c: as on a kernel without membarrier */
};
extern struct calm__knobs calm__knobs;
#define CALM__KNOB(name, constant) (calm__knobs.name)
#else
#define CALM__KNOB(name, constant) (constant)
#endif

#endif
