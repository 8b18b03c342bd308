/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* What the readers' files call of the rest of calm scan, and a fuzzer does not reach. */
#include "cli/scan/scan.h"

void scan_elf(struct scan *scan, const char *path)
{
	(void)scan;
	(void)path;
}

void scan_go_package(struct scan *scan, struct scan_list *files)
{
	(void)scan;
	(void)files;
}

void scan_go_assembly(struct scan *scan, const char *path, struct scan_span text,
		      struct scan_span package)
{
	(void)scan;
	(void)path;
	(void)text;
	(void)package;
}

void scan_build_file(struct scan *scan, const char *path, struct scan_span text)
{
	(void)scan;
	(void)path;
	(void)text;
}

void scan_c_source(struct scan *scan, const char *path, struct scan_span text)
{
	(void)scan;
	(void)path;
	(void)text;
}
