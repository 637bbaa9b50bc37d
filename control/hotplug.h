/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SCSI devices of this host that come and go while guests have them.
 *
 * Theory of operation. The kernel tells of each new or removed sg node by an
 * event on a netlink socket. It says little that can be relied on (events are
 * lost when many come at once), so it only makes every controller with a real
 * device look for itself: is what it serves still the device that its pdev
 * names (struct sgdev, `made`)? If another one stands there now that is known
 * by the same wwid, it is opened anew in place of the old one, and the guest
 * goes on with it; between the two it has errors.
 */
#ifndef CONTROL_HOTPLUG_H
#define CONTROL_HOTPLUG_H

#include <systemd/sd-event.h>

#include "wire/port.h"

struct daemon;
struct hotplug;

/*
 * hotplug_new - begin to listen
 *
 * Return: 0; -ENOMEM; or why the kernel gives no such socket. Without it nothing
 * is served worse, but devices that come back are not noticed.
 */
int hotplug_new(struct hotplug **out, struct daemon *daemon) XPV_MUST_CHECK;

/* hotplug_free - NULL is allowed. */
void hotplug_free(struct hotplug *h);

#endif
