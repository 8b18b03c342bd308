/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Counts what runs came to, and tells it, as a table or as JSON. */
#include "cli/lab/lab.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* ---- counting ---- */

void lab_tally_add(struct lab_tally *tally, const struct lab_run *run)
{
	tally->runs++;
	for (unsigned i = 0; i < LAB_COUNTS && run->record != NULL; i++) {
		const struct lab_count *count = &run->record->counts[i];
		if (count->name[0] == '\0')
			break;
		(void)snprintf(tally->counts[i].name, sizeof tally->counts[i].name, "%.39s",
			       count->name);
		atomic_fetch_add(&tally->counts[i].n, atomic_load(&count->n));
	}
	if (run->end == LAB_FINE)
		return;
	if (tally->failed++ == 0)
		(void)snprintf(tally->sample, sizeof tally->sample, "%s", run->how);
	for (unsigned i = 0; i < LAB_KINDS; i++) {
		if (tally->kinds[i].n == 0)
			(void)snprintf(tally->kinds[i].kind, sizeof tally->kinds[i].kind, "%s",
				       run->kind);
		if (strcmp(tally->kinds[i].kind, run->kind) != 0)
			continue;
		tally->kinds[i].n++;
		break;
	}
}

bool lab_row_good(const struct lab_row *row)
{
	bool good = row->right.failed == 0;

	for (size_t i = 0; i < row->wrongs; i++)
		good = good && (row->wrong[i].failed > 0 || row->wrong[i].runs == 0);
	return good;
}

void lab_interval(uint64_t k, uint64_t n, double *low, double *high)
{
	/* Wilson (1927), with the 97.5 % point of the normal distribution. */
	const double z = 1.959964;

	if (n == 0) {
		*low = *high = NAN;
		return;
	}
	double size = (double)n, rate = (double)k / size;
	double middle = (rate + z * z / (2 * size)) / (1 + z * z / size);
	double half = z / (1 + z * z / size) *
		      sqrt(rate * (1 - rate) / size + z * z / (4 * size * size));
	*low = k == 0 ? 0 : middle - half;
	*high = k == n ? 1 : middle + half;
}

/* ---- the table ---- */

static void rate_text(uint64_t k, uint64_t n, char *text, size_t room)
{
	double low, high;

	lab_interval(k, n, &low, &high);
	(void)snprintf(text, room, "%" PRIu64 " of %" PRIu64 " (%.0f-%.0f %%)", k, n, 100 * low,
		       100 * high);
}

/* "SIGSEGV 18, found 2", and the words of the first if there is but one kind. */
static void ways_text(const struct lab_tally *tally, char *text, size_t room)
{
	size_t used = 0;

	text[0] = '\0';
	if (tally->failed == 0) {
		(void)snprintf(text, room, "did not fail");
		return;
	}
	if (tally->kinds[1].n == 0) {
		(void)snprintf(text, room, "%s", tally->sample);
		return;
	}
	for (unsigned i = 0; i < LAB_KINDS && tally->kinds[i].n > 0 && used < room; i++)
		used += (size_t)snprintf(text + used, room - used, "%s%s %" PRIu64,
					 i > 0 ? ", " : "", tally->kinds[i].kind,
					 tally->kinds[i].n);
}

void lab_table_begin(void)
{
	(void)printf("%-9s %-24s %-22s %-22s %s\n", "case", "wrong", "failed (95 %)",
		     "right: failed (95 %)", "how it failed");
}

void lab_table_row(const struct lab_row *row)
{
	char wrong[40], right[40], how[240];

	rate_text(row->right.failed, row->right.runs, right, sizeof right);
	for (size_t i = 0; i < row->wrongs; i++) {
		const struct lab_tally *tally = &row->wrong[i];
		const char *name = strcmp(tally->way->program, "victim") == 0 ? tally->way->variant
									      : tally->way->program;
		rate_text(tally->failed, tally->runs, wrong, sizeof wrong);
		ways_text(tally, how, sizeof how);
		(void)printf("%-9s %-24s %-22s %-22s ", i == 0 ? row->entry->name : "", name, wrong,
			     i == 0 ? right : "");
		cli_clean(stdout, how, strlen(how));
		(void)putchar('\n');
	}
	if (row->right.failed > 0) {
		(void)printf("  the right one failed: ");
		cli_clean(stdout, row->right.sample, strlen(row->right.sample));
		(void)putchar('\n');
	}
	(void)fflush(stdout);
}

/* ---- JSON ---- */

static void json_text(const char *name, const char *text)
{
	(void)printf(", \"%s\": ", name);
	cli_json(stdout, text, strlen(text));
}

static void json_tally(const struct lab_tally *tally)
{
	double low, high;
	char how[240];

	lab_interval(tally->failed, tally->runs, &low, &high);
	(void)printf("\"runs\": %" PRIu64 ", \"failed\": %" PRIu64 ", \"low\": ", tally->runs,
		     tally->failed);
	cli_json_number(stdout, low);
	(void)printf(", \"high\": ");
	cli_json_number(stdout, high);
	ways_text(tally, how, sizeof how);
	json_text("how", tally->failed > 0 ? how : "");
	(void)printf(", \"counts\": {");
	for (unsigned i = 0; i < LAB_COUNTS && tally->counts[i].name[0] != '\0'; i++) {
		(void)fputs(i > 0 ? ", " : "", stdout);
		cli_json(stdout, tally->counts[i].name, strlen(tally->counts[i].name));
		(void)printf(": %" PRIu64, atomic_load(&tally->counts[i].n));
	}
	(void)putchar('}');
}

void lab_json_row(const struct lab_row *row, bool first)
{
	struct lab_tally all = row->wrong[0];

	for (size_t i = 1; i < row->wrongs; i++) {
		all.runs += row->wrong[i].runs;
		all.failed += row->wrong[i].failed;
	}
	(void)printf("%s\n  {\"case\": \"%s\"", first ? "" : ",", row->entry->name);
	json_text("what", row->entry->what);
	(void)printf(", \"good\": %s, \"wrong\": {", lab_row_good(row) ? "true" : "false");
	json_tally(&all);
	(void)printf("}, \"right\": {");
	json_tally(&row->right);
	(void)printf("}, \"variants\": [");
	for (size_t i = 0; i < row->wrongs; i++) {
		const struct lab_tally *tally = &row->wrong[i];
		(void)printf("%s{\"variant\": \"%s\", \"program\": \"calm-lab-%s\"",
			     i > 0 ? ", " : "", tally->way->variant, tally->way->program);
		json_text("what", tally->way->what);
		(void)printf(", ");
		json_tally(tally);
		(void)putchar('}');
	}
	(void)printf("]}");
	(void)fflush(stdout);
}

/* ---- refcount's rates ---- */

const uint64_t lab_rate_rounds[LAB_RATES] = {100, 500, 1000, 5000, 10000, 20000, 50000};

/* The article: "> 92 % at >= 5000 rounds". */
static const char *article(uint64_t rounds)
{
	return rounds >= 5000 ? "> 92 %" : "-";
}

void lab_rates_table(const struct lab_rate rates[LAB_RATES])
{
	(void)printf("\nrefcount, wrong: processes that crashed, against rounds\n\n%8s  %-24s %s\n",
		     "rounds", "crashed (95 %)", "the article");
	for (unsigned i = 0; i < LAB_RATES; i++) {
		char text[40];
		rate_text(rates[i].crashed, rates[i].runs, text, sizeof text);
		(void)printf("%8" PRIu64 "  %-24s %s\n", rates[i].rounds, text,
			     article(rates[i].rounds));
	}
}

void lab_rates_json(const struct lab_rate rates[LAB_RATES])
{
	(void)printf(",\n \"refcount\": [");
	for (unsigned i = 0; i < LAB_RATES; i++) {
		double low, high;
		lab_interval(rates[i].crashed, rates[i].runs, &low, &high);
		(void)printf("%s\n  {\"rounds\": %" PRIu64 ", \"runs\": %" PRIu64
			     ", \"crashed\": %" PRIu64 ", \"low\": ",
			     i > 0 ? "," : "", rates[i].rounds, rates[i].runs, rates[i].crashed);
		cli_json_number(stdout, low);
		(void)printf(", \"high\": ");
		cli_json_number(stdout, high);
		(void)printf(", \"article\": \"%s\"}", article(rates[i].rounds));
	}
	(void)printf("]");
}
