/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Every kind of map, in one table, so that one suite, one benchmark and one command serve them all.
 *
 * Invariant: the table names each constructor of calm/map.h exactly once, whether this build has it
 * or not; what is built is asked of the library at run time (kit_kind_exists), never guessed from
 * macros, so that a kit compiled against an older library still tells the truth. The `snapshots`
 * and `ordered` columns are promises of the interface: a kind that answers CALM_EUNSUPPORTED
 * against its column is a bug the conformance suite reports.
 */
#ifndef KIT_KINDS_H
#define KIT_KINDS_H

#include <calm/map.h>

#define KIT_KINDS 7

typedef calm_status kit_create_fn(calm_map **out, const calm_options *options);

struct kit_kind {
	const char *name;
	kit_create_fn *create;
	bool snapshots; /* calm_map_snapshot, calm_map_walk and calm_map_drain work */
	bool ordered;   /* walks in key order, and has ranges */
};

/* In the order of calm/map.h. Static. */
extern const struct kit_kind kit_kinds[KIT_KINDS];

/* The kind of that name, or NULL. */
const struct kit_kind *kit_kind_find(const char *name);

/*
 * Whether this build has the kind: makes an empty map and destroys it. False only for
 * CALM_EUNSUPPORTED. O(1).
 */
bool kit_kind_exists(const struct kit_kind *kind);

/*
 * Reads "KIND[,KIND…]" or "all" (every kind that exists, in the table's order) into out, at most
 * KIT_KINDS of them, a kind named twice once. True, and *count. False: error says which word is
 * wrong and why (an unknown name, an empty one, a kind that this build does not have, none at all);
 * out and *count are then unspecified. error may be NULL.
 */
bool kit_kinds_parse(const char *list, const struct kit_kind *out[KIT_KINDS], size_t *count,
		     char *error, size_t error_size);

#endif
