/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases for a frontend: what its requests are like. */
#include <inttypes.h>

#include "conform/vscsi_front.h"

/* I/O of all kinds, by the command of --stimulus. */
static void load(struct conform *c, const void *arg)
{
	const uint32_t *sg_grant = arg;
	struct raw_vscsi *k = vscsi_of(c);
	uint32_t before = k->b.ill;
	int status;

	if (!c->opt->stimulus) {
		conform_skip(c, "--stimulus is not given");
		return;
	}
	if (!vscsi_connect(c, *sg_grant, NULL))
		return;
	frontend_idle(&k->b, 10000);
	status = frontend_stimulate(&k->b);
	if (status)
		conform_fail(c, "the command of --stimulus ends with %d",
			     status);
	if (k->b.ill != before)
		conform_fail(c, "%s", k->b.ill_why);
	conform_note(c, "%" PRIu32 " requests, %" PRIu32 " with lists",
		     k->b.requests, k->listed);
}

static void clean(struct conform *c, const void *arg)
{
	struct raw_vscsi *k = vscsi_of(c);

	(void)arg;
	if (k->unclean && c->opt->strict)
		conform_fail(c, "%" PRIu32 " of %" PRIu32 " requests",
			     k->unclean, k->b.all);
	conform_note(c, "rests in %" PRIu32 " of %" PRIu32 " requests",
		     k->unclean, k->b.all);
}

static const uint32_t none, some = 128;

static const struct conform_case cases[] = {
	{.family = "requests",
	 .name = "load without lists",
	 .clause = &clause_segments,
	 .seconds = 120,
	 .run = load,
	 .arg = &none},
	{.family = "requests",
	 .name = "load with lists",
	 .clause = &clause_list_max,
	 .seconds = 120,
	 .run = load,
	 .arg = &some},
	{.family = "requests",
	 .name = "all requests so far",
	 .clause = &clause_page,
	 .run = frontend_all_requests},
	{.family = "requests",
	 .name = "what is not used is zero",
	 .clause = &clause_reserved,
	 .run = clean},
};

const struct front_list frontend_requests = {cases, XPV_ARRAY_SIZE(cases)};
