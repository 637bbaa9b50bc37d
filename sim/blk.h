/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Disks of the block protocol in the world: a guest of one disk with several
 * queues, each a ring between core/blk_front and the daemon's own data path
 * (worker/blk_path over core/blk_back), all over one sim/disk. Some guests are
 * hostile, some have a backend that lies. They are a world of their own
 * (xenpv-sim --blk), with the memory, events, disks and the model of the other.
 *
 *     blk_run      the run, and the life of a guest: connections, deaths
 *     blk_back     worker/blk_path and what worker/queue_blk.c does around it
 *     blk_host     the simulated machine under that
 *     blk_load     what the guest asks for, and what may come back
 *     blk_front    core/blk_front as its driver
 *     blk_hostile  a guest that writes what it likes
 *     blk_liar     a backend that does
 *     blk_spy      looks at the rings from outside, and checks
 */
#ifndef SIM_BLK_H
#define SIM_BLK_H

#include "core/blk_front.h"
#include "sim/disk.h"
#include "sim/model.h"
#include "sim/run.h"
#include "worker/blk_path.h"

#define BLK_SIM_QUEUES 4u
#define BLK_SIM_PAGES  4u /* of a ring */
#define BLK_SIM_OPS    24u
#define BLK_SIM_PIECES 64u
#define BLK_SIM_POOL   40u /* pages of an engine, at most */
#define BLK_SIM_SLOTS  128u
#define BLK_SIM_PINS   4096u

struct blk_guest;

/* ---- what the spy knows of a request ---- */

struct blk_seen {
	bool used;
	struct blk_req req;
	uint32_t nsegs;
	struct wire_blk_seg seg[WIRE_BLK_SEGS_PER_PAGE];
};

struct blk_spy {
	bool on;
	uint32_t req_seen, rsp_seen, open;
	struct blk_seen out[BLK_SIM_SLOTS];
};

/* ---- a queue, both ends ---- */

struct blk_sim_queue {
	struct blk_guest *g;
	uint32_t index;
	/* its ring */
	bool ringed; /* there is one */
	uint32_t frame, port;
	uint32_t gref[BLK_SIM_PAGES];
	uint8_t *ring;
	uint32_t slots, slot_size;
	struct blk_spy spy;
	/* the guest's end */
	uint32_t gen; /* of what is planned for it */
	bool planned, running;
	struct blk_front *front;
	void *front_mem;
	struct front_page page[BLK_SIM_POOL];
	uint32_t pages;
	bool losing;	 /* what ends now was lost */
	bool suspending; /* nothing ends now */
	/* the backend's */
	struct blk_path path;
	uint32_t back_gen;
	bool alive, back_planned, busy;
	uint32_t looks, look_max;
	struct blk_liar *liar;
	/* of a hostile guest */
	uint32_t prod;
};

/* ---- what a guest asks for ---- */

struct blk_op {
	bool used, sent;
	bool live;  /* drawn in the second phase */
	bool torn;  /* the power has failed since it was sent first */
	bool again; /* it was sent over an earlier connection, too */
	uint32_t id;
	struct blk_sim_queue *q;
	enum blk_front_op op;
	bool fua;
	uint32_t lba, blocks, len;
	uint64_t word, start;
	uint32_t npieces;
	struct front_piece piece[BLK_SIM_PIECES];
	uint32_t page[BLK_SIM_PIECES];
};

enum blk_kind {
	BLK_HONEST,
	BLK_HOSTILE,
	BLK_DECEIVED, /* its backend lies */
};

enum blk_life {
	BLK_DOWN,
	BLK_UP,
	BLK_CLOSING,
};

struct blk_guest {
	struct world *w;
	uint32_t index, dom;
	enum blk_kind kind;
	enum blk_life life;
	uint32_t gen; /* of its connection */
	bool closed, moved;
	uint64_t frozen, back_frozen;
	struct disk disk;
	struct model model;
	struct limit *limit;
	/* what is announced */
	uint32_t queues, pages, features, indirect, persistent;
	enum blk_abi abi;
	struct blk_sim_queue q[BLK_SIM_QUEUES];
	/* the load */
	uint32_t depth, big, out, next_id, sweep;
	bool broken_pieces;
	struct blk_op op[BLK_SIM_OPS];
	/* of a hostile guest: its pages and their grants */
	uint32_t page[8], gref[8];
	bool granted[8];
	uint32_t madness;
	/* what a liar has kept mapped, and the pages lost thereby */
	uint32_t pins, pin[BLK_SIM_PINS];
	uint32_t lost, page_lost[BLK_SIM_PINS];
};

/* ---- blk_run.c ---- */

uint64_t blk_run_seed(uint64_t seed, uint64_t steps, bool trace,
		      struct run_sum *sum);

/* The guest wants its connection closed: it found the backend wrong. */
void blk_leave(struct blk_guest *g);
/* A backend has closed its end of Q, or has found it broken. */
void blk_closed(struct blk_guest *g);
void blk_broken(struct blk_sim_queue *q);

/* ---- blk_front.c ---- */

/* Make the ring of Q, empty; false when there are no pages or grants. */
bool blk_ring_up(struct blk_sim_queue *q);
void blk_ring_down(struct blk_sim_queue *q, bool moved);

/* The driver's: its connection is there; is gone; GIVE_UP: what is outstanding
 * ends, and it begins anew. */
void blk_front_up(struct blk_sim_queue *q);
void blk_front_down(struct blk_sim_queue *q, bool moved, bool give_up);
void blk_front_fini(struct blk_sim_queue *q);
void blk_front_wake(void *q);

/* ---- blk_hostile.c ---- */

void blk_hostile_init(struct blk_guest *g);
void blk_hostile_fini(struct blk_guest *g);
void blk_hostile_run(struct blk_sim_queue *q);

/* ---- blk_load.c ---- */

void blk_load_init(struct blk_guest *g);
/* The next for Q, or NULL. */
struct blk_op *blk_load_next(struct blk_sim_queue *q);
/* It could not be sent. REFUSED: and never will be. */
void blk_load_back(struct blk_guest *g, struct blk_op *o, bool refused);
void blk_load_done(struct blk_guest *g, struct blk_op *o, int result,
		   bool pinned, bool lost);
/* Writes that are under way go on though the power has failed; false: one of
 * them cannot be followed any more. */
bool blk_load_again(struct blk_guest *g);
bool blk_load_finished(const struct blk_guest *g);

/* ---- blk_back.c ---- */

/* Whose ring begins with GREF of DOM. */
struct blk_sim_queue *blk_queue_of(uint32_t dom, uint32_t gref);

bool blk_back_open(struct blk_sim_queue *q);
void blk_back_shut(struct blk_sim_queue *q);
void blk_back_kill(struct blk_sim_queue *q);
void blk_back_wake(struct blk_sim_queue *q);

extern const struct host_ops host_sim_blk;

/* ---- blk_liar.c ---- */

void blk_liar_open(struct blk_sim_queue *q);
void blk_liar_close(struct blk_sim_queue *q);

/* ---- blk_spy.c ---- */

void blk_spy_begin(struct blk_sim_queue *q);
void blk_spy_requests(struct blk_sim_queue *q);
void blk_spy_responses(struct blk_sim_queue *q);
void blk_spy_copy(struct blk_sim_queue *q, const struct host_copy *c,
		  bool to_guest);

#endif
