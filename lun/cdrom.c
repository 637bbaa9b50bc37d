/* SPDX-License-Identifier: BSD-2-Clause */
/* A CD/DVD-ROM drive, whose media are changed from outside. */
#include <errno.h>
#include <stdlib.h>

#include "lun/emulated.h"
#include "scsi/lu_cdrom.h"

struct cdrom {
	struct emulated e;
	struct scsi_cdrom cd;
	struct uring *uring;
	bool changing;
	struct storage *next; /* what comes then; NULL: nothing */
	uint64_t next_blocks;
};

static struct cdrom *cdrom_of(struct lun *l)
{
	return (struct cdrom *)l; /* its first member's first member */
}

static uint64_t blocks_of(const struct lun_cfg *cfg)
{
	return cfg->size / SCSI_CDROM_BLOCK;
}

static int cdrom_open(struct lun **out, const struct lun_cfg *cfg,
		      struct uring *u)
{
	struct cdrom *c = calloc(1, sizeof(*c));
	struct scsi_lu_cfg lcfg;
	int rc;

	if (!c)
		return -ENOMEM;
	emulated_cfg(&lcfg, cfg);
	lcfg.type = &scsi_cdrom;
	lcfg.own = &c->cd;
	lcfg.blocks = blocks_of(cfg);
	lcfg.block_size = SCSI_CDROM_BLOCK;
	lcfg.read_only = true;
	lcfg.no_write_cache = true;
	lcfg.max_transfer = cfg->max_transfer / SCSI_CDROM_BLOCK;
	c->uring = u;
	rc = emulated_init(&c->e, &lun_cdrom, &lcfg, cfg);
	if (!rc && cfg->size)
		rc = emulated_storage(&c->e.storage, cfg, u);
	if (rc < 0)
		free(c);
	else
		*out = &c->e.lun;
	return rc;
}

static void close_storage(struct storage *s)
{
	if (s)
		s->driver->close(s);
}

static void cdrom_close(struct lun *l)
{
	struct cdrom *c = cdrom_of(l);

	close_storage(c->next);
	emulated_end(&c->e);
	free(c);
}

/* Nothing of the old medium is being read any more. */
static void change_now(struct emulated *e)
{
	struct cdrom *c = (struct cdrom *)e;

	close_storage(e->storage);
	e->storage = c->next;
	c->next = NULL;
	c->changing = false;
	e->idle = NULL;
	scsi_cdrom_insert(&e->lu, c->next_blocks);
	keep_state(&e->keep, &e->lu);
}

static int cdrom_change(struct lun *l, const struct lun_cfg *cfg, bool force)
{
	struct cdrom *c = cdrom_of(l);
	int rc;

	if (c->changing)
		return -EALREADY;
	if (scsi_lu_prevented(&c->e.lu) && !force) {
		scsi_cdrom_want_eject(&c->e.lu);
		keep_state(&c->e.keep, &c->e.lu);
		return -EBUSY;
	}
	if (cfg->size) {
		rc = emulated_storage(&c->next, cfg, c->uring);
		if (rc < 0)
			return rc;
	}
	c->next_blocks = blocks_of(cfg);
	c->changing = true;
	scsi_cdrom_leave(&c->e.lu);
	c->e.idle = change_now;
	if (!c->e.lu.first)
		change_now(&c->e);
	return 0;
}

static bool cdrom_changing(const struct lun *l)
{
	return ((const struct cdrom *)l)->changing;
}

const struct lun_type lun_cdrom = {
	.name = "cdrom",
	.stored = true,
	.open = cdrom_open,
	.submit = emulated_submit,
	.cancel = emulated_cancel,
	.reset = emulated_reset,
	.lost = emulated_lost,
	.answered = emulated_answered,
	.luns_changed = emulated_luns_changed,
	.close = cdrom_close,
	.change = cdrom_change,
	.changing = cdrom_changing,
};
