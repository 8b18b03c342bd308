/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The rarer half of a bucket of hashmap: what overflows from it. */
#include "map/hashmap_bucket.h"

#include <string.h>

/* The next line of a chain, under the bucket's lock; NULL: none. */
static struct calm__line *next_line(struct calm__hash_table *table, const struct calm__line *line)
{
	/* order: none - changed under the lock. */
	uint32_t number = load_relaxed(&line->overflow);
	return number != 0 ? calm__overflow(table, number) : NULL;
}

/* Of one line. */
static uint64_t count(uint64_t header)
{
	return (uint64_t)__builtin_popcount(calm__line_occupied(header));
}

uint64_t calm__bucket_count(struct calm__hash_table *table, const struct calm__line *bucket,
			    uint64_t header)
{
	uint64_t n = count(header);
	if (!(header & LINE_OVERFLOW))
		return n;
	for (const struct calm__line *line = next_line(table, bucket); line;
	     line = next_line(table, line))
		/* order: none - changed under the lock. */
		n += count(load_relaxed(&line->header));
	return n;
}

uint64_t calm__bucket_overflow_slots(struct calm__hash_table *table,
				     const struct calm__line *bucket)
{
	uint64_t n = 0;
	for (const struct calm__line *line = next_line(table, bucket); line;
	     line = next_line(table, line))
		n += CALM__SLOTS;
	return n;
}

/* As of the bucket itself, no address depends on what a line holds, as far as vacant has bits. */
void calm__bucket_save_overflow(struct calm__hash_table *table, const struct calm__line *bucket,
				struct calm__image *image)
{
	uint32_t n = image->n;
	uint32_t vacant = image->vacant;
	for (const struct calm__line *line = next_line(table, bucket); line;
	     line = next_line(table, line)) {
		/* order: none - changed under the lock. */
		uint64_t header = load_relaxed(&line->header);
		if (likely(n + CALM__SLOTS <= 32)) {
			memcpy(&image->entries[n], line->slots, sizeof(line->slots));
			vacant |= calm__line_occupied(~header) << n;
			n += CALM__SLOTS;
			continue;
		}
		for (unsigned left = calm__line_occupied(header); left; left &= left - 1)
			memcpy(&image->entries[n++], &line->slots[__builtin_ctz(left)],
			       sizeof(*image->entries));
	}
	image->n = n;
	image->vacant = vacant;
}

void calm__bucket_copy(struct calm__hash_table *table, const struct calm__line *bucket,
		       uint64_t header, struct calm__entry *to)
{
	for (const struct calm__line *line = bucket; line; line = next_line(table, line)) {
		/* order: none - changed under the lock. */
		uint64_t own = line == bucket ? header : load_relaxed(&line->header);
		for (unsigned left = calm__line_occupied(own); left; left &= left - 1)
			memcpy(to++, &line->slots[__builtin_ctz(left)], sizeof(*to));
		if (!(header & LINE_OVERFLOW))
			return;
	}
}

uint64_t calm__bucket_unchain(struct calm__hash_table *table, struct calm__line *bucket,
			      uint32_t number, uint64_t header)
{
	struct calm__line *gone = calm__overflow(table, number);
	struct calm__line *before = bucket;
	for (struct calm__line *line = next_line(table, before); line != gone;
	     line = next_line(table, line))
		before = line;
	/* order: none - changed under the lock. */
	uint32_t next = load_relaxed(&gone->overflow);
	/* order: hash.chain release -> find_overflow(), copy_overflow(): it leads on as the empty line did. */
	store_release(&before->overflow, next);
	return before == bucket && next == 0 ? header & ~LINE_OVERFLOW : header;
}
