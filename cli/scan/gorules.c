/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What Go sources bind to: rules GO01 to GO07 and GA01.
 *
 * A directive renames what its package declares, in whichever of its files: so the files of a folder are judged
 * together, those of one package name at a time. Files that no build with the version has are counted and left out.
 */
#include "cli/scan/goasm.h"
#include "cli/scan/gofile.h"
#include "cli/scan/gohints.h"
#include "cli/scan/gomodule.h"
#include "cli/scan/scan.h"

#include <stdlib.h>
#include <string.h>

/* Who else's a symbol is. */
enum owner {
	OWNER_STD,
	OWNER_OWN,   /* this module's, or the program's main */
	OWNER_OTHER, /* another module's */
	OWNER_HOST   /* no Go symbol: there is no point in its name */
};

struct binding {
	struct scan *scan;
	const struct go_file *file;
	const struct go_directive *directive;
	struct scan_place place;
	enum owner owner;
	bool variable;
};

/* Whether the file is one of the standard library's own. */
static bool of_std(struct scan *scan, const char *path)
{
	struct scan_span module = go_module_of(&scan->modules, path);

	return scan_is(module, "std") || scan_is(module, "cmd");
}

static enum owner owner_of(struct scan *scan, const char *path, struct scan_span symbol)
{
	struct scan_span package = go_package_of(symbol);
	struct scan_span module = go_module_of(&scan->modules, path);
	bool to_std = go_is_std(package) || scan_begins(package, "vendor/golang.org/");

	if (package.size == 0)
		return OWNER_HOST;
	if (to_std)
		return of_std(scan, path) ? OWNER_OWN : OWNER_STD;
	if (scan_is(package, "main"))
		return OWNER_OWN;
	bool inside = module.size > 0 && package.size >= module.size &&
		      memcmp(package.text, module.text, module.size) == 0 &&
		      (package.size == module.size || package.text[module.size] == '/');
	return inside ? OWNER_OWN : OWNER_OTHER;
}

static enum go_answer ask(struct scan_span symbol, int minor, bool assembly)
{
	enum go_answer answer = assembly ? go_table_assembly(symbol, minor)
					 : go_table_pull(symbol, minor);

	if (answer == GO_UNLISTED)
		return minor < GO_CHECKS ? GO_LINKS : GO_REFUSED;
	return answer;
}

/* The version from which on, without a break until minor, the answer is not `links`; 0: from the oldest known on. */
static int broken_since(struct scan_span symbol, int minor, bool assembly)
{
	int since = minor < GO_NEWEST ? minor : GO_NEWEST;

	while (since > GO_OLDEST && ask(symbol, since - 1, assembly) != GO_LINKS)
		since--;
	return since > GO_OLDEST || ask(symbol, GO_OLDEST, assembly) == GO_LINKS ? since : 0;
}

/* The first version after minor whose answer is `answer`, or with `same` is not; 0: none known. */
static int next_version(struct scan_span symbol, int minor, bool assembly, enum go_answer answer,
			bool same)
{
	for (int later = minor < GO_OLDEST ? GO_OLDEST : minor + 1; later <= GO_NEWEST; later++) {
		if ((ask(symbol, later, assembly) == answer) == same)
			return later;
	}
	return 0;
}

static struct scan_finding *refused(struct binding *binding, struct scan_span symbol, int minor)
{
	int since = broken_since(symbol, minor, false);
	char *message =
		since > 0
			? scan_print("pulls %.*s, which the linker of Go 1.%d refuses (since 1.%d)",
				     SCAN_ARGS(symbol), minor, since)
			: scan_print("pulls %.*s, which the linker of Go 1.%d refuses",
				     SCAN_ARGS(symbol), minor);
	struct scan_finding *finding = scan_find(binding->scan, GO01, SCAN_ERROR, &binding->place,
						 symbol, message);

	scan_since(finding, since);
	return finding;
}

static struct scan_finding *tolerated(struct binding *binding, struct scan_span symbol, int minor)
{
	int later = next_version(symbol, minor, false, GO_LINKS, false);
	const char *how = later > 0 && ask(symbol, later, false) == GO_ABSENT ? "gone" : "refused";
	char *message =
		later > 0 ? scan_print("pulls %.*s: Go 1.%d links it, but it is %s from 1.%d on",
				       SCAN_ARGS(symbol), minor, how, later)
			  : scan_print("pulls %.*s, which nobody promised; Go 1.%d tolerates it",
				       SCAN_ARGS(symbol), minor);
	struct scan_finding *finding = scan_find(binding->scan, GO02, SCAN_WARNING, &binding->place,
						 symbol, message);

	scan_since(finding, later);
	return finding;
}

static struct scan_finding *absent(struct binding *binding, struct scan_span symbol, int minor)
{
	int later = next_version(symbol, minor, false, GO_LINKS, true);
	int since = broken_since(symbol, minor, false);
	const char *what = binding->variable ? "; the linker makes a zero variable of that name"
					     : "";
	char *message =
		later > 0   ? scan_print("pulls %.*s, which Go 1.%d does not have yet (1.%d has)%s",
					 SCAN_ARGS(symbol), minor, later, what)
		: since > 0 ? scan_print("pulls %.*s, which Go 1.%d no longer has (since 1.%d)%s",
					 SCAN_ARGS(symbol), minor, since, what)
			    : scan_print("pulls %.*s, which Go 1.%d does not have%s",
					 SCAN_ARGS(symbol), minor, what);
	struct scan_finding *finding = scan_find(binding->scan, GO03, SCAN_ERROR, &binding->place,
						 symbol, message);

	scan_since(finding, later > 0 ? 0 : since);
	return finding;
}

static void pull_of_std(struct binding *binding)
{
	const struct go_world *world = scan_world(binding->scan);
	struct scan_span symbol = binding->directive->target;
	struct scan_finding *finding;

	switch (go_world_pull(world, symbol)) {
	case GO_ABSENT:
		finding = absent(binding, symbol, world->minor);
		break;
	case GO_REFUSED:
		finding = refused(binding, symbol, world->minor);
		break;
	case GO_UNLISTED:
		finding = world->minor < GO_CHECKS ? tolerated(binding, symbol, world->minor)
						   : refused(binding, symbol, world->minor);
		break;
	default:
		finding = tolerated(binding, symbol, world->minor);
		break;
	}
	if (finding == NULL)
		return;
	const char *hint = go_hint(symbol);
	if (hint != NULL && finding->rule != GO03)
		finding->hint = hint;
	finding->pull = true;
	finding->variable = binding->variable;
}

static void pull(struct binding *binding)
{
	struct scan_span symbol = binding->directive->target;

	switch (binding->owner) {
	case OWNER_STD:
		pull_of_std(binding);
		break;
	case OWNER_HOST:
		(void)scan_find(binding->scan, GO06, SCAN_NOTE, &binding->place, symbol,
				scan_print("binds to %.*s, a name of the host and not of Go",
					   SCAN_ARGS(symbol)));
		break;
	default:
		(void)scan_find(
			binding->scan, GO05, binding->owner == OWNER_OWN ? SCAN_NOTE : SCAN_WARNING,
			&binding->place, symbol,
			scan_print("pulls %.*s from %s", SCAN_ARGS(symbol),
				   binding->owner == OWNER_OWN ? "another package of its own module"
							       : "another module"));
		break;
	}
}

/* What the package declares under that name, the file's own first. */
static const struct go_decl *declared(const struct go_file *file, const struct scan_list *files,
				      struct scan_span name, const struct go_world *world)
{
	for (size_t i = 0; i <= files->count; i++) {
		const struct go_file *other = i == 0 ? file : SCAN_AT(files, struct go_file, i - 1);
		if (!scan_same(other->package, file->package) ||
		    !go_file_for(other, world->minor, GO_ANY_PLATFORM))
			continue;
		for (size_t j = 0; j < other->decls.count; j++) {
			const struct go_decl *decl = SCAN_AT(&other->decls, struct go_decl, j);
			if (decl->what != GO_METHOD && scan_same(decl->name, name))
				return decl;
		}
	}
	return NULL;
}

static const char *const nearly[] = {
	[GO_WORDS] =
		"a linkname directive has one or two words, and this one has not: the compiler refuses it",
	[GO_NOT_ALONE] =
		"a linkname directive stands alone on its line: the compiler refuses this one",
	[GO_NO_UNSAFE] = "the file does not import \"unsafe\": the compiler refuses the directive",
	[GO_LOOKS_LIKE_ONE] = "looks like a linkname directive, but is a plain comment",
};

static void judge(struct binding *binding, const struct scan_list *files)
{
	const struct go_directive *directive = binding->directive;
	const struct go_decl *decl = declared(binding->file, files, directive->local,
					      scan_world(binding->scan));
	bool nameable = decl != NULL && (decl->what == GO_FUNC || decl->what == GO_VAR);
	struct scan_span symbol = directive->target.size > 0 ? directive->target : directive->local;

	if (directive->form != GO_DIRECTIVE) {
		if (directive->form == GO_LOOKS_LIKE_ONE && !nameable)
			return; /* prose */
		(void)scan_find(binding->scan, GO07, SCAN_WARNING, &binding->place, symbol,
				scan_print("%s", nearly[directive->form]));
		return;
	}
	if (!nameable) {
		(void)scan_find(
			binding->scan, GO07, SCAN_WARNING, &binding->place, symbol,
			scan_print(
				"%.*s is no function or variable of this package: the compiler refuses the "
				"directive",
				SCAN_ARGS(directive->local)));
		return;
	}
	if (directive->target.size == 0)
		return; /* a mark */
	binding->owner = owner_of(binding->scan, binding->file->path, directive->target);
	binding->variable = decl->what == GO_VAR;
	if (!decl->filled)
		pull(binding);
	else if (binding->owner == OWNER_STD)
		(void)scan_find(
			binding->scan, GO04, SCAN_WARNING, &binding->place, symbol,
			scan_print(
				"gives %.*s, a name of the standard library's, a body of its own",
				SCAN_ARGS(symbol)));
}

void scan_go_package(struct scan *scan, struct scan_list *files)
{
	for (size_t i = 0; i < files->count; i++) {
		const struct go_file *file = SCAN_AT(files, struct go_file, i);
		if (file->path == NULL)
			continue; /* only a neighbour of what was asked about */
		bool asks = file->directives.count > 0 || file->constraint.size > 0 ||
			    file->plus.count > 0;
		if (asks && !go_file_for(file, scan_world(scan)->minor, GO_ANY_PLATFORM)) {
			scan->skipped[SKIP_OTHER_BUILD]++;
			continue;
		}
		for (size_t j = 0; j < file->directives.count; j++) {
			const struct go_directive *directive = SCAN_AT(&file->directives,
								       struct go_directive, j);
			struct binding binding = {.scan = scan,
						  .file = file,
						  .directive = directive,
						  .place = {file->path, directive->line,
							    directive->column, file->text}};
			judge(&binding, files);
		}
		if (!of_std(scan, file->path))
			scan_go_layout(scan, file, files);
	}
}

/* What to say of a reference from assembly; the level with it. */
static char *assembly_message(struct scan_span symbol, enum go_answer answer, int minor, int since,
			      int later, enum scan_level *level)
{
	*level = SCAN_ERROR;
	if (answer == GO_ABSENT)
		return scan_print("assembly refers to %.*s, which Go 1.%d does not have",
				  SCAN_ARGS(symbol), minor);
	if (answer != GO_LINKS && since > 0)
		return scan_print(
			"assembly refers to %.*s, which the linker of Go 1.%d refuses (since 1.%d)",
			SCAN_ARGS(symbol), minor, since);
	if (answer != GO_LINKS)
		return scan_print("assembly refers to %.*s, which no version of Go links",
				  SCAN_ARGS(symbol));
	*level = SCAN_WARNING;
	if (later > 0)
		return scan_print(
			"assembly refers to %.*s: Go 1.%d links it, but no longer from 1.%d on",
			SCAN_ARGS(symbol), minor, later);
	return scan_print("assembly refers to %.*s, which nobody promised; Go 1.%d links it",
			  SCAN_ARGS(symbol), minor);
}

static void assembly_symbol(struct scan *scan, const struct scan_place *place,
			    const struct asm_symbol *symbol)
{
	struct scan_span name = scan_word(symbol->name);
	enum owner owner = owner_of(scan, place->path, name);

	if (owner == OWNER_OWN)
		return;
	if (symbol->defined) {
		if (owner == OWNER_STD)
			(void)scan_find(
				scan, GO04, SCAN_WARNING, place, name,
				scan_print(
					"gives %s, a name of the standard library's, a body of its own",
					symbol->name));
		return;
	}
	if (owner != OWNER_STD) {
		(void)scan_find(
			scan, GA01, SCAN_WARNING, place, name,
			scan_print("assembly refers to %s of another package", symbol->name));
		return;
	}
	const struct go_world *world = scan_world(scan);
	enum go_answer answer = go_world_assembly(world, name);
	int since = broken_since(name, world->minor, true);
	int later = next_version(name, world->minor, true, GO_LINKS, false);
	enum scan_level level;
	char *message = assembly_message(name, answer, world->minor, since, later, &level);
	struct scan_finding *finding = scan_find(scan, GA01, level, place, name, message);
	scan_since(finding, answer == GO_LINKS ? later : since);
	if (finding != NULL) {
		finding->assembly = true;
		/* Without a declaration to look at: what is called, or jumped to, is a function. */
		finding->variable = false;
	}
}

void scan_go_assembly(struct scan *scan, const char *path, struct scan_span text,
		      struct scan_span package)
{
	struct go_file header = {.path = NULL};
	struct scan_list symbols = asm_read(text.text, text.size);

	for (size_t i = 0; i < symbols.count; i++) {
		const struct asm_symbol *symbol = SCAN_AT(&symbols, struct asm_symbol, i);
		struct scan_span of = {symbol->name, symbol->package};
		struct scan_place place = {path, symbol->line, symbol->column, text};
		if (of.size == 0 || scan_same(of, package))
			continue;
		if (header.path == NULL) {
			go_file_read(&header, text.text, text.size);
			header.path = symbol->name; /* it is read */
			if (!go_file_for(&header, scan_world(scan)->minor, GO_ANY_PLATFORM)) {
				scan->skipped[SKIP_OTHER_BUILD]++;
				break;
			}
		}
		assembly_symbol(scan, &place, symbol);
	}
	go_file_free(&header);
	asm_free(&symbols);
}
