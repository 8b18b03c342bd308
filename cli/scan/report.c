/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Findings in gcc's form, in GitHub's (workflow commands), and as JSON; and the summary. SARIF: sarif.c. */
#include "cli/cli.h"
#include "cli/scan/scan.h"

#include <inttypes.h>
#include <string.h>

static const char *const skip_names[SKIPS] = {
	[SKIP_LINK] = "symbolic links",
	[SKIP_SPECIAL] = "special files",
	[SKIP_HISTORY] = "folders of version control",
	[SKIP_LARGE] = "too large",
	[SKIP_UNREADABLE] = "unreadable",
	[SKIP_UNKNOWN] = "neither text nor ELF",
	[SKIP_OTHER_BUILD] = "not for this Go",
	[SKIP_NO_LIBELF] = "ELF, which this calm cannot read (built without libelf)",
	[SKIP_BROKEN] = "damaged",
};

static const char *const skip_keys[SKIPS] = {
	[SKIP_LINK] = "links",
	[SKIP_SPECIAL] = "special",
	[SKIP_HISTORY] = "history",
	[SKIP_LARGE] = "large",
	[SKIP_UNREADABLE] = "unreadable",
	[SKIP_UNKNOWN] = "unknown",
	[SKIP_OTHER_BUILD] = "other_build",
	[SKIP_NO_LIBELF] = "no_libelf",
	[SKIP_BROKEN] = "broken",
};

static void clean(FILE *file, const char *text)
{
	cli_clean(file, text, strlen(text));
}

void scan_report_gcc(const struct scan *scan, FILE *file)
{
	bool colour = cli_colour(file);
	static const char *const colours[] = {"\033[1;36m", "\033[1;35m", "\033[1;31m"};

	for (size_t i = 0; i < scan->findings.count; i++) {
		const struct scan_finding *finding = SCAN_AT(&scan->findings, struct scan_finding,
							     i);
		(void)fputs(colour ? "\033[1m" : "", file);
		clean(file, finding->path);
		if (finding->line > 0)
			(void)fprintf(file, ":%u:%u", finding->line, finding->column);
		(void)fprintf(file, ":%s %s%s:%s ", colour ? "\033[0m" : "",
			      colour ? colours[finding->level] : "",
			      scan_level_name(finding->level), colour ? "\033[0m" : "");
		clean(file, finding->message);
		(void)fprintf(file, "; %s [%s]\n", finding->hint, scan_rules[finding->rule].id);
		if (finding->verdict != NULL) {
			(void)fputs("  the linker: ", file);
			clean(file, finding->verdict);
			(void)fputc('\n', file);
		}
	}
}

/* Workflow commands take %, CR and LF encoded, and in properties : and , too. */
static void encode(FILE *file, const char *text, bool property)
{
	for (; *text != '\0'; text++) {
		bool special = *text == '%' || (unsigned char)*text < 0x20 ||
			       (property && (*text == ':' || *text == ','));
		if (special)
			(void)fprintf(file, "%%%02X", (unsigned char)*text);
		else
			(void)fputc(*text, file);
	}
}

void scan_report_github(const struct scan *scan, FILE *file)
{
	for (size_t i = 0; i < scan->findings.count; i++) {
		const struct scan_finding *finding = SCAN_AT(&scan->findings, struct scan_finding,
							     i);
		const char *level = finding->level == SCAN_NOTE ? "notice"
								: scan_level_name(finding->level);
		(void)fprintf(file, "::%s file=", level);
		encode(file, finding->path, true);
		if (finding->line > 0)
			(void)fprintf(file, ",line=%u,col=%u", finding->line, finding->column);
		(void)fprintf(file, ",title=calm scan %s::", scan_rules[finding->rule].id);
		encode(file, finding->message, false);
		(void)fprintf(file, "; %s\n", finding->hint);
	}
}

static void member(FILE *file, const char *name, const char *text)
{
	(void)fprintf(file, "\"%s\":", name);
	cli_json(file, text, strlen(text));
}

void scan_report_json(const struct scan *scan, FILE *file)
{
	(void)fputs("{\"findings\":[", file);
	for (size_t i = 0; i < scan->findings.count; i++) {
		const struct scan_finding *finding = SCAN_AT(&scan->findings, struct scan_finding,
							     i);
		(void)fprintf(file, "%s\n{\"rule\":\"%s\",\"level\":\"%s\",", i > 0 ? "," : "",
			      scan_rules[finding->rule].id, scan_level_name(finding->level));
		member(file, "file", finding->path);
		(void)fprintf(file, ",\"line\":%u,\"column\":%u,", finding->line, finding->column);
		member(file, "symbol", finding->symbol);
		(void)fputc(',', file);
		member(file, "since", finding->since);
		(void)fputc(',', file);
		member(file, "message", finding->message);
		(void)fputc(',', file);
		member(file, "hint", finding->hint);
		if (finding->verdict != NULL) {
			(void)fputc(',', file);
			member(file, "linker", finding->verdict);
		}
		(void)fputc('}', file);
	}
	(void)fprintf(file,
		      "],\n\"files\":%" PRIu64 ",\"allowed\":%" PRIu64 ",\"baseline\":%" PRIu64
		      ",\"go\":",
		      scan->files, scan->allowed, scan->known);
	if (scan->world_known)
		(void)fprintf(file, "\"1.%d\"", scan->world.minor);
	else
		(void)fputs("null", file);
	(void)fputs(",\"skipped\":{", file);
	for (int i = 0; i < SKIPS; i++)
		(void)fprintf(file, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", skip_keys[i],
			      scan->skipped[i]);
	(void)fputs("}}\n", file);
}

void scan_summary(const struct scan *scan, FILE *file)
{
	const char *before = "; skipped: ";
	uint64_t levels[3] = {0, 0, 0};

	for (size_t i = 0; i < scan->findings.count; i++)
		levels[SCAN_AT(&scan->findings, struct scan_finding, i)->level]++;
	(void)fprintf(file,
		      "%s: %" PRIu64 " files, %" PRIu64 " errors, %" PRIu64 " warnings, %" PRIu64
		      " notes",
		      SCAN_NAME, scan->files, levels[SCAN_ERROR], levels[SCAN_WARNING],
		      levels[SCAN_NOTE]);
	if (scan->allowed > 0)
		(void)fprintf(file, ", %" PRIu64 " allowed", scan->allowed);
	if (scan->known > 0)
		(void)fprintf(file, ", %" PRIu64 " in the baseline", scan->known);
	if (scan->world_known)
		(void)fprintf(file, "; Go 1.%d by %s", scan->world.minor,
			      scan->world.root != NULL ? "its own sources" : "calm's table");
	for (int i = 0; i < SKIPS; i++) {
		if (scan->skipped[i] == 0)
			continue;
		(void)fprintf(file, "%s%" PRIu64 " %s", before, scan->skipped[i], skip_names[i]);
		before = ", ";
	}
	(void)fputc('\n', file);
}
