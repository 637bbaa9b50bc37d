/* SPDX-License-Identifier: BSD-2-Clause */
/* What is given out: see claim.h. */
#include "control/claim.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "control/guest.h"

static int refuse(const struct claim *other, const struct pdev *pdev, char *err,
		  size_t len)
{
	snprintf(
		err, len,
		"pdev '%.200s' is given to guest %s (dom %u) as %s already; detach it there, or add the option shared to both",
		pdev->name, other->guest->name[0] ? other->guest->name : "?",
		other->guest->domid, other->place);
	return -EBUSY;
}

/* May another have the same? A CD is read by as many as like. */
static bool may_share(const struct pdev *pdev)
{
	return pdev->options.shared || pdev->cdrom;
}

int claim_check(const struct claim_list *list, const struct pdev *pdev,
		const struct pdev_props *props, char *err, size_t len)
{
	const struct claim *other;

	LIST_FOREACH(other, list, entry) {
		if (props->id[0] && !strcmp(props->id, other->id)) {
			if (may_share(pdev) && other->shared)
				continue;
			return refuse(other, pdev, err, len);
		}
		if (!props->naa || props->naa != other->naa)
			continue;
		snprintf(
			err, len,
			"naa %016" PRIx64
			" is that of another LUN, of guest %s (dom %u); give this one another with the option naa",
			props->naa, other->guest->name, other->guest->domid);
		return -EBUSY;
	}
	return 0;
}

/* "H:" of a vdev, how long it is. */
static size_t controller_of(const char *place)
{
	return strcspn(place, ":") + 1;
}

int claim_check_library(const struct claim_list *list, const struct pdev *pdev,
			const struct pdev_props *props,
			const struct guest *guest, const char *place, char *err,
			size_t len)
{
	size_t library = (size_t)(strrchr(props->id, ':') - props->id) + 1;
	const struct claim *other;

	LIST_FOREACH(other, list, entry) {
		if (strncmp(props->id, other->id, library) ||
		    (other->guest == guest &&
		     !strncmp(place, other->place, controller_of(place))))
			continue;
		snprintf(
			err, len,
			"pdev '%.200s': another part of this library is %s of guest %s (dom %u); all of it goes to one controller of one guest",
			pdev->name, other->place, other->guest->name,
			other->guest->domid);
		return -EBUSY;
	}
	return 0;
}

int claim_check_before(const struct claim_list *list, const struct pdev *pdev,
		       char *err, size_t len)
{
	struct pdev_props props = {0};

	if (pdev_id(pdev, props.id))
		return 0; /* the open will say why */
	props.naa = pdev->options.naa;
	return claim_check(list, pdev, &props, err, len);
}

void claim_take(struct claim_list *list, struct claim *claim,
		const struct guest *guest, const char *place,
		const struct pdev *pdev, const struct pdev_props *props)
{
	claim_hold(list, claim, guest, place, props->id, props->naa,
		   may_share(pdev));
}

void claim_hold(struct claim_list *list, struct claim *claim,
		const struct guest *guest, const char *place, const char *id,
		uint64_t naa, bool shared)
{
	claim->guest = guest;
	snprintf(claim->place, sizeof(claim->place), "%s", place);
	snprintf(claim->id, sizeof(claim->id), "%s", id);
	claim->naa = naa;
	claim->shared = shared;
	claim->held = true;
	LIST_INSERT_HEAD(list, claim, entry);
}

void claim_drop(struct claim *claim)
{
	if (claim->held)
		LIST_REMOVE(claim, entry);
	claim->held = false;
}

void claim_replace(struct claim_list *list, struct claim *claim,
		   struct claim *next)
{
	claim_drop(claim);
	LIST_REMOVE(next, entry);
	*claim = *next;
	next->held = false;
	LIST_INSERT_HEAD(list, claim, entry);
}
