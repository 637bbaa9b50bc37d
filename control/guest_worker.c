/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that serves a guest: see guest_worker.h.
 */
#include "control/guest_worker.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
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

static uint64_t now_us(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

/* ------------------------------------------------------------- its end */

void guest_worker_forget(struct guest *guest)
{
	guest->exit = sd_event_source_disable_unref(guest->exit);
	guest->kill_timer = sd_event_source_disable_unref(guest->kill_timer);
	if (guest->pidfd >= 0)
		close(guest->pidfd);
	guest->pidfd = -1;
	guest->pid = 0;
	guest->ending = guest->usable = guest->adopted = false;
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

void guest_worker_end(struct guest *guest)
{
	end_worker(guest, KILL_AFTER_US);
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
	guest_kick(guest);
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
	else if (code == CLD_EXITED && status == PROTO_STATUS_LOST)
		log_line(
			LOG_WARNING, &where,
			"worker pid=%d makes way for one that has a connection",
			pid);
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
	guest_worker_forget(guest);
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
	TAILQ_FOREACH(other, &guest->devices, entry) {
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
		guest_worker_forget(guest);
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
	scopes_put(daemon->scopes, guest->pid, guest->domid, guest->name);
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
void guest_worker_find(struct guest *guest)
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
