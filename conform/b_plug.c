/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cases for a backend: hot plug of a LUN. The toolstack's part is done by the
 * command of --hotplug, which may return before the device is there; the
 * frontend's is done here.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conform/backend.h"

/* The first dev-N in state A or B; WIRE_BUS_SCSI_DEV number, or -1. */
static int find_dev(struct backend *b, uint32_t a, uint32_t other)
{
	char leaf[64];
	uint32_t state;
	int n;

	for (n = 0; n < 64; n++) {
		snprintf(leaf, sizeof(leaf), "vscsi-devs/dev-%d/state", n);
		state = raw_back_u32(&b->front, leaf);
		if (state && (state == a || state == other))
			return n;
	}
	return -1;
}

/* The backend asks: it is in state 7, and a dev-N in state A or OTHER. */
static int asked(struct conform *c, uint32_t a, uint32_t other)
{
	struct backend *b = backend_of(c);
	int n;

	raw_wait(&b->front, WIRE_BUS_RECONFIGURING, WIRE_BUS_RECONFIGURING);
	n = find_dev(b, a, other);
	if (n < 0)
		conform_fail(c,
			     "the command has led to no dev-N in state "
			     "%" PRIu32,
			     a);
	return n;
}

static void state_leaf(char leaf[64], int n)
{
	snprintf(leaf, 64, "vscsi-devs/dev-%d/state", n);
}

/* Wait for the backend's own state and the device's. */
static bool settled(struct conform *c, int n, uint32_t dev)
{
	struct backend *b = backend_of(c);
	uint32_t state, is;
	char leaf[64];

	state_leaf(leaf, n);
	state = raw_wait(&b->front, WIRE_BUS_CONNECTED, WIRE_BUS_CONNECTED);
	is = raw_wait_leaf(&b->front, leaf, dev, dev, 10000);
	if (state == WIRE_BUS_CONNECTED && is == dev)
		return true;
	return conform_fail(c, "backend %" PRIu32 ", dev-%d %" PRIu32, state, n,
			    is);
}

static bool ready_to_plug(struct conform *c, const char *what)
{
	if (!c->opt->hotplug) {
		conform_skip(c, "--hotplug is not given");
		return false;
	}
	if (conform_command(c, c->opt->hotplug, what) == 0)
		return true;
	return conform_fail(c, "the command of --hotplug fails for %s", what);
}

/* The address of dev-N goes into addr[1], behind which it stands alone. */
static bool address(struct backend *b, int n, struct scsi_addr *at)
{
	unsigned h, ch, id, lun;
	char leaf[64], text[64];

	snprintf(leaf, sizeof(leaf), "vscsi-devs/dev-%d/v-dev", n);
	if (!raw_back_text(&b->front, leaf, text, sizeof(text)) ||
	    sscanf(text, "%u:%u:%u:%u", &h, &ch, &id, &lun) != 4)
		return conform_fail(&b->c, "%s is '%s'", leaf, text);
	*at = (struct scsi_addr){(uint16_t)ch, (uint16_t)id, (uint16_t)lun};
	return true;
}

static struct wire_scsi_req ready_at(const struct backend *b,
				     const struct scsi_addr *at)
{
	struct wire_scsi_req req = backend_plain(b, 0, WIRE_SCSI_ACT_CDB);

	req.channel = at->channel;
	req.id = at->id;
	req.lun = at->lun;
	return req;
}

/* Those that are there already are served in between. */
static bool served_meanwhile(struct backend *b)
{
	struct wire_scsi_req req = backend_read(b, 0, 0, 8, 0);
	struct wire_scsi_rsp rsp;

	/* it may say that the list of LUNs is another now */
	backend_settle(b, 0);
	return backend_good(b, &req, &rsp, "READ of another LUN meanwhile");
}

static void add(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	struct wire_scsi_req req;
	struct wire_scsi_rsp rsp;
	struct scsi_addr at;
	char leaf[64];
	uint32_t state;
	int n, i;

	(void)arg;
	if (!ready_to_plug(c, "add"))
		return;
	n = asked(c, WIRE_BUS_INITIALISING, WIRE_BUS_INITIALISED);
	if (n < 0 || !served_meanwhile(b))
		return;
	raw_put_u32(&b->front, WIRE_BUS_STATE, WIRE_BUS_RECONFIGURING);
	state = raw_wait(&b->front, WIRE_BUS_RECONFIGURED,
			 WIRE_BUS_RECONFIGURED);
	if (state != WIRE_BUS_RECONFIGURED)
		conform_fail(c, "frontend 7, backend %" PRIu32, state);
	state_leaf(leaf, n);
	state = raw_wait_leaf(&b->front, leaf, WIRE_BUS_INITIALISED,
			      WIRE_BUS_INITIALISED, 10000);
	if (state != WIRE_BUS_INITIALISED)
		conform_fail(c, "dev-%d is %" PRIu32 " at backend 8", n, state);
	raw_put_u32(&b->front, leaf, WIRE_BUS_CONNECTED);
	raw_put_u32(&b->front, WIRE_BUS_STATE, WIRE_BUS_CONNECTED);
	if (!settled(c, n, WIRE_BUS_CONNECTED) || !address(b, n, &at))
		return;
	req = ready_at(b, &at);
	for (i = 0; i < 8 && backend_one(b, &req, &rsp) != GOOD; i++)
		;
	if (i == 8)
		conform_fail(c, "the new LUN: rslt %#" PRIx32,
			     (uint32_t)rsp.rslt);
	served_meanwhile(b);
}

static void take_away(struct conform *c, const void *arg)
{
	struct backend *b = backend_of(c);
	struct wire_scsi_req req;
	struct wire_scsi_rsp rsp;
	struct scsi_addr at;
	char leaf[64];
	uint32_t state;
	int n;

	(void)arg;
	if (!ready_to_plug(c, "remove"))
		return;
	n = asked(c, WIRE_BUS_CLOSING, WIRE_BUS_CLOSING);
	if (n < 0 || !address(b, n, &at) || !served_meanwhile(b))
		return;
	state_leaf(leaf, n);
	raw_put_u32(&b->front, leaf, WIRE_BUS_CLOSED);
	raw_put_u32(&b->front, WIRE_BUS_STATE, WIRE_BUS_RECONFIGURING);
	state = raw_wait(&b->front, WIRE_BUS_RECONFIGURED,
			 WIRE_BUS_RECONFIGURED);
	if (state != WIRE_BUS_RECONFIGURED)
		conform_fail(c, "frontend 7, backend %" PRIu32, state);
	raw_put_u32(&b->front, WIRE_BUS_STATE, WIRE_BUS_CONNECTED);
	state = raw_wait(&b->front, WIRE_BUS_CONNECTED, WIRE_BUS_CONNECTED);
	if (state != WIRE_BUS_CONNECTED)
		conform_fail(c, "frontend 4, backend %" PRIu32, state);
	/* 6, or already removed by the toolstack */
	state = raw_wait_leaf(&b->front, leaf, WIRE_BUS_CLOSED, 0, 10000);
	if (state != WIRE_BUS_CLOSED && state != 0)
		conform_fail(c, "dev-%d is %" PRIu32, n, state);
	/* a toolstack that waits removes it then */
	raw_wait_leaf(&b->front, leaf, 0, 0, 5000);
	req = ready_at(b, &at);
	if (backend_one(b, &req, &rsp) == GOOD)
		conform_fail(c, "the LUN is still there");
	served_meanwhile(b);
}

static const struct conform_case cases[] = {
	{.family = "hotplug",
	 .name = "a LUN is added",
	 .clause = &clause_plug_add,
	 .run = add},
	{.family = "hotplug",
	 .name = "a LUN is removed",
	 .clause = &clause_plug_remove,
	 .run = take_away},
	{.family = "hotplug",
	 .name = "a LUN is added again",
	 .clause = &clause_plug_add,
	 .run = add},
	{.family = "hotplug",
	 .name = "and removed again",
	 .clause = &clause_plug_remove,
	 .run = take_away},
};

const struct case_list backend_plug = {cases, XPV_ARRAY_SIZE(cases)};
