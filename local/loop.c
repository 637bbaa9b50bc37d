/* SPDX-License-Identifier: BSD-2-Clause */
#include "local/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

int loop_new(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int loop_add(int loop, struct loop_fd *f)
{
	struct epoll_event e = {.events = f->events, .data.ptr = f};

	return epoll_ctl(loop, EPOLL_CTL_ADD, f->fd, &e) < 0 ? -errno : 0;
}

void loop_want(int loop, struct loop_fd *f, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = f};

	if (f->events == events)
		return;
	f->events = events;
	(void)epoll_ctl(loop, EPOLL_CTL_MOD, f->fd, &e);
}

void loop_remove(int loop, struct loop_fd *f)
{
	(void)epoll_ctl(loop, EPOLL_CTL_DEL, f->fd, NULL);
}

bool loop_turn(int loop, int timeout_ms)
{
	struct epoll_event e;
	struct loop_fd *f;
	int n;

	/* One at a time, so that any of them may be freed meanwhile. */
	n = epoll_wait(loop, &e, 1, timeout_ms);
	if (n < 0 && errno != EINTR)
		abort();
	if (n <= 0)
		return n < 0;
	f = e.data.ptr;
	f->call(f, e.events);
	return true;
}
