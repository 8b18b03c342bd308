/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* A fuzz target: the probes' notes in the ELF files of a traced program, and the operands that stand in them. */
#include "cli/trace/agent/agent.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

struct seen {
	const char *begin, *end;
	unsigned notes;
};

/* Strings that end in the file. */
static bool look(const char *name, const char *operands, uint64_t address, void *context)
{
	struct agent_operand taken[SITE_OPERANDS];
	struct seen *seen = context;

	(void)address;
	if (name < seen->begin || name + strlen(name) >= seen->end || operands < seen->begin ||
	    operands + strlen(operands) >= seen->end)
		abort();
	(void)agent_operands(operands, taken, SITE_OPERANDS);
	return ++seen->notes % 64 != 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	char *file = malloc(size > 0 ? size : 1);

	if (!file)
		abort();
	memcpy(file, input, size);
	struct seen seen = {file, file + size, 0};
	bool on = agent_notes_in(file, size, 0x1000, look, &seen);
	if (on == (seen.notes > 0 && seen.notes % 64 == 0))
		abort();
	free(file);
	return 0;
}
