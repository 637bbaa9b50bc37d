/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What another process must know of a logical unit to go on in its place, so
 * that initiators notice nothing: mode pages, unit attentions that have not
 * been told, reservations, START STOP UNIT, PREVENT ALLOW MEDIUM REMOVAL.
 * Tasks are not in it: the ring's journal has them.
 */
#ifndef SCSI_KEEP_H
#define SCSI_KEEP_H

#include "scsi/lu.h"

/* The largest image, bytes. */
#define SCSI_KEEP_MAX                                                          \
	(12 + SCSI_NEXUS_MAX * (4 + 2 * SCSI_UA_COUNT) + SCSI_PR_IMAGE_MAX +   \
	 SCSI_KEEP_OWN_MAX)

/*
 * Write the image of LU to OUT (SCSI_KEEP_MAX bytes); returns its length. Fixed
 * layout, big-endian. The same state is the same image.
 */
uint32_t scsi_lu_keep(const struct scsi_lu *lu, uint8_t *out);

/*
 * Make LU, which has been initialized with cfg.resumed and has seen no command,
 * what the image says. XPV_EINVAL for what scsi_lu_keep() cannot have written;
 * LU is then as it was.
 */
int scsi_lu_take_over(struct scsi_lu *lu, const uint8_t *image,
		      uint32_t len) XPV_MUST_CHECK;

#endif
