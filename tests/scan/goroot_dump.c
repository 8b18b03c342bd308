/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What a GOROOT's sources say of each symbol, for tools/go-table: goroot_dump GOROOT MINOR. A line each: name, and two
 * letters, for a pull and for a reference from assembly: l links, r refused (where nothing is blocked), - not there.
 */
#include "cli/scan/goworld.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	struct go_world world;
	static const char letter[] = {[GO_ABSENT] = '-', [GO_REFUSED] = 'r', [GO_LINKS] = 'l'};

	if (argc != 3)
		return 2;
	int minor = atoi(argv[2]);
	if (!go_world_read(&world, argv[1], minor)) {
		perror(argv[1]);
		return 2;
	}
	for (size_t i = 0; i < world.symbols.count; i++) {
		const struct go_symbol *symbol = SCAN_AT(&world.symbols, struct go_symbol, i);
		printf("%s %c%c\n", symbol->name,
		       letter[go_flags_pull(symbol->flags, minor, false)],
		       letter[go_flags_assembly(symbol->flags, minor, false)]);
	}
	go_world_free(&world);
	return 0;
}
