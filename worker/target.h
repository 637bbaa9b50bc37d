/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The LUNs behind one controller, by address, and what a target answers by
 * itself: REPORT LUNS, and commands to a LUN that is not there (SPC-4 6.33,
 * SAM-5 4.7). Belongs to one queue thread.
 */
#ifndef WORKER_TARGET_H
#define WORKER_TARGET_H

#include "core/scsi_back.h"
#include "lun/lun.h"

/* LUNs of one controller. */
#define TARGET_LUNS_MAX 256

struct target_lun {
	struct scsi_addr addr;
	struct lun *lun;
	uint32_t inflight;
	/* Deletion was asked for: answered when nothing is in flight. */
	bool going;
	uint32_t going_cookie;
	/* Another medium was asked for: answered when it is in. 0: not. */
	uint32_t change_cookie;
};

struct target {
	struct target_lun *lun[TARGET_LUNS_MAX]; /* in order of address */
	uint32_t count;
};

/* The LUN at ADDR that takes commands, or NULL. */
struct target_lun *target_find(const struct target *t,
			       const struct scsi_addr *addr);

/*
 * Put LUN, now the target's, at ADDR; the others of that target learn that
 * their list has changed, unless it was there before and a dead process had it
 * (RESUMED). -EEXIST, -ENOSPC or -ENOMEM; then it stays the
 * caller's.
 */
int target_add(struct target *t, const struct scsi_addr *addr, struct lun *lun,
	       bool resumed);

/* Close and forget TL, of which nothing is in flight. The others of its target
 * learn of it if it is going; else all of them end, or are handed on to another
 * process, and initiators must not notice. */
void target_remove(struct target *t, struct target_lun *tl);

/*
 * Answer CMD, addressed to ADDR, if that is the target's to do: REPORT LUNS,
 * and anything for a LUN or target that is not there. False when a LUN has to
 * execute it. Fills in the answer; does not call done.
 */
bool target_answer(const struct target *t, const struct scsi_addr *addr,
		   struct lun_cmd *cmd);

#endif
