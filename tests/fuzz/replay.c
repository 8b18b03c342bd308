/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Gives a fuzz target each file of a folder, without libFuzzer: what was found once is tried by every
 * compiler and sanitizer. Exits 1 if there is none; a target that finds something aborts, and its
 * file is the last one named.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST 65536

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void replay(const char *folder, const char *name)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "rb");
	uint8_t *input = malloc(MOST);
	if (!file || !input) {
		perror(path);
		exit(1);
	}
	size_t size = fread(input, 1, MOST, file);
	fclose(file);
	/* As long as the input, for AddressSanitizer to see what reads on. */
	uint8_t *exact = realloc(input, size > 0 ? size : 1);
	if (!exact)
		exit(1);
	fprintf(stderr, "%s\n", name);
	(void)LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

int main(int argc, char **argv)
{
	DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
	if (!folder) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	int count = 0;
	for (const struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
		if (entry->d_name[0] == '.')
			continue;
		replay(argv[1], entry->d_name);
		count++;
	}
	closedir(folder);
	printf("%d inputs\n", count);
	return count > 0 ? 0 : 1;
}
