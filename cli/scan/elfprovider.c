/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Finds and keeps needed libraries; promises: elfprovider.h. */
#include "cli/scan/elfprovider.h"
#include "cli/scan/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLOSURE_MAX 1024

static struct scan_list known;   /* of struct elf_provider * */
static struct scan_list folders; /* of char *: where the system's libraries lie */

void *elf_map(const char *path, size_t *size)
{
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat status;
	void *memory = MAP_FAILED;

	if (file < 0)
		return NULL;
	errno = ENODEV; /* as mmap says of what is no file */
	if (fstat(file, &status) == 0 && S_ISREG(status.st_mode)) {
		*size = (size_t)status.st_size;
		memory = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	}
	int reason = errno;
	(void)close(file);
	errno = reason;
	return memory != MAP_FAILED ? memory : NULL;
}

bool elf_is_private(const char *version)
{
	return version != NULL &&
	       (strstr(version, "PRIVATE") != NULL || strstr(version, "INTERNAL") != NULL);
}

static int by_export(const void *a, const void *b)
{
	const struct elf_export *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	if (order != 0)
		return order;
	return strcmp(x->version != NULL ? x->version : "", y->version != NULL ? y->version : "");
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void keep_symbols(struct elf_provider *provider, const struct elf_file *file)
{
	for (size_t i = 0; i < file->dynamic_symbols.count; i++) {
		const struct elf_symbol *symbol = SCAN_AT(&file->dynamic_symbols, struct elf_symbol,
							  i);
		bool open = symbol->visibility == STV_DEFAULT ||
			    symbol->visibility == STV_PROTECTED;
		if (symbol->defined && symbol->bind != STB_LOCAL && open && *symbol->name != '\0' &&
		    !symbol->copied)
			*SCAN_ADD(&provider->exports, struct elf_export) = (struct elf_export){
				symbol->name, symbol->version};
	}
	for (size_t i = 0; i < file->symbols.count; i++) {
		const struct elf_symbol *symbol = SCAN_AT(&file->symbols, struct elf_symbol, i);
		bool hidden = symbol->bind == STB_LOCAL || symbol->visibility == STV_HIDDEN ||
			      symbol->visibility == STV_INTERNAL;
		if (symbol->defined && hidden &&
		    (symbol->type == STT_FUNC || symbol->type == STT_OBJECT))
			*SCAN_ADD(&provider->kept, const char *) = symbol->name;
	}
	if (provider->exports.count > 0)
		qsort(provider->exports.items, provider->exports.count, sizeof(struct elf_export),
		      by_export);
	if (provider->kept.count > 0)
		qsort(provider->kept.items, provider->kept.count, sizeof(char *), by_text);
}

/* Of the sorted exports, the names that no version but private ones has. */
static void close_symbols(struct elf_provider *provider)
{
	const struct elf_export *exports = provider->exports.items;

	for (size_t i = 0, next; i < provider->exports.count; i = next) {
		bool open = false;
		for (next = i; next < provider->exports.count &&
			       strcmp(exports[next].name, exports[i].name) == 0;
		     next++)
			open = open || !elf_is_private(exports[next].version);
		if (!open)
			*SCAN_ADD(&provider->closed, const char *) = exports[i].name;
	}
}

static struct elf_provider *provider_at(const char *path)
{
	char whole[PATH_MAX];
	const char *why;

	if (realpath(path, whole) == NULL)
		return NULL;
	for (size_t i = 0; i < known.count; i++) {
		struct elf_provider *provider = *SCAN_AT(&known, struct elf_provider *, i);
		if (strcmp(provider->path, whole) == 0)
			return provider;
	}
	struct elf_provider *provider = scan_grow(NULL, sizeof *provider);
	*provider = (struct elf_provider){.path = scan_copy(whole, strlen(whole))};
	*SCAN_ADD(&known, struct elf_provider *) = provider;
	provider->memory = elf_map(whole, &provider->size);
	Elf *elf = provider->memory != NULL ? elf_memory(provider->memory, provider->size) : NULL;
	provider->read = elf != NULL && elf_file_read(&provider->file, elf, &why);
	if (provider->read) {
		keep_symbols(provider, &provider->file);
		close_symbols(provider);
	}
	free(provider->file.dynamic_symbols.items);
	free(provider->file.symbols.items);
	provider->file.dynamic_symbols = provider->file.symbols = (struct scan_list){NULL, 0, 0};
	if (!provider->read)
		(void)elf_end(elf);
	return provider;
}

static void add_folder(struct scan_span text)
{
	*SCAN_ADD(&folders, char *) = scan_copy(text.text, text.size);
}

static void read_configuration(const char *path, unsigned depth)
{
	char *text;
	size_t size;

	if (depth > 4 || !tree_load(path, &text, &size))
		return;
	struct scan_span rest = {text, size}, line;
	while (scan_next_line(&rest, &line)) {
		struct scan_span word = scan_next_word(&line);
		if (scan_is(word, "include")) {
			struct scan_span name = scan_next_word(&line);
			char *pattern = scan_copy(name.text, name.size);
			glob_t found;
			if (glob(pattern, 0, NULL, &found) == 0) {
				for (size_t i = 0; i < found.gl_pathc; i++)
					read_configuration(found.gl_pathv[i], depth + 1);
			}
			globfree(&found);
			free(pattern);
		} else if (scan_begins(word, "/")) {
			add_folder(word);
		}
	}
	free(text);
}

static void find_folders(void)
{
	static const char *const usual[] = {"/lib", "/usr/lib", "/lib64", "/usr/lib64"};

	if (folders.count > 0)
		return;
	read_configuration("/etc/ld.so.conf", 0);
	for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
		add_folder(scan_word(usual[i]));
}

/* The provider there, if it is one for the object. */
static struct elf_provider *try_folder(struct scan_span folder, const char *name,
				       const struct elf_file *file)
{
	char *path = scan_print("%.*s/%s", SCAN_ARGS(folder), name);
	struct elf_provider *provider = access(path, R_OK) == 0 ? provider_at(path) : NULL;

	free(path);
	bool fits = provider != NULL && provider->read && provider->file.class == file->class &&
		    provider->file.machine == file->machine;
	return fits ? provider : NULL;
}

/* $ORIGIN, or ${ORIGIN}, at the beginning of a run path stands for the object's folder. */
static struct elf_provider *try_runpath(struct scan_span part, struct scan_span origin,
					const char *name, const struct elf_file *file)
{
	bool braces = scan_begins(part, "${ORIGIN}"), bare = scan_begins(part, "$ORIGIN");
	size_t taken = braces ? 9 : bare ? 7 : 0;

	if (taken == 0)
		return try_folder(part, name, file);
	char *folder = scan_print("%.*s%.*s", SCAN_ARGS(origin), (int)(part.size - taken),
				  part.text + taken);
	struct elf_provider *found = try_folder(scan_word(folder), name, file);
	free(folder);
	return found;
}

static struct elf_provider *find(const char *path, const struct elf_file *file, const char *name)
{
	const char *last = strrchr(path, '/');
	struct scan_span origin = last != NULL ? (struct scan_span){path, (size_t)(last - path)}
					       : scan_word(".");
	struct elf_provider *found = NULL;

	if (strchr(name, '/') != NULL)
		return access(name, R_OK) == 0 ? provider_at(name) : NULL;
	for (const char *at = file->runpath; at != NULL && *at != '\0' && found == NULL;) {
		size_t size = strcspn(at, ":");
		found = try_runpath((struct scan_span){at, size}, origin, name, file);
		at += size + (at[size] == ':');
	}
	find_folders();
	for (size_t i = 0; i < folders.count && found == NULL; i++)
		found = try_folder(scan_word(*SCAN_AT(&folders, char *, i)), name, file);
	return found != NULL ? found : try_folder(origin, name, file);
}

bool elf_providers(const char *path, const struct elf_file *file, struct scan_list *out)
{
	bool all = true;

	*out = (struct scan_list){NULL, 0, 0};
	for (size_t next = 0; next <= out->count && out->count < CLOSURE_MAX; next++) {
		struct elf_provider *needs = next > 0 ? *SCAN_AT(out, struct elf_provider *,
								 next - 1)
						      : NULL;
		const struct elf_file *of = needs != NULL ? &needs->file : file;
		for (size_t i = 0; i < of->needed.count; i++) {
			const char *name = *SCAN_AT(&of->needed, const char *, i);
			struct elf_provider *found = find(needs != NULL ? needs->path : path, of,
							  name);
			bool twice = false;
			all = all && found != NULL;
			for (size_t j = 0; j < out->count && found != NULL; j++)
				twice = twice || *SCAN_AT(out, struct elf_provider *, j) == found;
			if (found != NULL && !twice)
				*SCAN_ADD(out, struct elf_provider *) = found;
		}
	}
	return all;
}

const struct elf_export *elf_exported(const struct elf_provider *provider, const char *name,
				      size_t *count)
{
	const struct elf_export *exports = provider->exports.items;
	size_t low = 0, high = provider->exports.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(exports[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*count = 0;
	while (low + *count < provider->exports.count &&
	       strcmp(exports[low + *count].name, name) == 0)
		++*count;
	return *count > 0 ? &exports[low] : NULL;
}

bool elf_keeps(const struct elf_provider *provider, const char *name)
{
	return provider->kept.count > 0 &&
	       bsearch(&name, provider->kept.items, provider->kept.count, sizeof name, by_text) !=
		       NULL;
}

bool elf_closes(const struct elf_provider *provider, const char *name)
{
	return provider->closed.count > 0 &&
	       bsearch(&name, provider->closed.items, provider->closed.count, sizeof name,
		       by_text) != NULL;
}

void elf_providers_free(void)
{
	for (size_t i = 0; i < known.count; i++) {
		struct elf_provider *provider = *SCAN_AT(&known, struct elf_provider *, i);
		if (provider->read) {
			(void)elf_end(provider->file.elf);
			elf_file_free(&provider->file);
		}
		if (provider->memory != NULL)
			(void)munmap(provider->memory, provider->size);
		free(provider->exports.items);
		free(provider->kept.items);
		free(provider->closed.items);
		free(provider->path);
		free(provider);
	}
	free(known.items);
	for (size_t i = 0; i < folders.count; i++)
		free(*SCAN_AT(&folders, char *, i));
	free(folders.items);
	known = folders = (struct scan_list){NULL, 0, 0};
}
