/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Findings as SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format"). A path becomes a relative reference,
 * percent-encoded (RFC 3986); columns count bytes, which columnKind has no name for, so none is claimed.
 */
#include "cli/cli.h"
#include "cli/scan/scan.h"

#include <calm/base.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void member(FILE *file, const char *name, const char *text)
{
	(void)fprintf(file, "\"%s\":", name);
	cli_json(file, text, strlen(text));
}

/* Only ASCII comes out, so it needs no JSON quoting. */
static void uri(FILE *file, const char *path)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/!$&'()*+,;=@";

	(void)fputs(*path == '/' ? "\"file://" : "\"", file);
	for (; *path != '\0'; path++) {
		if (strchr(plain, *path) != NULL)
			(void)fputc(*path, file);
		else
			(void)fprintf(file, "%%%02X", (unsigned char)*path);
	}
	(void)fputc('"', file);
}

static void rules(FILE *file)
{
	for (int i = 0; i < SCAN_RULES; i++) {
		const struct scan_rule *rule = &scan_rules[i];
		(void)fprintf(file, "%s\n{\"id\":\"%s\",\"shortDescription\":{", i > 0 ? "," : "",
			      rule->id);
		member(file, "text", rule->title);
		(void)fputs("},\"help\":{", file);
		member(file, "text", rule->hint);
		(void)fprintf(file, "},\"defaultConfiguration\":{\"level\":\"%s\"}}",
			      scan_level_name(rule->level));
	}
}

static void result(const struct scan *scan, const struct scan_finding *finding, FILE *file)
{
	char *text = scan_print("%s; %s", finding->message, finding->hint);

	(void)fprintf(file, "{\"ruleId\":\"%s\",\"ruleIndex\":%d,\"level\":\"%s\",\"message\":{",
		      scan_rules[finding->rule].id, (int)finding->rule,
		      scan_level_name(finding->level));
	member(file, "text", text);
	free(text);
	(void)fputs("},\"locations\":[{\"physicalLocation\":{\"artifactLocation\":{\"uri\":", file);
	uri(file, finding->path);
	(void)fputc('}', file);
	if (finding->line > 0)
		(void)fprintf(file, ",\"region\":{\"startLine\":%u,\"startColumn\":%u}",
			      finding->line, finding->column);
	(void)fputs("},\"logicalLocations\":[{", file);
	member(file, "fullyQualifiedName", finding->symbol);
	(void)fprintf(file, "}]}],\"partialFingerprints\":{\"calmScan/v1\":\"%016" PRIx64 "\"}",
		      scan_hash(scan, finding));
	if (*finding->since != '\0') {
		(void)fputs(",\"properties\":{", file);
		member(file, "since", finding->since);
		(void)fputc('}', file);
	}
	(void)fputc('}', file);
}

void scan_report_sarif(const struct scan *scan, FILE *file)
{
	(void)fprintf(
		file,
		"{\"$schema\":\"https://json.schemastore.org/sarif-2.1.0.json\",\"version\":\"2.1.0\",\"runs\":[{\n"
		"\"tool\":{\"driver\":{\"name\":\"calm scan\",\"version\":\"%s\",\"rules\":[",
		calm_version());
	rules(file);
	(void)fputs("]}},\n\"results\":[", file);
	for (size_t i = 0; i < scan->findings.count; i++) {
		(void)fputs(i > 0 ? ",\n" : "\n", file);
		result(scan, SCAN_AT(&scan->findings, struct scan_finding, i), file);
	}
	(void)fputs("]}]}\n", file);
}
