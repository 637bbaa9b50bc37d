/* SPDX-License-Identifier: BSD-2-Clause */
/* How a LUN is addressed on its controller, at both ends of PVSCSI. */
#ifndef CORE_SCSI_ADDR_H
#define CORE_SCSI_ADDR_H

#include <stdint.h>

/* The last three parts of VDEV H:C:T:L (Xen public/io/vscsiif.h). */
struct scsi_addr {
	uint16_t channel, id, lun;
};

#endif
