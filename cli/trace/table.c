/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* A number under a key of three words; table.h. */
#include "cli/trace/table.h"

#include "cli/trace/trace.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define LEAST_ROOM 64

/* The slot of a key, or the empty one where it belongs. */
static struct trace_slot *find(const struct trace_table *table, const uint64_t key[3])
{
	uint64_t at = XXH3_64bits(key, 3 * sizeof *key);

	for (;; at++) {
		struct trace_slot *slot = &table->slots[at & (table->room - 1)];
		if (slot->used == 0 || memcmp(slot->key, key, sizeof slot->key) == 0)
			return slot;
	}
}

static bool grow(struct trace_table *table)
{
	struct trace_table bigger = {.count = table->count,
				     .room = table->room > 0 ? 2 * table->room : LEAST_ROOM};

	bigger.slots = calloc(bigger.room, sizeof *bigger.slots);
	if (bigger.slots == NULL)
		return false;
	for (uint64_t i = 0; i < table->room; i++) {
		if (table->slots[i].used != 0)
			*find(&bigger, table->slots[i].key) = table->slots[i];
	}
	free(table->slots);
	*table = bigger;
	return true;
}

uint32_t *trace_table_at(struct trace_table *table, uint64_t a, uint64_t b, uint64_t c)
{
	const uint64_t key[3] = {a, b, c};

	if (table->room == 0 && !grow(table))
		return NULL;
	struct trace_slot *slot = find(table, key);
	if (slot->used == 0) {
		if (2 * table->count >= table->room) {
			if (!grow(table))
				return NULL;
			slot = find(table, key);
		}
		*slot = (struct trace_slot){.key = {a, b, c}, .number = TRACE_NONE, .used = 1};
		table->count++;
	}
	return &slot->number;
}

void trace_table_free(struct trace_table *table)
{
	free(table->slots);
	*table = (struct trace_table){0};
}
