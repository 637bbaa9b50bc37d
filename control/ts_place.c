/* SPDX-License-Identifier: BSD-2-Clause */
/* Paths, transactions and waits: see ts_place.h. */
#include "control/ts_place.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/clock.h"

/* Transactions begun before a change is given up. */
#define TXN_TRIES 32

/* Even if xenstore is silent, a wait sees to signals and asks its question so
 * often. */
#define SLICE_MS 250
#define ASK_MS	 1000

int ts_fail(char *err, size_t len, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, len, fmt, ap);
	va_end(ap);
	return rc;
}

int ts_fail_store(char *err, size_t len, int rc, const char *what)
{
	return ts_fail(
		err, len, rc,
		"xenstore failed to %s: %s: does it run still, and may this "
		"user do that?",
		what, strerror(-rc));
}

void ts_step(struct toolstack *ts, const char *fmt, ...)
{
	char line[TS_ERR_MAX];
	va_list ap;

	if (!ts->cfg.step)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	ts->cfg.step(line);
}

const char *ts_word(const struct toolstack *ts, enum site_word word)
{
	return ts->cfg.site->word[word];
}

/* Not number: 0, which no XenbusState is. */
uint32_t ts_tree_state(const struct store_tree *tree, const char *path)
{
	uint32_t state;

	return tree_u32(tree, path, &state) ? 0 : state;
}

uint32_t ts_state_of(const char *value)
{
	if (!value || value[0] < '0' || value[0] > '9' || value[1])
		return 0;
	return (uint32_t)(value[0] - '0');
}

uint32_t ts_read_state(struct toolstack *ts, const char *path)
{
	char *value = NULL;
	uint32_t state;

	state = store_sync_read(ts->st, 0, path, &value, NULL)
			? 0
			: ts_state_of(value);
	free(value);
	return state;
}

const char *ts_state_name(uint32_t state)
{
	static const char *const name[] = {
		"-",	       "initialising",	"waiting",
		"initialised", "connected",	"closing",
		"closed",      "reconfiguring", "reconfigured",
	};

	return state < XPV_ARRAY_SIZE(name) ? name[state] : "?";
}

/* ----------------------------------------------------------------- places */

static void set_back(struct place *p)
{
	snprintf(p->back, BASE_LEN,
		 "/local/domain/%" PRIu32 "/backend/%s/%" PRIu32 "/%" PRIu32,
		 p->server, p->type, p->req->guest->domid, p->id);
}

/* Whose backend has it now? */
static void find_server(struct place *p)
{
	char path[PATH_LEN], *value = NULL;

	set_back(p);
	if (ts_path_exists(p->ts, 0, p->back))
		return;
	snprintf(path, sizeof(path), "%s/backend-id", p->front);
	if (!store_sync_read(p->ts->st, 0, path, &value, NULL))
		(void)ts_parse_domid(value, &p->server);
	free(value);
}

static void init(struct place *p, struct toolstack *ts,
		 const struct ts_request *req, char *err, size_t len)
{
	uint32_t domid = req->guest->domid;

	*p = (struct place){.ts = ts,
			    .req = req,
			    .server = ts->self,
			    .err = err,
			    .len = len};
	if (req->disk) {
		p->type = TS_TYPE_BLOCK;
		p->other = p->front_type = "vbd";
		p->id = req->disk->number;
		snprintf(p->vdev, sizeof(p->vdev), "%s", req->disk->vdev);
		snprintf(p->what, sizeof(p->what), "disk %s", p->vdev);
	} else {
		p->type = TS_TYPE;
		p->other = p->front_type = TS_TYPE_KERNEL;
		p->id = req->at->host;
		vdev_format(req->at, p->vdev);
		snprintf(p->what, sizeof(p->what), "controller %" PRIu32,
			 p->id);
	}
	snprintf(p->home, BASE_LEN, "/local/domain/%" PRIu32, domid);
	snprintf(p->front, BASE_LEN,
		 "/local/domain/%" PRIu32 "/device/%s/%" PRIu32, domid,
		 p->front_type, p->id);
	p->deadline = clock_ms() + (int64_t)req->timeout_s * 1000;
}

void place_init(struct place *p, struct toolstack *ts,
		const struct ts_request *req, char *err, size_t len)
{
	init(p, ts, req, err, len);
	find_server(p);
	set_back(p);
}

int place_init_new(struct place *p, struct toolstack *ts,
		   const struct ts_request *req, char *err, size_t len)
{
	const char *name = req->pdev ? req->pdev->options.backend : "";
	int rc = 0;

	init(p, ts, req, err, len);
	if (*name)
		rc = ts_server_find(ts, name, &p->server, err, len);
	set_back(p);
	return rc;
}

void place_use_kernel(struct place *p)
{
	p->kernel = true;
	p->server = p->ts->self;
	p->type = TS_TYPE_KERNEL;
	p->other = TS_TYPE;
	set_back(p);
}

/* "BASE/vscsi-devs/dev-N/LEAF"; no LEAF: the directory. */
const char *ts_dev_path(char *out, const char *base, uint32_t dev,
			const char *leaf)
{
	snprintf(out, PATH_LEN, "%s%svscsi-devs/dev-%" PRIu32 "%s%s", base,
		 *base ? "/" : "", dev, leaf ? "/" : "", leaf ? leaf : "");
	return out;
}

bool ts_path_exists(struct toolstack *ts, store_tx tx, const char *path)
{
	char *value = NULL;
	int rc = store_sync_read(ts->st, tx, path, &value, NULL);

	free(value);
	return !rc;
}

int place_put(struct place *p, store_tx tx, const char *base, const char *leaf,
	      const char *value)
{
	char path[2 * PATH_LEN];

	snprintf(path, sizeof(path), "%s/%s", base, leaf);
	return store_sync_write(p->ts->st, tx, path, value);
}

int place_put_u32(struct place *p, store_tx tx, const char *base,
		  const char *leaf, uint32_t value)
{
	char text[16];

	snprintf(text, sizeof(text), "%" PRIu32, value);
	return place_put(p, tx, base, leaf, text);
}

int place_put_dev_state(struct place *p, store_tx tx, uint32_t value)
{
	char leaf[PATH_LEN];

	return place_put_u32(p, tx, p->back,
			     ts_dev_path(leaf, "", p->dev, "state"), value);
}

int place_move(struct place *p, store_tx tx, struct place_states from,
	       struct place_states to)
{
	struct store_tree *back = NULL;
	char path[PATH_LEN];
	int rc;

	rc = store_sync_snapshot(p->ts->st, tx, p->back, NULL, &back);
	if (rc)
		return rc;
	ts_dev_path(path, "", p->dev, "state");
	if (ts_tree_state(back, path) != from.lun ||
	    ts_tree_state(back, "state") != from.controller)
		rc = TXN_NOTHING;
	if (!rc && to.lun != from.lun)
		rc = place_put_dev_state(p, tx, to.lun);
	if (!rc)
		rc = place_put_u32(p, tx, p->back, "state", to.controller);
	tree_free(back);
	return rc;
}

int place_rm(struct place *p, store_tx tx, const char *path)
{
	int rc = store_sync_rm(p->ts->st, tx, path);

	return rc == -ENOENT ? 0 : rc;
}

/*
 * Run FN in a transaction until it is committed, or FN says that there is
 * nothing to commit (its positive value is returned).
 */
/*
 * Worth another try? EIO of xenstored itself, once in a while seen of 4.17 when
 * xenpvd changes the same directory, is a conflict by another name: a new
 * transaction goes through. One of ours comes with its line.
 */
static bool again(const struct place *p, int rc)
{
	return rc == -EAGAIN || (rc == -EIO && !p->err[0]);
}

int place_txn(struct place *p, int (*fn)(struct place *p, store_tx tx))
{
	store_tx tx;
	int rc = -EAGAIN;

	for (int i = 0; i < TXN_TRIES && again(p, rc); i++) {
		p->err[0] = '\0';
		rc = store_sync_begin(p->ts->st, &tx);
		if (rc)
			break;
		rc = fn(p, tx);
		if (rc)
			store_sync_abort(p->ts->st, tx);
		else
			rc = store_sync_commit(p->ts->st, tx);
	}
	if (rc < 0 && !p->err[0])
		ts_fail_store(p->err, p->len, rc, "change the device's nodes");
	return rc;
}

/* -------------------------------------------------------------- waiting */

static bool stopped(const struct place *p)
{
	/* Taking back is what a signal asks for; it does not end that too. */
	return p->ts->cfg.stop && *p->ts->cfg.stop && !p->put_back;
}

#define WATCHES 5

/* A wait. Its question costs several requests and is asked when a watch has said
 * something, and now and then, for what nothing tells. */
struct waiting {
	struct place *p;
	store_pred_fn *pred;
	struct store_watch *watch[WATCHES];
	unsigned int silent; /* watches that have not said yet that they are */
	bool woken;
	int64_t again; /* clock_ms() */
};

static void woken(struct store *st, int err, const char *path, void *ctx)
{
	struct waiting *w = ctx;

	(void)st;
	(void)err;
	(void)path;
	if (w->silent)
		w->silent--;
	w->woken = !w->silent;
}

/* Events that come while the question is asked are newer than its answer. */
static int when_woken(struct store *st, void *ctx)
{
	struct waiting *w = ctx;
	int rc = 0;

	while (!rc && (w->woken || clock_ms() >= w->again)) {
		w->woken = false;
		rc = w->pred(st, w->p);
		w->again = clock_ms() + ASK_MS;
		if (clock_ms() >= w->p->deadline)
			break;
	}
	return rc;
}

/*
 * The nodes that the questions are about, and no others: when a device is
 * connected, xenpvd and the guest write some thirty.
 */
static int watch_all(struct waiting *w)
{
	const struct place *p = w->p;
	bool scsi = !strcmp(p->front_type, "vscsi");
	const struct {
		const char *dir, *leaf;
	} node[WATCHES] = {
		{p->back, "state"},
		{p->front, "state"},
		{p->back, scsi ? "vscsi-devs" : "error"},
		{scsi ? p->front : NULL, "vscsi-devs"},
		{p->ask ? p->ask->path : NULL, NULL},
	};
	char path[PATH_LEN];
	int rc = 0;

	for (int i = 0; i < WATCHES && !rc; i++) {
		if (!node[i].dir)
			continue;
		snprintf(path, sizeof(path), "%s%s%s", node[i].dir,
			 node[i].leaf ? "/" : "",
			 node[i].leaf ? node[i].leaf : "");
		rc = store_watch(p->ts->st, path, -1, woken, w, &w->watch[i]);
		w->silent++;
	}
	return rc;
}

/*
 * Wait until PRED says so (store_sync_wait()), the deadline passes
 * (-ETIMEDOUT) or a signal comes (-EINTR). In slices: a signal handler cannot
 * make xenstore say something.
 */
int place_await(struct place *p, store_pred_fn *pred)
{
	struct waiting w = {.p = p, .pred = pred, .again = clock_ms() + ASK_MS};
	struct store *st = p->ts->st;
	int64_t left;
	int rc = watch_all(&w);

	while (!rc) {
		left = p->deadline - clock_ms();
		if (left <= 0) {
			rc = pred(st, p);
			rc = rc < 0 ? rc : rc ? 0 : -ETIMEDOUT;
			break;
		}
		rc = store_sync_wait(st, left > SLICE_MS ? SLICE_MS : (int)left,
				     when_woken, &w);
		if (rc != -ETIMEDOUT)
			break;
		rc = stopped(p) ? -EINTR : 0;
	}
	for (int i = 0; i < WATCHES; i++)
		store_unwatch(st, w.watch[i]);
	return rc;
}

/* Has the backend come to rest since a transaction found it at work? */
static int at_rest(struct store *st, void *ctx)
{
	struct place *p = ctx;
	char path[PATH_LEN];
	uint32_t state;

	(void)st;
	snprintf(path, sizeof(path), "%s/state", p->back);
	state = ts_read_state(p->ts, path);
	return state == p->seen ? 0 : 1;
}

/* Run FN, and again when the controller has moved on, until the deadline. */
int place_txn_when_ready(struct place *p,
			 int (*fn)(struct place *p, store_tx tx))
{
	int rc;

	for (;;) {
		rc = place_txn(p, fn);
		if (rc != TXN_NOT_NOW)
			return rc;
		ts_step(p->ts, "%s of guest '%s' is %s: waiting", p->what,
			p->req->guest->name, ts_state_name(p->seen));
		rc = place_await(p, at_rest);
		if (rc)
			return rc;
	}
}

/* Has xenpvd taken the node away, or written there why not? */
static int answered(struct store *st, void *ctx)
{
	const struct place *p = ctx;
	char *value = NULL;
	int rc;

	rc = store_sync_read(st, 0, p->ask->path, &value, NULL);
	if (!rc)
		rc = !p->ask->waits(value);
	else if (rc == -ENOENT)
		rc = 1;
	free(value);
	return rc;
}

/* Nobody waits for an answer any more. */
static int withdraw_txn(struct place *p, store_tx tx)
{
	return ts_path_exists(p->ts, tx, p->ask->path)
		       ? place_rm(p, tx, p->ask->path)
		       : TXN_NOTHING;
}

int place_ask(struct place *p, const struct place_ask *ask, char **why)
{
	int rc;

	*why = NULL;
	p->ask = ask;
	rc = place_txn(p, ask->write);
	if (rc)
		return rc;
	rc = place_await(p, answered);
	if (!rc && !store_sync_read(p->ts->st, 0, ask->path, why, NULL))
		rc = -EIO;
	if (rc && place_txn(p, withdraw_txn) < 0)
		ts_step(p->ts, "%s", p->err);
	if (rc == -ETIMEDOUT)
		ts_fail(p->err, p->len, rc,
			"xenpvd has not looked at what was asked of %s of "
			"guest '%s' within %u s: %s",
			p->what, p->req->guest->name, p->req->timeout_s,
			ts_word(p->ts, SITE_DAEMON_LOG));
	else if (rc && !*why)
		rc = place_fail_wait(p, rc);
	return rc;
}

/* ------------------------------------------------------------ questions */

/*
 * Is the frontend's directory another backend's? A guest may have spoiled its
 * own node: then too somebody has to look before anything is written over it.
 */
static int judge_front(struct place *p, const char *owner)
{
	const char *hint = "remove it the way it was given";
	char other[PATH_LEN];

	if (!owner || !strcmp(owner, p->back))
		return 0;
	snprintf(other, sizeof(other),
		 "/local/domain/%" PRIu32 "/backend/%s/%" PRIu32 "/%" PRIu32,
		 p->server, p->other, p->req->guest->domid, p->id);
	if (p->req->pdev)
		hint = p->req->disk ? "choose another vdev"
				    : "choose another H in the vdev's H:C:T:L";
	return ts_fail(p->err, p->len, -EXDEV,
		       "%s of guest '%s' is served by %s (%.200s): %s", p->what,
		       p->req->guest->name,
		       strcmp(owner, other) ? "another backend"
		       : p->kernel	    ? "xenpvd"
					    : "the kernel's backend",
		       owner, hint);
}

int place_check_front(struct place *p, store_tx tx)
{
	char path[PATH_LEN];
	char *owner = NULL;
	int rc;

	snprintf(path, sizeof(path), "%s/backend", p->front);
	rc = store_sync_read(p->ts->st, tx, path, &owner, NULL);
	if (rc == -ENOENT)
		return 0;
	if (!rc)
		rc = judge_front(p, owner);
	free(owner);
	return rc;
}

bool place_is_orphan(struct place *p)
{
	return p->server != p->ts->self && !ts_guest_exists(p->ts, p->server) &&
	       ts_path_exists(p->ts, 0, p->front);
}

int place_check_new(struct place *p, store_tx tx)
{
	char owner[PATH_LEN], type[PATH_LEN];
	const char *const paths[] = {p->home, owner, type};
	char *value[XPV_ARRAY_SIZE(paths)];
	int rc;

	snprintf(owner, sizeof(owner), "%s/backend", p->front);
	snprintf(type, sizeof(type), "/local/domain/%" PRIu32 "/backend/%s",
		 p->server, p->type);
	rc = store_sync_read_many(p->ts->st, tx, paths, value,
				  XPV_ARRAY_SIZE(paths));
	if (rc)
		return rc;
	p->type_existed = value[2] != NULL;
	rc = value[0] ? judge_front(p, value[1])
		      : ts_fail(p->err, p->len, -ESRCH,
				"guest '%s' has gone: %s", p->req->guest->name,
				ts_word(p->ts, SITE_GUESTS));
	store_free_many(value, XPV_ARRAY_SIZE(paths));
	return rc;
}

/* The LUN at our vdev; its number goes to *DEV. NULL: none. */
const struct store_node *place_find_lun(const struct place *p,
					const struct store_tree *back,
					uint32_t *dev)
{
	const struct store_node *c;
	char path[PATH_LEN];

	for (c = tree_child(back, "vscsi-devs", NULL); c;
	     c = tree_child(back, "vscsi-devs", c)) {
		if (sscanf(tree_name(c), "dev-%" SCNu32, dev) != 1)
			continue;
		if (vdev_is(p->req->at,
			    tree_get(back,
				     ts_dev_path(path, "", *dev, "v-dev"))))
			return c;
	}
	return NULL;
}

int place_fail_wait(struct place *p, int rc)
{
	if (rc == -EINTR)
		return ts_fail(
			p->err, p->len, rc,
			"interrupted: vdev %s of guest '%s' is as it was",
			p->vdev, p->req->guest->name);
	if (!p->err[0])
		return ts_fail_store(p->err, p->len, rc, "wait for the device");
	return rc;
}
