/* SPDX-License-Identifier: BSD-2-Clause */
/* A block device as a disk: see disk.h. */
#include <errno.h>
#include <string.h>

#include "guest/disk.h"

/* INQUIRY's numbers for what a backend's `info` says. */
#define TYPE_DISK  0
#define TYPE_CDROM 5

void vdisk_open_vbd(struct vdisk *d, struct vbd *b)
{
	const struct vbd_info *i = &b->info;

	*d = (struct vdisk){
		.dev = &b->dev,
		.b = b,
		.timeout_ms = b->dev.session->timeout_ms,
		.type = i->info & WIRE_BLK_INFO_CDROM || b->cdrom ? TYPE_CDROM
								  : TYPE_DISK,
		.has_blocks = i->sectors > 0,
		.blocks = i->sectors / (i->block / WIRE_BLK_SECTOR),
		.block = i->block,
		.physical = i->physical,
		.transfer = VBD_TRANSFER_MAX,
		.write_protected = i->info & WIRE_BLK_INFO_READONLY,
		.fua = true, /* the engine flushes */
	};
	if (i->features & BLK_FRONT_F_DISCARD)
		d->unmap_max = UINT32_MAX;
}

static void part_done(struct vbd_req *req)
{
	struct vdisk_io *io = req->ctx;

	io->err = req->err;
	if (req->op == BLK_FRONT_FLUSH)
		io->flushed = true;
	if (io->err)
		io->done(io);
	else
		vdisk_vbd_next(io);
}

/* The next part of a read or write. */
static void make_rw(struct vdisk_io *io)
{
	uint64_t left = io->len - io->at;
	struct vbd_req *r = &io->req;

	r->op = io->op == DISK_READ ? BLK_FRONT_READ : BLK_FRONT_WRITE;
	r->len =
		left < io->disk->transfer ? (uint32_t)left : io->disk->transfer;
	/* One flush behind all of it. */
	r->fua = io->op == DISK_WRITE && io->fua && r->len == left;
	r->data = (uint8_t *)io->data + io->at;
	r->granted = io->granted;
	r->frame = io->frame;
	r->memory = io->memory;
	r->cut = io->cut;
	io->at += r->len;
}

void vdisk_vbd_next(struct vdisk_io *io)
{
	bool flush = io->op == DISK_FLUSH || (io->op == DISK_UNMAP && io->fua);
	struct vbd_req *r = &io->req;

	if (io->at >= io->len && (io->flushed || !flush)) {
		io->done(io);
		return;
	}
	*r = (struct vbd_req){
		.sector = (io->offset + io->at) / WIRE_BLK_SECTOR,
		.timeout_ms = io->disk->timeout_ms,
		.done = part_done,
		.ctx = io,
	};
	if (io->at >= io->len) {
		r->op = BLK_FRONT_FLUSH;
		r->sector = 0;
	} else if (io->op == DISK_UNMAP) {
		r->op = BLK_FRONT_DISCARD;
		r->count = (io->len - io->at) / WIRE_BLK_SECTOR;
		io->at = io->len;
	} else {
		make_rw(io);
	}
	vbd_submit(io->disk->b, r);
}
