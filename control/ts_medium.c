/* SPDX-License-Identifier: BSD-2-Clause */
/* Change the medium of a drive: see toolstack.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/ts_place.h"

/* The drive's directory in PATH[PATH_LEN]. -ENOENT, -EINVAL: it is none. */
static int find_drive(struct place *p, char *path)
{
	struct store_tree *back = NULL;
	const char *name;
	int rc;

	rc = store_sync_snapshot(p->ts->st, 0, p->back, NULL, &back);
	if (rc)
		return ts_fail_store(p->err, p->len, rc, "read the backend");
	if (!place_find_lun(p, back, &p->dev)) {
		rc = ts_fail(p->err, p->len, -ENOENT,
			     "guest '%s' has no vdev %s: see 'xenpv scsi-list "
			     "%s'",
			     p->req->guest->name, p->vdev, p->req->guest->name);
		goto out;
	}
	name = tree_get(back, ts_dev_path(path, "", p->dev, "p-devname"));
	if (!name || !pdev_is_cdrom(name))
		rc = ts_fail(p->err, p->len, -EINVAL,
			     "vdev %s of guest '%s' is no CD drive, but %s: "
			     "detach it, and attach another",
			     p->vdev, p->req->guest->name, name ? name : "?");
out:
	tree_free(back);
	return rc;
}

static const char *request_path(const struct place *p, char *path)
{
	return ts_dev_path(path, p->back, p->dev, "medium");
}

static int ask_txn(struct place *p, store_tx tx)
{
	char path[PATH_LEN], text[PATH_MAX + 2];

	snprintf(path, sizeof(path), "%s/state", p->back);
	if (ts_read_state(p->ts, path) != ST_CONNECTED)
		return ts_fail(p->err, p->len, -ENOTCONN,
			       "%s of guest '%s' is not connected: try again "
			       "when the guest has it",
			       p->what, p->req->guest->name);
	snprintf(text, sizeof(text), "%d %s", p->req->force,
		 p->req->pdev->name);
	return place_put(p, tx, ts_dev_path(path, p->back, p->dev, NULL),
			 "medium", text);
}

/* xenpvd has taken the request away, or has written there why not. */
static int answered(struct store *st, void *ctx)
{
	struct place *p = ctx;
	char path[PATH_LEN], *value = NULL;
	int rc;

	rc = store_sync_read(st, 0, request_path(p, path), &value, NULL);
	if (!rc)
		rc = strncmp(value, "0 ", 2) && strncmp(value, "1 ", 2);
	else if (rc == -ENOENT)
		rc = 1;
	free(value);
	return rc;
}

/* Nobody waits for an answer any more. */
static int withdraw_txn(struct place *p, store_tx tx)
{
	char path[PATH_LEN];

	request_path(p, path);
	return ts_path_exists(p->ts, tx, path) ? place_rm(p, tx, path)
					       : TXN_NOTHING;
}

int ts_change_medium(struct toolstack *ts, const struct ts_request *req,
		     char *err, size_t len)
{
	char path[PATH_LEN], *why = NULL;
	struct place p;
	int rc;

	place_init(&p, ts, req, err, len);
	err[0] = '\0';
	rc = find_drive(&p, path);
	if (!rc)
		rc = place_txn(&p, ask_txn);
	if (rc)
		return rc;
	rc = place_await(&p, answered);
	if (!rc &&
	    !store_sync_read(ts->st, 0, request_path(&p, path), &why, NULL))
		rc = -EIO;
	if (rc && place_txn(&p, withdraw_txn) < 0)
		ts_step(ts, "%s", p.err);
	if (rc == -EIO && why)
		ts_fail(err, len, rc,
			"the medium of vdev %s of guest '%s' stays: %.400s",
			p.vdev, req->guest->name, why);
	else if (rc == -ETIMEDOUT)
		ts_fail(err, len, rc,
			"xenpvd has not changed the medium of vdev %s of guest "
			"'%s' within %u s: %s",
			p.vdev, req->guest->name, req->timeout_s,
			ts_word(ts, SITE_DAEMON_LOG));
	else if (rc)
		rc = place_fail_wait(&p, rc);
	free(why);
	return rc;
}
