/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * Which keys share a lock: the bucket, leaf or shard that a key has in a quiet map. Kinds whose locks
 * are not a key's have one place for all.
 */
#include "explore/frozen.h"

#include "map/hashmap.h"

#include <string.h>

const void *frozen_place(const calm_map *map, calm_key key, unsigned shards)
{
	uint64_t hash = calm__key_hash(&map->keys, key);
	if (strcmp(map->kind->name, "hashmap") == 0 || strcmp(map->kind->name, "deltamap") == 0)
		return calm__bucket(calm__hashmap_table(calm__hashmap_of(map)), hash);
	if (strcmp(map->kind->name, "treemap") == 0)
		return frozen_leaf(map, key);
	if (strcmp(map->kind->name, "shardmap") == 0)
		return (const char *)map + ((hash >> 41 & 0xffff) * shards >> 16);
	return map;
}
