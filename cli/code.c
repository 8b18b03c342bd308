/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Addresses into functions and lines; cli/code.h.
 *
 * libdw finds a compilation unit by .debug_aranges, which clang does not write, and the functions in it by going through them
 * all. So here each module has its units' ranges in order, and each unit that was asked about its functions'.
 * Within a function the inlined ones are nested as blocks are, and are gone down to.
 */
#include "cli/code.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool cli_code_bias(const char *path, uint64_t offset, uint64_t address, uint64_t *bias)
{
	int file = path[0] == '/' ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	ElfW(Ehdr) head;
	ElfW(Phdr) part;
	bool found = false;

	if (file < 0)
		return false;
	if (pread(file, &head, sizeof head, 0) != sizeof head ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
	    head.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32))
		head.e_phnum = 0;
	for (unsigned i = 0; i < head.e_phnum && !found; i++) {
		off_t at = (off_t)(head.e_phoff + (uint64_t)i * sizeof part);
		if (pread(file, &part, sizeof part, at) != sizeof part)
			break;
		/* A mapping begins at a page, the part perhaps a little later. */
		uint64_t page = part.p_align > 1 ? part.p_offset % part.p_align : 0;
		found = part.p_type == PT_LOAD && (part.p_flags & PF_X) != 0 &&
			offset + page >= part.p_offset && offset < part.p_offset + part.p_filesz;
		if (found)
			*bias = address - (offset - part.p_offset + part.p_vaddr);
	}
	(void)close(file);
	return found;
}

#ifdef CLI_HAVE_LIBDW
#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <gelf.h>

/* Depths that are followed. */
#define INLINED 64
#define NAMESPACES 16

/* A piece of code and what it belongs to: a unit's number, or where its function stands in the DWARF. */
struct range {
	Dwarf_Addr low, high;
	uint64_t of;
};

struct ranges {
	struct range *list; /* by low */
	size_t count, room;
};

struct unit {
	Dwarf_Die *die;
	bool read;
	struct ranges functions; /* of: a DIE's offset */
};

struct index {
	struct index *next;
	Dwarf_Addr bias; /* of the DWARF's addresses */
	struct unit *units;
	size_t unit_count;
	struct ranges ranges; /* of: an index in units */
};

struct cli_code {
	Dwfl *dwfl;
	struct index *indexes;
};

const char *cli_code_lacks(void)
{
	return NULL;
}

/* ---- opening ---- */

struct cli_code *cli_code_open(const struct cli_module *modules, size_t count)
{
	static const Dwfl_Callbacks callbacks = {.find_debuginfo = dwfl_standard_find_debuginfo,
						 .section_address = dwfl_offline_section_address};
	struct cli_code *code = calloc(1, sizeof *code);

	if (code == NULL)
		return NULL;
	code->dwfl = dwfl_begin(&callbacks);
	if (code->dwfl == NULL) {
		free(code);
		return NULL;
	}
	dwfl_report_begin(code->dwfl);
	for (size_t i = 0; i < count; i++) {
		if (modules[i].path[0] == '/')
			(void)dwfl_report_elf(code->dwfl, modules[i].path, modules[i].path, -1,
					      modules[i].bias, true);
	}
	(void)dwfl_report_end(code->dwfl, NULL, NULL);
	return code;
}

void cli_code_close(struct cli_code *code)
{
	if (code == NULL)
		return;
	while (code->indexes != NULL) {
		struct index *index = code->indexes;
		code->indexes = index->next;
		for (size_t i = 0; i < index->unit_count; i++)
			free(index->units[i].functions.list);
		free(index->units);
		free(index->ranges.list);
		free(index);
	}
	dwfl_end(code->dwfl);
	free(code);
}

/* ---- ranges ---- */

/* Adds those of a DIE. Without memory for them it is not found. */
static void add_ranges(struct ranges *ranges, Dwarf_Die *die, uint64_t of)
{
	Dwarf_Addr base = 0, low = 0, high = 0;

	for (ptrdiff_t at = 0; (at = dwarf_ranges(die, at, &base, &low, &high)) > 0;) {
		if (ranges->count == ranges->room) {
			size_t room = ranges->room > 0 ? 2 * ranges->room : 64;
			struct range *list = realloc(ranges->list, room * sizeof *list);
			if (list == NULL)
				return;
			ranges->list = list;
			ranges->room = room;
		}
		if (low < high)
			ranges->list[ranges->count++] =
				(struct range){.low = low, .high = high, .of = of};
	}
}

static int by_low(const void *a, const void *b)
{
	const struct range *one = a, *other = b;

	return one->low < other->low ? -1 : one->low > other->low;
}

static void sort(struct ranges *ranges)
{
	if (ranges->count > 0)
		qsort(ranges->list, ranges->count, sizeof *ranges->list, by_low);
}

static const struct range *range_at(const struct ranges *ranges, Dwarf_Addr pc)
{
	size_t low = 0, high = ranges->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (ranges->list[middle].low <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && pc < ranges->list[low - 1].high ? &ranges->list[low - 1] : NULL;
}

/* ---- units and functions ---- */

static void read_units(Dwfl_Module *module, struct index *index)
{
	size_t room = 0;

	for (Dwarf_Die *die = NULL;
	     (die = dwfl_module_nextcu(module, die, &index->bias)) != NULL;) {
		if (index->unit_count == room) {
			room = room > 0 ? 2 * room : 64;
			struct unit *units = realloc(index->units, room * sizeof *units);
			if (units == NULL)
				break;
			index->units = units;
		}
		add_ranges(&index->ranges, die, index->unit_count);
		index->units[index->unit_count++] = (struct unit){.die = die};
	}
	sort(&index->ranges);
}

/* The index of a module, kept as what libdwfl calls its user data. NULL: no memory. */
static struct index *index_of(struct cli_code *code, Dwfl_Module *module)
{
	void **mine = NULL;

	(void)dwfl_module_info(module, &mine, NULL, NULL, NULL, NULL, NULL, NULL);
	if (mine == NULL)
		return NULL;
	if (*mine == NULL) {
		struct index *index = calloc(1, sizeof *index);
		if (index == NULL)
			return NULL;
		index->next = code->indexes;
		code->indexes = index;
		*mine = index;
		read_units(module, index);
	}
	return *mine;
}

/* The functions among a unit's DIEs, and in the namespaces among those. */
static void read_functions(struct unit *unit)
{
	Dwarf_Die path[NAMESPACES]; /* the DIE at hand, and the namespaces around it */
	unsigned depth = 0;
	bool more = dwarf_child(unit->die, &path[0]) == 0;

	while (more) {
		Dwarf_Die *die = &path[depth];
		int tag = dwarf_tag(die);
		if (tag == DW_TAG_subprogram)
			add_ranges(&unit->functions, die, dwarf_dieoffset(die));
		bool inner = (tag == DW_TAG_namespace || tag == DW_TAG_module) &&
			     depth + 1 < NAMESPACES && dwarf_child(die, die + 1) == 0;
		depth += inner;
		more = inner || dwarf_siblingof(die, die) == 0;
		for (; !more && depth > 0; depth--)
			more = dwarf_siblingof(&path[depth - 1], &path[depth - 1]) == 0;
	}
}

static struct unit *unit_at(const struct index *index, Dwarf_Addr pc)
{
	const struct range *range = range_at(&index->ranges, pc);
	struct unit *unit = range != NULL ? &index->units[range->of] : NULL;

	if (unit != NULL && !unit->read) {
		unit->read = true;
		read_functions(unit);
		sort(&unit->functions);
	}
	return unit;
}

/* The function at pc, and what was inlined there in the order of the calls. How many DIEs; 0: none is known. */
static size_t functions_at(const struct unit *unit, Dwarf_Addr pc, Dwarf_Die dies[INLINED])
{
	const struct range *range = range_at(&unit->functions, pc);
	Dwarf *dwarf = dwarf_cu_getdwarf(unit->die->cu);
	Dwarf_Die at;
	size_t count = 0;

	if (range == NULL || dwarf_offdie(dwarf, range->of, &dies[count]) == NULL)
		return 0;
	bool more = dwarf_child(&dies[count++], &at) == 0;
	while (more && count < INLINED) {
		int tag = dwarf_tag(&at);
		bool block = tag == DW_TAG_lexical_block || tag == DW_TAG_try_block ||
			     tag == DW_TAG_catch_block;
		if ((block || tag == DW_TAG_inlined_subroutine) && dwarf_haspc(&at, pc) == 1) {
			if (!block)
				dies[count++] = at;
			more = dwarf_child(&at, &at) == 0;
		} else {
			more = dwarf_siblingof(&at, &at) == 0;
		}
	}
	return count;
}

/* ---- frames ---- */

static const char *function_name(Dwarf_Die *die)
{
	Dwarf_Attribute attribute;

	return dwarf_formstring(dwarf_attr_integrate(die, DW_AT_name, &attribute));
}

/* Where an inlined function was called. */
static void called_at(const struct unit *unit, Dwarf_Die *die, struct cli_frame *frame)
{
	Dwarf_Attribute attribute;
	Dwarf_Word file = 0, line = 0;
	Dwarf_Files *files = NULL;
	size_t file_count = 0;

	if (dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &attribute), &line) == 0)
		frame->line = (int)line;
	if (dwarf_formudata(dwarf_attr(die, DW_AT_call_file, &attribute), &file) == 0 &&
	    dwarf_getsrcfiles(unit->die, &files, &file_count) == 0 && file < file_count)
		frame->file = dwarf_filesrc(files, file, NULL, NULL);
}

static void line_at(const struct unit *unit, Dwarf_Addr pc, struct cli_frame *frame)
{
	Dwarf_Line *line = dwarf_getsrc_die(unit->die, pc);

	if (line == NULL)
		return;
	frame->file = dwarf_linesrc(line, NULL, NULL);
	(void)dwarf_lineno(line, &frame->line);
}

size_t cli_code_frames(struct cli_code *code, uint64_t pc, struct cli_frame *frames, size_t room)
{
	Dwfl_Module *module = dwfl_addrmodule(code->dwfl, pc);
	const struct index *index = module != NULL ? index_of(code, module) : NULL;
	const struct unit *unit = index != NULL ? unit_at(index, pc - index->bias) : NULL;
	struct cli_frame place = {0};
	struct cli_symbol symbol;
	Dwarf_Die dies[INLINED];
	size_t used = 0;

	if (room == 0)
		return 0;
	size_t count = 0;
	if (unit != NULL) {
		line_at(unit, pc - index->bias, &place);
		count = functions_at(unit, pc - index->bias, dies);
	}
	for (; count > 0 && used < room; count--) {
		place.function = function_name(&dies[count - 1]);
		frames[used++] = place;
		place = (struct cli_frame){0};
		called_at(unit, &dies[count - 1], &place);
	}
	/* A function that DWARF does not name is one that the symbols may. */
	if (used == 0 && (cli_code_symbol(code, pc, &symbol) || place.file != NULL)) {
		place.function = symbol.name;
		frames[used++] = place;
	}
	return used;
}

/* ---- symbols and bytes ---- */

bool cli_code_symbol(struct cli_code *code, uint64_t pc, struct cli_symbol *symbol)
{
	Dwfl_Module *module = dwfl_addrmodule(code->dwfl, pc);
	GElf_Off offset = 0;
	GElf_Sym found = {0};
	const char *name = NULL;

	if (module != NULL)
		name = dwfl_module_addrinfo(module, pc, &offset, &found, NULL, NULL, NULL);
	*symbol = (struct cli_symbol){.name = name, .offset = offset, .size = found.st_size};
	return name != NULL;
}

size_t cli_code_bytes(struct cli_code *code, uint64_t pc, uint8_t *bytes, size_t room,
		      uint64_t *start)
{
	Dwfl_Module *module = dwfl_addrmodule(code->dwfl, pc);
	struct cli_symbol symbol;
	GElf_Addr bias = 0;
	size_t parts = 0;

	if (module == NULL || !cli_code_symbol(code, pc, &symbol))
		return 0;
	Elf *elf = dwfl_module_getelf(module, &bias);
	if (elf == NULL || elf_getphdrnum(elf, &parts) != 0)
		return 0;
	uint64_t first = pc - symbol.offset - bias;
	uint64_t size = symbol.size > symbol.offset ? symbol.size : symbol.offset + 16;
	for (size_t i = 0; i < parts; i++) {
		GElf_Phdr part;
		if (gelf_getphdr(elf, (int)i, &part) == NULL || part.p_type != PT_LOAD ||
		    first < part.p_vaddr || first + size > part.p_vaddr + part.p_filesz ||
		    size > room)
			continue;
		Elf_Data *data = elf_getdata_rawchunk(
			elf, (int64_t)(part.p_offset + first - part.p_vaddr), size, ELF_T_BYTE);
		if (data == NULL)
			return 0;
		memcpy(bytes, data->d_buf, data->d_size);
		*start = pc - symbol.offset;
		return data->d_size;
	}
	return 0;
}

#else

const char *cli_code_lacks(void)
{
	return "no functions and source lines: this calm was built without elfutils' libdw";
}

struct cli_code {
	char nothing;
};

struct cli_code *cli_code_open(const struct cli_module *modules, size_t count)
{
	(void)modules;
	(void)count;
	return calloc(1, sizeof(struct cli_code));
}

void cli_code_close(struct cli_code *code)
{
	free(code);
}

size_t cli_code_frames(struct cli_code *code, uint64_t pc, struct cli_frame *frames, size_t room)
{
	(void)code;
	(void)pc;
	(void)frames;
	(void)room;
	return 0;
}

bool cli_code_symbol(struct cli_code *code, uint64_t pc, struct cli_symbol *symbol)
{
	(void)code;
	(void)pc;
	*symbol = (struct cli_symbol){0};
	return false;
}

size_t cli_code_bytes(struct cli_code *code, uint64_t pc, uint8_t *bytes, size_t room,
		      uint64_t *start)
{
	(void)code;
	(void)pc;
	(void)bytes;
	(void)room;
	(void)start;
	return 0;
}
#endif
