/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The probes' operand strings: `8@%rdi`, `-4@$-3`, `8@16(%rsp)`, `4@544(%rax,%rdx,8)`, `1@%al`. What names a symbol
 * (`8@counter(%rip)`) would need a linker, and is refused.
 */
#include "cli/trace/agent/operand.h"

#include <stddef.h>
#include <string.h>

/* By their 64, 32, 16 and 8 bits, and bits 8 to 15. */
static const char *const names[AGENT_NO_REGISTER][5] = {
	[AGENT_RAX] = {"rax", "eax", "ax", "al", "ah"},
	[AGENT_RBX] = {"rbx", "ebx", "bx", "bl", "bh"},
	[AGENT_RCX] = {"rcx", "ecx", "cx", "cl", "ch"},
	[AGENT_RDX] = {"rdx", "edx", "dx", "dl", "dh"},
	[AGENT_RSI] = {"rsi", "esi", "si", "sil", ""},
	[AGENT_RDI] = {"rdi", "edi", "di", "dil", ""},
	[AGENT_RBP] = {"rbp", "ebp", "bp", "bpl", ""},
	[AGENT_RSP] = {"rsp", "esp", "sp", "spl", ""},
	[AGENT_R8] = {"r8", "r8d", "r8w", "r8b", ""},
	[AGENT_R9] = {"r9", "r9d", "r9w", "r9b", ""},
	[AGENT_R10] = {"r10", "r10d", "r10w", "r10b", ""},
	[AGENT_R11] = {"r11", "r11d", "r11w", "r11b", ""},
	[AGENT_R12] = {"r12", "r12d", "r12w", "r12b", ""},
	[AGENT_R13] = {"r13", "r13d", "r13w", "r13b", ""},
	[AGENT_R14] = {"r14", "r14d", "r14w", "r14b", ""},
	[AGENT_R15] = {"r15", "r15d", "r15w", "r15b", ""},
};

/* Reads a register's name behind its %. */
static bool read_register(const char **text, uint8_t *out, unsigned *form)
{
	size_t size = 0;

	if (**text != '%')
		return false;
	const char *name = *text + 1;
	while ((name[size] >= 'a' && name[size] <= 'z') || (name[size] >= '0' && name[size] <= '9'))
		size++;
	for (uint8_t i = 0; i < AGENT_NO_REGISTER && size > 0; i++) {
		for (unsigned k = 0; k < 5 && names[i][0] != NULL; k++) {
			if (strlen(names[i][k]) != size || memcmp(names[i][k], name, size) != 0)
				continue;
			*text = name + size;
			*out = i;
			*form = k;
			return true;
		}
	}
	return false;
}

/* A decimal or 0x number with its sign. */
static bool read_number(const char **text, int64_t *out)
{
	const char *at = *text;
	bool minus = *at == '-';
	uint64_t number = 0, base = 10;
	bool any = false;

	if (*at == '-' || *at == '+')
		at++;
	if (at[0] == '0' && at[1] == 'x') {
		base = 16;
		at += 2;
	}
	for (;; at++, any = true) {
		unsigned digit = (unsigned)(*at - '0');
		if (base == 16 && *at >= 'a' && *at <= 'f')
			digit = (unsigned)(*at - 'a') + 10;
		if (digit >= base)
			break;
		number = number * base + digit;
	}
	*out = (int64_t)(minus ? 0 - number : number);
	*text = at;
	return any;
}

/* What stands in brackets: base, index, scale. */
static bool read_memory(const char **text, struct agent_operand *out)
{
	unsigned form;
	int64_t scale = 1;

	if (**text != '(')
		return false;
	(*text)++;
	if (**text == '%' && (!read_register(text, &out->base, &form) || form != 0))
		return false;
	if (**text == ',') {
		(*text)++;
		if (!read_register(text, &out->index, &form) || form != 0)
			return false;
		if (**text == ',') {
			(*text)++;
			if (!read_number(text, &scale))
				return false;
		}
	}
	if (**text != ')' || (scale != 1 && scale != 2 && scale != 4 && scale != 8))
		return false;
	(*text)++;
	out->scale = (uint8_t)__builtin_ctz((unsigned)scale);
	return true;
}

static bool read_operand(const char **text, struct agent_operand *out)
{
	unsigned form;

	if (**text == '$') {
		(*text)++;
		out->kind = AGENT_CONSTANT;
		return read_number(text, &out->constant);
	}
	if (**text == '%' && strncmp(*text, "%fs:", 4) != 0 && strncmp(*text, "%gs:", 4) != 0) {
		out->kind = AGENT_REGISTER;
		if (!read_register(text, &out->base, &form))
			return false;
		out->shift = form == 4 ? 8 : 0;
		return true;
	}
	out->kind = AGENT_MEMORY;
	if (**text != '(' && !read_number(text, &out->constant))
		return false;
	return read_memory(text, out);
}

static bool read_argument(const char **text, struct agent_operand *out)
{
	int64_t number;

	*out = (struct agent_operand){.base = AGENT_NO_REGISTER, .index = AGENT_NO_REGISTER};
	if (!read_number(text, &number) || **text != '@')
		return false; /* "8f@": a floating-point number */
	(*text)++;
	out->has_sign = number < 0;
	uint64_t bytes = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
	out->bytes = (uint8_t)bytes;
	return (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8) && read_operand(text, out);
}

int agent_operands(const char *text, struct agent_operand *out, int room)
{
	int n = 0;

	for (;; n++) {
		while (*text == ' ')
			text++;
		if (*text == '\0')
			return n;
		if (n == room || !read_argument(&text, &out[n]) || (*text != ' ' && *text != '\0'))
			return -1;
	}
}

/* ---- at the probe ---- */

static uint64_t register_value(uint8_t number, const uint64_t *registers)
{
	if (number < AGENT_REGISTERS)
		return registers[number];
	return number == AGENT_RSP
		       ? (uint64_t)(uintptr_t)(registers + AGENT_REGISTERS) + AGENT_RED_ZONE
		       : 0;
}

/* The low bytes of a number, as its type has them. */
static uint64_t fit(const struct agent_operand *operand, uint64_t number)
{
	unsigned away = 64 - 8 * operand->bytes;

	return operand->has_sign ? (uint64_t)((int64_t)(number << away) >> away)
				 : number << away >> away;
}

uint64_t agent_value(const struct agent_operand *operand, const uint64_t *registers)
{
	if (operand->kind == AGENT_CONSTANT)
		return fit(operand, (uint64_t)operand->constant);
	uint64_t number = register_value(operand->base, registers);
	if (operand->kind == AGENT_REGISTER)
		return fit(operand, number >> operand->shift);
	uintptr_t at = number + (uint64_t)operand->constant +
		       (register_value(operand->index, registers) << operand->scale);
	/* As wide as it is, so that nothing beside it is touched. */
	if (operand->bytes == 8)
		return *(const volatile uint64_t *)at;
	if (operand->bytes == 4)
		return fit(operand, *(const volatile uint32_t *)at);
	if (operand->bytes == 2)
		return fit(operand, *(const volatile uint16_t *)at);
	return fit(operand, *(const volatile uint8_t *)at);
}
