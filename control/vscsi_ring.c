/* SPDX-License-Identifier: BSD-2-Clause */
/* Rings told apart: see vscsi_ring.h. */
#include "control/vscsi_ring.h"

#include "wire/bus.h"

struct vscsi_ring vscsi_ring_read(const struct store_tree *front)
{
	struct vscsi_ring ring = {.known = false};

	ring.known = !tree_u32(front, WIRE_BUS_RING_REF, &ring.gref) &&
		     !tree_u32(front, WIRE_BUS_EVENT_CHANNEL, &ring.port);
	return ring;
}

static bool differs(const struct vscsi_ring *ours, const struct vscsi_ring *now)
{
	return ours->known && now->known &&
	       (ours->gref != now->gref || ours->port != now->port);
}

bool vscsi_ring_changed(const struct vscsi_rings *rings, bool connected,
			const struct vscsi_ring *now)
{
	return differs(&rings->told, now) ||
	       (connected && differs(&rings->held, now));
}
