/* SPDX-License-Identifier: BSD-2-Clause */
/* All devices of a guest: see devlist.h. */
#include "control/devlist.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control/ts_place.h"
#include "control/vscsi_host.h"
#include "host/clock.h"

#define SERVED_MS 30000 /* for xenpvd to look at a device */

static const char *place_in_file(const struct guest_item *item)
{
	return item->where ? item->where : item->disk ? "xenpv_disk" : "vscsi";
}

/* WHY, which may be in ERR, with the place in front. */
static int fail_at(const struct guest_item *item, int rc, const char *why,
		   char *err, size_t len)
{
	char *copy = strdup(why);

	ts_fail(err, len, rc, "%s: %s", place_in_file(item),
		copy ? copy : "out of memory");
	free(copy);
	return rc;
}

/* --------------------------------------------------------------- resolve */

static bool same_thing(const struct pdev *a, const struct pdev *b)
{
	if (a->kind == PDEV_NULL || b->kind == PDEV_NULL)
		return false;
	return !strcmp(a->path, b->path) &&
	       !strcmp(a->options.backend, b->options.backend) &&
	       !(a->options.shared && b->options.shared);
}

static int resolve_one(struct devlist *list, size_t i, char *err, size_t len)
{
	const struct guest_item *item = &list->gf->item[i];
	char why[PDEV_ERR_MAX + 3 * PATH_MAX];
	int rc;

	rc = pdev_parse(&list->pdev[i], item->name, &item->options, why,
			sizeof(why));
	if (!rc && item->name[0] != '/' && list->pdev[i].name[0] == '/') {
		snprintf(
			why, sizeof(why),
			"pdev '%s' is found from here only, and a guest may be "
			"started from anywhere: write '%s'",
			item->name, list->pdev[i].name);
		rc = -EINVAL;
	}
	for (size_t j = 0; j < i && !rc; j++) {
		if (!same_thing(&list->pdev[i], &list->pdev[j]))
			continue;
		snprintf(why, sizeof(why),
			 "'%s' is listed twice (also as '%.300s'): remove one, "
			 "or give both the option shared",
			 item->name, list->gf->item[j].name);
		rc = -EINVAL;
	}
	return rc ? fail_at(item, rc, why, err, len) : 0;
}

int devlist_resolve(struct devlist *list, const struct guest_file *gf,
		    char *err, size_t len)
{
	int rc = 0;

	list->gf = gf;
	list->pdev = calloc(gf->n + 1, sizeof(*list->pdev));
	list->props = calloc(gf->n + 1, sizeof(*list->props));
	list->had = calloc(gf->n + 1, sizeof(*list->had));
	list->has = calloc(gf->n + 1, sizeof(*list->has));
	if (!list->pdev || !list->props || !list->had || !list->has)
		rc = ts_fail(err, len, -ENOMEM, "out of memory");
	for (size_t i = 0; i < gf->n && !rc; i++)
		rc = resolve_one(list, i, err, len);
	if (rc)
		devlist_free(list);
	return rc;
}

void devlist_free(struct devlist *list)
{
	free(list->pdev);
	free(list->props);
	free(list->had);
	free(list->has);
	list->pdev = NULL;
	list->props = NULL;
	list->had = list->has = NULL;
}

/* ----------------------------------------------------------------- check */

static int check_size(const struct guest_item *item,
		      const struct pdev_props *props, char *why, size_t len)
{
	if (!item->size || !props->size || item->size == props->size)
		return 0;
	return ts_fail(why, len, -ENXIO,
		       "pdev '%.300s' has %" PRIu64
		       " bytes here, the guest's has %" PRIu64
		       ": it is not the same device",
		       item->name, props->size, item->size);
}

static int check_one(struct devlist *list, size_t i, struct toolstack *ts,
		     uint32_t but, char *why, size_t len)
{
	const struct guest_item *item = &list->gf->item[i];
	const struct pdev *pdev = &list->pdev[i];
	uint32_t server;
	int rc;

	if (pdev->kind == PDEV_ELSEWHERE)
		return ts_server_find(ts, pdev->options.backend, &server, why,
				      len);
	rc = ts_pdev_free_but(ts, pdev, but, why, len);
	if (rc || but != UINT32_MAX)
		return rc;
	rc = pdev_check(pdev, &list->props[i], why, len);
	return rc ? rc : check_size(item, &list->props[i], why, len);
}

int devlist_check(struct devlist *list, struct toolstack *ts, uint32_t but,
		  unsigned int wait_s, char *err, size_t len)
{
	const struct timespec pause = {.tv_nsec = 100000000};
	int64_t end = clock_ms() + (int64_t)wait_s * 1000;
	char why[TS_ERR_MAX];
	int rc;

	for (size_t i = 0; i < list->gf->n; i++) {
		if (list->has[i])
			continue;
		for (;;) {
			rc = check_one(list, i, ts, but, why, sizeof(why));
			if (rc != -EBUSY || clock_ms() >= end)
				break;
			nanosleep(&pause, NULL);
		}
		if (rc)
			return fail_at(&list->gf->item[i], rc, why, err, len);
	}
	return 0;
}

/* ---------------------------------------------------------------- attach */

static void request_of(const struct devlist *list, size_t i,
		       const struct ts_guest *guest, struct ts_request *req)
{
	const struct guest_item *item = &list->gf->item[i];

	*req = (struct ts_request){
		.guest = guest,
		.at = item->disk ? NULL : &item->at,
		.disk = item->disk ? item->spec : NULL,
		.pdev = &list->pdev[i],
	};
}

/* Is the device of item I at its place already? */
static bool has_it(const struct devlist *list, size_t i,
		   const struct ts_list *luns, const struct ts_disks *disks)
{
	const struct guest_item *item = &list->gf->item[i];
	const char *name = list->pdev[i].name;

	for (size_t j = 0; !item->disk && j < luns->n; j++) {
		if (vdev_is(&item->at, luns->lun[j].vdev) &&
		    !strcmp(luns->lun[j].pname, name))
			return true;
	}
	for (size_t j = 0; item->disk && j < disks->n; j++) {
		if (disks->disk[j].number == item->spec->number &&
		    !strcmp(disks->disk[j].pname, name))
			return true;
	}
	return false;
}

int devlist_mark(struct devlist *list, struct toolstack *ts,
		 const struct ts_guest *guest, char *err, size_t len)
{
	struct ts_disks disks = {0};
	struct ts_list luns = {0};
	int rc;

	rc = ts_list_add(ts, guest, &luns, err, len);
	if (!rc)
		rc = ts_disks_add(ts, guest, &disks, err, len);
	for (size_t i = 0; i < list->gf->n && !rc; i++)
		list->had[i] = list->has[i] = has_it(list, i, &luns, &disks);
	ts_list_free(&luns);
	ts_disks_free(&disks);
	return rc;
}

static int await_served(struct toolstack *ts, const struct ts_request *req,
			char *why, size_t len)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	int64_t end = clock_ms() + SERVED_MS;

	while (!ts_served(ts, req)) {
		if (clock_ms() > end)
			return ts_fail(why, len, -ETIMEDOUT,
				       "xenpvd has not looked at '%.300s' "
				       "within %d s: %s",
				       req->pdev->name, SERVED_MS / 1000,
				       ts_word(ts, SITE_DAEMON_LOG));
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* LUNs of one controller go together, if nobody waits for each. */
static bool goes_with(const struct devlist *list, size_t i, size_t j)
{
	const struct guest_item *a = &list->gf->item[i];
	const struct guest_item *b = &list->gf->item[j];

	/* Those of the kernel's backend are set up one by one. */
	return !a->disk && !b->disk && a->at.host == b->at.host &&
	       !strcmp(a->options.backend, b->options.backend) &&
	       !a->options.kernel && !b->options.kernel && !list->has[j];
}

/* Item I, and those behind it that go with it: they are marked. */
static int attach_one(const struct devlist *list, size_t i,
		      struct toolstack *ts, const struct ts_guest *guest,
		      unsigned int wait_s, char *why, size_t len)
{
	struct ts_request req, *more = NULL;
	size_t n = 0;
	int rc;

	request_of(list, i, guest, &req);
	req.no_wait = !wait_s;
	req.timeout_s = wait_s ? wait_s : SERVED_MS / 1000;
	if (!wait_s)
		more = calloc(list->gf->n, sizeof(*more));
	for (size_t j = i + 1; more && j < list->gf->n; j++) {
		if (!goes_with(list, i, j))
			continue;
		request_of(list, j, guest, &more[n++]);
		list->has[j] = true;
	}
	req.more = more;
	req.nmore = n;
	rc = req.disk ? ts_block_attach(ts, &req, why, len)
		      : ts_attach(ts, &req, why, len);
	free(more);
	return rc || wait_s ? rc : await_served(ts, &req, why, len);
}

int devlist_attach(struct devlist *list, struct toolstack *ts,
		   const struct ts_guest *guest, unsigned int wait_s, char *err,
		   size_t len)
{
	char why[TS_ERR_MAX];
	int rc = 0;

	for (size_t i = 0; i < list->gf->n && !rc; i++) {
		if (list->has[i])
			continue;
		list->has[i] = true;
		rc = attach_one(list, i, ts, guest, wait_s, why, sizeof(why));
		if (rc)
			fail_at(&list->gf->item[i], rc, why, err, len);
	}
	return rc;
}

/* --------------------------------------------------------------- collect */

/* Is node LEAF of a backend of the guest VALUE? */
static bool node_is(struct toolstack *ts, uint32_t server, const char *type,
		    uint32_t domid, uint32_t id, const char *leaf,
		    const char *value)
{
	char path[PATH_LEN];
	char *text = NULL;
	bool is;

	snprintf(path, sizeof(path),
		 "/local/domain/%" PRIu32 "/backend/%s/%" PRIu32 "/%" PRIu32
		 "/%s",
		 server, type, domid, id, leaf);
	is = !store_sync_read(ts->st, 0, path, &text, NULL) &&
	     !strcmp(text, value);
	free(text);
	return is;
}

static int add_text(struct guest_file *gf, bool disk, char *text,
		    const char *what, char *err, size_t len)
{
	char why[DISK_SPEC_MAX + 512];
	int rc;

	if (!text)
		return ts_fail(err, len, -ENOMEM, "out of memory");
	rc = guest_file_add(gf, disk, text, why, sizeof(why));
	if (rc)
		ts_fail(err, len, rc, "device %.64s of guest '%s': %s", what,
			gf->name, why);
	free(text);
	return rc;
}

static int collect_lun(struct guest_file *gf, struct toolstack *ts,
		       const struct ts_lun *lun, char *err, size_t len)
{
	const struct ts_guest *server = &lun->server;
	bool host = node_is(ts, server->domid, TS_TYPE, lun->guest.domid,
			    lun->controller, "feature-host", "1");
	bool other = server->domid != ts->self;
	char *text = NULL;

	if (lun->kernel)
		return ts_fail(err, len, -EOPNOTSUPP,
			       "vdev %s of guest '%s' is the kernel's "
			       "backend's, which cannot be given again: detach "
			       "it first",
			       lun->vdev, gf->name);
	if (asprintf(&text, "%s,%s%s%s%s%s%s", lun->pname, lun->vdev,
		     host ? ",feature-host" : "", *lun->options ? "," : "",
		     lun->options, other ? ",backend=" : "",
		     other ? server->name : "") < 0)
		text = NULL;
	return add_text(gf, false, text, lun->vdev, err, len);
}

static int collect_disk(struct guest_file *gf, struct toolstack *ts,
			const struct ts_disk *disk, char *err, size_t len)
{
	uint32_t domid = disk->guest.domid, id = disk->number;
	const struct ts_guest *server = &disk->server;
	bool cdrom = node_is(ts, server->domid, TS_TYPE_BLOCK, domid, id,
			     "device-type", "cdrom");
	bool keep = node_is(ts, server->domid, TS_TYPE_BLOCK, domid, id,
			    "discard-enable", "0");
	bool other = server->domid != ts->self;
	char *text = NULL;

	if (strcmp(disk->backend, "xenpv"))
		return 0; /* xl knows of it */
	if (asprintf(&text, "vdev=%s,access=%s%s%s%s%s%s%s,target=%s",
		     disk->vdev, strcmp(disk->mode, "w") ? "ro" : "rw",
		     cdrom ? ",devtype=cdrom" : "", keep ? ",no-discard" : "",
		     *disk->options ? "," : "", disk->options,
		     other ? ",backend=" : "", other ? server->name : "",
		     disk->pname) < 0)
		text = NULL;
	return add_text(gf, true, text, disk->vdev, err, len);
}

/* A whole adapter is known by a number that may be another one's later. */
static int refuse_adapters(const struct guest_file *gf, struct toolstack *ts,
			   uint32_t domid, char *err, size_t len)
{
	char path[PATH_LEN], *host = NULL, **names = NULL;
	int rc;

	snprintf(path, sizeof(path),
		 "/local/domain/%" PRIu32 "/backend/" TS_TYPE "/%" PRIu32,
		 ts->self, domid);
	rc = store_sync_ls(ts->st, 0, path, &names, NULL);
	if (rc)
		return rc == -ENOENT ? 0
				     : ts_fail_store(err, len, rc,
						     "list the controllers");
	for (char **p = names; *p && !rc; p++) {
		snprintf(path, sizeof(path),
			 "/local/domain/%" PRIu32 "/backend/" TS_TYPE
			 "/%" PRIu32 "/%.20s/" VSCSI_HOST,
			 ts->self, domid, *p);
		if (!store_sync_read(ts->st, 0, path, &host, NULL))
			rc = ts_fail(err, len, -EOPNOTSUPP,
				     "controller %.20s of guest '%s' is the "
				     "whole adapter %.32s, which cannot be "
				     "given again: detach it first",
				     *p, gf->name, host);
	}
	free(host);
	free(names);
	return rc;
}

int devlist_collect(struct guest_file *gf, struct toolstack *ts,
		    const struct ts_guest *guest, char *err, size_t len)
{
	struct ts_disks disks = {0};
	struct ts_list luns = {0};
	int rc;

	*gf = (struct guest_file){.n = 0};
	snprintf(gf->name, sizeof(gf->name), "%s", guest->name);
	ts_guest_uuid(ts, guest, gf->uuid);
	rc = refuse_adapters(gf, ts, guest->domid, err, len);
	if (!rc)
		rc = ts_list_add(ts, guest, &luns, err, len);
	if (!rc)
		rc = ts_disks_add(ts, guest, &disks, err, len);
	for (size_t i = 0; i < luns.n && !rc; i++)
		rc = collect_lun(gf, ts, &luns.lun[i], err, len);
	for (size_t i = 0; i < disks.n && !rc; i++)
		rc = collect_disk(gf, ts, &disks.disk[i], err, len);
	if (rc)
		guest_file_free(gf);
	ts_list_free(&luns);
	ts_disks_free(&disks);
	return rc;
}
