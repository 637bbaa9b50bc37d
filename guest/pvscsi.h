/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A PVSCSI controller that a program drives: a device (guest/gdev.h) that
 * finds and loses LUNs, and sends commands through core/scsi_front.
 *
 * Theory of operation
 *
 *     pvscsi_submit() --> [queue] --> a slot with pages --> engine --> ring
 *     done()         <-----------------  copy back  <--------  session_step()
 *
 * There are as many slots as a ring has. Each owns chunk pages that are
 * granted when needed: data in ordinary memory is copied through them, data in
 * memory of pvscsi_memory() is granted itself.
 *
 * A command that is not answered in its time is aborted; if that is not
 * answered in a third of it either, its LUN is reset; if that is not answered, the connection is
 * given up (all its commands end) and begun anew. Commands wait while there is
 * no connection, and their time goes on.
 *
 * All functions belong to the session's thread.
 */
#ifndef GUEST_PVSCSI_H
#define GUEST_PVSCSI_H

#include "core/scsi_front.h"
#include "guest/gdev.h"

/* LUNs that a controller may have, more are not seen. */
#define PVSCSI_LUNS_MAX 256

/* Pieces of one command. */
#define PVSCSI_PIECES_MAX 256

enum pvscsi_stage {
	PVSCSI_QUEUED,
	PVSCSI_SENT,
	PVSCSI_ABORTING,  /* an ABORT was sent */
	PVSCSI_RESETTING, /* and a RESET of the LUN */
};

/* A command. The caller's memory until done(). */
struct pvscsi_cmd {
	/* set by the caller */
	struct scsi_addr addr;
	uint8_t cdb_len;
	uint8_t cdb[WIRE_SCSI_CDB];
	uint8_t dir;	     /* WIRE_SCSI_DIR_* */
	bool reset;	     /* no command, but a reset of the LUN */
	uint32_t timeout_ms; /* not 0 */
	void *data;	     /* any alignment */
	uint32_t len;	     /* bytes, at most pvscsi_max_transfer() */
	/* DATA is memory of gdev_memory(), whose first page has FRAME. */
	bool granted;
	uint64_t frame;
	uint8_t *memory;
	/* Cut the data into pieces of at most so many bytes; 0: as few as
	 * possible. For tests. */
	uint32_t cut;
	uint64_t not_before; /* session's time before which it is not sent */
	void (*done)(struct pvscsi_cmd *cmd);
	void *ctx;

	/*
	 * The result. ERR 0: the backend has answered, RES is what it said
	 * (which may well be an error). Else: -ETIMEDOUT, it was aborted;
	 * -ENODEV, the controller is not there; -ENOTCONN, the connection ended
	 * while it was under way; -EINVAL, it is no command; -EPROTO, the
	 * backend breaks the protocol; -ECANCELED.
	 */
	int err;
	struct scsi_front_result res;

	/* the library's */
	struct pvscsi_cmd *next;
	uint64_t deadline;
	enum pvscsi_stage stage;
	uint16_t tag;
	bool timed_out;
};

struct pvscsi_lun {
	uint32_t dev; /* N of dev-N */
	struct scsi_addr addr;
	uint32_t state; /* of the backend's dev-N, as last seen */
	uint32_t own;	/* of ours */
	bool named;	/* ADDR is known */
	uint32_t block; /* bytes, of a disk that was opened; else 0 */
	bool present;	/* it may be used */
};

struct pvscsi_slot {
	struct pvscsi_cmd *cmd; /* NULL: free */
	uint8_t *chunk;
	uint64_t frame;
	struct front_piece piece[PVSCSI_PIECES_MAX];
};

struct pvscsi {
	struct gdev dev; /* the first member */

	bool running;	   /* the engine has a ring */
	uint32_t segs_max; /* of this backend */

	struct scsi_front *engine;
	void *engine_mem;
	uint32_t peer; /* whom the pages are granted to */
	struct pvscsi_slot *slots;
	uint32_t chunk_len; /* bytes of each slot's chunk */
	uint32_t busy_slots;
	struct pvscsi_cmd *head, **tail; /* queued */
	uint64_t look; /* when to look for commands past their time */
	uint64_t events[SCSI_FRONT_EVENTS]; /* counted */

	struct pvscsi_lun lun[PVSCSI_LUNS_MAX];
	uint32_t nluns;
};

extern const struct gdev_ops pvscsi_device;

/* pvscsi_find - the controller with this number; NULL: there is none (now). */
struct pvscsi *pvscsi_find(struct session *s, uint32_t unit);

/* pvscsi_lun_find - the LUN at this address that may be used, or NULL. */
struct pvscsi_lun *pvscsi_lun_find(struct pvscsi *v, struct scsi_addr addr);

/* pvscsi_submit - send CMD, or queue it. done() is called exactly once, never
 * from inside this. */
void pvscsi_submit(struct pvscsi *v, struct pvscsi_cmd *cmd);

/*
 * pvscsi_cancel - ask the backend to abort CMD, which is not done
 *
 * It ends with whatever comes first: its own answer, or WIRE_SCSI_HOST_ABORT
 * in its result (-ECANCELED if it was still queued).
 */
void pvscsi_cancel(struct pvscsi *v, struct pvscsi_cmd *cmd);

/* pvscsi_exec - submit CMD and step the session until it is done. Return: its
 * err, or that of the session. */
int pvscsi_exec(struct pvscsi *v, struct pvscsi_cmd *cmd) XPV_MUST_CHECK;

/* pvscsi_max_transfer - bytes that one command can move. */
uint32_t pvscsi_max_transfer(const struct pvscsi *v);

/* ---- for the other files of this folder ---- */

/* pvscsi_luns_read - take over what both ends say of LUNs. */
void pvscsi_luns_read(struct pvscsi *v);

/* pvscsi_luns_write - add and remove them, with the nodes that say so. */
void pvscsi_luns_write(struct pvscsi *v, struct gdev_change *c);

#endif
