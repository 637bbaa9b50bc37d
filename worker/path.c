/* SPDX-License-Identifier: BSD-2-Clause */
#include "worker/path.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "scsi/again.h"

static void slots_init(struct slots *s)
{
	s->first = NULL;
	s->last = &s->first;
}

static void slots_put(struct slots *s, struct slot *slot)
{
	slot->next = NULL;
	*s->last = slot;
	s->last = &slot->next;
}

static struct slot *slots_take_all(struct slots *s)
{
	struct slot *first = s->first;

	slots_init(s);
	return first;
}

/* A LUN has ended its command. */
static void cmd_done(struct lun_cmd *cmd)
{
	struct slot *s =
		(struct slot *)((char *)cmd - offsetof(struct slot, cmd));

	slots_put(&s->path->finished, s);
}

/* ---- the engine's downcalls ---- */

static void on_submit(void *host, const struct scsi_back_cmd *c)
{
	struct path *p = host;
	struct slot *s = &p->slot[c->tag];
	struct scsi_task *t = &s->cmd.task;

	s->tag = c->tag;
	s->reset = c->act == SCSI_BACK_RESET;
	s->cmd.again = c->again;
	s->cmd.index = c->index;
	s->addr = c->addr;
	s->segs = c->segs;
	s->nsegs = c->nsegs;
	s->len = c->len;
	s->tl = NULL;
	s->cmd.done = cmd_done;
	scsi_task_init(t);
	memcpy(t->cdb, c->cdb, sizeof(t->cdb));
	t->cdb_len = c->cdb_len;
	t->data = s->data;
	t->scratch = s->data + (size_t)p->segs_max * WIRE_PAGE_SIZE;
	t->scratch_len = SCSI_SCRATCH_MIN;
	if (c->dir == WIRE_SCSI_DIR_OUT || c->dir == WIRE_SCSI_DIR_BIDI)
		t->out_len = c->len;
	if (c->dir == WIRE_SCSI_DIR_IN || c->dir == WIRE_SCSI_DIR_BIDI)
		t->in_max = c->len;
	s->taken = peer_taken(&p->peer);
	slots_put(&p->fresh, s);
}

static void on_cancel(void *host, uint16_t tag)
{
	struct path *p = host;
	struct slot *s = &p->slot[tag];

	/* Not begun yet, or ended already: it will be answered anyway. */
	if (s->tl)
		s->tl->lun->type->cancel(s->tl->lun, &s->cmd);
}

static void on_fetch(void *host, struct grant_fetch *f, uint32_t n)
{
	struct path *p = host;

	peer_fetch(&p->peer, f, n);
}

static void on_notify(void *host)
{
	struct path *p = host;

	peer_notify(&p->peer);
}

static void on_trace(void *host, uint32_t event, uint64_t a, uint64_t b)
{
	static const char *const text[] = {
		[SCSI_BACK_EV_BAD_ACT] = "unknown request type",
		[SCSI_BACK_EV_BAD_CDB] = "bad CDB length",
		[SCSI_BACK_EV_BAD_DIR] = "bad data direction",
		[SCSI_BACK_EV_BAD_SEGS] = "bad number of segments",
		[SCSI_BACK_EV_BAD_SEG] = "segment outside its page",
		[SCSI_BACK_EV_BAD_FETCH] = "segment list cannot be read",
		[SCSI_BACK_EV_BAD_RING] = "ring index out of range",
	};
	struct path *p = host;

	peer_error(&p->peer, text[event], a, b);
}

static const struct scsi_back_ops engine_ops = {
	.submit = on_submit,
	.cancel = on_cancel,
	.fetch = on_fetch,
	.notify = on_notify,
	.trace = on_trace,
};

/* ---- moving data ---- */

/* Copy the first LEN bytes of the segments of S. */
static void copy(struct path *p, struct slot *s, bool to_guest, uint32_t len)
{
	uint32_t i, n, at = 0;

	for (i = 0; i < s->nsegs && at < len; i++) {
		struct host_copy piece = {
			.gref = s->segs[i].gref,
			.offset = s->segs[i].offset,
			.local = s->cmd.task.data + at,
		};

		n = s->segs[i].length;
		if (n > len - at)
			n = len - at;
		piece.len = (uint16_t)n;
		peer_copy(&p->peer, to_guest, &piece, &s->lost);
		at += n;
	}
}

/* ---- the turn ---- */

static void count(struct proto_stats *st, const struct lun_cmd *cmd)
{
	if (cmd->task.in_len) {
		st->read_ops++;
		st->read_bytes += cmd->task.in_len;
	} else if (cmd->task.out_len) {
		st->write_ops++;
		st->write_bytes += cmd->task.out_len;
	}
}

/* Tell the engine how S ended. */
static void complete(struct path *p, struct slot *s)
{
	const struct scsi_task *t = &s->cmd.task;
	struct scsi_back_result res = {.host = s->cmd.host};
	struct target_lun *tl = s->tl;

	if (s->lost) /* its data could not be had, or given */
		res.host = WIRE_SCSI_HOST_ERROR;
	s->tl = NULL;
	if (tl)
		tl->inflight--;
	if (res.host == WIRE_SCSI_HOST_OK) {
		res.status = t->status;
		res.sense = t->sense;
		res.sense_len = t->sense_len;
		res.residual = t->residual;
		count(&p->peer.stats, &s->cmd);
	} else {
		res.residual = s->len;
	}
	peer_answered(&p->peer, s->taken,
		      res.host == WIRE_SCSI_HOST_OK && res.status == SCSI_GOOD);
	scsi_back_complete(p->engine, s->tag, &res);
	if (tl && tl->lun->told)
		tl->lun->type->answered(tl->lun, &s->cmd);
}

static bool finish(struct path *p)
{
	struct slot *s, *next, *first = slots_take_all(&p->finished);

	if (!first)
		return false;
	peer_part(&p->peer);
	for (s = first; s; s = s->next)
		if (!s->lost && s->cmd.host == WIRE_SCSI_HOST_OK &&
		    s->cmd.task.in_len)
			copy(p, s, true, s->cmd.task.in_len);
	peer_copy_end(&p->peer);
	for (s = first; s; s = next) {
		next = s->next;
		complete(p, s);
	}
	return true;
}

/*
 * A dead worker had this command, and may have executed it: is the end the same
 * when it is executed now?
 */
static bool may_repeat(struct lun *lun, const struct lun_cmd *cmd)
{
	if (lun->type->again)
		return lun->type->again(lun, cmd);
	return scsi_again(lun->peripheral, cmd->task.cdb) >=
	       (lun->fenced ? SCSI_AGAIN_WRITES : SCSI_AGAIN_READS);
}

/* Start S at its LUN; its data-out is here. */
static void execute(struct path *p, struct slot *s)
{
	struct target_lun *tl;

	if (s->lost) {
		cmd_done(&s->cmd);
		return;
	}
	if (s->reset) {
		tl = target_find(&p->target, &s->addr);
		if (tl && !tl->going)
			tl->lun->type->reset(tl->lun);
		else
			s->cmd.host = WIRE_SCSI_HOST_NO_CONNECT;
		cmd_done(&s->cmd);
		return;
	}
	if (target_answer(&p->target, &s->addr, &s->cmd)) {
		cmd_done(&s->cmd);
		return;
	}
	s->tl = target_find(&p->target, &s->addr);
	s->tl->inflight++;
	if (s->cmd.again && !may_repeat(s->tl->lun, &s->cmd)) {
		s->tl->lun->type->lost(s->tl->lun);
		s->cmd.host = WIRE_SCSI_HOST_RESET;
		cmd_done(&s->cmd);
		return;
	}
	s->tl->lun->type->submit(s->tl->lun, &s->cmd);
}

static bool begin(struct path *p)
{
	struct slot *s, *next, *first = slots_take_all(&p->fresh);

	if (!first)
		return false;
	for (s = first; s; s = s->next) {
		s->cmd.host = WIRE_SCSI_HOST_OK;
		s->lost = false;
		if (s->cmd.task.out_len)
			copy(p, s, false, s->cmd.task.out_len);
	}
	peer_copy_end(&p->peer);
	for (s = first; s; s = next) {
		next = s->next;
		execute(p, s);
	}
	return true;
}

/* Memory for the data of every slot; pages are taken as they are used. */
static int arena_new(struct path *p)
{
	size_t each = (size_t)p->segs_max * WIRE_PAGE_SIZE + SCSI_SCRATCH_MIN;
	void *mem;
	uint32_t i;

	mem = mmap(NULL, each * SCSI_BACK_TAGS, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		return -errno;
	p->arena = mem;
	p->arena_len = each * SCSI_BACK_TAGS;
	for (i = 0; i < SCSI_BACK_TAGS; i++) {
		p->slot[i].path = p;
		p->slot[i].tl = NULL;
		p->slot[i].data = p->arena + each * i;
	}
	return 0;
}

void path_init(struct path *p, const struct peer_cfg *cfg)
{
	memset(p, 0, sizeof(*p));
	peer_init(&p->peer, cfg);
	slots_init(&p->fresh);
	slots_init(&p->finished);
}

static void ring_free(struct path *p)
{
	peer_close(&p->peer);
	if (p->arena)
		munmap(p->arena, p->arena_len);
	free(p->engine_mem);
	p->arena = NULL;
	p->engine = NULL;
	p->engine_mem = NULL;
}

/* Make the engine, once all that it needs is there. */
static int engine_new(struct path *p, const struct path_ring *ring, void *page,
		      size_t len, const char **why)
{
	const struct scsi_back_cfg cfg = {
		.shared = page,
		.segs_max = ring->segs_max,
		.journal = ring->journal,
		.resume = ring->resume,
	};
	int rc;

	rc = scsi_back_init(&p->engine, p->engine_mem, len, &cfg, &engine_ops,
			    p);
	if (rc == 0)
		return 0;
	*why = rc == XPV_EPROTO ? "its journal is damaged"
				: "feature-sg-grant is out of range";
	return rc == XPV_EPROTO ? -EBADMSG : -EINVAL;
}

int path_open(struct path *p, const struct path_ring *ring, const char **why)
{
	size_t len = scsi_back_size(ring->segs_max);
	void *page;
	int rc;

	*why = "it is connected already";
	if (p->engine)
		return -EBUSY;
	p->segs_max = ring->segs_max;
	*why = "out of memory";
	p->engine_mem = aligned_alloc(64, (len + 63) & ~(size_t)63);
	rc = p->engine_mem ? arena_new(p) : -ENOMEM;
	if (rc < 0)
		goto fail;
	rc = peer_open(&p->peer, ring->port, &ring->gref, 1, &page, why);
	if (rc == 0)
		rc = engine_new(p, ring, page, len, why);
	if (rc < 0)
		goto fail;
	return 0;

fail:
	ring_free(p);
	return rc;
}

void path_close(struct path *p)
{
	scsi_back_close(p->engine);
	p->peer.closing = true;
}

bool path_closed(struct path *p)
{
	if (!p->peer.closing || scsi_back_inflight(p->engine) != 0)
		return false;
	scsi_back_flush(p->engine);
	ring_free(p);
	return true;
}

bool path_lun_gone(struct path *p, bool all, uint32_t *cookie)
{
	uint32_t i;

	for (i = 0; i < p->target.count; i++) {
		struct target_lun *tl = p->target.lun[i];

		if (tl->inflight || !(tl->going || all))
			continue;
		*cookie = tl->going_cookie;
		target_remove(&p->target, tl);
		return true;
	}
	return false;
}

bool path_turn(struct path *p)
{
	bool busy;
	int taken;

	if (!p->engine)
		return false;
	busy = finish(p);
	peer_part(&p->peer);
	taken = scsi_back_poll(p->engine, SCSI_BACK_TAGS);
	if (taken < 0)
		p->peer.broken = true;
	busy |= taken > 0;
	busy |= begin(p);
	path_tell_some(p);
	return busy || p->finished.first;
}

void path_tell(struct path *p)
{
	if (p->engine)
		scsi_back_flush(p->engine);
	peer_told(&p->peer);
}

void path_tell_some(struct path *p)
{
	if (peer_tell_now(&p->peer, scsi_back_inflight(p->engine)))
		path_tell(p);
}

bool path_has_work(const struct path *p)
{
	return p->engine && scsi_back_has_work(p->engine);
}

bool path_rest(struct path *p)
{
	path_tell(p);
	if (p->engine && scsi_back_arm(p->engine))
		return false;
	if (p->engine && !p->peer.broken)
		peer_rearm(&p->peer);
	return true;
}
