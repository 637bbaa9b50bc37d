/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks of a LUN: see disk.h. */
#include "guest/disk.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "scsi/bytes.h"
#include "scsi/sense.h"

/* How often one io is sent again, but for a busy device; and how soon. */
#define TRIES	  16
#define BUSY_NS	  10000000ull
#define BLOCK_MAX 4096u

#define OP_INQUIRY	0x12
#define OP_MODE_SENSE6	0x1a
#define OP_CAPACITY10	0x25
#define OP_READ10	0x28
#define OP_WRITE10	0x2a
#define OP_SYNC10	0x35
#define OP_UNMAP	0x42
#define OP_READ16	0x88
#define OP_WRITE16	0x8a
#define OP_WRITE_SAME16 0x93
#define OP_SERVICE_IN16 0x9e
#define SA_CAPACITY16	0x10

#define CDB_FUA	     0x08 /* byte 1 of READ and WRITE */
#define CDB_WS_UNMAP 0x08 /* byte 1 of WRITE SAME */

/* ------------------------------------------------------------- outcomes */

struct vdisk_sense vdisk_sense_of(const struct scsi_front_result *res)
{
	const uint8_t *p = res->sense;
	uint8_t format = p[0] & 0x7f;
	struct vdisk_sense s = {0};

	/* SPC-4 4.5: current errors, in fixed and in descriptor format. */
	if (res->status != SCSI_CHECK_CONDITION)
		return s;
	if (format == 0x70 && res->sense_len >= 14) {
		s.key = p[2] & 0x0f;
		s.asc = scsi_get16(p + 12);
	} else if (format == 0x72 && res->sense_len >= 4) {
		s.key = p[1] & 0x0f;
		s.asc = scsi_get16(p + 2);
	}
	return s;
}

/* Is this worth another try, and when? */
enum again {
	AGAIN_NOT,
	AGAIN_NOW,
	AGAIN_LATER,
};

static enum again try_again(const struct pvscsi_cmd *cmd)
{
	if (cmd->err == -ENOTCONN)
		return AGAIN_NOW; /* it waits for the connection */
	if (cmd->err)
		return AGAIN_NOT;
	switch (cmd->res.host) {
	case WIRE_SCSI_HOST_OK:
		break;
	case WIRE_SCSI_HOST_RESET:
	case WIRE_SCSI_HOST_IMM_RETRY:
		return AGAIN_NOW;
	case WIRE_SCSI_HOST_BUS_BUSY:
	case WIRE_SCSI_HOST_REQUEUE:
	case WIRE_SCSI_HOST_SOFT_ERROR:
		return AGAIN_LATER;
	default:
		return AGAIN_NOT;
	}
	if (cmd->res.status == SCSI_BUSY ||
	    cmd->res.status == SCSI_TASK_SET_FULL)
		return AGAIN_LATER;
	return vdisk_sense_of(&cmd->res).key == SCSI_KEY_UNIT_ATTENTION
		       ? AGAIN_NOW
		       : AGAIN_NOT;
}

static int sense_error(struct vdisk_sense s)
{
	switch (s.key) {
	case SCSI_KEY_DATA_PROTECT:
		return s.asc == SCSI_ASC_SPACE_ALLOCATION ? -ENOSPC : -EROFS;
	case SCSI_KEY_NOT_READY:
		return -ENOMEDIUM;
	case SCSI_KEY_ILLEGAL_REQUEST:
		if (s.asc == SCSI_ASC_OPCODE)
			return -EOPNOTSUPP;
		if (s.asc == SCSI_ASC_NO_LUN)
			return -ENODEV;
		return s.asc == SCSI_ASC_LBA_RANGE ? -EINVAL : -EIO;
	default:
		return -EIO;
	}
}

/* What a command's end means: 0, or a negative errno. */
static int outcome(const struct pvscsi_cmd *cmd)
{
	if (cmd->err)
		return cmd->err;
	switch (cmd->res.host) {
	case WIRE_SCSI_HOST_OK:
		break;
	case WIRE_SCSI_HOST_NO_CONNECT:
	case WIRE_SCSI_HOST_BAD_TARGET:
		return -ENODEV;
	case WIRE_SCSI_HOST_TIME_OUT:
		return -ETIMEDOUT;
	default:
		return -EIO;
	}
	switch (cmd->res.status) {
	case SCSI_GOOD:
		return 0;
	case SCSI_CHECK_CONDITION:
		return sense_error(vdisk_sense_of(&cmd->res));
	case SCSI_BUSY:
	case SCSI_TASK_SET_FULL:
	case SCSI_RESERVATION_CONFLICT:
		return -EBUSY;
	default:
		return -EIO;
	}
}

void vdisk_why(const struct pvscsi_cmd *cmd, char *text, size_t len)
{
	struct vdisk_sense s = vdisk_sense_of(&cmd->res);

	if (cmd->err)
		snprintf(text, len, "%s",
			 cmd->err == -ENOTCONN ? "the connection has ended"
					       : strerror(-cmd->err));
	else if (cmd->res.host)
		snprintf(text, len, "host error %u of the backend",
			 cmd->res.host);
	else if (cmd->res.status == SCSI_CHECK_CONDITION)
		snprintf(text, len, "sense key %#x, ASC %#04x, ASCQ %#04x",
			 s.key, s.asc >> 8, s.asc & 0xff);
	else
		snprintf(text, len, "SCSI status %#04x", cmd->res.status);
}

/* ---------------------------------------------------------------- queries */

int vdisk_cmd(struct pvscsi *v, struct pvscsi_cmd *cmd, struct scsi_addr addr,
	      const uint8_t *cdb, uint8_t cdb_len, void *data, uint32_t len,
	      uint32_t *got)
{
	uint64_t end =
		session_clock() + v->dev.session->timeout_ms * 1000000ull;
	enum again again;
	int rc, tries = 0;

	do {
		*cmd = (struct pvscsi_cmd){
			.addr = addr,
			.cdb_len = cdb_len,
			.dir = len ? WIRE_SCSI_DIR_IN : WIRE_SCSI_DIR_NONE,
			.timeout_ms = v->dev.session->timeout_ms,
			.data = data,
			.len = len,
		};
		memcpy(cmd->cdb, cdb, cdb_len);
		if (tries)
			cmd->not_before = v->dev.session->now + BUSY_NS;
		rc = pvscsi_exec(v, cmd);
		again = try_again(cmd);
	} while (again != AGAIN_NOT && ++tries < 1000 &&
		 (again == AGAIN_LATER || tries < TRIES) &&
		 session_clock() < end && !v->dev.session->lost);
	if (!rc)
		rc = outcome(cmd);
	if (got)
		*got = rc ? 0 : len - cmd->res.residual;
	return rc;
}

static void text_of(char *to, const uint8_t *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = from[i] >= ' ' && from[i] <= '~' ? (char)from[i] : ' ';
	to[n] = '\0';
	while (n && to[n - 1] == ' ')
		to[--n] = '\0';
}

static int read_inquiry(struct vdisk *d, char *err, size_t len)
{
	static const uint8_t cdb[6] = {OP_INQUIRY, 0, 0, 0, 96};
	struct pvscsi_cmd cmd;
	uint8_t data[96] = {0};
	char why[64];
	uint32_t got;
	int rc;

	rc = vdisk_cmd(d->v, &cmd, d->addr, cdb, sizeof(cdb), data,
		       sizeof(data), &got);
	if (rc || got < 5) {
		vdisk_why(&cmd, why, sizeof(why));
		snprintf(err, len, "INQUIRY fails: %s", why);
		return rc ? rc : -EIO;
	}
	if (data[0] >> 5) {
		snprintf(err, len, "there is no such LUN");
		return -ENODEV;
	}
	d->type = data[0] & 0x1f;
	text_of(d->vendor, data + 8, 8);
	text_of(d->product, data + 16, 16);
	text_of(d->revision, data + 32, 4);
	return 0;
}

/* READ CAPACITY(16), or (10) where that is all there is. */
static int read_capacity(struct vdisk *d, bool *thin)
{
	static const uint8_t cdb16[16] = {OP_SERVICE_IN16,
					  SA_CAPACITY16, [13] = 32};
	static const uint8_t cdb10[10] = {OP_CAPACITY10};
	struct pvscsi_cmd cmd;
	uint8_t data[32] = {0};
	uint32_t got;
	uint64_t last;
	int rc;

	rc = vdisk_cmd(d->v, &cmd, d->addr, cdb16, sizeof(cdb16), data, 32,
		       &got);
	/* Another error than that there is no such command is one. */
	if (rc && vdisk_sense_of(&cmd.res).key != SCSI_KEY_ILLEGAL_REQUEST)
		return rc;
	if (!rc && got >= 12) {
		last = scsi_get64(data);
		d->block = scsi_get32(data + 8);
		d->physical = d->block << (data[13] & 0x0f);
		*thin = data[14] & 0x80;
	} else {
		rc = vdisk_cmd(d->v, &cmd, d->addr, cdb10, sizeof(cdb10), data,
			       8, &got);
		if (rc || got < 8)
			return rc ? rc : -EIO;
		last = scsi_get32(data);
		d->block = d->physical = scsi_get32(data + 4);
	}
	/* Beyond these nothing here could address bytes. */
	if (d->block < 512 || d->block > BLOCK_MAX ||
	    (d->block & (d->block - 1)) || last >= INT64_MAX / BLOCK_MAX)
		return -EIO;
	d->blocks = last + 1;
	return 0;
}

/* A page of vital product data into DATA, zeroes where it does not reach. */
static bool read_vpd(struct vdisk *d, uint8_t page, uint8_t *data, uint8_t len)
{
	const uint8_t cdb[6] = {OP_INQUIRY, 1, page, 0, len};
	struct pvscsi_cmd cmd;
	uint32_t got;

	memset(data, 0, len);
	return !vdisk_cmd(d->v, &cmd, d->addr, cdb, sizeof(cdb), data, len,
			  &got) &&
	       got >= 8 && data[1] == page;
}

static uint32_t limit32(uint64_t n)
{
	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static void read_limits(struct vdisk *d, bool thin)
{
	static const uint8_t mode[6] = {OP_MODE_SENSE6, 0, 0x3f, 0, 192};
	struct pvscsi_cmd cmd;
	uint8_t data[192];
	uint32_t max;

	d->transfer = pvscsi_max_transfer(d->v) / d->block * d->block;
	if (read_vpd(d, 0xb0, data, 64)) {
		max = scsi_get32(data + 8);
		if (max && max < d->transfer / d->block)
			d->transfer = max * d->block;
		d->zero_max = limit32(scsi_get64(data + 36));
		if (thin && scsi_get32(data + 24))
			d->unmap_max = scsi_get32(data + 20);
	}
	if (thin && read_vpd(d, 0xb2, data, 8)) {
		if (!(data[5] & 0x80))
			d->unmap_max = 0;
		d->zero_unmap = data[5] & 0x40;
	}
	memset(data, 0, sizeof(data));
	if (!vdisk_cmd(d->v, &cmd, d->addr, mode, sizeof(mode), data,
		       sizeof(data), NULL)) {
		d->write_protected = data[2] & 0x80;
		d->fua = data[2] & 0x10;
	}
}

int vdisk_open(struct vdisk *d, struct pvscsi *v, struct scsi_addr addr,
	       char *err, size_t len)
{
	struct pvscsi_lun *lun;
	bool thin = false;
	int rc;

	*d = (struct vdisk){.dev = &v->dev,
			    .v = v,
			    .addr = addr,
			    .timeout_ms = v->dev.session->timeout_ms};
	rc = read_inquiry(d, err, len);
	if (rc ||
	    (d->type != 0 && d->type != 5 && d->type != 7 && d->type != 14))
		return rc; /* nothing with blocks */
	rc = read_capacity(d, &thin);
	if (rc == -ENOMEDIUM)
		return 0;
	if (rc) {
		snprintf(err, len, "READ CAPACITY fails, or makes no sense");
		return rc;
	}
	d->has_blocks = true;
	lun = pvscsi_lun_find(v, addr);
	if (lun)
		lun->block = d->block;
	read_limits(d, thin);
	return 0;
}

/* ------------------------------------------------------------------- I/O */

/* The CDB for N blocks at LBA: the short form where it reaches. */
static void put_rw(struct pvscsi_cmd *c, uint8_t op10, uint8_t op16, bool fua,
		   uint64_t lba, uint32_t n)
{
	memset(c->cdb, 0, sizeof(c->cdb));
	c->cdb[1] = fua ? CDB_FUA : 0;
	if (lba + n <= UINT32_MAX && n <= UINT16_MAX) {
		c->cdb[0] = op10;
		c->cdb_len = 10;
		scsi_put32(c->cdb + 2, (uint32_t)lba);
		scsi_put16(c->cdb + 7, n);
	} else {
		c->cdb[0] = op16;
		c->cdb_len = 16;
		scsi_put64(c->cdb + 2, lba);
		scsi_put32(c->cdb + 10, n);
	}
}

/* At most MAX blocks of what is left of IO. */
static uint32_t part(const struct vdisk_io *io, uint32_t max)
{
	uint64_t left = (io->len - io->at) / io->disk->block;

	return left < max ? (uint32_t)left : max;
}

static void make_rw(struct vdisk_io *io, uint64_t lba)
{
	struct vdisk *d = io->disk;
	struct pvscsi_cmd *c = &io->cmd;
	uint32_t n = part(io, d->transfer / d->block);

	if (io->op == DISK_READ)
		put_rw(c, OP_READ10, OP_READ16, false, lba, n);
	else
		put_rw(c, OP_WRITE10, OP_WRITE16, io->fua && d->fua, lba, n);
	c->dir = io->op == DISK_READ ? WIRE_SCSI_DIR_IN : WIRE_SCSI_DIR_OUT;
	c->data = (uint8_t *)io->data + io->at;
	c->granted = io->granted;
	c->frame = io->frame;
	c->memory = io->memory;
	c->cut = io->cut;
	c->len = io->now = n * d->block;
}

static void make_unmap(struct vdisk_io *io, uint64_t lba)
{
	uint32_t n = part(io, io->disk->unmap_max);
	struct pvscsi_cmd *c = &io->cmd;

	memset(c->cdb, 0, sizeof(c->cdb));
	c->cdb[0] = OP_UNMAP;
	c->cdb_len = 10;
	scsi_put16(c->cdb + 7, sizeof(io->list));
	memset(io->list, 0, sizeof(io->list));
	scsi_put16(io->list, sizeof(io->list) - 2);
	scsi_put16(io->list + 2, 16);
	scsi_put64(io->list + 8, lba);
	scsi_put32(io->list + 16, n);
	c->dir = WIRE_SCSI_DIR_OUT;
	c->data = io->list;
	c->len = sizeof(io->list);
	io->now = 0;
	io->at += (uint64_t)n * io->disk->block;
}

static void make_zero(struct vdisk_io *io, uint64_t lba)
{
	static uint8_t zeroes[BLOCK_MAX];
	struct vdisk *d = io->disk;
	uint32_t n = part(io, d->zero_max);
	struct pvscsi_cmd *c = &io->cmd;

	memset(c->cdb, 0, sizeof(c->cdb));
	c->cdb[0] = OP_WRITE_SAME16;
	c->cdb_len = 16;
	c->cdb[1] = io->may_unmap && d->zero_unmap ? CDB_WS_UNMAP : 0;
	scsi_put64(c->cdb + 2, lba);
	scsi_put32(c->cdb + 10, n);
	c->dir = WIRE_SCSI_DIR_OUT;
	c->data = zeroes;
	c->len = d->block;
	io->now = 0;
	io->at += (uint64_t)n * d->block;
}

static void make_flush(struct vdisk_io *io)
{
	memset(io->cmd.cdb, 0, sizeof(io->cmd.cdb));
	io->cmd.cdb[0] = OP_SYNC10;
	io->cmd.cdb_len = 10;
	io->cmd.dir = WIRE_SCSI_DIR_NONE;
	io->cmd.len = 0;
	io->now = 0;
	io->flushed = true;
}

/* Does IO end with a flush, since nothing else makes it durable? */
static bool flush_follows(const struct vdisk_io *io)
{
	return io->op == DISK_FLUSH ||
	       (io->fua && (io->op == DISK_ZERO || io->op == DISK_UNMAP ||
			    (io->op == DISK_WRITE && !io->disk->fua)));
}

static void send_again(struct vdisk_io *io, bool later)
{
	struct pvscsi *v = io->disk->v;

	io->cmd.not_before = later ? v->dev.session->now + BUSY_NS : 0;
	pvscsi_submit(v, &io->cmd);
}

static void part_done(struct pvscsi_cmd *cmd);

/* The next command of IO, or its end. */
static void next_part(struct vdisk_io *io)
{
	uint64_t lba = (io->offset + io->at) / io->disk->block;

	if (io->at >= io->len && (io->flushed || !flush_follows(io))) {
		io->done(io);
		return;
	}
	io->cmd.addr = io->disk->addr;
	io->cmd.timeout_ms = io->disk->timeout_ms;
	io->cmd.granted = false;
	io->cmd.cut = 0;
	io->cmd.reset = false;
	io->cmd.done = part_done;
	io->cmd.ctx = io;
	if (io->at >= io->len)
		make_flush(io);
	else if (io->op == DISK_UNMAP)
		make_unmap(io, lba);
	else if (io->op == DISK_ZERO)
		make_zero(io, lba);
	else
		make_rw(io, lba);
	io->tries = 0;
	io->end =
		io->disk->v->dev.session->now + io->cmd.timeout_ms * 1000000ull;
	send_again(io, false);
}

static void part_done(struct pvscsi_cmd *cmd)
{
	struct vdisk_io *io = cmd->ctx;
	enum again again = try_again(cmd);

	if (again != AGAIN_NOT && io->disk->v->dev.session->now < io->end &&
	    (again == AGAIN_LATER || ++io->tries < TRIES)) {
		send_again(io, again == AGAIN_LATER);
		return;
	}
	io->err = outcome(cmd);
	/* GOOD, but not all of it: a read or write is whole or nothing. */
	if (!io->err && cmd->res.residual)
		io->err = -EIO;
	io->at += io->now;
	if (io->err) {
		io->sense = vdisk_sense_of(&cmd->res);
		io->done(io);
		return;
	}
	next_part(io);
}

/* Is IO one that this disk can do? */
static int check(const struct vdisk *d, const struct vdisk_io *io)
{
	uint64_t size = d->blocks * d->block;

	if (io->op == DISK_FLUSH)
		return 0;
	if (!d->has_blocks)
		return -ENOMEDIUM;
	if ((io->offset | io->len) & (d->block - 1) || io->offset > size ||
	    io->len > size - io->offset)
		return -EINVAL;
	if (io->op != DISK_READ && d->write_protected)
		return -EROFS;
	if ((io->op == DISK_UNMAP && !d->unmap_max) ||
	    (io->op == DISK_ZERO && !d->zero_max))
		return -EOPNOTSUPP;
	return 0;
}

static void ended(struct pvscsi_cmd *cmd)
{
	struct vdisk_io *io = cmd->ctx;

	io->done(io);
}

static void vbd_ended(struct vbd_req *req)
{
	struct vdisk_io *io = req->ctx;

	io->done(io);
}

/* Nothing to do: it ends in the next step, as all do. */
static void end_later(struct vdisk_io *io)
{
	if (io->disk->b) {
		io->req = (struct vbd_req){.none = true,
					   .err = io->err,
					   .done = vbd_ended,
					   .ctx = io};
		vbd_submit(io->disk->b, &io->req);
		return;
	}
	io->cmd = (struct pvscsi_cmd){.done = ended, .ctx = io};
	pvscsi_submit(io->disk->v, &io->cmd);
}

void vdisk_submit(struct vdisk *d, struct vdisk_io *io)
{
	io->disk = d;
	io->at = 0;
	io->flushed = false;
	io->sense = (struct vdisk_sense){0};
	if (io->op == DISK_FLUSH)
		io->len = 0;
	io->err = check(d, io);
	if (io->err || (!io->len && !flush_follows(io)))
		end_later(io);
	else if (d->b)
		vdisk_vbd_next(io);
	else
		next_part(io);
}

static bool is_done(void *ctx)
{
	return *(bool *)((struct vdisk_io *)ctx)->ctx;
}

static void set_done(struct vdisk_io *io)
{
	*(bool *)io->ctx = true;
}

int vdisk_exec(struct vdisk *d, struct vdisk_io *io)
{
	bool over = false;
	int rc;

	io->done = set_done;
	io->ctx = &over;
	vdisk_submit(d, io);
	rc = session_wait(d->dev->session, -1, NULL, is_done, io);
	if (!over)
		gdev_abandon(d->dev);
	return rc ? rc : io->err;
}
