/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Symbols in Go's assembly (go.dev/doc/asm): pkg·name(SB), with U+00B7 for the point and U+2215 for the slash, <> or
 * <ABIInternal> after the name, an offset after that. Comments and strings are left out; what a macro's body names is
 * named.
 */
#ifndef CLI_SCAN_GOASM_H
#define CLI_SCAN_GOASM_H

#include "cli/scan/text.h"

struct asm_symbol {
	char *name;     /* "runtime.gogo", ".own" for one of its own package; the list's */
	size_t package; /* the size of the part before the point: 0 for its own */
	bool defined;   /* by TEXT, GLOBL or DATA; else referred to */
	bool text;      /* by TEXT */
	bool internal;  /* <ABIInternal> */
	unsigned line, column;
};

/* The symbols of text, in order; file-local ones, name<>, are left out. */
struct scan_list asm_read(const char *text, size_t size);
void asm_free(struct scan_list *symbols);

#endif
