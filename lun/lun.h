/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a SCSI command reaches. A LUN belongs to one queue thread. One file per
 * kind of LUN, each ending in one struct lun_type; lun_types[] lists them.
 *
 * A command is handed in by submit() and comes back through its done(), once,
 * from within submit(), cancel() or uring_reap(). A LUN may have put data-in
 * elsewhere and task.data there: it stays until the next turn of the path, which
 * copies it to the guest.
 */
#ifndef LUN_LUN_H
#define LUN_LUN_H

#include <stdint.h>

#include "host/uring.h"
#include "scsi/task.h"
#include "storage/storage.h"
#include "wire/scsi.h"

struct lun;

/* A command under way. The queue fills in task's first part, done, index and
 * again. */
struct lun_cmd {
	struct scsi_task task;
	uint32_t index; /* of its request on the ring */
	bool again;	/* a dead process may have executed it */
	uint8_t host;	/* enum wire_scsi_host, set at done */
	void (*done)(struct lun_cmd *cmd);
	/* the LUN's own */
	struct lun *lun;
	struct storage_io io;
	bool io_busy;
	bool moved; /* lun/keep: it can be taken back */
	struct lun_cmd *next;
	void *own;
};

/*
 * What control found out about a LUN; the descriptors become the LUN's. Of a
 * real device (sg, iscsi) most is its own matter: fd, state_fd, block_size (of
 * disks, otherwise 0), max_transfer, depth, shared and fenced are used.
 */
struct lun_cfg {
	const struct storage_driver *storage; /* NULL unless type->stored */
	const char *storage_args;	      /* struct storage_cfg */
	int fd;		/* of the storage, or -1; sg: O_PATH, of the sg node;
			 * iscsi: a connection, -1: there is no target */
	int state_fd;	/* for what must outlive a restart, or -1; sg: what is
			 kept open so that the host does not use it; iscsi: a
			 struct iscsi_login */
	uint64_t size;	/* bytes; 0: there is no medium */
	uint32_t depth; /* commands that the device takes at once, 0: any */
	uint32_t block_size, phys_size, discard_granularity; /* bytes */
	uint32_t max_transfer; /* bytes one command can carry */
	int keep_fd; /* for what a successor must know (lun/keep), or -1 */
	bool read_only, discard, zero, rotational;
	bool shared;	/* other guests use the storage, too */
	bool resumed;	/* a dead process had it: initiators must not notice */
	bool fenced;	/* and what it had begun has ended: of sg */
	uint64_t fence; /* struct storage_cfg */
	void (*lost)(void); /* likewise */
	uint64_t naa, initiator;
	const char *serial, *product;
};

struct lun_type {
	const char *name;
	bool stored; /* over a storage, of cfg.size bytes */
	/* 0 or a negative errno; then the descriptors stay the caller's. */
	int (*open)(struct lun **out, const struct lun_cfg *cfg,
		    struct uring *u);
	void (*submit)(struct lun *l, struct lun_cmd *cmd);
	/* Please end CMD early; it is done all the same, once. */
	void (*cancel)(struct lun *l, struct lun_cmd *cmd);
	/* LOGICAL UNIT RESET; no command is under way. */
	void (*reset)(struct lun *l);
	/*
	 * CMD is one that a dead process had begun: may it be submitted, with
	 * the same end as if it were the first time? Called for all of them, in
	 * the order of their requests. NULL: scsi/again knows.
	 */
	bool (*again)(struct lun *l, const struct lun_cmd *cmd);
	/* A command that a dead process had begun is not executed: nobody knows
	 * whether it was. Initiators hear of it (29/00). */
	void (*lost)(struct lun *l);
	/* CMD, which was done, is answered; only called while told is set. */
	void (*answered)(struct lun *l, const struct lun_cmd *cmd);
	/* Another LUN of its target has come or gone (3F/0E). */
	void (*luns_changed)(struct lun *l);
	/* No command is under way. */
	void (*close)(struct lun *l);
	/*
	 * Another medium, the storage of CFG, or none: size 0. NULL: not a
	 * drive whose media come from outside; else the size may be 0 at
	 * open(), too. 0: it is on its way while changing(); a negative errno:
	 * nothing has changed, the descriptors are the caller's: -EALREADY: one
	 * is on its way; -EBUSY: the guest has prevented the removal, and FORCE
	 * is not given (it is told that its medium is wanted).
	 */
	int (*change)(struct lun *l, const struct lun_cfg *cfg, bool force);
	bool (*changing)(const struct lun *l);
};

/* Every LUN starts with this. */
struct lun {
	const struct lun_type *type;
	uint8_t peripheral; /* SPC-4 table 142; 0x1f: not known */
	bool told; /* wants to know (answered) that a command of it, which has
		      ended, has been answered */
	/* What a dead process had begun has ended before this was opened: its
	 * writes may be done again. */
	bool fenced;
};

/* NULL-terminated. */
extern const struct lun_type *const lun_types[];

extern const struct lun_type lun_cdrom;
extern const struct lun_type lun_changer;
extern const struct lun_type lun_emulated;
extern const struct lun_type lun_iscsi;
extern const struct lun_type lun_sg;
extern const struct lun_type lun_tape;

/* The type called NAME, or NULL. */
const struct lun_type *lun_find(const char *name);

#endif
