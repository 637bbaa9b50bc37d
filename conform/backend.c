/* SPDX-License-Identifier: BSD-2-Clause */
/* What cases for a backend have in common, and running them: backend.h. */
#include "conform/backend.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conform/rows.h"

uint16_t rsp_asc(const struct wire_scsi_rsp *rsp)
{
	if (rsp->sense_len < 14)
		return 0;
	return (uint16_t)(rsp->sense[12] << 8 | rsp->sense[13]);
}

bool rsp_failed(const struct wire_scsi_rsp *rsp)
{
	return (rsp->rslt & 0x00ff00ff) != 0;
}

bool backend_second(struct backend *b)
{
	if (b->luns > 1)
		return true;
	conform_skip(&b->c, "the controller has no second LUN");
	return false;
}

bool backend_lists(struct backend *b)
{
	if (b->segs_max)
		return true;
	conform_skip(&b->c, "feature-sg-grant is not offered");
	return false;
}

/* ---- requests ---- */

struct wire_scsi_seg backend_seg(const struct backend *b, uint32_t i,
				 uint16_t offset, uint16_t length)
{
	return (struct wire_scsi_seg){b->pages.gref[i], offset, length};
}

struct wire_scsi_req backend_plain(const struct backend *b, uint32_t lun,
				   uint8_t act)
{
	const struct scsi_addr *at = &b->addr[lun];

	return (struct wire_scsi_req){
		.act = act,
		.cmd_len = 6,
		.channel = at->channel,
		.id = at->id,
		.lun = at->lun,
		.sc_data_direction = WIRE_SCSI_DIR_NONE,
	};
}

static struct wire_scsi_req transfer(const struct backend *b, uint32_t lun,
				     uint8_t opcode, uint32_t block,
				     uint32_t blocks, uint32_t page)
{
	struct wire_scsi_req req = backend_plain(b, lun, WIRE_SCSI_ACT_CDB);
	uint32_t left = blocks * 512, n;

	req.cmd_len = 10;
	req.cmnd[0] = opcode;
	req.cmnd[3] = (uint8_t)(block >> 16);
	req.cmnd[4] = (uint8_t)(block >> 8);
	req.cmnd[5] = (uint8_t)block;
	req.cmnd[7] = (uint8_t)(blocks >> 8);
	req.cmnd[8] = (uint8_t)blocks;
	for (n = 0; left && n < WIRE_SCSI_SEGS; n++) {
		uint32_t len = left < WIRE_PAGE_SIZE ? left : WIRE_PAGE_SIZE;

		req.seg[n] = backend_seg(b, page + n, 0, (uint16_t)len);
		left -= len;
	}
	req.nr_segments = (uint8_t)n;
	return req;
}

struct wire_scsi_req backend_read(const struct backend *b, uint32_t lun,
				  uint32_t block, uint32_t blocks,
				  uint32_t page)
{
	struct wire_scsi_req req = transfer(b, lun, 0x28, block, blocks, page);

	req.sc_data_direction = WIRE_SCSI_DIR_IN;
	return req;
}

struct wire_scsi_req backend_write(const struct backend *b, uint32_t lun,
				   uint32_t block, uint32_t blocks,
				   uint32_t page)
{
	struct wire_scsi_req req = transfer(b, lun, 0x2a, block, blocks, page);

	req.sc_data_direction = WIRE_SCSI_DIR_OUT;
	return req;
}

/* ---- answers ---- */

static void stain(struct backend *b, const char *what, uint32_t value)
{
	if (!b->stained++)
		snprintf(b->stain, sizeof(b->stain), "%s %#" PRIx32, what,
			 value);
}

/*
 * What holds for any answer. Rests of our own request are not what could do us
 * harm; bytes that are neither zero nor ours come from somewhere else.
 */
static void inspect(struct backend *b, const struct wire_scsi_rsp *rsp)
{
	uint32_t i, host = (uint32_t)rsp->rslt >> 16 & 0xff;
	bool stale = false;

	b->answers++;
	if (rsp->sense_len > WIRE_SCSI_SENSE)
		stain(b, "sense_len", rsp->sense_len);
	if (host > WIRE_SCSI_HOST_TRANSPORT_MARGINAL)
		stain(b, "host result", host);
	for (i = rsp->sense_len; i < WIRE_SCSI_SENSE; i++)
		stale = stale || rsp->sense[i];
	for (i = 0; i < XPV_ARRAY_SIZE(rsp->reserved); i++)
		stale = stale || rsp->reserved[i];
	b->stale += stale || rsp->act;
}

bool backend_get(struct backend *b, struct wire_scsi_rsp *rsp, int64_t ms)
{
	uint32_t n = raw_answers(&b->front);

	if (n > WIRE_SCSI_RING_SIZE)
		return conform_fail(&b->c, "%" PRIu32 " answers at once", n);
	if (!raw_get(&b->front, rsp, ms))
		return false;
	inspect(b, rsp);
	return true;
}

bool backend_exchange(struct backend *b, struct wire_scsi_req *req, uint32_t n,
		      struct wire_scsi_rsp *rsp, uint32_t *order)
{
	bool answered[WIRE_SCSI_RING_SIZE] = {false};
	uint16_t first = b->rqid;
	struct wire_scsi_rsp r;
	uint32_t i, at;

	b->rqid = (uint16_t)(b->rqid + n);
	for (i = 0; i < n; i++) {
		req[i].rqid = (uint16_t)(first + i);
		if (req[i].act == WIRE_SCSI_ACT_ABORT && req[i].ref_rqid < n)
			req[i].ref_rqid = (uint16_t)(first + req[i].ref_rqid);
		raw_put(&b->front, &req[i]);
	}
	raw_push(&b->front);
	for (i = 0; i < n; i++) {
		if (!backend_get(b, &r, RAW_PATIENCE_MS)) {
			b->connected = false;
			return conform_fail(&b->c,
					    "%" PRIu32 " of %" PRIu32
					    " answers came",
					    i, n);
		}
		at = (uint16_t)(r.rqid - first);
		if (at >= n || answered[at]) {
			b->connected = false;
			return conform_fail(
				&b->c, "an answer to %u, which is not open",
				r.rqid);
		}
		answered[at] = true;
		rsp[at] = r;
		if (order)
			order[at] = i;
	}
	return true;
}

int32_t backend_one(struct backend *b, const struct wire_scsi_req *req,
		    struct wire_scsi_rsp *rsp)
{
	struct wire_scsi_req copy = *req;

	memset(rsp, 0, sizeof(*rsp));
	return backend_exchange(b, &copy, 1, rsp, NULL) ? rsp->rslt : -1;
}

bool backend_good(struct backend *b, const struct wire_scsi_req *req,
		  struct wire_scsi_rsp *rsp, const char *what)
{
	if (backend_one(b, req, rsp) == GOOD)
		return true;
	return conform_fail(&b->c,
			    "%s: rslt %#" PRIx32 ", additional sense %#x", what,
			    (uint32_t)rsp->rslt, rsp_asc(rsp));
}

bool backend_settle(struct backend *b, uint32_t lun)
{
	struct wire_scsi_req tur = backend_plain(b, lun, WIRE_SCSI_ACT_CDB);
	struct wire_scsi_rsp rsp;
	int i;

	for (i = 0; i < 8; i++)
		if (backend_one(b, &tur, &rsp) == GOOD)
			return true;
	return false;
}

/* The same, and a line in WHY if it does not get ready. */
static bool settled(struct backend *b, uint32_t lun, char *why, size_t len)
{
	bool failed = b->c.verdict == CONFORM_FAIL;

	if (backend_settle(b, lun))
		return true;
	snprintf(why, len, "LUN %" PRIu32 " does not get ready: %s", lun,
		 !failed && b->c.verdict == CONFORM_FAIL
			 ? b->c.detail
			 : "no TEST UNIT READY is GOOD");
	return false;
}

/* ---- the known data ---- */

uint8_t backend_known(uint32_t offset)
{
	return (uint8_t)(offset * 7 + offset / 256 + offset / 65536 * 5 + 3);
}

uint32_t backend_differs(const uint8_t *data, uint32_t offset, uint32_t len)
{
	uint32_t i, wrong = 0;

	for (i = 0; i < len; i++)
		wrong += data[i] != backend_known(offset + i);
	return wrong;
}

static bool write_known(struct backend *b, char *why, size_t len)
{
	const uint32_t step = 8 * WIRE_PAGE_SIZE / 512;
	struct wire_scsi_req req;
	struct wire_scsi_rsp rsp;
	uint32_t block, i;

	for (block = 0; block < KNOWN_BLOCKS; block += step) {
		for (i = 0; i < step * 512; i++)
			b->pages.at[i] = backend_known(block * 512 + i);
		req = backend_write(b, 0, block, step, 0);
		if (backend_one(b, &req, &rsp) == GOOD)
			continue;
		snprintf(why, len,
			 "an honest WRITE does not work: rslt %#" PRIx32
			 ", additional sense %#x",
			 (uint32_t)rsp.rslt, rsp_asc(&rsp));
		return false;
	}
	return true;
}

bool backend_serves(struct backend *b, uint32_t lun, char *why, size_t len)
{
	struct wire_scsi_req rd = backend_read(b, lun, 0, 8, 3);
	uint8_t *data = b->pages.at + (size_t)3 * WIRE_PAGE_SIZE;
	struct wire_scsi_rsp rsp;

	*why = '\0';
	if (!settled(b, lun, why, len))
		return false;
	memset(data, 0, WIRE_PAGE_SIZE);
	if (backend_one(b, &rd, &rsp) != GOOD)
		snprintf(why, len,
			 "an honest READ of LUN %" PRIu32
			 " fails: rslt %#" PRIx32,
			 lun, (uint32_t)rsp.rslt);
	else if (lun == 0 && backend_differs(data, 0, WIRE_PAGE_SIZE))
		snprintf(why, len, "an honest READ returns other data");
	return !*why;
}

/* ---- the connection ---- */

/* Block Limits: MAXIMUM TRANSFER LENGTH. */
static void ask_limits(struct backend *b)
{
	struct wire_scsi_req req = backend_plain(b, 0, WIRE_SCSI_ACT_CDB);
	const uint8_t *page = b->pages.at;
	struct wire_scsi_rsp rsp;

	req.sc_data_direction = WIRE_SCSI_DIR_IN;
	memcpy(req.cmnd, (const uint8_t[]){0x12, 1, 0xb0, 0, 64}, 5);
	req.nr_segments = 1;
	req.seg[0] = backend_seg(b, 0, 0, 64);
	memset(b->pages.at, 0, 64);
	b->blocks_max = 0;
	if (backend_one(b, &req, &rsp) == GOOD && page[1] == 0xb0)
		b->blocks_max = (uint32_t)page[8] << 24 | page[9] << 16 |
				page[10] << 8 | page[11];
}

bool backend_ready(struct backend *b, char *why, size_t len)
{
	uint32_t state;

	if (*b->front.broken) {
		snprintf(why, len, "on our side: %s", b->front.broken);
		return false;
	}
	if (b->connected && raw_room(&b->front) == WIRE_SCSI_RING_SIZE)
		return true;
	if (b->opened)
		raw_again(&b->front, true);
	state = b->opened ? raw_connect_now(&b->front, NULL, NULL)
			  : raw_connect(&b->front, NULL, NULL);
	b->opened = true;
	b->connected = state == WIRE_BUS_CONNECTED;
	if (!b->connected) {
		snprintf(why, len,
			 "the backend does not connect: its state is %" PRIu32,
			 state);
		return false;
	}
	b->segs_max = raw_back_u32(&b->front, WIRE_BUS_SCSI_SG_GRANT);
	return settled(b, 0, why, len);
}

static bool ready(struct conform *c, char *why, size_t len)
{
	snprintf(why, len, "an honest driver is not served");
	return backend_ready(backend_of(c), why, len);
}

/* What a case broke is connected again, and must then serve. */
static bool well(struct conform *c, const struct conform_case *at, char *why,
		 size_t len)
{
	struct backend *b = backend_of(c);
	enum conform_verdict verdict = c->verdict;
	char detail[CONFORM_DETAIL_MAX];
	char then[CONFORM_DETAIL_MAX];
	bool good;

	memcpy(detail, c->detail, sizeof(detail));
	(void)at;
	c->verdict = CONFORM_PASS;
	good = ready(c, why, len) && backend_serves(b, 0, why, len) &&
	       (b->luns < 2 || backend_serves(b, 1, why, len));
	/* the look is not the case */
	c->verdict = verdict;
	memcpy(c->detail, detail, sizeof(detail));
	if (!good) {
		/* WHY says what was wrong at first */
		b->connected = false;
		if (!ready(c, then, sizeof(then)))
			conform_dead(c, "%s", then);
		c->verdict = verdict;
	}
	return good;
}

/* ---- all of it ---- */

/* Where the LUNs are: of the backend's v-dev nodes. */
static void look_for_luns(struct backend *b)
{
	char leaf[64], text[64];
	unsigned h, ch, id, lun, n;

	b->luns = 0;
	for (n = 0; n < 64 && b->luns < 2; n++) {
		snprintf(leaf, sizeof(leaf), "vscsi-devs/dev-%u/v-dev", n);
		if (!raw_back_text(&b->front, leaf, text, sizeof(text)) ||
		    sscanf(text, "%u:%u:%u:%u", &h, &ch, &id, &lun) != 4)
			continue;
		b->addr[b->luns++] = (struct scsi_addr){
			(uint16_t)ch, (uint16_t)id, (uint16_t)lun};
	}
}

/* A toolstack may be about to attach the second one. */
static bool find_luns(struct backend *b, char *why, size_t len)
{
	int64_t end = conform_now() + 2000;

	for (look_for_luns(b); b->luns < 2 && conform_now() < end;
	     look_for_luns(b))
		conform_sleep(50);
	if (!b->luns)
		snprintf(why, len, "%s has no LUN", b->front.back);
	return b->luns > 0;
}

static bool begin(struct backend *b, char *why, size_t len)
{
	uint32_t state = raw_own_u32(&b->front, WIRE_BUS_STATE);

	if (state != WIRE_BUS_INITIALISING && state != WIRE_BUS_CLOSED) {
		snprintf(why, len,
			 "controller %" PRIu32 " is in use: its frontend's "
			 "state is %" PRIu32 "; take the driver away first",
			 b->front.unit, state);
		return false;
	}
	b->opened = state == WIRE_BUS_CLOSED;
	if (!find_luns(b, why, len))
		return false;
	if (!raw_grant(&b->front, &b->pages, DATA_PAGES, true) ||
	    !raw_grant(&b->front, &b->list, LISTS, true) ||
	    !raw_grant(&b->front, &b->read_only, 1, false)) {
		snprintf(why, len, "%s", b->front.broken);
		return false;
	}
	b->c.deadline = conform_now() + 1000 * CONFORM_SECONDS;
	if (!backend_ready(b, why, len) || !write_known(b, why, len))
		return false;
	ask_limits(b);
	return backend_serves(b, 0, why, len);
}

struct conform_case *backend_cases(size_t *n)
{
	static const struct case_list *const lists[] = {
		&backend_handshake, &backend_data,   &backend_ring,
		&backend_task,	    &backend_change, &backend_plug,
		&backend_random,    &backend_broken,
	};
	struct conform_case *all;
	size_t i, at = 0;

	*n = row_count();
	for (i = 0; i < XPV_ARRAY_SIZE(lists); i++)
		*n += lists[i]->n;
	all = calloc(*n, sizeof(*all));
	if (!all)
		return NULL;
	for (i = 0; i < XPV_ARRAY_SIZE(lists); i++) {
		/* rows go behind the handshake */
		if (i == 1) {
			row_cases(all + at);
			at += row_count();
		}
		memcpy(all + at, lists[i]->at, lists[i]->n * sizeof(*all));
		at += lists[i]->n;
	}
	return all;
}

int backend_conform(const struct backend_cfg *cfg,
		    const struct conform_options *opt, uint32_t count[3],
		    char *why, size_t len)
{
	static struct backend b;
	struct conform_case *all;
	size_t n;
	int rc;

	memset(&b, 0, sizeof(b));
	b.c = (struct conform){.opt = opt, .ready = ready, .well = well};
	b.seed = opt->seed ? opt->seed
			   : (uint64_t)conform_now() * 2654435761u + 1;
	all = backend_cases(&n);
	if (!all) {
		snprintf(why, len, "out of memory");
		return -ENOMEM;
	}
	rc = raw_open(&b.front, cfg->ops, cfg->where, cfg->name, "vscsi",
		      cfg->unit, cfg->wait_s, why, len);
	if (rc)
		goto out;
	b.front.c = &b.c;
	if (begin(&b, why, len)) {
		conform_run(&b.c, all, n);
		raw_again(&b.front, true);
	} else {
		rc = -EIO;
	}
	memcpy(count, b.c.count, sizeof(b.c.count));
	raw_close(&b.front);
out:
	free(all);
	return rc;
}
