/* SPDX-License-Identifier: BSD-2-Clause */
#include "conform/clause.h"

#define CLAUSE(name, place, sentence)                                          \
	const struct clause clause_##name = {.where = (place),                 \
					     .text = (sentence)}

CLAUSE(init_wait, "xenbus.h InitWait",
       "An end that has finished its early initialisation waits in state 2 "
       "for information from its peer.");
CLAUSE(initialised, "xenbus.h Initialised",
       "An end that has published what it has waits in state 3 for a "
       "connection from its peer.");
CLAUSE(connected, "xenbus.h Connected",
       "Both ends come to state 4: the connection stands.");
CLAUSE(sg_grant, "vscsiif.h feature-sg-grant",
       "The node is missing (0: no lists in granted pages), or a number from "
       "26 to 65535: the most segments of a request.");
CLAUSE(devs, "vscsiif.h Xenstore format in practice",
       "Each vscsi-devs/dev-N has a p-dev, a v-dev of four integers h:c:t:l, "
       "and a state of its own, which becomes 4.");
CLAUSE(ring_ref, "vscsiif.h, blkif.h ring-ref",
       "An unsigned number: the grant reference of the sole page of the "
       "ring, which the backend may map.");
CLAUSE(event_channel, "vscsiif.h, blkif.h event-channel",
       "An unsigned number: the event channel that signals activity in the "
       "ring.");
CLAUSE(protocol, "vscsiif.h, blkif.h protocol",
       "The machine's rules for requests and responses; when the node is "
       "missing, those of the native machine.");
CLAUSE(closing, "xenbus.h Closing",
       "State 5: the device is being closed, because of an error or an "
       "unplug.");
CLAUSE(closed, "xenbus.h Closed", "State 6: the device is closed.");
CLAUSE(reopen, "xenbus.h XenbusState",
       "A device that is closed, and still online, can be opened again from "
       "the first state on.");
CLAUSE(plug_add, "vscsiif.h To add another device to a vhost",
       "The toolstack writes state 7 and dev-N/state 1; the backend's state "
       "and dev-N/state become 4.");
CLAUSE(plug_remove, "vscsiif.h To remove a device from a vhost",
       "The toolstack writes state 7 and dev-N/state 5; the backend's state "
       "becomes 4 and dev-N/state 6.");
CLAUSE(act, "vscsiif.h Requests from the frontend",
       "There are requests 1 (CDB), 2 (abort), 3 (reset); 4 is deprecated, "
       "no others are defined.");
CLAUSE(cdb, "vscsiif.h VSCSIIF_MAX_COMMAND_SIZE, cmd_len",
       "The CDB is in cmnd[], cmd_len says how many bytes of it are valid, "
       "at most 16.");
CLAUSE(direction, "vscsiif.h sc_data_direction",
       "To the device (1), from the device (2), or none at all (3).");
CLAUSE(segments, "vscsiif.h VSCSIIF_ACT_SCSI_CDB",
       "All areas that the segments name, concatenated, form the data buffer "
       "of the operation.");
CLAUSE(many_segments, "vscsiif.h VSCSIIF_SG_TABLESIZE",
       "At most 26 segments, or pages of segments, are named in a request.");
CLAUSE(page, "vscsiif.h VSCSIIF_ACT_SCSI_CDB",
       "A segment is an area inside one page: an offset into it, and a "
       "length in it.");
CLAUSE(grant, "grant_table.h",
       "A page can be reached only through a reference that its owner has "
       "granted to the domain, while it is granted.");
CLAUSE(grant_ro, "grant_table.h GTF_readonly",
       "A page that is granted for reading can be read, and not written.");
CLAUSE(list, "vscsiif.h VSCSIIF_SG_GRANT",
       "With the flag, seg[] names areas that hold arrays of segments; the "
       "sum of their lengths by 8 is the number of segments.");
CLAUSE(list_max, "vscsiif.h VSCSIIF_ACT_SCSI_CDB",
       "The number of segments in lists is at most the value of "
       "feature-sg-grant.");
CLAUSE(list_mix, "vscsiif.h VSCSIIF_ACT_SCSI_CDB",
       "The frontend may use a mix of direct and indirect requests.");
CLAUSE(address, "vscsiif.h channel, id, lun",
       "The device is the one whose v-dev has this channel, target and LUN; "
       "there is no other.");
CLAUSE(abort, "vscsiif.h VSCSIIF_ACT_SCSI_ABORT",
       "Abort the running operation whose rqid is ref_rqid on the device at "
       "channel, id, lun.");
CLAUSE(reset, "vscsiif.h VSCSIIF_ACT_SCSI_RESET",
       "Reset the device at channel and id.");
CLAUSE(reset_result, "vscsiif.h XEN_VSCSIIF_RSLT_RESET_*",
       "The result of an abort or a reset is 0x2002 (success) or 0x2003 "
       "(failed).");
CLAUSE(timeout, "vscsiif.h timeout_per_command",
       "Deprecated: seconds, 0 is the default. A command that is quick enough "
       "is not touched by it.");
CLAUSE(reserved, "vscsiif.h struct vscsiif_request",
       "What a request does not use holds nothing: reserved words, segments "
       "and CDB bytes beyond their number.");
CLAUSE(rqid, "vscsiif.h rqid",
       "A private value of the guest, echoed in the response.");
CLAUSE(rslt, "vscsiif.h XEN_VSCSIIF_RSLT_STATUS, _HOST",
       "The low byte of rslt is the SCSI status, the third byte one of the "
       "host results 0 to 20; what has failed says so in one of them.");
CLAUSE(sense, "vscsiif.h sense_len, VSCSIIF_SENSE_BUFFERSIZE",
       "sense_len bytes of sense_buffer, at most 96, are the sense data.");
CLAUSE(residual, "vscsiif.h residual_len",
       "The length of the request's buffer less what was transferred.");
CLAUSE(rsp_reserved, "vscsiif.h struct vscsiif_response",
       "A response holds nothing that is not of this response.");
CLAUSE(ring_once, "ring.h",
       "Each request is answered by one response, in any order.");
CLAUSE(ring_full, "ring.h RING_SIZE",
       "A page holds 16 requests of 252 bytes; all may be outstanding.");
CLAUSE(ring_event, "ring.h Notification hold-off, req_event",
       "The frontend sends an event only if req_prod passes req_event; the "
       "backend sets req_event, and looks again, before it sleeps.");
CLAUSE(ring_rsp_event, "ring.h Notification hold-off, rsp_event",
       "The backend sends an event when rsp_prod passes rsp_event.");
CLAUSE(ring_bounds, "ring.h RING_REQUEST_PROD_OVERFLOW",
       "No more requests can be outstanding than the ring has slots; a peer "
       "that claims it has broken the ring.");
CLAUSE(ring_copy, "ring.h RING_COPY_REQUEST",
       "A request is copied before it is checked: the frontend may change "
       "its slot at any time.");
CLAUSE(ring_fields, "ring.h struct sring",
       "req_prod and rsp_event are the frontend's, rsp_prod and req_event "
       "the backend's; nobody uses the rest.");
CLAUSE(blk_rw, "blkif.h BLKIF_OP_READ, BLKIF_OP_WRITE",
       "Sectors from sector_number on are read into the areas that the "
       "segments name, or written from them, in their order.");
CLAUSE(blk_operation, "blkif.h REQUEST CODES, STATUS RETURN CODES",
       "There are operations 0 to 6; one that is not supported is answered "
       "with EOPNOTSUPP (-2), one that fails with ERROR (-1).");
CLAUSE(blk_info, "blkif.h info, VDISK_READONLY",
       "A disk whose info says so cannot be written.");
CLAUSE(blk_flush, "blkif.h feature-flush-cache, BLKIF_OP_FLUSH_DISKCACHE",
       "If the node is 1, the request is understood; otherwise it may fail "
       "with EOPNOTSUPP.");
CLAUSE(blk_barrier, "blkif.h feature-barrier, BLKIF_OP_WRITE_BARRIER",
       "If the node is 1, the request is understood; otherwise it may fail "
       "with EOPNOTSUPP.");
CLAUSE(blk_handle, "blkif.h struct blkif_request, handle",
       "A request carries the number of the device that it is for.");
CLAUSE(blk_segments, "blkif.h BLKIF_MAX_SEGMENTS_PER_REQUEST",
       "A request has at most 11 segments.");
CLAUSE(blk_sects, "blkif.h struct blkif_request_segment",
       "A segment is the sectors first_sect to last_sect of a page, both "
       "included; a page has 8.");
CLAUSE(blk_sectors, "blkif.h sectors",
       "The disk has so many sectors of 512 bytes; there are no others.");
CLAUSE(blk_sector_size, "blkif.h sector-size",
       "The logical block of the disk: requests begin and end at multiples "
       "of it.");
CLAUSE(blk_discard, "blkif.h feature-discard, BLKIF_OP_DISCARD",
       "If the node is 1, nr_sectors from sector_number on can be given "
       "back; otherwise the request may fail with EOPNOTSUPP.");
CLAUSE(blk_indirect, "blkif.h BLKIF_OP_INDIRECT",
       "The segments stand in up to 8 granted pages, 512 in each.");
CLAUSE(blk_indirect_max, "blkif.h feature-max-indirect-segments",
       "The most segments of an indirect request.");
CLAUSE(blk_indirect_op, "blkif.h BLKIF_OP_INDIRECT, indirect_op",
       "What an indirect request does is a READ or a WRITE.");
CLAUSE(blk_persistent, "blkif.h feature-persistent",
       "If both ends have it, the frontend uses the same grants again and the "
       "backend may keep them mapped, for reading and writing, as long as they "
       "are connected.");
CLAUSE(blk_ring_full, "ring.h RING_SIZE, blkif.h",
       "A page holds 32 requests of 112 bytes; all may be outstanding.");
CLAUSE(blk_ring_order, "blkif.h ring-page-order, max-ring-page-order",
       "A ring has 2 to the power of ring-page-order pages, at most those "
       "of max-ring-page-order, named by ring-ref0 and so on.");
CLAUSE(blk_queues, "blkif.h multi-queue-max-queues, multi-queue-num-queues",
       "A frontend may have a ring and a port for each of several queues, at "
       "most those of multi-queue-max-queues, in directories queue-0 and so "
       "on.");
CLAUSE(blk_id, "blkif.h struct blkif_request, id",
       "A private value of the guest, of 64 bits, echoed in the response.");
CLAUSE(blk_properties, "blkif.h Backend Device Properties",
       "A backend in state 4 has said how many sectors the disk has, and "
       "how large a logical block is: a power of two from 512 on.");
CLAUSE(blk_ring_ref, "blkif.h ring-ref",
       "The grant reference of the sole page of a ring.");
CLAUSE(blk_event_channel, "blkif.h event-channel",
       "The event channel that signals activity in the ring.");
CLAUSE(blk_protocol, "blkif.h protocol, protocols.h",
       "The layout of requests and responses: one of those that there are.");
CLAUSE(report_luns, "SPC-4 6.33 REPORT LUNS",
       "Any allocation length from 16 on is served; what is returned is "
       "cut to it.");
CLAUSE(scsi_error, "SAM-5 5.3, SPC-4 4.5",
       "A command that cannot be executed ends with CHECK CONDITION and "
       "sense data.");
CLAUSE(scsi_range, "SBC-3 5.32 WRITE (10)",
       "A command transfers the blocks of its range, and no others.");
CLAUSE(alone, "SAM-5 4.6",
       "What happens to one logical unit, and to commands for it, is nothing "
       "to another one.");
CLAUSE(survive, "xenbus.h, SUPPORT.md",
       "Nothing that a peer sends harms the domain that it is sent to, or "
       "keeps it from serving a peer that behaves.");
