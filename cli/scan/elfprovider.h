/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The libraries that an object needs, found as the dynamic linker finds them (ld.so(8): run path, then the system's
 * folders), and then in the object's own folder. Each is read once and kept.
 */
#ifndef CLI_SCAN_ELFPROVIDER_H
#define CLI_SCAN_ELFPROVIDER_H

#include "cli/scan/elffile.h"

struct elf_export {
	const char *name, *version;
};

struct elf_provider {
	char *path;
	bool read;            /* false: it could not be */
	struct elf_file file; /* only what stays: soname, needed, runpath, class, machine */
	void *memory;
	size_t size;
	struct scan_list exports; /* of struct elf_export, by name, then version */
	struct scan_list
		closed; /* of const char *: exported, but under private versions only; sorted */
	struct scan_list kept; /* of const char *: defined in .symtab, but local or hidden; sorted */
};

/*
 * All libraries that the object at path needs, and that those need; in *out, of struct elf_provider *, which the caller
 * frees. False: not all were found.
 */
bool elf_providers(const char *path, const struct elf_file *file, struct scan_list *out);

/* What of that name the provider exports: the first, and how many (versions) follow; NULL: nothing. */
const struct elf_export *elf_exported(const struct elf_provider *provider, const char *name,
				      size_t *count);
bool elf_keeps(const struct elf_provider *provider, const char *name);
bool elf_closes(const struct elf_provider *provider, const char *name);

/* Whether a version's name says that it is not for others. */
bool elf_is_private(const char *version);

void elf_providers_free(void);

/* The whole file in memory, which libelf may write into; NULL: errno says why. */
void *elf_map(const char *path, size_t *size);

/* elfpackage.c: whether both files are of packages that Debian's dpkg knows to come from one source. */
bool elf_same_source(const char *path, const char *other);
void elf_packages_free(void);

#endif
