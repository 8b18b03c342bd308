/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Bars by gnuplot: a child process that reads a script and prints SVG, which is put into the page
 * in its colours.
 *
 * gnuplot's SVG is a whole document in black. Of it only what is drawn is taken: not the head,
 * whose ids would be there once a plot, not the titles of its groups, which are lines of the
 * script. Black becomes the page's colour of text.
 *
 * Rejected: one gnuplot for all plots. It ends at the first error in its script, and all plots
 * after it would be lost.
 */
#include "bench/report_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define WIDTH 460
#define GLYPH 7.1 /* width of a character, on average */
#define TICKS 4
#define BEYOND 1.6  /* from which multiple of the maps' best on a bare bar is cut off */
#define LOG_FROM 40 /* the most over the least, from which on bars stand on a logarithmic axis */

extern char **environ;

/* Reads all of a descriptor; the caller frees it. NULL: it failed. */
static char *read_all(int from)
{
	size_t room = 1 << 16, used = 0;
	char *text = bench_alloc(room);
	ssize_t got;

	while ((got = read(from, text + used, room - used - 1)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			free(text);
			return NULL;
		}
		used += (size_t)got;
		if (used + 1 < room)
			continue;
		char *more = bench_alloc(2 * room);
		memcpy(more, text, used);
		free(text);
		text = more;
		room *= 2;
	}
	text[used] = '\0';
	return text;
}

static pid_t spawn(int in, int out)
{
	char *const argv[] = {"gnuplot", "-d", NULL};
	posix_spawn_file_actions_t actions;
	pid_t child = -1;

	if (posix_spawn_file_actions_init(&actions) != 0)
		return -1;
	if (posix_spawn_file_actions_adddup2(&actions, in, 0) != 0 ||
	    posix_spawn_file_actions_adddup2(&actions, out, 1) != 0 ||
	    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1, 0) != 0 ||
	    posix_spawnp(&child, "gnuplot", &actions, NULL, argv, environ) != 0)
		child = -1;
	(void)posix_spawn_file_actions_destroy(&actions);
	return child;
}

/* What gnuplot answers to a script; the caller frees it. NULL: it failed, or is not there. */
static char *gnuplot(const char *script)
{
	int in = memfd_create("gnuplot", MFD_CLOEXEC), ends[2] = {-1, -1}, status = 1;
	size_t size = strlen(script);
	char *answer = NULL;
	pid_t child = -1;

	/* A file and not a pipe: gnuplot may answer before it has read all. */
	if (in >= 0 && write(in, script, size) == (ssize_t)size && lseek(in, 0, SEEK_SET) == 0 &&
	    pipe2(ends, O_CLOEXEC) == 0) {
		child = spawn(in, ends[1]);
		(void)close(ends[1]);
		if (child > 0)
			answer = read_all(ends[0]);
		(void)close(ends[0]);
	}
	if (in >= 0)
		(void)close(in);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (status == 0)
		return answer;
	free(answer);
	return NULL;
}

bool bench_report_ready(void)
{
	char *answer = gnuplot("set terminal svg\nset print '-'\nprint 'ready'\n");
	bool ready = answer != NULL && strstr(answer, "ready") != NULL;

	free(answer);
	return ready;
}

/* What a label may have, of quotes and of what gnuplot expands in them nothing. */
static void print_label(FILE *file, const char *text)
{
	(void)fputc('\'', file);
	for (; *text != '\0'; text++)
		(void)fputc(strchr("'\"`\\@$\n", *text) != NULL ? '_' : *text, file);
	(void)fputc('\'', file);
}

struct axis {
	double left, right;
	bool log, beyond; /* beyond: a bare subject's bars go on past the right end */
};

/*
 * Rates stand on a linear axis from 0. A bare subject that is many times as fast does not press
 * the others together: its bars end at the edge.
 */
static struct axis axis_of(const struct bench_bars *bars)
{
	double least = INFINITY, most = 0, bare = 0;
	bool zeros = false, rates = false;
	struct axis axis;

	for (size_t i = 0; i < bars->rows * bars->series; i++) {
		const struct bench_result *cell = bars->cells[i / bars->series][i % bars->series];
		if (cell == NULL || !isfinite(cell->median))
			continue;
		rates = rates || cell->better == BENCH_MORE;
		zeros = zeros || cell->min <= 0;
		if (cell->bare)
			bare = fmax(bare, cell->max);
		else
			most = fmax(most, cell->max);
		if (cell->min > 0)
			least = fmin(least, cell->min);
	}
	axis.log = !rates && !zeros && fmax(most, bare) > LOG_FROM * least;
	axis.beyond = !axis.log && most > 0 && bare > BEYOND * most;
	most = axis.beyond ? most : fmax(most, bare);
	axis.left = axis.log ? pow(10, floor(log10(least * 0.999))) : 0;
	axis.right = axis.log ? most * 1.2 : most * 1.03;
	return axis;
}

/* A step of 1, 2 or 5 tens. */
static double step(double most)
{
	double raw = most / TICKS, ten = pow(10, floor(log10(raw))), digit = raw / ten;

	return ten * (digit > 5 ? 10 : digit > 2 ? 5 : digit > 1 ? 2 : 1);
}

static const unsigned palette[BENCH_SERIES_MAX] = {0x4e79a7, 0xf28e2b, 0x59a14f, 0xe15759,
						   0x76b7b2, 0xb07aa1, 0x9c755f, 0x808080};
/* Transparency, for gnuplot, of series 0 … */
static const unsigned shades[] = {0x00, 0x58, 0x90, 0xb8};

#define CALM_COLOUR 0x2f80d8
#define OTHER_COLOUR 0x8a8f98

static unsigned colour_of(const struct bench_bars *bars, const struct bench_result *cell, size_t s)
{
	if (bars->coloured)
		return palette[s];
	return shades[s < 4 ? s : 3] << 24 | (cell->calm ? CALM_COLOUR : OTHER_COLOUR);
}

/* The bars, or the ranges, as gnuplot's data. */
static void print_data(FILE *script, const struct bench_bars *bars, const struct axis *axis,
		       bool ranges)
{
	double thick = 0.84 / (double)bars->series;

	(void)fprintf(script, "$%s << EOD\n", ranges ? "ranges" : "bars");
	for (size_t i = 0; i < bars->rows * bars->series; i++) {
		size_t r = i / bars->series, s = i % bars->series;
		const struct bench_result *cell = bars->cells[r][s];
		double low = (double)r - 0.42 + thick * (double)s;
		if (cell == NULL || !isfinite(cell->median))
			continue;
		double min = fmax(cell->min, axis->left), max = fmin(cell->max, axis->right);
		double median = fmin(fmax(cell->median, axis->left), axis->right);
		if (ranges && max > min)
			(void)fprintf(script, "%.6g %.4f %.6g\n", min, low + thick / 2, max - min);
		else if (!ranges)
			(void)fprintf(script, "%.6g %zu %.6g %.6g %.4f %.4f %u\n", axis->left, r,
				      axis->left, median, low, low + thick * 0.9,
				      colour_of(bars, cell, s));
	}
	/* A line of its own keeps gnuplot from calling an empty block an error. */
	(void)fputs(ranges ? "NaN NaN NaN\nEOD\n" : "EOD\n", script);
}

static size_t height_of(const struct bench_bars *bars)
{
	size_t row = bars->series > 2 ? 7 * bars->series + 4 : 18;

	return bars->rows * row + 34;
}

static void print_script(FILE *script, const struct bench_bars *bars, const struct axis *axis)
{
	size_t longest = 0;

	for (size_t r = 0; r < bars->rows; r++)
		longest = strlen(bars->labels[r]) > longest ? strlen(bars->labels[r]) : longest;
	(void)fprintf(script,
		      "set terminal svg size %d,%zu dynamic noenhanced font 'sans-serif,12'\n"
		      "set encoding utf8\nset style fill solid noborder\nunset key\nset border 0\n"
		      "set lmargin at screen %.3f\nset rmargin at screen 0.96\n"
		      "set tmargin at screen 0.99\nset bmargin at screen %.3f\n"
		      "set yrange [%.1f:-0.5]\nset xrange [%.6g:%.6g]\n"
		      "set xtics nomirror scale 0\nset ytics nomirror scale 0 (",
		      WIDTH, height_of(bars), (GLYPH * (double)longest + 10) / WIDTH,
		      26.0 / (double)height_of(bars), (double)bars->rows - 0.5, axis->left,
		      axis->right);
	for (size_t r = 0; r < bars->rows; r++) {
		(void)fputs(r > 0 ? ", " : "", script);
		print_label(script, bars->labels[r]);
		(void)fprintf(script, " %zu", r);
	}
	(void)fputs(")\nset grid x lt 1 lc rgb '#808080' lw 0.5\n", script);
	if (axis->log)
		(void)fputs(axis->left < 1 ? "set logscale x\nset format x '%g'\n"
					   : "set logscale x\nset format x '%.0s%c'\n",
			    script);
	else
		(void)fprintf(script, "set format x '%%g'\nset xtics 0,%.6g\n", step(axis->right));
	print_data(script, bars, axis, false);
	print_data(script, bars, axis, true);
	(void)fputs(
		"plot $bars using 1:2:3:4:5:6:7 with boxxyerror lc rgb variable, "
		"$ranges using 1:2:3:(0) with vectors heads size graph 0.006,90 lc rgb 'black'\n",
		script);
}

static bool starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* The drawing of gnuplot's document. False: it has none. */
static bool print_svg(FILE *file, const char *svg, const struct bench_bars *bars)
{
	static const char black[] = "black", dark[] = "rgb(  0,   0,   0)";
	const char *at = strstr(svg, "</defs>");

	if (at == NULL || strstr(at, "</svg>") == NULL)
		return false;
	(void)fprintf(file, "<svg viewBox=\"0 0 %d %zu\" role=\"img\" aria-label=\"", WIDTH,
		      height_of(bars));
	bench_html(file, bars->title);
	(void)fputs("\"><g>", file); /* gnuplot opened one before its head's end */
	for (at += strlen("</defs>"); *at != '\0';) {
		const char *end;
		if (starts(at, "<title>") && (end = strstr(at, "</title>")) != NULL) {
			at = end + strlen("</title>");
		} else if (starts(at, " id=\"") && (end = strchr(at + 5, '"')) != NULL) {
			at = end + 1;
		} else if (starts(at, "<g fill=\"none\"") &&
			   (end = strstr(at, ">\n</g>\n")) == strchr(at, '>')) {
			at = end + strlen(">\n</g>\n");
		} else if (starts(at, black)) {
			(void)fputs("currentColor", file);
			at += strlen(black);
		} else if (starts(at, dark)) {
			(void)fputs("currentColor", file);
			at += strlen(dark);
		} else {
			(void)fputc(*at++, file);
		}
	}
	return true;
}

static void print_key(FILE *file, const struct bench_bars *bars)
{
	for (size_t s = 0; bars->series > 1 && s < bars->series; s++) {
		unsigned colour = bars->coloured ? palette[s] : OTHER_COLOUR;
		unsigned shade = bars->coloured ? 0 : shades[s < 4 ? s : 3];
		(void)fprintf(
			file,
			" <span class=\"key\"><i style=\"background:#%06x;opacity:%.2f\"></i>",
			colour, 1 - shade / 255.0);
		bench_html(file, bars->names[s]);
		(void)fputs("</span>", file);
	}
}

bool bench_html_bars(FILE *file, const struct bench_bars *bars)
{
	struct axis axis = axis_of(bars);
	char *script = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&script, &size);
	char *svg = NULL;

	if (memory != NULL) {
		print_script(memory, bars, &axis);
		if (fclose(memory) == 0)
			svg = gnuplot(script);
		free(script);
	}
	(void)fputs("<figure><figcaption>", file);
	bench_html(file, bars->title);
	(void)fputs(axis.log      ? ", logarithmic"
		    : axis.beyond ? "; floor goes on past the edge"
				  : "",
		    file);
	print_key(file, bars);
	(void)fputs("</figcaption>\n", file);
	bool drawn = svg != NULL && print_svg(file, svg, bars);
	if (!drawn)
		(void)fputs("<p class=\"bad\">gnuplot did not draw this plot</p>\n", file);
	(void)fputs("</figure>\n", file);
	free(svg);
	return drawn;
}
