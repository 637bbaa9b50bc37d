/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire/ against Xen's own headers: every size, offset and constant equal. It
 * is the compiler that compares; run, it says what was compared.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <xen/xen.h>

#include <xen/grant_table.h>
#include <xen/io/blkif.h>
#include <xen/io/protocols.h>
#include <xen/io/ring.h>
#include <xen/io/vscsiif.h>
#include <xen/io/xenbus.h>
#include <xen/io/xs_wire.h>

#include "core/blk_abi.h"
#include "core/xs.h"
#include "tests/abi/same.h"
#include "wire/bus.h"
#include "wire/ring.h"
#include "wire/scsi.h"
#include "wire/xs.h"

static unsigned int compared;

/* At compile time; the run only counts and prints. */
#define SAME(ours, theirs)                                                     \
	do {                                                                   \
		_Static_assert((ours) == (theirs), #ours " is " #theirs);      \
		printf("%s = %s = %llu\n", #ours, #theirs,                     \
		       (unsigned long long)(theirs));                          \
		compared++;                                                    \
	} while (0)

static void ring(void)
{
	SAME_FIELD(struct wire_ring, struct vscsiif_sring, req_prod, req_prod);
	SAME_FIELD(struct wire_ring, struct vscsiif_sring, req_event,
		   req_event);
	SAME_FIELD(struct wire_ring, struct vscsiif_sring, rsp_prod, rsp_prod);
	SAME_FIELD(struct wire_ring, struct vscsiif_sring, rsp_event,
		   rsp_event);
	SAME(WIRE_RING_SLOTS_OFFS, offsetof(struct vscsiif_sring, ring));
	SAME(WIRE_PAGE_SIZE, VSCSIIF_PAGE_SIZE);
	SAME(WIRE_SCSI_RING_SIZE,
	     __CONST_RING_SIZE(vscsiif, VSCSIIF_PAGE_SIZE));
}

static void scsi_constants(void)
{
	SAME(WIRE_SCSI_ACT_CDB, VSCSIIF_ACT_SCSI_CDB);
	SAME(WIRE_SCSI_ACT_ABORT, VSCSIIF_ACT_SCSI_ABORT);
	SAME(WIRE_SCSI_ACT_RESET, VSCSIIF_ACT_SCSI_RESET);
	SAME(WIRE_SCSI_ACT_SG_PRESET, VSCSIIF_ACT_SCSI_SG_PRESET);
	SAME(WIRE_SCSI_SEGS, VSCSIIF_SG_TABLESIZE);
	SAME(WIRE_SCSI_CDB, VSCSIIF_MAX_COMMAND_SIZE);
	SAME(WIRE_SCSI_SENSE, VSCSIIF_SENSE_BUFFERSIZE);
	SAME(WIRE_SCSI_SG_GRANT, VSCSIIF_SG_GRANT);
	SAME(WIRE_SCSI_SEGS_PER_PAGE, VSCSIIF_SG_PER_PAGE);
	SAME(WIRE_SCSI_HOST_OK, XEN_VSCSIIF_RSLT_HOST_OK);
	SAME(WIRE_SCSI_HOST_NO_CONNECT, XEN_VSCSIIF_RSLT_HOST_NO_CONNECT);
	SAME(WIRE_SCSI_HOST_BUS_BUSY, XEN_VSCSIIF_RSLT_HOST_BUS_BUSY);
	SAME(WIRE_SCSI_HOST_TIME_OUT, XEN_VSCSIIF_RSLT_HOST_TIME_OUT);
	SAME(WIRE_SCSI_HOST_BAD_TARGET, XEN_VSCSIIF_RSLT_HOST_BAD_TARGET);
	SAME(WIRE_SCSI_HOST_ABORT, XEN_VSCSIIF_RSLT_HOST_ABORT);
	SAME(WIRE_SCSI_HOST_PARITY, XEN_VSCSIIF_RSLT_HOST_PARITY);
	SAME(WIRE_SCSI_HOST_ERROR, XEN_VSCSIIF_RSLT_HOST_ERROR);
	SAME(WIRE_SCSI_HOST_RESET, XEN_VSCSIIF_RSLT_HOST_RESET);
	SAME(WIRE_SCSI_HOST_BAD_INTR, XEN_VSCSIIF_RSLT_HOST_BAD_INTR);
	SAME(WIRE_SCSI_HOST_PASSTHROUGH, XEN_VSCSIIF_RSLT_HOST_PASSTHROUGH);
	SAME(WIRE_SCSI_HOST_SOFT_ERROR, XEN_VSCSIIF_RSLT_HOST_SOFT_ERROR);
	SAME(WIRE_SCSI_HOST_IMM_RETRY, XEN_VSCSIIF_RSLT_HOST_IMM_RETRY);
	SAME(WIRE_SCSI_HOST_REQUEUE, XEN_VSCSIIF_RSLT_HOST_REQUEUE);
	SAME(WIRE_SCSI_HOST_TRANSPORT_DISRUPTED,
	     XEN_VSCSIIF_RSLT_HOST_TRANSPORT_DISRUPTED);
	SAME(WIRE_SCSI_HOST_TRANSPORT_FAILFAST,
	     XEN_VSCSIIF_RSLT_HOST_TRANSPORT_FAILFAST);
	SAME(WIRE_SCSI_HOST_TARGET_FAILURE,
	     XEN_VSCSIIF_RSLT_HOST_TARGET_FAILURE);
	SAME(WIRE_SCSI_HOST_NEXUS_FAILURE, XEN_VSCSIIF_RSLT_HOST_NEXUS_FAILURE);
	SAME(WIRE_SCSI_HOST_ALLOC_FAILURE, XEN_VSCSIIF_RSLT_HOST_ALLOC_FAILURE);
	SAME(WIRE_SCSI_HOST_MEDIUM_ERROR, XEN_VSCSIIF_RSLT_HOST_MEDIUM_ERROR);
	SAME(WIRE_SCSI_HOST_TRANSPORT_MARGINAL,
	     XEN_VSCSIIF_RSLT_HOST_TRANSPORT_MARGINAL);
	SAME(WIRE_SCSI_RESET_SUCCESS, XEN_VSCSIIF_RSLT_RESET_SUCCESS);
	SAME(WIRE_SCSI_RESET_FAILED, XEN_VSCSIIF_RSLT_RESET_FAILED);
}

static void scsi_structs(void)
{
	SAME_SIZE(struct wire_scsi_seg, struct scsiif_request_segment);
	SAME_SIZE(struct wire_scsi_req, struct vscsiif_request);
	SAME_SIZE(struct wire_scsi_rsp, struct vscsiif_response);
#define SEG(f)                                                                 \
	SAME_FIELD(struct wire_scsi_seg, struct scsiif_request_segment, f, f)
	SEG(gref);
	SEG(offset);
	SEG(length);
#define REQ(f) SAME_FIELD(struct wire_scsi_req, struct vscsiif_request, f, f)
	REQ(rqid);
	REQ(act);
	REQ(cmd_len);
	REQ(cmnd);
	REQ(timeout_per_command);
	REQ(channel);
	REQ(id);
	REQ(lun);
	REQ(ref_rqid);
	REQ(sc_data_direction);
	REQ(nr_segments);
	REQ(seg);
	REQ(reserved);
#define RSP(a, b)                                                              \
	SAME_FIELD(struct wire_scsi_rsp, struct vscsiif_response, a, b)
	RSP(rqid, rqid);
	RSP(act, act);
	RSP(sense_len, sense_len);
	RSP(sense, sense_buffer);
	RSP(rslt, rslt);
	RSP(residual_len, residual_len);
	RSP(reserved, reserved);
	SAME(sizeof(((struct wire_scsi_seg *)0)->gref), sizeof(grant_ref_t));
}

static void blk(void)
{
	SAME_BLK(64);
	SAME(WIRE_BLK_OP_READ, BLKIF_OP_READ);
	SAME(WIRE_BLK_OP_WRITE, BLKIF_OP_WRITE);
	SAME(WIRE_BLK_OP_WRITE_BARRIER, BLKIF_OP_WRITE_BARRIER);
	SAME(WIRE_BLK_OP_FLUSH, BLKIF_OP_FLUSH_DISKCACHE);
	SAME(WIRE_BLK_OP_RESERVED_1, BLKIF_OP_RESERVED_1);
	SAME(WIRE_BLK_OP_DISCARD, BLKIF_OP_DISCARD);
	SAME(WIRE_BLK_OP_INDIRECT, BLKIF_OP_INDIRECT);
	SAME(WIRE_BLK_RSP_OKAY, BLKIF_RSP_OKAY);
	SAME(WIRE_BLK_RSP_ERROR, BLKIF_RSP_ERROR);
	SAME(WIRE_BLK_RSP_EOPNOTSUPP, BLKIF_RSP_EOPNOTSUPP);
	SAME(WIRE_BLK_SEGS, BLKIF_MAX_SEGMENTS_PER_REQUEST);
	SAME(WIRE_BLK_INDIRECT_PAGES, BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST);
	SAME(WIRE_BLK_DISCARD_SECURE, BLKIF_DISCARD_SECURE);
	SAME(WIRE_BLK_INFO_CDROM, VDISK_CDROM);
	SAME(WIRE_BLK_INFO_REMOVABLE, VDISK_REMOVABLE);
	SAME(WIRE_BLK_INFO_READONLY, VDISK_READONLY);
	SAME((int)BLK_ABI_NATIVE, (int)BLK_ABI_64);
}

/* Texts cannot be compared by the compiler. */
static int same_text(const char *ours, const char *theirs)
{
	printf("%s, %s\n", ours, theirs);
	compared++;
	return strcmp(ours, theirs) != 0;
}

static int blk_protocols(void)
{
	return same_text(WIRE_BLK_PROTO_X86_32, XEN_IO_PROTO_ABI_X86_32) ||
	       same_text(WIRE_BLK_PROTO_X86_64, XEN_IO_PROTO_ABI_X86_64) ||
	       same_text(WIRE_BLK_PROTO_ARM, XEN_IO_PROTO_ABI_ARM);
}

static void bus(void)
{
	SAME(WIRE_BUS_UNKNOWN, (unsigned int)XenbusStateUnknown);
	SAME(WIRE_BUS_INITIALISING, (unsigned int)XenbusStateInitialising);
	SAME(WIRE_BUS_INIT_WAIT, (unsigned int)XenbusStateInitWait);
	SAME(WIRE_BUS_INITIALISED, (unsigned int)XenbusStateInitialised);
	SAME(WIRE_BUS_CONNECTED, (unsigned int)XenbusStateConnected);
	SAME(WIRE_BUS_CLOSING, (unsigned int)XenbusStateClosing);
	SAME(WIRE_BUS_CLOSED, (unsigned int)XenbusStateClosed);
	SAME(WIRE_BUS_RECONFIGURING, (unsigned int)XenbusStateReconfiguring);
	SAME(WIRE_BUS_RECONFIGURED, (unsigned int)XenbusStateReconfigured);
}

static void xs_types(void)
{
#define OP(name) SAME((int)WIRE_XS_##name, (int)XS_##name)
	OP(CONTROL);
	OP(DIRECTORY);
	OP(READ);
	OP(GET_PERMS);
	OP(WATCH);
	OP(UNWATCH);
	OP(TRANSACTION_START);
	OP(TRANSACTION_END);
	OP(INTRODUCE);
	OP(RELEASE);
	OP(GET_DOMAIN_PATH);
	OP(WRITE);
	OP(MKDIR);
	OP(RM);
	OP(SET_PERMS);
	OP(WATCH_EVENT);
	OP(ERROR);
	OP(IS_DOMAIN_INTRODUCED);
	OP(RESUME);
	OP(SET_TARGET);
	OP(RESET_WATCHES);
	OP(DIRECTORY_PART);
	OP(INVALID);
}

static void xs_layout(void)
{
	SAME_SIZE(struct wire_xs_hdr, struct xsd_sockmsg);
#define HDR(f) SAME_FIELD(struct wire_xs_hdr, struct xsd_sockmsg, f, f)
	HDR(type);
	HDR(req_id);
	HDR(tx_id);
	HDR(len);
	SAME_SIZE(struct wire_xs_page, struct xenstore_domain_interface);
#define PAGE(f)                                                                \
	SAME_FIELD(struct wire_xs_page, struct xenstore_domain_interface, f, f)
	PAGE(req);
	PAGE(rsp);
	PAGE(req_cons);
	PAGE(req_prod);
	PAGE(rsp_cons);
	PAGE(rsp_prod);
	PAGE(server_features);
	PAGE(connection);
	PAGE(error);
	SAME(WIRE_XS_RING_SIZE, XENSTORE_RING_SIZE);
	SAME(WIRE_XS_PAYLOAD_MAX, XENSTORE_PAYLOAD_MAX);
	SAME(WIRE_XS_ABS_PATH_MAX, XENSTORE_ABS_PATH_MAX);
	SAME(WIRE_XS_REL_PATH_MAX, XENSTORE_REL_PATH_MAX);
	SAME(WIRE_XS_FEATURE_RECONNECTION,
	     XENSTORE_SERVER_FEATURE_RECONNECTION);
	SAME(WIRE_XS_FEATURE_ERROR, XENSTORE_SERVER_FEATURE_ERROR);
	SAME(WIRE_XS_CONNECTED, XENSTORE_CONNECTED);
	SAME(WIRE_XS_RECONNECT, XENSTORE_RECONNECT);
	SAME(WIRE_XS_ERROR_NONE, XENSTORE_ERROR_NONE);
	SAME(WIRE_XS_ERROR_COMM, XENSTORE_ERROR_COMM);
	SAME(WIRE_XS_ERROR_RINGIDX, XENSTORE_ERROR_RINGIDX);
	SAME(WIRE_XS_ERROR_PROTO, XENSTORE_ERROR_PROTO);
}

static int xs_errors(void)
{
	size_t i;

	SAME((size_t)XS_ERR_COUNT, sizeof(xsd_errors) / sizeof(xsd_errors[0]));
	for (i = 0; i < XS_ERR_COUNT; i++)
		if (same_text(xs_err_name((enum xs_err)i),
			      xsd_errors[i].errstring))
			return 1;
	return 0;
}

int main(void)
{
	int rc;

	ring();
	scsi_constants();
	scsi_structs();
	bus();
	xs_types();
	xs_layout();
	blk();
	rc = xs_errors() || blk_protocols();
	printf("%u comparisons\n", compared);
	return rc;
}
