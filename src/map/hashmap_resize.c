/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * How hashmap's table grows and shrinks while it is used.
 *
 * A larger table is hung behind the current one (next); from then on every writer first moves the
 * bucket that it is about to use, and a share of the others. A unit of the move is one bucket of the
 * smaller table: growing, an old bucket is locked, its children are filled, and MOVED is published;
 * shrinking, two old buckets are locked in order and become one. Nobody looks at a new bucket before
 * it has followed a MOVED to it. When all units are moved the new table takes the old one's place,
 * and the old one goes after a grace period.
 *
 * Splitting changes no binding, so it saves no image: the children have their parent's stamp, and
 * its images are found under its own, shorter, place. Merging two buckets that were last changed in
 * different epochs would give one of them a stamp that is not its own; so it counts as a change of
 * both: what a snapshot may see of either is saved, and the bucket is stamped with the epoch.
 *
 * Units are claimed in order, round and round, so a helper that stops half-way delays nobody: the
 * next round finds what it left. Growth starts at three entries a bucket, whatever a single bucket
 * holds, so that colliding keys cannot force it; shrinking when what is there would fill an eighth of
 * the room. Without memory a table stays as it is, and its chains become longer.
 *
 * Source: Shalev and Shavit's split order (JACM 53:3, 2006) for the top-bits layout; incremental
 * moves by writers as in java.util.concurrent.ConcurrentHashMap.transfer. Rejected: moving on
 * reads, which would lock; a background thread, which a library should not have.
 */
#include "base/probe.h"
#include "map/hashmap_bucket.h"

#define SHARE 32
#define SHARE_OF_RESERVE 4096
/* A unit has at most 2^this children: they are filled with their bucket locked, and all at once. */
#define STEP_BITS 4
/*
 * The table that was moved, and what a write has reserved before it helps. Not so many that a thread's
 * spare blocks never are enough: each share would ask for one more, and settle to give it back.
 */
#define RETIRES (1 + 2 + 2 * CALM__BLOCK_ITEMS)

struct move {
	struct calm__hashmap *map;
	struct calm__self *self;
	struct calm__hash_table *from;
	struct calm__hash_table *to;
	uint32_t spare; /* overflow lines of to, linked: enough for the unit being moved */
};

enum outcome { MOVED_NOW, NEED_NOT_MOVE, NO_MEMORY };

static bool grows(const struct move *move)
{
	return move->to->bits > move->from->bits;
}

static unsigned unit_bits(const struct move *move)
{
	return grows(move) ? move->from->bits : move->to->bits;
}

/* ---- filling a new bucket, which nobody else sees yet ---- */

static void start_line(struct calm__line *line, uint32_t stamp)
{
	/* order: none - published by the MOVED of the bucket that it is filled from. */
	store_relaxed(&line->header, 0);
	store_relaxed(&line->stamp, stamp);
	store_relaxed(&line->overflow, 0);
}

/* Where there is room in a bucket being filled; takes a spare line if need be. */
static struct calm__slot room_in(struct move *move, struct calm__line *bucket)
{
	/* order: none - as in start_line(). */
	uint64_t header = load_relaxed(&bucket->header);
	unsigned free = ~calm__line_occupied(header) & 7;
	if (free)
		return (struct calm__slot){bucket, 0, (unsigned)__builtin_ctz(free)};
	/* order: none - as in start_line(). */
	uint32_t number = load_relaxed(&bucket->overflow);
	struct calm__line *line = number != 0 ? calm__overflow(move->to, number) : NULL;
	/* order: none - as in start_line(). */
	free = line ? ~calm__line_occupied(load_relaxed(&line->header)) & 7 : 0;
	if (free == 0) {
		uint32_t first = number;
		number = move->spare;
		line = calm__overflow(move->to, number);
		/* order: none - as in start_line(). */
		move->spare = load_relaxed(&line->overflow);
		/* order: hash.chain release -> find_overflow(), copy_overflow(): as in
		 * calm__bucket_extend(). */
		store_release(&line->overflow, first);
		/* order: none - as in start_line(). */
		store_relaxed(&bucket->overflow, number);
		store_relaxed(&bucket->header, header | LINE_OVERFLOW);
		free = 7;
	}
	return (struct calm__slot){line, number, (unsigned)__builtin_ctz(free)};
}

static void move_slot(struct move *move, struct calm__line *line, uint32_t number, unsigned at)
{
	/* order: none - changed under the lock. */
	uint64_t stored = load_relaxed(&line->slots[at].key);
	void *value = load_relaxed(&line->slots[at].value);
	uint64_t hash = calm__stored_hash(&move->map->base.keys, stored);
	struct calm__slot to = room_in(move, calm__bucket(move->to, hash));
	/* order: none - as in start_line(). */
	store_relaxed(&to.line->slots[to.at].key, stored);
	store_relaxed(&to.line->slots[to.at].value, value);
	/* order: hash.overflow release -> find_overflow(), copy_overflow(): the slot is filled, for
	 * who has come with the line from another bucket. */
	store_release(&to.line->header,
		      calm__line_take(load_relaxed(&to.line->header), to.at, calm__tag(hash)));
	if (move->to->births)
		*calm__birth(move->to, to.line, to.number, to.at) = *calm__birth(move->from, line,
										 number, at);
}

static void move_bindings(struct move *move, const struct calm__locked *locked)
{
	struct calm__line *line = locked->line;
	uint64_t header = locked->header;
	for (uint32_t number = 0;;) {
		for (unsigned left = calm__line_occupied(header); left; left &= left - 1)
			move_slot(move, line, number, (unsigned)__builtin_ctz(left));
		if (!(locked->header & LINE_OVERFLOW))
			return;
		/* order: none - changed under the lock. */
		number = load_relaxed(&line->overflow);
		if (number == 0)
			return;
		line = calm__overflow(move->from, number);
		/* order: none - changed under the lock. */
		header = load_relaxed(&line->header);
	}
}

static void give_spares(struct move *move)
{
	while (move->spare != 0) {
		uint32_t number = move->spare;
		/* order: none - nobody else has it. */
		move->spare = load_relaxed(&calm__overflow(move->to, number)->overflow);
		calm__pool_give(move->to, move->self, number);
	}
}

/* As many overflow lines as n bindings can need. False: the table has no more. */
static bool take_spares(struct move *move, uint64_t n)
{
	for (uint64_t lines = n / CALM__SLOTS; n > CALM__SLOTS && lines > 0; lines--) {
		uint32_t number = calm__pool_take(move->to, move->self);
		if (number == 0) {
			give_spares(move);
			return false;
		}
		/* order: hash.chain release -> find_overflow(), copy_overflow(): as in
		 * calm__pool_give(). */
		store_release(&calm__overflow(move->to, number)->overflow, move->spare);
		move->spare = number;
	}
	return true;
}

/* So that a page is not faulted in under a lock. */
static void touch(struct move *move, uint64_t hash)
{
	/* order: none - adds nothing. */
	add_relaxed(&calm__bucket(move->to, hash)->header, 0);
}

static uint64_t with_moved(const struct calm__locked *locked)
{
	return locked->header | (rule(MOVED) ? LINE_MOVED : 0);
}

/* ---- a unit ---- */

/*
 * Under the unit's lock. The table of a generation that was cleared is left as it is: what was displaced
 * from it may be gone, and up to where that is counts in buckets.
 */
static bool need_not_move(const struct move *move, const struct calm__locked *locked)
{
	return locked->table != move->from || !calm__still_current(move->map, move->from);
}

static enum outcome split(struct move *move, uint64_t hash)
{
	for (;;) {
		struct calm__locked locked = calm__lock_bucket(move->from, hash);
		if (need_not_move(move, &locked)) {
			calm__unlock_bucket(&locked, locked.header);
			return NEED_NOT_MOVE;
		}
		if (!take_spares(move,
				 calm__bucket_count(locked.table, locked.line, locked.header))) {
			calm__unlock_bucket(&locked, locked.header);
			if (!calm__pool_grow(move->map, move->to))
				return NO_MEMORY;
			continue;
		}
		/* order: none - changed under the lock. */
		uint32_t stamp = load_relaxed(&locked.line->stamp);
		struct calm__line *child = calm__bucket(move->to, hash);
		uint64_t children = (uint64_t)1 << (move->to->bits - move->from->bits);
		for (uint64_t i = 0; i < children; i++)
			start_line(&child[i], rule(KEEP_STAMP) ? stamp : 0);
		move_bindings(move, &locked);
		calm__unlock_bucket(&locked, with_moved(&locked));
		give_spares(move);
		return MOVED_NOW;
	}
}

/* What a merge must have before it changes anything: overflow lines, and room for both images. */
static bool prepare_merge(struct move *move, const struct calm__locked locked[2],
			  const bool saves[2], uint64_t *entries)
{
	uint64_t n = 0;
	*entries = 0;
	for (int i = 0; i < 2; i++) {
		n += calm__bucket_count(locked[i].table, locked[i].line, locked[i].header);
		if (saves[i])
			*entries += calm__bucket_room(&locked[i]) +
				    sizeof(struct calm__image) / sizeof(struct calm__entry) + 1;
	}
	if (*entries > 0 && !calm__history_room(&move->map->history, move->self, *entries))
		return false;
	*entries = 0;
	return take_spares(move, n);
}

static enum outcome merge(struct move *move, uint64_t hash)
{
	uint64_t half = (uint64_t)1 << move->from->shift;
	for (;;) {
		struct calm__locked locked[2] = {calm__lock_bucket(move->from, hash), {0}};
		if (need_not_move(move, &locked[0])) {
			calm__unlock_bucket(&locked[0], locked[0].header);
			return NEED_NOT_MOVE;
		}
		locked[1] = calm__lock_bucket(move->from, hash + half);
		uint64_t epoch = calm__snaps_now(&move->map->snaps);
		locked[0].epoch = locked[1].epoch = epoch;
		bool saves[2];
		uint64_t entries;
		for (int i = 0; i < 2; i++)
			saves[i] = rule(MERGE_SAVES) &&
				   calm__bucket_needs_image(move->map, &locked[i]);
		if (!prepare_merge(move, locked, saves, &entries)) {
			calm__unlock_bucket(&locked[1], locked[1].header);
			calm__unlock_bucket(&locked[0], locked[0].header);
			if (!(entries > 0
				      ? calm__history_grow(&move->map->history, move->self, entries)
				      : calm__pool_grow(move->map, move->to)))
				return NO_MEMORY;
			continue;
		}
		for (int i = 0; i < 2; i++)
			if (saves[i])
				calm__bucket_save(move->map, move->self, &locked[i]);
		start_line(calm__bucket(move->to, hash), calm__stamp(epoch));
		move_bindings(move, &locked[0]);
		move_bindings(move, &locked[1]);
		calm__unlock_bucket(&locked[1], with_moved(&locked[1]));
		calm__unlock_bucket(&locked[0], with_moved(&locked[0]));
		give_spares(move);
		return MOVED_NOW;
	}
}

/* ---- the whole ---- */

static void release_table(void *pointer, void *context)
{
	calm__table_unmake(calm__hashmap_of(context), pointer);
}

/* The last unit is moved: there is room to retire the old table. */
static void finish(struct move *move)
{
	struct calm__hash_table *from = move->from;
	calm__probe1(resize__end, move->map);
	/* order: hash.table release -> read_unit(), calm__hashmap_look(): the new table. */
	store_release(&from->generation->table, move->to);
	void *current = from;
	/* order: hash.table sc -> calm__hashmap_table(): the new table; it fails if the map was
	 * cleared: then another generation is current. */
	cas_sc(&move->map->table, &current, (void *)move->to);
	/* order: none - statistics. */
	add_relaxed(&move->map->base.resizes, 1);
	calm__retire_large(move->self, from, release_table, &move->map->base, from->bytes);
}

static bool move_unit(struct move *move, uint64_t hash)
{
	/* order: none - only a look: what is moved already need not be locked. */
	if (load_relaxed(&calm__bucket(move->from, hash)->header) & LINE_MOVED)
		return true;
	touch(move, hash);
	enum outcome outcome = grows(move) ? split(move, hash) : merge(move, hash);
	if (outcome != MOVED_NOW)
		return outcome == NEED_NOT_MOVE;
	uint64_t units = (uint64_t)1 << unit_bits(move);
	/* order: hash.moved acq_rel <-> move_unit(): every unit is moved before the last one's mover
	 * finishes. */
	if (add_acq_rel(&move->from->moved, 1) + 1 == units)
		finish(move);
	return true;
}

/* The unit of `hash`, and `share` of the others. False: no memory for some. */
static bool help(struct calm__hashmap *map, struct calm__self *self, struct calm__hash_table *table,
		 uint64_t hash, uint64_t share)
{
	/* order: hash.next acquire <- calm__hashmap_start(): the table. */
	struct move move = {map, self, table, load_acquire(&table->next), 0};
	if (!calm__reserve(self, RETIRES))
		return false;
	unsigned shift = 64 - unit_bits(&move);
	if (!move_unit(&move, hash >> shift << shift))
		return false;
	/* order: none - whose turn a unit is; moving it twice is not possible. */
	uint64_t claim = add_relaxed(&table->claimed, share);
	calm__probe2(resize__chunk, map, claim);
	for (uint64_t i = claim; i < claim + share; i++)
		if (!move_unit(&move, i << shift))
			return false;
	return true;
}

void calm__hashmap_help(struct calm__hashmap *map, struct calm__self *self,
			struct calm__hash_table *table, uint64_t hash)
{
	help(map, self, table, hash, SHARE);
}

/* Hangs a table of so many bits behind one that has none. False: no memory. */
static bool calm__hashmap_start(struct calm__hashmap *map, struct calm__hash_table *table,
				unsigned bits)
{
	struct calm__hash_table *next = calm__table_make(map, bits, table->generation, 0, true);
	void *none = NULL;
	if (!next)
		return false;
	/* order: hash.next release -> help(), reserve_step(): the table. */
	if (!cas_acq_rel(&table->next, &none, (void *)next))
		calm__table_unmake(map, next);
	else
		calm__probe3(resize__begin, map, (uint64_t)1 << table->bits, (uint64_t)1 << bits);
	return true;
}

void calm__hashmap_look(struct calm__hashmap *map, struct calm__hash_table *table)
{
	/* order: hash.table acquire <- finish(): only a table that has been filled is left. */
	if (load_acquire(&table->generation->table) != table)
		return;
	/* order: none - only a look. */
	if (load_relaxed(&table->next) != NULL)
		return;
	uint64_t count = calm__stripes_sum(&table->generation->count);
	/* order: none - a hint. */
	uint64_t least = load_relaxed(&map->least);
	if (count > table->room)
		calm__hashmap_start(map, table, table->bits + 1);
	else if (count < table->room / 8 && table->bits > calm__table_bits(least))
		calm__hashmap_start(map, table, table->bits - 1);
}

/* One step towards room for so many. Inside a section. *late: what is left may be others' to finish. */
static calm_status reserve_step(struct calm__hashmap *map, struct calm__self *self, size_t entries,
				bool *done, bool *late)
{
	struct calm__hash_table *table = calm__hashmap_table(map);
	/* order: hash.next acquire <- calm__hashmap_start(): the table. */
	struct calm__hash_table *next = load_acquire(&table->next);
	*late = false;
	if (next) {
		unsigned bits = table->bits < next->bits ? table->bits : next->bits;
		/* order: none - a hint. */
		*late = load_relaxed(&table->claimed) >> bits != 0;
		return help(map, self, table, 0, SHARE_OF_RESERVE) ? CALM_OK : CALM_ENOMEM;
	}
	*done = table->room >= entries;
	if (*done)
		return CALM_OK;
	unsigned bits = calm__table_bits(entries);
	if (bits > CALM__TABLE_BITS)
		return CALM_ENOMEM;
	if (bits > table->bits + STEP_BITS)
		bits = table->bits + STEP_BITS;
	return calm__hashmap_start(map, table, bits) ? CALM_OK : CALM_ENOMEM;
}

calm_status calm__hashmap_grow(struct calm__hashmap *map, struct calm__self *self, size_t entries)
{
	calm_status status = CALM_OK;
	unsigned turn = 0;
	for (bool done = false, late = false; !done && status == CALM_OK;) {
		if (late)
			calm__hashmap_wait(&turn);
		calm__enter(self);
		status = reserve_step(map, self, entries, &done, &late);
		calm__leave(self);
	}
	return status;
}

calm_status calm__hashmap_reserve(struct calm_map *base, size_t entries)
{
	struct calm__hashmap *map = calm__hashmap_of(base);
	/* order: none - a hint. */
	uint64_t least = load_relaxed(&map->least);
	/* order: none - a hint; before, not after: else what has grown could shrink meanwhile. */
	while (least < entries && !cas_relaxed(&map->least, &least, entries))
		;
	calm_status status = calm__hashmap_grow(map, calm__self(), entries);
	uint64_t raised = entries;
	if (status != CALM_OK && least < entries)
		/* order: none - a hint. */
		cas_relaxed(&map->least, &raised, least);
	return status;
}

/* ---- stamps ---- */

/* Stamps the bucket at a position if it is old. The position after it; *done false: no memory. */
static uint64_t refresh(struct calm__hashmap *map, struct calm__self *self, uint64_t position,
			bool *done)
{
	for (;;) {
		struct calm__locked locked = calm__lock_bucket(calm__hashmap_table(map), position);
		uint64_t epoch = calm__snaps_now(&map->snaps);
		locked.epoch = epoch;
		uint64_t last = calm__place_last(calm__bucket_place(locked.table, position));
		/* order: none - changed under the lock. */
		uint64_t since = calm__stamp_epoch(load_relaxed(&locked.line->stamp), epoch);
		bool old = rule(REFRESH) && epoch - since >= STAMP_QUARTER / 2;
		bool saves = old && calm__bucket_needs_image(map, &locked);
		uint64_t entries = saves ? calm__bucket_room(&locked) : 0;
		if (!saves || calm__history_room(&map->history, self, entries)) {
			if (saves)
				calm__bucket_save(map, self, &locked);
			if (old)
				calm__bucket_stamp(&locked);
			calm__unlock_bucket(&locked, locked.header);
			return last + 1;
		}
		calm__unlock_bucket(&locked, locked.header);
		*done = calm__history_grow(&map->history, self, entries);
		if (!*done)
			return position;
	}
}

bool calm__hashmap_refresh(struct calm__hashmap *map, struct calm__self *self)
{
	if (calm__snaps_now(&map->snaps) < STAMP_QUARTER / 2)
		return true;
	uint64_t buckets = (uint64_t)1 << calm__hashmap_table(map)->bits;
	bool done = true;
	for (uint64_t n = 2 + 4 * buckets / STAMP_QUARTER; done && n > 0; n--)
		map->refreshed = refresh(map, self, map->refreshed, &done);
	return done;
}
