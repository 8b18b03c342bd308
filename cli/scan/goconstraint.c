/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Build constraints (go/build/constraint: "//go:build", and "// +build" where that is all there is): whether any build
 * with a version of Go has the file in it. Tags of versions are decided; systems and the user's own tags are free, and
 * every way to set them is tried.
 *
 * A tag that is never set where the linker of Go is used: ignore, gccgo, tinygo. gc always is.
 */
#include "cli/scan/gofile.h"

#include <stdlib.h>
#include <string.h>

#define FREE_TAGS \
	12 /* of more, all ways would be too many: then the file is taken to be in the build */

/* What GOOS and GOARCH can be (go/build/syslist.go's lists); the table is of linux/amd64. */
static const char *const systems[] = {"aix",    "android", "darwin",  "dragonfly", "freebsd",
				      "hurd",   "illumos", "ios",     "js",        "linux",
				      "nacl",   "netbsd",  "openbsd", "plan9",     "solaris",
				      "wasip1", "windows", "zos"};
static const char *const architectures[] = {"386",     "amd64",   "arm",      "arm64",  "loong64",
					    "mips",    "mips64",  "mips64le", "mipsle", "ppc64",
					    "ppc64le", "riscv64", "s390x",    "wasm"};

static bool listed(const char *const *list, size_t count, struct scan_span name)
{
	for (size_t i = 0; i < count; i++) {
		if (scan_is(name, list[i]))
			return true;
	}
	return false;
}

static bool is_system(struct scan_span name)
{
	return listed(systems, sizeof systems / sizeof *systems, name);
}

static bool is_architecture(struct scan_span name)
{
	return listed(architectures, sizeof architectures / sizeof *architectures, name);
}

struct constraint {
	struct scan_span rest;
	int minor;
	enum go_platform platform;
	struct scan_span free[FREE_TAGS];
	size_t free_count;
	unsigned set; /* which of the free tags are, by bit */
	bool too_many, broken;
	unsigned depth;
};

static bool tag(struct constraint *constraint, struct scan_span name)
{
	if (scan_begins(name, "go1.")) {
		int minor = 0;
		for (size_t i = 4;
		     i < name.size && name.text[i] >= '0' && name.text[i] <= '9' && minor < 9999;
		     i++)
			minor = minor * 10 + (name.text[i] - '0');
		return constraint->minor >= minor;
	}
	if (scan_is(name, "gc") || scan_is(name, "go1"))
		return true;
	if (scan_is(name, "ignore") || scan_is(name, "gccgo") || scan_is(name, "tinygo"))
		return false;
	if (constraint->platform == GO_LINUX_AMD64) {
		if (is_system(name) || is_architecture(name))
			return scan_is(name, "linux") || scan_is(name, "amd64");
		if (scan_is(name, "unix"))
			return true;
	}
	for (size_t i = 0; i < constraint->free_count; i++) {
		if (scan_same(constraint->free[i], name))
			return (constraint->set >> i & 1) != 0;
	}
	if (constraint->free_count == FREE_TAGS) {
		constraint->too_many = true;
		return true;
	}
	size_t mine = constraint->free_count++;
	constraint->free[mine] = name;
	return (constraint->set >> mine & 1) != 0;
}

static void skip_blanks(struct constraint *constraint)
{
	while (constraint->rest.size > 0 && scan_one_of(*constraint->rest.text, " \t\r")) {
		constraint->rest.text++;
		constraint->rest.size--;
	}
}

static bool take(struct constraint *constraint, const char *text)
{
	skip_blanks(constraint);
	if (!scan_begins(constraint->rest, text))
		return false;
	constraint->rest.text += strlen(text);
	constraint->rest.size -= strlen(text);
	return true;
}

static struct scan_span take_name(struct constraint *constraint)
{
	struct scan_span name;

	skip_blanks(constraint);
	name = (struct scan_span){constraint->rest.text, 0};
	while (constraint->rest.size > 0 && !scan_one_of(*constraint->rest.text, " \t\r()!&|,")) {
		constraint->rest.text++;
		constraint->rest.size--;
		name.size++;
	}
	return name;
}

static bool either(struct constraint *constraint);

static bool single(struct constraint *constraint)
{
	bool negated = false;

	while (take(constraint, "!"))
		negated = !negated;
	bool value;
	if (take(constraint, "(")) {
		if (++constraint->depth > 100) {
			constraint->broken = true;
			return true;
		}
		value = either(constraint);
		constraint->depth--;
		constraint->broken = !take(constraint, ")") || constraint->broken;
	} else {
		struct scan_span name = take_name(constraint);
		constraint->broken = name.size == 0 || constraint->broken;
		value = tag(constraint, name);
	}
	return value != negated;
}

static bool both(struct constraint *constraint)
{
	bool value = single(constraint);

	while (!constraint->broken && take(constraint, "&&"))
		value = single(constraint) &&
			value; /* each is read, also where it no longer counts */
	return value;
}

static bool either(struct constraint *constraint)
{
	bool value = both(constraint);

	while (!constraint->broken && take(constraint, "||"))
		value = both(constraint) || value;
	return value;
}

/* // +build a,b c: (a and b) or c. */
static bool plus_line(struct constraint *constraint, struct scan_span line)
{
	struct scan_span word;
	bool any = false;

	while ((word = scan_next_word(&line)).size > 0) {
		struct constraint part = *constraint;
		bool all = true;
		part.rest = word;
		do {
			bool negated = take(&part, "!");
			all = (tag(&part, take_name(&part)) != negated) && all;
		} while (take(&part, ","));
		part.rest = constraint->rest;
		*constraint = part;
		any = any || all;
	}
	return any;
}

static bool holds(struct constraint *constraint, const struct go_file *file)
{
	bool value = true;

	if (file->constraint.size > 0) {
		constraint->rest = file->constraint;
		value = either(constraint);
		skip_blanks(constraint);
		if (constraint->rest.size > 0 && !scan_begins(constraint->rest, "//"))
			constraint->broken = true;
		return value;
	}
	for (size_t i = 0; i < file->plus.count; i++)
		value = plus_line(constraint, *SCAN_AT(&file->plus, struct scan_span, i)) && value;
	return value;
}

bool go_name_for_linux_amd64(const char *path)
{
	const char *name = strrchr(path, '/'), *end;

	name = name != NULL ? name + 1 : path;
	end = strchr(name, '.');
	for (int part = 0; end != NULL && part < 2; part++) {
		const char *from = memrchr(name, '_', (size_t)(end - name));
		if (from == NULL)
			break;
		struct scan_span word = {from + 1, (size_t)(end - from - 1)};
		if ((is_system(word) && !scan_is(word, "linux")) ||
		    (is_architecture(word) && !scan_is(word, "amd64")))
			return false;
		end = from;
	}
	return true;
}

bool go_file_for(const struct go_file *file, int minor, enum go_platform platform)
{
	struct constraint constraint = {.minor = minor, .platform = platform};

	do {
		if (holds(&constraint, file) || constraint.broken || constraint.too_many)
			return true;
		constraint.set++;
	} while (constraint.set < 1U << constraint.free_count);
	return false;
}
