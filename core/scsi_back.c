/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Theory of operation. A poll works in three passes over what it takes off the
 * ring, so that all descriptor pages of a batch are fetched by one downcall:
 *
 *   take    copy the slot, give it a tag, check what needs no other memory
 *   fetch   read the segment descriptors that WIRE_SCSI_SG_GRANT names
 *   start   check the segments, submit; or begin an ABORT or RESET
 *
 * The journal has an entry for each tag, with the copy of its slot. To resume,
 * the first poll makes TAKEN of what is in it, and goes on as with new requests.
 *
 * A tag's life:  FREE -> TAKEN -> RUNNING -> FREE           a command
 *                FREE -> TAKEN -> WAITING -> FREE           an ABORT
 *                FREE -> TAKEN -> WAITING -> RUNNING -> FREE  a RESET
 * WAITING ends when none of its victims is running.
 */
#include "core/scsi_back.h"

#define SEGS_LIMIT 1024u

enum tag_state {
	TAG_FREE,
	TAG_TAKEN,
	TAG_RUNNING,
	TAG_WAITING
};

enum {
	NO_VICTIM = 0xffff
};

struct tag {
	enum tag_state state;
	uint8_t victim_host; /* answer of a cancelled command, HOST_OK: none */
	struct wire_scsi_req *req;  /* private copy of the slot */
	struct wire_scsi_seg *segs; /* segs_max of them */
	uint32_t nsegs, len;
	uint32_t victims; /* bit per tag an ABORT or RESET waits for */
	bool failed;	  /* refused already; answer with DID_ERROR */
	bool again;	  /* taken by a predecessor */
};

struct scsi_back {
	const struct scsi_back_ops *ops;
	void *host;
	struct ring_back ring;
	struct journal journal;
	uint32_t segs_max;
	bool closed, broken;
	bool resume; /* what is in the journal has not been begun yet */
	bool owed;   /* the guest waits for an event that was not sent yet */
	uint32_t inflight; /* tags in RUNNING */
	struct tag tags[SCSI_BACK_TAGS];
	struct grant_fetch fetch[SCSI_BACK_TAGS * WIRE_SCSI_SEGS];
};

/* What comes after it is aligned to 16. */
#define ENGINE_SIZE ((sizeof(struct scsi_back) + 15) & ~(size_t)15)

_Static_assert(SCSI_BACK_TAGS <= 32, "victims is a bit mask of tags");

size_t scsi_back_journal_size(void)
{
	return journal_size(SCSI_BACK_TAGS, sizeof(struct wire_scsi_req));
}

size_t scsi_back_size(uint32_t segs_max)
{
	return ENGINE_SIZE + scsi_back_journal_size() +
	       (size_t)SCSI_BACK_TAGS * segs_max * sizeof(struct wire_scsi_seg);
}

/* The journal, new or taken over, and where on the ring to go on. */
static int init_journal(struct scsi_back *b, const struct scsi_back_cfg *cfg,
			void *mem, uint32_t *rsp_prod, uint32_t *req_cons)
{
	const uint32_t size = sizeof(struct wire_scsi_req);

	if (cfg->resume)
		return journal_resume(&b->journal, mem, SCSI_BACK_TAGS, size,
				      rsp_prod, req_cons);
	journal_init(&b->journal, mem, SCSI_BACK_TAGS, size, cfg->first);
	*rsp_prod = *req_cons = cfg->first;
	return 0;
}

int scsi_back_init(struct scsi_back **out, void *mem, size_t len,
		   const struct scsi_back_cfg *cfg,
		   const struct scsi_back_ops *ops, void *host)
{
	struct scsi_back *b = mem;
	uint32_t i, rsp_prod, req_cons;
	struct wire_scsi_seg *segs;
	uint8_t *journal;
	int rc;

	if (cfg->segs_max < WIRE_SCSI_SEGS || cfg->segs_max > SEGS_LIMIT)
		return XPV_EINVAL;
	if (len < scsi_back_size(cfg->segs_max))
		return XPV_ENOMEM;
	xpv_zero(b, sizeof(*b));
	journal = (uint8_t *)mem + ENGINE_SIZE;
	segs = (struct wire_scsi_seg *)(void *)(journal +
						scsi_back_journal_size());
	rc = init_journal(b, cfg, cfg->journal ? cfg->journal : journal,
			  &rsp_prod, &req_cons);
	if (rc < 0)
		return rc;
	rc = ring_back_init(&b->ring, cfg->shared, 1,
			    sizeof(struct wire_scsi_req), rsp_prod, req_cons);
	if (rc < 0)
		return rc;
	XPV_ASSERT(b->ring.slots == SCSI_BACK_TAGS);
	b->ops = ops;
	b->host = host;
	b->segs_max = cfg->segs_max;
	for (i = 0; i < SCSI_BACK_TAGS; i++) {
		b->tags[i].segs = segs + (size_t)i * cfg->segs_max;
		b->tags[i].req = journal_slot(&b->journal, i);
	}
	b->resume = b->owed = cfg->resume;
	if (cfg->resume)
		ring_back_republish(&b->ring);
	*out = b;
	return 0;
}

/* A guest's mistake: tell the host, and let the request end with DID_ERROR. */
static void refuse(struct scsi_back *b, struct tag *t, uint32_t event,
		   uint64_t x, uint64_t y)
{
	t->failed = true;
	b->ops->trace(b->host, event, x, y);
}

/* Write the response of T and free it. */
static void answer(struct scsi_back *b, struct tag *t, int32_t rslt,
		   const struct scsi_back_result *res)
{
	struct wire_scsi_rsp rsp;

	xpv_zero(&rsp, sizeof(rsp));
	rsp.rqid = t->req->rqid;
	rsp.rslt = rslt;
	if (res) {
		rsp.residual_len = res->residual;
		rsp.sense_len = res->sense_len < WIRE_SCSI_SENSE
					? res->sense_len
					: WIRE_SCSI_SENSE;
		if (rsp.sense_len)
			xpv_copy(rsp.sense, res->sense, rsp.sense_len);
	}
	ring_back_put(&b->ring, &rsp, sizeof(rsp));
	journal_answer(&b->journal, (uint32_t)(t - b->tags), b->ring.rsp_prod);
	t->state = TAG_FREE;
}

static int32_t host_rslt(uint32_t host)
{
	return (int32_t)(host << 16);
}

/* True when T is a command for LUN A. */
static bool same_lun(const struct tag *t, const struct scsi_addr *a)
{
	return t->req->channel == a->channel && t->req->id == a->id &&
	       t->req->lun == a->lun;
}

static struct scsi_addr addr_of(const struct tag *t)
{
	struct scsi_addr a = {t->req->channel, t->req->id, t->req->lun};

	return a;
}

/*
 * The pages that hold the segment descriptors: queue them to be fetched in one
 * batch. Returns how many pieces were queued.
 */
static uint32_t queue_fetch(struct scsi_back *b, struct tag *t, uint32_t at)
{
	uint32_t pages = t->req->nr_segments & ~(uint32_t)WIRE_SCSI_SG_GRANT;
	uint32_t i, n = 0;
	const uint32_t size = sizeof(struct wire_scsi_seg);

	if (pages == 0 || pages > WIRE_SCSI_SEGS) {
		refuse(b, t, SCSI_BACK_EV_BAD_SEGS, t->req->nr_segments, pages);
		return 0;
	}
	for (i = 0; i < pages; i++) {
		const struct wire_scsi_seg *s = &t->req->seg[i];

		if (s->offset >= WIRE_PAGE_SIZE ||
		    s->length > WIRE_PAGE_SIZE - s->offset ||
		    s->length % size != 0) {
			refuse(b, t, SCSI_BACK_EV_BAD_SEG, s->offset,
			       s->length);
			return 0;
		}
		if (s->length / size > b->segs_max - n) {
			refuse(b, t, SCSI_BACK_EV_BAD_SEGS, t->req->nr_segments,
			       n + s->length / size);
			return 0;
		}
		b->fetch[at + i].gref = s->gref;
		b->fetch[at + i].offset = s->offset;
		b->fetch[at + i].len = s->length;
		b->fetch[at + i].to = t->segs + n;
		b->fetch[at + i].ok = false;
		n += s->length / size;
	}
	t->nsegs = n;
	return pages;
}

/* Check what the slot itself says. Returns the pieces queued for fetching. */
static uint32_t check_slot(struct scsi_back *b, struct tag *t, uint32_t at)
{
	const struct wire_scsi_req *req = t->req;

	t->nsegs = 0;
	t->len = 0;
	t->failed = false;
	t->victim_host = WIRE_SCSI_HOST_OK;
	if (req->act == WIRE_SCSI_ACT_ABORT || req->act == WIRE_SCSI_ACT_RESET)
		return 0;
	if (req->act != WIRE_SCSI_ACT_CDB)
		refuse(b, t, SCSI_BACK_EV_BAD_ACT, req->act, 0);
	else if (req->cmd_len == 0 || req->cmd_len > WIRE_SCSI_CDB)
		refuse(b, t, SCSI_BACK_EV_BAD_CDB, req->cmd_len, 0);
	else if (req->sc_data_direction > WIRE_SCSI_DIR_NONE)
		refuse(b, t, SCSI_BACK_EV_BAD_DIR, req->sc_data_direction, 0);
	else if (req->nr_segments & WIRE_SCSI_SG_GRANT)
		return queue_fetch(b, t, at);
	else if (req->nr_segments > WIRE_SCSI_SEGS)
		refuse(b, t, SCSI_BACK_EV_BAD_SEGS, req->nr_segments, 0);
	else
		t->nsegs = req->nr_segments;
	if (!t->failed && t->nsegs)
		xpv_copy(t->segs, req->seg, t->nsegs * sizeof(*t->segs));
	return 0;
}

/*
 * Check the segments and drop empty ones. The sum cannot overflow: at most
 * SEGS_LIMIT segments of at most a page.
 */
static void check_segs(struct scsi_back *b, struct tag *t)
{
	uint32_t i, n = 0;

	for (i = 0; i < t->nsegs; i++) {
		const struct wire_scsi_seg *s = &t->segs[i];

		if (s->offset > WIRE_PAGE_SIZE ||
		    s->length > WIRE_PAGE_SIZE - s->offset) {
			refuse(b, t, SCSI_BACK_EV_BAD_SEG, s->offset,
			       s->length);
			return;
		}
		if (s->length == 0)
			continue;
		t->len += s->length;
		t->segs[n++] = *s;
	}
	t->nsegs = n;
}

static void submit(struct scsi_back *b, uint16_t tag, enum scsi_back_act act)
{
	struct tag *t = &b->tags[tag];
	struct scsi_back_cmd cmd;

	xpv_zero(&cmd, sizeof(cmd));
	cmd.act = act;
	cmd.tag = tag;
	cmd.addr = addr_of(t);
	cmd.dir = WIRE_SCSI_DIR_NONE;
	cmd.again = t->again;
	cmd.index = journal_index(&b->journal, tag);
	if (act == SCSI_BACK_CDB) {
		cmd.cdb_len = t->req->cmd_len;
		xpv_copy(cmd.cdb, t->req->cmnd, t->req->cmd_len);
		cmd.dir = t->req->sc_data_direction;
		if (cmd.dir != WIRE_SCSI_DIR_NONE) {
			cmd.nsegs = t->nsegs;
			cmd.segs = t->segs;
			cmd.len = t->len;
		}
	}
	t->state = TAG_RUNNING;
	b->inflight++;
	b->ops->submit(b->host, &cmd);
}

/* An ABORT or RESET whose victims have all been answered. */
static void victims_gone(struct scsi_back *b, uint16_t tag)
{
	struct tag *t = &b->tags[tag];

	if (t->req->act == WIRE_SCSI_ACT_RESET)
		submit(b, tag, SCSI_BACK_RESET);
	else
		answer(b, t, WIRE_SCSI_RESET_SUCCESS, NULL);
}

/*
 * Begin an ABORT or RESET: mark its victims and cancel them. An ABORT that
 * finds nothing has succeeded: its command has been answered (SAM-5 7.2).
 */
static void start_tmf(struct scsi_back *b, uint16_t tag)
{
	struct tag *t = &b->tags[tag];
	struct scsi_addr a = addr_of(t);
	bool reset = t->req->act == WIRE_SCSI_ACT_RESET;
	uint16_t i;

	t->victims = 0;
	t->state = TAG_WAITING;
	for (i = 0; i < SCSI_BACK_TAGS; i++) {
		struct tag *v = &b->tags[i];

		if (v->state != TAG_RUNNING || !same_lun(v, &a) ||
		    v->req->act != WIRE_SCSI_ACT_CDB)
			continue;
		if (!reset && v->req->rqid != t->req->ref_rqid)
			continue;
		t->victims |= 1u << i;
		if (v->victim_host == WIRE_SCSI_HOST_OK)
			v->victim_host = reset ? WIRE_SCSI_HOST_RESET
					       : WIRE_SCSI_HOST_ABORT;
	}
	if (t->victims == 0) {
		victims_gone(b, tag);
		return;
	}
	for (i = 0; i < SCSI_BACK_TAGS; i++)
		if (t->victims & (1u << i))
			b->ops->cancel(b->host, i);
}

static void start(struct scsi_back *b, uint16_t tag)
{
	struct tag *t = &b->tags[tag];

	if (!t->failed && t->req->act != WIRE_SCSI_ACT_CDB) {
		start_tmf(b, tag);
		return;
	}
	if (!t->failed)
		check_segs(b, t);
	if (t->failed)
		answer(b, t, host_rslt(WIRE_SCSI_HOST_ERROR), NULL);
	else
		submit(b, tag, SCSI_BACK_CDB);
}

/*
 * A free tag. There is one for every request that ring_back_pending() lets
 * through, since both count unanswered requests.
 */
static uint16_t free_tag(const struct scsi_back *b)
{
	uint16_t i;

	for (i = 0; i < SCSI_BACK_TAGS; i++)
		if (b->tags[i].state == TAG_FREE)
			return i;
	XPV_ASSERT(false);
	return 0;
}

/* Read all descriptor pages at once; who owns a failed one is refused. */
static void fetch_all(struct scsi_back *b, const uint16_t *taken, uint32_t n,
		      uint32_t pieces)
{
	uint32_t i, j, at = 0;

	if (pieces == 0)
		return;
	b->ops->fetch(b->host, b->fetch, pieces);
	for (i = 0; i < n; i++) {
		struct tag *t = &b->tags[taken[i]];

		if (t->failed || t->req->act != WIRE_SCSI_ACT_CDB ||
		    !(t->req->nr_segments & WIRE_SCSI_SG_GRANT))
			continue;
		for (j = 0; j < (t->req->nr_segments & 0x7fu); j++, at++)
			if (!b->fetch[at].ok && !t->failed)
				refuse(b, t, SCSI_BACK_EV_BAD_FETCH,
				       b->fetch[at].gref, 0);
	}
}

/* Begin the N requests that were TAKEN. */
static void run(struct scsi_back *b, const uint16_t *taken, uint32_t n)
{
	uint32_t i, pieces = 0;

	for (i = 0; i < n; i++)
		pieces += check_slot(b, &b->tags[taken[i]], pieces);
	fetch_all(b, taken, n, pieces);
	for (i = 0; i < n; i++)
		start(b, taken[i]);
}

/* What a predecessor had taken is taken once more. */
static void resume(struct scsi_back *b)
{
	uint32_t n = 0, age = UINT32_MAX, i;
	uint16_t taken[SCSI_BACK_TAGS];

	b->resume = false;
	for (;;) {
		i = journal_next(&b->journal, b->ring.req_cons, &age);
		if (i == SCSI_BACK_TAGS)
			break;
		b->tags[i].state = TAG_TAKEN;
		b->tags[i].again = true;
		taken[n++] = (uint16_t)i;
	}
	run(b, taken, n);
}

int scsi_back_poll(struct scsi_back *b, uint32_t budget)
{
	uint16_t taken[SCSI_BACK_TAGS];
	uint32_t i, n, index;
	int pending;

	if (b->broken)
		return XPV_EPROTO;
	if (b->resume)
		resume(b);
	pending = b->closed ? 0 : ring_back_pending(&b->ring);
	if (pending < 0) {
		b->broken = true;
		b->ops->trace(b->host, SCSI_BACK_EV_BAD_RING,
			      xpv_load32(&b->ring.shared->req_prod) -
				      b->ring.req_cons,
			      0);
		return pending;
	}
	n = (uint32_t)pending < budget ? (uint32_t)pending : budget;
	for (i = 0; i < n; i++) {
		struct tag *t;

		taken[i] = free_tag(b);
		t = &b->tags[taken[i]];
		index = b->ring.req_cons;
		ring_back_take(&b->ring, t->req);
		journal_accept(&b->journal, taken[i], index);
		t->state = TAG_TAKEN;
		t->again = false;
	}
	run(b, taken, n);
	b->owed |= ring_back_push(&b->ring);
	return (int)n;
}

void scsi_back_flush(struct scsi_back *b)
{
	if (!b->owed || b->broken)
		return;
	b->owed = false;
	b->ops->notify(b->host);
}

/* Tag DONE has been answered: let go on whoever waited for it. */
static void release_waiters(struct scsi_back *b, uint16_t done)
{
	uint16_t i;

	for (i = 0; i < SCSI_BACK_TAGS; i++) {
		struct tag *t = &b->tags[i];

		if (t->state != TAG_WAITING || !(t->victims & (1u << done)))
			continue;
		t->victims &= ~(1u << done);
		if (t->victims == 0)
			victims_gone(b, i);
	}
}

void scsi_back_complete(struct scsi_back *b, uint16_t tag,
			const struct scsi_back_result *res)
{
	struct tag *t;
	int32_t rslt;

	XPV_ASSERT(tag < SCSI_BACK_TAGS);
	t = &b->tags[tag];
	XPV_ASSERT(t->state == TAG_RUNNING);
	b->inflight--;
	if (b->broken) {
		t->state = TAG_FREE;
		return;
	}
	if (t->req->act == WIRE_SCSI_ACT_RESET)
		rslt = res->host == WIRE_SCSI_HOST_OK ? WIRE_SCSI_RESET_SUCCESS
						      : WIRE_SCSI_RESET_FAILED;
	else if (t->victim_host != WIRE_SCSI_HOST_OK)
		rslt = host_rslt(t->victim_host);
	else
		rslt = host_rslt(res->host) | res->status;
	answer(b, t, rslt,
	       rslt == (host_rslt(res->host) | res->status) ? res : NULL);
	release_waiters(b, tag);
}

bool scsi_back_arm(struct scsi_back *b)
{
	return !b->closed && !b->broken && ring_back_arm(&b->ring);
}

bool scsi_back_has_work(const struct scsi_back *b)
{
	if (b->broken)
		return false;
	return b->ring.rsp_prod != b->ring.rsp_seen ||
	       (!b->closed && ring_back_has_work(&b->ring));
}

void scsi_back_close(struct scsi_back *b)
{
	b->closed = true;
}

uint32_t scsi_back_inflight(const struct scsi_back *b)
{
	return b->inflight;
}
