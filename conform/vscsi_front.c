/* SPDX-License-Identifier: BSD-2-Clause */
#include "conform/vscsi_front.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static bool make(struct conform *c)
{
	struct raw_vscsi *k = vscsi_of(c);

	return raw_make_luns(k, RAW_LUNS) ||
	       conform_fail(c, "on our side: %s", k->b.broken);
}

bool vscsi_connect(struct conform *c, uint32_t sg_grant, raw_script *script)
{
	struct raw_vscsi *k = vscsi_of(c);

	k->sg_grant = sg_grant;
	if (!make(c))
		return false;
	k->script = script;
	return raw_back_connect(&k->b);
}

static bool plain_make(struct conform *c)
{
	vscsi_of(c)->sg_grant = 0;
	return make(c);
}

static bool plain(struct conform *c)
{
	return vscsi_connect(c, 0, NULL);
}

struct conform_case *vscsi_front_cases(size_t *n)
{
	static const struct front_list *const lists[] = {
		&frontend_bus,	   &frontend_handshake, &frontend_luns,
		&frontend_results, &frontend_task,	&frontend_requests,
		&frontend_bogus,
	};

	return frontend_all(lists, XPV_ARRAY_SIZE(lists), n);
}

int vscsi_front_conform(const struct frontend_cfg *cfg,
			const struct conform_options *opt, uint32_t count[3],
			char *why, size_t len)
{
	static struct raw_vscsi k;
	struct frontend f = {.b = &k.b, .make = plain_make, .connect = plain};
	struct conform_case *all;
	size_t n;
	int rc;

	all = vscsi_front_cases(&n);
	if (!all) {
		snprintf(why, len, "out of memory");
		return -ENOMEM;
	}
	rc = raw_vscsi_open(&k, cfg, why, len);
	if (!rc) {
		rc = frontend_run(&f, all, n, opt, count, why, len);
		raw_vscsi_close(&k);
	}
	free(all);
	return rc;
}
