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
 * Orderly stop: every ring is closed when its commands have been answered, and
 * the backend goes to Closing and Closed, so that guests see the device go
 * away instead of waiting for ever. The nodes stay; a device has to be attached
 * again after the next start.
 */
#ifndef CONTROL_DAEMON_H
#define CONTROL_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include <systemd/sd-event.h>

#include "control/claim.h"
#include "control/guest.h"
#include "control/site.h"
#include "control/store.h"
#include "wire/port.h"

/* At an orderly stop frontends have this long to let go of their devices; what
 * they have not then is closed, for which workers have DAEMON_FORCE_S. */
#define DAEMON_STOP_S  15
#define DAEMON_FORCE_S 5

/* At the start workers of an earlier xenpvd have this long to end. */
#define DAEMON_WAIT_S 70

struct arrivals;
struct ctl;
struct hotplug;

struct daemon_cfg {
	const struct site *site;
	const char *worker; /* program; helpers of the site are beside it */
	/* For guests that appear: the command xenpv, and where their files are
	 * ("DIR:DIR", "": nowhere, see control/arrival.h). */
	const char *command, *guest_dirs;
	/* Those of the site, if not otherwise said. */
	const char *run_dir, *state_dir, *xenstore;
	int log_level;
	bool no_sandbox; /* of the workers */
};

struct daemon {
	struct daemon_cfg cfg;
	sd_event *event;
	struct store *store;
	sd_event_source *store_io, *store_prepare;
	sd_event_source *stop_timer;
	struct guest_list guests;
	struct claim_list claims; /* what their devices hold */
	struct ctl *ctl;
	struct arrivals *arrivals;
	struct hotplug *hotplug; /* NULL: the kernel tells nothing */
	int lock;		 /* held as long as we run */
	bool ready;		 /* the first scan has ended */
	bool stopping, forcing;
	unsigned int scanning; /* of a backend directory: lists to come */
	bool scan_again;
	unsigned int
		stats_pending; /* PROTO_STATS that workers have not answered */
	int result;
};

/* daemon_run - from start to end. 0, or a negative errno that was logged. */
int daemon_run(const struct daemon_cfg *cfg);

/* daemon_stop - begin an orderly stop; may be called again. */
void daemon_stop(struct daemon *daemon);

/* daemon_clean - remove the backend directories of a guest that is gone. */
void daemon_clean(struct daemon *daemon, uint32_t domid);

/* daemon_progress - to be called when a device has come to its end: ends the
 * event loop when the daemon is stopping and nothing is left to wait for. */
void daemon_progress(struct daemon *daemon);

#endif
