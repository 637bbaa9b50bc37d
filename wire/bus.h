/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xenbus: how the two ends of a device agree through xenstore. States are
 * those of Xen's public/io/xenbus.h, written as decimal numbers; the names of
 * nodes are those of public/io/vscsiif.h and of the toolstacks.
 */
#ifndef WIRE_BUS_H
#define WIRE_BUS_H

/* The "state" node of either end, and of each PVSCSI device at either end. */
enum wire_bus_state {
	WIRE_BUS_UNKNOWN = 0, /* also: no node, or not a number */
	WIRE_BUS_INITIALISING = 1,
	WIRE_BUS_INIT_WAIT = 2,
	WIRE_BUS_INITIALISED = 3,
	WIRE_BUS_CONNECTED = 4,
	WIRE_BUS_CLOSING = 5,
	WIRE_BUS_CLOSED = 6,
	WIRE_BUS_RECONFIGURING = 7,
	WIRE_BUS_RECONFIGURED = 8,
};

/* at both ends */
#define WIRE_BUS_STATE "state"

/* written by the toolstack at the backend's end */
#define WIRE_BUS_FRONTEND    "frontend"
#define WIRE_BUS_FRONTEND_ID "frontend-id"
#define WIRE_BUS_ONLINE	     "online"

/* written by the toolstack at the frontend's end */
#define WIRE_BUS_BACKEND    "backend"
#define WIRE_BUS_BACKEND_ID "backend-id"

/* written by the frontend */
#define WIRE_BUS_RING_REF      "ring-ref"
#define WIRE_BUS_EVENT_CHANNEL "event-channel"
#define WIRE_BUS_PROTOCOL      "protocol"

/* PVSCSI: vscsiif.h */
#define WIRE_BUS_SCSI_DEVS     "vscsi-devs"
#define WIRE_BUS_SCSI_DEV      "dev-" /* and a number; has a "state" */
#define WIRE_BUS_SCSI_PDEV     "p-dev"
#define WIRE_BUS_SCSI_PDEVNAME "p-devname"
#define WIRE_BUS_SCSI_VDEV     "v-dev"
#define WIRE_BUS_SCSI_SG_GRANT "feature-sg-grant"
#define WIRE_BUS_SCSI_HOST     "feature-host"

#endif
