/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * ck's own reclamation, for adapters whose readers follow pointers into entries: each operation of a
 * reader is a section of ck_epoch; deleted entries and outgrown tables are freed through it.
 */
#ifndef BENCH_PEERS_CK_EPOCH_H
#define BENCH_PEERS_CK_EPOCH_H

#include "bench/adapter.h"

#include <ck_epoch.h>
#include <ck_malloc.h>
#include <pthread.h>
#include <stdlib.h>

/* First in an adapter's map. */
struct domain {
	ck_epoch_t epoch;
	pthread_mutex_t lock; /* of the epoch's list of threads */
};

struct block {
	_Alignas(16) ck_epoch_entry_t epoch;
};

static __thread ck_epoch_record_t *record; /* of the thread, and of the map it works on */

static void *block_malloc(size_t size)
{
	struct block *block = bench_alloc(sizeof *block + size);

	return block + 1;
}

static void block_release(ck_epoch_entry_t *epoch)
{
	free(epoch); /* first in struct block and in every entry */
}

static void block_free(void *pointer, size_t size, bool defer)
{
	struct block *block = (struct block *)pointer - 1;

	(void)size;
	if (pointer == NULL)
		return;
	if (defer && record != NULL)
		ck_epoch_call(record, &block->epoch, block_release);
	else
		free(block);
}

static struct ck_malloc allocator = {.malloc = block_malloc, .free = block_free};

static void domain_init(struct domain *domain)
{
	ck_epoch_init(&domain->epoch);
	(void)pthread_mutex_init(&domain->lock, NULL);
}

static void domain_destroy(struct domain *domain)
{
	ck_epoch_record_t *each;

	while ((each = ck_epoch_recycle(&domain->epoch, NULL)) != NULL)
		(void)each; /* records are linked into the epoch: some 200 bytes a thread are left */
	(void)pthread_mutex_destroy(&domain->lock);
}

/* A record stays with its map once registered; one that is unregistered is taken again. */
static void *enter(void *map)
{
	struct domain *domain = map;

	(void)pthread_mutex_lock(&domain->lock);
	record = ck_epoch_recycle(&domain->epoch, NULL);
	if (record == NULL) {
		record = aligned_alloc(64, (sizeof *record + 63) / 64 * 64);
		if (record == NULL)
			abort();
		ck_epoch_register(&domain->epoch, record, NULL);
	}
	(void)pthread_mutex_unlock(&domain->lock);
	return record;
}

static void leave(void *map, void *thread)
{
	struct domain *domain = map;

	(void)thread;
	ck_epoch_barrier(record);
	(void)pthread_mutex_lock(&domain->lock);
	ck_epoch_unregister(record);
	(void)pthread_mutex_unlock(&domain->lock);
	record = NULL;
}

static void poll(void *map, void *thread)
{
	(void)map;
	(void)ck_epoch_poll(thread);
}

#endif
