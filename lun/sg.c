/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A real SCSI device, by its sg node: tape, changer, CD, disk, whatever.
 *
 * Theory of operation. A command goes to the driver by write() and comes back
 * by read(), each with a struct sg_io_hdr; a poll on the descriptor tells when.
 * Not by the ioctl SG_IO, for which there would have to be threads, and which
 * the kernel begins again after SIGSTOP or a debugger: a tape would have the
 * block twice. The driver takes write() from the very process that has opened
 * the node, so control gives a descriptor that is good for nothing (O_PATH),
 * and the node is opened here through it (lun/sg_helper). The kernel keeps the
 * data of each command in memory of its own between the two calls.
 *
 * Memory is bounded: the driver has room for SG_QUEUE commands of a
 * descriptor, half of the places that there are here (lun/places). What a
 * cancelled command brings is read into its place all the same.
 *
 * What a guest may see of memory that was not its own: nothing. What the driver
 * allocates it zeroes: always since Linux 4.17, and before that for who opens the
 * node without CAP_SYS_ADMIN or CAP_SYS_RAWIO, as a sandboxed worker does
 * (sg_build_indirect() of drivers/scsi/sg.c). One buffer it keeps, for this
 * descriptor alone. And it tells how much the device has not transferred, behind
 * which nothing goes to the guest. So a device that transfers less and keeps
 * silent of it shows the guest zeroes, or what its own earlier commands have
 * moved.
 *
 * ABORT: sg has no way to end a command that the device has. It is answered at
 * once, and the device goes on; commands that come after an aborted one that
 * may change something wait until the device has finished it, as SAM wants
 * that an aborted command has no effect any more. So a guest that has aborted
 * and gets no further will RESET. Commands that wait here are ended at once.
 *
 * RESET: SG_SCSI_RESET of the device, in a thread, since the ioctl waits for
 * the kernel's error handling; commands wait until it has come back. A device
 * with other users besides is not reset.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <scsi/scsi_ioctl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/fs.h>

#include "lun/passthrough.h"
#include "lun/places.h"
#include "lun/sg_cmd.h"
#include "lun/sg_helper.h"

#define SG_QUEUE (PLACES / 2) /* commands a descriptor can have */
#define SG_KEPT	 (256 * 1024) /* buffer that the driver keeps ready */

struct sg {
	struct lun lun;
	struct uring *uring;
	int fd;	   /* of the sg node */
	int guard; /* keeps dom0 from using the device, or -1 */
	uint8_t type;
	bool shared, gone;
	bool lost;	/* initiators have not heard yet of commands lost */
	uint32_t depth; /* commands at once */
	uint32_t block_size, max_transfer;
	uint32_t adapter_max; /* bytes of one command */
	/* commands */
	struct places places;
	uint8_t sense[PLACES][SCSI_SENSE_MAX];
	struct cmd_list waiting;
	uint32_t busy, holding; /* with the driver; of these others wait for */
	/* the poll, and the reset */
	struct uring_op poll, reset;
	uint32_t polling; /* operations of the ring that have not ended */
	bool resetting, closing;
	pthread_t thread;
	int event; /* the reset has ended */
	uint64_t count;
};

static struct sg *sg_of(struct lun *l)
{
	return (struct sg *)l;
}

static void finish(struct lun_cmd *cmd)
{
	cmd->io_busy = false;
	cmd->done(cmd);
}

/* Give CMD to the driver. */
static void start(struct sg *sg, struct lun_cmd *cmd)
{
	struct place *op = place_take(&sg->places, cmd->task.in_max);
	uint32_t n = place_number(&sg->places, op);
	uint32_t len = cmd->task.out_len ? cmd->task.out_len : cmd->task.in_max;
	struct sg_io_hdr hdr;
	ssize_t r;

	sg_cmd_prepare(&hdr, cmd, sg->type, op->buf, sg->sense[n]);
	hdr.pack_id = (int)n;
	r = write(sg->fd, &hdr, sizeof(hdr));
	if (r < 0) {
		pass_refused(cmd, errno, len > sg->adapter_max);
		place_give(&sg->places, op);
		finish(cmd);
		return;
	}
	op->cmd = cmd;
	op->busy = true;
	op->harmless = cmd->task.in_max > 0;
	cmd->own = op;
	sg->busy++;
}

/* Give the driver what waits, as far as it may go. */
static void run(struct sg *sg)
{
	struct lun_cmd *cmd;

	while (sg->busy < sg->depth && !sg->holding && !sg->resetting &&
	       (cmd = cmd_list_take(&sg->waiting)))
		start(sg, cmd);
}

/* The device has finished a command. */
static void ended(struct sg *sg, const struct sg_io_hdr *hdr)
{
	struct place *op;
	struct lun_cmd *cmd;

	if (hdr->pack_id < 0 || (uint32_t)hdr->pack_id >= PLACES ||
	    !sg->places.place[hdr->pack_id].busy)
		return;
	op = &sg->places.place[hdr->pack_id];
	cmd = op->cmd;
	sg->busy--;
	if (!cmd && !op->harmless)
		sg->holding--;
	place_give(&sg->places, op);
	if (!cmd)
		return;
	sg_cmd_answer(cmd, hdr, sg->sense[hdr->pack_id], op->buf);
	pass_limit_transfers(cmd, sg->block_size, sg->max_transfer);
	finish(cmd);
}

/*
 * Take what the driver has to give. Once at least: a device that has gone says
 * so to a read alone.
 */
static void collect(struct sg *sg)
{
	struct sg_io_hdr hdr;

	do {
		memset(&hdr, 0, sizeof(hdr));
		hdr.interface_id = 'S';
		hdr.pack_id = -1;
		if (read(sg->fd, &hdr, sizeof(hdr)) < 0) {
			sg->gone |= errno == ENODEV;
			break;
		}
		ended(sg, &hdr);
	} while (sg->busy);
	run(sg);
}

/* ---- the ring ---- */

static void sg_free(struct sg *sg)
{
	if (sg->event >= 0)
		close(sg->event);
	places_fini(&sg->places);
	free(sg);
}

/* An operation has ended for good. */
static void ring_left(struct sg *sg)
{
	sg->polling--;
	if (!sg->closing)
		return;
	uring_left(sg->uring);
	if (sg->polling == 0)
		sg_free(sg);
}

static void poll_again(struct sg *sg)
{
	struct io_uring_sqe *sqe = uring_sqe(sg->uring);

	io_uring_prep_poll_multishot(sqe, sg->fd, POLLIN);
	uring_attach(sqe, &sg->poll);
	sg->polling++;
}

static void poll_done(struct uring_op *op, int32_t res, uint32_t flags)
{
	struct sg *sg = (struct sg *)((char *)op - offsetof(struct sg, poll));
	bool more = flags & IORING_CQE_F_MORE;

	if (!sg->closing) {
		collect(sg);
		/* One that failed would fail again at once. */
		if (!more && res >= 0)
			poll_again(sg);
	}
	if (!more)
		ring_left(sg);
}

/* ---- commands ---- */

static void sg_submit(struct lun *l, struct lun_cmd *cmd)
{
	struct sg *sg = sg_of(l);

	cmd->lun = l;
	cmd->own = NULL;
	cmd->io_busy = true;
	if (sg->gone) {
		pass_refused(cmd, ENODEV, false);
		finish(cmd);
		return;
	}
	if (sg->lost && pass_attention(cmd)) {
		sg->lost = false;
		finish(cmd);
		return;
	}
	if (cmd->task.in_max > PLACE_DATA) {
		pass_refused(cmd, EINVAL, true);
		finish(cmd);
		return;
	}
	if (!pass_can_carry(cmd)) {
		finish(cmd);
		return;
	}
	cmd_list_put(&sg->waiting, cmd);
	run(sg);
}

static void sg_cancel(struct lun *l, struct lun_cmd *cmd)
{
	struct sg *sg = sg_of(l);
	struct place *op = cmd->own;

	if (!cmd->io_busy)
		return; /* has ended just now */
	if (op) {
		op->cmd = NULL;
		sg->holding += !op->harmless;
	} else {
		cmd_list_drop(&sg->waiting, cmd);
	}
	cmd->host = WIRE_SCSI_HOST_ABORT;
	finish(cmd);
}

/* ---- reset ---- */

static void *reset_main(void *arg)
{
	struct sg *sg = arg;
	uint64_t one = 1;

	/* Whether it went well is seen by what comes after. */
	(void)sg_helper_reset(sg->fd);
	if (write(sg->event, &one, sizeof(one)) != sizeof(one))
		abort(); /* an eventfd takes 2^64 of them */
	return NULL;
}

static void reset_done(struct uring_op *op, int32_t res, uint32_t flags)
{
	struct sg *sg = (struct sg *)((char *)op - offsetof(struct sg, reset));

	(void)res;
	(void)flags;
	if (!sg->closing) {
		pthread_join(sg->thread, NULL);
		sg->resetting = false;
		run(sg);
	}
	ring_left(sg);
}

static void sg_reset(struct lun *l)
{
	struct sg *sg = sg_of(l);
	struct io_uring_sqe *sqe;

	if (sg->shared || sg->resetting || sg->gone)
		return;
	if (pthread_create(&sg->thread, NULL, reset_main, sg)) {
		(void)sg_helper_reset(sg->fd);
		return;
	}
	sg->resetting = true;
	sqe = uring_sqe(sg->uring);
	io_uring_prep_read(sqe, sg->event, &sg->count, sizeof(sg->count), 0);
	uring_attach(sqe, &sg->reset);
	sg->polling++;
}

static void sg_lost(struct lun *l)
{
	sg_of(l)->lost = true;
}

/*
 * Not told to the guest: its own bus tells it of LUNs that come and go, and a
 * unit attention would end the write of a backup that runs on this device.
 */
static void sg_luns_changed(struct lun *l)
{
	(void)l;
}

/* ---- open and close ---- */

static void sg_close(struct lun *l)
{
	struct sg *sg = sg_of(l);
	bool poll = sg->polling > (sg->resetting ? 1u : 0u);

	sg->closing = true;
	if (sg->resetting)
		pthread_join(sg->thread, NULL);
	if (poll)
		uring_cancel(sg->uring, &sg->poll);
	if (sg->resetting)
		uring_cancel(sg->uring, &sg->reset);
	/* What cancelled commands bring is the kernel's alone from here on. */
	close(sg->fd);
	if (sg->guard >= 0)
		close(sg->guard);
	if (sg->polling == 0)
		sg_free(sg);
	else /* now, so that the node is free when this is over */
		uring_submit(sg->uring, false);
}

/* Open the node that PATH_FD, an O_PATH descriptor, stands for. */
static int open_node(int path_fd, bool shared)
{
	return sg_helper_open(path_fd, O_RDWR | O_NONBLOCK | O_CLOEXEC |
					       (shared ? 0 : O_EXCL));
}

static int ask_driver(struct sg *sg)
{
	struct sg_scsi_id id = {0};
	int version = 0, kept = SG_KEPT, max = 0;

	if (ioctl(sg->fd, SG_GET_VERSION_NUM, &version) ||
	    ioctl(sg->fd, SG_GET_SCSI_ID, &id))
		return -errno;
	if (version < 30000)
		return -EPROTONOSUPPORT;
	sg->type = (uint8_t)id.scsi_type;
	(void)ioctl(sg->fd, SG_SET_RESERVED_SIZE, &kept); /* only a hint */
	sg->adapter_max = UINT32_MAX;
	if (!ioctl(sg->fd, BLKSECTGET, &max) && max > 0)
		sg->adapter_max = (uint32_t)max;
	return 0;
}

static int sg_open(struct lun **out, const struct lun_cfg *cfg, struct uring *u)
{
	struct sg *sg = calloc(1, sizeof(*sg));
	int rc;

	if (!sg)
		return -ENOMEM;
	sg->lun.type = &lun_sg;
	sg->uring = u;
	sg->guard = cfg->state_fd;
	sg->shared = cfg->shared;
	sg->block_size = cfg->block_size;
	sg->max_transfer = cfg->max_transfer;
	sg->depth = cfg->depth && cfg->depth < SG_QUEUE ? cfg->depth : SG_QUEUE;
	cmd_list_init(&sg->waiting);
	sg->poll.done = poll_done;
	sg->reset.done = reset_done;
	sg->event = -1;
	sg->fd = -1;
	rc = places_init(&sg->places);
	if (rc < 0)
		goto fail;
	sg->event = eventfd(0, EFD_CLOEXEC);
	rc = sg->event < 0 ? -errno : 0;
	if (rc == 0) {
		sg->fd = open_node(cfg->fd, cfg->shared);
		rc = sg->fd < 0 ? sg->fd : ask_driver(sg);
	}
	if (rc < 0)
		goto fail;
	close(cfg->fd); /* it has done its work */
	/* What a dead process gave the driver may be with the device still: of
	 * that control knows. */
	sg->lun.fenced = cfg->fenced;
	sg->lun.peripheral = sg->type;
	poll_again(sg);
	*out = &sg->lun;
	return 0;

fail:
	if (sg->fd >= 0)
		close(sg->fd);
	sg_free(sg);
	return rc;
}

const struct lun_type lun_sg = {
	.name = "sg",
	.open = sg_open,
	.submit = sg_submit,
	.cancel = sg_cancel,
	.reset = sg_reset,
	.lost = sg_lost,
	.luns_changed = sg_luns_changed,
	.close = sg_close,
};
