/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The modules of this process, from /proc/self/maps; modules.h. */
#include "modules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t own_modules(struct trace_module *modules, uint32_t room)
{
	FILE *file = fopen("/proc/self/maps", "re");
	char line[600], path[400], rights[8];
	unsigned long long begin, end, offset;
	uint32_t count = 0;

	while (file != NULL && count < room && fgets(line, sizeof line, file) != NULL) {
		if (sscanf(line, "%llx-%llx %7s %llx %*s %*s %399s", &begin, &end, rights, &offset,
			   path) < 5 ||
		    rights[2] != 'x')
			continue;
		modules[count++] = (struct trace_module){.path = strdup(path),
							 .build_id = "00112233445566778899",
							 .begin = begin,
							 .end = end,
							 .offset = offset};
	}
	if (file != NULL)
		(void)fclose(file);
	return count;
}

void forget_modules(struct trace_module *modules, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		free((char *)modules[i].path);
}

uint32_t own_lines[3];
uint64_t own_aside;

__attribute__((noinline)) static uint64_t here(void)
{
	__asm__ volatile("");
	return (uint64_t)__builtin_return_address(0);
}

__attribute__((always_inline)) static inline uint64_t own_inner(void)
{
	own_lines[0] = __LINE__ + 1;
	uint64_t at = here();

	__asm__ volatile("" : "+r"(at));
	return at;
}

__attribute__((always_inline)) static inline uint64_t own_middle(void)
{
	own_lines[1] = __LINE__ + 1;
	return own_inner();
}

__attribute__((always_inline)) static inline void own_sibling(void)
{
	own_aside = here();
}

__attribute__((noinline)) uint64_t own_outer(void)
{
	own_sibling();
	own_lines[2] = __LINE__ + 1;
	uint64_t at = own_middle();

	__asm__ volatile("" : "+r"(at));
	return at;
}
