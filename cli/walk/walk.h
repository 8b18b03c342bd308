/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The parts of `calm walk`: walk.c reads the command line and the keys, measure.c runs one kind of
 * map, report.c tells.
 */
#ifndef CLI_WALK_WALK_H
#define CLI_WALK_WALK_H

#include "kit/cut_run.h"
#include "kit/hist.h"
#include "kit/keys.h"
#include "kit/kinds.h"

#define WALK_NAME "calm walk"

/* What is asked for; the same for every kind. */
struct walk_job {
	const char *file; /* "-": standard input */
	struct kit_keys loaded;
	calm_key *keys;   /* of them, in random order: entry e of a run is keys[e] */
	uint64_t touched; /* entries below this number are the writers' */
	const struct kit_kind *kinds[KIT_KINDS];
	size_t kind_count;
	unsigned writers, walkers;
	double seconds;
	enum kit_plant plant;
	unsigned cores;
	bool json;
};

/* What came out for one kind. Rates are NaN where nothing could be measured. */
struct walk_row {
	const struct kit_kind *kind;
	double seconds; /* it ran */
	double traversals_per_s;
	double writes_alone, writes_beside; /* a second */
	double bytes_per_entry;             /* of the quiet map, no snapshot open */
	double bytes_per_entry_peak;        /* the most that was seen while it was walked */
	struct kit_hist *latency;           /* ns of every traversal */
	struct kit_cut_result result;
	bool interrupted;
};

/*
 * From now on ^C is noted, and a second one ends the process; not if SIGINT is ignored. And whether
 * it came.
 */
void walk_catch_interrupt(void);
bool walk_interrupted(void);

/*
 * Runs one kind. CALM_OK: row is filled, row->latency to be freed. Else nothing was, and the status
 * says why not.
 */
calm_status walk_measure(const struct walk_job *job, const struct kit_kind *kind,
			 struct walk_row *row);

/*
 * Percent of the writes that are lost beside the walk; and what dividing the cores among the
 * threads alone would cost.
 */
double walk_lost(const struct walk_row *row);
double walk_fair_loss(const struct walk_job *job);

/* All rows on stdout, as a table or one JSON object. */
void walk_report(const struct walk_job *job, const struct walk_row *rows, size_t count);

/* The violations of a row on stderr, in words. */
void walk_report_violations(const struct walk_job *job, const struct walk_row *row);

#endif
