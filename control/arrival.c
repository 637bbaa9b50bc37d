/* SPDX-License-Identifier: BSD-2-Clause */
/* Guests that appear: see arrival.h. */
#include "control/arrival.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control/child.h"
#include "control/daemon.h"
#include "control/record.h"
#include "core/xs.h"
#include "host/log.h"

#define PROGRAMS_MAX 8 /* at once; others wait */

/* After a domain's end xl takes a moment, or starts it again: it is looked that
 * many times, at these distances. */
static const uint64_t sweep_us[] = {300000, 1000000, 4000000, 15000000};

enum step {
	UNBORN,	 /* the toolstack has made its directory, and no more */
	WAITING, /* for a place among those that run */
	RUNNING,
	DONE,
};

struct arrival {
	LIST_ENTRY(arrival) entry;
	struct arrivals *all;
	uint32_t domid;
	enum step step;
	bool old;    /* it was there when we began */
	bool there;  /* in the list that is being read */
	bool asking; /* whether it was introduced */
	pid_t pid;
	sd_event_source *child;
};

struct arrivals {
	struct daemon *daemon;
	struct store_watch *watch;
	LIST_HEAD(, arrival) list;
	bool first;   /* the list of domains has not been read before */
	bool reading; /* it is asked for */
	bool again;   /* and has changed since */
	unsigned int running;
	sd_event_source *timer;
	size_t sweeps;
};

/* ------------------------------------------------------------ the program */

static void start_next(struct arrivals *all);

static int on_child(sd_event_source *s, const siginfo_t *si, void *ctx)
{
	struct arrival *a = ctx;

	(void)s;
	if (si->si_code != CLD_EXITED || si->si_status)
		log_line(
			LOG_ERR, NULL,
			"dom=%" PRIu32
			" lacks devices of its file, see above; then: xenpv config-attach %" PRIu32,
			a->domid, a->domid);
	a->child = sd_event_source_disable_unref(a->child);
	a->pid = 0;
	a->step = DONE;
	a->all->running--;
	start_next(a->all);
	return 0;
}

/* What the program finds in its environment besides ours; free() the array. */
static char **make_environ(const struct daemon_cfg *cfg, char *run_dir,
			   char *xenstore, size_t len)
{
	size_t n = 0, m = 0;
	char **env;

	while (environ[n])
		n++;
	env = calloc(n + 3, sizeof(*env));
	if (!env)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (strncmp(environ[i], "XENPV_RUNDIR=", 13) &&
		    (!cfg->xenstore ||
		     strncmp(environ[i], "XENSTORED_PATH=", 15)))
			env[m++] = environ[i];
	}
	snprintf(run_dir, len, "XENPV_RUNDIR=%s", cfg->run_dir);
	env[m++] = run_dir;
	if (cfg->xenstore) {
		snprintf(xenstore, len, "XENSTORED_PATH=%s", cfg->xenstore);
		env[m++] = xenstore;
	}
	return env;
}

static int spawn(const struct daemon_cfg *cfg, uint32_t domid, pid_t *pid)
{
	char number[16], run_dir[PATH_MAX], xenstore[PATH_MAX];
	const char *argv[] = {cfg->command,    "--host", cfg->site->text,
			      "config-attach", "--auto", "--dirs",
			      cfg->guest_dirs, number,	 NULL};
	char **env = make_environ(cfg, run_dir, xenstore, PATH_MAX);
	const struct child child = {
		.program = cfg->command, .argv = argv, .env = env, .fd = -1};
	int rc = -ENOMEM;

	snprintf(number, sizeof(number), "%" PRIu32, domid);
	if (env)
		rc = child_start(&child, pid);
	free(env);
	return rc;
}

static void start(struct arrival *a)
{
	struct daemon *daemon = a->all->daemon;
	int rc;

	a->step = DONE;
	rc = spawn(&daemon->cfg, a->domid, &a->pid);
	if (!rc) {
		rc = sd_event_add_child(daemon->event, &a->child, a->pid,
					WEXITED, on_child, a);
		if (rc < 0) {
			kill(a->pid, SIGKILL);
			waitpid(a->pid, NULL, 0);
		}
	}
	if (rc < 0) {
		a->pid = 0;
		log_line(LOG_ERR, NULL,
			 "dom=%" PRIu32
			 " gets nothing of its file: %s cannot be run: %s",
			 a->domid, daemon->cfg.command, strerror(-rc));
		return;
	}
	a->step = RUNNING;
	a->all->running++;
}

static void start_next(struct arrivals *all)
{
	struct arrival *a;

	if (all->daemon->stopping)
		return;
	LIST_FOREACH(a, &all->list, entry) {
		if (all->running == PROGRAMS_MAX)
			break;
		if (a->step == WAITING)
			start(a);
	}
}

/* ---------------------------------------------------------- which there are */

static struct arrival *find(struct arrivals *all, uint32_t domid)
{
	struct arrival *a;

	LIST_FOREACH(a, &all->list, entry)
		if (a->domid == domid)
			return a;
	return NULL;
}

static void note(struct arrivals *all, uint32_t domid)
{
	struct arrival *a = find(all, domid);

	if (!a) {
		a = calloc(1, sizeof(*a));
		if (!a)
			return; /* the next event will bring it again */
		a->all = all;
		a->domid = domid;
		a->old = all->first;
		a->step = UNBORN;
		LIST_INSERT_HEAD(&all->list, a, entry);
	}
	a->there = true;
}

/* Domains that are gone; a number may be used again. */
static void forget(struct arrivals *all)
{
	struct arrival *a, *next;

	for (a = LIST_FIRST(&all->list); a; a = next) {
		next = LIST_NEXT(a, entry);
		if (a->there || a->pid || a->asking)
			continue;
		LIST_REMOVE(a, entry);
		free(a);
	}
}

/* ---------------------------------------------------------- are they born? */

/* Nodes for a domain that xenstored does not know yet are lost to it: their
 * permissions are those of whoever had its number before. */
static void on_born(struct store *st, const struct store_reply *rsp, void *ctx)
{
	struct arrival *a = ctx;

	(void)st;
	a->asking = false;
	if (rsp->err || rsp->len < 1 || rsp->value[0] != 'T')
		return; /* we are told when it is */
	a->step = a->old ? DONE : WAITING;
	start_next(a->all);
}

static void ask_for_births(struct arrivals *all)
{
	struct arrival *a;

	LIST_FOREACH(a, &all->list, entry) {
		if (a->step == UNBORN && !a->asking)
			a->asking = !store_is_introduced(all->daemon->store,
							 a->domid, on_born, a);
	}
}

static void read_list(struct arrivals *all);

static void on_list(struct store *st, const struct store_reply *rsp, void *ctx)
{
	const char *name, *end = rsp->value + rsp->len;
	struct arrivals *all = ctx;
	struct arrival *a;
	uint32_t domid;

	(void)st;
	all->reading = false;
	if (rsp->err)
		return;
	LIST_FOREACH(a, &all->list, entry)
		a->there = false;
	for (name = rsp->value; name < end; name += strlen(name) + 1)
		if (!xs_parse_u32(name, strlen(name), &domid) && domid)
			note(all, domid);
	all->first = false;
	forget(all);
	ask_for_births(all);
	if (all->again)
		read_list(all);
}

static void read_list(struct arrivals *all)
{
	all->again = all->reading;
	if (all->reading || all->daemon->stopping)
		return;
	all->reading = !store_ls_all(all->daemon->store, 0, "/local/domain",
				     1 << 20, on_list, all);
}

static void on_introduced(struct store *st, int err, const char *path,
			  void *ctx)
{
	(void)st;
	(void)path;
	if (!err)
		read_list(ctx);
}

/* ------------------------------------------------------------------ sweep */

static void set_timer(struct arrivals *all);

static int on_timer(sd_event_source *s, uint64_t usec, void *ctx)
{
	struct arrivals *all = ctx;

	(void)s;
	(void)usec;
	(void)record_sweep(all->daemon->cfg.run_dir);
	all->sweeps++;
	set_timer(all);
	return 0;
}

static void set_timer(struct arrivals *all)
{
	all->timer = sd_event_source_disable_unref(all->timer);
	if (all->sweeps < XPV_ARRAY_SIZE(sweep_us))
		(void)sd_event_add_time_relative(
			all->daemon->event, &all->timer, CLOCK_MONOTONIC,
			sweep_us[all->sweeps], 0, on_timer, all);
}

void arrivals_gone(struct arrivals *all)
{
	if (!all)
		return;
	all->sweeps = 0;
	set_timer(all);
	read_list(all);
}

/* -------------------------------------------------------------- existence */

int arrivals_new(struct arrivals **out, struct daemon *daemon)
{
	const struct daemon_cfg *cfg = &daemon->cfg;
	struct arrivals *all;
	int rc;

	*out = NULL;
	if (!*cfg->guest_dirs)
		return 0;
	if (access(cfg->command, X_OK)) {
		log_line(
			LOG_WARNING, NULL,
			"guests of plain xl get nothing of their files: no %s: %s; give its path with --command",
			cfg->command, strerror(errno));
		return 0;
	}
	all = calloc(1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	all->daemon = daemon;
	all->first = true;
	LIST_INIT(&all->list);
	rc = store_watch(daemon->store, "@introduceDomain", 0, on_introduced,
			 all, &all->watch);
	if (rc) {
		free(all);
		return rc;
	}
	*out = all;
	arrivals_gone(all); /* what is left of an earlier time */
	return 0;
}

void arrivals_free(struct arrivals *all)
{
	struct arrival *a;

	if (!all)
		return;
	while ((a = LIST_FIRST(&all->list))) {
		LIST_REMOVE(a, entry);
		sd_event_source_disable_unref(a->child);
		if (a->pid)
			kill(a->pid, SIGTERM);
		free(a);
	}
	sd_event_source_disable_unref(all->timer);
	free(all);
}
