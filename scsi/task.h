/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One SCSI command on its way through a logical unit, and the storage
 * operations it may ask for. How it travels is told in scsi/lu.h.
 */
#ifndef SCSI_TASK_H
#define SCSI_TASK_H

#include "wire/port.h"

#define SCSI_CDB_MAX   16
#define SCSI_SENSE_MAX 96

/* SAM-5 5.3.1: status codes */
enum scsi_status {
	SCSI_GOOD = 0x00,
	SCSI_CHECK_CONDITION = 0x02,
	SCSI_CONDITION_MET = 0x04,
	SCSI_BUSY = 0x08,
	SCSI_RESERVATION_CONFLICT = 0x18,
	SCSI_TASK_SET_FULL = 0x28,
	SCSI_TASK_ABORTED = 0x40,
};

enum scsi_step {
	SCSI_STEP_DONE,
	SCSI_STEP_IO,
	SCSI_STEP_WAIT,
};

/* What a logical unit may ask of the storage behind it. */
enum scsi_io_op {
	SCSI_IO_READ,	 /* offset, len, buf */
	SCSI_IO_WRITE,	 /* offset, len, buf, fua */
	SCSI_IO_FLUSH,	 /* all completed writes are on stable storage */
	SCSI_IO_DISCARD, /* offset, len: may be unmapped; reads as zeroes */
	SCSI_IO_ZERO,	 /* offset, len, unmap, fua: reads as zeroes after */
	SCSI_IO_EXTENT,	 /* offset, len: how far does one allocation state go;
			    answer in extent_len and extent_mapped */
	SCSI_IO_SAVE,	 /* buf, len: keep these bytes of state over a restart,
			    all or nothing, before the result is reported */
	SCSI_IO_CUT,	 /* offset: nothing is there any more from here on */
	SCSI_IO_MOVE,	 /* offset, len: a cartridge goes from element number
			    offset to number len (scsi/lu_changer.h), all or
			    nothing; and stays there over a restart */
	SCSI_IO_SWAP,	 /* the same, and what is in number len goes to number
			    second, which may be offset */
};

struct scsi_io {
	enum scsi_io_op op;
	bool fua;	     /* WRITE, ZERO: on stable storage at completion */
	bool unmap;	     /* ZERO: the blocks may be deallocated */
	uint64_t offset;     /* bytes from the start of the storage */
	uint64_t len;	     /* bytes, a multiple of the block size; not 0 */
	uint64_t second;     /* SWAP */
	uint8_t *buf;	     /* inside the task's data or scratch, or the LU's
				state; stays as it is until resume */
	uint64_t extent_len; /* EXTENT, set by the caller before resume */
	bool extent_mapped;  /* EXTENT, likewise */
};

/*
 * One command. The caller fills the first part after scsi_task_init(), and
 * leaves all of it alone, except io's answers, until DONE. It is not copied
 * nor moved while it is with the logical unit.
 */
struct scsi_task {
	/* the command */
	uint8_t cdb[SCSI_CDB_MAX];
	uint8_t cdb_len;      /* valid bytes of cdb */
	uint32_t nexus;	      /* which initiator: index below SCSI_NEXUS_MAX */
	uint8_t *data;	      /* data-out is here at start; data-in goes here */
	uint32_t out_len;     /* bytes of data-out the initiator sent */
	uint32_t in_max;      /* bytes of data-in the initiator has room for */
	uint8_t *scratch;     /* the LU's to use during the task */
	uint32_t scratch_len; /* at least SCSI_SCRATCH_MIN */
	/* the answer, valid at DONE */
	uint8_t status;	   /* enum scsi_status */
	uint8_t sense_len; /* 0 when there is none */
	uint8_t sense[SCSI_SENSE_MAX];
	uint32_t in_len;   /* bytes of data-in to send, at most in_max */
	uint32_t residual; /* bytes of out_len or in_max not transferred */
	/* what is wanted, valid at IO */
	struct scsi_io io;
	/* the logical unit's own */
	const struct scsi_op *op;
	struct scsi_task *next;
	uint64_t lba, blocks; /* range touched, for ordering; blocks 0 = none */
	uint64_t pos;	      /* progress in multi-step commands */
	uint32_t phase;
	uint32_t out_used; /* bytes of data-out that were consumed */
	uint8_t access;	   /* enum scsi_access */
	bool listed, waiting, cancelled;
};

/* Space for one block of 4096 bytes twice, and room to work in. */
#define SCSI_SCRATCH_MIN (64u * 1024u)

/* Makes a task empty; the caller fills in the command after it. */
void scsi_task_init(struct scsi_task *task);

/*
 * Says that the answer is no longer wanted (ABORT TASK and the resets, SAM-5
 * 7). Does not end the task: one that has an io under way ends when
 * scsi_lu_resume() is next called for it, with TASK ABORTED and no more io;
 * one that waits comes out of scsi_lu_next() at once and ends the same way. A
 * write that is under way may or may not reach the medium.
 */
void scsi_task_cancel(struct scsi_task *task);

#endif
