/* SPDX-License-Identifier: BSD-2-Clause */
/* The nodes of a disk's frontend: see vbd_front.h. */
#include "control/vbd_front.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "wire/blk.h"

/* "queue-15/ring-ref15" */
#define NODE_MAX 40

static int fail(char *err, size_t len, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(char *err, size_t len, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, len, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* A number that has to be there. */
static int get(const struct store_tree *front, const char *node, uint32_t *out,
	       char *err, size_t len)
{
	int rc = tree_u32(front, node, out);

	if (!rc)
		return 0;
	return fail(err, len, "node %s is %s", node,
		    rc == -ENOENT ? "missing" : "not a number");
}

/* Of queue N of several its directory, else the frontend's own. */
static const char *queue_dir(char *dir, uint32_t nqueues, uint32_t n)
{
	dir[0] = '\0';
	if (nqueues > 1)
		snprintf(dir, NODE_MAX, WIRE_BLK_KEY_QUEUE "/", n);
	return dir;
}

static const struct {
	const char *name;
	enum blk_abi abi;
} protocols[] = {
	{WIRE_BLK_PROTO_X86_64, BLK_ABI_64},
	{WIRE_BLK_PROTO_X86_32, BLK_ABI_32},
	{WIRE_BLK_PROTO_ARM, BLK_ABI_64},
};

static int read_abi(const struct store_tree *front, struct vbd_front *out,
		    char *err, size_t len)
{
	out->abi = BLK_ABI_NATIVE;
	if (!tree_find(front, WIRE_BLK_KEY_PROTOCOL))
		return 0;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(protocols); i++) {
		if (!tree_is(front, WIRE_BLK_KEY_PROTOCOL, protocols[i].name))
			continue;
		out->abi = protocols[i].abi;
		return 0;
	}
	return fail(err, len,
		    "node " WIRE_BLK_KEY_PROTOCOL
		    " is not " WIRE_BLK_PROTO_X86_64
		    " or " WIRE_BLK_PROTO_X86_32);
}

/* Pages of a ring, by either name. */
static int read_pages(const struct store_tree *front,
		      const struct vbd_limits *limits, struct vbd_front *out,
		      char *err, size_t len)
{
	uint32_t order = 0, most = UINT32_C(1) << limits->ring_order;
	int rc;

	out->pages = 1;
	if (tree_find(front, WIRE_BLK_KEY_RING_ORDER)) {
		rc = get(front, WIRE_BLK_KEY_RING_ORDER, &order, err, len);
		if (rc)
			return rc;
		if (order > limits->ring_order)
			return fail(err, len,
				    "node " WIRE_BLK_KEY_RING_ORDER
				    " is %" PRIu32 ", beyond the %" PRIu32
				    " that was announced",
				    order, limits->ring_order);
		out->pages = UINT32_C(1) << order;
	} else if (tree_find(front, WIRE_BLK_KEY_RING_PAGES)) {
		rc = get(front, WIRE_BLK_KEY_RING_PAGES, &out->pages, err, len);
		if (rc)
			return rc;
		if (!out->pages || out->pages > most ||
		    (out->pages & (out->pages - 1)))
			return fail(err, len,
				    "node " WIRE_BLK_KEY_RING_PAGES
				    " is %" PRIu32 ", and has to be a power "
				    "of two of at most %" PRIu32,
				    out->pages, most);
	}
	return 0;
}

static int read_queue(const struct store_tree *front,
		      const struct vbd_front *shape, uint32_t n,
		      struct vbd_queue *queue, char *err, size_t len)
{
	char dir[NODE_MAX], node[2 * NODE_MAX];
	int rc;

	queue_dir(dir, shape->nqueues, n);
	snprintf(node, sizeof(node), "%s" WIRE_BLK_KEY_EVENT_CHANNEL, dir);
	rc = get(front, node, &queue->port, err, len);
	if (rc)
		return rc;
	snprintf(node, sizeof(node), "%s" WIRE_BLK_KEY_RING_REF, dir);
	if (shape->pages == 1 && tree_find(front, node))
		return get(front, node, &queue->gref[0], err, len);
	for (uint32_t i = 0; i < shape->pages; i++) {
		snprintf(node, sizeof(node), "%s" WIRE_BLK_KEY_RING_REF_N, dir,
			 i);
		rc = get(front, node, &queue->gref[i], err, len);
		if (rc)
			return rc;
	}
	return 0;
}

int vbd_front_read(const struct store_tree *front,
		   const struct vbd_limits *limits, struct vbd_front *out,
		   char *err, size_t len)
{
	int rc;

	*out = (struct vbd_front){.nqueues = 1};
	rc = read_abi(front, out, err, len);
	if (!rc && tree_find(front, WIRE_BLK_KEY_QUEUES))
		rc = get(front, WIRE_BLK_KEY_QUEUES, &out->nqueues, err, len);
	if (rc)
		return rc;
	if (!out->nqueues || out->nqueues > limits->queues)
		return fail(err, len,
			    "node " WIRE_BLK_KEY_QUEUES " is %" PRIu32
			    ", and has to be from 1 to the %" PRIu32
			    " that was announced",
			    out->nqueues, limits->queues);
	rc = read_pages(front, limits, out, err, len);
	for (uint32_t i = 0; !rc && i < out->nqueues; i++)
		rc = read_queue(front, out, i, &out->queue[i], err, len);
	return rc;
}

struct ring_id vbd_front_ring(const struct store_tree *front)
{
	struct ring_id ring = {.known = false};
	char dir[NODE_MAX], node[2 * NODE_MAX];
	bool several;

	snprintf(dir, sizeof(dir), WIRE_BLK_KEY_QUEUE, 0u);
	several = tree_find(front, dir) != NULL;
	queue_dir(dir, several ? 2 : 1, 0);
	snprintf(node, sizeof(node), "%s" WIRE_BLK_KEY_EVENT_CHANNEL, dir);
	if (tree_u32(front, node, &ring.port))
		return ring;
	snprintf(node, sizeof(node), "%s" WIRE_BLK_KEY_RING_REF, dir);
	if (!tree_find(front, node))
		snprintf(node, sizeof(node), "%s" WIRE_BLK_KEY_RING_REF_N, dir,
			 0u);
	ring.known = !tree_u32(front, node, &ring.gref);
	return ring;
}
