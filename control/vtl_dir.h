/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The folder of a virtual tape library (doc/vtl-format.md):
 *
 *     library      what it consists of, a text that does not change
 *     inventory    which cartridges there are, and where (lun/state.h)
 *     lock         locked by whoever uses it
 *     BARCODE.tape a cartridge (scsi/cartridge.h)
 *
 * Functions that can fail leave one line in ERR (LEN bytes), without a newline,
 * and return a negative errno.
 */
#ifndef CONTROL_VTL_DIR_H
#define CONTROL_VTL_DIR_H

#include <stddef.h>

#include "lun/vtl.h"
#include "scsi/cartridge.h"

struct vtl {
	int dir, lock;
	struct state inventory;
	char serial[VTL_SERIAL_MAX + 1];
	uint32_t drives, slots, ncarts;
	struct vtl_cart cart[VTL_CARTS_MAX];
};

enum vtl_use {
	VTL_LOOK,   /* at what may be changing */
	VTL_USE,    /* its cartridges go to and fro; others may, too */
	VTL_CHANGE, /* alone */
};

/* What vtl_create() makes; capacity in bytes. */
struct vtl_plan {
	uint32_t drives, slots, tapes, worm;
	uint64_t capacity;
};

/* A new folder PATH with a library in it; nothing is left after an error. */
int vtl_create(const char *path, const struct vtl_plan *plan, char *err,
	       size_t len);

/* -EBUSY: it is used otherwise. */
int vtl_open(struct vtl *v, const char *path, enum vtl_use use, char *err,
	     size_t len);
void vtl_close(struct vtl *v);

/* The cartridge BARCODE, or NULL; the one at ADDRESS, or NULL. */
struct vtl_cart *vtl_find(struct vtl *v, const char *barcode);
struct vtl_cart *vtl_at(struct vtl *v, uint32_t address);

/* The lowest slot without a cartridge; CHANGER_NOWHERE: there is none. */
uint16_t vtl_free_slot(struct vtl *v);

/* The file of the cartridge; FLAGS are of open(2). */
int vtl_open_cart(const struct vtl *v, const struct vtl_cart *c, int flags,
		  char *err, size_t len);

/* A new cartridge in the free slot; its file, empty, in *FD and *C. Is in the
 * inventory when that is saved. */
int vtl_add(struct vtl *v, const char *barcode, uint64_t capacity,
	    uint32_t flags, struct cart *c, int *fd, char *err, size_t len);

/* Take back what vtl_add() has made, the last one. */
void vtl_add_undo(struct vtl *v);

/* Write down where all are. */
int vtl_save(struct vtl *v, char *err, size_t len);

#endif
