/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* cli/trace/agent/operand.c: operand strings as gcc and clang write them, and what they stand for at a probe. */
#include "cli/trace/agent/operand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static uint64_t registers[AGENT_REGISTERS + AGENT_RED_ZONE / 8 + 4];

static uint64_t value_of(const char *text)
{
	struct agent_operand operand;

	assert_int_equal(agent_operands(text, &operand, 1), 1);
	return agent_value(&operand, registers);
}

static void constants(void **state)
{
	(void)state;
	assert_int_equal(value_of("8@$42"), 42);
	assert_int_equal(value_of("-4@$-3"), (uint64_t)-3);
	assert_int_equal(value_of("4@$-3"), 0xfffffffdU);
	assert_int_equal(value_of("-1@$0x80"), (uint64_t)-128);
	assert_int_equal(value_of("8@$0xffffffffffffffff"), UINT64_MAX);
}

static void in_registers(void **state)
{
	(void)state;
	registers[AGENT_RAX] = 0x8182838485868788U;
	registers[AGENT_R15] = 7;
	registers[AGENT_RDI] = 0xff;
	assert_int_equal(value_of("8@%rax"), 0x8182838485868788U);
	assert_int_equal(value_of("4@%eax"), 0x85868788U);
	assert_int_equal(value_of("-4@%eax"), 0xffffffff85868788U);
	assert_int_equal(value_of("2@%ax"), 0x8788);
	assert_int_equal(value_of("1@%al"), 0x88);
	assert_int_equal(value_of("1@%ah"), 0x87);
	assert_int_equal(value_of("-1@%dil"), UINT64_MAX);
	assert_int_equal(value_of("8@%r15"), 7);
	assert_int_equal(value_of("4@%r15d"), 7);
	/* What the stack pointer was: behind what the stub saved, and the red zone. */
	assert_int_equal(value_of("8@%rsp"),
			 (uintptr_t)&registers[AGENT_REGISTERS + AGENT_RED_ZONE / 8]);
}

static void in_memory(void **state)
{
	static const int32_t numbers[4] = {1, -2, 3, -4};

	(void)state;
	registers[AGENT_RBX] = (uintptr_t)numbers;
	registers[AGENT_RDX] = 3;
	registers[AGENT_REGISTERS + AGENT_RED_ZONE / 8 + 2] = 99;
	assert_int_equal(value_of("-4@(%rbx)"), 1);
	assert_int_equal(value_of("-4@4(%rbx)"), (uint64_t)-2);
	assert_int_equal(value_of("4@(%rbx,%rdx,4)"), 0xfffffffcU);
	assert_int_equal(value_of("-4@-4(%rbx,%rdx,4)"), 3);
	assert_int_equal(value_of("1@4(%rbx)"), 0xfe);
	assert_int_equal(value_of("-2@12(%rbx)"), (uint64_t)-4);
	assert_int_equal(value_of("8@16(%rsp)"), 99);
}

static void several(void **state)
{
	struct agent_operand operands[3];

	(void)state;
	assert_int_equal(agent_operands("", operands, 3), 0);
	assert_int_equal(agent_operands("8@%rdi -4@$0 4@544(%rax,%rdx,8)", operands, 3), 3);
	assert_int_equal(operands[2].constant, 544);
	assert_int_equal(operands[2].scale, 3);
	assert_int_equal(agent_operands("8@%rdi 8@%rsi", operands, 1), -1);
}

/* What cannot be told is refused, not guessed. */
static void refused(void **state)
{
	static const char *const texts[] = {"8@counter(%rip)",
					    "8@%fs:16",
					    "8f@%xmm0",
					    "8@%xmm0",
					    "3@%rax",
					    "8@",
					    "8",
					    "@%rax",
					    "8@%rax,",
					    "8@(%rax",
					    "8@(%rax,%rdx,3)",
					    "8@(%eax)",
					    "8@$",
					    "8@%",
					    "8@%rip",
					    "16@%rax",
					    "8@4(%rax)x"};
	struct agent_operand operands[3];

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		if (agent_operands(texts[i], operands, 3) != -1)
			fail_msg("'%s' was taken", texts[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constants), cmocka_unit_test(in_registers),
		cmocka_unit_test(in_memory), cmocka_unit_test(several), cmocka_unit_test(refused)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
