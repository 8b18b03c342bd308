/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Keys from a file: one a line, or `key TAB value`.
 *
 * The format: lines end in LF; the last one need not. One CR before the LF is dropped and counted.
 * A line without a byte left is skipped and counted. The first TAB ends the key; what follows,
 * further TABs included, is the value (a line that starts with a TAB binds the empty key). A key
 * that was seen before keeps its place and takes the new value, as calm_map_store would; it is
 * counted. A NUL byte is refused with its line: in a text file it nearly always means the wrong
 * file, and a map that quietly takes an executable for a word list helps nobody. Lines may be as
 * long as memory allows, keys up to CALM_KEY_SIZE_MAX.
 *
 * Invariant: kit_keys_load gives everything or nothing. Where it failed, *out is empty and there is
 * one line of text that says which file, which line and what.
 */
#ifndef KIT_KEYS_H
#define KIT_KEYS_H

#include <calm/base.h>
#include <sys/types.h>

/* One entry; both parts point into kit_keys.text, and no NUL ends them. */
struct kit_entry {
	const char *key;
	size_t key_size;
	const char *value; /* NULL: the line had no TAB */
	size_t value_size;
};

struct kit_keys {
	struct kit_entry *entries; /* in the order of their first line; no key twice */
	size_t count;
	char *text; /* the whole input */
	size_t text_size;
	size_t lines;    /* all of them */
	size_t empty;    /* skipped */
	size_t repeated; /* lines whose key an earlier line had */
	size_t crs;      /* carriage returns dropped */
};

/*
 * Loads the file at path, "-" for standard input. True: *out is the caller's, to be given to
 * kit_keys_free. False: error says why: it cannot be opened, is a directory, cannot be read (also
 * midway), has no bytes, no keys, a NUL byte, a key too long, more keys than 2^32 - 2, or needs
 * more memory than there is. error holds whole text if error_size >= 256 and path is short. One
 * pass to read, one to split; the file is in memory once, plus 32 bytes an entry and, while
 * loading, about 20 more.
 */
bool kit_keys_load(struct kit_keys *out, const char *path, char *error, size_t error_size);

/* As read(2): up to size bytes into buffer; 0 at the end; -1 with errno set. */
typedef ssize_t kit_read_fn(void *context, void *buffer, size_t size);

/* The same from any source; name stands in errors where the path would. EINTR is tried again. */
bool kit_keys_load_from(struct kit_keys *out, kit_read_fn *read, void *context, const char *name,
			char *error, size_t error_size);

/* Frees what load filled; an empty (all zero) one is fine. */
void kit_keys_free(struct kit_keys *keys);

static inline calm_key kit_entry_key(const struct kit_entry *entry)
{
	return calm_bytes(entry->key, entry->key_size);
}

#endif
