/* SPDX-License-Identifier: BSD-2-Clause */
#include "worker/door.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/log.h"

static int greet(struct door *d)
{
	struct proto_msg msg = {.type = PROTO_HELLO, .u.hello = d->hello};

	return proto_send(PROTO_FD, &msg, NULL, 0);
}

int door_open(struct door *d)
{
	sigset_t set;

	*d = (struct door){
		.knock = -1,
		.control = true,
		.hello = {.version = PROTO_VERSION,
			  .pid = (uint32_t)getpid(),
			  .domid = PROTO_NOBODY,
			  .build = XENPV_VERSION},
	};
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	d->sig = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return d->sig < 0 ? -errno : greet(d);
}

int door_begin(struct door *d, const struct proto_hello *hello, int listen_fd)
{
	/* Here and not by control: so the credentials at the other end are
	 * ours. */
	if (listen_fd >= 0 && listen(listen_fd, 1))
		return -errno;
	d->knock = listen_fd;
	d->hello.domid = hello->domid;
	snprintf(d->hello.uuid, sizeof(d->hello.uuid), "%s", hello->uuid);
	return 0;
}

static int let_in(struct door *d)
{
	int fd = accept4(d->knock, NULL, NULL, SOCK_CLOEXEC), rc;

	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? -errno : 0;
	/* Whoever can connect is root: the socket is in a directory of his. */
	/* In one step: other threads send there at any time. */
	rc = dup3(fd, PROTO_FD, O_CLOEXEC) < 0 ? -errno : 0;
	close(fd);
	if (rc)
		return rc;
	d->hello.serial++;
	d->control = true;
	/* One that has died already is told from others by the next read. */
	(void)greet(d);
	log_line(LOG_INFO, NULL, "dom=%u pid=%d is found by another xenpvd",
		 d->hello.domid, (int)getpid());
	return 0;
}

int door_wait(struct door *d, struct proto_msg *msg, int *fds, int *nfds)
{
	struct pollfd p[2] = {
		{.fd = d->sig, .events = POLLIN},
		{.fd = d->control ? PROTO_FD : d->knock, .events = POLLIN},
	};
	int rc = 0;

	*nfds = 0;
	while (rc == 0) {
		p[1].fd = d->control ? PROTO_FD : d->knock;
		if (poll(p, 2, -1) < 0) {
			rc = errno == EINTR ? 0 : -errno;
			continue;
		}
		if (p[0].revents)
			return 0;
		if (!d->control) {
			rc = let_in(d);
			continue;
		}
		rc = proto_recv(PROTO_FD, msg, fds, nfds);
		if (rc > 0)
			return rc;
		if (rc == 0 || rc == -ECONNRESET) {
			d->control = false;
			return d->knock < 0 ? 0 : -ECHILD;
		}
		if (rc == -EAGAIN)
			rc = 0;
	}
	return rc;
}
