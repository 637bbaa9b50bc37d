/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's SCSI target (LIO), for its backend xen-scsiback: made and
 * removed through configfs, for LUNs with the option backend=kernel.
 *
 *     target/core/iblock_30832/xenpv.d5.0:0:1:0       backstore: the device
 *     target/xen-pvscsi/naa.378656e000050000/tpgt_0   a guest's controller
 *         lun/lun_0/unit -> the backstore             its LUN
 *
 * The names say which guest and which place they are for, so that what is left
 * of a guest that has ended is found again: NAA 3 (locally assigned, SPC-4
 * 7.8.6.5) and "xen", then the domain and the controller, four digits each. The
 * LUN's number is the lowest that is free; the backend finds it by its p-dev,
 * "naa.378656e000050000:0".
 *
 * Blocking code for programs that end: removing a LUN takes as long as its
 * device needs for the commands it has. Errors are a line in ERR, as in
 * toolstack.h. One of these functions at a time works on the host (flock).
 */
#ifndef CONTROL_LIO_H
#define CONTROL_LIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/pdev.h"
#include "wire/port.h"

/* A p-dev node with its NUL. */
#define LIO_PDEV_MAX 48

/*
 * lio_check - can the kernel's target serve PDEV with its options?
 *
 * -EOPNOTSUPP with a line that names the option, or the kind of thing, that it
 * has not.
 */
int lio_check(const struct pdev *pdev, char *err, size_t len) XPV_MUST_CHECK;

/*
 * lio_add - load the modules, make backstore, target and LUN
 * @p_dev: what the node p-dev has to say; LIO_PDEV_MAX bytes
 *
 * Return: -ENODEV: a module is missing, or configfs; -EBUSY: the device is in
 * use; -EACCES; or what the kernel said. After an error there is nothing of it.
 */
int lio_add(uint32_t domid, const struct pdev_vdev *at, const struct pdev *pdev,
	    char *p_dev, char *err, size_t len) XPV_MUST_CHECK;

/* lio_name - the target's name for a controller of a guest, into TEXT
 * (LIO_PDEV_MAX bytes); lio_parse - which one it is; false: it is not ours. */
void lio_name(uint32_t domid, uint32_t controller, char *text);
bool lio_parse(const char *name, uint32_t *domid, uint32_t *controller);

/*
 * lio_remove - take away the LUN that P_DEV names, and its target with the last
 *
 * What is not there is no error, nor is a target that is not ours: then it is
 * left alone. -EBUSY: the kernel's backend does not let go of it.
 */
int lio_remove(const char *p_dev, char *err, size_t len) XPV_MUST_CHECK;

/* lio_in_use - is anything of ours there? */
bool lio_in_use(void);

/*
 * lio_remove_dead - everything of ours whose domain is not ALIVE
 *
 * The first error is returned, the rest done all the same.
 */
int lio_remove_dead(bool (*alive)(uint32_t domid, void *ctx), void *ctx,
		    char *err, size_t len) XPV_MUST_CHECK;

#endif
