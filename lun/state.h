/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The few bytes of a LUN that outlive a restart (persistent reservations with
 * APTPL), in a file that control has opened. Two slots are written in turn,
 * each with a sequence number and a checksum: a crash at any moment leaves the
 * old or the new state, never a mixture.
 */
#ifndef LUN_STATE_H
#define LUN_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of state a slot holds. */
#define STATE_MAX 4096

struct state {
	int fd;	      /* or -1: nothing is kept */
	uint64_t seq; /* of the newest slot */
};

/*
 * Read the newest whole slot into BUF (LEN bytes). Returns its length, 0 when
 * there is none (a new file), or a negative errno. FD stays the caller's.
 */
int state_load(struct state *s, int fd, void *buf, size_t len);

/*
 * Write, and with SYNC wait until it is on the disk: for what has to outlive the
 * host, not only this process. 0 or a negative errno. Blocks for as long as that
 * takes: this is for what happens now and then, not for the data path.
 */
int state_save(struct state *s, const void *buf, size_t len, bool sync);

#endif
