/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The report of one run under a forced schedule: what each thread did, in order and side by side; the instruction that it died
 * of; the register that held the pointer, and who gave that memory back; all stacks.
 */
#include "cli/lab/lab.h"

#include <inttypes.h>
#include <string.h>

#define COLUMN 38
#define AROUND 7

/* A lane for each thread that did something. */
struct lanes {
	uint32_t threads[LAB_THREADS];
	unsigned count;
};

static const struct lab_event *event_at(const struct lab_record *record, uint32_t i)
{
	const struct lab_event *event = &record->events[i];
	bool there = i < LAB_EVENTS && i < atomic_load(&record->event_count) &&
		     atomic_load(&event->ready) != 0 && event->thread < LAB_THREADS;
	return there ? event : NULL;
}

static unsigned lane_of(struct lanes *lanes, uint32_t thread)
{
	for (unsigned i = 0; i < lanes->count; i++) {
		if (lanes->threads[i] == thread)
			return i;
	}
	if (lanes->count < LAB_THREADS)
		lanes->threads[lanes->count++] = thread;
	return lanes->count - 1;
}

static void print_in_lane(unsigned lane, const char *text)
{
	(void)printf("%*s%s\n", (int)(lane * COLUMN), "", text);
}

/* ---- the timeline ---- */

static void print_timeline(const struct lab_record *record, const struct lab_run *run)
{
	struct lanes lanes = {.count = 0};
	const struct lab_event *event;
	char text[128];

	for (uint32_t i = 0; (event = event_at(record, i)) != NULL; i++)
		(void)lane_of(&lanes, event->thread);
	(void)printf("\nThe schedule:\n\n       ");
	for (unsigned i = 0; i < lanes.count; i++)
		(void)printf("%-*.*s", COLUMN, 15, record->threads[lanes.threads[i]].name);
	(void)putchar('\n');
	for (uint32_t i = 0; (event = event_at(record, i)) != NULL; i++) {
		(void)printf("  %2" PRIu32 "   ", i + 1);
		if (event->address != 0)
			(void)snprintf(text, sizeof text, "%.71s 0x%" PRIx64, event->text,
				       event->address);
		else
			(void)snprintf(text, sizeof text, "%.71s", event->text);
		print_in_lane(lane_of(&lanes, event->thread), text);
	}
	if (run->end == LAB_DIED && atomic_load(&record->death.ready) != 0) {
		(void)printf("   x   ");
		print_in_lane(lane_of(&lanes, record->death.thread), lab_signal_name(run->signal));
	}
}

/* ---- code ---- */

static void place_text(const struct lab_place *place, char *text, size_t room)
{
	const char *file = strrchr(place->file, '/');

	if (place->function[0] == '\0')
		(void)snprintf(text, room, "%s+0x%" PRIx64,
			       place->module[0] != '\0' ? place->module : "?",
			       place->module_offset);
	else if (place->file[0] == '\0')
		(void)snprintf(text, room, "%s (%s)", place->function, place->module);
	else
		(void)snprintf(text, room, "%s (%s:%d)", place->function,
			       file != NULL ? file + 1 : place->file, place->line);
}

static void print_stack(struct lab_code *code, const struct lab_stack *stack, bool exact)
{
	for (uint32_t i = 0; i < stack->depth && i < LAB_FRAMES; i++) {
		struct lab_place place;
		char text[340];
		lab_code_place(code, stack->pc[i], exact && i == 0, &place);
		place_text(&place, text, sizeof text);
		(void)printf("    #%-2" PRIu32 " %s\n", i, text);
		if (strcmp(place.function, "main") == 0 || strcmp(place.function, "start") == 0)
			break; /* what libc does below it is no part of the story */
	}
}

static void print_instruction(struct lab_code *code, const struct lab_death *death)
{
	struct lab_instruction list[AROUND];
	struct lab_place place;
	char text[340];
	size_t n = lab_code_around(code, death->pc, list, AROUND);

	lab_code_place(code, death->pc, true, &place);
	place_text(&place, text, sizeof text);
	(void)printf("\nIt died in %s", text);
	if (place.function[0] != '\0')
		(void)printf(", at %s+0x%" PRIx64, place.module, place.module_offset);
	(void)printf(":\n");
	if (place.source[0] != '\0')
		(void)printf("\n    %d   %s\n", place.line, place.source);
	if (n > 0)
		(void)putchar('\n');
	for (size_t i = 0; i < n; i++)
		(void)printf(" %s 0x%-6" PRIx64 " %s\n", list[i].here ? "-->" : "   ",
			     list[i].address, list[i].text);
}

/* The event that gave back the memory that value points into: at most a page before. */
static const struct lab_event *who_freed(const struct lab_record *record, uint64_t value,
					 uint32_t *number)
{
	const struct lab_event *event, *found = NULL;

	for (uint32_t i = 0; (event = event_at(record, i)) != NULL; i++) {
		if (event->frees && value >= event->address && value - event->address < 4096) {
			found = event;
			*number = i + 1;
		}
	}
	return found;
}

static void print_pointer(struct lab_code *code, const struct lab_record *record)
{
	const struct lab_death *death = &record->death;
	char name[8];
	uint64_t value;
	uint32_t step = 0;

	lab_code_register(code, death, name, &value);
	if (name[0] != '\0')
		(void)printf("\nThe pointer was in %s: 0x%" PRIx64 ".\n", name, value);
	else if (death->address != 0)
		(void)printf("\nThe address that was touched: 0x%" PRIx64 ".\n", death->address);
	else
		return;
	const struct lab_event *freed = who_freed(record, name[0] != '\0' ? value : death->address,
						  &step);
	if (freed == NULL)
		return;
	(void)printf("That memory was given back by %.15s in step %" PRIu32 ", here:\n",
		     record->threads[freed->thread].name, step);
	print_stack(code, &freed->stack, false);
}

static void print_stacks(struct lab_code *code, const struct lab_record *record,
			 const struct lab_run *run)
{
	for (unsigned i = 0; i < LAB_THREADS; i++) {
		const struct lab_thread *thread = &record->threads[i];
		bool died = run->end == LAB_DIED && atomic_load(&record->death.ready) != 0 &&
			    record->death.thread == i;
		if (atomic_load(&thread->stacked) == 0 || (i == 0 && !died))
			continue;
		(void)printf("\nThe stack of %.15s%s%s%.71s:\n", thread->name,
			     died ? ", which died" : ", meanwhile",
			     thread->doing[0] != '\0' ? ", which " : "", thread->doing);
		print_stack(code, &thread->stack, true);
	}
}

void lab_replay_report(const struct lab_entry *entry, const struct lab_way *way,
		       const struct lab_run *run)
{
	const struct lab_record *record = run->record;
	struct lab_code *code = lab_code_open(record);

	if (code == NULL)
		return;
	(void)printf("%s, %s: %s\n  ", entry->name, way->variant, way->what);
	cli_clean(stdout, run->how, strlen(run->how));
	(void)putchar('\n');
	print_timeline(record, run);
	if (run->end == LAB_DIED && atomic_load(&record->death.ready) != 0) {
		print_instruction(code, &record->death);
		print_pointer(code, record);
	}
	print_stacks(code, record, run);
	if (lab_code_lacks() != NULL)
		(void)printf("\n(%s)\n", lab_code_lacks());
	if (run->core[0] != '\0')
		(void)printf("\nThe core: %s\n", run->core);
	lab_code_close(code);
}

/* ---- the same death ---- */

struct lab_spot lab_spot_of(const struct lab_run *run)
{
	const struct lab_record *record = run->record;
	struct lab_spot spot = {.signal = run->end == LAB_DIED ? run->signal : 0};

	if (record == NULL || atomic_load(&record->death.ready) == 0)
		return spot;
	spot.pc = record->death.pc;
	for (uint32_t i = 0; i < record->module_count && i < LAB_MODULES; i++) {
		const struct lab_module *module = &record->modules[i];
		if (record->death.pc >= module->start && record->death.pc < module->end)
			spot.pc = record->death.pc - module->bias;
	}
	return spot;
}

bool lab_spot_same(const struct lab_spot *a, const struct lab_spot *b)
{
	return a->signal == b->signal && a->pc == b->pc;
}

/* ---- for programs ---- */

static void json_string(const char *name, const char *text, const char *after)
{
	(void)printf("\"%s\": ", name);
	cli_json(stdout, text, strlen(text));
	(void)fputs(after, stdout);
}

static void json_stack(struct lab_code *code, const struct lab_stack *stack, bool exact)
{
	(void)putchar('[');
	for (uint32_t i = 0; i < stack->depth && i < LAB_FRAMES; i++) {
		struct lab_place place;
		char text[340];
		lab_code_place(code, stack->pc[i], exact && i == 0, &place);
		place_text(&place, text, sizeof text);
		(void)fputs(i > 0 ? ", " : "", stdout);
		cli_json(stdout, text, strlen(text));
	}
	(void)putchar(']');
}

static void json_death(struct lab_code *code, const struct lab_record *record)
{
	const struct lab_death *death = &record->death;
	struct lab_instruction list[AROUND];
	struct lab_place place;
	char name[8];
	uint64_t value;
	uint32_t step = 0;
	size_t n = lab_code_around(code, death->pc, list, AROUND);

	lab_code_place(code, death->pc, true, &place);
	lab_code_register(code, death, name, &value);
	const struct lab_event *freed = who_freed(record, name[0] != '\0' ? value : death->address,
						  &step);
	(void)printf(", \"death\": {");
	json_string("thread",
		    death->thread < LAB_THREADS ? record->threads[death->thread].name : "", ", ");
	json_string("function", place.function, ", ");
	json_string("file", place.file, ", ");
	(void)printf("\"line\": %d, \"offset\": %" PRIu64 ", ", place.line, place.module_offset);
	for (size_t i = 0; i < n; i++) {
		if (list[i].here)
			json_string("instruction", list[i].text, ", ");
	}
	json_string("register", name, ", ");
	(void)printf("\"pointer\": \"0x%" PRIx64 "\", ", name[0] != '\0' ? value : death->address);
	json_string("freed_by", freed != NULL ? record->threads[freed->thread].name : "", ", ");
	(void)printf("\"freed_in_step\": %" PRIu32 ", \"freed_at\": ", step);
	json_stack(code, freed != NULL ? &freed->stack : &(struct lab_stack){0}, false);
	(void)printf(", \"stack\": ");
	json_stack(code, &record->threads[death->thread < LAB_THREADS ? death->thread : 0].stack,
		   true);
	(void)putchar('}');
}

void lab_replay_json(const struct lab_entry *entry, const struct lab_way *way,
		     const struct lab_run *run, uint64_t runs, uint64_t same)
{
	const struct lab_record *record = run->record;
	struct lab_code *code = lab_code_open(record);
	const struct lab_event *event;

	if (code == NULL)
		return;
	(void)printf("{");
	json_string("case", entry->name, ", ");
	json_string("variant", way->variant, ", ");
	json_string("how", run->how, ", ");
	(void)printf("\"runs\": %" PRIu64 ", \"same\": %" PRIu64 ", \"steps\": [", runs, same);
	for (uint32_t i = 0; (event = event_at(record, i)) != NULL; i++) {
		(void)printf("%s{", i > 0 ? ", " : "");
		json_string("thread", record->threads[event->thread].name, ", ");
		json_string("did", event->text, ", ");
		(void)printf("\"address\": \"0x%" PRIx64 "\"}", event->address);
	}
	(void)putchar(']');
	if (run->end == LAB_DIED && atomic_load(&record->death.ready) != 0)
		json_death(code, record);
	(void)putchar('}');
	lab_code_close(code);
}
