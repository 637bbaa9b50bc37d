/* SPDX-License-Identifier: BSD-2-Clause */
#include "conform/vbd_front.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/xs.h"

static const struct vbd_offer plain;

static void tell_size(const struct raw_vbd *k)
{
	char text[XS_NUM_MAX];

	xs_format_u64(text, k->sectors);
	setenv("CONFORM_SECTORS", text, 1);
}

bool vbd_make(struct conform *c, const struct vbd_offer *offer,
	      vbd_script *script)
{
	struct raw_vbd *k = vbd_of(c);

	if (!raw_vbd_make(k, offer))
		return conform_fail(c, "on our side: %s", k->b.broken);
	k->script = script;
	tell_size(k);
	return true;
}

bool vbd_connect(struct conform *c, const struct vbd_offer *offer,
		 vbd_script *script)
{
	return vbd_make(c, offer, script) && raw_back_connect(back_of(c));
}

int vbd_stimulate(struct raw_vbd *k)
{
	tell_size(k);
	return frontend_stimulate(&k->b);
}

static bool plain_make(struct conform *c)
{
	return vbd_make(c, &plain, NULL);
}

static bool plain_connect(struct conform *c)
{
	return vbd_connect(c, &plain, NULL);
}

struct conform_case *vbd_front_cases(size_t *n)
{
	static const struct front_list *const lists[] = {
		&frontend_bus,	     &vbd_front_offers, &vbd_front_results,
		&vbd_front_requests, &vbd_front_bogus,
	};

	return frontend_all(lists, XPV_ARRAY_SIZE(lists), n);
}

int vbd_front_conform(const struct frontend_cfg *cfg,
		      const struct conform_options *opt, uint32_t count[3],
		      char *why, size_t len)
{
	static struct raw_vbd k;
	struct frontend f = {
		.b = &k.b, .make = plain_make, .connect = plain_connect};
	struct conform_case *all;
	size_t n;
	int rc;

	all = vbd_front_cases(&n);
	if (!all) {
		snprintf(why, len, "out of memory");
		return -ENOMEM;
	}
	rc = raw_vbd_open(&k, cfg, why, len);
	if (!rc) {
		rc = frontend_run(&f, all, n, opt, count, why, len);
		raw_vbd_close(&k);
	}
	free(all);
	return rc;
}
