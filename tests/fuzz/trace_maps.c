/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A fuzz target: /proc/PID/maps of a traced program, which chooses the names of what it maps. What is taken is a path, and code; a
 * second reading adds nothing.
 */
#include "cli/trace/record.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void read_input(struct trace_making *making, const uint8_t *input, size_t size)
{
	FILE *maps = fmemopen((void *)(uintptr_t)input, size, "r");

	if (!maps)
		abort();
	trace_modules_read(making, maps);
	(void)fclose(maps);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	static struct trace_making making;
	struct trace_recording recording = {.ns = 0};

	if (size == 0)
		return 0;
	making = (struct trace_making){.recording = &recording};
	read_input(&making, input, size);
	uint32_t count = recording.module_count;
	uint32_t found = 0; /* that hold an address at all: others cannot be known again */
	for (uint32_t i = 0; i < count; i++) {
		const struct trace_module *module = &recording.modules[i];
		if (module->path[0] != '/' || strchr(module->path, '\n'))
			abort();
		found += module->begin < module->end;
	}
	read_input(&making, input, size);
	if (found == count && recording.module_count != count)
		abort();
	trace_recording_free(&recording);
	return 0;
}
