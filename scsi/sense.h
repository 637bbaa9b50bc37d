/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sense data (SPC-4 4.5), fixed and descriptor format, and the ways in which
 * a command ends. All of them return SCSI_STEP_DONE, so that a handler can end
 * with "return scsi_check(...)".
 */
#ifndef SCSI_SENSE_H
#define SCSI_SENSE_H

#include "scsi/task.h"
#include "wire/port.h"

struct scsi_lu;

/* Sense keys, SPC-4 table 48. */
#define SCSI_KEY_NO_SENSE	 0x0
#define SCSI_KEY_NOT_READY	 0x2
#define SCSI_KEY_MEDIUM_ERROR	 0x3
#define SCSI_KEY_HARDWARE_ERROR	 0x4
#define SCSI_KEY_ILLEGAL_REQUEST 0x5
#define SCSI_KEY_UNIT_ATTENTION	 0x6
#define SCSI_KEY_DATA_PROTECT	 0x7
#define SCSI_KEY_BLANK_CHECK	 0x8
#define SCSI_KEY_VOLUME_OVERFLOW 0xd
#define SCSI_KEY_MISCOMPARE	 0xe

/* Additional sense codes with their qualifiers, SPC-4 annex F.2. */
#define SCSI_ASC_NONE			 0x0000
#define SCSI_ASC_FILEMARK		 0x0001
#define SCSI_ASC_END_OF_MEDIUM		 0x0002
#define SCSI_ASC_BEGIN_OF_MEDIUM	 0x0004
#define SCSI_ASC_END_OF_DATA		 0x0005
#define SCSI_ASC_BECOMING_READY		 0x0401
#define SCSI_ASC_START_NEEDED		 0x0402 /* initializing command req. */
#define SCSI_ASC_WRITE_ERROR		 0x0c00
#define SCSI_ASC_SHORT_DATA_OUT		 0x0e03 /* invalid field in info unit */
#define SCSI_ASC_READ_ERROR		 0x1100
#define SCSI_ASC_LIST_LENGTH		 0x1a00 /* parameter list length error */
#define SCSI_ASC_MISCOMPARE		 0x1d00
#define SCSI_ASC_OPCODE			 0x2000
#define SCSI_ASC_LBA_RANGE		 0x2100
#define SCSI_ASC_ELEMENT		 0x2101 /* invalid element address */
#define SCSI_ASC_CDB_FIELD		 0x2400
#define SCSI_ASC_NO_LUN			 0x2500
#define SCSI_ASC_LIST_FIELD		 0x2600
#define SCSI_ASC_BAD_RELEASE		 0x2604
#define SCSI_ASC_WRITE_PROTECTED	 0x2700
#define SCSI_ASC_SOFT_WRITE_PROTECTED	 0x2702
#define SCSI_ASC_SPACE_ALLOCATION	 0x2707
#define SCSI_ASC_MEDIUM_CHANGED		 0x2800
#define SCSI_ASC_POWER_ON		 0x2900
#define SCSI_ASC_DEVICE_RESET		 0x2903
#define SCSI_ASC_NEXUS_LOSS		 0x2907
#define SCSI_ASC_MODE_CHANGED		 0x2a01
#define SCSI_ASC_RESERVATIONS_PREEMPTED	 0x2a03
#define SCSI_ASC_RESERVATIONS_RELEASED	 0x2a04
#define SCSI_ASC_REGISTRATIONS_PREEMPTED 0x2a05
#define SCSI_ASC_CAPACITY_CHANGED	 0x2a09
#define SCSI_ASC_COMMANDS_CLEARED	 0x2f00
#define SCSI_ASC_INCOMPATIBLE_FORMAT	 0x3002
#define SCSI_ASC_WORM_OVERWRITE		 0x300c
#define SCSI_ASC_NO_SAVING		 0x3900
#define SCSI_ASC_NO_MEDIUM		 0x3a00
#define SCSI_ASC_NO_MEDIUM_CLOSED	 0x3a01
#define SCSI_ASC_NO_MEDIUM_OPEN		 0x3a02
#define SCSI_ASC_DESTINATION_FULL	 0x3b0d
#define SCSI_ASC_SOURCE_EMPTY		 0x3b0e
#define SCSI_ASC_LUNS_CHANGED		 0x3f0e
#define SCSI_ASC_INTERNAL_FAILURE	 0x4400
#define SCSI_ASC_REMOVAL_PREVENTED	 0x5302
#define SCSI_ASC_NO_REGISTRATION_ROOM	 0x5504
#define SCSI_ASC_MODE_FOR_TRACK		 0x6400

/*
 * Sense data of a current error into out (at least SCSI_SENSE_FIXED_LEN
 * bytes); returns its length. desc chooses the descriptor format.
 */
#define SCSI_SENSE_FIXED_LEN 18
uint32_t scsi_sense_put(uint8_t *out, bool desc, uint8_t key, uint16_t asc);

/* GOOD, or any other status that comes without sense data. */
enum scsi_step scsi_status_only(struct scsi_task *task, uint8_t status);
enum scsi_step scsi_good(struct scsi_task *task);

/*
 * CHECK CONDITION, in the format that D_SENSE in the control mode page asks
 * for. lu NULL stands for a logical unit that is not there: fixed format.
 */
enum scsi_step scsi_check(const struct scsi_lu *lu, struct scsi_task *task,
			  uint8_t key, uint16_t asc);

/* The same with the INFORMATION field (SPC-4 4.5.2.2). */
enum scsi_step scsi_check_info(const struct scsi_lu *lu, struct scsi_task *task,
			       uint8_t key, uint16_t asc, uint64_t info);

/*
 * Of a tape, with FILEMARK, EOM and ILI (SCSI_STREAM_*, SPC-4 4.5.2.5) and an
 * INFORMATION field that may be negative. in_len stays: data may come with it.
 */
#define SCSI_STREAM_MARK 0x80u
#define SCSI_STREAM_EOM	 0x40u
#define SCSI_STREAM_ILI	 0x20u
enum scsi_step scsi_check_stream(const struct scsi_lu *lu,
				 struct scsi_task *task, uint8_t key,
				 uint16_t asc, uint8_t flags, int64_t info);

/*
 * ILLEGAL REQUEST, INVALID FIELD IN CDB or IN PARAMETER LIST, with a pointer
 * to the byte, and to the bit unless that is -1 (SPC-4 4.5.2.4.2).
 */
enum scsi_step scsi_bad_cdb(const struct scsi_lu *lu, struct scsi_task *task,
			    uint32_t byte, int bit);
enum scsi_step scsi_bad_list(const struct scsi_lu *lu, struct scsi_task *task,
			     uint32_t byte, int bit);

/* ILLEGAL REQUEST with the code alone. */
enum scsi_step scsi_illegal(const struct scsi_lu *lu, struct scsi_task *task,
			    uint16_t asc);

/*
 * How a failed storage operation is reported: rc as scsi_lu_resume() has it;
 * write chooses WRITE ERROR over UNRECOVERED READ ERROR.
 */
enum scsi_step scsi_storage_failed(const struct scsi_lu *lu,
				   struct scsi_task *task, int rc, bool write);

/*
 * GOOD with data-in: len bytes from buf, cut to the allocation length and to
 * what the initiator has room for.
 */
enum scsi_step scsi_reply(struct scsi_task *task, const uint8_t *buf,
			  uint32_t len, uint32_t alloc_len);

#endif
