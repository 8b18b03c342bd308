/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The table of kinds, and the parser of "--map KIND[,KIND…]|all".
 *
 * Rejected: registration by constructor functions in each map's file. It would put kit above the
 * library's floors and make the set of kinds depend on what the linker kept of a static archive.
 */
#include "kit/kinds.h"

#include <stdio.h>
#include <string.h>

const struct kit_kind kit_kinds[KIT_KINDS] = {
	{"hashmap", calm_hashmap_create, true, false},
	{"treemap", calm_treemap_create, true, true},
	{"syncmap", calm_syncmap_create, false, false},
	{"lockmap", calm_lockmap_create, true, false},
	{"shardmap", calm_shardmap_create, false, false},
	{"cowmap", calm_cowmap_create, true, false},
	{"deltamap", calm_deltamap_create, true, false},
};

static const struct kit_kind *find(const char *name, size_t size)
{
	for (size_t i = 0; i < KIT_KINDS; i++) {
		if (strlen(kit_kinds[i].name) == size && memcmp(kit_kinds[i].name, name, size) == 0)
			return &kit_kinds[i];
	}
	return NULL;
}

const struct kit_kind *kit_kind_find(const char *name)
{
	return find(name, strlen(name));
}

bool kit_kind_exists(const struct kit_kind *kind)
{
	calm_map *map = NULL;
	calm_status status = kind->create(&map, NULL);

	if (status == CALM_OK)
		(void)calm_map_destroy(map);
	return status != CALM_EUNSUPPORTED;
}

/* Appends ", "-separated names of the kinds that exist (or all) to text. */
static void list_kinds(char *text, size_t size, bool existing)
{
	size_t used = strlen(text);
	const char *comma = "";

	for (size_t i = 0; i < KIT_KINDS && used < size; i++) {
		if (existing && !kit_kind_exists(&kit_kinds[i]))
			continue;
		int n = snprintf(text + used, size - used, "%s%s", comma, kit_kinds[i].name);
		used += n > 0 ? (size_t)n : 0;
		comma = ", ";
	}
	if (*comma == '\0')
		(void)snprintf(text + used, size - used, "none");
}

static bool refuse(char *error, size_t size, const char *word, size_t length, const char *why,
		   bool existing)
{
	int shown = length > 64 ? 64 : (int)length;

	if (error == NULL || size == 0)
		return false;
	(void)snprintf(error, size, "'%.*s' %s: ", shown, word, why);
	list_kinds(error, size, existing);
	return false;
}

static void add(const struct kit_kind *kind, const struct kit_kind *out[KIT_KINDS], size_t *count)
{
	for (size_t i = 0; i < *count; i++) {
		if (out[i] == kind)
			return;
	}
	out[(*count)++] = kind;
}

bool kit_kinds_parse(const char *list, const struct kit_kind *out[KIT_KINDS], size_t *count,
		     char *error, size_t error_size)
{
	const char *word = list;

	*count = 0;
	if (strcmp(list, "all") == 0) {
		for (size_t i = 0; i < KIT_KINDS; i++) {
			if (kit_kind_exists(&kit_kinds[i]))
				out[(*count)++] = &kit_kinds[i];
		}
		if (*count == 0)
			return refuse(error, error_size, list, 3,
				      "names nothing: kinds of map in this build", true);
		return true;
	}
	for (;;) {
		size_t length = strcspn(word, ",");
		const struct kit_kind *kind = find(word, length);
		if (kind == NULL)
			return refuse(error, error_size, word, length,
				      length == 0 ? "is empty; the kinds of map are"
						  : "is no kind of map; these are",
				      false);
		if (!kit_kind_exists(kind))
			return refuse(error, error_size, word, length,
				      "is not built into this version of calm; these are", true);
		add(kind, out, count);
		if (word[length] == '\0')
			return true;
		word += length + 1;
	}
}
