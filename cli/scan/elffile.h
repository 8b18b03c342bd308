/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * One ELF object, read through libelf: its symbols with their versions, what it needs, and how it was linked.
 *
 * Every string points into the object's memory, and is good as long as that and the elf_file are. Nothing in a damaged
 * object is followed out of it: offsets go through libelf, which checks them.
 */
#ifndef CLI_SCAN_ELFFILE_H
#define CLI_SCAN_ELFFILE_H

#include "cli/scan/text.h"

#include <gelf.h>

struct elf_symbol {
	const char *name;
	const char *version; /* it needs or has; NULL: none */
	const char *from;    /* whose version it needs, as DT_NEEDED names it; NULL */
	unsigned char bind, type, visibility;
	bool defined;
	bool copied; /* by a copy relocation: the executable's own place for a library's variable */
};

struct elf_file {
	Elf *elf;
	int type; /* ET_REL, ET_DYN, … */
	int class, machine;
	bool dynamic, relro, now, textrel;
	const char *soname, *runpath, *audit;
	struct scan_list needed;                   /* of const char * */
	struct scan_list dynamic_symbols, symbols; /* of struct elf_symbol: .dynsym and .symtab */
};

/* Reads what elf, which stays the caller's, holds. False: it is damaged, or no object; *why says so, a literal. */
bool elf_file_read(struct elf_file *file, Elf *elf, const char **why);
void elf_file_free(struct elf_file *file);

/* Calls visit for every string in the object's read-only data; a string is what lies between two NULs. */
void elf_file_strings(const struct elf_file *file, void (*visit)(const char *text, void *context),
		      void *context);

#endif
