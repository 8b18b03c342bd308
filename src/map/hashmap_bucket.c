/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* The rarer half of a bucket of hashmap: its image, and the end of a chain. */
#include "map/hashmap_bucket.h"

/* The next line of a chain, under the bucket's lock; NULL: none. *number: the next one's. */
static struct calm__line *next_line(const struct calm__locked *locked,
				    const struct calm__line *line, uint32_t *number)
{
	/* order: none - changed under the lock. */
	*number = load_relaxed(&line->overflow);
	return *number != 0 ? calm__overflow(locked->table, *number) : NULL;
}

uint64_t calm__bucket_count(const struct calm__locked *locked)
{
	uint32_t number;
	uint64_t n = (uint64_t)__builtin_popcount(calm__line_occupied(locked->header));
	if (!(locked->header & LINE_OVERFLOW))
		return n;
	for (const struct calm__line *line = next_line(locked, locked->line, &number); line;
	     line = next_line(locked, line, &number))
		/* order: none - changed under the lock. */
		n += (uint64_t)__builtin_popcount(calm__line_occupied(load_relaxed(&line->header)));
	return n;
}

static uint32_t copy_line(struct calm__entry *to, const struct calm__line *line, uint64_t header)
{
	uint32_t n = 0;
	for (unsigned left = calm__line_occupied(header); left; left &= left - 1) {
		unsigned at = (unsigned)__builtin_ctz(left);
		/* order: none - changed under the lock. */
		to[n].key = load_relaxed(&line->slots[at].key);
		to[n++].value = load_relaxed(&line->slots[at].value);
	}
	return n;
}

void calm__bucket_copy(const struct calm__locked *locked, struct calm__entry *to)
{
	uint32_t number;
	to += copy_line(to, locked->line, locked->header);
	if (!(locked->header & LINE_OVERFLOW))
		return;
	for (const struct calm__line *line = next_line(locked, locked->line, &number); line;
	     line = next_line(locked, line, &number))
		/* order: none - changed under the lock. */
		to += copy_line(to, line, load_relaxed(&line->header));
}

void calm__bucket_save(struct calm__hashmap *map, const struct calm__self *self,
		       const struct calm__locked *locked)
{
	uint32_t number;
	struct calm__image *image = calm__history_begin(&map->history, self);
	image->place = calm__bucket_place(locked->table, locked->hash);
	/* order: none - changed under the lock. */
	image->from = calm__stamp_epoch(load_relaxed(&locked->line->stamp), locked->epoch);
	image->to = locked->epoch - 1;
	image->generation = locked->table->generation->number;
	image->n = copy_line(image->entries, locked->line, locked->header);
	if ((locked->header & LINE_OVERFLOW) && rule(SAVE_OVERFLOW))
		for (const struct calm__line *line = next_line(locked, locked->line, &number); line;
		     line = next_line(locked, line, &number))
			/* order: none - changed under the lock. */
			image->n += copy_line(image->entries + image->n, line,
					      load_relaxed(&line->header));
	calm__history_commit(&map->history, self, image);
}

void calm__bucket_unchain(const struct calm__locked *locked, uint32_t number, uint64_t *header)
{
	struct calm__line *before = locked->line;
	uint32_t at;
	for (struct calm__line *line = next_line(locked, before, &at); at != number;
	     line = next_line(locked, line, &at))
		before = line;
	/* order: none - changed under the lock. */
	uint32_t next = load_relaxed(&calm__overflow(locked->table, number)->overflow);
	/* order: hash.chain release -> find_overflow(), copy_overflow(): it leads on as the empty line did. */
	store_release(&before->overflow, next);
	if (before == locked->line && next == 0)
		*header &= ~LINE_OVERFLOW;
}
