/* SPDX-License-Identifier: BSD-2-Clause */
/* What cases for a block backend have in common, and running them: blk.h. */
#include "conform/blk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conform/backend.h"
#include "core/xs.h"

/* ---- requests ---- */

struct wire_blk_seg blk_seg(const struct blk_suite *b, uint32_t i)
{
	return (struct wire_blk_seg){.gref = b->pages.gref[i], .last_sect = 7};
}

struct wire_blk_req64 blk_rw(const struct blk_suite *b, uint8_t op,
			     uint64_t sector, uint32_t sectors, uint32_t page)
{
	struct wire_blk_req64 req = {.operation = op, .sector_number = sector};
	uint8_t n = 0;

	for (; sectors && n < WIRE_BLK_SEGS; n++) {
		uint32_t now = sectors < 8 ? sectors : 8;

		req.seg[n] = blk_seg(b, page + n);
		req.seg[n].last_sect = (uint8_t)(now - 1);
		sectors -= now;
	}
	req.nr_segments = n;
	return req;
}

/* What an answer's operation must be. */
static bool names(const struct wire_blk_rsp64 *rsp,
		  const struct wire_blk_req64 *req)
{
	const struct wire_blk_indirect64 *in = (const void *)req;

	return rsp->operation == req->operation ||
	       (req->operation == WIRE_BLK_OP_INDIRECT &&
		rsp->operation == in->indirect_op);
}

static bool wrong(struct blk_suite *b, const char *what, uint64_t value)
{
	b->connected = false;
	return conform_fail(&b->c, "%s %#" PRIx64, what, value);
}

bool blk_exchange(struct blk_suite *b, struct wire_blk_req64 *req, uint32_t n,
		  struct wire_blk_rsp64 *rsp)
{
	bool answered[1024] = {false};
	struct wire_blk_rsp64 r;
	uint64_t first = b->id, at;
	uint32_t i;

	XPV_ASSERT(n <= XPV_ARRAY_SIZE(answered));
	b->id += n;
	for (i = 0; i < n; i++) {
		req[i].id = first + i;
		raw_blk_put(&b->k, &req[i]);
	}
	raw_blk_push(&b->k);
	for (i = 0; i < n; i++) {
		if (raw_blk_answers(&b->k) > n - i)
			return wrong(
				b, "answers at once:", raw_blk_answers(&b->k));
		if (!raw_blk_get(&b->k, &r, RAW_PATIENCE_MS))
			return wrong(b, "so many answers came:", i);
		at = r.id - first;
		if (at >= n || answered[at])
			return wrong(b, "an answer to what is not open:", r.id);
		if (!names(&r, &req[at]))
			return wrong(b, "an answer to another operation:",
				     r.operation);
		answered[at] = true;
		rsp[at] = r;
	}
	return true;
}

int16_t blk_one(struct blk_suite *b, const struct wire_blk_req64 *req)
{
	struct wire_blk_req64 copy = *req;
	struct wire_blk_rsp64 rsp;

	return blk_exchange(b, &copy, 1, &rsp) ? rsp.status : 1;
}

/* ---- the known data ---- */

static bool write_known(struct blk_suite *b, char *why, size_t len)
{
	struct wire_blk_req64 req;
	int16_t status;

	for (uint32_t s = 0; s < BLK_KNOWN_SECTORS; s += 64) {
		for (uint32_t i = 0; i < 64 * 512; i++)
			b->pages.at[i] = backend_known(s * 512 + i);
		req = blk_rw(b, WIRE_BLK_OP_WRITE, s, 64, 0);
		status = blk_one(b, &req);
		if (!status)
			continue;
		snprintf(why, len, "an honest WRITE does not work: status %d",
			 status);
		return false;
	}
	return true;
}

bool blk_serves(struct blk_suite *b, char *why, size_t len)
{
	struct wire_blk_req64 req = blk_rw(b, WIRE_BLK_OP_READ, 8, 24, 3);
	uint8_t *data = b->pages.at + (size_t)3 * WIRE_PAGE_SIZE;
	int16_t status;

	memset(data, 0, (size_t)3 * WIRE_PAGE_SIZE);
	status = blk_one(b, &req);
	if (status) {
		snprintf(why, len, "an honest READ fails: status %d", status);
		return false;
	}
	if (!(b->info & WIRE_BLK_INFO_READONLY) &&
	    backend_differs(data, 8 * 512, 3 * WIRE_PAGE_SIZE)) {
		snprintf(why, len, "an honest READ returns other data");
		return false;
	}
	return true;
}

/* ---- the connection ---- */

static void look(struct blk_suite *b)
{
	struct raw_front *f = &b->k.f;
	char text[32];

	b->sectors = 0;
	if (!raw_back_text(f, WIRE_BLK_KEY_SECTORS, text, sizeof(text)) ||
	    xs_parse_u64(text, strlen(text), &b->sectors))
		b->sectors = 0;
	b->block = raw_back_u32(f, WIRE_BLK_KEY_SECTOR_SIZE);
	b->info = raw_back_u32(f, WIRE_BLK_KEY_INFO);
	b->indirect = raw_back_u32(f, WIRE_BLK_KEY_INDIRECT);
	b->order = raw_back_u32(f, WIRE_BLK_KEY_MAX_RING_ORDER);
	b->queues = raw_back_u32(f, WIRE_BLK_KEY_MAX_QUEUES);
	b->flush = raw_back_u32(f, WIRE_BLK_KEY_FLUSH);
	b->barrier = raw_back_u32(f, WIRE_BLK_KEY_BARRIER);
	b->discard = raw_back_u32(f, WIRE_BLK_KEY_DISCARD);
	b->persistent = raw_back_u32(f, WIRE_BLK_KEY_PERSISTENT);
	b->secure = raw_back_u32(f, WIRE_BLK_KEY_DISCARD_SECURE);
}

static bool connect_as(struct blk_suite *b, const struct raw_blk_how *how,
		       bool now, char *why, size_t len)
{
	uint32_t state = raw_blk_connect(&b->k, how, now);

	b->opened = true;
	b->connected = state == WIRE_BUS_CONNECTED;
	if (!b->connected)
		snprintf(why, len,
			 "the backend does not connect: its state is %" PRIu32,
			 state);
	else
		look(b);
	return b->connected;
}

bool blk_reconnect(struct blk_suite *b, const struct raw_blk_how *how,
		   bool politely)
{
	char why[CONFORM_DETAIL_MAX];

	(void)raw_again(&b->k.f, politely);
	return connect_as(b, how, true, why, sizeof(why)) ||
	       conform_fail(&b->c, "%s", why);
}

bool blk_ready(struct blk_suite *b, char *why, size_t len)
{
	static const struct raw_blk_how plain;

	if (*b->k.f.broken) {
		snprintf(why, len, "on our side: %s", b->k.f.broken);
		return false;
	}
	raw_blk_use(&b->k, 0);
	if (b->connected && b->k.ring.n == 1 &&
	    raw_blk_room(&b->k) == b->k.slots)
		return true;
	if (b->opened)
		(void)raw_again(&b->k.f, true);
	return connect_as(b, &plain, b->opened, why, len);
}

static bool ready(struct conform *c, char *why, size_t len)
{
	return blk_ready(blk_of(c), why, len);
}

/* What a case broke is connected again, and must then serve. */
static bool well(struct conform *c, const struct conform_case *at, char *why,
		 size_t len)
{
	struct blk_suite *b = blk_of(c);
	enum conform_verdict verdict = c->verdict;
	char detail[CONFORM_DETAIL_MAX], then[CONFORM_DETAIL_MAX];
	bool good;

	(void)at;
	memcpy(detail, c->detail, sizeof(detail));
	good = blk_ready(b, why, len) && blk_serves(b, why, len);
	/* the look is not the case */
	c->verdict = verdict;
	memcpy(c->detail, detail, sizeof(detail));
	if (!good) {
		/* WHY says what was wrong at first */
		b->connected = false;
		if (!blk_ready(b, then, sizeof(then)))
			conform_dead(c, "%s", then);
		c->verdict = verdict;
	}
	return good;
}

/* ---- all of it ---- */

static bool begin(struct blk_suite *b, char *why, size_t len)
{
	uint32_t state = raw_own_u32(&b->k.f, WIRE_BUS_STATE);

	if (state != WIRE_BUS_INITIALISING && state != WIRE_BUS_CLOSED) {
		snprintf(why, len,
			 "disk %" PRIu32 " is in use: its frontend's state is "
			 "%" PRIu32 "; take the driver away first",
			 b->k.f.unit, state);
		return false;
	}
	b->opened = state == WIRE_BUS_CLOSED;
	if (!raw_grant(&b->k.f, &b->pages, BLK_PAGES, true) ||
	    !raw_grant(&b->k.f, &b->list, BLK_LISTS, true) ||
	    !raw_grant(&b->k.f, &b->read_only, 1, false)) {
		snprintf(why, len, "%s", b->k.f.broken);
		return false;
	}
	b->c.deadline = conform_now() + 1000 * CONFORM_SECONDS;
	if (!blk_ready(b, why, len))
		return false;
	if (b->sectors < 32768) {
		snprintf(why, len, "the disk has less than 16 MiB");
		return false;
	}
	return ((b->info & WIRE_BLK_INFO_READONLY) ||
		write_known(b, why, len)) &&
	       blk_serves(b, why, len);
}

struct conform_case *blk_backend_cases(size_t *n)
{
	static const struct blk_list *const lists[] = {
		&blk_indirect, &blk_persistent, &blk_ring, &blk_handshake};
	struct conform_case *all;
	size_t at;

	*n = blk_rows(NULL);
	for (size_t i = 0; i < XPV_ARRAY_SIZE(lists); i++)
		*n += lists[i]->n;
	all = calloc(*n, sizeof(*all));
	if (!all)
		return NULL;
	at = blk_rows(all);
	for (size_t i = 0; i < XPV_ARRAY_SIZE(lists); i++) {
		memcpy(all + at, lists[i]->at, lists[i]->n * sizeof(*all));
		at += lists[i]->n;
	}
	return all;
}

int blk_backend_conform(const struct blk_suite_cfg *cfg,
			const struct conform_options *opt, uint32_t count[3],
			char *why, size_t len)
{
	static struct blk_suite b;
	struct conform_case *all;
	size_t n;
	int rc;

	memset(&b, 0, sizeof(b));
	b.c = (struct conform){.opt = opt, .ready = ready, .well = well};
	b.id = 0x0123456789abcd00;
	b.k.abi = cfg->abi;
	all = blk_backend_cases(&n);
	if (!all) {
		snprintf(why, len, "out of memory");
		return -ENOMEM;
	}
	rc = raw_open(&b.k.f, cfg->ops, cfg->where, cfg->name, "vbd", cfg->unit,
		      cfg->wait_s, why, len);
	if (rc)
		goto out;
	b.k.f.c = &b.c;
	if (begin(&b, why, len)) {
		conform_run(&b.c, all, n);
		(void)raw_again(&b.k.f, true);
	} else {
		rc = -EIO;
	}
	memcpy(count, b.c.count, sizeof(b.c.count));
	raw_blk_close(&b.k);
out:
	free(all);
	return rc;
}
