/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A disk: asynchronous reads, writes, flush, unmap and zeroes of bytes. It is a
 * LUN of a controller (guest/pvscsi.h), then they are CDBs of SBC-3, or a block
 * device (guest/vbd.h).
 *
 *     struct vdisk_io io = {.op = DISK_READ, .offset = 0, .len = 4096,
 *                          .data = buf, .done = fn};
 *     vdisk_submit(&d, &io);      ... session_step() ... fn(&io)
 *
 * Any number may be outstanding; the memory of each is the caller's until its
 * done(). An io longer than one command can move becomes several, one after the
 * other. A LUN's unit attentions, a busy device and a lost connection are met by trying
 * again, within the io's time. Offsets and lengths are multiples of the block.
 *
 * All functions belong to the session's thread.
 */
#ifndef GUEST_DISK_H
#define GUEST_DISK_H

#include "guest/pvscsi.h"
#include "guest/vbd.h"

/* Sense data as far as it matters here; all 0 if there is none. */
struct vdisk_sense {
	uint8_t key;
	uint16_t asc; /* with its qualifier in the low byte */
};

struct vdisk {
	struct gdev *dev; /* one of these two */
	struct pvscsi *v; /* a LUN of it, at */
	struct scsi_addr addr;
	struct vbd *b;
	uint32_t timeout_ms; /* of each command; may be changed */

	/* what it is; see vdisk_open() */
	uint8_t type; /* INQUIRY's peripheral device type; 0 is a disk */
	char vendor[9], product[17], revision[5]; /* a LUN's, else empty */
	bool has_blocks;			  /* what follows is known */
	uint64_t blocks;			  /* of block bytes each */
	uint32_t block;	    /* bytes: 512 or 4096, a power of two */
	uint32_t physical;  /* bytes of a physical block */
	uint32_t transfer;  /* bytes that one command may move */
	uint32_t unmap_max; /* blocks of one DISK_UNMAP; 0: not offered */
	uint32_t zero_max;  /* blocks of one WRITE SAME; 0: not offered */
	bool zero_unmap;    /* WRITE SAME may unmap */
	bool write_protected;
	bool fua; /* FUA in writes is understood */
};

enum vdisk_op {
	DISK_READ,
	DISK_WRITE,
	DISK_FLUSH, /* no offset, no length */
	DISK_UNMAP,
	DISK_ZERO, /* -EOPNOTSUPP where there is no WRITE SAME */
};

struct vdisk_io {
	/* set by the caller */
	enum vdisk_op op;
	bool fua;	      /* WRITE, ZERO: on the medium when done */
	bool may_unmap;	      /* ZERO: the blocks need no space afterwards */
	uint64_t offset, len; /* bytes */
	void *data;
	/* DATA is granted memory: as in struct pvscsi_cmd. */
	bool granted;
	uint64_t frame;
	uint8_t *memory;
	uint32_t cut;
	void (*done)(struct vdisk_io *io);
	void *ctx;
	/* The result: 0; -EIO, -ENOSPC, -EROFS, -ETIMEDOUT, -ENODEV, -EINVAL,
	 * -EOPNOTSUPP, ... */
	int err;
	struct vdisk_sense sense; /* of the command that failed */

	/* the library's */
	struct vdisk *disk;
	uint64_t at;  /* bytes done */
	uint64_t end; /* when to stop trying again */
	uint32_t now; /* bytes of the command under way */
	uint32_t tries;
	bool flushed;
	uint8_t list[24]; /* UNMAP's parameters; one block's zeroes are ours */
	union {
		struct pvscsi_cmd cmd;
		struct vbd_req req;
	};
};

/*
 * vdisk_open - find out what the LUN at ADDR of V is
 *
 * Blocks (session_step()) until its INQUIRY, READ CAPACITY and limits have been
 * read. D is the caller's and needs no end. Return: 0, also for what is no disk
 * or has no medium (then has_blocks is false); an error, and one line in @err.
 */
int vdisk_open(struct vdisk *d, struct pvscsi *v, struct scsi_addr addr,
	       char *err, size_t len) XPV_MUST_CHECK;

/* vdisk_open_vbd - likewise the block device B, which is connected: what its
 * backend says is known. */
void vdisk_open_vbd(struct vdisk *d, struct vbd *b);

/* vdisk_submit - begin IO; done() is called once, never from inside this. */
void vdisk_submit(struct vdisk *d, struct vdisk_io *io);

/* vdisk_exec - submit IO and step the session until it is done: its err. */
int vdisk_exec(struct vdisk *d, struct vdisk_io *io) XPV_MUST_CHECK;

/* vdisk_sense_of - what RES has of sense data, in either format. */
struct vdisk_sense vdisk_sense_of(const struct scsi_front_result *res);

/*
 * vdisk_cmd - run one CDB that has no side effect, trying again at unit
 * attentions
 * @data: @len bytes, data-in; *@got (may be NULL) how many came
 *
 * Return: 0 when it ended GOOD; -EIO otherwise: see @cmd->res; or its err.
 */
int vdisk_cmd(struct pvscsi *v, struct pvscsi_cmd *cmd, struct scsi_addr addr,
	      const uint8_t *cdb, uint8_t cdb_len, void *data, uint32_t len,
	      uint32_t *got) XPV_MUST_CHECK;

/* vdisk_vbd_next - for disk.c: the next request of IO to a block device, or its
 * end. */
void vdisk_vbd_next(struct vdisk_io *io);

/* vdisk_why - why CMD has ended as it did, in words, in @text (@len bytes). */
void vdisk_why(const struct pvscsi_cmd *cmd, char *text, size_t len);

#endif
