/* SPDX-License-Identifier: BSD-2-Clause */
/* The VDEV[,options] argument: see vdev.h. */
#include "control/vdev.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Beyond these the guest would be told of a device which its SCSI layer cannot
 * reach: the handshake would succeed and nothing would appear.
 */
static int check_reach(const struct pdev_vdev *at, const char *text, char *err,
		       size_t len)
{
	const char *part;
	unsigned int max;

	if (at->channel > VDEV_CHANNEL_MAX) {
		part = "channel";
		max = VDEV_CHANNEL_MAX;
	} else if (at->target > VDEV_TARGET_MAX) {
		part = "target";
		max = VDEV_TARGET_MAX;
	} else if (at->lun > VDEV_LUN_MAX) {
		part = "LUN";
		max = VDEV_LUN_MAX;
	} else {
		return 0;
	}
	snprintf(
		err, len,
		"vdev '%s': the %s is larger than %u, the last one that guests' "
		"drivers can address: use another target, LUN or controller",
		text, part, max);
	return -EINVAL;
}

int vdev_parse(struct pdev_vdev *at, struct pdev_options *options,
	       const char *text, char *err, size_t len)
{
	const char *comma = strchr(text, ',');
	size_t n = comma ? (size_t)(comma - text) : strlen(text);
	char place[VDEV_TEXT_MAX];
	int rc;

	if (!pdev_is_line(text)) {
		snprintf(err, len,
			 "vdev has a control character in it: try 0:0:0:0");
		return -EINVAL;
	}
	if (comma && !options) {
		snprintf(err, len,
			 "vdev '%s': options are not allowed here: give "
			 "H:C:T:L only",
			 text);
		return -EINVAL;
	}
	if (!n || n >= sizeof(place)) {
		snprintf(err, len,
			 "vdev '%s' is not of the form H:C:T:L (four numbers: "
			 "host, channel, target, LUN): try 0:0:0:0",
			 text);
		return -EINVAL;
	}
	memcpy(place, text, n);
	place[n] = '\0';

	rc = pdev_vdev_parse(at, place, err, len);
	if (rc)
		return rc;
	rc = check_reach(at, place, err, len);
	if (rc || !options)
		return rc;
	if (comma && !comma[1]) {
		snprintf(err, len,
			 "vdev '%s': nothing follows the comma: name an option "
			 "or leave the comma out",
			 text);
		return -EINVAL;
	}
	return pdev_options_parse(options, comma ? comma + 1 : NULL, err, len);
}

void vdev_format(const struct pdev_vdev *at, char *text)
{
	snprintf(text, VDEV_TEXT_MAX, "%u:%u:%u:%u", (unsigned int)at->host,
		 (unsigned int)at->channel, (unsigned int)at->target,
		 (unsigned int)at->lun);
}

bool vdev_is(const struct pdev_vdev *at, const char *node)
{
	struct pdev_vdev other;
	char ignored[PDEV_ERR_MAX];

	if (!node || pdev_vdev_parse(&other, node, ignored, sizeof(ignored)))
		return false;
	return other.host == at->host && other.channel == at->channel &&
	       other.target == at->target && other.lun == at->lun;
}
