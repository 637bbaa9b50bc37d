/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtual tape library in a worker: what the LUNs of its changer and drives
 * (lun/changer.c, lun/tape.c) have in common. All of them are on one controller,
 * so in one thread.
 *
 * Its files come through a socket that control has filled (struct vtl_hello).
 */
#ifndef LUN_LIBRARY_H
#define LUN_LIBRARY_H

#include "lun/emulated.h"
#include "lun/vtl.h"
#include "scsi/lu_tape.h"

struct library;

/* A drive that is a LUN. */
struct library_drive {
	struct emulated e; /* its storage is the cartridge's */
	struct scsi_tape tape;
	struct library *library;
	uint32_t number;
};

/*
 * The library whose files come from FD, or the same one if a LUN of this thread
 * has it already; waits until a dead process is done with them. 0 or a negative
 * errno; FD stays the caller's.
 */
int library_get(struct library **out, int fd, struct uring *u);
void library_put(struct library *l);

/* The table of elements, for the changer's unit. */
struct scsi_changer *library_changer(struct library *l);

/* Put the cartridge that is in D, zeroed but for its number, into d->tape, and
 * have D told of others. -EBUSY: there is another such drive; -ENODEV: there is
 * no such number. */
int library_join(struct library *l, struct library_drive *d);
void library_leave(struct library_drive *d);

/* SCSI_IO_MOVE and SCSI_IO_SWAP, as scsi/lu_changer.h has them. */
int library_move(struct library *l, uint32_t from, uint32_t to);
int library_exchange(struct library *l, uint32_t from, uint32_t to,
		     uint32_t second);

#endif
