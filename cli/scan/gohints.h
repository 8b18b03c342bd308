/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* What to use instead of a symbol of Go's standard library. */
#ifndef CLI_SCAN_GOHINTS_H
#define CLI_SCAN_GOHINTS_H

#include "cli/scan/text.h"

/* A sentence, or NULL where there is nothing better to say than "its public API". */
const char *go_hint(struct scan_span symbol);

#endif
