/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life cycle of one PVSCSI controller of a guest, from its two directories
 * in xenstore to the ring and the LUNs of the worker.
 *
 *     kick --> read both ends --> core/bus decides --> worker --> write
 *      ^                                                                  |
 *      +--------- dirty: something has come meanwhile <-------------------+
 *
 * One round at a time per device. What comes during a round only marks the
 * device; a round begins at the earliest VSCSI_PACE_US after the one before. So
 * a guest that writes its nodes in a loop costs a bounded amount of work. A
 * round ends with one transaction that expects the states it was decided on;
 * if they have changed, the next round decides again. Nothing is undone: what
 * the worker has and has not is a fact of the next decision.
 *
 * A copy of a directory is not of one moment. Of each end the state is read
 * first, then the rest: who writes a state has written what goes with it before
 * or at once, so what we find is at least as new as the state we go by. (A
 * state that is newer than its ring would be a frontend without one.)
 *
 * The backend's nodes are the toolstack's and are believed; whatever is below
 * the guest's device/vscsi/U is read as numbers, and not more than
 * VSCSI_FRONT_NODES of it.
 */
#ifndef CONTROL_VSCSI_H
#define CONTROL_VSCSI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <systemd/sd-event.h>

#include "control/guest.h"
#include "control/store.h"
#include "control/tree.h"
#include "control/vscsi_lun.h"
#include "control/vscsi_ring.h"
#include "core/bus.h"
#include "wire/port.h"
#include "worker/proto.h"

/* LUNs of one controller. */
#define VSCSI_LUNS_MAX 256

#define VSCSI_PACE_US 10000

/* A frontend with all LUNs has 2 nodes for each, and some of its own. */
#define VSCSI_FRONT_NODES (2 * VSCSI_LUNS_MAX + 64)
#define VSCSI_FRONT_BYTES (128 * 1024)

struct vscsi {
	TAILQ_ENTRY(vscsi) entry;
	struct guest *guest;
	uint32_t controller; /* U */
	char dev[24];	     /* "scsi/0", for log lines */

	/* What was seen last, and what we have. */
	struct bus_facts facts;
	bool died;	   /* the worker died under the ring */
	bool broken;	   /* the guest broke the ring */
	bool seen;	   /* it was without a ring while we were there: a ring
			which it has now is new */
	bool leave, force; /* orderly stop */
	struct vscsi_rings rings;
	struct vscsi_lun *luns[VSCSI_LUNS_MAX];
	size_t nluns;

	/* The round. */
	bool busy, dirty, ended;
	struct bus_step step;
	struct store_tree *back, *front;
	/* The state nodes, read before their trees; NULL and 0: none. */
	char *own_text;
	uint32_t front_state;
	unsigned int
		calls; /* of this round, that the worker has not answered */
	void (*then)(struct vscsi *dev); /* when they are */
	int rc; /* of the last question; -ECONNRESET: no worker */
	char why[PROTO_TEXT_MAX];
	sd_event_source *start; /* of the next round */
	uint64_t started_us;
	struct store_watch *watch;

	struct proto_stats stats; /* as last told */
	bool stats_asked;
};

/* vscsi_new - take up controller @controller of @guest. -ENOSPC: it has
 * GUEST_DEVICES_MAX; -ENOMEM; or xenstore refuses the watch. */
int vscsi_new(struct guest *guest, uint32_t controller) XPV_MUST_CHECK;

/* vscsi_free - at the end of the daemon: no answers are outstanding. Otherwise
 * a device ends by itself, when its nodes or its guest are gone. */
void vscsi_free(struct vscsi *dev);

/* vscsi_kick - something may have changed. */
void vscsi_kick(struct vscsi *dev);

/*
 * vscsi_leave - the daemon stops: close the device
 * @force: without waiting for the frontend
 *
 * The frontend gets a Closing first, with its ring still served: Linux flushes
 * its disks when it sees that. Then the ring is closed.
 */
void vscsi_leave(struct vscsi *dev, bool force);

/* vscsi_broken - the worker has stopped the ring because of what the guest
 * did. */
void vscsi_broken(struct vscsi *dev, const char *text);

/* vscsi_worker_died - the worker's process has been reaped. */
void vscsi_worker_died(struct vscsi *dev);

/* vscsi_ask_stats - ask for counters; daemon->stats_pending counts those that
 * have not come yet. */
void vscsi_ask_stats(struct vscsi *dev);

#endif
