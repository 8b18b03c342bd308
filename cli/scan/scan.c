/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * `calm scan`: finds code that binds to what nobody promised it, before an upgrade breaks it. This file reads the
 * command line; scan.h tells where the rest is.
 */
#include "cli/cli.h"
#include "cli/scan/golocal.h"
#include "cli/scan/gomodule.h"
#include "cli/scan/scan.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

typedef void reporter_fn(const struct scan *scan, FILE *file);

struct options {
	const char *baseline, *write_baseline;
	reporter_fn *report;
	enum scan_level fail_on;
	bool verify;
};

static const struct {
	const char *name;
	reporter_fn *report;
} formats[] = {
	{"gcc", scan_report_gcc},
	{"json", scan_report_json},
	{"sarif", scan_report_sarif},
	{"github", scan_report_github},
};

static int usage(void)
{
	(void)fputs(
		"usage: calm scan [OPTION...] PATH...\n"
		"\n"
		"Finds code that binds to symbols nobody promised it: in Go sources and assembly, build files, C sources,\n"
		"ELF objects, archives, executables and libraries. Folders are walked; files are told by their content.\n"
		"\n"
		"  --go VERSION           the Go to judge by, as 1.23; else the local one, else the newest known\n"
		"  --format FORMAT        gcc (default), json, sarif or github\n"
		"  --fail-on LEVEL        exit with 1 from this level on: note (default), warning, error; or never\n"
		"  --baseline FILE        leave out what stands in FILE\n"
		"  --write-baseline FILE  write what was found into FILE, and exit with 0\n"
		"  --verify-go            link a program for each finding of Go with the local Go, and say what it said\n"
		"  --rules                list the rules, and exit\n"
		"  --help                 this text\n"
		"\n"
		"A comment on the line above a finding allows it: //calm:allow RULE reason (in scripts: # calm:allow …).\n"
		"Exit status: 0 nothing found; 1 findings; 2 misuse, or something could not be read.\n",
		stdout);
	if (!scan_has_elf())
		(void)fputs(
			"This calm is built without libelf: ELF files are counted as skipped.\n",
			stdout);
	return CLI_FINE;
}

static int list_rules(void)
{
	for (int i = 0; i < SCAN_RULES; i++)
		(void)printf("%s  %-8s %s; %s\n", scan_rules[i].id,
			     scan_level_name(scan_rules[i].level), scan_rules[i].title,
			     scan_rules[i].hint);
	return CLI_FINE;
}

static bool parse_level(const char *text, enum scan_level *level)
{
	static const char *const names[] = {"note", "warning", "error", "never"};

	for (int i = 0; i < 4; i++) {
		if (strcmp(text, names[i]) == 0) {
			*level = (enum scan_level)i;
			return true;
		}
	}
	return false;
}

static bool parse_format(const char *text, reporter_fn **report)
{
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
		if (strcmp(text, formats[i].name) == 0) {
			*report = formats[i].report;
			return true;
		}
	}
	return false;
}

/* False: *code is the exit status. */
static bool parse(struct scan *scan, struct options *options, int argc, char **argv, int *code)
{
	static const struct option names[] = {{"go", required_argument, NULL, 'g'},
					      {"format", required_argument, NULL, 'f'},
					      {"fail-on", required_argument, NULL, 'l'},
					      {"baseline", required_argument, NULL, 'b'},
					      {"write-baseline", required_argument, NULL, 'w'},
					      {"verify-go", no_argument, NULL, 'v'},
					      {"rules", no_argument, NULL, 'r'},
					      {"help", no_argument, NULL, 'h'},
					      {NULL, 0, NULL, 0}};
	int letter;

	*code = CLI_FAILED;
	while ((letter = getopt_long(argc, argv, "h", names, NULL)) != -1) {
		switch (letter) {
		case 'g':
			scan->minor = go_minor_of(optarg);
			if (scan->minor == 0)
				return (void)cli_misuse(SCAN_NAME, "--go %s: not a version as 1.23",
							optarg),
				       false;
			break;
		case 'f':
			if (!parse_format(optarg, &options->report))
				return (void)cli_misuse(
					       SCAN_NAME,
					       "--format %s: not gcc, json, sarif or github",
					       optarg),
				       false;
			break;
		case 'l':
			if (!parse_level(optarg, &options->fail_on))
				return (void)cli_misuse(
					       SCAN_NAME,
					       "--fail-on %s: not note, warning, error or never",
					       optarg),
				       false;
			break;
		case 'b':
			options->baseline = optarg;
			break;
		case 'w':
			options->write_baseline = optarg;
			break;
		case 'v':
			options->verify = true;
			break;
		case 'r':
			*code = list_rules();
			return false;
		case 'h':
			*code = usage();
			return false;
		default:
			(void)fprintf(stderr, "try 'calm scan --help'\n");
			return false;
		}
	}
	if (optind == argc)
		return (void)cli_misuse(SCAN_NAME, "no PATH given"), false;
	if (options->baseline != NULL && options->write_baseline != NULL)
		return (void)cli_misuse(SCAN_NAME,
					"--baseline and --write-baseline exclude each other"),
		       false;
	return true;
}

static void free_scan(struct scan *scan)
{
	for (size_t i = 0; i < scan->findings.count; i++) {
		struct scan_finding *finding = SCAN_AT(&scan->findings, struct scan_finding, i);
		free(finding->path);
		free(finding->symbol);
		free(finding->since);
		free(finding->message);
		free(finding->verdict);
	}
	free(scan->findings.items);
	free(scan->baseline.items);
	free(scan->baseline_folder);
	go_modules_free(&scan->modules);
	go_world_free(&scan->world);
	free(scan->root);
	scan_elf_free();
}

static int finish(struct scan *scan, const struct options *options)
{
	bool found = false;

	for (size_t i = 0; i < scan->findings.count; i++)
		found = found ||
			SCAN_AT(&scan->findings, struct scan_finding, i)->level >= options->fail_on;
	if (options->write_baseline != NULL) {
		if (!scan_baseline_write(scan, options->write_baseline))
			return CLI_FAILED;
		found = false;
	} else {
		options->report(scan, stdout);
	}
	(void)fflush(stdout);
	scan_summary(scan, stderr);
	return scan->failed ? CLI_FAILED : found ? CLI_FOUND : CLI_FINE;
}

int cli_scan(int argc, char **argv)
{
	struct scan scan = {.draws = cli_redraws(stderr)};
	struct options options = {.report = scan_report_gcc, .fail_on = SCAN_NOTE};
	int code;

	if (!parse(&scan, &options, argc, argv, &code))
		return code;
	if (options.baseline != NULL && !scan_baseline_read(&scan, options.baseline)) {
		free_scan(&scan);
		return CLI_FAILED;
	}
	for (int i = optind; i < argc; i++)
		scan_path(&scan, argv[i]);
	if (scan.draws)
		(void)fputs("\r\033[K", stderr);
	scan_sort(&scan);
	if (options.verify && !scan_verify(&scan))
		scan.failed = true;
	code = finish(&scan, &options);
	free_scan(&scan);
	return code;
}
