/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Files that are whole or not there: written under another name beside the path, then renamed. And
 * the report, which is such a file.
 */
#include "bench/report.h"

#include "cli/bench/bench.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/*
 * Where a path leads; what is no file, a pipe say, is written to as it is, and *direct is true.
 * The caller frees it.
 */
static char *target(const char *path, bool *direct)
{
	struct stat status;
	char *real = NULL;

	*direct = false;
	if (stat(path, &status) != 0)
		return strdup(path);
	*direct = !S_ISREG(status.st_mode);
	if (!*direct)
		real = realpath(path, NULL);
	return real != NULL ? real : strdup(path);
}

static bool write_all(FILE *file, const char *text, size_t size, bool direct)
{
	bool written = fwrite(text, 1, size, file) == size && fflush(file) == 0;

	written = written && (direct || fsync(fileno(file)) == 0);
	int why = errno;
	if (fclose(file) != 0 && written)
		return false;
	errno = why;
	return written;
}

static bool save(const char *path, const char *text, size_t size)
{
	bool direct;
	char *real = target(path, &direct), *temporary = NULL;

	if (real == NULL || asprintf(&temporary, "%s.%ld.part", real, (long)getpid()) < 0) {
		free(real);
		errno = ENOMEM;
		return false;
	}
	FILE *file = fopen(direct ? real : temporary, "we");
	bool saved = file != NULL && write_all(file, text, size, direct);
	saved = saved && (direct || rename(temporary, real) == 0);
	int why = errno;
	if (!saved && !direct && file != NULL)
		(void)unlink(temporary);
	free(temporary);
	free(real);
	errno = why;
	return saved;
}

int bench_save(const char *path, const char *text, size_t size)
{
	return save(path, text, size)
		       ? CLI_FINE
		       : cli_error(BENCH_NAME, "cannot write %s: %s", path, strerror(errno));
}

int bench_save_check(const char *path)
{
	bool direct;
	char *real = target(path, &direct), *temporary = NULL;
	int code = CLI_FINE;

	if (real == NULL || asprintf(&temporary, "%s.%ld.part", real, (long)getpid()) < 0) {
		free(real);
		return cli_error(BENCH_NAME, "out of memory");
	}
	FILE *file = fopen(direct ? real : temporary, direct ? "ae" : "wxe");
	if (file == NULL)
		code = cli_error(BENCH_NAME, "cannot write %s: %s", path, strerror(errno));
	else
		(void)fclose(file);
	if (file != NULL && !direct)
		(void)unlink(temporary);
	free(temporary);
	free(real);
	return code;
}

char *bench_command(int argc, char *const argv[])
{
	char *line = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&line, &size);

	for (int i = 0; memory != NULL && i < argc; i++) {
		(void)fputs(i > 0 ? " " : "", memory);
		cli_clean(memory, argv[i], strlen(argv[i]));
	}
	if (memory == NULL || fclose(memory) != 0) {
		free(line);
		return NULL;
	}
	return line;
}

void bench_date(char date[BENCH_DATE])
{
	time_t now = time(NULL);
	struct tm parts;

	date[0] = '\0';
	if (gmtime_r(&now, &parts) != NULL)
		(void)strftime(date, BENCH_DATE, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

int bench_write_json(const char *path, const struct bench_report *report)
{
	char *text = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&text, &size);

	if (memory == NULL)
		return cli_error(BENCH_NAME, "out of memory");
	bench_print_json(memory, report);
	bool whole = !ferror(memory);
	whole = fclose(memory) == 0 && whole;
	int code = whole ? bench_save(path, text, size) : cli_error(BENCH_NAME, "out of memory");
	free(text);
	return code;
}

int bench_write_report(const char *path, const struct bench_report *report)
{
	char *page = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&page, &size);

	if (memory == NULL)
		return cli_error(BENCH_NAME, "out of memory");
	unsigned failed = bench_report_print(memory, report);
	bool whole = !ferror(memory);
	whole = fclose(memory) == 0 && whole;
	int code = whole ? bench_save(path, page, size) : cli_error(BENCH_NAME, "out of memory");
	free(page);
	if (code == CLI_FINE && failed > 0)
		code = cli_error(BENCH_NAME, "%s: gnuplot did not draw %u of the plots", path,
				 failed);
	return code;
}
