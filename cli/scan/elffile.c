/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Reads ELF (System V gABI; versions: the Linux Standard Base) through libelf; promises: elffile.h. */
#include "cli/scan/elffile.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define VERSIONS_MAX 4096 /* of one object; a list that is longer goes in circles */

/* A version by its index in .gnu.version. */
struct version {
	unsigned index;
	const char *name, *from;
};

struct sections {
	Elf_Scn *dynamic, *dynsym, *symtab, *versym, *verneed, *verdef;
};

static bool header_of(Elf_Scn *section, GElf_Shdr *header)
{
	return section != NULL && gelf_getshdr(section, header) != NULL &&
	       header->sh_type != SHT_NOBITS;
}

static const char *string(const struct elf_file *file, const GElf_Shdr *header, size_t offset)
{
	const char *text = elf_strptr(file->elf, header->sh_link, offset);

	return text != NULL ? text : "";
}

static struct sections find_sections(Elf *elf)
{
	struct sections found = {NULL, NULL, NULL, NULL, NULL, NULL};
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section)) != NULL) {
		if (gelf_getshdr(section, &header) == NULL)
			continue;
		switch (header.sh_type) {
		case SHT_DYNAMIC:
			found.dynamic = section;
			break;
		case SHT_DYNSYM:
			found.dynsym = section;
			break;
		case SHT_SYMTAB:
			found.symtab = section;
			break;
		case SHT_GNU_versym:
			found.versym = section;
			break;
		case SHT_GNU_verneed:
			found.verneed = section;
			break;
		case SHT_GNU_verdef:
			found.verdef = section;
			break;
		default:
			break;
		}
	}
	return found;
}

static void read_needs(const struct elf_file *file, Elf_Scn *section, struct scan_list *versions)
{
	GElf_Shdr header;
	Elf_Data *data = header_of(section, &header) ? elf_getdata(section, NULL) : NULL;
	GElf_Verneed need;
	GElf_Vernaux version;
	size_t at = 0;

	if (data == NULL)
		return;
	while (at < data->d_size && gelf_getverneed(data, (int)at, &need) != NULL &&
	       versions->count < VERSIONS_MAX) {
		size_t inner = at + need.vn_aux;
		for (unsigned i = 0;
		     i < need.vn_cnt && inner < data->d_size && versions->count < VERSIONS_MAX;
		     i++) {
			if (gelf_getvernaux(data, (int)inner, &version) == NULL)
				break;
			*SCAN_ADD(versions, struct version) = (struct version){
				version.vna_other & 0x7fffU,
				string(file, &header, version.vna_name),
				string(file, &header, need.vn_file)};
			if (version.vna_next == 0)
				break;
			inner += version.vna_next;
		}
		if (need.vn_next == 0)
			break;
		at += need.vn_next;
	}
}

static void read_definitions(const struct elf_file *file, Elf_Scn *section,
			     struct scan_list *versions)
{
	GElf_Shdr header;
	Elf_Data *data = header_of(section, &header) ? elf_getdata(section, NULL) : NULL;
	GElf_Verdef definition;
	GElf_Verdaux name;
	size_t at = 0;

	if (data == NULL)
		return;
	while (at < data->d_size && gelf_getverdef(data, (int)at, &definition) != NULL &&
	       versions->count < VERSIONS_MAX) {
		size_t inner = at + definition.vd_aux;
		if (inner < data->d_size && gelf_getverdaux(data, (int)inner, &name) != NULL)
			*SCAN_ADD(versions, struct version) = (struct version){
				definition.vd_ndx & 0x7fffU, string(file, &header, name.vda_name),
				NULL};
		if (definition.vd_next == 0)
			break;
		at += definition.vd_next;
	}
}

static void read_symbols(const struct elf_file *file, Elf_Scn *section, Elf_Scn *versym,
			 const struct scan_list *versions, struct scan_list *symbols)
{
	GElf_Shdr header, of_versions;
	Elf_Data *data = header_of(section, &header) ? elf_getdata(section, NULL) : NULL;
	Elf_Data *indices = header_of(versym, &of_versions) ? elf_getdata(versym, NULL) : NULL;
	GElf_Sym symbol;
	GElf_Versym index;

	for (int i = 0; data != NULL && gelf_getsym(data, i, &symbol) != NULL; i++) {
		struct elf_symbol *added = SCAN_ADD(symbols, struct elf_symbol);
		*added = (struct elf_symbol){.name = string(file, &header, symbol.st_name),
					     .bind = GELF_ST_BIND(symbol.st_info),
					     .type = GELF_ST_TYPE(symbol.st_info),
					     .visibility = GELF_ST_VISIBILITY(symbol.st_other),
					     .defined = symbol.st_shndx != SHN_UNDEF};
		if (indices == NULL || gelf_getversym(indices, i, &index) == NULL)
			continue;
		for (size_t j = 0; j < versions->count && (index & 0x7fffU) > 1; j++) {
			const struct version *version = SCAN_AT(versions, struct version, j);
			if (version->index == (index & 0x7fffU) &&
			    (version->from == NULL) == added->defined) {
				added->version = version->name;
				added->from = version->from;
				break;
			}
		}
	}
}

static bool is_copy(int machine, unsigned type)
{
	static const struct {
		int machine;
		unsigned type;
	} copies[] = {{EM_X86_64, R_X86_64_COPY},   {EM_386, R_386_COPY},
		      {EM_AARCH64, R_AARCH64_COPY}, {EM_ARM, R_ARM_COPY},
		      {EM_RISCV, R_RISCV_COPY},     {EM_PPC64, R_PPC64_COPY},
		      {EM_S390, R_390_COPY}};

	for (size_t i = 0; i < sizeof copies / sizeof *copies; i++) {
		if (copies[i].machine == machine)
			return copies[i].type == type;
	}
	return false;
}

/* Marks what copy relocations fill. */
static void read_copies(struct elf_file *file)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(file->elf, section)) != NULL) {
		if (!header_of(section, &header) ||
		    (header.sh_type != SHT_RELA && header.sh_type != SHT_REL))
			continue;
		Elf_Data *data = elf_getdata(section, NULL);
		for (int i = 0; data != NULL; i++) {
			GElf_Rela with;
			GElf_Rel without;
			GElf_Xword info;
			if (header.sh_type == SHT_RELA ? gelf_getrela(data, i, &with) == NULL
						       : gelf_getrel(data, i, &without) == NULL)
				break;
			info = header.sh_type == SHT_RELA ? with.r_info : without.r_info;
			size_t symbol = GELF_R_SYM(info);
			if (is_copy(file->machine, (unsigned)GELF_R_TYPE(info)) &&
			    symbol < file->dynamic_symbols.count)
				SCAN_AT(&file->dynamic_symbols, struct elf_symbol, symbol)->copied =
					true;
		}
	}
}

static void read_dynamic(struct elf_file *file, Elf_Scn *section)
{
	GElf_Shdr header;
	Elf_Data *data = header_of(section, &header) ? elf_getdata(section, NULL) : NULL;
	GElf_Dyn entry;

	file->dynamic = data != NULL;
	for (int i = 0;
	     data != NULL && gelf_getdyn(data, i, &entry) != NULL && entry.d_tag != DT_NULL; i++) {
		const char *text = string(file, &header, entry.d_un.d_val);
		switch (entry.d_tag) {
		case DT_NEEDED:
			*SCAN_ADD(&file->needed, const char *) = text;
			break;
		case DT_SONAME:
			file->soname = text;
			break;
		case DT_RPATH: /* of both, the other counts */
			file->runpath = file->runpath != NULL ? file->runpath : text;
			break;
		case DT_RUNPATH:
			file->runpath = text;
			break;
		case DT_AUDIT:
		case DT_DEPAUDIT:
			file->audit = text;
			break;
		case DT_TEXTREL:
			file->textrel = true;
			break;
		case DT_BIND_NOW:
			file->now = true;
			break;
		case DT_FLAGS:
			file->now = file->now || (entry.d_un.d_val & DF_BIND_NOW) != 0;
			file->textrel = file->textrel || (entry.d_un.d_val & DF_TEXTREL) != 0;
			break;
		case DT_FLAGS_1:
			file->now = file->now || (entry.d_un.d_val & DF_1_NOW) != 0;
			break;
		default:
			break;
		}
	}
}

bool elf_file_read(struct elf_file *file, Elf *elf, const char **why)
{
	GElf_Ehdr header;
	GElf_Phdr segment;
	struct scan_list versions = {NULL, 0, 0};
	size_t segments;

	*file = (struct elf_file){.elf = elf};
	if (elf_kind(elf) != ELF_K_ELF || gelf_getehdr(elf, &header) == NULL) {
		*why = "no ELF object behind its first bytes";
		return false;
	}
	file->type = header.e_type;
	file->machine = header.e_machine;
	file->class = gelf_getclass(elf);
	if (elf_getphdrnum(elf, &segments) != 0)
		segments = 0;
	for (size_t i = 0; i < segments && i < 65536 && gelf_getphdr(elf, (int)i, &segment) != NULL;
	     i++)
		file->relro = file->relro || segment.p_type == PT_GNU_RELRO;
	struct sections sections = find_sections(elf);
	if (sections.dynsym == NULL && sections.symtab == NULL && sections.dynamic == NULL &&
	    header.e_shoff != 0 && elf_nextscn(elf, NULL) == NULL) {
		*why = "its section headers lie outside of the file";
		return false;
	}
	read_dynamic(file, sections.dynamic);
	read_needs(file, sections.verneed, &versions);
	read_definitions(file, sections.verdef, &versions);
	read_symbols(file, sections.dynsym, sections.versym, &versions, &file->dynamic_symbols);
	free(versions.items);
	versions = (struct scan_list){NULL, 0, 0};
	read_symbols(file, sections.symtab, NULL, &versions, &file->symbols);
	if (file->type == ET_EXEC || file->type == ET_DYN)
		read_copies(file);
	return true;
}

void elf_file_free(struct elf_file *file)
{
	free(file->needed.items);
	free(file->dynamic_symbols.items);
	free(file->symbols.items);
}

void elf_file_strings(const struct elf_file *file, void (*visit)(const char *text, void *context),
		      void *context)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	size_t names;

	if (elf_getshdrstrndx(file->elf, &names) != 0)
		return;
	while ((section = elf_nextscn(file->elf, section)) != NULL) {
		if (!header_of(section, &header) || header.sh_type != SHT_PROGBITS)
			continue;
		const char *name = elf_strptr(file->elf, names, header.sh_name);
		if (name == NULL || strncmp(name, ".rodata", 7) != 0)
			continue;
		Elf_Data *data = elf_rawdata(section, NULL);
		const char *at = data != NULL ? data->d_buf : NULL;
		const char *end = at != NULL ? at + data->d_size : NULL;
		while (at != NULL && at < end) {
			const char *close = memchr(at, '\0', (size_t)(end - at));
			if (close == NULL)
				break;
			if (close > at)
				visit(at, context);
			at = close + 1;
		}
	}
}
