/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What lies at an address of another process: functions, the inlined ones too, source lines, and the code's bytes; from the
 * ELF files and DWARF of its modules, by elfutils' libdw.
 *
 * A build without libdw knows nothing, and cli_code_lacks() says so.
 */
#ifndef CLI_CODE_H
#define CLI_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A program or library as it was loaded: bias + an address in its file's terms = the address in the process. */
struct cli_module {
	const char *path;
	uint64_t bias;
};

struct cli_frame {
	const char *function; /* NULL: not known */
	const char *file;     /* NULL: not known */
	int line;
};

struct cli_symbol {
	const char *name;
	uint64_t offset; /* of the address in it */
	uint64_t size;   /* 0: not known */
};

struct cli_code;

/*
 * Files are opened when they are first asked about, and never run. A path that cannot be read, or is not absolute, is a module
 * of which nothing is known. NULL: no memory. Strings and frames are the code's, until it is closed.
 */
struct cli_code *cli_code_open(const struct cli_module *modules, size_t count);
void cli_code_close(struct cli_code *code);

/* What this build lacks, for people; NULL: nothing. */
const char *cli_code_lacks(void);

/*
 * The functions that an address lies in, the innermost first: what was inlined there, and last the function itself. How many
 * of them were put into frames; 0: nothing is known. The first of a module costs reading an index of its DWARF, the
 * first of a source file one of its functions; after that a look-up is O(log n), and down the inlined ones.
 */
size_t cli_code_frames(struct cli_code *code, uint64_t pc, struct cli_frame *frames, size_t room);

/* The symbol that an address lies in. */
bool cli_code_symbol(struct cli_code *code, uint64_t pc, struct cli_symbol *symbol);

/* The bytes of the function around an address, as its file has them. How many; 0: not known, or more than room. */
size_t cli_code_bytes(struct cli_code *code, uint64_t pc, uint8_t *bytes, size_t room,
		      uint64_t *start);

/* The bias of a file of which the part at offset is mapped at address. False: it is no ELF file that could be. */
bool cli_code_bias(const char *path, uint64_t offset, uint64_t address, uint64_t *bias);

#endif
