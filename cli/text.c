/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Text in and out of the commands; promises: cli.h. */
#include "cli/cli.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say(const char *command, const char *format, va_list list)
{
	char *text = NULL;

	(void)fflush(stdout);
	(void)fprintf(stderr, "%s: ", command);
	if (vasprintf(&text, format, list) >= 0) {
		cli_clean(stderr, text, strlen(text));
		free(text);
	} else {
		(void)fputs("out of memory", stderr);
	}
	(void)fputc('\n', stderr);
}

int cli_error(const char *command, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	say(command, format, list);
	va_end(list);
	return CLI_FAILED;
}

int cli_misuse(const char *command, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	say(command, format, list);
	va_end(list);
	(void)fprintf(stderr, "try '%s --help'\n", command);
	return CLI_FAILED;
}

bool cli_parse_count(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
	uint64_t number = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		unsigned digit = (unsigned)(*text - '0');
		if (number > (UINT64_MAX - digit) / 10)
			return false;
		number = number * 10 + digit;
	}
	*out = number;
	return number >= least && number <= most;
}

bool cli_parse_seconds(const char *text, double most, double *out)
{
	size_t digits = strspn(text, "0123456789");
	const char *rest = text + digits;

	if (*rest == '.') {
		size_t decimals = strspn(rest + 1, "0123456789");
		rest += 1 + decimals;
		digits += decimals;
	}
	if (digits == 0 || *rest != '\0')
		return false;
	*out = strtod(text, NULL);
	return *out > 0 && *out <= most;
}

bool cli_redraws(FILE *file)
{
	const char *terminal = getenv("TERM");

	return isatty(fileno(file)) == 1 && (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

bool cli_colour(FILE *file)
{
	const char *refused = getenv("NO_COLOR");

	return (refused == NULL || *refused == '\0') && cli_redraws(file);
}

/* The size of the UTF-8 sequence at text (Unicode 15, table 3-7); 0: there is none. */
static size_t utf8(const unsigned char *text, size_t size)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (text[0] < 0x80)
		return 1;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	n = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	if (n > size)
		return 0;
	if (text[0] == 0xe0)
		low = 0xa0;
	else if (text[0] == 0xed)
		high = 0x9f;
	else if (text[0] == 0xf0)
		low = 0x90;
	else if (text[0] == 0xf4)
		high = 0x8f;
	if (text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if (text[i] < 0x80 || text[i] > 0xbf)
			return 0;
	}
	return n;
}

/* Control characters: C0, DEL and C1. */
static bool controls(const unsigned char *text)
{
	return text[0] < 0x20 || text[0] == 0x7f || (text[0] == 0xc2 && text[1] < 0xa0);
}

void cli_clean(FILE *file, const char *text, size_t size)
{
	const unsigned char *at = (const unsigned char *)text;
	const unsigned char *end = at + size;

	while (at < end) {
		size_t n = utf8(at, (size_t)(end - at));
		if (n > 0 && !controls(at)) {
			(void)fwrite(at, 1, n, file);
			at += n;
			continue;
		}
		for (n = n > 0 ? n : 1; n > 0; n--)
			(void)fprintf(file, "\\x%02x", *at++);
	}
}

void cli_json(FILE *file, const char *text, size_t size)
{
	const unsigned char *at = (const unsigned char *)text;
	const unsigned char *end = at + size;

	(void)fputc('"', file);
	while (at < end) {
		size_t n = utf8(at, (size_t)(end - at));
		if (n == 0) {
			(void)fputs("\\ufffd", file);
			n = 1;
		} else if (*at == '"' || *at == '\\') {
			(void)fprintf(file, "\\%c", *at);
		} else if (*at < 0x20 || *at == 0x7f || *at == '<') {
			(void)fprintf(file, "\\u%04x", *at);
		} else {
			(void)fwrite(at, 1, n, file);
		}
		at += n;
	}
	(void)fputc('"', file);
}

void cli_json_number(FILE *file, double number)
{
	if (isfinite(number))
		(void)fprintf(file, "%.3f", number);
	else
		(void)fputs("null", file);
}

/* Three digits of number with the unit; number < 1000. */
static const char *three_digits(char *text, double number, const char *unit)
{
	int decimals = number < 9.995 ? 2 : number < 99.95 ? 1 : 0;

	(void)snprintf(text, CLI_NUMBER, "%.*f%s", decimals, number, unit);
	return text;
}

const char *cli_count(char *text, double number)
{
	static const char *const units[] = {"", " k", " M", " G", " T"};
	size_t unit = 0;

	if (!isfinite(number))
		return "-";
	while (number >= 999.5 && unit < 4) {
		number /= 1000;
		unit++;
	}
	if (unit == 0 && number == floor(number))
		(void)snprintf(text, CLI_NUMBER, "%.0f", number);
	else
		(void)three_digits(text, number, units[unit]);
	return text;
}

const char *cli_time(char *text, double ns)
{
	static const char *const units[] = {" ns", " us", " ms", " s"};
	size_t unit = 0;

	if (!isfinite(ns))
		return "-";
	while (ns >= 999.5 && unit < 3) {
		ns /= 1000;
		unit++;
	}
	return three_digits(text, ns, units[unit]);
}
