/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Boost's concurrent_flat_map (1.83 and later), presized by reserve, visited as its manual does.
 * The hash is marked as avalanching, so that boost does not mix it again. cvisit_all locks a group
 * at a time: not consistent.
 */
#include "bench/adapter.h"

#include <boost/unordered/concurrent_flat_map.hpp>

namespace
{

struct hasher {
	using is_avalanching = void;

	size_t operator()(uint64_t key) const
	{
		return bench_hash(key);
	}
};

using table = boost::concurrent_flat_map<uint64_t, uint64_t, hasher>;

void *create(const struct bench_subject *, size_t capacity)
{
	table *map = new table();
	map->reserve(capacity);
	return map;
}

void destroy(void *map)
{
	delete static_cast<table *>(map);
}

BENCH_INLINE bool get(void *map, void *, uint64_t key, uint64_t *value)
{
	return static_cast<table *>(map)->cvisit(
		       key, [&](const auto &binding) { *value = binding.second; }) != 0;
}

BENCH_INLINE bool put(void *map, void *, uint64_t key, uint64_t value)
{
	static_cast<table *>(map)->insert_or_assign(key, value);
	return true;
}

BENCH_INLINE bool insert(void *map, void *, uint64_t key, uint64_t value)
{
	return static_cast<table *>(map)->insert({key, value});
}

BENCH_INLINE bool erase(void *map, void *, uint64_t key)
{
	return static_cast<table *>(map)->erase(key) != 0;
}

BENCH_BATCH(batch, get, put, insert, erase, BENCH_NO_PAUSE)

size_t size(void *map)
{
	return static_cast<table *>(map)->size();
}

size_t walk(void *map, void *, bench_visit_fn *visit, void *context)
{
	size_t n = 0;

	static_cast<table *>(map)->cvisit_all([&](const auto &binding) {
		n++;
		(void)visit(binding.first, binding.second, context);
	});
	return n;
}

struct bench_subject make()
{
	struct bench_subject subject = {};
	subject.id = "boost";
	subject.name = "boost concurrent_flat_map";
	subject.from = "libboost-dev 1.83 or later";
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

const struct bench_subject bench_boost = make();
