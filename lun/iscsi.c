/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A LUN at an iSCSI portal, without an initiator of the host.
 *
 * Theory of operation. Control makes the connection and gives its socket, and a
 * file that says who logs in to what (struct iscsi_login); the session is made
 * here (lun/iscsi_link), and belongs to this LUN alone. A command is written to
 * the socket at once, as far as that takes it; a poll tells when there is
 * something to be read, and, when the socket is full, that it is not any more.
 * Data-in is read into a place (lun/places), data-out written from where the path
 * has it. The target gets commands in the order of the ring; in what order it
 * executes them is its own matter.
 *
 * ABORT is iSCSI's ABORT TASK, RESET its LOGICAL UNIT RESET: a command has ended
 * when the target says so. A device with other users besides is not reset.
 *
 * A connection that is lost is for a successor (cfg.lost), which gets another
 * one. It logs in as the same initiator port, so that the target ends the old
 * session and all its tasks first (RFC 7143, 6.3.5). Commands that can be done
 * again are, the others are answered as reset; of the rest the target's own unit
 * attention tells the guest. Lost is also who does not answer to an ABORT or
 * RESET for FUNCTION_S. Without a cfg.lost, or when control has found no target
 * for too long and gives no socket, all commands end with NO_CONNECT.
 */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/log.h"
#include "lun/iscsi_link.h"
#include "lun/passthrough.h"
#include "lun/places.h"

/* See lun/places.h. */
#define DEPTH	   (PLACES / 2)
#define LOGIN_MS   5000
#define FUNCTION_S 10

_Static_assert(ISCSI_CDB_MAX == SCSI_CDB_MAX, "CDBs");
_Static_assert(ISCSI_SENSE_MAX == SCSI_SENSE_MAX, "sense data");

struct iscsi;

/* Of the place with the same number. */
struct op {
	struct iscsi_cmd cmd;
	struct iscsi *iscsi;
};

/* An operation of the ring. */
struct watch {
	struct uring_op op;
	bool busy;
};

struct iscsi {
	struct lun lun;
	struct uring *uring;
	int fd;
	struct iscsi_link *link; /* NULL: there is none any more */
	bool shared, closing, resetting;
	bool lost; /* initiators have not heard yet of commands lost */
	void (*make_way)(void);
	uint32_t block_size, max_transfer;
	/* commands */
	struct places places;
	struct op op[PLACES];
	struct cmd_list waiting;
	uint32_t busy; /* with the target */
	/* what we wait for */
	struct watch in, out, timer;
	struct __kernel_timespec patience;
	uint32_t answered; /* functions, when the timer was set */
};

static struct iscsi *iscsi_of(struct lun *l)
{
	return (struct iscsi *)l;
}

static void finish(struct lun_cmd *cmd)
{
	cmd->io_busy = false;
	cmd->done(cmd);
}

static void end_with_nothing(struct lun_cmd *cmd)
{
	pass_refused(cmd, ENODEV, false);
	finish(cmd);
}

/* ---- the end of the session ---- */

/* The session cannot be used any more: say why. Somebody else goes on with what
 * is under way, or it fails. */
static void lose(struct iscsi *t, const char *why)
{
	struct iscsi_link *link = t->link;
	struct lun_cmd *cmd;

	log_line(LOG_ERR, NULL, "iSCSI target lost: %s; %s", why,
		 t->make_way ? "it is connected to again when it is needed"
			     : "its LUN is gone");
	/* With nothing nobody need notice. */
	if (t->make_way && (t->busy || t->waiting.first || t->resetting))
		t->make_way();
	t->link = NULL;
	t->resetting = false;
	(void)shutdown(t->fd, SHUT_RDWR);
	iscsi_link_close(link);
	while ((cmd = cmd_list_take(&t->waiting)))
		end_with_nothing(cmd);
}

/* ---- commands ---- */

/* The answer of the target, or that there is none. */
static void take_answer(struct lun_cmd *cmd, const struct iscsi_cmd *c)
{
	struct scsi_task *t = &cmd->task;

	if (c->end != ISCSI_ANSWERED) {
		pass_refused(cmd, ENODEV, false);
		if (c->end == ISCSI_ABORTED)
			cmd->host = WIRE_SCSI_HOST_ABORT;
		if (c->end == ISCSI_FAILED)
			cmd->host = WIRE_SCSI_HOST_ERROR;
		return;
	}
	cmd->host = WIRE_SCSI_HOST_OK;
	t->status = c->status;
	t->sense_len = c->sense_len;
	memcpy(t->sense, c->sense, c->sense_len);
	t->residual = c->residual;
	/* Data that came with an error counts, too: short blocks of a tape. */
	if (!t->out_len) {
		t->data = c->data;
		t->in_len = t->in_max - c->residual;
		/* What the target says nothing of is not told either. */
		if (t->in_len > c->in_len)
			t->in_len = c->in_len;
	}
}

static void cmd_done(struct iscsi_cmd *c)
{
	struct op *op = (struct op *)((char *)c - offsetof(struct op, cmd));
	struct iscsi *t = op->iscsi;
	struct place *place = &t->places.place[op - t->op];
	struct lun_cmd *cmd = place->cmd;

	t->busy--;
	place_give(&t->places, place);
	take_answer(cmd, c);
	pass_limit_transfers(cmd, t->block_size, t->max_transfer);
	finish(cmd);
}

/* Give CMD to the target. */
static void start(struct iscsi *t, struct lun_cmd *cmd)
{
	const struct scsi_task *task = &cmd->task;
	struct place *place = place_take(&t->places, task->in_max);
	struct iscsi_cmd *c = &t->op[place_number(&t->places, place)].cmd;

	memcpy(c->cdb, task->cdb, task->cdb_len);
	c->cdb_len = task->cdb_len;
	c->out_len = task->out_len;
	c->in_max = task->out_len ? 0 : task->in_max;
	c->data = task->out_len ? task->data : place->buf;
	if (iscsi_link_send(t->link, c)) {
		place_give(&t->places, place);
		pass_refused(cmd, ENOMEM, false);
		finish(cmd);
		return;
	}
	place->cmd = cmd;
	place->busy = true;
	cmd->own = c;
	t->busy++;
}

/* Give the target what waits, as far as there is room. */
static void run(struct iscsi *t)
{
	struct lun_cmd *cmd;

	while (t->link && t->busy < DEPTH && !t->resetting &&
	       (cmd = cmd_list_take(&t->waiting)))
		start(t, cmd);
}

/* ---- the ring ---- */

static void iscsi_free(struct iscsi *t)
{
	if (t->link)
		iscsi_link_close(t->link);
	if (t->fd >= 0)
		close(t->fd);
	places_fini(&t->places);
	free(t);
}

/* An operation has ended: go on with it? */
static bool back(struct iscsi *t, struct watch *w)
{
	w->busy = false;
	if (!t->closing)
		return t->link;
	uring_left(t->uring);
	if (!t->in.busy && !t->out.busy && !t->timer.busy)
		iscsi_free(t);
	return false;
}

static void watch(struct iscsi *t, struct watch *w, unsigned int events)
{
	struct io_uring_sqe *sqe;

	if (w->busy)
		return;
	sqe = uring_sqe(t->uring);
	io_uring_prep_poll_add(sqe, t->fd, events);
	uring_attach(sqe, &w->op);
	w->busy = true;
}

static void start_timer(struct iscsi *t)
{
	struct io_uring_sqe *sqe;

	if (t->timer.busy || !iscsi_link_functions(t->link, &t->answered))
		return;
	sqe = uring_sqe(t->uring);
	io_uring_prep_timeout(sqe, &t->patience, 0, 0);
	uring_attach(sqe, &t->timer.op);
	t->timer.busy = true;
}

/* Send, and (READABLE) take what there is; then wait for more. */
static void serve(struct iscsi *t, bool readable)
{
	int rc = iscsi_link_serve(t->link, readable);

	if (!rc && readable) {
		run(t); /* there is room again */
		rc = iscsi_link_serve(t->link, false);
	}
	if (rc) {
		lose(t, iscsi_link_why(t->link));
		return;
	}
	watch(t, &t->in, POLLIN);
	if (iscsi_link_full(t->link))
		watch(t, &t->out, POLLOUT);
	start_timer(t);
}

static void in_done(struct uring_op *op, int32_t res, uint32_t flags)
{
	struct iscsi *t =
		(struct iscsi *)((char *)op - offsetof(struct iscsi, in.op));

	(void)res;
	(void)flags;
	if (back(t, &t->in))
		serve(t, true);
}

static void out_done(struct uring_op *op, int32_t res, uint32_t flags)
{
	struct iscsi *t =
		(struct iscsi *)((char *)op - offsetof(struct iscsi, out.op));

	(void)res;
	(void)flags;
	if (back(t, &t->out))
		serve(t, false);
}

/* Has it answered to any ABORT or RESET meanwhile, when there was one? */
static void timer_done(struct uring_op *op, int32_t res, uint32_t flags)
{
	struct iscsi *t =
		(struct iscsi *)((char *)op - offsetof(struct iscsi, timer.op));
	uint32_t answered;

	(void)res;
	(void)flags;
	if (!back(t, &t->timer) || !iscsi_link_functions(t->link, &answered))
		return;
	if (answered == t->answered)
		lose(t, "it does not answer to an abort or reset");
	else
		start_timer(t);
}

/* ---- the LUN ---- */

/* Is CMD for the target? Otherwise it is answered. */
static bool is_for_target(struct iscsi *t, struct lun_cmd *cmd)
{
	if (!t->link && t->make_way)
		t->make_way();
	if (!t->link) {
		pass_refused(cmd, ENODEV, false);
		return false;
	}
	if (t->lost && pass_attention(cmd)) {
		t->lost = false;
		return false;
	}
	if (cmd->task.in_max > PLACE_DATA) {
		pass_refused(cmd, EINVAL, true);
		return false;
	}
	return pass_can_carry(cmd);
}

static void lun_iscsi_submit(struct lun *l, struct lun_cmd *cmd)
{
	struct iscsi *t = iscsi_of(l);

	cmd->lun = l;
	cmd->own = NULL;
	cmd->io_busy = true;
	if (!is_for_target(t, cmd)) {
		finish(cmd);
		return;
	}
	cmd_list_put(&t->waiting, cmd);
	run(t);
	serve(t, false);
}

static void lun_iscsi_cancel(struct lun *l, struct lun_cmd *cmd)
{
	struct iscsi *t = iscsi_of(l);

	if (!cmd->io_busy)
		return; /* has ended just now */
	if (cmd->own) {
		iscsi_link_abort(t->link, cmd->own);
		serve(t, false);
		return;
	}
	cmd_list_drop(&t->waiting, cmd);
	cmd->host = WIRE_SCSI_HOST_ABORT;
	finish(cmd);
}

static void reset_done(void *arg)
{
	struct iscsi *t = arg;

	t->resetting = false;
	run(t); /* sent by who has called us */
}

static void lun_iscsi_reset(struct lun *l)
{
	struct iscsi *t = iscsi_of(l);

	if (!t->link || t->shared || t->resetting ||
	    iscsi_link_reset(t->link, reset_done, t))
		return;
	t->resetting = true;
	serve(t, false);
}

static void lun_iscsi_lost(struct lun *l)
{
	iscsi_of(l)->lost = true;
}

/* As of lun/sg. */
static void lun_iscsi_luns_changed(struct lun *l)
{
	(void)l;
}

static void lun_iscsi_close(struct lun *l)
{
	struct iscsi *t = iscsi_of(l);
	struct watch *all[] = {&t->in, &t->out, &t->timer};
	bool waits = false;

	t->closing = true;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(all); i++) {
		waits |= all[i]->busy;
		if (all[i]->busy)
			uring_cancel(t->uring, &all[i]->op);
	}
	/* The target hears of it at once. */
	if (t->link)
		iscsi_link_close(t->link);
	t->link = NULL;
	(void)shutdown(t->fd, SHUT_RDWR);
	if (!waits)
		iscsi_free(t);
}

/* ---- open ---- */

static int log_in(struct iscsi *t, int login_fd)
{
	struct iscsi_login login;
	char why[256];
	int rc;

	if (pread(login_fd, &login, sizeof(login), 0) != sizeof(login))
		return -EBADF;
	rc = iscsi_link_open(&t->link, &login, t->fd, LOGIN_MS, why,
			     sizeof(why));
	if (rc)
		log_line(LOG_ERR, NULL, "iSCSI target %s, LUN %u: %s",
			 login.target, login.lun, why);
	explicit_bzero(&login, sizeof(login));
	return rc;
}

static int lun_iscsi_open(struct lun **out, const struct lun_cfg *cfg,
			  struct uring *u)
{
	struct iscsi *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return -ENOMEM;
	t->lun.type = &lun_iscsi;
	t->lun.peripheral =
		(uint8_t)strtoul(cfg->storage_args, NULL, 16) & 0x1f;
	t->uring = u;
	t->shared = cfg->shared;
	t->block_size = cfg->block_size;
	t->max_transfer = cfg->max_transfer;
	t->patience.tv_sec = FUNCTION_S;
	cmd_list_init(&t->waiting);
	t->in.op.done = in_done;
	t->out.op.done = out_done;
	t->timer.op.done = timer_done;
	for (uint32_t i = 0; i < PLACES; i++) {
		t->op[i].iscsi = t;
		t->op[i].cmd.done = cmd_done;
	}
	t->fd = cfg->fd;
	rc = places_init(&t->places);
	if (!rc && t->fd >= 0)
		rc = log_in(t, cfg->state_fd);
	if (rc) {
		t->fd = -1; /* the caller's */
		iscsi_free(t);
		return rc;
	}
	if (cfg->state_fd >= 0)
		close(cfg->state_fd); /* it has done its work */
	if (t->link) {
		t->make_way = cfg->lost;
		watch(t, &t->in, POLLIN);
	}
	*out = &t->lun;
	return 0;
}

const struct lun_type lun_iscsi = {
	.name = "iscsi",
	.open = lun_iscsi_open,
	.submit = lun_iscsi_submit,
	.cancel = lun_iscsi_cancel,
	.reset = lun_iscsi_reset,
	.lost = lun_iscsi_lost,
	.luns_changed = lun_iscsi_luns_changed,
	.close = lun_iscsi_close,
};
