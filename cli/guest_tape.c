/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands inside `xenpv guest` for a tape: numbered blocks, written as a
 * careful program does it, which asks the tape where it is after an error, and
 * goes on there.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/guest_cmd.h"
#include "cli/text.h"
#include "scsi/bytes.h"

#define ERRORS_MAX 1000u
#define BLOCK_MAX  (1u << 20)

struct tape {
	struct guest_ctx *ctx;
	struct guest_lun lun;
	uint64_t count, len;
	uint8_t *buf, *want;
};

/* What block number N consists of. */
static void pattern(uint8_t *p, uint64_t len, uint64_t n)
{
	uint64_t x = n * 0x9e3779b97f4a7c15 + 1;

	for (uint64_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = i < 8 ? (uint8_t)(n >> (56 - 8 * i)) : (uint8_t)x;
	}
}

/* One command: true if it is GOOD. */
static bool run(struct tape *t, struct pvscsi_cmd *cmd, const uint8_t *cdb,
		uint8_t cdb_len, uint8_t dir, uint32_t len)
{
	memset(cmd, 0, sizeof(*cmd));
	memcpy(cmd->cdb, cdb, cdb_len);
	cmd->cdb_len = cdb_len;
	cmd->addr = t->lun.addr;
	cmd->timeout_ms = t->ctx->session->timeout_ms;
	cmd->dir = dir;
	cmd->data = t->buf;
	cmd->len = len;
	return pvscsi_exec(t->lun.v, cmd) == 0 && !cmd->err && !cmd->res.host &&
	       !cmd->res.status;
}

/* Blocks before the place where the tape stands; -1: it does not say. */
static int64_t position(struct tape *t)
{
	static const uint8_t cdb[10] = {0x34, 0x06};
	struct pvscsi_cmd cmd;

	for (unsigned i = 0; i < ERRORS_MAX; i++)
		if (run(t, &cmd, cdb, sizeof(cdb), WIRE_SCSI_DIR_IN, 32))
			return (int64_t)scsi_get64(t->buf + 8);
	return -1;
}

static int prepare(struct tape *t, struct guest_ctx *ctx, char **word)
{
	memset(t, 0, sizeof(*t));
	t->ctx = ctx;
	if (!guest_size(word[1], &t->count) || !guest_size(word[2], &t->len) ||
	    t->len < 8 || t->len > BLOCK_MAX) {
		text_error("guest: '%s %s' are no number of blocks, and bytes "
			   "of one from 8 to %u",
			   word[1], word[2], BLOCK_MAX);
		return 1;
	}
	if (guest_lun(ctx, word[0], GUEST_PATIENCE_MS, &t->lun))
		return 1;
	t->buf = malloc(t->len + 64);
	t->want = malloc(t->len);
	return t->buf && t->want ? 0 : 1;
}

static void release(struct tape *t)
{
	free(t->buf);
	free(t->want);
}

/* Blocks N to COUNT - 1; errors are counted, and those behind which the tape
 * was not where it was expected. */
int guest_tape_write(struct guest_ctx *ctx, int words, char **word)
{
	uint8_t cdb[6] = {0x0a};
	unsigned errors = 0, odd = 0;
	struct pvscsi_cmd cmd;
	struct tape t;
	int64_t n = -1;
	int rc = prepare(&t, ctx, word);

	(void)words;
	if (!rc) {
		n = position(&t);
		cdb[2] = (uint8_t)(t.len >> 16);
		scsi_put16(cdb + 3, t.len & 0xffff);
	}
	while (!rc && n >= 0 && (uint64_t)n < t.count && errors < ERRORS_MAX &&
	       !*ctx->stop) {
		int64_t before = n;

		pattern(t.buf, t.len, (uint64_t)n);
		if (run(&t, &cmd, cdb, sizeof(cdb), WIRE_SCSI_DIR_OUT,
			(uint32_t)t.len)) {
			n++;
			continue;
		}
		errors++;
		n = position(&t);
		odd += n != before && n != before + 1;
	}
	if (!rc)
		printf("%s: at block %" PRId64 ", %u errors, %u lost "
		       "positions\n",
		       word[0], n, errors, odd);
	release(&t);
	return rc || n < 0 || odd ? 1 : 0;
}

int guest_tape_read(struct guest_ctx *ctx, int words, char **word)
{
	uint8_t cdb[6] = {0x08};
	struct pvscsi_cmd cmd;
	struct tape t;
	uint64_t n = 0;
	int rc = prepare(&t, ctx, word);
	bool same = true;

	(void)words;
	if (!rc) {
		n = (uint64_t)position(&t);
		cdb[2] = (uint8_t)(t.len >> 16);
		scsi_put16(cdb + 3, t.len & 0xffff);
	}
	while (!rc && n < t.count && same) {
		if (!run(&t, &cmd, cdb, sizeof(cdb), WIRE_SCSI_DIR_IN,
			 (uint32_t)t.len))
			break;
		pattern(t.want, t.len, n);
		same = !cmd.res.residual && !memcmp(t.buf, t.want, t.len);
		n += same;
	}
	if (!rc)
		printf("%s: %" PRIu64 " blocks are right%s\n", word[0], n,
		       same ? "" : ", the next one is not");
	rc = rc || n < t.count;
	release(&t);
	return rc;
}
