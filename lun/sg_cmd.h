/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a SCSI command becomes for the kernel's sg driver, and what comes back
 * from there. Nothing here makes a system call.
 */
#ifndef LUN_SG_CMD_H
#define LUN_SG_CMD_H

#include <scsi/sg.h>

#include "lun/lun.h"

/*
 * How long the kernel waits for OPCODE on a device of TYPE (PERIPHERAL DEVICE
 * TYPE) before its own error handling begins, milliseconds. Always longer than
 * a guest waits: what takes too long is for the guest to say, with an ABORT or
 * RESET.
 */
uint32_t sg_timeout_ms(uint8_t type, uint8_t opcode);

/*
 * Can sg carry CMD? If not, its answer is filled in: CDBs of less than 6
 * bytes, and data in both directions.
 */
bool sg_can_carry(struct lun_cmd *cmd);

/*
 * Fill in HDR for CMD to a device of TYPE. Data-in goes to BUF, in_max bytes
 * of it; sense data to SENSE, SCSI_SENSE_MAX bytes.
 */
void sg_cmd_prepare(struct sg_io_hdr *hdr, const struct lun_cmd *cmd,
		    uint8_t type, uint8_t *buf, uint8_t *sense);

/*
 * Take over the answer in HDR, whose sense data and data-in are in SENSE and
 * BUF: status, sense data, residual and data-in as the device gave them, or
 * the host byte of the kernel when the device gave no status.
 */
void sg_cmd_answer(struct lun_cmd *cmd, const struct sg_io_hdr *hdr,
		   const uint8_t *sense, uint8_t *buf);

/*
 * The answer for a CMD that the driver has refused with ERROR (an errno),
 * TOO_LONG: because it is longer than the device's adapter takes.
 */
void sg_cmd_refused(struct lun_cmd *cmd, int error, bool too_long);

/*
 * If CMD hears of unit attentions (all but INQUIRY, REPORT LUNS and REQUEST
 * SENSE do: SAM-5 5.14): answer it with one that commands may have been lost.
 */
bool sg_cmd_attention(struct lun_cmd *cmd);

/*
 * The one thing that is changed in what a device says: a disk's Block Limits
 * page (VPD B0h) must not promise transfers of more than MAX bytes, the most
 * that a guest's requests can carry, or large writes fail in the guest.
 * BLOCK_SIZE 0: not a disk, nothing is changed.
 */
void sg_limit_transfers(struct lun_cmd *cmd, uint32_t block_size, uint32_t max);

#endif
