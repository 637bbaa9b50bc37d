/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A label:                              A record's header:
 *      0  "XPVTAPE", 0                      0  "XPVR"
 *      8  version, 12 CRC (with 0 here)     4  type, three zeros
 *     16  sequence number                   8  length, 12 of the one before
 *     24  flags, 28 zero                   16  number, 24 file
 *     32  id, 40 capacity                  32  offset of the last filemark
 *     48  checkpoint: offset, number,      40  id
 *         file, mark; 80 prev              48  CRC of the data, 52 zeros
 *     96  barcode; then zeros              60  CRC of the 60 bytes before
 */
#include "scsi/cartridge.h"

#include "scsi/bytes.h"
#include "scsi/crc32c.h"

#define VERSION 1u

/* The largest file that offsets are computed for. */
#define SIZE_MAX_BYTES ((uint64_t)1 << 60)

struct cart_place cart_start(void)
{
	return (struct cart_place){.offset = CART_START};
}

struct cart_place cart_behind(const struct cart_record *r)
{
	struct cart_place to = r->at;

	to.offset += CART_HEAD + r->len;
	to.number++;
	to.prev = r->len;
	if (r->type == CART_MARK) {
		to.file++;
		to.mark = r->at.offset;
	}
	return to;
}

uint64_t cart_before(const struct cart_place *at)
{
	return at->offset - CART_HEAD - at->prev;
}

bool cart_barcode_ok(const char *text)
{
	uint32_t n;

	for (n = 0; text[n]; n++)
		if (n == CART_BARCODE_MAX ||
		    !((text[n] >= 'A' && text[n] <= 'Z') ||
		      (text[n] >= '0' && text[n] <= '9')))
			return false;
	return n > 0;
}

uint64_t cart_left(const struct cart *c)
{
	uint64_t used = c->end.offset - CART_START;

	return used < c->capacity ? c->capacity - used : 0;
}

bool cart_place_ok(const struct cart_place *at)
{
	if (at->offset < CART_START || at->offset > SIZE_MAX_BYTES)
		return false;
	if (at->number == 0)
		return at->offset == CART_START && !at->file && !at->mark &&
		       !at->prev;
	return at->prev <= CART_BLOCK_MAX && at->file <= at->number &&
	       at->offset >= (uint64_t)CART_START + CART_HEAD + at->prev &&
	       (at->mark >= CART_START) == (at->file > 0) &&
	       at->mark < at->offset &&
	       at->number <= (at->offset - CART_START) / CART_HEAD;
}

/* ---- labels ---- */

uint32_t cart_label_put(const struct cart *c, uint8_t *out)
{
	const struct cart_place *at = &c->saved;

	scsi_fill(out, 0, CART_LABEL);
	scsi_copy(out, "XPVTAPE", 7);
	scsi_put32(out + 8, VERSION);
	scsi_put64(out + 16, c->seq);
	scsi_put32(out + 24, c->flags);
	scsi_put64(out + 32, c->id);
	scsi_put64(out + 40, c->capacity);
	scsi_put64(out + 48, at->offset);
	scsi_put64(out + 56, at->number);
	scsi_put64(out + 64, at->file);
	scsi_put64(out + 72, at->mark);
	scsi_put32(out + 80, at->prev);
	scsi_copy(out + 96, c->barcode, CART_BARCODE_MAX);
	scsi_put32(out + 12, scsi_crc32c(0, out, CART_LABEL));
	return c->seq & 1 ? CART_LABEL_STEP : 0;
}

/* The sum of LABEL with nothing in the place of the sum. */
static uint32_t label_sum(const uint8_t *label)
{
	static const uint8_t zero[4];
	uint32_t crc = scsi_crc32c(0, label, 12);

	crc = scsi_crc32c(crc, zero, 4);
	return scsi_crc32c(crc, label + 16, CART_LABEL - 16);
}

bool cart_label_get(struct cart *c, const uint8_t *label)
{
	struct cart to = {0};

	if (!scsi_same(label, "XPVTAPE", 8) ||
	    scsi_get32(label + 8) != VERSION ||
	    scsi_get32(label + 12) != label_sum(label))
		return false;
	to.seq = scsi_get64(label + 16);
	to.flags = scsi_get32(label + 24);
	to.id = scsi_get64(label + 32);
	to.capacity = scsi_get64(label + 40);
	to.saved.offset = scsi_get64(label + 48);
	to.saved.number = scsi_get64(label + 56);
	to.saved.file = scsi_get64(label + 64);
	to.saved.mark = scsi_get64(label + 72);
	to.saved.prev = scsi_get32(label + 80);
	scsi_copy(to.barcode, label + 96, CART_BARCODE_MAX);
	if ((to.flags & ~CART_FLAGS) || to.capacity > SIZE_MAX_BYTES ||
	    !cart_place_ok(&to.saved) || !cart_barcode_ok(to.barcode))
		return false;
	to.end = c->end;
	*c = to;
	return true;
}

/* ---- records ---- */

void cart_head_put(const struct cart *c, const struct cart_record *r,
		   uint8_t *out)
{
	scsi_fill(out, 0, CART_HEAD);
	scsi_copy(out, "XPVR", 4);
	out[4] = (uint8_t)r->type;
	scsi_put32(out + 8, r->len);
	scsi_put32(out + 12, r->at.prev);
	scsi_put64(out + 16, r->at.number);
	scsi_put64(out + 24, r->at.file);
	scsi_put64(out + 32, r->at.mark);
	scsi_put64(out + 40, c->id);
	scsi_put32(out + 48, r->crc);
	scsi_put32(out + 60, scsi_crc32c(0, out, 60));
}

bool cart_head_get(const struct cart *c, struct cart_record *r, uint64_t offset,
		   const uint8_t *head)
{
	struct cart_record to = {0};

	if (!scsi_same(head, "XPVR", 4) || scsi_get64(head + 40) != c->id ||
	    scsi_get32(head + 60) != scsi_crc32c(0, head, 60))
		return false;
	if (head[4] != CART_BLOCK && head[4] != CART_MARK)
		return false;
	to.type = (enum cart_type)head[4];
	to.len = scsi_get32(head + 8);
	to.crc = scsi_get32(head + 48);
	to.at.offset = offset;
	to.at.prev = scsi_get32(head + 12);
	to.at.number = scsi_get64(head + 16);
	to.at.file = scsi_get64(head + 24);
	to.at.mark = scsi_get64(head + 32);
	if (!cart_place_ok(&to.at) || to.len > CART_BLOCK_MAX ||
	    (to.type == CART_BLOCK) != (to.len > 0))
		return false;
	*r = to;
	return true;
}

bool cart_follows(const struct cart_record *r, const struct cart_place *at)
{
	return r->at.offset == at->offset && r->at.number == at->number &&
	       r->at.file == at->file && r->at.mark == at->mark &&
	       r->at.prev == at->prev;
}
