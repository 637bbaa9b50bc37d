/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A real xenpv-local, a real xenpv-worker at the end of its socket, and a guest
 * whose rings are written here, slot by slot, so that they may be wrong, too.
 * XENPV_LOCAL and XENPV_WORKER are the programs' paths.
 */
#ifndef TESTS_LOCAL_TEST_BLK_RIG_H
#define TESTS_LOCAL_TEST_BLK_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/local_start.h"
#include "core/blk_abi.h"
#include "core/blk_back.h"
#include "core/ring.h"
#include "host/front.h"
#include "worker/proto.h"

#define PAGE	   WIRE_PAGE_SIZE
#define DATA_PAGES 64u
#define DEV	   51712u
#define DISK_SIZE  (8u << 20)
#define PATIENCE   10000 /* ms */

static char dir[] = "/tmp/xenpv-test-blk-XXXXXX";

struct world {
	struct front *f;
	uint32_t domid;
	int control; /* our end of the worker's socket */
	pid_t worker;
	uint32_t cookie;
	int disk; /* descriptor of the image */
	char log[64];
	struct proto_msg broken; /* the last PROTO_BROKEN */
	unsigned nbroken;
};

/* One ring of a disk, the guest's end. */
struct queue {
	struct world *w;
	uint32_t dev;
	uint16_t number;
	struct proto_blk blk;
	uint8_t *ring;
	uint64_t ring_frame;
	uint32_t port;
	struct ring_front r;
	uint8_t *data; /* DATA_PAGES, of which page I is granted as gref[I] */
	uint64_t data_frame;
	uint32_t gref[DATA_PAGES];
	uint8_t *desc; /* a page of descriptors */
	uint32_t desc_gref;
	uint64_t id;
};

/* ------------------------------------------------------------------ control */

/* The next message, which must come. */
static struct proto_msg receive(struct world *w)
{
	struct pollfd p = {.fd = w->control, .events = POLLIN};
	int fds[PROTO_FDS_MAX], nfds;
	struct proto_msg msg;

	assert_int_equal(poll(&p, 1, PATIENCE), 1);
	assert_int_equal(proto_recv(w->control, &msg, fds, &nfds), 1);
	assert_int_equal(nfds, 0);
	if (msg.type == PROTO_BROKEN) {
		w->broken = msg;
		w->nbroken++;
	}
	return msg;
}

static bool says_something(struct world *w, int ms)
{
	struct pollfd p = {.fd = w->control, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

static void say(struct world *w, struct proto_msg *msg, int fd)
{
	msg->cookie = ++w->cookie;
	assert_int_equal(proto_send(w->control, msg, &fd, fd >= 0), 0);
}

/* Ask, and wait for the answer. */
static struct proto_msg ask(struct world *w, struct proto_msg *msg, int fd)
{
	struct proto_msg reply;

	say(w, msg, fd);
	do {
		reply = receive(w);
	} while (reply.type == PROTO_BROKEN);
	assert_int_equal(reply.type, PROTO_REPLY);
	assert_int_equal(reply.cookie, msg->cookie);
	assert_int_equal(reply.class, msg->class);
	assert_int_equal(reply.controller, msg->controller);
	assert_int_equal(reply.queue, msg->queue);
	return reply;
}

static struct proto_msg about(const struct queue *q, enum proto_type type)
{
	return (struct proto_msg){.type = type,
				  .class = PROTO_CLASS_BLK,
				  .controller = q->dev,
				  .queue = q->number};
}

static int blk_open(struct queue *q)
{
	struct proto_msg msg = about(q, PROTO_BLK_OPEN);
	bool null = strcmp(q->blk.storage, "null") == 0;

	msg.u.blk = q->blk;
	return ask(q->w, &msg, null ? -1 : q->w->disk).rc;
}

static int blk_close(struct queue *q)
{
	struct proto_msg msg = about(q, PROTO_BLK_CLOSE);

	return ask(q->w, &msg, -1).rc;
}

static struct proto_stats blk_stats(struct queue *q)
{
	struct proto_msg msg = about(q, PROTO_STATS), reply;

	reply = ask(q->w, &msg, -1);
	assert_int_equal(reply.rc, 0);
	return reply.u.stats;
}

/* -------------------------------------------------------------------- guest */

static uint32_t grant(struct world *w, uint64_t frame, bool readonly)
{
	uint32_t gref;

	assert_int_equal(front_local.grant(w->f, frame, readonly, &gref), 0);
	return gref;
}

/* A ring of PAGES pages in the layout ABI, with all features and nothing
 * special, that the worker does not know of. */
static struct queue *queue_new(struct world *w, uint32_t dev, uint16_t number,
			       uint32_t pages, enum blk_abi abi)
{
	struct queue *q = calloc(1, sizeof(*q));
	uint64_t frame;
	uint32_t i;

	assert_non_null(q);
	q->w = w;
	q->dev = dev;
	q->number = number;
	q->blk = (struct proto_blk){
		.pages = pages,
		.abi = abi,
		.features = BLK_BACK_F_FLUSH | BLK_BACK_F_BARRIER |
			    BLK_BACK_F_DISCARD,
		.indirect_max = 256,
		.block_size = 512,
		.size = DISK_SIZE,
		.flags = PROTO_LUN_DISCARD | PROTO_LUN_ZERO,
		.storage = "file",
	};
	assert_int_equal(
		front_local.alloc(w->f, 0, pages, &q->ring, &q->ring_frame), 0);
	for (i = 0; i < pages; i++)
		q->blk.gref[i] = grant(w, q->ring_frame + i, false);
	assert_int_equal(front_local.channel(w->f, 0, &q->port), 0);
	q->blk.port = q->port;
	assert_int_equal(
		ring_front_init(&q->r, q->ring, pages, blk_abi_slot(abi)), 0);
	assert_int_equal(front_local.alloc(w->f, 0, DATA_PAGES, &q->data,
					   &q->data_frame),
			 0);
	for (i = 0; i < DATA_PAGES; i++)
		q->gref[i] = grant(w, q->data_frame + i, false);
	assert_int_equal(front_local.alloc(w->f, 0, 1, &q->desc, &frame), 0);
	q->desc_gref = grant(w, frame, false);
	return q;
}

/* The usual: a ring of PAGES pages that is open. */
static struct queue *queue_open(struct world *w, uint32_t pages)
{
	struct queue *q = queue_new(w, DEV, 0, pages, BLK_ABI_64);

	assert_int_equal(blk_open(q), 0);
	return q;
}

static void queue_done(struct queue *q)
{
	assert_int_equal(blk_close(q), 0);
	free(q);
}

static void put(struct queue *q, const struct blk_req *req)
{
	uint8_t slot[BLK_SLOT_MAX];

	assert_true(ring_front_room(&q->r) > 0);
	blk_abi_put_req(q->blk.abi, slot, req);
	ring_front_put(&q->r, slot, q->r.slot_size);
}

static void push(struct queue *q)
{
	if (ring_front_push(&q->r))
		front_local.notify(q->w->f, q->port);
}

/* Wait for the next response. */
static struct blk_rsp get(struct queue *q)
{
	struct pollfd p = {.fd = front_local.event_fd(q->w->f),
			   .events = POLLIN};
	uint8_t slot[BLK_SLOT_MAX];
	struct blk_rsp rsp;
	uint32_t port;
	int n;

	while ((n = ring_front_pending(&q->r)) == 0) {
		if (ring_front_arm(&q->r))
			continue;
		assert_int_equal(poll(&p, 1, PATIENCE), 1);
		while (front_local.event(q->w->f, &port))
			;
	}
	assert_true(n > 0);
	ring_front_take(&q->r, slot);
	blk_abi_get_rsp(slot, &rsp);
	return rsp;
}

/* A request for PAGES whole pages from data page FIRST on; more than eleven
 * are described in the page for that. */
static struct blk_req request(struct queue *q, uint8_t op, uint64_t sector,
			      uint32_t first, uint32_t pages)
{
	struct blk_req req = {.op = op,
			      .id = ++q->id,
			      .sector = sector,
			      .nsegs = (uint16_t)pages};
	struct wire_blk_seg seg[DATA_PAGES] = {{0}};
	uint32_t i;

	assert_true(first + pages <= DATA_PAGES);
	for (i = 0; i < pages; i++)
		seg[i] = (struct wire_blk_seg){.gref = q->gref[first + i],
					       .last_sect = 7};
	if (pages <= WIRE_BLK_SEGS) {
		memcpy(req.seg, seg, pages * sizeof(*seg));
	} else {
		req.indirect = true;
		req.gref[0] = q->desc_gref;
		memcpy(q->desc, seg, sizeof(seg));
	}
	return req;
}

/* Send REQ alone, and the status of its answer. */
static int16_t send_req(struct queue *q, const struct blk_req *req)
{
	struct blk_rsp rsp;

	put(q, req);
	push(q);
	rsp = get(q);
	assert_int_equal(rsp.id, req->id);
	assert_int_equal(rsp.op, req->op); /* of an indirect one, too */
	return rsp.status;
}

static int16_t move(struct queue *q, uint8_t op, uint64_t sector,
		    uint32_t first, uint32_t pages)
{
	const struct blk_req req = request(q, op, sector, first, pages);

	return send_req(q, &req);
}

static void fill(uint8_t *p, size_t len, unsigned seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7 + i / 512 + seed);
}

/* Is this on the disk at SECTOR? */
static void assert_on_disk(struct world *w, uint64_t sector, const void *p,
			   size_t len)
{
	uint8_t *got = malloc(len);

	assert_non_null(got);
	assert_int_equal(pread(w->disk, got, len, (off_t)sector * 512),
			 (ssize_t)len);
	assert_memory_equal(got, p, len);
	free(got);
}

/* -------------------------------------------------------------------- world */

static void start_worker(struct world *w)
{
	struct proto_msg begin = {.type = PROTO_BEGIN,
				  .u.hello.domid = w->domid};
	char host[64];
	int pair[2], log;

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	snprintf(host, sizeof(host), "local:%s", dir);
	snprintf(w->log, sizeof(w->log), "%s/log", dir);
	w->worker = fork();
	if (w->worker == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		log = open(w->log, O_CREAT | O_WRONLY | O_TRUNC, 0600);
		if (log < 0 || dup2(log, 2) < 0)
			_exit(1);
		/* dup2() to itself would leave it to be closed */
		if (pair[1] == PROTO_FD ? fcntl(PROTO_FD, F_SETFD, 0) < 0
					: dup2(pair[1], PROTO_FD) < 0)
			_exit(1);
		execl(getenv("XENPV_WORKER"), "xenpv-worker", "--host", host,
		      (char *)NULL);
		_exit(1);
	}
	close(pair[1]);
	w->control = pair[0];
	assert_int_equal(receive(w).type, PROTO_HELLO);
	assert_int_equal(ask(w, &begin, -1).rc, 0);
}

static int open_world(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const char *why;
	char name[64];

	snprintf(name, sizeof(name), "%s/disk", dir);
	w->disk = open(name, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(w->disk >= 0);
	assert_int_equal(ftruncate(w->disk, DISK_SIZE), 0);
	assert_int_equal(front_local.open(&w->f, dir, "guest", &why), 0);
	w->domid = front_local.domid(w->f);
	start_worker(w);
	*state = w;
	return 0;
}

/* The worker ends when its socket does, and without a complaint. */
static int close_world(void **state)
{
	struct world *w = *state;
	int status = -1;

	close(w->control);
	assert_int_equal(waitpid(w->worker, &status, 0), w->worker);
	assert_int_equal(status, 0);
	front_local.close(w->f);
	close(w->disk);
	free(w);
	return 0;
}

static int start(void **state)
{
	char err[256];

	(void)state;
	signal(SIGPIPE, SIG_IGN); /* see host_ops.notify */
	if (!mkdtemp(dir))
		return -1;
	return local_start(getenv("XENPV_LOCAL"), dir, err, sizeof(err));
}

/* End the local host, and leave nothing of it. */
static int stop(void **state)
{
	static const char *const left[] = {"lock", "disk", "log"};
	const struct timespec nap = {.tv_nsec = 2000000};
	char path[64], text[16] = "";
	int fd, i;

	(void)state;
	snprintf(path, sizeof(path), "%s/lock", dir);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, left[i]);
		unlink(path);
	}
	assert_int_equal(kill(atoi(text), SIGTERM), 0);
	for (i = 0; i < PATIENCE / 2 && rmdir(dir) < 0; i++)
		nanosleep(&nap, NULL);
	return i == PATIENCE / 2;
}

#endif
