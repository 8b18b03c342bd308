/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What one version of Go lets others bind to: whether its linker accepts a pull of a symbol of the standard library, or
 * a reference from assembly.
 *
 * Two sources answer. The sources under a GOROOT are read as the linker would see them, and win. Without one, the table
 * in go-symbols.txt, which tools/go-table made of GOROOTs in the same way.
 *
 * The rules (cmd/link/internal/loader, cmd/compile/internal/ssagen/abi.go), M for 1.M:
 *	pull       M < 23: whatever is declared and defined links
 *	           M >= 23: only what std marks with //go:linkname, or (to 26) defines in assembly; and nothing that
 *	           blockedLinknames names
 *	assembly   what has ABI0: assembly's own definitions, variables, Go functions that are marked or that their own
 *	           package's assembly calls; from 23 variables only if marked; from 27 nothing unmarked
 */
#ifndef CLI_SCAN_GOWORLD_H
#define CLI_SCAN_GOWORLD_H

#include "cli/scan/text.h"

#define GO_OLDEST 19 /* the table's versions: 1.19 … 1.27 */
#define GO_NEWEST 27
#define GO_CHECKS 23     /* the first whose linker refuses */
#define GO_MARKS_ONLY 27 /* the first that refuses unmarked assembly too */

enum go_answer {
	GO_ABSENT,  /* no such symbol */
	GO_REFUSED, /* the linker refuses it */
	GO_LINKS,
	GO_UNLISTED /* a package of std whose symbols are not listed: before 1.23 they link if they exist, then not */
};

struct go_world {
	int minor;
	const char *root;         /* a GOROOT, or NULL: from the table */
	struct scan_list symbols; /* of struct go_symbol, sorted: of root */
};

struct go_symbol {
	char *name;
	unsigned flags;
};

enum go_symbol_flags {
	GO_HAS_GO = 1,          /* a function with a body, or a variable, in Go */
	GO_HAS_VARIABLE = 2,    /* a variable */
	GO_HAS_DECLARATION = 4, /* a function without a body in Go */
	GO_HAS_TEXT = 8,        /* in assembly, ABI0 */
	GO_HAS_INTERNAL = 16,   /* in assembly, ABIInternal */
	GO_HAS_MARK = 32,       /* //go:linkname, mark or push */
	GO_HAS_CALL = 64,       /* its own package's assembly refers to it */
	GO_HAS_ELSEWHERE = 128  /* in assembly of another architecture than the table's */
};

/* Reads GOROOT/src. False: it cannot be read; errno says why. */
bool go_world_read(struct go_world *world, const char *root, int minor);
void go_world_free(struct go_world *world);

/* What this version says to a pull of symbol, or to a reference from assembly. */
enum go_answer go_world_pull(const struct go_world *world, struct scan_span symbol);
enum go_answer go_world_assembly(const struct go_world *world, struct scan_span symbol);

/* The same by flags alone, for the making of the table. */
enum go_answer go_flags_pull(unsigned flags, int minor, bool blocked);
enum go_answer go_flags_assembly(unsigned flags, int minor, bool blocked);

/* The table. Whether it lists all functions and variables of the package. */
enum go_answer go_table_pull(struct scan_span symbol, int minor);
enum go_answer go_table_assembly(struct scan_span symbol, int minor);
bool go_table_lists(struct scan_span package);

/* Whether the linker of 1.minor keeps the symbol for one package, marked or not (blockedLinknames). */
bool go_table_blocks(struct scan_span symbol, int minor);

/* Whether a package is one of the standard library's, of any version. */
bool go_is_std(struct scan_span package);

/* The package's part of "pkg/path.name" or "pkg.(*T).m"; empty where there is no point. */
struct scan_span go_package_of(struct scan_span symbol);

#endif
