/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's own socket: see ctl.h.
 */
#include "control/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/device.h"
#include "control/guest_worker.h"
#include "control/proc.h"
#include "host/log.h"

struct client {
	TAILQ_ENTRY(client) entry;
	struct ctl *ctl;
	int fd;
	sd_event_source *io;
	sd_event_source *timer; /* idle; or the time limit of `waiting` */
	char in[CTL_LINE_MAX];
	size_t nin;
	char *out; /* malloc'ed; what is not sent yet begins at `sent` */
	size_t nout, sent;
	bool waiting; /* for counters, to answer "status" */
};

struct ctl {
	struct daemon *daemon;
	int fd;
	sd_event_source *io;
	char path[108]; /* sun_path */
	TAILQ_HEAD(, client) clients;
	unsigned int nclients;
};

static void client_free(struct client *c)
{
	TAILQ_REMOVE(&c->ctl->clients, c, entry);
	c->ctl->nclients--;
	sd_event_source_disable_unref(c->io);
	sd_event_source_disable_unref(c->timer);
	close(c->fd);
	free(c->out);
	free(c);
}

/* --------------------------------------------------------------- answers */

json_t *ctl_text(const char *text)
{
	json_t *json = json_string(text);
	char copy[PATH_MAX];
	size_t n;

	if (json)
		return json;
	n = strlen(text);
	if (n >= sizeof(copy))
		n = sizeof(copy) - 1;
	for (size_t i = 0; i < n; i++)
		copy[i] = (char)((unsigned char)text[i] < 0x80 ? text[i] : '?');
	copy[n] = '\0';
	return json_string(copy);
}

static json_t *stats_json(const struct proto_stats *s)
{
	json_t *latency = json_array();

	for (size_t i = 0; i < PROTO_LATENCY_STEPS; i++)
		json_array_append_new(latency,
				      json_integer((json_int_t)s->latency[i]));
	return json_pack(
		"{sI sI sI sI sI sI sI sI sI sI sI sI sI sI so}", "requests",
		(json_int_t)s->requests, "responses", (json_int_t)s->responses,
		"errors", (json_int_t)s->errors, "guest_errors",
		(json_int_t)s->guest_errors, "read_ops",
		(json_int_t)s->read_ops, "read_bytes",
		(json_int_t)s->read_bytes, "write_ops",
		(json_int_t)s->write_ops, "write_bytes",
		(json_int_t)s->write_bytes, "wakeups", (json_int_t)s->wakeups,
		"notifies", (json_int_t)s->notifies, "copies",
		(json_int_t)s->copies, "inflight", (json_int_t)s->inflight,
		"mapped", (json_int_t)s->mapped, "latency_ns",
		(json_int_t)s->latency_ns, "latency", latency);
}

static json_t *device_json(const struct device *dev)
{
	json_t *json = json_pack(
		"{ss si si si sb sb sb sb ss so}", "type", dev->class->word,
		"id", (int)dev->id, "state", (int)dev->facts.own, "frontend",
		(int)dev->facts.front, "connected", dev->facts.connected,
		"down", device_is_down(dev), "broken", dev->broken,
		"quarantined", dev->quarantined, "reason", dev->reason, "stats",
		stats_json(&dev->stats));

	dev->class->describe(dev, json);
	return json;
}

static json_t *guest_json(const struct guest *guest)
{
	json_t *devices = json_array(), *json;
	const struct device *dev;
	struct proc proc;

	TAILQ_FOREACH(dev, &guest->devices, entry)
		json_array_append_new(devices, device_json(dev));
	json = json_pack("{si ss ss si sb sb si sI sI sI so}", "domid",
			 (int)guest->domid, "name", guest->name, "uuid",
			 guest->uuid, "worker", (int)guest->pid, "earlier",
			 guest->adopted, "down", guest_is_down(guest),
			 "restarts", (int)guest->restarts, "gap_us",
			 (json_int_t)guest->gap_us, "gap_max_us",
			 (json_int_t)guest->gap_max_us, "restored_us",
			 (json_int_t)guest->restored_us, "devices", devices);
	if (!guest->pid || proc_read(guest->pid, &proc))
		return json;
	json_object_set_new(json, "memory",
			    json_integer((json_int_t)proc.memory));
	json_object_set_new(json, "threads",
			    json_integer((json_int_t)proc.threads));
	json_object_set_new(json, "sandbox", json_boolean(proc.sandboxed));
	return json;
}

static json_t *status_json(const struct daemon *daemon)
{
	json_t *guests = json_array();
	struct guest *guest;

	TAILQ_FOREACH(guest, &daemon->guests, entry)
		json_array_append_new(guests, guest_json(guest));
	return json_pack("{sb ss si sI sb sb so}", "ok", 1, "version",
			 XENPV_VERSION, "pid", (int)getpid(), "started_us",
			 (json_int_t)daemon->started_us, "ready", daemon->ready,
			 "stopping", daemon->stopping, "guests", guests);
}

/* ------------------------------------------------------------- a client */

static int on_client_timer(sd_event_source *s, uint64_t usec, void *ctx);

static void set_timer(struct client *c, uint64_t us)
{
	c->timer = sd_event_source_disable_unref(c->timer);
	(void)sd_event_add_time_relative(c->ctl->daemon->event, &c->timer,
					 CLOCK_MONOTONIC, us, 0,
					 on_client_timer, c);
}

/* Sends what there is; false if the client is gone (and freed). */
static bool client_flush(struct client *c)
{
	ssize_t r;

	while (c->sent < c->nout) {
		r = send(c->fd, c->out + c->sent, c->nout - c->sent,
			 MSG_NOSIGNAL);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno == EAGAIN)
			break;
		if (r < 0) {
			client_free(c);
			return false;
		}
		c->sent += (size_t)r;
	}
	if (c->sent == c->nout) {
		free(c->out);
		c->out = NULL;
		c->nout = c->sent = 0;
	}
	/* Nothing more is read before its answer is sent: bounded memory. */
	(void)sd_event_source_set_io_events(c->io, c->out	? EPOLLOUT
						   : c->waiting ? 0
								: EPOLLIN);
	return true;
}

/* Takes JSON; false if the client is gone. */
static bool client_answer(struct client *c, json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	c->waiting = false;
	set_timer(c, CTL_IDLE_S * 1000000ull);
	if (!text) {
		client_free(c);
		return false;
	}
	c->nout = strlen(text) + 1;
	c->out = text;
	c->out[c->nout - 1] = '\n'; /* instead of the NUL */
	c->sent = 0;
	return client_flush(c);
}

static bool client_status(struct client *c)
{
	struct daemon *daemon = c->ctl->daemon;
	struct guest *guest;
	struct device *dev;

	TAILQ_FOREACH(guest, &daemon->guests, entry)
		TAILQ_FOREACH(dev, &guest->devices, entry)
			device_stats(dev);
	if (!daemon->stats_pending)
		return client_answer(c, status_json(daemon));
	c->waiting = true;
	set_timer(c, CTL_STATS_MS * 1000ull);
	return client_flush(c);
}

static bool client_upgrade(struct client *c)
{
	struct daemon *daemon = c->ctl->daemon;
	bool ok = client_answer(c, json_pack("{sb sI}", "ok", 1, "started_us",
					     (json_int_t)daemon->started_us));

	if (ok)
		daemon_upgrade(daemon);
	return ok;
}

static bool client_request(struct client *c, const char *line, size_t len)
{
	json_t *json = json_loadb(line, len, 0, NULL);
	const char *cmd = json_string_value(json_object_get(json, "cmd"));
	bool ok;

	if (!cmd)
		ok = client_answer(
			c,
			json_pack("{sb ss}", "ok", 0, "error",
				  "not a JSON object with a member \"cmd\""));
	else if (!strcmp(cmd, "ping"))
		ok = client_answer(c, json_pack("{sb ss si}", "ok", 1,
						"version", XENPV_VERSION, "pid",
						(int)getpid()));
	else if (!strcmp(cmd, "status"))
		ok = client_status(c);
	else if (!strcmp(cmd, "upgrade"))
		ok = client_upgrade(c);
	else
		ok = client_answer(c, json_pack("{sb ss}", "ok", 0, "error",
						"unknown command"));
	json_decref(json);
	return ok;
}

/* Serves the lines that are there, until one has to wait. */
static void client_serve(struct client *c)
{
	char line[CTL_LINE_MAX], *end;
	size_t len;

	while (!c->waiting && !c->out && (end = memchr(c->in, '\n', c->nin))) {
		len = (size_t)(end - c->in);
		memcpy(line, c->in, len);
		c->nin -= len + 1;
		memmove(c->in, end + 1, c->nin);
		if (!client_request(c, line, len))
			return;
	}
	/* A line that never ends. */
	if (c->nin == sizeof(c->in) && !memchr(c->in, '\n', c->nin))
		client_free(c);
}

static int on_client(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct client *c = ctx;
	ssize_t r;

	(void)s;
	if (revents & (EPOLLERR | EPOLLHUP)) {
		client_free(c);
		return 0;
	}
	if ((revents & EPOLLOUT) && !client_flush(c))
		return 0;
	if ((revents & EPOLLIN) && c->nin < sizeof(c->in)) {
		r = recv(fd, c->in + c->nin, sizeof(c->in) - c->nin, 0);
		if (!r || (r < 0 && errno != EAGAIN && errno != EINTR)) {
			client_free(c);
			return 0;
		}
		if (r > 0)
			c->nin += (size_t)r;
	}
	client_serve(c);
	return 0;
}

static int on_client_timer(sd_event_source *s, uint64_t usec, void *ctx)
{
	struct client *c = ctx;

	(void)s;
	(void)usec;
	if (!c->waiting)
		client_free(c);
	else if (client_answer(c, status_json(c->ctl->daemon)))
		client_serve(c);
	return 0;
}

void ctl_stats_done(struct ctl *ctl)
{
	struct client *c, *next;

	if (!ctl)
		return;
	for (c = TAILQ_FIRST(&ctl->clients); c; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (c->waiting && client_answer(c, status_json(ctl->daemon)))
			client_serve(c);
	}
}

/* --------------------------------------------------------------- listen */

static int on_listen(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct ctl *ctl = ctx;
	struct client *c;
	int sock;

	(void)s;
	(void)revents;
	sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (sock < 0)
		return 0;
	c = ctl->nclients < CTL_CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		close(sock);
		return 0;
	}
	c->ctl = ctl;
	c->fd = sock;
	TAILQ_INSERT_TAIL(&ctl->clients, c, entry);
	ctl->nclients++;
	if (sd_event_add_io(ctl->daemon->event, &c->io, sock, EPOLLIN,
			    on_client, c) < 0)
		client_free(c);
	else
		set_timer(c, CTL_IDLE_S * 1000000ull);
	return 0;
}

int ctl_new(struct ctl **out, struct daemon *daemon)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct ctl *ctl = calloc(1, sizeof(*ctl));
	mode_t mask;
	int r, rc;

	if (!ctl)
		return -ENOMEM;
	ctl->daemon = daemon;
	TAILQ_INIT(&ctl->clients);
	ctl->fd = -1;
	r = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/control",
		     daemon->cfg.run_dir);
	rc = -ENAMETOOLONG;
	if (r < 0 || (size_t)r >= sizeof(addr.sun_path))
		goto out;
	ctl->fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ctl->fd < 0)
		goto out_errno;
	(void)unlink(addr.sun_path);
	/* No moment in which others could connect. */
	mask = umask(0177);
	r = bind(ctl->fd, (struct sockaddr *)&addr, sizeof(addr));
	umask(mask);
	if (r)
		goto out_errno;
	strcpy(ctl->path, addr.sun_path);
	if (listen(ctl->fd, CTL_CLIENTS_MAX))
		goto out_errno;
	rc = sd_event_add_io(daemon->event, &ctl->io, ctl->fd, EPOLLIN,
			     on_listen, ctl);
	if (rc < 0)
		goto out;
	*out = ctl;
	return 0;
out_errno:
	rc = -errno;
out:
	ctl_free(ctl);
	return rc;
}

void ctl_free(struct ctl *ctl)
{
	if (!ctl)
		return;
	while (!TAILQ_EMPTY(&ctl->clients))
		client_free(TAILQ_FIRST(&ctl->clients));
	sd_event_source_disable_unref(ctl->io);
	if (ctl->fd >= 0)
		close(ctl->fd);
	if (ctl->path[0])
		(void)unlink(ctl->path);
	free(ctl);
}
