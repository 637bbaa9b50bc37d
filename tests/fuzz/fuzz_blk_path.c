/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data path of a ring of a disk (worker/blk_path, its memory, the block
 * engine) under a hostile frontend, over storage that ends its operations in
 * any order and with any error: each request is answered once, copies stay
 * inside what was granted and what the request owns, the storage gets whole
 * blocks inside the disk and never two writes to one place, everything ends
 * although memory is short; and after all that good requests still work.
 */
#include <syslog.h>

#include "tests/fuzz/fuzz.h"
#include "worker/blk_path.h"

#define PAGES	 24u /* that the guest has granted; odd ones read only */
#define SEGS_MAX 32u
#define ROOM	 40u /* pages that the path has for data */
#define SIZE	 (64u * 1024u)
#define BLOCK	 1024u
#define IDS	 20u
#define IOS	 64u

struct world {
	struct fuzz_in *in;
	struct blk_path path;
	struct wire_ring *ring;
	enum blk_abi abi;
	uint32_t slots, slot_size;
	uint8_t *page; /* PAGES of them */
	bool listening, open;
	uint32_t prod, seen;
	uint32_t taken[IDS]; /* without an answer */
	int16_t status;	     /* of the last answer */
	struct storage storage;
	uint8_t bytes[SIZE];
	struct storage_io *io[IOS];
	uint32_t ios;
	uint8_t *kept;	      /* all but ROOM of the memory */
	uint32_t maps[PAGES]; /* of each page, that last */
};

static struct world w;

/* ---- the host ---- */

static int host_open(struct host_link **out, const char *place,
		     const struct host_ring *ring, void **shared,
		     const char **why)
{
	(void)place;
	(void)why;
	FUZZ_CHECK(ring->pages >= 1 && ring->pages <= 2);
	*out = (struct host_link *)&w;
	*shared = w.ring;
	return 0;
}

static void host_close(struct host_link *l)
{
	(void)l;
	w.listening = false;
}

/* Whose data is at P? NULL: it is the engine's. */
static const struct blk_slot *owner(const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i < w.slots; i++) {
		const struct blk_slot *s = &w.path.slot[i];

		if (s->pages == 0 || p < s->io.buf ||
		    p >= s->io.buf + s->pages * WIRE_PAGE_SIZE)
			continue;
		FUZZ_CHECK(p + len <= s->io.buf + s->io.len);
		return s;
	}
	return NULL;
}

static void host_copy(struct host_link *l, struct host_copy *c, unsigned n,
		      bool to_guest)
{
	(void)l;
	FUZZ_CHECK(n && n <= HOST_COPY_MAX);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *page = w.page + c[i].gref % PAGES * WIRE_PAGE_SIZE;
		const struct blk_slot *s = owner(c[i].local, c[i].len);

		FUZZ_CHECK(c[i].offset <= WIRE_PAGE_SIZE &&
			   c[i].len <= WIRE_PAGE_SIZE - c[i].offset);
		/* nothing that was not read goes to the guest */
		FUZZ_CHECK(!to_guest || (s && s->io.what == STORAGE_READ &&
					 s->io.result == 0));
		FUZZ_CHECK(to_guest || !s || s->io.what == STORAGE_WRITE);
		/* a grant that is none, or may not be written */
		c[i].ok = c[i].gref < PAGES && !(to_guest && c[i].gref & 1);
		if (!c[i].ok)
			continue;
		if (to_guest)
			memcpy(page + c[i].offset, c[i].local, c[i].len);
		else
			memcpy(c[i].local, page + c[i].offset, c[i].len);
	}
}

/* Those that may be written. */
static int host_map(struct host_link *l, uint32_t gref, void **at)
{
	(void)l;
	FUZZ_CHECK(w.listening);
	if (gref >= PAGES || gref & 1)
		return -1;
	FUZZ_CHECK(w.maps[gref]++ == 0);
	*at = w.page + gref * WIRE_PAGE_SIZE;
	return 0;
}

static void host_unmap(struct host_link *l, uint32_t gref, void *at)
{
	(void)l;
	FUZZ_CHECK(w.listening && gref < PAGES && w.maps[gref]-- == 1);
	FUZZ_CHECK(at == w.page + gref * WIRE_PAGE_SIZE);
}

static void host_notify(struct host_link *l)
{
	(void)l;
}

static void host_listen(struct host_link *l, struct uring *u,
			void (*call)(void *ctx), void *ctx)
{
	(void)l;
	(void)u;
	(void)call;
	(void)ctx;
	w.listening = true;
}

static void host_rearm(struct host_link *l, struct uring *u)
{
	(void)l;
	(void)u;
	FUZZ_CHECK(w.listening);
}

static const struct host_ops host = {
	.name = "fuzz",
	.open = host_open,
	.close = host_close,
	.copy = host_copy,
	.map = host_map,
	.unmap = host_unmap,
	.notify = host_notify,
	.listen = host_listen,
	.rearm = host_rearm,
};

static uint64_t now(void *ctx)
{
	static uint64_t ns;

	(void)ctx;
	return ns += 1000;
}

/* ---- the storage ---- */

static bool changes(const struct storage_io *io)
{
	return io->what == STORAGE_WRITE || io->what == STORAGE_DISCARD;
}

static void memory_submit(struct storage *s, struct storage_io *io)
{
	const struct blk_slot *of = (const struct blk_slot *)io;

	FUZZ_CHECK(s == &w.storage && w.open && w.ios < IOS);
	/* data that could not be had is not written */
	for (; of; of = of->more)
		FUZZ_CHECK(!of->lost);
	if (io->what != STORAGE_FLUSH) {
		FUZZ_CHECK(io->len && io->offset <= SIZE &&
			   io->len <= SIZE - io->offset);
		FUZZ_CHECK(io->len % BLOCK == 0 && io->offset % BLOCK == 0);
	}
	if (io->what == STORAGE_READ || io->what == STORAGE_WRITE)
		FUZZ_CHECK((uintptr_t)io->buf % WIRE_PAGE_SIZE == 0);
	for (uint32_t i = 0; changes(io) && i < w.ios; i++)
		FUZZ_CHECK(!changes(w.io[i]) ||
			   io->offset >= w.io[i]->offset + w.io[i]->len ||
			   w.io[i]->offset >= io->offset + io->len);
	w.io[w.ios++] = io;
}

static void memory_cancel(struct storage *s, struct storage_io *io)
{
	(void)s;
	(void)io;
}

static void memory_close(struct storage *s)
{
	FUZZ_CHECK(s == &w.storage && w.open && w.ios == 0);
	w.open = false;
}

static const struct storage_driver memory = {
	.name = "memory",
	.submit = memory_submit,
	.cancel = memory_cancel,
	.close = memory_close,
};

/* Ends operation K with RC; it is executed now. */
static void end_io(uint32_t k, int rc)
{
	struct storage_io *io = w.io[k];

	w.io[k] = w.io[--w.ios];
	io->result = rc;
	if (rc == 0 && io->what == STORAGE_READ)
		memcpy(io->buf, w.bytes + io->offset, io->len);
	if (rc == 0 && io->what == STORAGE_WRITE)
		memcpy(w.bytes + io->offset, io->buf, io->len);
	if (rc == 0 && io->what == STORAGE_DISCARD)
		memset(w.bytes + io->offset, 0, io->len);
	io->done(io);
}

/* ---- the guest ---- */

static uint8_t *slot(uint32_t i)
{
	return (uint8_t *)w.ring + WIRE_RING_SLOTS_OFFS +
	       i % w.slots * w.slot_size;
}

static void put(const struct blk_req *req)
{
	w.taken[req->id]++;
	blk_abi_put_req(w.abi, slot(w.prod), req);
	w.ring->req_prod = ++w.prod;
}

/* Segments that are mostly whole blocks. */
static void pick_segs(struct wire_blk_seg *seg, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint8_t what = fuzz_u8(w.in);

		seg[i].gref = what % (PAGES + 1);
		seg[i].first_sect =
			what >= 0xf0 ? fuzz_u8(w.in) : what >> 5 & 6;
		seg[i].last_sect = what >= 0xe8 ? fuzz_u8(w.in) : 7;
	}
}

static void request(void)
{
	uint8_t what = fuzz_u8(w.in);
	struct blk_req req = {
		.op = what >= 0xf8 ? what : what % 6,
		.flag = what >> 6 & 1,
		.id = fuzz_below(w.in, IDS),
		.sector = (uint64_t)fuzz_u8(w.in) * (BLOCK / 512) % 140,
		.count = fuzz_below(w.in, 64) * (BLOCK / 512),
	};
	struct wire_blk_seg seg[SEGS_MAX] = {{0}};

	/* an answer that is not seen yet is not written over */
	if (w.prod - w.seen >= w.slots || w.path.peer.broken)
		return;
	if (what >= 0xf0)
		req.sector = ~(uint64_t)what;
	req.indirect = what & 0x80 && req.op < 2;
	req.nsegs =
		(uint16_t)fuzz_below(w.in, req.indirect ? SEGS_MAX + 2 : 13);
	if (req.op == WIRE_BLK_OP_FLUSH && what & 0x40)
		req.nsegs = 0;
	if (req.indirect) {
		pick_segs(seg, req.nsegs < SEGS_MAX ? req.nsegs : SEGS_MAX);
		req.gref[0] = fuzz_below(w.in, PAGES + 1);
		if (req.gref[0] < PAGES)
			memcpy(w.page + req.gref[0] * WIRE_PAGE_SIZE, seg,
			       sizeof(seg));
	} else {
		pick_segs(req.seg, req.nsegs < WIRE_BLK_SEGS ? req.nsegs
							     : WIRE_BLK_SEGS);
	}
	put(&req);
}

/* Every answer is one to something that was asked. */
static void responses(void)
{
	for (; w.seen != w.ring->rsp_prod; w.seen++) {
		struct blk_rsp rsp;

		blk_abi_get_rsp(slot(w.seen), &rsp);
		FUZZ_CHECK(rsp.id < IDS && w.taken[rsp.id]);
		w.taken[rsp.id]--;
		FUZZ_CHECK(rsp.status <= 0 && rsp.status >= -2);
		w.status = rsp.status;
	}
}

static bool turn(void)
{
	bool busy = blk_path_turn(&w.path);

	responses();
	return busy;
}

static void step(void)
{
	uint8_t what = fuzz_u8(w.in);

	switch (what % 8) {
	case 0:
	case 1:
	case 2:
	case 3:
		request();
		break;
	case 4:
		(void)turn();
		break;
	case 5:
		if (w.ios)
			end_io(what / 8 % w.ios,
			       what < 0xe0 ? 0 : -(int)(1 + what % 14));
		break;
	case 6:
		if (what < 0xe0)
			fuzz_take(w.in,
				  w.page + what / 8 % PAGES * WIRE_PAGE_SIZE,
				  what);
		else
			blk_path_resize(&w.path, SIZE - (what & 8) * BLOCK);
		break;
	default:
		if (what < 0xf0)
			(void)blk_path_rest(&w.path);
		else /* the index lies; nothing of it is counted any more */
			w.ring->req_prod = fuzz_u32(w.in);
		break;
	}
}

/* As a queue goes on: until nothing is to be done and nothing is awaited. */
static void quiet(void)
{
	int n = 0;

	while (turn() || w.ios) {
		FUZZ_CHECK(++n < 2000);
		if (w.ios)
			end_io(0, 0);
	}
	FUZZ_CHECK(!w.path.fresh.first && !w.path.finished.first);
	FUZZ_CHECK(w.path.arena.used == w.path.arena.pages - ROOM);
}

static int16_t ask(const struct blk_req *req)
{
	put(req);
	quiet();
	FUZZ_CHECK(w.seen == w.prod);
	return w.status;
}

/* What is written is there, and is read. */
static void good_requests(void)
{
	struct blk_req req = {
		.op = WIRE_BLK_OP_WRITE,
		.sector = 6,
		.nsegs = 3,
		.seg = {{1, 2, 7, 0}, {4, 0, 0, 0}, {3, 7, 7, 0}},
	};

	memset(w.page, 0x5a, 6 * WIRE_PAGE_SIZE);
	w.page[4 * WIRE_PAGE_SIZE] = 0x77;
	FUZZ_CHECK(ask(&req) == WIRE_BLK_RSP_OKAY);
	FUZZ_CHECK(w.bytes[6 * 512] == 0x5a && w.bytes[12 * 512] == 0x77);
	req.op = WIRE_BLK_OP_READ;
	req.seg[0].gref = 6;
	req.seg[2].gref = 8;
	memset(w.page + 6 * WIRE_PAGE_SIZE, 0, 3 * WIRE_PAGE_SIZE);
	FUZZ_CHECK(ask(&req) == WIRE_BLK_RSP_OKAY);
	FUZZ_CHECK(!memcmp(w.page + 6 * WIRE_PAGE_SIZE + 1024,
			   w.bytes + 6 * 512, 3072));
	FUZZ_CHECK(w.page[6 * WIRE_PAGE_SIZE + 1023] == 0);
	FUZZ_CHECK(w.page[9 * WIRE_PAGE_SIZE - 1] == 0x5a);
	FUZZ_CHECK(w.page[9 * WIRE_PAGE_SIZE - 513] == 0);
}

/* Across the end of the disk, or through pages that are not granted: refused,
 * and without effect. */
static void bad_requests(void)
{
	struct blk_req req = {
		.op = WIRE_BLK_OP_WRITE,
		.sector = SIZE / 512 - BLOCK / 512,
		.nsegs = 1,
		.seg = {{2, 0, 2 * BLOCK / 512 - 1, 0}},
	};
	uint8_t last = w.bytes[SIZE - 1];

	memset(w.page, 0x66, 6 * WIRE_PAGE_SIZE);
	FUZZ_CHECK(ask(&req) == WIRE_BLK_RSP_ERROR);
	req.sector = SIZE / 512;
	req.seg[0].last_sect = BLOCK / 512 - 1;
	FUZZ_CHECK(ask(&req) == WIRE_BLK_RSP_ERROR);
	req.op = WIRE_BLK_OP_READ;
	FUZZ_CHECK(ask(&req) == WIRE_BLK_RSP_ERROR);
	req.sector = SIZE / 512 - BLOCK / 512;
	req.seg[0].gref = 3; /* it may only be read */
	FUZZ_CHECK(ask(&req) == WIRE_BLK_RSP_ERROR);
	req.op = WIRE_BLK_OP_WRITE;
	req.seg[0].gref = PAGES;
	FUZZ_CHECK(ask(&req) == WIRE_BLK_RSP_ERROR);
	FUZZ_CHECK(w.bytes[SIZE - 1] == last);
	req.seg[0].gref = 3;
	FUZZ_CHECK(ask(&req) == WIRE_BLK_RSP_OKAY);
	FUZZ_CHECK(w.bytes[SIZE - 1] == 0x66);
}

/* Neighbours are one operation, and when that fails each is one of its own. */
static void neighbours(void)
{
	struct blk_req req = {
		.op = WIRE_BLK_OP_WRITE,
		.nsegs = 1,
		.seg = {{2, 0, 7, 0}},
	};

	for (; req.id < 3; req.id++) {
		req.sector = 8 * req.id;
		req.seg[0].gref = (uint32_t)(2 + 2 * req.id);
		memset(w.page + req.seg[0].gref * WIRE_PAGE_SIZE,
		       0x40 + (int)req.id, WIRE_PAGE_SIZE);
		put(&req);
	}
	(void)turn();
	FUZZ_CHECK(w.ios == 1 && w.io[0]->len == 3 * WIRE_PAGE_SIZE);
	end_io(0, XPV_EIO);
	(void)turn();
	FUZZ_CHECK(w.ios == 3 && w.seen != w.prod);
	while (w.ios > 0) {
		bool second = w.io[0]->offset == WIRE_PAGE_SIZE;

		end_io(0, second ? XPV_ENOSPC : 0);
		(void)turn();
		FUZZ_CHECK((w.status != WIRE_BLK_RSP_OKAY) == second);
	}
	quiet();
	FUZZ_CHECK(w.seen == w.prod && w.bytes[0] == 0x40);
	FUZZ_CHECK(w.bytes[2 * WIRE_PAGE_SIZE] == 0x42);
}

static void begin(uint8_t what)
{
	static const struct log_where where;
	const struct peer_cfg cfg = {
		.host = &host, .now_ns = now, .where = &where, .hold_ns = 5000};
	struct proto_blk blk = {
		.pages = 1 + (what & 1),
		.abi = what & 2 ? BLK_ABI_32 : BLK_ABI_64,
		.features = BLK_BACK_F_FLUSH | BLK_BACK_F_BARRIER |
			    BLK_BACK_F_DISCARD | BLK_BACK_F_SECURE,
		.indirect_max = SEGS_MAX,
		.persistent_max = what & 4 ? 5 : 0,
		.block_size = BLOCK,
		.size = SIZE,
	};
	const char *why;

	w.abi = (enum blk_abi)blk.abi;
	w.slot_size = blk_abi_slot(w.abi);
	w.slots = ring_slots(blk.pages, w.slot_size);
	w.storage.driver = &memory;
	w.open = true;
	blk_path_init(&w.path, &cfg);
	FUZZ_CHECK(blk_path_open(&w.path, &blk, NULL, &w.storage, NULL, &why) ==
		   0);
	w.kept = arena_get(&w.path.arena, w.path.arena.pages - ROOM);
	FUZZ_CHECK(w.kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t *page, *ring;
	struct fuzz_in in = {data, size};

	if (!page) {
		page = aligned_alloc(4096, PAGES * WIRE_PAGE_SIZE);
		ring = aligned_alloc(4096, 2 * WIRE_PAGE_SIZE);
		log_set_level(LOG_EMERG);
	}
	FUZZ_CHECK(page && ring);
	memset(ring, 0, 2 * WIRE_PAGE_SIZE);
	memset(w.taken, 0, sizeof(w.taken));
	memset(w.maps, 0, sizeof(w.maps));
	memset(w.bytes, 0x11, sizeof(w.bytes));
	w.in = &in;
	w.page = page;
	w.ring = (void *)ring;
	w.prod = w.seen = w.ios = 0;
	begin(fuzz_u8(&in));
	while (in.left && w.prod == w.ring->req_prod)
		step();
	if (w.prod == w.ring->req_prod && !w.path.peer.broken) {
		quiet();
		FUZZ_CHECK(w.seen == w.prod);
		blk_path_resize(&w.path, SIZE);
		good_requests();
		bad_requests();
		neighbours();
	}
	/* the connection ends, whatever the guest has done to it */
	blk_path_close(&w.path);
	quiet();
	FUZZ_CHECK(blk_path_closed(&w.path));
	FUZZ_CHECK(!w.open && !w.listening);
	for (uint32_t i = 0; i < PAGES; i++)
		FUZZ_CHECK(w.maps[i] == 0);
	return 0;
}
