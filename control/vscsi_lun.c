/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One LUN of a PVSCSI controller: see vscsi_lun.h.
 */
#include "control/vscsi_lun.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control/daemon.h"
#include "control/pdev_iscsi.h"
#include "control/probe.h"
#include "control/rundir.h"
#include "control/vscsi.h"
#include "core/bus.h"

#define NODE_MAX 64

struct vscsi_lun *lun_new(struct vscsi *ctl, uint32_t number)
{
	struct vscsi_lun *lun = calloc(1, sizeof(*lun));

	if (lun) {
		lun->ctl = ctl;
		lun->number = number;
	}
	return lun;
}

static void close_fds(int *fds)
{
	for (int i = 0; i < PROTO_FDS_MAX; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

static void drop_files(struct vscsi_lun *lun)
{
	for (int i = 0; i < PROTO_FDS_MAX; i++)
		reopen_drop(&lun->file[i]);
	lun->order.type = 0;
}

void lun_free(struct vscsi_lun *lun)
{
	claim_drop(&lun->claim);
	drop_files(lun);
	free(lun->pname);
	free(lun->vdev);
	free(lun->options);
	free(lun->medium);
	lun_medium_clear(lun);
	free(lun);
}

void lun_log(const struct vscsi_lun *lun, int priority, const char *text)
{
	struct log_where where = guest_where(lun->ctl->dev.guest);

	where.dev = lun->ctl->dev.name;
	where.lun = lun->vdev;
	log_limited(&lun->ctl->dev.guest->rate, priority, &where, "%s", text);
}

static void say(struct vscsi_lun *lun, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct vscsi_lun *lun, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(lun->error, sizeof(lun->error), fmt, ap);
	va_end(ap);
}

/* ----------------------------------------------------------------- nodes */

static const char *node_path(char *path, const struct vscsi_lun *lun,
			     const char *name)
{
	snprintf(path, NODE_MAX, "vscsi-devs/dev-%" PRIu32 "%s%s", lun->number,
		 name[0] ? "/" : "", name);
	return path;
}

/* Replaces *OUT by a copy of the node's text, or NULL. */
static int copy_node(const struct vscsi_lun *lun, const struct store_tree *tree,
		     const char *name, char **out)
{
	char path[NODE_MAX];
	const char *text = tree_get(tree, node_path(path, lun, name));

	free(*out);
	*out = NULL;
	if (!text)
		return 0;
	*out = strdup(text);
	return *out ? 0 : -ENOMEM;
}

static uint32_t state_node(const struct vscsi_lun *lun,
			   const struct store_tree *tree)
{
	const struct store_node *node;
	char path[NODE_MAX];

	node = tree_find(tree, node_path(path, lun, WIRE_BUS_STATE));
	return node ? bus_state_parse(node->value, node->len) : 0;
}

int lun_read(struct vscsi_lun *lun, const struct store_tree *back,
	     const struct store_tree *front)
{
	char path[NODE_MAX];
	int rc;

	lun->present = tree_find(back, node_path(path, lun, "")) != NULL;
	lun->state = state_node(lun, back);
	lun->front = state_node(lun, front);
	lun->error_node = tree_get(back, node_path(path, lun, "error")) != NULL;
	if (lun->state == WIRE_BUS_INITIALISING)
		lun->lost = false; /* attached again */
	if (!lun->present)
		return 0;
	rc = copy_node(lun, back, WIRE_BUS_SCSI_PDEVNAME, &lun->pname);
	if (!rc)
		rc = copy_node(lun, back, WIRE_BUS_SCSI_VDEV, &lun->vdev);
	if (!rc)
		rc = copy_node(lun, back, "options", &lun->options);
	if (!rc)
		rc = copy_node(lun, back, "medium", &lun->medium);
	return rc;
}

/* ------------------------------------------------------------------- use */

static bool place_is_taken(struct vscsi_lun *lun)
{
	const struct vscsi *ctl = lun->ctl;

	for (size_t i = 0; i < ctl->nluns; i++) {
		const struct vscsi_lun *other = ctl->luns[i];

		if (other == lun || !other->claim.held ||
		    memcmp(&other->at, &lun->at, sizeof(lun->at)))
			continue;
		say(lun, "vdev %s is taken by dev-%u; choose another",
		    lun->vdev, other->number);
		return true;
	}
	return false;
}

/* ------------------------------------------------------------------ open */

/* What SCSI calls the initiator port: the same when the guest comes back. */
static uint64_t initiator_of(const struct vscsi *ctl)
{
	const struct guest *guest = ctl->dev.guest;
	char text[GUEST_UUID_MAX + 64];

	if (guest->uuid[0])
		snprintf(text, sizeof(text), "guest:%s/scsi/%u", guest->uuid,
			 ctl->dev.id);
	else
		snprintf(text, sizeof(text), "dom:%u/scsi/%u", guest->domid,
			 ctl->dev.id);
	return probe_naa(text);
}

/* A device that speaks for itself? */
static bool is_real(const struct pdev *pdev)
{
	return pdev->kind == PDEV_SG || pdev->kind == PDEV_ISCSI;
}

/* Has it a file of what outlives a restart? */
static bool has_state(const struct pdev *pdev)
{
	return (pdev->kind != PDEV_NULL || pdev->cdrom) && !is_real(pdev);
}

/* What tells its initiator port from those of other LUNs. */
static uint64_t port_of(const struct vscsi_lun *lun)
{
	char text[96];

	snprintf(text, sizeof(text), "port:%016" PRIx64 ":%u:%u:%u",
		 initiator_of(lun->ctl), lun->at.channel, lun->at.target,
		 lun->at.lun);
	return probe_naa(text);
}

/* The file of what outlives a restart. Reservations are kept by each worker
 * for itself, so guests that share storage have a file each. */
static int open_state(struct vscsi_lun *lun, const struct pdev *pdev,
		      const struct pdev_props *props, uint64_t initiator)
{
	const char *dir = lun->ctl->dev.guest->daemon->cfg.state_dir;
	char path[PATH_MAX], owner[20] = "";
	int fd;

	if (pdev->options.shared)
		snprintf(owner, sizeof(owner), "-%016" PRIx64, initiator);
	snprintf(path, sizeof(path), "%s/state/%016" PRIx64 "%s", dir,
		 props->naa, owner);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		fd = -errno;
		say(lun, "state file '%.200s': %s; is there room on that disk?",
		    path, strerror(-fd));
	}
	return fd;
}

/* What goes with the device: its state file, or as whom to log in. */
static int open_second(struct vscsi_lun *lun, const struct pdev *pdev,
		       const struct pdev_props *props, int *fd)
{
	if (has_state(pdev))
		*fd = open_state(lun, pdev, props, initiator_of(lun->ctl));
	else if (pdev->kind == PDEV_ISCSI)
		*fd = pdev_iscsi_login(pdev, port_of(lun), lun->error,
				       sizeof(lun->error));
	else
		return 0; /* a guard may be there */
	return *fd < 0 ? *fd : 0;
}

/* null has nothing of its own to be told by, and a drive is not its medium:
 * their place will do. */
static void name_place(const struct vscsi_lun *lun, const struct pdev *pdev,
		       struct pdev_props *props)
{
	char text[96];

	if (pdev->options.naa)
		return;
	snprintf(text, sizeof(text), "%s:%016" PRIx64 ":%u:%u:%u",
		 pdev->cdrom ? "cdrom" : "null", initiator_of(lun->ctl),
		 lun->at.channel, lun->at.target, lun->at.lun);
	props->naa = probe_naa(text);
	if (!pdev->options.serial[0])
		snprintf(props->serial, sizeof(props->serial), "%016" PRIx64,
			 props->naa);
}

static void fill(struct proto_lun *out, const struct vscsi_lun *lun,
		 const struct pdev *pdev, const struct pdev_props *props)
{
	snprintf(out->kind, sizeof(out->kind), "%s",
		 pdev->kind == PDEV_SG	    ? "sg"
		 : pdev->kind == PDEV_ISCSI ? "iscsi"
		 : pdev->kind == PDEV_VTL
			 ? (pdev->vtl_drive < 0 ? "changer" : "tape")
		 : pdev->cdrom ? "cdrom"
			       : "emulated");
	snprintf(out->storage, sizeof(out->storage), "%s", props->storage);
	snprintf(out->args, sizeof(out->args), "%s", props->args);
	out->size = props->size;
	out->block_size = props->block_size;
	out->phys_size = props->phys_size;
	out->align = props->align;
	out->discard_granularity = props->discard_granularity;
	out->depth = props->depth;
	out->flags = (props->read_only ? PROTO_LUN_READ_ONLY : 0) |
		     (props->discard ? PROTO_LUN_DISCARD : 0) |
		     (props->zero ? PROTO_LUN_ZERO : 0) |
		     (props->direct ? PROTO_LUN_DIRECT : 0) |
		     (props->rotational ? PROTO_LUN_ROTATIONAL : 0) |
		     (pdev->options.shared ? PROTO_LUN_SHARED : 0);
	out->naa = props->naa;
	out->initiator = initiator_of(lun->ctl);
	snprintf(out->serial, sizeof(out->serial), "%s", props->serial);
	snprintf(out->product, sizeof(out->product), "%s",
		 pdev->options.product);
	snprintf(out->id, sizeof(out->id), "%s", props->id);
}

/* The nodes' texts into PDEV and lun->at. */
static int parse(struct vscsi_lun *lun, struct pdev *pdev)
{
	struct pdev_options options;
	int rc;

	if (!lun->pname || !lun->vdev) {
		say(lun, "node %s is missing; attach it again",
		    lun->vdev ? WIRE_BUS_SCSI_PDEVNAME : WIRE_BUS_SCSI_VDEV);
		return -EINVAL;
	}
	rc = pdev_vdev_parse(&lun->at, lun->vdev, lun->error,
			     sizeof(lun->error));
	if (rc)
		return rc;
	if (lun->at.host != lun->ctl->dev.id) {
		say(lun, "vdev %s is not of controller %u; attach it again",
		    lun->vdev, lun->ctl->dev.id);
		return -EINVAL;
	}
	rc = pdev_options_parse(&options, lun->options, lun->error,
				sizeof(lun->error));
	if (rc)
		return rc;
	/* By the name that was given, not by what it meant at the time: a link
	 * in /dev/disk/by-id follows its disk. */
	if (!pdev_is_whole(lun->pname)) {
		say(lun, "pdev '%.200s' is no whole path; attach it again",
		    lun->pname);
		return -EINVAL;
	}
	return pdev_parse(pdev, lun->pname, &options, lun->error,
			  sizeof(lun->error));
}

/* For the next worker: the message, and descriptors. */
static int keep(struct vscsi_lun *lun, const struct proto_msg *msg,
		const int *fds)
{
	int rc = 0;

	bool again = pdev_is_connection(msg->u.lun.storage, msg->u.lun.args);

	drop_files(lun);
	for (int i = 0; i < PROTO_FDS_MAX && !again && !rc; i++)
		if (fds[i] >= 0)
			rc = reopen_keep(
				&lun->file[i], fds[i],
				!(msg->u.lun.flags & PROTO_LUN_SHARED));
	if (rc) {
		say(lun, "cannot keep its files: %s", strerror(-rc));
		return rc;
	}
	lun->order = *msg;
	return 0;
}

bool lun_is_connection(const struct vscsi_lun *lun)
{
	return lun->order.type && pdev_is_connection(lun->order.u.lun.storage,
						     lun->order.u.lun.args);
}

/* Has its server been waited for long enough? Then it is what it was, but all that
 * the guest asks of it fails: lun->error has why. A tape's does not come to that. */
static bool is_gone(struct vscsi_lun *lun, const struct pdev *pdev,
		    struct pdev_props *props)
{
	const struct proto_lun *p = &lun->order.u.lun;
	char text[PDEV_ERR_MAX + 64];

	if (!lun_is_connection(lun) || pdev->kind == PDEV_VTL ||
	    !(pdev_is_gone(p->storage, p->args) ||
	      device_waited(&lun->ctl->dev, DEVICE_CONN_S)))
		return false;
	*props = (struct pdev_props){
		.size = p->size,
		.block_size = p->block_size,
		.phys_size = p->phys_size,
		.align = p->align,
		.discard_granularity = p->discard_granularity,
		.read_only = p->flags & PROTO_LUN_READ_ONLY,
		.discard = p->flags & PROTO_LUN_DISCARD,
		.zero = p->flags & PROTO_LUN_ZERO,
		.rotational = p->flags & PROTO_LUN_ROTATIONAL,
		.naa = p->naa,
	};
	snprintf(props->serial, sizeof(props->serial), "%s", p->serial);
	snprintf(props->id, sizeof(props->id), "%.*s",
		 (int)sizeof(props->id) - 1, p->id);
	pdev_gone(props);
	snprintf(text, sizeof(text),
		 "%s; it has I/O errors until it is attached again",
		 lun->error);
	lun_log(lun, LOG_ERR, text);
	return true;
}

int lun_prepare(struct vscsi_lun *lun, struct proto_msg *msg, int *fds)
{
	struct claim_list *claims = &lun->ctl->dev.guest->daemon->claims;
	struct pdev_props props;
	struct pdev *pdev;
	int rc;

	lun->error[0] = '\0';
	memset(fds, -1, PROTO_FDS_MAX * sizeof(*fds));
	pdev = malloc(sizeof(*pdev)); /* two paths: too much for a stack */
	if (!pdev) {
		say(lun, "out of memory; try again");
		return -ENOMEM;
	}
	rc = parse(lun, pdev);
	if (!rc)
		rc = place_is_taken(lun) ? -EEXIST : 0;
	if (!rc)
		rc = claim_check_before(claims, pdev, lun->error,
					sizeof(lun->error));
	if (!rc)
		rc = pdev_guard(pdev, &fds[1], lun->error, sizeof(lun->error));
	pdev->again = lun->ctl->dev.restoring;
	if (!rc)
		rc = pdev_open(pdev, &fds[0], &props, lun->error,
			       sizeof(lun->error));
	if (rc && !is_gone(lun, pdev, &props))
		goto out;
	if (pdev->kind == PDEV_NULL || pdev->cdrom)
		name_place(lun, pdev, &props);
	rc = claim_check(claims, pdev, &props, lun->error, sizeof(lun->error));
	if (!rc && pdev->kind == PDEV_VTL)
		rc = claim_check_library(claims, pdev, &props,
					 lun->ctl->dev.guest, lun->vdev,
					 lun->error, sizeof(lun->error));
	if (rc)
		goto out;
	rc = open_second(lun, pdev, &props, &fds[1]);
	if (rc)
		goto out;
	/* Without one it works as well, until its worker dies. */
	if (!is_real(pdev) && lun->ctl->dev.guest->dir >= 0)
		fds[2] = rundir_lun(lun->ctl->dev.guest->dir, lun->vdev);
	memset(msg, 0, sizeof(*msg));
	msg->type = PROTO_LUN_ADD;
	msg->controller = lun->ctl->dev.id;
	msg->addr = lun_proto_addr(lun);
	fill(&msg->u.lun, lun, pdev, &props);
	if (fds[2] >= 0)
		msg->u.lun.flags |= PROTO_LUN_KEEP;
	lun->read_only = props.read_only;
	lun->size = props.size;
	lun->naa = props.naa;
	lun->sg = pdev->sg;
	rc = keep(lun, msg, fds);
	if (!rc)
		claim_take(claims, &lun->claim, lun->ctl->dev.guest, lun->vdev,
			   pdev, &props);
out:
	if (rc)
		close_fds(fds);
	free(pdev);
	return rc;
}

bool lun_moved(const struct vscsi_lun *lun)
{
	struct pdev_options options;
	char ignored[PDEV_ERR_MAX];
	struct pdev *pdev;
	bool moved;

	/* Not of the others, whose parsing may take its time. */
	if (!lun->sg.address[0] || pdev_options_parse(&options, lun->options,
						      ignored, sizeof(ignored)))
		return false;
	pdev = malloc(sizeof(*pdev));
	moved = pdev &&
		!pdev_parse(pdev, lun->pname, &options, ignored,
			    sizeof(ignored)) &&
		pdev->kind == PDEV_SG &&
		(pdev->sg.made != lun->sg.made ||
		 strcmp(pdev->sg.address, lun->sg.address));
	free(pdev);
	return moved;
}

/* The same files, opened anew. */
static int open_files(struct vscsi_lun *lun, int *fds)
{
	memset(fds, -1, PROTO_FDS_MAX * sizeof(*fds));
	for (int i = 0; i < PROTO_FDS_MAX; i++) {
		if (!lun->file[i].kept)
			continue;
		fds[i] = reopen_open(&lun->file[i]);
		if (fds[i] >= 0)
			continue;
		say(lun, "cannot open it again: %s", strerror(-fds[i]));
		i = fds[i];
		close_fds(fds);
		return i;
	}
	return 0;
}

/* Its node may be another device's by now, whose number it has got. */
static bool has_gone(const struct vscsi_lun *lun)
{
	return lun->sg.address[0] && !sgdev_is_there(&sgdev_host, &lun->sg);
}

/* A disk whose commands are all its worker's. */
static bool can_be_fenced(const struct vscsi_lun *lun)
{
	return lun->sg.address[0] && lun->sg.type == SGDEV_TYPE_DISK &&
	       !(lun->order.u.lun.flags & PROTO_LUN_SHARED);
}

void lun_note_idle(struct vscsi_lun *lun)
{
	const struct timespec pause = {.tv_nsec = LUN_LOOK_NS};
	uint32_t n, tries;

	lun->idle = 0;
	/* Somebody may be reading it: udev, to see what it is. */
	for (tries = 0; tries < 3; tries++) {
		if (!can_be_fenced(lun) ||
		    sgdev_active(&sgdev_host, &lun->sg, &n))
			return;
		if (!tries || n < lun->idle)
			lun->idle = n;
		if (!lun->idle)
			return;
		nanosleep(&pause, NULL);
	}
}

bool lun_look(struct vscsi_lun *lun)
{
	uint32_t n;

	lun->quiet = can_be_fenced(lun) &&
		     !sgdev_active(&sgdev_host, &lun->sg, &n) && n == lun->idle;
	return lun->quiet;
}

/*
 * What the dead worker gave a disk may be executed after the first commands of its
 * successor, which it would undo: those wait. But not for ever; without that the
 * guest does again what was under way, and decides in which order. (Other devices
 * execute one command after the other.)
 */
static int fence(struct vscsi_lun *lun, struct proto_msg *msg)
{
	uint32_t n;

	if (!can_be_fenced(lun) || sgdev_active(&sgdev_host, &lun->sg, &n))
		return 0;
	if (lun->quiet && n == lun->idle) {
		msg->u.lun.flags |= PROTO_LUN_FENCED;
		return 0;
	}
	say(lun,
	    "commands of its last worker are with the disk still, or may be: %" PRId32,
	    (int32_t)(n - lun->idle));
	if (lun->ctl->dev.tries + 1 < VSCSI_LUN_TRIES)
		return -EBUSY;
	lun_log(lun, LOG_WARNING, lun->error);
	return 0;
}

int lun_again(struct vscsi_lun *lun, struct proto_msg *msg, int *fds)
{
	int rc;

	if (lun->order.type && !lun_is_connection(lun) && !has_gone(lun)) {
		*msg = lun->order;
		rc = open_files(lun, fds);
	} else {
		claim_drop(&lun->claim);
		lun->quiet = false;
		lun->idle = 0;
		rc = lun_prepare(lun, msg, fds);
	}
	msg->u.lun.flags |= PROTO_LUN_RESUME;
	if (!rc) {
		rc = fence(lun, msg);
		if (rc)
			close_fds(fds);
	}
	return rc;
}

void lun_take_over(struct vscsi_lun *lun, const struct proto_msg *order)
{
	struct guest *guest = lun->ctl->dev.guest;
	const struct proto_lun *p = &order->u.lun;

	lun->added = lun->given = true;
	/* Of a file it takes its descriptors, too. */
	if (pdev_is_connection(p->storage, p->args))
		lun->order = *order;
	lun->read_only = p->flags & PROTO_LUN_READ_ONLY;
	lun->size = p->size;
	lun->naa = p->naa;
	lun->at = (struct pdev_vdev){.host = (uint16_t)lun->ctl->dev.id,
				     .channel = order->addr.channel,
				     .target = order->addr.target,
				     .lun = order->addr.lun};
	if (!lun->claim.held)
		claim_hold(&guest->daemon->claims, &lun->claim, guest,
			   lun->vdev ? lun->vdev : "", p->id, p->naa,
			   p->flags & PROTO_LUN_SHARED);
}

int lun_place(struct vscsi_lun *lun)
{
	if (!lun->vdev)
		return -EINVAL;
	return pdev_vdev_parse(&lun->at, lun->vdev, lun->error,
			       sizeof(lun->error));
}

bool lun_in_use(const struct vscsi_lun *lun)
{
	return lun->present && !lun->lost &&
	       (lun->state == WIRE_BUS_INITIALISED ||
		lun->state == WIRE_BUS_CONNECTED ||
		lun->state == WIRE_BUS_CLOSING);
}

void lun_release(struct vscsi_lun *lun)
{
	lun->added = lun->given = false;
	drop_files(lun);
	claim_drop(&lun->claim);
	lun->naa = 0;
}

struct proto_addr lun_proto_addr(const struct vscsi_lun *lun)
{
	struct proto_addr addr = {.channel = lun->at.channel,
				  .target = lun->at.target,
				  .lun = lun->at.lun};

	return addr;
}
