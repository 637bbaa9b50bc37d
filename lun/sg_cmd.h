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

#endif
