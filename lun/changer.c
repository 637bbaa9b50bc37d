/* SPDX-License-Identifier: BSD-2-Clause */
/* The changer of a virtual tape library. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lun/library.h"

struct changer {
	struct emulated e;
	struct library *library;
};

static int changer_move(struct emulated *e, const struct scsi_io *io)
{
	struct changer *c = (struct changer *)e;

	if (io->op == SCSI_IO_SWAP)
		return library_exchange(c->library, (uint32_t)io->offset,
					(uint32_t)io->len,
					(uint32_t)io->second);
	return library_move(c->library, (uint32_t)io->offset,
			    (uint32_t)io->len);
}

static int changer_open(struct lun **out, const struct lun_cfg *cfg,
			struct uring *u)
{
	struct changer *c = calloc(1, sizeof(*c));
	struct scsi_lu_cfg lcfg;
	int rc;

	if (!c)
		return -ENOMEM;
	c->e.move = changer_move;
	rc = library_get(&c->library, cfg->fd, u);
	if (rc) {
		free(c);
		return rc;
	}
	emulated_cfg(&lcfg, cfg);
	lcfg.type = &scsi_changer;
	lcfg.own = library_changer(c->library);
	lcfg.no_write_cache = true;
	rc = emulated_init(&c->e, &lun_changer, &lcfg, cfg);
	if (rc < 0) {
		library_put(c->library);
		free(c);
		return rc;
	}
	close(cfg->fd);
	*out = &c->e.lun;
	return 0;
}

static void changer_close(struct lun *l)
{
	struct changer *c = (struct changer *)l;

	emulated_end(&c->e);
	library_put(c->library);
	free(c);
}

const struct lun_type lun_changer = {
	.name = "changer",
	.open = changer_open,
	.submit = emulated_submit,
	.cancel = emulated_cancel,
	.reset = emulated_reset,
	.lost = emulated_lost,
	.answered = emulated_answered,
	.luns_changed = emulated_luns_changed,
	.close = changer_close,
};
