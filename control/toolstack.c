/* SPDX-License-Identifier: BSD-2-Clause */
/* The connection, guests and lists: see toolstack.h. */
#include "control/toolstack.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "control/presence.h"
#include "control/ts_place.h"

/* All backends of all guests in one copy. */
static const struct store_limits all_limits = {
	.max_nodes = 262144,
	.max_depth = 16,
	.max_bytes = 64 << 20,
};

/* The same for what the devices are, and not how they do. */
static const char *const not_what[] = {
	"*/*/frontend*",
	"*/*/online",
	"*/*/state",
	"*/*/feature-*",
	"*/*/vscsi-devs/*/state",
	"*/*/bootable",
	"*/*/device-type",
	"*/*/discard-*",
	"*/*/info",
	"*/*/max-ring-*",
	"*/*/mode",
	"*/*/multi-queue-*",
	"*/*/params",
	"*/*/physical-sector-size",
	"*/*/removable",
	"*/*/sector*",
	"*/*/type",
	NULL,
};
static const struct store_limits what_limits = {
	.max_nodes = 262144,
	.max_depth = 16,
	.max_bytes = 64 << 20,
	.skip = not_what,
};

/* ------------------------------------------------------------- connection */

static uint32_t own_domid(struct store *st)
{
	char *value = NULL;
	uint32_t domid = 0;

	if (!store_sync_read(st, 0, "domid", &value, NULL))
		domid = (uint32_t)strtoul(value, NULL, 10);
	free(value);
	return domid;
}

int ts_open(struct toolstack **out, const struct ts_cfg *cfg, char *err,
	    size_t len)
{
	struct toolstack *ts = calloc(1, sizeof(*ts));
	int rc;

	if (!ts)
		return ts_fail(err, len, -ENOMEM, "out of memory");
	ts->cfg = *cfg;
	rc = store_open(&ts->st, site_store(cfg->site), NULL, NULL);
	if (!rc) {
		ts->self = own_domid(ts->st);
		*out = ts;
		return 0;
	}
	free(ts);
	return site_explain_store(cfg->site, rc, err, len);
}

void ts_close(struct toolstack *ts)
{
	if (!ts)
		return;
	store_close(ts->st);
	free(ts->server);
	free(ts);
}

/* ----------------------------------------------------------------- guests */

bool ts_guest_load(struct toolstack *ts, uint32_t domid, struct ts_guest *guest)
{
	char home[PATH_LEN], name[PATH_LEN];
	const char *const paths[] = {home, name};
	char *value[XPV_ARRAY_SIZE(paths)];
	bool there;

	guest->domid = domid;
	snprintf(guest->name, sizeof(guest->name), "%" PRIu32, domid);
	snprintf(home, sizeof(home), "/local/domain/%" PRIu32, domid);
	snprintf(name, sizeof(name), "/local/domain/%" PRIu32 "/name", domid);
	if (store_sync_read_many(ts->st, 0, paths, value, 2))
		return false;
	there = value[0] != NULL;
	if (value[1] && *value[1])
		snprintf(guest->name, sizeof(guest->name), "%.255s", value[1]);
	store_free_many(value, 2);
	return there;
}

bool ts_parse_domid(const char *text, uint32_t *domid)
{
	unsigned long n;

	for (const char *p = text; *p; p++)
		if (!isdigit((unsigned char)*p))
			return false;
	if (!*text || strlen(text) > 5)
		return false;
	n = strtoul(text, NULL, 10);
	*domid = (uint32_t)n;
	return n < 0x7ff0; /* DOMID_FIRST_RESERVED */
}

/* All domains: their numbers as xenstore has them, and a node of each, or NULL. */
struct domains {
	char **name, **node;
	size_t n;
};

static void domains_free(struct domains *all)
{
	if (all->node)
		store_free_many(all->node, all->n);
	free(all->node);
	free(all->name);
}

/* domains_free() in any case. */
static int domains_load(struct toolstack *ts, const char *leaf,
			struct domains *all)
{
	const char **path = NULL;
	char(*text)[PATH_LEN] = NULL;
	char **node = NULL;
	int rc;

	*all = (struct domains){0};
	rc = store_sync_ls(ts->st, 0, "/local/domain", &all->name, &all->n);
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	node = calloc(all->n + 1, sizeof(*node));
	path = calloc(all->n + 1, sizeof(*path));
	text = calloc(all->n + 1, sizeof(*text));
	rc = node && path && text ? 0 : -ENOMEM;
	for (size_t i = 0; i < all->n && !rc; i++) {
		snprintf(text[i], sizeof(text[i]), "/local/domain/%.20s/%s",
			 all->name[i], leaf);
		path[i] = text[i];
	}
	if (!rc)
		rc = store_sync_read_many(ts->st, 0, path, node, all->n);
	if (!rc)
		all->node = node;
	else
		free(node);
	free(text);
	free(path);
	return rc;
}

static int find_by_name(struct toolstack *ts, const char *text,
			struct ts_guest *guest, char *err, size_t len)
{
	struct domains all;
	bool found = false;
	uint32_t domid;
	int rc;

	rc = domains_load(ts, "name", &all);
	if (rc)
		rc = ts_fail_store(err, len, rc, "list the guests");
	for (size_t i = 0; i < all.n && !rc; i++) {
		if (!ts_parse_domid(all.name[i], &domid) || !all.node[i] ||
		    strcmp(all.node[i], text))
			continue;
		if (found)
			rc = ts_fail(
				err, len, -ENOTUNIQ,
				"guest '%s' is two domains, %" PRIu32
				" and %" PRIu32
				" (is it being migrated?): give the number",
				text, guest->domid, domid);
		found = true;
		guest->domid = domid;
	}
	if (!rc && !found)
		rc = ts_fail(err, len, -ENOENT, "guest '%s' does not exist: %s",
			     text, ts_word(ts, SITE_GUESTS));
	snprintf(guest->name, sizeof(guest->name), "%.255s", text);
	domains_free(&all);
	return rc;
}

int ts_guest_find(struct toolstack *ts, const char *text,
		  struct ts_guest *guest, char *err, size_t len)
{
	bool number = *text != '\0';
	int rc;

	for (const char *p = text; *p; p++)
		number = number && isdigit((unsigned char)*p);
	if (number) {
		if (!ts_parse_domid(text, &guest->domid) ||
		    !ts_guest_load(ts, guest->domid, guest))
			return ts_fail(err, len, -ENOENT,
				       "guest %s does not exist: %s", text,
				       ts_word(ts, SITE_GUESTS));
	} else {
		rc = find_by_name(ts, text, guest, err, len);
		if (rc)
			return rc;
	}
	if (guest->domid == ts->self)
		return ts_fail(
			err, len, -EINVAL,
			"guest '%s' is the domain that this runs in, which "
			"has its devices without xenpv: name another one",
			text);
	return 0;
}

/* ---------------------------------------------------------------- servers */

/* It says so there; the node is xenpvd's (control/presence.h). */
static void server_path(uint32_t domid, char *path)
{
	snprintf(path, PATH_LEN, "/local/domain/%" PRIu32 "/" PRESENCE_NODE,
		 domid);
}

int ts_server_find(struct toolstack *ts, const char *name, uint32_t *domid,
		   char *err, size_t len)
{
	char path[PATH_LEN], why[TS_ERR_MAX];
	struct ts_guest server;
	int rc = ts_guest_find(ts, name, &server, why, sizeof(why));

	if (rc == -EINVAL)
		return ts_fail(err, len, rc,
			       "backend '%s' is the domain that this runs in: "
			       "leave it out",
			       name);
	if (rc == -ENOENT)
		return ts_fail(err, len, rc,
			       "backend '%s': there is no such domain: %s",
			       name, ts_word(ts, SITE_GUESTS));
	if (rc)
		return ts_fail(err, len, rc, "%s", why);
	server_path(server.domid, path);
	if (!ts_path_exists(ts, 0, path))
		return ts_fail(err, len, -ENXIO,
			       "backend '%s' runs no xenpvd, so it serves "
			       "nothing: start it there",
			       name);
	*domid = server.domid;
	return 0;
}

/* Ours first. */
static int add_server(struct toolstack *ts, uint32_t domid)
{
	struct ts_guest *more;

	more = realloc(ts->server, (ts->nservers + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	ts->server = more;
	/* One that goes just now has nothing any more. */
	if (ts_guest_load(ts, domid, &more[ts->nservers]) || domid == ts->self)
		ts->nservers++;
	return 0;
}

static int load_servers(struct toolstack *ts)
{
	struct domains all;
	uint32_t domid;
	int rc;

	rc = domains_load(ts, PRESENCE_NODE, &all);
	if (!rc)
		rc = add_server(ts, ts->self);
	for (size_t i = 0; i < all.n && !rc; i++)
		if (all.node[i] && ts_parse_domid(all.name[i], &domid) &&
		    domid != ts->self)
			rc = add_server(ts, domid);
	domains_free(&all);
	return rc;
}

int ts_each_server(struct toolstack *ts,
		   int (*fn)(struct toolstack *ts,
			     const struct ts_guest *server, void *ctx),
		   void *ctx)
{
	int rc = ts->nservers ? 0 : load_servers(ts);

	for (size_t i = 0; i < ts->nservers && !rc; i++)
		rc = fn(ts, &ts->server[i], ctx);
	return rc;
}

/* ------------------------------------------------------------------ pdevs */

/* One thing under two names? */
static bool same_storage(const char *a, const char *b)
{
	struct stat sa, sb;

	if (!strcmp(a, b))
		return true;
	if (stat(a, &sa) || stat(b, &sb))
		return false;
	if (S_ISBLK(sa.st_mode) && S_ISBLK(sb.st_mode))
		return sa.st_rdev == sb.st_rdev;
	return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* The value of node NAME beside the node at PATH. */
static const char *beside(const struct store_tree *tree, const char *path,
			  const char *name)
{
	const char *slash = strrchr(path, '/');
	char other[PATH_LEN];
	int n = slash ? (int)(slash - path) + 1 : 0;

	if (snprintf(other, sizeof(other), "%.*s%s", n, path, name) >=
	    (int)sizeof(other))
		return NULL;
	return tree_get(tree, other);
}

static bool says_shared(const struct store_tree *tree, const char *path)
{
	const char *text = beside(tree, path, "options");
	struct pdev_options options;
	char ignored[PDEV_ERR_MAX];

	return text &&
	       !pdev_options_parse(&options, text, ignored, sizeof(ignored)) &&
	       options.shared;
}

/* A CD is read by as many as like. */
static bool says_cdrom(const struct store_tree *tree, const char *path)
{
	const char *text = beside(tree, path, "p-devname");

	return text && pdev_is_cdrom(text);
}

/* What is given out by xenpv: names of nodes. */
static const struct holder {
	const char *type, *pdev, *vdev;
} holders[] = {
	{TS_TYPE, "p-dev", "v-dev"},
	{TS_TYPE_KERNEL, "p-devname", "v-dev"},
	{TS_TYPE_BLOCK, "physical-device-path", "dev"},
};

static int pdev_free_of(struct toolstack *ts, const struct holder *holder,
			const struct store_tree *tree, const struct pdev *pdev,
			uint32_t but, char *err, size_t len)
{
	struct ts_guest guest;
	const char *vdev;

	for (size_t i = 0; i < tree->n; i++) {
		const struct store_node *node = &tree->node[i];

		if (strcmp(tree_name(node), holder->pdev) ||
		    !same_storage(node->value, pdev->path))
			continue;
		if (pdev->options.shared && says_shared(tree, node->path))
			continue;
		if (pdev->cdrom && says_cdrom(tree, node->path))
			continue;
		/* What a destroyed guest has left behind is no owner. */
		if (!ts_guest_load(ts, (uint32_t)strtoul(node->path, NULL, 10),
				   &guest) ||
		    guest.domid == but)
			continue;
		vdev = beside(tree, node->path, holder->vdev);
		return ts_fail(
			err, len, -EBUSY,
			"pdev '%s' is vdev %s of guest '%s' already: detach "
			"it there, or give it to both with the option "
			"'shared'",
			pdev->name, vdev ? vdev : "?", guest.name);
	}
	return 0;
}

int ts_pdev_free(struct toolstack *ts, const struct pdev *pdev, char *err,
		 size_t len)
{
	return ts_pdev_free_but(ts, pdev, UINT32_MAX, err, len);
}

int ts_pdev_free_but(struct toolstack *ts, const struct pdev *pdev,
		     uint32_t domid, char *err, size_t len)
{
	enum {
		N = XPV_ARRAY_SIZE(holders)
	};
	char path[N][PATH_LEN];
	const char *paths[N];
	struct store_tree *tree[N];
	int rc;

	/* Nothing in it that two could fight for; or its own xenpvd decides. */
	if (pdev->kind == PDEV_NULL || pdev->kind == PDEV_EMPTY ||
	    pdev->kind == PDEV_ELSEWHERE)
		return 0;
	for (size_t i = 0; i < N; i++) {
		snprintf(path[i], PATH_LEN,
			 "/local/domain/%" PRIu32 "/backend/%s", ts->self,
			 holders[i].type);
		paths[i] = path[i];
	}
	rc = store_sync_snapshots(ts->st, paths, N, &what_limits, tree);
	if (rc)
		return ts_fail_store(err, len, rc, "read the backends");
	for (size_t i = 0; i < N && !rc; i++)
		rc = pdev_free_of(ts, &holders[i], tree[i], pdev, domid, err,
				  len);
	for (size_t i = 0; i < N; i++)
		tree_free(tree[i]);
	return rc;
}

/* ------------------------------------------------------------------- list */

static char *copy_of(const char *text)
{
	return strdup(text ? text : "");
}

static void lun_free(struct ts_lun *lun)
{
	free(lun->vdev);
	free(lun->pname);
	free(lun->pdev);
	free(lun->options);
	free(lun->error);
}

void ts_list_free(struct ts_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		lun_free(&list->lun[i]);
	free(list->lun);
	*list = (struct ts_list){0};
}

/* Add the LUN at DIR ("U/vscsi-devs/dev-N") of the guest's tree. */
static int add_lun(struct toolstack *ts, struct ts_list *list,
		   const struct ts_lun *like, const struct store_tree *tree,
		   const char *dir)
{
	const struct ts_guest *guest = &like->guest;
	struct ts_lun lun = *like, *more;
	char path[PATH_LEN];

	if (sscanf(dir, "%" SCNu32 "/vscsi-devs/dev-%" SCNu32, &lun.controller,
		   &lun.dev) != 2)
		return 0;
	snprintf(path, sizeof(path), "%" PRIu32 "/state", lun.controller);
	lun.back_state = ts_tree_state(tree, path);
	snprintf(path, sizeof(path), "%.100s/state", dir);
	lun.dev_state = ts_tree_state(tree, path);
	lun.vdev = copy_of(beside(tree, path, "v-dev"));
	lun.pname = copy_of(beside(tree, path, "p-devname"));
	lun.pdev = copy_of(beside(tree, path, "p-dev"));
	lun.options = copy_of(beside(tree, path, "options"));
	lun.error = copy_of(beside(tree, path, "error"));
	snprintf(path, sizeof(path),
		 "/local/domain/%" PRIu32 "/device/vscsi/%" PRIu32 "/state",
		 guest->domid, lun.controller);
	lun.front_state = ts_read_state(ts, path);
	snprintf(path, sizeof(path),
		 "/local/domain/%" PRIu32 "/device/vscsi/%.100s/state",
		 guest->domid, dir);
	lun.front_dev_state = ts_read_state(ts, path);

	more = realloc(list->lun, (list->n + 1) * sizeof(*more));
	if (more)
		list->lun = more;
	if (!more || !lun.vdev || !lun.pname || !lun.pdev || !lun.options ||
	    !lun.error) {
		lun_free(&lun);
		return -ENOMEM;
	}
	list->lun[list->n++] = lun;
	return 0;
}

static int add_type(struct toolstack *ts, struct ts_list *list,
		    const struct ts_guest *guest, const struct ts_guest *server,
		    const char *type)
{
	const struct ts_lun like = {.guest = *guest,
				    .server = *server,
				    .own = server->domid == ts->self,
				    .kernel = !strcmp(type, TS_TYPE_KERNEL)};
	const struct store_node *c, *d;
	struct store_tree *tree = NULL;
	char path[PATH_LEN];
	int rc;

	snprintf(path, sizeof(path),
		 "/local/domain/%" PRIu32 "/backend/%s/%" PRIu32, server->domid,
		 type, guest->domid);
	rc = store_sync_snapshot(ts->st, 0, path, &all_limits, &tree);
	if (rc)
		return rc;
	for (c = tree_child(tree, "", NULL); c && !rc;
	     c = tree_child(tree, "", c)) {
		if (snprintf(path, sizeof(path), "%s/vscsi-devs", c->path) >=
		    (int)sizeof(path))
			continue;
		for (d = tree_child(tree, path, NULL); d && !rc;
		     d = tree_child(tree, path, d))
			rc = add_lun(ts, list, &like, tree, d->path);
	}
	tree_free(tree);
	return rc;
}

static int by_place(const void *x, const void *y)
{
	const struct ts_lun *a = x, *b = y;

	if (a->guest.domid != b->guest.domid)
		return a->guest.domid < b->guest.domid ? -1 : 1;
	if (a->controller != b->controller)
		return a->controller < b->controller ? -1 : 1;
	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	return 0;
}

int ts_each_guest(struct toolstack *ts,
		  int (*fn)(struct toolstack *ts, const struct ts_guest *guest,
			    void *ctx),
		  void *ctx)
{
	char **names = NULL;
	struct ts_guest guest;
	uint32_t domid;
	int rc;

	rc = store_sync_ls(ts->st, 0, "/local/domain", &names, NULL);
	if (rc == -ENOENT)
		rc = 0;
	for (char **p = names; p && *p && !rc; p++)
		if (ts_parse_domid(*p, &domid) &&
		    ts_guest_load(ts, domid, &guest))
			rc = fn(ts, &guest, ctx);
	free(names);
	return rc;
}

struct lun_search {
	struct ts_list *list;
	const struct ts_guest *guest;
};

static int add_from(struct toolstack *ts, const struct ts_guest *server,
		    void *ctx)
{
	struct lun_search *search = ctx;
	int rc = add_type(ts, search->list, search->guest, server, TS_TYPE);

	if (rc || server->domid != ts->self)
		return rc;
	return add_type(ts, search->list, search->guest, server,
			TS_TYPE_KERNEL);
}

static int add_guest(struct toolstack *ts, const struct ts_guest *guest,
		     void *ctx)
{
	struct lun_search search = {ctx, guest};

	return ts_each_server(ts, add_from, &search);
}

int ts_list_add(struct toolstack *ts, const struct ts_guest *guest,
		struct ts_list *list, char *err, size_t len)
{
	size_t before = list->n;
	int rc;

	rc = guest ? add_guest(ts, guest, list)
		   : ts_each_guest(ts, add_guest, list);
	if (rc)
		return ts_fail_store(err, len, rc, "list the devices");
	if (list->n > before)
		qsort(list->lun + before, list->n - before, sizeof(*list->lun),
		      by_place);
	return 0;
}
