/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nothing of the backend's own memory reaches a guest. Buffers of commands are
 * poisoned while no command is there, and the poison must never arrive.
 */
#include <string.h>

#include "sim/check.h"
#include "sim/controller.h"
#include "sim/mem.h"

/* Of each buffer, so much at its beginning: most commands use no more. */
#define POISONED 1024u

static bool poison(const uint8_t *p, uint32_t len)
{
	uint32_t i, run = 0;

	for (i = 0; i < len; i++) {
		run = p[i] == MEM_PRIVATE_POISON ? run + 1 : 0;
		if (run == 4)
			return true;
	}
	return false;
}

static void turn(struct controller *c, struct path *p)
{
	uint32_t i;

	if (!p->engine || scsi_back_inflight(p->engine))
		return;
	(void)c;
	for (i = 0; i < SCSI_BACK_TAGS; i++) {
		struct slot *s = &p->slot[i];

		memset(s->data, MEM_PRIVATE_POISON, POISONED);
		memset(s->data + (size_t)p->segs_max * WIRE_PAGE_SIZE,
		       MEM_PRIVATE_POISON, POISONED);
	}
}

static void copy(struct controller *c, const struct host_copy *copy,
		 bool to_guest)
{
	if (to_guest && poison(copy->local, copy->len))
		world_fail(c->w, "leak",
			   "controller %u: private memory goes to grant %u",
			   c->index, copy->gref);
}

static void response(struct controller *c, const struct spied *req,
		     const struct wire_scsi_rsp *rsp)
{
	(void)req;
	if (poison((const uint8_t *)rsp, sizeof(*rsp)))
		world_fail(c->w, "leak", "private memory in response %u",
			   rsp->rqid);
}

const struct checker check_leak = {
	.name = "leak",
	.turn = turn,
	.copy = copy,
	.response = response,
};
