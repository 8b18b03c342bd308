/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Hints for the search of kit/jit.c; what they say and why they are right: jit_hint.h.
 *
 * A value cannot be the last state if its writer returns before the last operation that changes
 * anything is called.
 *
 * Rejected: sorting the values (a hash table of the few values of one key is quicker, and needs no
 * second array).
 */
#include "kit/jit_hint.h"

#include "kit/random.h"

#include <stdlib.h>
#include <string.h>

struct kit_jit_value {
	uint64_t value;
	uint32_t writers; /* at most 2 are counted */
	uint32_t last;    /* as in the hint */
	bool named;       /* by a compare that failed */
	bool taken;
};

bool kit_jit_needs(const struct kit_lin_event *e, uint64_t *value)
{
	switch (e->verb) {
	case KIT_LIN_LOAD:
	case KIT_LIN_SWAP:
	case KIT_LIN_LOAD_AND_DELETE:
		*value = e->result;
		return e->status == CALM_OK;
	case KIT_LIN_LOAD_OR_STORE:
		*value = e->result;
		return e->status == CALM_PRESENT;
	case KIT_LIN_COMPARE_AND_SWAP:
	case KIT_LIN_COMPARE_AND_DELETE:
		*value = e->expected;
		return e->status == CALM_OK;
	default:
		return false;
	}
}

static bool writes(const struct kit_lin_event *e)
{
	switch (e->verb) {
	case KIT_LIN_STORE:
	case KIT_LIN_LOAD_OR_STORE:
	case KIT_LIN_COMPARE_AND_SWAP:
		return e->status == CALM_OK;
	case KIT_LIN_SWAP:
		return true;
	default:
		return false;
	}
}

static bool changes(const struct kit_lin_event *e)
{
	return writes(e) || (e->verb != KIT_LIN_LOAD && e->status == CALM_OK);
}

static struct kit_jit_value *find(const struct kit_jit_hints *hints, uint64_t value)
{
	size_t at = (size_t)kit_mix(value) & (hints->table_size - 1);

	while (hints->table[at].taken && hints->table[at].value != value)
		at = (at + 1) & (hints->table_size - 1);
	hints->table[at].taken = true;
	hints->table[at].value = value;
	return &hints->table[at];
}

static bool make_room(struct kit_jit_hints *hints, size_t count)
{
	/* An event writes, needs or names at most two values. */
	size_t size = 64;

	while (size < count * 4)
		size *= 2;
	if (count > hints->room) {
		struct kit_jit_hint *items = reallocarray(hints->items, count, sizeof *items);
		if (items == NULL)
			return false;
		hints->items = items;
		hints->room = count;
	}
	if (size > hints->table_size) {
		free(hints->table);
		hints->table_size = 0;
		hints->table = reallocarray(NULL, size, sizeof *hints->table);
		if (hints->table == NULL)
			return false;
		hints->table_size = size;
	}
	memset(hints->table, 0, hints->table_size * sizeof *hints->table);
	return true;
}

/*
 * Enters what each event writes, needs and names; returns the begin of the last that changes
 * anything.
 */
static uint64_t enter_values(struct kit_jit_hints *hints, const struct kit_lin_event *events,
			     size_t count)
{
	uint64_t last_change = 0;
	uint64_t value;

	for (size_t i = 0; i < count; i++) {
		const struct kit_lin_event *e = &events[i];
		if (writes(e)) {
			struct kit_jit_value *written = find(hints, e->value);
			written->writers += written->writers < 2;
		}
		if (kit_jit_needs(e, &value))
			find(hints, value)->last = (uint32_t)i + 1;
		if (e->status == CALM_CHANGED)
			find(hints, e->expected)->named = true;
		if (changes(e))
			last_change = e->begin;
	}
	return last_change;
}

static enum kit_jit_class classify(const struct kit_lin_event *e, const struct kit_jit_value *value,
				   uint64_t last_change)
{
	if (e->verb == KIT_LIN_DELETE && e->status == CALM_OK)
		return KIT_JIT_DELETE;
	if (e->verb == KIT_LIN_CLEAR && e->status == CALM_OK)
		return KIT_JIT_CLEAR;
	if (value == NULL || value->writers != 1 || value->last != 0 || value->named ||
	    e->end >= last_change)
		return KIT_JIT_UNLIKE;
	if (e->verb == KIT_LIN_STORE)
		return KIT_JIT_STORE;
	if (e->verb == KIT_LIN_SWAP)
		return e->status == CALM_ABSENT ? KIT_JIT_INSERT : KIT_JIT_UNLIKE;
	return e->verb == KIT_LIN_LOAD_OR_STORE && e->result == e->value ? KIT_JIT_INSERT
									 : KIT_JIT_UNLIKE;
}

bool kit_jit_hints_make(struct kit_jit_hints *hints, const struct kit_lin_event *events,
			size_t count, const uint64_t *states, size_t states_count)
{
	if (!make_room(hints, count + states_count))
		return false;
	uint64_t last_change = enter_values(hints, events, count);
	/* A value that was there to begin with has another writer. */
	for (size_t i = 0; i < states_count; i++)
		find(hints, states[i])->writers = 2;
	for (size_t i = 0; i < count; i++) {
		const struct kit_jit_value *value = writes(&events[i])
							    ? find(hints, events[i].value)
							    : NULL;
		hints->items[i] = (struct kit_jit_hint){
			.last = value != NULL ? value->last : 0,
			.sure = value != NULL && value->writers == 1,
			.class_ = (uint8_t)classify(&events[i], value, last_change)};
	}
	return true;
}

void kit_jit_hints_free(struct kit_jit_hints *hints)
{
	free(hints->items);
	free(hints->table);
	*hints = (struct kit_jit_hints){0};
}
