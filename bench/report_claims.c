/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What the article says, part by part, beside what was measured. The article names neither its
 * machine, but for 16 cores, nor its repeats: the ratio of a claim to a figure from here says how
 * it holds here.
 */
#include "bench/report_parts.h"

#include <math.h>
#include <string.h>

static const struct {
	const char *part, *suite, *says;
} parts[] = {
	{"4.1", "article-4.1",
	 "Of 1 M keys, a full copy under a lock: 12 400 traversals a second, P99 86.3 ms, writes −38 %. A range callback "
	 "over a snapshot, nothing copied, no lock: 41 700 a second, P99 9.1 ms, writes −2.1 %. Rates as these cannot be of "
	 "1 M keys each: 12 400 a second would be 81 ps a key."},
	{"4.2", "article-4.2",
	 "Of 1 M entries with 1 % of them changed, a read-only map and a delta, merged as the traversal goes: P99 82 ms "
	 "→ 3.1 ms, memory 2.0 × → 1.05 ×."},
	{"5.1–5.3", "article-5",
	 "At 8 000 writes a second on 16 cores sync.Map goes from 0.3 ms to 12 ms; copying the map is 63 % of Store; P99 "
	 "12.1 ms, memory +32 %. 32 shards of map + RWMutex: P99 0.4 ms, memory +8 %. atomic.Value + map: P99 0.2 ms, memory +5 %."},
	{"5.4", "cell",
	 "Load, build a new immutable value, compare-and-swap, retry: 4.2 × faster than Store."},
	{"5.5", "cost",
	 "90 % of call paths or more inlined, and no heap allocation while running."},
};

#define PARTS (sizeof parts / sizeof *parts)

/* The first number of a claim, of which thousands may stand apart. NAN: it has none. */
static double number_of(const char *claim)
{
	char digits[32];
	size_t used = 0;

	claim += strcspn(claim, "0123456789");
	while (*claim != '\0' && used + 1 < sizeof digits) {
		if (strchr("0123456789.", *claim) != NULL)
			digits[used++] = *claim;
		else if (*claim != ' ' || strspn(claim + 1, "0123456789") < 3)
			break;
		claim++;
	}
	digits[used] = '\0';
	return used > 0 ? strtod(digits, NULL) : NAN;
}

static void print_verdict(FILE *file, const struct bench_result *result)
{
	double claimed = number_of(result->claim);
	bool more = result->better == BENCH_MORE;

	if (!isfinite(claimed))
		(void)fputs("<td>\xe2\x80\x93</td>", file);
	else if (claimed >= result->min && claimed <= result->max)
		(void)fputs("<td>as claimed</td>", file);
	else if ((result->median > claimed) == more)
		(void)fputs("<td class=\"tie\">better", file);
	else
		(void)fputs("<td class=\"worse\">worse", file);
	if (!isfinite(claimed) || (claimed >= result->min && claimed <= result->max))
		return;
	if (claimed > 0 && result->median > 0)
		(void)fprintf(file, "<small>%.3g \xc3\x97 the claim</small>",
			      result->median / claimed);
	(void)fputs("</td>", file);
}

static void print_row(FILE *file, const struct bench_result *result)
{
	(void)fputs("<tr><th>", file);
	bench_html(file, result->subject);
	(void)fputs("<small>", file);
	bench_html(file, result->workload);
	(void)fputs(" ", file);
	bench_html(file, result->what);
	(void)fputs("; ", file);
	bench_html_sizes(file, result);
	(void)fputs("</small></th><td>", file);
	bench_html(file, result->claim);
	(void)fprintf(file, "</td><td data-v=\"%.6g\"><b>", result->median);
	bench_html_figure(file, result->median);
	(void)fputs(" ", file);
	bench_html(file, result->unit);
	(void)fputs("</b><small>", file);
	bench_html_range(file, result);
	(void)fputs("</small></td>", file);
	print_verdict(file, result);
	(void)fputs("</tr>\n", file);
}

static bool claims(const struct bench_result *result, const char *suite)
{
	return result->claim != NULL && strcmp(result->suite, suite) == 0;
}

static void print_part(FILE *file, const struct bench_results *results, size_t p)
{
	size_t rows = 0;

	(void)fputs("<h3>", file);
	bench_html(file, parts[p].part);
	(void)fputs("</h3>\n<p><q>", file);
	bench_html(file, parts[p].says);
	(void)fputs("</q></p>\n", file);
	for (size_t i = 0; i < results->count; i++)
		rows += claims(&results->items[i], parts[p].suite);
	if (rows == 0) {
		(void)fprintf(file,
			      "<p>Not measured in this run: <code>calm bench %s</code>.</p>\n",
			      parts[p].suite);
		return;
	}
	(void)fputs(
		"<div class=\"scroll\"><table>\n<thead><tr><th>figure</th><th>the article</th><th>measured</th>"
		"<th>measured against claimed</th></tr></thead>\n<tbody>\n",
		file);
	for (size_t i = 0; i < results->count; i++) {
		if (claims(&results->items[i], parts[p].suite))
			print_row(file, &results->items[i]);
	}
	(void)fputs("</tbody>\n</table></div>\n", file);
}

void bench_html_claims(FILE *file, const struct bench_results *results)
{
	for (size_t p = 0; p < PARTS; p++)
		print_part(file, results, p);
	(void)fputs(
		"<p>The article&#39;s other figure, more than 92 % of processes crashed after 5000 rounds or more "
		"(3.1), is no benchmark: <code>calm lab refcount</code>.</p>\n",
		file);
}
