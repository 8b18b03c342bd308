/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The stacks of samples: a tree, in which stacks that begin alike share their outer part; first of addresses, as they were
 * found, then of frames with names.
 *
 *	main -> walk -> each -> visit       4 nodes for the first stack
 *	             -> each -> find        1 more for the second
 *
 * An address becomes as many frames as functions were inlined there, the innermost first in the recording's frames; it is
 * looked up once. A node's caller has a lower number than the node, in both trees: one pass turns the first into the second.
 * A return address may lie past its function's end, so callers are looked up one byte earlier, within the call.
 *
 * Rejected: stacks as lists of their own (a recursion of 100 frames, sampled 10 000 times, is a million numbers).
 */
#include "cli/code.h"
#include "cli/trace/table.h"
#include "cli/trace/trace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_AT 64 /* frames of one address */
#define HEX_SIZE 24  /* "0x…" */
#define BLOCK_TEXTS 512

/* A node while addresses are collected. */
struct node {
	uint64_t address;
	uint32_t caller;
};

/* Names that are addresses; they stay where they are. */
struct block {
	struct block *next;
	unsigned used;
	char texts[BLOCK_TEXTS][HEX_SIZE];
};

struct trace_stacks {
	struct node *nodes;
	uint32_t node_count, node_room;
	struct trace_table known; /* (address, caller): node */

	struct cli_code *code;
	struct trace_frame *frames;
	uint32_t frame_count, frame_room;
	struct trace_stack *stacks;
	uint32_t stack_count, stack_room;
	struct block *texts;
};

const char *trace_stacks_lack(void)
{
	return cli_code_lacks();
}

struct trace_stacks *trace_stacks_open(void)
{
	return calloc(1, sizeof(struct trace_stacks));
}

void trace_stacks_close(struct trace_stacks *stacks)
{
	if (stacks == NULL)
		return;
	while (stacks->texts != NULL) {
		struct block *block = stacks->texts;
		stacks->texts = block->next;
		free(block);
	}
	cli_code_close(stacks->code);
	trace_table_free(&stacks->known);
	free(stacks->nodes);
	free(stacks->frames);
	free(stacks->stacks);
	free(stacks);
}

/* Room for one more element of an array. */
static bool one_more(void *array, uint32_t count, uint32_t *room, size_t size)
{
	void **list = array;

	if (count < *room)
		return true;
	if (count >= TRACE_NONE / 2)
		return false;
	uint32_t bigger = *room > 0 ? 2 * *room : 256;
	void *moved = realloc(*list, bigger * size);
	if (moved == NULL)
		return false;
	*list = moved;
	*room = bigger;
	return true;
}

/* ---- addresses ---- */

uint32_t trace_stacks_add(struct trace_stacks *stacks, const uint64_t *addresses, size_t depth)
{
	uint32_t caller = TRACE_NONE;

	while (depth-- > 0) {
		uint64_t address = depth > 0 ? addresses[depth] - 1 : addresses[depth];
		uint32_t *node = trace_table_at(&stacks->known, address, caller, 0);
		if (node == NULL)
			return TRACE_NONE;
		if (*node == TRACE_NONE) {
			if (!one_more(&stacks->nodes, stacks->node_count, &stacks->node_room,
				      sizeof *stacks->nodes))
				return TRACE_NONE;
			stacks->nodes[stacks->node_count] = (struct node){.address = address,
									  .caller = caller};
			*node = stacks->node_count++;
		}
		caller = *node;
	}
	return caller;
}

/* ---- names ---- */

static const char *hex(struct trace_stacks *stacks, uint64_t address)
{
	if (stacks->texts == NULL || stacks->texts->used == BLOCK_TEXTS) {
		struct block *block = malloc(sizeof *block);
		if (block == NULL)
			return NULL;
		block->next = stacks->texts;
		block->used = 0;
		stacks->texts = block;
	}
	char *text = stacks->texts->texts[stacks->texts->used++];
	(void)snprintf(text, HEX_SIZE, "0x%" PRIx64, address);
	return text;
}

static uint32_t module_at(const struct trace_recording *recording, uint64_t address)
{
	for (uint32_t i = 0; i < recording->module_count; i++) {
		if (address >= recording->modules[i].begin && address < recording->modules[i].end)
			return i;
	}
	return TRACE_NONE;
}

/* The frames of an address, the innermost first: how many, from frame_count on. 0: no memory. */
static uint32_t name_address(struct trace_stacks *stacks, const struct trace_recording *recording,
			     uint64_t address)
{
	uint32_t index = module_at(recording, address);
	const struct trace_module *module = index != TRACE_NONE ? &recording->modules[index] : NULL;
	uint64_t own = module != NULL ? address - module->bias : address;
	struct cli_frame found[FRAMES_AT] = {{0}};
	size_t count = module != NULL ? cli_code_frames(stacks->code, address, found, FRAMES_AT)
				      : 0;

	if (count == 0)
		count = 1;
	for (size_t i = 0; i < count; i++) {
		if (!one_more(&stacks->frames, stacks->frame_count, &stacks->frame_room,
			      sizeof *stacks->frames))
			return 0;
		const char *function = found[i].function != NULL ? found[i].function
								 : hex(stacks, own);
		if (function == NULL)
			return 0;
		stacks->frames[stacks->frame_count++] = (struct trace_frame){
			.function = function,
			.file = found[i].file,
			.module = module != NULL ? module->path : NULL,
			.address = own,
			.line = found[i].line > 0 ? (uint32_t)found[i].line : 0,
			.module_index = index,
		};
	}
	return (uint32_t)count;
}

/* The node of a frame called from a node. TRACE_NONE: no memory. */
static uint32_t stack_of(struct trace_stacks *stacks, struct trace_table *named, uint32_t frame,
			 uint32_t caller)
{
	uint32_t *stack = trace_table_at(named, frame, caller, 1);

	if (stack == NULL)
		return TRACE_NONE;
	if (*stack == TRACE_NONE) {
		if (!one_more(&stacks->stacks, stacks->stack_count, &stacks->stack_room,
			      sizeof *stacks->stacks))
			return TRACE_NONE;
		stacks->stacks[stacks->stack_count] = (struct trace_stack){.frame = frame,
									   .caller = caller};
		*stack = stacks->stack_count++;
	}
	return *stack;
}

/* The frames of an address, by table: *first and how many. 0: no memory. */
static uint32_t frames_of(struct trace_stacks *stacks, struct trace_table *named,
			  const struct trace_recording *recording, uint64_t address,
			  uint32_t *first)
{
	uint32_t *known = trace_table_at(named, address, 0, 0);

	if (known == NULL)
		return 0;
	if (*known == TRACE_NONE)
		*known = stacks->frame_count;
	*first = *known;
	uint32_t *count = trace_table_at(named, address, 0, 2);
	if (count != NULL && *count == TRACE_NONE)
		*count = name_address(stacks, recording, address);
	return count != NULL ? *count : 0;
}

/* The named tree, and in place of each node's caller the stack that the node became. */
static bool name_nodes(struct trace_stacks *stacks, const struct trace_recording *recording)
{
	/* (address, 0, 0): its first frame, (address, 0, 2): how many, (frame, caller, 1): its stack. */
	struct trace_table named = {0};
	bool good = true;

	for (uint32_t i = 0; good && i < stacks->node_count; i++) {
		struct node *node = &stacks->nodes[i];
		uint32_t first = 0;
		uint32_t count = frames_of(stacks, &named, recording, node->address, &first);
		good = count > 0;
		if (node->caller != TRACE_NONE)
			node->caller = stacks->nodes[node->caller].caller;
		for (; good && count > 0; count--) {
			node->caller = stack_of(stacks, &named, first + count - 1, node->caller);
			good = node->caller != TRACE_NONE;
		}
	}
	trace_table_free(&named);
	return good;
}

static bool open_code(struct trace_stacks *stacks, struct trace_recording *recording)
{
	struct cli_module *modules = calloc(recording->module_count + 1, sizeof *modules);
	size_t count = 0;

	if (modules == NULL)
		return false;
	for (uint32_t i = 0; i < recording->module_count; i++) {
		struct trace_module *module = &recording->modules[i];
		if (!cli_code_bias(module->path, module->offset, module->begin, &module->bias)) {
			/* Of what is no file, an offset in the mapping is all that can be said. */
			module->bias = module->begin - module->offset;
			continue;
		}
		bool again = false;
		for (size_t m = 0; m < count && !again; m++)
			again = modules[m].bias == module->bias &&
				strcmp(modules[m].path, module->path) == 0;
		if (!again)
			modules[count++] = (struct cli_module){.path = module->path,
							       .bias = module->bias};
	}
	stacks->code = cli_code_open(modules, count);
	free(modules);
	return stacks->code != NULL;
}

bool trace_stacks_name(struct trace_stacks *stacks, struct trace_recording *recording)
{
	if (!open_code(stacks, recording) || !name_nodes(stacks, recording))
		return false;
	for (uint64_t i = 0; i < recording->sample_count; i++) {
		struct trace_sample *sample = &recording->samples[i];
		sample->stack = sample->stack < stacks->node_count
					? stacks->nodes[sample->stack].caller
					: TRACE_NONE;
	}
	recording->stacks = stacks->stacks;
	recording->frames = stacks->frames;
	recording->stack_count = stacks->stack_count;
	recording->frame_count = stacks->frame_count;
	return true;
}
