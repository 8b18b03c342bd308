/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The probes of calm that a process has: the stapsdt notes in the files of its executable and libraries.
 *
 * A note has the address of its nop as the linker knew it, and that of .stapsdt.base; where that section is now elsewhere
 * (prelink), the nop has moved as far. Notes are not loaded, so the file is read; a library that is not needed for that, libelf,
 * would be loaded into every traced program. Whatever a file says is held against its size first.
 */
#include "cli/trace/agent/agent.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct image {
	const char *bytes;
	size_t size;
	uint64_t bias;
	const ElfW(Shdr) * sections;
	size_t count;
	const char *names;
	size_t names_size;
	agent_found_fn *found;
	void *context;
};

static bool within(const struct image *image, uint64_t offset, uint64_t size)
{
	return offset <= image->size && size <= image->size - offset;
}

static bool read_head(struct image *image)
{
	const ElfW(Ehdr) *head = (const void *)image->bytes;

	if (image->size < sizeof *head || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
	    head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_shentsize != sizeof(ElfW(Shdr)) ||
	    head->e_shoff % _Alignof(ElfW(Shdr)) != 0 ||
	    !within(image, head->e_shoff, (uint64_t)head->e_shnum * sizeof(ElfW(Shdr))) ||
	    head->e_shstrndx >= head->e_shnum)
		return false;
	image->sections = (const void *)(image->bytes + head->e_shoff);
	image->count = head->e_shnum;
	const ElfW(Shdr) *names = &image->sections[head->e_shstrndx];
	if (!within(image, names->sh_offset, names->sh_size) || names->sh_size == 0)
		return false;
	image->names = image->bytes + names->sh_offset;
	image->names_size = names->sh_size;
	return image->names[image->names_size - 1] == '\0';
}

static const ElfW(Shdr) * section(const struct image *image, const char *name)
{
	for (size_t i = 0; i < image->count; i++) {
		const ElfW(Shdr) *one = &image->sections[i];
		if (one->sh_name < image->names_size &&
		    strcmp(image->names + one->sh_name, name) == 0)
			return one;
	}
	return NULL;
}

/* Three addresses, then provider, name and operands. */
static bool read_note(const struct image *image, const char *note, size_t size, uint64_t base)
{
	uint64_t address[3];
	const char *text[3];
	const char *at = note + sizeof address;
	const char *end = note + size;

	if (size < sizeof address)
		return true;
	memcpy(address, note, sizeof address);
	for (int i = 0; i < 3; i++) {
		text[i] = at;
		at = memchr(at, '\0', (size_t)(end - at));
		if (at == NULL)
			return true;
		at++;
	}
	if (strcmp(text[0], "calm") != 0)
		return true;
	uint64_t moved = base != 0 ? base - address[1] : 0;
	return image->found(text[1], text[2], image->bias + address[0] + moved, image->context);
}

static bool read_notes(const struct image *image)
{
	const ElfW(Shdr) *notes = section(image, ".note.stapsdt");
	const ElfW(Shdr) *base = section(image, ".stapsdt.base");
	ElfW(Nhdr) head;

	if (notes == NULL || notes->sh_type != SHT_NOTE ||
	    !within(image, notes->sh_offset, notes->sh_size))
		return true;
	const char *at = image->bytes + notes->sh_offset;
	for (size_t left = notes->sh_size; left >= sizeof head;) {
		memcpy(&head, at, sizeof head);
		uint64_t name = ((uint64_t)head.n_namesz + 3) & ~(uint64_t)3;
		uint64_t body = ((uint64_t)head.n_descsz + 3) & ~(uint64_t)3;
		if (name + body > left - sizeof head)
			return true;
		const char *owner = at + sizeof head;
		if (head.n_type == 3 && head.n_namesz == 8 && memcmp(owner, "stapsdt", 8) == 0 &&
		    !read_note(image, owner + name, head.n_descsz,
			       base != NULL ? base->sh_addr : 0))
			return false;
		at += sizeof head + name + body;
		left -= sizeof head + name + body;
	}
	return true;
}

bool agent_notes_in(const void *bytes, size_t size, uint64_t bias, agent_found_fn *found,
		    void *context)
{
	struct image image = {.bytes = bytes,
			      .size = size,
			      .bias = bias,
			      .found = found,
			      .context = context};

	return !read_head(&image) || read_notes(&image);
}

bool agent_notes_of(const char *path, uint64_t bias, agent_found_fn *found, void *context)
{
	struct stat about;
	bool fine = true;
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (file < 0)
		return true;
	if (fstat(file, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0) {
		size_t size = (size_t)about.st_size;
		void *bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
		if (bytes != MAP_FAILED) {
			fine = agent_notes_in(bytes, size, bias, found, context);
			(void)munmap(bytes, size);
		}
	}
	(void)close(file);
	return fine;
}

struct search {
	agent_found_fn *found;
	void *context;
};

static int look(struct dl_phdr_info *object, size_t size, void *pointer)
{
	const struct search *search = pointer;
	const char *path = object->dlpi_name;

	(void)size;
	if (path == NULL || path[0] == '\0')
		path = "/proc/self/exe";
	return agent_notes_of(path, object->dlpi_addr, search->found, search->context) ? 0 : 1;
}

bool agent_notes(agent_found_fn *found, void *context)
{
	struct search search = {found, context};

	return dl_iterate_phdr(look, &search) == 0;
}
