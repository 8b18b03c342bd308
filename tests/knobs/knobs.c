/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The knobs of a library that was built with them, set by CALM_KNOBS before anything else of the
 * program runs: words with commas between them, as in CALM_KNOBS=truncated,stamp-bits=6.
 *
 *	constant         every key has the same hash
 *	truncated        a hash keeps two bits at either end
 *	fenced           as on a kernel without membarrier
 *	late             a map's first snapshot is the 2^32 - 40th
 *	stamp-bits=N     hashmap's stamps have so few bits
 *	without=N        the N-th rule of base/rules.h is left out
 */
#include "base/knobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct calm__knobs calm__knobs = {.hash_mask = UINT64_MAX, .epoch_first = 1, .stamp_bits = 32};

static bool set(const char *word)
{
	if (strcmp(word, "constant") == 0)
		calm__knobs.hash_mask = 0;
	else if (strcmp(word, "truncated") == 0)
		calm__knobs.hash_mask = 0xc000000000000003U;
	else if (strcmp(word, "fenced") == 0)
		calm__knobs.fenced = true;
	else if (strcmp(word, "late") == 0)
		calm__knobs.epoch_first = 0xffffffd8U;
	else if (sscanf(word, "stamp-bits=%u", &calm__knobs.stamp_bits) != 1 &&
		 sscanf(word, "without=%u", &calm__knobs.without) != 1)
		return false;
	return true;
}

__attribute__((constructor(101))) static void set_knobs(void)
{
	const char *text = getenv("CALM_KNOBS");
	char *words = text && *text ? strdup(text) : NULL;
	char *rest = words;
	for (char *word; rest && (word = strsep(&rest, ","));) {
		if (*word != '\0' && !set(word)) {
			fprintf(stderr, "CALM_KNOBS: no knob %s\n", word);
			abort();
		}
	}
	free(words);
}
