/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What a key's whole history says about each of its operations: knowledge of the future that lets
 * kit/jit.c drop hopeless configurations early. Made only for histories that are too wide without.
 * Private to kit/jit.c.
 *
 * A value is `sure` if one operation alone writes it. Then
 *   - who overwrites it while an operation that needs it is still to come or pending is wrong for good: no one can
 *     bring it back;
 *   - if no operation needs or names it, and it cannot be the last state, writes of such values are alike.
 * Of operations that are alike, that is the same in condition and effect, the one that returns
 * first may always be taken first: exchanging two of them in a linearization leaves a
 * linearization.
 *
 * Invariant: hints never change a verdict, nor the states a key may be left in; they only shorten
 * the search.
 */
#ifndef KIT_JIT_HINT_H
#define KIT_JIT_HINT_H

#include "kit/lin.h"

enum kit_jit_class {
	KIT_JIT_UNLIKE, /* no other is like it */
	KIT_JIT_STORE,  /* a store whose value nobody looks at */
	KIT_JIT_INSERT, /* the same where the key was absent */
	KIT_JIT_DELETE, /* a delete that found something */
	KIT_JIT_CLEAR,
	KIT_JIT_CLASSES
};

struct kit_jit_hint {
	uint32_t last; /* 1 + index of the last operation, by begin, that needs the value written here; 0: none */
	bool sure;      /* nobody else writes that value */
	uint8_t class_; /* enum kit_jit_class */
};

struct kit_jit_hints {
	struct kit_jit_hint *items; /* one per event */
	size_t room;
	struct kit_jit_value *table; /* value -> who writes, needs and names it */
	size_t table_size;
};

/* The value the operation must have found; false: it needs none in particular. */
bool kit_jit_needs(const struct kit_lin_event *e, uint64_t *value);

/* Fills hints for these events, sorted by begin, from these states. False: no memory. O(count). */
bool kit_jit_hints_make(struct kit_jit_hints *hints, const struct kit_lin_event *events,
			size_t count, const uint64_t *states, size_t states_count);
void kit_jit_hints_free(struct kit_jit_hints *hints);

#endif
