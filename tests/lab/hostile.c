/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile PVSCSI frontend:
 *
 *	hostile UNIT [SECONDS [SEED]]
 *
 * runs in a guest, as the driver of controller UNIT, which has two LUNs of at
 * least 16 MiB: 0:0:0, and 0:0:1 for what may destroy it. It sends what no
 * driver would and writes TAP: each request must have the one right answer,
 * and after each group of them the device must serve an honest command.
 * SECONDS is for the random requests.
 *
 * What is never done: data-in to a page that another part of this guest may
 * have granted. The backend is right to write there, and then it would be our
 * own console, xenstore ring or disk buffer that is broken.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lab/frontend.h"
#include "tests/lab/hostile_rows.h"

/* ---- the world ---- */

static struct front front;
static struct front_pages pages, list, read_only;
static uint32_t segs_max;

static unsigned tap_count, tap_failed;

static void ok(bool good, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void ok(bool good, const char *fmt, ...)
{
	va_list ap;

	tap_count++;
	tap_failed += !good;
	printf("%sok %u - ", good ? "" : "not ", tap_count);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

static uint32_t gref_of(uint32_t gref)
{
	uint32_t i = gref & 0xff;

	if (gref >> 16 != SYMBOL(0u, 0u) >> 16)
		return gref;
	switch (gref >> 8 & 0xff) {
	case 0:
		return pages.gref[i];
	case 1:
		return list.gref[i];
	case 2:
		return read_only.gref[i];
	default:
		return front.ring_gref;
	}
}

static uint16_t asc_of(const struct wire_scsi_rsp *rsp)
{
	if (rsp->sense_len < 14)
		return 0;
	return (uint16_t)(rsp->sense[12] << 8 | rsp->sense[13]);
}

/*
 * Send N requests, at most as many as the ring has slots, with one event, and
 * get their answers: each one, once, and no other. ORDER, if not NULL, gets the
 * order of the answers. An ABORT's ref_rqid is an index into REQ, if it can be.
 * False, and a comment, if it is not so.
 */
static bool exchange(struct wire_scsi_req *req, uint32_t n,
		     struct wire_scsi_rsp *rsp, uint32_t *order)
{
	static uint16_t next_rqid;
	bool answered[WIRE_SCSI_RING_SIZE] = {false};
	uint16_t first = next_rqid;
	struct wire_scsi_rsp r;
	uint32_t i, at;

	next_rqid = (uint16_t)(next_rqid + n);
	for (i = 0; i < n; i++) {
		req[i].rqid = (uint16_t)(first + i);
		if (req[i].act == WIRE_SCSI_ACT_ABORT && req[i].ref_rqid < n)
			req[i].ref_rqid = (uint16_t)(first + req[i].ref_rqid);
		front_put(&front, &req[i]);
	}
	front_push(&front);
	for (i = 0; i < n; i++) {
		if (!front_get(&front, &r, FRONT_PATIENCE_MS)) {
			printf("# %" PRIu32 " of %" PRIu32 " answers came\n", i,
			       n);
			return false;
		}
		at = (uint16_t)(r.rqid - first);
		if (at >= n || answered[at]) {
			printf("# an answer to %u, which is not open\n",
			       r.rqid);
			return false;
		}
		answered[at] = true;
		rsp[at] = r;
		if (order)
			order[at] = i;
	}
	return true;
}

/* One request; its answer's rslt, or -1 if there is none. */
static int32_t one(const struct wire_scsi_req *req, struct wire_scsi_rsp *rsp)
{
	struct wire_scsi_req copy = *req;
	uint32_t i;

	for (i = 0; i < WIRE_SCSI_SEGS; i++)
		copy.seg[i].gref = gref_of(copy.seg[i].gref);
	return exchange(&copy, 1, rsp, NULL) ? rsp->rslt : -1;
}

/* ---- honest commands ---- */

/* What stands at the known place. */
static uint8_t known(uint32_t i)
{
	return (uint8_t)(i * 7 + i / 256 + 3);
}

/* Unit attentions are due after an attach and a reset. */
static bool settle(uint16_t lun)
{
	const struct wire_scsi_req tur = {TUR, NONE, .lun = lun};
	struct wire_scsi_rsp rsp;
	int i;

	for (i = 0; i < 8; i++)
		if (one(&tur, &rsp) == GOOD)
			return true;
	printf("# rslt %#" PRIx32 ", asc %#x\n", (uint32_t)rsp.rslt,
	       asc_of(&rsp));
	return false;
}

static void write_known(void)
{
	struct wire_scsi_req req = {WRITE(KNOWN_BLOCKS), OUT,
				    SEG(PAGE(0), 0, 4096)};
	struct wire_scsi_rsp rsp;
	uint32_t i;

	req.cmnd[4] = 0; /* not SCRATCH */
	for (i = 0; i < WIRE_PAGE_SIZE; i++)
		pages.at[i] = known(i);
	ok(one(&req, &rsp) == GOOD, "the known data is written");
}

/* The device serves an honest driver after WHAT. */
static bool alive(const char *what)
{
	const struct wire_scsi_req inquiry = {INQUIRY, IN, SEG(PAGE(2), 0, 96)};
	const struct wire_scsi_req rd = {READ(KNOWN_BLOCKS), IN,
					 SEG(PAGE(3), 0, 4096)};
	uint8_t *data = pages.at + (size_t)3 * WIRE_PAGE_SIZE;
	struct wire_scsi_rsp rsp;
	uint32_t i, wrong = 0;
	bool good = settle(0) && settle(1);

	memset(pages.at + (size_t)2 * WIRE_PAGE_SIZE, 0, 96);
	memset(data, 0, WIRE_PAGE_SIZE);
	good = good && one(&inquiry, &rsp) == GOOD &&
	       !memcmp(pages.at + (size_t)2 * WIRE_PAGE_SIZE + 8, "XENPV", 5);
	good = good && one(&rd, &rsp) == GOOD;
	for (i = 0; i < WIRE_PAGE_SIZE; i++)
		wrong += data[i] != known(i);
	ok(good && !wrong, "%s: honest commands are served", what);
	return good && !wrong;
}

/* ---- the tables ---- */

static void fill_list(const struct row *row, struct wire_scsi_req *req)
{
	struct wire_scsi_seg *entry = (void *)list.at;
	uint32_t i, n = row->n;

	if (n == LIST_FULL || n == LIST_OVER)
		n = segs_max + (n == LIST_OVER);
	if (n == 0)
		return;
	for (i = 0; i < n; i++) {
		entry[i] = row->entry;
		entry[i].gref = gref_of(row->entry.gref);
	}
	req->seg[0].gref = list.gref[0];
	req->seg[0].length = (uint16_t)(n * sizeof(*entry));
}

static bool right(const struct row *row, const struct wire_scsi_rsp *rsp)
{
	if (row->or_good && rsp->rslt == GOOD)
		return true;
	if (rsp->rslt == row->want && (!row->asc || asc_of(rsp) == row->asc))
		return true;
	printf("# rslt %#" PRIx32 ", asc %#x\n", (uint32_t)rsp->rslt,
	       asc_of(rsp));
	return false;
}

/* As many requests at once as fit. */
static void run_row(const char *group, const struct row *row)
{
	struct wire_scsi_req req[WIRE_SCSI_RING_SIZE];
	struct wire_scsi_rsp rsp[WIRE_SCSI_RING_SIZE];
	uint32_t i, n, value = row->from;
	uint32_t end = row->to ? row->to : value + 1;
	bool good = true;

	while (good && value < end) {
		for (n = 0; n < WIRE_SCSI_RING_SIZE && value < end; n++) {
			req[n] = row->req;
			for (i = 0; i < WIRE_SCSI_SEGS; i++)
				req[n].seg[i].gref =
					gref_of(row->req.seg[i].gref);
			fill_list(row, &req[n]);
			if (row->to)
				((uint8_t *)&req[n])[row->at] = (uint8_t)value;
			value++;
		}
		good = exchange(req, n, rsp, NULL);
		for (i = 0; good && i < n; i++)
			good = right(row, &rsp[i]);
	}
	ok(good, "%s: %s", group, row->name);
}

/* ---- several requests ---- */

static void at_once(void)
{
	struct wire_scsi_req req[WIRE_SCSI_RING_SIZE];
	struct wire_scsi_rsp rsp[WIRE_SCSI_RING_SIZE];
	bool good = true;
	uint32_t i;

	for (i = 0; i < WIRE_SCSI_RING_SIZE; i++)
		req[i] = (struct wire_scsi_req){READ(8), IN,
						SEG(pages.gref[i], 0, 4096)};
	good = exchange(req, i, rsp, NULL);
	for (i = 0; good && i < WIRE_SCSI_RING_SIZE; i++)
		good = rsp[i].rslt == GOOD &&
		       !memcmp(pages.at, pages.at + (size_t)i * WIRE_PAGE_SIZE,
			       WIRE_PAGE_SIZE);
	ok(good, "a full ring with one event");
}

static void same_rqid(void)
{
	const struct wire_scsi_req req = {
		.rqid = 7, READ(8), IN, SEG(pages.gref[0], 0, 4096)};
	struct wire_scsi_rsp rsp;
	bool good = true;
	uint32_t i;

	for (i = 0; i < WIRE_SCSI_RING_SIZE; i++)
		front_put(&front, &req);
	front_push(&front);
	for (i = 0; good && i < WIRE_SCSI_RING_SIZE; i++)
		good = front_get(&front, &rsp, FRONT_PATIENCE_MS) &&
		       rsp.rqid == 7 && rsp.rslt == GOOD;
	ok(good, "one rqid for 16 requests: 16 answers");
}

/* Four large READs, and ACT for the second of them or all of its LUN. */
static void end_running(uint8_t act, uint32_t victim, const char *name)
{
	const struct row large = {.req = {READ(256), IN, LISTED},
				  .entry = {PAGE(0), 0, 512},
				  .n = LIST_FULL};
	struct wire_scsi_req req[5];
	struct wire_scsi_rsp rsp[5];
	uint32_t order[5], i;
	bool good;

	for (i = 0; i < 4; i++) {
		req[i] = large.req;
		fill_list(&large, &req[i]);
	}
	req[4] = (struct wire_scsi_req){.act = act, .ref_rqid = 1};
	good = exchange(req, 5, rsp, order) &&
	       rsp[4].rslt == WIRE_SCSI_RESET_SUCCESS;
	for (i = 0; good && i < 4; i++) {
		bool meant = act == WIRE_SCSI_ACT_RESET || i == 1;

		if (rsp[i].rslt == GOOD && !meant)
			continue;
		/* answered, and before it is said that nothing is left */
		good = meant && order[i] < order[4] &&
		       (rsp[i].rslt == GOOD ||
			rsp[i].rslt == (int32_t)(victim << 16));
		printf("# rslt %#" PRIx32 "\n", (uint32_t)rsp[i].rslt);
	}
	ok(good, "%s", name);
}

static void report_luns(uint32_t bytes)
{
	static const uint8_t both[24] = {[3] = 16, [17] = 1};
	struct wire_scsi_req req = {REPORT_LUNS(0), IN};
	struct wire_scsi_rsp rsp;
	uint32_t n = bytes / WIRE_PAGE_SIZE, i;

	req.cmnd[7] = (uint8_t)(bytes >> 16);
	req.cmnd[8] = (uint8_t)(bytes >> 8);
	req.cmnd[9] = (uint8_t)bytes;
	req.nr_segments = (uint8_t)n;
	for (i = 0; i < n; i++)
		req.seg[i] = (struct wire_scsi_seg){PAGE(i), 0, WIRE_PAGE_SIZE};
	memset(pages.at, 0xee, sizeof(both));
	ok(one(&req, &rsp) == GOOD &&
		   rsp.residual_len == bytes - sizeof(both) &&
		   !memcmp(pages.at, both, sizeof(both)),
	   "REPORT LUNS with %" PRIu32 " bytes", bytes);
}

/* ---- what changes while it is in use ---- */

/*
 * Data-out only: the kernel may give the same reference to its own data as
 * soon as we have ended ours.
 */
static void ended_grants(void)
{
	struct front_pages p;
	struct wire_scsi_req req = {WRITE(8), OUT};
	struct wire_scsi_rsp rsp;
	uint32_t i, refused = 0;
	bool good = true;

	for (i = 0; good && i < 50; i++) {
		front_grant(&front, &p, 1, true);
		req.nr_segments = 1;
		req.seg[0] = (struct wire_scsi_seg){p.gref[0], 0, 4096};
		front_put(&front, &req);
		front_push(&front);
		front_ungrant(&front, &p);
		good = front_get(&front, &rsp, FRONT_PATIENCE_MS) &&
		       (rsp.rslt == GOOD || rsp.rslt == BAD);
		refused += rsp.rslt == BAD;
	}
	printf("# %" PRIu32 " of %" PRIu32 " refused\n", refused, i);
	ok(good, "grants are ended while they are in use");
}

/* The other thread, and what it writes in turn until it is told to stop. */
struct flipper {
	pthread_t thread;
	bool stop;
	void (*flip)(uint32_t turn);
};

static void *flipper_main(void *arg)
{
	struct flipper *f = arg;
	uint32_t turn = 0;

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED))
		f->flip(turn++);
	return NULL;
}

/* Word by word, so that halves of two entries are seen, too. */
static void flip_list(uint32_t turn)
{
	static const struct wire_scsi_seg bad = {NEVER, 4000, 512};
	volatile uint32_t *to = (volatile void *)list.at;
	struct wire_scsi_seg entry = {pages.gref[0], 0, 512};
	uint32_t words[2];

	memcpy(words, turn & 1 ? &bad : &entry, sizeof(words));
	to[0] = words[0];
	to[1] = words[1];
}

/* The number of segments in every slot; in an answer that byte is sense. */
static void flip_slots(uint32_t turn)
{
	volatile uint8_t *slot =
		(volatile uint8_t *)front.ring + WIRE_RING_SLOTS_OFFS;
	uint32_t i;

	for (i = 0; i < WIRE_SCSI_RING_SIZE; i++)
		slot[i * sizeof(struct wire_scsi_req) +
		     offsetof(struct wire_scsi_req, nr_segments)] =
			turn & 1 ? 255 : WIRE_SCSI_SG_GRANT | 1;
}

static void in_flight(const char *name, void (*flip)(uint32_t turn))
{
	struct flipper f = {.flip = flip};
	int64_t end = front_now_ms() + 1500;
	struct wire_scsi_req req[WIRE_SCSI_RING_SIZE];
	struct wire_scsi_rsp rsp[WIRE_SCSI_RING_SIZE];
	uint32_t i, good_ones = 0, refused = 0;
	bool good = true;

	flip_list(0); /* what is honest is good */
	flip(0);
	if (pthread_create(&f.thread, NULL, flipper_main, &f))
		front_die("no thread");
	while (good && front_now_ms() < end) {
		for (i = 0; i < WIRE_SCSI_RING_SIZE; i++)
			req[i] = (struct wire_scsi_req){
				READ(1), IN, LISTED,
				.seg = {{list.gref[0], 0, 8}}};
		good = exchange(req, i, rsp, NULL);
		for (i = 0; good && i < WIRE_SCSI_RING_SIZE; i++) {
			good_ones += rsp[i].rslt == GOOD;
			refused += rsp[i].rslt == BAD;
			good = rsp[i].rslt == GOOD || rsp[i].rslt == BAD;
		}
	}
	__atomic_store_n(&f.stop, true, __ATOMIC_RELAXED);
	pthread_join(f.thread, NULL);
	printf("# %" PRIu32 " good, %" PRIu32 " refused\n", good_ones, refused);
	ok(good, "%s", name);
}

static void storm(void)
{
	const struct wire_scsi_req tur = {TUR, NONE};
	int64_t end = front_now_ms() + 3000;
	struct wire_scsi_rsp rsp;
	uint32_t events = 0, i;
	bool good = true;

	while (good && front_now_ms() < end) {
		for (i = 0; i < 200; i++, events++)
			front_notify(&front);
		good = one(&tur, &rsp) == GOOD;
	}
	printf("# %" PRIu32 " events\n", events);
	ok(good, "an event storm");
}

/* ---- random requests ---- */

static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % below;
}

/* True in N of 100 cases. */
static bool chance(uint32_t n)
{
	return rnd(100) < n;
}

/* BAD_SEGS: how many of 100 are not honest. */
static uint32_t rnd_gref(uint32_t bad_segs)
{
	if (!chance(bad_segs))
		return pages.gref[rnd(PAGES)];
	if (chance(50))
		return read_only.gref[0];
	/* never one that the kernel may have granted */
	return 0x10000 + rnd(UINT32_MAX - 0x10000);
}

static struct wire_scsi_seg rnd_seg(uint32_t bad_segs)
{
	struct wire_scsi_seg s = {.gref = rnd_gref(bad_segs)};

	if (chance(bad_segs)) {
		s.offset = (uint16_t)rnd(65536);
		s.length = (uint16_t)rnd(65536);
	} else {
		s.offset = (uint16_t)(rnd(8) * 512);
		s.length = (uint16_t)(rnd(WIRE_PAGE_SIZE - s.offset + 1));
	}
	return s;
}

static void rnd_cdb(struct wire_scsi_req *req)
{
	/* what a disk may know */
	static const uint8_t op[] = {
		0x00, 0x03, 0x08, 0x0a, 0x12, 0x15, 0x16, 0x17, 0x1a, 0x1b,
		0x1e, 0x25, 0x28, 0x2a, 0x2e, 0x2f, 0x34, 0x35, 0x37, 0x41,
		0x42, 0x4c, 0x4d, 0x55, 0x56, 0x57, 0x5a, 0x5e, 0x5f, 0x7f,
		0x83, 0x84, 0x88, 0x89, 0x8a, 0x8e, 0x8f, 0x90, 0x91, 0x93,
		0x9e, 0xa0, 0xa3, 0xa4, 0xa8, 0xaa, 0xae, 0xaf, 0xb7};
	static const uint8_t len[8] = {6, 10, 10, 16, 16, 12, 16, 16};
	/* most of what is set at random is a bit that must not be */
	uint32_t i, zeros = chance(50) ? 60 : 90;

	for (i = 0; i < WIRE_SCSI_CDB; i++)
		req->cmnd[i] = (uint8_t)(chance(zeros) ? 0 : rnd(256));
	if (chance(90))
		req->cmnd[0] = op[rnd(XPV_ARRAY_SIZE(op))];
	req->cmd_len = chance(95) ? len[req->cmnd[0] >> 5] : (uint8_t)rnd(256);
}

static void rnd_segs(struct wire_scsi_req *req)
{
	struct wire_scsi_seg *entry = (void *)list.at;
	uint32_t i, n = rnd(WIRE_SCSI_SEGS + 1);
	uint32_t bad_segs = chance(70) ? 0 : 8;

	for (i = 0; i < WIRE_SCSI_SEGS; i++)
		req->seg[i] = rnd_seg(bad_segs);
	req->nr_segments = (uint8_t)n;
	if (chance(5)) {
		req->nr_segments = (uint8_t)rnd(256);
	} else if (chance(20)) {
		/* the lists are shared, so they change in flight, too */
		for (i = 0; i < 64; i++)
			entry[rnd(LISTS * WIRE_SCSI_SEGS_PER_PAGE)] =
				rnd_seg(chance(98) ? 0 : 50);
		n = 1 + rnd(3);
		req->nr_segments = (uint8_t)(WIRE_SCSI_SG_GRANT | n);
		for (i = 0; i < n; i++)
			req->seg[i] = (struct wire_scsi_seg){
				list.gref[rnd(LISTS)], (uint16_t)(rnd(64) * 8),
				(uint16_t)(rnd(100) * 8)};
	}
}

/* LUN 0 holds what is known: it stays out of this. */
static void rnd_request(struct wire_scsi_req *req)
{
	memset(req, 0, sizeof(*req));
	req->act = WIRE_SCSI_ACT_CDB;
	if (chance(8))
		req->act =
			(uint8_t)(chance(60) ? WIRE_SCSI_ACT_ABORT : rnd(256));
	rnd_cdb(req);
	req->timeout_per_command = (uint16_t)rnd(65536);
	req->lun = (uint16_t)(chance(90) ? 1 : 1 + rnd(65535));
	req->id = (uint16_t)(chance(95) ? 0 : rnd(65536));
	req->channel = (uint16_t)(chance(95) ? 0 : rnd(65536));
	req->sc_data_direction = (uint8_t)(chance(95) ? rnd(4) : rnd(256));
	rnd_segs(req);
}

/*
 * Keep the ring full for SECONDS. The low bits of a rqid say which of the open
 * requests it is, the others count, so that no answer is taken for another.
 */
static void random_requests(uint32_t seconds)
{
	int64_t begin = front_now_ms(), end = begin + 1000 * (int64_t)seconds;
	uint16_t open[WIRE_SCSI_RING_SIZE] = {0}; /* rqid; 0: none is */
	struct wire_scsi_req req;
	struct wire_scsi_rsp rsp;
	uint32_t sent = 0, answers = 0, by[3] = {0}, i;
	bool good = true, more = true;

	printf("# seed %" PRIu64 "\n", seed);
	while (good && (more || answers < sent)) {
		more = front_now_ms() < end;
		for (i = 0; more && i < WIRE_SCSI_RING_SIZE; i++) {
			if (open[i])
				continue;
			rnd_request(&req);
			open[i] = (uint16_t)((1 + sent++ % 4095) << 4 | i);
			req.rqid = open[i];
			req.ref_rqid = open[rnd(WIRE_SCSI_RING_SIZE)];
			front_put(&front, &req);
		}
		if (more)
			front_push(&front);
		if (answers == sent)
			break;
		good = front_get(&front, &rsp, FRONT_PATIENCE_MS) && rsp.rqid &&
		       open[rsp.rqid & 15] == rsp.rqid;
		if (!good)
			break;
		open[rsp.rqid & 15] = 0;
		answers++;
		by[rsp.rslt == GOOD ? 0 : rsp.rslt == BAD ? 1 : 2]++;
	}
	printf("# %" PRIu32 " requests, %" PRIu32 " answers in %" PRId64
	       " ms: %" PRIu32 " good, %" PRIu32 " refused, %" PRIu32
	       " other\n",
	       sent, answers, front_now_ms() - begin, by[0], by[1], by[2]);
	ok(good && answers == sent && sent > 100,
	   "random requests: each has one answer");
}

/* What random commands may have left behind: stopped, reserved, protected. */
static void repair(void)
{
	const struct wire_scsi_req reset = {.act = WIRE_SCSI_ACT_RESET,
					    .lun = 1};
	const struct wire_scsi_req start = {.act = WIRE_SCSI_ACT_CDB,
					    .cmd_len = 6,
					    .cmnd = {0x1b, 0, 0, 0, 1},
					    NONE,
					    .lun = 1};
	struct wire_scsi_rsp rsp;
	int i;

	ok(one(&reset, &rsp) == WIRE_SCSI_RESET_SUCCESS,
	   "LUN 1 can be reset after them");
	/* once more for each unit attention */
	for (i = 0; i < 8 && one(&start, &rsp) != GOOD; i++)
		;
	ok(rsp.rslt == GOOD, "LUN 1 can be started after them");
}

/* ---- a broken ring ---- */

static void jump(uint32_t by)
{
	xpv_store32(&front.ring->req_prod, front.req_prod + by);
	front_notify(&front);
}

/* The same while commands are in flight. */
static void jump_in_flight(uint32_t by)
{
	const struct wire_scsi_req req = {READ(8), IN,
					  SEG(pages.gref[0], 0, 4096)};
	uint32_t i;

	for (i = 0; i < 8; i++)
		front_put(&front, &req);
	front_push(&front);
	jump(by);
}

/* Let the backend itself write the known data over the ring. */
static void overwrite(uint32_t by)
{
	const struct wire_scsi_req req = {READ(8), IN,
					  SEG(front.ring_gref, 0, 4096)};

	(void)by;
	front_put(&front, &req);
	front_push(&front);
}

static const struct {
	const char *name;
	void (*how)(uint32_t by);
	uint32_t by;
} breaks[] = {
	{"req_prod jumps by 17", jump, 17},
	{"req_prod jumps by 2^31", jump, 1u << 31},
	{"req_prod goes back", jump, UINT32_MAX},
	{"req_prod jumps with commands in flight", jump_in_flight, 100},
	{"the ring is data-in", overwrite, 0},
};

/* Ring nodes that cannot be connected to. */
static const struct {
	const char *name, *ring_ref, *port;
} lies[] = {
	{"ring-ref is a word", "ring", NULL},
	{"ring-ref is negative", "-1", NULL},
	{"ring-ref is empty", "", NULL},
	{"ring-ref is not granted", "4294967295", NULL},
	{"ring-ref is 2^32", "4294967296", NULL},
	{"event-channel is a word", NULL, "port"},
	{"event-channel is not there", NULL, "4000"},
	{"event-channel is 2^32 - 1", NULL, "4294967295"},
};

static bool closed(uint32_t state)
{
	return state == WIRE_BUS_CLOSING || state == WIRE_BUS_CLOSED;
}

/* Each time the device closes, and comes back for an honest handshake. */
static void broken_rings(void)
{
	size_t i;

	for (i = 0; i < XPV_ARRAY_SIZE(breaks); i++) {
		breaks[i].how(breaks[i].by);
		ok(closed(front_wait(&front, WIRE_BUS_CLOSING,
				     WIRE_BUS_CLOSED)),
		   "%s: the device is closed", breaks[i].name);
		if (!front_again(&front) ||
		    front_connect(&front, NULL, NULL) != WIRE_BUS_CONNECTED)
			front_die("%s: the device does not come back",
				  breaks[i].name);
		alive(breaks[i].name);
	}
	ok(front_again(&front), "the frontend goes and comes back");
	for (i = 0; i < XPV_ARRAY_SIZE(lies); i++) {
		ok(closed(front_connect(&front, lies[i].ring_ref,
					lies[i].port)),
		   "%s: the device is closed", lies[i].name);
		if (!front_again(&front))
			front_die("%s: the device does not come back",
				  lies[i].name);
	}
	ok(front_connect(&front, NULL, NULL) == WIRE_BUS_CONNECTED,
	   "the truth at last: connected");
	alive("connected once more");
}

/* ---- all of it ---- */

static void tables(void)
{
	size_t i, j;

	for (i = 0; i < hostile_group_count; i++) {
		const struct group *g = &hostile_groups[i];

		for (j = 0; j < g->n; j++)
			run_row(g->name, &g->row[j]);
		alive(g->name);
	}
}

static void together(void)
{
	at_once();
	same_rqid();
	end_running(WIRE_SCSI_ACT_ABORT, WIRE_SCSI_HOST_ABORT,
		    "ABORT of a running command");
	end_running(WIRE_SCSI_ACT_RESET, WIRE_SCSI_HOST_RESET,
		    "RESET of running commands");
	alive("several at once");
	report_luns(8192);
	report_luns(65536);
	ended_grants();
	alive("ended grants");
	in_flight("a list that changes in flight", flip_list);
	alive("a list that changes in flight");
	in_flight("slots that change in flight", flip_slots);
	alive("slots that change in flight");
	storm();
	alive("an event storm");
}

int main(int argc, char **argv)
{
	uint32_t seconds = argc > 2 ? (uint32_t)atoi(argv[2]) : 20;

	if (argc < 2 || argc > 4) {
		fprintf(stderr, "usage: hostile UNIT [SECONDS [SEED]]\n");
		return 2;
	}
	seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 0;
	if (!seed) /* of which xorshift would make nothing else */
		seed = (uint64_t)front_now_ms() * 2654435761u + 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	front_open(&front, (uint32_t)atoi(argv[1]));
	front_grant(&front, &pages, PAGES, true);
	front_grant(&front, &list, LISTS, true);
	front_grant(&front, &read_only, 1, false);
	ok(front_connect(&front, NULL, NULL) == WIRE_BUS_CONNECTED,
	   "connected");
	segs_max = front_back_u32(&front, WIRE_BUS_SCSI_SG_GRANT);
	ok(segs_max >= WIRE_SCSI_SEGS && segs_max < LISTS * 512,
	   "feature-sg-grant is %" PRIu32, segs_max);
	settle(0);
	write_known();
	if (!alive("the beginning"))
		front_die("an honest command does not work");
	tables();
	together();
	random_requests(seconds);
	repair();
	alive("random requests");
	broken_rings();
	printf("1..%u\n", tap_count);
	return tap_failed > 0;
}
