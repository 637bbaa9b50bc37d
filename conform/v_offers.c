/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases for a block frontend: what the backend announces. */
#include <inttypes.h>

#include "conform/vbd_front.h"

/* What is kept to is looked at in each request. */
static void offers(struct conform *c, const void *arg)
{
	struct raw_vbd *k = vbd_of(c);
	uint32_t before = k->b.ill;

	if (!vbd_connect(c, arg, NULL))
		return;
	frontend_idle(&k->b, 10000);
	if (vbd_stimulate(k) && !(k->offer.info & WIRE_BLK_INFO_READONLY))
		conform_fail(c, "the command of --stimulus fails");
	if (k->b.ill != before)
		conform_fail(c, "%s", k->b.ill_why);
	conform_note(c,
		     "%" PRIu32 " requests, %" PRIu32 " indirect, %" PRIu32
		     " flushes, %" PRIu32 " barriers, %" PRIu32
		     " discards, rings of %u pages, queues %" PRIu32
		     ", persistent %" PRIu32,
		     k->b.requests, k->count[WIRE_BLK_OP_INDIRECT],
		     k->count[WIRE_BLK_OP_FLUSH],
		     k->count[WIRE_BLK_OP_WRITE_BARRIER],
		     k->count[WIRE_BLK_OP_DISCARD], 1u << k->order, k->queues,
		     raw_front_u32(&k->b, WIRE_BLK_KEY_PERSISTENT));
}

/* A disk that cannot be: the frontend need not take it, and must not mind. */
static void impossible(struct conform *c, const void *arg)
{
	struct raw_vbd *k = vbd_of(c);

	if (!vbd_make(c, arg, NULL))
		return;
	k->b.patience = 5000;
	if (raw_back_connect(&k->b))
		frontend_idle(&k->b, 3000);
	else
		c->verdict = CONFORM_PASS;
	c->detail[0] = '\0';
	conform_note(c, "its state is %" PRIu32,
		     raw_front_u32(&k->b, WIRE_BUS_STATE));
}

/* Requests for what is behind the old end. */
static bool count_behind(struct raw_vbd *k, struct raw_vbd_req *r)
{
	k->b.step += r->sectors && r->req.sector + r->sectors > RAW_VBD_SECTORS;
	return false;
}

static void grows(struct conform *c, const void *arg)
{
	static const struct vbd_offer plain;
	const uint32_t *sectors = arg;
	struct raw_vbd *k = vbd_of(c);
	uint32_t before = k->b.ill;
	int status;

	if (!vbd_connect(c, &plain, count_behind))
		return;
	frontend_idle(&k->b, 10000);
	raw_vbd_resize(k, *sectors);
	raw_serve(&k->b, 2000, NULL);
	status = vbd_stimulate(k);
	if (k->b.ill != before)
		conform_fail(c, "%s", k->b.ill_why);
	if (status)
		conform_fail(c, "the command of --stimulus ends with %d",
			     status);
	if (!c->opt->stimulus)
		conform_skip(c, "--stimulus is not given");
	else if (*sectors > RAW_VBD_SECTORS && !k->b.step)
		conform_fail(c, "what is new is not used");
	frontend_wants(c, WIRE_BUS_CONNECTED, "after it");
}

#define OFFER(text, rule, ...)                                                 \
	{                                                                      \
		.family = "offers", .name = (text), .clause = &(rule),         \
		.run = offers, .arg = &(const struct vbd_offer)                \
		{                                                              \
			__VA_ARGS__                                            \
		}                                                              \
	}
#define NODE(node, text, rule, string)                                         \
	OFFER(node " " text, rule, .leaf = (node), .value = (string))
#define IMPOSSIBLE(text, rule, ...)                                            \
	{                                                                      \
		.family = "properties", .name = (text), .clause = &(rule),     \
		.flags = CONFORM_BREAKS | CONFORM_DANGEROUS,                   \
		.run = impossible, .arg = &(const struct vbd_offer)            \
		{                                                              \
			__VA_ARGS__                                            \
		}                                                              \
	}
#define TOO_MUCH "4294967296"

static const uint32_t more = RAW_VBD_MOST, less = RAW_VBD_SECTORS / 2;

static const struct conform_case cases[] = {
	OFFER("nothing", clause_blk_rw, 0),
	OFFER("everything", clause_blk_rw, .order = 4, .queues = RAW_RINGS_MAX,
	      .indirect = RAW_VBD_SEGS_MAX, .flush = true, .barrier = true,
	      .discard = true, .persistent = true),
	OFFER("max-ring-page-order 1", clause_blk_ring_order, .order = 1),
	OFFER("max-ring-page-order 4", clause_blk_ring_order, .order = 4),
	NODE("max-ring-page-order", "is a word", clause_blk_ring_order, "big"),
	NODE("max-ring-page-order", "is 2^32", clause_blk_ring_order, TOO_MUCH),
	OFFER("multi-queue-max-queues 1", clause_blk_queues, .queues = 1),
	OFFER("multi-queue-max-queues 4", clause_blk_queues, .queues = 4),
	NODE("multi-queue-max-queues", "is 0", clause_blk_queues, "0"),
	NODE("multi-queue-max-queues", "is a word", clause_blk_queues, "many"),
	OFFER("feature-max-indirect-segments 12", clause_blk_indirect_max,
	      .indirect = 12),
	OFFER("feature-max-indirect-segments 64", clause_blk_indirect_max,
	      .indirect = 64),
	OFFER("feature-max-indirect-segments 256", clause_blk_indirect_max,
	      .indirect = 256),
	OFFER("feature-max-indirect-segments 5", clause_blk_indirect_max,
	      .indirect = 5),
	NODE("feature-max-indirect-segments", "is a word",
	     clause_blk_indirect_max, "many"),
	NODE("feature-max-indirect-segments", "is negative",
	     clause_blk_indirect_max, "-1"),
	OFFER("feature-flush-cache", clause_blk_flush, .flush = true),
	OFFER("feature-barrier", clause_blk_barrier, .barrier = true),
	OFFER("feature-discard", clause_blk_discard, .discard = true),
	OFFER("feature-persistent", clause_blk_persistent, .persistent = true),
	OFFER("blocks of 4096 bytes", clause_blk_sector_size, .block = 4096),
	OFFER("blocks of 4096 bytes, indirect", clause_blk_sector_size,
	      .block = 4096, .indirect = 64),
	OFFER("info says read-only", clause_blk_info,
	      .info = WIRE_BLK_INFO_READONLY),
	OFFER("info says removable", clause_blk_info,
	      .info = WIRE_BLK_INFO_REMOVABLE),
	{.family = "resize",
	 .name = "the disk grows",
	 .clause = &clause_blk_sectors,
	 .run = grows,
	 .arg = &more},
	{.family = "resize",
	 .name = "the disk shrinks",
	 .clause = &clause_blk_sectors,
	 .run = grows,
	 .arg = &less},
	IMPOSSIBLE("no sectors", clause_blk_properties,
		   .leaf = WIRE_BLK_KEY_SECTORS, .value = "0"),
	IMPOSSIBLE("2^64 sectors", clause_blk_properties,
		   .leaf = WIRE_BLK_KEY_SECTORS,
		   .value = "18446744073709551616"),
	IMPOSSIBLE("sectors is a word", clause_blk_properties,
		   .leaf = WIRE_BLK_KEY_SECTORS, .value = "all"),
	IMPOSSIBLE("sector-size 513", clause_blk_properties,
		   .leaf = WIRE_BLK_KEY_SECTOR_SIZE, .value = "513"),
	IMPOSSIBLE("sector-size 1", clause_blk_properties,
		   .leaf = WIRE_BLK_KEY_SECTOR_SIZE, .value = "1"),
	IMPOSSIBLE("sector-size 0", clause_blk_properties,
		   .leaf = WIRE_BLK_KEY_SECTOR_SIZE, .value = "0"),
};

const struct front_list vbd_front_offers = {cases, XPV_ARRAY_SIZE(cases)};
