/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What a victim tells the one who watches it: a piece of memory that both have mapped, so that what was written a moment before
 * the victim died is there after its death.
 *
 * Invariant: zeroed at the start; a slot of an array counts only once its number is past it, or its `ready` is set, and is not
 * written again. A victim dies at any instruction: everything read here is checked by the reader.
 */
#ifndef LAB_RECORD_H
#define LAB_RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LAB_THREADS 8
#define LAB_EVENTS 32
#define LAB_FRAMES 24
#define LAB_COUNTS 8
#define LAB_REGISTERS 34
#define LAB_MODULES 16

/* The file descriptor of the record in a victim; -1 as text means that nobody watches. */
#define LAB_RECORD_FD 3

struct lab_stack {
	uint32_t depth;
	uint64_t pc[LAB_FRAMES]; /* the first is exact, the others return addresses */
};

/* What a thread did, in the order of the whole process. */
struct lab_event {
	_Atomic uint32_t ready;
	uint32_t thread;
	uint64_t address; /* of what it did it to; 0: nothing */
	bool frees;       /* it gave that memory back */
	char text[72];
	struct lab_stack stack;
};

struct lab_count {
	char name[40];
	_Atomic uint64_t n;
};

struct lab_thread {
	char name[16];
	_Atomic uint32_t kernel_id;
	char doing[72]; /* what it waits for; for a hang */
	_Atomic uint32_t stacked;
	struct lab_stack stack; /* at the death of the process */
};

struct lab_death {
	_Atomic uint32_t ready;
	int signal;
	int code;         /* siginfo's */
	uint64_t address; /* that was touched, if the processor says */
	uint32_t thread;
	uint64_t pc;
	struct {
		char name[8];
		uint64_t value;
	} registers[LAB_REGISTERS];
	uint32_t register_count;
};

/* Where a program or library lies. */
struct lab_module {
	uint64_t bias;
	uint64_t start;
	uint64_t end;
	char path[200];
};

struct lab_record {
	_Atomic uint32_t finished; /* the victim reached its end */
	_Atomic uint32_t failed;   /* it found what it looks for */
	char how[160];
	_Atomic uint32_t thread_count;
	struct lab_thread threads[LAB_THREADS];
	_Atomic uint32_t event_count;
	struct lab_event events[LAB_EVENTS];
	struct lab_count counts[LAB_COUNTS];
	struct lab_module modules[LAB_MODULES];
	uint32_t module_count;
	struct lab_death death;
};

#endif
