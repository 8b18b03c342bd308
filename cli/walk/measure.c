/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * One kind of map under `calm walk`: writers at full speed throughout, walkers by turns held and
 * walking.
 *
 *	| warm-up | alone | beside … | alone | beside … | …
 *	writers   ############################################
 *	walkers   ##########       ##########       ##########
 *	                           ^        ^ ^
 *	                    released        | all of them stand: the next slice begins
 *	                                    end of what is measured: a traversal has just ended
 *
 * Slices alternate so that whatever drifts (clock, neighbours, the size of the map) hits both sides
 * alike. A slice beside the walk ends where a traversal does and holds two of every walker at
 * least, so that a traversal's beginning, which on some kinds stops writers, does not weigh more
 * than it should; the slice alone after it is as long.
 *
 * Rejected: one run without walkers and then one with (minutes apart on a shared machine, the
 * difference is noise).
 */
#include "cli/cli.h"
#include "cli/walk/walk.h"
#include "kit/clock.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define MS ((uint64_t)1000000)
#define NAP (5 * MS)
#define DRAW_EVERY (100 * MS)
#define WARM_UP (300 * MS)
#define SLICE (300 * MS)
#define SLICES 8 /* of a short run, at least */
#define PATIENCE (1000 * MS)
#define AGAIN (300 * MS)

/* Written by its walker alone, read when that stands. */
struct walker {
	_Alignas(64) struct kit_hist latency;
	uint64_t traversals;
	uint64_t last_end;
	uint64_t slice_traversals; /* in slices, that is without the warm-up, */
	uint64_t slice_ns;         /* and what they took, checks included: main's */
};

struct run {
	const struct walk_job *job;
	const struct kit_kind *kind;
	struct kit_cut_session *session;
	struct walker *walkers;
	uint64_t began, ends;
	uint64_t alone_ns, alone_writes;
	uint64_t beside_ns, beside_writes;
	pthread_t sampler;
	bool samples;
	_Atomic bool done; /* the sampler may end */
	double peak;       /* the sampler's, until that is joined */
	bool draws;
	uint64_t next_draw;
};

static _Atomic uint64_t interrupted_at; /* ns; 0: it was not */

/*
 * A second ^C ends the process at once, but not the echo of the first: timeout(1) signals process
 * and group.
 */
static void on_interrupt(int number)
{
	uint64_t now = kit_now_ns(), first = 0;

	if (!atomic_compare_exchange_strong(&interrupted_at, &first, now) && now - first > AGAIN) {
		(void)signal(number, SIG_DFL);
		(void)raise(number);
	}
}

void walk_catch_interrupt(void)
{
	struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
	struct sigaction before;

	sigemptyset(&action.sa_mask);
	if (sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
		(void)sigaction(SIGINT, &action, NULL);
}

bool walk_interrupted(void)
{
	return atomic_load(&interrupted_at) != 0;
}

static void traversed(const struct kit_cut_traversal *traversal, void *context)
{
	struct run *run = context;
	struct walker *walker = &run->walkers[traversal->walker];

	kit_hist_record(&walker->latency, traversal->ns);
	walker->traversals++;
	walker->last_end = kit_now_ns();
}

static void draw_line(const char *line)
{
	struct winsize window;
	int width = 80;

	if (ioctl(2, TIOCGWINSZ, &window) == 0 && window.ws_col > 1)
		width = window.ws_col;
	(void)fprintf(stderr, "\r%.*s\033[K", width - 1, line);
	(void)fflush(stderr);
}

static void draw(struct run *run, uint64_t now, const char *phase)
{
	char line[256], traversals[CLI_NUMBER], writes[CLI_NUMBER];

	if (!run->draws || now < run->next_draw)
		return;
	run->next_draw = now + DRAW_EVERY;
	(void)snprintf(line, sizeof line,
		       "%-8s %.1f of %g s: %s traversals, %s writes, %llu violations; %s",
		       run->kind->name, (double)(now - run->began) * 1e-9, run->job->seconds,
		       cli_count(traversals, (double)kit_cut_session_traversals(run->session)),
		       cli_count(writes, (double)kit_cut_session_writes(run->session)),
		       (unsigned long long)kit_cut_session_violations(run->session), phase);
	draw_line(line);
}

static double bytes_per_entry(const struct run *run)
{
	calm_stats stats;

	calm_map_stats(kit_cut_session_map(run->session), &stats);
	return stats.entries > 0 ? (double)stats.bytes / (double)stats.entries : NAN;
}

static void nap(uint64_t ns)
{
	const struct timespec time = {.tv_sec = (time_t)(ns / (1000 * MS)),
				      .tv_nsec = (long)(ns % (1000 * MS))};

	(void)nanosleep(&time, NULL);
}

/*
 * Looks at the map's memory, on a thread of its own: on some kinds even that look can be starved by
 * writers.
 */
static void *sample(void *context)
{
	struct run *run = context;

	while (!atomic_load(&run->done)) {
		double bytes = bytes_per_entry(run);
		if (bytes > run->peak)
			run->peak = bytes;
		nap(NAP);
	}
	return NULL;
}

/* Without one more thread the peak is just not known. */
static void start_sampler(struct run *run)
{
	run->samples = pthread_create(&run->sampler, NULL, sample, run) == 0;
}

/* The writers are held. */
static void end_sampler(struct run *run)
{
	atomic_store(&run->done, true);
	if (run->samples)
		(void)pthread_join(run->sampler, NULL);
}

/* A nap, not past `until`. The time. */
static uint64_t tick(struct run *run, uint64_t until, const char *phase)
{
	uint64_t now = kit_now_ns();

	if (now < until) {
		nap(until - now < NAP ? until - now : NAP);
		now = kit_now_ns();
	}
	draw(run, now, phase);
	return now;
}

/* Lets the walkers end what they are at. Where writers starve them, those pause for it. */
static void hold_walkers(struct run *run)
{
	if (kit_cut_hold_walkers_within(run->session, PATIENCE))
		return;
	kit_cut_hold_writers(run->session, true);
	kit_cut_hold_walkers(run->session, true);
	kit_cut_hold_writers(run->session, false);
}

static void slice_alone(struct run *run, uint64_t ns)
{
	uint64_t writes = kit_cut_session_writes(run->session);
	uint64_t from = kit_now_ns();
	uint64_t now = from;

	while (now - from < ns && !walk_interrupted())
		now = tick(run, from + ns, "writers alone");
	run->alone_writes += kit_cut_session_writes(run->session) - writes;
	run->alone_ns += kit_now_ns() - from;
}

/*
 * At least ns, and at least two traversals a walker, the last of them just ended; but not past
 * `limit`. Its length.
 */
static uint64_t slice_beside(struct run *run, uint64_t ns, uint64_t limit)
{
	uint64_t wanted = kit_cut_session_traversals(run->session) +
			  2 * (uint64_t)run->job->walkers;
	uint64_t writes = kit_cut_session_writes(run->session);
	uint64_t from = kit_now_ns();
	uint64_t now = from;

	for (unsigned i = 0; i < run->job->walkers; i++)
		run->walkers[i].slice_traversals -= run->walkers[i].traversals;
	kit_cut_hold_walkers(run->session, false);
	while ((now - from < ns || kit_cut_session_traversals(run->session) < wanted) &&
	       now < limit && !walk_interrupted())
		now = tick(run, limit, "walking");
	uint64_t seen = kit_cut_session_traversals(run->session);
	while (kit_cut_session_traversals(run->session) == seen && now < limit &&
	       !walk_interrupted()) {
		nap(MS / 10);
		now = kit_now_ns();
		draw(run, now, "walking");
	}
	run->beside_writes += kit_cut_session_writes(run->session) - writes;
	run->beside_ns += kit_now_ns() - from;
	hold_walkers(run);
	for (unsigned i = 0; i < run->job->walkers; i++) {
		struct walker *walker = &run->walkers[i];
		walker->slice_traversals += walker->traversals;
		if (walker->last_end > from)
			walker->slice_ns += walker->last_end - from;
	}
	return now - from;
}

static void run_slices(struct run *run)
{
	uint64_t total = run->ends - run->began;
	uint64_t warm = total / (SLICES + 1) < WARM_UP ? total / (SLICES + 1) : WARM_UP;
	uint64_t slice = total / (SLICES + 1) < SLICE ? total / (SLICES + 1) : SLICE;
	uint64_t alone = slice;
	uint64_t now = run->began;

	kit_cut_hold_walkers(run->session, false);
	kit_cut_hold_writers(run->session, false);
	while (now < run->began + warm && !walk_interrupted())
		now = tick(run, run->began + warm, "warming up");
	hold_walkers(run);
	/* One slice of each there must be, however short the run. */
	while (!walk_interrupted()) {
		slice_alone(run, alone);
		if (walk_interrupted())
			break;
		uint64_t limit = kit_now_ns() + slice;
		alone = slice_beside(run, slice, limit > run->ends ? limit : run->ends);
		now = kit_now_ns();
		if (now + slice >= run->ends)
			break;
		if (run->ends - now < 2 * alone)
			alone = (run->ends - now) / 2;
	}
}

static double a_second(uint64_t count, uint64_t ns)
{
	return ns > 0 ? (double)count * 1e9 / (double)ns : NAN;
}

static void fill(const struct run *run, struct walk_row *row)
{
	double rate = 0;

	row->kind = run->kind;
	row->writes_alone = a_second(run->alone_writes, run->alone_ns);
	row->writes_beside = a_second(run->beside_writes, run->beside_ns);
	row->bytes_per_entry_peak = run->peak > row->bytes_per_entry ? run->peak
								     : row->bytes_per_entry;
	for (unsigned i = 0; i < run->job->walkers; i++) {
		const struct walker *walker = &run->walkers[i];
		if (walker->slice_ns > 0)
			rate += a_second(walker->slice_traversals, walker->slice_ns);
		kit_hist_merge(row->latency, &walker->latency);
	}
	row->traversals_per_s = rate > 0 ? rate : NAN;
}

static calm_status start(struct run *run)
{
	const struct walk_job *job = run->job;
	struct kit_cut_plan plan = {.kind = run->kind,
				    .key_kind = CALM_KEYS_BYTES,
				    .keys = job->keys,
				    .entries = job->loaded.count,
				    .touched = job->touched,
				    .writers = job->writers,
				    .walkers = job->walkers,
				    .delete_every = 4,
				    .seed = 1,
				    .plant = job->plant,
				    .traversed = traversed,
				    .context = run};
	char line[128];

	run->draws = cli_redraws(stderr);
	(void)snprintf(line, sizeof line, "%-8s loading %zu keys", run->kind->name,
		       job->loaded.count);
	if (run->draws)
		draw_line(line);
	calm_status status = kit_cut_session_start(&run->session, &plan, true);
	run->began = kit_now_ns();
	run->ends = run->began + (uint64_t)(job->seconds * 1e9);
	return status;
}

calm_status walk_measure(const struct walk_job *job, const struct kit_kind *kind,
			 struct walk_row *row)
{
	struct run run = {.job = job, .kind = kind};
	calm_status status = CALM_ENOMEM;

	*row = (struct walk_row){.latency = malloc(sizeof *row->latency)};
	run.walkers = aligned_alloc(64, sizeof *run.walkers * job->walkers);
	if (row->latency != NULL && run.walkers != NULL) {
		kit_hist_init(row->latency);
		for (unsigned i = 0; i < job->walkers; i++) {
			memset(&run.walkers[i], 0, sizeof run.walkers[i]);
			kit_hist_init(&run.walkers[i].latency);
		}
		status = start(&run);
	}
	if (status == CALM_OK) {
		start_sampler(&run);
		run_slices(&run);
		row->seconds = (double)(kit_now_ns() - run.began) * 1e-9;
		kit_cut_hold_writers(run.session, true);
		end_sampler(&run);
		(void)calm_read_wait();
		row->bytes_per_entry = bytes_per_entry(&run);
		if (run.draws)
			draw_line("");
		kit_cut_session_stop(run.session, &row->result);
		row->interrupted = walk_interrupted();
		fill(&run, row);
	} else {
		if (run.draws)
			draw_line("");
		free(row->latency);
		*row = (struct walk_row){0};
	}
	free(run.walkers);
	return status;
}
