/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The loader of key files; format and promises: keys.h.
 *
 * The whole input is read into one growing buffer, then split in place. Repeated keys are found by
 * an open-addressing set of entry indices, linear probing, at most half full, hashed by XXH3 with a
 * seed of this run: a file made to collide cannot make loading quadratic. A slot keeps 32 bits of
 * the hash beside the index, so that a probe touches the text only for a likely match.
 *
 * Rejected: mmap (a file truncated meanwhile would be SIGBUS, and pipes need the other path
 * anyway); getline (a malloc per line, and a read error looks like the end); sorting to find
 * repeats (loses the order and costs log n).
 */
#include "kit/keys.h"

#include "kit/clock.h"
#include "kit/random.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define ENTRIES_MAX ((size_t)UINT32_MAX - 1)

struct loader {
	struct kit_keys keys;
	size_t entries_room;
	uint64_t *slots; /* hash high half | index + 1; 0: free */
	size_t slots_mask;
	uint64_t seed;
	const char *name;
	char *error;
	size_t error_size;
};

/* Writes the error; always false, so that a caller can return it. */
__attribute__((format(printf, 2, 3))) static bool fail(struct loader *loader, const char *format,
						       ...)
{
	va_list list;

	if (loader->error == NULL || loader->error_size == 0)
		return false;
	va_start(list, format);
	(void)vsnprintf(loader->error, loader->error_size, format, list);
	va_end(list);
	return false;
}

static bool fail_errno(struct loader *loader, int code, const char *what)
{
	char text[128];

	/* The GNU strerror_r: may answer with a string of its own. */
	const char *reason = strerror_r(code, text, sizeof text);
	return fail(loader, "%s: %s: %s", loader->name, what, reason);
}

static bool read_all(struct loader *loader, kit_read_fn *read_some, void *context)
{
	struct kit_keys *keys = &loader->keys;
	size_t room = 0;

	for (;;) {
		if (keys->text_size == room) {
			size_t more = room == 0 ? 65536 : room * 2;
			char *text = more > room ? realloc(keys->text, more) : NULL;
			if (text == NULL)
				return fail(
					loader,
					"%s: no memory: %zu MiB are read and there is no end yet",
					loader->name, keys->text_size >> 20);
			keys->text = text;
			room = more;
		}
		ssize_t n = read_some(context, keys->text + keys->text_size,
				      room - keys->text_size);
		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && keys->text_size == 0)
			return fail_errno(loader, errno, "cannot be read");
		if (n < 0) {
			char what[64];
			int code = errno;
			(void)snprintf(what, sizeof what, "cannot be read past byte %zu",
				       keys->text_size);
			return fail_errno(loader, code, what);
		}
		keys->text_size += (size_t)n;
	}
	if (keys->text_size == 0)
		return fail(loader, "%s: empty: there are no keys in it", loader->name);
	return true;
}

static bool grow_entries(struct loader *loader)
{
	size_t room = loader->entries_room == 0 ? 1024 : loader->entries_room * 2;
	struct kit_entry *entries = reallocarray(loader->keys.entries, room, sizeof *entries);

	if (entries == NULL)
		return fail(loader, "%s:%zu: no memory for %zu keys", loader->name,
			    loader->keys.lines, room);
	loader->keys.entries = entries;
	loader->entries_room = room;
	return true;
}

static bool grow_slots(struct loader *loader)
{
	size_t size = loader->slots == NULL ? 2048 : (loader->slots_mask + 1) * 2;
	uint64_t *slots = calloc(size, sizeof *slots);
	const struct kit_keys *keys = &loader->keys;

	if (slots == NULL)
		return fail(loader, "%s:%zu: no memory for %zu keys", loader->name, keys->lines,
			    size / 2);
	for (size_t i = 0; i < keys->count; i++) {
		uint64_t hash = XXH3_64bits_withSeed(keys->entries[i].key,
						     keys->entries[i].key_size, loader->seed);
		size_t at = (size_t)hash & (size - 1);
		while (slots[at] != 0)
			at = (at + 1) & (size - 1);
		slots[at] = (hash & 0xffffffff00000000u) | (uint32_t)(i + 1);
	}
	free(loader->slots);
	loader->slots = slots;
	loader->slots_mask = size - 1;
	return true;
}

/* The slot where the key is, or the free one where it would go. */
static uint64_t *find_slot(const struct loader *loader, const struct kit_entry *entry,
			   uint64_t hash)
{
	size_t at = (size_t)hash & loader->slots_mask;

	for (;; at = (at + 1) & loader->slots_mask) {
		uint64_t slot = loader->slots[at];
		if (slot == 0)
			return &loader->slots[at];
		if ((slot ^ hash) >> 32 != 0)
			continue;
		const struct kit_entry *other = &loader->keys.entries[(uint32_t)slot - 1];
		if (other->key_size == entry->key_size &&
		    memcmp(other->key, entry->key, entry->key_size) == 0)
			return &loader->slots[at];
	}
}

static bool add_entry(struct loader *loader, const struct kit_entry *entry)
{
	struct kit_keys *keys = &loader->keys;

	if (keys->count == loader->entries_room && !grow_entries(loader))
		return false;
	if ((loader->slots == NULL || keys->count * 2 > loader->slots_mask) && !grow_slots(loader))
		return false;
	uint64_t hash = XXH3_64bits_withSeed(entry->key, entry->key_size, loader->seed);
	uint64_t *slot = find_slot(loader, entry, hash);
	if (*slot != 0) {
		struct kit_entry *first = &keys->entries[(uint32_t)*slot - 1];
		first->value = entry->value;
		first->value_size = entry->value_size;
		keys->repeated++;
		return true;
	}
	if (keys->count == ENTRIES_MAX)
		return fail(loader, "%s:%zu: more than %zu keys", loader->name, keys->lines,
			    ENTRIES_MAX);
	*slot = (hash & 0xffffffff00000000u) | (uint32_t)(keys->count + 1);
	keys->entries[keys->count++] = *entry;
	return true;
}

static bool add_line(struct loader *loader, const char *line, size_t size, bool ended)
{
	struct kit_keys *keys = &loader->keys;
	struct kit_entry entry = {.key = line};

	keys->lines++;
	if (ended && size > 0 && line[size - 1] == '\r') {
		keys->crs++;
		size--;
	}
	if (size == 0) {
		keys->empty++;
		return true;
	}
	if (memchr(line, '\0', size) != NULL)
		return fail(loader, "%s:%zu: a NUL byte: this is a binary file, not lines of text",
			    loader->name, keys->lines);
	const char *tab = memchr(line, '\t', size);
	entry.key_size = tab != NULL ? (size_t)(tab - line) : size;
	if (tab != NULL) {
		entry.value = tab + 1;
		entry.value_size = size - entry.key_size - 1;
	}
	if (entry.key_size > CALM_KEY_SIZE_MAX)
		return fail(loader, "%s:%zu: a key of %zu bytes; the longest allowed has %zu",
			    loader->name, keys->lines, entry.key_size, CALM_KEY_SIZE_MAX);
	return add_entry(loader, &entry);
}

static bool split(struct loader *loader)
{
	const char *at = loader->keys.text;
	const char *end = at + loader->keys.text_size;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline != NULL ? newline : end;
		if (!add_line(loader, at, (size_t)(stop - at), newline != NULL))
			return false;
		at = stop + 1;
	}
	if (loader->keys.count == 0)
		return fail(loader, "%s: no keys: all of its %zu lines are empty", loader->name,
			    loader->keys.lines);
	return true;
}

bool kit_keys_load_from(struct kit_keys *out, kit_read_fn *read_some, void *context,
			const char *name, char *error, size_t error_size)
{
	struct loader loader = {.name = name, .error = error, .error_size = error_size};
	uint64_t entropy = kit_now_ns() ^ (uint64_t)(uintptr_t)&loader;

	if (getentropy(&loader.seed, sizeof loader.seed) != 0)
		loader.seed = kit_mix(entropy);
	*out = (struct kit_keys){0};
	bool done = read_all(&loader, read_some, context) && split(&loader);
	free(loader.slots);
	if (!done) {
		kit_keys_free(&loader.keys);
		return false;
	}
	*out = loader.keys;
	return true;
}

static ssize_t read_file(void *context, void *buffer, size_t size)
{
	return read(*(int *)context, buffer, size);
}

bool kit_keys_load(struct kit_keys *out, const char *path, char *error, size_t error_size)
{
	bool standard = strcmp(path, "-") == 0;
	const char *name = standard ? "standard input" : path;
	struct loader loader = {.name = name, .error = error, .error_size = error_size};
	int file = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct stat about;
	bool done;

	*out = (struct kit_keys){0};
	if (file < 0)
		return fail_errno(&loader, errno, "cannot be opened");
	if (fstat(file, &about) == 0 && S_ISDIR(about.st_mode))
		done = fail(&loader, "%s: is a directory, not a file of keys", name);
	else
		done = kit_keys_load_from(out, read_file, &file, name, error, error_size);
	if (!standard)
		(void)close(file);
	return done;
}

void kit_keys_free(struct kit_keys *keys)
{
	free(keys->entries);
	free(keys->text);
	*keys = (struct kit_keys){0};
}
