/* SPDX-License-Identifier: BSD-2-Clause */
/* A block device's handshake and data path: see vbd.h. */
#include "guest/vbd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/blk.h"

#define MS 1000000ull

/* Times are looked at so often. */
#define LOOK_NS (20 * MS)

/* Responses taken in one go: the ring has so many slots. */
#define BUDGET VBD_DEPTH

#define RING_PAGES (1u << VBD_RING_ORDER)

/* The engine's own pages: the first of these that the host has room for. (A
 * Linux guest may grant 1024 pages in all.) */
static const uint32_t pool_sizes[] = {512, 256, 128, 64, 32};

static struct vbd *vbd_of(struct gdev *d)
{
	return (struct vbd *)d;
}

struct vbd *vbd_find(struct session *s, uint32_t number)
{
	return (struct vbd *)gdev_find(s, &vbd_device, number);
}

/* ------------------------------------------------------- engine downcalls */

static int front_grant(void *host, uint64_t frame, bool readonly,
		       uint32_t *gref)
{
	struct session *s = ((struct vbd_queue *)host)->vbd->dev.session;

	return s->ops->grant(s->front, frame, readonly, gref);
}

static bool front_revoke(void *host, uint32_t gref)
{
	struct session *s = ((struct vbd_queue *)host)->vbd->dev.session;

	return s->ops->revoke(s->front, gref);
}

static void front_notify(void *host)
{
	struct vbd_queue *q = host;
	struct session *s = q->vbd->dev.session;

	s->ops->notify(s->front, q->ring->port);
}

static void enqueue(struct vbd *v, struct vbd_req *req)
{
	struct vbd_req **at = &v->head;

	if (req->order == v->orders - 1)
		at = v->tail; /* others come back, and were first */
	while (*at && (*at)->order < req->order)
		at = &(*at)->next;
	req->next = *at;
	*at = req;
	if (!req->next)
		v->tail = &req->next;
}

static void end(struct vbd *v, struct vbd_req *req, int err)
{
	v->dev.session->ended++;
	req->err = err;
	req->done(req);
}

static void front_done(void *host, uint64_t cookie, int result, bool pinned)
{
	struct vbd_queue *q = host;
	struct vbd *v = q->vbd;
	struct vbd_req *req = q->slots[cookie].req;

	(void)pinned; /* only memory of the caller's, who gets an error */
	q->slots[cookie].req = NULL;
	q->busy--;
	if (result != XPV_ECANCELED)
		end(v, req, result ? -store_errno(result) : 0);
	else if (req->deadline <= v->dev.session->now)
		end(v, req, -ETIMEDOUT);
	else if (v->requeue)
		enqueue(v, req);
	else
		end(v, req, v->ending);
}

static void front_trace(void *host, uint32_t event, uint64_t a, uint64_t b)
{
	static const char *const what[BLK_FRONT_EVENTS] = {
		[BLK_FRONT_EV_BAD_RING] = "claims more answers than fit",
		[BLK_FRONT_EV_BAD_ID] = "answers what was not asked",
		[BLK_FRONT_EV_BAD_OP] = "answers another operation",
		[BLK_FRONT_EV_BAD_STATUS] = "has a status that does not exist",
		[BLK_FRONT_EV_PINNED] = "does not let go of a page",
	};
	struct vbd *v = ((struct vbd_queue *)host)->vbd;

	XPV_ASSERT(event < BLK_FRONT_EVENTS);
	v->events[event]++;
	snprintf(v->dev.trouble, sizeof(v->dev.trouble),
		 "the backend %s (%" PRIu64 ", %" PRIu64 ")", what[event], a,
		 b);
}

static const struct blk_front_ops engine_ops = {
	.grant = front_grant,
	.revoke = front_revoke,
	.notify = front_notify,
	.done = front_done,
	.trace = front_trace,
};

/* ---------------------------------------------------------- the connection */

static struct gdev *create(struct session *s)
{
	struct vbd *v = calloc(1, sizeof(*v));

	(void)s;
	if (!v)
		return NULL;
	v->tail = &v->head;
	v->persistent = true;
	return &v->dev;
}

/*
 * Pages for the rings and the engines of N queues, granted to PEER. *PAGES are
 * what each engine has.
 */
static int get_pages(struct vbd *v, uint32_t peer, uint32_t n, uint32_t *pages)
{
	struct session *s = v->dev.session;
	uint8_t *va;
	uint64_t frame;
	int rc = -ENOMEM;

	for (size_t i = 0; rc && i < XPV_ARRAY_SIZE(pool_sizes); i++) {
		*pages = pool_sizes[i];
		rc = s->ops->alloc(s->front, peer, n * (RING_PAGES + *pages),
				   &va, &frame);
	}
	for (uint32_t i = 0; !rc && i < n; i++) {
		uint32_t skip = i * (RING_PAGES + *pages);

		v->dev.ring[i].va = va + (size_t)skip * WIRE_PAGE_SIZE;
		v->dev.ring[i].frame = frame + skip;
	}
	return rc;
}

static void free_engine(struct vbd_queue *q)
{
	free(q->engine_mem);
	free(q->slots);
	*q = (struct vbd_queue){0};
}

/* An engine with PAGES pages behind those of ring I. */
static int make_engine(struct vbd *v, uint32_t i, uint32_t pages)
{
	struct front_page *page = calloc(pages, sizeof(*page));
	struct vbd_queue *q = &v->queue[i];
	struct gdev_ring *r = &v->dev.ring[i];
	/* The most that any backend may offer, so that there is room. */
	struct blk_front_cfg cfg = {
		.conn = {.ring = r->va,
			 .ring_pages = RING_PAGES,
			 .indirect_max = BLK_FRONT_SEGS_MAX,
			 .block_size = WIRE_BLK_SECTOR},
		.page = page,
		.pages = pages,
		.depth = VBD_DEPTH,
		.align = WIRE_BLK_SECTOR,
	};
	size_t size = blk_front_size(&cfg);
	int rc = -ENOMEM;

	*q = (struct vbd_queue){
		.vbd = v,
		.ring = r,
		.engine_mem = aligned_alloc(64, (size + 63) / 64 * 64),
		.slots = calloc(VBD_DEPTH, sizeof(*q->slots)),
	};
	for (uint32_t n = 0; page && n < pages; n++) {
		page[n].va = r->va + (size_t)(RING_PAGES + n) * WIRE_PAGE_SIZE;
		page[n].frame = r->frame + RING_PAGES + n;
	}
	if (page && q->engine_mem && q->slots) {
		rc = blk_front_init(&q->engine, q->engine_mem, size, &cfg,
				    &engine_ops, q);
		rc = rc ? -store_errno(rc) : 0;
	}
	free(page);
	if (rc)
		free_engine(q);
	else
		blk_front_suspend(q->engine, false);
	return rc;
}

static void free_engines(struct vbd *v)
{
	for (uint32_t i = 0; i < v->queues; i++)
		free_engine(&v->queue[i]);
	v->queues = 0;
}

static int make_engines(struct vbd *v, uint32_t peer, uint32_t n)
{
	uint32_t pages;
	int rc;

	free_engines(v);
	rc = get_pages(v, peer, n, &pages);
	for (; !rc && v->queues < n; v->queues += !rc)
		rc = make_engine(v, v->queues, pages);
	if (rc)
		free_engines(v);
	v->peer = peer;
	v->next = 0;
	return rc;
}

/* All that is with the engines comes out of them. */
static void empty_engines(struct vbd *v, int err, bool requeue)
{
	v->ending = err;
	v->requeue = requeue;
	v->running = false;
	for (uint32_t i = 0; i < v->queues; i++) {
		blk_front_abandon(v->queue[i].engine);
		XPV_ASSERT(!v->queue[i].busy);
	}
}

/* Rings that backend and we can have, and pages of each. */
static uint32_t rings(const struct session *s, const struct store_tree *back)
{
	uint32_t max;

	if (tree_u32(back, WIRE_BLK_KEY_MAX_QUEUES, &max) || !max)
		max = 1;
	return max < s->blk_queues ? max : s->blk_queues;
}

static uint32_t ring_pages(const struct store_tree *back)
{
	uint32_t order;

	if (tree_u32(back, WIRE_BLK_KEY_MAX_RING_ORDER, &order))
		return 1;
	return 1u << (order < VBD_RING_ORDER ? order : VBD_RING_ORDER);
}

/* Memory for a ring, where the backend has kept what it had. */
static int make_ring(struct gdev *d, struct gdev_ring *r)
{
	struct session *s = d->session;
	struct ring_front empty;
	int rc = 0;

	if (!r->va)
		rc = s->ops->alloc(s->front, d->back_id, RING_PAGES, &r->va,
				   &r->frame);
	if (rc)
		return rc;
	r->pages = ring_pages(d->back_tree);
	/* The engine makes it empty when it is connected, which is later than
	 * a backend may look at it. */
	rc = ring_front_init(&empty, r->va, r->pages, blk_abi_slot(s->blk_abi));
	return rc ? -store_errno(rc) : 0;
}

static int publish(struct gdev *d)
{
	struct vbd *v = vbd_of(d);
	uint32_t number, n = rings(d->session, d->back_tree);
	int rc = 0;

	if (tree_u32(d->front_tree, WIRE_BLK_KEY_VIRTUAL_DEVICE, &number))
		number = d->unit;
	v->handle = (uint16_t)number;
	v->cdrom = tree_is(d->front_tree, WIRE_BLK_KEY_DEVICE_TYPE, "cdrom");
	if (v->queues != n || v->peer != d->back_id) {
		empty_engines(v, -ENOTCONN, true);
		rc = make_engines(v, d->back_id, n);
	}
	d->rings = n;
	for (uint32_t i = 0; !rc && i < n; i++)
		rc = make_ring(d, &d->ring[i]);
	return rc;
}

/* What another connection has left of its rings. */
static void remove_rings(struct gdev *d, struct gdev_change *c)
{
	char leaf[32];

	gdev_remove(c, d, WIRE_BLK_KEY_EVENT_CHANNEL);
	gdev_remove(c, d, WIRE_BLK_KEY_RING_REF);
	for (uint32_t i = 0; i < RING_PAGES; i++) {
		snprintf(leaf, sizeof(leaf), "ring-ref%" PRIu32, i);
		gdev_remove(c, d, leaf);
	}
	for (uint32_t i = 0; i < DEVICE_RINGS_MAX; i++) {
		snprintf(leaf, sizeof(leaf), WIRE_BLK_KEY_QUEUE, i);
		gdev_remove(c, d, leaf);
	}
}

static void nodes(struct gdev *d, struct gdev_change *c)
{
	uint32_t max;

	remove_rings(d, c);
	if (d->ring[0].pages > 1)
		gdev_write(c, d, WIRE_BLK_KEY_RING_ORDER,
			   (uint32_t)__builtin_ctz(d->ring[0].pages));
	else
		gdev_remove(c, d, WIRE_BLK_KEY_RING_ORDER);
	if (!tree_u32(d->back_tree, WIRE_BLK_KEY_MAX_QUEUES, &max))
		gdev_write(c, d, WIRE_BLK_KEY_QUEUES, d->rings);
	else
		gdev_remove(c, d, WIRE_BLK_KEY_QUEUES);
	gdev_write(c, d, WIRE_BLK_KEY_PERSISTENT, vbd_of(d)->persistent);
	gdev_write_text(c, d, WIRE_BLK_KEY_PROTOCOL,
			blk_abi_protocol(d->session->blk_abi));
}

static uint32_t number_at(const struct store_tree *t, const char *path,
			  uint32_t missing)
{
	uint32_t n;

	return tree_u32(t, path, &n) ? missing : n;
}

int vbd_read_info(struct vbd_info *info, const struct store_tree *back)
{
	static const struct {
		const char *key;
		uint32_t feature;
	} features[] = {
		{WIRE_BLK_KEY_FLUSH, BLK_FRONT_F_FLUSH},
		{WIRE_BLK_KEY_BARRIER, BLK_FRONT_F_BARRIER},
		{WIRE_BLK_KEY_DISCARD, BLK_FRONT_F_DISCARD},
		{WIRE_BLK_KEY_DISCARD_SECURE, BLK_FRONT_F_SECURE},
		{WIRE_BLK_KEY_PERSISTENT, BLK_FRONT_F_PERSISTENT},
	};

	*info = (struct vbd_info){0};
	if (tree_u64(back, WIRE_BLK_KEY_SECTORS, &info->sectors))
		return -EINVAL;
	info->block = number_at(back, WIRE_BLK_KEY_SECTOR_SIZE, 512);
	info->physical =
		number_at(back, WIRE_BLK_KEY_PHYSICAL_SECTOR_SIZE, info->block);
	info->info = number_at(back, WIRE_BLK_KEY_INFO, 0);
	info->granularity =
		number_at(back, WIRE_BLK_KEY_DISCARD_GRANULARITY, 0);
	info->queues = number_at(back, WIRE_BLK_KEY_MAX_QUEUES, 1);
	info->segs = number_at(back, WIRE_BLK_KEY_INDIRECT, 0);
	if (info->segs > BLK_FRONT_SEGS_MAX)
		info->segs = BLK_FRONT_SEGS_MAX;
	if (info->segs < WIRE_BLK_SEGS)
		info->segs = WIRE_BLK_SEGS;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(features); i++)
		if (number_at(back, features[i].key, 0))
			info->features |= features[i].feature;
	if (info->info & WIRE_BLK_INFO_READONLY)
		info->features |= BLK_FRONT_F_READONLY;
	/* Beyond these nothing here could address bytes. */
	if (info->block < WIRE_BLK_SECTOR || info->block > WIRE_PAGE_SIZE ||
	    (info->block & (info->block - 1)) ||
	    info->sectors > INT64_MAX / WIRE_BLK_SECTOR)
		return -EINVAL;
	return 0;
}

static int connect(struct gdev *d)
{
	struct vbd *v = vbd_of(d);
	struct blk_front_conn conn = {
		.abi = d->session->blk_abi,
		.handle = v->handle,
	};
	int rc;

	rc = vbd_read_info(&v->info, d->back_tree);
	if (rc)
		return rc;
	conn.features = v->info.features;
	if (!v->persistent)
		conn.features &= ~(uint32_t)BLK_FRONT_F_PERSISTENT;
	conn.indirect_max = v->info.segs;
	conn.block_size = v->info.block;
	conn.sectors = v->info.sectors;
	for (uint32_t i = 0; !rc && i < v->queues; i++) {
		conn.ring = d->ring[i].va;
		conn.ring_pages = d->ring[i].pages;
		rc = blk_front_resume(v->queue[i].engine, &conn);
		v->running |= !rc; /* so that stop() suspends it */
	}
	return rc ? -store_errno(rc) : 0;
}

/* The backend may have changed the size of the disk. */
static void seen(struct gdev *d)
{
	struct vbd *v = vbd_of(d);
	uint64_t sectors;

	if (!d->connected || d->gone ||
	    tree_u64(d->back_tree, WIRE_BLK_KEY_SECTORS, &sectors) ||
	    sectors == v->info.sectors || sectors > INT64_MAX / WIRE_BLK_SECTOR)
		return;
	v->info.sectors = sectors;
	v->resized++;
	for (uint32_t i = 0; i < v->queues; i++)
		blk_front_resize(v->queue[i].engine, sectors);
}

/* What is under way stays so, for the next connection. */
static void stop(struct gdev *d)
{
	struct vbd *v = vbd_of(d);

	for (uint32_t i = 0; v->running && i < v->queues; i++)
		blk_front_suspend(v->queue[i].engine, false);
	v->running = false;
}

/* ---------------------------------------------------------------- requests */

void vbd_submit(struct vbd *v, struct vbd_req *req)
{
	req->deadline = v->dev.session->now + req->timeout_ms * MS;
	req->order = v->orders++;
	enqueue(v, req);
}

/* Fill in the pieces; how many, or -EINVAL. */
static int make_pieces(struct vbd_slot *slot, const struct vbd_req *req)
{
	uint8_t *va = req->data;
	size_t skip = req->granted ? (size_t)(va - req->memory) : 0;
	uint32_t left = req->len, len;
	int n = 0;

	for (; left; left -= len, skip += len, va += len) {
		struct front_piece *p = &slot->piece[n++];

		if (n > VBD_PIECES_MAX)
			return -EINVAL;
		p->va = va;
		p->frame = req->frame + skip / WIRE_PAGE_SIZE;
		p->offset = (uint16_t)(skip % WIRE_PAGE_SIZE);
		len = WIRE_PAGE_SIZE - p->offset;
		if (len > left)
			len = left;
		if (req->cut && len > req->cut)
			len = req->cut;
		p->len = (uint16_t)len;
	}
	return n;
}

/* Send REQ with SLOT: 0, -EBUSY, or another error of its own. */
static int send(struct vbd_queue *q, struct vbd_slot *slot, struct vbd_req *req)
{
	struct blk_front_req out = {
		.cookie = (uint64_t)(slot - q->slots),
		.op = req->op,
		.fua = req->fua,
		.bounce = !req->granted,
		.sector = req->sector,
		.count = req->count,
		.piece = slot->piece,
	};
	int n;

	n = make_pieces(slot, req);
	if (n < 0 || req->len > VBD_TRANSFER_MAX)
		return -EINVAL;
	out.npieces = (uint32_t)n;
	n = blk_front_submit(q->engine, &out);
	if (n < 0)
		return -store_errno(n);
	slot->req = req;
	q->busy++;
	return 0;
}

static struct vbd_slot *free_slot(struct vbd_queue *q)
{
	for (uint32_t i = 0; i < VBD_DEPTH; i++)
		if (!q->slots[i].req)
			return &q->slots[i];
	return NULL;
}

/* Send REQ on the queue whose turn it is, or on the first after it that has
 * room. As send(). */
static int send_somewhere(struct vbd *v, struct vbd_req *req)
{
	struct vbd_slot *slot;
	int rc = -EBUSY;

	if (req->none)
		return req->err;
	for (uint32_t i = 0; rc == -EBUSY && i < v->queues; i++) {
		struct vbd_queue *q = &v->queue[v->next];

		slot = free_slot(q);
		if (slot)
			rc = send(q, slot, req);
		v->next = (v->next + 1) % v->queues;
	}
	return rc;
}

static void dequeue(struct vbd *v)
{
	v->head = v->head->next;
	if (!v->head)
		v->tail = &v->head;
}

/* Send what is queued. True if anything was. */
static bool pump(struct vbd *v)
{
	struct vbd_req *req;
	bool any = false;
	int rc;

	while ((req = v->head)) {
		rc = send_somewhere(v, req);
		if (rc == -EBUSY)
			break;
		any = true;
		dequeue(v);
		if (rc || req->none)
			end(v, req, rc);
	}
	return any;
}

static bool poll(struct gdev *d)
{
	struct vbd *v = vbd_of(d);
	bool any = false;
	int n;

	for (uint32_t i = 0; i < v->queues; i++) {
		n = blk_front_poll(v->queue[i].engine, BUDGET);
		if (n < 0) {
			d->connected = false;
			gdev_failed(d);
			return true;
		}
		any |= n > 0;
	}
	any |= pump(v);
	for (uint32_t i = 0; i < v->queues; i++)
		blk_front_flush(v->queue[i].engine);
	return any;
}

static bool has_work(const struct gdev *d)
{
	const struct vbd *v = (const struct vbd *)d;

	for (uint32_t i = 0; i < v->queues; i++)
		if (blk_front_has_work(v->queue[i].engine))
			return true;
	return false;
}

static bool arm(struct gdev *d)
{
	struct vbd *v = vbd_of(d);
	bool any = false;

	for (uint32_t i = 0; i < v->queues; i++)
		any |= blk_front_arm(v->queue[i].engine);
	return any;
}

static bool busy(const struct vbd *v)
{
	for (uint32_t i = 0; i < v->queues; i++)
		if (v->queue[i].busy)
			return true;
	return false;
}

static bool outstanding(const struct gdev *d)
{
	const struct vbd *v = (const struct vbd *)d;

	return v->head || busy(v);
}

/* -------------------------------------------------------------------- time */

/* End what is queued: all of it, or what is past its time. */
static void end_queued(struct vbd *v, int err, bool all)
{
	struct vbd_req **at = &v->head, *req, *over = NULL, **last = &over;

	while ((req = *at)) {
		if (!all && req->deadline > v->dev.session->now) {
			at = &req->next;
			continue;
		}
		*at = req->next;
		*last = req;
		last = &req->next;
	}
	*last = NULL;
	v->tail = at;
	while ((req = over)) {
		over = req->next;
		end(v, req, req->none ? req->err : err);
	}
}

static bool queue_overdue(const struct vbd_queue *q, uint64_t now)
{
	for (uint32_t i = 0; q->busy && i < VBD_DEPTH; i++)
		if (q->slots[i].req && q->slots[i].req->deadline <= now)
			return true;
	return false;
}

static bool overdue(const struct vbd *v)
{
	for (uint32_t i = 0; i < v->queues; i++)
		if (queue_overdue(&v->queue[i], v->dev.session->now))
			return true;
	return false;
}

static void times(struct gdev *d)
{
	struct vbd *v = vbd_of(d);

	if (d->session->now < v->look)
		return;
	gdev_times(d);
	v->look = d->session->now + LOOK_NS;
	if (d->gone) {
		empty_engines(v, -ENODEV, false);
		end_queued(v, -ENODEV, true);
	}
	end_queued(v, -ETIMEDOUT, false);
	if (!overdue(v))
		return;
	empty_engines(v, -ETIMEDOUT, true);
	if (!d->connected)
		return;
	snprintf(d->trouble, sizeof(d->trouble),
		 "the backend does not answer in time");
	d->connected = false;
	gdev_failed(d);
}

static void abandon(struct gdev *d)
{
	struct vbd *v = vbd_of(d);

	d->connected = false;
	empty_engines(v, -ENOTCONN, false);
	while (v->head)
		end_queued(v, -ENOTCONN, true);
}

static void destroy(struct gdev *d)
{
	struct vbd *v = vbd_of(d);

	empty_engines(v, -ECANCELED, false);
	end_queued(v, -ECANCELED, true);
	free_engines(v);
	free(v);
}

const struct gdev_ops vbd_device = {
	.type = "vbd",
	.noun = "disk",
	.driver = "xen-blkfront",
	.limits =
		{
			.max_nodes = 256,
			.max_depth = 4,
			.max_bytes = 1 << 16,
		},
	.lingers = true,
	.create = create,
	.destroy = destroy,
	.seen = seen,
	.publish = publish,
	.nodes = nodes,
	.connect = connect,
	.stop = stop,
	.poll = poll,
	.times = times,
	.has_work = has_work,
	.arm = arm,
	.outstanding = outstanding,
	.abandon = abandon,
};
