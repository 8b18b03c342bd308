/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The parts of `calm lab`: lab.c reads the command line and goes through the cases, run.c runs a victim, table.c counts and tells,
 * replay.c reports one death, code.c knows the program's code.
 */
#ifndef CLI_LAB_LAB_H
#define CLI_LAB_LAB_H

#include "cli/cli.h"
#include "lab/record.h"

#define LAB_NAME "calm lab"
#define LAB_WRONGS 3

/* One way of doing a case: a program and what to call it with. */
struct lab_way {
	const char *program; /* "victim", or "without-RULE" */
	const char *variant;
	const char *what; /* a few words */
	bool hangs;       /* it must, and a watchdog says so */
};

struct lab_entry {
	const char *name;
	const char *what;
	struct lab_way wrong[LAB_WRONGS]; /* up to the first without a program */
	struct lab_way right;
	bool replays; /* it has a schedule that can be forced */
	unsigned ms;  /* of a free run; 0: as usual */
};

#define LAB_CASES 10
extern const struct lab_entry lab_entries[LAB_CASES];

/* What is asked for. */
struct lab_job {
	const struct lab_entry *entries[LAB_CASES];
	size_t count;
	uint64_t runs; /* of each variant; 0: as usual */
	bool replay, json;
	const char *cores; /* a folder, or NULL */
};

/* ---- run.c ---- */

enum lab_end { LAB_FINE, LAB_FOUND, LAB_DIED, LAB_HUNG, LAB_NOT_RUN };

struct lab_run {
	enum lab_end end;
	int signal;                /* it died by */
	char how[200];             /* how it failed, for people */
	char kind[64];             /* the same without what differs from run to run */
	char core[256];            /* where the core is; empty: none */
	struct lab_record *record; /* the run's until lab_run_forget */
};

struct lab_order {
	const struct lab_entry *entry;
	const struct lab_way *way;
	bool replay;
	uint64_t rounds;   /* 0: as usual */
	const char *cores; /* a folder, or NULL */
	uint64_t number;   /* of the run: for the core's name */
};

/* Runs a victim to its end. LAB_NOT_RUN: it could not be, and stderr says why. */
enum lab_end lab_run(const struct lab_order *order, struct lab_run *run);
void lab_run_forget(struct lab_run *run);
/* "SIGSEGV" */
const char *lab_signal_name(int signal);

/* Notes ^C from now on; whether it came. */
void lab_catch_interrupt(void);
bool lab_interrupted(void);

/* ---- table.c ---- */

#define LAB_KINDS 4

/* What came out of several runs of one way. */
struct lab_tally {
	const struct lab_way *way;
	uint64_t runs, failed;
	struct {
		char kind[64];
		uint64_t n;
	} kinds[LAB_KINDS];
	char sample[200]; /* how the first one failed */
	struct lab_count counts[LAB_COUNTS];
};

struct lab_row {
	const struct lab_entry *entry;
	struct lab_tally wrong[LAB_WRONGS];
	size_t wrongs;
	struct lab_tally right;
};

void lab_tally_add(struct lab_tally *tally, const struct lab_run *run);
/* Whether the case came out as it must: each wrong way failed, no right one did. */
bool lab_row_good(const struct lab_row *row);
/* Wilson's interval for k of n at 95 %. */
void lab_interval(uint64_t k, uint64_t n, double *low, double *high);

void lab_table_begin(void);
void lab_table_row(const struct lab_row *row);
void lab_json_row(const struct lab_row *row, bool first);

/* refcount's rate of crashes against rounds. False: interrupted, or a victim could not be run. */
struct lab_rate {
	uint64_t rounds, runs, crashed;
};
#define LAB_RATES 7
extern const uint64_t lab_rate_rounds[LAB_RATES];
void lab_rates_table(const struct lab_rate rates[LAB_RATES]);
void lab_rates_json(const struct lab_rate rates[LAB_RATES]);

/* ---- code.c ---- */

struct lab_code;

struct lab_place {
	char function[96]; /* empty: unknown, as below */
	uint64_t offset;   /* in it */
	char module[96];
	uint64_t module_offset; /* of the address */
	char file[200];
	int line;
	char source[160]; /* the line's text, if the file is there */
};

struct lab_instruction {
	uint64_t address; /* in its module */
	char text[96];
	bool here;
};

/* Never NULL but for want of memory. */
struct lab_code *lab_code_open(const struct lab_record *record);
void lab_code_close(struct lab_code *code);
/* What this build lacks to do all of it, for people; NULL: nothing. */
const char *lab_code_lacks(void);
/* Where an address is. exact: else it is where a call returns to. */
void lab_code_place(struct lab_code *code, uint64_t pc, bool exact, struct lab_place *place);
/* The instructions around an address. How many; 0: not known. */
size_t lab_code_around(struct lab_code *code, uint64_t pc, struct lab_instruction *out,
		       size_t room);
/* The register whose value the instruction at pc used as an address, or "". value: of that register. */
void lab_code_register(struct lab_code *code, const struct lab_death *death, char name[8],
		       uint64_t *value);

/* ---- replay.c ---- */

/* What a replay's death was, to be held against another's. */
struct lab_spot {
	int signal;
	uint64_t pc; /* in its module */
};
struct lab_spot lab_spot_of(const struct lab_run *run);
bool lab_spot_same(const struct lab_spot *a, const struct lab_spot *b);
void lab_replay_report(const struct lab_entry *entry, const struct lab_way *way,
		       const struct lab_run *run);
void lab_replay_json(const struct lab_entry *entry, const struct lab_way *way,
		     const struct lab_run *run, uint64_t runs, uint64_t same);

#endif
