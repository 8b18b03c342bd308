/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What the commands share: exit codes, errors, numbers from the command line, and text that is safe to print.
 *
 * Invariants: results go to stdout, everything else to stderr; escape sequences go to terminals only; bytes from
 * outside (file names, keys) reach a terminal or a JSON string only through cli_clean and cli_json.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum cli_exit {
	CLI_FINE = 0,
	CLI_FOUND = 1,        /* what the command looks for: a violation */
	CLI_FAILED = 2,       /* misuse, or input, output or memory failed */
	CLI_INTERRUPTED = 130 /* by ^C, as shells count it: 128 + SIGINT */
};

/* A command. argv[0] is "calm NAME", as getopt's messages want it. Answers --help on stdout. Returns an enum cli_exit. */
typedef int cli_command_fn(int argc, char **argv);

cli_command_fn cli_bench;
cli_command_fn cli_lab;
cli_command_fn cli_scan;
cli_command_fn cli_trace;
cli_command_fn cli_walk;

/* One line on stderr, "calm walk: …". Always CLI_FAILED. */
__attribute__((format(printf, 2, 3))) int cli_error(const char *command, const char *format, ...);

/* The same, and where the help is. */
__attribute__((format(printf, 2, 3))) int cli_misuse(const char *command, const char *format, ...);

/* Decimal digits, nothing else, least <= *out <= most. False: it is not that. */
bool cli_parse_count(const char *text, uint64_t least, uint64_t most, uint64_t *out);

/* Digits with at most one point, more than 0, at most `most`. False: it is not that. */
bool cli_parse_seconds(const char *text, double most, double *out);

/* Whether colour is wanted there: a terminal that is not dumb, and NO_COLOR (no-color.org) unset or empty. */
bool cli_colour(FILE *file);

/* Whether a line can be redrawn there: a terminal that is not dumb. */
bool cli_redraws(FILE *file);

/* Prints bytes with what is no UTF-8 or controls a terminal as \xNN. */
void cli_clean(FILE *file, const char *text, size_t size);

/*
 * Prints a JSON string, quotes included. What is no UTF-8 becomes U+FFFD, a byte each. There is no '<' in it, so that it may
 * stand in a script of an HTML page.
 */
void cli_json(FILE *file, const char *text, size_t size);

/* A JSON number with three decimals; null if it is none (NaN, infinite). */
void cli_json_number(FILE *file, double number);

#define CLI_NUMBER 32

/*
 * "12.3 M", and of nanoseconds "12.3 ms": three digits and a unit, a small whole number as it is, "-" for NaN. Returns
 * text, which has CLI_NUMBER bytes, or a literal.
 */
const char *cli_count(char *text, double number);
const char *cli_time(char *text, double ns);

#endif
