/* SPDX-License-Identifier: BSD-2-Clause */
#include "conform/raw_front.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/xs.h"

#define PATH_LEN 320

/* Something that is no part of the test does not work. */
static void __attribute__((format(printf, 2, 3)))
broken(struct raw_front *f, const char *fmt, ...)
{
	va_list ap;

	if (*f->broken)
		return;
	va_start(ap, fmt);
	vsnprintf(f->broken, sizeof(f->broken), fmt, ap);
	va_end(ap);
}

/* Of MS, what the case that runs still has. */
static int64_t left(const struct raw_front *f, int64_t ms)
{
	if (*f->broken)
		return 0;
	return f->c ? conform_left(f->c, ms) : ms;
}

/* Of a backend that need not come back, as kernels' do not, each wait is the whole
 * of it; one that must gets the time that it needs, on a busy host. */
#define AGAIN_MS  10000
#define STRICT_MS 60000

static int64_t patience(const struct raw_front *f, int64_t ms)
{
	return f->c && f->c->opt->strict ? STRICT_MS : ms;
}

/* ---- xenstore ---- */

static void own_path(const struct raw_front *f, const char *leaf,
		     char out[PATH_LEN])
{
	snprintf(out, PATH_LEN, "device/%s/%" PRIu32 "/%s", f->type, f->unit,
		 leaf);
}

static bool read_node(struct raw_front *f, const char *path, char *out,
		      size_t size)
{
	char *value = NULL;
	int rc;

	*out = '\0';
	rc = *f->broken ? -EIO : store_sync_read(f->st, 0, path, &value, NULL);
	if (rc == 0)
		snprintf(out, size, "%s", value);
	else if (rc != -ENOENT && rc != -EACCES)
		broken(f, "xenstore, %s: %s", path, strerror(-rc));
	free(value);
	return rc == 0;
}

static uint32_t read_u32(struct raw_front *f, const char *path)
{
	char text[32];
	uint32_t value;

	if (!read_node(f, path, text, sizeof(text)) ||
	    xs_parse_u32(text, strlen(text), &value) < 0)
		return 0;
	return value;
}

uint32_t raw_own_u32(struct raw_front *f, const char *leaf)
{
	char path[PATH_LEN];

	own_path(f, leaf, path);
	return read_u32(f, path);
}

bool raw_back_text(struct raw_front *f, const char *leaf, char *out, size_t len)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), "%s/%s", f->back, leaf);
	return read_node(f, path, out, len);
}

uint32_t raw_back_u32(struct raw_front *f, const char *leaf)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), "%s/%s", f->back, leaf);
	return read_u32(f, path);
}

void raw_put_node(struct raw_front *f, const char *leaf, const char *value)
{
	char path[PATH_LEN];
	int rc;

	if (*f->broken)
		return;
	own_path(f, leaf, path);
	rc = store_sync_write(f->st, 0, path, value);
	if (rc)
		broken(f, "xenstore, %s cannot be written: %s", path,
		       strerror(-rc));
}

void raw_put_u32(struct raw_front *f, const char *leaf, uint32_t value)
{
	char text[XS_NUM_MAX];

	xs_format_u64(text, value);
	raw_put_node(f, leaf, text);
}

void raw_remove(struct raw_front *f, const char *leaf)
{
	char path[PATH_LEN];

	own_path(f, leaf, path);
	if (!*f->broken && store_sync_rm(f->st, 0, path))
		broken(f, "xenstore, %s cannot be removed", path);
}

uint32_t raw_wait_leaf(struct raw_front *f, const char *leaf, uint32_t a,
		       uint32_t b, int64_t ms)
{
	int64_t end = conform_now() + left(f, ms);
	uint32_t state;

	for (;;) {
		state = raw_back_u32(f, leaf);
		if (state == a || state == b || conform_now() >= end)
			return state;
		conform_sleep(10);
	}
}

uint32_t raw_wait(struct raw_front *f, uint32_t a, uint32_t b)
{
	return raw_wait_leaf(f, WIRE_BUS_STATE, a, b, RAW_PATIENCE_MS);
}

/* Wait for what the toolstack writes last and at once. */
static bool find_backend(struct raw_front *f, uint32_t seconds)
{
	int64_t end = conform_now() + 1000 * (int64_t)seconds;
	char path[PATH_LEN];

	for (;;) {
		own_path(f, WIRE_BUS_BACKEND, path);
		if (read_node(f, path, f->back, sizeof(f->back))) {
			f->back_id = raw_own_u32(f, WIRE_BUS_BACKEND_ID);
			return true;
		}
		if (*f->broken || conform_now() >= end)
			return false;
		conform_sleep(50);
	}
}

int raw_open(struct raw_front *f, const struct front_ops *ops,
	     const char *where, const char *name, const char *type,
	     uint32_t unit, uint32_t seconds, char *why, size_t len)
{
	const char *what = "";
	int rc, fd;

	memset(f, 0, sizeof(*f));
	f->ops = ops;
	f->type = type;
	f->unit = unit;
	rc = ops->open(&f->f, where, name, &what);
	if (rc) {
		snprintf(why, len, "%s: %s", what, strerror(-rc));
		return rc;
	}
	fd = ops->store(f->f);
	rc = fd < 0 ? fd : store_open_fd(&f->st, fd, NULL, NULL);
	if (rc) {
		snprintf(why, len, "xenstore cannot be reached: %s",
			 strerror(-rc));
		goto fail;
	}
	if (find_backend(f, seconds))
		return 0;
	rc = -ENOENT;
	if (*f->broken)
		snprintf(why, len, "%s", f->broken);
	else
		snprintf(why, len,
			 "domain %" PRIu32 " has no %s %" PRIu32
			 ": attach one, with --no-wait",
			 ops->domid(f->f),
			 strcmp(type, "vscsi") ? "disk" : "controller", unit);
fail:
	raw_close(f);
	return rc;
}

void raw_close(struct raw_front *f)
{
	store_close(f->st);
	f->st = NULL;
	if (f->f)
		f->ops->close(f->f);
	f->f = NULL;
}

/* ---- granted pages ---- */

/* Pages, of this host or left by a raw_ungrant(). */
static int get_pages(struct raw_front *f, struct raw_pages *p, uint32_t n,
		     bool writable)
{
	if (!writable && f->ops->alloc_readonly)
		return f->ops->alloc_readonly(f->f, f->back_id, n, &p->at,
					      &p->frame);
	if (n == 1 && f->spare) {
		p->at = f->spare;
		p->frame = f->spare_frame;
		f->spare = NULL;
		memset(p->at, 0, WIRE_PAGE_SIZE);
		return 0;
	}
	return f->ops->alloc(f->f, f->back_id, n, &p->at, &p->frame);
}

bool raw_grant(struct raw_front *f, struct raw_pages *p, uint32_t n,
	       bool writable)
{
	uint32_t i;
	int rc;

	memset(p, 0, sizeof(*p));
	if (*f->broken)
		return false;
	if (n > RAW_PAGES_MAX) {
		broken(f, "%" PRIu32 " pages at once: the case is wrong", n);
		return false;
	}
	rc = get_pages(f, p, n, writable);
	if (rc) {
		p->at = NULL;
		broken(f, "%" PRIu32 " pages cannot be had: %s", n,
		       strerror(-rc));
		return false;
	}
	p->n = n;
	for (i = 0; i < n; i++) {
		rc = f->ops->grant(f->f, p->frame + i, !writable, &p->gref[i]);
		if (!rc)
			continue;
		broken(f, "a page cannot be granted: error %d", rc);
		return false;
	}
	return true;
}

void raw_ungrant(struct raw_front *f, struct raw_pages *p)
{
	uint32_t i;

	if (p->at && f->ops->release) {
		f->ops->release(f->f, p->frame);
	} else if (p->at) {
		/* what the backend keeps mapped is not used again */
		for (i = 0; i < p->n; i++)
			if (!f->ops->revoke(f->f, p->gref[i]))
				p->n = 0;
		if (p->n == 1) {
			f->spare = p->at;
			f->spare_frame = p->frame;
		}
	}
	p->at = NULL;
}

/* ---- the handshake ---- */

static void drop_ring(struct raw_front *f)
{
	if (f->ported)
		f->ops->channel_close(f->f, f->port);
	f->ported = false;
	if (f->ring && f->ops->release) {
		f->ops->release(f->f, f->ring_frame);
		f->ring = NULL;
	}
}

static void new_ring(struct raw_front *f)
{
	struct raw_pages p;
	int rc;

	drop_ring(f);
	if (!f->ring && raw_grant(f, &p, 1, true)) {
		f->ring = (struct wire_ring *)(void *)p.at;
		f->ring_frame = p.frame;
		f->ring_gref = p.gref[0];
	}
	if (!f->ring)
		return;
	memset(f->ring, 0, WIRE_PAGE_SIZE);
	f->ring->req_event = 1;
	f->ring->rsp_event = 1;
	f->req_prod = 0;
	f->rsp_cons = 0;
	rc = f->ops->channel(f->f, f->back_id, &f->port);
	f->ported = rc == 0;
	if (rc)
		broken(f, "no event channel: %s", strerror(-rc));
}

/* Take every LUN that the backend offers. */
static void take_luns(struct raw_front *f)
{
	char leaf[64];
	uint32_t n, state;

	for (n = 0;; n++) {
		snprintf(leaf, sizeof(leaf), "vscsi-devs/dev-%" PRIu32 "/state",
			 n);
		if (raw_back_u32(f, leaf) == 0)
			return;
		state = raw_wait_leaf(f, leaf, WIRE_BUS_INITIALISED,
				      WIRE_BUS_CONNECTED, 15000);
		if (state == WIRE_BUS_INITIALISED ||
		    state == WIRE_BUS_CONNECTED)
			raw_put_u32(f, leaf, WIRE_BUS_CONNECTED);
	}
}

uint32_t raw_connect_now(struct raw_front *f, const char *ring_ref,
			 const char *port)
{
	char text[XS_NUM_MAX];
	uint32_t state;

	new_ring(f);
	if (*f->broken)
		return WIRE_BUS_UNKNOWN;
	xs_format_u64(text, f->ring_gref);
	raw_put_node(f, WIRE_BUS_RING_REF, ring_ref ? ring_ref : text);
	xs_format_u64(text, f->port);
	raw_put_node(f, WIRE_BUS_EVENT_CHANNEL, port ? port : text);
	raw_put_u32(f, WIRE_BUS_STATE, WIRE_BUS_INITIALISED);
	if (ring_ref || port)
		return raw_wait(f, WIRE_BUS_CLOSING, WIRE_BUS_CLOSED);
	state = raw_wait_leaf(f, WIRE_BUS_STATE, WIRE_BUS_CONNECTED,
			      WIRE_BUS_CLOSING, patience(f, RAW_PATIENCE_MS));
	if (state == WIRE_BUS_CONNECTED) {
		take_luns(f);
		raw_put_u32(f, WIRE_BUS_STATE, WIRE_BUS_CONNECTED);
	}
	return state;
}

uint32_t raw_connect(struct raw_front *f, const char *ring_ref,
		     const char *port)
{
	uint32_t state = raw_wait(f, WIRE_BUS_INIT_WAIT, WIRE_BUS_CONNECTED);

	if (state != WIRE_BUS_INIT_WAIT)
		return state;
	return raw_connect_now(f, ring_ref, port);
}

uint32_t raw_again(struct raw_front *f, bool politely)
{
	uint32_t state;

	if (politely) {
		raw_put_u32(f, WIRE_BUS_STATE, WIRE_BUS_CLOSING);
		raw_wait_leaf(f, WIRE_BUS_STATE, WIRE_BUS_CLOSING,
			      WIRE_BUS_CLOSED, patience(f, AGAIN_MS));
	}
	raw_put_u32(f, WIRE_BUS_STATE, WIRE_BUS_CLOSED);
	state = raw_wait_leaf(f, WIRE_BUS_STATE, WIRE_BUS_CLOSED,
			      WIRE_BUS_CLOSED, patience(f, AGAIN_MS));
	if (state != WIRE_BUS_CLOSED)
		return state;
	raw_remove(f, WIRE_BUS_SCSI_DEVS);
	raw_put_u32(f, WIRE_BUS_STATE, WIRE_BUS_INITIALISING);
	return raw_wait_leaf(f, WIRE_BUS_STATE, WIRE_BUS_INIT_WAIT,
			     WIRE_BUS_INIT_WAIT, patience(f, AGAIN_MS));
}

/* ---- the ring ---- */

static uint8_t *slot(const struct raw_front *f, uint32_t index)
{
	return (uint8_t *)f->ring + WIRE_RING_SLOTS_OFFS +
	       (index % WIRE_SCSI_RING_SIZE) * sizeof(struct wire_scsi_req);
}

uint32_t raw_room(const struct raw_front *f)
{
	return WIRE_SCSI_RING_SIZE - (f->req_prod - f->rsp_cons);
}

void raw_put(struct raw_front *f, const struct wire_scsi_req *req)
{
	if (!f->ring || raw_room(f) == 0) {
		broken(f, "more requests than slots: the case is wrong");
		return;
	}
	memcpy(slot(f, f->req_prod), req, sizeof(*req));
	f->req_prod++;
}

void raw_notify(struct raw_front *f)
{
	if (f->ported)
		f->ops->notify(f->f, f->port);
}

void raw_publish(struct raw_front *f)
{
	if (f->ring)
		xpv_store32(&f->ring->req_prod, f->req_prod);
}

void raw_push(struct raw_front *f)
{
	raw_publish(f);
	raw_notify(f);
}

bool raw_push_held(struct raw_front *f)
{
	uint32_t old;

	if (!f->ring)
		return false;
	old = xpv_load32(&f->ring->req_prod);
	raw_publish(f);
	xpv_mb();
	if (f->req_prod - xpv_load32(&f->ring->req_event) >= f->req_prod - old)
		return false;
	raw_notify(f);
	return true;
}

bool raw_event(struct raw_front *f, int64_t ms)
{
	struct pollfd p = {.fd = f->ops->event_fd(f->f), .events = POLLIN};
	int64_t end = conform_now() + left(f, ms), more;
	uint32_t port;

	for (;;) {
		while (f->ops->event(f->f, &port))
			if (port == f->port)
				return true;
		more = end - conform_now();
		if (more <= 0)
			return false;
		poll(&p, 1, (int)more);
	}
}

void raw_drain(struct raw_front *f)
{
	uint32_t port;

	while (f->ops->event(f->f, &port))
		;
}

uint32_t raw_answers(const struct raw_front *f)
{
	return f->ring ? xpv_load32(&f->ring->rsp_prod) - f->rsp_cons : 0;
}

bool raw_get(struct raw_front *f, struct wire_scsi_rsp *rsp, int64_t ms)
{
	int64_t end = conform_now() + left(f, ms), more;

	if (!f->ring)
		return false;
	while (raw_answers(f) == 0) {
		xpv_store32(&f->ring->rsp_event, f->rsp_cons + 1);
		xpv_mb();
		if (raw_answers(f))
			break;
		more = end - conform_now();
		if (more <= 0)
			return false;
		raw_event(f, more);
	}
	memcpy(rsp, slot(f, f->rsp_cons), sizeof(*rsp));
	f->rsp_cons++;
	return true;
}
