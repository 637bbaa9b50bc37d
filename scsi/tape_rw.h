/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands of a tape that read and write: handlers of lu_tape.c, in pairs: one
 * that checks the command and one that is called until it is done. */
#ifndef SCSI_TAPE_RW_H
#define SCSI_TAPE_RW_H

#include "scsi/lu_tape.h"

enum scsi_step tape_read_begin(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step tape_read_go(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step tape_write_begin(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step tape_write_go(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step tape_marks_begin(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step tape_marks_go(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step tape_erase_begin(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step tape_erase_go(struct scsi_lu *lu, struct scsi_task *task);

/* A write failed with rc. */
enum scsi_step tape_write_failed(struct scsi_lu *lu, struct scsi_task *task,
				 int rc);

#endif
