/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* What a recording of this very process would say of its code. */
#ifndef TESTS_TRACE_MODULES_H
#define TESTS_TRACE_MODULES_H

#include "cli/trace/trace.h"

uint32_t own_modules(struct trace_module *modules, uint32_t room);
void forget_modules(struct trace_module *modules, uint32_t count);

/*
 * A return address within own_inner(), which is inlined into own_middle(), and that into own_outer(); and the lines of the
 * calls on that way, the innermost first.
 */
uint64_t own_outer(void);
extern uint32_t own_lines[3];
/* One within own_sibling(), which own_outer() calls before, inlined too. */
extern uint64_t own_aside;

#endif
