/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What LUNs that are a real device have in common, whatever carries their
 * commands there. Nothing here makes a system call.
 */
#ifndef LUN_PASSTHROUGH_H
#define LUN_PASSTHROUGH_H

#include "lun/lun.h"

/*
 * Can a transport carry CMD? If not, its answer is filled in: CDBs of less than 6
 * bytes, and data in both directions.
 */
bool pass_can_carry(struct lun_cmd *cmd);

/*
 * The answer for a CMD that the driver or transport has refused with ERROR (an errno),
 * TOO_LONG: because it is longer than the device's adapter takes.
 */
void pass_refused(struct lun_cmd *cmd, int error, bool too_long);

/*
 * If CMD hears of unit attentions (all but INQUIRY, REPORT LUNS and REQUEST
 * SENSE do: SAM-5 5.14): answer it with one that commands may have been lost.
 */
bool pass_attention(struct lun_cmd *cmd);

/*
 * The one thing that is changed in what a device says: a disk's Block Limits
 * page (VPD B0h) must not promise transfers of more than MAX bytes, the most
 * that a guest's requests can carry, or large writes fail in the guest.
 * BLOCK_SIZE 0: not a disk, nothing is changed.
 */
void pass_limit_transfers(struct lun_cmd *cmd, uint32_t block_size,
			  uint32_t max);

#endif
