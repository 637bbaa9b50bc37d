/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A whole SCSI adapter of this host as a controller: every device that it has
 * or gets is a LUN, one to one, whatever type it is.
 *
 * The toolstack writes the node "host" ("host:2") and "host-made", by which
 * another adapter that has the number later is not taken for it, and no LUN at
 * all. The dev-N nodes are ours: while both ends are at rest, what sysfs has is
 * compared with them. New devices are written in state 1, those that are gone
 * are set to 5, and the controller to 7, all in the transaction of a round, as
 * a toolstack would do it; the handshake goes on from there (core/bus.h). A
 * device that cannot be served, since the host uses it, stays in state 6 until
 * it goes.
 *
 * What a guest's driver cannot address is left out (control/vdev.h).
 */
#ifndef CONTROL_VSCSI_HOST_H
#define CONTROL_VSCSI_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "control/sgdev.h"

struct vscsi;
struct vscsi_lun;
struct device_writes;

#define VSCSI_HOST "host"
#define VSCSI_MADE "host-made"

/* A dev-N that is to be made, closed or removed. */
struct vscsi_host_change {
	enum {
		HOST_ADD,
		HOST_CLOSE,
		HOST_REMOVE
	} kind;
	uint32_t number;   /* N */
	struct sgdev dev;  /* HOST_ADD */
	char vdev[32];	   /* likewise */
	char node[32];	   /* "/dev/sg2" */
	char options[128]; /* "wwid=..." */
};

struct vscsi_host {
	bool whole;	 /* the controller is an adapter */
	uint32_t number; /* of the adapter */
	uint64_t made;
	struct vscsi_host_change *change; /* of this round */
	size_t changes;
};

/* vscsi_host_read - take over the controller's nodes. */
void vscsi_host_read(struct vscsi *ctl);

/*
 * vscsi_host_plan - what has to be changed, now that the round's step is known
 *
 * Does nothing for other controllers, and while a handshake is under way. May
 * make the step one to state 7.
 */
void vscsi_host_plan(struct vscsi *ctl);

/* vscsi_host_writes - add the changes to the round's transaction. */
size_t vscsi_host_writes_max(const struct vscsi *ctl);
void vscsi_host_writes(const struct vscsi *ctl, struct device_writes *w);

/* vscsi_host_clean - free what was allocated. */
void vscsi_host_clean(struct vscsi *ctl);

#endif
