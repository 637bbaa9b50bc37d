/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands that move the tape: handlers of lu_tape.c, as those of tape_rw.h. */
#ifndef SCSI_TAPE_MOVE_H
#define SCSI_TAPE_MOVE_H

#include "scsi/lu_tape.h"

enum scsi_step tape_rewind_go(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step tape_space_begin(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step tape_space_go(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step tape_locate_begin(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step tape_locate_go(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step tape_load_begin(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step tape_load_go(struct scsi_lu *lu, struct scsi_task *task);

/* READ POSITION, SSC-4 7.7: a handler of the table. */
enum scsi_step tape_position(struct scsi_lu *lu, struct scsi_task *task);

#endif
