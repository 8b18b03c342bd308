/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A program that walks a map, with the guard on, for tests/guard/attacks.sh to attack: victim [ATTACK [MODULE...]].
 * Prints a line for each finding, "finding: SYMBOL OBJECT", and at the end "findings: N" of calm_guard_check(). ATTACK is
 * none, or what the program does to itself: got, patch, caller=LIBRARY (a module that walks for it); MODULEs may call.
 */
#include <calm/calm.h>
#include <dlfcn.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int fake_walk(calm_map *map, calm_visit_fn *visit, void *context)
{
	(void)map;
	(void)visit;
	(void)context;
	return 0;
}

#ifdef VICTIM_DEFINES
int calm_map_each(const calm_map *map, calm_visit_fn *visit, void *context)
{
	return fake_walk((calm_map *)(uintptr_t)map, visit, context);
}
#endif

static void report(const calm_guard_finding *finding, void *context)
{
	(void)context;
	printf("finding: %s %s: %s\n", finding->symbol, finding->object, finding->message);
	fflush(stdout);
}

static int visit(calm_key key, void *value, void *context)
{
	(void)key;
	(void)value;
	++*(int *)context;
	return 0;
}

static void writable(uintptr_t address)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = address & ~(page - 1);
	size_t size = address + 16 > start + page ? 2 * page : page;
	if (mprotect((void *)start, size, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) {
		perror("mprotect");
		exit(2);
	}
}

/* Overwrites the executable's slot of calm_map_walk, as hooking libraries do. */
static int overwrite(struct dl_phdr_info *info, size_t size, void *context)
{
	const ElfW(Dyn) *tag = NULL;
	const ElfW(Sym) *symbols = NULL;
	const ElfW(Rela) * tables[2] = {NULL, NULL};
	size_t sizes[2] = {0, 0};
	const char *strings = NULL;
	(void)size;
	(void)context;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type == PT_DYNAMIC)
			tag = (const ElfW(Dyn) *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
	}
	for (; tag && tag->d_tag != DT_NULL; tag++) {
		if (tag->d_tag == DT_SYMTAB)
			symbols = (const ElfW(Sym) *)tag->d_un.d_ptr;
		else if (tag->d_tag == DT_STRTAB)
			strings = (const char *)tag->d_un.d_ptr;
		else if (tag->d_tag == DT_RELA)
			tables[0] = (const ElfW(Rela) *)tag->d_un.d_ptr;
		else if (tag->d_tag == DT_RELASZ)
			sizes[0] = tag->d_un.d_val / sizeof(ElfW(Rela));
		else if (tag->d_tag == DT_JMPREL)
			tables[1] = (const ElfW(Rela) *)tag->d_un.d_ptr;
		else if (tag->d_tag == DT_PLTRELSZ)
			sizes[1] = tag->d_un.d_val / sizeof(ElfW(Rela));
	}
	for (int table = 0; table < 2 && symbols && strings; table++) {
		for (size_t i = 0; i < sizes[table]; i++) {
			const ElfW(Rela) *relocation = &tables[table][i];
			const char *name = strings +
					   symbols[ELF64_R_SYM(relocation->r_info)].st_name;
			if (strcmp(name, "calm_map_walk") != 0)
				continue;
			uintptr_t slot = info->dlpi_addr + relocation->r_offset;
			uintptr_t fake = (uintptr_t)(void (*)(void))fake_walk;
			writable(slot);
			memcpy((void *)slot, &fake, sizeof(fake));
		}
	}
	return 1;
}

/* Puts a jump to fake_walk where calm_map_walk begins. */
static void patch(void)
{
	unsigned char *text = dlsym(RTLD_DEFAULT, "calm_map_walk");
	unsigned char jump[14] = {0xff, 0x25, 0, 0, 0, 0};
	uintptr_t fake = (uintptr_t)(void (*)(void))fake_walk;
	memcpy(jump + 6, &fake, sizeof(fake));
	writable((uintptr_t)text);
	memcpy(text, jump, sizeof(jump));
}

static int walk_through(const char *library, calm_map *map, void *context)
{
	void *module = dlopen(library, RTLD_NOW);
	int (*walk)(calm_map *, calm_visit_fn *, void *) = NULL;
	void *symbol = module ? dlsym(module, "module_walk") : NULL;
	memcpy(&walk, &symbol, sizeof(walk));
	if (!walk) {
		fprintf(stderr, "%s\n", dlerror());
		exit(2);
	}
	return walk(map, visit, context);
}

int main(int argc, char **argv)
{
	const char *attack = argc > 1 ? argv[1] : "none";
	calm_map *map;
	calm_snapshot *snapshot;
	calm_cursor cursor;
	int visited = 0;

	for (int i = 2; i < argc; i++) {
		if (calm_guard_allow(argv[i]) != CALM_OK)
			return 2;
	}
	bool aborts = strcmp(attack, "abort") == 0;
	if (calm_guard_set(aborts ? CALM_GUARD_ABORT : CALM_GUARD_REPORT,
			   aborts || strcmp(attack, "stderr") == 0 ? NULL : report,
			   NULL) != CALM_OK ||
	    calm_hashmap_create(&map, NULL) != CALM_OK ||
	    calm_map_store(map, calm_word(1), NULL) != CALM_OK)
		return 2;
	if (strcmp(attack, "got") == 0)
		dl_iterate_phdr(overwrite, NULL);
	else if (strcmp(attack, "patch") == 0 || aborts || strcmp(attack, "stderr") == 0)
		patch();
	if (strncmp(attack, "caller=", 7) == 0)
		walk_through(attack + 7, map, &visited);
	else
		calm_map_walk(map, visit, &visited);
	calm_map_each(map, visit, &visited);
	if (calm_map_snapshot(map, &snapshot) != CALM_OK ||
	    calm_cursor_init(&cursor, snapshot) != CALM_OK)
		return 2;
	calm_snapshot_each(snapshot, visit, &visited);
	calm_snapshot_close(snapshot);
	printf("visited: %d\nfindings: %d\n", visited, calm_guard_check());
	return calm_map_destroy(map) == CALM_OK ? 0 : 2;
}
