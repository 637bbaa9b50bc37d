/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An emulated LUN: the SCSI engine (scsi/) over a storage. The engine says
 * which storage operation it wants next; this does it and comes back.
 */
#include "lun/lun.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lun/state.h"
#include "scsi/lu_disk.h"
#include "scsi/reserve.h"

struct emulated {
	struct lun lun;
	struct storage *storage;
	struct state state;
	struct scsi_lu lu;
};

_Static_assert(SCSI_PR_IMAGE_MAX <= STATE_MAX, "a slot holds it");

/* The only initiator of a unit is the guest behind its controller. */
#define NEXUS 0

static void run(struct emulated *e, struct lun_cmd *cmd, enum scsi_step step);

static const enum storage_op storage_op[] = {
	[SCSI_IO_READ] = STORAGE_READ,	     [SCSI_IO_WRITE] = STORAGE_WRITE,
	[SCSI_IO_FLUSH] = STORAGE_FLUSH,     [SCSI_IO_ZERO] = STORAGE_ZERO,
	[SCSI_IO_DISCARD] = STORAGE_DISCARD, [SCSI_IO_EXTENT] = STORAGE_EXTENT,
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

/*
 * Go on after STEP of CMD, until every task that can run is with the storage
 * or done.
 */
static void run(struct emulated *e, struct lun_cmd *cmd, enum scsi_step step)
{
	struct scsi_task *next;
	int rc;

	for (;;) {
		while (step == SCSI_STEP_IO &&
		       cmd->task.io.op == SCSI_IO_SAVE) {
			rc = state_save(&e->state, cmd->task.io.buf,
					cmd->task.io.len);
			step = scsi_lu_resume(&e->lu, &cmd->task,
					      storage_result(rc));
		}
		if (step == SCSI_STEP_IO) {
			issue(e, cmd);
		} else if (step == SCSI_STEP_DONE) {
			cmd->host = WIRE_SCSI_HOST_OK;
			cmd->done(cmd);
		}
		next = scsi_lu_next(&e->lu);
		if (!next)
			return;
		cmd = cmd_of_task(next);
		step = scsi_lu_resume(&e->lu, next, 0);
	}
}

static void emulated_submit(struct lun *l, struct lun_cmd *cmd)
{
	struct emulated *e = (struct emulated *)l;

	cmd->lun = l;
	cmd->io_busy = false;
	cmd->task.nexus = NEXUS;
	run(e, cmd, scsi_lu_start(&e->lu, &cmd->task));
}

static void emulated_cancel(struct lun *l, struct lun_cmd *cmd)
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

static void emulated_reset(struct lun *l)
{
	scsi_lu_reset(&((struct emulated *)l)->lu);
}

static void emulated_lost(struct lun *l)
{
	scsi_lu_attention(&((struct emulated *)l)->lu, NEXUS, SCSI_UA_POWER_ON);
}

static void emulated_luns_changed(struct lun *l)
{
	scsi_lu_attention(&((struct emulated *)l)->lu, NEXUS, SCSI_UA_LUNS);
}

static void emulated_close(struct lun *l)
{
	struct emulated *e = (struct emulated *)l;

	if (e->storage)
		e->storage->driver->close(e->storage);
	if (e->state.fd >= 0)
		close(e->state.fd);
	free(e);
}

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
	memset(c, 0, sizeof(*c));
	c->type = &scsi_disk;
	c->blocks = cfg->size / cfg->block_size;
	c->block_size = cfg->block_size;
	c->physical_exponent = exponent(cfg);
	c->read_only = cfg->read_only;
	c->thin = cfg->discard;
	c->discard_zeroes = cfg->discard; /* a punched hole reads as zeroes */
	c->rotational = cfg->rotational;
	c->shared = cfg->shared;
	c->resumed = cfg->resumed;
	c->can_save = cfg->state_fd >= 0;
	c->naa = cfg->naa;
	c->max_transfer = cfg->max_transfer / cfg->block_size;
	c->unmap_granularity = cfg->discard_granularity / cfg->block_size;
	snprintf(c->serial, sizeof(c->serial), "%.20s", cfg->serial);
	snprintf(c->product, sizeof(c->product), "%.16s", cfg->product);
}

static int emulated_open(struct lun **out, const struct lun_cfg *cfg,
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
	};
	struct scsi_lu_cfg lcfg;
	uint8_t image[STATE_MAX];
	struct emulated *e;
	int rc, len;

	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->lun.type = &lun_emulated;
	disk_cfg(&lcfg, cfg);
	rc = -EINVAL;
	if (scsi_lu_init(&e->lu, &lcfg) < 0)
		goto fail;
	scsi_lu_nexus(&e->lu, NEXUS, cfg->initiator);
	len = state_load(&e->state, cfg->state_fd, image, sizeof(image));
	rc = len;
	if (len < 0)
		goto fail;
	rc = -EBADMSG;
	if (len > 0 && scsi_pr_load(&e->lu, image, (uint32_t)len) < 0)
		goto fail;
	rc = cfg->storage->open(&e->storage, &scfg, u);
	if (rc < 0)
		goto fail;
	e->lun.peripheral = lcfg.type->peripheral;
	e->lun.fenced = true; /* by the storage */
	*out = &e->lun;
	return 0;

fail:
	free(e);
	return rc;
}

const struct lun_type lun_emulated = {
	.name = "emulated",
	.stored = true,
	.open = emulated_open,
	.submit = emulated_submit,
	.cancel = emulated_cancel,
	.reset = emulated_reset,
	.lost = emulated_lost,
	.luns_changed = emulated_luns_changed,
	.close = emulated_close,
};
