/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A CD/DVD-ROM drive (MMC-6) with a medium of one data track, as an image of a
 * file system is (.iso). What fits on a CD is one, what is larger is a DVD.
 *
 * The drive has a tray, as the ones that systems know have. The initiator opens
 * and closes it (START STOP UNIT); what lies in it is the caller's matter:
 *
 *     scsi_cdrom_leave()    no new command reaches the medium from here on;
 *                           when none of the old ones is left:
 *     scsi_cdrom_insert()   another medium, or none, lies in the closed tray
 *
 * Initiators see NOT READY, BECOMING READY in between, and after it the unit
 * attention NOT READY TO READY CHANGE and the media event.
 */
#ifndef SCSI_LU_CDROM_H
#define SCSI_LU_CDROM_H

#include "scsi/lu.h"

/* Bytes of a block: user data of a mode 1 sector. */
#define SCSI_CDROM_BLOCK 2048u

/* For scsi_lu_cfg.own; its members are the unit's own. */
struct scsi_cdrom {
	bool medium;  /* one lies in the tray */
	bool open;    /* the tray is */
	bool leaving; /* between scsi_cdrom_leave() and scsi_cdrom_insert() */
	/* What GET EVENT STATUS NOTIFICATION has not told yet. */
	bool new_medium, removed, eject_wanted;
};

/*
 * For scsi_lu_cfg.type. cfg.own is a struct scsi_cdrom, all zeroes; block_size
 * is SCSI_CDROM_BLOCK; blocks 0: the tray is empty.
 */
extern const struct scsi_lu_type scsi_cdrom;

/* See above. */
void scsi_cdrom_leave(struct scsi_lu *lu);

/*
 * BLOCKS 0: none. Prevention of removal ends. If nothing was changed after
 * scsi_cdrom_leave(), because the new medium was not to be had, give the old
 * number of blocks.
 */
void scsi_cdrom_insert(struct scsi_lu *lu, uint64_t blocks);

/*
 * Somebody has pressed the button: initiators that have prevented the removal
 * are told that it is wanted (media event EJECT REQUEST, MMC-6 table 332).
 */
void scsi_cdrom_want_eject(struct scsi_lu *lu);

/* The state in scsi_lu_cfg.own. */
struct scsi_cdrom *scsi_cdrom_of(const struct scsi_lu *lu);

#endif
