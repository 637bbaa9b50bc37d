/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that has devices of ours, and the process that serves them.
 *
 *     no devices --guest_get()--> known --guest_worker()--> worker runs
 *         ^                                                     |
 *         +--- freed <--- worker reaped <--- guest_put() of the last device
 *
 * A guest exists from its first device to the end of its worker after its last
 * one. The worker is started for the first device that connects.
 *
 * A worker that does not behave is killed; only when it has been reaped are
 * the devices told (device_worker_died()), so that no two processes ever serve
 * one ring. Starting a new one and handing it the journals will be a matter of
 * guest_worker_died() alone.
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
#define GUEST_UUID_MAX 40

/* Devices of one guest; the toolstack writes more only by mistake. */
#define GUEST_DEVICES_MAX 64

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

	/* The worker. pid is 0 when there is no process to be reaped. */
	pid_t pid;
	struct link *link; /* NULL, or lost, while one ends */
	sd_event_source *child, *kill_timer;
	bool ending; /* its end is our wish */
	bool usable; /* not ending, link not lost */

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

/* guest_free - at the end of the daemon, devices gone already: kills a worker
 * that is there without waiting for it. */
void guest_free(struct guest *guest);

/*
 * guest_worker - the link to the guest's worker, which is started if need be
 *
 * Return: 0; -EAGAIN: the last one has not been reaped (devices are kicked
 * when it has); or why none could be started, which was logged.
 */
int guest_worker(struct guest *guest, struct link **link) XPV_MUST_CHECK;

/* guest_worker_kill - stop a worker that does not do what it should. */
void guest_worker_kill(struct guest *guest, const char *why);

/* guest_where - for log lines; valid while the guest is. */
struct log_where guest_where(const struct guest *guest);

#endif
