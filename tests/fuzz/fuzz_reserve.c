/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PERSISTENT RESERVE OUT and IN, RESERVE and RELEASE, by several initiators,
 * with saves that fail and restarts in between: the state is always one that
 * SPC-4 knows, a refused command has changed nothing, access is what the type
 * of the reservation says, and a restart finds what was promised.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lun/state.h"
#include "tests/fuzz/fuzz_lu.h"

#define INITIATORS 4

struct world {
	struct fuzz_in *in;
	struct fuzz_lu f;
	struct scsi_lu_cfg cfg;
	int fd; /* of the file that outlives a restart */
	struct state state;
};

static uint8_t run(struct world *w, uint32_t nexus, const uint8_t *cdb,
		   uint32_t cdb_len, const uint8_t *out, uint32_t out_len)
{
	/* attentions would hide what is looked for */
	while (scsi_lu_attention_take(&w->f.lu, nexus))
		;
	return fuzz_lu_run(&w->f, nexus, cdb, cdb_len, out, out_len,
			   out ? 0 : 4096);
}

/* SPC-4 5.12: what can be true of a state. */
static void check_state(const struct scsi_pr *pr)
{
	bool ar = pr->type == SCSI_PR_WE_AR || pr->type == SCSI_PR_EA_AR;

	FUZZ_CHECK(pr->count <= SCSI_NEXUS_MAX && pr->type != 2 &&
		   pr->type != 4 && pr->type <= 8);
	FUZZ_CHECK(!pr->type || pr->count);
	FUZZ_CHECK(!pr->type || ar || pr->holder < pr->count);
	for (uint32_t i = 0; i < pr->count; i++) {
		FUZZ_CHECK(pr->reg[i].key);
		for (uint32_t k = 0; k < i; k++)
			FUZZ_CHECK(pr->reg[k].initiator !=
				   pr->reg[i].initiator);
	}
}

/* But for the generation, which begins anew with power on. */
static bool same(const struct scsi_pr *a, const struct scsi_pr *b)
{
	bool ar = a->type == SCSI_PR_WE_AR || a->type == SCSI_PR_EA_AR;

	if (a->count != b->count || a->type != b->type ||
	    (a->type && !ar && a->holder != b->holder))
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (a->reg[i].initiator != b->reg[i].initiator ||
		    a->reg[i].key != b->reg[i].key)
			return false;
	return true;
}

/* Who may do what: SPC-4 table 65, SPC-2 table 9. */
static bool may(const struct scsi_lu *lu, uint32_t nexus, bool write)
{
	const struct scsi_pr *pr = &lu->pr;
	uint64_t me = 1000 + nexus;
	bool registered = false, shared = pr->type >= SCSI_PR_WE_RO;
	bool reads = pr->type == SCSI_PR_WE || pr->type == SCSI_PR_WE_RO ||
		     pr->type == SCSI_PR_WE_AR;

	if (lu->old_holder != SCSI_NEXUS_MAX)
		return lu->old_holder == nexus;
	if (!pr->type || (!write && reads))
		return true;
	for (uint32_t i = 0; i < pr->count; i++)
		registered |= pr->reg[i].initiator == me;
	return (registered && shared) ||
	       (!shared && pr->reg[pr->holder].initiator == me);
}

static void check_access(struct world *w, uint32_t nexus)
{
	static const uint8_t read[16] = {0x28}, write[16] = {0x2a};

	FUZZ_CHECK(!may(&w->f.lu, nexus, false) ==
		   (run(w, nexus, read, 10, NULL, 0) ==
		    SCSI_RESERVATION_CONFLICT));
	FUZZ_CHECK(!may(&w->f.lu, nexus, true) ==
		   (run(w, nexus, write, 10, NULL, 0) ==
		    SCSI_RESERVATION_CONFLICT));
}

/* What PERSISTENT RESERVE IN tells is the state. */
static void check_in(struct world *w, uint32_t nexus, uint8_t sa)
{
	uint8_t cdb[16] = {0x5e, sa & 3, 0, 0, 0, 0, 0, 0x10, 0};
	const struct scsi_pr *pr = &w->f.lu.pr;
	const uint8_t *p;

	if (run(w, nexus, cdb, 10, NULL, 0) != SCSI_GOOD) {
		FUZZ_CHECK(w->f.lu.old_holder != SCSI_NEXUS_MAX);
		return;
	}
	p = w->f.task.data;
	if ((sa & 3) != 2)
		FUZZ_CHECK(scsi_get32(p) == pr->generation &&
			   scsi_get32(p + 4) + 8 == w->f.task.in_len);
	if ((sa & 3) == 0)
		FUZZ_CHECK(scsi_get32(p + 4) == 8 * pr->count);
}

/* The process is gone; another takes over from the file. */
static void restart(struct world *w, bool crash_in_save)
{
	struct scsi_pr was = w->f.lu.pr;
	uint8_t image[SCSI_PR_IMAGE_MAX];
	int len;

	if (crash_in_save) {
		/* the slot that would be written next is half written */
		uint8_t junk[64];

		fuzz_take(w->in, junk, sizeof(junk));
		FUZZ_CHECK(pwrite(w->fd, junk, sizeof(junk),
				  w->state.seq & 1 ? 0 : 32 + STATE_MAX) ==
			   (ssize_t)sizeof(junk));
	}
	fuzz_lu_task_free(&w->f.task);
	fuzz_lu_free(&w->f);
	fuzz_lu_new(&w->f, &w->cfg);
	len = state_load(&w->state, w->fd, image, sizeof(image));
	FUZZ_CHECK(len >= 0);
	FUZZ_CHECK(scsi_pr_load(&w->f.lu, image, (uint32_t)len) == 0);
	if (was.aptpl)
		FUZZ_CHECK(same(&was, &w->f.lu.pr));
	else
		FUZZ_CHECK(!w->f.lu.pr.count && !w->f.lu.pr.type);
}

static void reserve_out(struct world *w, uint32_t nexus)
{
	static const uint8_t types[] = {1, 3, 5, 6, 7, 8};
	uint8_t cdb[16] = {0x5f, 0, 0, 0, 0, 0, 0, 0, 24}, list[64] = {0};
	uint8_t sa = fuzz_u8(w->in), how = fuzz_u8(w->in);
	struct scsi_pr was = w->f.lu.pr;
	uint32_t len = 24;
	uint8_t status;

	cdb[1] = sa % 8;
	cdb[2] = how & 1 ? fuzz_u8(w->in) : types[sa / 8 % 6];
	/* few keys, so that they meet; or the very one of this initiator */
	list[7] = (uint8_t)fuzz_below(w->in, 4);
	list[15] = (uint8_t)fuzz_below(w->in, 4);
	for (uint32_t i = 0; i < was.count && !(how & 2); i++)
		if (was.reg[i].initiator == 1000 + nexus)
			scsi_put64(list, was.reg[i].key);
	list[20] = how & 4 ? fuzz_u8(w->in) : how >> 7;
	if (how & 8) {
		len = fuzz_u8(w->in) % sizeof(list);
		cdb[8] = fuzz_u8(w->in);
	}
	if ((how & 0x30) == 0x30)
		w->f.fail = XPV_EIO;
	w->f.saved_len = 0;
	status = run(w, nexus, cdb, 10, list, len);
	w->f.fail = 0;
	check_state(&w->f.lu.pr);
	if (status == SCSI_GOOD && w->f.saved_len)
		FUZZ_CHECK(!state_save(&w->state, w->f.saved, w->f.saved_len,
				       false));
	if (status != SCSI_GOOD)
		FUZZ_CHECK(same(&was, &w->f.lu.pr) &&
			   was.generation == w->f.lu.pr.generation &&
			   was.aptpl == w->f.lu.pr.aptpl);
	else if (cdb[1] == 1 || cdb[1] == 2) /* RESERVE, RELEASE: 6.15.2 */
		FUZZ_CHECK(was.generation == w->f.lu.pr.generation);
}

/* Any bytes as an image: taken only if it could have been saved. */
static void load_any(struct fuzz_in *in)
{
	static struct scsi_lu lu;
	struct scsi_lu_cfg cfg;
	uint8_t again[SCSI_PR_IMAGE_MAX], *image;
	uint32_t sum = 2166136261u;
	size_t len;

	fuzz_lu_cfg(in, &cfg);
	FUZZ_CHECK(scsi_lu_init(&lu, &cfg) == 0);
	image = fuzz_bytes(in, SCSI_PR_IMAGE_MAX + 20, &len);
	/* with the right checksum, which no mutation finds: reserve.c */
	for (size_t i = 0; len >= 20 && i < len - 4; i++)
		sum = (sum ^ image[i]) * 16777619u;
	if (len >= 20)
		scsi_put32(image + len - 4, sum);
	if (scsi_pr_load(&lu, image, (uint32_t)len) == 0) {
		check_state(&lu.pr);
		if (len && lu.pr.aptpl)
			FUZZ_CHECK(scsi_pr_save(&lu.pr, again) == len);
	} else {
		FUZZ_CHECK(!lu.pr.count && !lu.pr.type);
	}
	free(image);
}

static void step(struct world *w)
{
	static const uint8_t old[4] = {0x16, 0x17, 0x56, 0x57};
	uint8_t what = fuzz_u8(w->in), cdb[16] = {0};
	uint32_t nexus = (what >> 4) % INITIATORS;

	switch (what & 15) {
	default:
		reserve_out(w, nexus);
		break;
	case 8:
	case 9:
		cdb[0] = old[what >> 6];
		(void)run(w, nexus, cdb, cdb[0] < 0x20 ? 6 : 10, NULL, 0);
		break;
	case 10:
	case 11:
		check_in(w, nexus, what >> 6);
		break;
	case 12:
		scsi_lu_reset(&w->f.lu);
		break;
	case 13:
		scsi_lu_nexus_lost(&w->f.lu, nexus);
		scsi_lu_nexus(&w->f.lu, nexus, 1000 + nexus);
		break;
	case 14:
		restart(w, false);
		break;
	case 15:
		restart(w, true);
		break;
	}
	check_access(w, nexus);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {data, size};
	static int file = -1;
	struct world w = {.in = &in};

	if (fuzz_u8(&in) % 8 == 7) {
		load_any(&in);
		return 0;
	}
	if (file < 0)
		file = memfd_create("state", 0);
	w.fd = file;
	FUZZ_CHECK(file >= 0 && !ftruncate(file, 0));
	FUZZ_CHECK(state_load(&w.state, w.fd, NULL, 0) == 0);
	fuzz_lu_cfg(&in, &w.cfg);
	w.cfg.read_only = w.cfg.shared = false;
	fuzz_lu_new(&w.f, &w.cfg);
	while (in.left)
		step(&w);
	fuzz_lu_task_free(&w.f.task);
	fuzz_lu_free(&w.f);
	return 0;
}
