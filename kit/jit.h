/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Whether the history of one key is linearizable: the part of the checker that knows no maps. Used
 * by kit/lin.c; by itself where a history is at hand, key by key.
 *
 * Invariant: exact. FINE means that an order exists, WRONG that none does; a bound that was reached
 * is UNDECIDED.
 */
#ifndef KIT_JIT_H
#define KIT_JIT_H

#include "kit/lin.h"

enum kit_jit_outcome { KIT_JIT_FINE, KIT_JIT_WRONG, KIT_JIT_UNDECIDED };

struct kit_jit; /* opaque: the working memory, 8 MiB, used again for each key */

/* CALM_OK, CALM_ENOMEM. Free with kit_jit_free; NULL is fine there. */
calm_status kit_jit_new(struct kit_jit **out);
void kit_jit_free(struct kit_jit *jit);

/*
 * Checks the events of one key, sorted by begin, from any of *states_count states. FINE: states and
 * *states_count are what the key may be left in. WRONG, UNDECIDED: *culprit is the operation that
 * fits nowhere, or that went past a bound, and the states are those that were possible before it.
 * Some 20-100 ns an event where few overlap.
 */
enum kit_jit_outcome kit_jit_check(struct kit_jit *jit, const struct kit_lin_event *events,
				   size_t count, uint64_t states[KIT_LIN_STATES],
				   size_t *states_count, const struct kit_lin_event **culprit);

/* Whether to search with hints from the start, and not only where the search went wide: for tests. */
void kit_jit_always_hint(struct kit_jit *jit, bool always);

/* Over all checks: the most configurations held at once, and the most operations pending. */
uint64_t kit_jit_widest(const struct kit_jit *jit);
uint64_t kit_jit_deepest(const struct kit_jit *jit);

#endif
