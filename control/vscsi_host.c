/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A whole SCSI adapter as a controller: see vscsi_host.h.
 */
#include "control/vscsi_host.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/device_round.h"
#include "control/vdev.h"
#include "control/vscsi.h"

/* Of one change. */
#define WRITES_MAX 8

void vscsi_host_read(struct vscsi *ctl)
{
	struct vscsi_host *host = &ctl->host;
	const char *text = tree_get(ctl->dev.back, VSCSI_HOST);
	const char *made = tree_get(ctl->dev.back, VSCSI_MADE);

	host->whole = text && made &&
		      sscanf(text, "host:%" SCNu32, &host->number) == 1;
	host->made = host->whole ? strtoull(made, NULL, 10) : 0;
}

/* ------------------------------------------------------------------- plan */

struct look {
	struct vscsi *ctl;
	bool here[VSCSI_LUNS_MAX]; /* luns[i] is still what it was */
};

static struct vscsi_host_change *add_change(struct vscsi *ctl)
{
	struct vscsi_host *host = &ctl->host;
	struct vscsi_host_change *more;

	if (host->changes == VSCSI_LUNS_MAX)
		return NULL;
	more = realloc(host->change, (host->changes + 1) * sizeof(*more));
	if (!more)
		return NULL;
	host->change = more;
	more += host->changes++;
	memset(more, 0, sizeof(*more));
	return more;
}

/* The lowest N that is neither there nor about to be. */
static uint32_t free_number(const struct vscsi *ctl)
{
	uint32_t n = 0;
	bool taken;

	do {
		taken = false;
		for (size_t i = 0; i < ctl->nluns; i++)
			taken = taken || ctl->luns[i]->number == n;
		for (size_t i = 0; i < ctl->host.changes; i++)
			taken = taken ||
				(ctl->host.change[i].kind == HOST_ADD &&
				 ctl->host.change[i].number == n);
		n += taken;
	} while (taken);
	return n;
}

static bool is_lun(const struct vscsi_lun *lun, const char *vdev,
		   const struct sgdev *dev)
{
	struct pdev_options options;
	char ignored[PDEV_ERR_MAX];

	return lun->present && lun->vdev && !strcmp(lun->vdev, vdev) &&
	       !pdev_options_parse(&options, lun->options, ignored,
				   sizeof(ignored)) &&
	       !strcmp(options.wwid, dev->wwid);
}

/* A device of some adapter. */
static void look_at(void *ctx, const struct sgdev *dev)
{
	struct look *look = ctx;
	struct vscsi *ctl = look->ctl;
	struct vscsi_host_change *change;
	struct pdev_vdev at;
	unsigned int h, c, t;
	unsigned long long l;
	char vdev[VDEV_TEXT_MAX];
	bool place_taken = false;

	/* Without an sg node it is only about to appear. */
	if (sscanf(dev->address, "%u:%u:%u:%llu", &h, &c, &t, &l) != 4 ||
	    h != ctl->host.number || !dev->sg[0] || c > VDEV_CHANNEL_MAX ||
	    t > VDEV_TARGET_MAX || l > VDEV_LUN_MAX)
		return;
	at = (struct pdev_vdev){.host = (uint16_t)ctl->dev.id,
				.channel = (uint16_t)c,
				.target = (uint16_t)t,
				.lun = (uint16_t)l};
	vdev_format(&at, vdev);
	for (size_t i = 0; i < ctl->nluns; i++) {
		if (is_lun(ctl->luns[i], vdev, dev))
			look->here[i] = true;
		place_taken = place_taken ||
			      (ctl->luns[i]->present && ctl->luns[i]->vdev &&
			       !strcmp(ctl->luns[i]->vdev, vdev));
	}
	change = place_taken ? NULL : add_change(ctl);
	if (!change)
		return;
	change->number = UINT32_MAX;
	change->number = free_number(ctl);
	change->dev = *dev;
	snprintf(change->vdev, sizeof(change->vdev), "%s", vdev);
	snprintf(change->node, sizeof(change->node), "/dev/%s", dev->sg);
	snprintf(change->options, sizeof(change->options), "wwid=%s",
		 dev->wwid);
}

/* LUNs whose devices are gone: first closed, then removed. */
static void close_gone(const struct look *look)
{
	struct vscsi *ctl = look->ctl;
	struct vscsi_host_change *change;

	for (size_t i = 0; i < ctl->nluns; i++) {
		const struct vscsi_lun *lun = ctl->luns[i];

		if (look->here[i] || !lun->present)
			continue;
		change = add_change(ctl);
		if (!change)
			return;
		change->kind = lun->state == WIRE_BUS_CLOSED ? HOST_REMOVE
							     : HOST_CLOSE;
		change->number = lun->number;
	}
}

/* Is nothing under way between the ends that these changes could disturb? */
static bool at_rest(const struct vscsi *ctl)
{
	const struct device *dev = &ctl->dev;

	for (size_t i = 0; i < ctl->nluns; i++) {
		const struct vscsi_lun *lun = ctl->luns[i];

		if (lun->action != BUS_LUN_NONE || lun->again ||
		    (lun->present && lun->state != WIRE_BUS_CONNECTED &&
		     lun->state != WIRE_BUS_CLOSED) ||
		    (lun->present && lun->next != lun->state))
			return false;
	}
	return dev->step.action == BUS_NONE && dev->facts.connected &&
	       dev->facts.own == WIRE_BUS_CONNECTED &&
	       dev->facts.front == WIRE_BUS_CONNECTED;
}

/* At first there is nobody yet who could be disturbed. */
static bool at_start(const struct vscsi *ctl)
{
	return ctl->dev.step.action == BUS_ANNOUNCE && ctl->nluns == 0;
}

void vscsi_host_plan(struct vscsi *ctl)
{
	struct look look = {.ctl = ctl};
	bool rest = at_rest(ctl);

	vscsi_host_clean(ctl);
	/* What has come to the adapter meanwhile has had its event: it is seen
	 * when the ends are done with each other. */
	if (ctl->host.whole && ctl->dev.facts.connected && !rest)
		ctl->dev.settle = true;
	if (!ctl->host.whole || ctl->dev.leave || (!rest && !at_start(ctl)) ||
	    sgdev_host_made(&sgdev_host, ctl->host.number) != ctl->host.made)
		return;
	sgdev_each(&sgdev_host, look_at, &look);
	close_gone(&look);
	/* What is closed already can go without the frontend. */
	for (size_t i = 0; i < ctl->host.changes && rest; i++)
		if (ctl->host.change[i].kind != HOST_REMOVE)
			ctl->dev.step.next = WIRE_BUS_RECONFIGURING;
}

/* ----------------------------------------------------------------- writes */

size_t vscsi_host_writes_max(const struct vscsi *ctl)
{
	return WRITES_MAX * ctl->host.changes;
}

static void write_change(struct device_writes *w, const struct device *dev,
			 const struct vscsi_host_change *change)
{
	char dir[48], node[64];
	const struct {
		const char *name, *value;
	} nodes[] = {
		{WIRE_BUS_SCSI_PDEVNAME, change->dev.address},
		{"p-dev", change->node},
		{WIRE_BUS_SCSI_VDEV, change->vdev},
		{"options", change->options},
		{WIRE_BUS_STATE, "1"},
	};

	snprintf(dir, sizeof(dir), WIRE_BUS_SCSI_DEVS "/dev-%" PRIu32,
		 change->number);
	snprintf(node, sizeof(node), "%s/" WIRE_BUS_STATE, dir);
	/* What the guest said of the last one with this number is no answer. */
	if (change->kind != HOST_CLOSE)
		device_add_front_rm(w, dev, dir);
	switch (change->kind) {
	case HOST_ADD:
		device_add_write(w, dev, STORE_OP_EXPECT, node, NULL);
		for (size_t i = 0; i < XPV_ARRAY_SIZE(nodes); i++) {
			snprintf(node, sizeof(node), "%s/%s", dir,
				 nodes[i].name);
			device_add_write(w, dev, STORE_OP_WRITE, node,
					 nodes[i].value);
		}
		break;
	case HOST_CLOSE:
		device_add_number(w, dev, STORE_OP_EXPECT, node,
				  WIRE_BUS_CONNECTED);
		device_add_number(w, dev, STORE_OP_WRITE, node,
				  WIRE_BUS_CLOSING);
		break;
	case HOST_REMOVE:
		device_add_number(w, dev, STORE_OP_EXPECT, node,
				  WIRE_BUS_CLOSED);
		device_add_write(w, dev, STORE_OP_RM, dir, NULL);
		break;
	}
}

void vscsi_host_writes(const struct vscsi *ctl, struct device_writes *w)
{
	for (size_t i = 0; i < ctl->host.changes; i++)
		write_change(w, &ctl->dev, &ctl->host.change[i]);
}

void vscsi_host_clean(struct vscsi *ctl)
{
	free(ctl->host.change);
	ctl->host.change = NULL;
	ctl->host.changes = 0;
}
