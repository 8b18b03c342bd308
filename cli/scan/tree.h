/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Files and folders: loading one, walking many. */
#ifndef CLI_SCAN_TREE_H
#define CLI_SCAN_TREE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The whole file, with a NUL after it; the caller frees *text. False: errno says why. What lies there and is no file, a pipe say,
 * is not waited for.
 */
bool tree_load(const char *path, char **text, size_t *size);
/* The same of what a user named: a pipe is read to its end. */
bool tree_load_any(const char *path, char **text, size_t *size);

#endif
