/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * oneTBB's concurrent_hash_map, presized; a const_accessor (read lock of the entry) to get, an
 * accessor to put.
 */
#include "bench/adapter.h"

#include <oneapi/tbb/concurrent_hash_map.h>

namespace
{

struct compare {
	static size_t hash(uint64_t key)
	{
		return bench_hash(key);
	}
	static bool equal(uint64_t a, uint64_t b)
	{
		return a == b;
	}
};

using table = tbb::concurrent_hash_map<uint64_t, uint64_t, compare>;

void *create(const struct bench_subject *, size_t capacity)
{
	return new table(capacity > 0 ? capacity : 1);
}

void destroy(void *map)
{
	delete static_cast<table *>(map);
}

BENCH_INLINE bool get(void *map, void *, uint64_t key, uint64_t *value)
{
	table::const_accessor found;

	if (!static_cast<table *>(map)->find(found, key))
		return false;
	*value = found->second;
	return true;
}

BENCH_INLINE bool put(void *map, void *, uint64_t key, uint64_t value)
{
	table::accessor found;

	static_cast<table *>(map)->insert(found, key);
	found->second = value;
	return true;
}

BENCH_INLINE bool insert(void *map, void *, uint64_t key, uint64_t value)
{
	return static_cast<table *>(map)->insert({key, value});
}

BENCH_INLINE bool erase(void *map, void *, uint64_t key)
{
	return static_cast<table *>(map)->erase(key);
}

BENCH_BATCH(batch, get, put, insert, erase, BENCH_NO_PAUSE)

size_t size(void *map)
{
	return static_cast<table *>(map)->size();
}

struct bench_subject make()
{
	struct bench_subject subject = {};
	subject.id = "tbb";
	subject.name = "oneTBB";
	subject.from = "libtbb-dev";
	subject.create = create;
	subject.destroy = destroy;
	subject.batch = batch;
	subject.get = get;
	subject.put = put;
	subject.insert = insert;
	subject.erase = erase;
	subject.size = size;
	return subject;
}

} // namespace

const struct bench_subject bench_tbb = make();
