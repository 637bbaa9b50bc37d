/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes of workers: started, watched by a descriptor, and one that is kept
 * ready (the standby): it has been started, and is nobody's until it gets its
 * PROTO_BEGIN. So the guest of a worker that has died waits for no fork, exec
 * and linking.
 */
#ifndef CONTROL_SPAWNER_H
#define CONTROL_SPAWNER_H

#include <stdbool.h>
#include <sys/types.h>

#include <systemd/sd-event.h>

#include "wire/port.h"

struct daemon;

struct spawned {
	pid_t pid;
	int pidfd; /* readable when it has ended; the caller's */
	int sock;  /* our end of its socket; the caller's */
};

/* spawn_take - the standby, or a new process. Another standby is made ready
 * soon. Negative errno. */
int spawn_take(struct daemon *daemon, struct spawned *out) XPV_MUST_CHECK;

/* spawn_ready - make a standby ready soon, if there is none. */
void spawn_ready(struct daemon *daemon);

/* spawn_is_ready - is there a standby that has said hello? When there is,
 * daemon_renew() is called. */
bool spawn_is_ready(const struct daemon *daemon);

/* spawn_adopt - the process at the other end of SOCK, which another xenpvd has
 * started and which has called listen() itself. Negative errno. */
int spawn_adopt(int sock, struct spawned *out) XPV_MUST_CHECK;

/*
 * spawn_reap - PIDFD was readable: what did it die of?
 * @code, @status: of siginfo_t
 *
 * False: nobody knows, it was not our child.
 */
bool spawn_reap(int pidfd, int *code, int *status);

/* spawn_signal - send SIG; nothing if it has ended. */
void spawn_signal(int pidfd, int sig);

/* spawn_end - at the end of the daemon: no standby. */
void spawn_end(struct daemon *daemon);

struct standby;

#endif
