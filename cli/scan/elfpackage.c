/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Which source a file's Debian package was built from: dpkg's database (/var/lib/dpkg), read at the first question. A
 * symbol that is private to a library is no surprise to programs that are built and shipped with it.
 */
#include "cli/scan/elfprovider.h"
#include "cli/scan/tree.h"

#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct owner {
	const char *path; /* in one of the texts */
	const char *package;
};

struct source {
	char *package, *source;
};

static struct {
	bool read;
	struct scan_list texts;   /* of char *: all that is to be freed */
	struct scan_list owners;  /* by path */
	struct scan_list sources; /* by package */
} database;

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct owner *)a)->path, ((const struct owner *)b)->path);
}

static int by_package(const void *a, const void *b)
{
	return strcmp(((const struct source *)a)->package, ((const struct source *)b)->package);
}

/* /var/lib/dpkg/info/NAME.list or NAME:ARCHITECTURE.list, a path a line. */
static void read_list(const char *file)
{
	const char *name = strrchr(file, '/') + 1;
	char *text;
	size_t size;

	if (!tree_load(file, &text, &size))
		return;
	char *package = scan_copy(name, strcspn(name, ":") < strlen(name) ? strcspn(name, ":")
									  : strlen(name) - 5);
	*SCAN_ADD(&database.texts, char *) = text;
	*SCAN_ADD(&database.texts, char *) = package;
	for (char *at = text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
		*end = '\0';
		if (strstr(at, "/lib") != NULL || strstr(at, "/bin/") != NULL ||
		    strstr(at, "/sbin/") != NULL)
			*SCAN_ADD(&database.owners, struct owner) = (struct owner){at, package};
	}
}

static void read_status(void)
{
	struct scan_span rest, line;
	char *text;
	size_t size;

	if (!tree_load("/var/lib/dpkg/status", &text, &size))
		return;
	rest = (struct scan_span){text, size};
	while (scan_next_line(&rest, &line)) {
		struct scan_span word = scan_next_word(&line), value = scan_next_word(&line);
		struct scan_list *sources = &database.sources;
		if (scan_is(word, "Package:")) {
			struct source *added = SCAN_ADD(sources, struct source);
			added->package = scan_copy(value.text, value.size);
			added->source = scan_copy(value.text, value.size);
		} else if (scan_is(word, "Source:") && sources->count > 0) {
			struct source *last = SCAN_AT(sources, struct source, sources->count - 1);
			free(last->source);
			last->source = scan_copy(value.text, value.size);
		}
	}
	free(text);
}

static void read_database(void)
{
	glob_t lists;

	if (database.read)
		return;
	database.read = true;
	if (glob("/var/lib/dpkg/info/*.list", 0, NULL, &lists) == 0) {
		for (size_t i = 0; i < lists.gl_pathc; i++)
			read_list(lists.gl_pathv[i]);
	}
	globfree(&lists);
	read_status();
	if (database.owners.count > 0)
		qsort(database.owners.items, database.owners.count, sizeof(struct owner), by_path);
	if (database.sources.count > 0)
		qsort(database.sources.items, database.sources.count, sizeof(struct source),
		      by_package);
}

static const char *package_of(const char *path)
{
	struct owner key = {path, NULL};
	const struct owner *found = database.owners.count == 0
					    ? NULL
					    : bsearch(&key, database.owners.items,
						      database.owners.count, sizeof key, by_path);

	return found != NULL ? found->package : NULL;
}

/* The source of the package that has the file; NULL: none has. Where /lib is /usr/lib, dpkg may know either name. */
static const char *source_of(const char *path)
{
	char whole[PATH_MAX];

	if (realpath(path, whole) == NULL)
		return NULL;
	const char *package = package_of(whole);
	if (package == NULL && strncmp(whole, "/usr/", 5) == 0)
		package = package_of(whole + 4);
	struct source key = {(char *)package, NULL};
	const struct source *found = package == NULL || database.sources.count == 0
					     ? NULL
					     : bsearch(&key, database.sources.items,
						       database.sources.count, sizeof key,
						       by_package);
	return found != NULL ? found->source : NULL;
}

bool elf_same_source(const char *path, const char *other)
{
	read_database();
	const char *one = source_of(path), *two = source_of(other);
	return one != NULL && two != NULL && strcmp(one, two) == 0;
}

void elf_packages_free(void)
{
	for (size_t i = 0; i < database.texts.count; i++)
		free(*SCAN_AT(&database.texts, char *, i));
	for (size_t i = 0; i < database.sources.count; i++) {
		free(SCAN_AT(&database.sources, struct source, i)->package);
		free(SCAN_AT(&database.sources, struct source, i)->source);
	}
	free(database.texts.items);
	free(database.owners.items);
	free(database.sources.items);
	database.read = false;
	database.texts = database.owners = database.sources = (struct scan_list){NULL, 0, 0};
}
