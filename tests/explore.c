/* SPDX-License-Identifier: MIT */
/* SPDX-FileCopyrightText: The calm authors */
/*
 * The explorer: every kind of map in every scenario that it can play, under three scheduling
 * policies, each schedule from a seed of its own (explore/).
 *
 *	explore                    all of it, from CALM_TEST_SEED on, for CALM_TEST_SCALE * 20 s of
 *	                           processor time, less under a sanitizer: scenarios, and as many
 *	                           pairs of verbs as fit in a quarter of it, from one on that the seed
 *	                           chooses
 *	explore --seconds S        the same for S instead of 20
 *	explore --pairs N [--kinds KIND,...]
 *	                           N schedules of every pair of verbs
 *	explore --frozen [--threads N]
 *	                           who can go on beside a thread that stands still; N = 4: with more
 *	                           threads, and every key; minutes
 *	explore --relax FILE:LINE[:sc],... [--seconds S] [--kinds KIND,...]
 *	                           with the atomic operations there relaxed, or only not sequentially
 *	                           consistent: something should fail
 *	explore --list             the tests' names
 *	explore --test NAME [--policy P] [--seed N [--count N]] [--trace]
 *	                           one test; with a seed, that schedule (or count from there on)
 *
 * A schedule that fails is printed with the line that replays it, and ends the program. It first
 * shows that it can fail: planted defects are found within a bounded number of seeds. And that a
 * seed is all there is: schedules are run again, at once and in a new process, and must be the same.
 */
#include "suite.h"

#include "explore/frozen.h"
#include "explore/litmus.h"
#include "explore/pairs.h"
#include "explore/planted.h"
#include "explore/play.h"
#include "explore/sites.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#define SECONDS 20
#define PAIRS_SHARE 4 /* pairs get one part in so many of it */
#define PAIRS_TURN 96 /* schedules of one pair before the next has its turn */
#define RELAXED_TURN 12
#define RELAXED_PAIRS 256 /* of any kind */
#ifdef EXPLORE_TSAN       /* this file is built without */
#define SLOWER 10
#else
#define SLOWER SUITE_SLOWER
#endif
#define MOST 2000000U    /* steps: ten times the longest schedule, all keys in one bucket */
#define HORIZON_SEEDS 16 /* schedules that are run to see how long they are, */
#define HORIZON_PAIR 6   /* and of a pair */
#define AGAIN_EVERY 2048 /* one schedule in so many is run twice */
#define STALE_EVERY 2    /* in one seed of so many loads need not see the newest */
#define CLOCK_EVERY 16
#define BATCH_MOST (1U << 20) /* seeds from which a test draws: far apart, between tests */

struct test {
	char name[64];
	const struct kit_kind *kind; /* or NULL: planted */
	const struct scenario *scenario;
	const struct planted *planted;
	uint64_t horizon;   /* 0: not yet known */
	uint64_t schedules; /* of a pair, run */
};

/* First the planted defects, then the scenarios, from pairs_from on the pairs. */
static struct test *tests;
static unsigned test_count;
static unsigned pairs_from;

/* What is being run, for whoever finds the program dead. */
static struct {
	const struct test *test;
	struct explore_plan plan;
	const char *relaxed; /* sites */
	char self[PATH_MAX];
} now;

static struct {
	uint64_t schedules;
	uint64_t steps;
	uint64_t switches;
} total;

/* Of this process: what others do on the machine costs no schedules. */
static uint64_t processor_ns(void)
{
	struct timespec used;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000000U + (uint64_t)used.tv_nsec;
}

/* ---- tests ---- */

/* The scenarios that the kind can play. */
static void list_scenarios(const struct kit_kind *kind, const struct scenario *list, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		bool cell = list[i].flags & PLAY_CELL; /* once: beside any map */
		if (!play_applies(kind, &list[i]) || (cell && strcmp(kind->name, "lockmap") != 0))
			continue;
		struct test *test = &tests[test_count++];
		test->kind = kind;
		test->scenario = &list[i];
		snprintf(test->name, sizeof(test->name), "%s-%s", cell ? "cell" : kind->name,
			 list[i].name);
	}
}

static void list_tests(void)
{
	unsigned pair_count;
	const struct scenario *pairs = pairs_all(&pair_count);
	tests = calloc(KIT_KINDS * (size_t)(scenario_count + pair_count) + planted_count,
		       sizeof(*tests));
	suite_check(tests != NULL);
	for (unsigned i = 0; i < planted_count; i++) {
		struct test *test = &tests[test_count++];
		test->planted = &planted[i];
		snprintf(test->name, sizeof(test->name), "planted-%s", planted[i].name);
	}
	for (unsigned k = 0; k < KIT_KINDS; k++)
		list_scenarios(&kit_kinds[k], scenarios, scenario_count);
	pairs_from = test_count;
	for (unsigned k = 0; k < KIT_KINDS; k++)
		list_scenarios(&kit_kinds[k], pairs, pair_count);
}

static bool run_plan(const struct test *test, struct explore_outcome *outcome)
{
	if (!test->planted)
		return play(test->kind, test->scenario, &now.plan, outcome);
	planted_run(test->planted, &now.plan, outcome);
	return outcome->failure[0] == '\0';
}

/* A schedule's length is known before it is run: from others, always the same. False: one failed. */
static bool find_horizon(struct test *test, struct explore_outcome *outcome)
{
	uint64_t steps = 0;
	uint64_t seeds = test->scenario && test->scenario->flags & PLAY_PAIR ? HORIZON_PAIR
									     : HORIZON_SEEDS;
	for (uint64_t seed = 0; seed < seeds; seed++) {
		now.test = test;
		now.plan = (struct explore_plan){.policy = EXPLORE_BOUNDED,
						 .seed = seed,
						 .horizon = MOST,
						 .most = MOST};
		if (!run_plan(test, outcome) && !test->planted)
			return false;
		steps += outcome->end == EXPLORE_DONE ? outcome->steps : 0;
	}
	test->horizon = steps * 5 / 4 / seeds + 4;
	return true;
}

static bool run_one(struct test *test, enum explore_policy policy, uint64_t seed, FILE *trace,
		    struct explore_outcome *outcome)
{
	if (test->horizon == 0 && !find_horizon(test, outcome))
		return false;
	now.test = test;
	now.plan = (struct explore_plan){.policy = policy,
					 .seed = seed,
					 .horizon = test->horizon,
					 .most = MOST,
					 .stale = test->scenario &&
						  (now.relaxed || seed % STALE_EVERY == 0),
					 .trace = trace};
	bool fine = run_plan(test, outcome);
	total.schedules++;
	total.steps += outcome->steps;
	total.switches += outcome->switches;
	return fine;
}

/* ---- reports ---- */

static void print_outcome(FILE *file, const struct explore_outcome *outcome)
{
	fprintf(file, "schedule %016" PRIx64 ", %" PRIu64 " steps, %" PRIu64 " switches: %s\n",
		outcome->print, outcome->steps, outcome->switches,
		outcome->failure[0] ? outcome->failure : "nothing wrong");
}

static void say_how(char *line, size_t size, const char *what)
{
	const char *knobs = getenv("CALM_KNOBS");
	bool turned = knobs && knobs[0];
	snprintf(line, size, "%s: %s%s%s%s%s%s --test %s --policy %s --seed %" PRIu64 " --trace\n",
		 what, turned ? "CALM_KNOBS=" : "", turned ? knobs : "", turned ? " " : "",
		 program_invocation_short_name, now.relaxed ? " --relax " : "",
		 now.relaxed ? now.relaxed : "", now.test->name, explore_policies[now.plan.policy],
		 now.plan.seed);
}

static void print_failure(const struct explore_outcome *outcome)
{
	char line[1024];
	printf("%s, policy %s, seed %" PRIu64 " FAILS: %s\n", now.test->name,
	       explore_policies[now.plan.policy], now.plan.seed, outcome->failure);
	if (now.test->scenario)
		play_describe(stdout);
	print_outcome(stdout, outcome);
	say_how(line, sizeof(line), "to replay");
	fputs(line, stdout);
}

static void say_before_death(void)
{
	char line[1024];
	if (!now.test)
		return;
	say_how(line, sizeof(line), "explore: died in a schedule; to replay");
	if (write(STDERR_FILENO, line, strlen(line)) < 0)
		return;
}

static void on_signal(int number)
{
	say_before_death();
	signal(number, SIG_DFL);
	raise(number);
}

#if defined(__SANITIZE_ADDRESS__) || defined(EXPLORE_TSAN)
#include <sanitizer/common_interface_defs.h>
static void on_death(void)
{
	fflush(stdout);
	say_before_death();
}
#endif

#ifdef EXPLORE_TSAN
/* It waits a second for other threads' reports when a process ends, and a fiber is a thread to it. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "atexit_sleep_ms=0";
}
#endif

static void report_deaths(void)
{
	static char stack[1 << 16];
	stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
#if defined(__SANITIZE_ADDRESS__) || defined(EXPLORE_TSAN)
	__sanitizer_set_death_callback(on_death);
#else
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGFPE, &action, NULL);
	sigaction(SIGILL, &action, NULL);
#endif
	sigaltstack(&alternate, NULL);
	sigaction(SIGABRT, &action, NULL);
}

/* ---- that a seed is all there is ---- */

static bool same(const struct explore_outcome *a, const struct explore_outcome *b)
{
	return a->end == b->end && a->steps == b->steps && a->switches == b->switches &&
	       a->print == b->print && strcmp(a->failure, b->failure) == 0;
}

static void is_same_again(struct test *test, const struct explore_outcome *outcome)
{
	struct explore_outcome again;
	run_one(test, now.plan.policy, now.plan.seed, NULL, &again);
	if (same(outcome, &again))
		return;
	printf("%s, policy %s, seed %" PRIu64 " is not the same when run again:\n", test->name,
	       explore_policies[now.plan.policy], now.plan.seed);
	print_outcome(stdout, outcome);
	print_outcome(stdout, &again);
	abort();
}

static void is_same_in_new_process(const struct explore_outcome *outcome)
{
	if (getenv("CALM_TEST_EMULATED"))
		return; /* the shell cannot start it */
	char command[PATH_MAX + 256];
	char expected[1024];
	char line[1024] = "";
	FILE *memory = fmemopen(expected, sizeof(expected), "w");
	suite_check(memory != NULL);
	print_outcome(memory, outcome);
	fclose(memory);
	snprintf(command, sizeof(command), "'%s' --test %s --policy %s --seed %" PRIu64 " --brief",
		 now.self, now.test->name, explore_policies[now.plan.policy], now.plan.seed);
	FILE *child = popen(command, "r");
	suite_check(child != NULL);
	if (!fgets(line, sizeof(line), child))
		line[0] = '\0';
	pclose(child);
	if (strcmp(line, expected) == 0)
		return;
	printf("%s\nsays: %sexpected: %s", command, line, expected);
	abort();
}

/* ---- running ---- */

static void find_planted(struct test *test, uint64_t seed)
{
	for (int p = 0; p < EXPLORE_POLICIES; p++) {
		struct explore_outcome outcome = {0};
		uint64_t within = test->planted->within[p];
		uint64_t tried = 0;
		bool fine = true;
		while (fine && tried < within)
			fine = run_one(test, (enum explore_policy)p, seed + tried++, NULL,
				       &outcome);
		if (within == 0)
			continue;
		if (fine) {
			printf("%s: not found by %s in %" PRIu64 " seeds from %" PRIu64 "\n",
			       test->name, explore_policies[p], within, seed);
			abort();
		}
		size_t length = strlen(test->planted->failure);
		suite_check(strncmp(outcome.failure, test->planted->failure, length) == 0);
		is_same_again(test, &outcome);
		is_same_in_new_process(&outcome);
		printf("%-32s %-8s found at seed %" PRIu64 " of %" PRIu64 "\n", test->name,
		       explore_policies[p], tried, within);
	}
}

/* Schedules of one test and policy until the time is up. False: one failed. */
static bool run_for(struct test *test, enum explore_policy policy, uint64_t seed, uint64_t ns)
{
	struct explore_outcome outcome;
	uint64_t until = processor_ns() + ns;
	uint64_t n = 0;
	do {
		if (!run_one(test, policy, seed + n, NULL, &outcome)) {
			print_failure(&outcome);
			return false;
		}
		if (n % AGAIN_EVERY == 0)
			is_same_again(test, &outcome);
		n++;
	} while (n % CLOCK_EVERY != 0 || processor_ns() < until);
	/* The last, which had the most before it. A sanitizer has nothing to add to that, and starts slowly. */
	if (SLOWER == 1 && !now.relaxed && (unsigned)(test - tests) % EXPLORE_POLICIES == policy)
		is_same_in_new_process(&outcome);
	return true;
}

/* So many schedules of a pair, all policies in turn. False: one failed. */
static bool run_pair(struct test *test, uint64_t seed, uint64_t count)
{
	struct explore_outcome outcome;
	for (uint64_t n = 0; n < count; n++) {
		enum explore_policy policy = (enum explore_policy)(n % EXPLORE_POLICIES);
		if (!run_one(test, policy, seed + test->schedules, NULL, &outcome)) {
			print_failure(&outcome);
			return false;
		}
		if (test->schedules++ % AGAIN_EVERY == 0)
			is_same_again(test, &outcome);
	}
	return true;
}

/* Pairs, from one on that the seed chooses, until the time is up. */
static bool run_pairs(uint64_t seed, uint64_t ns)
{
	unsigned count = test_count - pairs_from;
	unsigned first = (unsigned)(kit_mix(seed) % count);
	uint64_t schedules = total.schedules;
	uint64_t until = processor_ns() + ns;
	uint64_t turn = 0;
	do {
		unsigned i = (unsigned)((first + turn) % count);
		if (!run_pair(&tests[pairs_from + i], seed + i * BATCH_MOST, PAIRS_TURN))
			return false;
		turn++;
	} while (processor_ns() < until);
	printf("pairs: %" PRIu64 " of %u, from %s on (CALM_TEST_SEED=%" PRIu64 "), %" PRIu64
	       " schedules\n",
	       turn < count ? turn : count, count, tests[pairs_from + first].name, seed,
	       total.schedules - schedules);
	return true;
}

/* Whether the test's kind is one of the list; NULL is all. */
static bool is_of(const struct test *test, const char *kinds)
{
	size_t length = strcspn(test->name, "-");
	const char *named = kinds;
	while (named && (strncmp(named, test->name, length) != 0 ||
			 (named[length] != ',' && named[length] != '\0'))) {
		named = strchr(named, ',');
		named += named != NULL;
	}
	return !kinds || named;
}

static bool run_all_pairs(uint64_t seed, uint64_t schedules, const char *kinds)
{
	unsigned count = 0;
	for (unsigned i = pairs_from; i < test_count; i++) {
		struct test *test = &tests[i];
		if (!is_of(test, kinds))
			continue;
		if (!run_pair(test, seed + i * BATCH_MOST, schedules))
			return false;
		printf("%-56s %9" PRIu64 " schedules\n", test->name, test->schedules);
		count++;
	}
	printf("%u pairs, %" PRIu64 " schedules, CALM_TEST_SEED=%" PRIu64 "\n", count,
	       total.schedules, seed);
	return count > 0;
}

/* With relaxed sites, until the time is up: all scenarios in turn, and after each round some pairs. */
static bool run_relaxed(double seconds, uint64_t seed, const char *kinds)
{
	uint64_t until = processor_ns() + (uint64_t)(seconds * 1e9);
	unsigned scenarios_too = pairs_from - planted_count;
	for (unsigned turn = 0, pair = pairs_from; processor_ns() < until; turn++) {
		unsigned i = turn % (scenarios_too + RELAXED_PAIRS) + planted_count;
		if (i >= pairs_from) {
			i = pair++;
			pair = pair == test_count ? pairs_from : pair;
		}
		if (is_of(&tests[i], kinds) &&
		    !run_pair(&tests[i], seed + i * BATCH_MOST, RELAXED_TURN))
			return false;
	}
	printf("%" PRIu64 " schedules, nothing failed%s, CALM_TEST_SEED=%" PRIu64 "\n",
	       total.schedules, sites_all_met() ? "" : "; not every site was met", seed);
	return true;
}

static bool run_all(double seconds, uint64_t seed)
{
	uint64_t began = processor_ns();
	double ns = seconds * 1e9 * (double)suite_number("CALM_TEST_SCALE", 1) / SLOWER;
	uint64_t slice = (uint64_t)(ns * (PAIRS_SHARE - 1) / PAIRS_SHARE /
				    (pairs_from - planted_count) / EXPLORE_POLICIES);
	planted_histories();
	if (!litmus_all(seed))
		return false;
	for (unsigned i = 0; i < planted_count; i++)
		find_planted(&tests[i], seed);
	for (unsigned i = planted_count; i < pairs_from; i++) {
		uint64_t schedules = total.schedules;
		uint64_t steps = total.steps;
		uint64_t from = processor_ns();
		for (int p = 0; p < EXPLORE_POLICIES; p++)
			if (!run_for(&tests[i], (enum explore_policy)p, seed + i * BATCH_MOST,
				     slice))
				return false;
		schedules = total.schedules - schedules;
		printf("%-32s %9" PRIu64 " schedules, %4" PRIu64 " steps each, %6.0f/s\n",
		       tests[i].name, schedules, (total.steps - steps) / schedules,
		       (double)schedules * 1e9 / (double)(processor_ns() - from));
	}
	if (!run_pairs(seed, (uint64_t)ns / PAIRS_SHARE))
		return false;
	double took = (double)(processor_ns() - began) / 1e9;
	printf("%" PRIu64 " schedules in %.1f s, %.0f/s; %.1f M steps/s, %.1f M switches/s\n",
	       total.schedules, took, (double)total.schedules / took,
	       (double)total.steps / took / 1e6, (double)total.switches / took / 1e6);
	return true;
}

/* ---- the command line ---- */

struct request {
	struct test *test;
	unsigned policy; /* EXPLORE_POLICIES: all */
	uint64_t seed;
	uint64_t count; /* 0: as many as fit in the time */
	double seconds;
	uint64_t pairs; /* schedules of each; 0: not asked for */
	const char *kinds;
	unsigned threads;
	bool frozen;
	bool trace;
	bool brief;
};

static bool run_request(const struct request *request)
{
	struct explore_outcome outcome;
	for (int p = 0; p < EXPLORE_POLICIES; p++) {
		if (request->policy != EXPLORE_POLICIES && request->policy != (unsigned)p)
			continue;
		enum explore_policy policy = (enum explore_policy)p;
		if (request->count == 0 &&
		    !run_for(request->test, policy, request->seed,
			     (uint64_t)(request->seconds * 1e9 / EXPLORE_POLICIES)))
			return false;
		for (uint64_t i = 0; i < request->count; i++) {
			FILE *trace = request->trace ? stdout : NULL;
			bool fine = run_one(request->test, policy, request->seed + i, trace,
					    &outcome);
			if (request->brief) {
				print_outcome(stdout, &outcome);
			} else if (!fine) {
				print_failure(&outcome);
			} else if (request->count == 1) {
				if (request->test->scenario)
					play_describe(stdout);
				print_outcome(stdout, &outcome);
			}
			if (!fine)
				return false;
		}
	}
	if (!request->brief)
		printf("%" PRIu64 " schedules\n", total.schedules);
	return true;
}

static int usage(const char *wrong)
{
	fprintf(stderr,
		"%s: %s\nusage: %s [--seconds S] [--pairs N [--kinds KIND,...]] [--list] [--frozen [--threads N]] "
		"[--relax FILE:LINE[:sc],...] [--test "
		"NAME [--policy P] [--seed N [--count N]] [--trace]]\n",
		program_invocation_short_name, wrong, program_invocation_short_name);
	return 2;
}

static bool read_option(struct request *request, const char *option, const char *value)
{
	if (strcmp(option, "--seconds") == 0) {
		request->seconds = strtod(value, NULL);
		return request->seconds > 0;
	}
	if (strcmp(option, "--threads") == 0) {
		request->threads = (unsigned)strtoul(value, NULL, 0);
		return request->threads >= 2 && request->threads <= EXPLORE_FIBERS;
	}
	if (strcmp(option, "--pairs") == 0) {
		request->pairs = strtoull(value, NULL, 0);
		return request->pairs > 0;
	}
	if (strcmp(option, "--kinds") == 0) {
		request->kinds = value;
		return true;
	}
	if (strcmp(option, "--relax") == 0)
		return now.relaxed == value;
	if (strcmp(option, "--seed") == 0) {
		request->seed = strtoull(value, NULL, 0);
		request->count = request->count ? request->count : 1;
		return true;
	}
	if (strcmp(option, "--count") == 0) {
		request->count = strtoull(value, NULL, 0);
		return request->count > 0;
	}
	if (strcmp(option, "--policy") == 0) {
		for (request->policy = 0; request->policy < EXPLORE_POLICIES; request->policy++)
			if (strcmp(value, explore_policies[request->policy]) == 0)
				return true;
	}
	if (strcmp(option, "--test") == 0) {
		for (unsigned i = 0; i < test_count; i++)
			if (strcmp(value, tests[i].name) == 0)
				request->test = &tests[i];
		return request->test != NULL;
	}
	return false;
}

int main(int argc, char **argv)
{
	struct request request = {.policy = EXPLORE_POLICIES,
				  .seconds = SECONDS,
				  .threads = 2,
				  .seed = suite_seed()};
	setvbuf(stdout, NULL, _IOLBF, 0);
	ssize_t length = readlink("/proc/self/exe", now.self, sizeof(now.self) - 1);
	suite_check(length > 0);
	report_deaths();
	/* Before the library makes its first step. */
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "--relax") == 0 && sites_relax(argv[i + 1]))
			now.relaxed = argv[i + 1];
	list_tests();
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--list") == 0) {
			for (unsigned t = 0; t < test_count; t++)
				puts(tests[t].name);
			return 0;
		}
		if (strcmp(argv[i], "--frozen") == 0)
			request.frozen = true;
		else if (strcmp(argv[i], "--trace") == 0)
			request.trace = true;
		else if (strcmp(argv[i], "--brief") == 0)
			request.brief = true;
		else if (i + 1 == argc || !read_option(&request, argv[i], argv[i + 1]))
			return usage(argv[i]);
		else
			i++;
	}
	bool fine;
	if (request.frozen)
		fine = frozen_all(request.threads, SLOWER > 1 && request.threads == 2 ? 7 : 1);
	else if (request.test)
		fine = run_request(&request);
	else if (now.relaxed && request.pairs == 0)
		fine = run_relaxed(request.seconds, request.seed, request.kinds);
	else if (request.pairs > 0)
		fine = run_all_pairs(request.seed, request.pairs, request.kinds);
	else
		fine = run_all(request.seconds, request.seed);
	return fine ? 0 : 1;
}
