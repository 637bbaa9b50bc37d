/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Another medium for a drive that a guest has: see vscsi_lun.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/daemon.h"
#include "control/device_round.h"
#include "control/vscsi.h"

bool lun_medium_wanted(const struct vscsi_lun *lun)
{
	return lun->added && lun->medium &&
	       (!strncmp(lun->medium, "0 ", 2) ||
		!strncmp(lun->medium, "1 ", 2));
}

void lun_medium_clear(struct vscsi_lun *lun)
{
	claim_drop(&lun->next_claim);
	free(lun->next_medium);
	lun->next_medium = NULL;
	lun->change = false;
}

/* The text behind "0 " into lun->next_medium. */
static int parse(struct vscsi_lun *lun)
{
	char *err = lun->medium_error;
	int rc;

	lun->next_medium = malloc(sizeof(*lun->next_medium));
	if (!lun->next_medium) {
		snprintf(err, PDEV_ERR_MAX, "out of memory; try again");
		return -ENOMEM;
	}
	rc = pdev_parse(lun->next_medium, lun->medium + 2, NULL, err,
			PDEV_ERR_MAX);
	if (!rc && !pdev_is_cdrom(lun->pname ? lun->pname : "")) {
		snprintf(err, PDEV_ERR_MAX,
			 "its media cannot be changed; it is no CD drive");
		rc = -EINVAL;
	}
	if (!rc && (!lun->next_medium->cdrom ||
		    !pdev_is_whole(lun->next_medium->name))) {
		snprintf(err, PDEV_ERR_MAX,
			 "pdev '%.200s' is no CD; give cdrom:/path",
			 lun->medium + 2);
		rc = -EINVAL;
	}
	return rc;
}

static void fill(struct proto_msg *msg, const struct vscsi_lun *lun,
		 const struct pdev_props *props)
{
	struct proto_lun *p = &msg->u.lun;

	memset(msg, 0, sizeof(*msg));
	msg->type = PROTO_LUN_MEDIUM;
	msg->addr = lun_proto_addr(lun);
	device_message(&lun->ctl->dev, msg);
	snprintf(p->storage, sizeof(p->storage), "%s", props->storage);
	snprintf(p->args, sizeof(p->args), "%s", props->args);
	p->size = props->size;
	p->block_size = props->block_size;
	p->align = props->align;
	p->flags = PROTO_LUN_READ_ONLY |
		   (lun->medium[0] == '1' ? PROTO_LUN_FORCE : 0);
}

int lun_medium_prepare(struct vscsi_lun *lun, struct proto_msg *msg, int *fd)
{
	struct claim_list *claims = &lun->ctl->dev.guest->daemon->claims;
	struct pdev_props props;
	int rc;

	*fd = -1;
	lun->medium_error[0] = '\0';
	rc = parse(lun);
	if (!rc)
		rc = pdev_open(lun->next_medium, fd, &props, lun->medium_error,
			       PDEV_ERR_MAX);
	if (rc)
		return rc;
	props.naa = 0; /* that of the drive stays */
	rc = claim_check(claims, lun->next_medium, &props, lun->medium_error,
			 PDEV_ERR_MAX);
	if (rc) {
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
		return rc;
	}
	claim_take(claims, &lun->next_claim, lun->ctl->dev.guest, lun->vdev,
		   lun->next_medium, &props);
	lun->next_claim.naa = lun->naa;
	lun->next_size = props.size;
	fill(msg, lun, &props);
	return 0;
}

void lun_medium_settle(struct vscsi_lun *lun)
{
	struct claim_list *claims = &lun->ctl->dev.guest->daemon->claims;
	char text[PDEV_ERR_MAX + 64];

	if (lun->rc) {
		if (lun->rc == -EBUSY && !lun->medium_error[0])
			snprintf(
				lun->medium_error, sizeof(lun->medium_error),
				"the guest has locked it; unmount it there and try again, or use --force");
		if (!lun->medium_error[0])
			snprintf(lun->medium_error, sizeof(lun->medium_error),
				 "%s", lun->error);
		lun->error[0] = '\0'; /* what it has is served all the same */
		claim_drop(&lun->next_claim);
		snprintf(text, sizeof(text), "its medium stays: %s",
			 lun->medium_error);
		lun_log(lun, LOG_WARNING, text);
		return;
	}
	claim_replace(claims, &lun->claim, &lun->next_claim);
	lun->order.type = 0; /* a new worker gets what the nodes say now */
	lun->size = lun->next_size;
	snprintf(text, sizeof(text), "its medium is %.300s, %" PRIu64 " bytes",
		 lun->next_medium->name, lun->size);
	lun_log(lun, LOG_INFO, text);
}

void lun_medium_writes(const struct vscsi_lun *lun, struct device_writes *w)
{
	const struct device *dev = &lun->ctl->dev;
	char name[64];

	snprintf(name, sizeof(name), "vscsi-devs/dev-%" PRIu32 "/medium",
		 lun->number);
	if (lun->rc) {
		device_add_write(w, dev, STORE_OP_WRITE, name,
				 lun->medium_error);
		return;
	}
	device_add_write(w, dev, STORE_OP_RM, name, NULL);
	snprintf(name, sizeof(name), "vscsi-devs/dev-%" PRIu32 "/p-devname",
		 lun->number);
	device_add_write(w, dev, STORE_OP_WRITE, name, lun->next_medium->name);
	snprintf(name, sizeof(name), "vscsi-devs/dev-%" PRIu32 "/p-dev",
		 lun->number);
	device_add_write(w, dev, STORE_OP_WRITE, name, lun->next_medium->path);
}
