/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PVSCSI as it travels: Xen's public/io/vscsiif.h with fixed-width fields. The
 * layout is the same for 32 and 64 bit guests.
 */
#ifndef WIRE_SCSI_H
#define WIRE_SCSI_H

#include "wire/port.h"

/* vscsiif_request.act */
#define WIRE_SCSI_ACT_CDB	1
#define WIRE_SCSI_ACT_ABORT	2
#define WIRE_SCSI_ACT_RESET	3
#define WIRE_SCSI_ACT_SG_PRESET 4 /* deprecated, refused */

#define WIRE_SCSI_SEGS	    26	 /* segments in the slot itself */
#define WIRE_SCSI_CDB	    16	 /* bytes of CDB */
#define WIRE_SCSI_SENSE	    96	 /* bytes of sense data */
#define WIRE_SCSI_SG_GRANT  0x80 /* nr_segments: seg[] names pages of segments */
#define WIRE_SCSI_RING_SIZE 16	 /* slots in the one page that is allowed */

/* sc_data_direction; 0 is what a frontend sends that knows no better */
#define WIRE_SCSI_DIR_BIDI 0
#define WIRE_SCSI_DIR_OUT  1
#define WIRE_SCSI_DIR_IN   2
#define WIRE_SCSI_DIR_NONE 3

/* rslt: SCSI status in the low byte, one of these << 16 */
enum wire_scsi_host {
	WIRE_SCSI_HOST_OK = 0,
	WIRE_SCSI_HOST_NO_CONNECT = 1,
	WIRE_SCSI_HOST_BUS_BUSY = 2,
	WIRE_SCSI_HOST_TIME_OUT = 3,
	WIRE_SCSI_HOST_BAD_TARGET = 4,
	WIRE_SCSI_HOST_ABORT = 5,
	WIRE_SCSI_HOST_PARITY = 6,
	WIRE_SCSI_HOST_ERROR = 7,
	WIRE_SCSI_HOST_RESET = 8,
	WIRE_SCSI_HOST_BAD_INTR = 9,
	WIRE_SCSI_HOST_PASSTHROUGH = 10,
	WIRE_SCSI_HOST_SOFT_ERROR = 11,
	WIRE_SCSI_HOST_IMM_RETRY = 12,
	WIRE_SCSI_HOST_REQUEUE = 13,
	WIRE_SCSI_HOST_TRANSPORT_DISRUPTED = 14,
	WIRE_SCSI_HOST_TRANSPORT_FAILFAST = 15,
	WIRE_SCSI_HOST_TARGET_FAILURE = 16,
	WIRE_SCSI_HOST_NEXUS_FAILURE = 17,
	WIRE_SCSI_HOST_ALLOC_FAILURE = 18,
	WIRE_SCSI_HOST_MEDIUM_ERROR = 19,
	WIRE_SCSI_HOST_TRANSPORT_MARGINAL = 20,
};

/* rslt of ABORT and RESET */
#define WIRE_SCSI_RESET_SUCCESS 0x2002
#define WIRE_SCSI_RESET_FAILED	0x2003

struct wire_scsi_seg {
	uint32_t gref;
	uint16_t offset;
	uint16_t length;
};

/* Segment descriptors in one page named by WIRE_SCSI_SG_GRANT. */
#define WIRE_SCSI_SEGS_PER_PAGE (4096u / sizeof(struct wire_scsi_seg))

struct wire_scsi_req {
	uint16_t rqid;
	uint8_t act;
	uint8_t cmd_len;
	uint8_t cmnd[WIRE_SCSI_CDB];
	uint16_t timeout_per_command;
	uint16_t channel, id, lun;
	uint16_t ref_rqid;
	uint8_t sc_data_direction;
	uint8_t nr_segments;
	struct wire_scsi_seg seg[WIRE_SCSI_SEGS];
	uint32_t reserved[3];
};

struct wire_scsi_rsp {
	uint16_t rqid;
	uint8_t act;
	uint8_t sense_len;
	uint8_t sense[WIRE_SCSI_SENSE];
	int32_t rslt;
	uint32_t residual_len;
	uint32_t reserved[36];
};

_Static_assert(sizeof(struct wire_scsi_seg) == 8, "vscsiif.h");
_Static_assert(sizeof(struct wire_scsi_req) == 252, "vscsiif.h");
_Static_assert(sizeof(struct wire_scsi_rsp) == 252, "vscsiif.h");
_Static_assert(offsetof(struct wire_scsi_req, seg) == 32, "vscsiif.h");
_Static_assert(offsetof(struct wire_scsi_rsp, rslt) == 100, "vscsiif.h");

#endif
