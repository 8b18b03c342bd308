/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* java.util.concurrent.ConcurrentHashMap<Long, Long>, presized, in a JVM: java/MapBench.java. */
#include "bench/bench.h"
#include "bench/peers/child.h"

#include <stdio.h>

static void *create(const struct bench_subject *subject, size_t capacity)
{
	static char java[] = "java", path[] = "-cp", classes[] = BENCH_JAVA_CLASSES,
		    name[] = "MapBench";
	static char quiet[] = "-Xshare:auto", collector[] = "-XX:+UseParallelGC";
	char heap[32];
	char *arguments[] = {java, quiet, collector, heap, path, classes, name, NULL};

	(void)subject;
	(void)snprintf(heap, sizeof heap, "-Xmx%llum",
		       (unsigned long long)capacity * 400 / 1000000 + 1024);
	return bench_child_start(arguments, capacity);
}

const struct bench_subject bench_java = {
	.id = "java",
	.name = "Java ConcurrentHashMap",
	.from = "openjdk-17-jdk-headless",
	.create = create,
	BENCH_CHILD_FUNCTIONS,
};
