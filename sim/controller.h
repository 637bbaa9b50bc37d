/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One PVSCSI controller of the world: a frontend in a guest, a backend, their
 * ring and what looks at it, and the disks behind. Faults of its life (peers
 * that freeze and die, connections that come and go, disks that come and go,
 * power that fails) happen here.
 */
#ifndef SIM_CONTROLLER_H
#define SIM_CONTROLLER_H

#include "core/scsi_addr.h"
#include "sim/backend.h"
#include "sim/bus.h"
#include "sim/disk.h"
#include "sim/load.h"
#include "sim/model.h"
#include "sim/spy.h"
#include "sim/world.h"

#define CONTROLLER_LUNS 4u
#define LEFT_MAX	8u

/* A disk and what is known of it. */
struct lun_state {
	bool there; /* attached at the backend */
	bool going;
	int keep_fd; /* what a successor must know of it */
	struct scsi_addr addr;
	struct disk disk;
	struct model model;
	/* What may be said of it once more than usually. */
	uint32_t attentions;
	uint32_t changes; /* how often that rose */
	uint32_t heard;	  /* unit attentions that came */
	bool news;	  /* it must say so to the next command that may hear */
	bool stopped;	  /* perhaps */
	uint32_t stops, stopped_ever; /* commands that do so: out, and all */
	uint64_t epoch; /* rises with each change of any of that */
	uint32_t out;	/* commands under way */
};

/* A kind of frontend. */
struct front_type {
	const char *name;
	/* Does it do what a guest does, so that data and answers count? */
	bool honest;
	/* Make it, once for each run; and the end of it. */
	void (*init)(struct controller *c);
	void (*fini)(struct controller *c);
	/* Make ring and channel: c->gref, c->port. False: not now. */
	bool (*up)(struct controller *c);
	/* The backend has the ring: begin. */
	void (*begin)(struct controller *c);
	/* The connection is gone. MOVED: so are all grants of the domain. */
	void (*lost)(struct controller *c, bool moved);
	/* An event has come, or time has passed. */
	void (*run)(struct controller *c);
	/* It runs on another processor while the backend is in a step. */
	void (*meanwhile)(struct controller *c);
};

extern const struct front_type front_raw, front_engine, front_hostile;

enum life {
	LIFE_DOWN,
	LIFE_UP,
	LIFE_CLOSING, /* the backend ends what is in flight */
};

struct liar;

struct controller {
	struct world *w;
	uint32_t index, dom;
	uint32_t segs_max; /* as the backend announces it */
	const struct front_type *type;
	void *front; /* its own */
	enum life life;
	bool lies; /* the backend does (sim/liar.h) */
	struct liar *liar;
	/* The two ends find each other through xenstore, else by the world. */
	bool by_bus;
	struct bus bus;
	/* Rings that the frontend has given up and the backend has not. */
	uint32_t left, left_gref[LEFT_MAX], left_frame[LEFT_MAX];
	bool ringed;	 /* the frontend has a ring */
	bool sending;	 /* and may write requests to it */
	bool closed;	 /* for good */
	bool alone;	 /* in its domain */
	bool paused;	 /* the frontend does nothing */
	uint64_t frozen; /* nor until then */
	bool moved;	 /* the guest is resumed elsewhere */
	bool running;	 /* the frontend is in a step of its own */
	bool planned;	 /* a run of it is in the queue */
	uint32_t gref, port;
	uint32_t gen; /* of the connection */
	struct spy spy;
	struct backend back;
	/* outlives the backend */
	_Alignas(16) uint8_t journal[8192];
	struct load load;
	uint32_t luns;
	struct lun_state lun[CONTROLLER_LUNS];
};

/* Make a controller of domain DOM. */
struct controller *controller_new(struct world *w, uint32_t index,
				  uint32_t dom);
void controller_free(struct controller *c);

/* From now on things happen to it. */
void controller_begin(struct controller *c);

/* Let the frontend run soon. */
void controller_wake(void *c);

/* What the handshake has decided (sim/bus.c), for the backend: use the ring
 * that is granted as GREF, false as a host says; end what is in flight and
 * give it back, then controller_closed(); attach, and detach. */
bool controller_connect(struct controller *c, uint32_t gref, uint32_t port);
void controller_disconnect(struct controller *c);
void controller_lun_add(struct controller *c, uint32_t i);
void controller_lun_del(struct controller *c, uint32_t i);

/* For the frontend: make a ring; use it; send nothing new; give it up. */
bool controller_ring_up(struct controller *c);
void controller_use(struct controller *c);
void controller_quiesce(struct controller *c);
void controller_ring_down(struct controller *c);

/* The ring in FRAME, c->gref, is given up, but the backend has it mapped. */
void controller_left(struct controller *c, uint32_t frame);

/* The backend has given the ring back. */
void controller_closed(struct controller *c);

/* The backend has stopped the ring: the guest broke it. */
void controller_broken(struct controller *c);

/* The frontend wants to close the ring: the backend has broken it. */
void controller_leave(struct controller *c);

/* A LUN of the backend has gone. */
void controller_lun_gone(struct controller *c, uint32_t i);

/* The second phase begins: what is down comes up, what is frozen wakes. */
void controller_live(struct controller *c);

/* Has it done all that it should in the second phase? */
bool controller_quiet(struct controller *c);

/* Close it; controller_quiet() some time later. */
void controller_close(struct controller *c);

/* The frontend gets a moment in the middle of a step of the backend. */
void controller_meanwhile(struct controller *c);

#endif
