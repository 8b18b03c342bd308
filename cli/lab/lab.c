/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * `calm lab`: the mistakes that concurrent maps are made with, on purpose, each beside the same thing done right. What each option
 * means: the help below. The mistakes themselves are programs of their own (lab/), and none is in the library or in this one.
 */
#include "cli/lab/lab.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUNS 20
#define REPLAYS 10
#define RATE_RUNS 40
#define RUNS_MAX 1000000

static const char help[] =
	"usage: calm lab [CASE...] [--runs N] [--replay] [--core DIR] [--json]\n"
	"\n"
	"Crashes on purpose. Each case is a mistake that maps are made with when threads change them; a process of its own makes it,\n"
	"and another does the same right, with calm. The table shows how often each failed, and how.\n"
	"\n"
	"  --runs N      of each variant: 1 to 1000000; 20, or 10 with --replay\n"
	"  --replay      forces the schedule that goes wrong, and reports that one death: what each thread did when, the instruction,\n"
	"                the register with the dangling pointer, who freed what it points to, all stacks. Of uaf, refcount, aba, rcu,\n"
	"                torn and resize\n"
	"  --core DIR    keeps the cores there, for gdb with calm-gdb.py\n"
	"  --json        one JSON object on standard output\n"
	"  --help        this text\n"
	"\n"
	"The cases:\n";

static const char help_end[] =
	"\n"
	"Exit status: 0 every wrong variant failed and no right one did; 1 some did not come out so; 2 misuse, or a victim could not\n"
	"be run; 130 interrupted.\n";

static int usage(void)
{
	(void)fputs(help, stdout);
	for (size_t i = 0; i < LAB_CASES; i++)
		(void)printf("  %-9s %s\n", lab_entries[i].name, lab_entries[i].what);
	(void)fputs(help_end, stdout);
	return CLI_FINE;
}

/* ---- the command line ---- */

static bool parse_case(struct lab_job *job, const char *name)
{
	for (size_t i = 0; i < LAB_CASES; i++) {
		if (strcmp(lab_entries[i].name, name) != 0)
			continue;
		for (size_t k = 0; k < job->count; k++) {
			if (job->entries[k] == &lab_entries[i])
				return true;
		}
		job->entries[job->count++] = &lab_entries[i];
		return true;
	}
	(void)cli_misuse(LAB_NAME, "'%s' is no case", name);
	return false;
}

static bool parse_option(struct lab_job *job, int letter)
{
	struct stat about;

	switch (letter) {
	case 'r':
		if (cli_parse_count(optarg, 1, RUNS_MAX, &job->runs))
			return true;
		(void)cli_misuse(LAB_NAME, "--runs '%s': a whole number from 1 to %d is wanted",
				 optarg, RUNS_MAX);
		return false;
	case 'p':
		job->replay = true;
		return true;
	case 'j':
		job->json = true;
		return true;
	case 'c':
		job->cores = optarg;
		if (stat(optarg, &about) == 0 && S_ISDIR(about.st_mode) &&
		    access(optarg, W_OK) == 0)
			return true;
		(void)cli_misuse(LAB_NAME, "--core '%s': no folder that can be written to", optarg);
		return false;
	default:
		(void)fprintf(stderr, "try '" LAB_NAME " --help'\n");
		return false;
	}
}

/* Where the kernel puts cores must be the victim's own folder. */
static bool cores_possible(void)
{
	FILE *file = fopen("/proc/sys/kernel/core_pattern", "re");
	char pattern[256] = "core";

	if (file != NULL) {
		if (fgets(pattern, sizeof pattern, file) == NULL)
			pattern[0] = '\0';
		(void)fclose(file);
	}
	pattern[strcspn(pattern, "\n")] = '\0';
	if (pattern[0] != '|' && pattern[0] != '/' && pattern[0] != '\0')
		return true;
	(void)cli_error(
		LAB_NAME,
		"--core: the kernel gives cores to '%s'; with sysctl kernel.core_pattern=core it leaves them",
		pattern);
	return false;
}

/* False: *code is the exit code. */
static bool parse(struct lab_job *job, int argc, char **argv, int *code)
{
	static const struct option options[] = {
		{"runs", required_argument, NULL, 'r'}, {"replay", no_argument, NULL, 'p'},
		{"core", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},       {NULL, 0, NULL, 0}};
	int letter;

	*code = CLI_FAILED;
	while ((letter = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (letter == 'h') {
			*code = usage();
			return false;
		}
		if (!parse_option(job, letter))
			return false;
	}
	for (int i = optind; i < argc; i++) {
		if (!parse_case(job, argv[i]))
			return false;
	}
	if (job->cores != NULL && !cores_possible())
		return false;
	for (size_t i = 0; i < LAB_CASES && optind == argc; i++) {
		if (!job->replay || lab_entries[i].replays)
			job->entries[job->count++] = &lab_entries[i];
	}
	for (size_t i = 0; i < job->count; i++) {
		if (job->replay && !job->entries[i]->replays) {
			(void)cli_misuse(LAB_NAME, "%s has no schedule to replay",
					 job->entries[i]->name);
			return false;
		}
	}
	return true;
}

/* ---- progress ---- */

static void progress(const struct lab_entry *entry, const struct lab_way *way, uint64_t done,
		     uint64_t of)
{
	if (!cli_redraws(stderr))
		return;
	(void)fflush(stdout);
	(void)fprintf(stderr, "\r%s %s: %llu of %llu\033[K", entry->name, way->variant,
		      (unsigned long long)done, (unsigned long long)of);
}

static void progress_over(void)
{
	if (cli_redraws(stderr))
		(void)fputs("\r\033[K", stderr);
}

/* ---- free runs ---- */

/* False: interrupted, or a victim could not be run, and then *code says so. */
static bool run_way(const struct lab_job *job, const struct lab_entry *entry,
		    const struct lab_way *way, struct lab_tally *tally, int *code)
{
	struct lab_order order = {.entry = entry, .way = way, .cores = job->cores};
	uint64_t runs = job->runs != 0 ? job->runs : way->hangs ? RUNS / 10 : RUNS;

	tally->way = way;
	for (order.number = 1; order.number <= runs; order.number++) {
		struct lab_run run;
		progress(entry, way, order.number, runs);
		enum lab_end end = lab_run(&order, &run);
		if (end != LAB_NOT_RUN)
			lab_tally_add(tally, &run);
		lab_run_forget(&run);
		progress_over();
		if (end == LAB_NOT_RUN || lab_interrupted()) {
			*code = lab_interrupted() ? CLI_INTERRUPTED : CLI_FAILED;
			return false;
		}
	}
	return true;
}

static bool run_entry(const struct lab_job *job, const struct lab_entry *entry, struct lab_row *row,
		      int *code)
{
	*row = (struct lab_row){.entry = entry};
	for (; row->wrongs < LAB_WRONGS && entry->wrong[row->wrongs].program != NULL;
	     row->wrongs++) {
		if (!run_way(job, entry, &entry->wrong[row->wrongs], &row->wrong[row->wrongs],
			     code))
			return false;
	}
	return run_way(job, entry, &entry->right, &row->right, code);
}

/* refcount's wrong variant at several lengths. */
static bool run_rates(const struct lab_job *job, const struct lab_entry *entry,
		      struct lab_rate rates[LAB_RATES], int *code)
{
	for (unsigned i = 0; i < LAB_RATES; i++) {
		struct lab_order order = {.entry = entry,
					  .way = &entry->wrong[0],
					  .rounds = lab_rate_rounds[i]};
		uint64_t runs = job->runs != 0 ? job->runs : RATE_RUNS;
		rates[i] = (struct lab_rate){.rounds = lab_rate_rounds[i], .runs = runs};
		for (uint64_t k = 1; k <= runs; k++) {
			struct lab_run run;
			progress(entry, order.way, k, runs);
			enum lab_end end = lab_run(&order, &run);
			rates[i].crashed += end == LAB_DIED;
			lab_run_forget(&run);
			progress_over();
			if (end == LAB_NOT_RUN || lab_interrupted()) {
				*code = lab_interrupted() ? CLI_INTERRUPTED : CLI_FAILED;
				return false;
			}
		}
	}
	return true;
}

static int run_free(const struct lab_job *job)
{
	struct lab_rate rates[LAB_RATES];
	bool rated = false;
	int code = CLI_FINE;

	if (job->json)
		(void)printf("{\"cases\": [");
	else
		lab_table_begin();
	for (size_t i = 0; i < job->count; i++) {
		struct lab_row row;
		if (!run_entry(job, job->entries[i], &row, &code))
			break;
		if (!lab_row_good(&row))
			code = CLI_FOUND;
		if (job->json)
			lab_json_row(&row, i == 0);
		else
			lab_table_row(&row);
	}
	if (job->json)
		(void)printf("]");
	for (size_t i = 0; i < job->count && code <= CLI_FOUND; i++) {
		if (strcmp(job->entries[i]->name, "refcount") == 0)
			rated = run_rates(job, job->entries[i], rates, &code);
	}
	if (rated && job->json)
		lab_rates_json(rates);
	else if (rated)
		lab_rates_table(rates);
	if (job->json)
		(void)printf("}\n");
	return code;
}

/* ---- replays ---- */

/* Replays one way; reports the first run, and whether all were the same. */
static int replay_way(const struct lab_job *job, const struct lab_entry *entry,
		      const struct lab_way *way, bool first)
{
	struct lab_order order = {.entry = entry, .way = way, .cores = job->cores, .replay = true};
	uint64_t runs = job->runs != 0 ? job->runs : way->hangs ? 1 : REPLAYS, same = 0;
	struct lab_run reported = {.end = LAB_NOT_RUN};
	struct lab_spot spot = {0};
	int code = CLI_FINE;

	for (order.number = 1; order.number <= runs && code == CLI_FINE; order.number++) {
		struct lab_run run;
		progress(entry, way, order.number, runs);
		if (lab_run(&order, &run) == LAB_NOT_RUN)
			code = CLI_FAILED;
		if (order.number == 1) {
			reported = run;
			spot = lab_spot_of(&run);
		}
		struct lab_spot now = lab_spot_of(&run);
		same += run.end == reported.end && lab_spot_same(&now, &spot);
		if (order.number > 1)
			lab_run_forget(&run);
		progress_over();
		if (lab_interrupted())
			code = CLI_INTERRUPTED;
	}
	if (code == CLI_FINE && job->json) {
		(void)printf("%s\n  ", first ? "" : ",");
		lab_replay_json(entry, way, &reported, runs, same);
	} else if (code == CLI_FINE) {
		(void)fputs(first ? "" : "\n\n", stdout);
		lab_replay_report(entry, way, &reported);
		(void)printf("\n%llu of %llu replays ended so%s.\n", (unsigned long long)same,
			     (unsigned long long)runs,
			     reported.end == LAB_DIED ? ", at the same instruction" : "");
	}
	if (code == CLI_FINE && (same != runs || reported.end == LAB_FINE))
		code = CLI_FOUND;
	lab_run_forget(&reported);
	return code;
}

static int run_replays(const struct lab_job *job)
{
	int code = CLI_FINE;
	bool first = true;

	if (job->json)
		(void)printf("{\"replays\": [");
	for (size_t i = 0; i < job->count && code <= CLI_FOUND; i++) {
		const struct lab_entry *entry = job->entries[i];
		for (size_t k = 0;
		     k < LAB_WRONGS && entry->wrong[k].program != NULL && code <= CLI_FOUND; k++) {
			int one = replay_way(job, entry, &entry->wrong[k], first);
			first = false;
			code = one > code ? one : code;
		}
	}
	if (job->json)
		(void)printf("]}\n");
	return code;
}

int cli_lab(int argc, char **argv)
{
	struct lab_job job = {.runs = 0};
	int code;

	if (!parse(&job, argc, argv, &code))
		return code;
	lab_catch_interrupt();
	return job.replay ? run_replays(&job) : run_free(&job);
}
