/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* cli/trace/stacks.c and cli/code.c, on this process's own code. */
#include "made.h"
#include "modules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define MODULES 64

static struct trace_module modules[MODULES];
static uint32_t module_count;

static struct trace_recording recording_of(struct trace_sample *samples, uint64_t count)
{
	return (struct trace_recording){.modules = modules,
					.module_count = module_count,
					.samples = samples,
					.sample_count = count};
}

/* The nth frame of a stack, from the innermost on. */
static const struct trace_frame *frame(const struct trace_recording *recording, uint32_t stack,
				       unsigned n)
{
	for (; n > 0; n--) {
		assert_in_range(stack, 0, recording->stack_count - 1);
		stack = recording->stacks[stack].caller;
	}
	assert_in_range(stack, 0, recording->stack_count - 1);
	assert_in_range(recording->stacks[stack].frame, 0, recording->frame_count - 1);
	return &recording->frames[recording->stacks[stack].frame];
}

static void check(const struct trace_frame *it, const char *function, uint32_t line)
{
	assert_string_equal(it->function, function);
	assert_int_equal(it->line, line);
	assert_non_null(it->file);
	assert_non_null(strstr(it->file, "modules.c"));
	assert_non_null(strstr(it->module, "trace_stacks"));
}

static void inlined(void **state)
{
	struct trace_stacks *stacks = trace_stacks_open();
	const uint64_t addresses[2] = {(uint64_t)(uintptr_t)own_modules, own_outer()};
	const uint64_t aside[2] = {(uint64_t)(uintptr_t)own_modules, own_aside};
	struct trace_sample samples[2] = {{.stack = trace_stacks_add(stacks, addresses, 2)},
					  {.stack = trace_stacks_add(stacks, aside, 2)}};
	struct trace_recording recording = recording_of(samples, 2);

	(void)state;
	if (trace_stacks_lack() != NULL) {
		trace_stacks_close(stacks);
		skip();
	}
	assert_true(trace_stacks_name(stacks, &recording));
	assert_string_equal(frame(&recording, samples[0].stack, 0)->function, "own_modules");
	check(frame(&recording, samples[0].stack, 1), "own_inner", own_lines[0]);
	check(frame(&recording, samples[0].stack, 2), "own_middle", own_lines[1]);
	check(frame(&recording, samples[0].stack, 3), "own_outer", own_lines[2]);
	assert_string_equal(frame(&recording, samples[1].stack, 1)->function, "own_sibling");
	assert_string_equal(frame(&recording, samples[1].stack, 2)->function, "own_outer");
	assert_int_equal(recording.stack_count, 7);
	assert_int_equal(recording.frame_count, 6);
	assert_int_equal(recording.stacks[0].caller, TRACE_NONE);
	/* Of one address, as its module counts. */
	const struct trace_frame *it = frame(&recording, samples[0].stack, 1);
	for (unsigned n = 2; n < 4; n++)
		assert_int_equal(frame(&recording, samples[0].stack, n)->address, it->address);
	assert_int_equal(it->address + modules[it->module_index].bias, addresses[1] - 1);
	trace_stacks_close(stacks);
}

static void shared(void **state)
{
	struct trace_stacks *stacks = trace_stacks_open();
	uint64_t deep[100];
	struct trace_sample samples[4];
	struct trace_recording recording = recording_of(samples, 4);

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		deep[i] = 0x10 + i % 3; /* in no module */
	samples[0].stack = trace_stacks_add(stacks, deep, 100);
	samples[1].stack = trace_stacks_add(stacks, deep, 100);
	samples[2].stack = trace_stacks_add(stacks, deep + 50, 50);
	samples[3].stack = TRACE_NONE;
	assert_int_equal(samples[0].stack, samples[1].stack);
	assert_int_equal(trace_stacks_add(stacks, deep, 0), TRACE_NONE);
	assert_true(trace_stacks_name(stacks, &recording));
	assert_int_equal(samples[0].stack, samples[1].stack);
	assert_int_equal(samples[3].stack, TRACE_NONE);
	/* Where the third begins it is no caller: another address. */
	assert_int_equal(recording.stack_count, 101);
	assert_int_equal(recording.frame_count, 4);
	assert_string_equal(frame(&recording, samples[0].stack, 0)->function, "0x10");
	assert_string_equal(frame(&recording, samples[0].stack, 1)->function, "0x10");
	assert_string_equal(frame(&recording, samples[0].stack, 2)->function, "0x11");
	assert_null(frame(&recording, samples[0].stack, 0)->module);
	assert_int_equal(frame(&recording, samples[0].stack, 0)->module_index, TRACE_NONE);
	trace_stacks_close(stacks);
}

static void none(void **state)
{
	struct trace_stacks *stacks = trace_stacks_open();
	struct trace_sample sample = {.stack = 77};
	struct trace_recording recording = recording_of(&sample, 1);

	(void)state;
	assert_true(trace_stacks_name(stacks, &recording));
	assert_int_equal(sample.stack, TRACE_NONE);
	assert_int_equal(recording.stack_count + recording.frame_count, 0);
	trace_stacks_close(stacks);
	trace_stacks_close(NULL);
}

/* What cannot be read as an ELF file: an offset in it is shown. */
static void no_module(void **state)
{
	static struct trace_module odd[] = {
		{.path = "[vdso]", .begin = 0x1000, .end = 0x2000},
		{.path = "/nonexistent/calm", .begin = 0x2000, .end = 0x3000, .offset = 0x400},
		{.path = "/proc/self/maps", .begin = 0x3000, .end = 0x4000},
		{.path = "/", .begin = 0x4000, .end = 0x5000},
	};
	struct trace_stacks *stacks = trace_stacks_open();
	const uint64_t addresses[4] = {0x1010, 0x2011, 0x3011, 0x4011};
	struct trace_sample sample = {.stack = trace_stacks_add(stacks, addresses, 4)};
	struct trace_recording recording = {.modules = odd,
					    .module_count = 4,
					    .samples = &sample,
					    .sample_count = 1};

	(void)state;
	assert_true(trace_stacks_name(stacks, &recording));
	assert_string_equal(frame(&recording, sample.stack, 0)->function, "0x10");
	assert_string_equal(frame(&recording, sample.stack, 0)->module, "[vdso]");
	assert_string_equal(frame(&recording, sample.stack, 1)->function, "0x410");
	assert_string_equal(frame(&recording, sample.stack, 2)->function, "0x10");
	assert_string_equal(frame(&recording, sample.stack, 3)->function, "0x10");
	trace_stacks_close(stacks);
}

/* Ten thousand addresses all over this program and the C library. */
static void many(void **state)
{
	struct trace_stacks *stacks = trace_stacks_open();
	static struct trace_sample samples[10000];
	struct trace_recording recording = recording_of(samples, 10000);
	struct timespec before, after;
	uint64_t seed = 3, named = 0;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		const struct trace_module *module = &modules[i % module_count];
		const uint64_t addresses[2] = {
			module->begin + made_random(&seed) % (module->end - module->begin),
			own_outer()};
		samples[i] = (struct trace_sample){.stack = trace_stacks_add(stacks, addresses, 2)};
	}
	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before), 0);
	assert_true(trace_stacks_name(stacks, &recording));
	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after), 0);
	double seconds = (double)(after.tv_sec - before.tv_sec) +
			 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
	for (unsigned i = 0; i < 10000; i++)
		named += strncmp(frame(&recording, samples[i].stack, 0)->function, "0x", 2) != 0;
	print_message("10 000 addresses of %u modules: %.3f s, %llu with a name, %u frames\n",
		      module_count, seconds, (unsigned long long)named, recording.frame_count);
	if (trace_stacks_lack() == NULL)
		assert_in_range(named, 2000, 10000);
#if !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
	assert_true(seconds < 5);
#endif
	trace_stacks_close(stacks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inlined),   cmocka_unit_test(shared), cmocka_unit_test(none),
		cmocka_unit_test(no_module), cmocka_unit_test(many),
	};

	module_count = own_modules(modules, MODULES);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	forget_modules(modules, module_count);
	return failed;
}
