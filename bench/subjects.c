/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The list of subjects, and the parser of --peers.
 *
 * BENCH_HAVE_… comes from bench/CMakeLists.txt, one for each library that was found.
 */
#include "bench/adapter.h"
#include "bench/bench.h"

#include <stdio.h>
#include <string.h>

#define MISSING(word, text, package)                                      \
	static const struct bench_subject missing_##word = {.id = #word,  \
							    .name = text, \
							    .from = package};

#ifndef BENCH_HAVE_URCU
MISSING(urcu_memb, "liburcu lfht memb", "liburcu-dev")
MISSING(urcu_qsbr, "liburcu lfht qsbr", "liburcu-dev")
#define bench_urcu_memb missing_urcu_memb
#define bench_urcu_qsbr missing_urcu_qsbr
#endif
#ifndef BENCH_HAVE_CK
MISSING(ck_ht, "ck_ht 64 shards", "libck-dev")
MISSING(ck_rhs, "ck_rhs 64 shards", "libck-dev")
#define bench_ck_ht missing_ck_ht
#define bench_ck_rhs missing_ck_rhs
#endif
#ifndef BENCH_HAVE_TBB
MISSING(tbb, "oneTBB", "libtbb-dev")
#define bench_tbb missing_tbb
#endif
#ifndef BENCH_HAVE_CUCKOO
MISSING(cuckoo, "libcuckoo", "libcuckoo-dev")
#define bench_cuckoo missing_cuckoo
#endif
#ifndef BENCH_HAVE_BOOST
MISSING(boost, "boost concurrent_flat_map", "libboost-dev 1.83 or later")
#define bench_boost missing_boost
#endif
#ifndef BENCH_HAVE_GLIB
MISSING(glib, "GLib + lock", "libglib2.0-dev")
MISSING(glib32, "GLib 32 shards", "libglib2.0-dev")
static const struct bench_subject missing_gtree = {.id = "gtree",
						   .name = "GLib tree + lock",
						   .from = "libglib2.0-dev",
						   .ordered = true};
#define bench_glib missing_glib
#define bench_glib_shards missing_glib32
#define bench_glib_tree missing_gtree
#endif
#ifndef BENCH_HAVE_LMDB
static const struct bench_subject missing_lmdb = {.id = "lmdb",
						  .name = "LMDB",
						  .from = "liblmdb-dev",
						  .ordered = true};
#define bench_lmdb missing_lmdb
#endif
#ifndef BENCH_HAVE_JAVA
MISSING(java, "Java ConcurrentHashMap", "openjdk-17-jdk-headless")
#define bench_java missing_java
#endif
#ifndef BENCH_HAVE_GO
MISSING(go, "Go sync.Map", "golang-go")
#define bench_go missing_go
#endif

#define KIND(n) &bench_calm_kinds[n]

static const struct bench_subject *const subjects[] = {
	KIND(0),          KIND(1),      KIND(2),       KIND(3),
	KIND(4),          KIND(5),      KIND(6),       &bench_urcu_memb,
	&bench_urcu_qsbr, &bench_ck_ht, &bench_ck_rhs, &bench_tbb,
	&bench_cuckoo,    &bench_boost, &bench_glib,   &bench_glib_shards,
	&bench_java,      &bench_go,    &bench_lmdb,   &bench_glib_tree,
	&bench_floor,     &bench_null,
};

#define SUBJECTS (sizeof subjects / sizeof *subjects)

const struct bench_subject *bench_subject_at(size_t i)
{
	return i < SUBJECTS ? subjects[i] : NULL;
}

bool bench_subject_exists(const struct bench_subject *subject)
{
	return subject->create != NULL && (subject->kind == NULL || kit_kind_exists(subject->kind));
}

static bool is_peer(const struct bench_subject *subject)
{
	return subject->kind == NULL && subject != &bench_null;
}

static void add(struct bench *bench, const struct bench_subject *subject)
{
	for (size_t i = 0; i < bench->subject_count; i++) {
		if (bench->subjects[i] == subject)
			return;
	}
	bench->subjects[bench->subject_count++] = subject;
}

void bench_add_kinds(struct bench *bench, const struct kit_kind *const kinds[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		add(bench, &bench_calm_kinds[kinds[i] - kit_kinds]);
}

static bool refuse(char *error, size_t size, const char *word, size_t length)
{
	int shown = length > 64 ? 64 : (int)length;
	int used = snprintf(error, size, "'%.*s' is no peer; these are: all, none", shown, word);

	for (size_t i = 0; i < SUBJECTS && used >= 0 && (size_t)used < size; i++) {
		if (is_peer(subjects[i]))
			used += snprintf(error + used, size - (size_t)used, ", %s",
					 subjects[i]->id);
	}
	return false;
}

bool bench_peers_parse(struct bench *bench, const char *list, char *error, size_t error_size)
{
	if (strcmp(list, "none") == 0)
		return true;
	if (strcmp(list, "all") == 0) {
		for (size_t i = 0; i < SUBJECTS; i++) {
			if (is_peer(subjects[i]) && bench_subject_exists(subjects[i]))
				add(bench, subjects[i]);
		}
		return true;
	}
	for (const char *word = list;;) {
		size_t length = strcspn(word, ","), i = 0;
		while (i < SUBJECTS &&
		       !(is_peer(subjects[i]) && strlen(subjects[i]->id) == length &&
			 memcmp(subjects[i]->id, word, length) == 0))
			i++;
		if (i == SUBJECTS)
			return refuse(error, error_size, word, length);
		if (!bench_subject_exists(subjects[i])) {
			(void)snprintf(
				error, error_size,
				"'%s' is not in this build, which lacked %s: try ./run bench",
				subjects[i]->id, subjects[i]->from);
			return false;
		}
		add(bench, subjects[i]);
		if (word[length] == '\0')
			return true;
		word += length + 1;
	}
}
