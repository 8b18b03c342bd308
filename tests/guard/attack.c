/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What tests/guard/attacks.sh puts before, beside and between a program and calm; built several times:
 * ATTACK_PRELOAD defines calm_map_walk; ATTACK_AUDIT redirects it as an auditor (rtld-audit(7)), ATTACK_WATCH only
 * watches as one; ATTACK_MODULE walks for whoever loads it; ATTACK_WRAP is what --wrap=calm_map_walk leads to.
 */
#include <calm/calm.h>
#include <link.h>
#include <string.h>

int module_walk(calm_map *map, calm_visit_fn *visit, void *context);
int redirected(calm_map *map, calm_visit_fn *visit, void *context);
int __wrap_calm_map_walk(calm_map *map, calm_visit_fn *visit, void *context);

#if defined(ATTACK_PRELOAD)
int calm_map_walk(calm_map *map, calm_visit_fn *visit, void *context)
#elif defined(ATTACK_WRAP)
int __wrap_calm_map_walk(calm_map *map, calm_visit_fn *visit, void *context)
#else
int redirected(calm_map *map, calm_visit_fn *visit, void *context)
#endif
{
	(void)map;
	(void)visit;
	(void)context;
	return 0;
}

#ifdef ATTACK_MODULE
int module_walk(calm_map *map, calm_visit_fn *visit, void *context)
{
	int result = calm_map_walk(map, visit, context);
	return result + calm_map_walk(map, visit, context);
}
#endif

#if defined(ATTACK_AUDIT) || defined(ATTACK_WATCH)
unsigned la_version(unsigned version)
{
	return version;
}

unsigned la_objopen(struct link_map *map, Lmid_t space, uintptr_t *cookie)
{
	(void)map;
	(void)space;
	(void)cookie;
	return LA_FLG_BINDTO | LA_FLG_BINDFROM;
}

uintptr_t la_symbind64(Elf64_Sym *symbol, unsigned index, uintptr_t *from, uintptr_t *to,
		       unsigned *flags, const char *name)
{
	(void)index;
	(void)from;
	(void)to;
	(void)flags;
#ifdef ATTACK_AUDIT
	if (strcmp(name, "calm_map_walk") == 0)
		return (uintptr_t)redirected;
#endif
	(void)name;
	return symbol->st_value;
}
#endif
