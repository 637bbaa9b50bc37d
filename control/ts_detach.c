/* SPDX-License-Identifier: BSD-2-Clause */
/* Take a LUN back from a guest: see toolstack.h. */
#include "control/ts_place.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/vscsi_host.h"
#include "host/clock.h"

/* What taking back may cost on top of the time limit, each step. */
#define TAKE_BACK_MS 5000

static uint32_t count_luns(const struct store_tree *back)
{
	const struct store_node *c = NULL;
	uint32_t n = 0;

	while ((c = tree_child(back, "vscsi-devs", c)))
		n++;
	return n;
}

static int gone(struct place *p)
{
	return ts_fail(p->err, p->len, -ENOENT,
		       "guest '%s' has no vdev %s: see 'xenpv scsi-list %s'",
		       p->req->guest->name, p->vdev, p->req->guest->name);
}

/*
 * Ask for the LUN's removal: dev-N/state 5, and the controller's state 7 if it
 * is connected. TXN_NOTHING: there is no handshake to be made.
 */
static int request_txn(struct place *p, store_tx tx)
{
	struct store_tree *back = NULL;
	char path[PATH_LEN];
	uint32_t dev_state;
	int rc;

	rc = store_sync_snapshot(p->ts->st, tx, p->back, NULL, &back);
	if (rc)
		return rc;
	if (!p->put_back && !place_find_lun(p, back, &p->dev)) {
		rc = place_check_front(p, tx);
		if (!rc)
			rc = gone(p);
		goto out;
	}
	dev_state = ts_tree_state(back, ts_dev_path(path, "", p->dev, "state"));
	p->seen = ts_tree_state(back, "state");
	if (!back->n || dev_state == ST_CLOSED || !dev_state) {
		rc = TXN_NOTHING;
	} else if (p->kernel && p->seen != ST_CONNECTED &&
		   p->seen != ST_RECONFIGURING && p->seen != ST_RECONFIGURED) {
		/* xen-scsiback looks at LUNs only when its frontend moves. */
		rc = TXN_NOTHING;
	} else if (p->seen == ST_INITIALISING || p->seen == ST_INIT_WAIT ||
		   p->seen == ST_CLOSING || p->seen == ST_CLOSED) {
		/* No frontend to be asked: the backend decides alone. */
		rc = place_put_dev_state(p, tx, ST_CLOSING);
	} else if (p->seen == ST_CONNECTED) {
		rc = place_put_dev_state(p, tx, ST_CLOSING);
		if (!rc)
			rc = place_put_u32(p, tx, p->back, "state",
					   ST_RECONFIGURING);
	} else {
		rc = TXN_NOT_NOW;
	}
out:
	tree_free(back);
	return rc;
}

/* The LUN is closed at both ends, or there is nobody left to close it. */
static int lun_closed(struct store *st, void *ctx)
{
	struct place *p = ctx;
	char path[PATH_LEN];
	uint32_t state, dev_state;

	(void)st;
	snprintf(path, sizeof(path), "%s/state", p->back);
	state = ts_read_state(p->ts, path);
	dev_state = ts_read_state(p->ts,
				  ts_dev_path(path, p->back, p->dev, "state"));
	if (!dev_state || !state || !ts_path_exists(p->ts, 0, p->home))
		return 1;
	return dev_state == ST_CLOSED && state != ST_RECONFIGURING &&
	       state != ST_RECONFIGURED;
}

/* The guest has not looked at it: as if it had never been asked. */
static int withdraw_txn(struct place *p, store_tx tx)
{
	const struct place_states from = {ST_CLOSING, ST_RECONFIGURING};
	const struct place_states to = {ST_CONNECTED, ST_CONNECTED};

	return place_move(p, tx, from, to);
}

/* What the kernel has served there, for when the nodes are gone. */
static int keep_p_dev(struct place *p, store_tx tx)
{
	char path[PATH_LEN];
	char *value = NULL;
	int rc;

	rc = store_sync_read(p->ts->st, tx,
			     ts_dev_path(path, p->back, p->dev, "p-dev"),
			     &value, NULL);
	if (!rc)
		snprintf(p->p_dev, sizeof(p->p_dev), "%.47s", value);
	free(value);
	return rc == -ENOENT ? 0 : rc;
}

/* Remove dev-N at both ends. */
static int forget_lun_txn(struct place *p, store_tx tx)
{
	struct store *st = p->ts->st;
	char path[PATH_LEN];
	uint32_t state;
	char *value = NULL;
	int rc = 0;

	if (!ts_path_exists(p->ts, tx,
			    ts_dev_path(path, p->back, p->dev, NULL)))
		return TXN_NOTHING;
	if (p->kernel)
		rc = keep_p_dev(p, tx);
	if (!rc)
		rc = store_sync_rm(st, tx, path);
	/* Theirs goes too: the number will be used again, and its state must
	 * not be taken for the next one's. */
	if (!rc)
		rc = place_rm(p, tx, ts_dev_path(path, p->front, p->dev, NULL));
	if (rc || !p->force)
		return rc;
	/* A request which nobody has taken up is not left standing. */
	snprintf(path, sizeof(path), "%s/state", p->front);
	if (!store_sync_read(st, tx, path, &value, NULL) &&
	    !strcmp(value, "4")) {
		free(value);
		value = NULL;
		snprintf(path, sizeof(path), "%s/state", p->back);
		rc = store_sync_read(st, tx, path, &value, NULL);
		state = !rc && value[0] && !value[1]
				? (uint32_t)(value[0] - '0')
				: 0;
		if (!rc && state == ST_RECONFIGURING)
			rc = place_put_u32(p, tx, p->back, "state",
					   ST_CONNECTED);
	}
	free(value);
	return rc;
}

/* A controller without LUNs is closed. */
static int close_txn(struct place *p, store_tx tx)
{
	struct store_tree *back = NULL;
	int rc;

	rc = store_sync_snapshot(p->ts->st, tx, p->back, NULL, &back);
	if (rc)
		return rc;
	p->seen = ts_tree_state(back, "state");
	if (count_luns(back) && !p->whole) {
		rc = TXN_NOTHING;
	} else if (!back->n) {
		rc = 0;
	} else {
		rc = place_put(p, tx, p->back, "online", "0");
		if (!rc && p->seen != ST_CLOSING && p->seen != ST_CLOSED)
			rc = place_put_u32(p, tx, p->back, "state", ST_CLOSING);
	}
	tree_free(back);
	return rc;
}

static int controller_closed(struct store *st, void *ctx)
{
	struct place *p = ctx;
	char path[PATH_LEN];
	uint32_t back, front;

	(void)st;
	snprintf(path, sizeof(path), "%s/state", p->back);
	back = ts_read_state(p->ts, path);
	snprintf(path, sizeof(path), "%s/state", p->front);
	front = ts_read_state(p->ts, path);
	if (!back || !ts_path_exists(p->ts, 0, p->home))
		return 1;
	/* The guest may still be reading what is going to be removed. */
	return back == ST_CLOSED &&
	       (front <= ST_INITIALISING || front == ST_CLOSED);
}

/* Remove PATH if nothing is below it. */
static int prune(struct place *p, store_tx tx, const char *path)
{
	char **names = NULL;
	size_t n = 0;
	int rc;

	rc = store_sync_ls(p->ts->st, tx, path, &names, &n);
	free(names);
	if (rc == -ENOENT)
		return 0;
	if (!rc && !n)
		rc = store_sync_rm(p->ts->st, tx, path);
	return rc;
}

/* Both directories, and what is empty above them; idempotent: xenpvd removes
 * its own too, and Xen those of a guest that ends. */
static int forget_txn(struct place *p, store_tx tx)
{
	struct store_tree *back = NULL;
	char path[PATH_LEN];
	uint32_t luns;
	int rc;

	rc = store_sync_snapshot(p->ts->st, tx, p->back, NULL, &back);
	if (rc)
		return rc;
	luns = count_luns(back);
	tree_free(back);
	if (luns && !p->whole)
		return TXN_NOTHING; /* somebody has attached one just now */
	rc = place_rm(p, tx, p->back);
	snprintf(path, sizeof(path),
		 "/local/domain/%" PRIu32 "/backend/%s/%" PRIu32, p->server,
		 p->type, p->req->guest->domid);
	if (!rc)
		rc = prune(p, tx, path);
	*strrchr(path, '/') = '\0';
	if (!rc && p->put_back && !p->type_existed)
		rc = prune(p, tx, path);
	if (rc || !ts_path_exists(p->ts, tx, p->front))
		return rc;
	if (!place_check_front(p, tx))
		rc = store_sync_rm(p->ts->st, tx, p->front);
	snprintf(path, sizeof(path), "%s/device/%s", p->home, p->front_type);
	if (!rc)
		rc = prune(p, tx, path);
	return rc;
}

/* The guest has not closed what it was asked to. */
static int fail_open(struct place *p)
{
	if (p->req->disk || p->whole)
		return ts_fail(
			p->err, p->len, -ETIMEDOUT,
			"guest '%s' has not let go of %s within %u s: is it "
			"mounted there? It goes as soon as the guest does not "
			"use it; --force takes it away now",
			p->req->guest->name, p->what, p->req->timeout_s);
	return ts_fail(p->err, p->len, -ETIMEDOUT,
		       "vdev %s of guest '%s' is detached, but the guest "
		       "does not close its empty controller: it goes when "
		       "the guest does, or with --force",
		       p->vdev, p->req->guest->name);
}

int place_ask_close(struct place *p)
{
	return place_txn(p, close_txn);
}

int place_close(struct place *p)
{
	int rc;

	rc = place_ask_close(p);
	if (rc)
		return rc < 0 ? rc : 0;
	if (p->force)
		p->deadline = clock_ms() + TAKE_BACK_MS;
	rc = place_await(p, controller_closed);
	if (rc == -ETIMEDOUT && !p->force)
		return fail_open(p);
	if (rc && !p->force)
		return place_fail_wait(p, rc);
	p->err[0] = '\0';
	rc = place_txn(p, forget_txn);
	return rc < 0 ? rc : 0;
}

static int fail_held(struct place *p, int rc)
{
	int r = place_txn(p, withdraw_txn);

	if (rc != -ETIMEDOUT)
		return place_fail_wait(p, rc);
	return ts_fail(
		p->err, p->len, rc,
		"guest '%s' has not let go of vdev %s within %u s%s: is it "
		"running? Try --timeout, or --force to take the device "
		"away from it",
		p->req->guest->name, p->vdev, p->req->timeout_s,
		r == 0 ? ", it keeps it" : "");
}

/* All of xenstore's part. */
static int remove_lun(struct place *p)
{
	int rc;

	if (p->put_back)
		p->deadline = clock_ms() + TAKE_BACK_MS;
	rc = place_txn_when_ready(p, request_txn);
	if (rc < 0 && (rc != -ETIMEDOUT || !p->force)) {
		if (rc == -ETIMEDOUT)
			return ts_fail(p->err, p->len, rc,
				       "controller %u of guest '%s' is %s and "
				       "stays so for %u s: try again later, or "
				       "--force",
				       (unsigned int)p->req->at->host,
				       p->req->guest->name,
				       ts_state_name(p->seen),
				       p->req->timeout_s);
		return place_fail_wait(p, rc);
	}
	if (!rc) {
		ts_step(p->ts, "asked guest '%s' to let go of vdev %s",
			p->req->guest->name, p->vdev);
		if (p->req->no_wait && !p->put_back)
			return 0;
		rc = place_await(p, lun_closed);
		if (rc && (rc != -ETIMEDOUT || !p->force))
			return fail_held(p, rc);
	}
	p->err[0] = '\0';
	rc = place_txn(p, forget_lun_txn);
	if (rc < 0)
		return rc;
	return place_close(p);
}

/*
 * The whole way back. With p->force every step that is not answered is
 * followed by the next one all the same.
 */
int place_remove_lun(struct place *p)
{
	int rc;

	if (p->kernel && !p->put_back)
		p->p_dev[0] = '\0'; /* it is found on the way */
	rc = remove_lun(p);
	if (!p->kernel)
		return rc;
	if (!rc)
		return place_kernel_drop(p);
	place_kernel_undo(p);
	return rc;
}

int ts_detach(struct toolstack *ts, const struct ts_request *req, char *err,
	      size_t len)
{
	char path[PATH_LEN];
	struct place p;
	int rc;

	place_init(&p, ts, req, err, len);
	p.force = req->force;
	p.type_existed = true;
	err[0] = '\0';
	if (ts_by_kernel(ts, req->guest, req->at))
		place_use_kernel(&p);
	/* Somebody has to be there to take away what it has served. */
	if (p.kernel && req->no_wait)
		return ts_fail(err, len, -EINVAL,
			       "vdev %s of guest '%s' is of the kernel's "
			       "backend, which is cleaned up by who waits: "
			       "leave out --no-wait",
			       p.vdev, req->guest->name);
	if (p.kernel)
		return place_remove_lun(&p);
	snprintf(path, sizeof(path), "%s/" VSCSI_HOST, p.back);
	p.whole = ts_path_exists(ts, 0, path) || place_is_orphan(&p);
	if (!p.whole)
		return place_remove_lun(&p);
	if (!req->no_wait)
		return place_close(&p);
	rc = place_ask_close(&p);
	return rc < 0 ? rc : 0;
}
