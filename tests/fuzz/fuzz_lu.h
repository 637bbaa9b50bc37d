/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A logical unit over memory for the fuzz targets of scsi/: does what the unit
 * asks for and watches over every buffer and range.
 */
#ifndef TESTS_FUZZ_LU_H
#define TESTS_FUZZ_LU_H

#include "scsi/bytes.h"
#include "scsi/lu_disk.h"
#include "tests/fuzz/fuzz.h"

#define LU_BYTES (160u * 1024u) /* the storage, whatever the unit says */

struct fuzz_lu {
	struct scsi_lu lu;
	struct scsi_task task; /* the one that fuzz_lu_run() ran */
	uint8_t *bytes;
	uint8_t *unmapped; /* one for each 512 bytes */
	bool refuse[8];	   /* by enum scsi_io_op: not supported */
	int fail;	   /* the next operation gives this, then 0 */
	uint8_t saved[SCSI_PR_IMAGE_MAX];
	uint32_t saved_len;
};

static inline void fuzz_lu_cfg(struct fuzz_in *in, struct scsi_lu_cfg *cfg)
{
	uint8_t flags = fuzz_u8(in), limits = fuzz_u8(in);

	*cfg = (struct scsi_lu_cfg){
		.type = &scsi_disk,
		.block_size = flags & 1 ? 4096 : 512,
		.thin = flags & 2,
		.discard_zeroes = flags & 4,
		.read_only = (flags & 0x18) == 0x18,
		.shared = flags & 0x20,
		.can_save = !(flags & 0x40),
		.resumed = flags & 0x80,
		.no_write_cache = limits & 1,
		.rotational = limits & 2,
		.max_transfer = limits & 4 ? 16 : 0,
		.max_unmap_descriptors = limits & 8 ? 3 : 0,
		.max_unmap_blocks = limits & 16 ? 40 : 0xffffffff,
		.max_write_same = limits & 32 ? 50 : 0,
		.unmap_granularity = limits & 64 ? 8 : 0,
		.physical_exponent = limits & 128 ? 3 : 0,
		.serial = "0123456789",
		.naa = 0x5123456789abcdefu,
	};
	cfg->blocks = LU_BYTES / cfg->block_size;
}

static inline void fuzz_lu_new(struct fuzz_lu *f, const struct scsi_lu_cfg *cfg)
{
	memset(f, 0, sizeof(*f));
	f->bytes = calloc(1, LU_BYTES);
	f->unmapped = calloc(1, LU_BYTES / 512);
	FUZZ_CHECK(f->bytes && f->unmapped);
	FUZZ_CHECK(scsi_lu_init(&f->lu, cfg) == 0);
	for (uint32_t i = 0; i < SCSI_NEXUS_MAX; i++)
		scsi_lu_nexus(&f->lu, i, 1000 + i);
}

static inline void fuzz_lu_free(struct fuzz_lu *f)
{
	free(f->bytes);
	free(f->unmapped);
}

/* Is the range all inside memory that the task may use for it? */
static inline bool fuzz_lu_inside(const struct scsi_io *io, const uint8_t *mem,
				  uint64_t len)
{
	return mem && io->buf >= mem && io->buf <= mem + len &&
	       io->len <= (uint64_t)(mem + len - io->buf);
}

static inline void fuzz_lu_buffer(const struct fuzz_lu *f,
				  const struct scsi_task *t)
{
	bool image = t->io.op == SCSI_IO_SAVE;

	FUZZ_CHECK(fuzz_lu_inside(&t->io, t->scratch, t->scratch_len) ||
		   fuzz_lu_inside(&t->io, t->data,
				  t->io.op == SCSI_IO_READ ? t->in_max
							   : t->out_len) ||
		   (image &&
		    fuzz_lu_inside(&t->io, f->lu.image, sizeof(f->lu.image))));
}

static inline void fuzz_lu_extent(const struct fuzz_lu *f, struct scsi_io *io)
{
	uint64_t at = io->offset / 512, n = 0;

	while (n < io->len / 512 && f->unmapped[at + n] == f->unmapped[at])
		n++;
	io->extent_len = n * 512;
	io->extent_mapped = !f->unmapped[at];
}

/* Does what the task wants; returns the result for scsi_lu_resume(). */
static inline int fuzz_lu_io(struct fuzz_lu *f, struct scsi_task *t)
{
	struct scsi_io *io = &t->io;
	uint32_t size = f->lu.cfg.block_size;
	int rc = f->fail;

	f->fail = 0;
	FUZZ_CHECK(io->op <= SCSI_IO_SAVE);
	if (io->op != SCSI_IO_FLUSH && io->op != SCSI_IO_SAVE) {
		FUZZ_CHECK(io->len && io->len % size == 0 &&
			   io->offset % size == 0);
		FUZZ_CHECK(io->offset <= LU_BYTES &&
			   io->len <= LU_BYTES - io->offset);
	}
	if (io->op == SCSI_IO_READ || io->op == SCSI_IO_WRITE ||
	    io->op == SCSI_IO_SAVE)
		fuzz_lu_buffer(f, t);
	if (f->refuse[io->op])
		rc = XPV_ENOTSUP;
	if (rc)
		return rc;
	switch (io->op) {
	case SCSI_IO_READ:
		memcpy(io->buf, f->bytes + io->offset, io->len);
		break;
	case SCSI_IO_WRITE:
		memcpy(f->bytes + io->offset, io->buf, io->len);
		memset(f->unmapped + io->offset / 512, 0, io->len / 512);
		break;
	case SCSI_IO_DISCARD:
	case SCSI_IO_ZERO:
		/* without LBPRZ nobody knows what is read after a DISCARD */
		memset(f->bytes + io->offset,
		       io->op == SCSI_IO_ZERO || f->lu.cfg.discard_zeroes
			       ? 0
			       : 0xdd,
		       io->len);
		memset(f->unmapped + io->offset / 512,
		       io->op == SCSI_IO_DISCARD || io->unmap, io->len / 512);
		break;
	case SCSI_IO_EXTENT:
		fuzz_lu_extent(f, io);
		break;
	case SCSI_IO_SAVE:
		memcpy(f->saved, io->buf, io->len);
		f->saved_len = (uint32_t)io->len;
		break;
	case SCSI_IO_FLUSH:
		break;
	case SCSI_IO_CUT:
	case SCSI_IO_MOVE:
	case SCSI_IO_SWAP:
		FUZZ_CHECK(false);
	}
	return 0;
}

/*
 * A task with a CDB of CDB_LEN bytes. Data and scratch have exactly the size
 * that the unit is told. fuzz_lu_task_free() when it is done. The scratch space
 * is that of tasks which have ended: to clear 64 KiB takes longer than most
 * commands.
 */
static uint8_t *fuzz_lu_spare[8];
static uint32_t fuzz_lu_spares;

static inline void fuzz_lu_task(struct scsi_task *t, uint32_t nexus,
				const uint8_t *cdb, uint32_t cdb_len,
				const uint8_t *out, uint32_t out_len,
				uint32_t in_max)
{
	uint32_t room = out_len > in_max ? out_len : in_max;

	scsi_task_init(t);
	memcpy(t->cdb, cdb, SCSI_CDB_MAX);
	t->cdb_len = (uint8_t)cdb_len;
	t->nexus = nexus;
	t->data = malloc(room ? room : 1);
	t->scratch = fuzz_lu_spares ? fuzz_lu_spare[--fuzz_lu_spares]
				    : malloc(SCSI_SCRATCH_MIN);
	FUZZ_CHECK(t->data && t->scratch);
	memset(t->data, 0xa5, room);
	if (out_len)
		memcpy(t->data, out, out_len);
	t->out_len = out_len;
	t->in_max = in_max;
	t->scratch_len = SCSI_SCRATCH_MIN;
}

static inline void fuzz_lu_task_free(struct scsi_task *t)
{
	free(t->data);
	if (t->scratch)
		fuzz_lu_spare[fuzz_lu_spares++] = t->scratch;
	t->data = t->scratch = NULL;
}

/* What holds for every answer. */
static inline void fuzz_lu_done(const struct scsi_task *t)
{
	FUZZ_CHECK(t->in_len <= t->in_max && t->sense_len <= SCSI_SENSE_MAX);
	FUZZ_CHECK((t->status == SCSI_CHECK_CONDITION) == (t->sense_len != 0));
	if (t->out_len)
		FUZZ_CHECK(t->residual <= t->out_len);
	else
		FUZZ_CHECK(t->residual == t->in_max - t->in_len);
	FUZZ_CHECK(!t->listed);
}

/* One command from start to end, alone. The task is freed by the next one, or
 * by fuzz_lu_task_free(&f->task). */
static inline uint8_t fuzz_lu_run(struct fuzz_lu *f, uint32_t nexus,
				  const uint8_t *cdb, uint32_t cdb_len,
				  const uint8_t *out, uint32_t out_len,
				  uint32_t in_max)
{
	enum scsi_step step;
	int turns = 0;

	fuzz_lu_task_free(&f->task);
	fuzz_lu_task(&f->task, nexus, cdb, cdb_len, out, out_len, in_max);
	step = scsi_lu_start(&f->lu, &f->task);
	while (step == SCSI_STEP_IO) {
		FUZZ_CHECK(++turns < 4096);
		step = scsi_lu_resume(&f->lu, &f->task,
				      fuzz_lu_io(f, &f->task));
	}
	FUZZ_CHECK(step == SCSI_STEP_DONE && !f->lu.first && !f->lu.last);
	FUZZ_CHECK(!scsi_lu_next(&f->lu));
	fuzz_lu_done(&f->task);
	return f->task.status;
}

#endif
