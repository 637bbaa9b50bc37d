/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole data path of a controller (worker/path, its target, emulated LUNs,
 * the SCSI engine) under a hostile frontend, over storage that ends its
 * operations in any order and with any error: each request is answered once,
 * copies stay inside what was granted and what the path owns, LUNs come and go,
 * everything ends; and after all that a good READ still gives what is stored.
 */
#include <syslog.h>

#include "tests/fuzz/fuzz.h"
#include "worker/path.h"

#define PAGES	 24u /* that the guest has granted; odd ones read only */
#define SLOTS	 WIRE_SCSI_RING_SIZE
#define SEGS_MAX 32u
#define LUNS	 3u
#define BYTES	 (32u * 1024u) /* of each storage */
#define IOS	 64u
#define RQIDS	 20u

struct memory {
	struct storage storage;
	uint8_t bytes[BYTES];
};

struct world {
	struct fuzz_in *in;
	struct path path;
	struct wire_ring *ring;
	uint8_t *page; /* PAGES of them */
	bool listening;
	uint32_t prod, seen;
	uint32_t taken[RQIDS]; /* without an answer */
	struct storage_io *io[IOS];
	uint32_t ios;
};

static struct world w;

/* ---- the host ---- */

static int host_open(struct host_link **out, const char *place,
		     const struct host_ring *ring, void **shared,
		     const char **why)
{
	(void)place;
	(void)ring;
	(void)why;
	*out = (struct host_link *)&w;
	*shared = w.ring;
	return 0;
}

static void host_close(struct host_link *l)
{
	(void)l;
	w.listening = false;
}

static void host_copy(struct host_link *l, struct host_copy *c, unsigned n,
		      bool to_guest)
{
	(void)l;
	FUZZ_CHECK(n && n <= HOST_COPY_MAX);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *page = w.page + c[i].gref % PAGES * WIRE_PAGE_SIZE;

		FUZZ_CHECK(c[i].offset <= WIRE_PAGE_SIZE &&
			   c[i].len <= WIRE_PAGE_SIZE - c[i].offset);
		/* nothing that is not the command's data goes to the guest */
		for (uint32_t k = 0; to_guest && k < SLOTS; k++) {
			const struct slot *s = &w.path.slot[k];
			size_t at = (size_t)((uint8_t *)c[i].local - s->data);

			if ((uint8_t *)c[i].local >= s->data &&
			    at < SEGS_MAX * WIRE_PAGE_SIZE)
				FUZZ_CHECK(at + c[i].len <= s->cmd.task.in_len);
		}
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

static int memory_open(struct storage **out, const struct storage_cfg *cfg,
		       struct uring *u);

static void memory_submit(struct storage *s, struct storage_io *io)
{
	FUZZ_CHECK(w.ios < IOS);
	if (io->what != STORAGE_FLUSH)
		FUZZ_CHECK(io->len && io->offset <= BYTES &&
			   io->len <= BYTES - io->offset);
	io->storage = s;
	w.io[w.ios++] = io;
}

static void memory_cancel(struct storage *s, struct storage_io *io)
{
	(void)s;
	io->result = XPV_ECANCELED; /* when it ends */
}

static void memory_close(struct storage *s)
{
	for (uint32_t i = 0; i < w.ios; i++)
		FUZZ_CHECK(w.io[i]->storage != s);
	free(s);
}

static const struct storage_driver memory = {
	.name = "memory",
	.open = memory_open,
	.submit = memory_submit,
	.cancel = memory_cancel,
	.close = memory_close,
};

static int memory_open(struct storage **out, const struct storage_cfg *cfg,
		       struct uring *u)
{
	static uint8_t bytes[BYTES];
	struct memory *m = malloc(sizeof(*m));

	(void)cfg;
	(void)u;
	FUZZ_CHECK(m);
	for (uint32_t i = 0; !bytes[1] && i < BYTES; i++)
		bytes[i] = (uint8_t)(i / 512 + i);
	m->storage.driver = &memory;
	memcpy(m->bytes, bytes, BYTES);
	*out = &m->storage;
	return 0;
}

/* Ends operation K with RC; it is executed now. */
static void end_io(uint32_t k, int rc)
{
	struct storage_io *io = w.io[k];
	struct memory *m = (struct memory *)io->storage;

	w.io[k] = w.io[--w.ios];
	io->result = rc;
	if (rc == 0 && io->what == STORAGE_READ)
		memcpy(io->buf, m->bytes + io->offset, io->len);
	if (rc == 0 && io->what == STORAGE_WRITE)
		memcpy(m->bytes + io->offset, io->buf, io->len);
	if (rc == 0 &&
	    (io->what == STORAGE_ZERO || io->what == STORAGE_DISCARD))
		memset(m->bytes + io->offset, 0, io->len);
	io->extent_len = io->len;
	io->extent_mapped = true;
	io->done(io);
}

/* ---- LUNs ---- */

static void lun_add(uint32_t i)
{
	struct scsi_addr at = {0, (uint16_t)(i / 2), (uint16_t)(i % 2)};
	struct lun_cfg cfg = {
		.storage = &memory,
		.fd = -1,
		.state_fd = -1,
		.keep_fd = -1,
		.size = BYTES,
		.block_size = i == 1 ? 4096 : 512,
		.phys_size = 4096,
		.max_transfer = SEGS_MAX * WIRE_PAGE_SIZE / 2,
		.discard = i != 2,
		.zero = i != 2,
		.shared = i == 2,
		.initiator = 7,
		.serial = "1",
		.product = "FUZZ",
	};
	struct lun *lun;

	FUZZ_CHECK(lun_emulated.open(&lun, &cfg, NULL) == 0);
	if (target_add(&w.path.target, &at, lun, false) < 0)
		lun->type->close(lun);
}

static void lun_del(uint32_t i)
{
	struct scsi_addr at = {0, (uint16_t)(i / 2), (uint16_t)(i % 2)};
	struct target_lun *tl = target_find(&w.path.target, &at);
	uint32_t cookie;

	if (tl)
		tl->going = true;
	while (path_lun_gone(&w.path, false, &cookie))
		;
}

/* ---- the guest ---- */

static struct wire_scsi_req *slot(uint32_t i)
{
	uint8_t *slots = (uint8_t *)w.ring + WIRE_RING_SLOTS_OFFS;

	return (void *)(slots + i % SLOTS * sizeof(struct wire_scsi_req));
}

/* A few CDBs that reach far, or any. */
static void pick_cdb(uint8_t *cdb)
{
	static const uint8_t ops[] = {0x00, 0x12, 0x28, 0x2a, 0x28, 0x2a, 0x41,
				      0x42, 0x35, 0x89, 0x93, 0xa0, 0x5f, 0x1a,
				      0x15, 0x16, 0x88, 0x8a, 0x2f, 0x25};
	uint8_t what = fuzz_u8(w.in);

	if (what >= 0xf0) {
		fuzz_take(w.in, cdb, 16);
		return;
	}
	cdb[0] = ops[what % sizeof(ops)];
	cdb[1] = what & 0x80 ? fuzz_u8(w.in) : 0;
	if (cdb[0] < 0x20) {
		cdb[2] = cdb[0] == 0x1a ? 0x3f : 0;
		cdb[4] = 36;
		return;
	}
	cdb[cdb[0] >= 0x88 ? 9 : 5] = fuzz_u8(w.in);
	cdb[cdb[0] >= 0x88 ? 13 : 8] = fuzz_u8(w.in) & 31;
}

static void request(void)
{
	struct wire_scsi_req *req = slot(w.prod);
	uint8_t what = fuzz_u8(w.in);

	/* an answer that is not seen yet is not written over */
	if (w.prod - w.seen >= SLOTS || w.path.peer.broken)
		return;
	memset(req, 0, sizeof(*req));
	req->rqid = (uint16_t)fuzz_below(w.in, RQIDS);
	req->act = what >= 0xf0 ? what & 7 : 1;
	req->cmd_len = what & 1 ? 16 : 10;
	pick_cdb(req->cmnd);
	req->id = what >> 1 & 1;
	req->lun = what >> 2 & 1;
	req->ref_rqid = (uint16_t)fuzz_below(w.in, RQIDS);
	req->sc_data_direction = what >> 3 & 3;
	req->nr_segments = fuzz_u8(w.in) & 0x8f;
	for (uint32_t i = 0; i < (req->nr_segments & 0xfu); i++) {
		fuzz_take(w.in, &req->seg[i], sizeof(req->seg[i]));
		req->seg[i].gref %= PAGES + 1;
		if (what & 0x20)
			req->seg[i].offset = 0;
		if (what & 0x40 && req->seg[i].length > 4096)
			req->seg[i].length = 4096;
		if (req->nr_segments & 0x80)
			req->seg[i].length &= 0xf8;
	}
	w.taken[req->rqid]++;
	w.ring->req_prod = ++w.prod;
}

/* Every answer is one to something that was asked. */
static void responses(void)
{
	for (; w.seen != w.ring->rsp_prod; w.seen++) {
		struct wire_scsi_rsp rsp;

		memcpy(&rsp, slot(w.seen), sizeof(rsp));
		FUZZ_CHECK(rsp.rqid < RQIDS && w.taken[rsp.rqid]);
		w.taken[rsp.rqid]--;
		FUZZ_CHECK(rsp.sense_len <= WIRE_SCSI_SENSE && !rsp.act);
		for (uint32_t i = 0; i < XPV_ARRAY_SIZE(rsp.reserved); i++)
			FUZZ_CHECK(!rsp.reserved[i]);
	}
}

static bool turn(void)
{
	bool busy = path_turn(&w.path);

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
		request();
		break;
	case 3:
	case 4:
		(void)turn();
		break;
	case 5:
		if (w.ios)
			end_io(what / 8 % w.ios,
			       what < 0xe0 ? 0 : -(int)(1 + what % 14));
		break;
	case 6:
		fuzz_take(w.in, w.page + what / 8 % PAGES * WIRE_PAGE_SIZE,
			  what);
		break;
	default:
		if (what < 0x40)
			lun_del(what / 8 % LUNS);
		else if (what < 0x80)
			lun_add(what / 8 % LUNS);
		else if (what < 0xf0)
			(void)path_rest(&w.path);
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
}

/* One good command; its status. */
static int32_t ask(const uint8_t *cdb, uint32_t nsegs,
		   const struct wire_scsi_seg *seg)
{
	struct wire_scsi_req *req = slot(w.prod);
	struct wire_scsi_rsp rsp;

	memset(req, 0, sizeof(*req));
	req->act = WIRE_SCSI_ACT_CDB;
	req->cmd_len = 10;
	memcpy(req->cmnd, cdb, 10);
	req->sc_data_direction = nsegs ? WIRE_SCSI_DIR_IN : WIRE_SCSI_DIR_NONE;
	req->nr_segments = (uint8_t)nsegs;
	memcpy(req->seg, seg, nsegs * sizeof(*seg));
	w.taken[0]++;
	w.ring->req_prod = ++w.prod;
	quiet();
	FUZZ_CHECK(w.seen == w.prod);
	memcpy(&rsp, slot(w.seen - 1), sizeof(rsp));
	return rsp.rslt;
}

/* A READ of eight blocks into odd places gives what is stored. */
static void good_read(void)
{
	static const uint8_t start[10] = {0x1b, [4] = 1};
	static const uint8_t read[10] = {0x28, [5] = 3, [8] = 8};
	static const struct wire_scsi_seg seg[] = {
		{2, 100, 700}, {4, 0, 3000}, {6, 3700, 396}};
	uint8_t got[4096];
	struct memory *m;
	int n = 0;

	lun_del(0);
	lun_add(0);
	/* attentions: that it is new */
	while (ask(start, 0, seg) != 0)
		FUZZ_CHECK(++n < 8);
	FUZZ_CHECK(ask(read, 3, seg) == 0);
	for (uint32_t i = 0, at = 0; i < 3; at += seg[i++].length)
		memcpy(got + at,
		       w.page + seg[i].gref * WIRE_PAGE_SIZE + seg[i].offset,
		       seg[i].length);
	FUZZ_CHECK(!memory_open((struct storage **)&m, NULL, NULL));
	FUZZ_CHECK(!memcmp(got, m->bytes + 3 * 512, sizeof(got)));
	free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct log_where where;
	const struct peer_cfg cfg = {
		.host = &host, .now_ns = now, .where = &where, .hold_ns = 5000};
	static uint8_t *page, *ring;
	struct fuzz_in in = {data, size};
	uint32_t cookie;
	const char *why;
	const struct path_ring conn = {
		.gref = 1, .port = 1, .segs_max = SEGS_MAX};

	if (!page) {
		page = aligned_alloc(4096, PAGES * WIRE_PAGE_SIZE);
		ring = aligned_alloc(4096, WIRE_PAGE_SIZE);
		log_set_level(LOG_EMERG);
	}
	FUZZ_CHECK(page && ring);
	memset(ring, 0, WIRE_PAGE_SIZE);
	memset(w.taken, 0, sizeof(w.taken));
	w.in = &in;
	w.page = page;
	w.ring = (void *)ring;
	w.prod = w.seen = w.ios = 0;
	path_init(&w.path, &cfg);
	FUZZ_CHECK(path_open(&w.path, &conn, &why) == 0);
	for (uint32_t i = 0; i < LUNS; i++)
		lun_add(i);
	while (in.left && w.prod == w.ring->req_prod)
		step();
	if (w.prod == w.ring->req_prod && !w.path.peer.broken) {
		quiet();
		FUZZ_CHECK(w.seen == w.prod);
		good_read();
	}
	/* the connection ends, whatever the guest has done to it */
	path_close(&w.path);
	quiet();
	FUZZ_CHECK(path_closed(&w.path));
	while (path_lun_gone(&w.path, true, &cookie))
		;
	FUZZ_CHECK(!w.path.target.count && !w.listening);
	return 0;
}
