/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands that every type of logical unit has (SPC-4 6): their rows are
 * scsi_common_ops in scsi/lu.h. Here are the handlers that types share in
 * their own tables.
 */
#ifndef SCSI_COMMON_H
#define SCSI_COMMON_H

#include "scsi/lu.h"

/* Checked by the table alone: TEST UNIT READY and the like. */
enum scsi_step scsi_nothing(struct scsi_lu *lu, struct scsi_task *task);

/* PREVENT ALLOW MEDIUM REMOVAL, SBC-3 5.10. */
enum scsi_step scsi_prevent_allow(struct scsi_lu *lu, struct scsi_task *task);

/* The row of every type with a medium that can be taken out. */
#define SCSI_PREVENT_ALLOW                                                     \
	{                                                                      \
		.opcode = 0x1e, .cdb_len = 6, .allow = SCSI_ALLOW_NONE,        \
		.mild_mask = 0x03, .mild_value = 0, .timeout_s = 1,            \
		.name = "PREVENT ALLOW MEDIUM REMOVAL",                        \
		.start = scsi_prevent_allow,                                   \
		.usage = {0x1e, 0, 0, 0, 0x03, 0x00},                          \
	}

#endif
