/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A number under a key of three words: open spans by what closes them, stacks by frame and caller, strings by their hash.
 *
 * Open addressing with linear probing, at most half full. Nothing is taken out: a number is put to TRACE_NONE.
 */
#ifndef CLI_TRACE_TABLE_H
#define CLI_TRACE_TABLE_H

#include <stdint.h>

struct trace_slot {
	uint64_t key[3];
	uint32_t number;
	uint32_t used;
};

/* All zero: empty. */
struct trace_table {
	struct trace_slot *slots;
	uint64_t count, room;
};

/* The number under a key, TRACE_NONE at first; it stays there until another key is added. NULL: no memory. */
uint32_t *trace_table_at(struct trace_table *table, uint64_t a, uint64_t b, uint64_t c);
void trace_table_free(struct trace_table *table);

#endif
