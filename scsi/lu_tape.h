/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A tape drive (SSC-4) as LTO drives are, for cartridges that are files
 * (scsi/cartridge.h). One cartridge is in it, or none; it comes and goes by a
 * changer, or however the caller likes:
 *
 *     scsi_tape_insert()    it is in, loaded, and at its beginning
 *     scsi_tape_remove()    it is out
 *
 * Its commands are executed one after the other. What is asked of the caller
 * is about the file of the cartridge: SCSI_IO_READ, WRITE, CUT and FLUSH.
 *
 * What was acknowledged is with the caller's storage: a WRITE is answered when
 * its record was written there, not before. On stable storage, with a new
 * checkpoint in the label, it is after each command that moves the tape
 * otherwise than by reading on or writing on, or ends: WRITE FILEMARKS without
 * IMMED, REWIND, SPACE, LOCATE, LOAD UNLOAD, ERASE; after each WRITE in
 * unbuffered mode, and else after some 64 MiB.
 *
 * Writing where something is cuts off all that comes behind, first: the label
 * says so, then the file ends there, each on stable storage before the next
 * step. So what comes back after a crash is never a record that was
 * overwritten.
 */
#ifndef SCSI_LU_TAPE_H
#define SCSI_LU_TAPE_H

#include "scsi/cartridge.h"
#include "scsi/lu.h"

/* What is left to be done before a command, or at its end. */
enum scsi_tape_need {
	TAPE_NEED_NOTHING,
	TAPE_NEED_SYNC, /* all on stable storage, and in the label */
	TAPE_NEED_CUT,	/* nothing behind the place where the tape stands */
};

/* The step of that under way. */
enum scsi_tape_pre {
	TAPE_PRE_NONE,
	TAPE_PRE_FLUSH,
	TAPE_PRE_LABEL,
	TAPE_PRE_CUT_LABEL,
	TAPE_PRE_CUT_LABEL_FLUSH,
	TAPE_PRE_CUT,
	TAPE_PRE_CUT_FLUSH,
	TAPE_PRE_DONE,
};

/* For scsi_lu_cfg.own; its members are the unit's own. */
struct scsi_tape {
	bool present, loaded;
	bool unsynced; /* there are records behind the checkpoint */
	bool stale;    /* there may be something behind the last record */
	struct cart cart;
	struct cart_place at; /* where the tape stands */
	/* The end as initiators know it, when a dead process was here. */
	uint64_t known_end;
	uint64_t bytes_read, bytes_written;
	/* The command under way. */
	enum scsi_tape_need need;
	enum scsi_tape_pre pre;
	struct cart_place label; /* the next checkpoint */
	struct cart_place to;	 /* SPACE, LOCATE: how far it is */
	bool fixed;
	bool asked;	       /* an operation of its own is under way */
	bool head;	       /* ... and is the header of a long block */
	uint32_t each;	       /* bytes of a block */
	uint64_t todo, target; /* records */
	uint32_t done;	       /* bytes of data */
	uint32_t batch;	       /* records that are being written */
	uint32_t copy;	       /* bytes that are being read */
	uint64_t buf_at;       /* what of the file is in the scratch space */
	uint32_t buf_len;
	struct cart_record record;
};

/*
 * For scsi_lu_cfg.type. cfg.own is a struct scsi_tape, all zeroes, or with
 * present, loaded, and cart set and the tape at cart_start(); blocks and
 * block_size are 0.
 */
extern const struct scsi_lu_type scsi_tape;

/* See above. CART was loaded: c->end is right, and the file ends there. */
void scsi_tape_insert(struct scsi_lu *lu, const struct cart *c);

/*
 * XPV_EBUSY: a command is with it; XPV_EACCES: an initiator has prevented the
 * removal. The caller syncs what is not, see scsi_tape_of(lu)->unsynced, before
 * it calls this.
 */
int scsi_tape_removable(const struct scsi_lu *lu);
void scsi_tape_remove(struct scsi_lu *lu);

/*
 * LU has taken over from a dead process, which had begun TASK: make it so that
 * TASK may be executed. BEFORE: the state before TASK, if the process had come
 * to its end, as scsi_lu_type.keep() had it; else NULL. False: it cannot be.
 */
bool scsi_tape_again(struct scsi_lu *lu, const struct scsi_task *task,
		     const uint8_t *before, uint32_t len);

/* The state in scsi_lu_cfg.own. */
struct scsi_tape *scsi_tape_of(const struct scsi_lu *lu);

/* LTO-6, as its drives tell it. */
#define TAPE_DENSITY 0x5a

/* Bytes before the end of the cartridge where writers are warned. */
uint64_t scsi_tape_warning(const struct cart *c);

#endif
