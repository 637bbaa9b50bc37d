/* SPDX-License-Identifier: BSD-2-Clause */
#include "scsi/again.h"

#include "wire/port.h"

/* Peripheral device types, SPC-4 table 142, as bits. */
#define DISK (1u << 0x00) /* SBC-3 */
#define CD   (1u << 0x05) /* MMC-6 */
#define ANY  UINT32_MAX

/* A row for each operation code that may; with a service action if SA. */
struct row {
	uint8_t opcode;
	bool has_sa;
	uint8_t sa;
	enum scsi_again again;
	uint32_t types;
};

#define READS(op, types)                                                       \
	{                                                                      \
		op, false, 0, SCSI_AGAIN_READS, types                          \
	}
#define READS_SA(op, sa, t)                                                    \
	{                                                                      \
		op, true, sa, SCSI_AGAIN_READS, t                              \
	}
#define WRITES(op, types)                                                      \
	{                                                                      \
		op, false, 0, SCSI_AGAIN_WRITES, types                         \
	}

/*
 * REQUEST SENSE is not here: it takes away what it tells. Neither is anything
 * that depends on where a tape stands.
 */
static const struct row rows[] = {
	READS(0x00, ANY),	    /* TEST UNIT READY */
	READS(0x05, ANY),	    /* READ BLOCK LIMITS */
	READS(0x08, DISK | CD),	    /* READ(6) */
	WRITES(0x0a, DISK),	    /* WRITE(6) */
	READS(0x12, ANY),	    /* INQUIRY */
	WRITES(0x15, DISK | CD),    /* MODE SELECT(6) */
	WRITES(0x16, DISK | CD),    /* RESERVE(6) */
	WRITES(0x17, DISK | CD),    /* RELEASE(6) */
	READS(0x1a, ANY),	    /* MODE SENSE(6) */
	WRITES(0x1b, DISK),	    /* START STOP UNIT */
	WRITES(0x1e, ANY),	    /* PREVENT ALLOW MEDIUM REMOVAL */
	READS(0x25, DISK | CD),	    /* READ CAPACITY(10) */
	READS(0x28, DISK | CD),	    /* READ(10) */
	WRITES(0x2a, DISK),	    /* WRITE(10) */
	WRITES(0x2e, DISK),	    /* WRITE AND VERIFY(10) */
	READS(0x2f, DISK | CD),	    /* VERIFY(10) */
	READS(0x34, DISK),	    /* PRE-FETCH(10); of a tape READ POSITION */
	READS(0x34, 1u << 0x01),    /* READ POSITION (SSC-4 7.7) */
	WRITES(0x35, DISK | CD),    /* SYNCHRONIZE CACHE(10) */
	READS(0x37, DISK),	    /* READ DEFECT DATA(10) */
	WRITES(0x41, DISK),	    /* WRITE SAME(10) */
	WRITES(0x42, DISK),	    /* UNMAP */
	READS(0x43, CD),	    /* READ TOC/PMA/ATIP */
	READS(0x44, 1u << 0x01),    /* REPORT DENSITY SUPPORT */
	READS(0x46, CD),	    /* GET CONFIGURATION */
	READS(0x4d, ANY),	    /* LOG SENSE */
	READS(0x51, CD),	    /* READ DISC INFORMATION */
	READS(0x52, CD),	    /* READ TRACK INFORMATION */
	WRITES(0x55, DISK | CD),    /* MODE SELECT(10) */
	WRITES(0x56, DISK | CD),    /* RESERVE(10) */
	WRITES(0x57, DISK | CD),    /* RELEASE(10) */
	READS(0x5a, ANY),	    /* MODE SENSE(10) */
	READS(0x5e, ANY),	    /* PERSISTENT RESERVE IN */
	READS(0x88, DISK),	    /* READ(16) */
	WRITES(0x8a, DISK),	    /* WRITE(16) */
	WRITES(0x8e, DISK),	    /* WRITE AND VERIFY(16) */
	READS(0x8f, DISK),	    /* VERIFY(16) */
	READS(0x90, DISK),	    /* PRE-FETCH(16) */
	WRITES(0x91, DISK),	    /* SYNCHRONIZE CACHE(16) */
	WRITES(0x93, DISK),	    /* WRITE SAME(16) */
	READS_SA(0x9e, 0x10, DISK), /* READ CAPACITY(16) */
	READS_SA(0x9e, 0x12, DISK), /* GET LBA STATUS */
	READS(0xa0, ANY),	    /* REPORT LUNS */
	READS_SA(0xa3, 0x05, ANY),  /* REPORT IDENTIFYING INFORMATION */
	READS_SA(0xa3, 0x0a, ANY),  /* REPORT TARGET PORT GROUPS */
	READS_SA(0xa3, 0x0c, ANY),  /* REPORT SUPPORTED OPERATION CODES */
	READS_SA(0xa3, 0x0d, ANY),  /* REPORT SUPPORTED TMFS */
	READS_SA(0xa3, 0x0f, ANY),  /* REPORT TIMESTAMP */
	READS(0xa8, DISK | CD),	    /* READ(12) */
	WRITES(0xaa, DISK),	    /* WRITE(12) */
	READS(0xac, CD),	    /* GET PERFORMANCE */
	WRITES(0xae, DISK),	    /* WRITE AND VERIFY(12) */
	READS(0xaf, DISK),	    /* VERIFY(12) */
	READS(0xb8, 1u << 0x08),    /* READ ELEMENT STATUS (SMC-3 6.11) */
	READS(0xbd, CD),	    /* MECHANISM STATUS */
	READS(0xbe, CD),	    /* READ CD */
};

enum scsi_again scsi_again(uint8_t peripheral, const uint8_t *cdb)
{
	uint32_t type = peripheral < 0x1f ? 1u << peripheral : 0, i;

	for (i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		if (r->opcode != cdb[0] ||
		    (r->has_sa && r->sa != (cdb[1] & 0x1f)))
			continue;
		if (r->types == ANY || (r->types & type))
			return r->again;
	}
	return SCSI_AGAIN_NO;
}
