/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * `calm bench`: chooses suites and subjects, runs them, prints each suite as it ends, and writes
 * the raw data. What the options mean: the help below. What is measured and how: bench/.
 */
#include "bench/apart.h"
#include "cli/bench/bench.h"
#include "cli/cli.h"
#include "kit/clock.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SUITES_MAX 32
#define DRAW_EVERY ((uint64_t)100000000)

static const char help_head[] =
	"usage: calm bench [SUITE...] [--quick] [--kinds LIST] [--peers LIST] [--json FILE]\n"
	"                  [--report FILE] [--entries N] [--seconds S] [--repeats N] [--list]\n"
	"       calm bench --from FILE [--report FILE]\n"
	"\n"
	"Measures calm's maps, and the libraries this build has found beside them: in the same run, by turns, with the same\n"
	"keys and threads. Every subject is checked for doing the work; one that does not makes the exit status 1.\n"
	"\n"
	"The suites; none is all of them:\n";

static const char help_tail[] =
	"\n"
	"  --quick        fewer repeats (3 at least) and smaller sizes, for a first answer: hash takes about a minute\n"
	"  --kinds LIST   calm's kinds of map, with commas between, or all, which is the default\n"
	"  --peers LIST   what to measure beside them, with commas between, all (the default) or none; see --list\n"
	"  --json FILE    writes machine, command, date and every figure there; FILE appears when all of it is written\n"
	"  --report FILE  writes a page of HTML, with plots by gnuplot, there; FILE appears when all of it is written\n"
	"  --from FILE    measures nothing: shows what --json wrote; beside it there is only --report\n"
	"  --entries N    1 to 100000000, instead of the suites' own sizes\n"
	"  --seconds S    of a slice, the part of a figure that is measured at a stretch; at most 3600\n"
	"  --repeats N    1 to 101; figures are medians, 5 repeats or more unless --quick\n"
	"  --cost KIND:OP runs one operation of the suite cost, for callgrind\n"
	"  --memory ID:N  grows one subject as the suite memory does, and prints its bytes an entry\n"
	"  --list         the suites, and the subjects with those that this build lacks\n"
	"  --help         this text\n"
	"\n"
	"In a table * is the best of a column and = a tie with it. Figures tie within the column's own spread: the median\n"
	"over its subjects of (max - min) / median, but 3 % at least and 30 % at most; figures in percent: 1 to 10 points.\n"
	"A column with more spread than that is noisy, and has it told below. 'floor' is a bare array indexed by the key:\n"
	"what the memory allows. A rank is calm's among the others, ties shared.\n"
	"\n"
	"Exit status: 0 fine; 1 a subject did not do the work; 2 misuse, or input, output or memory failed; 130 ^C: the\n"
	"tables show what there was.\n";

struct request {
	struct bench bench;
	const struct bench_suite *suites[SUITES_MAX];
	size_t suite_count;
	const char *kinds, *peers, *json, *report, *from;
	bool list, measures; /* measures: an option says how */
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

static void catch_interrupt(void)
{
	struct sigaction action = {.sa_handler = on_interrupt,
				   .sa_flags = (int)(SA_RESTART | SA_RESETHAND)};
	struct sigaction before;

	sigemptyset(&action.sa_mask);
	if (sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
		(void)sigaction(SIGINT, &action, NULL);
}

static bool stopped(void)
{
	return interrupted != 0;
}

static bool draws;

static void erase_line(void)
{
	if (draws)
		(void)fputs("\r\033[K", stderr);
}

/* What is left is told from what was done: per suite, since suites know only themselves. */
static void progress(const char *suite, const char *what, double done)
{
	static uint64_t drawn, began;
	static const char *current;
	char line[256], left[32] = "";
	uint64_t now = kit_now_ns();
	struct winsize window;
	int width = 80;

	if (!draws)
		return;
	if (current != suite) {
		current = suite;
		began = now;
		drawn = 0;
	}
	if (now - drawn < DRAW_EVERY)
		return;
	drawn = now;
	if (done > 0.01 && done < 1) {
		unsigned s = (unsigned)((double)(now - began) * 1e-9 * (1 - done) / done + 0.5);
		(void)snprintf(left, sizeof left, ", %u:%02u left", s / 60, s % 60);
	}
	if (ioctl(2, TIOCGWINSZ, &window) == 0 && window.ws_col > 1)
		width = window.ws_col;
	(void)snprintf(line, sizeof line, "%s %3.0f %%%s  %s", suite, 100 * done, left, what);
	(void)fprintf(stderr, "\r%.*s\033[K", width - 1, line);
	(void)fflush(stderr);
}

static int print_help(void)
{
	(void)fputs(help_head, stdout);
	for (const struct bench_suite *suite = bench_suites; suite->name != NULL; suite++)
		(void)printf("  %-12s %s\n", suite->name, suite->summary);
	(void)fputs(help_tail, stdout);
	return CLI_FINE;
}

static int print_list(void)
{
	const struct bench_subject *subject;

	(void)puts("suites:");
	for (const struct bench_suite *suite = bench_suites; suite->name != NULL; suite++)
		(void)printf("  %-12s %s\n", suite->name, suite->summary);
	(void)puts("subjects:");
	for (size_t i = 0; (subject = bench_subject_at(i)) != NULL; i++) {
		(void)printf("  %-12s %s", subject->id, subject->name);
		if (!bench_subject_exists(subject))
			(void)printf("; not in this build%s%s",
				     subject->kind != NULL ? "" : ", which found no ",
				     subject->kind != NULL ? "" : subject->from);
		(void)putchar('\n');
	}
	return CLI_FINE;
}

static bool add_suite(struct request *request, const char *name)
{
	char known[512] = "";
	size_t used = 0;

	for (const struct bench_suite *suite = bench_suites; suite->name != NULL; suite++) {
		if (strcmp(suite->name, name) == 0) {
			for (size_t i = 0; i < request->suite_count; i++) {
				if (request->suites[i] == suite)
					return true;
			}
			request->suites[request->suite_count++] = suite;
			return true;
		}
		if (used < sizeof known)
			used += (size_t)snprintf(known + used, sizeof known - used, "%s%s",
						 used > 0 ? ", " : "", suite->name);
	}
	(void)cli_misuse(BENCH_NAME, "'%s' is no suite; these are: %s", name, known);
	return false;
}

static bool parse_count(const char *option, const char *text, uint64_t most, uint64_t *out)
{
	if (cli_parse_count(text, 1, most, out))
		return true;
	(void)cli_misuse(BENCH_NAME, "%s '%s': a whole number from 1 to %llu is wanted", option,
			 text, (unsigned long long)most);
	return false;
}

static bool parse_option(struct request *request, int letter)
{
	uint64_t number;
	double seconds;

	request->measures = request->measures || strchr("qkpjers", letter) != NULL;
	switch (letter) {
	case 'q':
		request->bench.quick = true;
		return true;
	case 'k':
		request->kinds = optarg;
		return true;
	case 'p':
		request->peers = optarg;
		return true;
	case 'j':
		request->json = optarg;
		return true;
	case 'o':
		request->report = optarg;
		return true;
	case 'f':
		request->from = optarg;
		return true;
	case 'l':
		request->list = true;
		return true;
	case 'e':
		return parse_count("--entries", optarg, 100000000, &request->bench.entries);
	case 'r':
		if (!parse_count("--repeats", optarg, BENCH_REPEATS_MAX, &number))
			return false;
		request->bench.repeats = (unsigned)number;
		return true;
	case 's':
		if (cli_parse_seconds(optarg, 3600, &seconds)) {
			request->bench.slice_ns = (uint64_t)(seconds * 1e9);
			return true;
		}
		(void)cli_misuse(
			BENCH_NAME,
			"--seconds '%s': a decimal number more than 0, at most 3600, is wanted",
			optarg);
		return false;
	default:
		(void)fprintf(stderr, "try '" BENCH_NAME " --help'\n");
		return false;
	}
}

static bool choose_subjects(struct request *request)
{
	const struct kit_kind *kinds[KIT_KINDS];
	char error[768];
	size_t count;

	if (!kit_kinds_parse(request->kinds, kinds, &count, error, sizeof error)) {
		(void)cli_misuse(BENCH_NAME, "--kinds: %s", error);
		return false;
	}
	bench_add_kinds(&request->bench, kinds, count);
	if (!bench_peers_parse(&request->bench, request->peers, error, sizeof error)) {
		(void)cli_misuse(BENCH_NAME, "--peers: %s", error);
		return false;
	}
	return true;
}

/* False: *code is the exit code. */
static bool parse(struct request *request, int argc, char **argv, int *code)
{
	static const struct option options[] = {{"quick", no_argument, NULL, 'q'},
						{"kinds", required_argument, NULL, 'k'},
						{"peers", required_argument, NULL, 'p'},
						{"json", required_argument, NULL, 'j'},
						{"report", required_argument, NULL, 'o'},
						{"from", required_argument, NULL, 'f'},
						{"list", no_argument, NULL, 'l'},
						{"entries", required_argument, NULL, 'e'},
						{"seconds", required_argument, NULL, 's'},
						{"repeats", required_argument, NULL, 'r'},
						{"cost", required_argument, NULL, 'c'},
						{"memory", required_argument, NULL, 'm'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	int letter;

	*code = CLI_FAILED;
	while ((letter = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (letter == 'h') {
			*code = print_help();
			return false;
		}
		if (letter == 'c' || letter == 'm') {
			*code = letter == 'c' ? bench_cost_child(optarg)
					      : bench_memory_child(optarg);
			if (*code != CLI_FINE)
				(void)cli_misuse(BENCH_NAME, "'%s' names nothing that could be run",
						 optarg);
			return false;
		}
		if (!parse_option(request, letter))
			return false;
	}
	for (int i = optind; i < argc; i++) {
		if (!add_suite(request, argv[i]))
			return false;
	}
	if (request->list) {
		*code = print_list();
		return false;
	}
	for (const struct bench_suite *suite = bench_suites; optind == argc && suite->name != NULL;
	     suite++)
		request->suites[request->suite_count++] = suite;
	if (request->from != NULL && (optind < argc || request->measures)) {
		(void)cli_misuse(BENCH_NAME, "--from shows what was measured; beside it there is "
					     "only --report");
		return false;
	}
	return choose_subjects(request);
}

/* What all the peers are without; the caller frees it. NULL: no memory. */
static char *list_missing(const struct request *request)
{
	const struct bench_subject *subject;
	const char *comma = "";
	char *list = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&list, &size);

	for (size_t i = 0; memory != NULL && (subject = bench_subject_at(i)) != NULL; i++) {
		if (bench_subject_exists(subject) || subject->kind != NULL ||
		    strcmp(request->peers, "all") != 0)
			continue;
		(void)fprintf(memory, "%s%s (%s)", comma, subject->name, subject->from);
		comma = ", ";
	}
	if (memory != NULL && fclose(memory) == 0)
		return list;
	free(list);
	return NULL;
}

static int write_files(const struct request *request, const struct bench_report *report)
{
	int code = CLI_FINE;

	(void)fflush(stdout); /* which may be one of them */
	if (request->json != NULL)
		code = bench_write_json(request->json, report);
	if (request->report != NULL && bench_write_report(request->report, report) != CLI_FINE)
		code = CLI_FAILED;
	return code;
}

static int show(const struct request *request)
{
	struct bench_file file;
	const char *suite;
	int code = bench_read(request->from, &file);

	if (code != CLI_FINE)
		return code;
	(void)printf("%s: %s, %s, %u core%s\n", file.date, file.command, file.machine.cpu,
		     file.machine.cores, file.machine.cores == 1 ? "" : "s");
	if (*file.missing != '\0')
		(void)printf("missing: %s\n", file.missing);
	if (file.results.interrupted)
		(void)puts("interrupted: this is what there was");
	for (size_t i = 0; (suite = bench_suite_present(&file.results, i)) != NULL; i++)
		bench_print_suite(stdout, &file.results, suite);
	struct bench_report report = {.results = &file.results,
				      .machine = &file.machine,
				      .command = file.command,
				      .date = file.date,
				      .missing = file.missing};
	code = write_files(request, &report);
	if (code == CLI_FINE && file.results.invalid > 0)
		code = CLI_FOUND;
	bench_file_free(&file);
	return code;
}

static int measure(struct request *request, const char *command)
{
	struct bench_results *results = &request->bench.results;
	struct bench_machine machine;
	char date[BENCH_DATE];
	char *missing = list_missing(request);
	struct bench_report report = {.results = results,
				      .machine = &machine,
				      .command = command,
				      .date = date,
				      .missing = missing};

	if (missing == NULL)
		return cli_error(BENCH_NAME, "out of memory");
	catch_interrupt();
	draws = cli_redraws(stderr);
	request->bench.stopped = stopped;
	request->bench.progress = progress;
	bench_date(date);
	bench_machine(&machine);
	(void)printf("%s, %u core%s, %s, %s, %s\n", machine.cpu, machine.cores,
		     machine.cores == 1 ? "" : "s", machine.memory, machine.kernel,
		     machine.compiler);
	if (*missing != '\0')
		(void)printf("missing: %s; ./run bench installs what it can\n", missing);
	for (size_t i = 0; i < request->suite_count && !stopped(); i++) {
		(void)fflush(stdout);
		request->suites[i]->run(&request->bench);
		erase_line();
		bench_print_suite(stdout, results, request->suites[i]->name);
	}
	results->interrupted = stopped();
	int code = write_files(request, &report);
	if (code == CLI_FINE)
		code = results->invalid > 0 ? CLI_FOUND : stopped() ? CLI_INTERRUPTED : CLI_FINE;
	bench_results_free(results);
	free(missing);
	return code;
}

/* Told before anything is measured, which may take an hour. */
static int check_files(const struct request *request)
{
	if (request->report != NULL && !bench_report_ready())
		return cli_error(
			BENCH_NAME,
			"--report draws its plots by gnuplot, which does not run here; install it "
			"(Debian: gnuplot-nox)");
	if (request->report != NULL && bench_save_check(request->report) != CLI_FINE)
		return CLI_FAILED;
	return request->json != NULL ? bench_save_check(request->json) : CLI_FINE;
}

int cli_bench(int argc, char **argv)
{
	struct request request = {.kinds = "all", .peers = "all"};
	char *command = bench_command(argc, argv); /* before getopt changes their order */
	int code;

	if (command == NULL)
		return cli_error(BENCH_NAME, "out of memory");
	if (parse(&request, argc, argv, &code) && (code = check_files(&request)) == CLI_FINE)
		code = request.from != NULL ? show(&request) : measure(&request, command);
	free(command);
	return code;
}
