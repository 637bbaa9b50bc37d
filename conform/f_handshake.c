/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases for a PVSCSI frontend: features. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conform/vscsi_front.h"

/* What is offered, in text; what is kept to is looked at in each request. */
static void offers(struct conform *c, const void *arg)
{
	struct raw_vscsi *k = vscsi_of(c);
	uint32_t before = k->b.ill;
	char *end;

	k->sg_grant = 0;
	raw_make_luns(k, RAW_LUNS);
	raw_back_put(&k->b, WIRE_BUS_SCSI_SG_GRANT, arg);
	k->sg_grant = (uint32_t)strtoul(arg, &end, 10);
	if (*end || k->sg_grant < WIRE_SCSI_SEGS || k->sg_grant > 65535)
		k->sg_grant = 0;
	if (!raw_back_connect(&k->b))
		return;
	frontend_idle(&k->b, 10000);
	frontend_stimulate(&k->b);
	if (k->b.ill != before)
		conform_fail(c, "%s", k->b.ill_why);
	conform_note(c, "%" PRIu32 " requests, %" PRIu32 " with lists", k->cdbs,
		     k->listed);
}

#define SHAKE(text, rule, function, ...)                                       \
	{                                                                      \
		.family = "handshake", .name = (text), .clause = &(rule),      \
		.run = (function), .arg = (__VA_ARGS__)                        \
	}

static const struct conform_case cases[] = {
	SHAKE("feature-sg-grant 26", clause_sg_grant, offers, "26"),
	SHAKE("feature-sg-grant 64", clause_sg_grant, offers, "64"),
	SHAKE("feature-sg-grant 65535", clause_sg_grant, offers, "65535"),
	SHAKE("feature-sg-grant 0", clause_sg_grant, offers, "0"),
	SHAKE("feature-sg-grant 7", clause_sg_grant, offers, "7"),
	SHAKE("feature-sg-grant is a word", clause_sg_grant, offers, "many"),
	SHAKE("feature-sg-grant is negative", clause_sg_grant, offers, "-1"),
	SHAKE("feature-sg-grant is 2^32", clause_sg_grant, offers,
	      "4294967296"),
};

const struct front_list frontend_handshake = {cases, XPV_ARRAY_SIZE(cases)};
