/* SPDX-License-Identifier: BSD-2-Clause */
/* The CRC of iSCSI and many file formats: Castagnoli's polynomial (RFC 3720,
 * 12.1 and appendix B.4). */
#ifndef SCSI_CRC32C_H
#define SCSI_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC of what came before (0: nothing) and of LEN more bytes. */
uint32_t scsi_crc32c(uint32_t crc, const void *bytes, size_t len);

#endif
