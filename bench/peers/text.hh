/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What C++ adapters have in common that are templates over a table of words and one of texts: texts
 * are std::string in the table, and sought by std::string_view, so that only a key which is stored
 * is copied.
 */
#ifndef BENCH_PEERS_TEXT_HH
#define BENCH_PEERS_TEXT_HH

#include "bench/adapter.h"
#include "bench/text.h"

#include <string>
#include <string_view>

namespace
{

uint64_t sought(uint64_t key)
{
	return key;
}

std::string_view sought(const struct bench_text *text)
{
	return {text->bytes, text->size};
}

size_t hash_of(uint64_t key)
{
	return bench_hash(key);
}

size_t hash_of(std::string_view key)
{
	return bench_text_hash(key.data(), key.size());
}

template <class table> void destroy(void *map)
{
	delete static_cast<table *>(map);
}

template <class table> size_t size(void *map)
{
	return static_cast<table *>(map)->size();
}

/* The subject like another one, but over table, with text keys of that size. */
template <class table>
struct bench_subject with_texts(struct bench_subject like, decltype(bench_subject::create) create,
				size_t key_size, decltype(bench_subject::batch) batch)
{
	struct bench_subject subject = {};
	subject.id = like.id;
	subject.name = like.name;
	subject.from = like.from;
	subject.create = create;
	subject.destroy = destroy<table>;
	subject.size = size<table>;
	subject.batch = batch;
	subject.key_size = key_size;
	return subject;
}

} // namespace

#endif
