/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All devices of a guest at once, as its file lists them (control/guest_file.h):
 * checked before anything is changed, then attached one by one, each in its
 * transaction. And the other way round: the list of what a guest has, to travel
 * with it.
 *
 * Blocking, as toolstack.h. Errors are one line in ERR, GUEST_ERR_MAX bytes, with
 * the place in the file where there is one.
 */
#ifndef CONTROL_DEVLIST_H
#define CONTROL_DEVLIST_H

#include <stdbool.h>
#include <stddef.h>

#include "control/guest_file.h"
#include "control/pdev.h"
#include "control/toolstack.h"
#include "wire/port.h"

struct devlist {
	const struct guest_file *gf; /* stays the caller's */
	struct pdev *pdev;	     /* of each item */
	struct pdev_props *props;    /* of each, when it was checked */
	bool *had;		     /* the guest did before: devlist_mark() */
	bool *has;		     /* it has it now */
};

/*
 * devlist_resolve - what the items name
 *
 * Needs no Xen. One thing that is listed twice is refused here.
 *
 * Return: 0, and devlist_free() it; what pdev_parse() does; -EINVAL, -ENOMEM.
 */
int devlist_resolve(struct devlist *list, const struct guest_file *gf,
		    char *err, size_t len) XPV_MUST_CHECK;

void devlist_free(struct devlist *list);

/*
 * devlist_mark - note which ones GUEST has at their places already
 *
 * Those are neither checked nor attached.
 */
int devlist_mark(struct devlist *list, struct toolstack *ts,
		 const struct ts_guest *guest, char *err,
		 size_t len) XPV_MUST_CHECK;

/*
 * devlist_check - may a guest have them all?
 * @but: domain that may have them now: it is about to go; UINT32_MAX: none.
 *       Then what only who opens it can find out is not checked.
 * @wait_s: for devices that are in use: how long to wait for them
 *
 * Return: 0; -EBUSY: in use; -EXDEV: another backend domain is wanted; -ENXIO:
 * not what the list says it is; what ts_pdev_free() and pdev_check() do.
 */
int devlist_check(struct devlist *list, struct toolstack *ts, uint32_t but,
		  unsigned int wait_s, char *err, size_t len) XPV_MUST_CHECK;

/*
 * devlist_attach - give them to GUEST
 * @wait_s: for each, until the guest has it; 0: until xenpvd has looked at it,
 *          which is all that can be waited for with a guest that is paused
 *
 * LUNs of one controller go in one transaction if they are not waited for.
 * Return: what ts_attach() does; those before stay attached.
 */
int devlist_attach(struct devlist *list, struct toolstack *ts,
		   const struct ts_guest *guest, unsigned int wait_s, char *err,
		   size_t len) XPV_MUST_CHECK;

/*
 * devlist_collect - the list of what GUEST has
 * @gf: receives it, name and UUID too; guest_file_free() it after 0
 *
 * Return: 0; -EOPNOTSUPP: a device of the kernel's backend, or a whole adapter, is
 * among them; -EINVAL: one that cannot be written as an item; errors of xenstore.
 */
int devlist_collect(struct guest_file *gf, struct toolstack *ts,
		    const struct ts_guest *guest, char *err,
		    size_t len) XPV_MUST_CHECK;

#endif
