/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A fuzz target: all of calm scan on one file, whose name the first byte chooses, from what it is to the four reports; and the same
 * bytes as a file of Go's own sources, and as a go.mod.
 */
#include "cli/scan/gofile.h"
#include "cli/scan/gomodule.h"
#include "cli/scan/scan.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MINOR 24

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static const char *const names[] = {"a.go",
				    "a.s",
				    "a.c",
				    "Makefile",
				    "a",
				    "go.mod",
				    "src/runtime/a.go",
				    "src/runtime/a_arm64.s"};
enum { MODULE = 5, ROOT = 6, NAMES = sizeof names / sizeof *names };

static char folder[] = "/tmp/calm-fuzz-XXXXXX";

/* A path in the folder, until the next. */
static const char *at(const char *name)
{
	static char path[80];

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static void forget_folder(void)
{
	(void)rmdir(at("src/runtime"));
	(void)rmdir(at("src"));
	(void)rmdir(folder);
}

/* Fuzzers run in processes of their own: a folder each, with that of a Go in it. */
static void make_folder(void)
{
	static bool made;

	if (!made && (!mkdtemp(folder) || mkdir(at("src"), 0700) != 0 ||
		      mkdir(at("src/runtime"), 0700) != 0 || atexit(forget_folder) != 0))
		abort();
	made = true;
}

static void report(struct scan *scan)
{
	static void (*const reports[])(const struct scan *scan, FILE *file) = {
		scan_report_gcc, scan_report_github, scan_report_json, scan_report_sarif,
		scan_summary};
	char *text = NULL;
	size_t size;

	scan_sort(scan);
	for (size_t i = 0; i < sizeof reports / sizeof *reports; i++) {
		FILE *file = open_memstream(&text, &size);
		if (!file)
			abort();
		reports[i](scan, file);
		(void)fclose(file);
		/* Nothing that a terminal would obey. */
		for (size_t k = 0; k < size; k++)
			if ((unsigned char)text[k] < 0x20 && text[k] != '\n' && text[k] != '\t')
				abort();
		free(text);
	}
}

static void scan_it(const char *path)
{
	struct scan scan = {.minor = MINOR, .world_known = true, .world = {.minor = MINOR}};

	scan_path(&scan, path);
	report(&scan);
	for (size_t i = 0; i < scan.findings.count; i++) {
		struct scan_finding *finding = SCAN_AT(&scan.findings, struct scan_finding, i);
		(void)scan_hash(&scan, finding);
		free(finding->path);
		free(finding->symbol);
		free(finding->since);
		free(finding->message);
	}
	free(scan.findings.items);
	go_modules_free(&scan.modules);
	go_world_free(&scan.world);
	scan_elf_free();
}

/* A symbol may be named in the root only once. */
static void read_root(void)
{
	struct go_world world;

	if (!go_world_read(&world, folder, MINOR))
		abort();
	for (size_t i = 1; i < world.symbols.count; i++)
		if (strcmp(SCAN_AT(&world.symbols, struct go_symbol, i - 1)->name,
			   SCAN_AT(&world.symbols, struct go_symbol, i)->name) >= 0)
			abort();
	go_world_free(&world);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	if (size < 1)
		return 0;
	unsigned which = input[0] % NAMES;
	make_folder();
	FILE *file = fopen(at(names[which]), "w");
	if (!file || fwrite(input + 1, 1, size - 1, file) != size - 1 || fclose(file) != 0)
		abort();
	if (which >= ROOT) {
		read_root();
	} else if (which == MODULE) {
		struct scan_list modules = {NULL, 0, 0};
		struct scan_span module = go_module_of(&modules, at("b.go"));
		if (memchr(module.text, '\n', module.size))
			abort();
		go_modules_free(&modules);
	} else {
		scan_it(at(names[which]));
	}
	(void)unlink(at(names[which]));
	return 0;
}
