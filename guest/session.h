/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A domain in user space: a program that is a guest of a local host, or runs
 * inside a guest of the real Xen, and drives its devices itself.
 *
 *     session (this)      front (host/front.h), xenstore, the event loop
 *       device            the handshake of any device
 *         pvscsi          a controller: engine, commands
 *         vbd             a block device: engine, requests
 *           disk          a disk of either: reads, writes, ...
 *
 * One thread runs it: session_step() waits for events, lets the devices work,
 * and calls back. Only session_wake() may be called from another thread.
 * Errors are negative errno. Nothing is allocated per command.
 */
#ifndef GUEST_SESSION_H
#define GUEST_SESSION_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/store.h"
#include "core/blk_abi.h"
#include "host/front.h"
#include "wire/port.h"

#define SESSION_ERR_MAX 512

#define SESSION_TIMEOUT_MS 30000

struct gdev;
struct gdev_ops;
struct session;

struct session_cfg {
	const struct front_ops *ops;
	const char *where, *name; /* for ops->open() */
	/* Look for answers for so long before sleeping; 0: sleep at once. */
	uint32_t spin_us;
	enum blk_abi blk_abi; /* of rings of block devices */
	/* Rings of a block device whose backend takes so many: up to
	 * DEVICE_RINGS_MAX; 0 is 1. */
	uint32_t blk_queues;
};

/* Kinds of devices: device/vscsi and device/vbd. */
#define SESSION_KINDS 2

/* A kind of devices, in a session. */
struct session_kind {
	struct session *session;
	const struct gdev_ops *ops;
	bool listed; /* which there are at the start is known */
};

/* The members are the library's; others may read. */
struct session {
	const struct front_ops *ops;
	struct front *front;
	struct store *store;
	uint32_t domid;
	uint64_t now; /* ns, CLOCK_MONOTONIC; as of the current step */
	uint64_t spin_ns;
	enum blk_abi blk_abi;
	uint32_t blk_queues;
	uint32_t timeout_ms; /* of commands, where nothing else is said */
	uint32_t turns;	     /* steps since descriptors were looked at */
	uint64_t ended;	     /* requests that devices have answered so far */
	int wake_fd;
	void (*wake_fn)(void *ctx);
	void *wake_ctx;
	struct gdev *devices;
	struct session_kind kind[SESSION_KINDS];
	/* A descriptor of the user's, or -1: extra_ready is set when it can be
	 * read, and is the user's to clear. */
	int extra_fd;
	bool extra_ready;
	int lost; /* xenstore's connection: why */
};

/* session_host - the functions of the host called NAME ("xen", "local"), or
 * NULL. */
const struct front_ops *session_host(const char *name);

/*
 * session_open - become a domain and connect to xenstore
 *
 * From here on every device that the domain has, or gets, is driven: see
 * gdev_find(). Return: 0, or an error and one line in @err (@len bytes).
 */
int session_open(struct session **out, const struct session_cfg *cfg, char *err,
		 size_t len) XPV_MUST_CHECK;

/*
 * session_close - let go of all devices, and leave; NULL is allowed
 *
 * Commands that have not ended are done() with -ECANCELED. The backends are
 * waited for, for some seconds, so that no page is given back that they use.
 */
void session_close(struct session *s);

/*
 * session_step - handle what there is, or wait for something
 * @timeout_ms: the longest wait; negative: no limit
 *
 * What was submitted is sent; answers that have come are handed on. Return: 0,
 * or why the connection to xenstore was lost: the domain is of no use any more.
 */
int session_step(struct session *s, int timeout_ms) XPV_MUST_CHECK;

/*
 * session_wait - step until it has happened
 * @pred: true when it has; asked before each step
 *
 * Return: 0; -ETIMEDOUT; -EINTR, after a signal whose handler has set *@stop
 * (NULL: none does); or as session_step().
 */
int session_wait(struct session *s, int timeout_ms,
		 const volatile sig_atomic_t *stop, bool (*pred)(void *ctx),
		 void *ctx) XPV_MUST_CHECK;

/* session_settled - is every device known and connected, as far as it can be? */
bool session_settled(const struct session *s);

/* session_on_wake - what session_step() calls after session_wake(). */
void session_on_wake(struct session *s, void (*fn)(void *ctx), void *ctx);

/* session_pause - wait for session_wake() only: when the session is lost. */
void session_pause(struct session *s);

/* session_wake - end the wait of a session_step() in another thread. */
void session_wake(struct session *s);

/* session_clock - CLOCK_MONOTONIC in ns. */
uint64_t session_clock(void);

#endif
