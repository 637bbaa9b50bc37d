/* SPDX-License-Identifier: BSD-2-Clause */
/* Dividing a command that moves blocks into several smaller ones. */
#ifndef SCSI_SLICE_H
#define SCSI_SLICE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Makes in to[16] the CDB for the len bytes at offset of the data of cdb, where
 * a block of the LU has block_size bytes. Flags, group number and control byte
 * stay. cdb and to may be the same.
 *
 * For READ, WRITE, WRITE AND VERIFY, and VERIFY that compares with data sent
 * (BYTCHK 01b). False, with to untouched, for any other command: one that is
 * atomic (COMPARE AND WRITE) or whose data is not its blocks (protection
 * information). False also where offset or len are no multiples of block_size,
 * or there is nothing of the command.
 */
bool scsi_cdb_slice(const uint8_t *cdb, uint32_t cdb_len, uint32_t block_size,
		    uint32_t offset, uint32_t len, uint8_t *to);

#endif
