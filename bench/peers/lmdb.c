/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * LMDB in memory: a file in /dev/shm (else the temporary folder), unlinked at once, no sync, a
 * writable map. 16-byte keys. A thread keeps one read transaction and renews it for each get, as
 * LMDB's manual advises; a write is a transaction of its own, of which there is one at a time.
 */
#include "bench/adapter.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct map {
	MDB_env *env;
	MDB_dbi dbi;
};

struct reader {
	MDB_txn *txn;
	MDB_cursor *cursor;
};

static void check(int status)
{
	if (status == MDB_SUCCESS)
		return;
	(void)fprintf(stderr, "calm bench: LMDB: %s\n", mdb_strerror(status));
	_exit(2);
}

static int open_file(MDB_env *env, const char *folder)
{
	char path[128], lock[160];
	static unsigned number;

	(void)snprintf(path, sizeof path, "%s/calm-bench-%d-%u", folder, (int)getpid(), number++);
	(void)snprintf(lock, sizeof lock, "%s-lock", path);
	int status = mdb_env_open(
		env, path, MDB_NOSUBDIR | MDB_WRITEMAP | MDB_NOSYNC | MDB_NOTLS | MDB_NOMEMINIT,
		0600);
	(void)unlink(path);
	(void)unlink(lock);
	return status;
}

static void destroy(void *pointer)
{
	struct map *map = pointer;

	mdb_env_close(map->env);
	free(map);
}

static void *create(const struct bench_subject *subject, size_t capacity)
{
	struct map *map = bench_alloc(sizeof *map);
	MDB_txn *txn;

	(void)subject;
	check(mdb_env_create(&map->env));
	check(mdb_env_set_mapsize(map->env, ((size_t)1 << 28) + capacity * 256));
	check(mdb_env_set_maxreaders(map->env, 1024));
	if (open_file(map->env, "/dev/shm") != MDB_SUCCESS)
		check(open_file(map->env, "/tmp"));
	check(mdb_txn_begin(map->env, NULL, 0, &txn));
	check(mdb_dbi_open(txn, NULL, 0, &map->dbi));
	check(mdb_txn_commit(txn));
	return map;
}

static void *enter(void *pointer)
{
	struct map *map = pointer;
	struct reader *reader = bench_alloc(sizeof *reader);

	check(mdb_txn_begin(map->env, NULL, MDB_RDONLY, &reader->txn));
	check(mdb_cursor_open(reader->txn, map->dbi, &reader->cursor));
	mdb_txn_reset(reader->txn);
	return reader;
}

static void leave(void *map, void *thread)
{
	struct reader *reader = thread;

	(void)map;
	mdb_cursor_close(reader->cursor);
	mdb_txn_abort(reader->txn);
	free(reader);
}

static bool get(void *pointer, void *thread, uint64_t key, uint64_t *value)
{
	struct map *map = pointer;
	struct reader *reader = thread;
	unsigned char wide[16];
	MDB_val name = {sizeof wide, wide}, data;

	bench_wide_key(key, wide);
	check(mdb_txn_renew(reader->txn));
	bool found = mdb_get(reader->txn, map->dbi, &name, &data) == MDB_SUCCESS;
	if (found)
		__builtin_memcpy(value, data.mv_data, sizeof *value);
	mdb_txn_reset(reader->txn);
	return found;
}

static bool store(void *pointer, uint64_t key, uint64_t value, unsigned flags)
{
	struct map *map = pointer;
	unsigned char wide[16];
	MDB_val name = {sizeof wide, wide}, data = {sizeof value, &value};
	MDB_txn *txn;

	bench_wide_key(key, wide);
	check(mdb_txn_begin(map->env, NULL, 0, &txn));
	int status = mdb_put(txn, map->dbi, &name, &data, flags);
	if (status != MDB_KEYEXIST)
		check(status);
	check(mdb_txn_commit(txn));
	return status == MDB_SUCCESS;
}

static bool put(void *map, void *thread, uint64_t key, uint64_t value)
{
	(void)thread;
	return store(map, key, value, 0);
}

static bool insert(void *map, void *thread, uint64_t key, uint64_t value)
{
	(void)thread;
	return store(map, key, value, MDB_NOOVERWRITE);
}

static bool erase(void *pointer, void *thread, uint64_t key)
{
	struct map *map = pointer;
	unsigned char wide[16];
	MDB_val name = {sizeof wide, wide};
	MDB_txn *txn;

	(void)thread;
	bench_wide_key(key, wide);
	check(mdb_txn_begin(map->env, NULL, 0, &txn));
	int status = mdb_del(txn, map->dbi, &name, NULL);
	check(mdb_txn_commit(txn));
	return status == MDB_SUCCESS;
}

BENCH_BATCH(batch, get, put, insert, erase, BENCH_NO_PAUSE)

static size_t size(void *pointer)
{
	struct map *map = pointer;
	MDB_stat stat;

	check(mdb_env_stat(map->env, &stat));
	return stat.ms_entries;
}

static size_t visit_from(struct reader *reader, MDB_val *name, MDB_cursor_op first, size_t most,
			 bench_visit_fn *visit, void *context)
{
	MDB_val data;
	size_t n = 0;

	check(mdb_txn_renew(reader->txn));
	check(mdb_cursor_renew(reader->txn, reader->cursor));
	int status = mdb_cursor_get(reader->cursor, name, &data, first);
	for (; status == MDB_SUCCESS && n < most; n++) {
		uint64_t value;
		__builtin_memcpy(&value, data.mv_data, sizeof value);
		(void)visit(bench_wide_word(name->mv_data), value, context);
		status = mdb_cursor_get(reader->cursor, name, &data, MDB_NEXT);
	}
	mdb_txn_reset(reader->txn);
	return n;
}

static size_t walk(void *map, void *thread, bench_visit_fn *visit, void *context)
{
	MDB_val name;

	(void)map;
	return visit_from(thread, &name, MDB_FIRST, SIZE_MAX, visit, context);
}

static size_t range(void *map, void *thread, uint64_t from, size_t count, bench_visit_fn *visit,
		    void *context)
{
	unsigned char wide[16];
	MDB_val name = {sizeof wide, wide};

	(void)map;
	bench_wide_key(from, wide);
	return visit_from(thread, &name, MDB_SET_RANGE, count, visit, context);
}

const struct bench_subject bench_lmdb = {
	.id = "lmdb",
	.name = "LMDB",
	.from = "liblmdb-dev",
	.create = create,
	.destroy = destroy,
	.enter = enter,
	.leave = leave,
	.batch = batch,
	.get = get,
	.put = put,
	.insert = insert,
	.erase = erase,
	.size = size,
	.walk = walk,
	.range = range,
	.ordered = true,
};
