/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xenpvd: what holds the parts together. It watches the backend directories
 * of its own domain, one for each class of devices, makes a guest and a device
 * for what it finds there, and removes what guests leave behind.
 *
 *     xenstore --watch--> daemon --> guest --> device --decides--> bus (core)
 *                                      |         |
 *                                   worker <--- link (requests, files)
 *
 * xenstore holds the truth: everything here is made from it, and can be made
 * again. Everything runs in one event loop; nothing in it waits.
 *
 * Workers and guests do not need us while nothing changes. SIGTERM ends us, or
 * something else does; workers go on serving, and the next xenpvd finds them
 * (guest.h). Also when a worker dies in between: journals are enough.
 *
 * SIGINT closes everything: every ring is closed when its commands have been
 * answered, and the backend goes to Closing and Closed, so that guests see the
 * device go away instead of waiting for ever. The nodes stay; a device has to be
 * attached again after the next start.
 */
#ifndef CONTROL_DAEMON_H
#define CONTROL_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "control/claim.h"
#include "control/guest.h"
#include "control/scope.h"
#include "control/site.h"
#include "control/store.h"
#include "wire/port.h"

/* At an orderly stop frontends have this long to let go of their devices; what
 * they have not then is closed, for which workers have DAEMON_FORCE_S. */
#define DAEMON_STOP_S  15
#define DAEMON_FORCE_S 5

/* At the start another xenpvd has this long to end. */
#define DAEMON_WAIT_S 10

/* In the environment: workers that are found are to be replaced. */
#define DAEMON_RENEW "XENPVD_RENEW"

struct arrivals;
struct ctl;
struct hotplug;
struct query;
struct standby;

struct daemon_cfg {
	const struct site *site;
	const char *worker; /* program; helpers of the site are beside it */
	/* For guests that appear: the command xenpv, and where their files are
	 * ("DIR:DIR", "": nowhere, see control/arrival.h). */
	const char *command, *guest_dirs;
	/* Those of the site, if not otherwise said. */
	const char *run_dir, *state_dir, *xenstore;
	int log_level;
	bool no_sandbox;	    /* of the workers */
	struct scope_limits limits; /* of each worker */
	bool renew;	   /* replace the workers that an earlier one left */
	char *const *argv; /* to start this program again */
};

struct daemon {
	struct daemon_cfg cfg;
	sd_event *event;
	struct store *store;
	sd_event_source *store_io, *store_prepare;
	sd_event_source *stop_timer;
	struct guest_list guests;
	struct claim_list claims;    /* what their devices hold */
	TAILQ_HEAD(, query) queries; /* about devices, not answered yet */
	struct ctl *ctl;
	struct arrivals *arrivals;
	struct hotplug *hotplug; /* NULL: the kernel tells nothing */
	struct standby *standby; /* control/spawner.h */
	struct scopes *scopes;	 /* NULL: workers stay where we are */
	int lock;		 /* held as long as we run */
	uint64_t started_us;	 /* CLOCK_REALTIME */
	bool ready;		 /* the first scan has ended */
	bool stopping, forcing;
	bool host_gone;	       /* with all its guests */
	bool upgrading;	       /* to be started again when the loop has ended */
	unsigned int scanning; /* of a backend directory: lists to come */
	bool scan_again;
	unsigned int
		stats_pending; /* PROTO_STATS that workers have not answered */
	int result;
};

/* daemon_run - from start to end. 0, or a negative errno that was logged. */
int daemon_run(const struct daemon_cfg *cfg);

/* daemon_close - begin to close all devices, and end; may be called again. */
void daemon_close(struct daemon *daemon);

/* daemon_upgrade - start the installed program in our place; it replaces the
 * workers by those that are installed. */
void daemon_upgrade(struct daemon *daemon);

/* daemon_renew - replace one more worker of an earlier xenpvd, if that is wanted,
 * all is served, and a standby is ready. */
void daemon_renew(struct daemon *daemon);

/* daemon_clean - remove the backend directories of a guest that is gone. */
void daemon_clean(struct daemon *daemon, uint32_t domid);

/* daemon_progress - to be called when a device has come to its end: ends the
 * event loop when the daemon is stopping and nothing is left to wait for. */
void daemon_progress(struct daemon *daemon);

#endif
