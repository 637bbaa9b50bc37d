/* SPDX-License-Identifier: BSD-2-Clause */
/* Give a guest a whole SCSI adapter, and take it back: see toolstack.h. */
#include "control/ts_place.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "control/vscsi_host.h"

static int write_adapter(struct place *p, store_tx tx)
{
	const struct ts_adapter *adapter = p->req->adapter;
	char host[32], made[32];
	int rc;

	snprintf(host, sizeof(host), "host:%" PRIu32, adapter->number);
	snprintf(made, sizeof(made), "%" PRIu64, adapter->made);
	rc = place_write_ends(p, tx);
	if (!rc)
		rc = place_put(p, tx, p->back, "feature-host", "1");
	if (!rc)
		rc = place_put(p, tx, p->back, VSCSI_HOST, host);
	if (!rc)
		rc = place_put(p, tx, p->back, VSCSI_MADE, made);
	if (!rc)
		rc = place_put_u32(p, tx, p->back, "state", ST_INITIALISING);
	if (!rc)
		rc = place_put_u32(p, tx, p->front, "state", ST_INITIALISING);
	return rc;
}

static int attach_txn(struct place *p, store_tx tx)
{
	const char *name = p->req->guest->name;
	int rc;

	rc = place_check_new(p, tx);
	if (rc)
		return rc;
	if (ts_path_exists(p->ts, tx, p->back))
		return ts_fail(
			p->err, p->len, -EEXIST,
			"%s of guest '%s' is in use, and an adapter needs one "
			"of its own: choose another first number in vdev %s",
			p->what, name, p->vdev);
	return write_adapter(p, tx);
}

static int attached(struct store *st, void *ctx)
{
	struct place *p = ctx;
	char path[PATH_LEN];
	uint32_t back, front;

	(void)st;
	snprintf(path, sizeof(path), "%s/state", p->back);
	back = ts_read_state(p->ts, path);
	snprintf(path, sizeof(path), "%s/state", p->front);
	front = ts_read_state(p->ts, path);
	if (!ts_path_exists(p->ts, 0, p->home))
		return ts_fail(
			p->err, p->len, -ESRCH,
			"guest '%s' has gone while it was given vdev %s: %s",
			p->req->guest->name, p->vdev,
			ts_word(p->ts, SITE_GUESTS));
	if (back == ST_CLOSING || back == ST_CLOSED)
		return place_fail_closed(p);
	return back == ST_CONNECTED && front == ST_CONNECTED;
}

int ts_adapter_attach(struct toolstack *ts, const struct ts_request *req,
		      char *err, size_t len)
{
	struct place p;
	int rc;

	rc = place_init_new(&p, ts, req, err, len);
	if (rc)
		return rc;
	p.type_existed = true;
	err[0] = '\0';
	rc = place_txn(&p, attach_txn);
	if (rc)
		return rc;
	ts_step(ts, "wrote %s", p.back);
	if (req->no_wait)
		return 0;
	p.whole = true; /* if it is taken back */
	return place_await_attached(&p, p.what, attached, place_close);
}
