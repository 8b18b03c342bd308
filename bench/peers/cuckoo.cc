/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * libcuckoo's cuckoohash_map, presized. Its only traversal is lock_table(), under which every
 * writer waits. Text keys are std::string, sought by std::string_view, so that only a key which is
 * stored is copied.
 */
#include "bench/peers/text.hh"

#include <libcuckoo/cuckoohash_map.hh>

namespace
{

struct hasher {
	template <class key_type> size_t operator()(const key_type &key) const
	{
		return hash_of(key);
	}
};

using word_table = libcuckoo::cuckoohash_map<uint64_t, uint64_t, hasher>;
using text_table = libcuckoo::cuckoohash_map<std::string, uint64_t, hasher, std::equal_to<>>;

template <class table> void *create(const struct bench_subject *, size_t capacity)
{
	return capacity > 0 ? new table(capacity) : new table();
}

template <class table, class key_type>
BENCH_INLINE bool get(void *map, void *, key_type key, uint64_t *value)
{
	return static_cast<table *>(map)->find(sought(key), *value);
}

template <class table, class key_type>
BENCH_INLINE bool put(void *map, void *, key_type key, uint64_t value)
{
	static_cast<table *>(map)->insert_or_assign(sought(key), value);
	return true;
}

template <class table, class key_type>
BENCH_INLINE bool insert(void *map, void *, key_type key, uint64_t value)
{
	return static_cast<table *>(map)->insert(sought(key), value);
}

template <class table, class key_type> BENCH_INLINE bool erase(void *map, void *, key_type key)
{
	return static_cast<table *>(map)->erase(sought(key));
}

BENCH_BATCH(batch, get<word_table>, put<word_table>, insert<word_table>, erase<word_table>,
	    BENCH_NO_PAUSE)
BENCH_TEXT_BATCHES(get<text_table>, put<text_table>, insert<text_table>, erase<text_table>,
		   BENCH_NO_PAUSE)

size_t walk(void *map, void *, bench_visit_fn *visit, void *context)
{
	auto locked = static_cast<word_table *>(map)->lock_table();
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
	subject.create = create<word_table>;
	subject.destroy = destroy<word_table>;
	subject.batch = batch;
	subject.get = get<word_table>;
	subject.put = put<word_table>;
	subject.insert = insert<word_table>;
	subject.erase = erase<word_table>;
	subject.size = size<word_table>;
	subject.walk = walk;
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

const struct bench_subject bench_cuckoo = with_both();
