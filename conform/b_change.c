/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cases for a backend: what changes while it is in use, in pages that both ends
 * can see.
 *
 * What is never done, here and in other families: data-in to a page that
 * another part of this domain may have granted. The backend is right to write
 * there, and then it would be our own console, xenstore ring or disk buffer
 * that is broken.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "conform/backend.h"

#define BAD   (WIRE_SCSI_HOST_ERROR << 16)
#define NEVER 0xffffffffu

/*
 * Data-out only: the kernel may give the same reference to its own data as
 * soon as we have ended ours.
 */
static void ended_grants(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	struct wire_scsi_req req = backend_write(b, b->luns - 1, 4096, 8, 0);
	struct wire_scsi_rsp rsp;
	struct raw_pages p;
	uint32_t i, refused = 0;

	(void)arg;
	for (i = 0; i < 50; i++) {
		if (!raw_grant(&b->front, &p, 1, true))
			return;
		req.rqid = (uint16_t)i;
		req.seg[0] = (struct wire_scsi_seg){p.gref[0], 0, 4096};
		raw_put(&b->front, &req);
		raw_push(&b->front);
		raw_ungrant(&b->front, &p);
		if (!backend_get(b, &rsp, RAW_PATIENCE_MS)) {
			b->connected = false;
			conform_fail(c, "no answer");
			return;
		}
		refused += rsp_failed(&rsp);
		if (c->opt->strict && rsp.rslt != GOOD && rsp.rslt != BAD)
			conform_fail(c, "rslt %#" PRIx32, (uint32_t)rsp.rslt);
	}
	conform_note(c, "%" PRIu32 " of %" PRIu32 " refused", refused, i);
}

/* The other thread, and what it writes in turn until it is told to stop. */
struct flipper {
	pthread_t thread;
	bool stop;
	struct backend *b;
	void (*flip)(struct backend *b, uint32_t turn);
};

static void *flipper_main(void *arg)
{
	struct flipper *f = arg;
	uint32_t turn = 0;

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED))
		f->flip(f->b, turn++);
	return NULL;
}

/* Word by word, so that halves of two entries are seen, too. */
static void flip_list(struct backend *b, uint32_t turn)
{
	static const struct wire_scsi_seg bad = {NEVER, 4000, 512};
	volatile uint32_t *to = (volatile void *)b->list.at;
	struct wire_scsi_seg entry = backend_seg(b, 0, 0, 512);
	uint32_t words[2];

	memcpy(words, turn & 1 ? &bad : &entry, sizeof(words));
	to[0] = words[0];
	to[1] = words[1];
}

/* The number of segments in every slot; in an answer that byte is sense. */
static void flip_slots(struct backend *b, uint32_t turn)
{
	volatile uint8_t *slot =
		(volatile uint8_t *)b->front.ring + WIRE_RING_SLOTS_OFFS;
	uint32_t i;

	for (i = 0; i < WIRE_SCSI_RING_SIZE; i++)
		slot[i * sizeof(struct wire_scsi_req) +
		     offsetof(struct wire_scsi_req, nr_segments)] =
			turn & 1 ? 255 : WIRE_SCSI_SG_GRANT | 1;
}

struct change {
	void (*flip)(struct backend *b, uint32_t turn);
};

static void exchange_until(struct backend *b, int64_t end)
{
	struct wire_scsi_req req[WIRE_SCSI_RING_SIZE];
	struct wire_scsi_rsp rsp[WIRE_SCSI_RING_SIZE];
	uint32_t i, good = 0, refused = 0;

	while (conform_now() < end) {
		for (i = 0; i < WIRE_SCSI_RING_SIZE; i++) {
			req[i] = backend_read(b, 0, 0, 1, 0);
			req[i].nr_segments = WIRE_SCSI_SG_GRANT | 1;
			req[i].seg[0] =
				(struct wire_scsi_seg){b->list.gref[0], 0, 8};
		}
		if (!backend_exchange(b, req, i, rsp, NULL))
			return;
		for (i = 0; i < WIRE_SCSI_RING_SIZE; i++) {
			good += rsp[i].rslt == GOOD;
			refused += rsp_failed(&rsp[i]);
			if (b->c.opt->strict && rsp[i].rslt != GOOD &&
			    rsp[i].rslt != BAD)
				conform_fail(&b->c, "rslt %#" PRIx32,
					     (uint32_t)rsp[i].rslt);
		}
	}
	conform_note(&b->c, "%" PRIu32 " good, %" PRIu32 " refused", good,
		     refused);
}

static void in_flight(struct conform *c, const void *arg)
{
	const struct change *change = arg;
	struct backend *b = backend_of(c);
	struct flipper f = {.b = b, .flip = change->flip};
	uint32_t stained = b->stained, stale = b->stale;

	if (!backend_lists(b))
		return;
	flip_list(b, 0); /* what is honest is good */
	change->flip(b, 0);
	if (pthread_create(&f.thread, NULL, flipper_main, &f)) {
		conform_skip(c, "no thread can be had");
		return;
	}
	exchange_until(b, conform_now() + 1500);
	__atomic_store_n(&f.stop, true, __ATOMIC_RELAXED);
	pthread_join(f.thread, NULL);
	/* what we wrote into answers ourselves is no fault of the backend's */
	b->stained = stained;
	b->stale = stale;
}

static const struct conform_case cases[] = {
	{.family = "change",
	 .name = "grants are ended while they are in use",
	 .clause = &clause_grant,
	 .run = ended_grants},
	{.family = "change",
	 .name = "a list changes in flight",
	 .clause = &clause_ring_copy,
	 .run = in_flight,
	 .arg = &(const struct change){flip_list}},
	{.family = "change",
	 .name = "slots change in flight",
	 .clause = &clause_ring_copy,
	 .run = in_flight,
	 .arg = &(const struct change){flip_slots}},
};

const struct case_list backend_change = {cases, XPV_ARRAY_SIZE(cases)};
