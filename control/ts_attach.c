/* SPDX-License-Identifier: BSD-2-Clause */
/* Give a guest a LUN: see toolstack.h. */
#include "control/ts_place.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/vscsi_host.h"
#include "host/clock.h"

/* Connected, but the new LUN is still untouched: it came just too late for
 * what the backend does at connect. Ask again after this long. */
#define MISSED_MS 1000

/* The lowest number from N on that is not in use. */
static uint32_t free_dev(const struct store_tree *back, uint32_t n)
{
	char path[PATH_LEN];

	while (tree_find(back, ts_dev_path(path, "", n, NULL)))
		n++;
	return n;
}

static int write_lun(struct place *p, store_tx tx)
{
	const struct pdev *pdev = p->req->pdev;
	struct pdev_options there = pdev->options;
	char options[PDEV_OPTIONS_MAX], dir[PATH_LEN];
	int rc;

	there.backend[0] = '\0'; /* where it is read, it is its own */
	pdev_options_format(&there, options);
	ts_dev_path(dir, p->back, p->dev, NULL);
	rc = place_put(p, tx, dir, "p-devname", pdev->name);
	if (!rc)
		rc = place_put(p, tx, dir, "p-dev",
			       p->kernel ? p->p_dev : pdev->path);
	if (!rc)
		rc = place_put(p, tx, dir, "v-dev", p->vdev);
	if (!rc && options[0])
		rc = place_put(p, tx, dir, "options", options);
	if (!rc)
		rc = place_put_u32(p, tx, dir, "state", ST_INITIALISING);
	return rc;
}

/* A driver domain removes what is left of a guest, as ours does. */
static int give_parent(struct place *p, store_tx tx)
{
	char path[BASE_LEN];
	int rc;

	if (p->server == p->ts->self)
		return 0;
	strcpy(path, p->back);
	*strrchr(path, '/') = '\0';
	rc = store_sync_mkdir(p->ts->st, tx, path);
	return rc ? rc
		  : store_sync_set_perms(p->ts->st, tx, path, p->server,
					 p->server);
}

/* Permissions first: what is written below inherits them. */
int place_write_ends(struct place *p, store_tx tx)
{
	uint32_t domid = p->req->guest->domid, self = p->server;
	struct store *st = p->ts->st;
	int rc;

	rc = place_rm(p, tx, p->front);
	if (!rc)
		rc = store_sync_mkdir(st, tx, p->front);
	if (!rc)
		rc = store_sync_set_perms(st, tx, p->front, domid, self);
	if (!rc)
		rc = give_parent(p, tx);
	if (!rc)
		rc = store_sync_mkdir(st, tx, p->back);
	if (!rc)
		rc = store_sync_set_perms(st, tx, p->back, self, domid);
	if (!rc)
		rc = place_put(p, tx, p->back, "frontend", p->front);
	if (!rc)
		rc = place_put_u32(p, tx, p->back, "frontend-id", domid);
	if (!rc)
		rc = place_put(p, tx, p->back, "online", "1");
	if (!rc)
		rc = place_put(p, tx, p->front, "backend", p->back);
	if (!rc)
		rc = place_put_u32(p, tx, p->front, "backend-id", self);
	return rc;
}

static int write_controller(struct place *p, store_tx tx)
{
	const struct pdev_options *options = &p->req->pdev->options;
	int rc;

	rc = place_write_ends(p, tx);
	if (!rc)
		rc = place_put(p, tx, p->back, "feature-host",
			       options->feature_host ? "1" : "0");
	/* For when the guest has ended: its own nodes go with it. */
	if (!rc && p->kernel)
		rc = place_put(p, tx, p->back, "domain", p->req->guest->name);
	if (!rc)
		rc = place_put_u32(p, tx, p->back, "state", ST_INITIALISING);
	if (!rc)
		rc = place_put_u32(p, tx, p->front, "state", ST_INITIALISING);
	return rc;
}

/* May the LUN join the controller that is there? 0, TXN_NOT_NOW or why not. */
static int check_append(struct place *p, const struct store_tree *back)
{
	const char *name = p->req->guest->name;
	char path[PATH_LEN];
	uint32_t dev;
	bool host;

	if (place_find_lun(p, back, &dev)) {
		const char *pname =
			tree_get(back, ts_dev_path(path, "", dev, "p-devname"));

		return ts_fail(
			p->err, p->len, -EEXIST,
			"vdev %s of guest '%s' is in use (%.300s): choose "
			"another, or 'xenpv scsi-detach %s %s' first",
			p->vdev, name, pname ? pname : "?", name, p->vdev);
	}
	if (tree_get(back, VSCSI_HOST))
		return ts_fail(
			p->err, p->len, -EINVAL,
			"controller %u of guest '%s' is an adapter (%.40s), "
			"whose devices come by themselves: choose another host "
			"number than in vdev %s",
			(unsigned int)p->req->at->host, name,
			tree_get(back, VSCSI_HOST), p->vdev);
	host = tree_is(back, "feature-host", "1");
	if (host != p->req->pdev->options.feature_host)
		return ts_fail(
			p->err, p->len, -EINVAL,
			"controller %u of guest '%s' %s the option "
			"feature-host, and all its LUNs must agree: %s, or "
			"choose another host number than in vdev %s",
			(unsigned int)p->req->at->host, name,
			host ? "has" : "has not",
			host ? "add it" : "leave it out", p->vdev);
	p->seen = ts_tree_state(back, "state");
	if (p->seen != ST_INITIALISING && p->seen != ST_INIT_WAIT &&
	    p->seen != ST_CONNECTED)
		return TXN_NOT_NOW;
	return 0;
}

/* Before anything is made for it. */
static int check_place(struct place *p)
{
	struct store_tree *back = NULL;
	int rc;

	rc = place_check_front(p, 0);
	if (!rc)
		rc = store_sync_snapshot(p->ts->st, 0, p->back, NULL, &back);
	if (!rc && back->n)
		rc = check_append(p, back);
	tree_free(back);
	if (rc < 0 && !p->err[0])
		ts_fail_store(p->err, p->len, rc, "read the device's nodes");
	return rc < 0 ? rc : 0;
}

/* The LUN's nodes, in a controller that is there, and was there if not CREATE. */
static int add_lun(struct place *p, store_tx tx, const struct store_tree *back,
		   bool create)
{
	char path[PATH_LEN];
	int rc = 0;

	/* What the guest said of the last one with this number. */
	if (!create)
		rc = place_rm(p, tx, ts_dev_path(path, p->front, p->dev, NULL));
	if (!rc && !create)
		rc = check_append(p, back);
	return rc ? rc : write_lun(p, tx);
}

/* The others of the request, behind the first. */
static int add_more(const struct place *p, store_tx tx,
		    const struct store_tree *back, bool create)
{
	struct place other = *p;
	int rc = 0;

	for (size_t i = 0; i < p->req->nmore && !rc; i++) {
		struct ts_request req = *p->req;

		req.at = p->req->more[i].at;
		req.pdev = p->req->more[i].pdev;
		other.req = &req;
		vdev_format(req.at, other.vdev);
		other.dev = free_dev(back, other.dev + 1);
		rc = add_lun(&other, tx, back, create);
	}
	return rc;
}

static int attach_txn(struct place *p, store_tx tx)
{
	struct store *st = p->ts->st;
	struct store_tree *back = NULL;
	bool create;
	int rc;

	rc = place_check_new(p, tx);
	if (!rc)
		rc = store_sync_snapshot(st, tx, p->back, NULL, &back);
	if (rc)
		goto out;

	create = !back->n;
	p->dev = free_dev(back, 0);
	if (create)
		rc = write_controller(p, tx);
	if (!rc)
		rc = add_lun(p, tx, back, create);
	if (!rc)
		rc = add_more(p, tx, back, create);
	/* Only one that is connected looks at its LUNs again when told to. */
	if (!rc && !create && p->seen == ST_CONNECTED)
		rc = place_put_u32(p, tx, p->back, "state", ST_RECONFIGURING);
out:
	tree_free(back);
	return rc;
}

/* Again: the backend looked at its LUNs just before ours was there. */
static int nudge_txn(struct place *p, store_tx tx)
{
	const struct place_states from = {ST_INITIALISING, ST_CONNECTED};
	const struct place_states to = {ST_INITIALISING, ST_RECONFIGURING};

	return place_move(p, tx, from, to);
}

/* Connected, and the LUN is as we wrote it. */
static int maybe_missed(struct place *p)
{
	int rc;

	if (!p->missed_since)
		p->missed_since = clock_ms();
	if (clock_ms() - p->missed_since < MISSED_MS)
		return 0;
	p->missed_since = 0;
	rc = place_txn(p, nudge_txn);
	return rc < 0 ? rc : 0;
}

/* What the guest's driver says of its failure; "" if nothing. */
static void front_error(struct place *p, char *text, size_t len)
{
	char path[PATH_LEN];
	char *value = NULL;

	text[0] = '\0';
	snprintf(path, sizeof(path), "%s/error/device/%s/%" PRIu32 "/error",
		 p->home, p->front_type, p->id);
	if (!store_sync_read(p->ts->st, 0, path, &value, NULL))
		snprintf(text, len, " (it says: %.150s)", value);
	free(value);
}

int place_fail_closed(struct place *p)
{
	char why[200];

	front_error(p, why, sizeof(why));
	return ts_fail(
		p->err, p->len, -EIO,
		"guest '%s' has closed %s instead of connecting it%s: %s",
		p->req->guest->name, p->what, why,
		ts_word(p->ts, SITE_GUEST_LOG));
}

/* What is looked at while we wait. */
enum {
	SEEN_HOME,
	SEEN_ERROR,
	SEEN_DEV,
	SEEN_FRONT_DEV,
	SEEN_STATE,
	SEEN_N
};

/* For one wait, and not at one moment: the controller's state comes last, so that
 * it is at least as new as its LUN's. */
static int look(struct place *p, char **value)
{
	char path[SEEN_N][PATH_LEN];
	const char *paths[SEEN_N];

	for (int i = 0; i < SEEN_N; i++)
		paths[i] = path[i];
	snprintf(path[SEEN_HOME], PATH_LEN, "%s", p->home);
	ts_dev_path(path[SEEN_ERROR], p->back, p->dev, "error");
	ts_dev_path(path[SEEN_DEV], p->back, p->dev, "state");
	ts_dev_path(path[SEEN_FRONT_DEV], p->front, p->dev, "state");
	snprintf(path[SEEN_STATE], PATH_LEN, "%s/state", p->back);
	return store_sync_read_many(p->ts->st, 0, paths, value, SEEN_N);
}

static int attached(struct store *st, void *ctx)
{
	struct place *p = ctx;
	char *value[SEEN_N];
	uint32_t state, dev_state;
	const char *error;
	int rc;

	(void)st;
	rc = look(p, value);
	if (rc)
		return rc;
	state = ts_state_of(value[SEEN_STATE]);
	dev_state = ts_state_of(value[SEEN_DEV]);
	error = value[SEEN_ERROR];
	if (!value[SEEN_HOME])
		rc = ts_fail(
			p->err, p->len, -ESRCH,
			"guest '%s' has gone while it was given vdev %s: %s",
			p->req->guest->name, p->vdev,
			ts_word(p->ts, SITE_GUESTS));
	else if (!dev_state)
		rc = ts_fail(
			p->err, p->len, -EIO,
			"vdev %s of guest '%s' was removed by somebody else "
			"while it was attached: see 'xenpv scsi-list %s'",
			p->vdev, p->req->guest->name, p->req->guest->name);
	else if (dev_state == ST_CLOSED || error)
		rc = ts_fail(p->err, p->len, -EIO,
			     "%s cannot give '%.300s' to guest '%s': %.400s",
			     p->kernel ? "xen-scsiback" : "xenpvd",
			     p->req->pdev->name, p->req->guest->name,
			     error	 ? error
			     : p->kernel ? "see dmesg"
					 : "no reason given, see its log");
	else if (state == ST_CLOSING || state == ST_CLOSED)
		rc = place_fail_closed(p);
	else if (state != ST_CONNECTED)
		rc = 0;
	else if (dev_state == ST_INITIALISING)
		rc = maybe_missed(p);
	else if (dev_state != ST_CONNECTED)
		rc = 0;
	else if (ts_state_of(value[SEEN_FRONT_DEV]) == ST_CLOSED)
		rc = ts_fail(p->err, p->len, -EIO,
			     "guest '%s' does not accept vdev %s: %s",
			     p->req->guest->name, p->vdev,
			     ts_word(p->ts, SITE_GUEST_LOG));
	else
		rc = 1;
	store_free_many(value, SEEN_N);
	return rc;
}

/* One line of why the guest has not got WHAT. */
static void explain_timeout(struct place *p, const char *what)
{
	char path[PATH_LEN];
	const char *name = p->req->guest->name;
	uint32_t back, front;

	snprintf(path, sizeof(path), "%s/state", p->back);
	back = ts_read_state(p->ts, path);
	snprintf(path, sizeof(path), "%s/state", p->front);
	front = ts_read_state(p->ts, path);
	if (back == ST_INITIALISING)
		ts_fail(p->err, p->len, 0,
			"%s has not looked at %s of guest '%s' within %u s: %s",
			p->kernel ? "xen-scsiback" : "xenpvd", what, name,
			p->req->timeout_s,
			p->kernel ? "see dmesg"
				  : ts_word(p->ts, SITE_DAEMON_LOG));
	else if (back == ST_INIT_WAIT && front <= ST_INITIALISING)
		ts_fail(p->err, p->len, 0,
			"guest '%s' has not answered for %s within %u s: %s "
			"(--timeout waits longer, --no-wait does not wait)",
			name, what, p->req->timeout_s,
			ts_word(p->ts, SITE_IS_IT_UP));
	else
		ts_fail(p->err, p->len, 0,
			"guest '%s' has not connected %s within %u s "
			"(backend %s, frontend %s): %s, or try --timeout",
			name, what, p->req->timeout_s, ts_state_name(back),
			ts_state_name(front), ts_word(p->ts, SITE_GUEST_LOG));
}

/* Leaves the line in p->err that says why. */
static void take_back(struct place *p, const char *what,
		      int (*undo)(struct place *p))
{
	char why[TS_ERR_MAX], lost[TS_ERR_MAX];

	snprintf(why, sizeof(why), "%s", p->err);
	ts_step(p->ts, "taking back %s of guest '%s'", what,
		p->req->guest->name);
	p->put_back = p->force = true;
	if (undo(p)) {
		snprintf(lost, sizeof(lost), "%.450s", p->err);
		ts_fail(p->err, p->len, 0,
			"%.450s; and it could not be taken back: %s", why,
			lost);
	} else {
		ts_fail(p->err, p->len, 0, "%s", why);
	}
}

int place_await_attached(struct place *p, const char *what, store_pred_fn *pred,
			 int (*undo)(struct place *p))
{
	int rc;

	p->err[0] = '\0';
	rc = place_await(p, pred);
	if (!rc)
		return 0;
	if (rc == -ETIMEDOUT)
		explain_timeout(p, what);
	else
		rc = place_fail_wait(p, rc);
	take_back(p, what, undo);
	return rc;
}

static int attach(struct place *p)
{
	const struct ts_request *req = p->req;
	char what[sizeof(p->what)];
	int rc;

	rc = place_txn_when_ready(p, attach_txn);
	if (rc == -ETIMEDOUT)
		return ts_fail(
			p->err, p->len, rc,
			"controller %u of guest '%s' is %s and stays so "
			"for %u s: try again, or another host number than "
			"in vdev %s",
			(unsigned int)req->at->host, req->guest->name,
			ts_state_name(p->seen), req->timeout_s, p->vdev);
	if (rc)
		return place_fail_wait(p, rc);
	ts_step(p->ts, "wrote %s/vscsi-devs/dev-%" PRIu32, p->back, p->dev);
	if (req->no_wait)
		return 0;

	snprintf(what, sizeof(what), "vdev %s", p->vdev);
	return place_await_attached(p, what, attached, place_remove_lun);
}

int ts_attach(struct toolstack *ts, const struct ts_request *req, char *err,
	      size_t len)
{
	struct place p;
	int rc;

	rc = place_init_new(&p, ts, req, err, len);
	if (rc)
		return rc;
	if (!req->pdev->options.kernel)
		return attach(&p);
	place_use_kernel(&p);
	rc = check_place(&p);
	if (!rc)
		rc = place_kernel_add(&p);
	if (!rc)
		rc = attach(&p);
	if (rc)
		place_kernel_undo(&p);
	return rc;
}
