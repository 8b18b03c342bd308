/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A victim's code: functions and source lines (cli/code.h), instructions from its ELF file (capstone).
 *
 * A build without libdw or capstone says so in the report, and shows the rest.
 */
#include "cli/code.h"
#include "cli/lab/lab.h"

#include <stdlib.h>
#include <string.h>

#ifdef CLI_HAVE_CAPSTONE
#include <capstone/capstone.h>
#endif

#define FUNCTION_MAX 4096
#define BEFORE 4

struct lab_code {
	const struct lab_record *record;
	struct cli_code *code;
#ifdef CLI_HAVE_CAPSTONE
	csh capstone;
	bool disassembles;
#endif
};

const char *lab_code_lacks(void)
{
	if (cli_code_lacks() != NULL)
		return cli_code_lacks();
#ifndef CLI_HAVE_CAPSTONE
	return "no instructions: this calm was built without capstone";
#else
	return NULL;
#endif
}

/* ---- opening ---- */

struct lab_code *lab_code_open(const struct lab_record *record)
{
	struct lab_code *code = calloc(1, sizeof *code);
	struct cli_module modules[LAB_MODULES];
	size_t count = record->module_count < LAB_MODULES ? record->module_count : LAB_MODULES;

	if (code == NULL)
		return NULL;
	code->record = record;
	for (size_t i = 0; i < count; i++)
		modules[i] = (struct cli_module){.path = record->modules[i].path,
						 .bias = record->modules[i].bias};
	code->code = cli_code_open(modules, count);
	if (code->code == NULL) {
		free(code);
		return NULL;
	}
#ifdef CLI_HAVE_CAPSTONE
#if defined(__aarch64__)
	code->disassembles = cs_open(CS_ARCH_ARM64, CS_MODE_ARM, &code->capstone) == CS_ERR_OK;
#else
	code->disassembles = cs_open(CS_ARCH_X86, CS_MODE_64, &code->capstone) == CS_ERR_OK;
#endif
	if (code->disassembles)
		(void)cs_option(code->capstone, CS_OPT_DETAIL, CS_OPT_ON);
#endif
	return code;
}

void lab_code_close(struct lab_code *code)
{
	if (code == NULL)
		return;
	cli_code_close(code->code);
#ifdef CLI_HAVE_CAPSTONE
	if (code->disassembles)
		(void)cs_close(&code->capstone);
#endif
	free(code);
}

/* ---- places ---- */

/* A line of a source file, without the blanks before it. */
static void read_source(struct lab_place *place)
{
	FILE *file = fopen(place->file, "re");
	char text[400];

	for (int line = 1; file != NULL && fgets(text, sizeof text, file) != NULL; line++) {
		if (line != place->line)
			continue;
		const char *start = text + strspn(text, " \t");
		(void)snprintf(place->source, sizeof place->source, "%.*s",
			       (int)strcspn(start, "\n"), start);
		break;
	}
	if (file != NULL)
		(void)fclose(file);
}

static void place_in_source(struct lab_code *code, uint64_t at, struct lab_place *place)
{
	struct cli_symbol symbol;
	struct cli_frame frame;

	if (cli_code_symbol(code->code, at, &symbol)) {
		(void)snprintf(place->function, sizeof place->function, "%s", symbol.name);
		place->offset = symbol.offset;
	}
	if (cli_code_frames(code->code, at, &frame, 1) == 0 || frame.file == NULL)
		return;
	(void)snprintf(place->file, sizeof place->file, "%s", frame.file);
	place->line = frame.line;
	read_source(place);
}

void lab_code_place(struct lab_code *code, uint64_t pc, bool exact, struct lab_place *place)
{
	uint64_t at = exact ? pc : pc - 1;

	*place = (struct lab_place){.module_offset = at};
	for (uint32_t i = 0; i < code->record->module_count && i < LAB_MODULES; i++) {
		const struct lab_module *module = &code->record->modules[i];
		if (at < module->start || at >= module->end)
			continue;
		const char *name = strrchr(module->path, '/');
		(void)snprintf(place->module, sizeof place->module, "%.95s",
			       name != NULL ? name + 1 : module->path);
		place->module_offset = at - module->bias;
	}
	place_in_source(code, at, place);
}

/* ---- instructions ---- */

#ifdef CLI_HAVE_CAPSTONE
static uint64_t bias_of(const struct lab_code *code, uint64_t pc)
{
	for (uint32_t i = 0; i < code->record->module_count && i < LAB_MODULES; i++) {
		if (pc >= code->record->modules[i].start && pc < code->record->modules[i].end)
			return code->record->modules[i].bias;
	}
	return 0;
}

static size_t pick(const cs_insn *list, size_t n, uint64_t pc, struct lab_instruction *out,
		   size_t room)
{
	size_t here = 0, used = 0;

	while (here < n && list[here].address != pc)
		here++;
	if (here == n)
		return 0;
	for (size_t i = here > BEFORE ? here - BEFORE : 0; i < n && used < room; i++, used++) {
		out[used] = (struct lab_instruction){.address = list[i].address, .here = i == here};
		(void)snprintf(out[used].text, sizeof out[used].text, "%-7s %.80s",
			       list[i].mnemonic, list[i].op_str);
	}
	return used;
}

size_t lab_code_around(struct lab_code *code, uint64_t pc, struct lab_instruction *out, size_t room)
{
	static uint8_t bytes[FUNCTION_MAX];
	uint64_t start = 0;
	size_t size = code->disassembles
			      ? cli_code_bytes(code->code, pc, bytes, sizeof bytes, &start)
			      : 0;
	uint64_t bias = bias_of(code, pc);
	cs_insn *list = NULL;
	size_t n = size > 0 ? cs_disasm(code->capstone, bytes, size, start - bias, 0, &list) : 0;
	size_t used = n > 0 ? pick(list, n, pc - bias, out, room) : 0;

	if (n > 0)
		cs_free(list, n);
	return used;
}

/* The base register of the operand in memory; 0: there is none. */
static unsigned base_register(const cs_insn *instruction)
{
#if defined(__aarch64__)
	const cs_arm64 *detail = &instruction->detail->arm64;
	for (int i = 0; i < detail->op_count; i++) {
		if (detail->operands[i].type == ARM64_OP_MEM)
			return detail->operands[i].mem.base;
	}
#else
	const cs_x86 *detail = &instruction->detail->x86;
	for (int i = 0; i < detail->op_count; i++) {
		if (detail->operands[i].type == X86_OP_MEM)
			return detail->operands[i].mem.base;
	}
#endif
	return 0;
}

void lab_code_register(struct lab_code *code, const struct lab_death *death, char name[8],
		       uint64_t *value)
{
	static uint8_t bytes[FUNCTION_MAX];
	uint64_t start = 0;
	size_t size = code->disassembles
			      ? cli_code_bytes(code->code, death->pc, bytes, sizeof bytes, &start)
			      : 0;
	cs_insn *list = NULL;

	name[0] = '\0';
	*value = 0;
	if (size <= death->pc - start)
		return;
	size_t skip = death->pc - start;
	size_t n = cs_disasm(code->capstone, bytes + skip, size - skip, death->pc, 1, &list);
	unsigned base = n > 0 ? base_register(list) : 0;
	const char *called = base != 0 ? cs_reg_name(code->capstone, base) : NULL;
	for (uint32_t i = 0; called != NULL && i < death->register_count && i < LAB_REGISTERS;
	     i++) {
		if (strncmp(death->registers[i].name, called, sizeof death->registers[i].name) != 0)
			continue;
		(void)snprintf(name, 8, "%.7s", called);
		*value = death->registers[i].value;
	}
	if (n > 0)
		cs_free(list, n);
}
#else
size_t lab_code_around(struct lab_code *code, uint64_t pc, struct lab_instruction *out, size_t room)
{
	(void)code;
	(void)pc;
	(void)out;
	(void)room;
	return 0;
}

void lab_code_register(struct lab_code *code, const struct lab_death *death, char name[8],
		       uint64_t *value)
{
	(void)code;
	(void)death;
	name[0] = '\0';
	*value = 0;
}
#endif
