/* SPDX-License-Identifier: BSD-2-Clause */
/* A controller's data path: see pvscsi.h. */
#include "guest/pvscsi.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	struct session *s = ((struct pvscsi *)host)->dev.session;

	return s->ops->grant(s->front, frame, readonly, gref);
}

static bool front_revoke(void *host, uint32_t gref)
{
	struct session *s = ((struct pvscsi *)host)->dev.session;

	return s->ops->revoke(s->front, gref);
}

static void front_notify(void *host)
{
	struct pvscsi *v = host;

	v->dev.session->ops->notify(v->dev.session->front, v->dev.ring[0].port);
}

/* The backend can reach these pages for ever: others take their place. */
static void replace_chunk(struct pvscsi *v, struct pvscsi_slot *slot)
{
	struct session *s = v->dev.session;

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
	cmd->err = v->dev.connected ? 0 : -ENOTCONN;
	if (cmd->timed_out && res->host != WIRE_SCSI_HOST_OK)
		cmd->err = -ETIMEDOUT;
	if (!cmd->granted && cmd->dir == WIRE_SCSI_DIR_IN)
		memcpy(cmd->data, slot->chunk, cmd->len - res->residual);
	if (res->pinned && !cmd->granted)
		replace_chunk(v, slot);
	v->dev.session->ended++;
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
	snprintf(v->dev.trouble, sizeof(v->dev.trouble),
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

static struct pvscsi *pvscsi_of(struct gdev *d)
{
	return (struct pvscsi *)d;
}

struct pvscsi *pvscsi_find(struct session *s, uint32_t unit)
{
	return (struct pvscsi *)gdev_find(s, &pvscsi_device, unit);
}

static struct gdev *create(struct session *s)
{
	struct pvscsi *v = calloc(1, sizeof(*v));

	(void)s;
	if (!v)
		return NULL;
	v->tail = &v->head;
	return &v->dev;
}

/* Pages for the ring, the engine and the slots, granted to PEER. */
static int get_pages(struct pvscsi *v, uint32_t peer, struct front_page page[])
{
	struct session *s = v->dev.session;
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
	v->dev.ring[0].va = va;
	v->dev.ring[0].frame = frame;
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
	cfg.ring = v->dev.ring[0].va;
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

/* Pages and an engine: the first time all is made, later it is used again. */
static int publish(struct gdev *d)
{
	struct pvscsi *v = pvscsi_of(d);
	struct gdev_ring *r = &d->ring[0];
	uint32_t segs;
	int rc = 0;

	/* Every backend says so before its state 2, for which we wait. */
	if (tree_u32(d->back_tree, WIRE_BUS_SCSI_SG_GRANT, &segs))
		segs = 0;
	XPV_ASSERT(!v->running && !v->busy_slots);
	if (!v->engine || v->peer != d->back_id)
		rc = make_engine(v, d->back_id);
	if (!rc && !r->va)
		rc = d->session->ops->alloc(d->session->front, d->back_id, 1,
					    &r->va, &r->frame);
	if (rc)
		return rc;
	d->rings = r->pages = 1;
	rc = scsi_front_resume(v->engine, r->va, segs);
	if (rc)
		return -store_errno(rc);
	v->segs_max = segs;
	v->running = true;
	return 0;
}

static void stop(struct pvscsi *v)
{
	if (!v->running)
		return;
	v->dev.connected = false; /* front_done() looks at it */
	v->running = false;
	scsi_front_suspend(v->engine, false);
	XPV_ASSERT(!v->busy_slots);
}

static void stop_device(struct gdev *d)
{
	struct pvscsi *v = pvscsi_of(d);

	stop(v);
	for (uint32_t i = 0; i < v->nluns; i++)
		v->lun[i].present = false;
}

static void seen(struct gdev *d)
{
	if (d->gone)
		pvscsi_of(d)->nluns = 0;
	else
		pvscsi_luns_read(pvscsi_of(d));
}

static void write_luns(struct gdev *d, struct gdev_change *c)
{
	pvscsi_luns_write(pvscsi_of(d), c);
}

/* --------------------------------------------------------------- commands */

void pvscsi_submit(struct pvscsi *v, struct pvscsi_cmd *cmd)
{
	cmd->next = NULL;
	cmd->stage = PVSCSI_QUEUED;
	cmd->timed_out = false;
	cmd->err = 0;
	cmd->res = (struct scsi_front_result){0};
	cmd->deadline = v->dev.session->now + cmd->timeout_ms * MS;
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

static void fail(struct pvscsi *v, struct pvscsi_cmd *cmd, int err)
{
	cmd->err = err;
	v->dev.session->ended++;
	cmd->done(cmd);
}

/* Send what is queued. True if anything was. */
static bool pump(struct pvscsi *v)
{
	struct pvscsi_slot *slot;
	struct pvscsi_cmd *cmd;
	bool any = false;
	int rc;

	while ((cmd = v->head) && cmd->not_before <= v->dev.session->now &&
	       (slot = free_slot(v))) {
		rc = send(v, slot, cmd);
		if (rc == -EBUSY)
			break;
		any = true;
		dequeue(v);
		if (rc)
			fail(v, cmd, rc);
	}
	return any;
}

static bool poll(struct gdev *d)
{
	struct pvscsi *v = pvscsi_of(d);
	bool any;
	int n;

	n = scsi_front_poll(v->engine, BUDGET);
	if (n < 0) {
		stop(v);
		gdev_failed(d);
		return true;
	}
	any = pump(v);
	scsi_front_flush(v->engine);
	return n || any;
}

static bool has_work(const struct gdev *d)
{
	return scsi_front_has_work(((const struct pvscsi *)d)->engine);
}

static bool arm(struct gdev *d)
{
	return scsi_front_arm(pvscsi_of(d)->engine);
}

static bool outstanding(const struct gdev *d)
{
	const struct pvscsi *v = (const struct pvscsi *)d;

	return v->busy_slots || v->head;
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

static void fail_queued(struct pvscsi *v, int err)
{
	struct pvscsi_cmd *cmd, *head = v->head;

	v->head = NULL;
	v->tail = &v->head;
	while ((cmd = head)) {
		head = cmd->next;
		fail(v, cmd, err);
	}
}

/* End those of the queue whose time is over. */
static void expire_queued(struct pvscsi *v)
{
	struct pvscsi_cmd **at = &v->head, *cmd, *over = NULL;

	while ((cmd = *at)) {
		if (cmd->deadline > v->dev.session->now) {
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
		fail(v, cmd, cmd->timed_out ? -ECANCELED : -ETIMEDOUT);
	}
}

/* CMD is under way and its time is over. True: nothing helps any more. */
static bool expire(struct pvscsi *v, struct pvscsi_cmd *cmd)
{
	uint64_t now = v->dev.session->now;

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

static void times(struct gdev *d)
{
	struct pvscsi *v = pvscsi_of(d);
	bool hopeless = false;

	if (v->dev.session->now < v->look)
		return;
	gdev_times(&v->dev);
	v->look = v->dev.session->now + LOOK_NS;
	if (v->dev.gone)
		fail_queued(v, -ENODEV);
	expire_queued(v);
	if (!v->dev.connected)
		return;
	for (uint32_t i = 0; i < SCSI_FRONT_TAGS; i++) {
		struct pvscsi_cmd *cmd = v->slots[i].cmd;

		if (cmd && cmd->deadline <= v->dev.session->now)
			hopeless |= expire(v, cmd);
	}
	scsi_front_flush(v->engine);
	if (!hopeless)
		return;
	snprintf(v->dev.trouble, sizeof(v->dev.trouble),
		 "the backend answers neither ABORT nor RESET");
	stop(v);
	gdev_failed(&v->dev);
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

static void abandon(struct gdev *d)
{
	struct pvscsi *v = pvscsi_of(d);

	stop(v);
	/* What ends may be sent again, a bounded number of times. */
	while (v->head)
		fail_queued(v, -ENOTCONN);
}

static void destroy(struct gdev *d)
{
	struct pvscsi *v = pvscsi_of(d);

	fail_queued(v, -ECANCELED);
	free(v->engine_mem);
	free(v->slots);
	free(v);
}

const struct gdev_ops pvscsi_device = {
	.type = "vscsi",
	.noun = "controller",
	.driver = "xen-scsifront",
	.limits =
		{
			.max_nodes = 32 + 8 * PVSCSI_LUNS_MAX,
			.max_depth = 8,
			.max_bytes = 1 << 20,
		},
	.create = create,
	.destroy = destroy,
	.seen = seen,
	.publish = publish,
	.write = write_luns,
	.stop = stop_device,
	.poll = poll,
	.times = times,
	.has_work = has_work,
	.arm = arm,
	.outstanding = outstanding,
	.abandon = abandon,
};

int pvscsi_exec(struct pvscsi *v, struct pvscsi_cmd *cmd)
{
	bool over = false;
	int rc;

	cmd->done = set_done;
	cmd->ctx = &over;
	pvscsi_submit(v, cmd);
	rc = session_wait(v->dev.session, -1, NULL, is_done, cmd);
	if (!over)
		gdev_abandon(&v->dev);
	return rc ? rc : cmd->err;
}
