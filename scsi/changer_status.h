/* SPDX-License-Identifier: BSD-2-Clause */
/* READ ELEMENT STATUS, SMC-3 6.11: a handler of lu_changer.c. */
#ifndef SCSI_CHANGER_STATUS_H
#define SCSI_CHANGER_STATUS_H

#include "scsi/lu_changer.h"

enum scsi_step changer_status(struct scsi_lu *lu, struct scsi_task *task);

#endif
