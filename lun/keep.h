/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of a logical unit (scsi/keep) in a file in memory that outlives the
 * worker. It is written when it has changed, before the command that changed it
 * is answered: what was acknowledged stays. A unit attention is the other way
 * round: it stays in the file until the command that told of it has been
 * answered, so that an initiator may hear of it twice, never not at all.
 */
#ifndef LUN_KEEP_H
#define LUN_KEEP_H

#include "lun/lun.h"
#include "lun/state.h"
#include "scsi/keep.h"

struct keep {
	struct state file; /* fd -1: nothing is kept */
	uint32_t len;	   /* of what is in the file */
	uint8_t image[SCSI_KEEP_MAX];
	/* Unit attentions of the nexus in commands not answered yet. */
	uint32_t told;
	uint16_t code[16];
};

/*
 * Keep the state of LU in FD (or -1), which is K's then. With RESUMED LU
 * becomes first what is there; a file with nothing in it is of a worker that
 * died before it had a state. 0 or a negative errno; FD stays the caller's.
 */
int keep_open(struct keep *k, int fd, struct scsi_lu *lu, bool resumed);
void keep_close(struct keep *k);

/* LU may have changed. */
void keep_state(struct keep *k, const struct scsi_lu *lu);

/*
 * CMD has ended. True when keep_answered() must be called once its answer is on
 * the ring.
 */
bool keep_ended(struct keep *k, const struct scsi_lu *lu,
		const struct lun_cmd *cmd);
void keep_answered(struct keep *k, const struct scsi_lu *lu,
		   const struct lun_cmd *cmd);

#endif
