/* SPDX-License-Identifier: BSD-2-Clause */
/* MODE SENSE, MODE SELECT, and the mode pages. */
#include "scsi/mode.h"

#include "scsi/bytes.h"
#include "scsi/lu.h"
#include "scsi/sense.h"

#define ALL_PAGES    0x3f
#define ALL_SUBPAGES 0xff

/* Device specific parameter, SBC-3 6.5.1. */
#define WP 0x80

/* ---- pages ---- */

/* 08h: caching, SBC-3 6.5.5. */
#define WCE 0x04

static void caching_get(const struct scsi_lu *lu, const struct scsi_mode *mode,
			enum scsi_mode_pc pc, uint8_t *page)
{
	bool wce = pc == SCSI_PC_CHANGEABLE ? !lu->cfg.no_write_cache
					    : mode->write_cache;

	if (wce)
		page[2] = WCE;
}

static void caching_set(struct scsi_mode *mode, const uint8_t *page)
{
	mode->write_cache = page[2] & WCE;
}

const struct scsi_mode_page scsi_mode_caching = {
	.code = 0x08,
	.len = 20,
	.get = caching_get,
	.set = caching_set,
};

/* 0Ah: control, SPC-4 7.5.8. */
#define D_SENSE 0x04 /* byte 2 */
#define QAM_1	0x10 /* byte 3: unrestricted reordering allowed */
#define SWP	0x08 /* byte 4 */

static void control_get(const struct scsi_lu *lu, const struct scsi_mode *mode,
			enum scsi_mode_pc pc, uint8_t *page)
{
	(void)lu;
	if (pc == SCSI_PC_CHANGEABLE || mode->desc_sense)
		page[2] = D_SENSE;
	if (pc == SCSI_PC_CHANGEABLE || mode->soft_wp)
		page[4] = SWP;
	if (pc != SCSI_PC_CHANGEABLE)
		page[3] = QAM_1;
}

static void control_set(struct scsi_mode *mode, const uint8_t *page)
{
	mode->desc_sense = page[2] & D_SENSE;
	mode->soft_wp = page[4] & SWP;
}

const struct scsi_mode_page scsi_mode_control = {
	.code = 0x0a,
	.len = 12,
	.get = control_get,
	.set = control_set,
};

void scsi_mode_get_nothing(const struct scsi_lu *lu,
			   const struct scsi_mode *mode, enum scsi_mode_pc pc,
			   uint8_t *page)
{
	(void)lu;
	(void)mode;
	(void)pc;
	(void)page;
}

void scsi_mode_set_nothing(struct scsi_mode *mode, const uint8_t *page)
{
	(void)mode;
	(void)page;
}

/* 1Ch: informational exceptions, SPC-4 7.5.11: none are reported, MRIE 0. */
const struct scsi_mode_page scsi_mode_exceptions = {
	.code = 0x1c,
	.len = 12,
	.get = scsi_mode_get_nothing,
	.set = scsi_mode_set_nothing,
};

void scsi_mode_default(const struct scsi_lu *lu, struct scsi_mode *mode)
{
	mode->write_cache = !lu->cfg.no_write_cache;
	mode->desc_sense = false;
	mode->soft_wp = false;
	mode->block_size = 0;
	mode->unbuffered = false;
	mode->compression = false;
}

static void page_get(const struct scsi_lu *lu, const struct scsi_mode_page *pg,
		     enum scsi_mode_pc pc, uint8_t *page)
{
	struct scsi_mode mode = lu->mode;

	if (pc == SCSI_PC_DEFAULT)
		scsi_mode_default(lu, &mode);
	scsi_fill(page, 0, pg->len);
	page[0] = pg->code; /* PS 0: cannot be saved */
	page[1] = (uint8_t)(pg->len - 2);
	pg->get(lu, &mode, pc, page);
}

/* ---- header and block descriptor ---- */

uint8_t scsi_mode_no_specific(const struct scsi_lu *lu)
{
	(void)lu;
	return 0;
}

/*
 * The number of blocks in a short descriptor: 32 bits of a disk, 24 with the
 * density code before them of all others (SPC-4 7.5.5.1, 7.5.5.2).
 */
static uint64_t short_max(const struct scsi_lu *lu)
{
	return lu->cfg.type->peripheral == 0 ? UINT32_MAX : 0xffffff;
}

/* Block descriptor, short or long LBA; returns its length. */
static uint32_t put_block_descriptor(const struct scsi_lu *lu, bool long_lba,
				     uint8_t *p)
{
	struct scsi_mode_block b = {0};
	uint64_t max = short_max(lu);

	if (!lu->cfg.type->frame.block)
		return 0;
	lu->cfg.type->frame.block(lu, &b);
	scsi_fill(p, 0, 16);
	if (long_lba) {
		scsi_put64(p, b.blocks);
		scsi_put32(p + 12, b.size);
		return 16;
	}
	scsi_put32(p, (uint32_t)(b.blocks > max ? max : b.blocks));
	if (max != UINT32_MAX)
		p[0] = b.density;
	scsi_put32(p + 4, b.size); /* 24 bits, byte 4 reserved */
	return 8;
}

/* ---- MODE SENSE ---- */

/* Appends the pages asked for; 0 bytes mean that there is no such page. */
static uint32_t put_pages(const struct scsi_lu *lu, const uint8_t *cdb,
			  uint8_t *p)
{
	const struct scsi_lu_type *type = lu->cfg.type;
	enum scsi_mode_pc pc = (enum scsi_mode_pc)(cdb[2] >> 6);
	uint8_t code = cdb[2] & 0x3f;
	uint32_t len = 0;

	/* no page of ours has subpages: all of them is the page itself */
	if (cdb[3] != 0 && cdb[3] != ALL_SUBPAGES)
		return 0;
	for (uint32_t i = 0; i < type->mode_count; i++) {
		if (code != ALL_PAGES && code != type->mode[i]->code)
			continue;
		page_get(lu, type->mode[i], pc, p + len);
		len += type->mode[i]->len;
	}
	return len;
}

enum scsi_step scsi_mode_sense(struct scsi_lu *lu, struct scsi_task *task)
{
	const uint8_t *cdb = task->cdb;
	bool ten = cdb[0] == 0x5a;
	bool long_lba = ten && (cdb[1] & 0x10); /* LLBAA */
	uint8_t *p = task->scratch;
	uint32_t head = ten ? 8 : 4;
	uint32_t len = head, blocks_len = 0, pages_len;
	uint8_t specific = lu->cfg.type->frame.specific(lu);

	if (cdb[2] >> 6 == SCSI_PC_SAVED)
		return scsi_illegal(lu, task, SCSI_ASC_NO_SAVING);
	if (scsi_lu_write_protected(lu))
		specific |= WP;
	scsi_fill(p, 0, head);
	if (!(cdb[1] & 0x08)) /* DBD */
		blocks_len = put_block_descriptor(lu, long_lba, p + len);
	len += blocks_len;
	pages_len = put_pages(lu, cdb, p + len);
	if (!pages_len && !(lu->cfg.type->frame.bare && !(cdb[2] & 0x3f)))
		return scsi_bad_cdb(lu, task, 2, 5);
	len += pages_len;
	if (ten) {
		scsi_put16(p, len - 2);
		p[3] = specific;
		p[4] = blocks_len == 16; /* LONGLBA */
		scsi_put16(p + 6, blocks_len);
		return scsi_reply(task, p, len, scsi_get16(cdb + 7));
	}
	p[0] = (uint8_t)(len - 1);
	p[2] = specific;
	p[3] = (uint8_t)blocks_len;
	return scsi_reply(task, p, len, cdb[4]);
}

/* ---- MODE SELECT ---- */

/*
 * The block descriptor of a MODE SELECT. Where it can change nothing the number
 * of blocks may be as it is, all ones or 0 (SPC-4 7.5.5.2), the length as it
 * is.
 */
static bool block_descriptor(const struct scsi_lu *lu, struct scsi_mode *mode,
			     const uint8_t *p, uint32_t len)
{
	const struct scsi_mode_frame *frame = &lu->cfg.type->frame;
	struct scsi_mode_block now = {0}, b = {0};
	uint64_t all = len == 16 ? UINT64_MAX : short_max(lu);

	if (!frame->block)
		return false;
	b.blocks = len == 16 ? scsi_get64(p) : scsi_get32(p) & all;
	b.size = len == 16 ? scsi_get32(p + 12) : scsi_get24(p + 5);
	if (len == 8 && all != UINT32_MAX)
		b.density = p[0];
	if (b.blocks == all)
		b.blocks = UINT64_MAX;
	if (frame->block_set)
		return frame->block_set(lu, mode, &b);
	frame->block(lu, &now);
	return (b.blocks == 0 || b.blocks == UINT64_MAX ||
		b.blocks == now.blocks) &&
	       b.size == now.size && b.density == now.density;
}

static const struct scsi_mode_page *page_find(const struct scsi_lu *lu,
					      uint8_t code)
{
	const struct scsi_lu_type *type = lu->cfg.type;

	for (uint32_t i = 0; i < type->mode_count; i++)
		if (type->mode[i]->code == code)
			return type->mode[i];
	return NULL;
}

/*
 * Checks one page at list[at] against what may change and takes it over into
 * mode. Returns its length, or 0 with the field at fault in *bad.
 */
static uint32_t select_page(const struct scsi_lu *lu, const uint8_t *list,
			    uint32_t left, struct scsi_mode *mode,
			    uint32_t *bad)
{
	uint8_t now[SCSI_MODE_PAGE_MAX], may[SCSI_MODE_PAGE_MAX];
	const struct scsi_mode_page *pg;

	/* SPF set: a subpage, of which we have none. PS is reserved here, but
	 * initiators send back what MODE SENSE gave them: not looked at. */
	*bad = 0;
	pg = (list[0] & 0x40) ? NULL : page_find(lu, list[0] & 0x3f);
	if (!pg)
		return 0;
	*bad = 1;
	if (left < 2 || list[1] != pg->len - 2 || left < pg->len)
		return 0;
	page_get(lu, pg, SCSI_PC_CURRENT, now);
	page_get(lu, pg, SCSI_PC_CHANGEABLE, may);
	for (uint32_t i = 2; i < pg->len; i++) {
		*bad = i;
		if ((list[i] ^ now[i]) & ~may[i])
			return 0;
	}
	pg->set(mode, list);
	return pg->len;
}

/* Parameter list of len bytes, all there. True when *mode is to be used. */
static bool select_list(struct scsi_lu *lu, struct scsi_task *task,
			uint32_t len, struct scsi_mode *mode)
{
	const struct scsi_mode_frame *frame = &lu->cfg.type->frame;
	bool ten = task->cdb[0] == 0x55;
	const uint8_t *list = task->data;
	uint32_t at = ten ? 8 : 4;
	uint32_t descriptors, bad, n;

	if (len < at) {
		scsi_illegal(lu, task, SCSI_ASC_LIST_LENGTH);
		return false;
	}
	if (frame->specific_set &&
	    !frame->specific_set(mode, list[ten ? 3 : 2])) {
		scsi_bad_list(lu, task, ten ? 3 : 2, -1);
		return false;
	}
	descriptors = ten ? scsi_get16(list + 6) : list[3];
	if (descriptors != 0) {
		bool long_lba = ten && (list[4] & 0x01);

		if (descriptors != (long_lba ? 16u : 8u)) {
			scsi_bad_list(lu, task, ten ? 6 : 3, -1);
			return false;
		}
		if (descriptors > len - at) {
			scsi_illegal(lu, task, SCSI_ASC_LIST_LENGTH);
			return false;
		}
		if (!block_descriptor(lu, mode, list + at, descriptors)) {
			scsi_bad_list(lu, task, at, -1);
			return false;
		}
		at += descriptors;
	}
	for (; at < len; at += n) {
		n = select_page(lu, list + at, len - at, mode, &bad);
		if (n)
			continue;
		/* cut off, or wrong? */
		if (bad == 1 && (len - at < 2 || list[at + 1] + 2u > len - at))
			scsi_illegal(lu, task, SCSI_ASC_LIST_LENGTH);
		else
			scsi_bad_list(lu, task, at + bad, -1);
		return false;
	}
	return true;
}

static enum scsi_step mode_apply(struct scsi_lu *lu, struct scsi_task *task,
				 const struct scsi_mode *mode)
{
	bool changed = mode->write_cache != lu->mode.write_cache ||
		       mode->desc_sense != lu->mode.desc_sense ||
		       mode->soft_wp != lu->mode.soft_wp ||
		       mode->block_size != lu->mode.block_size ||
		       mode->unbuffered != lu->mode.unbuffered ||
		       mode->compression != lu->mode.compression;

	lu->mode = *mode;
	if (changed)
		scsi_lu_attention_others(lu, task->nexus, SCSI_UA_MODE);
	return scsi_good(task);
}

/* Checks and, where a flush must come first, leaves applying to the run. */
static enum scsi_step mode_list(struct scsi_lu *lu, struct scsi_task *task,
				bool apply)
{
	uint32_t len =
		task->cdb[0] == 0x55 ? scsi_get16(task->cdb + 7) : task->cdb[4];
	struct scsi_mode mode = lu->mode;

	if (!(task->cdb[1] & 0x10)) /* PF: pages as in the standard */
		return scsi_bad_cdb(lu, task, 1, 4);
	if (task->cdb[1] & 0x01) /* SP */
		return scsi_bad_cdb(lu, task, 1, 0);
	if (!len)
		return scsi_good(task);
	if (len > task->out_len)
		return scsi_illegal(lu, task, SCSI_ASC_LIST_LENGTH);
	if (!select_list(lu, task, len, &mode))
		return SCSI_STEP_DONE;
	task->out_used = len;
	/* SBC-3 6.5.5: what is in the cache goes to the medium before WCE 0
	 * takes effect */
	if (!apply && lu->mode.write_cache && !mode.write_cache)
		return SCSI_STEP_IO;
	return mode_apply(lu, task, &mode);
}

enum scsi_step scsi_mode_select(struct scsi_lu *lu, struct scsi_task *task)
{
	return mode_list(lu, task, false);
}

enum scsi_step scsi_mode_select_run(struct scsi_lu *lu, struct scsi_task *task,
				    int rc)
{
	if (task->phase++ == 0) {
		task->io = (struct scsi_io){.op = SCSI_IO_FLUSH};
		return SCSI_STEP_IO;
	}
	if (rc < 0)
		return scsi_storage_failed(lu, task, rc, true);
	/* checked anew: another MODE SELECT may have come between */
	return mode_list(lu, task, true);
}
