/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xenpv-worker: the data plane of one guest. Started by xenpvd, never by hand.
 * This thread reads what control asks and hands it to the thread of the queue
 * it is about.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "host/log.h"
#include "worker/door.h"
#include "worker/proto.h"
#include "worker/queue.h"
#include "worker/sandbox.h"

#define QUEUES_MAX 256

struct worker {
	struct door door;
	const struct host_ops *host;
	const char *place; /* of the host: what follows the colon in --host */
	struct sandbox sandbox;
	bool open; /* it goes without */
	struct {
		struct queue_id id;
		struct queue *queue;
		bool leaving; /* it was told to end */
	} at[QUEUES_MAX];
	unsigned count;
};

static const struct host_ops *const hosts[] = {&host_xen, &host_local, NULL};

static struct queue_id id_of(const struct proto_msg *msg)
{
	return (struct queue_id){.class = msg->class,
				 .queue = msg->queue,
				 .controller = msg->controller};
}

/* Index of queue ID, or -1. */
static int find(const struct worker *w, const struct queue_id *id)
{
	unsigned i;

	for (i = 0; i < w->count; i++)
		if (w->at[i].id.controller == id->controller &&
		    w->at[i].id.class == id->class &&
		    w->at[i].id.queue == id->queue && !w->at[i].leaving)
			return (int)i;
	return -1;
}

static int start(struct worker *w, const struct queue_id *id)
{
	struct queue *q;
	int rc;

	if (w->count == QUEUES_MAX)
		return -ENOSPC;
	rc = queue_start(&q, w->host, w->place, w->door.hello.domid, id,
			 PROTO_FD);
	if (rc < 0)
		return rc;
	w->at[w->count].id = *id;
	w->at[w->count].queue = q;
	w->at[w->count].leaving = false;
	return (int)w->count++;
}

/*
 * Free the queues whose threads have ended; wait for those that are about to
 * if WAIT. A thread that was told to end does so when its storage
 * has finished, and must not keep the others waiting for that.
 */
static void sweep(struct worker *w, bool wait)
{
	unsigned i = 0;

	while (i < w->count) {
		if (w->at[i].leaving && queue_join(w->at[i].queue, wait))
			w->at[i] = w->at[--w->count];
		else
			i++;
	}
}

static void refuse(const struct proto_msg *msg, int rc, const char *text)
{
	struct proto_msg out = {
		.type = PROTO_REPLY,
		.cookie = msg->cookie,
		.controller = msg->controller,
		.class = msg->class,
		.queue = msg->queue,
		.rc = rc,
	};

	snprintf(out.text, sizeof(out.text), "%s", text);
	(void)proto_send(PROTO_FD, &out, NULL, 0);
}

/* It is known whose worker it is. */
static void begin(struct worker *w, const struct proto_msg *msg, int fd)
{
	char err[256] = "its socket cannot be used";
	int rc = door_begin(&w->door, &msg->u.hello, fd);

	prctl(PR_SET_NAME, "xenpv-worker", 0, 0, 0);
	w->sandbox.domid = msg->u.hello.domid;
	if (!rc && !w->open)
		rc = sandbox_enter(&w->sandbox, err, sizeof(err));
	if (rc)
		log_line(LOG_ERR, NULL, "dom=%u cannot be served: %s",
			 msg->u.hello.domid, err);
	refuse(msg, rc, rc ? err : "");
}

/* Why a queue did not start, which ended with RC. A limit of locked memory is for
 * all processes of a user, and for io_uring's rings, too. */
static const char *no_start(int rc)
{
	return rc == -ENOMEM
		       ? "its thread cannot be started: out of memory, or "
			 "of memory that may be locked (ulimit -l)"
		       : "its thread cannot be started";
}

static void handle(struct worker *w, const struct proto_msg *msg,
		   const int *fds, int nfds)
{
	const struct queue_id id = id_of(msg);
	int i;

	sweep(w, false);
	if (msg->type == PROTO_LOG_LEVEL) {
		log_set_level(msg->u.level);
		refuse(msg, 0, "");
		goto close_fds;
	}
	if (msg->type == PROTO_BEGIN) {
		begin(w, msg, nfds ? fds[0] : -1);
		return;
	}
	i = find(w, &id);
	if (i < 0 && queue_begins(msg)) {
		i = start(w, &id);
		if (i < 0) {
			refuse(msg, i, no_start(i));
			goto close_fds;
		}
	}
	if (i < 0) {
		/* what is not there is closed and forgotten already */
		refuse(msg, queue_absent(msg), "no such controller or queue");
		goto close_fds;
	}
	w->at[i].leaving = queue_ends(w->at[i].queue, msg);
	queue_post(w->at[i].queue, msg, fds, nfds);
	return;

close_fds:
	for (i = 0; i < nfds; i++)
		close(fds[i]);
}

/* Serve until it is time to end. */
static int serve(struct worker *w)
{
	struct proto_msg msg;
	int fds[PROTO_FDS_MAX];
	int nfds, r = door_open(&w->door);

	while (r >= 0) {
		r = door_wait(&w->door, &msg, fds, &nfds);
		if (r > 0) {
			handle(w, &msg, fds, nfds);
		} else if (r == -ECHILD) {
			sweep(w, false);
			r = w->count > 0;
		}
		if (r == 0)
			break;
	}
	return r;
}

/* Take no more requests, and wait for what is in flight: another worker goes on
 * by the journals. */
static void finish(struct worker *w)
{
	unsigned i;

	for (i = 0; i < w->count; i++) {
		if (!w->at[i].leaving)
			queue_end(w->at[i].queue);
		w->at[i].leaving = true;
	}
	sweep(w, true);
}

static int parse(struct worker *w, int argc, char **argv)
{
	static const struct option options[] = {
		{"host", required_argument, NULL, 'h'},
		{"no-sandbox", no_argument, NULL, 'n'},
		{0},
	};
	size_t len;
	int c, i;

	w->host = hosts[0];
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'h':
			len = strcspn(optarg, ":");
			for (i = 0; hosts[i]; i++)
				if (strlen(hosts[i]->name) == len &&
				    strncmp(hosts[i]->name, optarg, len) == 0)
					break;
			w->host = hosts[i];
			w->place = optarg[len] ? optarg + len + 1 : NULL;
			break;
		case 'n':
			w->open = true;
			break;
		default:
			return -EINVAL;
		}
	}
	return w->host && optind == argc ? 0 : -EINVAL;
}

/* Give up what is not needed, or say why that cannot be: what can be given up
 * before there is a guest. */
static int begin_sandbox(struct worker *w, int argc, char **argv)
{
	char *last = argv[argc - 1];
	char err[256];
	int rc;

	if (w->open)
		return 0;
	w->sandbox.host = w->host;
	w->sandbox.place = w->place;
	w->sandbox.title = argv[0];
	w->sandbox.title_room = (size_t)(last + strlen(last) + 1 - argv[0]);
	rc = sandbox_begin(&w->sandbox, err, sizeof(err));
	if (rc)
		log_line(LOG_ERR, NULL, "no guest can be served: %s", err);
	return rc;
}

int main(int argc, char **argv)
{
	struct worker w = {.count = 0};
	int r;

	log_init("xenpv-worker");
	if (parse(&w, argc, argv) < 0) {
		fprintf(stderr, "xenpv-worker is started by xenpvd: see "
				"xenpvd(8)\n");
		return 1;
	}
	/* The terminal's Ctrl-C is for control alone. */
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, "xenpv-standby", 0, 0, 0);
	if (begin_sandbox(&w, argc, argv) < 0)
		return 1;
	r = serve(&w);
	finish(&w);
	return r < 0;
}
