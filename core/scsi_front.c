/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Theory of operation. A command has a tag, which is the rqid of its requests;
 * the ABORT for it has the rqid ABORT_RQID + tag. So there is no table from
 * rqid to anything, and a response is judged by the state of its tag:
 *
 *   FREE -> SENT -> FREE                      the usual
 *           SENT -> WAITING -> SENT           the next pass, when there is a slot
 *   FREE -> ENDED -> FREE                     it ends at the next poll, unsent
 *           SENT -> LOST -> FREE              ended by ABORT or RESET; its own
 *                                             response is still to come
 *
 * A tag with an ABORT that is not answered is not used, whatever its state.
 *
 * A bounced command keeps its pages and their grants from the first pass to the
 * last, so that nothing can be missing in the middle. Grants of one command are
 * in the order of its data.
 */
#include "core/scsi_front.h"

#define ABORT_RQID SCSI_FRONT_TAGS

#define NIL BOUNCE_NIL /* no page, no list, no tag */

enum tag_state {
	TAG_FREE,
	TAG_WAITING,
	TAG_SENT,
	TAG_ENDED,
	TAG_LOST,
};

enum abort_state {
	ABORT_NONE,
	ABORT_WANTED, /* as soon as there is a slot */
	ABORT_SENT,
};

struct tag {
	enum tag_state state;
	enum abort_state abort;
	bool reset;	  /* a RESET; of cmd only addr and cookie matter */
	bool pinned;	  /* ENDED: a page of the owner's is */
	uint8_t host;	  /* ENDED: enum wire_scsi_host */
	uint32_t victims; /* RESET: bit per tag that it ends if it succeeds */
	uint32_t index;	  /* of the request that is outstanding, in the ring */
	uint32_t abort_index; /* likewise, of its ABORT */
	struct scsi_front_cmd cmd;
	uint32_t len;	     /* bytes of data */
	uint32_t moved;	     /* of these in the passes that have ended */
	uint32_t pass;	     /* of these in the one that is outstanding */
	struct bounce_at at; /* bouncing: the next byte of cmd.piece */
	uint32_t bounce; /* first bounce page, NIL: the owner's are granted */
	uint32_t pages;	 /* so many of them */
	uint32_t list;	 /* page of descriptors, NIL: none */
	uint32_t list_gref;
	uint32_t ngrefs;
	uint32_t *gref; /* room for segs_room */
};

struct scsi_front {
	const struct scsi_front_ops *ops;
	void *host;
	struct ring_front ring;
	uint32_t segs_max;  /* of the ring */
	uint32_t segs_room; /* that init had memory for */
	uint32_t align;
	bool stopped, suspended, ending;
	uint32_t inflight;  /* submitted and not done */
	uint32_t ended;	    /* tags in ENDED */
	uint32_t pinned;    /* commands of this connection that were */
	uint32_t list_free; /* bit per page of descriptors */
	uint32_t list_good; /* those that are not pinned */
	struct bounce_pool pool;
	struct front_page list[SCSI_FRONT_TAGS];
	struct tag tags[SCSI_FRONT_TAGS];
};

_Static_assert(SCSI_FRONT_TAGS <= 32, "victims and list_* are bit masks");

/* Segments of a request that there must be memory for. */
static uint32_t segs_cut(uint32_t segs_max)
{
	if (segs_max < WIRE_SCSI_SEGS)
		return WIRE_SCSI_SEGS;
	return segs_max < SCSI_FRONT_SEGS_MAX ? segs_max
					      : (uint32_t)SCSI_FRONT_SEGS_MAX;
}

size_t scsi_front_size(uint32_t segs_max, uint32_t pages)
{
	return sizeof(struct scsi_front) +
	       (size_t)pages * sizeof(struct bounce) +
	       (size_t)SCSI_FRONT_TAGS * segs_cut(segs_max) * sizeof(uint32_t);
}

static void start_ring(struct scsi_front *f, void *ring, uint32_t segs_max)
{
	int rc;

	segs_max = segs_cut(segs_max);
	f->segs_max = segs_max < f->segs_room ? segs_max : f->segs_room;
	rc = ring_front_init(&f->ring, ring, 1, sizeof(struct wire_scsi_req));
	XPV_ASSERT(rc == 0 && f->ring.slots == SCSI_FRONT_TAGS);
}

int scsi_front_init(struct scsi_front **out, void *mem, size_t len,
		    const struct scsi_front_cfg *cfg,
		    const struct scsi_front_ops *ops, void *host)
{
	uint32_t lists = cfg->segs_max > WIRE_SCSI_SEGS ? SCSI_FRONT_TAGS : 0;
	struct scsi_front *f = mem;
	struct bounce *bounce;
	uint32_t i, *gref;

	if (cfg->pages <= lists || cfg->pages - lists > BOUNCE_MAX ||
	    cfg->align == 0 || (cfg->align & (cfg->align - 1)) != 0 ||
	    cfg->align > WIRE_PAGE_SIZE)
		return XPV_EINVAL;
	if (len < scsi_front_size(cfg->segs_max, cfg->pages))
		return XPV_ENOMEM;
	xpv_zero(f, sizeof(*f));
	f->ops = ops;
	f->host = host;
	f->align = cfg->align;
	f->segs_room = segs_cut(cfg->segs_max);
	start_ring(f, cfg->ring, cfg->segs_max);
	bounce = (struct bounce *)(f + 1);
	bounce_init(&f->pool, bounce, cfg->page + lists, cfg->pages - lists);
	gref = (uint32_t *)(bounce + cfg->pages);
	for (i = 0; i < SCSI_FRONT_TAGS; i++)
		f->tags[i].gref = gref + (size_t)i * f->segs_room;
	for (i = 0; i < lists; i++)
		f->list[i] = cfg->page[i];
	f->list_good = f->list_free = (1u << lists) - 1;
	*out = f;
	return 0;
}

/* ------------------------------------------------------ pages and grants */

/* Take a grant back; false when the backend can still reach the page. */
static bool take_back(struct scsi_front *f, uint32_t gref)
{
	if (f->ops->revoke(f->host, gref))
		return true;
	f->ops->trace(f->host, SCSI_FRONT_EV_PINNED, gref, 0);
	return false;
}

/*
 * Everything that T holds: grants, bounce pages, its list. GONE: the grants do
 * not exist any more. Pages of ours that are pinned are forgotten for ever.
 * False when pages of the owner's are.
 */
static bool let_go(struct scsi_front *f, struct tag *t, bool gone)
{
	uint32_t page = t->bounce;
	bool good, all = true;
	uint32_t i;

	for (i = 0; i < t->ngrefs || page != NIL; i++) {
		good = gone || i >= t->ngrefs || take_back(f, t->gref[i]);
		if (page != NIL) {
			uint32_t next = bounce_next(&f->pool, page);

			if (good)
				bounce_give(&f->pool, page);
			else
				bounce_lose(&f->pool);
			page = next;
		} else if (!good) {
			all = false;
		}
	}
	if (t->list != NIL) {
		if (gone || take_back(f, t->list_gref))
			f->list_free |= 1u << t->list;
		else
			f->list_good &= ~(1u << t->list);
	}
	t->ngrefs = 0;
	t->bounce = t->list = NIL;
	return all;
}

/* ------------------------------------------------------- writing requests */

/* Name the N segments of the pass of T in REQ, or in its list. */
static void put_segs(struct scsi_front *f, struct tag *t, uint32_t n,
		     struct wire_scsi_req *req)
{
	struct wire_scsi_seg *seg = req->seg;
	uint32_t i, left = t->pass;

	req->nr_segments = (uint8_t)n;
	if (n > WIRE_SCSI_SEGS) {
		XPV_ASSERT(t->list != NIL);
		req->nr_segments = WIRE_SCSI_SG_GRANT | 1;
		req->seg[0].gref = t->list_gref;
		req->seg[0].length = (uint16_t)(n * sizeof(*seg));
		seg = (struct wire_scsi_seg *)(void *)f->list[t->list].va;
	}
	for (i = 0; i < n; i++) {
		struct wire_scsi_seg s = {t->gref[i], 0, WIRE_PAGE_SIZE};

		if (t->bounce == NIL) {
			s.offset = t->cmd.piece[i].offset;
			s.length = t->cmd.piece[i].len;
		} else if (left < WIRE_PAGE_SIZE) {
			s.length = (uint16_t)left;
		}
		left -= s.length;
		seg[i] = s;
	}
}

/* What all requests for the LUN of T have. */
static void put_head(const struct tag *t, struct wire_scsi_req *req,
		     uint32_t rqid, uint8_t act)
{
	xpv_zero(req, sizeof(*req));
	req->rqid = (uint16_t)rqid;
	req->act = act;
	req->channel = t->cmd.addr.channel;
	req->id = t->cmd.addr.id;
	req->lun = t->cmd.addr.lun;
	req->sc_data_direction = WIRE_SCSI_DIR_NONE;
}

/* Bytes of the next pass of T. */
static uint32_t next_pass(const struct tag *t)
{
	uint32_t left = t->len - t->moved;

	if (t->bounce == NIL || left <= t->pages * WIRE_PAGE_SIZE)
		return left;
	return t->pages * WIRE_PAGE_SIZE;
}

/* The CDB for LEN bytes of T at OFFSET. */
static bool slice(struct scsi_front *f, const struct tag *t, uint32_t offset,
		  uint32_t len, uint8_t *cdb)
{
	xpv_copy(cdb, t->cmd.cdb, WIRE_SCSI_CDB);
	if (len == t->len)
		return true;
	return f->ops->slice &&
	       f->ops->slice(f->host, &t->cmd, offset, len, cdb);
}

static void end_later(struct scsi_front *f, struct tag *t, uint8_t host)
{
	t->state = TAG_ENDED;
	t->host = host;
	f->ended++;
}

/* Send the next pass of the command with TAG. There is room. */
static void put_pass(struct scsi_front *f, uint32_t tag)
{
	struct tag *t = &f->tags[tag];
	struct wire_scsi_req req;
	uint32_t n;

	put_head(t, &req, tag, WIRE_SCSI_ACT_CDB);
	t->pass = next_pass(t);
	if (!slice(f, t, t->moved, t->pass, req.cmnd)) {
		/* It could be sliced when it was submitted. */
		end_later(f, t, WIRE_SCSI_HOST_ERROR);
		return;
	}
	n = t->cmd.npieces;
	if (t->bounce != NIL) {
		/* Data-in: nothing but zeros. */
		bounce_fill(&f->pool, t->bounce, t->cmd.piece, &t->at,
			    t->cmd.dir == WIRE_SCSI_DIR_OUT ? t->pass : 0);
		n = (t->pass + WIRE_PAGE_SIZE - 1) / WIRE_PAGE_SIZE;
	}
	req.cmd_len = t->cmd.cdb_len;
	req.sc_data_direction = t->cmd.dir;
	req.timeout_per_command = t->cmd.timeout;
	put_segs(f, t, n, &req);
	t->index = f->ring.req_prod;
	ring_front_put(&f->ring, &req, sizeof(req));
	t->state = TAG_SENT;
}

static void put_abort(struct scsi_front *f, uint32_t tag)
{
	struct tag *t = &f->tags[tag];
	struct wire_scsi_req req;

	put_head(t, &req, ABORT_RQID + tag, WIRE_SCSI_ACT_ABORT);
	req.ref_rqid = (uint16_t)tag;
	t->abort_index = f->ring.req_prod;
	ring_front_put(&f->ring, &req, sizeof(req));
	t->abort = ABORT_SENT;
}

/* Write what has been waiting for slots; aborts first. */
static void pump(struct scsi_front *f)
{
	uint32_t i;

	for (i = 0; i < SCSI_FRONT_TAGS && ring_front_room(&f->ring); i++)
		if (f->tags[i].abort == ABORT_WANTED)
			put_abort(f, i);
	for (i = 0; i < SCSI_FRONT_TAGS && ring_front_room(&f->ring); i++)
		if (f->tags[i].state == TAG_WAITING)
			put_pass(f, i);
}

/* ------------------------------------------------------------- submitting */

static int may_send(const struct scsi_front *f)
{
	if (f->suspended)
		return XPV_ECANCELED;
	return f->stopped ? XPV_EPROTO : 0;
}

/* Is CMD a command? How many bytes, and do all pieces keep to the rule? */
static int check_cmd(const struct scsi_front *f,
		     const struct scsi_front_cmd *cmd, uint32_t *len,
		     bool *aligned)
{
	if (cmd->cdb_len == 0 || cmd->cdb_len > WIRE_SCSI_CDB ||
	    cmd->dir == WIRE_SCSI_DIR_BIDI || cmd->dir > WIRE_SCSI_DIR_NONE ||
	    (cmd->dir == WIRE_SCSI_DIR_NONE && cmd->npieces > 0))
		return XPV_EINVAL;
	return front_pieces(cmd->piece, cmd->npieces, f->align, len, aligned);
}

/* A tag that nobody has, or NIL. */
static uint32_t free_tag(const struct scsi_front *f)
{
	uint32_t i;

	for (i = 0; i < SCSI_FRONT_TAGS; i++)
		if (f->tags[i].state == TAG_FREE &&
		    f->tags[i].abort == ABORT_NONE)
			return i;
	return NIL;
}

/* Segments that a request can have now. */
static uint32_t segs_limit(const struct scsi_front *f)
{
	return f->list_good ? f->segs_max : WIRE_SCSI_SEGS;
}

/* Can each pass of T have a CDB of its own? */
static bool can_slice(struct scsi_front *f, const struct tag *t)
{
	uint8_t cdb[WIRE_SCSI_CDB];
	uint32_t n = t->pages * WIRE_PAGE_SIZE;
	uint32_t at, left;

	for (at = 0; at < t->len; at += n) {
		left = t->len - at;
		if (left < n)
			n = left;
		if (!slice(f, t, at, n, cdb))
			return false;
	}
	return true;
}

/* Take bounce pages for T: as many as one pass can use. */
static int take_bounce(struct scsi_front *f, struct tag *t)
{
	uint32_t pages = t->len / WIRE_PAGE_SIZE;

	if (t->len % WIRE_PAGE_SIZE != 0)
		pages++;
	if (pages > segs_limit(f))
		pages = segs_limit(f);
	if (pages > f->pool.good)
		pages = f->pool.good;
	t->pages = pages;
	if (pages == 0 || !can_slice(f, t))
		return XPV_ENOMEM;
	if (pages > f->pool.free)
		return XPV_EBUSY;
	t->bounce = bounce_take(&f->pool, pages);
	return 0;
}

/* Take a page of descriptors for T. */
static int take_list(struct scsi_front *f, struct tag *t)
{
	uint32_t i;

	for (i = 0; i < SCSI_FRONT_TAGS; i++) {
		if (!(f->list_free & (1u << i)))
			continue;
		if (f->ops->grant(f->host, f->list[i].frame, true,
				  &t->list_gref) < 0)
			return XPV_EBUSY;
		f->list_free &= ~(1u << i);
		t->list = i;
		return 0;
	}
	return XPV_EBUSY;
}

/* Grant what T needs. What was granted when it fails, let_go() takes back. */
static int grant_all(struct scsi_front *f, struct tag *t)
{
	uint32_t n = t->bounce == NIL ? t->cmd.npieces : t->pages;
	bool readonly = t->cmd.dir == WIRE_SCSI_DIR_OUT;
	uint32_t page = t->bounce;
	uint64_t frame;
	int rc;

	if (n > WIRE_SCSI_SEGS) {
		rc = take_list(f, t);
		if (rc < 0)
			return rc;
	}
	while (t->ngrefs < n) {
		if (t->bounce == NIL) {
			frame = t->cmd.piece[t->ngrefs].frame;
		} else {
			frame = f->pool.page[page].page.frame;
			page = bounce_next(&f->pool, page);
		}
		if (f->ops->grant(f->host, frame, readonly,
				  &t->gref[t->ngrefs]) < 0)
			return XPV_EBUSY;
		t->ngrefs++;
	}
	return 0;
}

static void begin(struct scsi_front *f, struct tag *t,
		  const struct scsi_front_cmd *cmd)
{
	t->cmd = *cmd;
	xpv_zero(t->cmd.cdb + cmd->cdb_len,
		 (size_t)WIRE_SCSI_CDB - cmd->cdb_len);
	t->reset = t->pinned = false;
	t->victims = 0;
	t->len = t->moved = t->pass = 0;
	t->at.piece = t->at.offset = 0;
	t->bounce = t->list = NIL;
	t->pages = t->ngrefs = 0;
	f->inflight++;
}

int scsi_front_submit(struct scsi_front *f, const struct scsi_front_cmd *cmd)
{
	uint32_t tag, len;
	struct tag *t;
	bool aligned;
	int rc;

	rc = may_send(f);
	if (rc < 0)
		return rc;
	rc = check_cmd(f, cmd, &len, &aligned);
	if (rc < 0)
		return rc;
	pump(f); /* who waits for a slot was here before */
	tag = free_tag(f);
	if (ring_front_room(&f->ring) == 0 || tag == NIL)
		return XPV_EBUSY;
	t = &f->tags[tag];
	begin(f, t, cmd);
	t->len = len;
	if (!aligned || cmd->npieces > segs_limit(f)) {
		rc = take_bounce(f, t);
		if (rc < 0)
			goto out;
	}
	rc = grant_all(f, t);
	if (rc < 0) {
		if (let_go(f, t, false))
			goto out;
		/* Only done() can say that the owner's pages are pinned. */
		t->pinned = true;
		end_later(f, t, WIRE_SCSI_HOST_ERROR);
		return (int)tag;
	}
	put_pass(f, tag);
	return (int)tag;

out:
	f->inflight--;
	return rc;
}

int scsi_front_abort(struct scsi_front *f, uint16_t tag)
{
	struct tag *t;
	int rc;

	rc = may_send(f);
	if (rc < 0)
		return rc;
	if (tag >= SCSI_FRONT_TAGS || f->tags[tag].reset)
		return XPV_ENOENT;
	t = &f->tags[tag];
	if (t->state == TAG_WAITING)
		end_later(f, t, WIRE_SCSI_HOST_ABORT);
	if (t->state == TAG_ENDED)
		return 0;
	if (t->state != TAG_SENT)
		return XPV_ENOENT;
	if (t->abort == ABORT_NONE)
		t->abort = ABORT_WANTED;
	pump(f);
	return 0;
}

static bool same_lun(const struct tag *t, struct scsi_addr a)
{
	return t->cmd.addr.channel == a.channel && t->cmd.addr.id == a.id &&
	       t->cmd.addr.lun == a.lun;
}

int scsi_front_reset(struct scsi_front *f, struct scsi_addr addr,
		     uint64_t cookie)
{
	const struct scsi_front_cmd cmd = {.cookie = cookie, .addr = addr};
	struct wire_scsi_req req;
	uint32_t tag, i;
	struct tag *t;
	int rc;

	rc = may_send(f);
	if (rc < 0)
		return rc;
	pump(f);
	tag = free_tag(f);
	if (ring_front_room(&f->ring) == 0 || tag == NIL)
		return XPV_EBUSY;
	t = &f->tags[tag];
	begin(f, t, &cmd);
	t->reset = true;
	for (i = 0; i < SCSI_FRONT_TAGS; i++) {
		struct tag *v = &f->tags[i];

		/* None is WAITING: there is room. */
		if (v->state == TAG_SENT && !v->reset && same_lun(v, addr))
			t->victims |= 1u << i;
	}
	put_head(t, &req, tag, WIRE_SCSI_ACT_RESET);
	t->index = f->ring.req_prod;
	ring_front_put(&f->ring, &req, sizeof(req));
	t->state = TAG_SENT;
	return (int)tag;
}

/* -------------------------------------------------------------- responses */

/* The command or RESET T has ended; NEXT is the state of its tag. */
static void finish(struct scsi_front *f, struct tag *t, enum tag_state next,
		   struct scsi_front_result *res, bool gone)
{
	res->residual = t->len - t->moved;
	res->pinned = !let_go(f, t, gone) || t->pinned;
	f->pinned += res->pinned;
	if (t->state == TAG_ENDED)
		f->ended--;
	t->victims = 0;
	t->state = next;
	f->inflight--;
	f->ops->done(f->host, t->cmd.cookie, res);
}

static void finish_host(struct scsi_front *f, struct tag *t,
			enum tag_state next, uint8_t host, bool gone)
{
	struct scsi_front_result res;

	xpv_zero(&res, sizeof(res));
	res.host = host;
	finish(f, t, next, &res, gone);
}

/* What was to end at the next poll. */
static void finish_ended(struct scsi_front *f)
{
	uint32_t i;

	for (i = 0; i < SCSI_FRONT_TAGS && f->ended > 0; i++)
		if (f->tags[i].state == TAG_ENDED)
			finish_host(f, &f->tags[i], TAG_FREE, f->tags[i].host,
				    false);
}

/*
 * Everything outstanding ends, and all tags are free: nothing will be taken off
 * this ring any more.
 */
static void finish_all(struct scsi_front *f, uint8_t host, bool gone)
{
	uint32_t i;

	f->ending = true;
	for (i = 0; i < SCSI_FRONT_TAGS; i++) {
		struct tag *t = &f->tags[i];

		t->abort = ABORT_NONE;
		if (t->state == TAG_LOST)
			t->state = TAG_FREE;
		if (t->state != TAG_FREE)
			finish_host(f, t, TAG_FREE, host, gone);
	}
	f->ending = false;
}

/* The backend has broken the protocol. */
static int stop(struct scsi_front *f, uint32_t event, uint64_t a, uint64_t b)
{
	f->stopped = true;
	f->ops->trace(f->host, event, a, b);
	finish_all(f, WIRE_SCSI_HOST_ERROR, false);
	return XPV_EPROTO;
}

/* The host byte of a response, as enum wire_scsi_host. */
static uint8_t host_of(struct scsi_front *f, const struct wire_scsi_rsp *rsp)
{
	uint32_t rslt = (uint32_t)rsp->rslt;
	uint32_t host = (rslt >> 16) & 0xff, driver = rslt >> 24;

	/*
	 * The kernel's backend before Linux 5.19 had its own errors in the
	 * driver byte: DID_NO_CONNECT there, or an error of the driver. A
	 * driver byte 8 only says that there is sense data.
	 */
	if (host == WIRE_SCSI_HOST_OK && (rslt & 0xff) == 0 && driver != 0 &&
	    driver != 8)
		host = driver == WIRE_SCSI_HOST_NO_CONNECT
			       ? WIRE_SCSI_HOST_NO_CONNECT
			       : WIRE_SCSI_HOST_ERROR;
	if (host > WIRE_SCSI_HOST_TRANSPORT_MARGINAL ||
	    rslt == WIRE_SCSI_RESET_SUCCESS || rslt == WIRE_SCSI_RESET_FAILED) {
		f->ops->trace(f->host, SCSI_FRONT_EV_BAD_RESULT, rsp->rqid,
			      rslt);
		host = WIRE_SCSI_HOST_ERROR;
	}
	return (uint8_t)host;
}

/* TAG is answered: no RESET has it as a victim any more. Was it one? */
static bool no_victim(struct scsi_front *f, uint32_t tag)
{
	bool was = false;
	uint32_t i;

	for (i = 0; i < SCSI_FRONT_TAGS; i++) {
		if (f->tags[i].victims & (1u << tag))
			was = true;
		f->tags[i].victims &= ~(1u << tag);
	}
	return was;
}

static void command_done(struct scsi_front *f, uint32_t tag,
			 const struct wire_scsi_rsp *rsp)
{
	struct tag *t = &f->tags[tag];
	bool victim = no_victim(f, tag);
	uint32_t residual = rsp->residual_len;
	struct scsi_front_result res;

	xpv_zero(&res, sizeof(res));
	res.host = host_of(f, rsp);
	if (residual > t->pass) {
		f->ops->trace(f->host, SCSI_FRONT_EV_BAD_RESIDUAL, tag,
			      residual);
		residual = 0;
	}
	if (res.host == WIRE_SCSI_HOST_OK) {
		res.status = (uint8_t)rsp->rslt;
		res.sense_len = rsp->sense_len;
		xpv_copy(res.sense, rsp->sense, rsp->sense_len);
		if (t->bounce != NIL && t->cmd.dir == WIRE_SCSI_DIR_IN)
			bounce_read(&f->pool, t->bounce, t->cmd.piece, &t->at,
				    t->pass - residual);
		t->moved += t->pass - residual;
	}
	if (res.host == WIRE_SCSI_HOST_OK && res.status == 0 && residual == 0 &&
	    t->moved < t->len) {
		if (t->abort == ABORT_NONE && !victim) {
			t->state = TAG_WAITING; /* for its next pass */
			return;
		}
		res.host = victim ? WIRE_SCSI_HOST_RESET : WIRE_SCSI_HOST_ABORT;
	}
	if (t->abort == ABORT_WANTED)
		t->abort = ABORT_NONE;
	finish(f, t, TAG_FREE, &res, false);
}

/* The command with TAG has ended, although it is not answered. */
static void command_lost(struct scsi_front *f, uint32_t tag, uint8_t host)
{
	struct tag *t = &f->tags[tag];

	no_victim(f, tag);
	f->ops->trace(f->host, SCSI_FRONT_EV_UNANSWERED, tag, 0);
	if (t->abort == ABORT_WANTED)
		t->abort = ABORT_NONE;
	finish_host(f, t, TAG_LOST, host, false);
}

static void abort_done(struct scsi_front *f, uint32_t tag,
		       const struct wire_scsi_rsp *rsp)
{
	struct tag *t = &f->tags[tag];

	t->abort = ABORT_NONE;
	if (rsp->rslt == WIRE_SCSI_RESET_SUCCESS && t->state == TAG_SENT)
		command_lost(f, tag, WIRE_SCSI_HOST_ABORT);
}

static void reset_done(struct scsi_front *f, struct tag *t,
		       const struct wire_scsi_rsp *rsp)
{
	uint8_t host = WIRE_SCSI_HOST_OK;
	uint32_t i;

	if (rsp->rslt == WIRE_SCSI_RESET_SUCCESS) {
		for (i = 0; i < SCSI_FRONT_TAGS; i++)
			if (t->victims & (1u << i))
				command_lost(f, i, WIRE_SCSI_HOST_RESET);
	} else {
		host = WIRE_SCSI_HOST_ERROR;
		if (rsp->rslt != WIRE_SCSI_RESET_FAILED)
			host = host_of(f, rsp);
		if (host == WIRE_SCSI_HOST_OK)
			host = WIRE_SCSI_HOST_ERROR;
	}
	finish_host(f, t, TAG_FREE, host, false);
}

/* The tag that RSP is for, if something with that rqid is outstanding; NULL. */
static struct tag *asked(struct scsi_front *f, const struct wire_scsi_rsp *rsp)
{
	uint32_t tag = rsp->rqid;
	struct tag *t;

	if (tag >= ABORT_RQID + SCSI_FRONT_TAGS)
		return NULL;
	if (tag >= ABORT_RQID) {
		t = &f->tags[tag - ABORT_RQID];
		return t->abort == ABORT_SENT &&
				       ring_front_seen(&f->ring, t->abort_index)
			       ? t
			       : NULL;
	}
	t = &f->tags[tag];
	if (t->state == TAG_LOST)
		return t;
	return t->state == TAG_SENT && ring_front_seen(&f->ring, t->index)
		       ? t
		       : NULL;
}

/* Judge one response, and end what it answers. */
static int response(struct scsi_front *f, const struct wire_scsi_rsp *rsp)
{
	struct tag *t = asked(f, rsp);

	if (!t)
		return stop(f, SCSI_FRONT_EV_BAD_RQID, rsp->rqid, 0);
	if (rsp->sense_len > WIRE_SCSI_SENSE)
		return stop(f, SCSI_FRONT_EV_BAD_SENSE, rsp->rqid,
			    rsp->sense_len);
	if (rsp->rqid >= ABORT_RQID)
		abort_done(f, rsp->rqid - ABORT_RQID, rsp);
	else if (t->state == TAG_LOST)
		t->state = TAG_FREE;
	else if (t->reset)
		reset_done(f, t, rsp);
	else
		command_done(f, rsp->rqid, rsp);
	return 0;
}

int scsi_front_poll(struct scsi_front *f, uint32_t budget)
{
	struct wire_scsi_rsp rsp;
	uint32_t i;
	int pending, rc;

	XPV_ASSERT(!f->ending);
	if (f->suspended)
		return 0;
	if (f->stopped)
		return XPV_EPROTO;
	finish_ended(f);
	pending = ring_front_pending(&f->ring);
	if (pending < 0)
		return stop(f, SCSI_FRONT_EV_BAD_RING,
			    xpv_load32(&f->ring.shared->rsp_prod) -
				    f->ring.rsp_cons,
			    0);
	for (i = 0; i < (uint32_t)pending && i < budget; i++) {
		ring_front_take(&f->ring, &rsp);
		rc = response(f, &rsp);
		if (rc < 0)
			return rc;
	}
	if (f->pinned > SCSI_FRONT_PINNED_MAX)
		return stop(f, SCSI_FRONT_EV_MANY_PINNED, f->pinned, 0);
	pump(f);
	return (int)i;
}

void scsi_front_flush(struct scsi_front *f)
{
	if (may_send(f) == 0 && ring_front_push(&f->ring))
		f->ops->notify(f->host);
}

bool scsi_front_arm(struct scsi_front *f)
{
	if (may_send(f) < 0)
		return false;
	/* No shortcut: the event is asked for in any case. */
	return ring_front_arm(&f->ring) || f->ended > 0;
}

bool scsi_front_has_work(const struct scsi_front *f)
{
	return may_send(f) == 0 &&
	       (f->ended > 0 || ring_front_has_work(&f->ring));
}

void scsi_front_suspend(struct scsi_front *f, bool grants_gone)
{
	f->suspended = true;
	finish_all(f, WIRE_SCSI_HOST_RESET, grants_gone);
}

int scsi_front_resume(struct scsi_front *f, void *ring, uint32_t segs_max)
{
	if (f->ending || (!f->suspended && !f->stopped))
		return XPV_EBUSY;
	start_ring(f, ring, segs_max);
	f->pinned = 0;
	f->suspended = f->stopped = false;
	return 0;
}

uint32_t scsi_front_inflight(const struct scsi_front *f)
{
	return f->inflight;
}
