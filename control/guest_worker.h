/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that serves a guest: its start, its end, its death and what comes
 * after it.
 *
 * A worker that has died is replaced at once, and the guest notices nothing: its
 * devices stay Connected and their rings are taken up by their journals
 * (device_restore()). Only when the process is gone is that done, so that no two
 * ever serve one ring. One that dies soon again without having got on is
 * replaced after a pause, which grows; then its devices are given to it one by
 * one, and one at which it died GUEST_STRIKES times is not given again: it is
 * closed, with the reason.
 *
 * A worker of another xenpvd is found by its socket (control/rundir.h), and is
 * ours from then on.
 */
#ifndef CONTROL_GUEST_WORKER_H
#define CONTROL_GUEST_WORKER_H

#include <stdbool.h>

#include "control/guest.h"

/*
 * guest_worker - the link to the guest's worker, which is started if need be
 *
 * Return: 0; -EAGAIN: not yet, since the last one has not ended, or they die too
 * often (devices are kicked when it is time); or why none could be started, which
 * was logged.
 */
int guest_worker(struct guest *guest, struct link **link) XPV_MUST_CHECK;

/* guest_worker_kill - stop a worker that does not do what it should. */
void guest_worker_kill(struct guest *guest, const char *why);

/* guest_renew - replace the worker by a new one, after it has finished what is
 * in flight. */
void guest_renew(struct guest *guest);

/* guest_turn - may @dev be given to a worker now? If not, it is told when. */
bool guest_turn(const struct guest *guest, const struct device *dev);

/* guest_is_down - is a device of it down, of whose rings no worker is known? */
bool guest_is_down(const struct guest *guest);

/* guest_restored - a device has been given to a worker, or given up. */
void guest_restored(struct guest *guest);

/* guest_worker_find - look for what an earlier xenpvd has left of the guest, when
 * its name and uuid are known: a worker, journals of rings. */
void guest_worker_find(struct guest *guest);

/* guest_worker_end - ask it to finish what is in flight and end; it is killed if
 * that takes too long. Nothing happens if there is none. */
void guest_worker_end(struct guest *guest);

/* guest_worker_forget - it has ended, or is another process's from now on: give
 * back what was held of it. */
void guest_worker_forget(struct guest *guest);

#endif
