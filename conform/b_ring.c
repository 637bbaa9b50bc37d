/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases for a backend: the ring, its events, and what answers hold. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conform/backend.h"

/* An answer to what is outstanding; else the case has failed. */
static bool take(struct backend *b, struct wire_scsi_rsp *rsp)
{
	if (backend_get(b, rsp, RAW_PATIENCE_MS))
		return true;
	b->connected = false;
	return conform_fail(&b->c, "an answer does not come");
}

static void full(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	struct wire_scsi_req req[WIRE_SCSI_RING_SIZE];
	struct wire_scsi_rsp rsp[WIRE_SCSI_RING_SIZE];
	uint32_t i;

	(void)arg;
	for (i = 0; i < WIRE_SCSI_RING_SIZE; i++)
		req[i] = backend_read(b, 0, i * 8, 8, i);
	memset(b->pages.at, 0, WIRE_SCSI_RING_SIZE * WIRE_PAGE_SIZE);
	if (!backend_exchange(b, req, i, rsp, NULL))
		return;
	for (i = 0; i < WIRE_SCSI_RING_SIZE; i++)
		if (rsp[i].rslt != GOOD)
			conform_fail(c, "request %" PRIu32 ": rslt %#" PRIx32,
				     i, (uint32_t)rsp[i].rslt);
	if (backend_differs(b->pages.at, 0,
			    WIRE_SCSI_RING_SIZE * WIRE_PAGE_SIZE))
		conform_fail(c, "the data is wrong");
}

static void one_event(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	struct wire_scsi_req req = backend_read(b, 0, 0, 8, 0);
	struct wire_scsi_rsp rsp;
	uint32_t i;

	(void)arg;
	/* published one by one; the event comes behind all of them */
	for (i = 0; i < WIRE_SCSI_RING_SIZE; i++) {
		req.rqid = (uint16_t)i;
		raw_put(&b->front, &req);
		raw_publish(&b->front);
	}
	raw_notify(&b->front);
	for (i = 0; i < WIRE_SCSI_RING_SIZE; i++)
		if (!take(b, &rsp))
			return;
}

static void same_rqid(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	struct wire_scsi_req req = backend_read(b, 0, 0, 8, 0);
	struct wire_scsi_rsp rsp;
	uint32_t i;

	(void)arg;
	req.rqid = 7;
	for (i = 0; i < WIRE_SCSI_RING_SIZE; i++)
		raw_put(&b->front, &req);
	raw_push(&b->front);
	for (i = 0; i < WIRE_SCSI_RING_SIZE; i++) {
		if (!take(b, &rsp))
			return;
		if (rsp.rqid != 7 || rsp.rslt != GOOD)
			conform_fail(c, "rqid %u, rslt %#" PRIx32, rsp.rqid,
				     (uint32_t)rsp.rslt);
	}
}

static void any_rqid(struct conform *c, const void *arg)
{
	static const uint16_t value[] = {0, 1, 15, 16, 255, 256, 32768, 65535};
	struct backend *b = backend_of(c);
	struct wire_scsi_req req = backend_plain(b, 0, WIRE_SCSI_ACT_CDB);
	struct wire_scsi_rsp rsp;
	size_t i;

	(void)arg;
	for (i = 0; i < XPV_ARRAY_SIZE(value); i++) {
		req.rqid = value[i];
		raw_put(&b->front, &req);
		raw_push(&b->front);
		if (!take(b, &rsp))
			return;
		if (rsp.rqid != value[i])
			conform_fail(c, "%u is answered as %u", value[i],
				     rsp.rqid);
	}
}

/* A frontend that never sends an event that was not asked for. */
static void held_back(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	struct wire_scsi_req req = backend_read(b, 0, 0, 8, 0);
	struct wire_scsi_rsp rsp;
	uint32_t i, events = 0, out = 0;

	(void)arg;
	for (i = 0; i < 400; i++) {
		req.rqid = (uint16_t)i;
		raw_put(&b->front, &req);
		events += raw_push_held(&b->front);
		/* in turn one, two, ... seven outstanding */
		for (out++; out > (i % 49 < 2 ? 0 : i % 7); out--)
			if (!take(b, &rsp)) {
				conform_fail(c, "after %" PRIu32 " requests",
					     i);
				return;
			}
		/* now and then it may go to sleep, and one wakes it */
		if (i % 49 == 0)
			conform_sleep(30);
	}
	for (; out; out--)
		if (!take(b, &rsp))
			return;
	conform_note(c, "%" PRIu32 " requests, %" PRIu32 " events", i, events);
}

/* The ring is not looked at before an event has come. */
static void told_of_answers(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	const uint32_t *n = arg;
	struct wire_scsi_req req = backend_read(b, 0, 0, 8, 0);
	struct wire_scsi_rsp rsp;
	uint32_t round, i;

	for (round = 0; round < 20; round++) {
		raw_drain(&b->front);
		xpv_store32(&b->front.ring->rsp_event, b->front.rsp_cons + *n);
		for (i = 0; i < *n; i++) {
			req.rqid = (uint16_t)i;
			raw_put(&b->front, &req);
		}
		raw_push(&b->front);
		if (!raw_event(&b->front, 10000)) {
			i = raw_answers(&b->front);
			b->connected = false;
			conform_fail(c,
				     "no event, %" PRIu32 " of %" PRIu32
				     " answers",
				     i, *n);
			return;
		}
		for (i = 0; i < *n; i++)
			if (!take(b, &rsp))
				return;
	}
}

static void storm(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	struct wire_scsi_req tur = backend_plain(b, 0, WIRE_SCSI_ACT_CDB);
	int64_t end = conform_now() + 3000;
	struct wire_scsi_rsp rsp;
	uint32_t events = 0, i;

	(void)arg;
	while (conform_now() < end) {
		for (i = 0; i < 200; i++, events++)
			raw_notify(&b->front);
		if (!backend_good(b, &tur, &rsp, "TEST UNIT READY"))
			return;
	}
	conform_note(c, "%" PRIu32 " events", events);
}

static void nothing_unasked(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);

	(void)arg;
	raw_notify(&b->front);
	conform_sleep(300);
	if (raw_answers(&b->front))
		conform_fail(c, "%" PRIu32 " answers to nothing",
			     raw_answers(&b->front));
}

/* What is ours in the ring's head is as we left it. */
static void fields(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	struct wire_scsi_req tur = backend_plain(b, 0, WIRE_SCSI_ACT_CDB);
	struct wire_ring *ring = b->front.ring;
	struct wire_scsi_rsp rsp;
	uint32_t event;
	size_t i;

	(void)arg;
	memset(ring->pad, 0x5a, sizeof(ring->pad));
	for (i = 0; i < 40; i++)
		if (!backend_good(b, &tur, &rsp, "TEST UNIT READY"))
			break;
	event = xpv_load32(&ring->rsp_event);
	if (xpv_load32(&ring->req_prod) != b->front.req_prod)
		conform_fail(c, "req_prod was written");
	/* raw_get() sets it at each answer that it had to wait for */
	if (b->front.rsp_cons - event > WIRE_SCSI_RING_SIZE * 40 &&
	    event != b->front.rsp_cons + 1)
		conform_fail(c, "rsp_event was written");
	for (i = 0; i < sizeof(ring->pad); i++)
		if (ring->pad[i] != 0x5a)
			conform_fail(c, "the pad was written");
	memset(ring->pad, 0, sizeof(ring->pad));
}

/* Answers of all kinds; the slots had our own bytes in them. */
static void zeroed(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	struct wire_scsi_req req;
	struct wire_scsi_rsp rsp;
	const uint8_t *byte = (const uint8_t *)&rsp;
	uint32_t pass, i, stale = 0, foreign = 0;

	(void)arg;
	for (pass = 0; pass < 4 * WIRE_SCSI_RING_SIZE; pass++) {
		req = backend_read(b, 0, 0, 8, 0);
		if (pass % 4 == 1)
			req.cmnd[0] = 0xff;
		if (pass % 4 == 2)
			req.act = 0xa5;
		if (pass % 4 == 3)
			req = backend_plain(b, 0, WIRE_SCSI_ACT_ABORT);
		memset(&req.seg[1], 0xa5,
		       sizeof(req) - offsetof(struct wire_scsi_req, seg[1]));
		if (backend_one(b, &req, &rsp) < 0 &&
		    c->verdict == CONFORM_FAIL)
			return;
		/* behind the sense data: what seg[1] and the rest held */
		for (i = 4 + rsp.sense_len; i < sizeof(rsp); i++) {
			if (i < offsetof(struct wire_scsi_req, seg[1]) ||
			    (i >= 100 && i < 108) || byte[i] == 0)
				continue;
			if (byte[i] == 0xa5)
				stale++;
			else
				foreign++;
		}
	}
	if (foreign)
		conform_fail(c, "%" PRIu32 " bytes of somebody else's",
			     foreign);
	if (stale && c->opt->strict)
		conform_fail(c, "%" PRIu32 " bytes of the request are left",
			     stale);
	if (stale)
		conform_note(c, "%" PRIu32 " bytes of the request are left",
			     stale);
}

/* What was found wrong in any answer so far. */
static void all_answers(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);

	(void)arg;
	if (b->stained)
		conform_fail(c, "%s, and %" PRIu32 " others of %" PRIu32,
			     b->stain, b->stained - 1, b->answers);
	if (b->stale && c->opt->strict)
		conform_fail(c, "%" PRIu32 " of %" PRIu32 " are not zeroed",
			     b->stale, b->answers);
	conform_note(c, "%" PRIu32 " answers", b->answers);
}

#define RING(text, rule, function)                                             \
	{                                                                      \
		.family = "ring", .name = (text), .clause = &(rule),           \
		.run = (function)                                              \
	}
#define TOLD(text, count)                                                      \
	{                                                                      \
		.family = "ring", .name = (text),                              \
		.clause = &clause_ring_rsp_event, .run = told_of_answers,      \
		.arg = &(const uint32_t)                                       \
		{                                                              \
			count                                                  \
		}                                                              \
	}

static const struct conform_case cases[] = {
	RING("a full ring with one event", clause_ring_full, full),
	RING("an event behind 16 requests", clause_ring_event, one_event),
	RING("one rqid for 16 requests", clause_rqid, same_rqid),
	RING("any rqid", clause_rqid, any_rqid),
	RING("events only if asked for", clause_ring_event, held_back),
	TOLD("an event at the next answer", 1),
	TOLD("an event at the 4th answer", 4),
	TOLD("an event at the 16th answer", 16),
	RING("an event storm", clause_survive, storm),
	RING("nothing is answered that was not asked", clause_ring_once,
	     nothing_unasked),
	RING("the frontend's fields", clause_ring_fields, fields),
	RING("answers hold nothing else", clause_rsp_reserved, zeroed),
	RING("all answers so far", clause_rslt, all_answers),
};

const struct case_list backend_ring = {cases, XPV_ARRAY_SIZE(cases)};
