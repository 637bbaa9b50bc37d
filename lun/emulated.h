/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What LUNs that the SCSI engine (scsi/) answers have in common: the engine
 * says which storage operation it wants next; this does it and comes back.
 * A kind of LUN begins its own struct with a struct emulated, and has these
 * functions in its struct lun_type.
 */
#ifndef LUN_EMULATED_H
#define LUN_EMULATED_H

#include "lun/keep.h"
#include "lun/lun.h"
#include "lun/state.h"
#include "scsi/lu.h"

/* The only initiator of a unit is the guest behind its controller. */
#define EMULATED_NEXUS 0

struct emulated {
	struct lun lun;
	struct storage *storage; /* NULL: no medium; the kind's to open */
	struct state state;
	struct keep keep;
	/* SCSI_IO_MOVE, SCSI_IO_SWAP; NULL: not a changer. */
	int (*move)(struct emulated *e, const struct scsi_io *io);
	/* No command is with the unit any more; NULL: nobody wants to know. */
	void (*idle)(struct emulated *e);
	struct scsi_lu lu;
};

/*
 * Fill in C from CFG what every type of unit has: read_only, shared, resumed,
 * can_save, naa, serial, product; the rest is zeroed.
 */
void emulated_cfg(struct scsi_lu_cfg *c, const struct lun_cfg *cfg);

/*
 * Make E, zeroed, a unit as LCFG says, and load its reservations from
 * CFG->state_fd, and what a dead process knew of it from CFG->keep_fd, which
 * are E's from then on. 0 or a negative errno.
 */
int emulated_init(struct emulated *e, const struct lun_type *type,
		  const struct scsi_lu_cfg *lcfg, const struct lun_cfg *cfg);

/* Open the storage of CFG: 0 or a negative errno; cfg->fd is its then. */
int emulated_storage(struct storage **out, const struct lun_cfg *cfg,
		     struct uring *u);

/* Close the storage, if there is one, and the state; E's memory stays. */
void emulated_end(struct emulated *e);

/* For struct lun_type. */
void emulated_submit(struct lun *l, struct lun_cmd *cmd);
void emulated_cancel(struct lun *l, struct lun_cmd *cmd);
void emulated_reset(struct lun *l);
void emulated_lost(struct lun *l);
void emulated_answered(struct lun *l, const struct lun_cmd *cmd);
void emulated_luns_changed(struct lun *l);

#endif
