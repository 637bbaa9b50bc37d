/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of a cartridge is there after a crash: of the process, which leaves all
 * that was written before, and a part of what was being written; and of the
 * host, which leaves anything of what came after the last flush. And the folder
 * of a library.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "control/vtl_dir.h"
#include "test_tape_rig.h"

#define RECORDS_MAX 64
#define FILE_MAX    (64u << 10)
#define LATE_MAX    64

/* What is on the tape: a number for each block, MARKED for a filemark. */
#define MARKED 1000u

struct content {
	uint32_t n;
	uint32_t record[RECORDS_MAX];
};

/* An operation since the last flush. */
struct late {
	enum scsi_io_op op;
	uint64_t offset, len;
	uint8_t bytes[1024];
};

struct world {
	struct content was, will; /* before and after the command under way */
	uint32_t sure;		  /* so many are on the disk */
	uint32_t kept;		  /* so many of WAS stay in WILL */
	uint8_t stable[FILE_MAX]; /* the disk, at the last flush */
	size_t stable_len;
	struct late late[LATE_MAX];
	uint32_t nlate;
	uint64_t seed, crashes;
};

static uint32_t length_of(uint32_t n)
{
	return 20 + n * 13 % 150;
}

static uint64_t any(struct world *w, uint64_t below)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return w->seed % below;
}

/* ---- what a crash leaves ---- */

struct check {
	const struct content *c;
	uint32_t at;
	bool same;
};

static int compare(void *ctx, const struct cart_record *r, const uint8_t *data)
{
	struct check *k = ctx;
	uint8_t want[200];
	uint32_t n;

	if (k->at == k->c->n) {
		k->same = false;
		return 0;
	}
	n = k->c->record[k->at++];
	if ((n == MARKED) != (r->type == CART_MARK)) {
		k->same = false;
	} else if (n != MARKED) {
		rig_pattern(want, length_of(n), n);
		k->same = k->same && r->len == length_of(n) &&
			  !memcmp(want, data, r->len);
	}
	return 0;
}

/* Is FD the beginning of C, at least MIN records of it? */
static bool begins(int fd, const struct content *c, uint32_t min)
{
	struct check k = {.c = c, .same = true};
	struct cart_sum sum;
	struct cart cart;

	assert_int_equal(cart_file_load(fd, &cart), 0);
	assert_int_equal(cart_file_scan(fd, &cart, &sum, compare, &k), 0);
	assert_int_equal(sum.at.offset, cart.end.offset);
	return k.same && k.at >= min;
}

/* The file is as IMAGE says: what a drive finds in it is one or the other. */
static void crash(struct world *w, const uint8_t *image, size_t len)
{
	uint32_t min = w->sure < w->kept ? w->sure : w->kept;
	int fd = memfd_create("after", 0);

	assert_int_equal(write(fd, image, len), len);
	if (!begins(fd, &w->was, min) && !begins(fd, &w->will, min))
		fail_msg("after crash %u: neither as before (%u records) nor "
			 "as after (%u) the command; %u are sure",
			 (unsigned)w->crashes, w->was.n, w->will.n, min);
	close(fd);
	w->crashes++;
}

static size_t apply(uint8_t *image, size_t len, const struct late *l,
		    uint64_t part)
{
	if (l->op == SCSI_IO_CUT)
		return l->offset < len ? l->offset : len;
	if (l->op != SCSI_IO_WRITE || !part)
		return len;
	if (l->offset > len)
		memset(image + len, 0, l->offset - len);
	memcpy(image + l->offset, l->bytes, part);
	return l->offset + part > len ? l->offset + part : len;
}

/* The process dies with the last operation done in part. */
static void process_crashes(struct world *w, const struct late *now)
{
	static uint8_t image[FILE_MAX], with[FILE_MAX];
	size_t len = w->stable_len;

	memcpy(image, w->stable, sizeof(image));
	for (uint32_t i = 0; i + 1 < w->nlate; i++)
		len = apply(image, len, &w->late[i], w->late[i].len);
	for (uint64_t part = 0; part <= now->len; part++) {
		memcpy(with, image, sizeof(with));
		crash(w, with, apply(with, len, now, part));
	}
}

/* The host dies: of what came after the flush some is there. A sector is or is
 * not; labels lie within one. */
static void host_crashes(struct world *w)
{
	static uint8_t image[FILE_MAX];
	size_t len = w->stable_len;
	bool label;

	memcpy(image, w->stable, sizeof(image));
	for (uint32_t i = 0; i < w->nlate; i++) {
		const struct late *l = &w->late[i];

		label = l->op == SCSI_IO_WRITE && l->offset < CART_START;
		if (any(w, 3) == 0)
			continue;
		len = apply(image, len, l,
			    label || any(w, 2) ? l->len : any(w, l->len + 1));
	}
	crash(w, image, len);
}

static void spy(struct rig *r, const struct scsi_io *io)
{
	struct world *w = r->ctx;
	struct late *l;

	if (!io || io->op == SCSI_IO_READ)
		return;
	if (io->op == SCSI_IO_FLUSH) {
		for (int i = 0; i < 20; i++)
			host_crashes(w);
		w->stable_len = (size_t)pread(r->fd, w->stable, FILE_MAX, 0);
		w->nlate = 0;
		return;
	}
	assert_true(w->nlate < LATE_MAX && io->len <= sizeof(l->bytes));
	l = &w->late[w->nlate++];
	l->op = io->op;
	l->offset = io->offset;
	l->len = io->op == SCSI_IO_WRITE ? io->len : 0;
	if (l->len)
		memcpy(l->bytes, io->buf, l->len);
	process_crashes(w, l);
	for (int i = 0; i < 5; i++)
		host_crashes(w);
}

/* ---- what is done meanwhile ---- */

static void add(struct rig *r, struct world *w, uint32_t n)
{
	uint32_t at = rig_at(r);

	w->will = w->was;
	w->will.n = w->kept = at;
	w->will.record[w->will.n++] = n;
	if (n == MARKED)
		assert_good(rig_marks(r, 1));
	else
		assert_good(rig_write(r, length_of(n), n));
	w->was = w->will;
	w->kept = w->was.n;
	if (at < w->sure)
		w->sure = at;
	if (n == MARKED)
		w->sure = w->was.n;
	host_crashes(w);
}

/* Each is tried with every crash that it may meet: under a sanitizer, that takes
 * twenty times as long. */
#ifdef __SANITIZE_ADDRESS__
enum {
	STEPS = 5,
	CRASHES = 500
};
#else
enum {
	STEPS = 60,
	CRASHES = 5000
};
#endif

static void test_crashes(void **state)
{
	struct rig *r = rig_of(FILE_MAX - CART_START, 0);
	struct world *w = calloc(1, sizeof(*w));
	uint32_t n = 0;

	(void)state;
	w->seed = 4711;
	w->stable_len = (size_t)pread(r->fd, w->stable, FILE_MAX, 0);
	r->spy = spy;
	r->ctx = w;
	for (int i = 0; i < STEPS; i++) {
		uint64_t what = any(w, 8);

		if (w->was.n > RECORDS_MAX - 10)
			what = 7;
		if (what < 5) {
			add(r, w, n++ % MARKED);
		} else if (what == 5) {
			add(r, w, MARKED);
		} else if (what == 6) {
			assert_good(rig_space(r, 3, 0));
			w->sure = w->was.n;
		} else {
			uint8_t to = (uint8_t)any(w, w->was.n + 1);

			assert_good(rig_run(r, CDB(0x2b, 0, 0, 0, 0, 0, to), 10,
					    0, 0));
			w->sure = w->was.n;
		}
	}
	print_message("# %u crashes\n", (unsigned)w->crashes);
	assert_true(w->crashes > CRASHES);
	free(w);
	rig_free(r);
}

/* The checkpoint is wrong: all of the tape is looked at. */
static void test_checkpoint(void **state)
{
	struct rig *r = rig_new();
	uint8_t label[CART_LABEL];
	struct cart c;

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		assert_good(rig_write(r, 100 + i, i));
	assert_good(rig_marks(r, 1));
	assert_int_equal(cart_file_load(r->fd, &c), 0);
	assert_int_equal(c.end.number, 11);
	c.saved.offset += 1;
	c.seq++;
	assert_int_equal(
		pwrite(r->fd, label, sizeof(label), cart_label_put(&c, label)),
		sizeof(label));
	assert_int_equal(cart_file_load(r->fd, &c), 0);
	assert_int_equal(c.end.number, 11);
	/* one label is lost, then the other */
	assert_int_equal(pwrite(r->fd, "?", 1, 20), 1);
	assert_int_equal(cart_file_load(r->fd, &c), 0);
	assert_int_equal(c.end.number, 11);
	assert_int_equal(pwrite(r->fd, "?", 1, CART_LABEL_STEP + 20), 1);
	assert_int_equal(cart_file_load(r->fd, &c), -EBADMSG);
	rig_free(r);
}

/* ---- the folder ---- */

static void test_folder(void **state)
{
	struct vtl_plan plan = {2, 5, 3, 1, 1 << 20};
	char dir[] = "/tmp/test_vtl.XXXXXX", path[64], err[512], text[32];
	struct vtl v, other;
	struct cart c;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/lib", dir);
	assert_int_equal(vtl_create(path, &plan, err, sizeof(err)), 0);
	assert_int_equal(vtl_create(path, &plan, err, sizeof(err)), -EEXIST);
	assert_int_equal(vtl_open(&v, path, VTL_CHANGE, err, sizeof(err)), 0);
	assert_int_equal(v.drives, 2);
	assert_int_equal(v.slots, 5);
	assert_int_equal(v.ncarts, 3);
	assert_int_equal(vtl_open(&other, path, VTL_USE, err, sizeof(err)),
			 -EBUSY);
	assert_int_equal(vtl_open(&other, path, VTL_LOOK, err, sizeof(err)), 0);
	vtl_close(&other);
	assert_int_equal(
		vtl_add(&v, "XP0001L6", 1 << 20, 0, &c, &fd, err, sizeof(err)),
		-EEXIST);
	assert_int_equal(
		vtl_add(&v, "../X", 1 << 20, 0, &c, &fd, err, sizeof(err)),
		-EINVAL);
	assert_int_equal(
		vtl_add(&v, "NEW", 1 << 20, 0, &c, &fd, err, sizeof(err)), 0);
	close(fd);
	assert_int_equal(vtl_find(&v, "NEW")->at, CHANGER_SLOT + 3);
	vtl_find(&v, "NEW")->at = CHANGER_DRIVE + 1;
	assert_int_equal(vtl_save(&v, err, sizeof(err)), 0);
	vtl_close(&v);
	assert_int_equal(vtl_open(&v, path, VTL_USE, err, sizeof(err)), 0);
	assert_int_equal(v.ncarts, 4);
	vtl_place_name(vtl_find(&v, "NEW")->at, text);
	assert_string_equal(text, "drive 1");
	assert_int_equal(vtl_free_slot(&v), CHANGER_SLOT + 3);
	/* two in one place, and one that is nowhere, are no inventory */
	v.cart[0].at = v.cart[1].at;
	assert_int_equal(vtl_save(&v, err, sizeof(err)), 0);
	vtl_close(&v);
	assert_int_equal(vtl_open(&v, path, VTL_USE, err, sizeof(err)),
			 -EBADMSG);
	assert_non_null(strstr(err, "inventory"));
	snprintf(text, sizeof(text), "rm -r %.20s", dir);
	assert_int_equal(system(text), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crashes),
		cmocka_unit_test(test_checkpoint),
		cmocka_unit_test(test_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
