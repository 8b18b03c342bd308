/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The check of one traversal against the numbered history of cut.h.
 *
 * Which prefix? All writes in (m - n, m] that store are visible in the state after m, for nothing
 * can have overwritten them. So if anything at all of a writer is seen, with greatest number g,
 * then m >= g and the writes g+1 … m are all deletes: m is found by walking on from g over deletes
 * of entries that are not seen. Every m so reached has the same state, hence one comparison of all
 * n entries with the state after the least of them decides. If nothing is seen, m is 0 or the last
 * n writes were deletes.
 *
 * Invariant: between kit_cut_end and the next binding every slot's `seen` is 0: the comparison
 * empties as it reads.
 *
 * Rejected: collecting the bindings and sorting them afterwards (three passes over memory, and the
 * traversal's own time would be drowned in the copy).
 */
#include "kit/cut.h"

#include "kit/random.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define NUMBER_MASK (((uint64_t)1 << KIT_CUT_NUMBER_BITS) - 1)

static uint32_t print_of(calm_key key)
{
	return (uint32_t)XXH3_64bits(key.data, key.size);
}

calm_status kit_cut_check_init(struct kit_cut_check *check, const struct kit_cut *cut)
{
	*check = (struct kit_cut_check){.cut = cut};
	check->slots = calloc(cut->entries, sizeof *check->slots);
	check->spans = calloc(cut->writers > 0 ? cut->writers : 1, sizeof *check->spans);
	if (check->slots == NULL || check->spans == NULL) {
		kit_cut_check_free(check);
		return CALM_ENOMEM;
	}
	for (uint64_t e = 0; cut->keys != NULL && e < cut->entries; e++)
		check->slots[e].print = cut->prints[e];
	return CALM_OK;
}

void kit_cut_check_free(struct kit_cut_check *check)
{
	free(check->slots);
	free(check->spans);
	*check = (struct kit_cut_check){0};
}

static void restart(struct kit_cut_check *check)
{
	check->bindings = 0;
	check->untouched = 0;
	check->sum = 0;
	check->mark = check->report.total;
	for (unsigned w = 0; w < check->cut->writers; w++)
		check->spans[w].most = 0;
}

void kit_cut_begin(struct kit_cut_check *check, bool live)
{
	const struct kit_cut *cut = check->cut;

	for (unsigned w = 0; w < cut->writers; w++) {
		uint64_t before = atomic_load(&cut->writer[w].finished);
		uint64_t n = cut->writer[w].n;
		check->spans[w] = (struct kit_cut_span){.before = before,
							.base = before > n ? before - n : 0,
							.prefix = UINT64_MAX};
	}
	check->live = live;
	check->opened = live;
	check->again = false;
	restart(check);
}

static void read_started(struct kit_cut_check *check)
{
	for (unsigned w = 0; w < check->cut->writers; w++)
		check->spans[w].after = atomic_load(&check->cut->writer[w].started);
}

void kit_cut_opened(struct kit_cut_check *check)
{
	if (check->opened)
		return;
	check->opened = true;
	read_started(check);
}

void kit_cut_again(struct kit_cut_check *check)
{
	check->again = true;
	check->first_sum = check->sum;
	check->first_bindings = check->bindings;
	restart(check);
}

__attribute__((noinline, cold)) static int alien(struct kit_cut_check *check, calm_key key,
						 void *value, const char *why)
{
	if (calm_key_is_word(key))
		kit_cut_fault(&check->report, KIT_CUT_ALIEN, "key %llu has value %p: %s",
			      (unsigned long long)calm_key_word(key), value, why);
	else
		kit_cut_fault(&check->report, KIT_CUT_ALIEN,
			      "key \"%.*s\" (%zu bytes) has value %p: %s",
			      key.size > 40 ? 40 : (int)key.size, (const char *)key.data, key.size,
			      value, why);
	return 0;
}

__attribute__((noinline, cold)) static void twice(struct kit_cut_check *check, uint64_t entry,
						  void *value)
{
	kit_cut_fault(&check->report, KIT_CUT_TWICE, "entry %llu was seen again, now with value %p",
		      (unsigned long long)entry, value);
}

__attribute__((noinline, cold)) static void too_old(struct kit_cut_check *check, unsigned w,
						    uint64_t number)
{
	kit_cut_fault(
		&check->report, KIT_CUT_OLD,
		"writer %u, entry %llu: shows write %llu, though write %llu to it had finished before",
		w, (unsigned long long)kit_cut_entry_of(&check->cut->writer[w], number),
		(unsigned long long)number, (unsigned long long)(number + check->cut->writer[w].n));
}

__attribute__((noinline, cold)) static void crossed(struct kit_cut_check *check,
						    const struct kit_cut_late *late)
{
	kit_cut_fault(&check->report, KIT_CUT_ALIEN,
		      "value %p, which belongs to entry %u, was seen under another key",
		      (void *)(uintptr_t)late->value, late->entry);
}

__attribute__((noinline, cold)) static uint32_t too_far(struct kit_cut_check *check, uint64_t tag)
{
	kit_cut_fault(&check->report, KIT_CUT_FAILED,
		      "writer %llu is 2^32 writes ahead of the traversal's beginning",
		      (unsigned long long)tag - 1);
	return UINT32_MAX;
}

/* The binding's slot is here by now. */
static inline void look(struct kit_cut_check *check, const struct kit_cut_late *late)
{
	struct kit_cut_slot *slot = &check->slots[late->entry];
	uint64_t tag = late->value >> KIT_CUT_NUMBER_BITS;
	uint64_t number = late->value & NUMBER_MASK;

	if (slot->print != late->print) {
		crossed(check, late);
		return;
	}
	if (slot->seen != 0) {
		twice(check, late->entry, (void *)(uintptr_t)late->value);
		return;
	}
	if (tag == 0) {
		slot->seen = 1;
		check->untouched++;
		return;
	}
	struct kit_cut_span *span = &check->spans[tag - 1];
	if (number <= span->base) {
		too_old(check, (unsigned)tag - 1, number);
		return;
	}
	uint64_t seen = number - span->base;
	slot->seen = seen <= UINT32_MAX ? (uint32_t)seen : too_far(check, tag);
	if (number > span->most)
		span->most = number;
}

/* Looks at all bindings that are still late. */
static void catch_up(struct kit_cut_check *check)
{
	for (unsigned i = 0; i < KIT_CUT_LATE; i++) {
		struct kit_cut_late *late = &check->late[(check->at + i) % KIT_CUT_LATE];
		if (late->full)
			look(check, late);
		late->full = false;
	}
}

int kit_cut_visit(calm_key key, void *value, void *context)
{
	struct kit_cut_check *check = context;
	const struct kit_cut *cut = check->cut;
	uint64_t bits = (uint64_t)(uintptr_t)value;
	uint64_t tag = bits >> KIT_CUT_NUMBER_BITS;
	uint64_t number = bits & NUMBER_MASK;
	uint64_t mixed = bits * 0x9e3779b97f4a7c15u;
	uint64_t entry = number;
	uint32_t print = 0;

	if (!check->opened)
		kit_cut_opened(check);
	check->bindings++;
	check->sum += (mixed ^ mixed >> 32) * 0xd6e8feb86659fd93u;
	if (tag == 0) {
		if (entry < cut->touched || entry >= cut->entries)
			return alien(check, key, value, "no such value");
	} else {
		if (tag > cut->writers)
			return alien(check, key, value, "no such writer");
		const struct kit_cut_writer *writer = &cut->writer[tag - 1];
		if (number == 0 || !kit_cut_stores_of(cut, writer, number))
			return alien(check, key, value, "a write that stored nothing");
		entry = kit_cut_entry_of(writer, number);
	}
	__builtin_prefetch(&check->slots[entry], 1);
	if (cut->keys != NULL && !calm_key_is_word(key))
		print = print_of(key);
	else if (cut->keys != NULL || !calm_key_is_word(key) || calm_key_word(key) != entry)
		return alien(check, key, value, "the value of another key");
	struct kit_cut_late *late = &check->late[check->at++ % KIT_CUT_LATE];
	if (late->full)
		look(check, late);
	*late = (struct kit_cut_late){.value = bits,
				      .entry = (uint32_t)entry,
				      .print = print,
				      .full = true};
	return 0;
}

/*
 * The least m in [before, after] where the writer has nothing: 0, or n deletes end there.
 * UINT64_MAX: none.
 */
static uint64_t empty_prefix(const struct kit_cut *cut, const struct kit_cut_writer *writer,
			     const struct kit_cut_span *span)
{
	uint64_t run = 0;

	if (span->before == 0)
		return 0;
	for (uint64_t i = span->base + 1; i <= span->after; i++) {
		run = kit_cut_stores_of(cut, writer, i) ? 0 : run + 1;
		if (run >= writer->n && i >= span->before)
			return i;
	}
	return UINT64_MAX;
}

/*
 * The least prefix not below `before` that can have left what was seen (see the top of the file).
 * Reports OLD or NEW and gives the nearest one where the bounds rule all out.
 */
static uint64_t find_prefix(struct kit_cut_check *check, unsigned w)
{
	const struct kit_cut *cut = check->cut;
	const struct kit_cut_writer *writer = &cut->writer[w];
	const struct kit_cut_span *span = &check->spans[w];
	uint64_t least = span->most;
	uint64_t most = span->most;

	if (most == 0) {
		least = empty_prefix(cut, writer, span);
		return least != UINT64_MAX ? least : span->before;
	}
	while (most < span->after && !kit_cut_stores_of(cut, writer, most + 1)) {
		uint64_t next = most + 1;
		if (check->slots[kit_cut_entry_of(writer, next)].seen != 0)
			break;
		if (next > writer->n && kit_cut_stores_of(cut, writer, next - writer->n))
			least = next;
		most = next;
	}
	if (least > span->after) {
		kit_cut_fault(
			&check->report, KIT_CUT_NEW,
			"writer %u: holds write %llu to entry %llu, but only %llu had started when it was open",
			w, (unsigned long long)least,
			(unsigned long long)kit_cut_entry_of(writer, least),
			(unsigned long long)span->after);
		return least;
	}
	if (most < span->before) {
		kit_cut_fault(
			&check->report, KIT_CUT_OLD,
			"writer %u: ends at write %llu, but %llu (entry %llu) had finished before it was opened",
			w, (unsigned long long)most, (unsigned long long)span->before,
			(unsigned long long)kit_cut_entry_of(writer, span->before));
		return most;
	}
	return least > span->before ? least : span->before;
}

/*
 * Holds all entries of a writer against the state after its first `prefix` writes, and empties the
 * slots.
 */
static void end_prefix(struct kit_cut_check *check, unsigned w)
{
	const struct kit_cut *cut = check->cut;
	const struct kit_cut_writer *writer = &cut->writer[w];
	struct kit_cut_span *span = &check->spans[w];
	if (writer->n == 0) /* never; said for clang's analyser */
		return;
	uint64_t prefix = find_prefix(check, w);
	uint64_t rounds = prefix / writer->n * writer->n;
	uint64_t rest = prefix % writer->n;
	uint64_t number = writer->n; /* of the first write to entry j, 1 … n */
	uint64_t wrong = 0, wrong_entry = 0, wrong_seen = 0, wrong_last = 0;

	for (uint64_t j = 0; j < writer->n; j++) {
		struct kit_cut_slot *slot = &check->slots[writer->first + j];
		uint64_t last = number <= rest ? rounds + number
				: rounds > 0   ? rounds - writer->n + number
					       : 0;
		uint64_t seen = slot->seen != 0 ? slot->seen + span->base : 0;

		if (seen != (last != 0 && kit_cut_stores_of(cut, writer, last) ? last : 0) &&
		    wrong++ == 0) {
			wrong_entry = writer->first + j;
			wrong_seen = seen;
			wrong_last = last;
		}
		slot->seen = 0;
		number += writer->inverse;
		if (number > writer->n)
			number -= writer->n;
	}
	if (wrong > 0)
		kit_cut_fault(
			&check->report, KIT_CUT_PREFIX,
			"writer %u: holds write %llu, so its first %llu, but entry %llu shows %llu%s instead of %s "
			"%llu; %llu of %llu entries differ",
			w, (unsigned long long)span->most, (unsigned long long)prefix,
			(unsigned long long)wrong_entry, (unsigned long long)wrong_seen,
			wrong_seen == 0 ? " (absent)" : "",
			wrong_last == 0 || kit_cut_stores_of(cut, writer, wrong_last) ? "store"
										      : "delete",
			(unsigned long long)wrong_last, (unsigned long long)wrong,
			(unsigned long long)writer->n);
	if (check->report.total == check->mark)
		span->prefix = prefix;
}

static void end_live(struct kit_cut_check *check, unsigned w)
{
	const struct kit_cut *cut = check->cut;
	const struct kit_cut_writer *writer = &cut->writer[w];
	const struct kit_cut_span *span = &check->spans[w];
	uint64_t lost = 0, entry = 0, write = 0;

	if (span->most > span->after)
		kit_cut_fault(
			&check->report, KIT_CUT_NEW,
			"writer %u: the walk showed write %llu to entry %llu, but only %llu had started when it ended",
			w, (unsigned long long)span->most,
			(unsigned long long)kit_cut_entry_of(writer, span->most),
			(unsigned long long)span->after);
	for (uint64_t j = 0; j < writer->n; j++) {
		struct kit_cut_slot *slot = &check->slots[writer->first + j];
		bool seen = slot->seen != 0;
		slot->seen = 0;
		if (seen)
			continue;
		uint64_t last = kit_cut_last_of(writer, j, span->before);
		if (last == 0 || last + writer->n <= span->after ||
		    !kit_cut_stores_of(cut, writer, last))
			continue;
		if (lost++ == 0) {
			entry = writer->first + j;
			write = last;
		}
	}
	if (lost > 0)
		kit_cut_fault(
			&check->report, KIT_CUT_LOST,
			"writer %u: entry %llu held write %llu throughout the walk and was not visited; %llu such",
			w, (unsigned long long)entry, (unsigned long long)write,
			(unsigned long long)lost);
}

static void end_untouched(struct kit_cut_check *check)
{
	const struct kit_cut *cut = check->cut;
	uint64_t missing = 0, first = 0;

	for (uint64_t e = cut->touched; e < cut->entries; e++) {
		if (check->slots[e].seen == 0 && missing++ == 0)
			first = e;
		check->slots[e].seen = 0;
	}
	if (missing > 0)
		kit_cut_fault(&check->report, KIT_CUT_UNTOUCHED,
			      "entry %llu, which nobody writes, is missing; %llu of %llu are",
			      (unsigned long long)first, (unsigned long long)missing,
			      (unsigned long long)(cut->entries - cut->touched));
}

bool kit_cut_end(struct kit_cut_check *check, int status)
{
	catch_up(check);
	if (check->live)
		read_started(check);
	else
		kit_cut_opened(check);
	if (status != 0) {
		kit_cut_fault(&check->report, KIT_CUT_FAILED,
			      "the traversal returned %d (%s) after %llu bindings", status,
			      status < 0 ? calm_strerror((calm_status)status) : "stopped",
			      (unsigned long long)check->bindings);
		for (uint64_t e = 0; e < check->cut->entries; e++)
			check->slots[e].seen = 0;
		return false;
	}
	for (unsigned w = 0; w < check->cut->writers; w++) {
		if (check->live)
			end_live(check, w);
		else
			end_prefix(check, w);
	}
	end_untouched(check);
	if (check->again &&
	    (check->sum != check->first_sum || check->bindings != check->first_bindings))
		kit_cut_fault(
			&check->report, KIT_CUT_REREAD,
			"the second reading has %llu bindings and sum %016llx, the first had %llu and %016llx",
			(unsigned long long)check->bindings, (unsigned long long)check->sum,
			(unsigned long long)check->first_bindings,
			(unsigned long long)check->first_sum);
	return check->report.total == check->mark;
}

static unsigned writer_of(const struct kit_cut *cut, uint64_t entry)
{
	unsigned w = (unsigned)(entry * cut->writers / cut->touched);

	while (w > 0 && cut->writer[w].first > entry)
		w--;
	while (entry >= cut->writer[w].first + cut->writer[w].n)
		w++;
	return w;
}

static bool load_fault(struct kit_cut_check *check, uint64_t entry, calm_status status, void *value,
		       uint64_t least)
{
	kit_cut_fault(
		&check->report, KIT_CUT_LOAD,
		"entry %llu: a load after the snapshot answered %d with value %p; the snapshot has write %llu of it",
		(unsigned long long)entry, status, status == CALM_OK ? value : NULL,
		(unsigned long long)least);
	return false;
}

bool kit_cut_load(struct kit_cut_check *check, uint64_t entry, calm_status status, void *value)
{
	const struct kit_cut *cut = check->cut;
	uint64_t bits = (uint64_t)(uintptr_t)value;

	if (entry >= cut->touched)
		return (status == CALM_OK && bits == entry) ||
		       load_fault(check, entry, status, value, 0);
	unsigned w = writer_of(cut, entry);
	const struct kit_cut_writer *writer = &cut->writer[w];
	if (check->spans[w].prefix == UINT64_MAX)
		return true;
	uint64_t started = atomic_load(&writer->started);
	uint64_t least = kit_cut_last_of(writer, entry - writer->first, check->spans[w].prefix);
	uint64_t number = bits & NUMBER_MASK;
	if (status == CALM_OK) {
		bool good = bits >> KIT_CUT_NUMBER_BITS == (uint64_t)w + 1 && number > 0 &&
			    number >= least && number <= started &&
			    kit_cut_entry_of(writer, number) == entry &&
			    kit_cut_stores_of(cut, writer, number);
		return good || load_fault(check, entry, status, value, least);
	}
	if (status != CALM_ABSENT)
		return load_fault(check, entry, status, value, least);
	for (uint64_t i = least; i != 0 && i <= started; i += writer->n) {
		if (!kit_cut_stores_of(cut, writer, i))
			return true;
	}
	return least == 0 || load_fault(check, entry, status, value, least);
}

bool kit_cut_snapshot_load(struct kit_cut_check *check, uint64_t entry, calm_status status,
			   void *value)
{
	const struct kit_cut *cut = check->cut;
	void *expected = kit_cut_untouched(entry);
	calm_status expected_status = CALM_OK;

	if (entry < cut->touched) {
		unsigned w = writer_of(cut, entry);
		const struct kit_cut_writer *writer = &cut->writer[w];
		if (check->spans[w].prefix == UINT64_MAX)
			return true;
		uint64_t last = kit_cut_last_of(writer, entry - writer->first,
						check->spans[w].prefix);
		expected_status = last != 0 && kit_cut_stores_of(cut, writer, last) ? CALM_OK
										    : CALM_ABSENT;
		expected = kit_cut_value(w, last);
	}
	if (status == expected_status && (status != CALM_OK || value == expected))
		return true;
	kit_cut_fault(
		&check->report, KIT_CUT_REREAD,
		"entry %llu: the snapshot's own load answered %d with value %p; its traversal showed %d with %p",
		(unsigned long long)entry, status, status == CALM_OK ? value : NULL,
		expected_status, expected_status == CALM_OK ? expected : NULL);
	return false;
}
