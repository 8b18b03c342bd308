/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The parts of `calm bench`: bench.c reads the command line and runs suites, table.c, json.c and
 * report.c tell; read.c reads what json.c wrote.
 */
#ifndef CLI_BENCH_BENCH_H
#define CLI_BENCH_BENCH_H

#include "bench/report.h"

#include <stdio.h>

#define BENCH_NAME "calm bench"

/* The tables and notes of one suite. */
void bench_print_suite(FILE *file, const struct bench_results *results, const char *suite);

/* All of a run as one JSON object. */
void bench_print_json(FILE *file, const struct bench_report *report);

/*
 * Writes a file, whole or not at all; what is no file, a pipe say, as it is. Returns an enum
 * cli_exit.
 */
int bench_save(const char *path, const char *text, size_t size);

/* Whether it could: the folder takes files. Returns an enum cli_exit. */
int bench_save_check(const char *path);

int bench_write_json(const char *path, const struct bench_report *report);
int bench_write_report(const char *path, const struct bench_report *report);

/* The line that was typed; the caller frees it. NULL: no memory. */
char *bench_command(int argc, char *const argv[]);

#define BENCH_DATE 32

void bench_date(char date[BENCH_DATE]); /* now, UTC */

/* The raw data of a run that was; the results point into text. */
struct bench_file {
	struct bench_results results;
	struct bench_machine machine;
	const char *command, *date, *missing;
	char *text;
};

/* Returns an enum cli_exit; if it is CLI_FINE, the file is to be freed. */
int bench_read(const char *path, struct bench_file *file);
void bench_file_free(struct bench_file *file);

#endif
