/* SPDX-License-Identifier: BSD-2-Clause */
/* A direct access block device (SBC-3). */
#ifndef SCSI_LU_DISK_H
#define SCSI_LU_DISK_H

#include "scsi/lu.h"

/* For scsi_lu_cfg.type. */
extern const struct scsi_lu_type scsi_disk;

#endif
