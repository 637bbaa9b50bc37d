/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An iSCSI session (RFC 7143) of one connection with one LUN, by libiscsi, over a
 * socket that is connected already. Control looks at a LUN by one, a worker
 * serves it by another (lun/iscsi). For one thread at a time.
 *
 * What libiscsi's headers call by names of ours stays in iscsi_link.c. Here are
 * also the rules that it leaves to who uses it: a task is freed when no data of
 * it waits to be sent any more, since a target may end a WRITE before it has got
 * all; and none is taken back from the queue of what is to be sent, since the
 * target would wait for its number for ever.
 */
#ifndef LUN_ISCSI_LINK_H
#define LUN_ISCSI_LINK_H

#include <stddef.h>
#include <stdint.h>

#include "wire/port.h"

#define ISCSI_NAME_MAX	 224 /* with NUL; RFC 7143, 4.2.7.1 */
#define ISCSI_SECRET_MAX 256 /* with NUL; what libiscsi has room for */
#define ISCSI_CDB_MAX	 16
#define ISCSI_SENSE_MAX	 96

/*
 * Who logs in to what: the file that control gives to a worker has this in it.
 * Without a user there is no CHAP; with a peer_user the target must prove who it
 * is, too.
 */
struct iscsi_login {
	char initiator[ISCSI_NAME_MAX], target[ISCSI_NAME_MAX];
	char user[ISCSI_SECRET_MAX], password[ISCSI_SECRET_MAX];
	char peer_user[ISCSI_SECRET_MAX], peer_password[ISCSI_SECRET_MAX];
	uint64_t isid; /* 40 bits: the initiator port is that name and this
			  number, for reservations and for a session that takes
			  the place of one whose process has died */
	uint32_t lun;  /* at most 16383 */
};

struct iscsi_link;
struct iscsi_track;

enum iscsi_end {
	ISCSI_ANSWERED, /* status, sense data and residual are the target's */
	ISCSI_ABORTED,	/* the target has ended it, and says no more of it */
	ISCSI_GONE,	/* the session has ended before */
	ISCSI_FAILED,	/* the target has answered what makes no sense */
};

struct iscsi_cmd {
	/* the command; data stays until done(), and may be read after it, too,
	 * when the target has not taken it all */
	uint8_t cdb[ISCSI_CDB_MAX];
	uint8_t cdb_len;
	uint8_t *data;
	uint32_t out_len, in_max; /* bytes; one of them is 0 */
	/* called once, from within iscsi_link_serve() or iscsi_link_close() */
	void (*done)(struct iscsi_cmd *cmd);
	/* the answer */
	enum iscsi_end end;
	uint8_t status;
	uint8_t sense_len;
	uint8_t sense[ISCSI_SENSE_MAX];
	uint32_t residual;	   /* bytes of out_len or in_max */
	uint32_t in_len;	   /* bytes of data-in that have come */
	struct iscsi_track *track; /* the link's own */
};

/*
 * Log in over FD, which does not block; it stays the caller's, and must be open
 * until iscsi_link_close(). Waits for at most MS milliseconds. 0 or a negative
 * errno (-EACCES: the target refuses; -ETIMEDOUT; -ENOMEM; -EPIPE: it hangs up;
 * -EREMCHG: it sends us to another portal), and then one line in ERR, without a
 * newline and without saying of whom.
 */
int iscsi_link_open(struct iscsi_link **out, const struct iscsi_login *login,
		    int fd, unsigned int ms, char *err,
		    size_t len) XPV_MUST_CHECK;

/* Log out, without waiting for the answer, and free LINK. What is under way ends
 * as ISCSI_GONE. */
void iscsi_link_close(struct iscsi_link *link);

/* Hand CMD in; it is sent by the next iscsi_link_serve(). 0 or -ENOMEM. */
int iscsi_link_send(struct iscsi_link *link,
		    struct iscsi_cmd *cmd) XPV_MUST_CHECK;

/* Ask the target to end CMD, which is under way; it is done all the same, once. */
void iscsi_link_abort(struct iscsi_link *link, struct iscsi_cmd *cmd);

/* LOGICAL UNIT RESET. ARG goes to DONE, which is called from within
 * iscsi_link_serve() when the target has answered, whatever it says. */
int iscsi_link_reset(struct iscsi_link *link, void (*done)(void *arg),
		     void *arg) XPV_MUST_CHECK;

/* Of aborts and resets: how many are under way, and how many have been answered
 * since the beginning. */
uint32_t iscsi_link_functions(const struct iscsi_link *link,
			      uint32_t *answered);

/* Send what waits, and (READABLE) take what has come. -EPIPE: the connection is
 * of no use any more; iscsi_link_why() says why. */
int iscsi_link_serve(struct iscsi_link *link, bool readable) XPV_MUST_CHECK;
const char *iscsi_link_why(const struct iscsi_link *link);

/* Is there something to be sent for which the socket had no room? */
bool iscsi_link_full(const struct iscsi_link *link);

/* Serve LINK until *OVER, or for MS milliseconds: -ETIMEDOUT; -EPIPE. */
int iscsi_link_wait(struct iscsi_link *link, const bool *over,
		    unsigned int ms) XPV_MUST_CHECK;

#endif
