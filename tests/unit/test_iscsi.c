/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lun/iscsi with the target of iscsi_target.h: what of its answers the guest
 * gets, over a real io_uring.
 */
#define _GNU_SOURCE /* memfd_create */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "lun/iscsi_link.h"
#include "lun/lun.h"
#include "tests/unit/iscsi_target.h"

#define ASKED 64u

struct rig {
	struct target target;
	struct uring u;
	struct lun *lun;
	int fd;
	bool over;
};

static struct rig *rig;

static void is_over(struct lun_cmd *cmd)
{
	(void)cmd;
	rig->over = true;
}

static int begin(void **state)
{
	static const struct iscsi_login who = {
		.initiator = "iqn.2026-11.test:us",
		.target = "iqn.2026-11.test:it",
	};
	static struct rig r;
	struct lun_cfg cfg = {.storage_args = "00"};

	memset(&r, 0, sizeof(r));
	rig = &r;
	*state = &r;
	r.fd = target_begin(&r.target, HONEST);
	cfg.fd = r.fd;
	cfg.state_fd = memfd_create("login", 0);
	return r.fd < 0 || uring_init(&r.u, 64) ||
	       write(cfg.state_fd, &who, sizeof(who)) != sizeof(who) ||
	       lun_iscsi.open(&r.lun, &cfg, &r.u);
}

static int end(void **state)
{
	struct rig *r = *state;

	r->target.let_go = true;
	lun_iscsi.close(r->lun);
	/* what it has cancelled comes back, and then it is gone */
	for (int i = 0; i < 3; i++) {
		uring_submit(&r->u, false);
		uring_reap(&r->u);
	}
	target_end(&r->target);
	uring_fini(&r->u);
	return 0;
}

static void run(struct rig *r, struct lun_cmd *cmd, uint8_t opcode)
{
	static uint8_t guest[ASKED];

	memset(cmd, 0, sizeof(*cmd));
	scsi_task_init(&cmd->task);
	cmd->task.cdb[0] = opcode;
	cmd->task.cdb_len = 6;
	cmd->task.data = guest;
	cmd->task.in_max = ASKED;
	cmd->done = is_over;
	r->over = false;
	lun_iscsi.submit(r->lun, cmd);
	while (!r->over) {
		uring_submit(&r->u, true);
		uring_reap(&r->u);
	}
	assert_int_equal(cmd->host, WIRE_SCSI_HOST_OK);
}

static void short_data(void **state)
{
	struct lun_cmd cmd;

	run(*state, &cmd, CDB_DATA);
	assert_int_equal(cmd.task.status, 0);
	assert_int_equal(cmd.task.residual, ASKED / 2);
	assert_int_equal(cmd.task.in_len, ASKED / 2);
	assert_int_equal(((uint8_t *)cmd.task.data)[ASKED / 2 - 1], 0xa5);
}

/* A target that has sent half, and says nothing of it: the guest gets no byte
 * that has not come, and the residual is the target's. */
static void silently_short_data(void **state)
{
	struct lun_cmd cmd;

	run(*state, &cmd, CDB_DATA_SILENT);
	assert_int_equal(cmd.task.status, 0);
	assert_int_equal(cmd.task.residual, 0);
	assert_int_equal(cmd.task.in_len, ASKED / 2);
	run(*state, &cmd, CDB_GOOD);
	assert_int_equal(cmd.task.in_len, 0);
}

static void sense_data(void **state)
{
	struct lun_cmd cmd;

	run(*state, &cmd, CDB_SENSE_LIES);
	assert_int_equal(cmd.task.status, 2);
	assert_int_equal(cmd.task.sense_len, 18);
	run(*state, &cmd, CDB_SENSE_NONE);
	assert_int_equal(cmd.task.status, 2);
	assert_int_equal(cmd.task.sense_len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(short_data, begin, end),
		cmocka_unit_test_setup_teardown(silently_short_data, begin,
						end),
		cmocka_unit_test_setup_teardown(sense_data, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
