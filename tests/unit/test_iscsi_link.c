/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lun/iscsi_link with the target of iscsi_target.h: what a real one seldom does.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lun/iscsi_link.h"
#include "tests/unit/iscsi_target.h"

#define MS 5000

/* ---- the other end ---- */

struct rig {
	struct target target;
	struct iscsi_link *link;
	int fd;
	char err[200];
};

static int begin(struct rig *r, enum mood mood, unsigned int ms)
{
	struct iscsi_login who = {.initiator = "iqn.2026-11.test:us",
				  .target = "iqn.2026-11.test:it"};

	memset(r, 0, sizeof(*r));
	r->fd = target_begin(&r->target, mood);
	assert_true(r->fd >= 0);
	return iscsi_link_open(&r->link, &who, r->fd, ms, r->err,
			       sizeof(r->err));
}

static void end(struct rig *r)
{
	r->target.let_go = true;
	if (r->link)
		iscsi_link_close(r->link);
	shutdown(r->fd, SHUT_RDWR);
	target_end(&r->target);
	close(r->fd);
}

struct ask {
	struct iscsi_cmd cmd;
	bool over;
	int times;
};

static void asked(struct iscsi_cmd *cmd)
{
	struct ask *a = (struct ask *)cmd;

	a->over = true;
	a->times++;
}

static void send_it(struct rig *r, struct ask *a, uint8_t opcode, void *data,
		    uint32_t out_len, uint32_t in_max)
{
	memset(a, 0, sizeof(*a));
	a->cmd.cdb[0] = opcode;
	a->cmd.cdb_len = 6;
	a->cmd.data = data;
	a->cmd.out_len = out_len;
	a->cmd.in_max = in_max;
	a->cmd.done = asked;
	assert_int_equal(iscsi_link_send(r->link, &a->cmd), 0);
}

static void run(struct rig *r, struct ask *a, uint8_t opcode, void *data,
		uint32_t out_len, uint32_t in_max)
{
	send_it(r, a, opcode, data, out_len, in_max);
	assert_int_equal(iscsi_link_wait(r->link, &a->over, MS), 0);
	assert_int_equal(a->times, 1);
}

static void test_data(void **state)
{
	uint8_t buf[64];
	struct rig r;
	struct ask a;

	(void)state;
	assert_int_equal(begin(&r, HONEST, MS), 0);
	run(&r, &a, CDB_GOOD, NULL, 0, 0);
	assert_int_equal(a.cmd.end, ISCSI_ANSWERED);
	assert_int_equal(a.cmd.status, 0);
	run(&r, &a, CDB_DATA, buf, 0, sizeof(buf));
	assert_int_equal(a.cmd.residual, 32);
	assert_int_equal(a.cmd.in_len, 32);
	assert_int_equal(buf[31], 0xa5);
	run(&r, &a, CDB_DATA_SILENT, buf, 0, sizeof(buf));
	assert_int_equal(a.cmd.residual, 0);
	assert_int_equal(a.cmd.in_len, 32); /* what has come is known */
	end(&r);
}

static void test_sense(void **state)
{
	struct rig r;
	struct ask a;

	(void)state;
	assert_int_equal(begin(&r, HONEST, MS), 0);
	run(&r, &a, CDB_SENSE_LIES, NULL, 0, 0);
	assert_int_equal(a.cmd.status, 2);
	assert_int_equal(a.cmd.sense_len, 18);
	assert_int_equal(a.cmd.sense[12], 0x24);
	run(&r, &a, CDB_SENSE_NONE, NULL, 0, 0);
	assert_int_equal(a.cmd.status, 2);
	assert_int_equal(a.cmd.sense_len, 0);
	end(&r);
}

/* The answer is there while data of the command waits to be sent. */
static void test_check_early(void **state)
{
	static uint8_t out[WRITE_LEN];
	struct ask early, next;
	struct rig r;

	(void)state;
	assert_int_equal(begin(&r, HONEST, MS), 0);
	send_it(&r, &early, CDB_CHECK_EARLY, out, sizeof(out), 0);
	for (int i = 0; !early.over && i < MS; i++) {
		assert_int_equal(iscsi_link_serve(r.link, true), 0);
		usleep(1000);
	}
	assert_int_equal(early.cmd.status, 2);
	assert_true(iscsi_link_full(r.link));
	send_it(&r, &next, CDB_GOOD, NULL, 0, 0);
	memset(&early, 0x5a, sizeof(early)); /* it is ours again */
	__atomic_store_n(&r.target.let_go, true, __ATOMIC_RELEASE);
	assert_int_equal(iscsi_link_wait(r.link, &next.over, MS), 0);
	assert_int_equal(next.cmd.status, 0);
	assert_int_equal(iscsi_link_serve(r.link, false), 0);
	assert_false(iscsi_link_full(r.link));
	end(&r);
}

static void test_beyond(void **state)
{
	uint8_t buf[128];
	struct rig r;
	struct ask a;

	(void)state;
	memset(buf, 0x11, sizeof(buf));
	assert_int_equal(begin(&r, HONEST, MS), 0);
	send_it(&r, &a, CDB_DATA_BEYOND, buf, 0, 64);
	assert_int_equal(iscsi_link_wait(r.link, &a.over, MS), -EPIPE);
	assert_int_equal(a.times, 0);
	for (int i = 64; i < 128; i++)
		assert_int_equal(buf[i], 0x11);
	iscsi_link_close(r.link);
	r.link = NULL;
	assert_int_equal(a.times, 1);
	assert_int_equal(a.cmd.end, ISCSI_GONE);
	end(&r);
}

static void test_half_a_pdu(void **state)
{
	struct ask a, other;
	struct rig r;

	(void)state;
	assert_int_equal(begin(&r, HONEST, MS), 0);
	send_it(&r, &other, CDB_NEVER, NULL, 0, 0);
	send_it(&r, &a, CDB_HALF_A_PDU, NULL, 0, 0);
	assert_int_equal(iscsi_link_wait(r.link, &a.over, MS), -EPIPE);
	assert_non_null(strstr(iscsi_link_why(r.link), "closed"));
	iscsi_link_close(r.link);
	r.link = NULL;
	assert_int_equal(a.cmd.end, ISCSI_GONE);
	assert_int_equal(other.cmd.end, ISCSI_GONE);
	assert_int_equal(a.times + other.times, 2);
	end(&r);
}

static void test_abort(void **state)
{
	struct ask a, next;
	uint32_t answered;
	struct rig r;

	(void)state;
	assert_int_equal(begin(&r, HONEST, MS), 0);
	send_it(&r, &a, CDB_NEVER, NULL, 0, 0);
	assert_int_equal(iscsi_link_serve(r.link, false), 0);
	iscsi_link_abort(r.link, &a.cmd);
	iscsi_link_abort(r.link, &a.cmd); /* once is enough */
	assert_int_equal(iscsi_link_functions(r.link, &answered), 1);
	assert_int_equal(iscsi_link_wait(r.link, &a.over, MS), 0);
	assert_int_equal(a.cmd.end, ISCSI_ABORTED);
	assert_int_equal(iscsi_link_functions(r.link, &answered), 0);
	assert_int_equal(answered, 1);
	run(&r, &next, CDB_GOOD, NULL, 0, 0);
	assert_int_equal(next.cmd.status, 0);
	assert_int_equal(iscsi_link_serve(r.link, false), 0);
	assert_int_equal(a.times, 1);
	/* One that the target has not heard of yet: its answer counts. */
	send_it(&r, &a, CDB_NEVER_HEARD, NULL, 0, 0);
	assert_int_equal(iscsi_link_serve(r.link, false), 0);
	iscsi_link_abort(r.link, &a.cmd);
	assert_int_equal(iscsi_link_wait(r.link, &a.over, MS), 0);
	assert_int_equal(a.cmd.end, ISCSI_ANSWERED);
	assert_int_equal(a.times, 1);
	end(&r);
}

static void set_true(void *arg)
{
	*(bool *)arg = true;
}

static void test_reset(void **state)
{
	bool over = false;
	struct rig r;
	struct ask a;

	(void)state;
	assert_int_equal(begin(&r, HONEST, MS), 0);
	assert_int_equal(iscsi_link_reset(r.link, set_true, &over), 0);
	assert_int_equal(iscsi_link_wait(r.link, &over, MS), 0);
	run(&r, &a, CDB_GOOD, NULL, 0, 0);
	end(&r);
}

static void test_logins(void **state)
{
	static const struct {
		enum mood mood;
		int rc;
		const char *text;
	} cases[] = {
		{SILENT, -ETIMEDOUT, "does not answer"},
		{HANGS_UP, -EPIPE, "closed the connection"},
		{REFUSES, -EACCES, "Target not found"},
		{SENDS_AWAY, -EREMCHG, "at portal 192.0.2.1:3260"},
	};
	struct rig r;

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(cases); i++) {
		assert_int_equal(begin(&r, cases[i].mood, 200), cases[i].rc);
		assert_non_null(strstr(r.err, cases[i].text));
		end(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_sense),
		cmocka_unit_test(test_check_early),
		cmocka_unit_test(test_beyond),
		cmocka_unit_test(test_half_a_pdu),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_logins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
