/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* A fuzzer's input as a file, for readers that open one by name. */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct fuzz_file {
	int fd;
	char path[40]; /* until fuzz_file_close() */
};

/* In memory. Aborts where there is none: nothing would be tried. */
static inline struct fuzz_file fuzz_file_open(const uint8_t *input, size_t size)
{
	struct fuzz_file file = {.fd = memfd_create("fuzz", MFD_CLOEXEC)};
	if (file.fd < 0 || write(file.fd, input, size) != (ssize_t)size)
		abort();
	(void)snprintf(file.path, sizeof(file.path), "/proc/self/fd/%d", file.fd);
	return file;
}

static inline void fuzz_file_close(const struct fuzz_file *file)
{
	(void)close(file->fd);
}

#endif
