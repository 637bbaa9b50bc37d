/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks of the block protocol: see vbd.h.
 */
#include "control/vbd.h"
#include "control/guest_worker.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "control/ctl.h"
#include "control/daemon.h"
#include "control/device_round.h"
#include "core/blk_back.h"
#include "host/log.h"
#include "wire/blk.h"

#define KEY_DEV	      "dev"
#define KEY_ERROR     "error"
#define KEY_OPTIONS   "options"
#define KEY_REMOVABLE "removable"
#define KEY_RESIZE    "resize"

static struct vbd *vbd_of(struct device *dev)
{
	return (struct vbd *)dev; /* its first member */
}

static const struct vbd *vbd_of_const(const struct device *dev)
{
	return (const struct vbd *)dev;
}

static void note(struct vbd *vbd, const char *text)
{
	snprintf(vbd->error, sizeof(vbd->error), "%s", text);
}

/* ---------------------------------------------------------------- reading */

/* Replaces *OUT by a copy of the node's text, or NULL. */
static int copy_node(const struct store_tree *tree, const char *name,
		     char **out)
{
	const char *text = tree_get(tree, name);

	free(*out);
	*out = NULL;
	if (!text)
		return 0;
	*out = strdup(text);
	return *out ? 0 : -ENOMEM;
}

/* Settings that are wrong are told when the disk connects; one that is in use
 * goes on with those that it has. */
static void read_tune(struct vbd *vbd)
{
	struct log_where where = device_where(&vbd->dev);
	char why[PDEV_ERR_MAX];
	struct disk_tune tune;

	if (!disk_tune_read(&tune, vbd->dev.back, why, sizeof(why)))
		vbd->tune = tune;
	else
		log_limited(&vbd->dev.guest->rate, LOG_ERR, &where,
			    "a setting is not taken: %s", why);
}

static struct proto_limits limits_of(const struct vbd *vbd)
{
	const uint64_t *value = vbd->tune.value;

	return (struct proto_limits){
		.iops = value[TUNE_IOPS],
		.bps = value[TUNE_BPS],
		.iops_burst = value[TUNE_IOPS_BURST],
		.bps_burst = value[TUNE_BPS_BURST],
		.pause = value[TUNE_ON_ENOSPC],
	};
}

/* What the frontend may have, which is what its backend's nodes say. */
static struct vbd_limits promised(const struct vbd *vbd)
{
	struct vbd_limits l = {.queues = 1, .ring_order = VBD_RING_ORDER};
	uint32_t n;

	if (!tree_u32(vbd->dev.back, WIRE_BLK_KEY_MAX_QUEUES, &n) && n > 0)
		l.queues = n < VBD_QUEUES_MAX ? n : VBD_QUEUES_MAX;
	return l;
}

static int read_nodes(struct device *dev)
{
	struct vbd *vbd = vbd_of(dev);
	int rc;

	vbd->error_node = tree_get(dev->back, KEY_ERROR) != NULL;
	vbd->resize = tree_is(dev->back, KEY_RESIZE, "1");
	vbd->persistent = 0;
	if (tree_is(dev->back, WIRE_BLK_KEY_PERSISTENT, "1"))
		vbd->persistent =
			vbd->nopen ? vbd->nopen : promised(vbd).queues;
	read_tune(vbd);
	rc = copy_node(dev->back, KEY_DEV, &vbd->name);
	if (!rc)
		rc = copy_node(dev->back, WIRE_BLK_KEY_PARAMS, &vbd->pname);
	return rc;
}

/* Nothing is reconfigured in a disk: its states are those of every device. */
static struct bus_step vbd_step(const struct bus_facts *facts)
{
	struct bus_step step = bus_back_step(facts);

	/* A frontend whose disk is in use says Closing and goes on; it means it
	 * at Closed. */
	if (step.action == BUS_DISCONNECT && !facts->failed &&
	    !facts->front_gone && step.next == WIRE_BUS_CLOSING &&
	    facts->front == WIRE_BUS_CLOSING)
		step.action = BUS_NONE;
	if (step.action == BUS_RECONFIGURE)
		step.action = BUS_NONE;
	if (step.next == WIRE_BUS_RECONFIGURING ||
	    step.next == WIRE_BUS_RECONFIGURED)
		step.next = WIRE_BUS_CONNECTED;
	return step;
}

/* ---------------------------------------------------------------- storage */

/* The toolstack's nodes into PDEV. */
static int parse(struct vbd *vbd, struct pdev *pdev)
{
	const struct store_tree *back = vbd->dev.back;
	struct pdev_options options;
	int rc;

	if (!vbd->pname || !pdev_is_whole(vbd->pname)) {
		note(vbd, "node " WIRE_BLK_KEY_PARAMS
			  " is no whole path; attach the disk again");
		return -EINVAL;
	}
	rc = pdev_options_parse(&options, tree_get(back, KEY_OPTIONS),
				vbd->error, sizeof(vbd->error));
	if (rc)
		return rc;
	vbd->cdrom = tree_is(back, WIRE_BLK_KEY_DEVICE_TYPE, "cdrom");
	vbd->removable = vbd->cdrom || tree_is(back, KEY_REMOVABLE, "1");
	options.read_only =
		vbd->cdrom || !tree_is(back, WIRE_BLK_KEY_MODE, "w");
	options.no_scsi = true;
	return pdev_parse(pdev, vbd->pname, &options, vbd->error,
			  sizeof(vbd->error));
}

static void close_all(int *fd, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (fd[i] >= 0)
			close(fd[i]);
}

/*
 * A descriptor for each of N queues, of which the first is there. What is on a
 * connection gets one for each: their answers would mix.
 */
static int open_queues(struct vbd *vbd, const struct pdev *pdev, int *fd,
		       uint32_t n)
{
	struct pdev_props same;

	if (n > 1 && !vbd->props.multi) {
		note(vbd, "its storage takes one connection only, and the "
			  "frontend has several queues; attach the disk with "
			  "queues=1");
		return -EINVAL;
	}
	for (uint32_t i = 1; i < n && fd[0] >= 0; i++) {
		if (pdev->kind == PDEV_NBD) {
			int rc = pdev_open(pdev, &fd[i], &same, vbd->error,
					   sizeof(vbd->error));

			if (rc)
				return rc;
			continue;
		}
		fd[i] = fcntl(fd[0], F_DUPFD_CLOEXEC, 0);
		if (fd[i] < 0) {
			note(vbd, "out of descriptors; see LimitNOFILE= of "
				  "xenpvd.service");
			return -EMFILE;
		}
	}
	return 0;
}

/* Open what the disk is to be, once for each of N queues, and hold it. Else
 * vbd->error says why not. */
static int open_storage(struct vbd *vbd, int *fd, uint32_t n)
{
	struct claim_list *claims = &vbd->dev.guest->daemon->claims;
	struct pdev *pdev = malloc(sizeof(*pdev)); /* two paths: too much for a
						      stack */
	size_t len = sizeof(vbd->error);
	int rc;

	for (uint32_t i = 0; i < n; i++)
		fd[i] = -1;
	if (!pdev) {
		note(vbd, "out of memory; try again");
		return -ENOMEM;
	}
	rc = parse(vbd, pdev);
	if (!rc)
		rc = claim_check_before(claims, pdev, vbd->error, len);
	pdev->again = vbd->dev.restoring;
	if (!rc)
		rc = pdev_open(pdev, fd, &vbd->props, vbd->error, len);
	if (rc)
		goto out;
	vbd->props.naa = 0; /* a LUN's; a disk has no such name */
	rc = claim_check(claims, pdev, &vbd->props, vbd->error, len);
	if (!rc)
		rc = open_queues(vbd, pdev, fd, n);
	if (rc) {
		close_all(fd, n);
		goto out;
	}
	if (tree_is(vbd->dev.back, WIRE_BLK_KEY_DISCARD_ENABLE, "0") ||
	    vbd->props.read_only)
		vbd->props.discard = false;
	/* If that fails it is opened by its path. */
	reopen_drop(&vbd->file);
	if (*fd >= 0 &&
	    !pdev_is_connection(vbd->props.storage, vbd->props.args))
		(void)!reopen_keep(&vbd->file, *fd, !pdev->options.shared);
	claim_take(claims, &vbd->claim, vbd->dev.guest,
		   vbd->name ? vbd->name : vbd->dev.name, pdev, &vbd->props);
out:
	free(pdev);
	return rc;
}

/* ------------------------------------------------------------- connecting */

static void forgotten(struct device *dev)
{
	struct vbd *vbd = vbd_of(dev);

	claim_drop(&vbd->claim);
	vbd->nopen = 0;
	reopen_drop(&vbd->file);
}

static void ask_forget(struct device *dev)
{
	struct vbd *vbd = vbd_of(dev);

	for (uint32_t i = 0; i < vbd->nopen; i++) {
		struct proto_msg msg = {.type = PROTO_BLK_CLOSE,
					.queue = (uint16_t)i};

		device_ask(dev, &msg, NULL, 0);
	}
}

static void give_up(struct vbd *vbd, const char *what)
{
	/* A copy: the text is ours, and giving up may decide anew. */
	char why[PDEV_ERR_MAX];

	strcpy(why, vbd->error);
	device_give_up(&vbd->dev, what, why);
}

static void opened(struct device *dev)
{
	struct vbd *vbd = vbd_of(dev);
	struct log_where where = device_where(dev);

	if (dev->rc) {
		note(vbd, dev->why);
		give_up(vbd, "the ring");
		return;
	}
	device_connected(dev);
	log_limited(&dev->guest->rate, LOG_INFO, &where,
		    "serving %s as %s, %" PRIu64 " bytes%s", vbd->pname,
		    vbd->claim.place, vbd->props.size,
		    vbd->props.read_only ? ", read-only" : "");
	device_write(dev);
}

/* What is behind the ring. */
static void fill_storage(struct proto_blk *out, const struct vbd *vbd)
{
	const struct pdev_props *props = &vbd->props;

	out->align = props->align;
	out->size = props->size;
	out->flags = (props->read_only ? PROTO_LUN_READ_ONLY : 0) |
		     (props->discard ? PROTO_LUN_DISCARD : 0) |
		     (props->zero ? PROTO_LUN_ZERO : 0) |
		     (props->direct ? PROTO_LUN_DIRECT : 0) |
		     (props->rotational ? PROTO_LUN_ROTATIONAL : 0) |
		     (vbd->claim.shared ? PROTO_LUN_SHARED : 0);
	out->discard_granularity = props->discard_granularity;
	out->limits = vbd->limits;
	snprintf(out->storage, sizeof(out->storage), "%s", props->storage);
	snprintf(out->args, sizeof(out->args), "%s", props->args);
	snprintf(out->id, sizeof(out->id), "%s", props->id);
}

static void fill(struct proto_blk *out, const struct vbd *vbd, uint32_t n)
{
	const struct pdev_props *props = &vbd->props;
	const struct vbd_queue *queue = &vbd->front.queue[n];

	memcpy(out->gref, queue->gref, sizeof(out->gref));
	out->pages = vbd->front.pages;
	out->port = queue->port;
	out->abi = vbd->front.abi;
	out->features = BLK_BACK_F_FLUSH | BLK_BACK_F_BARRIER |
			(props->read_only ? BLK_BACK_F_READONLY : 0) |
			(props->discard ? BLK_BACK_F_DISCARD : 0);
	out->indirect_max = VBD_SEGS_MAX;
	/* Both ends have said so. */
	if (tree_is(vbd->dev.back, WIRE_BLK_KEY_PERSISTENT, "1") &&
	    tree_is(vbd->dev.front, WIRE_BLK_KEY_PERSISTENT, "1"))
		out->persistent_max =
			vbd->tune.value[TUNE_PERSISTENT]
				? (uint32_t)vbd->tune.value[TUNE_PERSISTENT]
				: VBD_PERSISTENT;
	if (out->persistent_max &&
	    getrandom(&out->salt, sizeof(out->salt), 0) != sizeof(out->salt))
		out->persistent_max = 0; /* copies work as well */
	out->block_size = props->block_size;
	fill_storage(out, vbd);
}

/* Every queue has the storage by a descriptor of its own: it is closed here in
 * any case. */
static void ask_queues(struct vbd *vbd, int *fd)
{
	struct device *dev = &vbd->dev;

	vbd->limits = limits_of(vbd);
	for (uint32_t i = 0; i < vbd->front.nqueues; i++) {
		struct proto_msg msg = {.type = PROTO_BLK_OPEN,
					.queue = (uint16_t)i};

		fill(&msg.u.blk, vbd, i);
		device_ask_ring(dev, i, &msg, fd[i]);
		vbd->nopen = i + 1;
	}
}

static void run_connect(struct vbd *vbd)
{
	const struct vbd_limits may = promised(vbd);
	struct device *dev = &vbd->dev;
	int fd[VBD_QUEUES_MAX], rc;
	struct link *link;

	struct disk_tune tune;

	vbd->error[0] = '\0';
	if (disk_tune_read(&tune, dev->back, vbd->error, sizeof(vbd->error))) {
		give_up(vbd, "the disk");
		return;
	}
	if (vbd_front_read(dev->front, &may, &vbd->front, vbd->error,
			   sizeof(vbd->error))) {
		give_up(vbd, "the frontend");
		return;
	}
	rc = guest_worker(dev->guest, &link);
	if (rc == -EAGAIN) {
		/* Kicked when the last one has been reaped. */
		device_round_end(dev, 0);
		return;
	}
	if (rc) {
		note(vbd, "its worker cannot be started; see xenpvd's log");
		device_failed(dev);
		return;
	}
	if (open_storage(vbd, fd, vbd->front.nqueues)) {
		give_up(vbd, "the storage");
		return;
	}
	device_begin(dev, opened);
	ask_queues(vbd, fd);
	device_end(dev);
}

/* ------------------------------------------------------------- once more */

/* Ring N, by the message that opened it. */
static void take_up(struct device *dev, unsigned int n,
		    const struct proto_msg *open)
{
	const struct proto_blk *blk = &open->u.blk;
	struct vbd *vbd = vbd_of(dev);

	vbd->nopen = n + 1;
	if (!n)
		dev->rings.held = (struct ring_id){
			.known = true, .gref = blk->gref[0], .port = blk->port};
}

/* The storage as the worker has it of an earlier xenpvd. */
static void take_over(struct vbd *vbd, const struct proto_blk *blk)
{
	struct guest *guest = vbd->dev.guest;
	struct pdev_props *props = &vbd->props;

	snprintf(vbd->storage, sizeof(vbd->storage), "%s", blk->storage);
	*props = (struct pdev_props){
		.size = blk->size,
		.block_size = blk->block_size,
		.phys_size = blk->block_size,
		.align = blk->align,
		.discard_granularity = blk->discard_granularity,
		.read_only = blk->flags & PROTO_LUN_READ_ONLY,
		.direct = blk->flags & PROTO_LUN_DIRECT,
		.discard = blk->flags & PROTO_LUN_DISCARD,
		.zero = blk->flags & PROTO_LUN_ZERO,
		.storage = vbd->storage,
	};
	snprintf(props->args, sizeof(props->args), "%s", blk->args);
	snprintf(props->id, sizeof(props->id), "%.*s",
		 (int)sizeof(props->id) - 1, blk->id);
	if (!vbd->claim.held)
		claim_hold(&guest->daemon->claims, &vbd->claim, guest,
			   vbd->name ? vbd->name : vbd->dev.name, props->id, 0,
			   blk->flags & PROTO_LUN_SHARED);
}

/* Has its server been waited for long enough? Then the disk is what it was, FIRST
 * has that, but all that the guest asks of it fails: vbd->error has why. */
static bool is_gone(struct vbd *vbd, const struct proto_blk *first)
{
	struct log_where where = device_where(&vbd->dev);

	if (!pdev_is_connection(first->storage, first->args) ||
	    !(pdev_is_gone(first->storage, first->args) ||
	      device_waited(&vbd->dev, DEVICE_CONN_S)))
		return false;
	log_line(LOG_ERR, &where,
		 "%s; it has I/O errors until it is attached again",
		 vbd->error);
	take_over(vbd, first);
	pdev_gone(&vbd->props);
	return true;
}

/* The storage for a new worker, a descriptor for each queue: the same file, or
 * opened anew. */
static int reopen(struct vbd *vbd, const struct proto_blk *first, int *fd)
{
	int rc;

	if (vbd->file.kept) {
		for (uint32_t i = 0; i < vbd->nopen; i++)
			fd[i] = i ? fcntl(fd[0], F_DUPFD_CLOEXEC, 0)
				  : reopen_open(&vbd->file);
		if (fd[0] >= 0)
			return 0;
		snprintf(vbd->error, sizeof(vbd->error),
			 "cannot open it again: %s", strerror(-fd[0]));
		fd[0] = -1;
		return -EIO;
	}
	claim_drop(&vbd->claim);
	rc = open_storage(vbd, fd, vbd->nopen);
	if (rc)
		return is_gone(vbd, first) ? 0 : rc;
	if (vbd->props.block_size == first->block_size &&
	    vbd->props.read_only == !!(first->flags & PROTO_LUN_READ_ONLY))
		return 0;
	note(vbd,
	     "what it is on has another block size, or cannot be written, since");
	return -EINVAL;
}

static void resumed(struct device *dev)
{
	device_restored(dev, dev->rc, dev->why);
}

static void restore(struct device *dev)
{
	struct vbd *vbd = vbd_of(dev);
	const struct proto_msg *open = NULL, *item;
	bool missing[DEVICE_RINGS_MAX] = {false};
	int fd[DEVICE_RINGS_MAX];
	struct proto_msg msg;

	memset(fd, -1, sizeof(fd));
	device_begin(dev, resumed);
	for (uint32_t i = 0; i < vbd->nopen; i++) {
		item = device_item_of(dev, PROTO_BLK_OPEN, NULL, i);
		missing[i] = !item;
		if (item)
			take_over(vbd, &item->u.blk);
		else
			open = device_ring_open(dev, i);
	}
	/* What is to be opened stands in a tree, which a round reads. */
	if (open && !vbd->file.kept && !dev->back) {
		dev->rc = -EAGAIN;
	} else if (open && reopen(vbd, &open->u.blk, fd)) {
		dev->rc = -EIO;
		snprintf(dev->why, sizeof(dev->why), "%.150s", vbd->error);
		vbd->error[0] = '\0';
	}
	for (uint32_t i = 0; i < vbd->nopen && !dev->rc; i++) {
		if (!missing[i])
			continue;
		msg = *device_ring_open(dev, i);
		fill_storage(&msg.u.blk, vbd);
		device_resume_ring(dev, i, &msg, fd[i]);
		fd[i] = -1;
	}
	close_all(fd, vbd->nopen);
	device_end(dev);
}

/* --------------------------------------------------------------- resizing */

static void not_resized(struct vbd *vbd, const char *why)
{
	struct log_where where = device_where(&vbd->dev);

	snprintf(vbd->unsized, sizeof(vbd->unsized), "%s", why);
	log_limited(&vbd->dev.guest->rate, LOG_ERR, &where,
		    "cannot be resized: %s", why);
}

static void resized(struct device *dev)
{
	struct vbd *vbd = vbd_of(dev);
	struct log_where where = device_where(dev);

	/* The worker is lost: device_worker_died() will see to it. */
	if (dev->rc == -ECONNRESET) {
		device_round_end(dev, DEVICE_RETRY_US);
		return;
	}
	if (dev->rc)
		not_resized(vbd, dev->why);
	else
		log_limited(&dev->guest->rate, LOG_INFO, &where,
			    "%s has %" PRIu64 " bytes now", vbd->pname,
			    vbd->props.size);
	device_write(dev);
}

/* What the storage measures now; it is open in the worker, perhaps
 * exclusively. */
static int measure(struct vbd *vbd, struct pdev_props *props)
{
	struct pdev *pdev = malloc(sizeof(*pdev));
	int rc = -ENOMEM;

	if (!pdev) {
		note(vbd, "out of memory; try again");
		return rc;
	}
	rc = parse(vbd, pdev);
	pdev->options.shared = true;
	pdev->options.block_size = vbd->props.block_size;
	if (!rc)
		rc = pdev_check(pdev, props, vbd->error, sizeof(vbd->error));
	if (!rc && strcmp(props->id, vbd->props.id)) {
		note(vbd, "the path leads to something else now; detach the "
			  "disk and attach it again");
		rc = -ESTALE;
	}
	free(pdev);
	return rc;
}

static void run_resize(struct vbd *vbd)
{
	struct device *dev = &vbd->dev;
	struct pdev_props props;

	vbd->unsized[0] = '\0';
	if (measure(vbd, &props)) {
		not_resized(vbd, vbd->error);
		vbd->error[0] = '\0'; /* it is served as before */
		device_write(dev);
		return;
	}
	vbd->props.size = props.size;
	vbd->props.phys_size = props.phys_size;
	device_begin(dev, resized);
	for (uint32_t i = 0; i < vbd->nopen; i++) {
		struct proto_msg msg = {.type = PROTO_BLK_RESIZE,
					.queue = (uint16_t)i,
					.u.size = props.size};

		device_ask(dev, &msg, NULL, 0);
	}
	device_end(dev);
}

/* --------------------------------------------------------------- limits */

static void limited(struct device *dev)
{
	struct vbd *vbd = vbd_of(dev);
	struct log_where where = device_where(dev);

	if (dev->rc) {
		/* The worker is lost: device_worker_died() will see to it. */
		device_round_end(dev, DEVICE_RETRY_US);
		return;
	}
	log_limited(&dev->guest->rate, LOG_INFO, &where,
		    "%s: limits of %" PRIu64 " requests and %" PRIu64
		    " bytes a second (0: none), on-enospc=%s",
		    vbd->pname, vbd->limits.iops, vbd->limits.bps,
		    vbd->limits.pause ? "pause" : "fail");
	device_write(dev);
}

static void run_limits(struct vbd *vbd)
{
	struct device *dev = &vbd->dev;

	vbd->limits = limits_of(vbd);
	device_begin(dev, limited);
	for (uint32_t i = 0; i < vbd->nopen; i++) {
		struct proto_msg msg = {.type = PROTO_BLK_LIMITS,
					.queue = (uint16_t)i,
					.u.limits = vbd->limits};

		device_ask(dev, &msg, NULL, 0);
	}
	device_end(dev);
}

/* ----------------------------------------------------------------- rounds */

/* Nothing else is to be done with it. */
static bool is_served(const struct vbd *vbd)
{
	const struct device *dev = &vbd->dev;

	return dev->facts.connected && dev->step.action == BUS_NONE &&
	       dev->step.next == WIRE_BUS_CONNECTED &&
	       dev->facts.own == WIRE_BUS_CONNECTED;
}

/* Both ends are at 4, and the guest can be told of another size. */
static bool may_resize(const struct vbd *vbd)
{
	return vbd->resize && is_served(vbd);
}

static bool limits_differ(const struct vbd *vbd)
{
	const struct proto_limits now = limits_of(vbd);

	return is_served(vbd) && memcmp(&now, &vbd->limits, sizeof(now)) != 0;
}

/*
 * Queues to announce. A storage on a connection has one unless the administrator
 * knows that it takes several. (Whatever is wrong is told when it connects.)
 */
static uint32_t queues(struct vbd *vbd)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct pdev *pdev = malloc(sizeof(*pdev));
	uint32_t n = 1;

	if (vbd->tune.value[TUNE_QUEUES])
		n = (uint32_t)vbd->tune.value[TUNE_QUEUES];
	else if (pdev && !parse(vbd, pdev) && pdev->kind != PDEV_NBD &&
		 pdev->options.format == PDEV_RAW && cpus > 1)
		n = cpus < VBD_QUEUES ? (uint32_t)cpus : VBD_QUEUES;
	free(pdev);
	return n;
}

/*
 * Announce persistent grants? A frontend may get all their pages when it connects,
 * as Linux's does, so that many disks can be more than a guest has memory for.
 */
static bool is_persistent(const struct vbd *vbd)
{
	uint32_t rings = vbd->queues;
	const struct device *dev;

	if (vbd->tune.given & 1u << TUNE_PERSISTENT)
		return vbd->tune.value[TUNE_PERSISTENT] > 0;
	if (site_copies(vbd->dev.guest->daemon->cfg.site))
		return false;
	TAILQ_FOREACH(dev, &vbd->dev.guest->devices, entry) {
		if (dev->class == &vbd_class && dev != &vbd->dev)
			rings += vbd_of_const(dev)->persistent;
	}
	return rings <= VBD_PERSISTENT_RINGS;
}

static void announce(struct vbd *vbd)
{
	vbd->queues = queues(vbd);
	vbd->persistent = is_persistent(vbd) ? vbd->queues : 0;
	vbd->error[0] = '\0';
	device_write(&vbd->dev);
}

static void run(struct device *dev)
{
	struct vbd *vbd = vbd_of(dev);

	if (dev->step.action == BUS_CONNECT) {
		run_connect(vbd);
	} else if (may_resize(vbd)) {
		run_resize(vbd);
	} else if (limits_differ(vbd)) {
		run_limits(vbd);
	} else if (dev->step.action == BUS_ANNOUNCE) {
		announce(vbd);
	} else {
		device_write(dev);
	}
}

struct property {
	const char *name;
	uint64_t value;
};

static const struct property announced[] = {
	{WIRE_BLK_KEY_MAX_RING_ORDER, VBD_RING_ORDER},
	{WIRE_BLK_KEY_MAX_RING_PAGES, 1u << VBD_RING_ORDER},
	{WIRE_BLK_KEY_INDIRECT, VBD_SEGS_MAX},
	{WIRE_BLK_KEY_FLUSH, 1},
	{WIRE_BLK_KEY_BARRIER, 1},
};

static void add_rows(struct device_writes *w, const struct device *dev,
		     const struct property *row, size_t n)
{
	for (size_t i = 0; i < n; i++)
		device_add_number(w, dev, STORE_OP_WRITE, row[i].name,
				  row[i].value);
}

/* What depends on the storage: written when it connects. */
static void add_properties(struct device_writes *w, const struct device *dev)
{
	const struct vbd *vbd = vbd_of_const(dev);
	const struct pdev_props *props = &vbd->props;
	const struct property discard[] = {
		{WIRE_BLK_KEY_DISCARD_GRANULARITY,
		 props->discard_granularity ? props->discard_granularity
					    : props->block_size},
		{WIRE_BLK_KEY_DISCARD_ALIGNMENT, props->discard_alignment},
		{WIRE_BLK_KEY_DISCARD_SECURE, 0},
	};
	const struct property disk[] = {
		{WIRE_BLK_KEY_DISCARD, props->discard},
		{WIRE_BLK_KEY_INFO,
		 (vbd->cdrom ? WIRE_BLK_INFO_CDROM : 0) |
			 (vbd->removable ? WIRE_BLK_INFO_REMOVABLE : 0) |
			 (props->read_only ? WIRE_BLK_INFO_READONLY : 0)},
		{WIRE_BLK_KEY_SECTOR_SIZE, props->block_size},
		{WIRE_BLK_KEY_PHYSICAL_SECTOR_SIZE, props->phys_size},
		{WIRE_BLK_KEY_SECTORS, props->size / WIRE_BLK_SECTOR},
	};

	if (props->discard)
		add_rows(w, dev, discard, XPV_ARRAY_SIZE(discard));
	add_rows(w, dev, disk, XPV_ARRAY_SIZE(disk));
}

/* The eight properties, what is announced and what of it depends on the disk,
 * error, resize and a state that is written again. */
#define WRITES_MAX (8 + XPV_ARRAY_SIZE(announced) + 2 + 3)

static size_t writes_max(const struct device *dev)
{
	(void)dev;
	return WRITES_MAX;
}

/* Why the device is given up, for the node; NULL: it is not. */
static const char *reason(const struct vbd *vbd)
{
	if (vbd->error[0])
		return vbd->error;
	if (vbd->dev.reason[0])
		return vbd->dev.reason;
	return NULL;
}

static void add_writes(const struct device *dev, struct device_writes *w)
{
	const struct vbd *vbd = vbd_of_const(dev);
	bool connected =
		dev->facts.connected && dev->step.next == WIRE_BUS_CONNECTED;
	bool again = dev->step.action == BUS_CONNECT;
	const char *why = reason(vbd);

	/* Our nodes are gone: a write would make them anew. */
	if (!dev->facts.own)
		return;
	if (dev->step.action == BUS_ANNOUNCE) {
		device_add_number(w, dev, STORE_OP_WRITE,
				  WIRE_BLK_KEY_MAX_QUEUES, vbd->queues);
		device_add_number(w, dev, STORE_OP_WRITE,
				  WIRE_BLK_KEY_PERSISTENT, vbd->persistent > 0);
		add_rows(w, dev, announced, XPV_ARRAY_SIZE(announced));
	}
	if (connected &&
	    (again || may_resize(vbd) || dev->facts.own != WIRE_BUS_CONNECTED))
		add_properties(w, dev);
	if (connected && may_resize(vbd)) {
		if (vbd->unsized[0])
			device_add_write(w, dev, STORE_OP_WRITE, KEY_RESIZE,
					 vbd->unsized);
		else
			device_add_write(w, dev, STORE_OP_RM, KEY_RESIZE, NULL);
		again = !vbd->unsized[0];
	}
	if (why && !vbd->error_node)
		device_add_write(w, dev, STORE_OP_WRITE, KEY_ERROR, why);
	else if (!why && vbd->error_node)
		device_add_write(w, dev, STORE_OP_RM, KEY_ERROR, NULL);
	/* The frontend looks at a state that is written, though it is the same:
	 * its ring is new, or its disk has another size. */
	if (again && dev->step.next == dev->facts.own)
		device_add_number(w, dev, STORE_OP_WRITE, WIRE_BUS_STATE,
				  dev->step.next);
}

/* ----------------------------------------------------------------- status */

static void ask_stats(struct device *dev)
{
	for (uint32_t i = 0; i < vbd_of(dev)->nopen; i++)
		device_ask_stats(dev, (uint16_t)i);
}

/* What was told to the worker; of a disk that has limits. */
static json_t *describe_limits(const struct vbd *vbd)
{
	const struct proto_limits *l = &vbd->limits;

	if (!l->iops && !l->bps && !l->pause)
		return json_null();
	return json_pack("{sIsIsb}", "iops", (json_int_t)l->iops, "bps",
			 (json_int_t)l->bps, "pause", (int)l->pause);
}

static void describe(const struct device *dev, json_t *object)
{
	const struct vbd *vbd = vbd_of_const(dev);

	json_object_set_new(object, "vdev",
			    ctl_text(vbd->name ? vbd->name : ""));
	json_object_set_new(object, "pdev",
			    ctl_text(vbd->pname ? vbd->pname : ""));
	json_object_set_new(object, "queues", json_integer(vbd->nopen));
	json_object_set_new(object, "size",
			    json_integer((json_int_t)vbd->props.size));
	json_object_set_new(object, "read_only",
			    json_boolean(vbd->props.read_only));
	json_object_set_new(object, "shared", json_boolean(vbd->claim.shared));
	json_object_set_new(object, "serving", json_boolean(vbd->claim.held));
	json_object_set_new(object, "limits", describe_limits(vbd));
	json_object_set_new(object, "error", ctl_text(vbd->error));
}

static void clean(struct device *dev)
{
	struct vbd *vbd = vbd_of(dev);

	claim_drop(&vbd->claim);
	reopen_drop(&vbd->file);
	free(vbd->name);
	free(vbd->pname);
}

/* Nobody here asks for them: the states are read by themselves, the others are
 * other tools', or what we have written for the frontend. */
static const char *const back_skip[] = {
	"frontend",
	"frontend-id",
	"state",
	"bootable",
	"physical-device-path",
	"type",
	"discard-[ags]*",  /* alignment, granularity, secure */
	"feature-[bdfm]*", /* barrier, discard, flush-cache, max-indirect */
	"info",
	"max-ring-*",
	"physical-sector-size",
	"sector-size",
	"sectors",
	NULL,
};
static const char *const front_skip[] = {
	"backend", "backend-id", "state", "device-type", "virtual-device", NULL,
};

const struct device_class vbd_class = {
	.word = "vbd",
	.dir = "backend/xenpv-vbd",
	.front = "vbd",
	.number = PROTO_CLASS_BLK,
	.id_end = UINT32_C(1)
		  << 29, /* xen-vbd-interface(7): the extended form */
	.size = sizeof(struct vbd),
	.limits = {.max_nodes = VBD_FRONT_NODES,
		   .max_depth = 2,
		   .max_bytes = VBD_FRONT_BYTES,
		   .skip = front_skip},
	.skip = back_skip,
	.read = read_nodes,
	.ring = vbd_front_ring,
	.step = vbd_step,
	.run = run,
	.take_up = take_up,
	.restore = restore,
	.forget = ask_forget,
	.forgotten = forgotten,
	.writes_max = writes_max,
	.writes = add_writes,
	.stats = ask_stats,
	.describe = describe,
	.clean = clean,
};
