/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * `calm scan`: what is shared by its parts.
 *
 *	scan.c      the command line       tree.c     files and folders, by content
 *	rule.c      the rules              find.c     findings, what allows them, baselines
 *	report.c, sarif.c  the formats     verify.c   what a real Go says
 *	golex, gofile, goconstraint, goasm Go and its assembly, as text
 *	goworld, gotable, goroot           what versions of Go accept
 *	gorules.c, golayout.c              the GO and GA, the GL rules
 *	textrules.c                        build files, scripts and C
 *	elffile, elfrules, elfnames        objects, where libelf is
 */
#ifndef CLI_SCAN_SCAN_H
#define CLI_SCAN_SCAN_H

#include "cli/scan/goworld.h"
#include "cli/scan/text.h"

#include <stdint.h>
#include <stdio.h>

#define SCAN_NAME "calm scan"

enum scan_level { SCAN_NOTE, SCAN_WARNING, SCAN_ERROR };

enum scan_rule_id {
	GO01,
	GO02,
	GO03,
	GO04,
	GO05,
	GO06,
	GO07,
	GA01,
	GL01,
	GL02,
	GL03,
	GL04,
	GL05,
	GB01,
	EL01,
	EL02,
	EL03,
	EL04,
	EL05,
	EL06,
	EL07,
	EC01,
	SCAN_RULES
};

struct scan_rule {
	const char *id;
	enum scan_level level; /* the usual one */
	const char *title;     /* what it finds */
	const char *hint;      /* the way out */
};

extern const struct scan_rule scan_rules[SCAN_RULES];
const char *scan_level_name(enum scan_level level);

/* Where something is. Line 0: in the file as a whole. */
struct scan_place {
	const char *path;
	unsigned line, column;
	struct scan_span text; /* of the file, to see what its comments allow; may be empty */
};

struct scan_finding {
	enum scan_rule_id rule;
	enum scan_level level;
	char *path, *symbol, *since, *message;
	const char *hint;
	unsigned line, column;
	bool pull, assembly; /* what --verify-go can link */
	bool variable;
	char *verdict; /* of --verify-go; or NULL */
};

enum scan_skip {
	SKIP_LINK,        /* a symbolic link inside a folder: what it leads to has its own place */
	SKIP_SPECIAL,     /* a device, pipe or socket */
	SKIP_HISTORY,     /* a folder of version control */
	SKIP_LARGE,       /* a text too large to be source */
	SKIP_UNREADABLE,  /* it could not be read: said, too */
	SKIP_UNKNOWN,     /* neither text nor ELF */
	SKIP_OTHER_BUILD, /* a Go file that no build with the version has */
	SKIP_NO_LIBELF,   /* ELF, and this calm is built without libelf */
	SKIP_BROKEN,      /* ELF that is damaged: said, too */
	SKIPS
};

struct scan {
	int minor;      /* the Go asked for; 0: the local one, or else the newest known */
	const char *go; /* the go command, or NULL */
	bool world_known;
	struct go_world world;
	char *root; /* the GOROOT that answers, or NULL: the table */
	struct scan_list findings;
	struct scan_list baseline; /* of uint64_t, sorted */
	char *baseline_folder;
	uint64_t files, skipped[SKIPS], allowed, known;
	bool failed; /* something could not be read */
	bool draws;
	uint64_t next_draw;
	struct scan_list modules; /* of struct go_module: gorules.c's */
	bool own_tree;            /* calm's own sources, textrules.c */
};

/* find.c. Message is taken over; hint NULL is the rule's. The finding, or NULL if a comment or the baseline has it. */
struct scan_finding *scan_find(struct scan *scan, enum scan_rule_id rule, enum scan_level level,
			       const struct scan_place *place, struct scan_span symbol,
			       char *message);
/* Says since which version of Go, 1.minor; nothing of NULL or 0. */
void scan_since(struct scan_finding *finding, int minor);
/* The hash that stands for a finding: rule, path from the baseline's folder on, and symbol. */
uint64_t scan_hash(const struct scan *scan, const struct scan_finding *finding);
bool scan_baseline_read(struct scan *scan, const char *path);
bool scan_baseline_write(struct scan *scan, const char *path);
/* What stands in a baseline: its hashes are added to *hashes. False: *line is no line of one. For its fuzzer, too. */
bool scan_baseline_parse(struct scan_span text, struct scan_list *hashes, unsigned *line);
void scan_sort(struct scan *scan);

/* tree.c: everything at path, which may be a file or a folder. */
void scan_path(struct scan *scan, const char *path);

/* The version of Go that answers, found out at the first call. */
const struct go_world *scan_world(struct scan *scan);

/* The Go files and the assembly of one folder. */
void scan_go_package(struct scan *scan, struct scan_list *go_files);
void scan_go_assembly(struct scan *scan, const char *path, struct scan_span text,
		      struct scan_span package);
struct go_file;
void scan_go_layout(struct scan *scan, const struct go_file *file, const struct scan_list *files);

/* textrules.c. */
void scan_build_file(struct scan *scan, const char *path, struct scan_span text);
void scan_c_source(struct scan *scan, const char *path, struct scan_span text);

/* elfrules.c; elfnone.c where libelf is not. */
bool scan_has_elf(void);
void scan_elf(struct scan *scan, const char *path);
void scan_elf_free(void);

/* report.c, sarif.c. */
void scan_report_gcc(const struct scan *scan, FILE *file);
void scan_report_github(const struct scan *scan, FILE *file);
void scan_report_json(const struct scan *scan, FILE *file);
void scan_report_sarif(const struct scan *scan, FILE *file);
void scan_summary(const struct scan *scan, FILE *file);

/* verify.c: asks the local Go about every finding that can be linked. False: there is no Go, or it does not work. */
bool scan_verify(struct scan *scan);

#endif
