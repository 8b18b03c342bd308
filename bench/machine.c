/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* What a figure was measured on. */
#include "bench/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The text after "field …:" in a file of /proc. False: there is none. */
static bool proc_field(const char *path, const char *field, char *out, size_t size)
{
	FILE *file = fopen(path, "re");
	char line[256];
	bool found = false;

	while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
		const char *colon = strchr(line, ':');
		if (colon == NULL || strncmp(line, field, strlen(field)) != 0)
			continue;
		colon += 1 + strspn(colon + 1, " \t");
		(void)snprintf(out, size, "%.*s", (int)strcspn(colon, "\n"), colon);
		found = true;
	}
	if (file != NULL)
		(void)fclose(file);
	return found;
}

static uint64_t kilobytes(const char *field)
{
	char text[64];
	uint64_t kb = 0;

	if (proc_field("/proc/meminfo", field, text, sizeof text))
		(void)sscanf(text, "%" SCNu64, &kb);
	return kb;
}

void bench_machine(struct bench_machine *machine)
{
	struct utsname name;

	*machine = (struct bench_machine){.cores = bench_cores()};
	if (!proc_field("/proc/cpuinfo", "model name", machine->cpu, sizeof machine->cpu))
		(void)snprintf(machine->cpu, sizeof machine->cpu, "unknown");
	if (uname(&name) == 0)
		(void)snprintf(machine->kernel, sizeof machine->kernel, "%.64s %.80s", name.sysname,
			       name.release);
	(void)snprintf(machine->memory, sizeof machine->memory, "%.1f GiB",
		       (double)kilobytes("MemTotal") / (1024 * 1024));
#ifdef __clang__
	(void)snprintf(machine->compiler, sizeof machine->compiler, "clang %s", __clang_version__);
#else
	(void)snprintf(machine->compiler, sizeof machine->compiler, "gcc %s", __VERSION__);
#endif
}

uint64_t bench_memory_available(void)
{
	return kilobytes("MemAvailable") * 1024;
}

uint64_t bench_memory_resident(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	uint64_t all = 0, resident = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%" SCNu64 " %" SCNu64, &all, &resident) != 2)
		resident = 0;
	(void)fclose(file);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
