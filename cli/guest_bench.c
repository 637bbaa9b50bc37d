/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside a guest: how fast a disk is, and how long each request takes. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/guest_cmd.h"
#include "cli/text.h"

#define QD_MAX	     128
#define LUNS_MAX     16
#define LIVE_NS	     200000000ull /* between progress lines */
#define WARM_NS	     200000000ull /* not counted at the start */
#define SECOND	     UINT64_C(1000000000)
#define DEFAULT_TIME 5

/* Latencies in ns, to a 32nd: 32 buckets for each power of two. */
#define HIST_SUB 32u
#define HIST_MAX (64 * HIST_SUB)

struct bench_args {
	bool write, random, mixed, json;
	uint64_t bs, qd, time, size, spin;
};

struct bench_lun {
	struct bench *bench;
	struct vdisk d;
	const char *vdev;
	uint64_t blocks; /* of bs bytes */
	uint64_t next;	 /* sequential */
	uint64_t frame;	 /* of the buffers */
	struct vdisk_io io[QD_MAX];
	uint64_t sent[QD_MAX];
};

struct bench {
	struct guest_ctx *ctx;
	struct bench_args a;
	uint64_t seed, start, end;
	bool over;
	uint32_t running, nluns;
	uint64_t ios;
	int err;
	char why[160];
	uint32_t hist[HIST_MAX];
	struct bench_lun lun[LUNS_MAX];
};

static unsigned bucket(uint64_t ns)
{
	unsigned shift;

	if (ns < HIST_SUB)
		return (unsigned)ns;
	shift = 63 - (unsigned)__builtin_clzll(ns) - 5; /* HIST_SUB is 1 << 5 */
	return (shift + 1) * HIST_SUB + (unsigned)(ns >> shift) - HIST_SUB;
}

static uint64_t bucket_ns(unsigned i)
{
	if (i < HIST_SUB)
		return i;
	return (uint64_t)(i % HIST_SUB + HIST_SUB) << (i / HIST_SUB - 1);
}

/* Latency that PERMILLE of a thousand stay below, in ns. */
static uint64_t percentile(const struct bench *b, uint32_t permille)
{
	uint64_t sum = 0, want = (b->ios * permille + 999) / 1000;

	for (unsigned i = 0; i < HIST_MAX; i++) {
		sum += b->hist[i];
		if (sum >= want && sum)
			return bucket_ns(i);
	}
	return 0;
}

static uint64_t next_random(struct bench *b)
{
	/* xorshift64* */
	b->seed ^= b->seed >> 12;
	b->seed ^= b->seed << 25;
	b->seed ^= b->seed >> 27;
	return b->seed * 0x2545f4914f6cdd1du;
}

static void bench_next(struct bench_lun *l, struct vdisk_io *io)
{
	struct bench *b = l->bench;
	uint64_t block;

	if (b->over)
		return;
	if (b->a.random) {
		block = (uint64_t)(((unsigned __int128)next_random(b) *
				    l->blocks) >>
				   64);
	} else {
		block = l->next++;
		if (l->next >= l->blocks)
			l->next = 0;
	}
	io->op = b->a.write ? DISK_WRITE : DISK_READ;
	if (b->a.mixed)
		io->op = next_random(b) >> 63 ? DISK_WRITE : DISK_READ;
	io->offset = block * b->a.bs;
	l->sent[io - l->io] = b->ctx->session->now;
	b->running++;
	vdisk_submit(&l->d, io);
}

static void bench_done(struct vdisk_io *io)
{
	struct bench_lun *l = io->ctx;
	struct bench *b = l->bench;
	uint64_t now = b->ctx->session->now;

	b->running--;
	if (io->err && !b->err) {
		b->err = io->err;
		b->over = true;
		snprintf(b->why, sizeof(b->why), "%s at byte %" PRIu64 ": %s",
			 l->vdev, io->offset, strerror(-io->err));
	}
	if (now >= b->start && now < b->end) {
		b->ios++;
		b->hist[bucket(now - l->sent[io - l->io])]++;
	}
	bench_next(l, io);
}

/* --------------------------------------------------------------- arguments */

static const struct {
	const char *name;
	bool write, random, mixed;
} modes[] = {
	{"read", false, false, false},	  {"write", true, false, false},
	{"randread", false, true, false}, {"randwrite", true, true, false},
	{"rw", true, false, true},	  {"randrw", true, true, true},
};

static bool parse_mode(struct bench_args *a, const char *text)
{
	for (size_t i = 0; i < XPV_ARRAY_SIZE(modes); i++) {
		if (strcmp(modes[i].name, text))
			continue;
		a->write = modes[i].write;
		a->random = modes[i].random;
		a->mixed = modes[i].mixed;
		return true;
	}
	text_error("guest: bench: rw=%s: use read, write, randread, randwrite, "
		   "rw or randrw",
		   text);
	return false;
}

static bool parse_word(struct bench_args *a, const char *word)
{
	const struct {
		const char *key;
		uint64_t *to, min, max;
	} keys[] = {
		{"bs", &a->bs, 512, 1 << 20},
		{"qd", &a->qd, 1, QD_MAX},
		{"time", &a->time, 1, 86400},
		{"size", &a->size, 512, INT64_MAX},
		{"spin", &a->spin, 0, 1000000},
	};
	const char *value = guest_option(word, "rw");

	if (value)
		return parse_mode(a, value);
	if (!strcmp(word, "--json")) {
		a->json = true;
		return true;
	}
	for (size_t i = 0; i < XPV_ARRAY_SIZE(keys); i++) {
		value = guest_option(word, keys[i].key);
		if (!value)
			continue;
		if (guest_size(value, keys[i].to) &&
		    *keys[i].to >= keys[i].min && *keys[i].to <= keys[i].max)
			return true;
		text_error("guest: bench: %s: use %" PRIu64 " to %" PRIu64,
			   word, keys[i].min, keys[i].max);
		return false;
	}
	text_error("guest: bench: '%s' is not understood: see 'help'", word);
	return false;
}

/* Open the LUN named by WORD and give its ios their memory. */
static int add_lun(struct bench *b, const char *word)
{
	struct bench_lun *l = &b->lun[b->nluns];
	uint64_t size;
	uint32_t pages = (uint32_t)((b->a.bs + 4095) / 4096);
	uint8_t *va;

	l->bench = b;
	l->vdev = word;
	if (guest_disk(b->ctx, word, &l->d))
		return -1;
	if (b->a.bs % l->d.block || b->a.bs > l->d.transfer) {
		text_error("guest: bench: bs must be a multiple of the block, "
			   "%" PRIu32 ", and at most %" PRIu32,
			   l->d.block, l->d.transfer);
		return -1;
	}
	size = l->d.blocks * l->d.block;
	if (b->a.size && b->a.size < size)
		size = b->a.size;
	l->blocks = size / b->a.bs;
	if (!l->blocks) {
		text_error("guest: bench: %s is smaller than bs", word);
		return -1;
	}
	if (guest_memory(l->d.dev, pages * (uint32_t)b->a.qd, &va, &l->frame))
		return -1;
	b->nluns++;
	for (uint32_t i = 0; i < b->a.qd; i++)
		l->io[i] = (struct vdisk_io){
			.data = va + (size_t)i * pages * 4096,
			.granted = true,
			.memory = va,
			.frame = l->frame,
			.len = b->a.bs,
			.done = bench_done,
			.ctx = l,
		};
	return 0;
}

/* ------------------------------------------------------------------ output */

static void live(const struct bench *b, uint64_t now, uint64_t ios,
		 uint64_t span)
{
	double iops = (double)ios * SECOND / (double)span;

	fprintf(stderr,
		"\rbench %" PRIu64 "/%" PRIu64 " s  %8.0f IOPS  %7.1f MiB/s ",
		now < b->start ? 0 : (now - b->start) / SECOND, b->a.time, iops,
		iops * (double)b->a.bs / (1 << 20));
	fflush(stderr);
}

static const uint32_t shown[] = {500, 900, 990, 999};

static void print_text(const struct bench *b, double s)
{
	double iops = (double)b->ios / s;

	printf("%" PRIu32 " disk%s, %s, %" PRIu64 " bytes, QD %" PRIu64
	       ": %.0f IOPS, %.1f MiB/s, latency us",
	       b->nluns, b->nluns > 1 ? "s" : "",
	       b->a.mixed   ? "mixed"
	       : b->a.write ? "writes"
			    : "reads",
	       b->a.bs, b->a.qd, iops, iops * (double)b->a.bs / (1 << 20));
	for (size_t i = 0; i < XPV_ARRAY_SIZE(shown); i++)
		printf(" p%g %.1f", shown[i] / 10.0,
		       (double)percentile(b, shown[i]) / 1000);
	putchar('\n');
}

static void print_json(const struct bench *b, double s)
{
	json_t *latency = json_object(), *root;
	char key[16];

	for (size_t i = 0; i < XPV_ARRAY_SIZE(shown); i++) {
		snprintf(key, sizeof(key), "p%g", shown[i] / 10.0);
		json_object_set_new(
			latency, key,
			json_integer((json_int_t)percentile(b, shown[i])));
	}
	root = json_pack(
		"{s:i,s:I,s:I,s:f,s:I,s:f,s:f,s:o}", "luns", (int)b->nluns,
		"bs", (json_int_t)b->a.bs, "qd", (json_int_t)b->a.qd, "seconds",
		s, "ios", (json_int_t)b->ios, "iops", (double)b->ios / s,
		"bytes_per_second", (double)b->ios / s * (double)b->a.bs,
		"latency_ns", latency);
	json_dumpf(root, stdout, JSON_COMPACT | JSON_REAL_PRECISION(8));
	putchar('\n');
	json_decref(root);
}

static int measure(struct bench *b)
{
	struct session *s = b->ctx->session;
	bool tty = isatty(STDERR_FILENO);
	uint64_t shown_at, shown_ios = 0;
	int rc = 0;

	s->now = session_clock();
	b->seed = s->now | 1;
	shown_at = s->now;
	b->start = s->now + WARM_NS;
	b->end = b->start + b->a.time * SECOND;
	for (uint32_t q = 0; q < b->a.qd; q++)
		for (uint32_t i = 0; i < b->nluns; i++)
			bench_next(&b->lun[i], &b->lun[i].io[q]);
	while (b->running) {
		if (!rc)
			rc = guest_step(b->ctx, -1);
		else if (s->lost || session_step(s, 100))
			for (uint32_t i = 0; i < b->nluns; i++)
				gdev_abandon(b->lun[i].d.dev);
		b->over |= rc || s->now >= b->end;
		if (tty && s->now - shown_at >= LIVE_NS) {
			live(b, s->now, b->ios - shown_ios, s->now - shown_at);
			shown_at = s->now;
			shown_ios = b->ios;
		}
	}
	if (tty)
		fputs("\r\033[K", stderr);
	return rc ? rc : b->err;
}

int guest_bench(struct guest_ctx *ctx, int n, char **word)
{
	struct bench *b = calloc(1, sizeof(*b));
	uint64_t spin = ctx->session->spin_ns;
	int vdevs = 0, rc;

	if (!b)
		return 1;
	b->ctx = ctx;
	b->a = (struct bench_args){.random = true,
				   .bs = 4096,
				   .qd = 16,
				   .time = DEFAULT_TIME,
				   .spin = spin / 1000};
	while (vdevs < n && !strchr(word[vdevs], '=') && *word[vdevs] != '-')
		vdevs++;
	rc = vdevs < 1 || vdevs > LUNS_MAX;
	if (rc)
		text_error("guest: bench: name 1 to %d disks, then options",
			   LUNS_MAX);
	for (int i = vdevs; i < n && !rc; i++)
		rc = !parse_word(&b->a, word[i]);
	for (int i = 0; i < vdevs && !rc; i++)
		rc = add_lun(b, word[i]) != 0;
	if (rc)
		goto out;
	ctx->session->spin_ns = b->a.spin * 1000;
	rc = measure(b);
	ctx->session->spin_ns = spin;
	if (rc) {
		text_error("guest: bench: %s",
			   *b->why ? b->why : strerror(-rc));
		rc = 1;
		goto out;
	}
	if (b->a.json)
		print_json(b, (double)b->a.time);
	else
		print_text(b, (double)b->a.time);
out:
	for (uint32_t i = 0; i < b->nluns; i++)
		gdev_memory_free(b->lun[i].d.dev, b->lun[i].frame);
	free(b);
	return rc;
}
