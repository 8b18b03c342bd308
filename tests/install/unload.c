/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Loads the library with dlopen(), has a thread use a map, and drops the library while the thread is
 * in the middle: it stays (nodelete), so the thread goes on, retires, and runs calm's exit handler.
 */
#include <calm/calm.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
	calm_status (*create)(calm_map **, const calm_options *);
	calm_status (*store)(calm_map *, calm_key, void *);
	calm_status (*destroy)(calm_map *);
	void (*begin)(void);
	void (*end)(void);
} calm;
static calm_map *map;
static atomic_ulong released;
static atomic_int running;
static atomic_bool unloaded;

static void count(void *value, void *context)
{
	(void)value;
	(void)context;
	atomic_fetch_add(&released, 1);
}

static void store_some(void)
{
	for (unsigned i = 0; i < 20000; i++)
		if (calm.store(map, calm_word(i % 100), &calm) != CALM_OK)
			abort();
}

static void *go_on(void *context)
{
	store_some();
	calm.begin();
	atomic_fetch_add(&running, 1);
	while (!atomic_load(&unloaded))
		;
	calm.end();
	store_some();
	calm.begin(); /* and exits inside */
	return context;
}

/* Functions from what is an object pointer to ISO C. */
static void find(void *library, const char *name, void *function)
{
	*(void **)function = dlsym(library, name);
	if (*(void **)function == NULL)
		abort();
}

int main(int argc, char **argv)
{
	pthread_t threads[2];
	calm_options options = CALM_OPTIONS_INIT;
	void *library = dlopen(argc > 1 ? argv[1] : "libcalm.so", RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	find(library, "calm_hashmap_create", &calm.create);
	find(library, "calm_map_store", &calm.store);
	find(library, "calm_map_destroy", &calm.destroy);
	find(library, "calm_read_begin", &calm.begin);
	find(library, "calm_read_end", &calm.end);
	options.release = count;
	if (calm.create(&map, &options) != CALM_OK)
		abort();
	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, go_on, NULL) != 0)
			abort();
	while (atomic_load(&running) < 2)
		;
	if (dlclose(library) != 0)
		abort();
	atomic_store(&unloaded, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	if (calm.destroy(map) != CALM_OK || atomic_load(&released) != 80000)
		abort();
	return 0;
}
