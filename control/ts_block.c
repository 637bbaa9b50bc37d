/* SPDX-License-Identifier: BSD-2-Clause */
/* Disks: give, take back, resize, list: see toolstack.h. */
#include "control/ts_place.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/xs.h"

/* ----------------------------------------------------------------- attach */

static const char *type_of(const struct pdev *pdev)
{
	switch (pdev->kind) {
	case PDEV_FILE:
		return "file";
	case PDEV_BLOCK:
		return "phy";
	case PDEV_NBD:
		return "nbd";
	case PDEV_ELSEWHERE:
		return pdev->name[0] == '/' ? "phy" : "null";
	case PDEV_NULL:
	case PDEV_EMPTY: /* refused by options.no_scsi, as is: */
	case PDEV_SG:
	case PDEV_ISCSI:
	case PDEV_VTL:
		break;
	}
	return "null";
}

/* A node for each that is set. */
static int write_tune(struct place *p, store_tx tx,
		      const struct disk_tune *tune)
{
	char text[TUNE_TEXT_MAX];
	int rc = 0;

	for (size_t i = 0; i < TUNE_N && !rc; i++) {
		if (!disk_tune_is_set(tune, (enum disk_tune_key)i))
			continue;
		disk_tune_text(tune, (enum disk_tune_key)i, text);
		rc = place_put(p, tx, p->back,
			       disk_tune_name((enum disk_tune_key)i), text);
	}
	return rc;
}

/* The nodes of xl, and ours. */
static int write_disk(struct place *p, store_tx tx)
{
	const struct disk_spec *disk = p->req->disk;
	const struct pdev *pdev = p->req->pdev;
	struct pdev_options rest = pdev->options;
	char options[PDEV_OPTIONS_MAX];
	const char *device = disk->cdrom ? "cdrom" : "disk";
	const struct {
		const char *node, *value;
	} back[] = {
		{"dev", disk->vdev},
		{"device-type", device},
		{"removable", disk->cdrom ? "1" : "0"},
		{"bootable", "1"},
		{"mode", pdev->options.read_only ? "r" : "w"},
		{"type", type_of(pdev)},
		{"params", pdev->name},
		{"physical-device-path", pdev->path},
		{"discard-enable", disk->no_discard ? "0" : "1"},
		{"options", options},
		{"state", "1"},
	};
	int rc;

	rest.read_only = false; /* it is in mode */
	rest.backend[0] = '\0'; /* where it is read, it is its own */
	pdev_options_format(&rest, options);
	rc = place_write_ends(p, tx);
	for (size_t i = 0; i < XPV_ARRAY_SIZE(back) && !rc; i++)
		if (back[i].value[0])
			rc = place_put(p, tx, p->back, back[i].node,
				       back[i].value);
	if (!rc)
		rc = write_tune(p, tx, &disk->tune);
	if (!rc)
		rc = place_put_u32(p, tx, p->front, "virtual-device", p->id);
	if (!rc)
		rc = place_put(p, tx, p->front, "device-type", device);
	if (!rc)
		rc = place_put_u32(p, tx, p->front, "state", ST_INITIALISING);
	return rc;
}

static int attach_txn(struct place *p, store_tx tx)
{
	struct store_tree *back = NULL;
	const char *name = p->req->guest->name, *params;
	int rc;

	rc = place_check_new(p, tx);
	if (!rc)
		rc = store_sync_snapshot(p->ts->st, tx, p->back, NULL, &back);
	if (rc)
		return rc;
	params = tree_get(back, "params");
	if (back->n)
		rc = ts_fail(p->err, p->len, -EEXIST,
			     "vdev %s of guest '%s' is in use (%.300s): choose "
			     "another, or 'xenpv block-detach %s %s' first",
			     p->vdev, name, params ? params : "?", name,
			     p->vdev);
	tree_free(back);
	return rc ? rc : write_disk(p, tx);
}

static int attached(struct store *st, void *ctx)
{
	struct place *p = ctx;
	char error[PATH_LEN], front[PATH_LEN], back[PATH_LEN];
	const char *const paths[] = {p->home, error, front, back};
	char *value[XPV_ARRAY_SIZE(paths)];
	uint32_t state;
	int rc;

	snprintf(error, sizeof(error), "%s/error", p->back);
	snprintf(front, sizeof(front), "%s/state", p->front);
	snprintf(back, sizeof(back), "%s/state", p->back);
	rc = store_sync_read_many(st, 0, paths, value, XPV_ARRAY_SIZE(paths));
	if (rc)
		return rc;
	state = ts_state_of(value[3]);
	if (!value[0])
		rc = ts_fail(
			p->err, p->len, -ESRCH,
			"guest '%s' has gone while it was given vdev %s: %s",
			p->req->guest->name, p->vdev,
			ts_word(p->ts, SITE_GUESTS));
	else if (!state)
		rc = ts_fail(
			p->err, p->len, -EIO,
			"vdev %s of guest '%s' was removed by somebody else "
			"while it was attached: see 'xenpv block-list %s'",
			p->vdev, p->req->guest->name, p->req->guest->name);
	else if (value[1])
		rc = ts_fail(
			p->err, p->len, -EIO,
			"xenpvd cannot give '%.300s' to guest '%s': %.400s",
			p->req->pdev->name, p->req->guest->name, value[1]);
	else if (state == ST_CLOSING || state == ST_CLOSED)
		rc = place_fail_closed(p);
	else
		rc = state == ST_CONNECTED &&
		     ts_state_of(value[2]) == ST_CONNECTED;
	store_free_many(value, XPV_ARRAY_SIZE(paths));
	return rc;
}

int ts_block_attach(struct toolstack *ts, const struct ts_request *req,
		    char *err, size_t len)
{
	struct place p;
	int rc;

	rc = place_init_new(&p, ts, req, err, len);
	if (rc)
		return rc;
	err[0] = '\0';
	rc = place_txn(&p, attach_txn);
	if (rc)
		return rc;
	ts_step(ts, "wrote %s", p.back);
	if (req->no_wait)
		return 0;
	return place_await_attached(&p, p.what, attached, place_close);
}

/* ----------------------------------------------------------------- detach */

/* Is there such a disk of ours? */
static int check_there(struct place *p)
{
	char path[PATH_LEN];
	int rc;

	snprintf(path, sizeof(path), "%s/frontend-id", p->back);
	if (ts_path_exists(p->ts, 0, path) || place_is_orphan(p))
		return 0;
	rc = place_check_front(p, 0);
	return rc ? rc
		  : ts_fail(p->err, p->len, -ENOENT,
			    "guest '%s' has no vdev %s: see 'xenpv block-list "
			    "%s'",
			    p->req->guest->name, p->vdev, p->req->guest->name);
}

int ts_block_detach(struct toolstack *ts, const struct ts_request *req,
		    char *err, size_t len)
{
	struct place p;
	int rc;

	place_init(&p, ts, req, err, len);
	p.force = req->force;
	p.type_existed = true;
	err[0] = '\0';
	rc = check_there(&p);
	if (rc)
		return rc;
	ts_step(ts, "asking guest '%s' to let go of %s", req->guest->name,
		p.what);
	if (!req->no_wait)
		return place_close(&p);
	rc = place_ask_close(&p);
	return rc < 0 ? rc : 0;
}

/* ----------------------------------------------------------------- resize */

static int ask_resize_txn(struct place *p, store_tx tx)
{
	char path[PATH_LEN];

	snprintf(path, sizeof(path), "%s/state", p->back);
	if (ts_read_state(p->ts, path) != ST_CONNECTED)
		return ts_fail(p->err, p->len, -ENOTCONN,
			       "vdev %s of guest '%s' is not connected: it has "
			       "its new size when it is",
			       p->vdev, p->req->guest->name);
	return place_put(p, tx, p->back, "resize", "1");
}

static bool resize_waits(const char *value)
{
	return !strcmp(value, "1");
}

int ts_block_resize(struct toolstack *ts, const struct ts_request *req,
		    char *err, size_t len)
{
	char path[PATH_LEN], *why = NULL;
	const struct place_ask ask = {path, ask_resize_txn, resize_waits};
	struct place p;
	int rc;

	place_init(&p, ts, req, err, len);
	err[0] = '\0';
	rc = check_there(&p);
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "%s/resize", p.back);
	rc = place_ask(&p, &ask, &why);
	if (why)
		ts_fail(err, len, rc,
			"vdev %s of guest '%s' cannot be resized: %.400s",
			p.vdev, req->guest->name, why);
	free(why);
	return rc;
}

/* --------------------------------------------------------------- settings */

static int set_txn(struct place *p, store_tx tx)
{
	const struct disk_tune *tune = &p->req->disk->tune;
	char path[PATH_LEN], text[TUNE_TEXT_MAX];
	const char *name;
	int rc = 0;

	for (size_t i = 0; i < TUNE_N && !rc; i++) {
		if (!(tune->given & 1u << i))
			continue;
		name = disk_tune_name((enum disk_tune_key)i);
		snprintf(path, sizeof(path), "%s/%s", p->back, name);
		disk_tune_text(tune, (enum disk_tune_key)i, text);
		if (tune->value[i])
			rc = place_put(p, tx, p->back, name, text);
		else if (ts_path_exists(p->ts, tx, path))
			rc = place_rm(p, tx, path);
	}
	return rc;
}

int ts_block_set(struct toolstack *ts, const struct ts_request *req, char *err,
		 size_t len)
{
	struct place p;
	int rc;

	place_init(&p, ts, req, err, len);
	err[0] = '\0';
	rc = check_there(&p);
	return rc ? rc : place_txn(&p, set_txn);
}

/* ------------------------------------------------------------------- list */

static const struct {
	const char *type, *backend;
} types[] = {
	{TS_TYPE_BLOCK, "xenpv"},
	{"vbd", "kernel"},
	{"qdisk", "qemu"},
};

static void disk_free(struct ts_disk *disk)
{
	free(disk->vdev);
	free(disk->pname);
	free(disk->pdev);
	free(disk->options);
	free(disk->mode);
	free(disk->type);
	free(disk->error);
}

void ts_disks_free(struct ts_disks *disks)
{
	for (size_t i = 0; i < disks->n; i++)
		disk_free(&disks->disk[i]);
	free(disks->disk);
	*disks = (struct ts_disks){0};
}

/* A copy of DIR/LEAF, "" if there is none; NULL: no memory. */
static char *copy_of(const struct store_tree *tree, const char *dir,
		     const char *leaf)
{
	char path[PATH_LEN];
	const char *text;

	snprintf(path, sizeof(path), "%.100s/%s", dir, leaf);
	text = tree_get(tree, path);
	return strdup(text ? text : "");
}

static int add_disk(struct toolstack *ts, struct ts_disks *disks,
		    const struct ts_disk *like, const struct store_tree *tree,
		    const char *dir)
{
	struct ts_disk disk = *like, *more;
	uint64_t sectors;
	char path[PATH_LEN];

	if (sscanf(dir, "%" SCNu32, &disk.number) != 1)
		return 0;
	disk.vdev = copy_of(tree, dir, "dev");
	disk.pname = copy_of(tree, dir, "params");
	disk.pdev = copy_of(tree, dir, "physical-device-path");
	disk.options = copy_of(tree, dir, "options");
	disk.mode = copy_of(tree, dir, "mode");
	disk.type = copy_of(tree, dir, "device-type");
	disk.error = copy_of(tree, dir, "error");
	snprintf(path, sizeof(path), "%.100s/state", dir);
	disk.back_state = ts_tree_state(tree, path);
	snprintf(path, sizeof(path), "%.100s/sectors", dir);
	disk.sized =
		!tree_u64(tree, path, &sectors) && sectors <= UINT64_MAX / 512;
	disk.size = disk.sized ? sectors * 512 : 0;
	snprintf(path, sizeof(path),
		 "/local/domain/%" PRIu32 "/device/vbd/%" PRIu32 "/state",
		 disk.guest.domid, disk.number);
	disk.front_state = ts_read_state(ts, path);

	more = realloc(disks->disk, (disks->n + 1) * sizeof(*more));
	if (more)
		disks->disk = more;
	if (!more || !disk.vdev || !disk.pname || !disk.pdev || !disk.options ||
	    !disk.mode || !disk.type || !disk.error) {
		disk_free(&disk);
		return -ENOMEM;
	}
	disks->disk[disks->n++] = disk;
	return 0;
}

struct disk_search {
	struct ts_disks *disks;
	const struct ts_guest *guest;
};

static int add_from(struct toolstack *ts, const struct ts_guest *server,
		    void *ctx)
{
	const struct disk_search *search = ctx;
	const struct store_node *c;
	int rc = 0;

	for (size_t i = 0; i < XPV_ARRAY_SIZE(types) && !rc; i++) {
		const struct ts_disk like = {.guest = *search->guest,
					     .server = *server,
					     .own = server->domid == ts->self,
					     .backend = types[i].backend};
		struct store_tree *tree = NULL;
		char path[PATH_LEN];

		/* Of another domain's only what is ours to name. */
		if (i && server->domid != ts->self)
			break;
		snprintf(path, sizeof(path),
			 "/local/domain/%" PRIu32 "/backend/%s/%" PRIu32,
			 server->domid, types[i].type, search->guest->domid);
		rc = store_sync_snapshot(ts->st, 0, path, NULL, &tree);
		if (rc)
			break;
		for (c = tree_child(tree, "", NULL); c && !rc;
		     c = tree_child(tree, "", c))
			rc = add_disk(ts, search->disks, &like, tree, c->path);
		tree_free(tree);
	}
	return rc;
}

static int add_guest(struct toolstack *ts, const struct ts_guest *guest,
		     void *ctx)
{
	struct disk_search search = {ctx, guest};

	return ts_each_server(ts, add_from, &search);
}

static int by_number(const void *x, const void *y)
{
	const struct ts_disk *a = x, *b = y;

	if (a->guest.domid != b->guest.domid)
		return a->guest.domid < b->guest.domid ? -1 : 1;
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return 0;
}

int ts_disks_add(struct toolstack *ts, const struct ts_guest *guest,
		 struct ts_disks *disks, char *err, size_t len)
{
	size_t before = disks->n;
	int rc;

	rc = guest ? add_guest(ts, guest, disks)
		   : ts_each_guest(ts, add_guest, disks);
	if (rc)
		return ts_fail_store(err, len, rc, "list the disks");
	if (disks->n > before)
		qsort(disks->disk + before, disks->n - before,
		      sizeof(*disks->disk), by_number);
	return 0;
}
