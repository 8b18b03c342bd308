/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Files and folders: loading one, walking many. */
#ifndef CLI_SCAN_TREE_H
#define CLI_SCAN_TREE_H

#include <stdbool.h>
#include <stddef.h>

/* The whole file, with a NUL after it; the caller frees *text. False: errno says why. */
bool tree_load(const char *path, char **text, size_t *size);

#endif
