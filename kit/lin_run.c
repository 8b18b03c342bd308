/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The runner of the linearizability checker; what it promises: lin_run.h.
 *
 * A thread remembers the last value it saw of the key it works on in a small table, so that
 * compare_and_swap and compare_and_delete are asked with values that may still be there: asked with
 * a random one they would only ever fail.
 *
 * Rejected: one long-lived thread per slot (thread start and exit would be tested nowhere); a
 * shared value counter (it would order the threads).
 */
#include "kit/lin_run.h"

#include "kit/clock.h"
#include "kit/workload.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#define SEEN 256   /* values remembered per thread */
#define DRAWS 4096 /* verbs drawn per table, so that the loop draws a table entry */

enum { WAIT, GO, GIVE_UP };

const unsigned kit_lin_mix[KIT_LIN_VERBS] = {
	[KIT_LIN_LOAD] = 40,
	[KIT_LIN_STORE] = 5,
	[KIT_LIN_SWAP] = 15,
	[KIT_LIN_LOAD_OR_STORE] = 10,
	[KIT_LIN_DELETE] = 5,
	[KIT_LIN_LOAD_AND_DELETE] = 10,
	[KIT_LIN_COMPARE_AND_SWAP] = 10,
	[KIT_LIN_COMPARE_AND_DELETE] = 5,
};

struct lin_thread {
	_Alignas(64) struct lin_run *run;
	pthread_t thread;
	struct kit_random random;
	uint64_t values; /* made so far */
	uint64_t failed;
	struct {
		uint32_t key;
		void *value;
	} seen[SEEN];
};

struct lin_run {
	const struct kit_lin_plan *plan;
	calm_map *map;
	calm_key *keys; /* byte keys; NULL: word keys */
	uint8_t *draws; /* DRAWS verbs in the plan's proportions */
	struct kit_zipf zipf;
	_Atomic int go; /* WAIT, GO or GIVE_UP: written by the runner, awaited by the threads */
	struct lin_thread *threads;
	struct kit_lin_log *logs; /* threads + 1: the last is the runner's */
	struct kit_lin *lin;
};

static calm_key key_of(const struct lin_run *run, uint32_t index)
{
	return run->keys != NULL ? run->keys[index] : calm_word(index);
}

static void step(struct lin_thread *thread, struct kit_lin_log *log)
{
	struct lin_run *run = thread->run;
	uint32_t keys = run->plan->keys;
	uint32_t index =
		(uint32_t)(run->plan->zipf
				   ? kit_scatter(kit_zipf_rank(&run->zipf, &thread->random), keys)
				   : kit_random_below(&thread->random, keys));
	enum kit_lin_verb verb =
		(enum kit_lin_verb)run->draws[kit_random_next(&thread->random) % DRAWS];
	void *value = kit_lin_value(log->thread, ++thread->values);
	void *expected = NULL;
	void *result = NULL;
	unsigned at = index % SEEN;

	if (thread->seen[at].key == index)
		expected = thread->seen[at].value;
	struct kit_lin_call call = {verb, index, key_of(run, index), value, expected};
	calm_status status = kit_lin_do(log, run->map, &call, &result);
	if (status < 0) {
		thread->failed++;
		return;
	}
	thread->seen[at].key = index;
	if (verb == KIT_LIN_LOAD || verb == KIT_LIN_LOAD_OR_STORE)
		thread->seen[at].value = result;
	else if (verb == KIT_LIN_STORE || verb == KIT_LIN_SWAP || status == CALM_OK)
		thread->seen[at].value = value;
}

static void *work(void *context)
{
	struct lin_thread *thread = context;
	struct lin_run *run = thread->run;
	struct kit_lin_log *log = &run->logs[thread - run->threads];

	int go;

	while ((go = atomic_load(&run->go)) == WAIT)
		sched_yield();
	for (uint64_t i = 0; go == GO && i < run->plan->ops; i++)
		step(thread, log);
	return NULL;
}

static uint8_t *draw_verbs(const struct kit_lin_plan *plan)
{
	unsigned mix[KIT_LIN_VERBS];
	struct kit_random random;
	uint64_t sum = 0;
	uint8_t *draws = malloc(DRAWS);

	for (int v = 0; v < KIT_LIN_VERBS; v++)
		sum += mix[v] = plan->mix[v];
	for (int v = 0; sum == 0 && v < KIT_LIN_VERBS; v++)
		mix[v] = kit_lin_mix[v];
	sum = 0;
	for (int v = 0; v < KIT_LIN_VERBS; v++)
		sum += mix[v];
	kit_random_seed(&random, plan->seed);
	for (int i = 0; draws != NULL && i < DRAWS; i++) {
		uint64_t at = kit_random_below(&random, sum);
		uint8_t verb = 0;
		while (at >= mix[verb])
			at -= mix[verb++];
		draws[i] = verb;
	}
	return draws;
}

static calm_status set_up(struct lin_run *run)
{
	const struct kit_lin_plan *plan = run->plan;

	if (plan->key_kind == CALM_KEYS_BYTES) {
		run->keys = kit_byte_keys_make(plan->keys);
		if (run->keys == NULL)
			return CALM_ENOMEM;
	}
	kit_zipf_init(&run->zipf, plan->keys, KIT_ZIPF_EXPONENT);
	run->draws = draw_verbs(plan);
	run->threads = aligned_alloc(64, sizeof *run->threads * plan->threads);
	run->logs = calloc(plan->threads + 1, sizeof *run->logs);
	for (unsigned i = 0; run->threads != NULL && i < plan->threads; i++) {
		run->threads[i] = (struct lin_thread){.run = run};
		kit_random_seed(&run->threads[i].random, plan->seed ^ kit_mix(i + 1));
	}
	if (run->draws == NULL || run->threads == NULL || run->logs == NULL)
		return CALM_ENOMEM;
	for (unsigned i = 0; i <= plan->threads; i++) {
		size_t room = i < plan->threads ? plan->ops : plan->keys;
		if (kit_lin_log_init(&run->logs[i], (uint16_t)(i + 1), room) != CALM_OK)
			return CALM_ENOMEM;
	}
	return kit_lin_new(&run->lin, plan->keys);
}

static void tear_down(struct lin_run *run)
{
	(void)calm_map_destroy(run->map);
	for (unsigned i = 0; run->logs != NULL && i <= run->plan->threads; i++)
		kit_lin_log_free(&run->logs[i]);
	kit_lin_free(run->lin);
	free(run->threads);
	free(run->logs);
	free(run->draws);
	free(run->keys);
}

static calm_status new_map(struct lin_run *run)
{
	calm_options options = CALM_OPTIONS_INIT;

	(void)calm_map_destroy(run->map);
	run->map = NULL;
	kit_lin_reset(run->lin);
	options.keys = run->plan->key_kind;
	options.capacity = run->plan->capacity;
	options.compact_at = run->plan->compact_at;
	return run->plan->kind->create(&run->map, &options);
}

/*
 * One round of all threads, which start together. False: one of them could not be made, and none
 * did anything.
 */
static bool run_threads(struct lin_run *run)
{
	unsigned made = 0;

	atomic_store(&run->go, WAIT);
	while (made < run->plan->threads &&
	       pthread_create(&run->threads[made].thread, NULL, work, &run->threads[made]) == 0)
		made++;
	atomic_store(&run->go, made == run->plan->threads ? GO : GIVE_UP);
	for (unsigned i = 0; i < made; i++)
		pthread_join(run->threads[i].thread, NULL);
	return made == run->plan->threads;
}

/* Loads every key, recorded, by a thread of the runner's own number. */
static void load_all(struct lin_run *run)
{
	struct kit_lin_log *log = &run->logs[run->plan->threads];
	void *value;

	for (uint32_t index = 0; index < run->plan->keys; index++)
		(void)kit_lin_do_load(log, run->map, index, key_of(run, index), &value);
}

static calm_status run_rounds(struct lin_run *run, struct kit_lin_result *result)
{
	const struct kit_lin_plan *plan = run->plan;
	uint64_t origin = kit_now_ns();
	bool good = true;

	for (uint64_t round = 0; round < plan->rounds && good; round++) {
		uint64_t from = kit_now_ns();
		if (plan->ns != 0 && from - origin >= plan->ns)
			break;
		if (round == 0 ||
		    (plan->rounds_per_map != 0 && round % plan->rounds_per_map == 0)) {
			calm_status status = new_map(run);
			if (status != CALM_OK)
				return status;
		}
		if (!run_threads(run))
			return CALM_ENOMEM;
		load_all(run);
		uint64_t ran = kit_now_ns();
		good = kit_lin_check(run->lin, run->logs, (size_t)plan->threads + 1);
		result->run_ns += ran - from;
		result->check_ns += kit_now_ns() - ran;
		result->rounds++;
	}
	return CALM_OK;
}

calm_status kit_lin_run(const struct kit_lin_plan *plan, struct kit_lin_result *result)
{
	struct lin_run run = {.plan = plan};

	*result = (struct kit_lin_result){0};
	if (plan->threads == 0 || plan->threads > KIT_LIN_THREADS || plan->keys == 0 ||
	    plan->rounds == 0)
		return CALM_EINVAL;
	calm_status status = set_up(&run);
	if (status == CALM_OK)
		status = run_rounds(&run, result);
	if (run.lin != NULL)
		result->report = *kit_lin_report(run.lin);
	result->ops = result->report.events;
	for (unsigned i = 0; run.threads != NULL && i < plan->threads; i++)
		result->failed += run.threads[i].failed;
	tear_down(&run);
	return status;
}
