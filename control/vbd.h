/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks of the block protocol (Xen public/io/blkif.h): a class of devices
 * (control/device.h) with one storage and a ring for each queue of the
 * frontend, which may be connected as long as the storage is held.
 *
 * The toolstack writes into the backend's directory, as xl does:
 *
 *     frontend, frontend-id, online, state
 *     dev             the name in the guest, "xvda"
 *     device-type     disk, or cdrom
 *     removable       1: the guest is told so
 *     mode            w, or r
 *     params          what to serve: a whole path, or null:SIZE
 *     discard-enable  0: discard is not offered
 *     options         ours, as of a LUN (control/pdev.h)
 *     queues ...      ours, if they are set (control/disk_tune.h)
 *     resize          1: the storage has another size, tell the guest; is
 *                     removed when that has been done, or says why it cannot
 *
 * and xenpvd what VBD_* announces below, the properties of the disk when it
 * connects, and `error` when it cannot be served.
 */
#ifndef CONTROL_VBD_H
#define CONTROL_VBD_H

#include "control/claim.h"
#include "control/device.h"
#include "control/disk_tune.h"
#include "control/reopen.h"
#include "control/vbd_front.h"

/*
 * What is announced; the worker's part of it is in worker/proto.h. Queues are as
 * many as the host has processors, up to VBD_QUEUES, which is what Linux
 * frontends take at most unless told otherwise (module parameter max_queues; and
 * no more than they have processors).
 */
#define VBD_QUEUES     4
#define VBD_RING_ORDER 4
#define VBD_SEGS_MAX   256 /* of an indirect request */

/*
 * Grants of each ring that are kept mapped: as many as the kernel's backend has
 * by default (its parameter max_persistent_grants), which is what a stock Linux
 * frontend has with a ring of one page, 32 requests of 32 segments and a page
 * that lists them. Each is a mapping of the worker, of which a process may have
 * 65530 (vm.max_map_count). They are announced until a guest has
 * VBD_PERSISTENT_RINGS, which is 66 MiB of such frontends; its other disks copy.
 */
#define VBD_PERSISTENT	     1056
#define VBD_PERSISTENT_RINGS 16

/* Nodes of a frontend: for each queue its pages, its port and its directory,
 * and some of the device. */
#define VBD_FRONT_NODES (VBD_QUEUES_MAX * (PROTO_BLK_PAGES_MAX + 2) + 64)
#define VBD_FRONT_BYTES (64 * 1024)

struct vbd {
	struct device dev;  /* dev.id: the virtual device number */
	char *name, *pname; /* nodes dev and params as last read; or NULL */
	bool error_node;    /* there is a node "error" */
	bool resize;	    /* a node "resize" asks for it */

	/* From the opening of the storage until the worker has let go. */
	struct claim claim;
	struct pdev_props props;
	bool cdrom, removable;
	struct disk_tune tune;
	uint32_t queues;	    /* that are announced now */
	uint32_t persistent;	    /* rings that may have persistent grants */
	struct proto_limits limits; /* as the worker was told */
	struct vbd_front front;
	uint32_t nopen;	    /* queues that the worker was asked to open */
	struct reopen file; /* the storage, for the next worker */
	char storage[16];   /* props.storage of what an earlier xenpvd opened */

	char error[PDEV_ERR_MAX];   /* why it is not served; "" */
	char unsized[PDEV_ERR_MAX]; /* why it cannot be resized; "" */
};

extern const struct device_class vbd_class;

#endif
