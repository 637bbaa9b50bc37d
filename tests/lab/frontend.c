/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/lab/frontend.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <xen/xen.h>

#include <xen/sys/evtchn.h>
#include <xen/sys/gntalloc.h>

#define PATH_LEN 192

void front_die(const char *fmt, ...)
{
	va_list ap;

	printf("Bail out! ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	exit(1);
}

int64_t front_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_ms(int64_t ms)
{
	struct timespec t = {.tv_sec = ms / 1000,
			     .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

/* ---- xenstore ---- */

/* Send a message of LEN bytes; the reply, which is no error, or false. */
static bool ask(struct front *f, const void *msg, int len, struct xs_msg *reply)
{
	uint8_t bytes[XS_MSG_MAX];
	size_t used, at;
	ssize_t n;

	if (len < 0 || write(f->xs, msg, (size_t)len) != len)
		front_die("/dev/xen/xenbus takes no request: %s",
			  strerror(errno));
	for (;;) {
		n = read(f->xs, bytes, sizeof(bytes));
		if (n <= 0)
			front_die("/dev/xen/xenbus: %s", strerror(errno));
		for (at = 0; at < (size_t)n; at += used)
			if (xs_reader_feed(&f->reader, bytes + at,
					   (size_t)n - at, &used, reply) == 1)
				return reply->type != WIRE_XS_ERROR;
	}
}

static bool read_node(struct front *f, const char *path, char *out, size_t size)
{
	uint8_t buf[XS_MSG_MAX];
	struct xs_out o = {.buf = buf, .room = sizeof(buf), .req_id = 1};
	struct xs_msg reply;

	if (!ask(f, buf, xs_enc_path(&o, WIRE_XS_READ, path), &reply))
		return false;
	snprintf(out, size, "%.*s", (int)reply.len, reply.payload);
	return true;
}

/* Write a node of ours. */
static void put_node(struct front *f, const char *leaf, const char *value)
{
	uint8_t buf[XS_MSG_MAX];
	struct xs_out o = {.buf = buf, .room = sizeof(buf), .req_id = 2};
	struct xs_msg reply;
	char path[PATH_LEN];

	snprintf(path, sizeof(path), "device/vscsi/%" PRIu32 "/%s", f->unit,
		 leaf);
	if (!ask(f, buf, xs_enc_write(&o, path, value, strlen(value)), &reply))
		front_die("%s cannot be written: %s", path, reply.payload);
}

static void put_u32(struct front *f, const char *leaf, uint32_t value)
{
	char text[XS_NUM_MAX];

	xs_format_u64(text, value);
	put_node(f, leaf, text);
}

static void remove_node(struct front *f, const char *leaf)
{
	uint8_t buf[XS_MSG_MAX];
	struct xs_out o = {.buf = buf, .room = sizeof(buf), .req_id = 3};
	struct xs_msg reply;
	char path[PATH_LEN];

	snprintf(path, sizeof(path), "device/vscsi/%" PRIu32 "/%s", f->unit,
		 leaf);
	(void)ask(f, buf, xs_enc_path(&o, WIRE_XS_RM, path), &reply);
}

uint32_t front_back_u32(struct front *f, const char *leaf)
{
	char path[PATH_LEN], text[32];
	uint32_t value;

	snprintf(path, sizeof(path), "%s/%s", f->back, leaf);
	if (!read_node(f, path, text, sizeof(text)) ||
	    xs_parse_u32(text, strlen(text), &value) < 0)
		return 0;
	return value;
}

uint32_t front_wait(struct front *f, uint32_t a, uint32_t b)
{
	int64_t end = front_now_ms() + FRONT_PATIENCE_MS;
	uint32_t state;

	for (;;) {
		state = front_back_u32(f, WIRE_BUS_STATE);
		if (state == a || state == b || front_now_ms() >= end)
			return state;
		pause_ms(10);
	}
}

void front_open(struct front *f, uint32_t unit)
{
	char path[PATH_LEN], id[32];

	memset(f, 0, sizeof(*f));
	f->unit = unit;
	f->xs = open("/dev/xen/xenbus", O_RDWR | O_CLOEXEC);
	f->gnt = open("/dev/xen/gntalloc", O_RDWR | O_CLOEXEC);
	f->evt = open("/dev/xen/evtchn", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (f->xs < 0 || f->gnt < 0 || f->evt < 0)
		front_die("a device in /dev/xen does not open: %s",
			  strerror(errno));
	xs_reader_init(&f->reader);
	snprintf(path, sizeof(path), "device/vscsi/%" PRIu32 "/backend", unit);
	if (!read_node(f, path, f->back, sizeof(f->back)))
		front_die("there is no %s", path);
	snprintf(path, sizeof(path), "device/vscsi/%" PRIu32 "/backend-id",
		 unit);
	if (!read_node(f, path, id, sizeof(id)) ||
	    xs_parse_u32(id, strlen(id), &f->back_id) < 0)
		front_die("there is no %s", path);
}

/* ---- granted pages ---- */

void front_grant(struct front *f, struct front_pages *p, uint32_t n,
		 bool writable)
{
	struct ioctl_gntalloc_alloc_gref *a;
	size_t size = (size_t)n * WIRE_PAGE_SIZE;

	if (n > XPV_ARRAY_SIZE(p->gref))
		front_die("%" PRIu32 " pages at once", n);
	a = calloc(1, sizeof(*a) + sizeof(p->gref));
	if (!a)
		front_die("out of memory");
	a->domid = (uint16_t)f->back_id;
	a->flags = writable ? GNTALLOC_FLAG_WRITABLE : 0;
	a->count = n;
	if (ioctl(f->gnt, IOCTL_GNTALLOC_ALLOC_GREF, a) < 0)
		front_die("gntalloc: %s", strerror(errno));
	p->at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, f->gnt,
		     (off_t)a->index);
	if (p->at == MAP_FAILED)
		front_die("gntalloc, mmap: %s", strerror(errno));
	p->n = n;
	p->index = a->index;
	memcpy(p->gref, (const uint8_t *)a + offsetof(typeof(*a), gref_ids),
	       n * sizeof(p->gref[0]));
	free(a);
	memset(p->at, 0, size);
}

static void ungrant(struct front *f, void *at, uint32_t n, uint64_t index)
{
	struct ioctl_gntalloc_dealloc_gref d = {.index = index, .count = n};

	if (ioctl(f->gnt, IOCTL_GNTALLOC_DEALLOC_GREF, &d) < 0)
		front_die("gntalloc, end: %s", strerror(errno));
	munmap(at, (size_t)n * WIRE_PAGE_SIZE);
}

void front_ungrant(struct front *f, struct front_pages *p)
{
	ungrant(f, p->at, p->n, p->index);
	p->at = NULL;
}

/* ---- the handshake ---- */

static void drop_ring(struct front *f)
{
	struct ioctl_evtchn_unbind u = {.port = f->port};

	if (!f->ring)
		return;
	ioctl(f->evt, IOCTL_EVTCHN_UNBIND, &u);
	ungrant(f, f->ring, 1, f->ring_index);
	f->ring = NULL;
}

static void new_ring(struct front *f)
{
	struct ioctl_evtchn_bind_unbound_port bind = {.remote_domain =
							      f->back_id};
	struct front_pages p;
	int port;

	drop_ring(f);
	front_grant(f, &p, 1, true);
	f->ring = (struct wire_ring *)(void *)p.at;
	f->ring_gref = p.gref[0];
	f->ring_index = p.index;
	f->ring->req_event = 1;
	f->ring->rsp_event = 1;
	f->req_prod = 0;
	f->rsp_cons = 0;
	port = ioctl(f->evt, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &bind);
	if (port < 0)
		front_die("evtchn: %s", strerror(errno));
	f->port = (uint32_t)port;
}

/* Take every LUN that the backend offers. */
static void take_luns(struct front *f)
{
	int64_t end = front_now_ms() + FRONT_PATIENCE_MS;
	char leaf[64];
	uint32_t n, state;

	for (n = 0;; n++) {
		snprintf(leaf, sizeof(leaf), "vscsi-devs/dev-%" PRIu32 "/state",
			 n);
		for (;;) {
			state = front_back_u32(f, leaf);
			if (state == 0)
				return;
			if (state == WIRE_BUS_INITIALISED ||
			    state == WIRE_BUS_CONNECTED)
				break;
			if (front_now_ms() >= end)
				front_die("%s is %" PRIu32, leaf, state);
			pause_ms(10);
		}
		put_u32(f, leaf, WIRE_BUS_CONNECTED);
	}
}

uint32_t front_connect(struct front *f, const char *ring_ref, const char *port)
{
	uint32_t state = front_wait(f, WIRE_BUS_INIT_WAIT, WIRE_BUS_CONNECTED);
	char text[XS_NUM_MAX];

	if (state != WIRE_BUS_INIT_WAIT)
		return state;
	new_ring(f);
	xs_format_u64(text, f->ring_gref);
	put_node(f, WIRE_BUS_RING_REF, ring_ref ? ring_ref : text);
	xs_format_u64(text, f->port);
	put_node(f, WIRE_BUS_EVENT_CHANNEL, port ? port : text);
	put_u32(f, WIRE_BUS_STATE, WIRE_BUS_INITIALISED);
	if (ring_ref || port)
		return front_wait(f, WIRE_BUS_CLOSING, WIRE_BUS_CLOSED);
	state = front_wait(f, WIRE_BUS_CONNECTED, WIRE_BUS_CLOSING);
	if (state == WIRE_BUS_CONNECTED) {
		take_luns(f);
		put_u32(f, WIRE_BUS_STATE, WIRE_BUS_CONNECTED);
	}
	return state;
}

bool front_again(struct front *f)
{
	put_u32(f, WIRE_BUS_STATE, WIRE_BUS_CLOSED);
	if (front_wait(f, WIRE_BUS_CLOSED, WIRE_BUS_CLOSED) != WIRE_BUS_CLOSED)
		return false;
	remove_node(f, "vscsi-devs");
	put_u32(f, WIRE_BUS_STATE, WIRE_BUS_INITIALISING);
	return front_wait(f, WIRE_BUS_INIT_WAIT, WIRE_BUS_INIT_WAIT) ==
	       WIRE_BUS_INIT_WAIT;
}

/* ---- the ring ---- */

static uint8_t *slot(const struct front *f, uint32_t index)
{
	return (uint8_t *)f->ring + WIRE_RING_SLOTS_OFFS +
	       (index % WIRE_SCSI_RING_SIZE) * sizeof(struct wire_scsi_req);
}

uint32_t front_room(const struct front *f)
{
	return WIRE_SCSI_RING_SIZE - (f->req_prod - f->rsp_cons);
}

void front_put(struct front *f, const struct wire_scsi_req *req)
{
	if (front_room(f) == 0)
		front_die("more requests than slots: the test is wrong");
	memcpy(slot(f, f->req_prod), req, sizeof(*req));
	f->req_prod++;
}

void front_notify(struct front *f)
{
	struct ioctl_evtchn_notify n = {.port = f->port};

	if (ioctl(f->evt, IOCTL_EVTCHN_NOTIFY, &n) < 0)
		front_die("evtchn, notify: %s", strerror(errno));
}

void front_push(struct front *f)
{
	xpv_store32(&f->ring->req_prod, f->req_prod);
	front_notify(f);
}

/* Sleep until the backend sends an event, or for MS. */
static void sleep_ms(struct front *f, int ms)
{
	struct pollfd p = {.fd = f->evt, .events = POLLIN};
	uint32_t port;

	if (poll(&p, 1, ms) > 0)
		while (read(f->evt, &port, sizeof(port)) == sizeof(port))
			if (write(f->evt, &port, sizeof(port)) < 0)
				front_die("evtchn: %s", strerror(errno));
}

bool front_get(struct front *f, struct wire_scsi_rsp *rsp, int64_t ms)
{
	int64_t end = front_now_ms() + ms, left;

	while (xpv_load32(&f->ring->rsp_prod) == f->rsp_cons) {
		xpv_store32(&f->ring->rsp_event, f->rsp_cons + 1);
		xpv_mb();
		if (xpv_load32(&f->ring->rsp_prod) != f->rsp_cons)
			break;
		left = end - front_now_ms();
		if (left <= 0)
			return false;
		sleep_ms(f, (int)left);
	}
	memcpy(rsp, slot(f, f->rsp_cons), sizeof(*rsp));
	f->rsp_cons++;
	return true;
}
