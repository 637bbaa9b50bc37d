/* SPDX-License-Identifier: BSD-2-Clause */
#include "conform/raw_blk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/ring.h"
#include "core/xs.h"

struct wire_ring *raw_blk_ring(const struct raw_blk *k)
{
	return (struct wire_ring *)(void *)k->ring.at;
}

void raw_blk_use(struct raw_blk *k, uint32_t n)
{
	struct raw_front *f = &k->f;

	k->other[k->at] = (struct raw_blk_queue){
		.ring = k->ring,
		.req_prod = k->req_prod,
		.rsp_cons = k->rsp_cons,
		.port = f->port,
		.ported = f->ported,
	};
	k->at = n;
	k->ring = k->other[n].ring;
	k->req_prod = k->other[n].req_prod;
	k->rsp_cons = k->other[n].rsp_cons;
	f->port = k->other[n].port;
	f->ported = k->other[n].ported;
}

static void drop_rings(struct raw_blk *k)
{
	struct raw_front *f = &k->f;

	for (uint32_t i = RAW_QUEUES_MAX; i-- > 0;) {
		raw_blk_use(k, i);
		if (f->ported)
			f->ops->channel_close(f->f, f->port);
		f->ported = false;
		raw_ungrant(f, &k->ring);
	}
}

static void new_ring(struct raw_blk *k, uint32_t pages)
{
	struct raw_front *f = &k->f;

	if (!raw_grant(f, &k->ring, pages, true))
		return;
	memset(k->ring.at, 0, (size_t)pages * WIRE_PAGE_SIZE);
	raw_blk_ring(k)->req_event = raw_blk_ring(k)->rsp_event = 1;
	k->slots = ring_slots(pages, blk_abi_slot(k->abi));
	k->req_prod = k->rsp_cons = 0;
	f->ported = !f->ops->channel(f->f, f->back_id, &f->port);
	if (!f->ported)
		snprintf(f->broken, sizeof(f->broken), "no event channel");
}

/* Either ring-ref, or ring-page-order and ring-ref0 to ring-refN. */
static void put_refs(struct raw_blk *k, const struct raw_blk_how *how,
		     const char *dir)
{
	struct raw_front *f = &k->f;
	uint32_t i, n = k->ring.n;
	char leaf[64];

	for (i = 0; n > 1 && i < n; i++) {
		snprintf(leaf, sizeof(leaf), "%s" WIRE_BLK_KEY_RING_REF_N, dir,
			 i);
		raw_put_u32(f, leaf, k->ring.gref[i]);
	}
	snprintf(leaf, sizeof(leaf), "%s" WIRE_BLK_KEY_RING_REF, dir);
	if (n == 1 && how->ring_ref)
		raw_put_node(f, leaf, how->ring_ref);
	else if (n == 1)
		raw_put_u32(f, leaf, k->ring.gref[0]);
}

/* What another connection has left. */
static void remove_refs(struct raw_blk *k)
{
	struct raw_front *f = &k->f;
	char leaf[64];
	uint32_t i;

	raw_remove(f, WIRE_BLK_KEY_RING_REF);
	raw_remove(f, WIRE_BLK_KEY_RING_ORDER);
	raw_remove(f, WIRE_BLK_KEY_QUEUES);
	for (i = 0; i < WIRE_BLK_RING_PAGES_MAX; i++) {
		snprintf(leaf, sizeof(leaf), WIRE_BLK_KEY_RING_REF_N, i);
		raw_remove(f, leaf);
	}
	for (i = 0; i < RAW_QUEUES_MAX; i++) {
		snprintf(leaf, sizeof(leaf), WIRE_BLK_KEY_QUEUE, i);
		raw_remove(f, leaf);
	}
}

/* A ring, its pages and its port, for each queue; the first is in use then. */
static void put_rings(struct raw_blk *k, const struct raw_blk_how *how)
{
	uint32_t i, pages = how->pages ? how->pages : 1;
	struct raw_front *f = &k->f;
	char leaf[64], dir[32] = "";

	drop_rings(k);
	remove_refs(k);
	for (i = how->queues ? how->queues : 1; i-- > 0 && !*f->broken;) {
		raw_blk_use(k, i);
		new_ring(k, pages);
		if (how->queues)
			snprintf(dir, sizeof(dir), WIRE_BLK_KEY_QUEUE "/", i);
		put_refs(k, how, dir);
		snprintf(leaf, sizeof(leaf), "%s" WIRE_BLK_KEY_EVENT_CHANNEL,
			 dir);
		if (how->port)
			raw_put_node(f, leaf, how->port);
		else
			raw_put_u32(f, leaf, f->port);
	}
	if (how->queues)
		raw_put_u32(f, WIRE_BLK_KEY_QUEUES, how->queues);
	if (how->order)
		raw_put_node(f, WIRE_BLK_KEY_RING_ORDER, how->order);
	else if (pages > 1)
		raw_put_u32(f, WIRE_BLK_KEY_RING_ORDER,
			    (uint32_t)__builtin_ctz(pages));
}

uint32_t raw_blk_connect(struct raw_blk *k, const struct raw_blk_how *how,
			 bool now)
{
	struct raw_front *f = &k->f;
	uint32_t state;

	if (!now) {
		state = raw_wait(f, WIRE_BUS_INIT_WAIT, WIRE_BUS_CONNECTED);
		if (state != WIRE_BUS_INIT_WAIT)
			return state;
	}
	put_rings(k, how);
	if (*f->broken)
		return WIRE_BUS_UNKNOWN;
	raw_put_node(f, WIRE_BLK_KEY_PROTOCOL,
		     how->protocol ? how->protocol : blk_abi_protocol(k->abi));
	raw_put_u32(f, WIRE_BLK_KEY_PERSISTENT, how->persistent);
	raw_put_u32(f, WIRE_BUS_STATE, WIRE_BUS_INITIALISED);
	if (how->ring_ref || how->port || how->protocol || how->order)
		return raw_wait_leaf(f, WIRE_BUS_STATE, WIRE_BUS_CLOSING,
				     WIRE_BUS_CLOSED, 3000);
	state = raw_wait_leaf(f, WIRE_BUS_STATE, WIRE_BUS_CONNECTED,
			      WIRE_BUS_CLOSING, RAW_PATIENCE_MS / 2);
	if (state == WIRE_BUS_CONNECTED)
		raw_put_u32(f, WIRE_BUS_STATE, WIRE_BUS_CONNECTED);
	return state;
}

void raw_blk_close(struct raw_blk *k)
{
	drop_rings(k);
	raw_close(&k->f);
}

uint8_t *raw_blk_slot(const struct raw_blk *k, uint32_t index)
{
	return k->ring.at + WIRE_RING_SLOTS_OFFS +
	       (size_t)(index % k->slots) * blk_abi_slot(k->abi);
}

uint32_t raw_blk_room(const struct raw_blk *k)
{
	return k->slots - (k->req_prod - k->rsp_cons);
}

void raw_blk_put(struct raw_blk *k, const struct wire_blk_req64 *req)
{
	uint8_t slot[BLK_SLOT_MAX];
	struct blk_req plain;

	if (!k->ring.at || raw_blk_room(k) == 0) {
		snprintf(k->f.broken, sizeof(k->f.broken),
			 "more requests than slots: the case is wrong");
		return;
	}
	if (k->abi == BLK_ABI_64) {
		memcpy(slot, req, sizeof(*req));
	} else {
		blk_abi_get_req(BLK_ABI_64, (const uint8_t *)req, &plain);
		blk_abi_put_req(k->abi, slot, &plain);
	}
	memcpy(raw_blk_slot(k, k->req_prod), slot, blk_abi_slot(k->abi));
	k->req_prod++;
}

void raw_blk_publish(struct raw_blk *k)
{
	if (k->ring.at)
		xpv_store32(&raw_blk_ring(k)->req_prod, k->req_prod);
}

void raw_blk_push(struct raw_blk *k)
{
	raw_blk_publish(k);
	raw_notify(&k->f);
}

uint32_t raw_blk_answers(const struct raw_blk *k)
{
	if (!k->ring.at)
		return 0;
	return xpv_load32(&raw_blk_ring(k)->rsp_prod) - k->rsp_cons;
}

bool raw_blk_get(struct raw_blk *k, struct wire_blk_rsp64 *rsp, int64_t ms)
{
	int64_t end = conform_now() + (k->f.c ? conform_left(k->f.c, ms) : ms);

	if (!k->ring.at || *k->f.broken)
		return false;
	while (raw_blk_answers(k) == 0) {
		xpv_store32(&raw_blk_ring(k)->rsp_event, k->rsp_cons + 1);
		xpv_mb();
		if (raw_blk_answers(k))
			break;
		if (conform_now() >= end)
			return false;
		raw_event(&k->f, end - conform_now());
	}
	/* 32 bits lack nothing but what aligns it. */
	memcpy(rsp, raw_blk_slot(k, k->rsp_cons), blk_abi_rsp(k->abi));
	k->rsp_cons++;
	return true;
}
