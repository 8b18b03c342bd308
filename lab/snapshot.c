/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Snapshots, with one rule of the hash map left out (src/base/rules.h). Three shortcuts that look harmless:
 *
 *	EPOCH_IN_LOCK    the writer loads the epoch before it locks the bucket: a snapshot may open between, and then contains the
 *	                 write in part, or shows it on a second reading and not on the first
 *	SNAPSHOT_WAITS   a snapshot reads a bucket whose lock is held: what that writer does belongs to the snapshot, and is not
 *	                 there yet
 *	GET_WAITS        a get does not wait for a writer that a snapshot has overtaken: the snapshot will show the new value, the
 *	                 get after it returned the old one
 *
 * The rule: a snapshot holds exactly the writes whose writers found an epoch no later than its stamp, inside their lock
 * (docs/design/hashmap.md).
 * Right: the library as it is. The wrong victims are linked with a hash map that was compiled without the rule.
 *
 * Seen as: a snapshot that is no prefix of a writer's history, that differs when read again, or that is newer than a later get. The
 * map is small and the writers are many, so that a writer is often stopped inside its lock.
 */
#include "lab/victim.h"

#include "kit/cut_run.h"

#include <calm/calm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEYS 24
#define WRITERS 6

/* ---- the whole of it: the snapshot-cut checker ---- */

static void check_cuts(uint64_t ns)
{
	struct kit_cut_plan plan = {.kind = kit_kind_find("hashmap"),
				    .key_kind = CALM_KEYS_WORD,
				    .entries = KEYS + 4,
				    .touched = KEYS,
				    .writers = WRITERS,
				    .walkers = 2,
				    .delete_every = 4,
				    .passes = KIT_PASS_SNAPSHOT,
				    .ns = ns,
				    .seed = 1};
	static struct kit_cut_result result;
	if (kit_cut_run(&plan, &result) != CALM_OK)
		abort();
	lab_count("snapshots", result.traversals);
	for (int i = 0; i < KIT_CUT_FAULTS; i++) {
		char name[40];
		(void)snprintf(name, sizeof name, "fault: %s", kit_cut_fault_name(i));
		if (result.report.faults[i] > 0)
			lab_count(name, result.report.faults[i]);
	}
	if (result.report.total > 0)
		lab_found("%.*s", (int)strcspn(result.report.text, "\n"), result.report.text);
}

/* ---- a get after the opening, against what the snapshot shows ---- */

static calm_map *map;

static uint64_t load(calm_snapshot *snapshot, uint64_t key)
{
	void *value = NULL;
	calm_status status = snapshot != NULL ? calm_snapshot_load(snapshot, calm_word(key), &value)
					      : calm_map_load(map, calm_word(key), &value);
	if (status != CALM_OK)
		abort();
	return (uint64_t)(uintptr_t)value;
}

/* Values rise, so a get that comes after the opening finds at least what the snapshot holds; and that stays as it is. */
static void look(void)
{
	uint64_t now[KEYS], then[KEYS];
	calm_snapshot *snapshot;
	if (calm_map_snapshot(map, &snapshot) != CALM_OK)
		abort();
	for (uint64_t key = 0; key < KEYS; key++)
		now[key] = load(NULL, key);
	for (uint64_t key = 0; key < KEYS; key++)
		then[key] = load(snapshot, key);
	for (uint64_t key = 0; key < KEYS; key++) {
		if (now[key] < then[key]) {
			lab_count("gets older than the snapshot", 1);
			lab_found(
				"a get after the snapshot found write %llu, the snapshot shows write %llu",
				(unsigned long long)now[key], (unsigned long long)then[key]);
		}
		uint64_t again = load(snapshot, key);
		if (again != then[key]) {
			lab_count("snapshots that changed", 1);
			lab_found("a snapshot showed write %llu, and then write %llu",
				  (unsigned long long)then[key], (unsigned long long)again);
		}
	}
	calm_snapshot_close(snapshot);
}

static void work(unsigned number, void *context)
{
	(void)context;
	for (uint64_t i = 1; lab_goes_on(); i++) {
		if (number == 0)
			look();
		for (uint64_t key = number - 1; number > 0 && key < KEYS; key += WRITERS)
			(void)calm_map_store(map, calm_word(key), (void *)(uintptr_t)i);
	}
}

static void run(void)
{
	static const char *const names[] = {"reader", "writer", "writer", "writer",
					    "writer", "writer", "writer"};
	check_cuts(lab_ns_left() / 2);
	if (calm_hashmap_create(&map, NULL) != CALM_OK)
		abort();
	for (uint64_t key = 0; key < KEYS; key++)
		(void)calm_map_store(map, calm_word(key), NULL);
	lab_together(1 + WRITERS, names, work, NULL);
	(void)calm_map_destroy(map);
}

static const struct lab_variant variants[] = {{"wrong", run}, {"right", run}, {NULL, NULL}};
const struct lab_case lab_snapshot = {"snapshot", variants};
