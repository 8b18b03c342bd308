/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Code that relies on how the runtime's own structures look: rules GL01 to GL05.
 *
 * A copy is told by its fields, not by its name: nobody calls a copy of runtime.m `m` for long, and many innocent
 * structures are called g. GL01 looks at what is handed to a pulled mapiterinit or mapiternext.
 */
#include "cli/scan/golayout.h"
#include "cli/scan/scan.h"

#include <stdlib.h>
#include <string.h>

/*
 * runtime.hiter of 1.12 to 1.23: eight pointers, then what is none. Since 1.24 the runtime keeps less in it, but relies
 * on that size, and on no pointer lying where the old one had none (runtime/linkname_swiss.go).
 */
#define HITER_SIZE 96
#define HITER_POINTERS 0xff

#define NO_UPPER_TAG (GO_NEWEST + 1000) /* a version that only an upper tag keeps out */

static const struct {
	const char *name;
	size_t enough; /* of the fields below make it one */
	const char *fields[12];
} copies[] = {
	{"hmap",
	 4,
	 {"count", "flags", "B", "noverflow", "hash0", "buckets", "oldbuckets", "nevacuate",
	  "extra"}},
	{"moduledata",
	 3,
	 {"pclntable", "pcHeader", "ftab", "filetab", "findfunctab", "minpc", "maxpc", "etext",
	  "noptrdata", "typelinks", "itablinks", "modulename"}},
	{"_func",
	 3,
	 {"entryOff", "entryoff", "nameOff", "nameoff", "deferreturn", "pcsp", "pcfile", "pcln",
	  "npcdata", "cuOffset", "funcID", "nfuncdata"}},
	{"m",
	 3,
	 {"g0", "morebuf", "procid", "gsignal", "curg", "caughtsig", "mstartfn", "nextp",
	  "mallocing", "spinning", "freelink", "lockedg"}},
	{"g",
	 3,
	 {"stackguard0", "stackguard1", "_panic", "_defer", "sched", "atomicstatus", "goid",
	  "schedlink", "waitsince", "waitreason", "gopc", "startpc"}},
};

static const char *const statuses[] = {
	"idle", "runnable",       "running",     "syscall",     "waiting",     "moribund_unused",
	"dead", "enqueue_unused", "copystack",   "preempted",   "leaked",      "deadextra",
	"scan", "scanrunnable",   "scanrunning", "scansyscall", "scanwaiting", "scanpreempted"};

static struct scan_place place_of(const struct go_file *file, unsigned line, unsigned column)
{
	return (struct scan_place){file->path, line, column, file->text};
}

static void copy_of(struct scan *scan, const struct go_file *file, const struct go_decl *decl)
{
	struct scan_span names[64];
	size_t count = go_fields_of(file, decl, names, 64);

	for (size_t i = 0; i < sizeof copies / sizeof *copies && count > 0; i++) {
		size_t known = 0;
		for (size_t j = 0; j < 12 && copies[i].fields[j] != NULL; j++) {
			for (size_t k = 0; k < count; k++)
				known += scan_is(names[k], copies[i].fields[j]);
		}
		if (known < copies[i].enough)
			continue;
		bool open = go_file_for(file, NO_UPPER_TAG, GO_ANY_PLATFORM);
		struct scan_place place = place_of(file, decl->line, decl->column);
		char *symbol = scan_print("runtime.%s", copies[i].name);
		(void)scan_find(scan, GL02, open ? SCAN_ERROR : SCAN_WARNING, &place,
				scan_word(symbol),
				scan_print("%.*s copies %s, whose fields move between versions%s",
					   SCAN_ARGS(decl->name), symbol,
					   open ? "; no build tag keeps newer ones out" : ""));
		free(symbol);
		return;
	}
}

/* The directive of the file that gives the function its symbol, if that is one of the map iterator's. */
static bool iterates(const struct go_file *file, struct scan_span function)
{
	for (size_t i = 0; i < file->directives.count; i++) {
		const struct go_directive *directive = SCAN_AT(&file->directives,
							       struct go_directive, i);
		if (directive->form == GO_DIRECTIVE && scan_same(directive->local, function) &&
		    (scan_begins(directive->target, "runtime.mapiter") ||
		     scan_begins(directive->target, "reflect.mapiter")))
			return true;
	}
	return false;
}

static void iterator(struct scan *scan, const struct go_file *file, const struct go_decl *decl,
		     const struct scan_list *files)
{
	struct go_layout layout = go_layout_of(file, decl, files);
	struct scan_place place = place_of(file, decl->line, decl->column);
	bool same = layout.known && layout.size == HITER_SIZE && layout.pointers == HITER_POINTERS;
	bool differs = layout.known && !same;
	char *message;

	if (differs && layout.size != HITER_SIZE)
		message = scan_print(
			"%.*s is handed to the runtime as a map iterator: it has %zu bytes, and must have %d",
			SCAN_ARGS(decl->name), layout.size, HITER_SIZE);
	else if (differs)
		message = scan_print(
			"%.*s is handed to the runtime as a map iterator: its pointers lie elsewhere than "
			"the old iterator's (its first eight words)",
			SCAN_ARGS(decl->name));
	else
		message = scan_print(
			"%.*s is handed to the runtime as a map iterator, whose layout changed in 1.24",
			SCAN_ARGS(decl->name));
	struct scan_finding *finding = scan_find(scan, GL01, differs ? SCAN_ERROR : SCAN_WARNING,
						 &place, scan_word("runtime.hiter"), message);
	scan_since(finding, 24);
}

/*
 * The structure that a function which iterates over maps gets as its iterator: its last parameter, *T, where T has a key.
 * (The type of the map, which comes before, has one too.)
 */
static void iterators(struct scan *scan, const struct go_file *file, const struct go_decl *function,
		      const struct scan_list *files)
{
	const struct go_file *owner = NULL;
	const struct go_decl *last = NULL;
	struct scan_span fields[2];
	bool keyed = false;

	for (size_t i = function->first; i + 1 < function->last; i++) {
		const struct go_token *star = SCAN_AT(&file->tokens, struct go_token, i),
				      *name = star + 1;
		if (go_is(star, "*") && name->kind == GO_NAME)
			last = go_type_of(file, files, (struct scan_span){name->text, name->size},
					  &owner);
	}
	for (size_t i = 0; last != NULL && i < go_fields_of(owner, last, fields, 2); i++)
		keyed = keyed || scan_is(fields[i], "key") || scan_is(fields[i], "Key");
	for (size_t i = 0; keyed && i < scan->findings.count; i++) {
		const struct scan_finding *other = SCAN_AT(&scan->findings, struct scan_finding, i);
		if (other->rule == GL01 && other->line == last->line &&
		    strcmp(other->path, owner->path) == 0)
			keyed = false; /* mapiterinit said so, mapiternext need not */
	}
	if (keyed && owner->path != NULL)
		iterator(scan, owner, last, files);
}

/* _Gdead, Gdead: a constant with a value of its own. */
static void status(struct scan *scan, const struct go_file *file, const struct go_decl *decl)
{
	struct scan_span name = decl->name;

	if (scan_begins(name, "_")) {
		name.text++;
		name.size--;
	}
	if (!scan_begins(name, "G"))
		return;
	name.text++;
	name.size--;
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		if (!scan_is(name, statuses[i]))
			continue;
		struct scan_place place = place_of(file, decl->line, decl->column);
		char *symbol = scan_print("runtime._G%s", statuses[i]);
		struct scan_finding *finding = scan_find(
			scan, GL03, SCAN_WARNING, &place, scan_word(symbol),
			scan_print(
				"%.*s repeats a goroutine status of the runtime's as a number; 1.26 added new ones",
				SCAN_ARGS(decl->name)));
		scan_since(finding, 26);
		free(symbol);
		return;
	}
}

/* Structures of std whose fields are its own; others, as reflect.SliceHeader, are documented. */
static const struct {
	const char *package, *type;
} private[] = {
	{"reflect", "Value"},     {"reflect", "ValueOf"}, {"reflect", "MapIter"},
	{"sync", "Map"},          {"sync", "Mutex"},      {"sync", "RWMutex"},
	{"sync", "Pool"},         {"sync", "Once"},       {"sync", "Cond"},
	{"sync", "WaitGroup"},    {"time", "Time"},       {"time", "Timer"},
	{"strings", "Builder"},   {"bytes", "Buffer"},    {"runtime", "Func"},
	{"sync/atomic", "Value"},
};

/* unsafe.Sizeof(reflect.Value…), also of *(*reflect.Value)…, at token i. */
static void sizes(struct scan *scan, const struct go_file *file, size_t i)
{
	const struct go_token *at = SCAN_AT(&file->tokens, struct go_token, i), *call = at + 2;
	size_t rest = file->tokens.count - i;

	if (rest < 7 || at->kind != GO_NAME || !go_is(at + 1, ".") || !go_is(at + 3, "(") ||
	    !(go_is(call, "Sizeof") || go_is(call, "Offsetof") || go_is(call, "Alignof")) ||
	    !go_file_calls(file, (struct scan_span){at->text, at->size}, "unsafe"))
		return;
	size_t next = 4;
	while (next + 3 < rest &&
	       (go_is(at + next, "(") || go_is(at + next, "*") || go_is(at + next, "&")))
		next++;
	const struct go_token *package = at + next, *type = at + next + 2;
	for (size_t j = 0; next + 3 < rest && j < sizeof private / sizeof *private; j++) {
		if (!go_is(package + 1, ".") || !go_is(type, private[j].type) ||
		    !go_file_calls(file, (struct scan_span){package->text, package->size},
				   private[j].package))
			continue;
		const char *name = strcmp(private[j].type, "ValueOf") == 0 ? "Value"
									   : private[j].type;
		struct scan_place place = place_of(file, at->line, at->column);
		char *symbol = scan_print("%s.%s", private[j].package, name);
		(void)scan_find(scan, GL04, SCAN_NOTE, &place, scan_word(symbol),
				scan_print("unsafe.%.*s looks into %s", SCAN_ARGS(*call), symbol));
		free(symbol);
		return;
	}
}

/* Whether == or != stands in the expression around token i. */
static bool compared(const struct go_file *file, size_t i)
{
	static const char *const ends[] = {";", "{",      "}",  "&&",  "||",
					   ",", "return", "if", "for", "switch"};

	for (int step = -1; step <= 1; step += 2) {
		for (size_t at = i; at < file->tokens.count; at += (size_t)(long)step) {
			const struct go_token *token = SCAN_AT(&file->tokens, struct go_token, at);
			bool end = token->kind == GO_SEMICOLON;
			if (token->kind == GO_SYMBOL && (go_is(token, "==") || go_is(token, "!=")))
				return true;
			for (size_t j = 0; j < sizeof ends / sizeof *ends; j++)
				end = end || (token->kind != GO_STRING && go_is(token, ends[j]));
			if (end)
				break;
		}
	}
	return false;
}

static void mallocs(struct scan *scan, const struct go_file *file, size_t i)
{
	const struct go_token *point = SCAN_AT(&file->tokens, struct go_token, i);

	if (!go_is(point, ".") || i + 1 >= file->tokens.count || !go_is(point + 1, "Mallocs") ||
	    !compared(file, i))
		return;
	struct scan_place place = place_of(file, point[1].line, point[1].column);
	size_t before = scan->findings.count;
	if (before > 0) { /* a == b with Mallocs on both sides is one comparison */
		const struct scan_finding *last = SCAN_AT(&scan->findings, struct scan_finding,
							  before - 1);
		if (last->rule == GL05 && last->line == place.line &&
		    strcmp(last->path, file->path) == 0)
			return;
	}
	(void)scan_find(
		scan, GL05, SCAN_NOTE, &place, scan_word("runtime.MemStats.Mallocs"),
		scan_print(
			"compares MemStats.Mallocs exactly; the runtime allocates too, and each version otherwise"));
}

void scan_go_layout(struct scan *scan, const struct go_file *file, const struct scan_list *files)
{
	bool counts = go_file_import(file, "runtime") != NULL;

	for (size_t i = 0; i < file->decls.count; i++) {
		const struct go_decl *decl = SCAN_AT(&file->decls, struct go_decl, i);
		if (decl->what == GO_TYPE)
			copy_of(scan, file, decl);
		else if (decl->what == GO_CONST)
			status(scan, file, decl);
		else if (decl->what == GO_FUNC && !decl->filled && iterates(file, decl->name))
			iterators(scan, file, decl, files);
	}
	for (size_t i = 0; i < file->tokens.count; i++) {
		if (file->unsafe)
			sizes(scan, file, i);
		if (counts)
			mallocs(scan, file, i);
	}
}
