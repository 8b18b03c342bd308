/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Walks files and folders in order of name, tells each by its content, and hands it to the rules that know it. A text's
 * language is told by its name's ending, as its own tools do.
 *
 * Invariant: whatever is not looked at is counted under a reason (enum scan_skip).
 */
#include "cli/scan/tree.h"
#include "cli/cli.h"
#include "cli/scan/gofile.h"
#include "cli/scan/gomodule.h"
#include "cli/scan/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX ((off_t)32 << 20) /* the longest source file; what is longer is data */
#define HEAD 4096                  /* of a file, to tell what it is */
#define DRAW_EVERY 100             /* ms */

static bool load(int file, char **text, size_t *size)
{
	size_t room = 0;
	ssize_t got;

	*text = NULL;
	*size = 0;
	do {
		if (room - *size < 2) {
			room = room > 0 ? 2 * room : 16384;
			*text = scan_grow(*text, room);
		}
		do
			got = read(file, *text + *size, room - *size - 1);
		while (got < 0 && errno == EINTR);
		*size += got > 0 ? (size_t)got : 0;
	} while (got > 0);
	(*text)[*size] = '\0';
	if (got == 0)
		return true;
	int reason = errno;
	free(*text);
	*text = NULL;
	errno = reason;
	return false;
}

static bool load_path(const char *path, bool any, char **text, size_t *size)
{
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (any ? 0 : O_NONBLOCK));
	struct stat status;

	if (file < 0)
		return false;
	errno = ENODEV;
	bool done = (any || (fstat(file, &status) == 0 && S_ISREG(status.st_mode))) &&
		    load(file, text, size);
	int reason = errno;
	(void)close(file);
	errno = reason;
	return done;
}

bool tree_load(const char *path, char **text, size_t *size)
{
	return load_path(path, false, text, size);
}

bool tree_load_any(const char *path, char **text, size_t *size)
{
	return load_path(path, true, text, size);
}

static bool is_c(const char *name)
{
	static const char *const endings[] = {".c",   ".h",   ".cc",  ".hh",  ".cpp",
					      ".hpp", ".cxx", ".hxx", ".inc", ".S"};

	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
		if (scan_ends(name, endings[i]))
			return true;
	}
	return false;
}

static void draw(struct scan *scan)
{
	struct timespec now;

	if (!scan->draws || clock_gettime(CLOCK_MONOTONIC_COARSE, &now) != 0)
		return;
	uint64_t ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	if (ms < scan->next_draw)
		return;
	scan->next_draw = ms + DRAW_EVERY;
	(void)fprintf(stderr, "\r\033[K%s: %llu files, %zu findings", SCAN_NAME,
		      (unsigned long long)scan->files, scan->findings.count);
	(void)fflush(stderr);
}

static void complain(struct scan *scan, const char *path)
{
	if (scan->draws)
		(void)fputs("\r\033[K", stderr);
	(void)cli_error(SCAN_NAME, "%s: %s", path, strerror(errno));
	scan->skipped[SKIP_UNREADABLE]++;
	scan->failed = true;
}

/* What a file is, by its first bytes. */
enum content { CONTENT_TEXT, CONTENT_ELF, CONTENT_OTHER };

static enum content content_of(const char *head, size_t size)
{
	if (size >= 4 && memcmp(head, "\177ELF", 4) == 0)
		return CONTENT_ELF;
	if (size >= 8 && memcmp(head, "!<arch>\n", 8) == 0)
		return CONTENT_ELF;
	return memchr(head, '\0', size) != NULL ? CONTENT_OTHER : CONTENT_TEXT;
}

/* A Go file whose name does not say so, named on the command line: its first token is package, and no ; comes. */
static bool begins_go(const char *text, size_t size)
{
	struct go_lexer lexer;
	struct go_token token;

	go_lexer_init(&lexer, text, size);
	do
		token = go_next(&lexer);
	while (token.kind == GO_LINE_COMMENT || token.kind == GO_BLOCK_COMMENT);
	return token.kind == GO_NAME && go_is(&token, "package") &&
	       go_next(&lexer).kind == GO_NAME && go_next(&lexer).size == 0;
}

/* Takes a Go file into the package; anything else is judged at once. */
static void text_file(struct scan *scan, const char *path, char *text, size_t size, bool named,
		      struct scan_list *package)
{
	struct scan_span whole = {text, size};

	if (scan_ends(path, ".go") || (named && begins_go(text, size))) {
		struct go_file *file = SCAN_ADD(package, struct go_file);
		file->path = scan_copy(path, strlen(path));
		file->text = whole;
		go_file_read(file, text, size);
		return; /* the text is the package's */
	}
	if (scan_ends(path, ".s")) {
		const struct go_file *first = package->count > 0
						      ? SCAN_AT(package, struct go_file, 0)
						      : NULL;
		scan_go_assembly(scan, path, whole,
				 first != NULL ? first->package : (struct scan_span){"", 0});
	} else if (is_c(path)) {
		scan_c_source(scan, path, whole);
	} else {
		scan_build_file(scan, path, whole);
	}
	free(text);
}

static void file_at(struct scan *scan, const char *path, const struct stat *status, bool named,
		    struct scan_list *package)
{
	char head[HEAD];
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	ssize_t got = file >= 0 ? pread(file, head, sizeof head, 0) : -1;
	bool pipe = got < 0 && file >= 0 && errno == ESPIPE;

	if (got < 0 && !pipe) {
		complain(scan, path);
		if (file >= 0)
			(void)close(file);
		return;
	}
	enum content content = content_of(head, pipe ? 0 : (size_t)got);
	char *text;
	size_t size;
	if (content == CONTENT_ELF) {
		scan->files++;
		scan_elf(scan, path);
	} else if (content == CONTENT_OTHER) {
		scan->skipped[SKIP_UNKNOWN]++;
	} else if (status->st_size > TEXT_MAX) {
		scan->skipped[SKIP_LARGE]++;
	} else if (!load(file, &text, &size)) {
		complain(scan, path);
	} else if (memchr(text, '\0', size) != NULL) {
		scan->skipped[SKIP_UNKNOWN]++;
		free(text);
	} else {
		scan->files++;
		text_file(scan, path, text, size, named, package);
	}
	(void)close(file);
	draw(scan);
}

static void judge_package(struct scan *scan, struct scan_list *package)
{
	scan_go_package(scan, package);
	for (size_t i = 0; i < package->count; i++) {
		struct go_file *file = SCAN_AT(package, struct go_file, i);
		go_file_free(file);
		free(file->path);
		free((char *)file->text.text);
	}
	free(package->items);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a folder, sorted; but Go files before the assembly that is of their package. */
static bool names_in(const char *path, struct scan_list *names)
{
	DIR *folder = opendir(path);
	struct dirent *entry;

	if (folder == NULL)
		return false;
	while (errno = 0, (entry = readdir(folder)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			*SCAN_ADD(names, char *) = scan_copy(entry->d_name, strlen(entry->d_name));
	}
	int reason = errno;
	(void)closedir(folder);
	errno = reason;
	if (names->count > 0)
		qsort(names->items, names->count, sizeof(char *), by_name);
	return reason == 0;
}

static bool is_history(const char *name)
{
	return strcmp(name, ".git") == 0 || strcmp(name, ".hg") == 0 || strcmp(name, ".svn") == 0;
}

static void folder_at(struct scan *scan, const char *path);

static void entry_at(struct scan *scan, const char *path, const char *name,
		     struct scan_list *package)
{
	struct stat status;

	if (lstat(path, &status) != 0)
		complain(scan, path);
	else if (S_ISLNK(status.st_mode))
		scan->skipped[SKIP_LINK]++;
	else if (S_ISDIR(status.st_mode) && is_history(name))
		scan->skipped[SKIP_HISTORY]++;
	else if (S_ISDIR(status.st_mode))
		folder_at(scan, path);
	else if (S_ISREG(status.st_mode))
		file_at(scan, path, &status, false, package);
	else
		scan->skipped[SKIP_SPECIAL]++;
}

static void folder_at(struct scan *scan, const char *path)
{
	struct scan_list names = {NULL, 0, 0}, package = {NULL, 0, 0};
	size_t size = strlen(path);

	if (!names_in(path, &names))
		complain(scan, path);
	for (int assembly = 0; assembly <= 1; assembly++) {
		for (size_t i = 0; i < names.count; i++) {
			char *name = *SCAN_AT(&names, char *, i);
			if (scan_ends(name, ".s") != (assembly == 1))
				continue;
			char *inner = scan_print(
				size > 0 && path[size - 1] == '/' ? "%s%s" : "%s/%s", path, name);
			entry_at(scan, inner, name, &package);
			free(inner);
		}
	}
	judge_package(scan, &package);
	for (size_t i = 0; i < names.count; i++)
		free(*SCAN_AT(&names, char *, i));
	free(names.items);
}

/* The Go files beside one that is named alone: what they declare, its directives may name. */
static void neighbours(const char *path, struct scan_list *package)
{
	const char *last = strrchr(path, '/');
	char *folder = last != NULL ? scan_copy(path, (size_t)(last - path) + 1)
				    : scan_copy("./", 2);
	struct scan_list names = {NULL, 0, 0};

	(void)names_in(folder, &names);
	for (size_t i = 0; i < names.count; i++) {
		char *name = *SCAN_AT(&names, char *, i), *text;
		char *inner = scan_print("%s%s", folder, name);
		size_t size;
		if (scan_ends(name, ".go") && strcmp(name, last != NULL ? last + 1 : path) != 0 &&
		    tree_load(inner, &text, &size)) {
			struct go_file *file = SCAN_ADD(package, struct go_file);
			file->text = (struct scan_span){text, size};
			go_file_read(file, text, size);
		}
		free(inner);
		free(name);
	}
	free(names.items);
	free(folder);
}

void scan_path(struct scan *scan, const char *path)
{
	struct scan_list package = {NULL, 0, 0};
	struct stat status;

	if (stat(path, &status) != 0) {
		complain(scan, path);
		return;
	}
	if (S_ISDIR(status.st_mode)) {
		folder_at(scan, path);
		return;
	}
	char *copy = scan_copy(path, strlen(path));
	file_at(scan, copy, &status, true, &package);
	free(copy);
	if (package.count == 1)
		neighbours(path, &package);
	judge_package(scan, &package);
}
