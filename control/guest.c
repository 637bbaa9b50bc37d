/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that has devices of ours, and its worker: see guest.h.
 */
#include "control/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/daemon.h"
#include "control/device.h"

/* From SIGTERM to SIGKILL. */
#define KILL_AFTER_US 5000000ull

struct log_where guest_where(const struct guest *guest)
{
	struct log_where where = {.guest = true,
				  .dom = guest->domid,
				  .name = guest->name[0] ? guest->name : NULL};

	return where;
}

static void kick_all(struct guest *guest)
{
	struct device *dev;

	TAILQ_FOREACH(dev, &guest->devices, entry)
	device_kick(dev);
}

/* ------------------------------------------------------- name and number */

/* A name is shown in log lines as key=value: one word of plain characters. */
static void copy_word(char *out, size_t room, const char *text)
{
	size_t n = 0;

	for (; *text && n + 1 < room; text++) {
		unsigned char c = (unsigned char)*text;

		out[n++] = c > 0x20 && c < 0x7f && c != '"' ? (char)c : '_';
	}
	out[n] = '\0';
}

/* True if GUEST was only waiting for this to be freed. */
static bool read_done(struct guest *guest)
{
	guest->reads--;
	if (guest->dropped) {
		guest_put(guest);
		return true;
	}
	return false;
}

static void on_name(struct store *st, const struct store_reply *rsp, void *ctx)
{
	struct guest *guest = ctx;

	(void)st;
	if (!rsp->err)
		copy_word(guest->name, sizeof(guest->name), rsp->value);
	(void)read_done(guest);
}

static void on_uuid(struct store *st, const struct store_reply *rsp, void *ctx)
{
	struct guest *guest = ctx;
	const char *slash;

	(void)st;
	if (!rsp->err) {
		slash = strrchr(rsp->value, '/'); /* "/vm/<uuid>" */
		copy_word(guest->uuid, sizeof(guest->uuid),
			  slash ? slash + 1 : rsp->value);
	}
	/* Without one its devices work; only reservations that outlive the
	 * guest do not find their owner again. */
	if (read_done(guest))
		return;
	if (rsp->err != -ECANCELED && !guest->known) {
		guest->known = true;
		kick_all(guest);
	}
}

static int ask(struct guest *guest, const char *node, store_fn *fn)
{
	char path[64];
	int rc;

	snprintf(path, sizeof(path), "/local/domain/%u/%s", guest->domid, node);
	rc = store_read(guest->daemon->store, 0, path, fn, guest);
	if (!rc)
		guest->reads++;
	return rc;
}

static void on_name_change(struct store *st, int err, const char *path,
			   void *ctx)
{
	(void)st;
	(void)path;
	/* The guest can make it fire only as often as xenstored lets it. */
	if (!err && !((struct guest *)ctx)->reads)
		(void)ask(ctx, "name", on_name);
}

/* ------------------------------------------------------------- existence */

struct guest *guest_find(struct daemon *daemon, uint32_t domid)
{
	struct guest *guest;

	TAILQ_FOREACH(guest, &daemon->guests, entry)
	if (guest->domid == domid)
		return guest;
	return NULL;
}

struct guest *guest_get(struct daemon *daemon, uint32_t domid)
{
	struct guest *guest = guest_find(daemon, domid);
	char path[64];

	if (guest)
		return guest;
	guest = calloc(1, sizeof(*guest));
	if (!guest)
		return NULL;
	guest->daemon = daemon;
	guest->domid = domid;
	TAILQ_INIT(&guest->devices);
	TAILQ_INSERT_TAIL(&daemon->guests, guest, entry);
	snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
	/* The order matters: the name is there when the devices are kicked. */
	if (ask(guest, "name", on_name) || ask(guest, "vm", on_uuid) ||
	    store_watch(daemon->store, path, 0, on_name_change, guest,
			&guest->name_watch)) {
		guest_put(guest);
		return NULL;
	}
	return guest;
}

static void destroy(struct guest *guest)
{
	struct daemon *daemon = guest->daemon;

	link_free(guest->link);
	sd_event_source_disable_unref(guest->child);
	sd_event_source_disable_unref(guest->kill_timer);
	free(guest);
	daemon_progress(daemon);
}

static int on_kill_timer(sd_event_source *s, uint64_t usec, void *ctx)
{
	struct guest *guest = ctx;

	(void)s;
	(void)usec;
	guest_worker_kill(guest, "it does not end");
	return 0;
}

static void end_worker(struct guest *guest)
{
	if (!guest->pid || guest->ending)
		return;
	guest->ending = true;
	guest->usable = false;
	kill(guest->pid, SIGTERM);
	if (sd_event_add_time_relative(guest->daemon->event, &guest->kill_timer,
				       CLOCK_MONOTONIC, KILL_AFTER_US, 0,
				       on_kill_timer, guest) < 0)
		kill(guest->pid, SIGKILL);
}

void guest_put(struct guest *guest)
{
	if (!TAILQ_EMPTY(&guest->devices))
		return;
	end_worker(guest);
	if (guest->pid)
		return;
	if (!guest->dropped) {
		/* Out of sight; what is left waits for answers only. */
		guest->dropped = true;
		TAILQ_REMOVE(&guest->daemon->guests, guest, entry);
		store_unwatch(guest->daemon->store, guest->name_watch);
		guest->name_watch = NULL;
		if (guest->gone)
			daemon_clean(guest->daemon, guest->domid);
	}
	if (!guest->reads)
		destroy(guest);
}

void guest_free(struct guest *guest)
{
	struct device *dev;

	if (guest->pid)
		kill(guest->pid, SIGKILL);
	/* Its link answers what is outstanding: the devices must still be. */
	link_free(guest->link);
	guest->link = NULL;
	while ((dev = TAILQ_FIRST(&guest->devices)))
		device_free(dev);
	TAILQ_REMOVE(&guest->daemon->guests, guest, entry);
	link_free(guest->link);
	sd_event_source_disable_unref(guest->child);
	sd_event_source_disable_unref(guest->kill_timer);
	free(guest);
}

/* ---------------------------------------------------------------- worker */

static void on_broken(void *ctx, enum proto_class class, uint32_t id,
		      const char *text)
{
	struct guest *guest = ctx;
	struct device *dev;

	TAILQ_FOREACH(dev, &guest->devices, entry)
	{
		if (dev->class->number == class && dev->id == id)
			device_broken(dev, text);
	}
}

static void on_lost(void *ctx, int err, const char *why)
{
	struct guest *guest = ctx;

	guest->usable = false;
	if (err != -ECONNRESET)
		guest_worker_kill(guest, why);
	else if (guest->pid) /* on_child() will know what it died of */
		kill(guest->pid, SIGKILL);
}

static const struct link_ops worker_ops = {
	.broken = on_broken,
	.lost = on_lost,
};

void guest_worker_kill(struct guest *guest, const char *why)
{
	struct log_where where = guest_where(guest);

	if (!guest->pid)
		return;
	guest->usable = false;
	if (!guest->ending)
		log_line(LOG_ERR, &where, "worker pid=%d is given up: %s",
			 (int)guest->pid, why);
	kill(guest->pid, SIGKILL);
}

/* The one place that decides what the death of a worker means. The process
 * has been reaped: its rings and files are nobody's. */
static void guest_worker_died(struct guest *guest)
{
	struct device *dev, *next;

	for (dev = TAILQ_FIRST(&guest->devices); dev; dev = next) {
		next = TAILQ_NEXT(dev, entry);
		device_worker_died(dev);
	}
}

static int on_child(sd_event_source *s, const siginfo_t *si, void *ctx)
{
	struct guest *guest = ctx;
	struct log_where where = guest_where(guest);
	bool expected = guest->ending;
	struct link *link = guest->link;

	(void)s;
	if (!expected && si->si_code == CLD_EXITED)
		log_line(LOG_ERR, &where, "worker pid=%d ended with status %d",
			 (int)guest->pid, si->si_status);
	else if (!expected)
		log_line(LOG_ERR, &where,
			 "worker pid=%d was killed by signal %d (%s)",
			 (int)guest->pid, si->si_status,
			 strsignal(si->si_status));
	else
		log_line(LOG_DEBUG, &where, "worker pid=%d has ended",
			 (int)guest->pid);
	guest->pid = 0;
	guest->ending = guest->usable = false;
	guest->child = sd_event_source_disable_unref(guest->child);
	guest->kill_timer = sd_event_source_disable_unref(guest->kill_timer);
	/* The last device may go while its questions are answered. */
	guest->reads++;
	guest->link = NULL;
	link_free(link);
	guest_worker_died(guest);
	guest->reads--;
	guest_put(guest);
	return 0;
}

/*
 * Run the program with SOCK as its descriptor PROTO_FD, and the daemon's lock
 * behind it: as long as a worker lives, no other xenpvd begins (see
 * daemon.c, take_lock).
 */
static int spawn(const struct daemon *daemon, uint32_t domid, int sock,
		 pid_t *pid)
{
	char name[] = "xenpv-worker", domid_is[] = "--domid", number[16];
	char host_is[] = "--host", host[SITE_PATH_MAX];
	char no_sandbox[] = "--no-sandbox";
	char *argv[] = {name, domid_is, number, host_is, host, NULL, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, defaults;
	int r;

	snprintf(number, sizeof(number), "%u", domid);
	snprintf(host, sizeof(host), "%s", daemon->cfg.site->text);
	if (daemon->cfg.no_sandbox)
		argv[5] = no_sandbox;
	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	r = posix_spawn_file_actions_init(&actions);
	if (r)
		return -r;
	r = posix_spawnattr_init(&attr);
	if (r)
		goto out_actions;
	/* We block signals for sd-event; it must not inherit that. */
	r = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
						    POSIX_SPAWN_SETSIGDEF);
	if (!r)
		r = posix_spawnattr_setsigmask(&attr, &none);
	if (!r)
		r = posix_spawnattr_setsigdefault(&attr, &defaults);
	if (!r)
		r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO,
						     "/dev/null", O_RDONLY, 0);
	if (!r)
		r = posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO,
						     STDOUT_FILENO);
	if (!r)
		r = posix_spawn_file_actions_adddup2(&actions, sock, PROTO_FD);
	if (!r)
		r = posix_spawn_file_actions_adddup2(&actions, daemon->lock,
						     PROTO_FD + 1);
	if (!r)
		r = posix_spawn(pid, daemon->cfg.worker, &actions, &attr, argv,
				environ);
	posix_spawnattr_destroy(&attr);
out_actions:
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static void on_level(void *ctx, int rc, const struct proto_msg *reply)
{
	(void)ctx;
	(void)rc;
	(void)reply;
}

static int start_worker(struct guest *guest)
{
	const struct daemon_cfg *cfg = &guest->daemon->cfg;
	struct log_where where = guest_where(guest);
	struct proto_msg msg = {.type = PROTO_LOG_LEVEL,
				.u.level = cfg->log_level};
	int sock[2] = {-1, -1};
	int rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock)) {
		rc = -errno;
		goto out;
	}
	rc = spawn(guest->daemon, guest->domid, sock[1], &guest->pid);
	if (rc) {
		guest->pid = 0;
		goto out;
	}
	rc = sd_event_add_child(guest->daemon->event, &guest->child, guest->pid,
				WEXITED, on_child, guest);
	if (rc < 0) {
		kill(guest->pid, SIGKILL);
		waitpid(guest->pid, NULL, 0);
		guest->pid = 0;
		goto out;
	}
	rc = link_new(&guest->link, guest->daemon->event, sock[0], &worker_ops,
		      guest);
	sock[0] = -1;
	if (rc < 0) {
		guest->link = NULL;
		guest_worker_kill(guest, strerror(-rc));
		goto out;
	}
	guest->usable = true;
	log_line(LOG_INFO, &where, "worker pid=%d started", (int)guest->pid);
	rc = 0;
	if (cfg->log_level != LOG_INFO)
		rc = link_call(guest->link, &msg, NULL, 0, on_level, guest);
out:
	if (rc)
		log_line(LOG_ERR, &where, "cannot start a worker (%s): %s",
			 cfg->worker, strerror(-rc));
	if (sock[0] >= 0)
		close(sock[0]);
	if (sock[1] >= 0)
		close(sock[1]);
	return rc;
}

int guest_worker(struct guest *guest, struct link **link)
{
	int rc;

	if (guest->pid && !guest->usable)
		return -EAGAIN;
	if (!guest->pid) {
		rc = start_worker(guest);
		if (rc)
			return rc;
	}
	*link = guest->link;
	return 0;
}
