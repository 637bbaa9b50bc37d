/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Block devices of guest/vbd.h and guest/disk.h, on a local host with a real
 * xenpv-local (XENPV_LOCAL is its path) and a backend of our own in a thread.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/local_start.h"
#include "guest/disk.h"
#include "tests/local/vbd_back.h"

static char dir[] = "/tmp/xenpv-test-vbd-XXXXXX";

#define MIB (1u << 20)

/* ------------------------------------------------------------------- world */

struct world {
	struct session *s;
	struct back back;
	struct vdisk d;
	struct vbd *v;
};

static bool is_connected(void *ctx)
{
	struct world *w = ctx;

	w->v = vbd_find(w->s, BACK_UNIT);
	return w->v && w->v->dev.connected && !w->v->dev.busy;
}

static void await(struct world *w, bool (*pred)(void *ctx))
{
	int rc = session_wait(w->s, 20000, NULL, pred, w);

	if (rc)
		fprintf(stderr, "# %s: %s\n", strerror(-rc),
			w->v ? w->v->dev.trouble : "no device");
	assert_int_equal(rc, 0);
}

static void open_disk(struct world *w)
{
	await(w, is_connected);
	vdisk_open_vbd(&w->d, w->v);
}

static struct back_cfg plain(void)
{
	return (struct back_cfg){
		.block = 512,
		.features = BLK_BACK_F_FLUSH | BLK_BACK_F_DISCARD,
		.sectors = 4 * MIB / 512,
	};
}

static struct world *begin(struct back_cfg cfg)
{
	struct session_cfg scfg = {
		.ops = &front_local, .where = dir, .name = "guest"};
	struct world *w = calloc(1, sizeof(*w));
	char err[SESSION_ERR_MAX];

	assert_int_equal(session_open(&w->s, &scfg, err, sizeof(err)), 0);
	w->back.cfg = cfg;
	w->back.domid = w->s->domid;
	w->back.disk = calloc(1, BACK_DISK_MAX);
	snprintf(w->back.dir, sizeof(w->back.dir), "%s", dir);
	back_start(&w->back);
	open_disk(w);
	return w;
}

static void finish(struct world *w)
{
	assert_int_equal(w->back.misdeeds, 0);
	assert_int_equal(w->back.bad_nodes, 0);
	session_close(w->s);
	back_end(&w->back);
	free(w);
}

static int io(struct world *w, enum vdisk_op op, uint64_t offset, uint64_t len,
	      void *data)
{
	struct vdisk_io x = {
		.op = op, .offset = offset, .len = len, .data = data};

	return vdisk_exec(&w->d, &x);
}

static void fill(uint8_t *p, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525u + 1013904223u;
		p[i] = (uint8_t)(seed >> 24);
	}
}

/* Write and read LEN bytes at OFFSET, in memory that begins anywhere. */
static void roundtrip(struct world *w, uint64_t offset, uint32_t len,
		      uint32_t skew)
{
	uint8_t *out = malloc(len + skew), *in = malloc(len + skew);

	fill(out, len + skew, (uint32_t)offset + len);
	assert_int_equal(io(w, DISK_WRITE, offset, len, out + skew), 0);
	assert_memory_equal(w->back.disk + offset, out + skew, len);
	assert_int_equal(io(w, DISK_READ, offset, len, in + skew), 0);
	assert_memory_equal(in + skew, out + skew, len);
	free(out);
	free(in);
}

static void roundtrips(struct world *w)
{
	static const uint32_t len[] = {4096,  8192,   45056,
				       65536, 262144, 3 * MIB};

	for (size_t i = 0; i < XPV_ARRAY_SIZE(len); i++)
		for (uint32_t skew = 0; skew < 3; skew++)
			roundtrip(w, 4096 * i, len[i], skew * 77);
}

/* ---------------------------------------------------------------- the disk */

static void test_read_write(void **state)
{
	struct world *w = begin(plain());

	(void)state;
	assert_int_equal(w->d.blocks * w->d.block, 4 * MIB);
	assert_int_equal(w->d.block, 512);
	assert_int_equal(w->back.pages, 1);
	roundtrips(w);
	roundtrip(w, 4 * MIB - 512, 512, 0);
	assert_true(w->back.segs_most <= WIRE_BLK_SEGS);
	assert_true(w->back.events > 0);
	/* what is no request for it */
	assert_int_equal(io(w, DISK_READ, 4 * MIB, 512, w), -EINVAL);
	assert_int_equal(io(w, DISK_READ, 100, 512, w), -EINVAL);
	assert_int_equal(io(w, DISK_ZERO, 0, 512, NULL), -EOPNOTSUPP);
	assert_int_equal(io(w, DISK_READ, 0, 0, NULL), 0);
	w->back.fail_at = 8;
	assert_int_equal(io(w, DISK_WRITE, 4096, 512, w), -EIO);
	w->back.fail_at = 0;
	finish(w);
}

static void test_everything_offered(void **state)
{
	struct back_cfg cfg = plain();
	struct world *w;

	(void)state;
	cfg.order = 4;
	cfg.indirect = 256;
	cfg.queues = 4;
	cfg.persistent = 1;
	w = begin(cfg);
	assert_int_equal(w->back.pages, 4);
	assert_int_equal(w->v->info.queues, 4);
	roundtrips(w);
	assert_in_range(w->back.segs_most, 64, 256);
	finish(w);
}

static void test_large_blocks(void **state)
{
	struct back_cfg cfg = plain();
	struct world *w;

	(void)state;
	cfg.block = 4096;
	cfg.indirect = 32;
	w = begin(cfg);
	assert_int_equal(w->d.block, 4096);
	assert_int_equal(w->d.blocks, 4 * MIB / 4096);
	roundtrips(w);
	assert_int_equal(io(w, DISK_READ, 512, 4096, w), -EINVAL);
	finish(w);
}

static void test_flush_discard(void **state)
{
	struct world *w = begin(plain());
	struct vdisk_io x = {.op = DISK_WRITE, .fua = true, .len = 2 * MIB};
	uint8_t *data = calloc(1, x.len);

	(void)state;
	assert_int_equal(io(w, DISK_FLUSH, 0, 0, NULL), 0);
	assert_int_equal(w->back.flushes, 1);
	x.data = data;
	memset(data, 0xee, x.len);
	assert_int_equal(vdisk_exec(&w->d, &x), 0);
	assert_int_equal(w->back.flushes, 2); /* one, behind both parts */
	assert_true(w->d.unmap_max > 0);
	assert_int_equal(io(w, DISK_UNMAP, 4096, MIB, NULL), 0);
	assert_int_equal(w->back.discards, 1);
	assert_int_equal(w->back.disk[4095], 0xee);
	assert_int_equal(w->back.disk[4096], 0);
	assert_int_equal(w->back.disk[4096 + MIB], 0xee);
	x = (struct vdisk_io){.op = DISK_UNMAP, .fua = true, .len = 512};
	assert_int_equal(vdisk_exec(&w->d, &x), 0);
	assert_int_equal(w->back.flushes, 3);
	free(data);
	finish(w);
}

static void test_readonly(void **state)
{
	struct back_cfg cfg = plain();
	struct world *w;

	(void)state;
	cfg.info = WIRE_BLK_INFO_READONLY | WIRE_BLK_INFO_CDROM;
	cfg.features = 0;
	w = begin(cfg);
	assert_true(w->d.write_protected);
	assert_int_equal(w->d.type, 5);
	assert_int_equal(w->d.unmap_max, 0);
	assert_int_equal(io(w, DISK_WRITE, 0, 512, w), -EROFS);
	assert_int_equal(io(w, DISK_UNMAP, 0, 512, NULL), -EROFS);
	assert_int_equal(io(w, DISK_READ, 0, 4096, w->back.disk + 4096), 0);
	assert_int_equal(io(w, DISK_FLUSH, 0, 0, NULL), 0);
	finish(w);
}

/* Memory that is granted itself, cut in every way. */
static void test_granted(void **state)
{
	static const uint32_t cut[] = {0, 512, 1000, 4096};
	struct world *w = begin(plain());
	uint32_t pages = 34;
	uint64_t frame;
	uint8_t *va;

	(void)state;
	assert_int_equal(gdev_memory(w->d.dev, pages, &va, &frame), 0);
	for (size_t i = 0; i < XPV_ARRAY_SIZE(cut); i++)
		for (uint32_t skew = 0; skew <= 1024; skew += 512) {
			struct vdisk_io x = {.op = DISK_WRITE,
					     .len = 128 << 10,
					     .data = va + skew,
					     .granted = true,
					     .memory = va,
					     .frame = frame,
					     .cut = cut[i]};

			fill(x.data, x.len, skew + (uint32_t)i);
			assert_int_equal(vdisk_exec(&w->d, &x), 0);
			assert_memory_equal(w->back.disk, x.data, x.len);
			memset(x.data, 0, x.len);
			x.op = DISK_READ;
			assert_int_equal(vdisk_exec(&w->d, &x), 0);
			assert_memory_equal(w->back.disk, x.data, x.len);
		}
	gdev_memory_free(w->d.dev, frame);
	finish(w);
}

/* ------------------------------------------------------- coming and going */

static bool is_resized(void *ctx)
{
	return ((struct world *)ctx)->v->resized > 0;
}

static void test_resize(void **state)
{
	struct world *w = begin(plain());

	(void)state;
	w->back.resize = 6 * MIB / 512;
	await(w, is_resized);
	vdisk_open_vbd(&w->d, w->v);
	assert_int_equal(w->d.blocks, 6 * MIB / 512);
	roundtrip(w, 5 * MIB, 65536, 0);
	assert_int_equal(w->back.conns, 1);
	finish(w);
}

static bool is_apart(void *ctx)
{
	struct world *w = ctx;

	return !w->v->dev.connected && w->back.state == WIRE_BUS_CLOSED &&
	       !w->v->dev.ring[0].port;
}

static bool is_gone(void *ctx)
{
	return ((struct world *)ctx)->v->dev.gone;
}

/* The backend closes and comes back, with other features each time. */
static void test_reconnect(void **state)
{
	struct world *w = begin(plain());
	uint8_t *ring = w->v->dev.ring[0].va;

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		roundtrip(w, 0, MIB, 0);
		w->back.order = BACK_CLOSE;
		await(w, is_apart);
		w->back.cfg.order = i % 2 ? 0 : 1;
		w->back.order = BACK_SERVE;
		open_disk(w);
		assert_int_equal(w->back.conns, i + 2);
		assert_true(w->back.pages <= 1u << w->back.cfg.order);
	}
	/* Nothing was taken back while it was mapped. */
	assert_ptr_equal(w->v->dev.ring[0].va, ring);
	assert_int_equal(w->v->events[BLK_FRONT_EV_PINNED], 0);
	finish(w);
}

static void test_remove(void **state)
{
	struct world *w = begin(plain());

	(void)state;
	roundtrip(w, 0, 4096, 0);
	w->back.order = BACK_REMOVE;
	await(w, is_gone);
	assert_int_equal(io(w, DISK_READ, 0, 512, w), -ENODEV);
	w->back.order = BACK_QUIT;
	pthread_join(w->back.thread, NULL);
	back_start(&w->back);
	open_disk(w);
	roundtrip(w, 0, 65536, 0);
	finish(w);
}

struct many {
	struct vdisk_io io[64];
	uint8_t data[64][16384];
	uint32_t done, bad;
};

static void one_done(struct vdisk_io *x)
{
	struct many *m = x->ctx;

	m->done++;
	m->bad += x->err != 0;
}

static bool all_done(void *ctx)
{
	return ((struct many *)ctx)->done == 64;
}

static void submit_many(struct world *w, struct many *m)
{
	m->done = m->bad = 0;
	for (uint32_t i = 0; i < 64; i++) {
		m->io[i] = (struct vdisk_io){.op = DISK_WRITE,
					     .offset = i * sizeof(m->data[i]),
					     .len = sizeof(m->data[i]),
					     .data = m->data[i],
					     .done = one_done,
					     .ctx = m};
		fill(m->data[i], sizeof(m->data[i]), i);
		vdisk_submit(&w->d, &m->io[i]);
	}
	assert_int_equal(session_step(w->s, 0), 0);
}

/* What is under way when the backend closes is done by the next connection. */
static void test_reconnect_under_way(void **state)
{
	struct world *w = begin(plain());
	struct many *m = calloc(1, sizeof(*m));

	(void)state;
	w->back.order = BACK_FREEZE;
	submit_many(w, m);
	assert_true(w->v->queue[0].busy > 0 && w->v->head);
	w->back.order = BACK_CLOSE;
	await(w, is_apart);
	w->back.order = BACK_SERVE;
	assert_int_equal(session_wait(w->s, 20000, NULL, all_done, m), 0);
	assert_int_equal(m->bad, 0);
	assert_int_equal(w->back.conns, 2);
	assert_memory_equal(w->back.disk, m->data, sizeof(m->data));
	free(m);
	finish(w);
}

/* A request that is not answered costs the connection, and only that. */
static void test_timeout(void **state)
{
	struct world *w = begin(plain());
	struct many *m = calloc(1, sizeof(*m));
	uint8_t data[512];

	(void)state;
	w->d.timeout_ms = 20000;
	w->back.order = BACK_FREEZE;
	submit_many(w, m);
	w->d.timeout_ms = 300;
	assert_int_equal(io(w, DISK_READ, 0, 512, data), -ETIMEDOUT);
	assert_int_equal(m->done, 0);
	w->back.order = BACK_SERVE;
	assert_int_equal(session_wait(w->s, 20000, NULL, all_done, m), 0);
	assert_int_equal(m->bad, 0);
	assert_memory_equal(w->back.disk, m->data, sizeof(m->data));
	free(m);
	w->d.timeout_ms = 20000;
	roundtrip(w, 0, 65536, 0);
	finish(w);
}

/* What a session leaves behind is done with -ECANCELED. */
static void test_leave(void **state)
{
	struct world *w = begin(plain());
	struct many *m = calloc(1, sizeof(*m));

	(void)state;
	w->back.order = BACK_FREEZE;
	submit_many(w, m);
	session_close(w->s);
	assert_int_equal(m->done, 64);
	assert_int_equal(m->io[0].err, -ECANCELED);
	assert_int_equal(m->io[63].err, -ECANCELED);
	/* and the backend was waited for */
	assert_int_equal(w->back.state, WIRE_BUS_CLOSED);
	free(m);
	back_end(&w->back);
	free(w);
}

/* ------------------------------------------------------------------- main */

static int start(void **state)
{
	char err[256];
	int rc;

	(void)state;
	signal(SIGPIPE, SIG_IGN); /* see host_ops.notify */
	if (!mkdtemp(dir))
		return -1;
	rc = local_start(getenv("XENPV_LOCAL"), dir, err, sizeof(err));
	if (rc < 0)
		fprintf(stderr, "%s\n", err);
	return rc;
}

static bool vanishes(const char *path)
{
	for (int i = 0; i < 500 && !access(path, F_OK); i++)
		usleep(20000);
	return access(path, F_OK) != 0;
}

static int stop(void **state)
{
	char path[64], text[16] = "";
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/lock", dir);
	f = fopen(path, "r");
	if (!f || !fgets(text, sizeof(text), f))
		return -1;
	fclose(f);
	unlink(path);
	kill(atoi(text), SIGTERM);
	snprintf(path, sizeof(path), "%s/host", dir);
	if (!vanishes(path))
		return -1;
	snprintf(path, sizeof(path), "%s/xenstore", dir);
	if (!vanishes(path))
		return -1;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_write),
		cmocka_unit_test(test_everything_offered),
		cmocka_unit_test(test_large_blocks),
		cmocka_unit_test(test_flush_discard),
		cmocka_unit_test(test_readonly),
		cmocka_unit_test(test_granted),
		cmocka_unit_test(test_resize),
		cmocka_unit_test(test_reconnect),
		cmocka_unit_test(test_remove),
		cmocka_unit_test(test_reconnect_under_way),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_leave),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
