/* SPDX-License-Identifier: BSD-2-Clause */
/* LUNs of the kernel's backend: see toolstack.h, lio.h. */
#include "control/ts_place.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Backends of one guest at a time are looked at and removed. */
#define BACKENDS_LEN 64

static void backends_path(const struct toolstack *ts, char *path)
{
	snprintf(path, BACKENDS_LEN, "/local/domain/%" PRIu32 "/backend/%s",
		 ts->self, TS_TYPE_KERNEL);
}

bool ts_by_kernel(struct toolstack *ts, const struct ts_guest *guest,
		  const struct pdev_vdev *at)
{
	char base[BACKENDS_LEN], path[PATH_LEN];

	backends_path(ts, base);
	snprintf(path, sizeof(path), "%s/%" PRIu32 "/%u/frontend", base,
		 guest->domid, at->host);
	return ts_path_exists(ts, 0, path);
}

int place_kernel_add(struct place *p)
{
	const char *host = site_name(p->ts->cfg.site);
	int rc;

	if (strcmp(host, "xen"))
		return ts_fail(p->err, p->len, -EOPNOTSUPP,
			       "backend=kernel is for guests of Xen, not of a "
			       "%s host: leave it out",
			       host);
	/* Guests that have ended may hold the device still. */
	rc = ts_kernel_sweep(p->ts, p->err, p->len);
	if (rc)
		return rc;
	rc = lio_add(p->req->guest->domid, p->req->at, p->req->pdev, p->p_dev,
		     p->err, p->len);
	if (!rc)
		ts_step(p->ts, "the kernel's target serves '%s' as %s",
			p->req->pdev->name, p->p_dev);
	return rc;
}

int place_kernel_drop(struct place *p)
{
	int rc = 0;

	if (p->p_dev[0])
		rc = lio_remove(p->p_dev, p->err, p->len);
	p->p_dev[0] = '\0';
	return rc;
}

void place_kernel_undo(struct place *p)
{
	char why[TS_ERR_MAX];

	snprintf(why, sizeof(why), "%s", p->err);
	if (place_kernel_drop(p))
		ts_step(p->ts, "%s", p->err);
	ts_fail(p->err, p->len, 0, "%s", why);
}

/* ------------------------------------------------------------------ sweep */

static bool alive(uint32_t domid, void *ctx)
{
	struct toolstack *ts = ctx;
	struct ts_guest guest;

	return ts_guest_load(ts, domid, &guest);
}

/* Is anything that one of its LUNs is made from ours? */
static bool is_ours(const struct store_tree *tree)
{
	uint32_t domid, controller;
	char name[LIO_PDEV_MAX];

	for (size_t i = 0; i < tree->n; i++) {
		const struct store_node *node = &tree->node[i];

		if (strcmp(tree_name(node), "p-dev"))
			continue;
		snprintf(name, sizeof(name), "%.*s",
			 (int)strcspn(node->value, ":"), node->value);
		if (lio_parse(name, &domid, &controller))
			return true;
	}
	return false;
}

/* The nodes of one guest that has ended. */
static int forget_guest(struct toolstack *ts, const char *path, void *ctx)
{
	struct store_tree *tree = NULL;
	int rc;

	(void)ctx;
	rc = store_sync_snapshot(ts->st, 0, path, NULL, &tree);
	if (!rc && is_ours(tree))
		rc = store_sync_rm(ts->st, 0, path);
	tree_free(tree);
	return rc == -ENOENT ? 0 : rc;
}

/* The directories of guests that have ended: FN for each until it says so. */
static int each_dead(struct toolstack *ts,
		     int (*fn)(struct toolstack *ts, const char *path,
			       void *ctx),
		     void *ctx)
{
	char base[BACKENDS_LEN], path[PATH_LEN];
	char **names = NULL;
	int rc;

	backends_path(ts, base);
	rc = store_sync_ls(ts->st, 0, base, &names, NULL);
	if (rc == -ENOENT)
		rc = 0;
	for (char **p = names; p && *p && !rc; p++) {
		if (alive((uint32_t)strtoul(*p, NULL, 10), ts))
			continue;
		snprintf(path, sizeof(path), "%s/%.16s", base, *p);
		rc = fn(ts, path, ctx);
	}
	free(names);
	return rc;
}

int ts_kernel_sweep(struct toolstack *ts, char *err, size_t len)
{
	int rc = each_dead(ts, forget_guest, NULL);

	if (rc)
		return ts_fail_store(err, len, rc,
				     "remove what ended guests have left");
	return lio_remove_dead(alive, ts, err, len);
}

/* 1: it is the guest that is meant. */
static int is_meant(struct toolstack *ts, const char *path, void *ctx)
{
	const char *guest = ctx;
	struct store_tree *tree = NULL;
	int rc = store_sync_snapshot(ts->st, 0, path, NULL, &tree);

	if (rc)
		return rc;
	if (is_ours(tree)) {
		rc = !strcmp(strrchr(path, '/') + 1, guest);
		for (size_t i = 0; i < tree->n && !rc; i++)
			rc = !strcmp(tree_name(&tree->node[i]), "domain") &&
			     !strcmp(tree->node[i].value, guest);
	}
	tree_free(tree);
	return rc;
}

bool ts_kernel_left(struct toolstack *ts, const char *guest)
{
	return each_dead(ts, is_meant, (void *)guest) == 1;
}

static void sweep(const struct site *site)
{
	const struct ts_cfg cfg = {.site = site};
	struct toolstack *ts = NULL;
	char err[TS_ERR_MAX] = "";

	/* The caller's locks are not ours to hold. */
	close_range(STDERR_FILENO + 1, ~0u, 0);
	if (!ts_open(&ts, &cfg, err, sizeof(err)) &&
	    !ts_kernel_sweep(ts, err, sizeof(err)))
		_exit(0);
	fprintf(stderr, "<4>backend=kernel: %s\n", err);
	_exit(1);
}

void ts_kernel_sweep_aside(const struct site *site)
{
	pid_t pid;

	if (!lio_in_use())
		return;
	pid = fork();
	if (pid == 0) {
		pid = fork();
		if (pid == 0)
			sweep(site);
		_exit(pid < 0);
	}
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}
