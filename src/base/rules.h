/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The rules of the protocols that a test must miss when they are gone. rule(X) is true, and the
 * compiler sees it; a build with -DCALM_WITHOUT=RULE_X leaves that one rule out, a build with knobs
 * the one it is told. tools/mutations shows that a named test then fails. What each means stands
 * where it is used.
 *
 * Rejected: patches kept beside the code, which rot.
 */
#ifndef CALM_BASE_RULES_H
#define CALM_BASE_RULES_H

#include "base/knobs.h"

enum calm__rule {
	RULE_NONE,
	/* hashmap.c, hashmap.h */
	RULE_GET_WAITS,        /* a get waits for a writer that a snapshot may have overtaken */
	RULE_GET_CHECKS,       /* a get looks at the header again */
	RULE_RENEWS,           /* freeing and filling a slot change the version */
	RULE_EPOCH_IN_LOCK,    /* the epoch is loaded inside the lock */
	RULE_STAMP_FIRST,      /* the stamp is stored before the change */
	RULE_IMAGE_FIRST,      /* the image is published before the stamp */
	RULE_SAVE,             /* an image is saved at all */
	RULE_SAVE_OVERFLOW,    /* and holds what overflowed */
	RULE_GENERATION_CHECK, /* a writer looks again whether the map was cleared */
	/* hashmap_resize.c */
	RULE_KEEP_STAMP,  /* children have their parent's stamp */
	RULE_MERGE_SAVES, /* a merge saves what it merges */
	RULE_MOVED,       /* what has been migrated says so */
	/* hashmap_snapshot.c */
	RULE_SNAPSHOT_WAITS,  /* a snapshot waits for a writer it may have overtaken */
	RULE_SNAPSHOT_CHECKS, /* it looks at stamp and header again */
	RULE_PASS_AFTER_COPY, /* a walk says that it has passed what it has copied, not before */
	/* hashmap_batch.c */
	RULE_ONE_EPOCH,   /* a batch has one epoch, loaded inside all its locks */
	RULE_DRAIN_ORDER, /* drain takes its stamp after the table */
	/* treemap.c, treemap.h: without a word here, as their namesakes above */
	RULE_TREE_GET_WAITS,     /* as on hashmap, and so on: see there */
	RULE_TREE_GET_CHECKS,    /* a get looks at the header again */
	RULE_TREE_PARENT_CHECKS, /* who goes down looks at the parent's header again */
	RULE_TREE_RENEWS,        /* what shifts slots changes the version */
	RULE_TREE_EPOCH_IN_LOCK,
	RULE_TREE_IMAGE_FIRST,
	RULE_TREE_SAVE,
	RULE_TREE_GENERATION_CHECK,
	/* treemap_split.c, treemap_merge.c */
	RULE_TREE_SPLIT_STAMP, /* the right half has the left one's stamp */
	RULE_TREE_LINEAGE,     /* and knows whose images are its own */
	RULE_TREE_MERGE_WAITS, /* leaves are not put together while a snapshot looks for their images */
	/* treemap_range.c, treemap_clear.c, treemap_batch.c */
	RULE_TREE_SNAPSHOT_WAITS,
	RULE_TREE_SNAPSHOT_CHECKS,
	RULE_TREE_PASS_AFTER_COPY,
	RULE_TREE_ONE_EPOCH,
	RULE_TREE_DRAIN_ORDER,
	/* hashmap_write.c over a base, deltamap.c, deltamap_compact.c */
	RULE_MARK_FIRST,      /* a get looks for a mark, and then loads the base */
	RULE_BASE_IN_LOCK,    /* a writer loads the base inside the lock */
	RULE_DELETE_MARKS,    /* a key that was marked stays marked when it is deleted */
	RULE_TRIM_AGREES,     /* a mark goes only if it says what the base says */
	RULE_TRIM_KEEPS,      /* and its value becomes the base's */
	RULE_PUBLISH_IN_TURN, /* a base is not exchanged while a snapshot opens */
	/* cowmap.c, shardmap.c */
	RULE_COW_STAMP,       /* a snapshot's stamp is drawn while its table is the newest */
	RULE_COW_HOLD,        /* it does not hold what the map has let go */
	RULE_COW_DRAIN,       /* nor draw before the drain that its table comes after */
	RULE_SHARD_CLEAR_ALL, /* clear has all locks at once */
	/* sync */
	RULE_HORIZON,       /* history stays while a snapshot may see it */
	RULE_WALKS_COUNT,   /* a walk that has not passed a place keeps it */
	RULE_REFRESH,       /* stamps do not grow too old */
	RULE_DEAD_LISTS,    /* what a snapshot sees is not retired */
	RULE_DRAIN_ALL,     /* a reader looks into every thread's log */
	RULE_COMPACT_KEEPS, /* compaction keeps what an open snapshot sees */
};

#ifndef CALM_WITHOUT
#define CALM_WITHOUT RULE_NONE
#endif
#define rule(name) (RULE_##name != CALM__KNOB(without, CALM_WITHOUT))

#endif
