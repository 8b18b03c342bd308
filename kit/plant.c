/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Planted faults; which and why: plant.h.
 *
 * Invariant: a binding is spoilt only where the result is surely wrong. So TORN takes a number at
 * least two rounds ahead (one round ahead may be the very next write), and OLD one that a finished
 * write has displaced.
 */
#include "kit/plant.h"

#include <string.h>

#define NUMBER_MASK (((uint64_t)1 << KIT_CUT_NUMBER_BITS) - 1)

static const char *const names[KIT_PLANTS] = {"none", "twice", "missing", "lost",   "torn",
					      "old",  "alien", "crossed", "reread", "load"};

const char *kit_plant_name(enum kit_plant plant)
{
	return names[plant];
}

bool kit_plant_parse(const char *name, enum kit_plant *out)
{
	for (int i = 0; i < KIT_PLANTS; i++) {
		if (strcmp(name, names[i]) == 0) {
			*out = (enum kit_plant)i;
			return true;
		}
	}
	return false;
}

void kit_plant_begin(struct kit_plant_tap *tap, uint64_t skip)
{
	tap->skip = skip;
	tap->done = false;
}

/*
 * The value of a touched entry, moved to another of its writes; NULL: there is none that is surely
 * wrong.
 */
static void *moved(const struct kit_plant_tap *tap, unsigned w, uint64_t number)
{
	const struct kit_cut *cut = tap->check->cut;
	const struct kit_cut_writer *writer = &cut->writer[w];

	if (tap->plant == KIT_PLANT_OLD) {
		uint64_t first = (number - 1) % writer->n + 1;
		return first < number && first + writer->n <= tap->check->spans[w].before
			       ? kit_cut_value(w, first)
			       : NULL;
	}
	/* The live walk's bound is what has started when it ends: go where the writer cannot get
	 * meanwhile. */
	number += writer->n * (((uint64_t)1 << 31) / writer->n + 2);
	for (int i = 0; i < 64; i++, number += writer->n) {
		if (kit_cut_stores_of(cut, writer, number))
			return kit_cut_value(w, number);
	}
	return NULL;
}

static int spoil_number(struct kit_plant_tap *tap, calm_key key, void *value, uint64_t tag)
{
	uint64_t number = (uint64_t)(uintptr_t)value & NUMBER_MASK;
	void *other = tag > 0 ? moved(tap, (unsigned)tag - 1, number) : NULL;

	if (other == NULL)
		return kit_cut_visit(key, value, tap->check);
	tap->done = true;
	tap->planted++;
	return kit_cut_visit(key, other, tap->check);
}

static int spoil(struct kit_plant_tap *tap, calm_key key, void *value)
{
	const struct kit_cut *cut = tap->check->cut;
	uint64_t tag = (uint64_t)(uintptr_t)value >> KIT_CUT_NUMBER_BITS;
	uint64_t entry = tag == 0 ? (uint64_t)(uintptr_t)value : 0;

	tap->done = true;
	tap->planted++;
	switch (tap->plant) {
	case KIT_PLANT_TWICE:
		(void)kit_cut_visit(key, value, tap->check);
		return kit_cut_visit(key, value, tap->check);
	case KIT_PLANT_ALIEN:
		return kit_cut_visit(key, kit_cut_value(cut->writers, 1), tap->check);
	case KIT_PLANT_CROSSED:
		return kit_cut_visit(kit_cut_key(cut, (entry + 1) % cut->entries), value,
				     tap->check);
	default: /* MISSING, LOST, REREAD */
		return 0;
	}
}

int kit_plant_visit(calm_key key, void *value, void *context)
{
	struct kit_plant_tap *tap = context;
	uint64_t tag = (uint64_t)(uintptr_t)value >> KIT_CUT_NUMBER_BITS;
	bool fits;

	if (tap->plant == KIT_PLANT_LOST)
		tap->done = false;
	if (tap->done || tap->plant == KIT_PLANT_NONE || tap->plant == KIT_PLANT_LOAD)
		return kit_cut_visit(key, value, tap->check);
	if (tap->skip > 0) {
		tap->skip--;
		if (tap->plant != KIT_PLANT_LOST)
			return kit_cut_visit(key, value, tap->check);
	}
	switch (tap->plant) {
	case KIT_PLANT_TORN:
	case KIT_PLANT_OLD:
		return spoil_number(tap, key, value, tag);
	case KIT_PLANT_MISSING:
	case KIT_PLANT_CROSSED:
		fits = tag == 0;
		break;
	case KIT_PLANT_LOST:
		fits = tag == 1;
		break;
	case KIT_PLANT_REREAD:
		fits = tap->check->again;
		break;
	default:
		fits = true;
		break;
	}
	return fits ? spoil(tap, key, value) : kit_cut_visit(key, value, tap->check);
}
