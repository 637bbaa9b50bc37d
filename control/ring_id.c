/* SPDX-License-Identifier: BSD-2-Clause */
/* Rings told apart: see ring_id.h. */
#include "control/ring_id.h"

#include "wire/bus.h"

struct ring_id ring_id_read(const struct store_tree *front)
{
	struct ring_id ring = {.known = false};

	ring.known = !tree_u32(front, WIRE_BUS_RING_REF, &ring.gref) &&
		     !tree_u32(front, WIRE_BUS_EVENT_CHANNEL, &ring.port);
	return ring;
}

static bool differs(const struct ring_id *ours, const struct ring_id *now)
{
	return ours->known && now->known &&
	       (ours->gref != now->gref || ours->port != now->port);
}

bool ring_id_changed(const struct ring_ids *rings, bool connected,
		     const struct ring_id *now)
{
	return differs(&rings->told, now) ||
	       (connected && differs(&rings->held, now));
}
