/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The Go module that a file belongs to. */
#ifndef CLI_SCAN_GOMODULE_H
#define CLI_SCAN_GOMODULE_H

#include "cli/scan/text.h"

/* The module's path, of the next go.mod from the file's folder upwards; empty: there is none. Known keeps it. */
struct scan_span go_module_of(struct scan_list *known, const char *path);
void go_modules_free(struct scan_list *known);

#endif
