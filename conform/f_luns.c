/* SPDX-License-Identifier: BSD-2-Clause */
/* Cases for a frontend: LUNs that are there, come, go, or are none. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conform/vscsi_front.h"

/* Counts requests for the second LUN. */
static bool count_second(struct raw_vscsi *k, struct raw_req *r)
{
	k->b.step += r->req.lun == 1;
	return false;
}

static bool dev_is(struct conform *c, uint32_t n, uint32_t want,
		   const char *when)
{
	uint32_t state = raw_front_dev(vscsi_of(c), n);

	if (state == want)
		return true;
	return conform_fail(c, "%s its dev-%" PRIu32 " is %" PRIu32, when, n,
			    state);
}

static void found(struct conform *c, const void *arg)
{
	struct raw_vscsi *k = vscsi_of(c);

	(void)arg;
	if (!vscsi_connect(c, 0, count_second))
		return;
	dev_is(c, 0, WIRE_BUS_CONNECTED, "connected,");
	dev_is(c, 1, WIRE_BUS_CONNECTED, "connected,");
	frontend_idle(&k->b, 10000);
	if (!k->b.requests)
		frontend_stimulate(&k->b);
	if (!k->b.requests)
		conform_skip(c, "it has sent no request: --stimulus");
	else if (!k->b.step || k->b.step == k->b.requests)
		conform_fail(c,
			     "%" PRIu32 " of %" PRIu32
			     " requests were for the second LUN",
			     k->b.step, k->b.requests);
	conform_note(c, "%" PRIu32 " requests", k->b.requests);
}

static bool add_second(struct conform *c)
{
	struct raw_vscsi *k = vscsi_of(c);
	char vdev[32];

	snprintf(vdev, sizeof(vdev), "%" PRIu32 ":0:0:1", k->b.unit);
	raw_add_dev(k, 1, vdev, WIRE_BUS_INITIALISING);
	raw_back_put_u32(&k->b, WIRE_BUS_STATE, WIRE_BUS_RECONFIGURING);
	if (!frontend_wants(c, WIRE_BUS_RECONFIGURING, "at 7"))
		return false;
	raw_dev_state(k, 1, WIRE_BUS_INITIALISED);
	raw_back_put_u32(&k->b, WIRE_BUS_STATE, WIRE_BUS_RECONFIGURED);
	if (!frontend_wants(c, WIRE_BUS_CONNECTED, "at 8"))
		return false;
	dev_is(c, 1, WIRE_BUS_CONNECTED, "at 8");
	raw_dev_state(k, 1, WIRE_BUS_CONNECTED);
	raw_back_put_u32(&k->b, WIRE_BUS_STATE, WIRE_BUS_CONNECTED);
	frontend_idle(&k->b, 10000);
	return true;
}

static bool remove_second(struct conform *c)
{
	struct raw_vscsi *k = vscsi_of(c);

	raw_dev_state(k, 1, WIRE_BUS_CLOSING);
	raw_back_put_u32(&k->b, WIRE_BUS_STATE, WIRE_BUS_RECONFIGURING);
	if (!frontend_wants(c, WIRE_BUS_RECONFIGURING, "at 7"))
		return false;
	dev_is(c, 1, WIRE_BUS_CLOSED, "at 7");
	raw_dev_state(k, 1, WIRE_BUS_CLOSED);
	raw_back_put_u32(&k->b, WIRE_BUS_STATE, WIRE_BUS_RECONFIGURED);
	if (!frontend_wants(c, WIRE_BUS_CONNECTED, "at 8"))
		return false;
	raw_back_put_u32(&k->b, WIRE_BUS_STATE, WIRE_BUS_CONNECTED);
	raw_serve(&k->b, 500, NULL);
	return true;
}

static void plugged(struct conform *c, const void *arg)
{
	const uint32_t *rounds = arg;
	struct raw_vscsi *k = vscsi_of(c);
	uint32_t i;

	k->sg_grant = 0;
	raw_make_luns(k, 1);
	k->script = count_second;
	if (!raw_back_connect(&k->b))
		return;
	frontend_idle(&k->b, 10000);
	for (i = 0; i < *rounds; i++) {
		k->b.step = 0;
		if (!add_second(c))
			return;
		if (!k->b.step)
			frontend_stimulate(&k->b);
		if (!k->b.step && k->b.requests)
			conform_fail(c, "the new LUN is not used");
		if (!remove_second(c))
			return;
		k->b.step = 0;
		raw_serve(&k->b, 500, NULL);
		if (k->b.step)
			conform_fail(c, "the removed LUN is still used");
	}
}

/* The second LUN says of itself that it is not there. */
static bool refuse_second(struct raw_vscsi *k, struct raw_req *r)
{
	if (r->req.lun != 1)
		return false;
	raw_answer(k, r, WIRE_SCSI_HOST_NO_CONNECT << 16);
	return true;
}

static void silent(struct conform *c, const void *arg)
{
	(void)arg;
	if (!vscsi_connect(c, 0, refuse_second))
		return;
	dev_is(c, 0, WIRE_BUS_CONNECTED, "connected,");
	/* a driver that looks at it first gives it up: 6 */
	conform_note(c, "dev-1 is %" PRIu32, raw_front_dev(vscsi_of(c), 1));
}

/* A second device whose v-dev is ARG. */
static void bad_vdev(struct conform *c, const void *arg)
{
	struct raw_vscsi *k = vscsi_of(c);

	k->sg_grant = 0;
	raw_make_luns(k, 1);
	raw_add_dev(k, 1, arg, WIRE_BUS_INITIALISED);
	if (!raw_back_connect(&k->b))
		return;
	dev_is(c, 0, WIRE_BUS_CONNECTED, "connected,");
	conform_note(c, "dev-1 is %" PRIu32, raw_front_dev(k, 1));
}

#define LUN(text, rule, function, ...)                                         \
	{                                                                      \
		.family = "luns", .name = (text), .clause = &(rule),           \
		.run = (function), .arg = (__VA_ARGS__)                        \
	}

static const uint32_t once = 1, thrice = 3;

static const struct conform_case cases[] = {
	LUN("both are found", clause_devs, found, NULL),
	LUN("one is added, and removed", clause_plug_add, plugged, &once),
	LUN("three times", clause_plug_remove, plugged, &thrice),
	LUN("one is not there", clause_address, silent, NULL),
	LUN("v-dev of three numbers", clause_devs, bad_vdev, "1:0:0"),
	LUN("v-dev of words", clause_devs, bad_vdev, "a:b:c:d"),
	LUN("v-dev of large numbers", clause_devs, bad_vdev,
	    "0:4294967295:4294967295:4294967295"),
	LUN("target 999", clause_devs, bad_vdev, "0:0:999:0"),
	LUN("LUN 65535", clause_devs, bad_vdev, "0:0:0:65535"),
};

const struct front_list frontend_luns = {cases, XPV_ARRAY_SIZE(cases)};
