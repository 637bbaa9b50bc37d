/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hostile commands: any CDB, any data, any lengths, a storage that fails. What
 * must hold is in test_scsi_ram.h: it ends, and no buffer is overrun.
 */
#include "test_scsi_ram.h"

#define ROUNDS 1000000

/* xorshift64*: the same numbers on every machine. */
static uint64_t rng_state = 0x9e3779b97f4a7c15u;

static uint32_t rng(void)
{
	rng_state ^= rng_state >> 12;
	rng_state ^= rng_state << 25;
	rng_state ^= rng_state >> 27;
	return (uint32_t)(rng_state * 0x2545f4914f6cdd1du >> 32);
}

static uint32_t ram_ops_total(void)
{
	return scsi_disk.op_count + scsi_common_op_count;
}

/* Mostly commands that exist, mostly with few wrong bits, near the edges. */
static uint32_t random_cdb(uint8_t *cdb)
{
	uint32_t i = rng() % ram_ops_total();
	const struct scsi_op *op =
		i < scsi_disk.op_count
			? &scsi_disk.ops[i]
			: &scsi_common_ops[i - scsi_disk.op_count];

	memset(cdb, 0, SCSI_CDB_MAX);
	for (uint32_t k = 1; k < 16; k++) {
		switch (rng() % 4) {
		case 0:
			cdb[k] = (uint8_t)rng();
			break;
		case 1:
			cdb[k] = (uint8_t)(rng() % 4);
			break;
		default:
			break;
		}
		if (rng() % 16)
			cdb[k] &= op->usage[k];
	}
	cdb[0] = op->opcode;
	if (op->flags & SCSI_OP_SA)
		cdb[1] = (uint8_t)((cdb[1] & 0xe0) | op->sa);
	if (rng() % 64 == 0)
		cdb[0] = (uint8_t)rng();
	/* keep most LBAs and lengths small enough to exist */
	if (op->cdb_len == 16 && rng() % 8) {
		memset(cdb + 2, 0, 6);
		memset(cdb + 10, 0, 2);
	}
	if ((op->cdb_len == 10 || op->cdb_len == 12) && rng() % 8 &&
	    !(op->flags & SCSI_OP_SA)) {
		memset(cdb + 2, 0, 2);
		cdb[6] = 0;
	}
	return rng() % 64 ? op->cdb_len : rng() % 17;
}

static uint32_t random_len(void)
{
	switch (rng() % 8) {
	case 0:
		return 0;
	case 1:
		return 512 * (1 + rng() % 4);
	case 2:
		return 24;
	case 3:
		return rng() % 8192;
	case 4:
		return 1024 * (1 + rng() % 16);
	default:
		return rng() % 300;
	}
}

static void random_round(struct ram *r, uint8_t *out)
{
	uint8_t cdb[SCSI_CDB_MAX];
	uint32_t len = random_cdb(cdb);
	uint32_t out_len = rng() % 2 ? random_len() : 0;
	uint32_t in_max = rng() % 2 ? random_len() : 0;

	for (uint32_t k = 0; k < out_len && k < 64; k++)
		out[k] = rng() % 3 ? (uint8_t)(rng() % 32) : (uint8_t)rng();
	r->nexus = rng() % 4;
	r->ops = 0;
	r->fail_at = rng() % 16 ? 0 : (int)(1 + rng() % 3);
	r->fail_rc = -(int)(1 + rng() % 14);
	r->refuse_op = rng() % 16 ? -1 : (int)(rng() % 7);
	ram_run(r, cdb, len, out, out_len, in_max);
	if (rng() % 512 == 0)
		scsi_lu_reset(&r->lu);
	if (rng() % 512 == 0)
		r->lu.stopped = false;
	if (rng() % 4096 == 0)
		scsi_lu_nexus_lost(&r->lu, rng() % 4);
}

static void fuzz(uint32_t block_size)
{
	struct scsi_lu_cfg cfg = ram_cfg(block_size);
	uint8_t *out = calloc(1, 65536);
	struct ram *r;
	int good = 0;

	cfg.blocks = 600;
	cfg.resumed = false;
	cfg.max_write_same = 400;
	r = ram_new(&cfg);
	for (int i = 0; i < ROUNDS / 2; i++) {
		random_round(r, out);
		good += r->task.status == SCSI_GOOD;
	}
	/* else it tests refusals only */
	assert_true(good > ROUNDS / 20);
	free(out);
	ram_free(r);
}

static void random_commands_512(void **state)
{
	(void)state;
	fuzz(512);
}

static void random_commands_4096(void **state)
{
	(void)state;
	fuzz(4096);
}

/* Where the allocation length is in the CDBs of commands with data-in. */
static const struct {
	uint8_t cdb[SCSI_CDB_MAX];
	uint8_t cdb_len, at, size;
} truncated[] = {
	{{0x03}, 6, 4, 1},	     {{0x12}, 6, 3, 2},
	{{0x12, 1, 0x00}, 6, 3, 2},  {{0x12, 1, 0x80}, 6, 3, 2},
	{{0x12, 1, 0x83}, 6, 3, 2},  {{0x12, 1, 0x86}, 6, 3, 2},
	{{0x12, 1, 0xb0}, 6, 3, 2},  {{0x12, 1, 0xb1}, 6, 3, 2},
	{{0x12, 1, 0xb2}, 6, 3, 2},  {{0x1a, 0, 0x3f}, 6, 4, 1},
	{{0x5a, 0, 0x3f}, 10, 7, 2}, {{0x5a, 0x10, 0x3f}, 10, 7, 2},
	{{0x5e, 0}, 10, 7, 2},	     {{0x5e, 1}, 10, 7, 2},
	{{0x5e, 2}, 10, 7, 2},	     {{0x5e, 3}, 10, 7, 2},
	{{0x9e, 0x10}, 16, 10, 4},   {{0x9e, 0x12}, 16, 10, 4},
	{{0xa3, 0x0c}, 12, 6, 4},    {{0xa3, 0x0c, 0x81, 0x88}, 12, 6, 4},
	{{0xa0}, 12, 6, 4},
};

/* Every allocation length gives the first bytes of the whole answer. */
static void truncation(void **state)
{
	static const uint8_t reg[24] = {[15] = 7};
	struct ram *r = ram_default();
	uint8_t whole[300], cdb[SCSI_CDB_MAX];
	uint32_t whole_len = 0, want;

	(void)state;
	assert_good(
		ram_out(r, CDB(0x5f, 0, 0, 0, 0, 0, 0, 0, 24), 10, reg, 24));
	assert_good(ram_out(r, CDB(0x5f, 1, 1, 0, 0, 0, 0, 0, 24), 10,
			    (uint8_t[24]){[7] = 7}, 24));
	for (uint32_t i = 0; i < XPV_ARRAY_SIZE(truncated); i++) {
		bool byte = truncated[i].size == 1;
		uint32_t last = byte ? 255 : 300;

		for (uint32_t k = last + 1; k-- > 0;) {
			/* 0: room for all, 1: room for k bytes */
			for (int tight = 0; tight < 2; tight++) {
				memcpy(cdb, truncated[i].cdb, sizeof(cdb));
				cdb[truncated[i].at + truncated[i].size - 1] =
					(uint8_t)k;
				if (!byte)
					cdb[truncated[i].at +
					    truncated[i].size - 2] =
						(uint8_t)(k >> 8);
				ram_in(r, cdb, truncated[i].cdb_len,
				       tight ? k : 300);
				if (cdb[0] == 0xa0 && k < 16) {
					assert_int_equal(ram_sense(r), BAD_CDB);
					continue;
				}
				assert_good(r->task.status);
				if (k == last && !tight) {
					whole_len = r->task.in_len;
					memcpy(whole, r->data, whole_len);
				}
				want = k < whole_len ? k : whole_len;
				assert_int_equal(r->task.in_len, want);
				assert_memory_equal(r->data, whole, want);
				for (uint32_t n = want; n < r->task.in_max; n++)
					assert_int_equal(r->data[n], CANARY);
			}
		}
		/* less room than the allocation length */
		for (uint32_t k = 0; k < 40; k++) {
			memcpy(cdb, truncated[i].cdb, sizeof(cdb));
			cdb[truncated[i].at + truncated[i].size - 1] = 255;
			assert_good(ram_in(r, cdb, truncated[i].cdb_len, k));
			want = k < whole_len ? k : whole_len;
			assert_int_equal(r->task.in_len, want);
		}
	}
	ram_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_commands_512),
		cmocka_unit_test(random_commands_4096),
		cmocka_unit_test(truncation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
