/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The journal of a backend's ring: what a process must know to go on where
 * another one that was serving the ring has died, at any instruction, so that
 * each request is answered exactly once and the frontend notices nothing.
 *
 *     entry   FREE -> the copy of a slot -> ACCEPTED -> FREE
 *     commit  {responses written, index of the request answered last}
 *
 *     take    copy the slot | entry ACCEPTED | req_cons + 1
 *     answer  the whole response | commit | entry FREE
 *     push    the shared rsp_prod = responses written
 *
 * Requests taken are not counted: each is either answered or has an entry, so
 * that req_cons is what commit says plus the entries. A response may be in a
 * slot whose request has not been answered; its copy is in its entry.
 *
 * When the process dies before `ACCEPTED` the request is still on the ring;
 * before `commit` its entry is found and it is executed again (or answered that
 * nobody knows, if it must not be); between `commit` and FREE the entry has the
 * index that commit names. Data must have reached its place before a request is
 * answered, and a later request that overlaps an earlier one is executed after
 * that one has been answered or, by the same process, after it has ended.
 *
 * A killed process has done all that it did before in program order, and
 * nothing after: the compiler must keep the order, the processor need not.
 * Memory of a journal outlives the process, is shared with nobody else, and is
 * plain data: numbers of the machine, no pointers.
 *
 * A journal belongs to one thread. Nothing here fails but journal_resume().
 */
#ifndef CORE_JOURNAL_H
#define CORE_JOURNAL_H

#include "wire/port.h"

/* Of what is in memory. Another one is not understood: resume fails. */
#define JOURNAL_VERSION 1u

struct journal {
	uint8_t *mem;
	uint32_t slots;
	uint32_t slot_size; /* bytes */
};

/* Bytes of memory of a journal of SLOTS entries for slots of SLOT_SIZE bytes. */
size_t journal_size(uint32_t slots, uint32_t slot_size);

/*
 * Make an empty journal in MEM (journal_size() bytes, aligned to 16) for a ring
 * whose next response is RSP_PROD.
 */
void journal_init(struct journal *j, void *mem, uint32_t slots,
		  uint32_t slot_size, uint32_t rsp_prod);

/*
 * Take over the journal in MEM. Says at which indexes the ring goes on, as for
 * ring_back_init(). XPV_EPROTO when no process can have left it so.
 */
int journal_resume(struct journal *j, void *mem, uint32_t slots,
		   uint32_t slot_size, uint32_t *rsp_prod,
		   uint32_t *req_cons) XPV_MUST_CHECK;

/* Where the copy of a slot is in entry I: slot_size bytes, aligned to 16. To
 * be written only while the entry is FREE. */
void *journal_slot(const struct journal *j, uint32_t i);

/* The copy in entry I, which was FREE, is that of the request INDEX. */
void journal_accept(struct journal *j, uint32_t i, uint32_t index);

/* The request of entry I has been answered; RSP_PROD responses are written. */
void journal_answer(struct journal *j, uint32_t i, uint32_t rsp_prod);

/* The index that entry I was accepted with. */
uint32_t journal_index(const struct journal *j, uint32_t i);

/*
 * The ACCEPTED entries one by one, the oldest request first: the one that comes
 * after *AGE, UINT32_MAX at first, or the number of slots when there is none.
 * REQ_CONS is that of the ring. Those that have come may be answered meanwhile.
 */
uint32_t journal_next(const struct journal *j, uint32_t req_cons,
		      uint32_t *age);

/* What commit holds: rises by one, modulo 2^32, with each answer. */
uint32_t journal_answered(const struct journal *j);

/* To look at a journal in MEM that may be another process's: nothing is
 * written, and nothing is known to be right but its sizes, by the caller. */
void journal_look(struct journal *j, void *mem, uint32_t slots,
		  uint32_t slot_size);

/* Entries that are not FREE. */
uint32_t journal_inflight(const struct journal *j);

#endif
