/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A SCSI target that is just enough for a frontend to find a disk and use it:
 * no part of what is tested.
 */
#ifndef CONFORM_TARGET_H
#define CONFORM_TARGET_H

#include "conform/raw_vscsi.h"

/*
 * Execute R: data goes through the buffer of K. RSP gets status, sense data and
 * residual.
 */
void target_execute(struct raw_vscsi *k, const struct raw_req *r,
		    struct wire_scsi_rsp *rsp);

/* Fixed sense data and CHECK CONDITION. */
void target_sense(struct wire_scsi_rsp *rsp, uint8_t key, uint16_t asc);

/* Is it a READ of some length, or a WRITE? Its range in blocks. */
bool target_is_read(const struct wire_scsi_req *req);
bool target_range(const struct wire_scsi_req *req, uint64_t *block,
		  uint32_t *blocks);

#endif
