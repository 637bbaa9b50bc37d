/* SPDX-License-Identifier: BSD-2-Clause */
/* A controller's data path: see pvscsi.h. */
#include "guest/pvscsi.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest/pvscsi_bus.h"
#include "scsi/slice.h"

#define MS 1000000ull

/* Times are looked at so often. */
#define LOOK_NS (20 * MS)

/* Responses taken in one go; a ring has fewer. */
#define BUDGET 64

/* The engine's own pages for buffers that cannot be granted as they are. */
#define BOUNCE_PAGES 32

/* Pages of a slot's chunk: the first of these that the host has room for. */
static const uint32_t chunk_sizes[] = {64, 32, 16, 8, 4};

/* Cookies from here on are of resets that nobody waits for. */
#define COOKIE_RESET 0x10000u

/* ------------------------------------------------------- engine downcalls */

static int front_grant(void *host, uint64_t frame, bool readonly,
		       uint32_t *gref)
{
	struct session *s = ((struct pvscsi *)host)->session;

	return s->ops->grant(s->front, frame, readonly, gref);
}

static bool front_revoke(void *host, uint32_t gref)
{
	struct session *s = ((struct pvscsi *)host)->session;

	return s->ops->revoke(s->front, gref);
}

static void front_notify(void *host)
{
	struct pvscsi *v = host;

	v->session->ops->notify(v->session->front, v->port);
}

/* The backend can reach these pages for ever: others take their place. */
static void replace_chunk(struct pvscsi *v, struct pvscsi_slot *slot)
{
	struct session *s = v->session;

	if (s->ops->alloc(s->front, v->peer, v->chunk_len / WIRE_PAGE_SIZE,
			  &slot->chunk, &slot->frame))
		slot->chunk = NULL; /* this slot is not used any more */
}

static void front_done(void *host, uint64_t cookie,
		       const struct scsi_front_result *res)
{
	struct pvscsi *v = host;
	struct pvscsi_slot *slot;
	struct pvscsi_cmd *cmd;

	if (cookie >= COOKIE_RESET)
		return;
	slot = &v->slots[cookie];
	cmd = slot->cmd;
	slot->cmd = NULL;
	v->busy_slots--;
	cmd->res = *res;
	cmd->err = v->connected ? 0 : -ENOTCONN;
	if (cmd->timed_out && res->host != WIRE_SCSI_HOST_OK)
		cmd->err = -ETIMEDOUT;
	if (!cmd->granted && cmd->dir == WIRE_SCSI_DIR_IN)
		memcpy(cmd->data, slot->chunk, cmd->len - res->residual);
	if (res->pinned && !cmd->granted)
		replace_chunk(v, slot);
	cmd->done(cmd);
}

/* Dividing needs the LUN's block: once vdisk_open() has found it out. */
static bool front_slice(void *host, const struct scsi_front_cmd *cmd,
			uint32_t offset, uint32_t len, uint8_t *to)
{
	const struct pvscsi_lun *lun = pvscsi_lun_find(host, cmd->addr);

	return lun && lun->block &&
	       scsi_cdb_slice(cmd->cdb, cmd->cdb_len, lun->block, offset, len,
			      to);
}

static void front_trace(void *host, uint32_t event, uint64_t a, uint64_t b)
{
	static const char *const what[SCSI_FRONT_EVENTS] = {
		[SCSI_FRONT_EV_BAD_RING] = "claims more answers than fit",
		[SCSI_FRONT_EV_BAD_RQID] = "answers what was not asked",
		[SCSI_FRONT_EV_BAD_SENSE] = "has too long sense data",
		[SCSI_FRONT_EV_BAD_RESIDUAL] = "has a residual beyond the data",
		[SCSI_FRONT_EV_BAD_RESULT] = "has a result that does not exist",
		[SCSI_FRONT_EV_PINNED] = "does not let go of a page",
		[SCSI_FRONT_EV_MANY_PINNED] = "keeps page after page",
		[SCSI_FRONT_EV_UNANSWERED] = "never answers what was aborted",
	};
	struct pvscsi *v = host;

	XPV_ASSERT(event < SCSI_FRONT_EVENTS);
	v->events[event]++;
	snprintf(v->trouble, sizeof(v->trouble),
		 "the backend %s (%" PRIu64 ", %" PRIu64 ")", what[event], a,
		 b);
}

static const struct scsi_front_ops engine_ops = {
	.grant = front_grant,
	.revoke = front_revoke,
	.notify = front_notify,
	.done = front_done,
	.slice = front_slice,
	.trace = front_trace,
};

/* ------------------------------------------------------------ life cycle */

struct pvscsi *pvscsi_new(struct session *s, uint32_t unit)
{
	struct pvscsi *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->session = s;
	v->unit = unit;
	v->tail = &v->head;
	v->next = s->controllers;
	s->controllers = v;
	return v;
}

void pvscsi_free(struct pvscsi *v)
{
	pvscsi_stop(v);
	pvscsi_fail_queued(v, -ECANCELED);
	pvscsi_bus_free(v);
	free(v->engine_mem);
	free(v->slots);
	free(v);
}

/* Pages for the ring, the engine and the slots, granted to PEER. */
static int get_pages(struct pvscsi *v, uint32_t peer, struct front_page page[])
{
	struct session *s = v->session;
	uint32_t chunk, own = 1 + SCSI_FRONT_TAGS + BOUNCE_PAGES;
	uint8_t *va;
	uint64_t frame;
	int rc = -ENOMEM;

	for (size_t i = 0; rc && i < XPV_ARRAY_SIZE(chunk_sizes); i++) {
		chunk = chunk_sizes[i];
		rc = s->ops->alloc(s->front, peer,
				   own + SCSI_FRONT_TAGS * chunk, &va, &frame);
	}
	if (rc)
		return rc;
	v->chunk_len = chunk * WIRE_PAGE_SIZE;
	v->ring = va;
	v->ring_frame = frame;
	for (uint32_t i = 1; i < own; i++) {
		page[i - 1].va = va + (size_t)i * WIRE_PAGE_SIZE;
		page[i - 1].frame = frame + i;
	}
	for (uint32_t i = 0; i < SCSI_FRONT_TAGS; i++) {
		v->slots[i].chunk =
			va + (size_t)(own + i * chunk) * WIRE_PAGE_SIZE;
		v->slots[i].frame = frame + own + i * chunk;
	}
	return 0;
}

static int make_engine(struct pvscsi *v, uint32_t peer)
{
	struct front_page page[SCSI_FRONT_TAGS + BOUNCE_PAGES];
	/* The most that any backend may offer, so that there is room. */
	struct scsi_front_cfg cfg = {
		.segs_max = SCSI_FRONT_SEGS_MAX,
		.page = page,
		.pages = XPV_ARRAY_SIZE(page),
		.align = 512,
	};
	size_t size = scsi_front_size(cfg.segs_max, cfg.pages);
	int rc;

	free(v->engine_mem);
	free(v->slots);
	v->engine = NULL;
	v->engine_mem = aligned_alloc(64, (size + 63) / 64 * 64);
	v->slots = calloc(SCSI_FRONT_TAGS, sizeof(*v->slots));
	if (!v->engine_mem || !v->slots)
		return -ENOMEM;
	rc = get_pages(v, peer, page);
	if (rc)
		return rc;
	cfg.ring = v->ring;
	rc = scsi_front_init(&v->engine, v->engine_mem, size, &cfg, &engine_ops,
			     v);
	if (rc) {
		v->engine = NULL;
		return -store_errno(rc);
	}
	v->peer = peer;
	scsi_front_suspend(v->engine, false);
	return 0;
}

int pvscsi_start(struct pvscsi *v, uint32_t peer, uint32_t segs_max)
{
	int rc;

	XPV_ASSERT(!v->running && !v->busy_slots);
	if (!v->engine || v->peer != peer) {
		rc = make_engine(v, peer);
		if (rc)
			return rc;
	}
	if (!v->ring) {
		rc = v->session->ops->alloc(v->session->front, peer, 1,
					    &v->ring, &v->ring_frame);
		if (rc)
			return rc;
	}
	rc = scsi_front_resume(v->engine, v->ring, segs_max);
	if (rc)
		return -store_errno(rc);
	v->segs_max = segs_max;
	v->running = true;
	return 0;
}

void pvscsi_stop(struct pvscsi *v)
{
	if (!v->running)
		return;
	v->connected = false; /* front_done() looks at it */
	v->running = false;
	scsi_front_suspend(v->engine, false);
	XPV_ASSERT(!v->busy_slots);
}

/* --------------------------------------------------------------- commands */

void pvscsi_submit(struct pvscsi *v, struct pvscsi_cmd *cmd)
{
	cmd->next = NULL;
	cmd->stage = PVSCSI_QUEUED;
	cmd->timed_out = false;
	cmd->err = 0;
	cmd->res = (struct scsi_front_result){0};
	cmd->deadline = v->session->now + cmd->timeout_ms * MS;
	*v->tail = cmd;
	v->tail = &cmd->next;
}

/* Fill in the pieces; how many, or -EINVAL. */
static int make_pieces(const struct pvscsi *v, struct pvscsi_slot *slot,
		       const struct pvscsi_cmd *cmd)
{
	uint8_t *va = cmd->granted ? cmd->data : slot->chunk;
	size_t skip = cmd->granted ? (size_t)(va - cmd->memory) : 0;
	uint64_t frame = cmd->granted ? cmd->frame : slot->frame;
	uint32_t left = cmd->len, len;
	int n = 0;

	if (!cmd->granted && left > v->chunk_len)
		return -EINVAL;
	for (; left; left -= len, skip += len, va += len) {
		struct front_piece *p = &slot->piece[n++];

		if (n > PVSCSI_PIECES_MAX)
			return -EINVAL;
		p->va = va;
		p->frame = frame + skip / WIRE_PAGE_SIZE;
		p->offset = (uint16_t)(skip % WIRE_PAGE_SIZE);
		len = WIRE_PAGE_SIZE - p->offset;
		if (len > left)
			len = left;
		if (cmd->cut && len > cmd->cut)
			len = cmd->cut;
		p->len = (uint16_t)len;
	}
	return n;
}

/* Send CMD with SLOT: 0, -EBUSY, or another error of its own. */
static int send(struct pvscsi *v, struct pvscsi_slot *slot,
		struct pvscsi_cmd *cmd)
{
	struct scsi_front_cmd out = {
		.cookie = (uint64_t)(slot - v->slots),
		.addr = cmd->addr,
		.cdb_len = cmd->cdb_len,
		.dir = cmd->len ? cmd->dir : WIRE_SCSI_DIR_NONE,
		.timeout = (uint16_t)((cmd->timeout_ms + 999) / 1000),
		.piece = slot->piece,
	};
	int n;

	if (cmd->reset) {
		n = scsi_front_reset(v->engine, cmd->addr, out.cookie);
	} else {
		n = make_pieces(v, slot, cmd);
		if (n < 0)
			return n;
		out.npieces = (uint32_t)n;
		memcpy(out.cdb, cmd->cdb, sizeof(out.cdb));
		if (!cmd->granted && cmd->dir == WIRE_SCSI_DIR_OUT)
			memcpy(slot->chunk, cmd->data, cmd->len);
		n = scsi_front_submit(v->engine, &out);
	}
	if (n < 0)
		return n == XPV_ENOMEM ? -EINVAL : -store_errno(n);
	cmd->tag = (uint16_t)n;
	cmd->stage = PVSCSI_SENT;
	slot->cmd = cmd;
	v->busy_slots++;
	return 0;
}

static struct pvscsi_slot *free_slot(struct pvscsi *v)
{
	for (uint32_t i = 0; i < SCSI_FRONT_TAGS; i++)
		if (!v->slots[i].cmd && v->slots[i].chunk)
			return &v->slots[i];
	return NULL;
}

static void dequeue(struct pvscsi *v)
{
	v->head = v->head->next;
	if (!v->head)
		v->tail = &v->head;
}

static void fail(struct pvscsi_cmd *cmd, int err)
{
	cmd->err = err;
	cmd->done(cmd);
}

/* Send what is queued. True if anything was. */
static bool pump(struct pvscsi *v)
{
	struct pvscsi_slot *slot;
	struct pvscsi_cmd *cmd;
	bool any = false;
	int rc;

	while ((cmd = v->head) && cmd->not_before <= v->session->now &&
	       (slot = free_slot(v))) {
		rc = send(v, slot, cmd);
		if (rc == -EBUSY)
			break;
		any = true;
		dequeue(v);
		if (rc)
			fail(cmd, rc);
	}
	return any;
}

bool pvscsi_poll(struct pvscsi *v)
{
	bool any;
	int n;

	if (!v->connected)
		return false;
	n = scsi_front_poll(v->engine, BUDGET);
	if (n < 0) {
		pvscsi_stop(v);
		pvscsi_bus_failed(v);
		return true;
	}
	any = pump(v);
	scsi_front_flush(v->engine);
	return n || any;
}

uint32_t pvscsi_max_transfer(const struct pvscsi *v)
{
	uint32_t segs =
		v->segs_max > WIRE_SCSI_SEGS ? v->segs_max : WIRE_SCSI_SEGS;

	if (segs > SCSI_FRONT_SEGS_MAX)
		segs = SCSI_FRONT_SEGS_MAX;
	segs *= WIRE_PAGE_SIZE;
	return segs < v->chunk_len ? segs : v->chunk_len;
}

int pvscsi_memory(struct pvscsi *v, uint32_t n, uint8_t **va, uint64_t *frame)
{
	if (!v->connected)
		return -ENOTCONN;
	return v->session->ops->alloc(v->session->front, v->peer, n, va, frame);
}

void pvscsi_memory_free(struct pvscsi *v, uint64_t frame)
{
	if (v->session->ops->release)
		v->session->ops->release(v->session->front, frame);
}

struct pvscsi_lun *pvscsi_lun_find(struct pvscsi *v, struct scsi_addr addr)
{
	for (uint32_t i = 0; i < v->nluns; i++)
		if (v->lun[i].present &&
		    v->lun[i].addr.channel == addr.channel &&
		    v->lun[i].addr.id == addr.id &&
		    v->lun[i].addr.lun == addr.lun)
			return &v->lun[i];
	return NULL;
}

/* ------------------------------------------------------------------ time */

void pvscsi_fail_queued(struct pvscsi *v, int err)
{
	struct pvscsi_cmd *cmd, *head = v->head;

	v->head = NULL;
	v->tail = &v->head;
	while ((cmd = head)) {
		head = cmd->next;
		fail(cmd, err);
	}
}

/* End those of the queue whose time is over. */
static void expire_queued(struct pvscsi *v)
{
	struct pvscsi_cmd **at = &v->head, *cmd, *over = NULL;

	while ((cmd = *at)) {
		if (cmd->deadline > v->session->now) {
			at = &cmd->next;
			continue;
		}
		*at = cmd->next;
		cmd->next = over;
		over = cmd;
	}
	v->tail = at;
	while ((cmd = over)) {
		over = cmd->next;
		fail(cmd, cmd->timed_out ? -ECANCELED : -ETIMEDOUT);
	}
}

/* CMD is under way and its time is over. True: nothing helps any more. */
static bool expire(struct pvscsi *v, struct pvscsi_cmd *cmd)
{
	uint64_t now = v->session->now;

	switch (cmd->stage) {
	case PVSCSI_QUEUED:
		return false;
	case PVSCSI_SENT:
		cmd->timed_out = true;
		cmd->stage = PVSCSI_ABORTING;
		cmd->deadline = now + cmd->timeout_ms * MS / 3;
		/* A reset cannot be aborted: its time simply goes on. */
		return !cmd->reset && scsi_front_abort(v->engine, cmd->tag) < 0;
	case PVSCSI_ABORTING:
		/* Where there is no room for it, it is tried again. */
		if (scsi_front_reset(v->engine, cmd->addr, COOKIE_RESET) < 0)
			return false;
		cmd->stage = PVSCSI_RESETTING;
		cmd->deadline = now + cmd->timeout_ms * MS / 3;
		return false;
	case PVSCSI_RESETTING:
		return true;
	}
	return true;
}

void pvscsi_times(struct pvscsi *v)
{
	bool hopeless = false;

	if (v->session->now < v->look)
		return;
	pvscsi_bus_times(v);
	v->look = v->session->now + LOOK_NS;
	if (v->gone)
		pvscsi_fail_queued(v, -ENODEV);
	expire_queued(v);
	if (!v->connected)
		return;
	for (uint32_t i = 0; i < SCSI_FRONT_TAGS; i++) {
		struct pvscsi_cmd *cmd = v->slots[i].cmd;

		if (cmd && cmd->deadline <= v->session->now)
			hopeless |= expire(v, cmd);
	}
	scsi_front_flush(v->engine);
	if (!hopeless)
		return;
	snprintf(v->trouble, sizeof(v->trouble),
		 "the backend answers neither ABORT nor RESET");
	pvscsi_stop(v);
	pvscsi_bus_failed(v);
}

void pvscsi_cancel(struct pvscsi *v, struct pvscsi_cmd *cmd)
{
	if (cmd->stage == PVSCSI_QUEUED) {
		cmd->timed_out = true;
		cmd->deadline = 0;
		v->look = 0;
	} else if (cmd->stage == PVSCSI_SENT) {
		if (scsi_front_abort(v->engine, cmd->tag) < 0)
			return; /* the engine has stopped: it ends anyway */
	}
}

static bool is_done(void *ctx)
{
	return *(bool *)((struct pvscsi_cmd *)ctx)->ctx;
}

static void set_done(struct pvscsi_cmd *cmd)
{
	*(bool *)cmd->ctx = true;
}

void pvscsi_abandon(struct pvscsi *v)
{
	pvscsi_stop(v);
	/* What ends may be sent again, a bounded number of times. */
	while (v->head)
		pvscsi_fail_queued(v, -ENOTCONN);
}

int pvscsi_exec(struct pvscsi *v, struct pvscsi_cmd *cmd)
{
	bool over = false;
	int rc;

	cmd->done = set_done;
	cmd->ctx = &over;
	pvscsi_submit(v, cmd);
	rc = session_wait(v->session, -1, NULL, is_done, cmd);
	if (!over)
		pvscsi_abandon(v);
	return rc ? rc : cmd->err;
}
