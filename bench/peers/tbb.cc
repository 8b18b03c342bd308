/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * oneTBB's concurrent_hash_map, presized; a const_accessor (read lock of the entry) to get, an
 * accessor to put.
 */
#include "bench/peers/text.hh"

#include <oneapi/tbb/concurrent_hash_map.h>

namespace
{

struct compare {
	using is_transparent = void;
	template <class key_type> static size_t hash(const key_type &key)
	{
		return hash_of(key);
	}
	template <class stored, class key_type>
	static bool equal(const stored &a, const key_type &b)
	{
		return a == b;
	}
};

using word_table = tbb::concurrent_hash_map<uint64_t, uint64_t, compare>;
using text_table = tbb::concurrent_hash_map<std::string, uint64_t, compare>;

template <class table> void *create(const struct bench_subject *, size_t capacity)
{
	return new table(capacity > 0 ? capacity : 1);
}

template <class table, class key_type>
BENCH_INLINE bool get(void *map, void *, key_type key, uint64_t *value)
{
	typename table::const_accessor found;

	if (!static_cast<table *>(map)->find(found, sought(key)))
		return false;
	*value = found->second;
	return true;
}

template <class table, class key_type>
BENCH_INLINE bool put(void *map, void *, key_type key, uint64_t value)
{
	typename table::accessor found;

	static_cast<table *>(map)->insert(found, sought(key));
	found->second = value;
	return true;
}

BENCH_INLINE bool insert_word(void *map, void *, uint64_t key, uint64_t value)
{
	return static_cast<word_table *>(map)->insert({key, value});
}

/* By value it would make the string of a present key too. */
BENCH_INLINE bool insert_text(void *map, void *, const struct bench_text *key, uint64_t value)
{
	text_table::accessor found;

	if (!static_cast<text_table *>(map)->insert(found, sought(key)))
		return false;
	found->second = value;
	return true;
}

template <class table, class key_type> BENCH_INLINE bool erase(void *map, void *, key_type key)
{
	return static_cast<table *>(map)->erase(sought(key));
}

BENCH_BATCH(batch, get<word_table>, put<word_table>, insert_word, erase<word_table>, BENCH_NO_PAUSE)
BENCH_TEXT_BATCHES(get<text_table>, put<text_table>, insert_text, erase<text_table>, BENCH_NO_PAUSE)

struct bench_subject make()
{
	struct bench_subject subject = {};
	subject.id = "tbb";
	subject.name = "oneTBB";
	subject.from = "libtbb-dev";
	subject.create = create<word_table>;
	subject.destroy = destroy<word_table>;
	subject.batch = batch;
	subject.get = get<word_table>;
	subject.put = put<word_table>;
	subject.insert = insert_word;
	subject.erase = erase<word_table>;
	subject.size = size<word_table>;
	return subject;
}

const struct bench_subject of_texts[BENCH_TEXTS] = {
	with_texts<text_table>(make(), create<text_table>, 16, batch_16),
	with_texts<text_table>(make(), create<text_table>, 48, batch_48)};

struct bench_subject with_both()
{
	struct bench_subject subject = make();
	subject.texts = of_texts;
	return subject;
}

} // namespace

const struct bench_subject bench_tbb = with_both();
