/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What objects bind to: rules EL01 to EL07, and EC01 for objects. A member of an archive is told as "archive(member)".
 */
#include "cli/cli.h"
#include "cli/scan/elfprovider.h"
#include "cli/scan/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct object {
	struct scan *scan;
	const char *path; /* of the file, to find what is beside it */
	struct scan_place place;
	struct elf_file file;
	const struct scan_list
		*siblings; /* of const char *: what the archive's members define, sorted; or NULL */
	struct scan_list providers; /* of struct elf_provider * */
	size_t first;               /* of the object's findings */
	bool complete;              /* all that is needed was found */
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static void find_private(struct object *object, const struct elf_symbol *symbol)
{
	bool together = false;

	if (symbol->defined || !elf_is_private(symbol->version))
		return;
	for (size_t i = 0; i < object->providers.count; i++) {
		const struct elf_provider *provider = *SCAN_AT(&object->providers,
							       struct elf_provider *, i);
		const char *soname = provider->file.soname, *name = strrchr(provider->path, '/');
		bool is = soname != NULL ? strcmp(soname, symbol->from) == 0
					 : name != NULL && strcmp(name + 1, symbol->from) == 0;
		if (is)
			together = elf_same_source(object->path, provider->path);
	}
	char *full = scan_print("%s@%s", symbol->name, symbol->version);
	(void)scan_find(object->scan, EL01, together ? SCAN_NOTE : SCAN_ERROR, &object->place,
			scan_word(full),
			scan_print("needs %s of %s, which is private to it%s", full, symbol->from,
				   together ? " (both are of one source package)" : ""));
	free(full);
}

/* Undefined here, exported by nobody who is needed, and there all the same: kept by one of them. */
static void find_hidden(struct object *object, const struct elf_symbol *symbol)
{
	const struct elf_provider *keeper = NULL;
	size_t count;

	if (symbol->defined || symbol->bind == STB_WEAK || *symbol->name == '\0' ||
	    !object->complete)
		return;
	for (size_t i = 0; i < object->providers.count; i++) {
		const struct elf_provider *provider = *SCAN_AT(&object->providers,
							       struct elf_provider *, i);
		if (elf_exported(provider, symbol->name, &count) != NULL)
			return;
		if (keeper == NULL && elf_keeps(provider, symbol->name))
			keeper = provider;
	}
	if (keeper != NULL)
		(void)scan_find(object->scan, EL02, SCAN_ERROR, &object->place,
				scan_word(symbol->name),
				scan_print("needs %s, which is in %s, but hidden or local there",
					   symbol->name, keeper->path));
}

/* Allocators are made to be replaced; the rest is every program's own. */
static bool may_interpose(const char *name)
{
	static const char *const own[] = {
		"malloc",
		"calloc",
		"realloc",
		"free",
		"cfree",
		"memalign",
		"aligned_alloc",
		"valloc",
		"pvalloc",
		"posix_memalign",
		"malloc_usable_size",
		"reallocarray",
		"mallinfo",
		"mallinfo2",
		"mallopt",
		"malloc_trim",
		"malloc_stats",
		"malloc_info",
		"main",
		"_init",
		"_fini",
		"_start",
		"_end",
		"_edata",
		"__bss_start",
		"__data_start",
		"data_start",
		"_IO_stdin_used",
		"environ",
		"__environ",
		"end",
		"edata",
		"etext",
		"_etext",
		"__progname",
		"__end__",
	};

	if (begins(name, "_Zn") || begins(name, "_Zd")) { /* operators new and delete, of C++ */
		char kind = name[2] != '\0' ? name[3] : '\0';
		if (kind == 'w' || kind == 'a' || kind == 'l')
			return true;
	}
	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		if (strcmp(name, own[i]) == 0)
			return true;
	}
	return false;
}

static void find_interposed(struct object *object, const struct elf_symbol *symbol)
{
	size_t count;

	if (!symbol->defined || symbol->bind != STB_GLOBAL || symbol->copied ||
	    symbol->visibility == STV_HIDDEN ||
	    (symbol->type != STT_FUNC && symbol->type != STT_OBJECT) || may_interpose(symbol->name))
		return;
	for (size_t i = 0; i < object->providers.count; i++) {
		const struct elf_provider *provider = *SCAN_AT(&object->providers,
							       struct elf_provider *, i);
		const struct elf_export *exported = elf_exported(provider, symbol->name, &count);
		bool same = symbol->version == NULL;
		/* A version of its own takes no one's place, unless it is the very one. */
		for (size_t j = 0; j < count && !same; j++)
			same = exported[j].version != NULL &&
			       strcmp(exported[j].version, symbol->version) == 0;
		if (exported == NULL || !same)
			continue;
		(void)scan_find(
			object->scan, EL04, SCAN_WARNING, &object->place, scan_word(symbol->name),
			scan_print(
				"defines %s, and so takes the place of that of %s in the whole process",
				symbol->name, provider->path));
		return;
	}
}

static void find_dynamic(struct object *object)
{
	for (size_t i = 0; i < object->file.dynamic_symbols.count; i++) {
		const struct elf_symbol *symbol = SCAN_AT(&object->file.dynamic_symbols,
							  struct elf_symbol, i);
		find_private(object, symbol);
		find_hidden(object, symbol);
		find_interposed(object, symbol);
	}
}

/* Names, of either table, that begin with __wrap_, __real_ or, undefined here, with calm__; each once. */
static void find_names(struct object *object)
{
	const struct scan_list *tables[] = {&object->file.symbols, &object->file.dynamic_symbols};
	struct scan_list names = {NULL, 0, 0};

	for (size_t i = 0; i < 2; i++) {
		for (size_t j = 0; j < tables[i]->count; j++) {
			const struct elf_symbol *symbol = SCAN_AT(tables[i], struct elf_symbol, j);
			bool wrap = begins(symbol->name, "__wrap_") ||
				    begins(symbol->name, "__real_");
			if (wrap || (begins(symbol->name, "calm__") && !symbol->defined))
				*SCAN_ADD(&names, const char *) = symbol->name;
		}
	}
	if (names.count > 0)
		qsort(names.items, names.count, sizeof(char *), by_text);
	for (size_t i = 0; i < names.count; i++) {
		const char *name = *SCAN_AT(&names, const char *, i);
		if (i > 0 && strcmp(name, *SCAN_AT(&names, const char *, i - 1)) == 0)
			continue;
		bool wrap = *name == '_';
		if (wrap)
			(void)scan_find(
				object->scan, EL03, SCAN_WARNING, &object->place, scan_word(name),
				scan_print("names %s: calls of %s are redirected when it is linked",
					   name, name + 7));
		else if (object->siblings == NULL || object->siblings->count == 0 ||
			 bsearch(&name, object->siblings->items, object->siblings->count,
				 sizeof name, by_text) == NULL)
			(void)scan_find(
				object->scan, EC01, SCAN_ERROR, &object->place, scan_word(name),
				scan_print(
					"names %s, which is calm's own and changes without notice",
					name));
	}
	free(names.items);
}

/* A string of the object that is a private symbol's name. */
static void private_name(const char *text, void *context)
{
	struct object *object = context;
	const char *owner = begins(text, "calm__") ? "calm" : NULL;

	for (size_t i = 0; i < object->providers.count && owner == NULL; i++) {
		const struct elf_provider *provider = *SCAN_AT(&object->providers,
							       struct elf_provider *, i);
		if (elf_closes(provider, text))
			owner = provider->path;
	}
	if (owner == NULL || strlen(text) < 4)
		return;
	for (size_t i = object->first; i < object->scan->findings.count; i++) {
		const struct scan_finding *known = SCAN_AT(&object->scan->findings,
							   struct scan_finding, i);
		if (known->rule == EL05 && strcmp(known->symbol, text) == 0)
			return; /* it has the name twice */
	}
	(void)scan_find(object->scan, EL05, SCAN_NOTE, &object->place, scan_word(text),
			scan_print("imports dlsym and has the name of %s, which is private to %s",
				   text, owner));
}

static void find_looked_up(struct object *object)
{
	for (size_t i = 0; i < object->file.dynamic_symbols.count; i++) {
		const struct elf_symbol *symbol = SCAN_AT(&object->file.dynamic_symbols,
							  struct elf_symbol, i);
		if (!symbol->defined &&
		    (strcmp(symbol->name, "dlsym") == 0 || strcmp(symbol->name, "dlvsym") == 0)) {
			elf_file_strings(&object->file, private_name, object);
			return;
		}
	}
}

static void find_weak_links(struct object *object)
{
	const struct elf_file *file = &object->file;

	if (file->audit != NULL)
		(void)scan_find(
			object->scan, EL06, SCAN_WARNING, &object->place, scan_word(file->audit),
			scan_print(
				"names %s as an auditor, which sees and can change every binding",
				file->audit));
	if (!file->relro)
		(void)scan_find(
			object->scan, EL07, SCAN_NOTE, &object->place, scan_word("RELRO"),
			scan_print(
				"has no RELRO: its table of functions can be written to while it runs"));
	if (!file->now)
		(void)scan_find(
			object->scan, EL07, SCAN_NOTE, &object->place, scan_word("BIND_NOW"),
			scan_print("has no BIND_NOW: its functions are bound at their first call"));
	if (file->textrel)
		(void)scan_find(
			object->scan, EL07, SCAN_NOTE, &object->place, scan_word("TEXTREL"),
			scan_print("has TEXTREL: its code is written to when it is loaded"));
}

static void judge(struct object *object)
{
	find_names(object);
	if (!object->file.dynamic)
		return;
	object->complete = elf_providers(object->path, &object->file, &object->providers);
	find_dynamic(object);
	find_looked_up(object);
	find_weak_links(object);
	free(object->providers.items);
}

static void broken(struct scan *scan, const char *name, const char *why)
{
	(void)cli_error(SCAN_NAME, "%s: %s", name, why);
	scan->skipped[SKIP_BROKEN]++;
}

static void scan_object(struct scan *scan, const char *path, const char *name, Elf *elf,
			const struct scan_list *siblings)
{
	struct object object = {.scan = scan,
				.path = path,
				.siblings = siblings,
				.first = scan->findings.count};
	const char *why;

	object.place = (struct scan_place){name, 0, 0, {"", 0}};
	if (!elf_file_read(&object.file, elf, &why)) {
		broken(scan, name, why);
		return;
	}
	if (object.file.type != ET_CORE)
		judge(&object);
	elf_file_free(&object.file);
}

/* Calls visit for every object in an archive. */
static void each_member(Elf *archive, void (*visit)(Elf *, const char *, void *), void *context)
{
	Elf_Cmd command = ELF_C_READ;
	Elf *member;

	while ((member = elf_begin(-1, command, archive)) != NULL) {
		const Elf_Arhdr *header = elf_getarhdr(member);
		if (header != NULL && header->ar_name != NULL && *header->ar_name != '/' &&
		    elf_kind(member) == ELF_K_ELF)
			visit(member, header->ar_name, context);
		command = elf_next(member);
		(void)elf_end(member);
	}
}

struct archive {
	struct scan *scan;
	const char *path;
	struct scan_list defined; /* of char * */
};

static void note_definitions(Elf *member, const char *name, void *context)
{
	struct archive *archive = context;
	struct elf_file file;
	const char *why;

	(void)name;
	if (!elf_file_read(&file, member, &why))
		return;
	for (size_t i = 0; i < file.symbols.count; i++) {
		const struct elf_symbol *symbol = SCAN_AT(&file.symbols, struct elf_symbol, i);
		if (symbol->defined && begins(symbol->name, "calm__"))
			*SCAN_ADD(&archive->defined, char *) = scan_copy(symbol->name,
									 strlen(symbol->name));
	}
	elf_file_free(&file);
}

static void scan_member(Elf *member, const char *name, void *context)
{
	struct archive *archive = context;
	char *full = scan_print("%s(%s)", archive->path, name);

	scan_object(archive->scan, archive->path, full, member, &archive->defined);
	free(full);
}

static void scan_archive(struct scan *scan, const char *path, void *memory, size_t size)
{
	struct archive archive = {scan, path, {NULL, 0, 0}};

	for (int pass = 0; pass < 2; pass++) {
		Elf *elf = elf_memory(memory, size); /* libelf walks an archive once */
		if (elf == NULL) {
			broken(scan, path, elf_errmsg(-1));
			break;
		}
		each_member(elf, pass == 0 ? note_definitions : scan_member, &archive);
		(void)elf_end(elf);
		if (pass == 0 && archive.defined.count > 0)
			qsort(archive.defined.items, archive.defined.count, sizeof(char *),
			      by_text);
	}
	for (size_t i = 0; i < archive.defined.count; i++)
		free(*SCAN_AT(&archive.defined, char *, i));
	free(archive.defined.items);
}

bool scan_has_elf(void)
{
	return true;
}

void scan_elf(struct scan *scan, const char *path)
{
	size_t size;

	if (elf_version(EV_CURRENT) == EV_NONE) {
		scan->skipped[SKIP_NO_LIBELF]++;
		return;
	}
	void *memory = elf_map(path, &size);
	if (memory == NULL) {
		(void)cli_error(SCAN_NAME, "%s: %s", path, strerror(errno));
		scan->skipped[SKIP_UNREADABLE]++;
		scan->failed = true;
		return;
	}
	if (size >= 8 && memcmp(memory, "!<arch>\n", 8) == 0) {
		scan_archive(scan, path, memory, size);
	} else {
		Elf *elf = elf_memory(memory, size);
		if (elf == NULL)
			broken(scan, path, elf_errmsg(-1));
		else
			scan_object(scan, path, path, elf, NULL);
		(void)elf_end(elf);
	}
	(void)munmap(memory, size);
}

void scan_elf_free(void)
{
	elf_providers_free();
	elf_packages_free();
}
