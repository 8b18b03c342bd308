/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * `calm scan --verify-go`: a minimal program for each symbol, linked by the local Go, says what that Go really does.
 *
 * All programs are packages of one module in a folder of its own, which holds the build cache too and is removed: one
 * run of the go command links them all, and nothing of the user's is touched. The network is not (GOTOOLCHAIN=local,
 * GOPROXY=off). Where there is no Go nothing is verified, which is said, and is no pass.
 */
#include "cli/cli.h"
#include "cli/scan/scan.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct program {
	struct scan_span symbol;
	bool assembly, variable;
	char *verdict;
};

static bool write_file(const char *folder, const char *name, char *text)
{
	char *path = scan_print("%s/%s", folder, name);
	FILE *file = fopen(path, "w");
	bool done = file != NULL && fputs(text, file) >= 0;

	done = file != NULL && fclose(file) == 0 && done;
	free(path);
	free(text);
	return done;
}

/* The symbol as assembly writes it: the point U+00B7, slashes U+2215. */
static char *in_assembly(struct scan_span symbol)
{
	size_t point = go_package_of(symbol).size;
	char *name = scan_grow(NULL, 3 * symbol.size + 1), *out = name;

	for (size_t i = 0; i < symbol.size; i++) {
		const char *text = i == point              ? "\xc2\xb7"
				   : symbol.text[i] == '/' ? "\xe2\x88\x95"
							   : NULL;
		if (text != NULL)
			out = stpcpy(out, text);
		else
			*out++ = symbol.text[i];
	}
	*out = '\0';
	return name;
}

/* An import that has the symbol's package in the program; what is internal comes with net/http. */
static char *import_of(struct scan_span symbol)
{
	struct scan_span package = go_package_of(symbol);
	bool internal = memmem(package.text, package.size, "internal", 8) != NULL ||
			scan_begins(package, "vendor/");

	if (scan_is(package, "runtime") || scan_is(package, "unsafe"))
		return scan_copy("", 0);
	return internal ? scan_print("import _ \"net/http\"\n")
			: scan_print("import _ \"%.*s\"\n", SCAN_ARGS(package));
}

static bool write_program(const char *folder, const struct program *program)
{
	char *imports = import_of(program->symbol), *body, *assembly;
	bool done = mkdir(folder, 0700) == 0;

	if (program->assembly) {
		char *name = in_assembly(program->symbol);
		body = scan_print("func f()\n");
		assembly = scan_print("TEXT \xc2\xb7"
				      "f(SB),$0-0\n\tJMP %s(SB)\n",
				      name);
		free(name);
	} else {
		body = scan_print("//go:linkname f %.*s\n%s\n", SCAN_ARGS(program->symbol),
				  program->variable ? "var f uintptr" : "func f()");
		assembly = scan_print("// lets main.go declare a function without a body\n");
	}
	done = done &&
	       write_file(
		       folder, "main.go",
		       scan_print(
			       "package main\n\nimport _ \"unsafe\"\n%s\n%s\nvar never bool\n\nfunc main() {\n"
			       "\tif never {\n\t\t%s\n\t}\n}\n",
			       imports, body, program->variable ? "println(f)" : "f()"));
	done = write_file(folder, "f.s", assembly) && done;
	free(imports);
	free(body);
	return done;
}

/* Sets the variables that keep the go command to itself. After fork. */
static void keep_apart(const char *folder)
{
	static const char *const fixed[] = {
		"GOTOOLCHAIN=local", "GOPROXY=off", "GOFLAGS=",  "GO111MODULE=on",
		"GOWORK=off",        "GOOS=",       "GOARCH=",   "CGO_ENABLED=0",
		"GOEXPERIMENT=",     "GOSUMDB=off", "GOENV=off", "GOTELEMETRY=off"};

	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
		(void)putenv((char *)fixed[i]);
	(void)putenv(scan_print("GOCACHE=%s/cache", folder));
	(void)putenv(scan_print("GOPATH=%s/path", folder));
	(void)unsetenv("GOROOT");
}

/* What `go WORD…` in the folder printed, on both its outputs; NULL: it could not be run. */
static char *run_go(const char *folder, char *const arguments[])
{
	int ends[2];
	char *text = NULL;
	size_t size = 0;
	ssize_t got;

	if (pipe(ends) != 0)
		return NULL;
	pid_t child = fork();
	if (child == 0) {
		keep_apart(folder);
		if (chdir(folder) == 0 && dup2(ends[1], 1) == 1 && dup2(ends[1], 2) == 2) {
			(void)close(ends[0]);
			(void)execvp("go", arguments);
		}
		_exit(127);
	}
	(void)close(ends[1]);
	do {
		text = scan_grow(text, size + 4097);
		do
			got = child > 0 ? read(ends[0], text + size, 4096) : 0;
		while (got < 0 && errno == EINTR);
		size += got > 0 ? (size_t)got : 0;
	} while (got > 0);
	(void)close(ends[0]);
	text[size] = '\0';
	int status = 127 << 8;
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (child < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 127) || got < 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* Deals the lines behind "# example.com/verify/pN" out to their programs; the first of each counts. */
static void read_verdicts(struct scan_span output, struct scan_list *programs)
{
	static const char head[] = "# example.com/verify/p";
	struct scan_span line;
	struct program *current = NULL;

	while (scan_next_line(&output, &line)) {
		if (scan_begins(line, head)) {
			size_t number = (size_t)strtoul(line.text + sizeof head - 1, NULL, 10);
			current = number < programs->count
					  ? SCAN_AT(programs, struct program, number)
					  : NULL;
		} else if (current != NULL && current->verdict == NULL && line.size > 0) {
			current->verdict = scan_copy(line.text, line.size);
		}
	}
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
	(void)status;
	(void)kind;
	(void)walk;
	(void)chmod(path, 0700); /* Go makes its caches read-only */
	return remove(path);
}

static struct program *program_of(struct scan_list *programs, const struct scan_finding *finding)
{
	struct scan_span symbol = scan_word(finding->symbol);

	for (size_t i = 0; i < programs->count; i++) {
		struct program *program = SCAN_AT(programs, struct program, i);
		if (scan_same(program->symbol, symbol) && program->assembly == finding->assembly &&
		    program->variable == finding->variable)
			return program;
	}
	struct program *program = SCAN_ADD(programs, struct program);
	*program = (struct program){symbol, finding->assembly, finding->variable, NULL};
	return program;
}

static bool link_all(const char *folder, struct scan_list *programs)
{
	static char go[] = "go", build[] = "build", output[] = "-o", into[] = "bin/",
		    all[] = "./...";
	char *const arguments[] = {go, build, output, into, all, NULL};
	char *bin = scan_print("%s/bin", folder);
	bool done = mkdir(bin, 0700) == 0;

	free(bin);
	done = write_file(folder, "go.mod", scan_print("module example.com/verify\n\ngo 1.19\n")) &&
	       done;
	for (size_t i = 0; i < programs->count && done; i++) {
		char *inner = scan_print("%s/p%zu", folder, i);
		done = write_program(inner, SCAN_AT(programs, struct program, i));
		free(inner);
	}
	char *text = done ? run_go(folder, arguments) : NULL;
	if (text == NULL)
		return false;
	read_verdicts(scan_word(text), programs);
	free(text);
	/* What has neither a complaint nor a program was not decided. */
	for (size_t i = 0; i < programs->count; i++) {
		struct program *program = SCAN_AT(programs, struct program, i);
		char *path = scan_print("%s/bin/p%zu", folder, i);
		if (program->verdict == NULL)
			program->verdict = access(path, X_OK) == 0 ? scan_print("links")
								   : scan_print("not decided");
		free(path);
	}
	return true;
}

bool scan_verify(struct scan *scan)
{
	static char go[] = "go", env[] = "env", variable[] = "GOVERSION";
	char *const ask[] = {go, env, variable, NULL};
	struct scan_list programs = {NULL, 0, 0};
	const char *temporary = getenv("TMPDIR");
	char *folder = scan_print("%s/calm-scan-XXXXXX",
				  temporary != NULL && *temporary == '/' ? temporary : "/tmp");

	for (size_t i = 0; i < scan->findings.count; i++) {
		const struct scan_finding *finding = SCAN_AT(&scan->findings, struct scan_finding,
							     i);
		if (finding->pull || finding->assembly)
			(void)program_of(&programs, finding);
	}
	bool made = mkdtemp(folder) != NULL;
	char *version = made ? run_go(folder, ask) : NULL;
	bool works = version != NULL && strncmp(version, "go", 2) == 0;
	bool done = works && (programs.count == 0 || link_all(folder, &programs));
	if (!done)
		(void)cli_error(SCAN_NAME, "--verify-go: %s: nothing was verified",
				!made    ? strerror(errno)
				: !works ? "no go command that works"
					 : "the go command could not link");
	for (size_t i = 0; i < scan->findings.count && done; i++) {
		struct scan_finding *finding = SCAN_AT(&scan->findings, struct scan_finding, i);
		if (finding->pull || finding->assembly)
			finding->verdict = scan_print("%.*s: %s", (int)strcspn(version, "\n"),
						      version,
						      program_of(&programs, finding)->verdict);
	}
	if (made)
		(void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	for (size_t i = 0; i < programs.count; i++)
		free(SCAN_AT(&programs, struct program, i)->verdict);
	free(programs.items);
	free(version);
	free(folder);
	return done;
}
