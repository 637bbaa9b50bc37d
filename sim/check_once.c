/* SPDX-License-Identifier: BSD-2-Clause */
/* Each request is answered exactly once. */
#include "sim/check.h"
#include "sim/controller.h"

static void response(struct controller *c, const struct spied *req,
		     const struct wire_scsi_rsp *rsp)
{
	if (!req)
		world_fail(c->w, "once",
			   "controller %u: response %u answers nothing",
			   c->index, rsp->rqid);
}

static void settled(struct controller *c)
{
	if (c->spy.ring && !c->spy.broken && c->spy.open)
		world_fail(c->w, "once",
			   "controller %u: %u requests were never answered",
			   c->index, c->spy.open);
}

const struct checker check_once = {
	.name = "once",
	.response = response,
	.settled = settled,
};
