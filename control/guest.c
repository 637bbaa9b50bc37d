/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that has devices of ours, and its worker: see guest.h.
 */
#include "control/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control/daemon.h"
#include "control/device.h"
#include "control/rundir.h"
#include "control/spawner.h"

/* From SIGTERM to SIGKILL: of a worker without devices, and of one that has
 * commands in flight. */
#define KILL_AFTER_US  5000000ull
#define RENEW_AFTER_US (LINK_TIMEOUT_IO_S * 1000000ull)

/* A worker that lives longer than that, or has answered something, has got on;
 * one that lives less than SHORT_US has not in any case. */
#define LONG_US	 1000000ull
#define SHORT_US 50000ull

/* Before the second, the third... that has not got on. */
#define PAUSE_US     50000ull
#define PAUSE_MAX_US 5000000ull

/* Between two devices, where each is watched. */
#define WATCH_US 50000ull

struct log_where guest_where(const struct guest *guest)
{
	struct log_where where = {.guest = true,
				  .dom = guest->domid,
				  .name = guest->name[0] ? guest->name : NULL};

	return where;
}

static uint64_t now_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
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

static void find_remains(struct guest *guest);

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
		find_remains(guest);
		kick_all(guest);
		/* Found by its directory, and there was nothing. */
		guest_put(guest);
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
	guest->pidfd = guest->dir = -1;
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

static void forget_worker(struct guest *guest)
{
	guest->exit = sd_event_source_disable_unref(guest->exit);
	guest->kill_timer = sd_event_source_disable_unref(guest->kill_timer);
	if (guest->pidfd >= 0)
		close(guest->pidfd);
	guest->pidfd = -1;
	guest->pid = 0;
	guest->ending = guest->usable = guest->adopted = false;
}

static void destroy(struct guest *guest)
{
	struct daemon *daemon = guest->daemon;

	link_free(guest->link);
	forget_worker(guest);
	sd_event_source_disable_unref(guest->pause);
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

/* Ask it to finish what is in flight and end. */
static void end_worker(struct guest *guest, uint64_t patience_us)
{
	if (!guest->pid || guest->ending)
		return;
	guest->ending = true;
	guest->usable = false;
	spawn_signal(guest->pidfd, SIGTERM);
	if (sd_event_add_time_relative(guest->daemon->event, &guest->kill_timer,
				       CLOCK_MONOTONIC, patience_us, 0,
				       on_kill_timer, guest) < 0)
		spawn_signal(guest->pidfd, SIGKILL);
}

/* Nothing of it is left that somebody could take up. */
static void remove_dir(struct guest *guest)
{
	if (guest->dir < 0)
		return;
	close(guest->dir);
	guest->dir = -1;
	rundir_remove(guest->daemon->cfg.run_dir, guest->domid, guest->uuid);
}

void guest_put(struct guest *guest)
{
	if (!TAILQ_EMPTY(&guest->devices))
		return;
	end_worker(guest, KILL_AFTER_US);
	if (guest->pid)
		return;
	if (!guest->dropped) {
		/* Out of sight; what is left waits for answers only. */
		guest->dropped = true;
		TAILQ_REMOVE(&guest->daemon->guests, guest, entry);
		store_unwatch(guest->daemon->store, guest->name_watch);
		guest->name_watch = NULL;
		remove_dir(guest);
		if (guest->gone)
			daemon_clean(guest->daemon, guest->domid);
	}
	if (!guest->reads)
		destroy(guest);
}

void guest_free(struct guest *guest)
{
	struct device *dev;

	if (guest->pid && guest->daemon->host_gone)
		spawn_signal(guest->pidfd, SIGKILL);
	/* Its link answers what is outstanding: the devices must still be. */
	link_free(guest->link);
	guest->link = NULL;
	while ((dev = TAILQ_FIRST(&guest->devices)))
		device_free(dev);
	TAILQ_REMOVE(&guest->daemon->guests, guest, entry);
	if (guest->daemon->host_gone)
		remove_dir(guest);
	else if (guest->dir >= 0)
		close(guest->dir);
	forget_worker(guest);
	sd_event_source_disable_unref(guest->pause);
	free(guest);
}

void guest_end(struct daemon *daemon, uint32_t domid, const char *uuid)
{
	const char *run = daemon->cfg.run_dir;
	struct spawned proc;
	int dir = rundir_open(run, domid, uuid, false), sock;

	if (dir < 0)
		return;
	sock = rundir_connect(dir);
	if (sock >= 0 && !spawn_adopt(sock, &proc)) {
		log_line(LOG_INFO, NULL,
			 "dom=%" PRIu32
			 " is gone; its worker pid=%d is told to end",
			 domid, (int)proc.pid);
		spawn_signal(proc.pidfd, SIGTERM);
		close(proc.pidfd);
	}
	if (sock >= 0)
		close(sock);
	close(dir);
	rundir_remove(run, domid, uuid);
}

/* ------------------------------------------------------- what it says */

static struct device *device_of(const struct guest *guest, uint32_t class,
				uint32_t id)
{
	struct device *dev;

	TAILQ_FOREACH(dev, &guest->devices, entry)
	if (dev->class->number == class && dev->id == id)
		return dev;
	return NULL;
}

static void on_broken(void *ctx, enum proto_class class, uint32_t id,
		      const char *text)
{
	struct device *dev = device_of(ctx, class, id);

	if (dev)
		device_broken(dev, text);
}

static void on_item(void *ctx, const struct proto_msg *msg)
{
	struct device *dev = device_of(ctx, msg->class, msg->controller);

	if (dev)
		device_item(dev, msg);
}

static void on_hello(void *ctx, const struct proto_hello *hello)
{
	struct guest *guest = ctx;

	if (guest->adopted &&
	    (hello->domid != guest->domid || strcmp(hello->uuid, guest->uuid)))
		guest_worker_kill(guest, "it is another guest's");
}

static void on_lost(void *ctx, int err, const char *why)
{
	struct guest *guest = ctx;
	struct log_where where = guest_where(guest);

	guest->usable = false;
	if (err == -ESTALE && guest->adopted) {
		log_line(LOG_INFO, &where,
			 "worker pid=%d is of another version and is replaced",
			 (int)guest->pid);
		end_worker(guest, RENEW_AFTER_US);
	} else if (err != -ECONNRESET) {
		guest_worker_kill(guest, why);
	} else if (guest->pid) {
		/* on_exit_of_it() will know what it died of */
		spawn_signal(guest->pidfd, SIGKILL);
	}
}

static const struct link_ops worker_ops = {
	.hello = on_hello,
	.item = on_item,
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
	spawn_signal(guest->pidfd, SIGKILL);
}

/* ----------------------------------------------------------- its death */

static void restore_all(struct guest *guest)
{
	struct device *dev, *next;

	for (dev = TAILQ_FIRST(&guest->devices); dev; dev = next) {
		next = TAILQ_NEXT(dev, entry);
		device_restore(dev);
	}
	kick_all(guest);
}

static int on_pause(sd_event_source *s, uint64_t usec, void *ctx)
{
	struct guest *guest = ctx;

	(void)s;
	(void)usec;
	guest->pause = sd_event_source_disable_unref(guest->pause);
	restore_all(guest);
	return 0;
}

static void pause_for(struct guest *guest, uint64_t us)
{
	guest->pause = sd_event_source_disable_unref(guest->pause);
	(void)sd_event_add_time_relative(guest->daemon->event, &guest->pause,
					 CLOCK_MONOTONIC, us, 1, on_pause,
					 guest);
}

/* How long to wait before the next one; 0: not at all. */
static uint64_t pause_after(struct guest *guest, bool got_on, uint64_t lived_us)
{
	uint64_t us;

	guest->restarts++;
	if (lived_us >= LONG_US || (got_on && lived_us >= SHORT_US))
		guest->soon = 0;
	guest->soon++;
	if (guest->soon == 1)
		return 0;
	us = PAUSE_US << (guest->soon < 9 ? guest->soon - 2 : 7);
	return us < PAUSE_MAX_US ? us : PAUSE_MAX_US;
}

/* The one place that decides what the death of a worker means. The process is
 * gone: its rings and files are nobody's. */
static void worker_died(struct guest *guest, bool expected)
{
	uint64_t now = now_us(CLOCK_MONOTONIC), us = 0;
	struct device *dev, *next;
	bool got_on = false;

	for (dev = TAILQ_FIRST(&guest->devices); dev; dev = next) {
		next = TAILQ_NEXT(dev, entry);
		got_on |= device_worker_died(dev, expected);
	}
	if (!guest->down_us)
		guest->down_us = now;
	if (!expected)
		us = pause_after(guest, got_on, now - guest->started_us);
	if (us)
		pause_for(guest, us);
	else
		restore_all(guest);
}

static void log_death(struct guest *guest)
{
	struct log_where where = guest_where(guest);
	int code, status, pid = (int)guest->pid;
	bool known = spawn_reap(guest->pidfd, &code, &status);

	if (guest->ending)
		log_line(LOG_DEBUG, &where, "worker pid=%d has ended", pid);
	else if (!known)
		log_line(LOG_ERR, &where, "worker pid=%d has died", pid);
	else if (code == CLD_EXITED)
		log_line(LOG_ERR, &where, "worker pid=%d ended with status %d",
			 pid, status);
	else
		log_line(LOG_ERR, &where,
			 "worker pid=%d was killed by signal %d (%s)", pid,
			 status, strsignal(status));
}

static int on_exit_of_it(sd_event_source *s, int fd, uint32_t revents,
			 void *ctx)
{
	struct guest *guest = ctx;
	bool expected = guest->ending;
	struct link *link = guest->link;

	(void)s;
	(void)fd;
	(void)revents;
	log_death(guest);
	forget_worker(guest);
	/* The last device may go while its questions are answered. */
	guest->reads++;
	guest->link = NULL;
	link_free(link);
	worker_died(guest, expected);
	guest->reads--;
	guest_put(guest);
	return 0;
}

void guest_renew(struct guest *guest)
{
	if (guest->usable)
		end_worker(guest, RENEW_AFTER_US);
}

bool guest_turn(const struct guest *guest, const struct device *dev)
{
	const struct device *other;

	if (guest->soon < 2)
		return true;
	TAILQ_FOREACH(other, &guest->devices, entry)
	{
		if (other == dev || !device_is_down(other))
			continue;
		/* Those under less suspicion first, and one at a time. */
		if (other->restoring || other->strikes < dev->strikes)
			return false;
	}
	return !guest->pause;
}

bool guest_is_down(const struct guest *guest)
{
	const struct device *dev;

	TAILQ_FOREACH(dev, &guest->devices, entry)
	if (device_is_down(dev))
		return true;
	return false;
}

/* There was a time in which nobody served it, and that is over. */
static void end_gap(struct guest *guest)
{
	struct log_where where = guest_where(guest);

	guest->gap_us = now_us(CLOCK_MONOTONIC) - guest->down_us;
	guest->down_us = 0;
	if (guest->gap_us > guest->gap_max_us)
		guest->gap_max_us = guest->gap_us;
	guest->restored_us = now_us(CLOCK_REALTIME);
	log_line(LOG_INFO, &where,
		 "worker pid=%d has taken over, %" PRIu64 ".%" PRIu64
		 " ms without service",
		 (int)guest->pid, guest->gap_us / 1000,
		 guest->gap_us / 100 % 10);
}

void guest_restored(struct guest *guest)
{
	if (guest_is_down(guest)) {
		if (guest->soon >= 2)
			pause_for(guest, WATCH_US);
		return;
	}
	if (guest->down_us)
		end_gap(guest);
	daemon_renew(guest->daemon);
}

/* ----------------------------------------------------------- its start */

static void on_begun(void *ctx, int rc, const struct proto_msg *reply)
{
	if (rc && reply)
		guest_worker_kill(ctx, reply->text);
}

static int connect_to(struct guest *guest, const struct spawned *proc)
{
	int rc;

	guest->pid = proc->pid;
	guest->pidfd = proc->pidfd;
	guest->started_us = now_us(CLOCK_MONOTONIC);
	rc = sd_event_add_io(guest->daemon->event, &guest->exit, proc->pidfd,
			     EPOLLIN, on_exit_of_it, guest);
	if (rc >= 0)
		rc = link_new(&guest->link, guest->daemon->event, proc->sock,
			      &worker_ops, guest);
	else
		close(proc->sock);
	if (rc >= 0) {
		guest->usable = true;
		return 0;
	}
	guest->link = NULL;
	guest_worker_kill(guest, strerror(-rc));
	if (!guest->exit) {
		(void)waitpid(guest->pid, NULL, 0);
		forget_worker(guest);
	}
	return rc;
}

/* Tell it whose it is. */
static int begin(struct guest *guest)
{
	struct proto_msg msg = {.type = PROTO_BEGIN,
				.u.hello.domid = guest->domid};
	struct proto_msg level = {.type = PROTO_LOG_LEVEL,
				  .u.level = guest->daemon->cfg.log_level};
	int rc, sock = rundir_bind(guest->dir);

	if (sock < 0)
		return sock;
	snprintf(msg.u.hello.uuid, sizeof(msg.u.hello.uuid), "%s", guest->uuid);
	rc = link_call(guest->link, &msg, &sock, 1, on_begun, guest);
	if (!rc && level.u.level != LOG_INFO)
		rc = link_call(guest->link, &level, NULL, 0, on_begun, guest);
	return rc;
}

static int start_worker(struct guest *guest)
{
	struct daemon *daemon = guest->daemon;
	struct log_where where = guest_where(guest);
	struct spawned proc;
	int rc = 0;

	if (guest->dir < 0) {
		rc = rundir_open(daemon->cfg.run_dir, guest->domid, guest->uuid,
				 true);
		if (rc >= 0)
			guest->dir = rc;
	}
	if (rc >= 0)
		rc = spawn_take(daemon, &proc);
	if (rc >= 0)
		rc = connect_to(guest, &proc);
	if (rc < 0) {
		log_line(LOG_ERR, &where, "cannot start a worker (%s): %s",
			 daemon->cfg.worker, strerror(-rc));
		return rc;
	}
	log_line(LOG_INFO, &where, "worker pid=%d started", (int)guest->pid);
	rc = begin(guest);
	if (rc)
		guest_worker_kill(guest, strerror(-rc));
	return rc ? -EAGAIN : 0;
}

int guest_worker(struct guest *guest, struct link **link)
{
	int rc;

	if ((guest->pid && !guest->usable) || guest->pause)
		return -EAGAIN;
	if (!guest->pid) {
		rc = start_worker(guest);
		if (rc)
			return rc;
	}
	*link = guest->link;
	return 0;
}

/* ---------------------------------------------------- an earlier xenpvd's */

static void adopt(struct guest *guest)
{
	struct log_where where = guest_where(guest);
	int rc, sock = rundir_connect(guest->dir);
	struct spawned proc;

	if (sock < 0)
		return;
	rc = spawn_adopt(sock, &proc);
	if (rc < 0) {
		close(sock);
		return;
	}
	guest->adopted = true;
	log_line(LOG_INFO, &where, "worker pid=%d is found", (int)proc.pid);
	if (connect_to(guest, &proc))
		log_line(LOG_ERR, &where, "cannot take over worker pid=%d",
			 (int)proc.pid);
}

static void on_journal(void *ctx, const char *word, uint32_t id)
{
	struct guest *guest = ctx;

	for (size_t i = 0; device_classes[i]; i++) {
		if (strcmp(device_classes[i]->word, word) ||
		    device_of(guest, device_classes[i]->number, id))
			continue;
		(void)!device_new(guest, device_classes[i], id);
	}
}

/* What an earlier xenpvd has left of it: a worker, journals of rings. */
static void find_remains(struct guest *guest)
{
	int dir = rundir_open(guest->daemon->cfg.run_dir, guest->domid,
			      guest->uuid, false);

	if (dir < 0)
		return;
	guest->dir = dir;
	adopt(guest);
	if (!guest->pid)
		guest->down_us = now_us(CLOCK_MONOTONIC);
	rundir_journals(dir, on_journal, guest);
}
