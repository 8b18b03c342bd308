/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The invariants of a quiet hashmap, for calm_debug_check. */
#include "map/hashmap_bucket.h"

struct check {
	const struct calm__keys *keys;
	const char *broken;
	uint64_t count;
};

static const char *check_line(const struct check *check, const struct calm__hash_table *table,
			      const struct calm__line *bucket, const struct calm__line *line,
			      uint64_t header)
{
	for (unsigned left = calm__line_occupied(header); left; left &= left - 1) {
		unsigned at = (unsigned)__builtin_ctz(left);
		/* order: none - the map is quiet. */
		uint64_t stored = load_relaxed(&line->slots[at].key);
		uint64_t hash = calm__stored_hash(check->keys, stored);
		if (calm__bucket(table, hash) != bucket)
			return "hashmap: a key in a bucket that is not its own";
		if (((header >> (LINE_TAG_SHIFT + 8 * at)) & 0xff) != calm__tag(hash))
			return "hashmap: a tag that is not its key's";
	}
	return NULL;
}

static void check_bucket(struct calm__hash_table *table, struct calm__line *bucket, void *context)
{
	struct check *check = context;
	const struct calm__line *line = bucket;
	/* order: none - the map is quiet. */
	uint64_t header = load_relaxed(&bucket->header);
	bool overflows = (header & LINE_OVERFLOW) != 0;
	if (header & (LINE_LOCK | LINE_MOVED))
		check->broken = "hashmap: a bucket is locked, or moved twice";
	/* order: none - the map is quiet. */
	if (overflows != (load_relaxed(&bucket->overflow) != 0))
		check->broken = "hashmap: a header and its overflow disagree";
	for (uint32_t number = 0; !check->broken;) {
		check->broken = check_line(check, table, bucket, line, header);
		check->count += (uint64_t)__builtin_popcount(calm__line_occupied(header));
		/* order: none - the map is quiet. */
		number = load_relaxed(&line->overflow);
		if (number == 0)
			return;
		line = calm__overflow(table, number);
		/* order: none - the map is quiet. */
		header = load_relaxed(&line->header);
		if (calm__line_occupied(header) == 0)
			check->broken = "hashmap: an empty line in a chain";
	}
}

const char *calm__hashmap_check(const struct calm_map *base)
{
	struct calm__hashmap *map = calm__hashmap_of(base);
	struct check check = {&base->keys, NULL, 0};
	struct calm__self *self = calm__self();
	calm__enter(self);
	/* order: none - the map is quiet. */
	struct calm__hash_table *table = load_relaxed(&calm__hashmap_table(map)->generation->table);
	calm__table_each(table, check_bucket, &check);
	if (!check.broken && check.count != calm__stripes_sum(&table->generation->count))
		check.broken = "hashmap: the count is not the number of bindings";
	calm__leave(self);
	return check.broken;
}
