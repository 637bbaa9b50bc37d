/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest does with its disks: it draws commands, gives them to its
 * frontend, and knows of each what may come back (the data by sim/model). In
 * the second phase it starts every disk and reads all of it once more.
 *
 *     load_next() -> frontend -> ring -> ... -> load_done()
 */
#ifndef SIM_LOAD_H
#define SIM_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/scsi_front.h"

struct controller;
struct lun_state;

#define OPS_MAX	   24u
#define PIECES_MAX 160u

enum op_kind {
	OP_READ,
	OP_WRITE,
	OP_ZERO,    /* WRITE SAME of zeroes, UNMAP */
	OP_SAME,    /* WRITE SAME */
	OP_COMPARE, /* COMPARE AND WRITE, with what is there */
	OP_VERIFY,
	OP_MISCOMPARE, /* VERIFY, with what is not there */
	OP_FLUSH,
	OP_OTHER, /* what asks and changes nothing */
	OP_STATE, /* what changes a state */
	OP_ODD,	  /* what is wrong */
	OP_RESET,
};

struct op {
	bool used, sent, going;
	bool victim; /* an ABORT or RESET may have hit it */
	bool absent; /* its unit was gone, or going, when it was sent */
	bool first;  /* alone at a unit that has something to say */
	enum op_kind kind;
	uint32_t id;
	uint16_t tag; /* the frontend's */
	struct lun_state *lun;
	uint8_t cdb[16], cdb_len, dir;
	uint32_t len; /* of the buffer */
	uint32_t lba, blocks;
	bool fua;
	uint64_t word, start; /* what is written, when it began (ticks) */
	uint64_t since;	      /* world time */
	uint64_t epoch;	      /* lun_state.epoch at its beginning */
	uint32_t changes, heard, stopped; /* likewise */
	bool hears; /* it would be told of a unit attention */
	uint32_t npieces;
	struct front_piece piece[PIECES_MAX];
	uint32_t page[PIECES_MAX];
};

/* How an op has ended. LOST: nobody will ever know. */
struct op_result {
	bool lost, pinned;
	struct scsi_front_result r;
};

struct load {
	uint32_t depth;	 /* commands at once */
	uint32_t big;	 /* pages of the largest buffer */
	uint32_t pieces; /* 0: whole pages; larger: how broken buffers are */
	uint32_t out;	 /* commands under way */
	uint32_t next_id;
	uint32_t sweep_lun, sweep_lba; /* second phase: what is read next */
	bool swept;
	struct op op[OPS_MAX];
};

/* One process for all disks of C. */
void load_init(struct controller *c);

/* The next command, ready to be sent; NULL: none now. */
struct op *load_next(struct controller *c);

/* It could not be sent after all. */
void load_back(struct controller *c, struct op *o);

/* OP has been answered. */
void load_done(struct controller *c, struct op *o, const struct op_result *res);

/* All that were sent end unanswered: the connection is gone. */
void load_lost(struct controller *c);

/* The backend has died, and another one has taken over: commands that must not
 * be executed twice end unknown. */
void load_interrupted(struct controller *c);

/* RESETs of LUN that are under way. */
uint32_t load_resets(const struct controller *c, const struct lun_state *lun);

/* Second phase: has everything been read? */
bool load_finished(const struct controller *c);

/* The buffer of O as one; LEN bytes at OFFSET. */
void load_get(const struct op *o, uint32_t offset, uint8_t *to, uint32_t len);
void load_put(struct op *o, uint32_t offset, const uint8_t *from, uint32_t len);

/* Does the answer hold what it must? (sim/load_check.c) */
void load_verify(struct controller *c, struct op *o,
		 const struct op_result *res);

#endif
