/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PVSCSI controllers: a class of devices (control/device.h) with LUNs, which
 * come and go while the ring stays.
 */
#ifndef CONTROL_VSCSI_H
#define CONTROL_VSCSI_H

#include "control/device.h"
#include "control/vscsi_host.h"
#include "control/vscsi_lun.h"

/* LUNs of one controller. */
#define VSCSI_LUNS_MAX 256

/* Attempts to give a LUN to a new worker, some seconds in all. */
#define VSCSI_LUN_TRIES 12

/* A frontend with all LUNs has 2 nodes for each, and some of its own. */
#define VSCSI_FRONT_NODES (2 * VSCSI_LUNS_MAX + 64)
#define VSCSI_FRONT_BYTES (128 * 1024)

struct vscsi {
	struct device dev; /* dev.id: U, the H of VDEV H:C:T:L */
	struct vscsi_lun *luns[VSCSI_LUNS_MAX];
	size_t nluns;
	struct vscsi_host host;
};

extern const struct device_class vscsi_class;

#endif
