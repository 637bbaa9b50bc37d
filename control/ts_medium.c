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

/* What was asked for, FORCE and a path: not yet looked at. */
static bool change_waits(const char *value)
{
	return !strncmp(value, "0 ", 2) || !strncmp(value, "1 ", 2);
}

int ts_change_medium(struct toolstack *ts, const struct ts_request *req,
		     char *err, size_t len)
{
	char path[PATH_LEN], *why = NULL;
	const struct place_ask ask = {path, ask_txn, change_waits};
	struct place p;
	int rc;

	place_init(&p, ts, req, err, len);
	err[0] = '\0';
	rc = find_drive(&p, path);
	if (rc)
		return rc;
	ts_dev_path(path, p.back, p.dev, "medium");
	rc = place_ask(&p, &ask, &why);
	if (why)
		ts_fail(err, len, rc,
			"the medium of vdev %s of guest '%s' stays: %.400s",
			p.vdev, req->guest->name, why);
	free(why);
	return rc;
}
