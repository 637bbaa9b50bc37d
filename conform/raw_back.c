/* SPDX-License-Identifier: BSD-2-Clause */
#include "conform/raw_back.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conform/target.h"
#include "core/xs.h"

#define PATH_LEN 256

/* Something that is no part of the test does not work. */
static void __attribute__((format(printf, 2, 3)))
broken(struct raw_back *k, const char *fmt, ...)
{
	va_list ap;

	if (*k->broken)
		return;
	va_start(ap, fmt);
	vsnprintf(k->broken, sizeof(k->broken), fmt, ap);
	va_end(ap);
}

/* ---- xenstore ---- */

static bool read_text(struct raw_back *k, const char *path, char *out,
		      size_t size)
{
	char *value = NULL;
	int rc = store_sync_read(k->st, 0, path, &value, NULL);

	*out = '\0';
	if (rc == 0)
		snprintf(out, size, "%s", value);
	free(value);
	return rc == 0;
}

bool raw_front_text(struct raw_back *k, const char *leaf, char *out, size_t len)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), "%s/%s", k->front, leaf);
	return read_text(k, path, out, len);
}

uint32_t raw_front_u32(struct raw_back *k, const char *leaf)
{
	char text[32];
	uint32_t value;

	if (!raw_front_text(k, leaf, text, sizeof(text)) ||
	    xs_parse_u32(text, strlen(text), &value) < 0)
		return 0;
	return value;
}

uint32_t raw_front_dev(struct raw_back *k, uint32_t n)
{
	char leaf[64];

	snprintf(leaf, sizeof(leaf), "vscsi-devs/dev-%" PRIu32 "/state", n);
	return raw_front_u32(k, leaf);
}

void raw_back_put(struct raw_back *k, const char *leaf, const char *value)
{
	char path[PATH_LEN];
	int rc;

	snprintf(path, sizeof(path), "%s/%s", k->back, leaf);
	rc = store_sync_write(k->st, 0, path, value);
	if (rc)
		broken(k, "xenstore, %s cannot be written: %s", path,
		       strerror(-rc));
}

void raw_back_put_u32(struct raw_back *k, const char *leaf, uint32_t value)
{
	char text[XS_NUM_MAX];

	xs_format_u64(text, value);
	raw_back_put(k, leaf, text);
}

void raw_dev_state(struct raw_back *k, uint32_t n, uint32_t state)
{
	char leaf[64];

	snprintf(leaf, sizeof(leaf), "vscsi-devs/dev-%" PRIu32 "/state", n);
	raw_back_put_u32(k, leaf, state);
}

void raw_add_dev(struct raw_back *k, uint32_t n, const char *vdev,
		 uint32_t state)
{
	char leaf[64];

	snprintf(leaf, sizeof(leaf), "vscsi-devs/dev-%" PRIu32 "/p-dev", n);
	raw_back_put(k, leaf, "0:0:0:0");
	snprintf(leaf, sizeof(leaf), "vscsi-devs/dev-%" PRIu32 "/p-devname", n);
	raw_back_put(k, leaf, "conform");
	snprintf(leaf, sizeof(leaf), "vscsi-devs/dev-%" PRIu32 "/v-dev", n);
	raw_back_put(k, leaf, vdev);
	raw_dev_state(k, n, state);
}

bool raw_domain(struct raw_back *k)
{
	char path[PATH_LEN], text[64];

	snprintf(path, sizeof(path), "/local/domain/%" PRIu32 "/domid",
		 k->domid);
	return read_text(k, path, text, sizeof(text));
}

/* One transaction, so that no driver sees half of it. */
static bool write_nodes(struct raw_back *k)
{
	char path[7][PATH_LEN], domid[XS_NUM_MAX], own[XS_NUM_MAX];
	struct store_op op[] = {
		{.kind = STORE_OP_MKDIR, .path = k->back},
		{.kind = STORE_OP_PERMS,
		 .path = k->back,
		 .owner = k->own,
		 .reader = k->domid},
		{.path = path[0], .value = k->front},
		{.path = path[1], .value = domid},
		{.path = path[2], .value = "1"},
		{.path = path[3], .value = "1"},
		{.kind = STORE_OP_MKDIR, .path = k->front},
		{.kind = STORE_OP_PERMS,
		 .path = k->front,
		 .owner = k->domid,
		 .reader = k->own},
		{.path = path[4], .value = k->back},
		{.path = path[5], .value = own},
		{.path = path[6], .value = "1"},
	};
	int rc;

	snprintf(path[0], PATH_LEN, "%s/frontend", k->back);
	snprintf(path[1], PATH_LEN, "%s/frontend-id", k->back);
	snprintf(path[2], PATH_LEN, "%s/online", k->back);
	snprintf(path[3], PATH_LEN, "%s/state", k->back);
	snprintf(path[4], PATH_LEN, "%s/backend", k->front);
	snprintf(path[5], PATH_LEN, "%s/backend-id", k->front);
	snprintf(path[6], PATH_LEN, "%s/state", k->front);
	xs_format_u64(domid, k->domid);
	xs_format_u64(own, k->own);
	rc = store_sync_txn(k->st, op, XPV_ARRAY_SIZE(op), NULL);
	if (rc)
		broken(k, "xenstore, %s cannot be written: %s", k->back,
		       strerror(-rc));
	return rc == 0;
}

bool raw_make(struct raw_back *k, uint32_t luns)
{
	char vdev[32];
	uint32_t n;

	k->unit++;
	snprintf(k->back, sizeof(k->back),
		 "/local/domain/%" PRIu32 "/backend/" RAW_BACK_TYPE "/%" PRIu32
		 "/%" PRIu32,
		 k->own, k->domid, k->unit);
	snprintf(k->front, sizeof(k->front),
		 "/local/domain/%" PRIu32 "/device/vscsi/%" PRIu32, k->domid,
		 k->unit);
	snprintf(vdev, sizeof(vdev), "%" PRIu32, k->unit);
	setenv("CONFORM_UNIT", vdev, 1);
	k->script = NULL;
	k->each = NULL;
	k->step = 0;
	k->luns = luns;
	k->patience = RAW_BACK_WAIT_MS;
	k->requests = k->cdbs = k->reads = k->aborts = k->resets = 0;
	k->listed = 0;
	memset(k->req, 0, sizeof(k->req));
	k->made = true;
	/* LUNs first: a driver that comes early finds them */
	if (store_sync_mkdir(k->st, 0, k->back))
		broken(k, "xenstore, %s cannot be written", k->back);
	if (store_sync_set_perms(k->st, 0, k->back, k->own, k->domid))
		broken(k, "xenstore, %s has no permissions", k->back);
	for (n = 0; n < luns; n++) {
		snprintf(vdev, sizeof(vdev), "%" PRIu32 ":0:0:%" PRIu32,
			 k->unit, n);
		raw_add_dev(k, n, vdev, WIRE_BUS_INITIALISING);
	}
	if (k->sg_grant)
		raw_back_put_u32(k, WIRE_BUS_SCSI_SG_GRANT, k->sg_grant);
	return !*k->broken && write_nodes(k);
}

/* ---- waiting ---- */

static void ticked(struct uring_op *op, int32_t res, uint32_t flags)
{
	struct raw_back *k =
		(struct raw_back *)((char *)op -
				    offsetof(struct raw_back, tick));

	(void)res, (void)flags;
	k->ticking = false;
}

static void woken(void *ctx)
{
	(void)ctx; /* the ring is looked at after each wait */
}

/* Until an event comes, at most 10 ms. */
static void wait_a_little(struct raw_back *k)
{
	static struct __kernel_timespec t = {.tv_nsec = 10000000};
	struct io_uring_sqe *sqe;

	if (!k->link) {
		conform_sleep(10);
		return;
	}
	if (!k->ticking) {
		sqe = uring_sqe(&k->u);
		io_uring_prep_timeout(sqe, &t, 0, 0);
		uring_attach(sqe, &k->tick);
		k->ticking = true;
	}
	k->ops->rearm(k->link, &k->u);
	uring_submit(&k->u, true);
	uring_reap(&k->u);
}

int raw_back_open(struct raw_back *k, const struct host_ops *ops,
		  const char *place, const char *store, uint32_t domid,
		  uint32_t unit, char *why, size_t len)
{
	char text[32];
	uint32_t i;
	int rc;

	memset(k, 0, sizeof(*k));
	k->ops = ops;
	k->place = place;
	k->domid = domid;
	k->unit = unit - 1; /* of the next raw_make() */
	k->tick.done = ticked;
	rc = store_open(&k->st, store, NULL, NULL);
	if (rc) {
		snprintf(why, len, "xenstore cannot be reached: %s",
			 strerror(-rc));
		return rc;
	}
	if (!read_text(k, "domid", text, sizeof(text)) ||
	    xs_parse_u32(text, strlen(text), &k->own))
		k->own = 0;
	k->buffer = calloc(1, RAW_BUFFER);
	for (i = 0; i < RAW_LUNS; i++)
		k->disk[i] = calloc(1, RAW_DISK_BYTES);
	if (k->buffer && k->disk[0] && k->disk[1])
		return 0;
	snprintf(why, len, "out of memory");
	raw_back_close(k);
	return -ENOMEM;
}

static void detach(struct raw_back *k)
{
	if (!k->link)
		return;
	k->ops->close(k->link);
	uring_fini(&k->u);
	k->link = NULL;
	k->ticking = false;
}

void raw_back_close(struct raw_back *k)
{
	uint32_t i;

	detach(k);
	for (i = 0; i < RAW_LUNS; i++)
		free(k->disk[i]);
	free(k->buffer);
	store_close(k->st);
	memset(k, 0, sizeof(*k));
}

/* ---- requests ---- */

static uint8_t *slot(const struct raw_back *k, uint32_t index)
{
	return (uint8_t *)k->ring + WIRE_RING_SLOTS_OFFS +
	       (index % WIRE_SCSI_RING_SIZE) * sizeof(struct wire_scsi_req);
}

static void ill(struct raw_back *k, const struct wire_scsi_req *req,
		const char *what, uint32_t value)
{
	if (!k->ill++)
		snprintf(k->ill_why, sizeof(k->ill_why),
			 "%s %" PRIu32 " (rqid %u, act %u, CDB %02x)", what,
			 value, req->rqid, req->act, req->cmnd[0]);
}

static bool copy_pieces(struct raw_back *k, struct host_copy *piece, uint32_t n,
			bool to_guest)
{
	bool good = true;
	uint32_t i;

	k->ops->copy(k->link, piece, n, to_guest);
	for (i = 0; i < n; i++)
		good = good && piece[i].ok;
	return good;
}

bool raw_copy(struct raw_back *k, const struct raw_req *r, uint32_t len,
	      bool to_guest)
{
	static struct host_copy piece[HOST_COPY_MAX];
	uint32_t i, n = 0, at = 0;
	bool good = true;

	for (i = 0; i < r->segs && at < len; i++) {
		uint32_t here = r->seg[i].length;

		if (here > len - at)
			here = len - at;
		piece[n++] = (struct host_copy){
			.gref = r->seg[i].gref,
			.offset = r->seg[i].offset,
			.len = (uint16_t)here,
			.local = k->buffer + at,
		};
		at += here;
		if (n == HOST_COPY_MAX) {
			good = copy_pieces(k, piece, n, to_guest) && good;
			n = 0;
		}
	}
	if (n)
		good = copy_pieces(k, piece, n, to_guest) && good;
	if (!good)
		ill(k, &r->req, "a grant does not hold, of segments:", r->segs);
	return good;
}

/* Segments, direct or listed, into R; what is wrong with them is noted. */
static void take_segments(struct raw_back *k, struct raw_req *r)
{
	const struct wire_scsi_req *req = &r->req;
	uint32_t i, n = req->nr_segments & ~(uint32_t)WIRE_SCSI_SG_GRANT, here;
	bool list = req->nr_segments & WIRE_SCSI_SG_GRANT;

	r->segs = r->bytes = 0;
	if (n > WIRE_SCSI_SEGS) {
		ill(k, req, "nr_segments", req->nr_segments);
		return;
	}
	k->listed += list;
	if (list && !k->sg_grant)
		ill(k, req, "a list, which is not offered, of pages:", n);
	for (i = 0; i < n; i++) {
		struct wire_scsi_seg s = req->seg[i];
		struct host_copy copy = {s.gref, s.offset, s.length,
					 &r->seg[r->segs], false};

		if (s.offset + (uint32_t)s.length > WIRE_PAGE_SIZE) {
			ill(k, req, "a segment passes its page, by its end",
			    s.offset + (uint32_t)s.length);
			continue;
		}
		if (!list) {
			r->seg[r->segs++] = s;
			continue;
		}
		here = s.length / sizeof(s);
		if (s.length % sizeof(s) || here > RAW_SEGS_MAX - r->segs ||
		    r->segs + here > k->sg_grant) {
			ill(k, req, "a list's length in bytes is", s.length);
			continue;
		}
		if (!copy_pieces(k, &copy, 1, false))
			ill(k, req, "a list is not granted, gref", s.gref);
		else
			r->segs += here;
	}
	for (i = 0; i < r->segs; i++) {
		if (r->seg[i].offset + (uint32_t)r->seg[i].length >
			    WIRE_PAGE_SIZE ||
		    !r->seg[i].length)
			ill(k, req, "a segment has the length",
			    r->seg[i].length);
		r->bytes += r->seg[i].length;
	}
}

/* What vscsiif.h says of a request, looked at in each one. */
static void inspect(struct raw_back *k, const struct raw_req *r)
{
	const struct wire_scsi_req *req = &r->req;
	const uint8_t *byte = (const uint8_t *)req;
	uint32_t i, blocks, rests = 0;
	uint64_t block;

	k->all++;
	for (i = 0; i < WIRE_SCSI_RING_SIZE; i++)
		if (&k->req[i] != r && k->req[i].open &&
		    k->req[i].req.rqid == req->rqid)
			ill(k, req, "an rqid is used twice:", req->rqid);
	if (req->act < WIRE_SCSI_ACT_CDB || req->act > WIRE_SCSI_ACT_RESET)
		ill(k, req, "act is", req->act);
	if (req->act == WIRE_SCSI_ACT_CDB &&
	    (req->cmd_len == 0 || req->cmd_len > WIRE_SCSI_CDB))
		ill(k, req, "cmd_len is", req->cmd_len);
	if (req->act == WIRE_SCSI_ACT_CDB &&
	    (req->sc_data_direction < WIRE_SCSI_DIR_OUT ||
	     req->sc_data_direction > WIRE_SCSI_DIR_NONE))
		ill(k, req, "sc_data_direction is", req->sc_data_direction);
	if (req->act == WIRE_SCSI_ACT_CDB &&
	    req->sc_data_direction == WIRE_SCSI_DIR_NONE && r->bytes)
		ill(k, req, "no direction, and bytes:", r->bytes);
	if (req->act == WIRE_SCSI_ACT_CDB && target_range(req, &block, &blocks))
		if (r->bytes != (uint64_t)blocks * 512)
			ill(k, req,
			    "data is not as long as the CDB says:", r->bytes);
	for (i = offsetof(struct wire_scsi_req, reserved); i < sizeof(*req);
	     i++)
		rests += byte[i] != 0;
	for (i = req->cmd_len; i < WIRE_SCSI_CDB; i++)
		rests += req->cmnd[i] != 0;
	k->unclean += rests != 0;
}

static struct raw_req *free_place(struct raw_back *k)
{
	uint32_t i;

	for (i = 0; i < WIRE_SCSI_RING_SIZE; i++)
		if (!k->req[i].open)
			return &k->req[i];
	return NULL;
}

void raw_answer_with(struct raw_back *k, struct raw_req *r,
		     const struct wire_scsi_rsp *rsp)
{
	memcpy(slot(k, k->rsp_prod++), rsp, sizeof(*rsp));
	if (r)
		r->open = false;
}

void raw_answer(struct raw_back *k, struct raw_req *r, int32_t rslt)
{
	struct wire_scsi_rsp rsp = {.rqid = r->req.rqid, .rslt = rslt};

	if (r->req.act == WIRE_SCSI_ACT_CDB && rslt)
		rsp.residual_len = r->bytes;
	raw_answer_with(k, r, &rsp);
}

void raw_answer_as_disk(struct raw_back *k, struct raw_req *r)
{
	struct wire_scsi_rsp rsp = {.rqid = r->req.rqid};

	if (r->req.act == WIRE_SCSI_ACT_CDB)
		target_execute(k, r, &rsp);
	else
		rsp.rslt = WIRE_SCSI_RESET_SUCCESS;
	raw_answer_with(k, r, &rsp);
}

void raw_back_push(struct raw_back *k)
{
	struct wire_ring *ring = k->ring;

	xpv_store32(&ring->rsp_prod, k->rsp_prod);
	xpv_mb();
	k->ops->notify(k->link);
	k->rsp_seen = k->rsp_prod;
}

static void count(struct raw_back *k, const struct wire_scsi_req *req)
{
	k->requests++;
	k->cdbs += req->act == WIRE_SCSI_ACT_CDB;
	k->reads += target_is_read(req);
	k->aborts += req->act == WIRE_SCSI_ACT_ABORT;
	k->resets += req->act == WIRE_SCSI_ACT_RESET;
	if (req->act == WIRE_SCSI_ACT_ABORT)
		k->abort_ref = req->ref_rqid;
}

/* Take what is on the ring, and answer it or let the script do so. */
static void work(struct raw_back *k)
{
	struct wire_ring *ring = k->ring;
	struct raw_req *r;
	uint32_t prod;

	xpv_store32(&ring->req_event, k->req_cons + 1);
	xpv_mb();
	prod = xpv_load32(&ring->req_prod);
	/* by requests taken: answers may be lies of ours */
	if (prod - k->req_cons > WIRE_SCSI_RING_SIZE) {
		if (!k->ill++)
			snprintf(k->ill_why, sizeof(k->ill_why),
				 "req_prod claims %" PRIu32 " requests",
				 prod - k->req_cons);
		k->req_cons = prod;
	}
	while (k->req_cons != prod && (r = free_place(k))) {
		memcpy(&r->req, slot(k, k->req_cons), sizeof(r->req));
		k->req_cons++;
		count(k, &r->req);
		r->segs = r->bytes = 0;
		if (r->req.act == WIRE_SCSI_ACT_CDB)
			take_segments(k, r);
		inspect(k, r);
		r->open = true;
		if (!k->script || !k->script(k, r))
			raw_answer_as_disk(k, r);
	}
	if (k->each)
		k->each(k);
	if (k->rsp_prod != k->rsp_seen)
		raw_back_push(k);
}

/* ---- serving ---- */

void raw_serve(struct raw_back *k, int64_t ms, bool (*done)(struct raw_back *k))
{
	int64_t end = conform_now() + conform_left(k->c, ms);

	while (!*k->broken && conform_now() < end && !(done && done(k))) {
		if (k->link)
			work(k);
		wait_a_little(k);
	}
}

uint32_t raw_serve_until(struct raw_back *k, const char *leaf, uint32_t a,
			 uint32_t b, int64_t ms)
{
	int64_t end = conform_now() + conform_left(k->c, ms);
	uint32_t state;

	for (;;) {
		state = raw_front_u32(k, leaf);
		if (state == a || state == b || conform_now() >= end ||
		    *k->broken)
			return state;
		raw_serve(k, 20, NULL);
	}
}

bool raw_attach(struct raw_back *k)
{
	const struct host_ring ring = {
		.domid = k->domid,
		.port = raw_front_u32(k, WIRE_BUS_EVENT_CHANNEL),
		.pages = 1,
		.gref = {raw_front_u32(k, WIRE_BUS_RING_REF)},
	};
	const char *why = "";
	int rc;

	rc = uring_init(&k->u, 64);
	if (rc)
		return conform_fail(k->c, "no io_uring: %s", strerror(-rc));
	rc = k->ops->open(&k->link, k->place, &ring, &k->ring, &why);
	if (rc) {
		uring_fini(&k->u);
		k->link = NULL;
		return conform_fail(k->c,
				    "ring-ref %" PRIu32
				    ", event-channel %" PRIu32 ": %s",
				    ring.gref[0], ring.port, why);
	}
	k->req_cons = k->rsp_prod = k->rsp_seen = 0;
	k->ops->listen(k->link, &k->u, woken, k);
	return true;
}

bool raw_back_connect(struct raw_back *k)
{
	uint32_t state, n;

	raw_back_put_u32(k, WIRE_BUS_STATE, WIRE_BUS_INIT_WAIT);
	state = raw_serve_until(k, WIRE_BUS_STATE, WIRE_BUS_INITIALISED,
				WIRE_BUS_CONNECTED, k->patience);
	if (state != WIRE_BUS_INITIALISED)
		return conform_fail(k->c,
				    "the frontend's state is %" PRIu32
				    " instead of 3",
				    state);
	if (!raw_attach(k))
		return false;
	for (n = 0; n < k->luns; n++)
		raw_dev_state(k, n, WIRE_BUS_INITIALISED);
	raw_back_put_u32(k, WIRE_BUS_STATE, WIRE_BUS_CONNECTED);
	state = raw_serve_until(k, WIRE_BUS_STATE, WIRE_BUS_CONNECTED,
				WIRE_BUS_CLOSED, k->patience);
	if (state != WIRE_BUS_CONNECTED)
		return conform_fail(k->c,
				    "the frontend's state is %" PRIu32
				    " instead of 4",
				    state);
	for (n = 0; n < k->luns; n++)
		if (raw_front_dev(k, n) == WIRE_BUS_CONNECTED)
			raw_dev_state(k, n, WIRE_BUS_CONNECTED);
	return true;
}

/* What scripts have kept, so that the frontend has nothing to wait for. */
static void answer_all(struct raw_back *k)
{
	uint32_t i;

	for (i = 0; k->link && i < WIRE_SCSI_RING_SIZE; i++)
		if (k->req[i].open)
			raw_answer_as_disk(k, &k->req[i]);
	if (k->link && k->rsp_prod != k->rsp_seen)
		raw_back_push(k);
}

void raw_detach(struct raw_back *k)
{
	detach(k);
}

bool raw_unmake(struct raw_back *k)
{
	uint32_t state;
	char path[PATH_LEN];

	if (!k->made)
		return true;
	k->script = NULL;
	k->each = NULL;
	answer_all(k);
	raw_back_put(k, WIRE_BUS_ONLINE, "0");
	raw_back_put_u32(k, WIRE_BUS_STATE, WIRE_BUS_CLOSING);
	/* no directory (0): the frontend was never there, or is gone */
	state = raw_serve_until(k, WIRE_BUS_STATE, WIRE_BUS_CLOSED, 0, 20000);
	detach(k);
	raw_back_put_u32(k, WIRE_BUS_STATE, WIRE_BUS_CLOSED);
	snprintf(path, sizeof(path), "%s", k->front);
	if (store_sync_rm(k->st, 0, path) || store_sync_rm(k->st, 0, k->back))
		broken(k, "xenstore, %s cannot be removed", path);
	k->made = false;
	return state == WIRE_BUS_CLOSED || state == 0;
}
