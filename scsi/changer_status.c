/* SPDX-License-Identifier: BSD-2-Clause */
/* What a changer tells of its elements. */
#include "scsi/changer_status.h"

#include "scsi/bytes.h"
#include "scsi/sense.h"
#include "scsi/vpd.h"

/* Element types, SMC-3 table 9. */
enum {
	TYPE_ALL = 0,
	TYPE_TRANSPORT = 1,
	TYPE_SLOT = 2,
	TYPE_PORT = 3, /* import/export: there is none */
	TYPE_DRIVE = 4,
};

#define VOLTAG	 0x10 /* byte 1 */
#define DVCID	 0x01 /* byte 6 */
#define FULL	 0x01
#define ACCESS	 0x08
#define SVALID	 0x80
#define PVOLTAG	 0x80
#define TAG_LEN	 36u
#define DESC_LEN 16u /* without tag and identifier */

/* What was asked for. */
struct query {
	bool tags, ids;
	uint32_t start, count;
	uint32_t first, found; /* so far: of the elements reported */
};

/* The designator of a drive, as in its own page 83h: vendor, product, serial
 * number. Returns its length. */
static uint32_t put_id(const struct scsi_changer *c, uint32_t drive, uint8_t *p)
{
	uint32_t len = 0;

	scsi_text(p, "XENPV", 8);
	scsi_text(p + 8, "Ultrium 6-VTL", 16);
	while (c->serial[drive][len])
		len++;
	scsi_copy(p + 24, c->serial[drive], len);
	return 24 + len;
}

#define ID_MAX (24u + CHANGER_SERIAL_MAX)

static uint32_t desc_len(const struct query *q, uint8_t type)
{
	return DESC_LEN + (q->tags ? TAG_LEN : 0) +
	       (q->ids && type == TYPE_DRIVE ? ID_MAX : 0);
}

/* The descriptor of an element; E NULL: the transport. */
static void put_desc(const struct scsi_changer *c, const struct query *q,
		     uint8_t type, uint16_t address,
		     const struct scsi_element *e, uint8_t *p)
{
	uint8_t *end = p + 12;
	bool full = e && e->barcode[0];

	scsi_fill(p, 0, desc_len(q, type));
	scsi_put16(p, address);
	p[2] = (uint8_t)((full ? FULL : 0) | (e ? ACCESS : 0));
	if (full && e->source != CHANGER_NOWHERE) {
		p[9] = SVALID;
		scsi_put16(p + 10, e->source);
	}
	if (full)
		p[9] |= 0x01; /* medium type: data */
	if (q->tags) {
		if (full)
			scsi_text(end, e->barcode, 32);
		end += TAG_LEN;
	}
	if (!q->ids || type != TYPE_DRIVE)
		return;
	end[0] = 0x02; /* ASCII */
	end[1] = 0x01; /* T10 vendor identification */
	end[3] = (uint8_t)put_id(c, address - CHANGER_DRIVE, end + 4);
}

/* Is it one that was asked for, and are those not enough yet? */
static bool reported(struct query *q, uint32_t address)
{
	if (address < q->start || q->found == q->count)
		return false;
	if (!q->found)
		q->first = address;
	q->found++;
	return true;
}

/* The page of a type; returns its end. */
static uint8_t *put_page(const struct scsi_changer *c, struct query *q,
			 uint8_t type, uint8_t *page)
{
	uint32_t first = type == TYPE_SLOT ? c->drives : 0;
	uint32_t n = type == TYPE_SLOT	      ? c->slots
		     : type == TYPE_DRIVE     ? c->drives
		     : type == TYPE_TRANSPORT ? 1
					      : 0;
	uint8_t *p = page + 8;

	for (uint32_t i = first; i < first + n; i++) {
		bool transport = type == TYPE_TRANSPORT;
		uint16_t address = transport ? CHANGER_TRANSPORT
					     : scsi_changer_address(c, i);

		if (!reported(q, address))
			continue;
		put_desc(c, q, type, address, transport ? NULL : &c->element[i],
			 p);
		p += desc_len(q, type);
	}
	if (p == page + 8)
		return page;
	scsi_fill(page, 0, 8);
	page[0] = type;
	page[1] = q->tags ? PVOLTAG : 0;
	scsi_put16(page + 2, desc_len(q, type));
	scsi_put32(page + 4, (uint32_t)(p - page - 8));
	return p;
}

enum scsi_step changer_status(struct scsi_lu *lu, struct scsi_task *task)
{
	static const uint8_t order[] = {TYPE_TRANSPORT, TYPE_DRIVE, TYPE_SLOT};
	const uint8_t *cdb = task->cdb;
	const struct scsi_changer *c = scsi_changer_of(lu);
	uint8_t type = cdb[1] & 0x0f, *p = task->scratch + 8;
	struct query q = {
		.tags = cdb[1] & VOLTAG,
		.ids = cdb[6] & DVCID,
		.start = scsi_get16(cdb + 2),
		.count = scsi_get16(cdb + 4),
	};

	if (type > TYPE_DRIVE)
		return scsi_bad_cdb(lu, task, 1, 3);
	/* in the order of addresses: the count begins at the lowest */
	for (uint32_t i = 0; i < XPV_ARRAY_SIZE(order); i++)
		if (type == TYPE_ALL || type == order[i])
			p = put_page(c, &q, order[i], p);
	scsi_fill(task->scratch, 0, 8);
	scsi_put16(task->scratch, q.first);
	scsi_put16(task->scratch + 2, q.found);
	scsi_put32(task->scratch + 4, (uint32_t)(p - task->scratch - 8));
	return scsi_reply(task, task->scratch, (uint32_t)(p - task->scratch),
			  scsi_get24(cdb + 7));
}
