/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life cycle of one device of a guest, a PVSCSI controller or a disk, from
 * its two directories in xenstore to what the worker has of it.
 *
 *     kick --> read both ends --> core/bus decides --> worker --> write
 *      ^                                                                  |
 *      +--------- dirty: something has come meanwhile <-------------------+
 *
 * One round at a time per device. What comes during a round only marks the
 * device; a round begins at the earliest DEVICE_PACE_US after the one before,
 * and when its guest has not had too many lately.
 * So a guest that writes its nodes in a loop costs a bounded amount of work. A
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
 * the guest's end is read as numbers and known words, and not more of it than
 * the class's limits.
 *
 * A device whose rings are connected stays so when its worker dies, or we do: what
 * they are is in their journals (worker/journal_file.h, in control/rundir.h). It
 * is down then, until they have been given to a worker again; that needs no
 * xenstore, and is done before anything else is decided.
 *
 *     connected --worker dies--> down --device_restore()--> connected
 *                                  | its worker dies again and again at it,
 *                                  | or its storage does not come back
 *                                  +--> closed, with the reason
 *
 * What differs between kinds of devices is a struct device_class; all of them
 * are in device_classes[], and nobody else knows how many there are.
 */
#ifndef CONTROL_DEVICE_H
#define CONTROL_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <jansson.h>
#include <systemd/sd-event.h>

#include "control/guest.h"
#include "control/ring_id.h"
#include "control/store.h"
#include "control/tree.h"
#include "core/bus.h"
#include "wire/port.h"
#include "worker/proto.h"

#define DEVICE_PACE_US 10000

/*
 * After a round in which something was done another one looks whether there is
 * more to do, if nothing has made one before: the guest takes its turn first, and
 * xenstored answers both.
 */
#define DEVICE_SETTLE_US 1000000

/*
 * Rounds of all devices of a guest: so many at once, as when it starts or ends
 * with all it may have, and from then on one every GUEST_PACE_US.
 */
#define GUEST_ROUNDS  512u
#define GUEST_PACE_US 10000u

/* Rings of one device. */
#define DEVICE_RINGS_MAX 16

/* A device that is down has this long to come back: what it is on may be away,
 * or held by a worker that is still dying. */
#define DEVICE_RESTORE_S 30

/* An NBD server has this long; then what the guest asks of it fails, but the
 * device is there. */
#define DEVICE_CONN_S 20

struct device_writes; /* control/device_round.h */

struct device_class {
	const char *word;  /* "scsi": in log lines and in the status */
	const char *dir;   /* of all backends, below our domain */
	const char *front; /* "vscsi": below the guest's device/ */
	enum proto_class number;
	uint32_t id_end; /* device numbers are below this */
	size_t size;	 /* of the struct that begins with a struct device */
	struct store_limits limits; /* of the frontend's directory */
	const char *const *skip;    /* of the backend's: struct store_limits */

	/* Take over what the trees say; the facts are there but for
	 * ring_changed. 0, or why the round cannot go on. */
	int (*read)(struct device *dev);
	/* What names the frontend's first ring. */
	struct ring_id (*ring)(const struct store_tree *front);
	struct bus_step (*step)(const struct bus_facts *facts);
	/* Carry out dev->step, which is none of disconnect and remove, and come
	 * to device_write(), device_failed() or device_round_end(). */
	void (*run)(struct device *dev);
	/* An earlier xenpvd, or we, have had ring @n opened by @open: take over
	 * what it says. */
	void (*take_up)(struct device *dev, unsigned int n,
			const struct proto_msg *open);
	/* Give everything to a worker again but what it has (device_item_of()),
	 * and come to device_restored(). */
	void (*restore)(struct device *dev);
	/* The worker has died: it has nothing of the device any more, which is to
	 * be given to another one. May be NULL. */
	void (*detached)(struct device *dev);
	/* device_ask() the worker to let go of all there is of this device. */
	void (*forget)(struct device *dev);
	/* The worker has nothing of it any more. */
	void (*forgotten)(struct device *dev);
	/* How many writes are at most added by: */
	size_t (*writes_max)(const struct device *dev);
	void (*writes)(const struct device *dev, struct device_writes *w);
	/* device_ask_stats() for each ring. */
	void (*stats)(struct device *dev);
	/* Add members to the object of `xenpv status`. */
	void (*describe)(const struct device *dev, json_t *object);
	/* Has it devices of the host that come and go (control/hotplug.h)? */
	bool hotplug;
	/* Free what the class has allocated. */
	void (*clean)(struct device *dev);
};

/* Ends with NULL. */
extern const struct device_class *const device_classes[];

/* A ring that is connected. */
struct device_ring {
	int journal;		/* names its file; -1: there is none */
	uint32_t answered;	/* in it, when the worker died last */
	struct proto_msg *open; /* as in the journal; NULL: not looked at */
};

/* What the worker says that it has. */
struct device_item {
	struct device_item *next;
	struct proto_msg msg;
	bool taken;
};

/*
 * A node that we have written, of which xenstore has not told us yet. It may tell
 * of it once though somebody else has written it since: xenstored does not send an
 * event of which another copy waits (XSA-326). So what is written is looked at once
 * more in any case, DEVICE_SETTLE_US later.
 */
struct device_echo {
	struct device_echo *next;
	unsigned int txn;
	char name[];
};

/* First member of every kind of device. */
struct device {
	TAILQ_ENTRY(device) entry;
	const struct device_class *class;
	struct guest *guest;
	uint32_t id;   /* of its directories */
	char name[24]; /* "scsi/0", for log lines */

	/* What was seen last, and what we have. */
	struct bus_facts facts;
	bool broken;		     /* the guest broke the ring */
	char reason[PROTO_TEXT_MAX]; /* why it was given up; "" */
	bool seen;	   /* it was without a ring while we were there: a ring
			which it has now is new */
	bool leave, force; /* orderly stop */
	struct ring_ids rings;

	/* Its rings, and what has become of their worker. */
	struct device_ring ring[DEVICE_RINGS_MAX];
	unsigned int nrings;
	bool attached;	/* the worker of the moment has them */
	bool known;	/* the class has read what there is */
	bool looked;	/* for what an earlier xenpvd has left */
	bool found;	/* that there was something */
	bool restoring; /* it is being given to a worker */
	struct device_item *items;
	unsigned int strikes; /* deaths of workers at it, in a row */
	unsigned int tries;   /* to restore it that have failed */
	uint64_t tries_us;    /* since when */
	bool quarantined;

	/* The round. */
	bool busy, dirty, ended;
	bool settle; /* not dirty, but to be looked at: DEVICE_SETTLE_US */
	struct device_echo *echoes;
	unsigned int txn; /* our last one */
	struct bus_step step;
	struct store_tree *back, *front;
	/* The state nodes, read before their trees; NULL and 0: none. */
	char *own_text;
	uint32_t front_state;
	unsigned int reads;	/* answers of xenstored that have not come */
	int read_err;		/* of the first that failed */
	const char *read_which; /* whose that was */
	unsigned int
		calls; /* of this round, that the worker has not answered */
	void (*then)(struct device *dev); /* when they are */
	void (*look_then)(struct device *dev);
	int rc; /* of the first that failed; -ECONNRESET: no worker */
	char why[PROTO_TEXT_MAX];
	sd_event_source *start; /* of the next round */
	uint64_t started_us;
	struct store_watch *watch;
	bool watching; /* it has fired for the first time */

	/* As last told; stats_sum is being added up from the rings' answers. */
	struct proto_stats stats, stats_sum;
	unsigned int stats_asked; /* answers that have not come */
};

/* device_new - take up device @id of @guest. -ENOSPC: it has
 * GUEST_DEVICES_MAX; -ENOMEM; or xenstore refuses the watch. */
int device_new(struct guest *guest, const struct device_class *class,
	       uint32_t id) XPV_MUST_CHECK;

/* device_free - at the end of the daemon: no answers are outstanding. Otherwise
 * a device ends by itself, when its nodes or its guest are gone. */
void device_free(struct device *dev);

/* device_kick - something may have changed. */
void device_kick(struct device *dev);

/*
 * device_kick_own - xenstore tells that a node at our own end has changed
 * @name: below the device's directory; "" that itself
 *
 * It also tells us, once for each node, what we have written there ourselves: that
 * is no news.
 */
void device_kick_own(struct device *dev, const char *name);

/*
 * device_leave - the daemon stops: close the device
 * @force: without waiting for the frontend
 *
 * The frontend gets a Closing first, with its ring still served: Linux flushes
 * its disks when it sees that. Then the ring is closed.
 */
void device_leave(struct device *dev, bool force);

/* device_broken - the worker has stopped a ring because of what the guest
 * did. */
void device_broken(struct device *dev, const char *text);

/*
 * device_worker_died - the worker's process is gone
 * @expected: it was our wish
 *
 * True if the worker had got on with the device since the last one died.
 */
bool device_worker_died(struct device *dev, bool expected);

/* device_is_down - are its rings connected, and no worker has them? */
bool device_is_down(const struct device *dev);

/* device_waited - have attempts to restore it failed for as many @seconds? */
bool device_waited(const struct device *dev, unsigned int seconds);

/* device_restore - give it to a worker if it is down. */
void device_restore(struct device *dev);

/* device_item - a PROTO_ITEM has come. */
void device_item(struct device *dev, const struct proto_msg *msg);

/* device_stats - ask for counters; daemon->stats_pending counts the answers
 * that have not come yet. */
void device_stats(struct device *dev);

/* device_where - for log lines; valid while the device is. */
struct log_where device_where(const struct device *dev);

/* device_path - of a node in the backend's directory; "" is that itself. */
void device_path(const struct device *dev, const char *name, char *path,
		 size_t len);

#endif
