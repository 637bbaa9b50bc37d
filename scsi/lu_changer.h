/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A medium changer (SMC-3): one transport, drives, slots. Where each cartridge
 * is, is a table of the caller's, which the unit changes when the caller has
 * done SCSI_IO_MOVE or SCSI_IO_SWAP for it. Their results:
 *   XPV_EBUSY   a drive has a command under way: BUSY, try again
 *   XPV_EACCES  the removal from a drive is prevented
 */
#ifndef SCSI_LU_CHANGER_H
#define SCSI_LU_CHANGER_H

#include "scsi/cartridge.h"
#include "scsi/lu.h"

#define CHANGER_DRIVES_MAX 8u
#define CHANGER_SLOTS_MAX  200u
#define CHANGER_SERIAL_MAX 20u

/* Addresses of elements. */
#define CHANGER_TRANSPORT 0x0000u
#define CHANGER_DRIVE	  0x0100u
#define CHANGER_SLOT	  0x0400u
#define CHANGER_NOWHERE	  0xffffu

struct scsi_element {
	char barcode[CART_BARCODE_MAX + 1]; /* of what is in it; "": empty */
	uint16_t source; /* the slot it came from; CHANGER_NOWHERE */
};

/* For scsi_lu_cfg.own. */
struct scsi_changer {
	uint32_t drives, slots;
	/* Drives, then slots. */
	struct scsi_element element[CHANGER_DRIVES_MAX + CHANGER_SLOTS_MAX];
	/* Unit serial numbers, by which initiators find a drive's own unit. */
	char serial[CHANGER_DRIVES_MAX][CHANGER_SERIAL_MAX + 1];
};

/* For scsi_lu_cfg.type; blocks and block_size are 0. */
extern const struct scsi_lu_type scsi_changer;

/* The state in scsi_lu_cfg.own. */
struct scsi_changer *scsi_changer_of(const struct scsi_lu *lu);

/* The number in the table of the element at ADDRESS; -1: there is none. */
int scsi_changer_element(const struct scsi_changer *c, uint32_t address);

/* The address of element number I. */
uint16_t scsi_changer_address(const struct scsi_changer *c, uint32_t i);

/* The cartridge of element FROM goes to TO, which is empty. */
void scsi_changer_moved(struct scsi_changer *c, uint32_t from, uint32_t to);

/* The same, but TO is not empty: its cartridge goes to SECOND, which is empty or
 * FROM. */
void scsi_changer_exchanged(struct scsi_changer *c, uint32_t from, uint32_t to,
			    uint32_t second);

#endif
