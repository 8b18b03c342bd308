/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The results as JSON: the raw data from which BENCHMARKS.md is made. Figures that are none are
 * null.
 */
#include "cli/bench/bench.h"
#include "cli/cli.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void text(FILE *file, const char *name, const char *value, const char *end)
{
	(void)fprintf(file, "\"%s\": ", name);
	cli_json(file, value, strlen(value));
	(void)fputs(end, file);
}

static void number(FILE *file, const char *name, double value)
{
	(void)fprintf(file, "\"%s\": ", name);
	if (isfinite(value))
		(void)fprintf(file, "%.6g, ", value);
	else
		(void)fputs("null, ", file);
}

static void print_result(FILE *file, const struct bench_result *result)
{
	(void)fputs("\t\t{", file);
	text(file, "suite", result->suite, ", ");
	text(file, "workload", result->workload, ", ");
	text(file, "what", result->what, ", ");
	text(file, "keys", result->keys, ", ");
	(void)fprintf(file, "\"entries\": %" PRIu64 ", \"threads\": %u, ", result->entries,
		      result->threads);
	text(file, "subject", result->subject, ", ");
	text(file, "unit", result->unit, ", ");
	number(file, "median", result->median);
	number(file, "min", result->min);
	number(file, "max", result->max);
	if (result->claim != NULL)
		text(file, "claim", result->claim, ", ");
	(void)fprintf(file, "\"better\": \"%s\", \"repeats\": %u}",
		      result->better == BENCH_MORE ? "more" : "less", result->repeats);
}

void bench_print_json(FILE *file, const struct bench_report *report)
{
	const struct bench_results *results = report->results;
	const struct bench_machine *machine = report->machine;

	(void)fputs("{\n\t\"machine\": {", file);
	text(file, "cpu", machine->cpu, ", ");
	(void)fprintf(file, "\"cores\": %u, ", machine->cores);
	text(file, "kernel", machine->kernel, ", ");
	text(file, "memory", machine->memory, ", ");
	text(file, "compiler", machine->compiler, "},\n\t");
	text(file, "command", report->command, ",\n\t");
	text(file, "date", report->date, ",\n\t");
	text(file, "missing", report->missing, ",\n\t\"results\": [\n");
	for (size_t i = 0; i < results->count; i++) {
		print_result(file, &results->items[i]);
		(void)fputs(i + 1 < results->count ? ",\n" : "\n", file);
	}
	(void)fputs("\t],\n\t\"notes\": [\n", file);
	for (size_t i = 0; i < results->note_count; i++) {
		(void)fputs("\t\t{", file);
		text(file, "suite", results->notes[i].suite, ", ");
		text(file, "text", results->notes[i].text,
		     i + 1 < results->note_count ? "},\n" : "}\n");
	}
	(void)fprintf(file, "\t],\n\t\"invalid\": %u,\n\t\"interrupted\": %s\n}\n",
		      results->invalid, results->interrupted ? "true" : "false");
}
