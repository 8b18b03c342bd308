/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* What a version of Go accepts; promises: goworld.h. */
#include "cli/scan/goworld.h"

#include <stdlib.h>
#include <string.h>

enum go_answer go_flags_pull(unsigned flags, int minor, bool blocked)
{
	bool go = (flags & GO_HAS_GO) != 0;
	bool text = (flags & (GO_HAS_TEXT | GO_HAS_INTERNAL)) != 0 ||
		    (!go && (flags & GO_HAS_ELSEWHERE) != 0);
	bool defined = go || (text && (flags & GO_HAS_DECLARATION) != 0);

	if (!defined)
		return GO_ABSENT;
	if (minor < GO_CHECKS)
		return GO_LINKS;
	if (blocked)
		return GO_REFUSED;
	return (flags & GO_HAS_MARK) != 0 || (text && minor < GO_MARKS_ONLY) ? GO_LINKS
									     : GO_REFUSED;
}

enum go_answer go_flags_assembly(unsigned flags, int minor, bool blocked)
{
	bool marked = (flags & GO_HAS_MARK) != 0, text = (flags & GO_HAS_TEXT) != 0;
	bool variable = (flags & GO_HAS_VARIABLE) != 0;

	if ((flags & (GO_HAS_GO | GO_HAS_TEXT | GO_HAS_INTERNAL)) == 0) {
		text = (flags & GO_HAS_ELSEWHERE) != 0;
		if (!text)
			return GO_ABSENT;
	}
	if (minor >= GO_CHECKS && blocked)
		return GO_REFUSED;
	if (marked)
		return GO_LINKS;
	if (minor >= GO_MARKS_ONLY)
		return GO_REFUSED;
	if (text || variable)
		return text || minor < GO_CHECKS ? GO_LINKS : GO_REFUSED;
	return (flags & GO_HAS_CALL) != 0 ? GO_LINKS : GO_REFUSED;
}

static int by_name(const void *key, const void *item)
{
	const struct scan_span *name = key;
	const char *other = ((const struct go_symbol *)item)->name;
	int order = strncmp(name->text, other, name->size);

	return order != 0 ? order : other[name->size] == '\0' ? 0 : -1;
}

static unsigned flags_of(const struct go_world *world, struct scan_span symbol)
{
	const struct go_symbol *found = world->symbols.count == 0
						? NULL
						: bsearch(&symbol, world->symbols.items,
							  world->symbols.count,
							  sizeof(struct go_symbol), by_name);

	return found != NULL ? found->flags : 0;
}

enum go_answer go_world_pull(const struct go_world *world, struct scan_span symbol)
{
	if (world->root == NULL)
		return go_table_pull(symbol, world->minor);
	enum go_answer answer = go_flags_pull(flags_of(world, symbol), world->minor,
					      go_table_blocks(symbol, world->minor));
	/* The linker of 1.23 does not check what the compiler itself calls by number; the table knows that list. */
	return answer == GO_REFUSED && world->minor == GO_CHECKS
		       ? go_table_pull(symbol, world->minor)
		       : answer;
}

enum go_answer go_world_assembly(const struct go_world *world, struct scan_span symbol)
{
	if (world->root == NULL)
		return go_table_assembly(symbol, world->minor);
	return go_flags_assembly(flags_of(world, symbol), world->minor,
				 go_table_blocks(symbol, world->minor));
}

struct scan_span go_package_of(struct scan_span symbol)
{
	size_t from = 0;

	for (size_t i = 0; i < symbol.size && symbol.text[i] != '('; i++) {
		if (symbol.text[i] == '/')
			from = i + 1;
	}
	for (size_t i = from; i < symbol.size; i++) {
		if (symbol.text[i] == '.')
			return (struct scan_span){symbol.text, i};
	}
	return (struct scan_span){"", 0};
}
