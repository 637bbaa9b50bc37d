/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that has devices of ours, and the process that serves them.
 *
 *     no devices --guest_get()--> known --guest_worker()--> worker runs
 *         ^                                                     |
 *         +--- freed <--- worker reaped <--- guest_put() of the last device
 *
 * A guest exists from its first device to the end of its worker after its last
 * one. The worker is started for the first device that connects
 * (control/guest_worker.h).
 */
#ifndef CONTROL_GUEST_H
#define CONTROL_GUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "control/link.h"
#include "control/store.h"
#include "host/log.h"
#include "wire/port.h"

#define GUEST_NAME_MAX 64
#define GUEST_UUID_MAX PROTO_UUID_MAX

/* Devices of one guest; the toolstack writes more only by mistake. */
#define GUEST_DEVICES_MAX 64

/* Deaths of a worker at one device, in a row. */
#define GUEST_STRIKES 3

struct daemon;
struct device;

TAILQ_HEAD(device_list, device);

struct guest {
	TAILQ_ENTRY(guest) entry;
	struct daemon *daemon;
	uint32_t domid;
	char name[GUEST_NAME_MAX]; /* "" until known; changes in migration */
	char uuid[GUEST_UUID_MAX]; /* "" if the toolstack has given none */
	bool known;		   /* name and uuid have been read */
	bool gone;		   /* the domain does not exist any more */
	bool dropped; /* the daemon is leaving: no callbacks to devices */
	struct device_list devices;
	unsigned int ndevices;
	struct store_watch *name_watch;
	unsigned int reads; /* answers of xenstore we still wait for */

	/* The worker. pid is 0 when there is no process to wait for. */
	pid_t pid;
	int pidfd;
	int dir;	   /* in the run directory; -1: none yet */
	struct link *link; /* NULL, or lost, while one ends */
	sd_event_source *exit, *kill_timer;
	bool ending;  /* its end is our wish */
	bool usable;  /* not ending, link not lost */
	bool adopted; /* another xenpvd has started it */
	uint64_t started_us;

	/* Its deaths. */
	unsigned int restarts;	/* all, but for those that were our wish */
	unsigned int soon;	/* those in a row in which it did not get on */
	sd_event_source *pause; /* until the next one is started */
	uint64_t down_us; /* since when devices are not served; 0: they are */
	uint64_t gap_us,
		gap_max_us;   /* how long it was the last time, and worst */
	uint64_t restored_us; /* CLOCK_REALTIME, when that was over; 0: never */

	struct log_rate rate; /* of lines the guest can cause */

	/* Rounds of its devices (control/device.c): those begun and not yet
	 * earned back, by the time at which that was last reckoned. */
	uint32_t rounds;
	uint64_t rounds_us;
};

TAILQ_HEAD(guest_list, guest);

/* guest_find - NULL if we have no device of it. */
struct guest *guest_find(struct daemon *daemon, uint32_t domid);

/* guest_get - found or made; NULL: no memory, or xenstore refuses. Starts to
 * read name and uuid; guest->known is set, and the devices are kicked, when
 * they are there. */
struct guest *guest_get(struct daemon *daemon, uint32_t domid);

/* guest_put - look whether the guest has devices still; if not, end its
 * worker, and free it when that is done. @guest may be gone on return. */
void guest_put(struct guest *guest);

/* guest_free - at the end of the daemon. Its worker goes on, unless the host
 * itself is gone. */
void guest_free(struct guest *guest);

/* guest_end - @uuid's guest @domid is gone, and has left something in the run
 * directory: end its worker and remove it. */
void guest_end(struct daemon *daemon, uint32_t domid, const char *uuid);

/* guest_kick - device_kick() all of its devices. */
void guest_kick(struct guest *guest);

/* guest_where - for log lines; valid while the guest is. */
struct log_where guest_where(const struct guest *guest);

#endif
