/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Loaded objects as the dynamic linker sees them (dl_iterate_phdr(3), and the tables behind PT_DYNAMIC), and what the
 * guard's checks make of them. Nothing here has a state of its own but what calm__keep_text() keeps.
 */
#ifndef CALM_GUARD_OBJECT_H
#define CALM_GUARD_OBJECT_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct calm__object {
	const char *name; /* its path; "" is the executable */
	uintptr_t base;
	const ElfW(Phdr) * segments;
	unsigned count;
	const ElfW(Sym) * symbols; /* NULL: it has no dynamic symbols */
	const char *strings;
	size_t strings_size;
	uint32_t symbol_count;
	const ElfW(Rela) * relocations[2]; /* of its data, and of its function slots */
	size_t relocation_count[2];
};

/* False: the object has no tables. */
bool calm__object_read(struct calm__object *object, const struct dl_phdr_info *info);

/* The name of symbol i; "" if it is out of the table. */
const char *calm__object_symbol(const struct calm__object *object, size_t i);

/* Whether the object has the address, in a segment that may be executed. */
bool calm__object_runs(const struct calm__object *object, uintptr_t address);

/* The object that this library's own text lies in. False: dl_iterate_phdr does not know it. */
bool calm__object_own(struct calm__object *own);

/* Whether the object defines a function of calm's, by symbol i, and where. */
bool calm__object_exports(const struct calm__object *object, size_t i, uintptr_t *address);

/*
 * Copies what the object's file holds at an address of its memory. False: it cannot be told, since the file is no
 * longer the one that was mapped, or there is none.
 */
bool calm__object_disk(const struct calm__object *object, uintptr_t address, void *out,
		       size_t size);

/* What a check tells of: symbol, the object that took it, and a sentence, all good until it returns. */
typedef void calm__finding_fn(const char *symbol, const char *object, const char *message,
			      void *context);

/* The checks: bindings.c and text.c. */
void calm__check_bindings(const struct calm__object *own, calm__finding_fn *found, void *context);
void calm__check_text(const struct calm__object *own, calm__finding_fn *found, void *context);

/* Keeps the traversals' first bytes as their file has them; and whether they are what was kept. */
void calm__keep_text(const struct calm__object *own);
bool calm__text_as_kept(void);

#endif
