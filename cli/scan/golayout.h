/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Sizes and pointer maps of Go's structures, as gc lays them out on a 64-bit machine. */
#ifndef CLI_SCAN_GOLAYOUT_H
#define CLI_SCAN_GOLAYOUT_H

#include "cli/scan/gofile.h"

#include <stdint.h>

struct go_layout {
	bool known; /* false: a field's type is not declared in the package */
	size_t size, align;
	uint64_t pointers; /* of its first 64 words, by bit */
};

/* The structure that a type declaration of the file describes; names are looked up in its package's files. */
struct go_layout go_layout_of(const struct go_file *file, const struct go_decl *type,
			      const struct scan_list *files);

/* The type declaration of that name in the package, and its file; NULL: there is none. */
const struct go_decl *go_type_of(const struct go_file *file, const struct scan_list *files,
				 struct scan_span name, const struct go_file **owner);

/* The names of the structure's fields, into names; at most max. How many; 0: it is no structure. */
size_t go_fields_of(const struct go_file *file, const struct go_decl *type, struct scan_span *names,
		    size_t max);

#endif
