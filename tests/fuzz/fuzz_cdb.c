/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any commands to a disk, several under way at once, storage operations that
 * end in any order and fail: beside it a model of what the medium must hold.
 * Tasks that overlap are in order, so what a command does can be applied to
 * the model when it ends; where a write has failed, nothing is known.
 */
#include "scsi/sense.h"
#include "scsi/target.h"
#include "tests/fuzz/fuzz_lu.h"

#define JOBS	   6
#define INITIATORS 3
#define OUT_MAX	   (140u * 1024u)

struct job {
	bool used, io; /* io: the storage has its operation */
	struct scsi_task task;
	uint8_t *out; /* what was sent */
	uint64_t capacity;
};

struct world {
	struct fuzz_in *in;
	struct fuzz_lu f;
	struct job jobs[JOBS];
	uint8_t model[LU_BYTES];
	bool known[LU_BYTES / 512];
};

/* ---- the model ---- */

struct range {
	uint64_t lba, blocks;
};

/* SPC-4 4.2.5: where LBA and length are. */
static struct range range_of(const uint8_t *cdb)
{
	switch (cdb[0] >> 5) {
	case 0:
		return (struct range){scsi_get24(cdb + 1) & 0x1fffff,
				      cdb[4] ? cdb[4] : 256};
	case 4:
		if (cdb[0] == 0x89)
			return (struct range){scsi_get64(cdb + 2), cdb[13]};
		return (struct range){scsi_get64(cdb + 2),
				      scsi_get32(cdb + 10)};
	case 5:
		return (struct range){scsi_get32(cdb + 2), scsi_get32(cdb + 6)};
	default:
		return (struct range){scsi_get32(cdb + 2), scsi_get16(cdb + 7)};
	}
}

static void set_known(struct world *w, struct range r, bool known)
{
	uint64_t per = w->f.lu.cfg.block_size / 512;
	uint64_t all = LU_BYTES / w->f.lu.cfg.block_size;

	if (r.lba > all)
		return;
	if (r.blocks > all - r.lba)
		r.blocks = all - r.lba;
	memset(w->known + r.lba * per, known, r.blocks * per);
}

/* COPIES blocks from R on are each what the next one at FROM is; STEP 0: all
 * the same one; FROM NULL: zeroes. */
static void model_write(struct world *w, struct range r, const uint8_t *from,
			uint32_t step)
{
	uint32_t size = w->f.lu.cfg.block_size;

	FUZZ_CHECK((r.lba + r.blocks) * size <= LU_BYTES);
	for (uint64_t i = 0; i < r.blocks; i++) {
		uint8_t *to = w->model + (r.lba + i) * size;

		if (from)
			memcpy(to, from + i * step, size);
		else
			memset(to, 0, size);
	}
	set_known(w, r, true);
}

/* Does LEN bytes from block LBA on equal P, as far as it is known? */
static bool model_is(struct world *w, uint64_t lba, const uint8_t *p,
		     uint64_t len)
{
	uint64_t at = lba * w->f.lu.cfg.block_size, n;

	FUZZ_CHECK(at + len <= LU_BYTES);
	for (; len; at += n, p += n, len -= n) {
		n = len < 512 ? len : 512;
		if (w->known[at / 512] && memcmp(w->model + at, p, n))
			return false;
	}
	return true;
}

static void unmapped(struct world *w, const struct job *j, bool good)
{
	uint32_t len = scsi_get16(j->task.cdb + 7);
	uint32_t n = len < 8 || j->task.out_len < 8
			     ? 0
			     : scsi_get16(j->out + 2) / 16;

	for (uint32_t i = 0; i < n && 24 + i * 16 <= j->task.out_len; i++) {
		const uint8_t *p = j->out + 8 + i * 16;
		struct range r = {scsi_get64(p), scsi_get32(p + 8)};

		if (good && w->f.lu.cfg.discard_zeroes)
			model_write(w, r, NULL, 0);
		else
			set_known(w, r, false);
	}
}

static void verified(struct world *w, const struct job *j, struct range r)
{
	uint32_t size = w->f.lu.cfg.block_size;
	uint8_t how = j->task.cdb[1] & 6;

	for (uint64_t i = 0; how && i < r.blocks; i++)
		FUZZ_CHECK(model_is(w, r.lba + i,
				    j->out + (how == 2 ? i * size : 0), size));
}

/* The command has ended GOOD. */
static void good(struct world *w, const struct job *j)
{
	struct range r = range_of(j->task.cdb);
	uint32_t size = w->f.lu.cfg.block_size;
	uint64_t bytes = r.blocks * size;

	switch (j->task.cdb[0]) {
	case 0x08:
	case 0x28:
	case 0x88:
	case 0xa8:
		FUZZ_CHECK(j->task.in_len ==
			   (bytes < j->task.in_max ? bytes : j->task.in_max));
		FUZZ_CHECK(model_is(w, r.lba, j->task.data, j->task.in_len));
		break;
	case 0x0a:
	case 0x2a:
	case 0x8a:
	case 0xaa:
	case 0x2e:
	case 0x8e:
	case 0xae:
		model_write(w, r, j->out, size);
		break;
	case 0x2f:
	case 0x8f:
	case 0xaf:
		verified(w, j, r);
		break;
	case 0x41:
	case 0x93:
		if (!r.blocks)
			r.blocks = j->capacity - r.lba;
		model_write(w, r,
			    j->task.cdb[0] == 0x93 && j->task.cdb[1] & 1
				    ? NULL
				    : j->out,
			    0);
		break;
	case 0x89:
		FUZZ_CHECK(model_is(w, r.lba, j->out, bytes));
		model_write(w, r, j->out + bytes, size);
		break;
	case 0x42:
		unmapped(w, j, true);
		break;
	default:
		break;
	}
}

static uint8_t sense_key(const struct scsi_task *t)
{
	return (t->sense[0] & 2 ? t->sense[1] : t->sense[2]) & 0xf;
}

/* It has not. Where storage may have been written nothing is known then. */
static void bad(struct world *w, const struct job *j)
{
	struct range r = range_of(j->task.cdb);

	if (j->task.status != SCSI_TASK_ABORTED) {
		uint8_t key = j->task.sense_len ? sense_key(&j->task) : 0;

		if (key != SCSI_KEY_MEDIUM_ERROR &&
		    key != SCSI_KEY_HARDWARE_ERROR &&
		    key != SCSI_KEY_DATA_PROTECT)
			return; /* refused: the model stays */
	}
	switch (j->task.cdb[0]) {
	case 0x41:
	case 0x93:
		if (!r.blocks)
			r.blocks = LU_BYTES;
		break;
	case 0x42:
		unmapped(w, j, false);
		return;
	case 0x08:
	case 0x28:
	case 0x88:
	case 0xa8:
	case 0x2f:
	case 0x8f:
	case 0xaf:
		return;
	default:
		break;
	}
	if (w->f.lu.cfg.type->op_count && j->task.op &&
	    j->task.op->access == SCSI_ACCESS_WRITE)
		set_known(w, r, false);
}

/* ---- tasks ---- */

static void ended(struct world *w, struct job *j)
{
	fuzz_lu_done(&j->task);
	if (j->task.status == SCSI_GOOD)
		good(w, j);
	else
		bad(w, j);
	fuzz_lu_task_free(&j->task);
	free(j->out);
	j->used = false;
}

static struct job *job_of(struct scsi_task *t)
{
	return (struct job *)((char *)t - offsetof(struct job, task));
}

static void go(struct world *w, struct job *j, enum scsi_step step)
{
	struct scsi_task *t;

	for (;;) {
		j->io = step == SCSI_STEP_IO;
		if (step == SCSI_STEP_DONE)
			ended(w, j);
		t = scsi_lu_next(&w->f.lu);
		if (!t)
			return;
		j = job_of(t);
		FUZZ_CHECK(j->used && !j->io);
		step = scsi_lu_resume(&w->f.lu, t, 0);
		FUZZ_CHECK(step != SCSI_STEP_WAIT);
	}
}

static void resume(struct world *w, struct job *j)
{
	const uint8_t *cdb = j->task.cdb;
	bool fua = cdb[0] >= 0x20 && j->task.op->access == SCSI_ACCESS_WRITE &&
		   cdb[0] != 0x41 && cdb[0] != 0x93 && cdb[1] & 8;
	enum scsi_step step;
	int rc;

	if (j->task.io.op == SCSI_IO_WRITE && fua)
		FUZZ_CHECK(j->task.io.fua);
	if (w->f.lu.cfg.read_only)
		FUZZ_CHECK(j->task.io.op == SCSI_IO_READ ||
			   j->task.io.op == SCSI_IO_FLUSH ||
			   j->task.io.op == SCSI_IO_EXTENT ||
			   j->task.io.op == SCSI_IO_SAVE);
	rc = fuzz_lu_io(&w->f, &j->task);
	step = scsi_lu_resume(&w->f.lu, &j->task, rc);
	FUZZ_CHECK(step != SCSI_STEP_WAIT);
	go(w, j, step);
}

/* Commands that exist, mostly with few wrong bits, near the edges. */
static uint32_t pick_cdb(struct fuzz_in *in, uint8_t *cdb)
{
	uint32_t i = fuzz_u8(in) % (scsi_disk.op_count + scsi_common_op_count);
	const struct scsi_op *op =
		i < scsi_disk.op_count
			? &scsi_disk.ops[i]
			: &scsi_common_ops[i - scsi_disk.op_count];
	uint8_t how = fuzz_u8(in);

	if (how & 1) { /* as it comes */
		fuzz_take(in, cdb, 16);
	} else { /* LBA, length, flags */
		uint8_t at = fuzz_u8(in), n = fuzz_u8(in) & 0x3f;

		/* or at the very end of what the field can say */
		if (at >= 0xf8 && op->cdb_len > 6)
			memset(cdb + 2, 0xff, op->cdb_len == 16 ? 8 : 4);
		cdb[op->cdb_len == 16 ? 9 : op->cdb_len == 6 ? 3 : 5] = at;
		cdb[op->cdb_len == 16	? 13
		    : op->cdb_len == 12 ? 9
		    : op->cdb_len == 10 ? 8
					: 4] = n;
		cdb[1] = fuzz_u8(in);
		if (op->opcode == 0x42)
			cdb[8] = 24 + n / 32 * 16;
	}
	if (how & 2)
		for (int k = 1; k < 16; k++)
			cdb[k] &= op->usage[k];
	if (!(how & 4))
		cdb[0] = op->opcode;
	if (op->flags & SCSI_OP_SA && !(how & 8))
		cdb[1] = (uint8_t)((cdb[1] & 0xe0) | op->sa);
	return how < 0xf8 ? op->cdb_len : how & 0x1f;
}

/* Data that suits the command: what is there, a descriptor list, or new. */
static uint32_t pick_out(struct world *w, const uint8_t *cdb, uint8_t *out)
{
	struct range r = range_of(cdb);
	uint32_t size = w->f.lu.cfg.block_size, len;
	uint8_t how = fuzz_u8(w->in);

	switch (how % 8) {
	case 0:
		return 0;
	case 1: /* any bytes */
		len = fuzz_u8(w->in);
		fuzz_take(w->in, out, len);
		return len;
	case 2: /* for UNMAP */
		len = 8 + 16 * (how / 8 % 5u);
		memset(out, 0, len);
		scsi_put16(out, len - 2);
		scsi_put16(out + 2, len - 8);
		for (uint32_t i = 8; i < len; i += 16) {
			out[i + 7] = fuzz_u8(w->in);
			out[i + 11] = fuzz_u8(w->in);
		}
		return len;
	default:
		break;
	}
	len = (uint32_t)(r.blocks > OUT_MAX / size ? 0 : r.blocks * size);
	if (cdb[0] == 0x89)
		len = len > OUT_MAX / 2 ? 0 : 2 * len;
	if (cdb[0] == 0x41 || cdb[0] == 0x93 || how % 8 == 7)
		len = size;
	memset(out, how >> 4, len);
	if (how % 8 < 5 && r.lba < LU_BYTES / size) {
		uint64_t there = LU_BYTES - r.lba * size;

		memcpy(out, w->model + r.lba * size, len < there ? len : there);
	}
	if (len && how & 8)
		out[fuzz_u16(w->in) % len] ^= 1;
	return how == 0xfb && len ? len - 1 : len;
}

static void begin(struct world *w)
{
	static uint8_t out[OUT_MAX];
	uint8_t cdb[SCSI_CDB_MAX] = {0};
	uint32_t len = pick_cdb(w->in, cdb), out_len, in_max = 0;
	struct job *j = w->jobs;

	while (j < w->jobs + JOBS && j->used)
		j++;
	if (j == w->jobs + JOBS)
		return;
	out_len = pick_out(w, cdb, out);
	if (!out_len)
		in_max = fuzz_u8(w->in) * (fuzz_below(w->in, 2) ? 512u : 7u);
	memset(j, 0, sizeof(*j));
	j->used = true;
	j->capacity = w->f.lu.cfg.blocks;
	j->out = malloc(out_len ? out_len : 1);
	FUZZ_CHECK(j->out);
	memcpy(j->out, out, out_len);
	fuzz_lu_task(&j->task, fuzz_below(w->in, INITIATORS), cdb, len, out,
		     out_len, in_max);
	go(w, j, scsi_lu_start(&w->f.lu, &j->task));
}

static void cancel(struct job *j)
{
	if (j->used)
		scsi_task_cancel(&j->task);
}

static void cancel_all(struct world *w)
{
	for (int i = 0; i < JOBS; i++)
		cancel(&w->jobs[i]);
}

/* After something was cancelled: what waited comes out. */
static void settle(struct world *w)
{
	struct scsi_task *t = scsi_lu_next(&w->f.lu);

	if (t)
		go(w, job_of(t), scsi_lu_resume(&w->f.lu, t, 0));
}

/* A command that goes to no unit. */
static void target(struct world *w)
{
	uint8_t cdb[SCSI_CDB_MAX], n = fuzz_u8(w->in);
	uint32_t cdb_len = fuzz_below(w->in, 17);
	uint16_t luns[256];
	struct scsi_task t;

	fuzz_take(w->in, cdb, sizeof(cdb));
	for (int i = 0; i < n; i++)
		luns[i] = (uint16_t)(i * 60);
	fuzz_lu_task(&t, 0, cdb, cdb_len, NULL, 0, fuzz_u16(w->in) % 2100);
	if (scsi_target_wants(&t))
		scsi_target_report_luns(&t, luns, n);
	else
		scsi_target_absent(&t);
	fuzz_lu_done(&t);
	fuzz_lu_task_free(&t);
}

/* What happens to the unit besides commands. */
static void event(struct world *w)
{
	uint8_t what = fuzz_u8(w->in);
	uint32_t nexus = what / 8 % INITIATORS;

	switch (what % 8) {
	case 0:
		cancel_all(w);
		scsi_lu_reset(&w->f.lu);
		break;
	case 1:
		for (int i = 0; i < JOBS; i++)
			if (w->jobs[i].task.nexus == nexus)
				cancel(&w->jobs[i]);
		scsi_lu_nexus_lost(&w->f.lu, nexus);
		break;
	case 2:
		scsi_lu_resize(&w->f.lu,
			       1 + fuzz_u16(w->in) % (LU_BYTES /
						      w->f.lu.cfg.block_size));
		break;
	case 3:
		cancel(&w->jobs[what / 8 % JOBS]);
		break;
	case 4:
		w->f.fail = -(int)(1 + what / 8 % 14u);
		break;
	case 5:
		w->f.refuse[what / 8 % 8u] ^= true;
		break;
	case 6:
		target(w);
		break;
	default: /* nobody wants to be kept from anything any more */
		for (uint32_t i = 0; i < INITIATORS; i++)
			while (scsi_lu_attention_take(&w->f.lu, i))
				;
		w->f.lu.stopped = false;
		break;
	}
	settle(w);
}

static void step(struct world *w)
{
	uint8_t what = fuzz_u8(w->in);
	struct job *j = &w->jobs[what / 8 % JOBS];

	if (what % 8 == 7)
		event(w);
	else if (what % 8 < 4)
		begin(w);
	else if (j->used && j->io)
		resume(w, j);
}

static void drain(struct world *w)
{
	bool again = true;

	while (again) {
		again = false;
		for (int i = 0; i < JOBS; i++) {
			if (!w->jobs[i].used || !w->jobs[i].io)
				continue;
			resume(w, &w->jobs[i]);
			again = true;
		}
	}
	for (int i = 0; i < JOBS; i++)
		FUZZ_CHECK(!w->jobs[i].used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	struct fuzz_in in = {data, size};
	struct scsi_lu_cfg cfg;

	memset(w.jobs, 0, sizeof(w.jobs));
	memset(w.model, 0x5a, sizeof(w.model)); /* not what UNMAP leaves */
	memset(w.known, true, sizeof(w.known));
	w.in = &in;
	fuzz_lu_cfg(&in, &cfg);
	cfg.resumed = true; /* else it begins with attentions only */
	fuzz_lu_new(&w.f, &cfg);
	memset(w.f.bytes, 0x5a, LU_BYTES);
	while (in.left)
		step(&w);
	drain(&w);
	FUZZ_CHECK(!w.f.lu.first && !w.f.lu.last);
	FUZZ_CHECK(model_is(&w, 0, w.f.bytes, LU_BYTES));
	fuzz_lu_free(&w.f);
	return 0;
}
