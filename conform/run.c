/* SPDX-License-Identifier: BSD-2-Clause */
/* Running cases: see conform.h. */
#define _GNU_SOURCE /* FNM_EXTMATCH */
#include "conform/conform.h"

#include <ctype.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *conform_word(enum conform_verdict verdict)
{
	static const char *const word[] = {
		[CONFORM_PASS] = "pass",
		[CONFORM_FAIL] = "fail",
		[CONFORM_SKIP] = "skip",
	};

	return word[verdict];
}

int64_t conform_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void conform_sleep(int64_t ms)
{
	struct timespec t = {.tv_sec = ms / 1000,
			     .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

int64_t conform_left(const struct conform *c, int64_t ms)
{
	int64_t left = c->deadline - conform_now();

	if (left < 0)
		return 0;
	return left < ms ? left : ms;
}

bool conform_fail(struct conform *c, const char *fmt, ...)
{
	va_list ap;

	if (c->verdict == CONFORM_FAIL)
		return false;
	c->verdict = CONFORM_FAIL;
	va_start(ap, fmt);
	vsnprintf(c->detail, sizeof(c->detail), fmt, ap);
	va_end(ap);
	return false;
}

void conform_skip(struct conform *c, const char *fmt, ...)
{
	va_list ap;

	if (c->verdict != CONFORM_PASS)
		return;
	c->verdict = CONFORM_SKIP;
	va_start(ap, fmt);
	vsnprintf(c->detail, sizeof(c->detail), fmt, ap);
	va_end(ap);
}

void conform_note(struct conform *c, const char *fmt, ...)
{
	va_list ap;

	if (c->verdict != CONFORM_PASS)
		return;
	va_start(ap, fmt);
	vsnprintf(c->detail, sizeof(c->detail), fmt, ap);
	va_end(ap);
}

bool conform_dead(struct conform *c, const char *fmt, ...)
{
	char why[CONFORM_DETAIL_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	conform_fail(c, "%s", why);
	if (!*c->dead)
		memcpy(c->dead, why, sizeof(why));
	return false;
}

void conform_id(const struct conform_case *at, char *out)
{
	size_t n = 0;
	bool gap = false;

	n = (size_t)snprintf(out, CONFORM_ID_MAX, "%s.", at->family);
	for (const char *p = at->name; *p && n + 2 < CONFORM_ID_MAX; p++) {
		if (!isalnum((unsigned char)*p)) {
			gap = true;
			continue;
		}
		if (gap && out[n - 1] != '.')
			out[n++] = '-';
		gap = false;
		out[n++] = (char)tolower((unsigned char)*p);
	}
	out[n] = '\0';
}

bool conform_named(const struct conform_case *at, const char *pattern)
{
	char id[CONFORM_ID_MAX];

	conform_id(at, id);
	return !pattern || fnmatch(pattern, id, FNM_EXTMATCH) == 0;
}

bool conform_wanted(const struct conform_options *opt,
		    const struct conform_case *at, char *why, size_t len)
{
	*why = '\0';
	if (at->flags & CONFORM_DANGEROUS && !opt->dangerous)
		snprintf(why, len, "may crash the peer's host: --dangerous");
	else if (at->flags & CONFORM_STRICT && !opt->strict)
		snprintf(why, len, "the protocol does not ask it: --strict");
	return !*why;
}

static void one(struct conform *c, const struct conform_case *at)
{
	struct conform_result r = {.at = at};
	int64_t begin = conform_now();
	char why[CONFORM_DETAIL_MAX] = "";

	if (!conform_named(at, c->opt->only))
		return;
	conform_id(at, r.id);
	c->verdict = CONFORM_PASS;
	c->detail[0] = '\0';
	c->deadline = begin + 1000 * (int64_t)(at->seconds ? at->seconds
							   : CONFORM_SECONDS);
	if (*c->dead) {
		conform_skip(c, "%s", c->dead);
	} else if (!conform_wanted(c->opt, at, why, sizeof(why))) {
		conform_skip(c, "%s", why);
	} else if (!c->ready(c, why, sizeof(why))) {
		conform_dead(c, "%s", why);
	} else {
		at->run(c, at->arg);
		/* what the case took is not taken from the look after it */
		c->deadline = conform_now() + 1000 * CONFORM_SECONDS;
		if (!*c->dead && c->verdict != CONFORM_SKIP &&
		    !c->well(c, at, why, sizeof(why)))
			conform_fail(c, "afterwards: %s", why);
	}
	r.verdict = c->verdict;
	memcpy(r.detail, c->detail, sizeof(r.detail));
	r.ms = (uint32_t)(conform_now() - begin);
	c->count[r.verdict]++;
	if (*c->dead && r.verdict == CONFORM_FAIL)
		snprintf(c->dead, sizeof(c->dead), "not after %s", r.id);
	c->opt->report(c->opt->ctx, &r);
}

void conform_run(struct conform *c, const struct conform_case *at, size_t n)
{
	const uint32_t last = CONFORM_BREAKS | CONFORM_DANGEROUS;
	size_t i;

	for (i = 0; i < n; i++)
		if (!(at[i].flags & last))
			one(c, &at[i]);
	for (i = 0; i < n; i++)
		if ((at[i].flags & last) == CONFORM_BREAKS)
			one(c, &at[i]);
	for (i = 0; i < n; i++)
		if (at[i].flags & CONFORM_DANGEROUS)
			one(c, &at[i]);
}

/* ---- commands ---- */

int conform_start(const char *cmd, const char *arg)
{
	char line[4096];
	pid_t pid;

	if ((size_t)snprintf(line, sizeof(line), "%s%s%s", cmd, arg ? " " : "",
			     arg ? arg : "") >= sizeof(line))
		return -1;
	fflush(NULL);
	pid = fork();
	if (pid)
		return (int)pid;
	/* In a group of its own, so that all of it can be ended. What it says
	 * is no result of ours. */
	setpgid(0, 0);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	execl("/bin/sh", "sh", "-c", line, (char *)NULL);
	_exit(127);
}

bool conform_ended(int pid, int *status)
{
	int st = 0;
	pid_t got = pid > 0 ? waitpid(pid, &st, WNOHANG) : -1;

	if (got == 0)
		return false;
	*status = got > 0 && WIFEXITED(st) ? WEXITSTATUS(st) : -1;
	return true;
}

void conform_kill(int pid)
{
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL); /* its group may not be made yet */
	waitpid(pid, NULL, 0);
}

int conform_finish(struct conform *c, int pid)
{
	int status;

	if (pid <= 0)
		return -1;
	while (!conform_ended(pid, &status)) {
		if (conform_left(c, 1) == 0) {
			conform_kill(pid);
			return -1;
		}
		conform_sleep(10);
	}
	return status;
}

int conform_command(struct conform *c, const char *cmd, const char *arg)
{
	return conform_finish(c, conform_start(cmd, arg));
}
