/* SPDX-License-Identifier: BSD-2-Clause */
/* What control, which opens it, and a worker, which uses it, both know of a
 * virtual tape library (doc/vtl-format.md). */
#ifndef LUN_VTL_H
#define LUN_VTL_H

#include "lun/state.h"
#include "scsi/lu_changer.h"

#define VTL_CARTS_MAX  200u
#define VTL_SERIAL_MAX 16u

struct vtl_cart {
	char barcode[CART_BARCODE_MAX + 1];
	uint16_t at;	 /* address of an element, scsi/lu_changer.h */
	uint16_t source; /* the slot it came from, or CHANGER_NOWHERE */
};

/* The inventory: an image of N cartridges, in OUT (STATE_MAX bytes), and back;
 * false: it is damaged. */
uint32_t vtl_inventory_put(const struct vtl_cart *cart, uint32_t n,
			   uint8_t *out);
bool vtl_inventory_get(const uint8_t *image, uint32_t len,
		       struct vtl_cart *cart, uint32_t *n);

/* "slot 3", "drive 0" into OUT (16 bytes). */
void vtl_place_name(uint32_t address, char *out);

/* Unit serial number of a drive, or (DRIVE -1) of the changer, into OUT
 * (CHANGER_SERIAL_MAX + 1 bytes). */
void vtl_serial(const char *serial, int drive, char *out);

#define VTL_VERSION 1
#define VTL_FDS_MAX 64 /* in one message */

/*
 * How control gives a worker its files: messages in a socket (SOCK_SEQPACKET).
 * The first has the descriptors of lock and inventory. Then come those of the
 * cartridges, in the inventory's order, each message with their number.
 */
struct vtl_hello {
	uint32_t version;
	uint32_t drives, slots, carts;
	char serial[VTL_SERIAL_MAX + 1];
};

#endif
