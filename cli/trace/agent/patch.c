/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A probe's nop becomes a jump to a stub of its own.
 *
 *      probe: jmp stub ──> stub: lea -128(%rsp), %rsp       past the red zone
 *      next:  …  <──────         push rax, flags, the rest  flags by lahf and seto: popf would cost as much as all else
 *                                call agent_hit(site, registers)
 *                                pop …; jmp next
 *
 * A jump, not a call: a call would write its return address into the red zone of a leaf function.
 *
 * Stubs lie within 2 GiB of what jumps to them. Text is made writable, not executable, for the moment in which no other thread
 * runs; and so are the stubs, until they are all written.
 */
#include "cli/trace/agent/agent.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define STUB 128
#define STUB_SITE 45            /* where in a stub its site stands */
#define EMPTY 64                /* in a stub's room, where agent_patch_empty() is */
#define ROOM ((size_t)64 << 10) /* of stubs in one piece: five hundred */
#define STEP ((uint64_t)1 << 20)
#define REACH ((uint64_t)1 << 31)
#define PIECES 64

static const unsigned char nop[5] = {0x0f, 0x1f, 0x44, 0x00, 0x00};

static struct {
	unsigned char *memory;
	size_t used;
} pieces[PIECES];
static size_t piece_count;

static bool reaches(uint64_t from, uint64_t to)
{
	int64_t distance = (int64_t)(to - from);

	return distance > -(int64_t)(REACH - ROOM) && distance < (int64_t)(REACH - ROOM);
}

static void *map_at(uint64_t address)
{
	void *memory = mmap((void *)(uintptr_t)address, ROOM, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	if (memory == (void *)(uintptr_t)address)
		return memory;
	(void)munmap(memory, ROOM); /* a kernel that takes the address for a hint */
	return NULL;
}

/* Room for a stub that `site` can jump to; NULL: there is none. */
static unsigned char *stub_room(uint64_t site)
{
	for (size_t i = 0; i < piece_count; i++) {
		if (pieces[i].used + STUB <= ROOM &&
		    reaches(site, (uint64_t)(uintptr_t)pieces[i].memory)) {
			pieces[i].used += STUB;
			return pieces[i].memory + pieces[i].used - STUB;
		}
	}
	uint64_t middle = site & ~(STEP - 1);
	for (uint64_t away = STEP; away < REACH - 2 * STEP && piece_count < PIECES; away += STEP) {
		void *memory = middle > away + STEP ? map_at(middle - away) : NULL;
		if (memory == NULL)
			memory = map_at(middle + away);
		if (memory == NULL)
			continue;
		pieces[piece_count].memory = memory;
		pieces[piece_count++].used = STUB;
		return memory;
	}
	return NULL;
}

static unsigned char *put(unsigned char *at, const void *bytes, size_t size)
{
	memcpy(at, bytes, size);
	return at + size;
}

static unsigned char *put_jump(unsigned char *at, uint64_t to)
{
	int32_t distance = (int32_t)(to - ((uint64_t)(uintptr_t)at + 5));

	*at++ = 0xe9;
	return put(at, &distance, sizeof distance);
}

/* The registers' order is that of operand.h. */
static void write_stub(unsigned char *stub, const struct agent_site *site)
{
	static const unsigned char save[] = {
		0x48, 0x8d, 0x64, 0x24, 0x80,       /* lea -128(%rsp), %rsp */
		0x50, 0x9f, 0x0f, 0x90, 0xc0, 0x50, /* push %rax; lahf; seto %al; push %rax */
		0x51, 0x52, 0x53, 0x55, 0x56, 0x57, /* push %rcx, %rdx, %rbx, %rbp, %rsi, %rdi */
		0x41, 0x50, 0x41, 0x51, 0x41, 0x52, 0x41, 0x53, /* push %r8 to %r11 */
		0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57, /* push %r12 to %r15 */
		0x48, 0x89, 0xe6,                               /* mov %rsp, %rsi */
		0x48, 0x89, 0xe5,                               /* mov %rsp, %rbp */
		0x48, 0x83, 0xe4, 0xf0,                         /* and $-16, %rsp */
		0x48, 0xbf,                                     /* movabs $site, %rdi */
	};
	static const unsigned char target[] = {0x48, 0xb8}; /* movabs $agent_hit, %rax */
	static const unsigned char restore[] = {
		0xff, 0xd0,                                     /* call *%rax */
		0x48, 0x89, 0xec,                               /* mov %rbp, %rsp */
		0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, /* pop %r15 to %r12 */
		0x41, 0x5b, 0x41, 0x5a, 0x41, 0x59, 0x41, 0x58, /* pop %r11 to %r8 */
		0x5f, 0x5e, 0x5d, 0x5b, 0x5a, 0x59, /* pop %rdi, %rsi, %rbp, %rbx, %rdx, %rcx */
		0x58, 0x04, 0x7f, 0x9e, 0x58,       /* pop %rax; add $127, %al; sahf; pop %rax */
		0x48, 0x8d, 0xa4, 0x24, 0x80, 0x00, 0x00, 0x00, /* lea 128(%rsp), %rsp */
	};
	void (*hit)(const struct agent_site *, const uint64_t *) = agent_hit;

	_Static_assert(sizeof save == STUB_SITE, "a stub's site is found again");
	_Static_assert(sizeof save + sizeof target + sizeof restore + sizeof site + sizeof hit +
				       sizeof nop <=
			       STUB,
		       "a stub has room");
	unsigned char *at = put(stub, save, sizeof save);
	at = put(at, &site, sizeof site);
	at = put(at, target, sizeof target);
	at = put(at, &hit, sizeof hit);
	at = put(at, restore, sizeof restore);
	(void)put_jump(at, site->address + sizeof nop);
}

/* Makes the pages of a site writable, or executable again. */
static bool protect(const struct agent_site *site, int how)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t begin = site->address & ~(page - 1);
	uint64_t end = (site->address + sizeof nop + page - 1) & ~(page - 1);

	return mprotect((void *)(uintptr_t)begin, end - begin, how) == 0;
}

bool agent_patch(struct agent_site *site)
{
	unsigned char *text = (unsigned char *)(uintptr_t)site->address;

	if (memcmp(text, nop, sizeof nop) != 0)
		return false; /* another's probe, or a build without room for a jump */
	unsigned char *stub = stub_room(site->address);
	if (stub == NULL)
		return false;
	write_stub(stub, site);
	if (!protect(site, PROT_READ | PROT_WRITE))
		return false;
	(void)put_jump(text, (uint64_t)(uintptr_t)stub);
	return protect(site, PROT_READ | PROT_EXEC);
}

void (*agent_patch_sample(struct agent_site *site))(void)
{
	unsigned char *room = stub_room((uint64_t)(uintptr_t)agent_hit);
	unsigned char *stub = room != NULL ? stub_room((uint64_t)(uintptr_t)room) : NULL;
	void (*function)(void) = NULL;

	if (stub == NULL)
		return NULL;
	site->address = (uint64_t)(uintptr_t)room;
	write_stub(stub, site);
	*put_jump(room, (uint64_t)(uintptr_t)stub) = 0xc3; /* ret */
	memcpy(room + EMPTY, nop, sizeof nop);
	room[EMPTY + sizeof nop] = 0xc3;
	memcpy(&function, &room, sizeof function);
	return function;
}

void (*agent_patch_empty(void (*sample)(void)))(void)
{
	uintptr_t address = (uintptr_t)sample + EMPTY;
	void (*function)(void);

	memcpy(&function, &address, sizeof function);
	return function;
}

uint64_t agent_patch_place(uint64_t address)
{
	for (size_t i = 0; i < piece_count; i++) {
		uint64_t begin = (uint64_t)(uintptr_t)pieces[i].memory;
		const struct agent_site *site;
		if (address < begin || address >= begin + pieces[i].used)
			continue;
		memcpy(&site, pieces[i].memory + (address - begin) / STUB * STUB + STUB_SITE,
		       sizeof site);
		return site != NULL ? site->address : address;
	}
	return address;
}

bool agent_patch_done(void)
{
	bool done = true;

	for (size_t i = 0; i < piece_count; i++)
		done = mprotect(pieces[i].memory, ROOM, PROT_READ | PROT_EXEC) == 0 && done;
	return done;
}
