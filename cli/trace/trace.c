/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * `calm trace`: runs a program, and shows what went on in its maps and what its threads did meanwhile. What each option means: the
 * help below.
 *
 * Files are written under another name beside their own, and renamed when they are whole: what was there stays if writing fails.
 */
#include "cli/trace/trace.h"

#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define RECLAIM_MS_MOST 1000
#define PAGE "calm-trace.html"

static const char help[] =
	"usage: calm trace [-o FILE] [OPTION...] [--] PROGRAM [ARGUMENT...]\n"
	"       calm trace [-o FILE] [OPTION...] walk [ARGUMENT...]\n"
	"\n"
	"Runs a program that uses calm, or calm's own walk, and records what goes on in its maps: traversals, snapshots,\n"
	"reclamation, tables that grow or are copied, stalls; and where its threads spend their processor time. Writes that to a\n"
	"page that a browser shows, and prints which traversals were slowed, and by what.\n"
	"\n"
	"  -o, --output FILE   the page; " PAGE "\n"
	"  --perfetto FILE     the same for ui.perfetto.dev and chrome://tracing (JSON)\n"
	"  --pprof FILE        the processor time for go tool pprof (profile.proto)\n"
	"  --slow-reclaim MS   makes one reclamation a second last so many milliseconds longer, 1 to 1000: to see what that looks\n"
	"                      like\n"
	"  --events N          keeps so many events, 1000 to 100000000, and counts the rest; 2000000\n"
	"  --json              prints one JSON object in place of the summary\n"
	"  --help              this text\n"
	"\n"
	"The program is an executable for x86-64 Linux that is linked to calm, dynamically or not, and to libc dynamically; it need\n"
	"not be built for this. Of several processes, as in a shell command, the first one that uses calm is recorded.\n"
	"\n"
	"Exit status: 0 it was recorded, however the program ended; 2 misuse, or the program could not be run or recorded, or output\n"
	"failed.\n";

struct job {
	struct trace_order order;
	const char *page, *perfetto, *pprof;
	bool json;
};

static bool parse_option(struct job *job, int letter)
{
	uint64_t ms;

	switch (letter) {
	case 'o':
		job->page = optarg;
		return true;
	case 'f':
		job->perfetto = optarg;
		return true;
	case 'p':
		job->pprof = optarg;
		return true;
	case 'j':
		job->json = true;
		return true;
	case 's':
		if (cli_parse_count(optarg, 1, RECLAIM_MS_MOST, &ms)) {
			job->order.reclaim_ns = ms * 1000000;
			return true;
		}
		(void)cli_misuse(TRACE_NAME,
				 "--slow-reclaim '%s': a whole number from 1 to %d is wanted",
				 optarg, RECLAIM_MS_MOST);
		return false;
	case 'e':
		if (cli_parse_count(optarg, 1000, 100000000, &job->order.events_most))
			return true;
		(void)cli_misuse(TRACE_NAME,
				 "--events '%s': a whole number from 1000 to 100000000 is wanted",
				 optarg);
		return false;
	default:
		(void)fprintf(stderr, "try '%s --help'\n", TRACE_NAME);
		return false;
	}
}

/* words: one that is not needed any more, and a command of calm's own. */
static bool own_command(struct job *job, char **words)
{
	static char name[] = "calm";
	static char path[PATH_MAX];

	if (readlink("/proc/self/exe", path, sizeof path - 1) <= 0) {
		(void)cli_error(TRACE_NAME, "cannot find calm itself: %s", strerror(errno));
		return false;
	}
	words[0] = name;
	job->order.command = words;
	job->order.program = path;
	return true;
}

/* False: *code is the command's. */
static bool parse(struct job *job, int argc, char **argv, int *code)
{
	static const struct option options[] = {{"output", required_argument, NULL, 'o'},
						{"perfetto", required_argument, NULL, 'f'},
						{"pprof", required_argument, NULL, 'p'},
						{"slow-reclaim", required_argument, NULL, 's'},
						{"events", required_argument, NULL, 'e'},
						{"json", no_argument, NULL, 'j'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	int letter;

	/* The plus ends the options at the program, whose own they are from there on. */
	while ((letter = getopt_long(argc, argv, "+o:h", options, NULL)) != -1) {
		*code = letter == 'h' ? CLI_FINE : CLI_FAILED;
		if (letter == 'h')
			(void)fputs(help, stdout);
		if (letter == 'h' || !parse_option(job, letter))
			return false;
	}
	*code = CLI_FAILED;
	if (optind == argc) {
		(void)cli_misuse(TRACE_NAME, "a program is wanted");
		return false;
	}
	job->order.command = argv + optind;
	/* calm's own walk; behind "--" it is a program. */
	return strcmp(argv[optind], "walk") != 0 || strcmp(argv[optind - 1], "--") == 0 ||
	       own_command(job, argv + optind - 1);
}

/* ---- output ---- */

typedef bool write_fn(const struct trace_timeline *timeline, FILE *file);

static bool write_through(FILE *file, const struct trace_timeline *timeline, write_fn *write)
{
	errno = 0;
	bool fine = write(timeline, file) && ferror(file) == 0;
	int error = errno;
	if (fclose(file) != 0 && fine) {
		fine = false;
		error = errno;
	}
	errno = error;
	return fine;
}

/* Writes a file whole, or leaves what was there. A pipe or a device is written to as it is. */
static bool write_file(const char *path, const struct trace_timeline *timeline, write_fn *write)
{
	struct stat about;
	char *beside = NULL;
	bool there = stat(path, &about) == 0;
	bool direct = there && !S_ISREG(about.st_mode);
	int file = -1;
	bool fine = false;

	if (direct) {
		FILE *out = fopen(path, "we");
		fine = out != NULL && write_through(out, timeline, write);
	} else if (asprintf(&beside, "%s.XXXXXX", path) >= 0 &&
		   (file = mkostemp(beside, O_CLOEXEC)) >= 0) {
		mode_t mask = umask(0);
		(void)umask(mask);
		FILE *out = fdopen(file, "w");
		fine = fchmod(file, there ? about.st_mode & 0777 : 0666 & ~mask) == 0 &&
		       out != NULL && write_through(out, timeline, write) &&
		       rename(beside, path) == 0;
		int error = errno;
		if (!fine)
			(void)unlink(beside);
		errno = error;
	}
	if (!fine)
		(void)cli_error(TRACE_NAME, "cannot write '%s': %s", path,
				errno != 0 ? strerror(errno) : "out of memory");
	free(beside);
	return fine;
}

static void tell_end(const struct trace_recording *recording)
{
	int status = recording->exit_status;

	if (WIFSIGNALED(status))
		(void)cli_error(TRACE_NAME, "the program was ended by signal %d (%s)%s",
				WTERMSIG(status), strsignal(WTERMSIG(status)),
				WCOREDUMP(status) ? ", core dumped" : "");
	else if (WEXITSTATUS(status) != 0)
		(void)cli_error(TRACE_NAME, "the program ended with status %d",
				WEXITSTATUS(status));
}

static int report(const struct job *job, const struct trace_recording *recording)
{
	const char *files[4] = {NULL};
	size_t n = 0;
	bool fine = true;
	const struct {
		const char *path;
		write_fn *write;
	} outputs[] = {{job->page, trace_page_write},
		       {job->perfetto, trace_perfetto_write},
		       {job->pprof, trace_pprof_write}};
	struct trace_timeline timeline;

	if (!trace_timeline_make(recording, &timeline))
		return cli_error(TRACE_NAME, "out of memory");
	for (size_t i = 0; i < 3; i++) {
		if (outputs[i].path == NULL)
			continue;
		if (write_file(outputs[i].path, &timeline, outputs[i].write))
			files[n++] = outputs[i].path;
		else
			fine = false;
	}
	fine = trace_summary(&timeline, files, job->json, stdout) && fine;
	trace_timeline_free(&timeline);
	return fine ? CLI_FINE : CLI_FAILED;
}

int cli_trace(int argc, char **argv)
{
	struct job job = {
		.page = PAGE,
		.order = {.events_most = TRACE_EVENTS_MOST, .progress = cli_redraws(stderr)}};
	struct trace_recording recording;
	int code;

	if (!parse(&job, argc, argv, &code))
		return code;
	struct trace_stacks *stacks = trace_stacks_open();
	if (stacks == NULL)
		return cli_error(TRACE_NAME, "out of memory");
	code = CLI_FAILED;
	(void)fflush(stdout);
	if (trace_record(&job.order, stacks, &recording)) {
		tell_end(&recording);
		if (trace_stacks_name(stacks, &recording))
			code = report(&job, &recording);
		else
			(void)cli_error(TRACE_NAME, "out of memory");
		trace_recording_free(&recording);
	}
	trace_stacks_close(stacks);
	return code;
}
