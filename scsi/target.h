/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a SCSI target answers when no logical unit can: REPORT LUNS, and any
 * command to a logical unit number that is not there (SPC-4 6.33, SAM-5 5.11).
 */
#ifndef SCSI_TARGET_H
#define SCSI_TARGET_H

#include "scsi/task.h"
#include "wire/port.h"

/*
 * Is this REPORT LUNS, which the target answers whatever the LUN? The caller
 * then clears SCSI_UA_LUNS on its units for the nexus, if it uses it.
 */
bool scsi_target_wants(const struct scsi_task *task);

/*
 * Answers REPORT LUNS. luns are the numbers of the units there are, rising,
 * each below 16384 (SAM-5 4.7.3: flat space from 256 on). The task is DONE
 * after it. The list is written straight into the task's data-in: it may be
 * longer than the scratch space.
 */
void scsi_target_report_luns(struct scsi_task *task, const uint16_t *luns,
			     uint32_t count);

/*
 * Answers any other command for a unit that is not there. The task is DONE
 * after it.
 */
void scsi_target_absent(struct scsi_task *task);

#endif
