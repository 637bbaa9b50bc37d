/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes of workers: see spawner.h.
 */
#include "control/spawner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/child.h"
#include "control/daemon.h"
#include "host/log.h"
#include "worker/proto.h"

/* A standby is made when whoever took the last one has it behind him, the guest
 * with its new disk, too: on a small host that is what it would take the time from.
 * One that dies of itself is not started again at once. */
#define READY_US 1000000u
#define AGAIN_US 5000000u

struct standby {
	struct spawned proc; /* pid 0: there is none */
	bool ready;	     /* its hello is there, in the socket */
	sd_event_source *exit, *hello, *timer;
};

/* ----------------------------------------------------------- a process */

static int run(const struct daemon *daemon, int sock, pid_t *pid)
{
	const char *argv[] = {"xenpv-worker", "--host", daemon->cfg.site->text,
			      daemon->cfg.no_sandbox ? "--no-sandbox" : NULL,
			      NULL};
	const struct child child = {.program = daemon->cfg.worker,
				    .argv = argv,
				    .fd = sock,
				    .as = PROTO_FD};

	return child_start(&child, pid);
}

static int start(const struct daemon *daemon, struct spawned *out)
{
	int sock[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock))
		return -errno;
	rc = run(daemon, sock[1], &out->pid);
	close(sock[1]);
	if (rc)
		goto out;
	out->pidfd = pidfd_open(out->pid, 0);
	if (out->pidfd < 0) {
		rc = -errno;
		kill(out->pid, SIGKILL);
		waitpid(out->pid, NULL, 0);
		goto out;
	}
	out->sock = sock[0];
	return 0;
out:
	close(sock[0]);
	out->pid = 0;
	return rc;
}

int spawn_adopt(int sock, struct spawned *out)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	if (cred.uid != geteuid())
		return -EPERM;
	out->pidfd = pidfd_open(cred.pid, 0);
	if (out->pidfd < 0)
		return -errno;
	out->pid = cred.pid;
	out->sock = sock;
	return 0;
}

bool spawn_reap(int pidfd, int *code, int *status)
{
	siginfo_t si = {0};

	if (waitid(P_PIDFD, (id_t)pidfd, &si, WEXITED | WNOHANG) || !si.si_pid)
		return false;
	*code = si.si_code;
	*status = si.si_status;
	return true;
}

void spawn_signal(int pidfd, int sig)
{
	(void)pidfd_send_signal(pidfd, sig, NULL, 0);
}

/* --------------------------------------------------------- the standby */

/* It is not that of DAEMON any more. */
static struct spawned release(struct standby *standby)
{
	struct spawned proc = standby->proc;

	standby->exit = sd_event_source_disable_unref(standby->exit);
	standby->hello = sd_event_source_disable_unref(standby->hello);
	standby->proc.pid = 0;
	standby->ready = false;
	return proc;
}

static void discard(struct standby *standby)
{
	struct spawned proc = release(standby);
	int code, status;

	spawn_signal(proc.pidfd, SIGKILL);
	(void)waitpid(proc.pid, NULL, 0);
	(void)spawn_reap(proc.pidfd, &code, &status);
	close(proc.pidfd);
	close(proc.sock);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *ctx);

static void later(struct daemon *daemon, uint64_t us)
{
	struct standby *standby = daemon->standby;

	standby->timer = sd_event_source_disable_unref(standby->timer);
	(void)sd_event_add_time_relative(daemon->event, &standby->timer,
					 CLOCK_MONOTONIC, us, 0, on_timer,
					 daemon);
}

static int on_exit_of_it(sd_event_source *s, int fd, uint32_t revents,
			 void *ctx)
{
	struct daemon *daemon = ctx;

	(void)s;
	(void)fd;
	(void)revents;
	log_line(LOG_WARNING, NULL, "the standby worker pid=%d has ended",
		 (int)daemon->standby->proc.pid);
	discard(daemon->standby);
	later(daemon, AGAIN_US);
	return 0;
}

static int on_hello(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct daemon *daemon = ctx;

	(void)fd;
	(void)revents;
	(void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
	daemon->standby->ready = true;
	daemon_renew(daemon);
	return 0;
}

bool spawn_is_ready(const struct daemon *daemon)
{
	return daemon->standby && daemon->standby->ready;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *ctx)
{
	struct daemon *daemon = ctx;
	struct standby *standby = daemon->standby;

	(void)s;
	(void)usec;
	standby->timer = sd_event_source_disable_unref(standby->timer);
	if (standby->proc.pid || start(daemon, &standby->proc))
		return 0;
	if (sd_event_add_io(daemon->event, &standby->exit, standby->proc.pidfd,
			    EPOLLIN, on_exit_of_it, daemon) < 0 ||
	    sd_event_add_io(daemon->event, &standby->hello, standby->proc.sock,
			    EPOLLIN, on_hello, daemon) < 0)
		discard(standby);
	return 0;
}

void spawn_ready(struct daemon *daemon)
{
	if (!daemon->standby)
		daemon->standby = calloc(1, sizeof(*daemon->standby));
	if (daemon->standby && !daemon->standby->proc.pid &&
	    !daemon->standby->timer)
		later(daemon, READY_US);
}

int spawn_take(struct daemon *daemon, struct spawned *out)
{
	struct standby *standby = daemon->standby;
	int rc = 0;

	if (standby && standby->proc.pid)
		*out = release(standby);
	else
		rc = start(daemon, out);
	spawn_ready(daemon);
	return rc;
}

void spawn_end(struct daemon *daemon)
{
	struct standby *standby = daemon->standby;

	if (!standby)
		return;
	if (standby->proc.pid)
		discard(standby);
	sd_event_source_disable_unref(standby->timer);
	free(standby);
	daemon->standby = NULL;
}
