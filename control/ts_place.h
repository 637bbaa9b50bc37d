/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What attach, detach and list of toolstack.h share, and nobody else needs: one
 * LUN's place in xenstore, transactions that decide and write, and waiting.
 */
#ifndef CONTROL_TS_PLACE_H
#define CONTROL_TS_PLACE_H

#include "control/lio.h"
#include "control/store.h"
#include "control/toolstack.h"
#include "control/tree.h"

/* XenbusState, Xen's public/io/xenbus.h. */
enum {
	ST_INITIALISING = 1,
	ST_INIT_WAIT = 2,
	ST_CONNECTED = 4,
	ST_CLOSING = 5,
	ST_CLOSED = 6,
	ST_RECONFIGURING = 7,
	ST_RECONFIGURED = 8,
};

#define BASE_LEN 80  /* longest directory of a device */
#define PATH_LEN 160 /* longest path built here, numbers included */

struct place_ask;

/* What transaction functions return besides 0 and errors. */
#define TXN_NOT_NOW 1 /* nothing was written; look again later */
#define TXN_NOTHING 2 /* nothing is to be done */

struct toolstack {
	struct store *st;
	struct ts_cfg cfg;
	uint32_t self; /* own domain id */
	/* Domains that have xenpvd, ours first; as of the first question. */
	struct ts_guest *server;
	size_t nservers;
};

/* A disk; or a controller, and the LUN on it that is being worked on. */
struct place {
	struct toolstack *ts;
	const struct ts_request *req;
	char vdev[VDEV_TEXT_MAX];
	char what[VDEV_TEXT_MAX + 16]; /* "controller 0", "disk xvda" */
	/* Of the backend that is meant, and of the other one: ours and the
	 * kernel's. */
	const char *type, *other;
	const char *front_type; /* below the guest's device/ */
	uint32_t id;
	uint32_t server;      /* the domain whose backend it is, or is to be */
	char home[BASE_LEN];  /* /local/domain/D */
	char back[BASE_LEN];  /* the backend's directory */
	char front[BASE_LEN]; /* the frontend's directory */
	uint32_t dev;	      /* N of dev-N */
	uint32_t seen;	      /* last state of the backend that was read */
	bool type_existed;    /* .../backend/xenpv-vscsi, before attach */
	bool put_back;	      /* what is removed was attached just now */
	bool whole;	      /* the controller goes with its LUNs */
	/* Served by xen-scsiback; P_DEV: what it serves, lio.h ("": nothing). */
	bool kernel;
	char p_dev[LIO_PDEV_MAX];
	bool force;		     /* go on when the guest does not answer */
	int64_t deadline;	     /* clock_ms() at which waits end */
	int64_t missed_since;	     /* 0: the new LUN was not missed */
	const struct place_ask *ask; /* place_ask() */
	char *err;		     /* the caller's, len bytes */
	size_t len;
};

/* ts_fail - leave a line in ERR; returns @rc. */
int ts_fail(char *err, size_t len, int rc, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* ts_fail_store - the line for an error of xenstore itself. */
int ts_fail_store(char *err, size_t len, int rc, const char *what);

/* ts_step - tell who wants to be told (ts_cfg.step). */
void ts_step(struct toolstack *ts, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* ts_word - what people are told to try on this host. */
const char *ts_word(const struct toolstack *ts, enum site_word word);

/* A XenbusState; 0, which is none, for what is missing or not a number. */
uint32_t ts_tree_state(const struct store_tree *tree, const char *path);
uint32_t ts_read_state(struct toolstack *ts, const char *path);
uint32_t ts_state_of(const char *value); /* NULL: none */

bool ts_path_exists(struct toolstack *ts, store_tx tx, const char *path);

/* "BASE/vscsi-devs/dev-N/LEAF" in OUT[PATH_LEN], which is returned; without
 * LEAF (NULL) the directory, without BASE ("") relative to the controller. */
const char *ts_dev_path(char *out, const char *base, uint32_t dev,
			const char *leaf);

/*
 * place_init - the place of a device that there is
 *
 * @req, @err stay the caller's and must outlive the place. Served by whom the
 * guest has it from: our domain, or what its node backend-id says, which is the
 * guest's own to spoil: then there is nothing at that place.
 */
void place_init(struct place *p, struct toolstack *ts,
		const struct ts_request *req, char *err, size_t len);

/*
 * place_init_new - the place of one that is to be: req->pdev is set
 *
 * Return: 0; -ENOENT: its driver domain is not there; -ENXIO: that has no xenpvd.
 */
int place_init_new(struct place *p, struct toolstack *ts,
		   const struct ts_request *req, char *err,
		   size_t len) XPV_MUST_CHECK;

/* The place is one of the kernel's backend. */
void place_use_kernel(struct place *p);

/* Write BASE/LEAF. */
int place_put(struct place *p, store_tx tx, const char *base, const char *leaf,
	      const char *value) XPV_MUST_CHECK;
int place_put_u32(struct place *p, store_tx tx, const char *base,
		  const char *leaf, uint32_t value) XPV_MUST_CHECK;

/* Remove PATH and all below it; that it, or what is above it, is missing is no
 * error. */
int place_rm(struct place *p, store_tx tx, const char *path) XPV_MUST_CHECK;

/* Write the state of the LUN at the backend. */
int place_put_dev_state(struct place *p, store_tx tx,
			uint32_t value) XPV_MUST_CHECK;

/* States of a LUN at the backend, and of its controller. */
struct place_states {
	uint32_t lun, controller;
};

/*
 * place_move - if the states are those of FROM, write those of TO
 *
 * Return: 0; TXN_NOTHING: they were not, or the LUN is gone.
 */
int place_move(struct place *p, store_tx tx, struct place_states from,
	       struct place_states to) XPV_MUST_CHECK;

/*
 * place_txn - run FN in a transaction until it is committed
 *
 * FN reads and writes with @tx. A positive return of it ends the transaction
 * without a change and is returned; so does an error. After an error of
 * xenstore, p->err has a line.
 */
int place_txn(struct place *p,
	      int (*fn)(struct place *p, store_tx tx)) XPV_MUST_CHECK;

/* place_txn_when_ready - and again whenever FN said TXN_NOT_NOW and the
 * controller's state is not p->seen any more. -ETIMEDOUT, -EINTR. */
int place_txn_when_ready(struct place *p,
			 int (*fn)(struct place *p,
				   store_tx tx)) XPV_MUST_CHECK;

/* place_await - wait until PRED (its context is P) says so: 0; -ETIMEDOUT at
 * the deadline, -EINTR, or what PRED returned. */
int place_await(struct place *p, store_pred_fn *pred) XPV_MUST_CHECK;

/* Something asked of xenpvd by a node, PATH. */
struct place_ask {
	const char *path;
	int (*write)(struct place *p, store_tx tx); /* writes it */
	bool (*waits)(const char *value); /* xenpvd has not looked at it */
};

/*
 * place_ask - ask for it, and wait until xenpvd has taken the node away, which
 * means done, or has written there why not
 *
 * Nothing of it is left afterwards. Return: 0; an error, with its line in p->err,
 * or for a refusal -EIO and *WHY, which the caller frees and makes a line of.
 */
int place_ask(struct place *p, const struct place_ask *ask,
	      char **why) XPV_MUST_CHECK;

/*
 * place_await_attached - wait until PRED says that the guest has WHAT
 * (ts_attach.c)
 *
 * If it does not, UNDO takes it back, with p->force and p->put_back, and p->err
 * says why.
 */
int place_await_attached(struct place *p, const char *what, store_pred_fn *pred,
			 int (*undo)(struct place *p)) XPV_MUST_CHECK;

/* place_check_front - is the frontend's directory free, or ours? -EXDEV. */
int place_check_front(struct place *p, store_tx tx) XPV_MUST_CHECK;

/* place_is_orphan - the guest has the device of a driver domain that is not there
 * any more: only the guest's end is left of it. */
bool place_is_orphan(struct place *p);

/*
 * place_check_new - what every attach looks at first, for one wait
 *
 * The same, -ESRCH when the guest is not there, and p->type_existed.
 */
int place_check_new(struct place *p, store_tx tx) XPV_MUST_CHECK;

/* place_find_lun - the LUN at our vdev, its number in *DEV; NULL: none. */
const struct store_node *place_find_lun(const struct place *p,
					const struct store_tree *back,
					uint32_t *dev);

/* place_fail_wait - see to it that p->err has a line for @rc, and return it. */
int place_fail_wait(struct place *p, int rc);

/*
 * place_remove_lun - the whole way back (ts_detach.c)
 *
 * With p->force every step that is not answered is followed by the next one
 * all the same.
 */
int place_remove_lun(struct place *p) XPV_MUST_CHECK;

/*
 * place_close - close a controller without LUNs, or a disk, and remove it
 * (ts_detach.c)
 *
 * A controller that has LUNs (again) stays.
 */
int place_close(struct place *p) XPV_MUST_CHECK;

/* place_ask_close - the first step of that alone; TXN_NOTHING as place_txn(). */
int place_ask_close(struct place *p) XPV_MUST_CHECK;

/*
 * What the kernel serves for our LUN (ts_kernel.c): make it, before anything is
 * written; and take it away, after all has been removed.
 */
int place_kernel_add(struct place *p) XPV_MUST_CHECK;
int place_kernel_drop(struct place *p) XPV_MUST_CHECK;

/* place_kernel_undo - the same, after an error whose line is in p->err: that
 * stays. */
void place_kernel_undo(struct place *p);

/* place_write_ends - both directories with what every device has, without a
 * state (ts_attach.c). */
int place_write_ends(struct place *p, store_tx tx) XPV_MUST_CHECK;

/* place_fail_closed - the line for a backend that has closed before the guest
 * had its device (ts_attach.c). */
int place_fail_closed(struct place *p);

/* ts_parse_domid - TEXT is the number of a domain, and nothing else. */
bool ts_parse_domid(const char *text, uint32_t *domid);

/* ts_server_find - the driver domain NAME, or its number, which runs xenpvd.
 * -ENOENT, -EINVAL: ours; -ENXIO: it does not. */
int ts_server_find(struct toolstack *ts, const char *name, uint32_t *domid,
		   char *err, size_t len) XPV_MUST_CHECK;

/* ts_each_server - FN for our domain, and for each that runs xenpvd. */
int ts_each_server(struct toolstack *ts,
		   int (*fn)(struct toolstack *ts,
			     const struct ts_guest *server, void *ctx),
		   void *ctx) XPV_MUST_CHECK;

/* ts_guest_load - the guest's name, or its number; false: no such domain. */
bool ts_guest_load(struct toolstack *ts, uint32_t domid,
		   struct ts_guest *guest);

/* ts_each_guest - FN for every guest until one fails. */
int ts_each_guest(struct toolstack *ts,
		  int (*fn)(struct toolstack *ts, const struct ts_guest *guest,
			    void *ctx),
		  void *ctx) XPV_MUST_CHECK;

#endif
