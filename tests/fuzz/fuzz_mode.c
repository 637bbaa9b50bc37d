/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * MODE SELECT with any parameter list, between MODE SENSEs: what is refused
 * has changed nothing, what is taken is what MODE SENSE tells, and what MODE
 * SENSE tells is taken.
 */
#include "scsi/mode.h"
#include "tests/fuzz/fuzz_lu.h"

#define OTHER 1 /* the initiator that only listens */

static bool same(const struct scsi_mode *a, const struct scsi_mode *b)
{
	return a->write_cache == b->write_cache &&
	       a->desc_sense == b->desc_sense && a->soft_wp == b->soft_wp;
}

/* All unit attentions of an initiator; true if MODE was among them. */
static bool drain(struct fuzz_lu *f, uint32_t nexus)
{
	struct scsi_nexus *n = &f->lu.nexus[nexus];
	bool mode = false;

	while (n->ua_count) {
		mode |= n->ua[0] == SCSI_UA_MODE;
		(void)scsi_lu_attention_take(&f->lu, nexus);
	}
	return mode;
}

/* The list of what is in force, made fit for MODE SELECT. Return: its bytes. */
static uint32_t sense(struct fuzz_lu *f, bool ten, uint8_t how, uint8_t *list)
{
	uint8_t cdb[16] = {0x1a, how & 0x08, 0x3f, 0, 255};
	uint8_t cdb10[16] = {0x5a, how & 0x18, 0x3f, 0, 0, 0, 0, 0, 255};
	uint32_t len;

	FUZZ_CHECK(fuzz_lu_run(f, 0, ten ? cdb10 : cdb, ten ? 10 : 6, NULL, 0,
			       255) == SCSI_GOOD);
	len = f->task.in_len;
	memcpy(list, f->task.data, len);
	FUZZ_CHECK(ten ? scsi_get16(list) == len - 2 : list[0] == len - 1);
	FUZZ_CHECK(len == (ten ? 8u + scsi_get16(list + 6) : 4u + list[3]) +
				  20 + 12 + 12);
	/* what MODE SENSE says of the whole is reserved in MODE SELECT */
	if (ten)
		list[0] = list[1] = list[3] = 0;
	else
		list[0] = list[2] = 0;
	return len;
}

static uint8_t select_list(struct fuzz_lu *f, bool ten, uint8_t how,
			   const uint8_t *list, uint32_t len, uint32_t claim)
{
	uint8_t cdb[16] = {0x15, how, 0, 0, (uint8_t)claim};
	uint8_t cdb10[16] = {0x55, how};

	scsi_put16(cdb10 + 7, claim);
	return fuzz_lu_run(f, 0, ten ? cdb10 : cdb, ten ? 10 : 6, list, len, 0);
}

/* The pages in the list say what is in force; bits as in SBC-3 and SPC-4. */
static void check_told(struct fuzz_lu *f, bool ten, uint8_t how)
{
	uint8_t list[255];
	uint32_t len = sense(f, ten, how, list);
	const uint8_t *caching = list + len - 44, *control = caching + 20;
	struct scsi_mode mode = f->lu.mode;

	FUZZ_CHECK(caching[0] == 0x08 && control[0] == 0x0a);
	FUZZ_CHECK(mode.write_cache == !!(caching[2] & 4));
	FUZZ_CHECK(mode.desc_sense == !!(control[2] & 4));
	FUZZ_CHECK(mode.soft_wp == !!(control[4] & 8));
	FUZZ_CHECK(select_list(f, ten, 0x10, list, len, len) == SCSI_GOOD);
	FUZZ_CHECK(same(&mode, &f->lu.mode) && !drain(f, OTHER));
}

/* Of what was taken only the bits that may change can differ from before. */
static void check_taken(struct fuzz_lu *f, bool ten, const uint8_t *list,
			uint32_t len)
{
	uint32_t at = ten ? 8u + scsi_get16(list + 6) : 4u + list[3];
	uint8_t now[255];
	const uint8_t *page, *end = now + sense(f, false, 0x08, now);

	for (; at < len; at += list[at + 1] + 2u) {
		for (page = now + 4; page < end; page += page[1] + 2)
			if (page[0] == (list[at] & 0x3f))
				break;
		FUZZ_CHECK(page < end && list[at + 1] == page[1]);
		for (uint32_t i = 2; i < page[1] + 2u; i++) {
			uint8_t may = page[0] == 0x08 && i == 2	  ? 0x04
				      : page[0] == 0x0a && i == 2 ? 0x04
				      : page[0] == 0x0a && i == 4 ? 0x08
								  : 0;

			FUZZ_CHECK(!((list[at + i] ^ page[i]) & ~may));
		}
	}
}

static void one_select(struct fuzz_lu *f, struct fuzz_in *in)
{
	uint8_t what = fuzz_u8(in), how = fuzz_u8(in), list[600] = {0};
	uint32_t len = 0, claim, edits = fuzz_below(in, 4);
	struct scsi_mode was;
	bool ten = what & 1, told;
	uint8_t status;

	if (what & 2) /* an honest list, then some bytes of it changed */
		len = sense(f, ten, how, list);
	else
		fuzz_take(in, list, len = fuzz_u8(in));
	while (edits--)
		list[fuzz_u8(in)] = fuzz_u8(in);
	if (what & 4)
		len = fuzz_u16(in) % sizeof(list);
	claim = what & 8 ? fuzz_u16(in) : len;
	if (what & 16)
		how = 0x10;
	if (what & 32)
		f->fail = -(int)(1 + fuzz_below(in, 14));
	f->refuse[SCSI_IO_FLUSH] = what & 64;
	was = f->lu.mode;
	status = select_list(f, ten, how, list, len, claim);
	f->fail = 0;
	f->refuse[SCSI_IO_FLUSH] = false;
	told = drain(f, OTHER);
	FUZZ_CHECK(told == !same(&was, &f->lu.mode));
	FUZZ_CHECK(status == SCSI_GOOD || !told);
	if (!ten)
		claim &= 0xff;
	if (status == SCSI_GOOD && claim)
		check_taken(f, ten, list, claim);
	FUZZ_CHECK(!f->lu.mode.write_cache || !f->lu.cfg.no_write_cache);
	check_told(f, what & 128, how);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {data, size};
	struct scsi_lu_cfg cfg;
	struct fuzz_lu f;

	fuzz_lu_cfg(&in, &cfg);
	fuzz_lu_new(&f, &cfg);
	for (uint32_t i = 0; i < SCSI_NEXUS_MAX; i++)
		(void)drain(&f, i);
	while (in.left)
		one_select(&f, &in);
	fuzz_lu_task_free(&f.task);
	fuzz_lu_free(&f);
	return 0;
}
