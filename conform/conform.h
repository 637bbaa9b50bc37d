/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A conformance suite for PVSCSI: cases, each with the sentence of the protocol
 * that it checks, run against a backend (conform/backend.h) or a frontend
 * (conform/frontend.h) that somebody else wrote.
 *
 * A case never waits without an end: it has a time limit, and everything that
 * waits in here ends with it. A peer that has died costs the limit of one case;
 * the others are skipped, and say after which one.
 */
#ifndef CONFORM_CONFORM_H
#define CONFORM_CONFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the protocol says it, and what, in one sentence of ours. */
struct clause {
	const char *where; /* header, and the place in it */
	const char *text;
};

enum conform_verdict {
	CONFORM_PASS,
	CONFORM_FAIL,
	CONFORM_SKIP,
};

/* "pass", "fail", "skip" */
const char *conform_word(enum conform_verdict verdict);

enum conform_flags {
	/* known to have crashed a peer's host: only on request */
	CONFORM_DANGEROUS = 1,
	/* leaves the connection unusable: run after those that do not */
	CONFORM_BREAKS = 2,
	/* not asked for by the protocol; what our own peers promise */
	CONFORM_STRICT = 4,
};

struct conform;

struct conform_case {
	const char *family; /* one word */
	const char *name;   /* what is done, in few words */
	const struct clause *clause;
	uint32_t flags;	  /* enum conform_flags */
	uint32_t seconds; /* time limit; 0: CONFORM_SECONDS */
	void (*run)(struct conform *c, const void *arg);
	const void *arg;
};

#define CONFORM_SECONDS	   180
#define CONFORM_ID_MAX	   96
#define CONFORM_DETAIL_MAX 256

/* What a case has come to. */
struct conform_result {
	char id[CONFORM_ID_MAX]; /* family.name, with dashes: for --only */
	const struct conform_case *at;
	enum conform_verdict verdict;
	char detail[CONFORM_DETAIL_MAX]; /* why, or figures; may be empty */
	uint32_t ms;			 /* that it took */
};

struct conform_options {
	const char *only; /* pattern (fnmatch) of ids, NULL: all */
	bool dangerous, strict;
	uint32_t seconds; /* of random requests; 0: none */
	uint64_t seed;	  /* 0: of the clock */
	/* Shell commands, NULL: cases that need them are skipped. */
	const char *hotplug;  /* "CMD add", "CMD remove": one more LUN */
	const char *stimulus; /* makes the frontend use its LUNs */
	const char *check;    /* succeeds as long as the domain is well */
	/* Called after each case. */
	void (*report)(void *ctx, const struct conform_result *result);
	void *ctx;
};

/*
 * A run. The two kinds of peers embed it as their first member and find
 * themselves again from it.
 */
struct conform {
	const struct conform_options *opt;
	/* Bring the peer into the state in which cases begin, when it is not;
	 * false and a line in WHY if it cannot be. */
	bool (*ready)(struct conform *c, char *why, size_t len);
	/* After a case: is the peer well? Else that case has failed. */
	bool (*well)(struct conform *c, const struct conform_case *at,
		     char *why, size_t len);
	/* of the case that runs */
	int64_t deadline; /* conform_now() */
	enum conform_verdict verdict;
	char detail[CONFORM_DETAIL_MAX];
	/* after which nothing can be run any more */
	char dead[CONFORM_DETAIL_MAX];
	uint32_t count[3]; /* by verdict */
};

/* Milliseconds of the monotonic clock. */
int64_t conform_now(void);

void conform_sleep(int64_t ms);

/* Milliseconds of MS that the running case still has: 0 to MS. */
int64_t conform_left(const struct conform *c, int64_t ms);

/* The case has failed; the first reason is kept. Returns false. */
bool conform_fail(struct conform *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The case cannot be run here, unless it has failed. */
void conform_skip(struct conform *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* A remark or a figure, shown if the case has no reason to show. */
void conform_note(struct conform *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Nothing can be run after this case. Returns false. */
bool conform_dead(struct conform *c, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* OUT, of CONFORM_ID_MAX bytes: what --only is matched with. */
void conform_id(const struct conform_case *at, char *out);

/* Is the case one of those that PATTERN (NULL: all) names? */
bool conform_named(const struct conform_case *at, const char *pattern);

/* Is the case wanted by the options? False and a line in WHY. */
bool conform_wanted(const struct conform_options *opt,
		    const struct conform_case *at, char *why, size_t len);

/* Run N cases: first those that break nothing, then the others. */
void conform_run(struct conform *c, const struct conform_case *at, size_t n);

/*
 * Run the shell command CMD with the word ARG (NULL: none) behind it, for no
 * longer than the case has. Its exit status, or -1.
 */
int conform_command(struct conform *c, const char *cmd, const char *arg);

/* The same in the background: its process, or -1; its end, with the status
 * (-1: it was killed because the case's time was over). */
int conform_start(const char *cmd, const char *arg);
bool conform_ended(int pid, int *status);
int conform_finish(struct conform *c, int pid);
void conform_kill(int pid);

#endif
