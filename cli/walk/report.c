/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* What `calm walk` tells: the table, the JSON object, the violations. */
#include "cli/cli.h"
#include "cli/walk/walk.h"

#include <calm/base.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KEY_SHOWN 40  /* bytes of a key in a message */
#define LINES_SHOWN 8 /* of violations, of one kind of map */

static const char *const fault_words[KIT_CUT_FAULTS] = {
	[KIT_CUT_TWICE] = "a key was visited twice in one traversal",
	[KIT_CUT_ALIEN] = "a traversal showed a value that nobody stored under that key",
	[KIT_CUT_UNTOUCHED] = "a key that nobody touches was missing from a traversal",
	[KIT_CUT_PREFIX] = "a snapshot was no prefix of a writer's history",
	[KIT_CUT_OLD] = "a traversal was older than a write that had finished before it began",
	[KIT_CUT_NEW] = "a traversal showed a write that had not started",
	[KIT_CUT_LOST] = "a live walk left out a key that was there throughout",
	[KIT_CUT_REREAD] = "a snapshot read twice differed from itself",
	[KIT_CUT_LOAD] = "a load was older than a snapshot taken before it",
	[KIT_CUT_VERB] = "a write was answered against its writer's history",
	[KIT_CUT_FAILED] = "a traversal or a write was refused, or the quiet map is broken",
};

double walk_lost(const struct walk_row *row)
{
	return row->writes_alone > 0 ? 100 * (1 - row->writes_beside / row->writes_alone) : NAN;
}

double walk_fair_loss(const struct walk_job *job)
{
	double cores = job->cores, writers = job->writers, all = writers + job->walkers;
	double alone = cores < writers ? cores / writers : 1;
	double beside = cores < all ? cores / all : 1;

	return 100 * (1 - beside / alone);
}

static const char *traversal_name(const struct walk_row *row)
{
	return row->kind->snapshots ? "snapshot" : "live";
}

/* A line of a report, with its key after every entry it names. */
static void print_fault(FILE *file, const struct walk_job *job, const char *line, size_t size)
{
	static const char word[] = "entry ";
	const char *end = line + size;

	while (line < end) {
		const char *at = memmem(line, (size_t)(end - line), word, sizeof word - 1);
		const char *number = at != NULL ? at + sizeof word - 1 : end;
		uint64_t entry = 0;
		const char *digit = number;
		for (; digit < end && *digit >= '0' && *digit <= '9'; digit++)
			entry = entry * 10 + (uint64_t)(*digit - '0');
		cli_clean(file, line, (size_t)(digit - line));
		if (digit > number && entry < job->loaded.count) {
			calm_key key = job->keys[entry];
			size_t shown = key.size < KEY_SHOWN ? key.size : KEY_SHOWN;
			(void)fputs(" (\"", file);
			cli_clean(file, key.data, shown);
			(void)fputs(shown < key.size ? "…\")" : "\")", file);
		}
		line = digit;
	}
}

void walk_report_violations(const struct walk_job *job, const struct walk_row *row)
{
	const struct kit_cut_report *report = &row->result.report;

	if (report->total == 0)
		return;
	(void)fflush(stdout);
	(void)fprintf(stderr, WALK_NAME ": %s: %llu violation%s\n", row->kind->name,
		      (unsigned long long)report->total, report->total == 1 ? "" : "s");
	for (int i = 0; i < KIT_CUT_FAULTS; i++) {
		if (report->faults[i] > 0)
			(void)fprintf(stderr, "  %s: %s: %llu times\n",
				      kit_cut_fault_name((enum kit_cut_fault)i), fault_words[i],
				      (unsigned long long)report->faults[i]);
	}
	(void)fputs("  the first:\n", stderr);
	int shown = 0;
	for (const char *line = report->text; *line != '\0' && shown < LINES_SHOWN; shown++) {
		size_t size = strcspn(line, "\n");
		(void)fputs("    ", stderr);
		print_fault(stderr, job, line, size);
		(void)fputc('\n', stderr);
		line += line[size] == '\n' ? size + 1 : size;
	}
}

static void print_heading(const struct walk_job *job)
{
	const struct kit_keys *keys = &job->loaded;
	const char *name = strcmp(job->file, "-") == 0 ? "standard input" : job->file;

	cli_clean(stdout, name, strlen(name));
	(void)printf(": %zu keys", keys->count);
	if (keys->repeated > 0)
		(void)printf("; %zu line%s repeated a key, and the last one counts", keys->repeated,
			     keys->repeated == 1 ? "" : "s");
	if (keys->empty > 0)
		(void)printf("; %zu empty line%s skipped", keys->empty,
			     keys->empty == 1 ? "" : "s");
	(void)printf("\n%u writer%s on %llu of them, %u walker%s, %g s a kind\n\n", job->writers,
		     job->writers == 1 ? "" : "s", (unsigned long long)job->touched, job->walkers,
		     job->walkers == 1 ? "" : "s", job->seconds);
}

/* One decimal as long as it fits. */
static void print_bytes(char *text, double bytes)
{
	if (bytes < 99999)
		(void)snprintf(text, CLI_NUMBER, "%.1f", bytes);
	else
		(void)snprintf(text, CLI_NUMBER, "%s", cli_count((char[CLI_NUMBER]){0}, bytes));
}

static void print_row(const struct walk_row *row, bool colour)
{
	const char *paint = !colour ? "" : row->result.report.total > 0 ? "\033[1;31m" : "\033[32m";
	char cells[5][CLI_NUMBER], lost[CLI_NUMBER] = "-", bytes[CLI_NUMBER], peak[CLI_NUMBER];
	bool walked = kit_hist_count(row->latency) > 0;

	if (isfinite(walk_lost(row)))
		(void)snprintf(lost, sizeof lost, "%.1f %%", walk_lost(row));
	print_bytes(bytes, row->bytes_per_entry);
	print_bytes(peak, row->bytes_per_entry_peak);
	(void)printf(
		"%-9s %-9s %9s %9s %9s  %9s %9s %8s  %8s %8s  %s%10llu%s%s\n", row->kind->name,
		traversal_name(row), cli_count(cells[0], row->traversals_per_s),
		cli_time(cells[1], walked ? (double)kit_hist_percentile(row->latency, 50) : NAN),
		cli_time(cells[2], walked ? (double)kit_hist_percentile(row->latency, 99) : NAN),
		cli_count(cells[3], row->writes_alone), cli_count(cells[4], row->writes_beside),
		lost, bytes, peak, paint, (unsigned long long)row->result.report.total,
		colour ? "\033[0m" : "", row->interrupted ? "  interrupted" : "");
}

static void print_footnotes(const struct walk_job *job, const struct walk_row *rows, size_t count)
{
	uint64_t traversals = 0, rereads = 0, loads = 0, bindings = 0;
	char text[CLI_NUMBER];
	bool snapshots = false, live = false, gained = false;

	for (size_t i = 0; i < count; i++) {
		traversals += rows[i].result.traversals;
		rereads += rows[i].result.rereads;
		loads += rows[i].result.loads;
		bindings += rows[i].result.bindings;
		snapshots = snapshots || rows[i].kind->snapshots;
		live = live || !rows[i].kind->snapshots;
		gained = gained || walk_lost(&rows[i]) < -5;
	}
	(void)printf("\nchecked: %llu traversals, %s bindings", (unsigned long long)traversals,
		     cli_count(text, (double)bindings));
	if (snapshots)
		(void)printf(", %llu second readings, %llu loads after a snapshot",
			     (unsigned long long)rereads, (unsigned long long)loads);
	(void)puts(", and the quiet map at the end");
	if (snapshots)
		(void)puts(
			"snapshot: calm_map_snapshot, read and closed, and calm_map_walk, by turns");
	if (live)
		(void)puts("live: calm_map_each; this kind has no snapshots");
	(void)puts(
		"traversals per s: of all walkers, checks included; p50, p99: of one traversal; peak: while walked");
	if (gained)
		(void)puts(
			"lost below 0: writers contend less for a lock while walkers take cores from them");
	if (job->cores < job->writers + job->walkers)
		(void)printf(
			"%u core%s, shared by %u threads: sharing them evenly would cost the writers %.1f %% by itself\n",
			job->cores, job->cores == 1 ? "" : "s", job->writers + job->walkers,
			walk_fair_loss(job));
	else
		(void)printf("%u cores, so each of the %u threads can have its own\n", job->cores,
			     job->writers + job->walkers);
}

static void print_table(const struct walk_job *job, const struct walk_row *rows, size_t count)
{
	bool colour = cli_colour(stdout);
	const char *bold = colour ? "\033[1m" : "";
	const char *plain = colour ? "\033[0m" : "";

	print_heading(job);
	(void)printf("%s%-19s %29s  %28s  %17s\n", bold, "", "--------- traversals --------",
		     "---------- writes ----------", "-- bytes/entry --");
	(void)printf("%-9s %-9s %9s %9s %9s  %9s %9s %8s  %8s %8s  violations%s\n", "map", "walk",
		     "per s", "p50", "p99", "alone /s", "beside /s", "lost", "quiet", "peak",
		     plain);
	for (size_t i = 0; i < count; i++)
		print_row(&rows[i], colour);
	print_footnotes(job, rows, count);
	if (count > 0 && rows[count - 1].interrupted)
		(void)printf("interrupted: %s ran %.1f of %g s, %zu of %zu kinds ran at all\n",
			     rows[count - 1].kind->name, rows[count - 1].seconds, job->seconds,
			     count, job->kind_count);
}

static void json_field(const char *name, double number)
{
	(void)printf(",\"%s\":", name);
	cli_json_number(stdout, number);
}

/* The lines of the report as an array of strings. */
static void json_lines(const struct walk_job *job, const struct kit_cut_report *report)
{
	const char *comma = "";

	(void)fputs(",\"first_violations\":[", stdout);
	for (const char *line = report->text; *line != '\0'; comma = ",") {
		size_t size = strcspn(line, "\n");
		char *text = NULL;
		size_t text_size = 0;
		FILE *memory = open_memstream(&text, &text_size);
		(void)fputs(comma, stdout);
		if (memory != NULL) {
			print_fault(memory, job, line, size);
			(void)fclose(memory);
		}
		if (text != NULL)
			cli_json(stdout, text, text_size);
		else
			cli_json(stdout, line, size);
		free(text);
		line += line[size] == '\n' ? size + 1 : size;
	}
	(void)fputs("]", stdout);
}

static void json_row(const struct walk_job *job, const struct walk_row *row)
{
	const struct kit_cut_result *result = &row->result;
	const char *comma = "";
	bool walked = kit_hist_count(row->latency) > 0;

	(void)printf("{\"map\":\"%s\",\"traversal\":\"%s\",\"traversals\":%llu", row->kind->name,
		     traversal_name(row), (unsigned long long)result->traversals);
	json_field("traversals_per_s", row->traversals_per_s);
	json_field("p50_ms", walked ? (double)kit_hist_percentile(row->latency, 50) * 1e-6 : NAN);
	json_field("p99_ms", walked ? (double)kit_hist_percentile(row->latency, 99) * 1e-6 : NAN);
	json_field("max_ms", walked ? (double)kit_hist_max(row->latency) * 1e-6 : NAN);
	(void)printf(",\"writes\":%llu", (unsigned long long)result->writes);
	json_field("writes_per_s_alone", row->writes_alone);
	json_field("writes_per_s_beside", row->writes_beside);
	json_field("writes_lost_percent", walk_lost(row));
	json_field("bytes_per_entry", row->bytes_per_entry);
	json_field("bytes_per_entry_peak", row->bytes_per_entry_peak);
	json_field("ran_s", row->seconds);
	(void)printf(
		",\"interrupted\":%s,\"bindings\":%llu,\"second_readings\":%llu,\"loads\":%llu,\"planted\":%llu",
		row->interrupted ? "true" : "false", (unsigned long long)result->bindings,
		(unsigned long long)result->rereads, (unsigned long long)result->loads,
		(unsigned long long)result->planted);
	(void)printf(",\"violations\":%llu,\"violations_by_kind\":{",
		     (unsigned long long)result->report.total);
	for (int i = 0; i < KIT_CUT_FAULTS; i++) {
		if (result->report.faults[i] == 0)
			continue;
		(void)printf("%s\"%s\":%llu", comma, kit_cut_fault_name((enum kit_cut_fault)i),
			     (unsigned long long)result->report.faults[i]);
		comma = ",";
	}
	(void)fputs("}", stdout);
	json_lines(job, &result->report);
	(void)fputs("}", stdout);
}

static void print_json(const struct walk_job *job, const struct walk_row *rows, size_t count)
{
	const struct kit_keys *keys = &job->loaded;

	(void)printf("{\"command\":\"walk\",\"version\":\"%s\",\"file\":", calm_version());
	cli_json(stdout, job->file, strlen(job->file));
	(void)printf(",\"keys\":%zu,\"lines\":%zu,\"repeated\":%zu,\"empty\":%zu,\"touched\":%llu",
		     keys->count, keys->lines, keys->repeated, keys->empty,
		     (unsigned long long)job->touched);
	(void)printf(",\"writers\":%u,\"walkers\":%u", job->writers, job->walkers);
	json_field("seconds", job->seconds);
	(void)printf(",\"cores\":%u", job->cores);
	json_field("sharing_lost_percent", walk_fair_loss(job));
	(void)printf(",\"plant\":\"%s\",\"interrupted\":%s,\"results\":[",
		     kit_plant_name(job->plant), walk_interrupted() ? "true" : "false");
	for (size_t i = 0; i < count; i++) {
		(void)fputs(i > 0 ? "," : "", stdout);
		json_row(job, &rows[i]);
	}
	(void)puts("]}");
}

void walk_report(const struct walk_job *job, const struct walk_row *rows, size_t count)
{
	if (job->json)
		print_json(job, rows, count);
	else
		print_table(job, rows, count);
}
