/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rings of disks served by a real xenpv-worker: what is written is on the
 * storage and is read back, what is wrong fails alone, and rings come and go.
 */
#include "tests/local/test_blk_rig.h"

#define OKAY   WIRE_BLK_RSP_OKAY
#define ERROR  WIRE_BLK_RSP_ERROR
#define NOTSUP WIRE_BLK_RSP_EOPNOTSUPP

/* --------------------------------------------------------------------- data */

/* Write eleven pages, look at the disk, read them back, flush. */
static void there_and_back(struct queue *q)
{
	fill(q->data, 11 * PAGE, 1);
	assert_int_equal(move(q, WIRE_BLK_OP_WRITE, 8, 0, 11), OKAY);
	assert_on_disk(q->w, 8, q->data, 11 * PAGE);
	assert_int_equal(move(q, WIRE_BLK_OP_READ, 8, 20, 11), OKAY);
	assert_memory_equal(q->data, q->data + 20 * PAGE, 11 * PAGE);
	assert_int_equal(move(q, WIRE_BLK_OP_FLUSH, 0, 0, 0), OKAY);
	assert_int_equal(move(q, WIRE_BLK_OP_READ, 8, 30, 1), OKAY);
	assert_memory_equal(q->data, q->data + 30 * PAGE, PAGE);
}

static void test_read_write(void **state)
{
	struct queue *q = queue_open(*state, 1);
	struct proto_stats st;

	there_and_back(q);
	st = blk_stats(q);
	assert_int_equal(st.requests, 4);
	assert_int_equal(st.responses, 4);
	assert_int_equal(st.write_ops, 1);
	assert_int_equal(st.write_bytes, 11 * PAGE);
	assert_int_equal(st.read_ops, 2);
	assert_int_equal(st.read_bytes, 12 * PAGE);
	assert_int_equal(st.guest_errors, 0);
	assert_int_equal(st.inflight, 0);
	assert_true(st.copies >= 23 && st.notifies >= 1);
	queue_done(q);
}

static void test_other_layout(void **state)
{
	struct queue *q = queue_new(*state, DEV, 0, 1, BLK_ABI_32);

	assert_int_equal(blk_open(q), 0);
	there_and_back(q);
	queue_done(q);
}

/* Pages that stay mapped: data goes without a copy by grants, until they leave
 * to make room for others, and all are the guest's again after the close. */
static void test_persistent(void **state)
{
	struct queue *q = queue_new(*state, DEV, 0, 1, BLK_ABI_64);
	uint32_t frame, gref, i;

	q->blk.persistent_max = 16;
	assert_int_equal(blk_open(q), 0);
	there_and_back(q);
	there_and_back(q);
	/* 23 pages do not fit 16 slots, but none of it was in use twice */
	assert_int_equal(blk_stats(q).copies, 0);
	/* an indirect one needs its descriptors, and more than there are */
	fill(q->data, 40 * PAGE, 9);
	assert_int_equal(move(q, WIRE_BLK_OP_WRITE, 64, 0, 40), OKAY);
	assert_on_disk(q->w, 64, q->data, 40 * PAGE);
	assert_int_equal(blk_stats(q).copies, 1 + 24);
	/* a page that may only be read is no such page, and can be read */
	frame = (uint32_t)q->data_frame + 2;
	gref = q->gref[2];
	q->gref[2] = grant(q->w, frame, true);
	assert_int_equal(move(q, WIRE_BLK_OP_WRITE, 64, 2, 1), OKAY);
	assert_on_disk(q->w, 64, q->data + 2 * PAGE, PAGE);
	assert_int_equal(move(q, WIRE_BLK_OP_READ, 64, 2, 1), ERROR);
	q->gref[2] = gref;
	there_and_back(q);
	/* the one that was used last */
	assert_false(front_local.revoke(q->w->f, q->gref[30]));
	assert_int_equal(blk_close(q), 0);
	for (i = 0; i < DATA_PAGES; i++)
		assert_true(front_local.revoke(q->w->f, q->gref[i]));
	free(q);
}

/* Neighbours that are sent together: the one whose sectors are bad fails, and no
 * other. */
static void test_neighbours(void **state)
{
	struct queue *q = queue_new(*state, DEV, 0, 1, BLK_ABI_64);
	struct blk_req req;
	struct blk_rsp rsp;
	uint32_t i, op;

	strcpy(q->blk.storage, "fault");
	strcpy(q->blk.args, "file eio/20k-21k");
	assert_int_equal(blk_open(q), 0);
	fill(q->data, 32 * PAGE, 6);
	for (op = 0; op < 2; op++) {
		for (i = 0; i < 32; i++) {
			req = request(q,
				      op ? WIRE_BLK_OP_READ : WIRE_BLK_OP_WRITE,
				      i * 8, 32 * op + i, 1);
			req.id = i;
			put(q, &req);
		}
		push(q);
		for (i = 0; i < 32; i++) {
			rsp = get(q);
			assert_int_equal(rsp.status,
					 rsp.id == 5 ? ERROR : OKAY);
		}
	}
	assert_memory_equal(q->data, q->data + 32 * PAGE, 5 * PAGE);
	assert_memory_equal(q->data + 6 * PAGE, q->data + 38 * PAGE, 26 * PAGE);
	assert_on_disk(q->w, 48, q->data + 6 * PAGE, 26 * PAGE);
	queue_done(q);
}

static void test_large_blocks(void **state)
{
	struct queue *q = queue_new(*state, DEV, 0, 1, BLK_ABI_64);
	struct blk_req req;

	q->blk.block_size = 4096;
	assert_int_equal(blk_open(q), 0);
	there_and_back(q);
	assert_int_equal(move(q, WIRE_BLK_OP_READ, 4, 0, 1), ERROR);
	req = request(q, WIRE_BLK_OP_WRITE, 8, 0, 1);
	req.seg[0].last_sect = 3;
	assert_int_equal(send_req(q, &req), ERROR);
	/* two halves are a block */
	req = request(q, WIRE_BLK_OP_WRITE, 16, 0, 2);
	req.seg[0].last_sect = 3;
	req.seg[1].first_sect = 4;
	assert_int_equal(send_req(q, &req), OKAY);
	assert_on_disk(q->w, 16, q->data, 2048);
	assert_on_disk(q->w, 20, q->data + PAGE + 2048, 2048);
	queue_done(q);
}

/* Pieces of pages, also of one page, in an order of their own. */
static void test_pieces(void **state)
{
	static const struct {
		uint32_t page;
		uint8_t first, last;
	} piece[] = {{3, 2, 2}, {3, 0, 1}, {9, 7, 7}, {1, 0, 7}, {3, 4, 6}};
	struct queue *q = queue_open(*state, 1);
	struct blk_req req = request(q, WIRE_BLK_OP_WRITE, 1001, 0, 5);
	uint8_t expect[15 * 512], *at = expect;
	uint32_t i, len;

	fill(q->data, 10 * PAGE, 3);
	for (i = 0; i < 5; i++) {
		req.seg[i].gref = q->gref[piece[i].page];
		req.seg[i].first_sect = piece[i].first;
		req.seg[i].last_sect = piece[i].last;
		len = (piece[i].last - piece[i].first + 1u) * 512;
		memcpy(at,
		       q->data + piece[i].page * PAGE + piece[i].first * 512,
		       len);
		at += len;
	}
	assert_int_equal(at - expect, sizeof(expect));
	assert_int_equal(send_req(q, &req), OKAY);
	assert_on_disk(q->w, 1001, expect, sizeof(expect));
	/* reading touches nothing beside the pieces */
	memset(q->data, 0xee, 10 * PAGE);
	req.op = WIRE_BLK_OP_READ;
	assert_int_equal(send_req(q, &req), OKAY);
	assert_memory_equal(q->data + 3 * PAGE + 2 * 512, expect, 512);
	assert_memory_equal(q->data + PAGE, expect + 4 * 512, PAGE);
	assert_int_equal(q->data[3 * PAGE + 3 * 512], 0xee);
	assert_int_equal(q->data[3 * PAGE + 7 * 512], 0xee);
	assert_int_equal(q->data[9 * PAGE + 7 * 512 - 1], 0xee);
	queue_done(q);
}

static void test_indirect(void **state)
{
	struct queue *q = queue_open(*state, 1);
	struct blk_req req;

	fill(q->data, 64 * PAGE, 5);
	assert_int_equal(move(q, WIRE_BLK_OP_WRITE, 24, 0, 64), OKAY);
	assert_on_disk(q->w, 24, q->data, 64 * PAGE);
	memset(q->data, 0, 64 * PAGE);
	assert_int_equal(move(q, WIRE_BLK_OP_READ, 24, 0, 64), OKAY);
	assert_on_disk(q->w, 24, q->data, 64 * PAGE);
	assert_int_equal(blk_stats(q).write_ops, 1);

	/* more than was announced; descriptors that are not granted */
	req = request(q, WIRE_BLK_OP_READ, 0, 0, 64);
	req.nsegs = 257;
	assert_int_equal(send_req(q, &req), ERROR);
	req.nsegs = 64;
	req.gref[0] = 15000;
	assert_int_equal(send_req(q, &req), ERROR);
	req.gref[0] = q->desc_gref;
	assert_int_equal(send_req(q, &req), OKAY);
	queue_done(q);
}

/* A ring of several pages, full. */
static void test_pages(void **state)
{
	static const uint32_t pages[] = {2, 4, 16};
	uint32_t i, k, n;

	for (k = 0; k < XPV_ARRAY_SIZE(pages); k++) {
		struct queue *q = queue_open(*state, pages[k]);
		bool answered[BLK_BACK_TAGS_MAX] = {false};

		n = q->r.slots;
		assert_int_equal(n, 32 * pages[k]);
		for (i = 0; i < n; i++) {
			struct blk_req req = request(
				q, i % 2 ? WIRE_BLK_OP_READ : WIRE_BLK_OP_WRITE,
				i * 8, i % DATA_PAGES, 1);

			req.id = i;
			put(q, &req);
		}
		push(q);
		for (i = 0; i < n; i++) {
			struct blk_rsp rsp = get(q);

			assert_int_equal(rsp.status, OKAY);
			assert_true(rsp.id < n && !answered[rsp.id]);
			answered[rsp.id] = true;
		}
		there_and_back(q);
		queue_done(q);
	}
}

/* Four times as much as the worker has memory for: all of it comes. */
static void test_more_than_memory(void **state)
{
	struct queue *q = queue_open(*state, 16);
	struct blk_req req;
	uint32_t i;

	fill(q->data, 64 * PAGE, 9);
	for (i = 0; i < 32; i++)
		assert_int_equal(move(q, WIRE_BLK_OP_WRITE, i * 512, 0, 64),
				 OKAY);
	for (i = 0; i < 256; i++) {
		/* small ones among them, which find no room either */
		req = request(q, WIRE_BLK_OP_READ, i % 32 * 512, 0,
			      i % 5 ? 64 : 1);
		put(q, &req);
	}
	memset(q->data, 0, 64 * PAGE);
	push(q);
	for (i = 0; i < 256; i++)
		assert_int_equal(get(q).status, OKAY);
	assert_on_disk(q->w, 31 * 512, q->data, 64 * PAGE);
	queue_done(q);
}

/* Writes to one place are done in their order, however many there are. */
static void test_order(void **state)
{
	struct queue *q = queue_open(*state, 1);
	struct blk_req req;
	uint32_t i;

	for (i = 0; i < q->r.slots; i++) {
		fill(q->data + i * PAGE, PAGE, i);
		req = request(q,
			      i % 7 == 6 ? WIRE_BLK_OP_WRITE_BARRIER
					 : WIRE_BLK_OP_WRITE,
			      80 + i % 2, i, 1);
		put(q, &req);
	}
	push(q);
	for (i = 0; i < q->r.slots; i++)
		assert_int_equal(get(q).status, OKAY);
	assert_on_disk(q->w, 81, q->data + (q->r.slots - 1) * PAGE, PAGE);
	assert_on_disk(q->w, 80, q->data + (q->r.slots - 2) * PAGE, 512);
	queue_done(q);
}

static void test_discard(void **state)
{
	struct world *w = *state;
	struct queue *q = queue_open(w, 1);
	struct blk_req req = {.op = WIRE_BLK_OP_DISCARD, .sector = 128};
	struct stat before, after;

	fill(q->data, 64 * PAGE, 2);
	assert_int_equal(move(q, WIRE_BLK_OP_WRITE, 0, 0, 64), OKAY);
	assert_int_equal(fstat(w->disk, &before), 0);
	req.count = 256;
	assert_int_equal(send_req(q, &req), OKAY);
	assert_int_equal(fstat(w->disk, &after), 0);
	assert_true(after.st_blocks <= before.st_blocks - 256);
	memset(q->data + 16 * PAGE, 0, 32 * PAGE);
	assert_on_disk(w, 0, q->data, 64 * PAGE);
	/* beyond the end; wrapped around */
	req.sector = DISK_SIZE / 512 - 8;
	req.count = 9;
	assert_int_equal(send_req(q, &req), ERROR);
	req.sector = 128;
	req.count = UINT64_MAX - 64;
	assert_int_equal(send_req(q, &req), ERROR);
	assert_on_disk(w, 0, q->data, 64 * PAGE);
	queue_done(q);

	/* not announced; a storage that cannot; no copy may remain */
	q = queue_new(w, DEV, 0, 1, BLK_ABI_64);
	q->blk.features = 0;
	assert_int_equal(blk_open(q), 0);
	req.count = 8;
	assert_int_equal(send_req(q, &req), NOTSUP);
	assert_int_equal(move(q, WIRE_BLK_OP_FLUSH, 0, 0, 0), NOTSUP);
	assert_int_equal(move(q, WIRE_BLK_OP_WRITE_BARRIER, 0, 0, 1), NOTSUP);
	queue_done(q);
	q = queue_new(w, DEV, 0, 1, BLK_ABI_64);
	q->blk.features |= BLK_BACK_F_SECURE;
	q->blk.flags = 0;
	assert_int_equal(blk_open(q), 0);
	assert_int_equal(send_req(q, &req), NOTSUP);
	req.flag = WIRE_BLK_DISCARD_SECURE;
	assert_int_equal(send_req(q, &req), NOTSUP);
	queue_done(q);
}

static void test_null(void **state)
{
	struct queue *q = queue_new(*state, DEV, 0, 1, BLK_ABI_64);

	strcpy(q->blk.storage, "null");
	assert_int_equal(blk_open(q), 0);
	fill(q->data, PAGE, 1);
	assert_int_equal(move(q, WIRE_BLK_OP_WRITE, 0, 0, 1), OKAY);
	assert_int_equal(move(q, WIRE_BLK_OP_READ, 0, 0, 1), OKAY);
	assert_int_equal(q->data[100], 0);
	assert_int_equal(move(q, WIRE_BLK_OP_FLUSH, 0, 0, 0), OKAY);
	queue_done(q);
}

/* ------------------------------------------------------------------- queues */

/* Two queues of a disk and one of another, all full at once. */
static void test_queues(void **state)
{
	struct world *w = *state;
	struct queue *q[3];
	struct blk_req req;
	uint32_t i, k;

	for (k = 0; k < 3; k++) {
		q[k] = queue_new(w, k < 2 ? DEV : DEV + 16, k % 2, 1,
				 BLK_ABI_64);
		assert_int_equal(blk_open(q[k]), 0);
		fill(q[k]->data, 32 * PAGE, 50 + k);
	}
	for (i = 0; i < 32; i++)
		for (k = 0; k < 3; k++) {
			req = request(q[k], WIRE_BLK_OP_WRITE, (i * 3 + k) * 8,
				      i, 1);
			put(q[k], &req);
			push(q[k]);
		}
	for (i = 0; i < 32; i++)
		for (k = 0; k < 3; k++)
			assert_int_equal(get(q[k]).status, OKAY);
	for (i = 0; i < 32; i++)
		for (k = 0; k < 3; k++)
			assert_on_disk(w, (i * 3 + k) * 8,
				       q[k]->data + i * PAGE, PAGE);
	for (k = 0; k < 3; k++)
		assert_int_equal(blk_stats(q[k]).write_ops, 32);
	/* one goes, the others stay; it comes back */
	assert_int_equal(blk_close(q[0]), 0);
	there_and_back(q[1]);
	there_and_back(q[2]);
	assert_int_equal(blk_open(q[1]), -EBUSY);
	free(q[0]);
	q[0] = queue_open(w, 1);
	there_and_back(q[0]);
	there_and_back(q[1]);
	for (k = 0; k < 3; k++)
		queue_done(q[k]);
}

static void test_resize(void **state)
{
	struct world *w = *state;
	struct queue *q = queue_open(w, 1);
	struct proto_msg msg = about(q, PROTO_BLK_RESIZE);

	assert_int_equal(ftruncate(w->disk, 2 * DISK_SIZE), 0);
	assert_int_equal(move(q, WIRE_BLK_OP_WRITE, DISK_SIZE / 512, 0, 1),
			 ERROR);
	msg.u.size = 2 * DISK_SIZE;
	assert_int_equal(ask(w, &msg, -1).rc, 0);
	assert_int_equal(move(q, WIRE_BLK_OP_WRITE, DISK_SIZE / 512, 0, 1),
			 OKAY);
	assert_int_equal(move(q, WIRE_BLK_OP_WRITE, 2 * DISK_SIZE / 512, 0, 1),
			 ERROR);
	msg.u.size = 4096;
	assert_int_equal(ask(w, &msg, -1).rc, 0);
	assert_int_equal(move(q, WIRE_BLK_OP_READ, 0, 0, 1), OKAY);
	assert_int_equal(move(q, WIRE_BLK_OP_READ, 8, 0, 1), ERROR);
	assert_int_equal(blk_close(q), 0);
	assert_int_equal(ask(w, &msg, -1).rc, -ENOENT);
	free(q);
}

/* -------------------------------------------------------------------- wrong */

/* Each of these is refused, and the ring goes on. */
static void test_refused(void **state)
{
	struct queue *q = queue_open(*state, 1);
	const uint64_t end = DISK_SIZE / 512;
	struct blk_req req = request(q, WIRE_BLK_OP_READ, 0, 0, 1);

	assert_int_equal(move(q, WIRE_BLK_OP_READ, end - 8, 0, 1), OKAY);
	assert_int_equal(move(q, WIRE_BLK_OP_READ, end - 7, 0, 1), ERROR);
	assert_int_equal(move(q, WIRE_BLK_OP_READ, end, 0, 1), ERROR);
	assert_int_equal(move(q, WIRE_BLK_OP_WRITE, end - 7, 0, 1), ERROR);
	assert_int_equal(move(q, WIRE_BLK_OP_READ, UINT64_MAX - 3, 0, 1),
			 ERROR);
	assert_int_equal(move(q, WIRE_BLK_OP_READ, UINT64_MAX / 512, 0, 1),
			 ERROR);
	assert_int_equal(move(q, WIRE_BLK_OP_READ, 0, 0, 0), ERROR);
	assert_int_equal(move(q, 77, 0, 0, 1), NOTSUP);
	req.seg[0].first_sect = 5;
	req.seg[0].last_sect = 4;
	assert_int_equal(send_req(q, &req), ERROR);
	req.seg[0].last_sect = 8;
	assert_int_equal(send_req(q, &req), ERROR);
	assert_int_equal(blk_stats(q).guest_errors, 9);
	there_and_back(q);
	queue_done(q);
}

static void test_readonly(void **state)
{
	struct queue *q = queue_new(*state, DEV, 0, 1, BLK_ABI_64);
	struct blk_req req = {.op = WIRE_BLK_OP_DISCARD, .count = 8};

	q->blk.features |= BLK_BACK_F_READONLY;
	assert_int_equal(blk_open(q), 0);
	assert_int_equal(move(q, WIRE_BLK_OP_WRITE, 0, 0, 1), ERROR);
	assert_int_equal(move(q, WIRE_BLK_OP_WRITE, 0, 0, 12), ERROR);
	assert_int_equal(move(q, WIRE_BLK_OP_WRITE_BARRIER, 0, 0, 1), ERROR);
	assert_int_equal(send_req(q, &req), ERROR);
	assert_int_equal(move(q, WIRE_BLK_OP_FLUSH, 0, 0, 0), OKAY);
	assert_int_equal(move(q, WIRE_BLK_OP_READ, 0, 0, 1), OKAY);
	queue_done(q);
}

/* A page that is not granted, or only for reading: that request fails, those
 * of the same batch do not, and nothing of a failed write gets to the disk. */
static void test_bad_grant(void **state)
{
	struct world *w = *state;
	struct queue *q = queue_open(w, 1);
	uint32_t ro = grant(w, q->data_frame + 60, true), i;
	uint8_t none[3 * PAGE] = {0};
	struct blk_req req;
	int16_t status[5];

	fill(q->data, 64 * PAGE, 8);
	for (i = 0; i < 5; i++) {
		req = request(q, WIRE_BLK_OP_WRITE, i * 24, i * 3, 3);
		req.id = i;
		if (i == 1)
			req.seg[2].gref = 15000;
		if (i == 2)
			req.seg[0].gref = ro; /* is only read */
		if (i == 4)
			req.seg[1].gref = UINT32_MAX;
		put(q, &req);
	}
	push(q);
	for (i = 0; i < 5; i++) {
		struct blk_rsp rsp = get(q);

		assert_true(rsp.id < 5);
		status[rsp.id] = rsp.status;
	}
	for (i = 0; i < 5; i++)
		assert_int_equal(status[i], i == 1 || i == 4 ? ERROR : OKAY);
	assert_on_disk(w, 0, q->data, 3 * PAGE);
	assert_on_disk(w, 24, none, 3 * PAGE);
	assert_on_disk(w, 2 * 24, q->data + 60 * PAGE, PAGE);
	assert_on_disk(w, 3 * 24, q->data + 9 * PAGE, 3 * PAGE);
	assert_on_disk(w, 4 * 24, none, 3 * PAGE);

	req = request(q, WIRE_BLK_OP_READ, 0, 20, 3);
	req.seg[1].gref = ro;
	assert_int_equal(send_req(q, &req), ERROR);
	/* what was revoked */
	assert_true(front_local.revoke(w->f, ro));
	assert_int_equal(send_req(q, &req), ERROR);
	req.seg[1].gref = q->gref[21];
	assert_int_equal(send_req(q, &req), OKAY);
	assert_memory_equal(q->data + 20 * PAGE, q->data, 3 * PAGE);
	assert_int_equal(blk_stats(q).inflight, 0);
	queue_done(q);
}

/* The image becomes shorter under us: what is not there any more cannot be
 * read, and that is all. */
static void test_shrunk_image(void **state)
{
	struct queue *q = queue_open(*state, 1);

	assert_int_equal(ftruncate(q->w->disk, DISK_SIZE / 2 + 2048), 0);
	assert_int_equal(move(q, WIRE_BLK_OP_READ, DISK_SIZE / 1024 - 8, 0, 1),
			 OKAY);
	assert_int_equal(move(q, WIRE_BLK_OP_READ, DISK_SIZE / 1024, 0, 1),
			 ERROR);
	assert_int_equal(move(q, WIRE_BLK_OP_READ, DISK_SIZE / 1024 + 8, 0, 1),
			 ERROR);
	there_and_back(q);
	queue_done(q);
}

/* A storage that ends everything with an error, late. */
static void test_storage_fails(void **state)
{
	struct queue *q = queue_new(*state, DEV, 0, 1, BLK_ABI_64);

	strcpy(q->blk.storage, "fault");
	strcpy(q->blk.args, "file eio/read");
	assert_int_equal(blk_open(q), 0);
	memset(q->data, 0xaa, PAGE);
	assert_int_equal(move(q, WIRE_BLK_OP_READ, 0, 0, 1), ERROR);
	assert_int_equal(q->data[0], 0xaa);
	queue_done(q);
}

/* An index that cannot be stops this ring, and control is told once. */
static void test_broken(void **state)
{
	struct world *w = *state;
	struct queue *q = queue_new(w, DEV, 1, 1, BLK_ABI_64);
	struct queue *other = queue_open(w, 1);
	struct proto_msg msg;

	assert_int_equal(blk_open(q), 0);
	there_and_back(q);
	((struct wire_ring *)(void *)q->ring)->req_prod += 1000;
	front_local.notify(w->f, q->port);
	msg = receive(w);
	assert_int_equal(msg.type, PROTO_BROKEN);
	assert_int_equal(msg.class, PROTO_CLASS_BLK);
	assert_int_equal(msg.controller, DEV);
	assert_int_equal(msg.queue, 1);
	assert_true(msg.text[0]);
	front_local.notify(w->f, q->port);
	assert_false(says_something(w, 50));
	there_and_back(other);
	assert_int_equal(blk_stats(q).guest_errors, 1);
	queue_done(q);
	/* another ring in its place */
	q = queue_new(w, DEV, 1, 1, BLK_ABI_64);
	assert_int_equal(blk_open(q), 0);
	there_and_back(q);
	queue_done(q);
	queue_done(other);
	assert_int_equal(w->nbroken, 1);
}

/* Rings that cannot be opened; the queue is there for another try. */
static void test_bad_open(void **state)
{
	struct world *w = *state;
	struct queue *q = queue_new(w, DEV, 0, 2, BLK_ABI_64);
	const struct proto_blk good = q->blk;
	struct proto_msg msg = about(q, PROTO_BLK_OPEN);

	q->blk.pages = 0;
	assert_int_equal(blk_open(q), -EINVAL);
	q->blk.pages = 17;
	assert_int_equal(blk_open(q), -EINVAL);
	q->blk.pages = UINT32_MAX;
	assert_int_equal(blk_open(q), -EINVAL);
	q->blk = good;
	q->blk.abi = BLK_ABIS;
	assert_int_equal(blk_open(q), -EINVAL);
	q->blk = good;
	q->blk.indirect_max = BLK_BACK_SEGS_MAX + 1;
	assert_int_equal(blk_open(q), -EINVAL);
	q->blk = good;
	q->blk.block_size = 1000;
	assert_int_equal(blk_open(q), -EINVAL);
	q->blk = good;
	q->blk.size = 100;
	assert_int_equal(blk_open(q), -EINVAL);
	q->blk = good;
	q->blk.align = 4096;
	q->blk.flags |= PROTO_LUN_DIRECT;
	assert_int_equal(blk_open(q), -EINVAL);
	q->blk = good;
	q->blk.gref[1] = 15000;
	assert_int_equal(blk_open(q), -EINVAL);
	q->blk = good;
	q->blk.port = 1000;
	assert_true(blk_open(q) < 0);
	q->blk = good;
	memset(q->blk.storage, 'x', sizeof(q->blk.storage));
	assert_int_equal(blk_open(q), -EPROTONOSUPPORT);
	q->blk = good;
	msg.u.blk = good; /* without its descriptor */
	assert_int_equal(ask(w, &msg, -1).rc, -EBADF);
	msg = about(q, PROTO_SCSI_OPEN); /* of another class */
	assert_int_equal(ask(w, &msg, -1).rc, -EPROTO);
	msg.class = 7;
	assert_int_equal(ask(w, &msg, -1).rc, -EPROTO);
	assert_int_equal(blk_open(q), 0);
	there_and_back(q);
	queue_done(q);
}

/* --------------------------------------------------------------------- close */

/* Close while the ring is full of requests: one answer, when each request that
 * was taken is answered, and then the pages are the guest's again. */
static void test_close_under_load(void **state)
{
	struct world *w = *state;
	struct queue *q = queue_open(w, 1);
	struct proto_msg msg = about(q, PROTO_BLK_CLOSE);
	struct blk_req req;
	uint32_t i, n;

	for (i = 0; i < q->r.slots; i++) {
		req = request(q, WIRE_BLK_OP_WRITE, i * 8, i % DATA_PAGES, 1);
		put(q, &req);
	}
	push(q);
	say(w, &msg, -1);
	msg = receive(w);
	assert_int_equal(msg.type, PROTO_REPLY);
	assert_int_equal(msg.cookie, w->cookie);
	assert_int_equal(msg.rc, 0);
	assert_false(says_something(w, 100));
	for (n = 0; ring_front_pending(&q->r) > 0; n++)
		assert_int_equal(get(q).status, OKAY);
	/* all or none: it takes what is there, or has been told before */
	assert_true(n == 0 || n == q->r.slots);
	/* what is not there is closed already */
	assert_int_equal(blk_close(q), 0);
	free(q);
}

/* Close while writes to one place wait for each other, and the storage takes its
 * time: the answer comes after all of theirs. */
static void test_close_waits(void **state)
{
	struct world *w = *state;
	struct queue *q = queue_new(w, DEV, 0, 1, BLK_ABI_64);
	struct proto_msg msg = about(q, PROTO_BLK_CLOSE);
	struct blk_req req;
	uint32_t i;

	strcpy(q->blk.storage, "fault");
	strcpy(q->blk.args, "file slow=40ms/write");
	assert_int_equal(blk_open(q), 0);
	for (i = 0; i < 8; i++) {
		req = request(q, WIRE_BLK_OP_WRITE, 0, i, 1);
		put(q, &req);
	}
	push(q);
	while (blk_stats(q).requests == 0)
		;
	assert_int_equal(blk_stats(q).inflight, 8);
	say(w, &msg, -1);
	for (i = 0; i < 8; i++)
		assert_int_equal(get(q).status, OKAY);
	msg = receive(w);
	assert_int_equal(msg.type, PROTO_REPLY);
	assert_int_equal(msg.cookie, w->cookie);
	assert_int_equal(msg.rc, 0);
	assert_false(says_something(w, 20));
	free(q);
}

/* Control goes while a ring is full: the worker finishes and ends, which
 * close_world() looks at. */
static void test_control_gone(void **state)
{
	struct queue *q = queue_open(*state, 4);
	struct blk_req req;
	uint32_t i;

	for (i = 0; i < q->r.slots; i++) {
		req = request(q, WIRE_BLK_OP_WRITE, i * 8, i % 64, 1);
		put(q, &req);
	}
	push(q);
	free(q);
}

/* What the worker says of a ring names it. */
static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Processor time of the worker so far, ns. */
static uint64_t cpu_of(const struct world *w)
{
	struct timespec t;
	clockid_t clock;

	assert_int_equal(clock_getcpuclockid(w->worker, &clock), 0);
	assert_int_equal(clock_gettime(clock, &t), 0);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Nothing but events for long enough for the worker to become tired of them;
 * then a request is served, and not late. */
static void test_event_storm(void **state)
{
	struct queue *q = queue_open(*state, 1);
	uint64_t begin = now_ns(), cpu, sent = 0, took;

	cpu = cpu_of(q->w);
	do {
		front_local.notify(q->w->f, q->port);
		sent++;
	} while (now_ns() - begin < 500000000u);
	took = now_ns() - begin;
	cpu = cpu_of(q->w) - cpu;
	print_message("# %llu events in %llu ms cost %llu us\n",
		      (unsigned long long)sent,
		      (unsigned long long)(took / 1000000),
		      (unsigned long long)(cpu / 1000));
	assert_true(sent > 2000);
	assert_in_range(cpu, 0, took / 10);
	begin = now_ns();
	assert_int_equal(move(q, WIRE_BLK_OP_READ, 8, 0, 1), OKAY);
	assert_in_range(now_ns() - begin, 0, 2000000000u);
	queue_done(q);
}

static void test_log(void **state)
{
	struct world *w = *state;
	struct queue *q = queue_new(w, DEV, 3, 1, BLK_ABI_64);
	char text[4096] = "";
	int fd;

	assert_int_equal(blk_open(q), 0);
	assert_int_equal(move(q, WIRE_BLK_OP_READ, 1ull << 40, 0, 1), ERROR);
	queue_done(q);
	fd = open(w->log, O_RDONLY);
	assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_non_null(strstr(text, "vbd/51712/3"));
	assert_non_null(strstr(text, "beyond the end of the disk"));
}

/* ---------------------------------------------------------------------- main */

#define WORLD(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(test_read_write),	   WORLD(test_persistent),
		WORLD(test_neighbours),	   WORLD(test_other_layout),
		WORLD(test_refused),	   WORLD(test_large_blocks),
		WORLD(test_pieces),	   WORLD(test_indirect),
		WORLD(test_pages),	   WORLD(test_more_than_memory),
		WORLD(test_order),	   WORLD(test_discard),
		WORLD(test_null),	   WORLD(test_queues),
		WORLD(test_resize),	   WORLD(test_readonly),
		WORLD(test_bad_grant),	   WORLD(test_shrunk_image),
		WORLD(test_storage_fails), WORLD(test_broken),
		WORLD(test_bad_open),	   WORLD(test_close_under_load),
		WORLD(test_close_waits),   WORLD(test_control_gone),
		WORLD(test_event_storm),   WORLD(test_log),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
