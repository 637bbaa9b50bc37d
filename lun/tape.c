/* SPDX-License-Identifier: BSD-2-Clause */
/* A drive of a virtual tape library; its number is in cfg.storage_args. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lun/library.h"
#include "scsi/again.h"

static struct library_drive *drive_of(struct lun *l)
{
	return (struct library_drive *)l; /* its first member's first member */
}

static void drive_free(struct library_drive *d)
{
	struct library *l = d->library;

	if (l) {
		library_leave(d);
		library_put(l);
	}
	free(d);
}

/* Into the library whose files are behind the descriptor. */
static int join(struct library_drive *d, const struct lun_cfg *cfg,
		struct uring *u)
{
	struct library *l;
	int rc;

	if (sscanf(cfg->storage_args, "%u", &d->number) != 1)
		return -EINVAL;
	rc = library_get(&l, cfg->fd, u);
	if (rc)
		return rc;
	rc = library_join(l, d);
	if (rc)
		library_put(l);
	return rc;
}

static int tape_open(struct lun **out, const struct lun_cfg *cfg,
		     struct uring *u)
{
	struct library_drive *d = calloc(1, sizeof(*d));
	struct scsi_lu_cfg lcfg;
	int rc;

	if (!d)
		return -ENOMEM;
	rc = join(d, cfg, u);
	emulated_cfg(&lcfg, cfg);
	lcfg.type = &scsi_tape;
	lcfg.own = &d->tape;
	lcfg.no_write_cache = true;
	lcfg.read_only =
		d->tape.present && (d->tape.cart.flags & CART_PROTECTED);
	if (!rc)
		rc = emulated_init(&d->e, &lun_tape, &lcfg, cfg);
	if (rc < 0) {
		drive_free(d);
		return rc;
	}
	close(cfg->fd);
	*out = &d->e.lun;
	return 0;
}

/* More than scsi/again has, which is about drives whose state nobody knows. */
static bool may_repeat(const struct lun_cmd *cmd)
{
	static const uint8_t more[] = {
		0x01, 0x08, 0x0a, 0x10, 0x11, 0x19,
		0x1b, 0x2b, 0x91, 0x92, 0x15, 0x55, /* MODE SELECT */
		0x16, 0x17, 0x56, 0x57,		    /* RESERVE, RELEASE */
	};

	return memchr(more, cmd->task.cdb[0], sizeof(more)) ||
	       scsi_again(0x01, cmd->task.cdb) != SCSI_AGAIN_NO;
}

static bool tape_again(struct lun *l, const struct lun_cmd *cmd)
{
	struct library_drive *d = drive_of(l);
	struct keep *k = &d->e.keep;
	enum keep_again how = keep_again(k, cmd);
	bool before = how == KEEP_BEFORE;

	if (how == KEEP_UNKNOWN || !may_repeat(cmd) ||
	    !scsi_tape_again(&d->e.lu, &cmd->task,
			     before ? k->before.own : NULL, k->before.len))
		return false;
	if (k->dead) /* it was this one, or is answered */
		keep_forget(k, &d->e.lu);
	return true;
}

static void tape_close(struct lun *l)
{
	struct library_drive *d = drive_of(l);
	struct library *lib = d->library;

	library_leave(d);
	emulated_end(&d->e);
	library_put(lib);
	free(d);
}

const struct lun_type lun_tape = {
	.name = "tape",
	.open = tape_open,
	.submit = emulated_submit,
	.cancel = emulated_cancel,
	.again = tape_again,
	.reset = emulated_reset,
	.lost = emulated_lost,
	.answered = emulated_answered,
	.luns_changed = emulated_luns_changed,
	.close = tape_close,
};
