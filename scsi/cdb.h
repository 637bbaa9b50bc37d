/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of operation codes: one row says all that is known of a command,
 * and everything that needs to know asks the table: decoding, the check of
 * reserved bits, reservation conflicts, write protection, and REPORT SUPPORTED
 * OPERATION CODES.
 */
#ifndef SCSI_CDB_H
#define SCSI_CDB_H

#include "scsi/task.h"
#include "wire/port.h"

struct scsi_lu;

/* Which way the data of a command goes. */
enum scsi_dir {
	SCSI_DIR_NONE,
	SCSI_DIR_IN,
	SCSI_DIR_OUT,
};

/* What a command does to the blocks it names; decides who waits for whom. */
enum scsi_access {
	SCSI_ACCESS_NONE,
	SCSI_ACCESS_READ,
	SCSI_ACCESS_WRITE, /* and refused when the medium is write protected */
	SCSI_ACCESS_STATE, /* changes state of the LU: one at a time */
};

/*
 * Who may send the command while another initiator holds a reservation. A set
 * bit allows it: SPC-4 table 65 and SBC-3 table 13, from left to right. A
 * registered nexus is allowed everything under the registrants types, so
 * there is no bit for that column.
 */
#define SCSI_ALLOW_WE	 0x01u /* Write Exclusive, not the holder */
#define SCSI_ALLOW_EA	 0x02u /* Exclusive Access, not the holder */
#define SCSI_ALLOW_WE_RR 0x04u /* Write Exclusive RO and AR, not registered */
#define SCSI_ALLOW_EA_RR 0x08u /* Exclusive Access RO and AR, not registered */
#define SCSI_ALLOW_OLD	 0x10u /* RESERVE(6) or (10) of another: SPC-2 table 9 */

#define SCSI_ALLOW_NONE	 0x00u /* conflicts always: writes */
#define SCSI_ALLOW_READS (SCSI_ALLOW_WE | SCSI_ALLOW_WE_RR)
#define SCSI_ALLOW_PR                                                          \
	(SCSI_ALLOW_WE | SCSI_ALLOW_EA | SCSI_ALLOW_WE_RR | SCSI_ALLOW_EA_RR)
#define SCSI_ALLOW_ALL (SCSI_ALLOW_PR | SCSI_ALLOW_OLD)

/* Flags of an operation code. */
#define SCSI_OP_SA    0x01u /* has a service action in byte 1, bits 4 to 0 */
#define SCSI_OP_READY 0x02u /* needs a started unit */
#define SCSI_OP_NO_UA 0x04u /* neither reports nor clears unit attentions */
#define SCSI_OP_THIN  0x08u /* exists only where blocks can be unmapped */
#define SCSI_OP_ALONE                                                          \
	0x10u /* keeps something between all initiators, and so
				exists only where we see all of them */

struct scsi_op {
	uint8_t opcode;
	uint8_t sa; /* service action, with SCSI_OP_SA */
	uint8_t cdb_len;
	uint8_t flags;	   /* SCSI_OP_* */
	uint8_t dir;	   /* enum scsi_dir */
	uint8_t access;	   /* enum scsi_access */
	uint8_t allow;	   /* SCSI_ALLOW_* */
	uint8_t timeout_s; /* nominal processing time */
	/*
	 * With mild_mask: when these bits of byte 4 are mild_value, the command
	 * takes nothing from anybody and never conflicts (SBC-3 table 13: START
	 * STOP UNIT that starts, PREVENT ALLOW that allows).
	 */
	uint8_t mild_mask, mild_value;
	const char *name;
	/*
	 * Checks the command and either answers it (SCSI_STEP_DONE) or sets
	 * the range it touches and returns SCSI_STEP_IO: then run is called,
	 * first with rc 0 and phase 0 when no earlier task is in the way, and
	 * after that with the result of each io it asked for.
	 */
	enum scsi_step (*start)(struct scsi_lu *lu, struct scsi_task *task);
	enum scsi_step (*run)(struct scsi_lu *lu, struct scsi_task *task,
			      int rc);
	/*
	 * CDB usage bitmap (SPC-4 6.35.3): a 1 for every bit that means
	 * something. Any other bit that is set makes the command INVALID FIELD
	 * IN CDB, but for the ones that scsi_cdb_check() forgives.
	 */
	uint8_t usage[16];
};

/*
 * Finds the row for a CDB of which cdb_len bytes are valid, in the LU type's
 * table and then in the table of commands that every type has. Returns NULL
 * when there is none; *known says then whether the operation code at least
 * has other service actions.
 */
const struct scsi_op *scsi_cdb_find(const struct scsi_lu *lu,
				    const uint8_t *cdb, bool *known);

/*
 * Checks a CDB against the row: its length, and reserved bits. Returns -1 when
 * it is well, else the number byte * 8 + bit of the first field at fault, or
 * SCSI_CDB_SHORT.
 *
 * Forgiven, because initiators set them and no harm can come of it: the vendor
 * specific bits and everything else of the control byte but NACA (SAM-5 5.2),
 * and bits 7 to 5 of byte 1 in 6 byte CDBs (the logical unit number in SCSI-2,
 * 7.2.2), as long as the row does not name them.
 */
int scsi_cdb_check(const struct scsi_op *op, const uint8_t *cdb,
		   uint32_t cdb_len);
#define SCSI_CDB_SHORT 0x1000

/* REPORT SUPPORTED OPERATION CODES, SPC-4 6.35: a handler of the table. */
enum scsi_step scsi_cdb_report(struct scsi_lu *lu, struct scsi_task *task);

#endif
