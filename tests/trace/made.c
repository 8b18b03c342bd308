/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/* Recordings that are made up; made.h. */
#include "made.h"

#include <stdlib.h>
#include <string.h>

uint64_t made_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

void made_begin(struct made *made, uint64_t ns)
{
	static char command[] = "program", argument[] = "an \"argument\"";
	static const char *const names[MADE_THREADS] = {"main", "writer-0", "walker-0",
							"\"\\\xff\x01\xc3\xa9"};
	static const char *const kinds[MADE_MAPS] = {"hashmap", "syncmap", ""};

	*made = (struct made){.command = {command, argument, NULL}};
	for (uint32_t i = 0; i < MADE_THREADS; i++) {
		made->threads[i] = (struct trace_thread){.id = 4000 + i, .end = ns};
		memcpy(made->threads[i].name, names[i], strlen(names[i]));
	}
	for (uint32_t i = 0; i < MADE_MAPS; i++) {
		made->maps[i] = (struct trace_map){.address = 0x1000 * (i + 1)};
		memcpy(made->maps[i].kind, kinds[i], strlen(kinds[i]));
	}
	made->recording = (struct trace_recording){
		.command = made->command,
		.began = 1764072000000000000,
		.ns = ns,
		.sample_ns = 1000000,
		.threads = made->threads,
		.thread_count = MADE_THREADS,
		.maps = made->maps,
		.map_count = MADE_MAPS,
	};
}

void made_end(struct made *made)
{
	free(made->recording.events);
	made->recording.events = NULL;
}

void made_add(struct made *made, uint64_t ns, unsigned thread, enum trace_event_kind kind,
	      uint64_t a, uint64_t b, uint64_t c)
{
	struct trace_recording *recording = &made->recording;

	if (recording->event_count == made->room) {
		made->room = made->room > 0 ? 2 * made->room : 64;
		recording->events = realloc(recording->events,
					    made->room * sizeof *recording->events);
		if (recording->events == NULL)
			abort();
	}
	recording->events[recording->event_count++] = (struct trace_event){
		.ns = ns,
		.a = a,
		.b = b,
		.c = c,
		.count = kind >= TRACE_SECTIONS ? 7 : 1,
		.thread = thread,
		.kind = (uint8_t)kind};
}

/* What a thread of made_run() is in, the outermost first. */
struct in {
	enum trace_event_kind ends[8];
	uint64_t a[8], b[8];
	unsigned depth;
};

static void enter(struct made *made, struct in *in, uint64_t ns, unsigned thread, uint64_t random)
{
	static const enum trace_event_kind begins[] = {TRACE_TRAVERSAL_BEGIN, TRACE_RECLAIM_BEGIN,
						       TRACE_COPY_BEGIN, TRACE_COMPACT_BEGIN};
	enum trace_event_kind kind = begins[random % 4];
	uint64_t map = 0x1000 * (1 + random / 4 % MADE_MAPS);
	uint64_t verb = random / 16 % TRACE_VERBS;

	if (kind == TRACE_RECLAIM_BEGIN)
		made_add(made, ns, thread, kind, 100, 0, 0);
	else
		made_add(made, ns, thread, kind, map, kind == TRACE_TRAVERSAL_BEGIN ? verb : 50, 0);
	in->ends[in->depth] = kind + 1;
	in->a[in->depth] = kind == TRACE_RECLAIM_BEGIN ? 60 : map;
	in->b[in->depth++] = kind == TRACE_TRAVERSAL_BEGIN ? verb : 0;
}

void made_run(struct made *made, uint64_t events, uint64_t seed)
{
	struct in in[MADE_THREADS] = {{{0}, {0}, {0}, 0}};
	bool resizing = false, stalled = false, open = false;
	uint64_t ns = 0;

	for (uint64_t i = 0; i < events; i++) {
		uint64_t random = made_random(&seed);
		unsigned thread = random % MADE_THREADS;
		struct in *at = &in[thread];
		ns += 1 + random / 8 % 2000;
		random >>= 24;
		unsigned choice = random % 64;
		random /= 64;
		if (choice == 0) {
			made_add(made, ns, thread, resizing ? TRACE_RESIZE_END : TRACE_RESIZE_BEGIN,
				 0x1000, 1024, 2048);
			resizing = !resizing;
		} else if (choice == 1) {
			made_add(made, ns, thread, stalled ? TRACE_STALL_END : TRACE_STALL_BEGIN,
				 stalled ? 9 : 4001, 9, 0);
			stalled = !stalled;
		} else if (choice == 2) {
			made_add(made, ns, thread,
				 open ? TRACE_SNAPSHOT_CLOSE : TRACE_SNAPSHOT_OPEN, 0x1000, 0xabc0,
				 0);
			open = !open;
		} else if (choice < 10) {
			static const enum trace_event_kind marks[] = {
				TRACE_SECTION, TRACE_SECTIONS,     TRACE_RETIRES,  TRACE_IMAGES,
				TRACE_SECTION, TRACE_RESIZE_CHUNK, TRACE_PROMOTION};
			made_add(made, ns, thread, marks[choice - 3], 0x2000, 5, 1500);
		} else if (at->depth == 8 || (at->depth > 0 && choice % 2 == 0)) {
			at->depth--;
			made_add(made, ns, thread, at->ends[at->depth], at->a[at->depth],
				 at->b[at->depth], 0);
		} else {
			enter(made, at, ns, thread, random);
		}
	}
	made->recording.ns = ns + 1000;
}

void made_noise(struct made *made, uint64_t events, uint64_t seed)
{
	uint64_t ns = 0;

	for (uint64_t i = 0; i < events; i++) {
		uint64_t random = made_random(&seed), more = made_random(&seed);
		ns += random % 4 == 0 ? 0 : random % 1000;
		made_add(made, ns, (unsigned)(random >> 20) % (MADE_THREADS + (random % 128 == 0)),
			 (enum trace_event_kind)((random >> 30) %
						 (TRACE_EVENT_KINDS + (random % 256 == 0))),
			 more % 8 == 7 ? more : 0x1000 * (more % 5), (more >> 8) % 6,
			 more % 64 == 1 ? more : (more >> 16) % 3000);
	}
	made->recording.ns = seed % 2 == 0 ? ns : ns / 2;
}
