/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disk commands that make blocks go away or all the same: UNMAP, WRITE SAME,
 * GET LBA STATUS (SBC-3 5.4, 5.25, 5.41, 5.42). Handlers of the table in
 * lu_disk.c.
 */
#ifndef SCSI_DISK_UNMAP_H
#define SCSI_DISK_UNMAP_H

#include "scsi/lu.h"

enum scsi_step disk_unmap(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step disk_unmap_run(struct scsi_lu *lu, struct scsi_task *task,
			      int rc);
enum scsi_step disk_write_same(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step disk_write_same_run(struct scsi_lu *lu, struct scsi_task *task,
				   int rc);
enum scsi_step disk_lba_status(struct scsi_lu *lu, struct scsi_task *task);
enum scsi_step disk_lba_status_run(struct scsi_lu *lu, struct scsi_task *task,
				   int rc);

#endif
