/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Callers by their return address; promises: callers.h.
 *
 * The executable never leaves memory: if it is allowed, its code's range is kept, and a call from there costs two loads
 * and a comparison. Any other address is looked up anew, since a module may have been unloaded and another loaded in its
 * place: by _dl_find_object (glibc 2.35), which takes no lock, or else by dl_iterate_phdr. Code that is in no module (a
 * JIT's) is unknown, not illegal.
 *
 * Rejected: keeping the ranges of all allowed modules. They would have to be thrown away at every dlclose(), which
 * nothing tells of, or the modules kept from being unloaded, which is not the guard's to decide.
 */
#include "guard/callers.h"
#include "base/atomic.h"
#include "base/lock.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULES 64

static struct calm__lock lock;
static shared_ptr modules[MODULES]; /* base names; they stay */
static shared_u32 module_count;
static shared_u64 program_start, program_size; /* the executable's code, once it is allowed */
static char program[256]; /* its base name; under the lock until module_count tells */

static const char *base_name(const char *path)
{
	const char *last = strrchr(path, '/');
	return last ? last + 1 : path;
}

static bool is_allowed(const char *name)
{
	/* order: guard.callers acquire <- calm__callers_allow(): the names up to there, and the program's. */
	uint32_t count = load_acquire(&module_count);
	for (uint32_t i = 0; i < count; i++) {
		/* order: none - the count has published it. */
		if (strcmp(load_relaxed(&modules[i]), name) == 0)
			return true;
	}
	return false;
}

static int find_program(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)size;
	(void)context;
	uintptr_t low = UINTPTR_MAX, high = 0;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		if (segment->p_type != PT_LOAD || (segment->p_flags & PF_X) == 0)
			continue;
		uintptr_t start = info->dlpi_addr + segment->p_vaddr;
		low = start < low ? start : low;
		high = start + segment->p_memsz > high ? start + segment->p_memsz : high;
	}
	/* order: none - a call that does not see them yet is looked up, and finds the same. */
	store_relaxed(&program_start, low);
	store_relaxed(&program_size, high > low ? high - low : 0);
	return 1; /* the executable is the first */
}

calm_status calm__callers_allow(const char *module)
{
	calm__lock(&lock);
	calm_status status = CALM_OK;
	if (program[0] == '\0') {
		char path[4096];
		ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
		path[size > 0 ? size : 0] = '\0';
		const char *name = base_name(path);
		memcpy(program, name, strnlen(name, sizeof(program) - 1));
	}
	/* order: none - only changed under the lock. */
	uint32_t count = load_relaxed(&module_count);
	char *name = is_allowed(module) ? NULL : strdup(module);
	if (!is_allowed(module) && (!name || count == MODULES)) {
		free(name);
		status = CALM_ENOMEM;
	} else if (name) {
		/* order: none - the count publishes it. */
		store_relaxed(&modules[count], name);
		/* order: guard.callers release -> is_allowed(): the name, and the program's. */
		store_release(&module_count, count + 1);
		if (strcmp(name, program) == 0)
			dl_iterate_phdr(find_program, NULL);
	}
	calm__unlock(&lock);
	return status;
}

#if defined(__GLIBC__) && defined(DLFO_STRUCT_HAS_EH_DBASE)
/* The name of the module at an address; "" the executable, NULL none. */
static const char *module_at(const void *address)
{
	struct dl_find_object found = {0};
	return _dl_find_object((void *)address, &found) == 0 ? found.dlfo_link_map->l_name : NULL;
}
#else
struct search {
	uintptr_t address;
	const char *name;
};

static int find_module(struct dl_phdr_info *info, size_t size, void *context)
{
	struct search *search = context;
	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		if (segment->p_type == PT_LOAD &&
		    search->address - info->dlpi_addr - segment->p_vaddr < segment->p_memsz)
			search->name = info->dlpi_name;
	}
	return search->name != NULL;
}

static const char *module_at(const void *address)
{
	struct search search = {(uintptr_t)address, NULL};
	dl_iterate_phdr(find_module, &search);
	return search.name;
}
#endif

const char *calm__callers_refuse(const void *from)
{
	/* order: none - see find_program(). */
	if ((uintptr_t)from - load_relaxed(&program_start) < load_relaxed(&program_size))
		return NULL;
	const char *path = module_at(from);
	if (!path)
		return NULL;
	const char *name = *path ? base_name(path) : program;
	return is_allowed(name) ? NULL : *path ? path : name;
}
