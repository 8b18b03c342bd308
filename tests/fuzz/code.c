/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A fuzz target: functions, lines and bytes of an ELF file with its DWARF, as calm trace and calm lab look them up in what a program
 * had loaded. What libdw makes of a damaged file is libdw's; that it is walked to an end is calm's.
 */
#include "cli/code.h"
#include "input.h"

#include <string.h>

#define BIAS 0x10000
#define END 0x3000 /* where the code of the corpus lies before */
#define STEP 0x24

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void look_at(const char *string)
{
	if (string && strlen(string) > 1U << 20)
		abort();
}

static void look_up(struct cli_code *code, uint64_t pc)
{
	struct cli_frame frames[8];
	struct cli_symbol symbol;
	uint8_t bytes[256];
	uint64_t start = 0;
	size_t n = cli_code_frames(code, pc, frames, 8);

	for (size_t i = 0; i < n; i++) {
		look_at(frames[i].function);
		look_at(frames[i].file);
	}
	if (n > 8 || (cli_code_symbol(code, pc, &symbol) && !symbol.name))
		abort();
	n = cli_code_bytes(code, pc, bytes, sizeof bytes, &start);
	if (n > sizeof bytes || (n > 0 && start > pc))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct fuzz_file on = fuzz_file_open(input, size);
	struct cli_module module = {.path = on.path, .bias = BIAS};
	uint64_t bias = 0;

	(void)cli_code_bias(on.path, 0x1000, BIAS + 0x1000, &bias);
	struct cli_code *code = cli_code_open(&module, 1);
	if (!code)
		abort();
	for (uint64_t at = 0; at < END; at += STEP)
		look_up(code, BIAS + at);
	cli_code_close(code);
	fuzz_file_close(&on);
	return 0;
}
