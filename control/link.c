/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control's end of the socket to one worker: see link.h.
 */
#include "control/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#define USEC_PER_S 1000000ull

/* Messages taken per turn of the event loop. */
#define LINK_BUDGET 32

struct call {
	TAILQ_ENTRY(call) entry;
	struct proto_msg msg;
	int fds[PROTO_FDS_MAX];
	int nfds;
	uint64_t timeout_us, deadline_us;
	link_reply_fn *fn;
	void *ctx;
};

TAILQ_HEAD(calls, call);

struct link {
	int fd;
	sd_event *event;
	sd_event_source *io, *timer;
	const struct link_ops *ops;
	void *ctx;
	struct calls waiting; /* not sent */
	struct calls sent;
	uint32_t n;	 /* in both */
	uint32_t cookie; /* of the last request */
	uint32_t serial; /* where our cookies begin */
	bool greeted;	 /* a valid PROTO_HELLO has come */
	bool lost;
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * USEC_PER_S + (uint64_t)ts.tv_nsec / 1000;
}

static void close_fds(const int *fds, int nfds)
{
	for (int i = 0; i < nfds; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

/* Takes CALL out of FROM, frees it, and tells who asked. */
static void answer(struct link *link, struct calls *from, struct call *call,
		   int rc, const struct proto_msg *reply)
{
	link_reply_fn *fn = call->fn;
	void *ctx = call->ctx;

	TAILQ_REMOVE(from, call, entry);
	link->n--;
	close_fds(call->fds, call->nfds);
	free(call);
	fn(ctx, rc, reply);
}

/* No new call can come meanwhile: link->lost is set. */
static void answer_all(struct link *link)
{
	struct call *call;

	while ((call = TAILQ_FIRST(&link->sent)))
		answer(link, &link->sent, call, -ECONNRESET, NULL);
	while ((call = TAILQ_FIRST(&link->waiting)))
		answer(link, &link->waiting, call, -ECONNRESET, NULL);
}

static void lose(struct link *link, int err, const char *why)
{
	if (link->lost)
		return;
	link->lost = true;
	link->io = sd_event_source_disable_unref(link->io);
	link->timer = sd_event_source_disable_unref(link->timer);
	close(link->fd);
	link->fd = -1;
	answer_all(link);
	link->ops->lost(link->ctx, err, why);
}

uint64_t link_deadline_us(const struct link *link)
{
	uint64_t first = UINT64_MAX;
	struct call *call;

	TAILQ_FOREACH(call, &link->sent, entry)
		if (call->deadline_us < first)
			first = call->deadline_us;
	TAILQ_FOREACH(call, &link->waiting, entry)
		if (call->deadline_us < first)
			first = call->deadline_us;
	return first;
}

/* The timer runs for the earliest deadline. */
static void arm(struct link *link)
{
	uint64_t first = link_deadline_us(link);

	(void)sd_event_source_set_time(link->timer, first);
	(void)sd_event_source_set_enabled(
		link->timer,
		first == UINT64_MAX ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *ctx)
{
	struct link *link = ctx;

	(void)s;
	(void)usec;
	lose(link, -ETIMEDOUT,
	     link->greeted ? "it does not answer" : "it does not start");
	return 0;
}

/* Never 0, which is nobody's. */
static uint32_t next_cookie(struct link *link)
{
	link->cookie = link->cookie % (PROTO_SERIAL(1u) - 1) + 1;
	return link->serial + link->cookie;
}

/* Send what waits, as much as the socket takes. */
static void flush(struct link *link)
{
	struct call *call;
	int rc = 0;

	while (link->greeted && (call = TAILQ_FIRST(&link->waiting))) {
		call->msg.cookie = next_cookie(link);
		rc = proto_send(link->fd, &call->msg, call->fds, call->nfds);
		if (rc)
			break;
		close_fds(call->fds, call->nfds);
		call->nfds = 0;
		TAILQ_REMOVE(&link->waiting, call, entry);
		TAILQ_INSERT_TAIL(&link->sent, call, entry);
	}
	/* ETOOMANYREFS: too many descriptors on their way; it reads soon. */
	if (rc && rc != -EAGAIN && rc != -ETOOMANYREFS) {
		lose(link, rc, strerror(-rc));
		return;
	}
	(void)sd_event_source_set_io_events(link->io,
					    rc ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static const char other_version[] =
	"it is of another version; install xenpvd and xenpv-worker together";

static void take_hello(struct link *link, const struct proto_msg *msg)
{
	if (link->greeted || msg->u.hello.version != PROTO_VERSION) {
		lose(link, -ESTALE, other_version);
		return;
	}
	link->greeted = true;
	link->serial = PROTO_SERIAL(msg->u.hello.serial);
	link->ops->hello(link->ctx, &msg->u.hello);
	if (!link->lost)
		flush(link);
}

static void renew(struct call *call, const struct proto_msg *asked)
{
	uint64_t now = now_us();

	for (; call; call = TAILQ_NEXT(call, entry)) {
		if (call->msg.class == asked->class &&
		    call->msg.controller == asked->controller &&
		    call->deadline_us < now + call->timeout_us)
			call->deadline_us = now + call->timeout_us;
	}
}

/*
 * CALL is answered: whoever did is alive, and comes to what it was asked after
 * that. What it was asked before waits for something else.
 */
static void renew_after(struct link *link, const struct call *call)
{
	renew(TAILQ_NEXT(call, entry), &call->msg);
	renew(TAILQ_FIRST(&link->waiting), &call->msg);
}

static void take_reply(struct link *link, const struct proto_msg *msg)
{
	struct call *call;

	TAILQ_FOREACH(call, &link->sent, entry) {
		if (call->msg.cookie != msg->cookie)
			continue;
		renew_after(link, call);
		answer(link, &link->sent, call, msg->rc, msg);
		return;
	}
	/* To an xenpvd that was here before us. */
	if (link->serial &&
	    PROTO_SERIAL(msg->cookie >> PROTO_SERIAL_SHIFT) != link->serial)
		return;
	lose(link, -EPROTO, "it has answered what nobody asked");
}

static void take(struct link *link, const struct proto_msg *msg)
{
	switch (msg->type) {
	case PROTO_HELLO:
		take_hello(link, msg);
		break;
	case PROTO_REPLY:
		take_reply(link, msg);
		break;
	case PROTO_ITEM:
		link->ops->item(link->ctx, msg);
		break;
	case PROTO_BROKEN:
		link->ops->broken(link->ctx, (enum proto_class)msg->class,
				  msg->controller, msg->text);
		break;
	default:
		lose(link, -EPROTO, "it has sent a message of unknown type");
		break;
	}
}

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct link *link = ctx;
	int fds[PROTO_FDS_MAX], nfds, rc = -EAGAIN;
	struct proto_msg msg;

	(void)s;
	for (int i = 0; i < LINK_BUDGET && !link->lost; i++) {
		rc = proto_recv(fd, &msg, fds, &nfds);
		if (rc <= 0)
			break;
		close_fds(fds, nfds); /* a worker has none for us */
		take(link, &msg);
	}
	if (link->lost)
		return 0;
	if (!rc)
		lose(link, -ECONNRESET, "it has ended");
	else if (rc == -EPROTO && !link->greeted)
		lose(link, -ESTALE, other_version);
	else if (rc < 0 && rc != -EAGAIN)
		lose(link, rc, strerror(-rc));
	else if (revents & EPOLLOUT)
		flush(link);
	if (!link->lost)
		arm(link);
	return 0;
}

int link_new(struct link **out, sd_event *event, int fd,
	     const struct link_ops *ops, void *ctx)
{
	struct link *link = NULL;
	int flags, rc;

	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK)) {
		rc = -errno;
		goto out;
	}
	rc = -ENOMEM;
	link = calloc(1, sizeof(*link));
	if (!link)
		goto out;
	link->event = sd_event_ref(event);
	link->ops = ops;
	link->ctx = ctx;
	TAILQ_INIT(&link->waiting);
	TAILQ_INIT(&link->sent);
	rc = sd_event_add_io(event, &link->io, fd, EPOLLIN, on_io, link);
	if (rc < 0)
		goto out;
	rc = sd_event_add_time(event, &link->timer, CLOCK_MONOTONIC,
			       now_us() + LINK_TIMEOUT_S * USEC_PER_S, 0,
			       on_timer, link);
	if (rc < 0)
		goto out;
	link->fd = fd;
	*out = link;
	return 0;
out:
	if (link) {
		sd_event_source_disable_unref(link->io);
		sd_event_unref(link->event);
		free(link);
	}
	close(fd);
	return rc;
}

void link_free(struct link *link)
{
	if (!link)
		return;
	link->lost = true;
	sd_event_source_disable_unref(link->io);
	sd_event_source_disable_unref(link->timer);
	if (link->fd >= 0)
		close(link->fd);
	answer_all(link);
	sd_event_unref(link->event);
	free(link);
}

int link_call(struct link *link, const struct proto_msg *msg, const int *fds,
	      int nfds, link_reply_fn *fn, void *ctx)
{
	/* A ring that is opened may wait for what a dead worker has begun. */
	bool slow =
		msg->type == PROTO_SCSI_OPEN || msg->type == PROTO_SCSI_CLOSE ||
		msg->type == PROTO_SCSI_FORGET || msg->type == PROTO_LUN_DEL ||
		msg->type == PROTO_LUN_MEDIUM || msg->type == PROTO_BLK_OPEN ||
		msg->type == PROTO_BLK_CLOSE;
	struct call *call = NULL, *before;
	int rc;

	if (link->lost)
		rc = -ECONNRESET;
	else if (link->n >= LINK_CALLS_MAX)
		rc = -ENOBUFS;
	else
		rc = (call = calloc(1, sizeof(*call))) ? 0 : -ENOMEM;
	if (rc) {
		close_fds(fds, nfds);
		return rc;
	}
	call->msg = *msg;
	for (int i = 0; i < nfds; i++) {
		if (fds[i] >= 0)
			call->fds[call->nfds++] = fds[i];
	}
	call->timeout_us =
		(slow ? LINK_TIMEOUT_IO_S : LINK_TIMEOUT_S) * USEC_PER_S;
	call->deadline_us = now_us() + call->timeout_us;
	/* It may wait for the answer to the one before. */
	before = TAILQ_LAST(&link->waiting, calls);
	if (!before)
		before = TAILQ_LAST(&link->sent, calls);
	if (before && before->deadline_us > call->deadline_us)
		call->deadline_us = before->deadline_us;
	call->fn = fn;
	call->ctx = ctx;
	TAILQ_INSERT_TAIL(&link->waiting, call, entry);
	link->n++;
	/* Sent from the loop, so that a lost link is not reported from here. */
	(void)sd_event_source_set_io_events(link->io, EPOLLIN | EPOLLOUT);
	arm(link);
	return 0;
}
