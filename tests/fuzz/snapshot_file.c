/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* A fuzz target: the backup that examples/snapshot_file.c reads back, into a map that then holds together. */
#define main example_main
int example_main(int argc, char **argv);

#include "examples/snapshot_file.c"
#undef main

#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct fuzz_file on = fuzz_file_open(input, size);
	calm_options options = CALM_OPTIONS_INIT;
	calm_map *copy;
	const char *broken;
	options.keys = CALM_KEYS_BYTES;
	if (calm_deltamap_create(&copy, &options) != CALM_OK)
		abort();
	(void)read_back(on.path, copy);
	if (calm_debug_check(copy, &broken) != CALM_OK || calm_map_destroy(copy) != CALM_OK)
		abort();
	fuzz_file_close(&on);
	return 0;
}
