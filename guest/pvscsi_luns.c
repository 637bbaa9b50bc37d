/* SPDX-License-Identifier: BSD-2-Clause */
/* The LUNs of a controller, as both ends' nodes name them: see pvscsi.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "guest/pvscsi.h"

/* "H:C:T:L" of a v-dev node; only the last three matter here. */
static bool parse_vdev(const char *text, struct scsi_addr *addr)
{
	unsigned h, c, t, l;
	char rest;

	if (!text ||
	    sscanf(text, "%u:%u:%u:%u%c", &h, &c, &t, &l, &rest) != 4 ||
	    c > UINT16_MAX || t > UINT16_MAX || l > UINT16_MAX)
		return false;
	*addr = (struct scsi_addr){(uint16_t)c, (uint16_t)t, (uint16_t)l};
	return true;
}

/* N of a node dev-N, or false. */
static bool parse_dev(const char *name, uint32_t *dev)
{
	const size_t n = sizeof(WIRE_BUS_SCSI_DEV) - 1;

	return !strncmp(name, WIRE_BUS_SCSI_DEV, n) &&
	       !xs_parse_u32(name + n, strlen(name + n), dev);
}

/* The LUN that a child of vscsi-devs in TREE is; false: it is none. */
static bool read_lun(struct pvscsi *v, const struct store_tree *tree,
		     const struct store_node *node, struct pvscsi_lun *lun)
{
	char path[DEVICE_PATH_LEN];

	*lun = (struct pvscsi_lun){0};
	if (!parse_dev(tree_name(node), &lun->dev))
		return false;
	snprintf(path, sizeof(path), "%s/v-dev", node->path);
	lun->named = parse_vdev(tree_get(tree, path), &lun->addr);
	snprintf(path, sizeof(path), "%s/state", node->path);
	lun->state = gdev_state(v->dev.back_tree, path);
	lun->own = gdev_state(v->dev.front_tree, path);
	return true;
}

/* Add LUN to the first N, with what is known of it. How many there are. */
static uint32_t keep_lun(struct pvscsi *v, uint32_t n, struct pvscsi_lun lun)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		if (v->lun[i].dev == lun.dev)
			return n; /* the backend's end was first */
	for (i = n; i < v->nluns && v->lun[i].dev != lun.dev;)
		i++;
	if (i < v->nluns) {
		lun.present = v->lun[i].present;
		lun.block = lun.present ? v->lun[i].block : 0;
		v->lun[i] = v->lun[n];
	}
	v->lun[n] = lun;
	if (n == v->nluns)
		v->nluns++;
	return n + 1;
}

void pvscsi_luns_read(struct pvscsi *v)
{
	const struct store_tree *tree[] = {v->dev.back_tree, v->dev.front_tree};
	const struct store_node *c;
	struct pvscsi_lun lun;
	uint32_t n = 0;

	for (size_t t = 0; t < XPV_ARRAY_SIZE(tree); t++)
		for (c = NULL;
		     n < PVSCSI_LUNS_MAX &&
		     (c = tree_child(tree[t], WIRE_BUS_SCSI_DEVS, c));)
			if (read_lun(v, tree[t], c, &lun))
				n = keep_lun(v, n, lun);
	v->nluns = n;
}

void pvscsi_luns_write(struct pvscsi *v, struct gdev_change *c)
{
	struct bus_front_lun_step step;
	char leaf[64];

	for (uint32_t i = 0; i < v->nluns; i++) {
		struct pvscsi_lun *lun = &v->lun[i];

		step = bus_front_lun_step(&v->dev.facts, &v->dev.step, lun->own,
					  lun->state);
		if (step.action == BUS_FRONT_LUN_ADD)
			lun->present = lun->named;
		else if (step.action == BUS_FRONT_LUN_DEL)
			lun->present = false;
		if (step.next == lun->own)
			continue;
		snprintf(leaf, sizeof(leaf),
			 WIRE_BUS_SCSI_DEVS "/" WIRE_BUS_SCSI_DEV "%" PRIu32
					    "/" WIRE_BUS_STATE,
			 lun->dev);
		gdev_write(c, &v->dev, leaf, step.next);
	}
}
