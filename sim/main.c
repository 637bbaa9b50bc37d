/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xenpv-sim: runs of the deterministic world (sim/world.h), by seed.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/log.h"
#include "sim/blk.h"
#include "sim/run.h"
#include "sim/world.h"

static const char usage[] =
	"usage: xenpv-sim [--blk] [--seed N | --seeds A..B] [--steps M] "
	"[--trace] [--json]\n"
	"\n"
	"  --blk         disks of the block protocol; else PVSCSI\n"
	"  --seed N      run this seed (default 1)\n"
	"  --seeds A..B  run these, stop at the first that fails\n"
	"  --steps M     events in the first phase of each (default 6000)\n"
	"  --twice       run each twice and compare\n"
	"  --trace       say what happens\n"
	"  --json        results as JSON\n"
	"  --progress    a line now and then\n";

struct options {
	uint64_t first, last, steps;
	bool trace, json, twice, progress;
	uint64_t (*run)(uint64_t seed, uint64_t steps, bool trace,
			struct run_sum *sum);
};

static uint64_t number(const char *s)
{
	char *end;
	uint64_t v = strtoull(s, &end, 10);

	if (end == s || *end) {
		fprintf(stderr, "xenpv-sim: '%s' is no number\n", s);
		exit(1);
	}
	return v;
}

static void range(struct options *o, char *arg)
{
	char *dots = strstr(arg, "..");

	if (!dots) {
		fprintf(stderr,
			"xenpv-sim: --seeds wants A..B, as in --seeds 1..500\n");
		exit(1);
	}
	*dots = '\0';
	o->first = number(arg);
	o->last = number(dots + 2);
}

static void parse(struct options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{"blk", no_argument, NULL, 'b'},
		{"seed", required_argument, NULL, 's'},
		{"seeds", required_argument, NULL, 'r'},
		{"steps", required_argument, NULL, 'm'},
		{"trace", no_argument, NULL, 't'},
		{"json", no_argument, NULL, 'j'},
		{"twice", no_argument, NULL, '2'},
		{"progress", no_argument, NULL, 'p'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'b':
			o->run = blk_run_seed;
			break;
		case 's':
			o->first = o->last = number(optarg);
			break;
		case 'r':
			range(o, optarg);
			break;
		case 'm':
			o->steps = number(optarg);
			break;
		case 't':
			o->trace = true;
			break;
		case 'j':
			o->json = true;
			break;
		case '2':
			o->twice = true;
			break;
		case 'p':
			o->progress = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			exit(1);
		}
	}
	if (optind != argc || o->first > o->last) {
		fputs(usage, stderr);
		exit(1);
	}
}

/* An assertion of ours, or memory that is not there: say which seed. */
static void crashed(int sig)
{
	signal(sig, SIG_DFL);
	world_fail(world_now, "crash", "signal %d (%s)", sig, strsignal(sig));
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void progress(const struct options *o, uint64_t seed, double began)
{
	static double last;
	double now = seconds();

	if (now - last < 1)
		return;
	last = now;
	fprintf(stderr, "\rseed %" PRIu64 ", %.0f a second ", seed,
		(double)(seed - o->first + 1) / (now - began + 0.001));
}

int main(int argc, char **argv)
{
	struct options o = {
		.first = 1, .last = 1, .steps = 6000, .run = run_seed};
	struct run_sum sum = {0};
	uint64_t seed, hash;
	double began;

	parse(&o, argc, argv);
	world_json(o.json);
	log_set_level(-1);
	signal(SIGILL, crashed);
	signal(SIGSEGV, crashed);
	signal(SIGBUS, crashed);
	signal(SIGABRT, crashed);
	signal(SIGTRAP, crashed);
	began = seconds();
	for (seed = o.first; seed <= o.last; seed++) {
		hash = o.run(seed, o.steps, o.trace, &sum);
		if (o.twice && o.run(seed, o.steps, false, &sum) != hash)
			world_fail(world_now, "same",
				   "the same seed has made another run");
		if (o.progress)
			progress(&o, seed, began);
	}
	if (o.progress)
		fputc('\n', stderr);
	printf(o.json ? "{\"ok\": true, \"seeds\": %" PRIu64
			", \"steps\": %" PRIu64 ", \"commands\": %" PRIu64
			", \"seconds\": %.1f, \"hash\": \"%016" PRIx64 "\"}\n"
		      : "%" PRIu64 " seeds, %" PRIu64 " steps, %" PRIu64
			" commands, %.1f s, hash %016" PRIx64 "\n",
	       o.last - o.first + 1, sum.steps, sum.ops, seconds() - began,
	       sum.hash);
	return 0;
}
