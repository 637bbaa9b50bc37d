/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * storage/file and storage/fault: what a full disk and a file that has become
 * shorter give, and that exactly that goes wrong which was asked for.
 */
#include "test_storage.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "storage/fault_spec.h"

#define SIZE (1 * M)

static uint8_t buf[256 * K], want[256 * K];

/* An image without a name, SIZE bytes of 0x11. */
static int image(const char *dir)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/storage.XXXXXX", dir);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	unlink(path);
	return fd;
}

static struct storage *opened(const char *driver, const char *args, int *fd)
{
	struct storage_cfg cfg = {
		.size = SIZE, .discard = true, .zero = true, .args = args};
	struct storage *s = NULL;
	uint32_t i;

	cfg.fd = image("/tmp");
	memset(buf, 0x11, sizeof(buf));
	for (i = 0; i < SIZE / sizeof(buf); i++)
		assert_int_equal(write(cfg.fd, buf, sizeof(buf)), sizeof(buf));
	if (fd)
		*fd = cfg.fd;
	assert_int_equal(storage_find(driver)->open(&s, &cfg, &uring), 0);
	return s;
}

/* -------------------------------------------------------------------- file */

static void file_shrinks(void **state)
{
	struct storage *s;
	int fd;

	(void)state;
	s = opened("file", NULL, &fd);
	assert_int_equal(run(s, STORAGE_READ, 512 * K, 64 * K, buf), 0);
	assert_int_equal(ftruncate(fd, 544 * K), 0);
	assert_int_equal(run(s, STORAGE_READ, 0, 64 * K, buf), 0);
	/* Its end is in the middle, and before. */
	assert_int_equal(run(s, STORAGE_READ, 512 * K, 64 * K, buf), XPV_EIO);
	assert_int_equal(run(s, STORAGE_READ, 768 * K, 4 * K, buf), XPV_EIO);
	assert_int_equal(run(s, STORAGE_FLUSH, 0, 0, NULL), 0);
	s->driver->close(s);
}

/* What is there at AT of the file, by the file. */
static void on_disk(int fd, off_t at, const uint8_t *data, size_t len)
{
	assert_int_equal(pread(fd, want, len, at), len);
	assert_memory_equal(want, data, len);
}

/* Memory that is registered, at its pieces' edges, between them, and gone. */
static void file_registered(void **state)
{
	struct storage *s;
	uint8_t *mem = aligned_alloc(4 * K, 128 * K);
	int fd;

	(void)state;
	assert_int_equal(uring_memory(&uring, mem, 64 * K, 32 * K, 2), -EPERM);
	assert_int_equal(uring_buffer(&uring, mem, 4 * K), -1);
	uring_may_lock();
	if (uring_memory(&uring, mem, 64 * K, 32 * K, 2) < 0) {
		free(mem);
		skip(); /* before Linux 5.19 */
	}
	assert_int_equal(uring_buffer(&uring, mem, 32 * K), 0);
	assert_int_equal(uring_buffer(&uring, mem + 64 * K, 4 * K), 1);
	assert_int_equal(uring_buffer(&uring, mem + 95 * K, K), 1);
	assert_int_equal(uring_buffer(&uring, mem + 95 * K, K + 1), -1);
	assert_int_equal(uring_buffer(&uring, mem + 32 * K, 512), -1);
	assert_int_equal(uring_buffer(&uring, mem, SIZE_MAX), -1);
	assert_int_equal(uring_buffer(&uring, mem + 128 * K, 512), -1);
	assert_int_equal(uring_buffer(&uring, mem - 512, 512), -1);
	s = opened("file", NULL, &fd);
	memset(mem, 0x22, 128 * K);
	/* whole pieces, a part, none, and across an edge */
	assert_int_equal(run(s, STORAGE_WRITE, 0, 32 * K, mem), 0);
	on_disk(fd, 0, mem, 32 * K);
	mem[70 * K] = 0x33;
	assert_int_equal(run(s, STORAGE_WRITE, 64 * K, 8 * K, mem + 68 * K), 0);
	on_disk(fd, 64 * K, mem + 68 * K, 8 * K);
	assert_int_equal(run(s, STORAGE_READ, 256 * K, 4 * K, mem + 40 * K), 0);
	on_disk(fd, 256 * K, mem + 40 * K, 4 * K);
	assert_int_equal(run(s, STORAGE_READ, 64 * K, 8 * K, mem + 28 * K), 0);
	on_disk(fd, 64 * K, mem + 28 * K, 8 * K);
	assert_int_equal(run(s, STORAGE_READ, 64 * K, 8 * K, mem + 64 * K), 0);
	on_disk(fd, 64 * K, mem + 64 * K, 8 * K);
	uring_memory_end(&uring);
	assert_int_equal(uring_buffer(&uring, mem, 4 * K), -1);
	assert_int_equal(run(s, STORAGE_WRITE, 0, 32 * K, mem), 0);
	on_disk(fd, 0, mem, 32 * K);
	s->driver->close(s);
	free(mem);
}

/* System calls made for 12 reads, while they are begun. */
static uint64_t enters_of(struct storage *s, unsigned batch)
{
	struct test_io t[12] = {0};
	uint64_t before = uring.enters, all;
	uint32_t i;

	uring_batch(&uring, batch);
	for (i = 0; i < 12; i++) {
		t[i].io = (struct storage_io){.what = STORAGE_READ,
					      .offset = i * 4 * K,
					      .len = 4 * K,
					      .buf = buf + i * 4 * K};
		begin(s, &t[i]);
	}
	all = uring.enters - before;
	uring_batch(&uring, 0);
	for (i = 0; i < 12; i++)
		assert_int_equal(finish(&t[i]), 0);
	return all;
}

/* A device begins with the first ones while the others are made. */
static void in_batches(void **state)
{
	struct storage *s;

	(void)state;
	s = opened("file", NULL, NULL);
	assert_int_equal(enters_of(s, 0), 0);
	assert_int_equal(enters_of(s, 5), 2);
	assert_int_equal(enters_of(s, 12), 0);
	s->driver->close(s);
}

/* A tmpfs of 64 KiB at DIR, in a mount namespace of our own. */
static bool small_disk(const char *dir)
{
	if (unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return false;
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	return !mount("tmpfs", dir, "tmpfs", 0, "size=64k");
}

static void disk_is_full(void **state)
{
	struct storage_cfg cfg = {.size = SIZE, .discard = true, .zero = true};
	char dir[] = "/tmp/storage.XXXXXX";
	struct storage *s;

	(void)state;
	assert_non_null(mkdtemp(dir));
	if (!small_disk(dir)) {
		rmdir(dir);
		skip();
	}
	cfg.fd = image(dir);
	assert_int_equal(ftruncate(cfg.fd, SIZE), 0);
	assert_int_equal(storage_file.open(&s, &cfg, &uring), 0);
	assert_int_equal(run(s, STORAGE_WRITE, 0, 32 * K, buf), 0);
	/* It fits in part: what was written says nothing, the rest failed. */
	assert_int_equal(run(s, STORAGE_WRITE, 512 * K, 64 * K, buf),
			 XPV_ENOSPC);
	assert_int_equal(run(s, STORAGE_WRITE, 256 * K, 64 * K, buf),
			 XPV_ENOSPC);
	assert_int_equal(run(s, STORAGE_FLUSH, 0, 0, NULL), 0);
	assert_int_equal(run(s, STORAGE_READ, 0, 32 * K, buf), 0);
	/* Room again. */
	assert_int_equal(run(s, STORAGE_DISCARD, 512 * K, 64 * K, NULL), 0);
	assert_int_equal(run(s, STORAGE_WRITE, 256 * K, 16 * K, buf), 0);
	s->driver->close(s);
	umount2(dir, MNT_DETACH);
	rmdir(dir);
}

/* -------------------------------------------------------------------- spec */

static void spec_is_strict(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{"", "none of"},
		{"seed=1", "breaks nothing"},
		{"seed=x+eio", "no number"},
		{"bang", "none of"},
		{"eio=3", "takes no value"},
		{"eio/", "no operation"},
		{"eio/reads", "no operation"},
		{"eio/2M-1M", "no operation"},
		{"eio/1M-1M", "no operation"},
		{"eio/1X-2X", "no operation"},
		{"eio/99999999999T-", "no operation"},
		{"eio/0%", "no operation"},
		{"eio/101%", "no operation"},
		{"eio/100.1%", "no operation"},
		{"eio/x0", "no operation"},
		{"eio/x", "no operation"},
		{"eio+", "none of"},
		{"slow", "needs a time"},
		{"slow=5", "needs a time"},
		{"slow=2h", "needs a time"},
		{"hang=3601s", "needs a time"},
		{"short/flush", "read and write only"},
		{"eio+eio+eio+eio+eio+eio+eio+eio+eio", "more than 8"},
	};
	char err[160], long_one[200];
	struct fault_spec spec;

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(bad); i++) {
		err[0] = '\0';
		assert_int_equal(
			fault_spec_parse(&spec, bad[i].text, err, sizeof(err)),
			XPV_EINVAL);
		if (!strstr(err, bad[i].says))
			fail_msg("'%s': %s", bad[i].text, err);
	}
	memset(long_one, 'e', sizeof(long_one) - 1);
	long_one[sizeof(long_one) - 1] = '\0';
	assert_int_equal(fault_spec_parse(&spec, long_one, err, sizeof(err)),
			 XPV_EINVAL);
}

static void spec_is_read(void **state)
{
	struct fault_spec s;
	char err[160];

	(void)state;
	assert_int_equal(
		fault_spec_parse(&s,
				 "eio/read/1M-2M+slow=20ms/write/flush/0.1%/x7+"
				 "seed=9+enospc+short/4096-+hang=2s",
				 err, sizeof(err)),
		0);
	assert_int_equal(s.n, 5);
	assert_int_equal(s.seed, 9);
	assert_int_equal(s.part[0].effect, FAULT_EIO);
	assert_int_equal(s.part[0].ops, 1u << STORAGE_READ);
	assert_int_equal(s.part[0].from, M);
	assert_int_equal(s.part[0].to, 2 * M);
	assert_int_equal(s.part[0].chance, FAULT_CERTAIN);
	assert_int_equal(s.part[1].delay_ms, 20);
	assert_int_equal(s.part[1].ops,
			 1u << STORAGE_WRITE | 1u << STORAGE_FLUSH);
	assert_int_equal(s.part[1].chance, 1000);
	assert_int_equal(s.part[1].times, 7);
	assert_int_equal(s.part[2].ops,
			 1u << STORAGE_WRITE | 1u << STORAGE_ZERO);
	assert_int_equal(s.part[3].from, 4096);
	assert_true(s.part[3].to == UINT64_MAX);
	assert_int_equal(s.part[4].delay_ms, 2000);
	assert_int_equal(s.part[4].ops, 0x3f);
}

/* ------------------------------------------------------------------- fault */

static void errors_are_where_they_should_be(void **state)
{
	struct storage *s =
		opened("fault", "file eio/read/64k-68k+enospc/512k-/x2", NULL);

	(void)state;
	assert_int_equal(run(s, STORAGE_READ, 0, 64 * K, buf), 0);
	assert_int_equal(run(s, STORAGE_READ, 68 * K, 64 * K, buf), 0);
	assert_int_equal(run(s, STORAGE_READ, 60 * K, 8 * K, buf), XPV_EIO);
	assert_int_equal(run(s, STORAGE_READ, 67 * K, 4 * K, buf), XPV_EIO);
	assert_int_equal(run(s, STORAGE_READ, 0, 128 * K, buf), XPV_EIO);
	assert_int_equal(run(s, STORAGE_WRITE, 64 * K, 4 * K, buf), 0);
	assert_int_equal(run(s, STORAGE_FLUSH, 0, 0, NULL), 0);
	assert_int_equal(run(s, STORAGE_WRITE, 512 * K, 4 * K, buf),
			 XPV_ENOSPC);
	assert_int_equal(run(s, STORAGE_DISCARD, 512 * K, 4 * K, NULL), 0);
	assert_int_equal(run(s, STORAGE_ZERO, 600 * K, 4 * K, NULL),
			 XPV_ENOSPC);
	assert_int_equal(run(s, STORAGE_WRITE, 512 * K, 4 * K, buf), 0);
	s->driver->close(s);
}

/* The failures of 256 reads, as bits; how many there are. */
static unsigned pattern(const char *args, uint8_t bits[32])
{
	struct storage *s = opened("fault", args, NULL);
	unsigned n = 0;
	int rc;

	memset(bits, 0, 32);
	for (unsigned i = 0; i < 256; i++) {
		rc = run(s, STORAGE_READ, 4 * K * i, 4 * K, buf);
		assert_true(rc == 0 || rc == XPV_EIO);
		if (rc)
			bits[i / 8] |= (uint8_t)(1u << i % 8);
		n += rc != 0;
	}
	s->driver->close(s);
	return n;
}

static void chance_repeats(void **state)
{
	uint8_t a[32], b[32], c[32];
	unsigned n;

	(void)state;
	n = pattern("file eio/25%+seed=5", a);
	assert_in_range(n, 40, 90); /* 64 */
	assert_int_equal(pattern("file eio/25%+seed=5", b), n);
	assert_memory_equal(a, b, sizeof(a));
	pattern("file eio/25%+seed=6", c);
	assert_memory_not_equal(a, c, sizeof(a));
}

static void half_is_written(void **state)
{
	struct storage *s;
	int fd;

	(void)state;
	s = opened("fault", "file short/write/0-256k", &fd);
	memset(buf, 0x22, 64 * K);
	assert_int_equal(run(s, STORAGE_WRITE, 64 * K, 64 * K, buf), XPV_EIO);
	memset(want, 0x22, 32 * K);
	memset(want + 32 * K, 0x11, 32 * K);
	assert_int_equal(pread(fd, buf, 64 * K, 64 * K), 64 * K);
	assert_memory_equal(buf, want, 64 * K);
	/* Of little there is no half. */
	memset(buf, 0x22, 4 * K);
	assert_int_equal(run(s, STORAGE_WRITE, 0, 4 * K, buf), XPV_EIO);
	assert_int_equal(pread(fd, buf, 4 * K, 0), 4 * K);
	assert_memory_equal(buf, want + 32 * K, 4 * K);
	s->driver->close(s);
}

static void slow_can_be_cancelled(void **state)
{
	struct storage *s =
		opened("fault", "file slow=60ms/read/x1+slow=1000s/read", NULL);
	struct test_io t = {
		.io = {.what = STORAGE_READ, .len = 4 * K, .buf = buf}};
	uint64_t start = now_ms();

	(void)state;
	memset(buf, 0, 4 * K);
	begin(s, &t);
	assert_int_equal(finish(&t), 0);
	assert_true(now_ms() - start >= 60);
	assert_int_equal(buf[0], 0x11);
	begin(s, &t);
	uring_submit(&uring, false);
	assert_int_equal(run(s, STORAGE_WRITE, 0, 4 * K, buf), 0);
	assert_int_equal(t.ended, 0);
	s->driver->cancel(s, &t.io);
	assert_int_equal(finish(&t), XPV_ECANCELED);
	s->driver->close(s);
}

static void hang_cannot(void **state)
{
	struct storage *s = opened("fault", "file hang=120ms/write", NULL);
	struct test_io t = {
		.io = {.what = STORAGE_WRITE, .len = 4 * K, .buf = buf}};
	uint64_t start = now_ms();

	(void)state;
	begin(s, &t);
	s->driver->cancel(s, &t.io);
	assert_int_equal(run(s, STORAGE_READ, 0, 4 * K, buf), 0);
	assert_int_equal(t.ended, 0);
	assert_int_equal(finish(&t), XPV_EIO);
	assert_true(now_ms() - start >= 120);
	s->driver->close(s);
}

static void wrong_arguments(void **state)
{
	static const char *const bad[] = {"",	   "file",	 "file bang",
					  "eio",   "tape eio",	 "fault eio",
					  "file ", "null seed=1"};
	struct storage_cfg cfg = {.fd = -1, .size = SIZE};
	struct storage *s;

	(void)state;
	assert_int_equal(storage_fault.open(&s, &cfg, &uring), -EINVAL);
	for (size_t i = 0; i < XPV_ARRAY_SIZE(bad); i++) {
		cfg.args = bad[i];
		assert_int_equal(storage_fault.open(&s, &cfg, &uring), -EINVAL);
	}
	cfg.args = "file eio"; /* it has no descriptor */
	assert_int_equal(storage_fault.open(&s, &cfg, &uring), -EBADF);
	cfg.args = "null eio/write";
	assert_int_equal(storage_fault.open(&s, &cfg, &uring), 0);
	assert_int_equal(run(s, STORAGE_WRITE, 0, 4 * K, buf), XPV_EIO);
	assert_int_equal(run(s, STORAGE_READ, 0, 4 * K, buf), 0);
	s->driver->close(s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_shrinks),
		cmocka_unit_test(file_registered),
		cmocka_unit_test(in_batches),
		cmocka_unit_test(disk_is_full),
		cmocka_unit_test(spec_is_strict),
		cmocka_unit_test(spec_is_read),
		cmocka_unit_test(errors_are_where_they_should_be),
		cmocka_unit_test(chance_repeats),
		cmocka_unit_test(half_is_written),
		cmocka_unit_test(slow_can_be_cancelled),
		cmocka_unit_test(hang_cannot),
		cmocka_unit_test(wrong_arguments),
	};

	return cmocka_run_group_tests(tests, uring_up, uring_down);
}
