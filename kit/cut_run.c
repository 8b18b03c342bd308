/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The runner of the snapshot-cut checker; what it promises: cut_run.h.
 *
 * Threads share the map, the history's counters and one line of flags that changes only when
 * someone is held or the run ends; so writers meet nowhere but in the map. Each thread counts on a
 * line of its own and keeps its own report; stop merges them after the joins.
 *
 * Rejected: a barrier per slice (threads would start in step, which hides races at the edges of a
 * slice); sleeping walkers (a walk must always be open for the writers' cost to be seen).
 */
#include "kit/cut_run.h"

#include "kit/clock.h"
#include "kit/workload.h"

#include <calm/snapshot.h>
#include <pthread.h>
#include <stdlib.h>

#define LOADS 8        /* looked up after a snapshot, in the map and in the snapshot */
#define REREAD_EVERY 4 /* snapshots; all of them if a second reading is to be spoilt */

struct gate {
	_Atomic bool held; /* fast path: read by every thread, written under the mutex */
	unsigned threads;  /* of this gate that still run; under the mutex */
	unsigned standing; /* of them, that wait; under the mutex */
};

struct worker {
	_Alignas(64) struct kit_cut_session *session;
	unsigned index;
	pthread_t thread;
	bool running;                            /* to be joined */
	_Atomic uint64_t traversals, violations; /* written by the worker alone */
	struct kit_cut_result result;
	struct kit_cut_check check;
	struct kit_plant_tap tap;
	struct kit_random random;
};

struct kit_cut_session {
	struct kit_cut_plan plan;
	struct kit_cut cut;
	calm_key *made_keys; /* where the plan gave none */
	calm_map *map;
	uint64_t preload; /* writes */
	struct worker *writers, *walkers;
	pthread_mutex_t mutex;
	pthread_cond_t moved; /* a gate opened or a thread came to stand */
	_Alignas(64) _Atomic bool stop;
	struct gate writer_gate, walker_gate;
};

/* Waits while the gate is held. False: the run is over. */
static bool pass_gate(struct kit_cut_session *session, struct gate *gate)
{
	if (atomic_load_explicit(&session->stop, memory_order_relaxed))
		return false;
	if (!atomic_load_explicit(&gate->held, memory_order_relaxed))
		return true;
	pthread_mutex_lock(&session->mutex);
	gate->standing++;
	pthread_cond_broadcast(&session->moved);
	while (atomic_load(&gate->held) && !atomic_load(&session->stop))
		pthread_cond_wait(&session->moved, &session->mutex);
	gate->standing--;
	pthread_mutex_unlock(&session->mutex);
	return !atomic_load(&session->stop);
}

static void leave_gate(struct kit_cut_session *session, struct gate *gate)
{
	pthread_mutex_lock(&session->mutex);
	gate->threads--;
	pthread_cond_broadcast(&session->moved);
	pthread_mutex_unlock(&session->mutex);
}

/* False: some of them do not stand after ns. */
static bool hold(struct kit_cut_session *session, struct gate *gate, bool on, uint64_t ns)
{
	uint64_t until = kit_now_ns() + ns;
	struct timespec time = {.tv_sec = (time_t)(until / 1000000000u),
				.tv_nsec = (long)(until % 1000000000u)};
	int late = 0;

	pthread_mutex_lock(&session->mutex);
	atomic_store(&gate->held, on);
	pthread_cond_broadcast(&session->moved);
	while (on && gate->standing < gate->threads && late == 0) {
		if (ns == UINT64_MAX)
			pthread_cond_wait(&session->moved, &session->mutex);
		else
			late = pthread_cond_clockwait(&session->moved, &session->mutex,
						      CLOCK_MONOTONIC, &time);
	}
	bool stand = !on || gate->standing == gate->threads;
	pthread_mutex_unlock(&session->mutex);
	return stand;
}

void kit_cut_hold_writers(struct kit_cut_session *session, bool on)
{
	(void)hold(session, &session->writer_gate, on, UINT64_MAX);
}

void kit_cut_hold_walkers(struct kit_cut_session *session, bool on)
{
	(void)hold(session, &session->walker_gate, on, UINT64_MAX);
}

bool kit_cut_hold_walkers_within(struct kit_cut_session *session, uint64_t ns)
{
	return hold(session, &session->walker_gate, true, ns);
}

static void note_violations(struct worker *worker, uint64_t total)
{
	atomic_store_explicit(&worker->violations, total, memory_order_relaxed);
}

/* "walker-1", as debuggers and calm trace show it. */
static void name_thread(const char *what, unsigned index)
{
	char name[16];

	(void)snprintf(name, sizeof name, "%s-%u", what, index);
	(void)pthread_setname_np(pthread_self(), name);
}

static void *write_on(void *context)
{
	struct worker *worker = context;
	struct kit_cut_session *session = worker->session;
	struct kit_cut_report *report = &worker->result.report;

	name_thread("writer", worker->index);
	while (pass_gate(session, &session->writer_gate)) {
		uint64_t faults = report->total;
		calm_status status = kit_cut_step(&session->cut, worker->index, session->map,
						  report);
		if (status < 0)
			kit_cut_fault(report, KIT_CUT_FAILED, "writer %u gave up: %s",
				      worker->index, calm_strerror(status));
		if (report->total != faults)
			note_violations(worker, report->total);
		if (status < 0)
			break;
	}
	leave_gate(session, &session->writer_gate);
	return NULL;
}

/*
 * Loads of entries at random, in the map and in the snapshot (NULL: none), against what the
 * snapshot showed.
 */
static void look_up(struct worker *worker, calm_snapshot *snapshot)
{
	struct kit_cut_session *session = worker->session;
	const struct kit_cut *cut = &session->cut;

	for (int i = 0; i < LOADS; i++) {
		uint64_t entry = kit_random_below(&worker->random, cut->entries);
		void *value = NULL;
		calm_status status;
		if (snapshot != NULL) {
			status = calm_snapshot_load(snapshot, kit_cut_key(cut, entry), &value);
			(void)kit_cut_snapshot_load(&worker->check, entry, status, value);
		}
		if (session->plan.plant == KIT_PLANT_LOAD && i == 0 &&
		    cut->touched < cut->entries) {
			worker->tap.planted++;
			(void)kit_cut_load(&worker->check, cut->touched, CALM_ABSENT, NULL);
			continue;
		}
		status = calm_map_load(session->map, kit_cut_key(cut, entry), &value);
		(void)kit_cut_load(&worker->check, entry, status, value);
		worker->result.loads++;
	}
}

static void begin(struct worker *worker, bool live, bool again)
{
	if (again)
		kit_cut_again(&worker->check);
	else
		kit_cut_begin(&worker->check, live);
	kit_plant_begin(&worker->tap,
			kit_random_below(&worker->random, worker->session->cut.entries / 4 + 1));
}

static bool end(struct worker *worker, int status)
{
	worker->result.bindings += worker->check.bindings;
	return kit_cut_end(&worker->check, status);
}

/* The visitor without the tap where nothing is planted, so that the measured path has no detour. */
static calm_visit_fn *visitor(struct worker *worker, void **context)
{
	bool plain = worker->tap.plant == KIT_PLANT_NONE;

	*context = plain ? (void *)&worker->check : (void *)&worker->tap;
	return plain ? kit_cut_visit : kit_plant_visit;
}

static bool read_again(struct worker *worker, calm_snapshot *snapshot)
{
	void *context;
	calm_visit_fn *visit = visitor(worker, &context);

	begin(worker, false, true);
	worker->result.rereads++;
	return end(worker, calm_snapshot_each(snapshot, visit, context));
}

static bool pass_snapshot(struct worker *worker, uint64_t *ns)
{
	calm_snapshot *snapshot = NULL;
	void *context;
	calm_visit_fn *visit = visitor(worker, &context);
	bool all = worker->tap.plant == KIT_PLANT_REREAD;

	begin(worker, false, false);
	uint64_t from = kit_now_ns();
	int status = calm_map_snapshot(worker->session->map, &snapshot);
	kit_cut_opened(&worker->check);
	if (status == CALM_OK)
		status = calm_snapshot_each(snapshot, visit, context);
	*ns = kit_now_ns() - from;
	bool good = end(worker, status);
	if (good) {
		size_t size = calm_snapshot_size(snapshot);
		if (size != worker->check.bindings) {
			kit_cut_fault(&worker->check.report, KIT_CUT_REREAD,
				      "the snapshot's size is %zu, but it has %llu bindings", size,
				      (unsigned long long)worker->check.bindings);
			good = false;
		}
		look_up(worker, snapshot);
		if (all || worker->result.traversals % REREAD_EVERY == 0)
			good = read_again(worker, snapshot) && good;
	}
	from = kit_now_ns();
	calm_snapshot_close(snapshot);
	*ns += kit_now_ns() - from;
	return good;
}

static bool pass_walk(struct worker *worker, enum kit_pass pass, uint64_t *ns)
{
	struct kit_cut_session *session = worker->session;
	void *context;
	calm_visit_fn *visit = visitor(worker, &context);
	bool live = pass == KIT_PASS_EACH;

	begin(worker, live, false);
	uint64_t from = kit_now_ns();
	int status = live ? calm_map_each(session->map, visit, context)
			  : calm_map_walk(session->map, visit, context);
	*ns = kit_now_ns() - from;
	bool good = end(worker, status);
	if (good && !live)
		look_up(worker, NULL);
	return good;
}

/* The pass after this one among those of the plan. */
static enum kit_pass next_pass(unsigned passes, enum kit_pass pass)
{
	unsigned bit = (unsigned)pass;

	do
		bit = bit >= KIT_PASS_EACH ? KIT_PASS_SNAPSHOT : bit << 1;
	while ((passes & bit) == 0);
	return (enum kit_pass)bit;
}

static void *walk_on(void *context)
{
	struct worker *worker = context;
	struct kit_cut_session *session = worker->session;
	enum kit_pass pass = KIT_PASS_EACH;

	name_thread("walker", worker->index);
	while (pass_gate(session, &session->walker_gate)) {
		struct kit_cut_traversal one = {.walker = worker->index};
		uint64_t faults = worker->check.report.total;
		pass = next_pass(session->plan.passes, pass);
		one.pass = pass;
		if (pass == KIT_PASS_SNAPSHOT)
			(void)pass_snapshot(worker, &one.ns);
		else
			(void)pass_walk(worker, pass, &one.ns);
		one.bindings = worker->check.bindings;
		one.good = worker->check.report.total == faults;
		note_violations(worker, worker->check.report.total);
		worker->result.traversals++;
		atomic_store_explicit(&worker->traversals, worker->result.traversals,
				      memory_order_relaxed);
		if (session->plan.traversed != NULL)
			session->plan.traversed(&one, session->plan.context);
	}
	leave_gate(session, &session->walker_gate);
	return NULL;
}

static struct worker *make_workers(struct kit_cut_session *session, unsigned n, uint64_t salt)
{
	struct worker *workers = aligned_alloc(64, sizeof *workers * (n > 0 ? n : 1));

	for (unsigned i = 0; workers != NULL && i < n; i++) {
		workers[i] = (struct worker){.session = session, .index = i};
		kit_random_seed(&workers[i].random, session->plan.seed ^ kit_mix(salt + i));
	}
	return workers;
}

static calm_status make_checks(struct kit_cut_session *session)
{
	for (unsigned i = 0; i < session->plan.walkers; i++) {
		struct worker *worker = &session->walkers[i];
		calm_status status = kit_cut_check_init(&worker->check, &session->cut);
		if (status != CALM_OK)
			return status;
		worker->tap = (struct kit_plant_tap){.check = &worker->check,
						     .plant = session->plan.plant};
	}
	return CALM_OK;
}

static calm_status make_map(struct kit_cut_session *session)
{
	const struct kit_cut_plan *plan = &session->plan;
	calm_options map_options = CALM_OPTIONS_INIT;
	struct kit_cut_options options = {.entries = plan->entries,
					  .touched = plan->touched,
					  .writers = plan->writers,
					  .delete_every = plan->delete_every,
					  .verbs = plan->verbs,
					  .seed = plan->seed,
					  .keys = plan->keys};

	if (plan->key_kind == CALM_KEYS_BYTES && plan->keys == NULL) {
		session->made_keys = kit_byte_keys_make(plan->entries);
		options.keys = session->made_keys;
		if (options.keys == NULL)
			return CALM_ENOMEM;
	} else if (plan->key_kind == CALM_KEYS_WORD && plan->keys != NULL) {
		return CALM_EINVAL;
	}
	calm_status status = kit_cut_init(&session->cut, &options);
	if (status != CALM_OK)
		return status;
	map_options.keys = plan->key_kind;
	map_options.capacity = plan->capacity;
	map_options.compact_at = plan->compact_at;
	status = plan->kind->create(&session->map, &map_options);
	if (status != CALM_OK)
		return status;
	status = kit_cut_preload(&session->cut, session->map);
	session->preload = kit_cut_writes(&session->cut);
	return status;
}

static calm_status start_workers(struct kit_cut_session *session, struct worker *workers,
				 unsigned n, struct gate *gate, void *(*work)(void *))
{
	for (unsigned i = 0; i < n; i++) {
		pthread_mutex_lock(&session->mutex);
		gate->threads++;
		pthread_mutex_unlock(&session->mutex);
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
			leave_gate(session, gate);
			return CALM_ENOMEM;
		}
		workers[i].running = true;
	}
	return CALM_OK;
}

/* Ends and joins whatever runs. */
static void halt(struct kit_cut_session *session)
{
	pthread_mutex_lock(&session->mutex);
	atomic_store(&session->stop, true);
	pthread_cond_broadcast(&session->moved);
	pthread_mutex_unlock(&session->mutex);
	for (unsigned i = 0; session->writers != NULL && i < session->plan.writers; i++) {
		if (session->writers[i].running)
			pthread_join(session->writers[i].thread, NULL);
	}
	for (unsigned i = 0; session->walkers != NULL && i < session->plan.walkers; i++) {
		if (session->walkers[i].running)
			pthread_join(session->walkers[i].thread, NULL);
	}
}

/* After halt. A map that cannot be destroyed is told of, and left. */
static calm_status discard(struct kit_cut_session *session)
{
	calm_status status = calm_map_destroy(session->map);

	for (unsigned i = 0; session->walkers != NULL && i < session->plan.walkers; i++)
		kit_cut_check_free(&session->walkers[i].check);
	kit_cut_free(&session->cut);
	free(session->writers);
	free(session->walkers);
	free(session->made_keys);
	pthread_cond_destroy(&session->moved);
	pthread_mutex_destroy(&session->mutex);
	free(session);
	return status;
}

static calm_status build(struct kit_cut_session *session, bool held)
{
	struct kit_cut_plan *plan = &session->plan;
	calm_status status;

	if (plan->passes == 0)
		plan->passes = plan->kind->snapshots ? KIT_PASS_SNAPSHOT | KIT_PASS_WALK
						     : KIT_PASS_EACH;
	session->writers = make_workers(session, plan->writers, 1);
	session->walkers = make_workers(session, plan->walkers, 1000000);
	if (session->writers == NULL || session->walkers == NULL)
		return CALM_ENOMEM;
	status = make_map(session);
	if (status == CALM_OK)
		status = make_checks(session);
	atomic_store(&session->writer_gate.held, held);
	atomic_store(&session->walker_gate.held, held);
	if (status == CALM_OK)
		status = start_workers(session, session->walkers, plan->walkers,
				       &session->walker_gate, walk_on);
	if (status == CALM_OK)
		status = start_workers(session, session->writers, plan->writers,
				       &session->writer_gate, write_on);
	return status;
}

calm_status kit_cut_session_start(struct kit_cut_session **out, const struct kit_cut_plan *plan,
				  bool held)
{
	struct kit_cut_session *session = aligned_alloc(64, sizeof *session);

	if (session == NULL)
		return CALM_ENOMEM;
	if ((plan->passes & ~7u) != 0 || plan->writers > KIT_CUT_WRITERS ||
	    plan->walkers > KIT_CUT_WRITERS) {
		free(session);
		return CALM_EINVAL;
	}
	*session = (struct kit_cut_session){.plan = *plan};
	pthread_mutex_init(&session->mutex, NULL);
	pthread_cond_init(&session->moved, NULL);
	calm_status status = build(session, held);
	if (status == CALM_OK) {
		*out = session;
		return CALM_OK;
	}
	halt(session);
	(void)discard(session);
	return status;
}

uint64_t kit_cut_session_writes(const struct kit_cut_session *session)
{
	return kit_cut_writes(&session->cut) - session->preload;
}

uint64_t kit_cut_session_traversals(const struct kit_cut_session *session)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < session->plan.walkers; i++)
		sum += atomic_load_explicit(&session->walkers[i].traversals, memory_order_relaxed);
	return sum;
}

uint64_t kit_cut_session_violations(const struct kit_cut_session *session)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < session->plan.walkers; i++)
		sum += atomic_load_explicit(&session->walkers[i].violations, memory_order_relaxed);
	for (unsigned i = 0; i < session->plan.writers; i++)
		sum += atomic_load_explicit(&session->writers[i].violations, memory_order_relaxed);
	return sum;
}

calm_map *kit_cut_session_map(const struct kit_cut_session *session)
{
	return session->map;
}

/* Quiet, the live walk too must show exactly what the writers left, and the size is exact. */
static void check_quiet(struct kit_cut_session *session, struct kit_cut_result *result)
{
	struct kit_cut_check check;

	if (kit_cut_check_init(&check, &session->cut) != CALM_OK) {
		kit_cut_fault(&result->report, KIT_CUT_FAILED, "no memory to check the quiet map");
		return;
	}
	kit_cut_begin(&check, false);
	kit_cut_opened(&check);
	(void)kit_cut_end(&check, calm_map_each(session->map, kit_cut_visit, &check));
	if (calm_map_size(session->map) != check.bindings)
		kit_cut_fault(&check.report, KIT_CUT_FAILED,
			      "the quiet map's size is %zu, but it has %llu bindings",
			      calm_map_size(session->map), (unsigned long long)check.bindings);
	kit_cut_report_merge(&result->report, &check.report);
	kit_cut_check_free(&check);
}

void kit_cut_session_stop(struct kit_cut_session *session, struct kit_cut_result *result)
{
	*result = (struct kit_cut_result){0};
	halt(session);
	result->writes = kit_cut_session_writes(session);
	for (unsigned i = 0; i < session->plan.walkers; i++) {
		const struct worker *worker = &session->walkers[i];
		result->traversals += worker->result.traversals;
		result->rereads += worker->result.rereads;
		result->loads += worker->result.loads;
		result->bindings += worker->result.bindings;
		result->planted += worker->tap.planted;
		kit_cut_report_merge(&result->report, &worker->check.report);
	}
	for (unsigned i = 0; i < session->plan.writers; i++)
		kit_cut_report_merge(&result->report, &session->writers[i].result.report);
	check_quiet(session, result);
	calm_status status = discard(session);
	if (status != CALM_OK)
		kit_cut_fault(&result->report, KIT_CUT_FAILED, "the map cannot be destroyed: %s",
			      calm_strerror(status));
}

calm_status kit_cut_run(const struct kit_cut_plan *plan, struct kit_cut_result *result)
{
	struct kit_cut_session *session;
	const struct timespec nap = {.tv_nsec = 2000000};

	*result = (struct kit_cut_result){0};
	if (plan->ns == 0 && plan->writes == 0 && plan->traversals == 0)
		return CALM_EINVAL;
	calm_status status = kit_cut_session_start(&session, plan, false);
	if (status != CALM_OK)
		return status;
	uint64_t from = kit_now_ns(); /* of what follows the preload */
	while ((plan->ns == 0 || kit_now_ns() - from < plan->ns) &&
	       (plan->writes == 0 || kit_cut_session_writes(session) < plan->writes) &&
	       (plan->traversals == 0 || kit_cut_session_traversals(session) < plan->traversals) &&
	       (plan->ns != 0 || plan->plant != KIT_PLANT_NONE ||
		kit_cut_session_violations(session) == 0))
		(void)nanosleep(&nap, NULL);
	kit_cut_session_stop(session, result);
	return CALM_OK;
}
