/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The calm command: finds the command asked for and runs it, and sees to it that what was printed
 * arrived.
 *
 * Invariant: file descriptors 0 to 2 are open before anything else is opened, so that a closed one
 * is an error when it is used, and never some other file.
 */
#include "cli/cli.h"

#include <calm/base.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <string.h>

static int help(int argc, char **argv);

static const struct command {
	const char *name;
	const char *summary;
	cli_command_fn *run;
} commands[] = {
	{"walk", "walk maps while writers change them, check every traversal, and measure both",
	 cli_walk},
	{"bench", "measure maps, other libraries' beside calm's", cli_bench},
	{"lab", "crash on purpose, each mistake beside the same done right", cli_lab},
	{"scan", "find code that binds to symbols nobody promised it", cli_scan},
	{"trace", "record what goes on in a program's maps, and what slows its traversals",
	 cli_trace},
	{"help", "this text, or with the name of a command its own", help},
};

#define COMMANDS (sizeof commands / sizeof *commands)

static int usage(FILE *file)
{
	(void)fputs("usage: calm COMMAND [ARGUMENT...]\n"
		    "       calm --version\n"
		    "       calm help [COMMAND]\n"
		    "\n"
		    "Concurrent maps that can be walked while they change. The commands:\n"
		    "\n",
		    file);
	for (size_t i = 0; i < COMMANDS; i++)
		(void)fprintf(file, "  %-6s %s\n", commands[i].name, commands[i].summary);
	(void)fputs(
		"\n"
		"'calm help COMMAND' and 'calm COMMAND --help' tell all about one.\n"
		"Exit status: 0 all is well; 1 the command found what it looks for; 2 misuse, or input, output or\n"
		"memory failed; 130 interrupted.\n",
		file);
	return CLI_FINE;
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	(void)cli_misuse("calm", "'%s' is no command of calm", name);
	return NULL;
}

static int run(const struct command *command, int argc, char **argv)
{
	char name[32];

	(void)snprintf(name, sizeof name, "calm %s", command->name);
	argv[0] = name;
	optind = 0; /* getopt starts anew */
	return command->run(argc, argv);
}

static int help(int argc, char **argv)
{
	static char option[] = "--help";
	static const struct option options[] = {{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	int letter;

	while ((letter = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (letter == 'h')
			return usage(stdout);
		(void)fprintf(stderr, "try 'calm --help'\n");
		return CLI_FAILED;
	}
	if (argc - optind > 1)
		return cli_misuse("calm", "help is for one command at a time");
	if (optind == argc)
		return usage(stdout);
	const struct command *command = find(argv[optind]);
	if (command == NULL)
		return CLI_FAILED;
	char *arguments[] = {NULL, option, NULL};
	return run(command, 2, arguments);
}

static int dispatch(int argc, char **argv)
{
	static char name[] = "calm";
	static const struct option options[] = {{"help", no_argument, NULL, 'h'},
						{"version", no_argument, NULL, 'V'},
						{NULL, 0, NULL, 0}};
	int letter;

	if (argc > 0)
		argv[0] = name;
	/* The plus ends the options at the command, whose own they are from there on. */
	while ((letter = getopt_long(argc, argv, "+hV", options, NULL)) != -1) {
		switch (letter) {
		case 'h':
			return usage(stdout);
		case 'V':
			(void)printf("calm %s\n", calm_version());
			return CLI_FINE;
		default:
			(void)fprintf(stderr, "try 'calm --help'\n");
			return CLI_FAILED;
		}
	}
	if (optind >= argc) {
		(void)usage(stderr);
		return CLI_FAILED;
	}
	const struct command *command = find(argv[optind]);
	return command != NULL ? run(command, argc - optind, argv + optind) : CLI_FAILED;
}

/* Puts into each closed place a file that refuses what it would be used for. */
static void fill_standard_files(void)
{
	for (int file = 0; file <= 2; file++) {
		if (fcntl(file, F_GETFD) == -1 && errno == EBADF)
			(void)open("/dev/null", file == 0 ? O_WRONLY : O_RDONLY);
	}
}

int main(int argc, char **argv)
{
	fill_standard_files();
	int code = dispatch(argc, argv);
	bool failed = ferror(stdout) != 0;
	errno = 0;
	if (fclose(stdout) != 0 || failed) {
		const char *reason = errno != 0 ? strerror(errno) : "an earlier write failed";
		return cli_error("calm", "cannot write to standard output: %s", reason);
	}
	return code;
}
