/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A SCSI logical unit as an engine (DESIGN of engines: doc/architecture.md):
 * it decodes a CDB, checks it, and answers it either at once or by asking its
 * caller for storage operations, one after the other. It does no I/O itself.
 *
 *     scsi_lu_start() -> SCSI_STEP_DONE   status, sense and data are in the task
 *                     -> SCSI_STEP_IO     do task->io, then scsi_lu_resume()
 *                     -> SCSI_STEP_WAIT   an earlier task is in the way; it will
 *                                         come back out of scsi_lu_next()
 *     scsi_lu_resume() -> DONE or IO
 *     scsi_lu_next()   after each DONE, until it returns NULL: a task that has
 *                      waited and may go on: scsi_lu_resume(lu, task, 0)
 *
 * One logical unit belongs to one thread. All memory is the caller's.
 *
 * Ordering: a task waits for every earlier one whose blocks overlap its own,
 * unless both only read. So a write never overtakes a read or write of the
 * same blocks, and COMPARE AND WRITE is atomic against all of them. Tasks that
 * do not overlap run side by side; SYNCHRONIZE CACHE waits for nobody.
 *
 * What is checked, in this order (SAM-5 5.3.3): unit attentions of a reset or
 * power on, operation code, reservations, other unit attentions, reserved bits
 * of the CDB, readiness, write protection, and then the command's own fields.
 *
 * Data: data-in is cut to the room the initiator has. A READ into less room
 * than it asks for reads what fits and is GOOD: the initiator has said how much
 * it wants, and the residual is about its buffer. Data-out shorter than the
 * CDB says is refused before anything is done: with INVALID FIELD IN COMMAND
 * INFORMATION UNIT where blocks are missing, with PARAMETER LIST LENGTH ERROR
 * where a part of a list is. Bytes beyond what the CDB asks for are not looked
 * at, except by WRITE SAME, where they say that the initiator means something
 * else than we would do.
 */
#ifndef SCSI_LU_H
#define SCSI_LU_H

#include "scsi/cdb.h"
#include "scsi/mode.h"
#include "scsi/reserve.h"
#include "scsi/task.h"
#include "scsi/vpd.h"
#include "wire/port.h"

/*
 * Unit attention conditions, SAM-5 5.14. Those up to SCSI_UA_RESET_LAST come
 * before RESERVATION CONFLICT, the others after it (SAM-5 5.3.3).
 */
enum scsi_ua {
	SCSI_UA_POWER_ON,
	SCSI_UA_RESET,
	SCSI_UA_NEXUS_LOSS,
	SCSI_UA_RESET_LAST = SCSI_UA_NEXUS_LOSS,
	SCSI_UA_MODE,
	SCSI_UA_CAPACITY,
	SCSI_UA_RESERVATIONS_PREEMPTED,
	SCSI_UA_RESERVATIONS_RELEASED,
	SCSI_UA_REGISTRATIONS_PREEMPTED,
	SCSI_UA_COMMANDS_CLEARED,
	SCSI_UA_LUNS,
	SCSI_UA_MEDIUM,
	SCSI_UA_COUNT,
};

struct scsi_lu_cfg;

#define SCSI_KEEP_OWN_MAX 128u

/* What a kind of logical unit is; one constant per kind. */
struct scsi_lu_type {
	const char *name;
	uint8_t peripheral; /* SPC-4 table 142 */
	uint32_t op_count;
	const struct scsi_op *ops; /* before those that every type has */
	uint32_t vpd_count;
	const struct scsi_vpd_page *vpd; /* likewise; page codes rising */
	uint32_t mode_count;
	const struct scsi_mode_page *const *mode; /* page codes rising */
	uint32_t version_count;
	uint16_t version[4]; /* version descriptors (SPC-4 6.6.2) but SPC */
	bool removable;	     /* the medium is: RMB of INQUIRY */
	/* Can there be a unit of this type that is as CFG says? */
	bool (*cfg_ok)(const struct scsi_lu_cfg *cfg);
	/* The sense code of why the unit is not ready, or 0. */
	uint16_t (*not_ready)(const struct scsi_lu *lu);
	/* LOGICAL UNIT RESET, besides what is done for every type; or NULL. */
	void (*reset)(struct scsi_lu *lu);
	/* What MODE SENSE and MODE SELECT have besides pages. */
	struct scsi_mode_frame frame;
	/*
	 * What scsi/keep is to keep besides what every type has, at most
	 * SCSI_KEEP_OWN_MAX bytes, and back; or NULL. take_over() may not like
	 * what it gets: false.
	 */
	uint32_t (*keep)(const struct scsi_lu *lu, uint8_t *out);
	bool (*take_over)(struct scsi_lu *lu, const uint8_t *own, uint32_t len);
};

/*
 * What the caller wants the unit to be. Zeroed members are defaults; blocks,
 * block_size (where the type has them) and type have none.
 */
struct scsi_lu_cfg {
	const struct scsi_lu_type *type;
	void *own; /* what the type keeps, see its header */
	uint64_t blocks;
	uint32_t block_size;	   /* bytes; which: the type's matter */
	uint8_t physical_exponent; /* a physical block is 2^n logical ones */
	bool read_only;
	bool thin;	       /* DISCARD and ZERO with unmap are useful */
	bool discard_zeroes;   /* discarded blocks read as zeroes (LBPRZ) */
	bool rotational;       /* else: says it is a solid state medium */
	bool no_write_cache;   /* completed writes are on stable storage */
	bool shared;	       /* others use the medium without us: what must
				  know of them (reservations, COMPARE AND
				  WRITE) is not offered */
	bool can_save;	       /* the caller can do SCSI_IO_SAVE (APTPL) */
	bool resumed;	       /* taken over from a dead process: initiators
				  must not notice; no unit attention */
	char serial[21];       /* up to 20 of ASCII 0x21 to 0x7e, or empty */
	char vendor[9];	       /* up to 8 of 0x20 to 0x7e; "XENPV" */
	char product[17];      /* up to 16; the type's name */
	char revision[5];      /* up to 4; "0001" */
	uint64_t naa;	       /* NAA identifier (SPC-4 7.8.6.6), 0: none */
	uint32_t max_transfer; /* blocks in one command, 0: no limit */
	uint32_t optimal_transfer;	/* blocks, 0: not told */
	uint32_t unmap_granularity;	/* blocks, 0: not told */
	uint32_t max_unmap_blocks;	/* in one UNMAP; 0xffffffff: no limit */
	uint32_t max_unmap_descriptors; /* in one UNMAP; 256 */
	uint32_t max_write_same;	/* blocks, 0x400000 */
};

/* What the unit knows of one initiator. */
struct scsi_nexus {
	uint64_t initiator;
	bool known;   /* scsi_lu_nexus() was called */
	bool prevent; /* PREVENT ALLOW MEDIUM REMOVAL is in force */
	uint8_t ua_count;
	uint8_t ua[SCSI_UA_COUNT]; /* enum scsi_ua, oldest first, once each */
};

/* The unit. Its members are its own; the caller only provides the room. */
struct scsi_lu {
	struct scsi_lu_cfg cfg;
	struct scsi_mode mode;
	bool stopped; /* by START STOP UNIT */
	struct scsi_nexus nexus[SCSI_NEXUS_MAX];
	struct scsi_task *first, *last; /* not DONE yet, oldest first */
	uint32_t old_holder;   /* RESERVE(6): nexus, SCSI_NEXUS_MAX when none */
	struct scsi_pr pr;     /* in force */
	struct scsi_pr pr_new; /* in force when it has been saved */
	uint32_t image_len;
	uint8_t image[SCSI_PR_IMAGE_MAX];
};

/*
 * Makes a unit from cfg, which is copied. Every nexus has a POWER ON unit
 * attention then, unless cfg->resumed.
 * Errors: XPV_EINVAL when cfg asks for something that cannot be.
 */
int scsi_lu_init(struct scsi_lu *lu,
		 const struct scsi_lu_cfg *cfg) XPV_MUST_CHECK;

/*
 * Names the initiator behind a nexus index (below SCSI_NEXUS_MAX), before its
 * first command. The id is what persistent reservations are kept for: the same
 * initiator must get the same id after a restart, different ones must differ.
 * A nexus that was never named has UINT64_MAX - index as id.
 */
void scsi_lu_nexus(struct scsi_lu *lu, uint32_t index, uint64_t initiator_id);

/*
 * The initiator is gone (I_T nexus loss, SAM-5 6.3.4): its RESERVE and its
 * prevention of medium removal end; persistent reservations stay. The index
 * may be named anew. The caller cancels its tasks.
 */
void scsi_lu_nexus_lost(struct scsi_lu *lu, uint32_t index);

/*
 * A new command. Returns DONE, IO or WAIT (see above). The nexus must be below
 * SCSI_NEXUS_MAX and the scratch space large enough: asserted.
 */
enum scsi_step scsi_lu_start(struct scsi_lu *lu, struct scsi_task *task);

/*
 * The task's io is finished with rc, or (rc 0) a task from scsi_lu_next() is
 * to go on. rc is 0 or an enum xpv_err:
 *   XPV_ENOSPC     DATA PROTECT, SPACE ALLOCATION FAILED WRITE PROTECT
 *   XPV_EROFS      DATA PROTECT, WRITE PROTECTED
 *   XPV_ECANCELED  TASK ABORTED
 *   XPV_ENOTSUP    an operation with a substitute is done in another way: ZERO
 *                  of WRITE SAME by writing, EXTENT by telling "mapped",
 *                  DISCARD by ZERO where zeroes were promised, else not at
 *                  all; any other operation fails as below
 *   any other      MEDIUM ERROR, UNRECOVERED READ ERROR or WRITE ERROR;
 *                  HARDWARE ERROR for SAVE
 * Returns DONE or IO.
 */
enum scsi_step scsi_lu_resume(struct scsi_lu *lu, struct scsi_task *task,
			      int rc);

/*
 * A task that has waited and may go on now, or is cancelled, or NULL. Call it
 * after every DONE (and after scsi_task_cancel()) until it returns NULL.
 */
struct scsi_task *scsi_lu_next(struct scsi_lu *lu);

/*
 * LOGICAL UNIT RESET (SAM-5 6.3.3): ends RESERVE(6) and (10), prevention of
 * medium removal and mode page changes, and raises a unit attention for every
 * nexus. Persistent reservations stay. The caller cancels the tasks that are
 * with the unit, with scsi_task_cancel().
 */
void scsi_lu_reset(struct scsi_lu *lu);

/*
 * The storage has another size now. Raises CAPACITY DATA HAS CHANGED. Tasks
 * that are under way beyond a new end get the storage's error.
 */
void scsi_lu_resize(struct scsi_lu *lu, uint64_t blocks);

/* Raises a unit attention for one nexus, or for all but one. */
void scsi_lu_attention(struct scsi_lu *lu, uint32_t nexus, enum scsi_ua ua);
void scsi_lu_attention_others(struct scsi_lu *lu, uint32_t nexus,
			      enum scsi_ua ua);

/* The sense code that tells of a unit attention. */
uint16_t scsi_ua_code(enum scsi_ua ua);

/* scsi_lu_attention() by its sense code; nothing for one that no unit has. */
void scsi_lu_attention_code(struct scsi_lu *lu, uint32_t nexus, uint16_t code);

/* Takes a unit attention away again: it was told in another way. */
void scsi_lu_attention_clear(struct scsi_lu *lu, uint32_t nexus,
			     enum scsi_ua ua);

/* Has any initiator prevented the removal of the medium? */
bool scsi_lu_prevented(const struct scsi_lu *lu);

/* The sense code of the oldest unit attention of the nexus; 0: there is none.
 * It is taken away with it. */
uint16_t scsi_lu_attention_take(struct scsi_lu *lu, uint32_t nexus);

/* Writes are refused: the sense code why, or 0. */
uint16_t scsi_lu_write_protected(const struct scsi_lu *lu);

/* The id that reservations of the nexus belong to. */
uint64_t scsi_lu_initiator(const struct scsi_lu *lu, uint32_t nexus);

/* The rows of the operation code table that every type has. */
extern const struct scsi_op scsi_common_ops[];
extern const uint32_t scsi_common_op_count;

#endif
