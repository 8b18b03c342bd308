/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Whether the traversals' instructions are those of the library's file: position-independent code is mapped as it is,
 * so that any difference is a patch. A lone breakpoint (int3 on x86-64) is a debugger's, or a probe's of perf, and no
 * patch that leads anywhere: it is passed over, and what hooks by breakpoints is not seen.
 */
#include "guard/object.h"

#include <calm/calm.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 4096 /* of one function, at the most; longer ones are compared up to there */
#define KEPT 32       /* bytes of each that calm__text_as_kept() compares */

#define TRAVERSAL(name)                                    \
	{                                                  \
#name, (void (*)(void))(name), {0 }, false \
	}

static struct traversal {
	const char *name;
	void (*function)(void);
	unsigned char kept[KEPT];
	bool known;
} traversals[] = {
	TRAVERSAL(calm_map_each),       TRAVERSAL(calm_map_walk),
	TRAVERSAL(calm_map_snapshot),   TRAVERSAL(calm_snapshot_each),
	TRAVERSAL(calm_snapshot_range), TRAVERSAL(calm_snapshot_range_descending),
	TRAVERSAL(calm_snapshot_diff),  TRAVERSAL(calm_cursor_init),
	TRAVERSAL(calm_cursor_seek),    TRAVERSAL(calm_cursor_next),
	TRAVERSAL(calm_cursor_prev),
};

#define TRAVERSALS (sizeof(traversals) / sizeof(traversals[0]))

static const unsigned char *text_of(const struct traversal *traversal)
{
	return (const unsigned char *)(uintptr_t)traversal->function;
}

/* How many bytes the function has, by its symbol; KEPT where it has none. */
static size_t size_of(const struct calm__object *own, const struct traversal *traversal)
{
	for (size_t i = 0; own->symbols && i < own->symbol_count; i++) {
		uintptr_t address;
		if (calm__object_exports(own, i, &address) &&
		    address == (uintptr_t)traversal->function)
			return own->symbols[i].st_size < TEXT_MAX ? own->symbols[i].st_size
								  : TEXT_MAX;
	}
	return KEPT;
}

static bool is_breakpoint(const unsigned char *text, const unsigned char *disk, size_t size,
			  size_t i)
{
#if defined(__x86_64__)
	bool alone = (i == 0 || text[i - 1] == disk[i - 1]) &&
		     (i + 1 == size || text[i + 1] == disk[i + 1]);
	return text[i] == 0xcc && alone;
#else
	(void)text;
	(void)disk;
	(void)size;
	(void)i;
	return false;
#endif
}

/* The first byte that a patch changed; size: none. */
static size_t patched(const unsigned char *text, const unsigned char *disk, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (text[i] != disk[i] && !is_breakpoint(text, disk, size, i))
			return i;
	}
	return size;
}

/* The object that a patch leads to, where it begins with a jump to an absolute or a relative address. */
static const char *leads_to(const unsigned char *text, char *unknown)
{
	Dl_info info;
	uintptr_t target = 0;
	int32_t distance;
#if defined(__x86_64__)
	if (text[0] == 0xe9 || text[0] == 0xe8) {
		memcpy(&distance, text + 1, sizeof(distance));
		target = (uintptr_t)text + 5 + (uintptr_t)(intptr_t)distance;
	} else if (text[0] == 0x48 && text[1] == 0xb8) {
		memcpy(&target, text + 2, sizeof(target));
	} else if (text[0] == 0xff && text[1] == 0x25) {
		memcpy(&distance, text + 2, sizeof(distance));
		if (distance == 0)
			memcpy(&target, text + 6, sizeof(target));
	}
#else
	(void)text;
	(void)distance;
#endif
	return target != 0 && dladdr((void *)target, &info) != 0 && info.dli_fname ? info.dli_fname
										   : unknown;
}

void calm__check_text(const struct calm__object *own, calm__finding_fn *found, void *context)
{
	unsigned char disk[TEXT_MAX];
	static char unknown[] = "unknown memory";

	for (size_t i = 0; i < TRAVERSALS; i++) {
		const struct traversal *traversal = &traversals[i];
		size_t size = size_of(own, traversal);
		if (!calm__object_runs(own, (uintptr_t)traversal->function) ||
		    !calm__object_disk(own, (uintptr_t)traversal->function, disk, size))
			continue;
		size_t at = patched(text_of(traversal), disk, size);
		if (at == size)
			continue;
		char message[512];
		const char *object = at + 16 <= size ? leads_to(text_of(traversal) + at, unknown)
						     : unknown;
		snprintf(message, sizeof(message),
			 "%s was patched at its byte %zu, and leads to %s", traversal->name, at,
			 object);
		found(traversal->name, object, message, context);
	}
}

void calm__keep_text(const struct calm__object *own)
{
	for (size_t i = 0; i < TRAVERSALS; i++) {
		struct traversal *traversal = &traversals[i];
		traversal->known = calm__object_runs(own, (uintptr_t)traversal->function) &&
				   calm__object_disk(own, (uintptr_t)traversal->function,
						     traversal->kept, KEPT);
	}
}

bool calm__text_as_kept(void)
{
	for (size_t i = 0; i < TRAVERSALS; i++) {
		const struct traversal *traversal = &traversals[i];
		if (traversal->known && memcmp(text_of(traversal), traversal->kept, KEPT) != 0 &&
		    patched(text_of(traversal), traversal->kept, KEPT) < KEPT)
			return false;
	}
	return true;
}
