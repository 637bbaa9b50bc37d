/* SPDX-License-Identifier: BSD-2-Clause */
#include "local/nodes.h"

#include <stdio.h>
#include <string.h>

#include "local/domain.h"

/* Whose a node is, beside domain 0. */
enum whose {
	TOOLS, /* nobody's */
	READ,  /* the guest may read it */
	GUEST, /* the guest owns it */
};

/* As libxl makes them for a PV guest (libxl_create.c, libxl_dom.c). "%d" is
 * the domain's number, "%u" its UUID, "%n" its name, "%k" its memory in KiB. */
static const struct {
	const char *path, *value; /* value NULL: only made */
	enum whose whose;
} nodes[] = {
	{"/local/domain/%d", NULL, READ},
	{"/vm/%u", NULL, READ},
	{"/libxl/%d", NULL, TOOLS},
	{"/libxl/%d/type", "pv", TOOLS},
	{"/vm/%u/uuid", "%u", READ},
	{"/vm/%u/name", "%n", READ},
	{"/local/domain/%d/vm", "/vm/%u", READ},
	{"/local/domain/%d/name", "%n", READ},
	{"/local/domain/%d/cpu", NULL, READ},
	{"/local/domain/%d/cpu/0/availability", "online", READ},
	{"/local/domain/%d/memory", NULL, READ},
	{"/local/domain/%d/memory/static-max", "%k", READ},
	{"/local/domain/%d/memory/target", "%k", READ},
	{"/local/domain/%d/device", NULL, READ},
	{"/local/domain/%d/control", NULL, READ},
	{"/local/domain/%d/control/shutdown", "", GUEST},
	{"/local/domain/%d/control/feature-poweroff", "", GUEST},
	{"/local/domain/%d/control/feature-reboot", "", GUEST},
	{"/local/domain/%d/control/feature-suspend", "", GUEST},
	{"/local/domain/%d/control/sysrq", "", GUEST},
	{"/local/domain/%d/control/platform-feature-multiprocessor-suspend",
	 "1", READ},
	{"/local/domain/%d/data", NULL, GUEST},
	{"/local/domain/%d/drivers", NULL, GUEST},
	{"/local/domain/%d/feature", NULL, GUEST},
	{"/local/domain/%d/attr", NULL, GUEST},
	{"/local/domain/%d/error", NULL, GUEST},
	{"/local/domain/%d/domid", "%d", READ},
};

static void fill(char *out, size_t room, const char *form,
		 const struct domain *d)
{
	size_t at = 0;
	int n;

	for (; *form && at < room; form++) {
		if (*form != '%') {
			out[at++] = *form;
			continue;
		}
		n = 0;
		switch (*++form) {
		case 'd':
			n = snprintf(out + at, room - at, "%u", d->domid);
			break;
		case 'u':
			n = snprintf(out + at, room - at, "%s", d->uuid);
			break;
		case 'n':
			n = snprintf(out + at, room - at, "%s", d->name);
			break;
		case 'k':
			n = snprintf(out + at, room - at, "%u",
				     LOCAL_PAGES * (WIRE_PAGE_SIZE / 1024));
			break;
		}
		at += (size_t)n;
	}
	XPV_ASSERT(at < room);
	out[at] = '\0';
}

static void make(struct xs_server *xs, const struct domain *d, size_t i)
{
	const struct xs_perm perm[][2] = {
		[TOOLS] = {{0, XS_ACCESS_NONE}},
		[READ] = {{0, XS_ACCESS_NONE}, {d->domid, XS_ACCESS_READ}},
		[GUEST] = {{d->domid, XS_ACCESS_NONE}},
	};
	static const size_t count[] = {[TOOLS] = 1, [READ] = 2, [GUEST] = 1};
	char path[256], value[256] = "";
	int rc;

	fill(path, sizeof(path), nodes[i].path, d);
	fill(value, sizeof(value), nodes[i].value ? nodes[i].value : "", d);
	rc = xs_server_write(xs, path, value, strlen(value));
	if (rc == 0)
		rc = xs_server_set_perms(xs, path, perm[nodes[i].whose],
					 count[nodes[i].whose]);
	XPV_ASSERT(rc == 0);
}

void nodes_create(struct xs_server *xs, const struct domain *d)
{
	size_t i;
	int rc;

	for (i = 0; i < XPV_ARRAY_SIZE(nodes); i++)
		make(xs, d, i);
	rc = xs_server_introduce(xs, d->domid);
	XPV_ASSERT(rc == 0);
}

void nodes_remove(struct xs_server *xs, const struct domain *d)
{
	static const char *const roots[] = {"/local/domain/%d", "/vm/%u",
					    "/libxl/%d"};
	char path[256];
	size_t i;
	int rc = xs_server_release(xs, d->domid);

	XPV_ASSERT(rc == 0);
	for (i = 0; i < XPV_ARRAY_SIZE(roots); i++) {
		fill(path, sizeof(path), roots[i], d);
		rc = xs_server_rm(xs, path);
		/* Domain 0 may have removed what is above it. */
		XPV_ASSERT(rc == 0 || rc == XPV_ENOENT);
	}
}

void nodes_init(struct xs_server *xs)
{
	static const char *const paths[] = {
		"/local/domain/0/control",
		"/local/domain/0/backend",
		"/vm",
		"/libxl",
	};
	size_t i;
	int rc;

	for (i = 0; i < XPV_ARRAY_SIZE(paths); i++) {
		rc = xs_server_mkdir(xs, paths[i]);
		XPV_ASSERT(rc == 0);
	}
}
