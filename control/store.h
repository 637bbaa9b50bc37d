/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A xenstore client on a file descriptor: a Unix socket of xenstored, or the
 * kernel's /dev/xen/xenbus. It speaks the protocol through core/xs.
 *
 * Theory of operation
 *
 *     store_read(), store_txn(), ...      requests, queued in memory
 *           |
 *     store_dispatch()  <- poll(2) <-     the event loop, or store_sync_*()
 *           |
 *     callbacks                           replies and watch events
 *
 * Two layers. The asynchronous one never blocks: a request is queued, and its
 * callback is called out of store_dispatch() when the answer is there. Any
 * number of requests may be waiting; at most STORE_WINDOW of them are with
 * xenstored at a time (it refuses more of a domain that is not privileged), in
 * the order in which they were made. The synchronous layer, for the command
 * line, is the same with a poll(2) loop around it.
 *
 * Rules that hold for every asynchronous request:
 * - it returns 0 and the callback will be called exactly once, never from
 *   inside the request itself; or it returns a negative errno and the callback
 *   will not be called: -EINVAL (the path is not valid), -E2BIG (path and
 *   value do not fit one message), -ENOMEM, -ENOTCONN (the connection was lost
 *   before);
 * - paths and values are copied: the caller's memory is free after the return;
 * - what a callback is given is valid until it returns;
 * - a callback may make requests, add and remove watches and call
 *   store_close(); it may not call store_dispatch() or store_sync_*().
 *
 * Errors are negative errno. Those of xenstored itself are -EINVAL, -EACCES,
 * -EEXIST, -EISDIR, -ENOENT, -ENOMEM, -ENOSPC (a quota), -EIO, -ENOTEMPTY,
 * -ENOSYS, -EROFS, -EBUSY, -EAGAIN, -EISCONN, -E2BIG, -EPERM; an error with
 * another name becomes -EIO.
 *
 * Loss: when xenstored closes the connection, or sends what cannot be
 * xenstore, everything outstanding is answered with an error and then the
 * `lost` callback is called, once. A store does not connect again: close it
 * and open another one (and set the watches again).
 *
 * One store belongs to one thread. Paths may be absolute or relative to the
 * own domain's /local/domain/<id>.
 */
#ifndef CONTROL_STORE_H
#define CONTROL_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/tree.h"
#include "wire/port.h"

/* Requests with xenstored at a time; its quota is 20 for other than dom0. On
 * /dev/xen/xenbus there is one. */
#define STORE_WINDOW 16

struct store;

/* ------------------------------------------------------------ connection */

/*
 * Called once when the connection is lost, after all outstanding requests
 * were answered. @err: -ECONNRESET (closed by xenstored), -EPROTO (what came
 * is not xenstore), -ETIMEDOUT (store_sync_*() got no answer), or the error of
 * the system call. store_close() may be called from it. Watches are dead, their
 * handles stay valid until store_unwatch() or store_close().
 */
typedef void store_lost_fn(struct store *st, int err, void *ctx);

/*
 * store_open - connect
 * @out: receives the store; the caller ends it with store_close()
 * @path: socket or device; NULL tries, in this order, the environment's
 *        XENSTORED_PATH (as the stock tools do), /run/xenstored/socket,
 *        /var/run/xenstored/socket, /dev/xen/xenbus
 * @lost: see store_lost_fn; may be NULL
 *
 * Return: 0, or the negative errno of the last thing tried. -ENOENT is what a
 * machine without Xen gives.
 */
int store_open(struct store **out, const char *path, store_lost_fn *lost,
	       void *ctx) XPV_MUST_CHECK;

/*
 * store_open_fd - use a connected descriptor
 * @fd: stream socket or xenbus device; the store makes it non-blocking, and
 *      owns it if (and only if) 0 is returned
 *
 * Return: 0, or a negative errno.
 */
int store_open_fd(struct store **out, int fd, store_lost_fn *lost,
		  void *ctx) XPV_MUST_CHECK;

/*
 * store_close - end the connection and free the store; NULL is allowed
 *
 * Outstanding requests are answered with -ECANCELED before it returns, so that
 * their contexts can be freed; nothing is called afterwards. Watch handles are
 * gone. What was queued but not sent is not sent.
 */
void store_close(struct store *st);

/*
 * store_fail - give the connection up
 * @err: negative errno, told to `lost` and to every outstanding request
 *
 * For a caller that has waited long enough. As if xenstored had gone away; the
 * store is still to be closed. Not from a callback.
 */
void store_fail(struct store *st, int err);

/* store_in_callback - is a callback of this store running? */
bool store_in_callback(const struct store *st);

/* store_fd - the descriptor to poll; -1 after the connection was lost. */
int store_fd(const struct store *st);

/* store_events - what to poll for now: POLLIN, or POLLIN | POLLOUT; 0 after
 * the connection was lost. Ask again after every call into the store. */
short store_events(const struct store *st);

/*
 * store_flush - write what waits, as far as that goes without blocking
 *
 * For before poll(2): /dev/xen/xenbus can always be written and never says so, and
 * on a socket it spares a turn. Calls no callback; does nothing within one.
 *
 * Return: 0; the negative errno of a connection that is of no use any more, for
 * store_fail().
 */
int store_flush(struct store *st) XPV_MUST_CHECK;

/*
 * store_dispatch - write what waits, read what is there, call the callbacks
 *
 * Call it when poll(2) has reported anything for store_fd(), or at any other
 * time: it never blocks. One call reads a bounded amount, so that a storm of
 * events cannot hold up the loop (level-triggered polling reports the rest).
 *
 * Return: 0; the negative errno of the loss if the connection is lost (also on
 * every later call).
 */
int store_dispatch(struct store *st);

/* --------------------------------------------------------------- requests */

/* A transaction's number; 0 is no transaction. */
typedef uint32_t store_tx;

struct store_reply {
	int err;	   /* 0 or a negative errno */
	const char *value; /* len bytes, then a NUL that is not counted; never
			      NULL */
	size_t len;	   /* bytes; 0 when err is not 0 */
	store_tx tx;	   /* store_begin(): the new transaction */
};

typedef void store_fn(struct store *st, const struct store_reply *rsp,
		      void *ctx);

/* store_read - the value of a node, in rsp->value. Values may contain any
 * bytes. -ENOENT if there is no such node. */
int store_read(struct store *st, store_tx tx, const char *path, store_fn *fn,
	       void *ctx) XPV_MUST_CHECK;

/* store_ls - the names of a node's children in rsp->value, each with its NUL
 * (go on with xs_list_next() of core/xs.h). -E2BIG: more than one message
 * holds; see store_ls_all(). */
int store_ls(struct store *st, store_tx tx, const char *path, store_fn *fn,
	     void *ctx) XPV_MUST_CHECK;

/* store_ls_part - one part of the names, from byte @offset of them on, as it
 * came (xs_parse_part() of core/xs.h). */
int store_ls_part(struct store *st, store_tx tx, const char *path,
		  uint32_t offset, store_fn *fn, void *ctx) XPV_MUST_CHECK;

/*
 * store_ls_all - as store_ls(), for a directory of any size
 * @max_bytes: of all names together with their NULs; -EOVERFLOW if exceeded
 *
 * A directory that goes on changing while it is read in parts gives -EAGAIN.
 */
int store_ls_all(struct store *st, store_tx tx, const char *path,
		 size_t max_bytes, store_fn *fn, void *ctx) XPV_MUST_CHECK;

/* store_write - set a node to @len bytes at @value; it is created if need be,
 * with the nodes above it. */
int store_write(struct store *st, store_tx tx, const char *path,
		const void *value, size_t len, store_fn *fn,
		void *ctx) XPV_MUST_CHECK;

/* store_mkdir - create a node with an empty value; no error if it exists. */
int store_mkdir(struct store *st, store_tx tx, const char *path, store_fn *fn,
		void *ctx) XPV_MUST_CHECK;

/* store_rm - remove a node and all below it. -ENOENT only if the node above
 * it does not exist either. */
int store_rm(struct store *st, store_tx tx, const char *path, store_fn *fn,
	     void *ctx) XPV_MUST_CHECK;

/* store_set_perms - the node belongs to domain @owner, nobody else may do
 * anything, except that @reader may read ("n<owner>,r<reader>"). @reader equal
 * to @owner: no reader. dom0 may always do everything. */
int store_set_perms(struct store *st, store_tx tx, const char *path,
		    uint32_t owner, uint32_t reader, store_fn *fn,
		    void *ctx) XPV_MUST_CHECK;

/* store_get_domain_path - "/local/domain/<domid>"; the domain need not be. */
int store_get_domain_path(struct store *st, uint32_t domid, store_fn *fn,
			  void *ctx) XPV_MUST_CHECK;

/* store_is_introduced - rsp->value is "T" if xenstored serves that domain,
 * else "F". */
int store_is_introduced(struct store *st, uint32_t domid, store_fn *fn,
			void *ctx) XPV_MUST_CHECK;

/*
 * store_begin - start a transaction; rsp->tx is its number
 *
 * Must be ended by store_end(). Prefer store_txn(), which does it right.
 */
int store_begin(struct store *st, store_fn *fn, void *ctx) XPV_MUST_CHECK;

/*
 * store_end - end a transaction
 * @commit: true: make it real; -EAGAIN in the reply: somebody changed what it
 *          touched, nothing was done, begin again. false: forget it.
 */
int store_end(struct store *st, store_tx tx, bool commit, store_fn *fn,
	      void *ctx) XPV_MUST_CHECK;

/* ---------------------------------------------------------------- watches */

struct store_watch;

/*
 * A watch has fired: @err is 0 and @path is the node that changed, at or below
 * the watched one, written in the way the watch was (relative or absolute).
 * xenstored fires every watch once when it is set. Several changes may come as
 * one event or as many; the value is to be read. @err not 0 (@path "" then):
 * xenstored has refused the watch, it will not fire.
 */
typedef void store_watch_fn(struct store *st, int err, const char *path,
			    void *ctx);

/*
 * store_watch - be told of changes at @path and below
 * @depth: levels below @path of which to be told: 0 only the node itself, 1
 *         its children too; negative: all. (Sorted out here; xenstored sends
 *         all.)
 * @out: the handle, valid until store_unwatch() or store_close(); may be NULL
 *       if the watch is to live as long as the store
 *
 * @path may be "@introduceDomain" or "@releaseDomain".
 * Return: 0 or an error as every request.
 */
int store_watch(struct store *st, const char *path, int depth,
		store_watch_fn *fn, void *ctx,
		struct store_watch **out) XPV_MUST_CHECK;

/* store_unwatch - remove a watch; its callback is not called any more, not
 * even for events that are on their way. NULL is allowed. */
void store_unwatch(struct store *st, struct store_watch *watch);

/* --------------------------------------------------------------- snapshot */

/*
 * What a snapshot may cost. A guest owns its frontend's nodes and may have
 * made any number of them, of any size.
 */
struct store_limits {
	uint32_t max_nodes; /* the root included */
	uint32_t max_depth; /* levels below the root */
	size_t max_bytes;   /* of all paths and values together */

	/* Nodes that are left out with all that is below them, and not asked
	 * for: patterns of fnmatch(3) with FNM_PATHNAME for paths below the
	 * root, NULL at the end; or NULL. Each node that is read takes a request
	 * of its own. */
	const char *const *skip;
};

/* Used when NULL is given: 4096 nodes, 16 levels, 1 MiB. */
extern const struct store_limits store_limits_default;

/*
 * @err 0: @tree is the copy, which the callee now owns: tree_free(). Else @tree
 * is NULL: -EOVERFLOW a limit was exceeded; otherwise what xenstored said.
 */
typedef void store_tree_fn(struct store *st, int err, struct store_tree *tree,
			   void *ctx);

/*
 * store_snapshot - copy the subtree at @path
 * @tx: in this transaction, or 0
 * @limits: NULL for store_limits_default
 *
 * A missing @path gives an empty tree (tree->n is 0). Nodes that vanish while
 * the copy is made, or that may not be read (below @path), are left out.
 * Directories larger than one message are read in parts. Below @path a node with
 * a value is taken to have no children: no directory in use in xenstore has one
 * (Xen's docs/misc/xenstore-paths.pandoc), and a guest that has made one hides
 * what is below it, as it hides what it has not written.
 *
 * Outside a transaction the copy is not of one moment: it may have the new value
 * of one node and lack another that was made with it. Whatever changes during
 * the copy makes a watch fire after it, and the next copy has it; but what a
 * decision rests on is to be read before (see control/device.h).
 *
 * Return: 0 or an error as every request.
 */
int store_snapshot(struct store *st, store_tx tx, const char *path,
		   const struct store_limits *limits, store_tree_fn *fn,
		   void *ctx) XPV_MUST_CHECK;

/* ------------------------------------------------------- many changes in one */

enum store_op_kind {
	STORE_OP_WRITE,	 /* path, value, len */
	STORE_OP_MKDIR,	 /* path */
	STORE_OP_RM,	 /* path; that it is missing is fine */
	STORE_OP_PERMS,	 /* path, owner, reader: as store_set_perms() */
	STORE_OP_EXPECT, /* path, value, len: abort with -ESTALE unless the node
			    has exactly this value; value NULL: unless it is
			    missing */
};

/* One change. Left-out members are zero. */
struct store_op {
	enum store_op_kind kind;
	const char *path;
	const char *value;
	size_t len; /* bytes at value; 0: value is a string, use its length */
	uint32_t owner, reader; /* domain ids */
};

struct store_txn_result {
	int err;	  /* 0: all of it is done; else none of it */
	size_t failed;	  /* index of the change that failed; n (as given) if it
			     was none of them, but the transaction itself */
	const char *path; /* of the change that failed, else "" */
	uint32_t tries;	  /* transactions that were begun */
};

typedef void store_txn_fn(struct store *st, const struct store_txn_result *res,
			  void *ctx);

/* Transactions begun before -EAGAIN is reported, when 0 is given. */
#define STORE_TXN_TRIES 32

/*
 * store_txn - make @n changes at once, in order, in one transaction
 * @tries: how often to begin again when others changed the same nodes in the
 *         meantime; 0 for STORE_TXN_TRIES
 *
 * All or nothing: the first change that fails ends it, nothing is done, and
 * the result names the change. -EAGAIN: the tries are used up. -ESTALE: a
 * STORE_OP_EXPECT did not hold; take a new snapshot and decide again. An error
 * of the connection while the end is under way leaves open whether it was done.
 *
 * Return: 0 or an error as every request (of any of the changes). @n may be 0.
 */
int store_txn(struct store *st, const struct store_op *op, size_t n,
	      uint32_t tries, store_txn_fn *fn, void *ctx) XPV_MUST_CHECK;

/* --------------------------------------------------------- blocking calls */

/*
 * These run store_dispatch() until their answer is there: callbacks of other
 * requests and of watches are called meanwhile. All return 0 or a negative
 * errno: what the asynchronous request may return or report, -EDEADLK when
 * called from a callback, and -ETIMEDOUT if xenstored does not answer for
 * STORE_SYNC_TIMEOUT_MS, which also counts as loss of the connection.
 */
#define STORE_SYNC_TIMEOUT_MS 30000

/* @value: malloc'ed, NUL-terminated, the caller's to free; @len may be NULL. */
int store_sync_read(struct store *st, store_tx tx, const char *path,
		    char **value, size_t *len) XPV_MUST_CHECK;

/*
 * store_sync_read_many - several nodes, for one wait
 * @value: N of them: malloc'ed, NULL where there is no such node; all are NULL
 *         after an error. store_free_many() them.
 */
int store_sync_read_many(struct store *st, store_tx tx, const char *const *path,
			 char **value, size_t n) XPV_MUST_CHECK;

void store_free_many(char **value, size_t n);

/* @names: NULL-terminated array in one block: one free() for everything.
 * @n may be NULL. Large directories are read in parts. */
int store_sync_ls(struct store *st, store_tx tx, const char *path,
		  char ***names, size_t *n) XPV_MUST_CHECK;

/*
 * In a transaction, what changes something is sent and not waited for: a dozen
 * changes cost one wait, that of the commit, which returns the first error of any
 * of them and then has done nothing.
 */

/* store_sync_write - @value is a string. */
int store_sync_write(struct store *st, store_tx tx, const char *path,
		     const char *value) XPV_MUST_CHECK;

int store_sync_mkdir(struct store *st, store_tx tx,
		     const char *path) XPV_MUST_CHECK;

/* store_sync_rm - that the path is missing is no error. */
int store_sync_rm(struct store *st, store_tx tx,
		  const char *path) XPV_MUST_CHECK;

int store_sync_set_perms(struct store *st, store_tx tx, const char *path,
			 uint32_t owner, uint32_t reader) XPV_MUST_CHECK;

/* @path: malloc'ed, the caller's to free. */
int store_sync_get_domain_path(struct store *st, uint32_t domid,
			       char **path) XPV_MUST_CHECK;

int store_sync_begin(struct store *st, store_tx *tx) XPV_MUST_CHECK;

/* store_sync_commit - -EAGAIN: nothing was done, begin again; the error of a
 * change: nothing was done, and the transaction is over. */
int store_sync_commit(struct store *st, store_tx tx) XPV_MUST_CHECK;

void store_sync_abort(struct store *st, store_tx tx);

/*
 * store_sync_snapshot - the subtree as it was at one moment
 * @tx: in this transaction (then only its commit proves the one moment); 0:
 *      in one of its own, begun again when something changes underneath;
 *      -EAGAIN if that happens STORE_TXN_TRIES times
 * @out: tree_free() it
 */
int store_sync_snapshot(struct store *st, store_tx tx, const char *path,
			const struct store_limits *limits,
			struct store_tree **out) XPV_MUST_CHECK;

/* store_sync_snapshots - the same of N subtrees, at one moment, in a transaction
 * of its own; all OUT are NULL after an error. */
int store_sync_snapshots(struct store *st, const char *const *path, size_t n,
			 const struct store_limits *limits,
			 struct store_tree **out) XPV_MUST_CHECK;

/* store_sync_txn - store_txn(); @failed (may be NULL) as in its result. */
int store_sync_txn(struct store *st, const struct store_op *op, size_t n,
		   size_t *failed) XPV_MUST_CHECK;

/*
 * Has what we wait for happened? 0: not yet; positive: yes; negative errno:
 * give up. It may call store_sync_*().
 */
typedef int store_pred_fn(struct store *st, void *ctx);

/*
 * store_sync_wait - wait until @pred says so
 * @timeout_ms: negative: no limit
 * @pred: asked at once, and again whenever something has come from xenstored:
 *        set watches (their callbacks may do nothing) before waiting
 *
 * Return: 0; what @pred returned if negative; -ETIMEDOUT; the error of a lost
 * connection.
 */
int store_sync_wait(struct store *st, int timeout_ms, store_pred_fn *pred,
		    void *ctx) XPV_MUST_CHECK;

/* What they have sent and not waited for; theirs alone. */
struct store_unanswered {
	size_t n;
	int err; /* the first one that there was */
};

struct store_unanswered *store_unanswered(struct store *st);

/*
 * store_errno - the errno (positive) for a number of enum xpv_err
 *
 * The one table between core/ and control/. Unknown numbers give EIO.
 */
int store_errno(int xpv_err);

#endif
