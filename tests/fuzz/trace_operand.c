/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A fuzz target: the operand strings of a traced program's probes. What is taken can be evaluated at a probe; constants and registers
 * are.
 */
#include "cli/trace/agent/agent.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void check(const struct agent_operand *operand)
{
	static uint64_t registers[AGENT_REGISTERS + 1];
	unsigned bytes = operand->bytes;

	if ((bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) || operand->scale > 3 ||
	    operand->base > AGENT_NO_REGISTER || operand->index > AGENT_NO_REGISTER)
		abort();
	if (operand->kind == AGENT_MEMORY)
		return; /* its addresses are the program's */
	for (size_t i = 0; i < AGENT_REGISTERS; i++)
		registers[i] = 0x8182838485868788U * (i + 1);
	uint64_t value = agent_value(operand, registers);
	/* As its type has it: nothing above its bytes but the sign. */
	uint64_t above = bytes < 8 ? value >> (8 * bytes - operand->has_sign) : 0;
	if (above != 0 && !(operand->has_sign && above == UINT64_MAX >> (8 * bytes - 1)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct agent_operand operands[SITE_OPERANDS];
	char *text = strndup((const char *)input, size);

	if (!text)
		abort();
	int n = agent_operands(text, operands, SITE_OPERANDS);
	if (n < -1 || n > SITE_OPERANDS)
		abort();
	for (int i = 0; i < n; i++)
		check(&operands[i]);
	free(text);
	return 0;
}
