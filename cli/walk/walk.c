/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * `calm walk`: maps are walked while writers change them, and every traversal is checked. What each
 * option means: the help below. How it is checked: kit/cut.h; how it is measured: measure.c.
 *
 * A run's entries are the file's keys in random order, always the same one, so that writers do not
 * each own one stretch of a sorted list. A quarter of them no writer owns.
 */
#include "cli/cli.h"
#include "cli/walk/walk.h"
#include "kit/workload.h"

#include <dirent.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DICTIONARIES "/usr/share/dict"
#define SECONDS_MAX 86400
#define THREADS_MAX KIT_CUT_WRITERS
#define ORDER_SEED 1

static const char help[] =
	"usage: calm walk [FILE|-] [--map KIND[,KIND...]|all] [--writers N] [--walkers N]\n"
	"                 [--seconds S] [--json] [--plant WHAT]\n"
	"\n"
	"Loads FILE into a map, lets writers change, delete and re-insert its entries at full speed, walks the map\n"
	"without a pause meanwhile, checks every traversal, and tells what the walk and the writers cost each other.\n"
	"\n"
	"FILE has a key a line, or key TAB value; - is standard input; none is the largest list in " DICTIONARIES
	".\n"
	"Keys are bytes. A repeated key takes the later value; lines without a byte are skipped. The check needs values\n"
	"that tell who wrote them and when, so an entry's value stands in the map as a number.\n"
	"\n"
	"  --map KIND     hashmap, treemap, syncmap, lockmap, shardmap, cowmap, deltamap, several with commas between, or\n"
	"                 all that this build has, which is the default; each is run for itself\n"
	"  --writers N    1 to 1024, default 3; together they own three quarters of the keys\n"
	"  --walkers N    1 to 1024, default 2\n"
	"  --seconds S    for each kind, more than 0, at most 86400, default 5; loading is not counted\n"
	"  --json         one JSON object on standard output instead of the table; bytes that are no UTF-8 are U+FFFD\n"
	"  --plant WHAT   spoils what the checker is shown, to prove that it bites: the run must end with 1\n"
	"  --help         this text\n"
	"\n"
	"Every traversal is checked: no key twice; keys that nobody touches all there, with their value; a snapshot an\n"
	"exact prefix of each writer's history, not older than what had finished before it, not newer than what had\n"
	"started, nor than a later load, and the same when read again. A live walk, on kinds without snapshots, must\n"
	"show each key at most once, each that was there throughout, and no value displaced before. In the end the quiet\n"
	"map must be exactly what the writers left.\n"
	"\n"
	"Writes alone and beside the walk are measured by turns, in slices of one run; walkers stand still in every\n"
	"second one.\n"
	"\n"
	"WHAT is one of                                          reported as\n"
	"  twice          a binding shown twice                  twice\n"
	"  missing        a key that nobody touches left out     untouched\n"
	"  lost           all of a writer's keys left out        prefix; live: lost\n"
	"  torn           a value from a writer's future         new or prefix; live: new\n"
	"  old            a value displaced long ago             prefix or old; live: old\n"
	"  alien          a value that nobody wrote              alien\n"
	"  crossed        a value under another key              alien\n"
	"  reread         a second reading that lacks a binding  reread; snapshots only\n"
	"  load           a later load that finds nothing        load; snapshots only\n"
	"\n"
	"Exit status: 0 no violation; 1 violations; 2 misuse, or input, output or memory failed; 130 ^C, and no violation\n"
	"until then: the table shows what there was.\n";

/* The largest file there that is no README, into path. False: there is none. */
static bool find_dictionary(char *path, size_t size)
{
	DIR *folder = opendir(DICTIONARIES);
	const struct dirent *entry;
	off_t largest = 0;

	if (folder == NULL)
		return false;
	while ((entry = readdir(folder)) != NULL) {
		char candidate[PATH_MAX];
		struct stat about;
		if (strncmp(entry->d_name, "README", 6) == 0)
			continue;
		(void)snprintf(candidate, sizeof candidate, DICTIONARIES "/%s", entry->d_name);
		if (stat(candidate, &about) != 0 || !S_ISREG(about.st_mode) ||
		    about.st_size < largest)
			continue;
		/* Of equals, among them a file and the links to it, the first by name. */
		if (about.st_size == largest && (largest == 0 || strcmp(candidate, path) > 0))
			continue;
		largest = about.st_size;
		(void)snprintf(path, size, "%s", candidate);
	}
	(void)closedir(folder);
	return largest > 0;
}

static unsigned count_cores(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
		return (unsigned)CPU_COUNT(&set);
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	return online > 0 ? (unsigned)online : 1;
}

static bool parse_threads(const char *option, const char *text, unsigned *out)
{
	uint64_t number;

	if (!cli_parse_count(text, 1, THREADS_MAX, &number)) {
		(void)cli_misuse(WALK_NAME, "%s '%s': a whole number from 1 to %d is wanted",
				 option, text, THREADS_MAX);
		return false;
	}
	*out = (unsigned)number;
	return true;
}

static bool parse_plant(struct walk_job *job, const char *text)
{
	char names[128] = "";
	size_t used = 0;

	if (kit_plant_parse(text, &job->plant) && job->plant != KIT_PLANT_NONE)
		return true;
	for (int i = KIT_PLANT_NONE + 1; i < KIT_PLANTS && used < sizeof names; i++)
		used += (size_t)snprintf(names + used, sizeof names - used, "%s%s",
					 used > 0 ? ", " : "", kit_plant_name((enum kit_plant)i));
	(void)cli_misuse(WALK_NAME, "--plant '%s': one of %s is wanted", text, names);
	return false;
}

static bool parse_option(struct walk_job *job, int letter, const char **maps)
{
	switch (letter) {
	case 'm':
		*maps = optarg;
		return true;
	case 'w':
		return parse_threads("--writers", optarg, &job->writers);
	case 'k':
		return parse_threads("--walkers", optarg, &job->walkers);
	case 's':
		if (cli_parse_seconds(optarg, SECONDS_MAX, &job->seconds))
			return true;
		(void)cli_misuse(
			WALK_NAME,
			"--seconds '%s': a decimal number more than 0, at most %d, is wanted",
			optarg, SECONDS_MAX);
		return false;
	case 'j':
		job->json = true;
		return true;
	case 'p':
		return parse_plant(job, optarg);
	default:
		(void)fprintf(stderr, "try '" WALK_NAME " --help'\n");
		return false;
	}
}

/* Leaves out the kinds in which the plant has no place. */
static bool choose_kinds(struct walk_job *job, const char *maps)
{
	bool snapshots_only = job->plant == KIT_PLANT_REREAD || job->plant == KIT_PLANT_LOAD;
	char error[512];
	size_t kept = 0;

	if (!kit_kinds_parse(maps, job->kinds, &job->kind_count, error, sizeof error)) {
		(void)cli_misuse(WALK_NAME, "--map: %s", error);
		return false;
	}
	for (size_t i = 0; i < job->kind_count; i++) {
		if (!snapshots_only || job->kinds[i]->snapshots)
			job->kinds[kept++] = job->kinds[i];
		else
			(void)cli_error(WALK_NAME,
					"--plant %s needs snapshots, which %s has not: left out",
					kit_plant_name(job->plant), job->kinds[i]->name);
	}
	job->kind_count = kept;
	return kept > 0;
}

/* False: *code is the exit code. */
static bool parse(struct walk_job *job, int argc, char **argv, int *code)
{
	static const struct option options[] = {{"map", required_argument, NULL, 'm'},
						{"writers", required_argument, NULL, 'w'},
						{"walkers", required_argument, NULL, 'k'},
						{"seconds", required_argument, NULL, 's'},
						{"json", no_argument, NULL, 'j'},
						{"plant", required_argument, NULL, 'p'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	const char *maps = "all";
	int letter;

	*code = CLI_FAILED;
	while ((letter = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (letter == 'h') {
			(void)fputs(help, stdout);
			*code = CLI_FINE;
			return false;
		}
		if (!parse_option(job, letter, &maps))
			return false;
	}
	if (argc - optind > 1) {
		(void)cli_misuse(WALK_NAME, "one FILE at a time, not '%s' and '%s'", argv[optind],
				 argv[optind + 1]);
		return false;
	}
	if (argc - optind == 1)
		job->file = argv[optind];
	return choose_kinds(job, maps);
}

/* Reads the keys and brings them into their order. */
static bool load(struct walk_job *job)
{
	char error[PATH_MAX + 256];

	if (!kit_keys_load(&job->loaded, job->file, error, sizeof error)) {
		(void)cli_error(WALK_NAME, "%s", error);
		return false;
	}
	size_t count = job->loaded.count;
	if (count < job->writers) {
		(void)cli_misuse(WALK_NAME,
				 "--writers %u: each must own a key, and there %s only %zu",
				 job->writers, count == 1 ? "is" : "are", count);
		return false;
	}
	size_t spared = count >= 8 ? count / 4 : 1;
	job->touched = count - (spared < count - job->writers ? spared : count - job->writers);
	uint32_t *order = kit_shuffle_make((uint32_t)count, ORDER_SEED);
	job->keys = reallocarray(NULL, count, sizeof *job->keys);
	for (size_t i = 0; order != NULL && job->keys != NULL && i < count; i++)
		job->keys[i] = kit_entry_key(&job->loaded.entries[order[i]]);
	bool done = order != NULL && job->keys != NULL;
	if (!done)
		(void)cli_error(WALK_NAME, "no memory for %zu keys", count);
	free(order);
	return done;
}

/* Whether the run found nothing but that memory was short: nothing is decided then. */
static bool starved(const struct walk_row *row)
{
	const struct kit_cut_report *report = &row->result.report;

	return report->total > 0 && report->total == report->faults[KIT_CUT_FAILED] &&
	       strstr(report->text, calm_strerror(CALM_ENOMEM)) != NULL;
}

/* The exit code of what a finished run of one kind found; says it. */
static int judge(const struct walk_job *job, const struct walk_row *row)
{
	uint64_t total = row->result.report.total;

	walk_report_violations(job, row);
	if (starved(row))
		return cli_error(WALK_NAME, "%s: out of memory while running: nothing is decided",
				 row->kind->name);
	if (job->plant == KIT_PLANT_NONE || total > 0 || row->interrupted)
		return total > 0 ? CLI_FOUND : CLI_FINE;
	if (row->result.planted == 0)
		return cli_error(
			WALK_NAME,
			"%s: --plant %s found nothing to spoil: run it longer, or with more keys",
			row->kind->name, kit_plant_name(job->plant));
	return cli_error(WALK_NAME,
			 "%s: --plant %s: the checker did not notice: this is a bug in calm",
			 row->kind->name, kit_plant_name(job->plant));
}

static int run_kinds(const struct walk_job *job)
{
	struct walk_row rows[KIT_KINDS];
	size_t count = 0;
	int code = CLI_FINE;

	walk_catch_interrupt();
	for (size_t i = 0; i < job->kind_count && !walk_interrupted(); i++) {
		calm_status status = walk_measure(job, job->kinds[i], &rows[count]);
		if (status != CALM_OK) {
			code = cli_error(
				WALK_NAME, "%s with %zu keys, %u writers and %u walkers: %s",
				job->kinds[i]->name, job->loaded.count, job->writers, job->walkers,
				status == CALM_ENOMEM ? "out of memory or of threads"
						      : calm_strerror(status));
			break;
		}
		count++;
	}
	if (count > 0)
		walk_report(job, rows, count);
	for (size_t i = 0; i < count; i++) {
		int found = judge(job, &rows[i]);
		if (code != CLI_FAILED && found != CLI_FINE)
			code = found;
		free(rows[i].latency);
	}
	return code == CLI_FINE && walk_interrupted() ? CLI_INTERRUPTED : code;
}

int cli_walk(int argc, char **argv)
{
	struct walk_job job = {.writers = 3, .walkers = 2, .seconds = 5, .cores = count_cores()};
	char dictionary[PATH_MAX];
	int code;

	if (!parse(&job, argc, argv, &code))
		return code;
	if (job.file == NULL) {
		if (!find_dictionary(dictionary, sizeof dictionary))
			return cli_misuse(
				WALK_NAME,
				"no FILE given, and there is no word list in " DICTIONARIES
				" (Debian has one: apt-get install wamerican-insane)");
		job.file = dictionary;
	}
	code = load(&job) ? run_kinds(&job) : CLI_FAILED;
	kit_keys_free(&job.loaded);
	free(job.keys);
	return code;
}
