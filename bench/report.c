/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The page: head, where calm loses, the article's claims, then a section a suite. Style and script
 * stand in it, for it must still open in years, from a mail, without a network.
 */
#include "bench/report.h"

#include "bench/report_parts.h"

#include <string.h>

static const char style[] =
	":root{color-scheme:light dark;--back:#fff;--text:#1c2128;--dim:#5c6570;--line:#d5d9df;--head:#f3f5f8;"
	"--best:#cfe8d2;--tie:#e9f5ea;--worse:#fbe3dd;--calm:#1b62b0}\n"
	"@media (prefers-color-scheme:dark){:root{--back:#14171c;--text:#e2e6eb;--dim:#98a2ae;--line:#333a44;"
	"--head:#1d2229;--best:#1f4d2a;--tie:#1b3323;--worse:#4d2620;--calm:#7db6f5}}\n"
	"*{box-sizing:border-box}\n"
	"body{margin:0 auto;padding:1rem;max-width:90rem;background:var(--back);color:var(--text);"
	"font:15px/1.45 system-ui,sans-serif}\n"
	"h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.25rem;margin:2.2rem 0 .4rem;padding-top:.6rem;"
	"border-top:1px solid var(--line)}h3{font-size:1rem;margin:1.2rem 0 .4rem}\n"
	"p{margin:.4rem 0;max-width:50rem}q{quotes:none}a{color:var(--calm)}\n"
	"dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem .8rem;margin:.8rem 0}"
	"dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}\n"
	"nav a{display:inline-block;margin:.1rem .7rem .1rem 0}\n"
	".scroll{overflow-x:auto;margin:.4rem 0;max-width:100%}\n"
	"table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
	".dim{color:var(--dim);font-size:.85rem}\n"
	"th,td{padding:.25rem .55rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:top;"
	"white-space:nowrap}\n"
	"thead th{background:var(--head);vertical-align:bottom;font-weight:600;cursor:default}"
	"thead th small{font-weight:400}\n"
	".sorts thead th{cursor:pointer}th[data-way=up]::after{content:' \\25b4'}"
	"th[data-way=down]::after{content:' \\25be'}\n"
	"tr>th:first-child{position:sticky;left:0;text-align:left;background:var(--back);font-weight:500}"
	"thead tr>th:first-child{background:var(--head)}\n"
	"td b{font-weight:500}td.best b{font-weight:700}td small,th small{display:block;color:var(--dim);font-size:.75rem}\n"
	"td.best{background:var(--best)}td.tie{background:var(--tie)}td.worse{background:var(--worse)}\n"
	"tr.calm>th:first-child{color:var(--calm);font-weight:600}tr.bare{color:var(--dim);font-style:italic}"
	"tfoot{color:var(--dim)}\n"
	".plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,25rem),1fr));gap:1rem;margin:.8rem 0}\n"
	"figure{margin:0;break-inside:avoid}figcaption{font-size:.85rem;margin-bottom:.2rem}svg{width:100%;height:auto;"
	"max-width:38rem;display:block}\n"
	".key{white-space:nowrap;margin-left:.7rem;color:var(--dim)}.key i{display:inline-block;width:.8em;height:.8em;"
	"margin-right:.3em;vertical-align:-.05em}\n"
	"ul{padding-left:1.2rem;max-width:50rem}.bad{color:#c0392b;font-weight:600}\n"
	"@media (max-width:40rem){body{padding:.6rem;font-size:14px}th,td{padding:.2rem .4rem}"
	"tr>th:first-child{white-space:normal;min-width:7rem;max-width:9rem;overflow-wrap:anywhere}dl{grid-template-columns:1fr}dt{margin-top:.3rem}}\n"
	"@media print{body{max-width:none;font-size:10px}.scroll{overflow:visible}nav{display:none}"
	"tr>th:first-child{position:static}td,th{padding:.1rem .3rem}tr{break-inside:avoid}"
	".plots{grid-template-columns:1fr 1fr}*{print-color-adjust:exact}}\n";

/* Only sorts what is there; without it the page is the same. */
static const char script[] =
	"document.querySelectorAll('table').forEach(function(table){\n"
	"table.classList.add('sorts');\n"
	"table.tHead.rows[0].querySelectorAll('th').forEach(function(head,column){\n"
	"head.addEventListener('click',function(){\n"
	"var up=head.dataset.way==='down';\n"
	"table.tHead.querySelectorAll('th').forEach(function(h){delete h.dataset.way});\n"
	"head.dataset.way=up?'up':'down';\n"
	"function value(row){var c=row.cells[column];if(column===0)return c.textContent;\n"
	"var v=parseFloat(c.dataset.v!==undefined?c.dataset.v:c.textContent);return isNaN(v)?-Infinity:v}\n"
	"var body=table.tBodies[0];\n"
	"Array.from(body.rows).sort(function(a,b){var x=value(a),y=value(b);\n"
	"return (x<y?-1:x>y?1:0)*(up?1:-1)}).forEach(function(row){body.appendChild(row)});\n"
	"})})});\n";

static void print_term(FILE *file, const char *name, const char *value)
{
	(void)fprintf(file, "<dt>%s</dt><dd>", name);
	bench_html(file, value);
	(void)fputs("</dd>\n", file);
}

static void print_head(FILE *file, const struct bench_report *report)
{
	const struct bench_machine *machine = report->machine;

	(void)fputs("<!DOCTYPE html>\n<html lang=\"en-GB\">\n<head>\n<meta charset=\"utf-8\">\n"
		    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		    "<title>calm bench, ",
		    file);
	bench_html(file, report->date);
	(void)fprintf(file,
		      "</title>\n<style>\n%s</style>\n</head>\n<body>\n<h1>calm bench</h1>\n<dl>\n",
		      style);
	print_term(file, "date", report->date);
	(void)fputs("<dt>command</dt><dd><code>", file);
	bench_html(file, report->command);
	(void)fputs("</code></dd>\n<dt>machine</dt><dd>", file);
	bench_html(file, machine->cpu);
	(void)fprintf(file, ", %u core%s, ", machine->cores, machine->cores == 1 ? "" : "s");
	bench_html(file, machine->memory);
	(void)fputs("</dd>\n", file);
	print_term(file, "kernel", machine->kernel);
	print_term(file, "compiler", machine->compiler);
	if (*report->missing != '\0')
		print_term(file, "missing", report->missing);
	(void)fputs("</dl>\n", file);
	if (report->results->invalid > 0)
		(void)fprintf(
			file,
			"<p class=\"bad\">Not valid: %u times a subject did not do the work. The notes say which.</p>\n",
			report->results->invalid);
	if (report->results->interrupted)
		(void)fputs("<p class=\"bad\">Interrupted: this is what there was.</p>\n", file);
	(void)fputs(
		"<p>Figures are medians of repeats, with their range. * is the best of a column and = a tie with it. Figures "
		"tie within the column&#39;s own spread: the median over its subjects of (max − min) / median, but 3 % at least "
		"and 30 % at most (of figures in percent: 1 to 10 points). A column with more spread than that is <i>noisy</i>: "
		"what is apart in it may be otherwise in the next run. "
		"<i>floor</i> is a bare array indexed by the key: what the memory allows. Ranks are calm&#39;s best among the "
		"others, ties shared. Bars end at the median, lines on them go from least to most. "
		"<i>g95u5</i> is 95 % get and 5 % update, <i>g90i5d5</i> 90 % get, 5 % insert and 5 % delete; <i>zipf</i> has "
		"the exponent 0.99. M, k, ms and so on are decimal.</p>\n",
		file);
}

static bool has_notes(const struct bench_results *results, const char *suite)
{
	for (size_t i = 0; i < results->note_count; i++) {
		if (strcmp(results->notes[i].suite, suite) == 0)
			return true;
	}
	return false;
}

static void print_nav(FILE *file, const struct bench_results *results)
{
	const char *suite;

	(void)fputs(
		"<nav><a href=\"#losses\">where calm loses</a><a href=\"#claims\">the article&#39;s claims</a>",
		file);
	for (size_t i = 0; (suite = bench_suite_present(results, i)) != NULL; i++) {
		(void)fputs("<a href=\"#", file);
		bench_html(file, suite);
		(void)fputs("\">", file);
		bench_html(file, suite);
		(void)fputs("</a>", file);
	}
	(void)fputs("</nav>\n", file);
}

static void print_notes(FILE *file, const struct bench_results *results, const char *suite)
{
	if (!has_notes(results, suite))
		return;
	(void)fputs("<ul>\n", file);
	for (size_t i = 0; i < results->note_count; i++) {
		const char *text = results->notes[i].text;
		if (strcmp(results->notes[i].suite, suite) != 0)
			continue;
		(void)fputs(strncmp(text, "INVALID", 7) == 0 ? "<li class=\"bad\">" : "<li>", file);
		bench_html(file, text);
		(void)fputs("</li>\n", file);
	}
	(void)fputs("</ul>\n", file);
}

/* What a suite is of; one of a later version than this has nothing here. */
static const char *summary_of(const char *name)
{
	const struct bench_suite *suite = bench_suites;

	while (suite->name != NULL && strcmp(suite->name, name) != 0)
		suite++;
	return suite->name != NULL ? suite->summary : "";
}

static unsigned print_suite(FILE *file, const struct bench_results *results, const char *suite)
{
	const struct bench_result *first, *next;
	struct bench_group *group = bench_alloc(sizeof *group);
	bool hash = strcmp(suite, "hash") == 0, snapshot = strcmp(suite, "snapshot") == 0;
	unsigned failed = 0;

	(void)fputs("<h2 id=\"", file);
	bench_html(file, suite);
	(void)fputs("\">", file);
	bench_html(file, suite);
	(void)fputs("</h2>\n<p>", file);
	bench_html(file, summary_of(suite));
	(void)fputs("</p>\n", file);
	for (size_t i = 0; (first = bench_group_first(results, suite, i)) != NULL; i++) {
		bench_group_fill(group, results, first);
		bench_html_table(file, group);
		next = bench_group_first(results, suite, i + 1);
		if (!hash && !snapshot)
			failed += bench_html_group_plots(file, group);
		else if (hash && first->entries > 0 &&
			 (next == NULL || next->entries != first->entries))
			failed += bench_html_hash_plots(file, results, first->entries);
	}
	if (snapshot)
		failed += bench_html_snapshot_plots(file, results);
	print_notes(file, results, suite);
	free(group);
	return failed;
}

unsigned bench_report_print(FILE *file, const struct bench_report *report)
{
	const struct bench_results *results = report->results;
	const char *suite;
	unsigned failed = 0;

	print_head(file, report);
	print_nav(file, results);
	(void)fputs("<h2 id=\"losses\">Where calm loses</h2>\n", file);
	bench_html_losses(file, results);
	(void)fputs("<h2 id=\"claims\">The article&#39;s claims</h2>\n", file);
	bench_html_claims(file, results);
	for (size_t i = 0; (suite = bench_suite_present(results, i)) != NULL; i++)
		failed += print_suite(file, results, suite);
	(void)fprintf(file, "<script>\n%s</script>\n</body>\n</html>\n", script);
	return failed;
}
