/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * libcuckoo's cuckoohash_map, presized. Its only traversal is lock_table(), under which every
 * writer waits.
 */
#include "bench/adapter.h"

#include <libcuckoo/cuckoohash_map.hh>

namespace
{

struct hasher {
	size_t operator()(uint64_t key) const
	{
		return bench_hash(key);
	}
};

using table = libcuckoo::cuckoohash_map<uint64_t, uint64_t, hasher>;

void *create(const struct bench_subject *, size_t capacity)
{
	return capacity > 0 ? new table(capacity) : new table();
}

void destroy(void *map)
{
	delete static_cast<table *>(map);
}

BENCH_INLINE bool get(void *map, void *, uint64_t key, uint64_t *value)
{
	return static_cast<table *>(map)->find(key, *value);
}

BENCH_INLINE bool put(void *map, void *, uint64_t key, uint64_t value)
{
	static_cast<table *>(map)->insert_or_assign(key, value);
	return true;
}

BENCH_INLINE bool insert(void *map, void *, uint64_t key, uint64_t value)
{
	return static_cast<table *>(map)->insert(key, value);
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

size_t walk(void *map, void *, bench_visit_fn *visit, void *context)
{
	auto locked = static_cast<table *>(map)->lock_table();
	size_t n = 0;

	for (const auto &binding : locked) {
		n++;
		if (visit(binding.first, binding.second, context) != 0)
			break;
	}
	return n;
}

struct bench_subject make()
{
	struct bench_subject subject = {};
	subject.id = "cuckoo";
	subject.name = "libcuckoo";
	subject.from = "libcuckoo-dev";
	subject.create = create;
	subject.destroy = destroy;
	subject.batch = batch;
	subject.get = get;
	subject.put = put;
	subject.insert = insert;
	subject.erase = erase;
	subject.size = size;
	subject.walk = walk;
	return subject;
}

} // namespace

const struct bench_subject bench_cuckoo = make();
