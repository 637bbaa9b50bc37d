/* SPDX-License-Identifier: BSD-2-Clause */
/* What each command of sim/load.c may be answered with. */
#include <string.h>

#include "scsi/bytes.h"
#include "sim/controller.h"
#include "sim/load.h"
#include "sim/mem.h"

#define BAD(c, o, ...) world_fail((c)->w, "data", __VA_ARGS__)

/* The longest buffer. */
static uint8_t flat[64 * 4096 + 8192];

/* ---- data ---- */

/* Bytes FROM to o->len of the buffer are as they were before the command. */
static void untouched(struct controller *c, struct op *o, uint32_t from)
{
	uint32_t i;

	for (i = from; i < o->len; i++)
		if (flat[i] != MEM_GUEST_POISON)
			BAD(c, o,
			    "command %u (%02x): byte %u of %u was written, but "
			    "%u were sent",
			    o->id, o->cdb[0], i, o->len, from);
}

static void block_read(struct controller *c, struct op *o, uint32_t i,
		       uint32_t len)
{
	const uint8_t *p = flat + (size_t)i * o->lun->disk.block_size;
	uint64_t word;

	if (len < sizeof(word))
		return;
	memcpy(&word, p, sizeof(word));
	if (len > sizeof(word) && memcmp(p, p + 8, len - 8) != 0)
		BAD(c, o, "command %u (%02x): block %u is of two writes", o->id,
		    o->cdb[0], o->lba + i);
	if (!model_read(&o->lun->model, o->lba + i, o->start, word))
		BAD(c, o,
		    "command %u (%02x): block %u holds %llx, which cannot be",
		    o->id, o->cdb[0], o->lba + i, (unsigned long long)word);
}

static void read_data(struct controller *c, struct op *o,
		      const struct scsi_front_result *r)
{
	uint32_t size = o->lun->disk.block_size, all = o->blocks * size;
	uint32_t got = o->len - r->residual, i;
	uint32_t want = all < o->len ? all : o->len;

	/* One that was aborted between two passes has ended early. */
	if (got != want && !(o->victim && got < want))
		BAD(c, o, "command %u: %u bytes read instead of %u", o->id, got,
		    want);
	load_get(o, 0, flat, o->len);
	for (i = 0; i * size < got; i++)
		block_read(c, o, i,
			   got - i * size < size ? got - i * size : size);
	untouched(c, o, got);
}

/* ---- sense data ---- */

/* The unit is not there, or was not for some of the command's time. */
static bool absent(const struct op *o)
{
	return !o->lun->there || o->lun->going || o->epoch != o->lun->epoch;
}

static uint8_t key_of(const struct scsi_front_result *r)
{
	return (r->sense[0] & 0x7f) >= 0x72 ? r->sense[1] & 0x0f
					    : r->sense[2] & 0x0f;
}

static uint16_t code_of(const struct scsi_front_result *r)
{
	if ((r->sense[0] & 0x7f) >= 0x72)
		return (uint16_t)(r->sense[2] << 8 | r->sense[3]);
	return (uint16_t)(r->sense[12] << 8 | r->sense[13]);
}

static bool disk_fails(const struct controller *c)
{
	return world_has(c->w, FAULT_READ) || world_has(c->w, FAULT_WRITE) ||
	       world_has(c->w, FAULT_FLUSH) || world_has(c->w, FAULT_FULL);
}

/* The unit has been attached, reset, or has neighbours that were. */
static void attention(struct controller *c, struct op *o)
{
	o->lun->heard++;
	if (o->epoch != o->lun->epoch) /* of what was there before */
		return;
	if (o->lun->attentions == 0)
		BAD(c, o, "command %u: a unit attention for no reason", o->id);
	o->lun->attentions--;
	o->lun->news = false;
}

/* May O end with this sense key? */
static bool key_allowed(const struct controller *c, const struct op *o,
			uint8_t key, uint16_t code)
{
	switch (key) {
	case 0x2: /* NOT READY */
		return o->lun->stopped || o->epoch != o->lun->epoch;
	case 0x3: /* MEDIUM ERROR */
	case 0x4: /* HARDWARE ERROR */
	case 0x7: /* DATA PROTECT: no room is left */
		return disk_fails(c) || (o->kind == OP_ZERO &&
					 world_has(c->w, FAULT_UNSUPPORTED));
	case 0x5: /* ILLEGAL REQUEST; 25h: no such unit */
		return o->kind == OP_ODD || o->kind == OP_STATE ||
		       (code == 0x2500 && absent(o)) ||
		       (o->kind == OP_OTHER && o->dir != WIRE_SCSI_DIR_NONE);
	case 0xb: /* ABORTED COMMAND */
		return o->victim;
	case 0xe: /* MISCOMPARE */
		return o->kind == OP_MISCOMPARE;
	default:
		return false;
	}
}

static void sense(struct controller *c, struct op *o,
		  const struct scsi_front_result *r)
{
	uint8_t key = key_of(r);
	uint16_t code = code_of(r);

	if (r->sense_len < 14 && (r->sense[0] & 0x7f) < 0x72)
		BAD(c, o, "command %u: sense data of %u bytes", o->id,
		    r->sense_len);
	if (key == 0x6) {
		if (o->first && o->epoch == o->lun->epoch && code >> 8 != 0x29)
			BAD(c, o, "command %u: %04x instead of a reset", o->id,
			    code);
		attention(c, o);
		return;
	}
	if (!key_allowed(c, o, key, code))
		BAD(c, o, "command %u (%02x, kind %u): sense key %x, %04x",
		    o->id, o->cdb[0], o->kind, key, code);
}

/* ---- all of it ---- */

static bool host_allowed(const struct controller *c, const struct op *o,
			 uint8_t host)
{
	if (o->kind == OP_RESET)
		return host == WIRE_SCSI_HOST_OK || absent(o);
	switch (host) {
	case WIRE_SCSI_HOST_NO_CONNECT:
		return absent(o);
	case WIRE_SCSI_HOST_ERROR:
		return world_has(c->w, FAULT_COPY);
	case WIRE_SCSI_HOST_ABORT:
	case WIRE_SCSI_HOST_RESET:
		return o->victim;
	default:
		return false;
	}
}

static void good(struct controller *c, struct op *o,
		 const struct scsi_front_result *r)
{
	/* Alone, and told of nothing: there is nothing to be told. */
	if (o->lun->out == 1 && o->hears && !o->victim &&
	    o->changes == o->lun->changes)
		o->lun->attentions = 0;
	if (o->cdb[0] == 0x03) { /* REQUEST SENSE has taken it */
		o->lun->news = false;
		o->lun->heard++;
	}
	if (o->kind == OP_READ) {
		read_data(c, o, r);
	} else if (o->dir == WIRE_SCSI_DIR_IN) {
		load_get(o, 0, flat, o->len);
		untouched(c, o, o->len - r->residual);
	} else if (o->kind == OP_ODD && o->dir == WIRE_SCSI_DIR_OUT) {
		BAD(c, o, "command %u: a WRITE of %u blocks with %u bytes",
		    o->id, o->blocks, o->len);
	} else if (o->kind == OP_MISCOMPARE) {
		BAD(c, o, "command %u: what differs was found equal", o->id);
	} else if (r->residual && o->kind != OP_ODD && !o->victim) {
		BAD(c, o, "command %u (%02x): residual %u", o->id, o->cdb[0],
		    r->residual);
	}
	if (o->cdb[0] == 0x1b && (o->cdb[4] & 1) && o->lun->stops == 0 &&
	    o->stopped == o->lun->stopped_ever)
		o->lun->stopped = false;
}

static void reset_ended(struct op *o, const struct scsi_front_result *r)
{
	/* Whoever was sent meanwhile may have been told of it. */
	if (r->host == WIRE_SCSI_HOST_OK && o->lun->out == 1 && !absent(o) &&
	    o->heard == o->lun->heard)
		o->lun->news = true;
}

void load_verify(struct controller *c, struct op *o,
		 const struct op_result *res)
{
	const struct scsi_front_result *r = &res->r;

	if (res->lost) {
		o->lun->news = false;
		return;
	}
	if (r->host == WIRE_SCSI_HOST_OK && o->kind == OP_RESET) {
		reset_ended(o, r);
		return;
	}
	if (r->host != WIRE_SCSI_HOST_OK) {
		if (!host_allowed(c, o, r->host))
			BAD(c, o, "command %u (%02x, kind %u): host byte %u",
			    o->id, o->cdb[0], o->kind, r->host);
		o->lun->news = false; /* it may have been told nevertheless */
		o->lun->heard++;
		return;
	}
	if (o->first && o->epoch == o->lun->epoch && !o->victim &&
	    !(r->status == 0x02 && key_of(r) == 0x6))
		BAD(c, o,
		    "command %u (%02x): no unit attention of power on or "
		    "reset",
		    o->id, o->cdb[0]);
	if (o->absent && o->epoch == o->lun->epoch && r->status == 0x00 &&
	    o->kind != OP_OTHER && o->kind != OP_ODD)
		BAD(c, o, "command %u (%02x): executed by a unit that is gone",
		    o->id, o->cdb[0]);
	switch (r->status) {
	case 0x00:
		good(c, o, r);
		break;
	case 0x02:
		sense(c, o, r);
		break;
	case 0x40: /* TASK ABORTED */
		if (!o->victim)
			BAD(c, o, "command %u: aborted by nobody", o->id);
		break;
	case 0x18: /* RESERVATION CONFLICT: one kind excludes the other */
		if (world_has(c->w, FAULT_STATE) &&
		    (o->kind == OP_STATE || o->cdb[0] == 0x5e))
			break;
		/* fall through */
	default:
		if (o->kind != OP_ODD)
			BAD(c, o, "command %u (%02x): status %02x", o->id,
			    o->cdb[0], r->status);
	}
}
