/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The arguments of a probe as its note spells them: SIZE@OPERAND each, operands as gas writes them on x86-64. Format: the
 * systemtap wiki, UserSpaceProbeImplementation.
 */
#ifndef CLI_TRACE_AGENT_OPERAND_H
#define CLI_TRACE_AGENT_OPERAND_H

#include <stdbool.h>
#include <stdint.h>

/* The general registers as a stub leaves them in memory (patch.c), from the lowest address on; what it adds for itself is FLAGS. */
/* clang-format off */
enum {
	AGENT_R15, AGENT_R14, AGENT_R13, AGENT_R12, AGENT_R11, AGENT_R10, AGENT_R9, AGENT_R8,
	AGENT_RDI, AGENT_RSI, AGENT_RBP, AGENT_RBX, AGENT_RDX, AGENT_RCX, AGENT_FLAGS, AGENT_RAX,
	AGENT_REGISTERS,
	AGENT_RSP = AGENT_REGISTERS, /* not among them: what it was lies behind them, and behind the red zone */
	AGENT_NO_REGISTER
};
/* clang-format on */
#define AGENT_RED_ZONE 128

enum agent_operand_kind { AGENT_CONSTANT, AGENT_REGISTER, AGENT_MEMORY };

struct agent_operand {
	uint8_t kind;
	uint8_t bytes; /* 1, 2, 4, 8 */
	bool has_sign;
	uint8_t base; /* or the register */
	uint8_t index;
	uint8_t scale;    /* a shift */
	uint8_t shift;    /* 8: %ah and its kin */
	int64_t constant; /* or the displacement */
};

/* How many there are; -1: one of them cannot be told, or there are more than `room`. */
int agent_operands(const char *text, struct agent_operand *out, int room);

/* Async-signal-safe; uses general registers only. Reads memory that the program itself could read there. */
uint64_t agent_value(const struct agent_operand *operand, const uint64_t *registers);

#endif
