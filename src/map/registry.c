/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * All maps of the process, in a list, for people: a debugger begins there (gdb/calm-gdb.py), also on a core, where nothing can be
 * called. No verb looks at it.
 *
 * A fork holds the list's lock, so that in the child it is whole and free.
 *
 * Rejected: no list, and maps named by the user's own variables: on a core of somebody else's program these are what one looks for.
 */
#include "map/kind.h"

#include <pthread.h>

struct calm__maps calm__maps;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void lock_list(void)
{
	calm__lock(&calm__maps.lock);
}

static void unlock_list(void)
{
	calm__unlock(&calm__maps.lock);
}

static void start(void)
{
	pthread_atfork(lock_list, unlock_list, unlock_list);
}

void calm__map_enlist(struct calm_map *map)
{
	pthread_once(&once, start);
	lock_list();
	map->older = calm__maps.newest;
	if (map->older)
		map->older->newer = map;
	calm__maps.newest = map;
	unlock_list();
}

void calm__map_delist(struct calm_map *map)
{
	lock_list();
	if (map->newer)
		map->newer->older = map->older;
	else
		calm__maps.newest = map->older;
	if (map->older)
		map->older->newer = map->newer;
	unlock_list();
}
