/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Event channels. An event sent is heard later; several sent before one is
 * heard may be one. A receiver that is masked hears of it when it is unmasked.
 * Faults: heard late, never (until another one), twice, or without cause.
 */
#ifndef SIM_EVENTS_H
#define SIM_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/world.h"

#define PORTS_MAX 256u

enum end {
	END_FRONT,
	END_BACK,
};

struct port_end {
	void (*call)(void *ctx); /* NULL: nobody listens */
	void *ctx;
	bool pending; /* an event is on its way, or waits to be unmasked */
	bool arrived; /* it waits to be unmasked */
	bool masked;
	bool masks; /* each event masks the end (as /dev/xen/evtchn does) */
};

struct port {
	bool used;
	uint16_t gen;
	uint32_t dom; /* the frontend's */
	struct port_end end[2];
	uint64_t sent, heard;
};

struct events {
	struct world *w;
	struct port port[PORTS_MAX];
};

void events_init(struct events *e, struct world *w);

/* A channel of the frontend in DOM that calls CALL(CTX). */
uint32_t event_alloc(struct events *e, uint32_t dom, void (*call)(void *ctx),
		     void *ctx);
void event_free(struct events *e, uint32_t port);

/* The backend listens; false if DOM has no such channel. */
bool event_bind(struct events *e, uint32_t dom, uint32_t port, bool masks,
		void (*call)(void *ctx), void *ctx);
void event_unbind(struct events *e, uint32_t port);

/* Is CTX still what listens there? The frontend may have closed the channel,
 * and another one may have its number. */
bool event_bound(const struct events *e, uint32_t port, const void *ctx);

/* FROM sends an event to the other end. */
void event_send(struct events *e, uint32_t port, enum end from);

/* END hears the next one again. */
void event_unmask(struct events *e, uint32_t port, enum end end);

/* Both ends hear an event: what timeouts of guests lead to in the end. */
void event_kick_all(struct events *e);

#endif
