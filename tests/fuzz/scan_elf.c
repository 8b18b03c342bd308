/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* A fuzz target: the ELF reader, with its strings, on an object or an archive's members. */
#include "cli/scan/elffile.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void touch(const char *text, void *context)
{
	*(size_t *)context += strlen(text);
}

static void read_object(Elf *elf)
{
	struct elf_file file;
	const char *why;
	size_t sum = 0;

	if (elf_file_read(&file, elf, &why)) {
		const struct scan_list *tables[] = {&file.dynamic_symbols, &file.symbols};
		for (size_t i = 0; i < 2; i++) {
			for (size_t j = 0; j < tables[i]->count; j++) {
				const struct elf_symbol *symbol = SCAN_AT(tables[i],
									  struct elf_symbol, j);
				sum += strlen(symbol->name);
				sum += symbol->version != NULL ? strlen(symbol->version) : 0;
				sum += symbol->from != NULL ? strlen(symbol->from) : 0;
			}
		}
		for (size_t i = 0; i < file.needed.count; i++)
			sum += strlen(*SCAN_AT(&file.needed, const char *, i));
		sum += file.soname != NULL ? strlen(file.soname) : 0;
		elf_file_strings(&file, touch, &sum);
	}
	elf_file_free(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *memory = scan_copy((const char *)data, size);
	Elf *elf, *member;
	Elf_Cmd command = ELF_C_READ;

	(void)elf_version(EV_CURRENT);
	elf = elf_memory(memory, size);
	if (elf != NULL && elf_kind(elf) == ELF_K_AR) {
		while ((member = elf_begin(-1, command, elf)) != NULL) {
			if (elf_getarhdr(member) != NULL)
				read_object(member);
			command = elf_next(member);
			(void)elf_end(member);
		}
	} else if (elf != NULL) {
		read_object(elf);
	}
	(void)elf_end(elf);
	free(memory);
	return 0;
}
