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

/* ---------------------------------------------------------------------- main */

#define WORLD(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(test_read_write),
		WORLD(test_other_layout),
		WORLD(test_refused),
		WORLD(test_close_under_load),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
