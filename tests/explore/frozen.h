/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Threads that stop for ever. See frozen.c. */
#ifndef TESTS_EXPLORE_FROZEN_H
#define TESTS_EXPLORE_FROZEN_H

#include <calm/map.h>

/*
 * Says what waited for what. False: something that must not. threads: 2, a few keys; 3 or 4, every key,
 * and others write and read snapshots beside. stride: every how many-th step.
 */
bool frozen_all(unsigned threads, unsigned stride);

/* What a key shares with others for which a load of it may have to wait. The map is quiet. */
const void *frozen_place(const calm_map *map, calm_key key, unsigned shards);
const void *frozen_leaf(const calm_map *map, calm_key key);

#endif
