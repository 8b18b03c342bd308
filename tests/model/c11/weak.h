/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * What the harnesses here are written in, so that one text can be run three ways:
 *   C11      atomics and pthreads, as a program that repeats itself: what CI compiles and runs.
 *   GenMC    the same once (-DGENMC -DRUNS=1): every execution that RC11 allows. By hand, see
 *            docs/design/models.md.
 *   Relacy   as C++ (-x c++): random executions of the C++11 memory model, stale loads and data races
 *            included, on one core; CI runs it where Debian's relacy-dev is installed.
 *
 * A harness defines THREADS, MUTATIONS(X), struct world, set_up() and run(i) around this file, which
 * it includes after MUTATIONS and before world, and ends with MAIN. ORDER(X, right, wrong) is the order
 * `right` unless mutation X is asked for: by -DMUTATE=X, by name with Relacy.
 * CHOOSE(n), once in set_up(): which of n scenarios; with GenMC -DSCENARIO=0 and so on.
 *
 * Not modelled: what Relacy cannot show: a store that takes effect before an earlier load (load
 * buffering), stores in another order than they were executed in; its loads reach back a few stores.
 *
 * Source: Relacy, D. Vyukov, for the form. Rejected: a harness of its own for each tool; they would
 * not stay alike.
 */
#ifndef MODEL_WEAK_H
#define MODEL_WEAK_H

#define AS_ENUM(name) name,
#define AS_STRING(name) #name,
enum mutation { NONE, MUTATIONS(AS_ENUM) LAST };

#ifdef __cplusplus

#include <relacy/relacy.hpp>

#define relaxed rl::mo_relaxed
#define acquire rl::mo_acquire
#define release rl::mo_release
#define acq_rel rl::mo_acq_rel
#define sc rl::mo_seq_cst

static int mutate;
typedef rl::atomic<unsigned> word;
typedef rl::var<unsigned> plain;
#define LOAD(p, order) ((*(p))($).load(order))
#define STORE(p, v, order) ((*(p))($).store((v), (order)))
#define CAS(p, expected, v, order) \
	((*(p))($).compare_exchange_strong(*(expected), (v), (order), relaxed))
#define ADD(p, v, order) ((*(p))($).fetch_add((v), (order)))
#define GET(p) ((*(p))($).load())
#define PUT(p, v) ((*(p))($).store(v))
#define PAUSE() rl::yield(1, $)
#define CHOOSE(n) rl::rand(n)
#define CHECK(condition) RL_ASSERT(condition)

#else

#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#define relaxed memory_order_relaxed
#define acquire memory_order_acquire
#define release memory_order_release
#define acq_rel memory_order_acq_rel
#define sc memory_order_seq_cst

#ifndef MUTATE
#define MUTATE NONE
#endif
#ifndef RUNS
#define RUNS 3000
#endif
#define mutate ((int)MUTATE)
typedef _Atomic(unsigned) word;
typedef unsigned plain;
#define LOAD(p, order) atomic_load_explicit((p), (order))
#define STORE(p, v, order) atomic_store_explicit((p), (v), (order))
#define CAS(p, expected, v, order) \
	atomic_compare_exchange_strong_explicit((p), (expected), (v), (order), relaxed)
#define ADD(p, v, order) atomic_fetch_add_explicit((p), (v), (order))
#define GET(p) (*(p))
#define PUT(p, v) (*(p) = (v))
#ifdef GENMC
#define PAUSE() ((void)0)
#else
#define PAUSE() sched_yield()
#endif
#ifdef SCENARIO
#define CHOOSE(n) SCENARIO
#else
#define CHOOSE(n) ((unsigned)rand() % (n)) /* outside of the threads */
#endif
#define CHECK(condition) assert(condition)

#endif

#define ORDER(name, right, wrong) (mutate == (int)(name) ? (wrong) : (right))

struct world;
static struct world *w;

#ifdef __cplusplus

#define MAIN                                                                              \
	struct suite : rl::test_suite<suite, THREADS> {                                   \
		world mine;                                                               \
		void before()                                                             \
		{                                                                         \
			w = &mine;                                                        \
			set_up();                                                         \
		}                                                                         \
		void thread(unsigned i)                                                   \
		{                                                                         \
			run(i);                                                           \
		}                                                                         \
	};                                                                                \
	int main(int argc, char **argv)                                                   \
	{                                                                                 \
		static const char *const names[] = {"NONE", MUTATIONS(AS_STRING) "LAST"}; \
		rl::test_params params;                                                   \
		params.iteration_count = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;  \
		params.progress_stream = &std::cerr;                                      \
		params.progress_output_period = 1000000000;                               \
		for (int i = 0; argc > 2 && i < LAST; i++)                                \
			mutate = strcmp(argv[2], names[i]) ? mutate : i;                  \
		if (argc > 2 && strcmp(argv[2], names[mutate]))                           \
			return 2;                                                         \
		return rl::simulate<suite>(params) ? 0 : 1;                               \
	}

#else

static void run(unsigned i);

static inline void *run_thread(void *number)
{
	run((unsigned)(size_t)number);
	return NULL;
}

#define MAIN                                                                                  \
	int main(void)                                                                        \
	{                                                                                     \
		static struct world mine;                                                     \
		w = &mine;                                                                    \
		for (int n = 0; n < RUNS; n++) {                                              \
			pthread_t threads[THREADS];                                           \
			set_up();                                                             \
			for (size_t i = 0; i < THREADS; i++)                                  \
				if (pthread_create(&threads[i], NULL, run_thread, (void *)i)) \
					return 2;                                             \
			for (size_t i = 0; i < THREADS; i++)                                  \
				pthread_join(threads[i], NULL);                               \
		}                                                                             \
		return 0;                                                                     \
	}

#endif
#endif
