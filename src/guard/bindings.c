/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Whether calls of calm reach it: what each exported name resolves to now (a preloaded library, an auditor, a definition
 * in the executable come first), and what the slots of every loaded object hold already.
 *
 * Two addresses are right for a name: the library's own, and in a program that is not position-independent the entry
 * that stands for it in the program's own table (an undefined symbol with a value). A slot that was never called
 * through holds what its file does, moved to where the object lies; the slot of a lazy call points back into its own
 * object, so the file has to be asked.
 */
#include "guard/object.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#define IS_SLOT(type) \
	((type) == R_X86_64_JUMP_SLOT || (type) == R_X86_64_GLOB_DAT || (type) == R_X86_64_64)
#elif defined(__aarch64__)
#define IS_SLOT(type) \
	((type) == R_AARCH64_JUMP_SLOT || (type) == R_AARCH64_GLOB_DAT || (type) == R_AARCH64_ABS64)
#else
#define IS_SLOT(type) \
	((void)(type), false) /* the guard knows no slots there; names it still resolves */
#endif

#define MESSAGE 512

struct walk {
	const struct calm__object *own;
	calm__finding_fn *found;
	void *context;
};

/* Where the executable has an entry that stands for an undefined symbol; 0: nowhere. */
struct entry {
	const char *name;
	uintptr_t address;
};

static int find_entry(struct dl_phdr_info *info, size_t size, void *context)
{
	struct calm__object object;
	struct entry *entry = context;
	(void)size;
	if (!calm__object_read(&object, info))
		return 1;
	for (size_t i = 0; i < object.symbol_count; i++) {
		if (object.symbols[i].st_shndx == SHN_UNDEF && object.symbols[i].st_value != 0 &&
		    strcmp(calm__object_symbol(&object, i), entry->name) == 0)
			entry->address = object.base + object.symbols[i].st_value;
	}
	return 1; /* the executable is the first, and the only one */
}

static bool stands_for(const char *name, uintptr_t address)
{
	struct entry entry = {name, 0};
	dl_iterate_phdr(find_entry, &entry);
	return entry.address != 0 && entry.address == address;
}

static const char *object_at(uintptr_t address)
{
	Dl_info info;
	return dladdr((void *)address, &info) != 0 && info.dli_fname ? info.dli_fname
								     : "unknown memory";
}

static void check_names(const struct walk *walk)
{
	const struct calm__object *own = walk->own;
	for (size_t i = 0; i < own->symbol_count; i++) {
		uintptr_t address;
		if (!calm__object_exports(own, i, &address))
			continue;
		const char *name = calm__object_symbol(own, i);
		uintptr_t now = (uintptr_t)dlsym(RTLD_DEFAULT, name);
		/* 0: the library is not in the global scope, and nobody finds it by name. */
		if (now == 0 || now == address || stands_for(name, now))
			continue;
		char message[MESSAGE];
		snprintf(message, sizeof(message), "%s resolves to %s, and not to calm", name,
			 object_at(now));
		walk->found(name, object_at(now), message, walk->context);
	}
}

/* The library's own address for a name; 0: it exports no such name. */
static uintptr_t own_address(const struct calm__object *own, const char *name)
{
	for (size_t i = 0; i < own->symbol_count; i++) {
		uintptr_t address;
		if (calm__object_exports(own, i, &address) &&
		    strcmp(calm__object_symbol(own, i), name) == 0)
			return address;
	}
	return 0;
}

static void check_slot(const struct walk *walk, const struct calm__object *object,
		       const ElfW(Rela) * relocation)
{
	size_t index = ELF64_R_SYM(relocation->r_info);
	if (!IS_SLOT(ELF64_R_TYPE(relocation->r_info)) || index >= object->symbol_count)
		return;
	const char *name = calm__object_symbol(object, index);
	if (strncmp(name, "calm_", 5) != 0)
		return;
	uintptr_t own = own_address(walk->own, name), slot = object->base + relocation->r_offset,
		  value, disk;
	memcpy(&value, (const void *)slot, sizeof(value));
	if (own == 0 || value == 0 || value == own + (uintptr_t)relocation->r_addend ||
	    stands_for(name, value))
		return;
	if (calm__object_runs(object, value) &&
	    (!calm__object_disk(object, slot, &disk, sizeof(disk)) || object->base + disk == value))
		return; /* not called yet; or not to be told */
	char message[MESSAGE];
	snprintf(message, sizeof(message), "%s calls %s through a slot that leads to %s",
		 *object->name ? object->name : "the executable", name, object_at(value));
	walk->found(name, object_at(value), message, walk->context);
}

static int check_slots(struct dl_phdr_info *info, size_t size, void *context)
{
	struct calm__object object;
	const struct walk *walk = context;
	(void)size;
	if (!calm__object_read(&object, info) || object.base == walk->own->base)
		return 0;
	for (int table = 0; table < 2; table++) {
		for (size_t i = 0; i < object.relocation_count[table]; i++)
			check_slot(walk, &object, &object.relocations[table][i]);
	}
	return 0;
}

void calm__check_bindings(const struct calm__object *own, calm__finding_fn *found, void *context)
{
	struct walk walk = {own, found, context};
	if (!own->symbols)
		return; /* a static program: its calls are bound for good */
	check_names(&walk);
	dl_iterate_phdr(check_slots, &walk);
}
