/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SCSI devices in libvirt's XML: of a domain, or one as `virsh attach-device`
 * takes it (libvirt's formatdomain, "Host device assignment"):
 *
 *     <hostdev mode='subsystem' type='scsi' sgio='unfiltered'>
 *       <source>
 *         <adapter name='scsi_host5'/>
 *         <address bus='0' target='3' unit='0'/>
 *       </source>
 *       <readonly/> <shareable/>
 *       <address type='drive' controller='0' bus='0' target='1' unit='0'/>
 *     </hostdev>
 *
 * is the device 5:0:3:0 of the host at the place 0:0:1:0 of the guest.
 *
 *     readonly      a disk made from the device, with the option ro
 *     shareable     the option shared
 *     sgio          'filtered' without rawio='yes': a disk made from the
 *                   device, so that only reading, writing and what belongs to
 *                   them gets through; else the device itself
 *
 * XML comes from anywhere: no network, no other files, and no document type,
 * which is where entities would come from. Errors are one line in ERR, as in
 * toolstack.h, and name FILE and a line of it.
 */
#ifndef CONTROL_DOMXML_H
#define CONTROL_DOMXML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/pdev.h"
#include "wire/port.h"

#define DOMXML_SIZE_MAX (4u << 20)
#define DOMXML_DEVS_MAX 256

struct domxml_dev {
	struct pdev_vdev from; /* in the host */
	struct pdev_vdev at;   /* in the guest */
	bool placed;	       /* AT was given */
	bool read_only, shared, filtered;
	long line;
};

struct domxml {
	bool is_domain; /* else one device */
	bool has_id;	/* it runs, or has run, as this domain: */
	uint32_t id;
	struct domxml_dev *dev;
	size_t n;
};

/*
 * domxml_parse - the SCSI host devices in TEXT
 * @file: what it is called in messages
 *
 * Other devices of a domain are passed over. A document that is one device
 * must be a SCSI host device.
 *
 * Return: 0, and domxml_free() it; -EINVAL; -E2BIG; -EOPNOTSUPP: a SCSI host
 * device of a kind that is not served (iSCSI); -ELIBACC: no libxml2; -ENOMEM.
 */
int domxml_parse(struct domxml *xml, const char *file, const char *text,
		 size_t size, char *err, size_t len) XPV_MUST_CHECK;

void domxml_free(struct domxml *xml);

/*
 * domxml_place - give a device without a place the lowest 0:0:0:LUN
 * @taken: is this one in use by something else?
 *
 * Those of XML itself count as in use.
 */
int domxml_place(struct domxml *xml,
		 bool (*taken)(const struct pdev_vdev *at, void *ctx),
		 void *ctx, char *err, size_t len) XPV_MUST_CHECK;

/*
 * domxml_pdev - what scsi-attach would be given for DEV
 *
 * NAME and OPTIONS are those of pdev_parse(). -ENODEV: the host has no such
 * device; -EOPNOTSUPP: it is no disk, and must be to be read-only or filtered.
 */
int domxml_pdev(const struct domxml_dev *dev, struct pdev *pdev, char *err,
		size_t len) XPV_MUST_CHECK;

#endif
