/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which commands may be executed again, when the process that had them has died
 * and nobody knows how far they have come. A tape that gets a block twice is as
 * bad as one that misses it, so that what is not in this table is not.
 */
#ifndef SCSI_AGAIN_H
#define SCSI_AGAIN_H

#include <stdint.h>

enum scsi_again {
	SCSI_AGAIN_NO,
	/* It writes, but the medium and the unit are the same after the second
	 * time: if nothing that came later was executed between the two. */
	SCSI_AGAIN_WRITES,
	/* It changes nothing. */
	SCSI_AGAIN_READS,
};

/*
 * Of the command CDB (16 bytes, zeros behind what was sent) for a unit of type
 * PERIPHERAL (SPC-4 table 142).
 */
enum scsi_again scsi_again(uint8_t peripheral, const uint8_t *cdb);

#endif
