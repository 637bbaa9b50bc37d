/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sentences of the protocol that cases check, once each. They are ours, in
 * short; the place is where the binding ones stand: Xen's public/io/vscsiif.h,
 * blkif.h, ring.h, xenbus.h, public/grant_table.h.
 */
#ifndef CONFORM_CLAUSE_H
#define CONFORM_CLAUSE_H

#include "conform/conform.h"

/* the handshake */
extern const struct clause clause_init_wait, clause_initialised,
	clause_connected, clause_sg_grant, clause_devs, clause_ring_ref,
	clause_event_channel, clause_protocol, clause_closing, clause_closed,
	clause_reopen;
/* hot plug */
extern const struct clause clause_plug_add, clause_plug_remove;
/* requests */
extern const struct clause clause_act, clause_cdb, clause_direction,
	clause_segments, clause_many_segments, clause_page, clause_grant,
	clause_grant_ro, clause_list, clause_list_max, clause_list_mix,
	clause_address, clause_abort, clause_reset, clause_reset_result,
	clause_timeout, clause_reserved;
/* responses */
extern const struct clause clause_rqid, clause_rslt, clause_sense,
	clause_residual, clause_rsp_reserved;
/* the ring */
extern const struct clause clause_ring_once, clause_ring_full,
	clause_ring_event, clause_ring_rsp_event, clause_ring_bounds,
	clause_ring_copy, clause_ring_fields;
/* block devices */
extern const struct clause clause_blk_rw, clause_blk_operation, clause_blk_info,
	clause_blk_flush, clause_blk_barrier, clause_blk_handle,
	clause_blk_segments, clause_blk_sects, clause_blk_sectors,
	clause_blk_sector_size, clause_blk_discard, clause_blk_indirect,
	clause_blk_indirect_max, clause_blk_indirect_op, clause_blk_ring_full,
	clause_blk_persistent, clause_blk_ring_order, clause_blk_queues,
	clause_blk_id, clause_blk_properties, clause_blk_ring_ref,
	clause_blk_event_channel, clause_blk_protocol;
/* what SCSI itself says */
extern const struct clause clause_report_luns, clause_scsi_error,
	clause_scsi_range, clause_alone;
/* what is said of nobody, and expected of all */
extern const struct clause clause_survive;

#endif
