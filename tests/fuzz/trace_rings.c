/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * A fuzz target: the memory that a traced program writes its events and samples into, however wrongly, and all that is made of it.
 * The input is a row of orders: what the program writes, and when the recorder looks. Recordings keep few events, so that the
 * limit is met too.
 */
#include "cli/trace/record.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SLOTS 4 /* that orders write to; the recorder looks at all */
#define PROCESS_NS 1000000

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

struct input {
	const uint8_t *at;
	size_t left;
};

static struct agent_head *head;

static uint8_t byte(struct input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->at++;
}

/* Mostly small, sometimes anything, or near to the end of what there is. */
static uint64_t number(struct input *input)
{
	uint8_t first = byte(input);
	uint64_t value = 0;

	if (first < 0xf0)
		return first;
	if (first < 0xf8)
		return UINT64_MAX - byte(input);
	for (unsigned i = 0; i < 8; i++)
		value = value << 8 | byte(input);
	return value >> 8 * (first & 7);
}

static struct agent_head *shared_memory(void)
{
	void *memory = mmap(NULL, AGENT_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

/* ---- the program ---- */

static void write_event(struct input *input, size_t i)
{
	struct agent_slot *slot = &head->slots[i];
	static uint64_t now;

	now += byte(input);
	agent_events(head, i)[slot->events++ % AGENT_EVENTS] = (struct agent_event){
		.when = now << 8 | (byte(input) & 127),
		.a = number(input),
		.b = number(input),
		.c = number(input)};
}

static void write_sample(struct input *input, size_t i)
{
	struct agent_slot *slot = &head->slots[i];
	uint64_t *words = agent_words(head, i);
	uint64_t depth = number(input);

	words[slot->words++ % AGENT_WORDS] = number(input);
	words[slot->words++ % AGENT_WORDS] = depth;
	for (uint64_t k = 0; k < depth % (AGENT_DEPTH + 2); k++)
		words[slot->words++ % AGENT_WORDS] = number(input);
}

/* A number of its slot's is anything. */
static void write_slot(struct input *input, size_t i)
{
	struct agent_slot *slot = &head->slots[i];
	uint8_t which = byte(input);
	uint64_t value = number(input);

	switch (which % 10) {
	case 0:
		slot->events = value;
		break;
	case 1:
		slot->words = value;
		break;
	case 2:
		slot->events_taken = value;
		break;
	case 3:
		slot->words_taken = value;
		break;
	case 4:
		slot->state = (uint32_t)value;
		break;
	case 5:
		slot->thread = (uint32_t)value;
		break;
	case 6:
		memset(slot->name, (int)value, sizeof slot->name);
		break;
	case 7:
		slot->seen_first = value;
		break;
	case 8:
		slot->seen_last = value;
		break;
	default:
		slot->bursts[which % AGENT_BURSTS] = (struct agent_burst){
			value, number(input), number(input), number(input)};
	}
}

static void write_head(struct input *input)
{
	uint8_t which = byte(input);
	uint64_t value = number(input);

	switch (which % 7) {
	case 0:
		head->sample_ns = value;
		break;
	case 1:
		head->ticks_section = value;
		break;
	case 2:
		head->event_cost = value;
		break;
	case 3:
		head->sample_count = value;
		break;
	case 4:
		head->sample_periods = value;
		break;
	case 5:
		head->sample_cost = value;
		break;
	default:
		head->threads_lost = value;
	}
}

static void obey(struct input *input, struct trace_making *making)
{
	uint8_t order = byte(input);
	size_t i = order / 16 % SLOTS;
	struct agent_slot *slot = &head->slots[i];

	if (slot->state == AGENT_FREE && order % 16 < 8) {
		slot->thread = (uint32_t)i + 1;
		slot->state = AGENT_OWNED;
	}
	if (order % 16 < 6)
		write_event(input, i);
	else if (order % 16 < 8)
		write_sample(input, i);
	else if (order % 16 < 10)
		write_slot(input, i);
	else if (order % 16 < 11)
		write_head(input);
	else if (order % 16 < 13)
		slot->state = AGENT_RELEASED;
	else
		(void)trace_drain(making, false);
}

/* ---- what is made of it ---- */

static void expect(bool so)
{
	if (!so)
		abort();
}

static void check_recording(const struct trace_recording *recording, uint64_t most)
{
	uint64_t last = 0;

	expect(recording->event_count <= most);
	for (uint64_t i = 0; i < recording->event_count; i++) {
		const struct trace_event *event = &recording->events[i];
		expect(event->kind < TRACE_EVENT_KINDS && event->thread < recording->thread_count);
		expect(event->ns >= last && event->ns <= recording->ns);
		last = event->ns;
	}
	for (uint64_t i = 0; i < recording->sample_count; i++) {
		const struct trace_sample *sample = &recording->samples[i];
		expect(sample->thread < recording->thread_count);
		expect(sample->stack < recording->stack_count || sample->stack == TRACE_NONE);
	}
	for (uint32_t i = 0; i < recording->thread_count; i++)
		expect(memchr(recording->threads[i].name, '\0', sizeof recording->threads[i].name));
}

static void check_timeline(const struct trace_timeline *timeline)
{
	const struct trace_recording *recording = timeline->recording;

	for (uint64_t i = 0; i < timeline->span_count; i++) {
		const struct trace_span *span = &timeline->spans[i];
		expect(span->begin <= span->end && span->kind < TRACE_SPAN_KINDS);
		expect(span->thread < recording->thread_count);
		expect(span->map < recording->map_count || span->map == TRACE_NONE);
	}
	for (uint32_t i = 0; i < timeline->overlap_count; i++)
		expect(timeline->overlaps[i].traversal < timeline->span_count &&
		       timeline->overlaps[i].other < timeline->span_count);
}

static void write_down(const struct trace_recording *recording, uint8_t how)
{
	static FILE *nowhere;
	const char *const no_files[] = {NULL};
	struct trace_timeline timeline;

	if (!nowhere)
		nowhere = fopen("/dev/null", "w");
	expect(nowhere && trace_timeline_make(recording, &timeline));
	check_timeline(&timeline);
	bool (*const writers[])(const struct trace_timeline *timeline, FILE *file) = {
		trace_page_write, trace_perfetto_write, trace_pprof_write};
	expect(how % 4 < 3 ? writers[how % 4](&timeline, nowhere)
			   : trace_summary(&timeline, no_files, how / 4 % 2 == 0, nowhere));
	trace_timeline_free(&timeline);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct trace_making making;
	static char *command[] = {"program", NULL};
	struct input input = {bytes, size};
	struct trace_recording recording = {.command = command};

	head = head ? head : shared_memory();
	memset(head, 0, sizeof *head);
	making = (struct trace_making){.head = head,
				       .recording = &recording,
				       .stacks = trace_stacks_open(),
				       .process = 1};
	expect(making.stacks != NULL);
	for (size_t i = 0; i < AGENT_SLOTS; i++)
		making.owners[i] = (struct trace_owner){TRACE_NONE, UINT64_MAX};
	uint8_t how = byte(&input);
	making.events_most = 64U << how / 64;
	head->ticks_section = 10;
	while (input.left > 0)
		obey(&input, &making);
	(void)trace_drain(&making, true);
	expect(trace_finish(&making, PROCESS_NS / 2, PROCESS_NS));
	expect(trace_stacks_name(making.stacks, &recording));
	check_recording(&recording, making.events_most);
	write_down(&recording, how);
	free(making.made);
	trace_recording_free(&recording);
	trace_stacks_close(making.stacks);
	return 0;
}
