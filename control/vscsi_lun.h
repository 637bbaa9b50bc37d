/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One LUN of a PVSCSI controller: what its dev-N node says, what is opened for
 * it, and that nothing is given out twice.
 */
#ifndef CONTROL_VSCSI_LUN_H
#define CONTROL_VSCSI_LUN_H

#include <stdbool.h>
#include <stdint.h>

#include "control/claim.h"
#include "control/guest.h"
#include "control/pdev.h"
#include "control/reopen.h"
#include "control/tree.h"
#include "core/bus.h"
#include "host/log.h"
#include "wire/port.h"
#include "worker/proto.h"

struct vscsi;
struct device_writes; /* control/device_round.h */

struct vscsi_lun {
	struct vscsi *ctl;
	uint32_t number; /* N of dev-N */

	/* From the last snapshot; the texts are copies. */
	bool present;
	uint32_t state, front;	      /* backend's and frontend's dev-N/state */
	char *pname, *vdev, *options; /* NULL: no such node */
	bool error_node;	      /* there is a node "error" */

	/* What is held: from LUN_ADD until it is gone from the worker, and from
	 * one worker to the next. */
	bool added;
	bool again; /* taken from the worker, to be given anew: see lun_moved() */
	struct sgdev sg;	/* of a real device: what the worker has open */
	uint32_t idle;		/* sgdev_active() of it, without a worker */
	bool quiet;		/* lun_look() */
	bool given;		/* the worker of the moment has it */
	bool lost;		/* it could not be given to a new worker */
	struct proto_msg order; /* by which it was added; type 0: none */
	struct reopen file[PROTO_FDS_MAX]; /* that went with it */
	struct pdev_vdev at;
	bool read_only;
	struct claim claim;
	uint64_t naa, size; /* naa 0: nothing is held */

	/* Another medium (vscsi_medium.c): the node "medium" of its directory
	 * has "0 NAME", or "1 NAME" to do it by force; xenpvd removes it when
	 * that is done, or writes there why it is not. */
	char *medium;
	bool change;		  /* of this round */
	struct pdev *next_medium; /* what NAME is */
	struct claim next_claim;
	uint64_t next_size;
	char medium_error[PDEV_ERR_MAX];

	/* This round's. */
	enum bus_lun_action action;
	uint32_t next, failed; /* enum bus_lun_step's */
	int rc;
	char error[PDEV_ERR_MAX]; /* why it cannot be served; "" */
};

/* lun_new - NULL: no memory. */
struct vscsi_lun *lun_new(struct vscsi *ctl, uint32_t number);

void lun_free(struct vscsi_lun *lun);

/*
 * lun_read - take over what the two ends say about dev-N
 * @back, @front: snapshots of the two directories
 *
 * lun->present tells whether the backend's end has it at all. -ENOMEM.
 */
int lun_read(struct vscsi_lun *lun, const struct store_tree *back,
	     const struct store_tree *front) XPV_MUST_CHECK;

/*
 * lun_look - has a real disk ended what its dead worker gave it?
 *
 * True if it seems so: lun_again() looks once more, LUN_LOOK_NS later or more, for
 * what was in no device's hands (sgdev_active()).
 */
#define LUN_LOOK_NS 4000000
bool lun_look(struct vscsi_lun *lun);

/* lun_note_idle - of a LUN that has been prepared, and that no worker has yet: what
 * its disk's counters differ by. Waits for it, 12 ms at most. */
void lun_note_idle(struct vscsi_lun *lun);

/*
 * lun_prepare - open what the LUN is to be, for PROTO_LUN_ADD
 * @msg: receives the message
 * @fds: receives PROTO_FDS_MAX descriptors or -1, the caller's
 *
 * On success the LUN holds its pdev (lun_release()). Otherwise lun->error says
 * why not, for the administrator; nothing is held. -EBUSY: another LUN of this
 * daemon has it, and not both are shared.
 */
int lun_prepare(struct vscsi_lun *lun, struct proto_msg *msg,
		int *fds) XPV_MUST_CHECK;

/*
 * lun_moved - is another device now what its pdev and wwid name?
 *
 * False also while there is none, for then there is nothing better to serve.
 */
bool lun_moved(const struct vscsi_lun *lun);

/* lun_medium_wanted - has somebody asked for another medium? */
bool lun_medium_wanted(const struct vscsi_lun *lun);

/*
 * lun_medium_prepare - open what was asked for, for PROTO_LUN_MEDIUM
 * @fd: receives its descriptor, the caller's, or -1
 *
 * On success the LUN holds both media, until lun_medium_settle(). Otherwise
 * lun->medium_error says why not.
 */
int lun_medium_prepare(struct vscsi_lun *lun, struct proto_msg *msg,
		       int *fd) XPV_MUST_CHECK;

/* lun_medium_settle - the answer is in lun->rc, and lun->error or
 * lun->medium_error. */
void lun_medium_settle(struct vscsi_lun *lun);

/* lun_medium_writes - LUN_MEDIUM_WRITES at most, after that. */
void lun_medium_writes(const struct vscsi_lun *lun, struct device_writes *w);
#define LUN_MEDIUM_WRITES 3

/* lun_medium_clear - at the beginning of a round, or when the worker is lost. */
void lun_medium_clear(struct vscsi_lun *lun);

/*
 * lun_again - lun_prepare() for a worker that is to go on with it
 *
 * The same files are opened; connections are made anew, and a real device that has
 * gone meanwhile is looked for by its wwid. -EBUSY: the last worker is not done
 * with them.
 */
int lun_again(struct vscsi_lun *lun, struct proto_msg *msg,
	      int *fds) XPV_MUST_CHECK;

/* lun_is_connection - is what it is on a connection (pdev.h), which each worker
 * gets anew? */
bool lun_is_connection(const struct vscsi_lun *lun);

/* lun_take_over - an earlier xenpvd has added it by @order, and its worker has
 * it. */
void lun_take_over(struct vscsi_lun *lun, const struct proto_msg *order);

/* lun_place - lun->at from its vdev. */
int lun_place(struct vscsi_lun *lun) XPV_MUST_CHECK;

/* lun_in_use - is its state one in which a guest may have it? */
bool lun_in_use(const struct vscsi_lun *lun);

/* lun_release - the worker does not have it (any more). */
void lun_release(struct vscsi_lun *lun);

/* lun_proto_addr - the address in messages. */
struct proto_addr lun_proto_addr(const struct vscsi_lun *lun);

/* lun_log - a line about the LUN; limited, since a guest can come and go. */
void lun_log(const struct vscsi_lun *lun, int priority, const char *text);

#endif
