/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Reads the dynamic linker's tables; promises: object.h. The number of dynamic symbols stands nowhere but in the hash
 * tables (System V gABI for DT_HASH; for DT_GNU_HASH the chains are walked, an odd hash ends one).
 */
#include "guard/object.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static uint32_t gnu_count(const uint32_t *table)
{
	uint32_t buckets = table[0], first = table[1], words = table[2], last = 0;
	const uint32_t *bucket = table + 4 +
				 (size_t)words * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
	const uint32_t *chain = bucket + buckets;

	for (uint32_t i = 0; i < buckets; i++) {
		if (bucket[i] > last)
			last = bucket[i];
	}
	if (last < first)
		return first;
	while ((chain[last - first] & 1) == 0)
		last++;
	return last + 1;
}

/* The dynamic linker has made most of these addresses absolute; the vDSO's it has not. */
static const void *pointer(uintptr_t base, ElfW(Addr) value)
{
	return (const void *)(value < base ? base + value : value);
}

static void read_tags(struct calm__object *object, const ElfW(Dyn) * tag)
{
	uintptr_t base = object->base;

	for (; tag->d_tag != DT_NULL; tag++) {
		switch (tag->d_tag) {
		case DT_SYMTAB:
			object->symbols = pointer(base, tag->d_un.d_ptr);
			break;
		case DT_STRTAB:
			object->strings = pointer(base, tag->d_un.d_ptr);
			break;
		case DT_STRSZ:
			object->strings_size = tag->d_un.d_val;
			break;
		case DT_HASH:
			object->symbol_count = ((const uint32_t *)pointer(base,
									  tag->d_un.d_ptr))[1];
			break;
		case DT_GNU_HASH:
			object->symbol_count = gnu_count(pointer(base, tag->d_un.d_ptr));
			break;
		case DT_RELA:
			object->relocations[0] = pointer(base, tag->d_un.d_ptr);
			break;
		case DT_RELASZ:
			object->relocation_count[0] = tag->d_un.d_val / sizeof(ElfW(Rela));
			break;
		case DT_JMPREL:
			object->relocations[1] = pointer(base, tag->d_un.d_ptr);
			break;
		case DT_PLTRELSZ:
			object->relocation_count[1] = tag->d_un.d_val / sizeof(ElfW(Rela));
			break;
		default:
			break;
		}
	}
}

bool calm__object_read(struct calm__object *object, const struct dl_phdr_info *info)
{
	*object = (struct calm__object){.name = info->dlpi_name,
					.base = info->dlpi_addr,
					.segments = info->dlpi_phdr,
					.count = info->dlpi_phnum};
	for (unsigned i = 0; i < object->count; i++) {
		if (object->segments[i].p_type == PT_DYNAMIC)
			read_tags(object,
				  (const ElfW(Dyn) *)(object->base + object->segments[i].p_vaddr));
	}
	for (int i = 0; i < 2; i++) {
		if (!object->relocations[i])
			object->relocation_count[i] = 0;
	}
	return object->symbols && object->strings;
}

const char *calm__object_symbol(const struct calm__object *object, size_t i)
{
	size_t name = object->symbols[i].st_name;
	return name < object->strings_size ? object->strings + name : "";
}

static const ElfW(Phdr) * segment_of(const struct calm__object *object, uintptr_t address)
{
	for (unsigned i = 0; i < object->count; i++) {
		const ElfW(Phdr) *segment = &object->segments[i];
		if (segment->p_type == PT_LOAD &&
		    address - object->base - segment->p_vaddr < segment->p_memsz)
			return segment;
	}
	return NULL;
}

bool calm__object_runs(const struct calm__object *object, uintptr_t address)
{
	const ElfW(Phdr) *segment = segment_of(object, address);
	return segment && (segment->p_flags & PF_X) != 0;
}

static int find_own(struct dl_phdr_info *info, size_t size, void *context)
{
	struct calm__object object, *own = context;
	(void)size;
	(void)calm__object_read(&object, info);
	if (!calm__object_runs(&object, (uintptr_t)&calm__object_own))
		return 0;
	*own = object;
	return 1;
}

bool calm__object_own(struct calm__object *own)
{
	return dl_iterate_phdr(find_own, own) == 1;
}

bool calm__object_exports(const struct calm__object *object, size_t i, uintptr_t *address)
{
	const ElfW(Sym) *symbol = &object->symbols[i];
	if (symbol->st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol->st_info) != STT_FUNC ||
	    strncmp(calm__object_symbol(object, i), "calm_", 5) != 0)
		return false;
	*address = object->base + symbol->st_value;
	return true;
}

/*
 * Whether the file is what is mapped there, by /proc/self/maps: START-END PERMS OFFSET MAJOR:MINOR INODE PATH. A library
 * that was upgraded while the process runs is not.
 */
static bool is_mapped(int file, uintptr_t address)
{
	struct stat status;
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	bool same = false;

	if (!maps)
		return false;
	while (fgets(line, sizeof(line), maps)) {
		unsigned long start, end, inode;
		unsigned major, minor;
		if (sscanf(line, "%lx-%lx %*s %*x %x:%x %lu", &start, &end, &major, &minor,
			   &inode) != 5 ||
		    address < start || address >= end)
			continue;
		same = fstat(file, &status) == 0 && status.st_ino == inode &&
		       major(status.st_dev) == major && minor(status.st_dev) == minor;
		break;
	}
	fclose(maps);
	return same;
}

bool calm__object_disk(const struct calm__object *object, uintptr_t address, void *out, size_t size)
{
	const ElfW(Phdr) *segment = segment_of(object, address);
	if (!segment)
		return false;
	uintptr_t inside = address - object->base - segment->p_vaddr;
	if (inside + size > segment->p_filesz)
		return false;
	int file = open(*object->name ? object->name : "/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return false;
	bool done = is_mapped(file, address) &&
		    pread(file, out, size, (off_t)(segment->p_offset + inside)) == (ssize_t)size;
	close(file);
	return done;
}
