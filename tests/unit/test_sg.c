/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lun/sg_cmd: what is made of a command for the sg driver, and of its answer
 * for the guest.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "lun/passthrough.h"
#include "lun/sg_cmd.h"
#include "scsi/bytes.h"
#include "scsi/sense.h"

#define TAPE	0x01
#define CDROM	0x05
#define CHANGER 0x08

#define MINUTE 60000u
#define HOUR   (60 * MINUTE)

static uint8_t guest[4096], place[4096], sense[SCSI_SENSE_MAX];

static void command(struct lun_cmd *cmd, uint8_t opcode, uint8_t len,
		    uint32_t out, uint32_t in)
{
	memset(cmd, 0, sizeof(*cmd));
	cmd->host = WIRE_SCSI_HOST_ERROR;
	scsi_task_init(&cmd->task);
	cmd->task.cdb[0] = opcode;
	cmd->task.cdb_len = len;
	cmd->task.data = guest;
	cmd->task.out_len = out;
	cmd->task.in_max = in;
}

static void time_is_enough(void **state)
{
	static const struct {
		uint8_t type, opcode;
		uint32_t least, most;
	} cases[] = {
		{0, 0x28, MINUTE, 10 * MINUTE},	     /* READ(10) of a disk */
		{0, 0x00, MINUTE, 10 * MINUTE},	     /* TEST UNIT READY */
		{0, 0x04, 12 * HOUR, 48 * HOUR},     /* FORMAT UNIT */
		{0, 0x93, 10 * MINUTE, HOUR},	     /* WRITE SAME(16) */
		{0, 0x91, 10 * MINUTE, HOUR},	     /* SYNCHRONIZE CACHE(16) */
		{TAPE, 0x08, 15 * MINUTE, 4 * HOUR}, /* READ(6) */
		{TAPE, 0x12, MINUTE, 10 * MINUTE},   /* INQUIRY */
		{TAPE, 0x19, 12 * HOUR, 48 * HOUR},  /* ERASE(6) */
		{TAPE, 0x93, 12 * HOUR, 48 * HOUR},  /* ERASE(16) */
		{TAPE, 0x91, 2 * HOUR, 24 * HOUR},   /* SPACE(16) */
		{TAPE, 0x11, 2 * HOUR, 24 * HOUR},   /* SPACE(6) */
		{TAPE, 0x01, 2 * HOUR, 24 * HOUR},   /* REWIND */
		{TAPE, 0x1b, 2 * HOUR, 24 * HOUR},   /* LOAD UNLOAD */
		{CHANGER, 0x07, 2 * HOUR, 24 * HOUR}, /* INITIALIZE E. STATUS */
		{CHANGER, 0xa5, 2 * HOUR, 24 * HOUR}, /* MOVE MEDIUM */
		{CDROM, 0xa1, 2 * HOUR, 24 * HOUR},   /* BLANK */
		{0, 0xa1, MINUTE, 10 * MINUTE},	      /* ATA PASS-THROUGH */
		{0, 0xc5, 15 * MINUTE, 4 * HOUR},     /* a vendor's own */
	};
	uint32_t ms;

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(cases); i++) {
		ms = sg_timeout_ms(cases[i].type, cases[i].opcode);
		assert_in_range(ms, cases[i].least, cases[i].most);
	}
}

static void header_is_the_command(void **state)
{
	struct lun_cmd cmd;
	struct sg_io_hdr hdr;

	(void)state;
	command(&cmd, 0x2a, 10, 1024, 0);
	sg_cmd_prepare(&hdr, &cmd, 0, place, sense);
	assert_int_equal(hdr.interface_id, 'S');
	assert_int_equal(hdr.dxfer_direction, SG_DXFER_TO_DEV);
	assert_int_equal(hdr.dxfer_len, 1024);
	assert_ptr_equal(hdr.dxferp, guest);
	assert_int_equal(hdr.cmd_len, 10);
	assert_int_equal(hdr.cmdp[0], 0x2a);
	assert_ptr_equal(hdr.sbp, sense);
	assert_int_equal(hdr.mx_sb_len, SCSI_SENSE_MAX);
	/* never in front of others, never straight into a guest's slot */
	assert_int_equal(hdr.flags, 0x10);

	command(&cmd, 0x28, 10, 0, 512);
	sg_cmd_prepare(&hdr, &cmd, 0, place, sense);
	assert_int_equal(hdr.dxfer_direction, SG_DXFER_FROM_DEV);
	assert_ptr_equal(hdr.dxferp, place);
	assert_int_equal(hdr.dxfer_len, 512);

	command(&cmd, 0x00, 6, 0, 0);
	sg_cmd_prepare(&hdr, &cmd, 0, place, sense);
	assert_int_equal(hdr.dxfer_direction, SG_DXFER_NONE);
	assert_int_equal(hdr.dxfer_len, 0);
}

static void what_sg_cannot_carry(void **state)
{
	struct lun_cmd cmd;

	(void)state;
	command(&cmd, 0x28, 10, 0, 512);
	assert_true(pass_can_carry(&cmd));
	command(&cmd, 0x28, 5, 0, 512);
	assert_false(pass_can_carry(&cmd));
	assert_int_equal(cmd.host, WIRE_SCSI_HOST_OK);
	assert_int_equal(cmd.task.status, SCSI_CHECK_CONDITION);
	assert_int_equal(cmd.task.residual, 512);
	command(&cmd, 0x53, 10, 512, 512);
	assert_false(pass_can_carry(&cmd));
	assert_int_equal(cmd.task.sense[2], SCSI_KEY_ILLEGAL_REQUEST);
}

/* A READ of a tape that meets a filemark behind 300 of 1024 bytes. */
static void sense_and_data_and_residual(void **state)
{
	struct lun_cmd cmd;
	struct sg_io_hdr hdr;

	(void)state;
	command(&cmd, 0x08, 6, 0, 1024);
	sg_cmd_prepare(&hdr, &cmd, TAPE, place, sense);
	hdr.status = SCSI_CHECK_CONDITION;
	hdr.driver_status = 8;
	hdr.sb_len_wr = 18;
	hdr.resid = 724;
	memset(sense, 0, sizeof(sense));
	sense[0] = 0xf0;
	sense[2] = 0x80; /* FILEMARK */
	memset(place, 0x5a, sizeof(place));
	sg_cmd_answer(&cmd, &hdr, sense, place);
	assert_int_equal(cmd.host, WIRE_SCSI_HOST_OK);
	assert_int_equal(cmd.task.status, SCSI_CHECK_CONDITION);
	assert_int_equal(cmd.task.sense_len, 18);
	assert_memory_equal(cmd.task.sense, sense, 18);
	assert_int_equal(cmd.task.residual, 724);
	assert_int_equal(cmd.task.in_len, 300);
	assert_ptr_equal(cmd.task.data, place);
}

static void answers_are_bounded(void **state)
{
	struct lun_cmd cmd;
	struct sg_io_hdr hdr;

	(void)state;
	command(&cmd, 0x2a, 10, 1024, 0);
	sg_cmd_prepare(&hdr, &cmd, 0, place, sense);
	hdr.resid = 99999;
	hdr.sb_len_wr = 255;
	sg_cmd_answer(&cmd, &hdr, sense, place);
	assert_int_equal(cmd.task.residual, 1024);
	assert_int_equal(cmd.task.sense_len, SCSI_SENSE_MAX);
	assert_int_equal(cmd.task.in_len, 0);
	assert_ptr_equal(cmd.task.data, guest);
	hdr.resid = -5;
	hdr.host_status = 3; /* DID_TIME_OUT */
	sg_cmd_answer(&cmd, &hdr, sense, place);
	assert_int_equal(cmd.task.residual, 0);
	assert_int_equal(cmd.host, WIRE_SCSI_HOST_TIME_OUT);
	hdr.host_status = 0xff;
	sg_cmd_answer(&cmd, &hdr, sense, place);
	assert_int_equal(cmd.host, WIRE_SCSI_HOST_ERROR);
}

static void refusals_mean_something(void **state)
{
	struct lun_cmd cmd;

	(void)state;
	command(&cmd, 0x28, 10, 0, 512);
	pass_refused(&cmd, EDOM, false);
	assert_int_equal(cmd.task.status, SCSI_BUSY);
	pass_refused(&cmd, ENOMEM, false);
	assert_int_equal(cmd.task.status, SCSI_BUSY);
	assert_int_equal(cmd.task.residual, 512);
	pass_refused(&cmd, ENOMEM, true);
	assert_int_equal(cmd.task.status, SCSI_CHECK_CONDITION);
	pass_refused(&cmd, EINVAL, false);
	assert_int_equal(cmd.task.sense[2], SCSI_KEY_ILLEGAL_REQUEST);
	assert_int_equal(cmd.host, WIRE_SCSI_HOST_OK);
	pass_refused(&cmd, ENODEV, false);
	assert_int_equal(cmd.host, WIRE_SCSI_HOST_NO_CONNECT);
	pass_refused(&cmd, EPERM, false);
	assert_int_equal(cmd.host, WIRE_SCSI_HOST_ERROR);
}

static void block_limits(struct lun_cmd *cmd, uint32_t most, uint32_t best)
{
	command(cmd, 0x12, 6, 0, 64);
	cmd->task.cdb[1] = 1;
	cmd->task.cdb[2] = 0xb0;
	cmd->task.in_len = 64;
	cmd->task.status = SCSI_GOOD;
	memset(guest, 0, sizeof(guest));
	scsi_put32(guest + 8, most);
	scsi_put32(guest + 12, best);
}

static void limits_are_those_of_requests(void **state)
{
	struct lun_cmd cmd;

	(void)state;
	block_limits(&cmd, 0, 1024);
	pass_limit_transfers(&cmd, 512, 262144);
	assert_int_equal(scsi_get32(guest + 8), 512);
	assert_int_equal(scsi_get32(guest + 12), 512);
	block_limits(&cmd, 100, 64);
	pass_limit_transfers(&cmd, 512, 262144);
	assert_int_equal(scsi_get32(guest + 8), 100);
	assert_int_equal(scsi_get32(guest + 12), 64);
	block_limits(&cmd, 0, 0);
	pass_limit_transfers(&cmd, 0, 262144); /* no disk */
	assert_int_equal(scsi_get32(guest + 8), 0);
	cmd.task.in_len = 11; /* cut off */
	pass_limit_transfers(&cmd, 512, 262144);
	assert_int_equal(scsi_get32(guest + 8), 0);
	cmd.task.in_len = 12;
	scsi_put32(guest + 12, 9999); /* not of the answer */
	pass_limit_transfers(&cmd, 512, 262144);
	assert_int_equal(scsi_get32(guest + 8), 512);
	assert_int_equal(scsi_get32(guest + 12), 9999);
	block_limits(&cmd, 0, 0);
	cmd.task.cdb[2] = 0x80;
	pass_limit_transfers(&cmd, 512, 262144);
	assert_int_equal(scsi_get32(guest + 8), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_is_enough),
		cmocka_unit_test(header_is_the_command),
		cmocka_unit_test(what_sg_cannot_carry),
		cmocka_unit_test(sense_and_data_and_residual),
		cmocka_unit_test(answers_are_bounded),
		cmocka_unit_test(refusals_mean_something),
		cmocka_unit_test(limits_are_those_of_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
