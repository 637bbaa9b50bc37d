/* SPDX-License-Identifier: BSD-2-Clause */
#include "sim/load.h"

#include <string.h>

#include "scsi/again.h"
#include "scsi/bytes.h"
#include "sim/controller.h"
#include "sim/mem.h"
#include "wire/ring.h"

/* What a block holds that is written: never poison, never zero. */
static uint64_t new_word(struct controller *c, const struct op *o)
{
	return 0x1100000000000000ull | (uint64_t)c->index << 52 |
	       (uint64_t)o->id << 16;
}

void load_init(struct controller *c)
{
	static const uint32_t sizes[] = {1, 2, 4, 16, 64};
	struct load *l = &c->load;

	memset(l, 0, sizeof(*l));
	l->next_id = 1;
	l->depth = rng_range(&c->w->rng, 1, OPS_MAX);
	l->big = sizes[rng_below(&c->w->rng, XPV_ARRAY_SIZE(sizes))];
	l->pieces = rng_below(&c->w->rng, 3);
}

/* ---- buffers ---- */

static void copy(struct op *o, uint32_t offset, uint8_t *out, const uint8_t *in,
		 uint32_t len)
{
	uint32_t i, n;

	for (i = 0; i < o->npieces && len; i++) {
		struct front_piece *p = &o->piece[i];

		if (offset >= p->len) {
			offset -= p->len;
			continue;
		}
		n = p->len - offset < len ? p->len - offset : len;
		if (in) {
			memcpy(p->va + offset, in, n);
			in += n;
		} else {
			memcpy(out, p->va + offset, n);
			out += n;
		}
		len -= n;
		offset = 0;
	}
}

void load_get(const struct op *o, uint32_t offset, uint8_t *to, uint32_t len)
{
	copy((struct op *)o, offset, to, NULL, len);
}

void load_put(struct op *o, uint32_t offset, const uint8_t *from, uint32_t len)
{
	copy(o, offset, NULL, from, len);
}

static void free_buffer(struct controller *c, struct op *o, bool pinned)
{
	uint32_t i;

	for (i = 0; i < o->npieces && !pinned; i++)
		mem_page_free(c->w->mem, c->dom, o->page[i]);
	o->npieces = 0;
}

/* A piece of at most MOST bytes in a page of its own. */
static bool add_piece(struct controller *c, struct op *o, uint32_t most)
{
	struct rng *r = &c->w->rng;
	struct front_piece *p = &o->piece[o->npieces];
	uint32_t frame, offset = 0, len = WIRE_PAGE_SIZE;

	frame = mem_page(c->w->mem, c->dom);
	if (frame == MEM_NONE)
		return false;
	/* How operating systems break buffers: at sectors, or anywhere. */
	if (c->load.pieces == 1 && o->npieces < PIECES_MAX / 2)
		offset = 512 * rng_below(r, 8);
	else if (c->load.pieces == 2 && o->npieces < PIECES_MAX / 2)
		offset = rng_below(r, WIRE_PAGE_SIZE);
	len -= offset;
	if (c->load.pieces == 2 && rng_odds(r, 1, 4) &&
	    o->npieces < PIECES_MAX / 2)
		len = rng_range(r, 1, len);
	if (len > most)
		len = most;
	o->page[o->npieces++] = frame;
	*p = (struct front_piece){
		.va = mem_va(c->w->mem, c->dom, frame) + offset,
		.frame = frame,
		.offset = (uint16_t)offset,
		.len = (uint16_t)len,
	};
	return true;
}

/* A buffer of LEN bytes; false when there is no memory for it now. */
static bool buffer(struct controller *c, struct op *o, uint32_t len)
{
	uint32_t done = 0;

	o->len = len;
	o->npieces = 0;
	if (c->w->mem->dom[c->dom].free < len / WIRE_PAGE_SIZE * 3 + 96)
		return false;
	while (done < len) {
		if (o->npieces == PIECES_MAX || !add_piece(c, o, len - done)) {
			free_buffer(c, o, false);
			return false;
		}
		done += o->piece[o->npieces - 1].len;
	}
	return true;
}

static void fill_block(struct op *o, uint32_t at, uint32_t size, uint64_t word)
{
	uint64_t words[4096 / sizeof(uint64_t)];
	uint32_t i;

	for (i = 0; i < size / sizeof(word); i++)
		words[i] = word;
	load_put(o, at, (const uint8_t *)words, size);
}

/* ---- CDBs ---- */

/* Operation codes of one command in its sizes; 0: it has none of that size. */
struct sizes {
	uint8_t op6, op10, op12, op16;
};

static void rw_cdb(struct controller *c, struct op *o, const struct sizes *s)
{
	uint32_t pick = rng_below(&c->w->rng, 4);

	memset(o->cdb, 0, sizeof(o->cdb));
	if (pick == 0 && s->op6 && o->blocks < 256) {
		o->cdb_len = 6;
		o->cdb[0] = s->op6;
		scsi_put16(o->cdb + 2, o->lba); /* disks are small */
		o->cdb[4] = (uint8_t)o->blocks;
	} else if (pick == 1 && s->op12) {
		o->cdb_len = 12;
		o->cdb[0] = s->op12;
		scsi_put32(o->cdb + 2, o->lba);
		scsi_put32(o->cdb + 6, o->blocks);
	} else if (pick == 2 && s->op16) {
		o->cdb_len = 16;
		o->cdb[0] = s->op16;
		scsi_put64(o->cdb + 2, o->lba);
		scsi_put32(o->cdb + 10, o->blocks);
	} else {
		o->cdb_len = 10;
		o->cdb[0] = s->op10;
		scsi_put32(o->cdb + 2, o->lba);
		scsi_put16(o->cdb + 7, (uint16_t)o->blocks);
	}
}

/* Blocks inside the disk, as many as a buffer may hold. */
static void range(struct controller *c, struct op *o, uint32_t most)
{
	struct rng *r = &c->w->rng;
	uint32_t size = o->lun->disk.block_size;
	uint32_t n = c->load.big * WIRE_PAGE_SIZE / size;

	if (n > most)
		n = most;
	if (n > o->lun->disk.blocks)
		n = o->lun->disk.blocks;
	n = rng_odds(r, 3, 4) ? rng_range(r, 1, n < 8 ? n : 8)
			      : rng_range(r, 1, n);
	o->blocks = n;
	/* Often the same few blocks: overlaps are what can go wrong. */
	o->lba = rng_below(r, o->lun->disk.blocks - n + 1);
	if (rng_odds(r, 1, 2))
		o->lba %= 16;
	if (o->lba + n > o->lun->disk.blocks)
		o->lba = 0;
}

static uint64_t oldest(const struct controller *c)
{
	uint64_t first = UINT64_MAX;
	uint32_t i;

	for (i = 0; i < OPS_MAX; i++)
		if (c->load.op[i].used && c->load.op[i].start < first)
			first = c->load.op[i].start;
	return first;
}

static bool write_begins(struct controller *c, struct op *o, uint64_t word,
			 uint32_t stride)
{
	o->word = word;
	return model_write(&o->lun->model, o->lba, o->blocks, word, stride,
			   o->start, oldest(c));
}

/* ---- the kinds ---- */

static bool make_read(struct controller *c, struct op *o)
{
	static const struct sizes sizes = {0x08, 0x28, 0xa8, 0x88};
	uint32_t size = o->lun->disk.block_size, len;

	range(c, o, UINT32_MAX);
	rw_cdb(c, o, &sizes);
	o->dir = WIRE_SCSI_DIR_IN;
	len = o->blocks * size;
	if (world_fault(c->w, FAULT_ODD)) /* less room than there is, or more */
		len = rng_range(&c->w->rng, 1, len + 512);
	return buffer(c, o, len);
}

static bool make_write(struct controller *c, struct op *o)
{
	static const struct sizes plain = {0x0a, 0x2a, 0xaa, 0x8a};
	static const struct sizes verified = {0, 0x2e, 0xae, 0x8e};
	uint32_t size = o->lun->disk.block_size, i;
	bool verify = rng_odds(&c->w->rng, 1, 16);

	range(c, o, UINT32_MAX);
	rw_cdb(c, o, verify ? &verified : &plain);
	o->dir = WIRE_SCSI_DIR_OUT;
	o->fua = !verify && o->cdb_len > 6 && rng_odds(&c->w->rng, 1, 4);
	if (o->fua)
		o->cdb[1] |= 0x08;
	if (!buffer(c, o, o->blocks * size))
		return false;
	if (!write_begins(c, o, new_word(c, o), 1)) {
		free_buffer(c, o, false);
		return false;
	}
	for (i = 0; i < o->blocks; i++)
		fill_block(o, i * size, size, o->word + i);
	return true;
}

static bool make_same(struct controller *c, struct op *o)
{
	bool zero = o->kind == OP_ZERO, big = rng_odds(&c->w->rng, 1, 2);
	uint32_t size = o->lun->disk.block_size;

	range(c, o, UINT32_MAX);
	memset(o->cdb, 0, sizeof(o->cdb));
	o->cdb_len = big ? 16 : 10;
	o->cdb[0] = big ? 0x93 : 0x41;
	if (big) {
		scsi_put64(o->cdb + 2, o->lba);
		scsi_put32(o->cdb + 10, o->blocks);
	} else {
		scsi_put32(o->cdb + 2, o->lba);
		scsi_put16(o->cdb + 7, (uint16_t)o->blocks);
	}
	if (zero && o->lun->disk.supports && rng_odds(&c->w->rng, 1, 2))
		o->cdb[1] |= 0x08; /* UNMAP */
	o->dir = WIRE_SCSI_DIR_OUT;
	if (big && zero && rng_odds(&c->w->rng, 1, 2)) {
		o->cdb[1] |= 0x01; /* NDOB: no data */
		o->dir = WIRE_SCSI_DIR_NONE;
	} else if (!buffer(c, o, size)) {
		return false;
	}
	if (!write_begins(c, o, zero ? 0 : new_word(c, o), 0)) {
		free_buffer(c, o, false);
		return false;
	}
	if (o->npieces)
		fill_block(o, 0, size, o->word);
	return true;
}

static bool make_unmap(struct controller *c, struct op *o)
{
	uint8_t list[24] = {0};

	range(c, o, UINT32_MAX);
	memset(o->cdb, 0, sizeof(o->cdb));
	o->cdb_len = 10;
	o->cdb[0] = 0x42;
	o->cdb[8] = sizeof(list);
	o->dir = WIRE_SCSI_DIR_OUT;
	scsi_put16(list, sizeof(list) - 2);
	scsi_put16(list + 2, 16);
	scsi_put64(list + 8, o->lba);
	scsi_put32(list + 16, o->blocks);
	if (!buffer(c, o, sizeof(list)))
		return false;
	if (!write_begins(c, o, 0, 0)) {
		free_buffer(c, o, false);
		return false;
	}
	load_put(o, 0, list, sizeof(list));
	return true;
}

static bool make_zero(struct controller *c, struct op *o)
{
	return o->lun->disk.supports && rng_odds(&c->w->rng, 1, 2)
		       ? make_unmap(c, o)
		       : make_same(c, o);
}

/* One block: COMPARE AND WRITE where what is there is known. */
static bool make_compare(struct controller *c, struct op *o)
{
	uint32_t size = o->lun->disk.block_size;
	uint64_t known;

	range(c, o, 1);
	if (!model_known(&o->lun->model, o->lba, &known))
		return false;
	memset(o->cdb, 0, sizeof(o->cdb));
	o->cdb_len = 16;
	o->cdb[0] = 0x89;
	scsi_put64(o->cdb + 2, o->lba);
	o->cdb[13] = 1;
	o->dir = WIRE_SCSI_DIR_OUT;
	if (!buffer(c, o, 2 * size))
		return false;
	if (!write_begins(c, o, new_word(c, o), 1)) {
		free_buffer(c, o, false);
		return false;
	}
	fill_block(o, 0, size, known);
	fill_block(o, size, size, o->word);
	return true;
}

static bool make_verify(struct controller *c, struct op *o)
{
	static const struct sizes sizes = {0, 0x2f, 0xaf, 0x8f};
	uint32_t size = o->lun->disk.block_size;
	uint64_t known;

	range(c, o, o->kind == OP_MISCOMPARE ? 1 : 64);
	rw_cdb(c, o, &sizes);
	o->dir = WIRE_SCSI_DIR_NONE;
	if (o->kind != OP_MISCOMPARE)
		return true;
	if (!model_known(&o->lun->model, o->lba, &known))
		return false;
	o->cdb[1] |= 0x02;
	o->dir = WIRE_SCSI_DIR_OUT;
	if (!buffer(c, o, size))
		return false;
	fill_block(o, 0, size, known + 0x1000);
	return true;
}

static bool make_flush(struct controller *c, struct op *o)
{
	memset(o->cdb, 0, sizeof(o->cdb));
	o->cdb_len = rng_odds(&c->w->rng, 1, 2) ? 10 : 16;
	o->cdb[0] = o->cdb_len == 10 ? 0x35 : 0x91;
	o->dir = WIRE_SCSI_DIR_NONE;
	return true;
}

/* Commands with a small answer, or none. */
static const struct {
	uint8_t len, room, cdb[16];
} others[] = {
	{6, 0, {0x00}},			   /* TEST UNIT READY */
	{6, 96, {0x12, 0, 0, 0, 96}},	   /* INQUIRY */
	{6, 255, {0x12, 1, 0x00, 0, 255}}, /* its pages */
	{6, 255, {0x12, 1, 0x80, 0, 255}},
	{6, 255, {0x12, 1, 0x83, 0, 255}},
	{6, 64, {0x12, 1, 0xb0, 0, 64}},
	{6, 64, {0x12, 1, 0xb1, 0, 64}},
	{6, 64, {0x12, 1, 0xb2, 0, 64}},
	{6, 18, {0x03, 0, 0, 0, 18}},	   /* REQUEST SENSE */
	{6, 252, {0x1a, 0, 0x3f, 0, 252}}, /* MODE SENSE */
	{10, 252, {0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 252}},
	{6, 64, {0x1a, 0x08, 0x08, 0, 64}},
	{10, 8, {0x25}}, /* READ CAPACITY */
	{16, 32, {0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32}},
	{16, 64, {0x9e, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64}},
	{12, 64, {0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64}},	   /* REPORT LUNS */
	{12, 255, {0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 0, 255}}, /* its commands */
	{10, 64, {0x5e, 0, 0, 0, 0, 0, 0, 0, 64}},	   /* PR IN */
	{10, 64, {0x5e, 2, 0, 0, 0, 0, 0, 0, 64}},
	{10, 0, {0x34}}, /* PRE-FETCH */
};

static bool make_other(struct controller *c, struct op *o)
{
	uint32_t i = rng_below(&c->w->rng, XPV_ARRAY_SIZE(others));
	uint32_t room = others[i].room;

	memcpy(o->cdb, others[i].cdb, sizeof(o->cdb));
	o->cdb_len = others[i].len;
	o->dir = room ? WIRE_SCSI_DIR_IN : WIRE_SCSI_DIR_NONE;
	if (room && rng_odds(&c->w->rng, 1, 4))
		room = rng_range(&c->w->rng, 1, 2 * room);
	return room == 0 || buffer(c, o, room);
}

static const struct {
	uint8_t len, cdb[16];
	uint32_t out;
	uint8_t data[28];
} states[] = {
	{6, {0x1b, 0, 0, 0, 0}, 0, {0}}, /* stop */
	{6, {0x1b, 0, 0, 0, 1}, 0, {0}}, /* start */
	{6, {0x1b, 0, 0, 0, 1}, 0, {0}},
	{6, {0x1e, 0, 0, 0, 1}, 0, {0}}, /* PREVENT REMOVAL */
	{6, {0x1e, 0, 0, 0, 0}, 0, {0}},
	{6, {0x16}, 0, {0}}, /* RESERVE */
	{6, {0x17}, 0, {0}}, /* RELEASE */
	/* MODE SELECT: no write cache, and one */
	{6, {0x15, 0x10, 0, 0, 24}, 24, {0, 0, 0, 0, 0x08, 0x12}},
	{6, {0x15, 0x10, 0, 0, 24}, 24, {0, 0, 0, 0, 0x08, 0x12, 0x04}},
	/* PERSISTENT RESERVE OUT: REGISTER AND IGNORE, RESERVE, CLEAR */
	{10, {0x5f, 6, 0, 0, 0, 0, 0, 0, 24}, 24, {[8] = 1, [15] = 9}},
	{10, {0x5f, 1, 1, 0, 0, 0, 0, 0, 24}, 24, {[0] = 1, [7] = 9}},
	{10, {0x5f, 3, 0, 0, 0, 0, 0, 0, 24}, 24, {[0] = 1, [7] = 9}},
};

static bool make_state(struct controller *c, struct op *o)
{
	uint32_t i = rng_below(&c->w->rng, XPV_ARRAY_SIZE(states));

	memcpy(o->cdb, states[i].cdb, sizeof(o->cdb));
	o->cdb_len = states[i].len;
	o->dir = WIRE_SCSI_DIR_NONE;
	if (states[i].out) {
		o->dir = WIRE_SCSI_DIR_OUT;
		if (!buffer(c, o, states[i].out))
			return false;
		load_put(o, 0, states[i].data, states[i].out);
	}
	return true;
}

/* A WRITE with less data than it says: it must not be executed. */
static bool make_short(struct controller *c, struct op *o)
{
	static const struct sizes sizes = {0x0a, 0x2a, 0xaa, 0x8a};

	range(c, o, UINT32_MAX);
	rw_cdb(c, o, &sizes);
	o->dir = WIRE_SCSI_DIR_OUT;
	return buffer(c, o,
		      rng_range(&c->w->rng, 1,
				o->blocks * o->lun->disk.block_size - 1));
}

/* Wrong in any way, but never a write: that would have to be known. */
static bool make_odd(struct controller *c, struct op *o)
{
	struct rng *r = &c->w->rng;
	uint32_t i;

	if (rng_odds(r, 1, 4))
		return make_short(c, o);
	for (i = 0; i < sizeof(o->cdb); i++)
		o->cdb[i] = (uint8_t)rng_next(r);
	if (rng_odds(r, 1, 2)) /* past the end */
		o->cdb[0] = rng_odds(r, 1, 2) ? 0x28 : 0x88;
	else if (rng_odds(r, 1, 2))
		o->cdb[0] = others[rng_below(r, XPV_ARRAY_SIZE(others))].cdb[0];
	if (o->cdb[0] == 0x93 || o->cdb[0] == 0x1b || o->cdb[0] == 0x16 ||
	    o->cdb[0] == 0x56 || o->cdb[0] == 0x5f || o->cdb[0] == 0x1e)
		o->cdb[0] = 0xff;
	o->cdb_len = (uint8_t)rng_range(r, 1, 16);
	o->dir = rng_odds(r, 1, 2) ? WIRE_SCSI_DIR_IN : WIRE_SCSI_DIR_NONE;
	return o->dir == WIRE_SCSI_DIR_NONE ||
	       buffer(c, o, rng_range(r, 1, 3 * WIRE_PAGE_SIZE));
}

static bool make_reset(struct controller *c, struct op *o)
{
	uint32_t i;

	for (i = 0; i < OPS_MAX; i++)
		if (c->load.op[i].used && c->load.op[i].lun == o->lun)
			c->load.op[i].victim = true;
	o->dir = WIRE_SCSI_DIR_NONE;
	o->lun->attentions++;
	o->lun->changes++;
	o->lun->news = false;
	return true;
}

static const struct {
	uint32_t weight;
	bool (*make)(struct controller *c, struct op *o);
} kinds[] = {
	[OP_READ] = {40, make_read},	    [OP_WRITE] = {40, make_write},
	[OP_ZERO] = {4, make_zero},	    [OP_SAME] = {3, make_same},
	[OP_COMPARE] = {4, make_compare},   [OP_VERIFY] = {3, make_verify},
	[OP_MISCOMPARE] = {2, make_verify}, [OP_FLUSH] = {6, make_flush},
	[OP_OTHER] = {8, make_other},	    [OP_STATE] = {0, make_state},
	[OP_ODD] = {0, make_odd},	    [OP_RESET] = {0, make_reset},
};

static enum op_kind draw_kind(struct controller *c)
{
	uint32_t total = 0, pick, i;

	if (world_fault(c->w, FAULT_RESET))
		return OP_RESET;
	if (world_fault(c->w, FAULT_ODD))
		return OP_ODD;
	if (world_fault(c->w, FAULT_STATE))
		return OP_STATE;
	for (i = 0; i < XPV_ARRAY_SIZE(kinds); i++)
		total += kinds[i].weight;
	pick = rng_below(&c->w->rng, total);
	for (i = 0; pick >= kinds[i].weight; i++)
		pick -= kinds[i].weight;
	return (enum op_kind)i;
}

/* ---- the second phase: read it all ---- */

static bool make_sweep(struct controller *c, struct op *o)
{
	static const struct sizes sizes = {0, 0x28, 0, 0x88};
	struct load *l = &c->load;

	if (l->swept)
		return false;
	o->lun = &c->lun[l->sweep_lun];
	if (!o->lun->there ||
	    (o->lun->out && (o->lun->stopped || o->lun->attentions)))
		return false;
	if (o->lun->stopped) {
		o->kind = OP_STATE;
		memcpy(o->cdb, states[1].cdb, sizeof(o->cdb));
		o->cdb_len = states[1].len;
		o->dir = WIRE_SCSI_DIR_NONE;
		return true;
	}
	if (o->lun->news || o->lun->attentions) {
		o->kind = OP_OTHER; /* let it say what it has to say */
		memcpy(o->cdb, others[0].cdb, sizeof(o->cdb));
		o->cdb_len = others[0].len;
		o->dir = WIRE_SCSI_DIR_NONE;
		return true;
	}
	o->kind = OP_READ;
	o->lba = l->sweep_lba;
	o->blocks = o->lun->disk.blocks - o->lba;
	if (o->blocks > WIRE_PAGE_SIZE * 4 / o->lun->disk.block_size)
		o->blocks = WIRE_PAGE_SIZE * 4 / o->lun->disk.block_size;
	o->dir = WIRE_SCSI_DIR_IN;
	rw_cdb(c, o, &sizes);
	if (!buffer(c, o, o->blocks * o->lun->disk.block_size))
		return false;
	l->sweep_lba += o->blocks;
	if (l->sweep_lba == o->lun->disk.blocks) {
		l->sweep_lba = 0;
		l->swept = ++l->sweep_lun == c->luns;
	}
	return true;
}

bool load_finished(const struct controller *c)
{
	return c->load.swept && c->load.out == 0;
}

/* ---- an op's life ---- */

static bool hears_attention(const struct op *o)
{
	return o->kind != OP_RESET && o->cdb[0] != 0x12 && o->cdb[0] != 0xa0 &&
	       o->cdb[0] != 0x03;
}

/* START STOP UNIT that stops. */
static bool stops(const struct op *o)
{
	return o->kind == OP_STATE && o->cdb[0] == 0x1b && !(o->cdb[4] & 1);
}

uint32_t load_resets(const struct controller *c, const struct lun_state *lun)
{
	uint32_t i, n = 0;

	for (i = 0; i < OPS_MAX; i++)
		n += c->load.op[i].used && c->load.op[i].kind == OP_RESET &&
		     c->load.op[i].lun == lun;
	return n;
}

struct op *load_next(struct controller *c)
{
	struct load *l = &c->load;
	struct op *o;
	uint32_t i;
	bool made;

	if (l->out >= l->depth)
		return NULL;
	for (i = 0; l->op[i].used; i++)
		;
	o = &l->op[i];
	memset(o, 0, offsetof(struct op, piece));
	o->id = l->next_id;
	if (c->w->live) {
		made = make_sweep(c, o);
		if (made)
			o->start = model_tick(&o->lun->model);
	} else {
		o->lun = &c->lun[rng_below(&c->w->rng, c->luns)];
		o->start = model_tick(&o->lun->model);
		o->kind = draw_kind(c);
		made = kinds[o->kind].make(c, o);
	}
	if (!made)
		return NULL;
	l->next_id++;
	o->used = true;
	o->since = c->w->now;
	o->epoch = o->lun->epoch;
	o->victim = load_resets(c, o->lun) > 0;
	o->absent = !o->lun->there || o->lun->going;
	o->changes = o->lun->changes;
	o->heard = o->lun->heard;
	if (stops(o)) {
		o->lun->stopped = true;
		o->lun->stops++;
		o->lun->stopped_ever++;
	}
	o->stopped = o->lun->stopped_ever;
	if (o->lun->stops)
		o->stopped--; /* one of them may still come after it */
	o->hears = hears_attention(o);
	o->first = o->lun->out == 0 && o->lun->news && o->hears && !o->victim;
	o->lun->out++;
	l->out++;
	world_note(c->w, "op", (uint64_t)c->index << 40 | o->id,
		   (uint64_t)(o->lun - c->lun) << 40 | (uint64_t)o->kind << 32 |
			   (uint64_t)o->fua << 31 | o->blocks << 16 | o->lba);
	return o;
}

static bool is_write(const struct op *o)
{
	return o->kind == OP_WRITE || o->kind == OP_ZERO ||
	       o->kind == OP_SAME || o->kind == OP_COMPARE;
}

static void end(struct controller *c, struct op *o, bool pinned)
{
	if (stops(o))
		o->lun->stops--;
	free_buffer(c, o, pinned);
	o->used = false;
	o->lun->out--;
	c->load.out--;
	c->w->ops++;
	if (c->load.out == 0)
		bus_front_changed(c);
}

void load_back(struct controller *c, struct op *o)
{
	if (is_write(o))
		model_unwritten(&o->lun->model, o->lba, o->blocks, o->start);
	if (c->w->live && o->kind == OP_READ) {
		c->load.swept = false;
		c->load.sweep_lun = (uint32_t)(o->lun - c->lun);
		c->load.sweep_lba = o->lba;
	}
	end(c, o, false);
	c->w->ops--;
}

void load_done(struct controller *c, struct op *o, const struct op_result *res)
{
	bool good = !res->lost && res->r.host == WIRE_SCSI_HOST_OK &&
		    res->r.status == 0 && (!is_write(o) || !res->r.residual);

	world_note(c->w, "done", (uint64_t)c->index << 40 | o->id,
		   (uint64_t)res->lost << 32 | (uint64_t)res->r.host << 16 |
			   res->r.status);
	if (is_write(o))
		model_written(&o->lun->model, o->lba, o->blocks, o->start, good,
			      o->fua);
	if (o->kind == OP_FLUSH && good)
		model_flushed(&o->lun->model, o->start);
	if (!c->lies)
		load_verify(c, o, res);
	end(c, o, res->pinned);
}

/* Is O executed again, when it was being executed? */
static bool again(const struct op *o)
{
	uint8_t cdb[16] = {0};

	memcpy(cdb, o->cdb, o->cdb_len < 16 ? o->cdb_len : 16);
	return scsi_again(0, cdb) != SCSI_AGAIN_NO;
}

void load_interrupted(struct controller *c)
{
	uint32_t i;

	/* An answer may be out that told of an attention, and the successor not
	 * know of it: it tells of it again (lun/keep.h). */
	for (i = 0; i < c->luns; i++)
		if (c->lun[i].there && c->lun[i].attentions) {
			c->lun[i].attentions++;
			c->lun[i].changes++;
		}
	for (i = 0; i < OPS_MAX; i++) {
		struct op *o = &c->load.op[i];

		if (!o->used || o->kind == OP_RESET || again(o))
			continue;
		o->victim = true;
		o->lun->attentions++;
		o->lun->changes++;
		o->lun->news = false;
	}
}

void load_lost(struct controller *c)
{
	struct op_result res = {.lost = true};
	uint32_t i;

	for (i = 0; i < OPS_MAX; i++)
		if (c->load.op[i].used)
			load_done(c, &c->load.op[i], &res);
}
