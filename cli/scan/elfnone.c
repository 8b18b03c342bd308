/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* In place of elfrules.c where calm is built without libelf: objects are counted as skipped, and said to be. */
#include "cli/scan/scan.h"

#ifdef CALM_WITHOUT_ELF

bool scan_has_elf(void)
{
	return false;
}

void scan_elf(struct scan *scan, const char *path)
{
	(void)path;
	scan->skipped[SKIP_NO_LIBELF]++;
}

void scan_elf_free(void)
{
}

#endif
