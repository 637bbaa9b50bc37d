/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nbdkit-xenpv-plugin: a disk that a backend serves, as an NBD export.
 *
 *	nbdkit xenpv host=local:DIR name=NAME vdev=0:0:0:0
 *	nbdkit xenpv host=local:DIR name=NAME vdev=xvda
 *
 * One engine thread is the domain (guest/session.h). nbdkit's threads put their
 * requests on a list, wake it, and sleep until theirs is done:
 *
 *     pread() -> list -> session_wake()     engine: vdisk_submit(), step
 *     wait on the request's semaphore  <--  done()
 */
#define NBDKIT_API_VERSION 2

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nbdkit-plugin.h>

#include "control/site.h"
#include "control/vbd_name.h"
#include "control/vdev.h"
#include "guest/disk.h"
#include "guest/session.h"
#include "guest/vbd.h"

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

/* How long a client waits for the disk to be attached. */
#define WAIT_S 30

struct request {
	struct vdisk_io io;
	struct request *next;
	sem_t over;
	bool open;	 /* no I/O, but: find the disk */
	struct vdisk *d; /* open: where it is described */
	char err[SESSION_ERR_MAX];
};

static struct {
	struct site site;
	char *host, *name, *vdev;
	bool block;	     /* a block device, of */
	uint32_t number;     /* or a LUN, at */
	struct pdev_vdev at; /* that place */
	uint32_t wait_s, spin_us, queues;

	pthread_t thread;
	bool running;
	struct session *session;

	pthread_mutex_t lock; /* of what follows */
	struct request *head, **tail;
	bool quit;
} nbd = {
	.wait_s = WAIT_S,
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.tail = &nbd.head,
};

/* ---------------------------------------------------------- engine thread */

static void io_done(struct vdisk_io *io)
{
	sem_post(&((struct request *)io->ctx)->over);
}

static bool is_there(void *ctx)
{
	struct request *r = ctx;
	struct vdisk *d = r->d;

	d->addr = (struct scsi_addr){(uint16_t)nbd.at.channel,
				     (uint16_t)nbd.at.target,
				     (uint16_t)nbd.at.lun};
	d->b = nbd.block ? vbd_find(nbd.session, nbd.number) : NULL;
	if (nbd.block)
		return d->b && d->b->dev.connected;
	d->v = pvscsi_find(nbd.session, nbd.at.host);
	return d->v && d->v->dev.connected &&
	       pvscsi_lun_find(d->v, d->addr) != NULL;
}

/* Find the disk and what it is. */
static void run_open(struct request *r)
{
	int rc;

	rc = session_wait(nbd.session, (int)nbd.wait_s * 1000, NULL, is_there,
			  r);
	if (rc)
		snprintf(r->err, sizeof(r->err),
			 "there is no disk at %s (%s): attach one to guest "
			 "'%s'",
			 nbd.vdev, strerror(-rc), nbd.name ? nbd.name : "");
	else if (nbd.block)
		vdisk_open_vbd(r->d, r->d->b);
	else
		rc = vdisk_open(r->d, r->d->v, r->d->addr, r->err,
				sizeof(r->err));
	if (!rc && !r->d->has_blocks) {
		rc = -ENOMEDIUM;
		snprintf(r->err, sizeof(r->err),
			 "%s is no disk, or has no medium", nbd.vdev);
	}
	r->io.err = rc;
	sem_post(&r->over);
}

static struct request *take_all(bool *quit)
{
	struct request *r;

	pthread_mutex_lock(&nbd.lock);
	r = nbd.head;
	nbd.head = NULL;
	nbd.tail = &nbd.head;
	*quit = nbd.quit;
	pthread_mutex_unlock(&nbd.lock);
	return r;
}

/*
 * Requests are taken between steps: run_open() makes steps itself. Opens come
 * last, so that they hold up nobody: while one waits, on_wake() below starts
 * the I/O of other connections.
 */
static struct request *opens, **opens_tail = &opens;
static bool quit;

static void on_wake(void *ctx)
{
	struct request *r, *next;
	bool stop;

	(void)ctx;
	for (r = take_all(&stop); r; r = next) {
		next = r->next;
		r->next = NULL;
		if (!r->open) {
			vdisk_submit(r->d, &r->io);
		} else {
			*opens_tail = r;
			opens_tail = &r->next;
		}
	}
	quit |= stop;
}

static void *engine(void *arg)
{
	struct request *r;
	int rc = 0;

	(void)arg;
	while (!quit) {
		while ((r = opens)) {
			opens = r->next;
			if (!opens)
				opens_tail = &opens;
			run_open(r);
		}
		if (!rc)
			rc = session_step(nbd.session, -1);
		if (rc) {
			/* The host is gone: every request fails at once. */
			for (struct gdev *d = nbd.session->devices; d;
			     d = d->next)
				gdev_abandon(d);
			session_pause(nbd.session);
			on_wake(NULL);
		}
	}
	return NULL;
}

/* ---------------------------------------------------------------- requests */

/* NBD knows few errors, and nbdkit makes EINVAL of all others. */
static int nbd_errno(int err)
{
	static const int known[] = {EPERM,  EROFS,  ENOMEM,
				    EINVAL, ENOSPC, EOPNOTSUPP};

	for (size_t i = 0; i < XPV_ARRAY_SIZE(known); i++)
		if (known[i] == err)
			return err;
	return EIO;
}

/* Hand R to the engine and wait for its end: 0, or -1 with nbdkit's errno. */
static int run(struct request *r)
{
	bool first;

	if (sem_init(&r->over, 0, 0)) {
		nbdkit_error("semaphore: %m");
		return -1;
	}
	r->io.done = io_done;
	r->io.ctx = r;
	r->next = NULL;
	pthread_mutex_lock(&nbd.lock);
	first = !nbd.head;
	*nbd.tail = r;
	nbd.tail = &r->next;
	pthread_mutex_unlock(&nbd.lock);
	if (first)
		session_wake(nbd.session);
	while (sem_wait(&r->over) && errno == EINTR)
		;
	sem_destroy(&r->over);
	if (!r->io.err)
		return 0;
	if (r->io.err == -EINVAL && !r->open)
		nbdkit_error("the request is not a multiple of the block, "
			     "%" PRIu32 " bytes, or not inside the disk: try "
			     "--filter=blocksize minblock=%" PRIu32,
			     r->d->block, r->d->block);
	else if (r->io.err != -EOPNOTSUPP)
		nbdkit_error("%s", *r->err ? r->err : strerror(-r->io.err));
	nbdkit_set_error(nbd_errno(-r->io.err));
	return -1;
}

static int io(void *handle, enum vdisk_op op, void *buf, uint32_t count,
	      uint64_t offset, uint32_t flags)
{
	struct request r = {
		.d = handle,
		.io =
			{
				.op = op,
				.data = buf,
				.offset = offset,
				.len = count,
				.fua = flags & NBDKIT_FLAG_FUA,
				.may_unmap = flags & NBDKIT_FLAG_MAY_TRIM,
			},
	};

	return run(&r);
}

static int nbd_pread(void *handle, void *buf, uint32_t count, uint64_t offset,
		     uint32_t flags)
{
	return io(handle, DISK_READ, buf, count, offset, flags);
}

static int nbd_pwrite(void *handle, const void *buf, uint32_t count,
		      uint64_t offset, uint32_t flags)
{
	return io(handle, DISK_WRITE, (void *)(uintptr_t)buf, count, offset,
		  flags);
}

static int nbd_flush(void *handle, uint32_t flags)
{
	return io(handle, DISK_FLUSH, NULL, 0, 0, flags);
}

static int nbd_trim(void *handle, uint32_t count, uint64_t offset,
		    uint32_t flags)
{
	return io(handle, DISK_UNMAP, NULL, count, offset, flags);
}

static int nbd_zero(void *handle, uint32_t count, uint64_t offset,
		    uint32_t flags)
{
	return io(handle, DISK_ZERO, NULL, count, offset, flags);
}

/* -------------------------------------------------------------- connection */

static void *nbd_open(int readonly)
{
	struct request r = {.open = true, .d = calloc(1, sizeof(struct vdisk))};

	(void)readonly;
	if (!r.d) {
		nbdkit_error("out of memory");
		return NULL;
	}
	if (run(&r)) {
		free(r.d);
		return NULL;
	}
	return r.d;
}

static void nbd_close(void *handle)
{
	free(handle);
}

static int64_t nbd_get_size(void *handle)
{
	const struct vdisk *d = handle;

	return (int64_t)(d->blocks * d->block);
}

static int nbd_block_size(void *handle, uint32_t *minimum, uint32_t *preferred,
			  uint32_t *maximum)
{
	const struct vdisk *d = handle;

	*minimum = d->block;
	*preferred = d->physical > 4096 ? d->physical : 4096;
	*maximum = UINT32_MAX;
	return 0;
}

static int nbd_can_write(void *handle)
{
	return !((const struct vdisk *)handle)->write_protected;
}

static int nbd_can_flush(void *handle)
{
	(void)handle;
	return 1;
}

static int nbd_can_trim(void *handle)
{
	return ((const struct vdisk *)handle)->unmap_max > 0;
}

static int nbd_can_zero(void *handle)
{
	return ((const struct vdisk *)handle)->zero_max > 0;
}

static int nbd_can_fua(void *handle)
{
	(void)handle;
	return NBDKIT_FUA_NATIVE;
}

/* A flush is one of the whole disk, whichever connection wrote. */
static int nbd_can_multi_conn(void *handle)
{
	(void)handle;
	return 1;
}

/* ------------------------------------------------------------ start, end */

static int set(char **to, const char *value)
{
	free(*to);
	*to = strdup(value);
	if (*to)
		return 0;
	nbdkit_error("out of memory");
	return -1;
}

static int nbd_config(const char *key, const char *value)
{
	if (!strcmp(key, "host"))
		return set(&nbd.host, value);
	if (!strcmp(key, "name"))
		return set(&nbd.name, value);
	if (!strcmp(key, "vdev"))
		return set(&nbd.vdev, value);
	if (!strcmp(key, "wait"))
		return nbdkit_parse_uint32_t(key, value, &nbd.wait_s);
	if (!strcmp(key, "spin"))
		return nbdkit_parse_uint32_t(key, value, &nbd.spin_us);
	if (!strcmp(key, "queues"))
		return nbdkit_parse_uint32_t(key, value, &nbd.queues);
	nbdkit_error("unknown parameter '%s': use host, name, vdev, wait, "
		     "spin or queues",
		     key);
	return -1;
}

static int nbd_config_complete(void)
{
	char err[SESSION_ERR_MAX];

	if (!nbd.vdev) {
		nbdkit_error(
			"vdev=H:C:T:L or vdev=xvda is missing: which disk?");
		return -1;
	}
	nbd.block = vbd_name_is(nbd.vdev, &nbd.number);
	if ((!nbd.block &&
	     vdev_parse(&nbd.at, NULL, nbd.vdev, err, sizeof(err))) ||
	    site_init(&nbd.site, nbd.host, err, sizeof(err))) {
		nbdkit_error("%s", err);
		return -1;
	}
	if (site_place(&nbd.site) && !nbd.name) {
		nbdkit_error("name=NAME is missing: a local host's guest has "
			     "a name");
		return -1;
	}
	if (nbd.wait_s > 86400) {
		nbdkit_error("wait=%" PRIu32 " is more than a day", nbd.wait_s);
		return -1;
	}
	if (nbd.queues > DEVICE_RINGS_MAX) {
		nbdkit_error("queues=%" PRIu32 " is more than %d", nbd.queues,
			     DEVICE_RINGS_MAX);
		return -1;
	}
	return 0;
}

/* Here, because what is opened does not survive the fork before. */
static int nbd_after_fork(void)
{
	struct session_cfg cfg = {
		.ops = session_host(site_name(&nbd.site)),
		.where = site_place(&nbd.site),
		.name = nbd.name,
		.spin_us = nbd.spin_us,
		.blk_queues = nbd.queues,
	};
	char err[SESSION_ERR_MAX] = "the local host does not start";

	if (site_start(&nbd.site, XENPV_LIBEXECDIR, err, sizeof(err)) ||
	    session_open(&nbd.session, &cfg, err, sizeof(err))) {
		nbdkit_error("%s", err);
		return -1;
	}
	session_on_wake(nbd.session, on_wake, NULL);
	errno = pthread_create(&nbd.thread, NULL, engine, NULL);
	if (errno) {
		nbdkit_error("thread: %m");
		return -1;
	}
	nbd.running = true;
	return 0;
}

static void nbd_unload(void)
{
	if (nbd.running) {
		pthread_mutex_lock(&nbd.lock);
		nbd.quit = true;
		pthread_mutex_unlock(&nbd.lock);
		session_wake(nbd.session);
		pthread_join(nbd.thread, NULL);
	}
	session_close(nbd.session);
	free(nbd.host);
	free(nbd.name);
	free(nbd.vdev);
}

static struct nbdkit_plugin plugin = {
	.name = "xenpv",
	.longname = "a disk of a Xen PVSCSI or block backend",
	.version = XENPV_VERSION,
	.description = "Drives a backend as a guest would, and exports "
		       "one of its disks.",
	.config = nbd_config,
	.config_complete = nbd_config_complete,
	.config_help =
		"vdev=VDEV      (required) which disk of the guest: H:C:T:L, "
		"xvda\n"
		"host=HOST      xen, or local:DIR; else XENPV_HOST, or xen\n"
		"name=NAME      local host: which guest to be\n"
		"wait=SECONDS   how long a client waits for the disk (30)\n"
		"spin=US        look for answers before sleeping (0)\n"
		"queues=N       rings of a block device, 1 to 4 (1)\n",
	.after_fork = nbd_after_fork,
	.unload = nbd_unload,
	.open = nbd_open,
	.close = nbd_close,
	.get_size = nbd_get_size,
	.block_size = nbd_block_size,
	.can_write = nbd_can_write,
	.can_flush = nbd_can_flush,
	.can_trim = nbd_can_trim,
	.can_zero = nbd_can_zero,
	.can_fua = nbd_can_fua,
	.can_multi_conn = nbd_can_multi_conn,
	.pread = nbd_pread,
	.pwrite = nbd_pwrite,
	.flush = nbd_flush,
	.trim = nbd_trim,
	.zero = nbd_zero,
};

NBDKIT_REGISTER_PLUGIN(plugin)
