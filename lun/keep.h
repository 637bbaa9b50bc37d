/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of a logical unit (scsi/keep) in a file in memory that outlives the
 * worker. It is written when it has changed, before the command that changed it
 * is answered: what was acknowledged stays. A unit attention is the other way
 * round: it stays in the file until the command that told of it has been
 * answered, so that an initiator may hear of it twice, never not at all.
 *
 * Where what a command does depends on what those before it have done, as with a
 * tape, the state before the oldest command that has ended, but has not been
 * answered yet, is kept beside it. So a successor can take the command back, and
 * execute it.
 */
#ifndef LUN_KEEP_H
#define LUN_KEEP_H

#include "lun/lun.h"
#include "lun/state.h"
#include "scsi/keep.h"

#define KEEP_IMAGE_MAX (16 + SCSI_KEEP_OWN_MAX + SCSI_KEEP_MAX)

/* The state before a command, as scsi_lu_type.keep() has it. */
struct keep_before {
	uint32_t n;	/* commands since then, not answered; 0: none */
	uint32_t index; /* of the request of the oldest of them */
	uint32_t len;
	uint8_t own[SCSI_KEEP_OWN_MAX];
};

struct keep {
	struct state file; /* fd -1: nothing is kept */
	uint32_t len;	   /* of what is in the file */
	uint8_t image[KEEP_IMAGE_MAX];
	uint32_t own_len; /* the state as the last command has left it */
	uint8_t own[SCSI_KEEP_OWN_MAX];
	struct keep_before before;
	bool dead; /* that is of commands of a dead process */
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
bool keep_ended(struct keep *k, const struct scsi_lu *lu, struct lun_cmd *cmd);
void keep_answered(struct keep *k, const struct scsi_lu *lu,
		   const struct lun_cmd *cmd);

enum keep_again {
	KEEP_AS_IT_IS, /* the dead process has not come to the end of it */
	KEEP_BEFORE,   /* it has: what is in k->before was before it */
	KEEP_UNKNOWN,  /* several have ended, and some are answered */
};

/*
 * What the state is to CMD, which a dead process had begun. To be asked for all
 * of those, oldest first; a command that is none of them is the end of them:
 * keep_forget().
 */
enum keep_again keep_again(const struct keep *k, const struct lun_cmd *cmd);

/* k->before is not needed any more, or never. */
void keep_forget(struct keep *k, const struct scsi_lu *lu);

#endif
