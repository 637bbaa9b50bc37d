/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device of the domain, and its handshake through xenstore: what a PVSCSI
 * controller (guest/pvscsi.h) and a block device (guest/vbd.h) have in common.
 *
 *     changed -> snapshot of our nodes -> of the backend's -> decide, carry out
 *        ^              (both in one transaction)                  |
 *        +------ our own watch fires <--- one transaction <--------+
 *
 * It reads both ends as snapshots, lets core/bus_front decide, carries it out
 * and writes the result in one transaction. One round at a time; what changes
 * meanwhile begins another. The reads must be of one moment: a state stands for
 * the nodes that were written with it.
 *
 * All functions belong to the session's thread.
 */
#ifndef GUEST_GDEV_H
#define GUEST_GDEV_H

#include "control/store.h"
#include "control/tree.h"
#include "core/bus_front.h"
#include "core/xs.h"
#include "guest/session.h"
#include "wire/bus.h"

/* Pages of a ring, and rings of a device. */
#define DEVICE_RING_MAX	 16
#define DEVICE_RINGS_MAX 4

/* Nodes that one round may write. */
#define DEVICE_CHANGES_MAX 600

/* A path in xenstore, at most. */
#define DEVICE_PATH_LEN 320

struct gdev;
struct gdev_change;

/* A ring and its event channel. */
struct gdev_ring {
	uint32_t port; /* 0: there is none */
	uint8_t *va;   /* NULL: none, or the backend has kept it */
	uint64_t frame;
	uint32_t pages, granted; /* pages; those that are granted */
	uint32_t ref[DEVICE_RING_MAX];
};

/* A kind of device. Those of seen, nodes, connect and write may be NULL. */
struct gdev_ops {
	const char *type;	    /* as in device/TYPE/UNIT */
	const char *noun;	    /* "controller 0 is not connected" */
	const char *driver;	    /* of a Linux kernel that may have it */
	struct store_limits limits; /* of what a backend, which is not trusted,
				       may have below its directory */
	/* The backend may use ring and data pages until it has closed; else,
	 * until we begin to close. */
	bool lingers;

	/* One that the session has found; NULL: no memory. */
	struct gdev *(*create)(struct session *s);
	/* Its end: gdev_release() has been called, with nothing left. */
	void (*destroy)(struct gdev *d);

	/* The handshake */

	/* Both ends were read: front_tree and back_tree. */
	void (*seen)(struct gdev *d);
	/* rings, with memory that is empty, and engines for domain back_id: 0
	 * or a negative errno. */
	int (*publish)(struct gdev *d);
	/* What publishing writes besides ring-ref and event-channel. What
	 * another connection has left of them, it removes. */
	void (*nodes)(struct gdev *d, struct gdev_change *c);
	/* Begin to use the ring: 0 or a negative errno. */
	int (*connect)(struct gdev *d);
	/* What any round writes besides our state; by now step is decided. */
	void (*write)(struct gdev *d, struct gdev_change *c);
	/* The connection has ended: nothing is granted any more. */
	void (*stop)(struct gdev *d);

	/* The data path */

	/* When connected: take answers, send what waits. True if anything was
	 * done. */
	bool (*poll)(struct gdev *d);
	/* Look for what is past its time; called at each step. */
	void (*times)(struct gdev *d);
	/* When connected: as the engine's. */
	bool (*has_work)(const struct gdev *d);
	bool (*arm)(struct gdev *d);
	/* Is anything under way, whose time may come? */
	bool (*outstanding)(const struct gdev *d);
	/* End everything now. */
	void (*abandon)(struct gdev *d);
};

/* Members of ops are for whoever has the right to call them; others may be
 * read. */
struct gdev {
	const struct gdev_ops *ops;
	struct session *session;
	struct gdev *next; /* of the session's */
	uint32_t unit;	   /* device/TYPE/UNIT */

	char *back;	  /* the backend's directory; NULL: unknown */
	uint32_t back_id; /* its domain */
	struct store_watch *watch;
	store_tx tx; /* of the reads under way, or 0 */
	struct store_tree *front_tree, *back_tree;
	struct bus_front_facts facts;
	struct bus_front_step step;
	bool dirty;   /* something has changed since it was read */
	bool busy;    /* requests to xenstore are under way */
	bool leave;   /* the program ends: close it */
	bool gone;    /* there is no such device */
	bool foreign; /* a driver of this kernel has it */
	bool failed;  /* no ring could be made, or the engine has stopped */
	bool late;    /* nothing has changed for a second */
	uint64_t changed;
	uint32_t retries;
	char trouble[160]; /* what went wrong last, or empty */

	/* the connection */
	bool connected; /* the backend uses the ring, and so do we */
	bool joined;	/* our nodes name it */
	uint32_t rings; /* below queue-N each, if there are several */
	struct gdev_ring ring[DEVICE_RINGS_MAX];
};

/* gdev_find - the one with this number; NULL: there is none (now). */
struct gdev *gdev_find(struct session *s, const struct gdev_ops *ops,
		       uint32_t unit);

/*
 * gdev_memory - N pages that can be granted to the backend
 *
 * Only when connected. They last as long as the session, or until
 * gdev_memory_free().
 */
int gdev_memory(struct gdev *d, uint32_t n, uint8_t **va,
		uint64_t *frame) XPV_MUST_CHECK;

/* gdev_memory_free - give them back; nothing may be under way with them. */
void gdev_memory_free(struct gdev *d, uint64_t frame);

/* gdev_abandon - end everything now: for when the session is lost, and memory
 * of requests goes out of scope. */
void gdev_abandon(struct gdev *d);

/* ---- for the session ---- */

/* gdev_changed - something below the device's nodes is new: look. */
void gdev_changed(struct gdev *d);

/* gdev_times - called at each step, for what only time tells. */
void gdev_times(struct gdev *d);

/* gdev_leave - close the device: the program ends. */
void gdev_leave(struct gdev *d);

/* gdev_left - has that come to its end? */
bool gdev_left(const struct gdev *d);

/* gdev_free - its end, after that of the store. */
void gdev_free(struct gdev *d);

/* ---- for kinds of devices ---- */

/* gdev_failed - the engine has stopped: close, and try again later. */
void gdev_failed(struct gdev *d);

/* gdev_state - the state at PATH of a tree, 0 if there is none. */
uint32_t gdev_state(const struct store_tree *tree, const char *path);

/* gdev_write - in this round, our node LEAF gets a number, or TEXT. */
void gdev_write(struct gdev_change *c, const struct gdev *d, const char *leaf,
		uint32_t value);
void gdev_write_text(struct gdev_change *c, const struct gdev *d,
		     const char *leaf, const char *text);

/* gdev_remove - our node LEAF goes, if it is there. */
void gdev_remove(struct gdev_change *c, const struct gdev *d, const char *leaf);

#endif
