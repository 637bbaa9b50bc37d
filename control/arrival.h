/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests that appear: which of them get what their configuration files list.
 *
 * xl tells nobody of what it does not know in a guest's file, so the daemon sees
 * to it: when xenstore says that a domain was introduced, it runs
 *
 *     xenpv config-attach --auto --dirs DIRS DOMID
 *
 * for each new one. That program finds the guest's list (control/record.h, or a
 * file with its name), and does nothing when there is none, or when somebody is
 * attaching its devices. It is a process of its own because it blocks and because
 * it reads files with somebody else's parser.
 *
 * Guests that are there when the daemon starts are left alone: what they lack may
 * have been taken away on purpose.
 *
 * Everything runs in the daemon's event loop.
 */
#ifndef CONTROL_ARRIVAL_H
#define CONTROL_ARRIVAL_H

#include "wire/port.h"

struct arrivals;
struct daemon;

/*
 * arrivals_new - begin to watch
 *
 * cfg.command of the daemon is the program; with no such program, or an empty
 * cfg.guest_dirs, nothing is watched, *OUT is NULL.
 *
 * Return: 0 or a negative errno.
 */
int arrivals_new(struct arrivals **out, struct daemon *daemon) XPV_MUST_CHECK;

/* arrivals_gone - a domain has gone: records that mean nothing any more are
 * removed, now and in the next seconds. NULL is allowed. */
void arrivals_gone(struct arrivals *arrivals);

/* arrivals_free - end the programs that run; NULL is allowed. */
void arrivals_free(struct arrivals *arrivals);

#endif
