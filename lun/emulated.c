/* SPDX-License-Identifier: BSD-2-Clause */
/* LUNs that the SCSI engine answers, over a storage; and the disk. */
#include "lun/emulated.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scsi/lu_disk.h"
#include "scsi/reserve.h"

_Static_assert(SCSI_PR_IMAGE_MAX <= STATE_MAX, "a slot holds it");

static void run(struct emulated *e, struct lun_cmd *cmd, enum scsi_step step);

static const enum storage_op storage_op[] = {
	[SCSI_IO_READ] = STORAGE_READ,	     [SCSI_IO_WRITE] = STORAGE_WRITE,
	[SCSI_IO_FLUSH] = STORAGE_FLUSH,     [SCSI_IO_ZERO] = STORAGE_ZERO,
	[SCSI_IO_DISCARD] = STORAGE_DISCARD, [SCSI_IO_EXTENT] = STORAGE_EXTENT,
	[SCSI_IO_CUT] = STORAGE_CUT,
};

static struct lun_cmd *cmd_of_task(struct scsi_task *task)
{
	return (struct lun_cmd *)((char *)task -
				  offsetof(struct lun_cmd, task));
}

static void io_done(struct storage_io *io)
{
	struct lun_cmd *cmd =
		(struct lun_cmd *)((char *)io - offsetof(struct lun_cmd, io));
	struct emulated *e = (struct emulated *)cmd->lun;

	cmd->io_busy = false;
	cmd->task.io.extent_len = io->extent_len;
	cmd->task.io.extent_mapped = io->extent_mapped;
	run(e, cmd, scsi_lu_resume(&e->lu, &cmd->task, io->result));
}

/* Give the operation CMD wants to the storage. */
static void issue(struct emulated *e, struct lun_cmd *cmd)
{
	const struct scsi_io *want = &cmd->task.io;
	struct storage_io *io = &cmd->io;

	io->what = storage_op[want->op];
	io->fua = want->fua;
	io->unmap = want->unmap;
	io->offset = want->offset;
	io->len = want->len;
	io->buf = want->buf;
	io->done = io_done;
	cmd->io_busy = true;
	e->storage->driver->submit(e->storage, io);
}

/* What is done at once, and not by the storage. */
static bool at_once(struct emulated *e, const struct scsi_io *io, int *rc)
{
	if (io->op == SCSI_IO_SAVE)
		*rc = storage_result(
			state_save(&e->state, io->buf, io->len, true));
	else if (io->op == SCSI_IO_MOVE || io->op == SCSI_IO_SWAP)
		*rc = e->move(e, io);
	else
		return false;
	return true;
}

/*
 * Go on after STEP of CMD, until every task that can run is with the storage
 * or done.
 */
static void go_on(struct emulated *e, struct lun_cmd *cmd, enum scsi_step step)
{
	struct scsi_task *next;
	int rc;

	for (;;) {
		while (step == SCSI_STEP_IO && at_once(e, &cmd->task.io, &rc))
			step = scsi_lu_resume(&e->lu, &cmd->task, rc);
		if (step == SCSI_STEP_IO) {
			issue(e, cmd);
		} else if (step == SCSI_STEP_DONE) {
			cmd->host = WIRE_SCSI_HOST_OK;
			if (keep_ended(&e->keep, &e->lu, cmd))
				e->lun.told = true;
			cmd->done(cmd);
		}
		next = scsi_lu_next(&e->lu);
		if (!next)
			return;
		cmd = cmd_of_task(next);
		step = scsi_lu_resume(&e->lu, next, 0);
	}
}

/* The same, and look whether that was all. */
static void run(struct emulated *e, struct lun_cmd *cmd, enum scsi_step step)
{
	go_on(e, cmd, step);
	if (e->idle && !e->lu.first)
		e->idle(e);
}

void emulated_submit(struct lun *l, struct lun_cmd *cmd)
{
	struct emulated *e = (struct emulated *)l;

	cmd->lun = l;
	cmd->io_busy = cmd->moved = false;
	cmd->task.nexus = EMULATED_NEXUS;
	if (e->keep.dead && !cmd->again)
		keep_forget(&e->keep, &e->lu);
	run(e, cmd, scsi_lu_start(&e->lu, &cmd->task));
}

void emulated_cancel(struct lun *l, struct lun_cmd *cmd)
{
	struct emulated *e = (struct emulated *)l;
	struct scsi_task *next;

	scsi_task_cancel(&cmd->task);
	if (cmd->io_busy)
		e->storage->driver->cancel(e->storage, &cmd->io);
	next = scsi_lu_next(&e->lu);
	if (next)
		run(e, cmd_of_task(next), scsi_lu_resume(&e->lu, next, 0));
}

void emulated_reset(struct lun *l)
{
	struct emulated *e = (struct emulated *)l;

	scsi_lu_reset(&e->lu);
	keep_state(&e->keep, &e->lu);
}

void emulated_lost(struct lun *l)
{
	struct emulated *e = (struct emulated *)l;

	scsi_lu_attention(&e->lu, EMULATED_NEXUS, SCSI_UA_POWER_ON);
	keep_state(&e->keep, &e->lu);
}

void emulated_answered(struct lun *l, const struct lun_cmd *cmd)
{
	struct emulated *e = (struct emulated *)l;

	keep_answered(&e->keep, &e->lu, cmd);
	l->told = e->keep.told > 0 || (e->keep.before.n > 0 && !e->keep.dead);
}

void emulated_luns_changed(struct lun *l)
{
	struct emulated *e = (struct emulated *)l;

	scsi_lu_attention(&e->lu, EMULATED_NEXUS, SCSI_UA_LUNS);
	keep_state(&e->keep, &e->lu);
}

void emulated_end(struct emulated *e)
{
	if (e->storage)
		e->storage->driver->close(e->storage);
	if (e->state.fd >= 0)
		close(e->state.fd);
	keep_close(&e->keep);
}

void emulated_cfg(struct scsi_lu_cfg *c, const struct lun_cfg *cfg)
{
	memset(c, 0, sizeof(*c));
	c->read_only = cfg->read_only;
	c->shared = cfg->shared;
	c->resumed = cfg->resumed;
	c->can_save = cfg->state_fd >= 0;
	c->naa = cfg->naa;
	snprintf(c->serial, sizeof(c->serial), "%.20s", cfg->serial);
	snprintf(c->product, sizeof(c->product), "%.16s", cfg->product);
}

int emulated_init(struct emulated *e, const struct lun_type *type,
		  const struct scsi_lu_cfg *lcfg, const struct lun_cfg *cfg)
{
	uint8_t image[STATE_MAX];
	int len;

	e->lun.type = type;
	e->lun.peripheral = lcfg->type->peripheral;
	e->lun.fenced = true; /* by the storage */
	if (scsi_lu_init(&e->lu, lcfg) < 0)
		return -EINVAL;
	scsi_lu_nexus(&e->lu, EMULATED_NEXUS, cfg->initiator);
	len = state_load(&e->state, cfg->state_fd, image, sizeof(image));
	if (len < 0)
		return len;
	if (len > 0 && scsi_pr_load(&e->lu, image, (uint32_t)len) < 0)
		return -EBADMSG;
	return keep_open(&e->keep, cfg->keep_fd, &e->lu, cfg->resumed);
}

int emulated_storage(struct storage **out, const struct lun_cfg *cfg,
		     struct uring *u)
{
	struct storage_cfg scfg = {
		.fd = cfg->fd,
		.size = cfg->size,
		.read_only = cfg->read_only,
		.discard = cfg->discard,
		.zero = cfg->zero,
		.args = cfg->storage_args,
		.fence = cfg->fence,
		.lost = cfg->lost,
	};

	return cfg->storage->open(out, &scfg, u);
}

/* ---- a disk ---- */

/* Bytes to a power of two of blocks: the physical block exponent. */
static uint8_t exponent(const struct lun_cfg *cfg)
{
	uint8_t n = 0;

	while (n < 15 && (uint64_t)cfg->block_size << (n + 1) <= cfg->phys_size)
		n++;
	return n;
}

static void disk_cfg(struct scsi_lu_cfg *c, const struct lun_cfg *cfg)
{
	emulated_cfg(c, cfg);
	c->type = &scsi_disk;
	c->blocks = cfg->size / cfg->block_size;
	c->block_size = cfg->block_size;
	c->physical_exponent = exponent(cfg);
	c->thin = cfg->discard;
	c->discard_zeroes = cfg->discard; /* a punched hole reads as zeroes */
	c->rotational = cfg->rotational;
	c->max_transfer = cfg->max_transfer / cfg->block_size;
	c->unmap_granularity = cfg->discard_granularity / cfg->block_size;
}

static int disk_open(struct lun **out, const struct lun_cfg *cfg,
		     struct uring *u)
{
	struct emulated *e = calloc(1, sizeof(*e));
	struct scsi_lu_cfg lcfg;
	int rc;

	if (!e)
		return -ENOMEM;
	disk_cfg(&lcfg, cfg);
	rc = emulated_init(e, &lun_emulated, &lcfg, cfg);
	if (!rc)
		rc = emulated_storage(&e->storage, cfg, u);
	if (rc < 0)
		free(e);
	else
		*out = &e->lun;
	return rc;
}

static void disk_close(struct lun *l)
{
	struct emulated *e = (struct emulated *)l;

	emulated_end(e);
	free(e);
}

const struct lun_type lun_emulated = {
	.name = "emulated",
	.stored = true,
	.open = disk_open,
	.submit = emulated_submit,
	.cancel = emulated_cancel,
	.reset = emulated_reset,
	.lost = emulated_lost,
	.answered = emulated_answered,
	.luns_changed = emulated_luns_changed,
	.close = disk_close,
};
