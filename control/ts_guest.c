/* SPDX-License-Identifier: BSD-2-Clause */
/* Guests by their UUID, and what is there for them: see toolstack.h. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/guest_file.h"
#include "control/ts_place.h"

uint32_t ts_self(const struct toolstack *ts)
{
	return ts->self;
}

void ts_guest_uuid(struct toolstack *ts, const struct ts_guest *guest,
		   char *uuid)
{
	char path[PATH_LEN];
	char *value = NULL, *slash;

	*uuid = '\0';
	snprintf(path, sizeof(path), "/local/domain/%" PRIu32 "/vm",
		 guest->domid);
	if (store_sync_read(ts->st, 0, path, &value, NULL))
		return;
	slash = strrchr(value, '/'); /* "/vm/<uuid>" */
	if (slash && strlen(slash + 1) == GUEST_UUID_MAX - 1 &&
	    strspn(slash + 1, "0123456789abcdefABCDEF-") == GUEST_UUID_MAX - 1)
		strcpy(uuid, slash + 1);
	for (char *p = uuid; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	free(value);
}

struct search {
	const char *uuid;
	struct ts_guest *found;
	unsigned int n;
};

static int compare(struct toolstack *ts, const struct ts_guest *guest,
		   void *ctx)
{
	struct search *search = ctx;
	char uuid[GUEST_UUID_MAX];

	ts_guest_uuid(ts, guest, uuid);
	if (guest->domid != ts->self && !strcmp(uuid, search->uuid)) {
		*search->found = *guest;
		search->n++;
	}
	return 0;
}

int ts_guest_by_uuid(struct toolstack *ts, const char *uuid,
		     struct ts_guest *guest, char *err, size_t len)
{
	struct search search = {.uuid = uuid, .found = guest};
	int rc;

	rc = ts_each_guest(ts, compare, &search);
	if (rc)
		return ts_fail_store(err, len, rc, "list the guests");
	if (!search.n)
		return ts_fail(err, len, -ENOENT,
			       "there is no guest with UUID %s: %s", uuid,
			       ts_word(ts, SITE_GUESTS));
	if (search.n > 1)
		return ts_fail(err, len, -ENOTUNIQ,
			       "two domains have UUID %s (is the guest being "
			       "migrated?): try again later",
			       uuid);
	return 0;
}

bool ts_guest_exists(struct toolstack *ts, uint32_t domid)
{
	struct ts_guest guest;

	return ts_guest_load(ts, domid, &guest);
}

bool ts_served(struct toolstack *ts, const struct ts_request *req)
{
	char path[PATH_LEN], err[TS_ERR_MAX];
	struct place p;
	uint32_t state;

	place_init(&p, ts, req, err, sizeof(err));
	snprintf(path, sizeof(path), "%s/state", p.back);
	state = ts_read_state(ts, path);
	return state != ST_INITIALISING;
}

static int has_left(struct toolstack *ts, const struct ts_guest *server,
		    void *ctx)
{
	static const char *const types[] = {TS_TYPE, TS_TYPE_BLOCK};
	const uint32_t *domid = ctx;
	char path[PATH_LEN], **names;
	size_t n;
	int rc;

	for (size_t i = 0; i < XPV_ARRAY_SIZE(types); i++) {
		snprintf(path, sizeof(path),
			 "/local/domain/%" PRIu32 "/backend/%s/%" PRIu32,
			 server->domid, types[i], *domid);
		/* A driver domain does not remove the empty directory. */
		names = NULL;
		rc = store_sync_ls(ts->st, 0, path, &names, &n);
		free(names);
		if (!rc && n)
			return 1;
	}
	return 0;
}

bool ts_left(struct toolstack *ts, uint32_t domid)
{
	return ts_each_server(ts, has_left, &domid) > 0;
}

bool ts_by_us(struct toolstack *ts, const struct ts_request *req)
{
	char err[TS_ERR_MAX];
	struct place p;

	place_init(&p, ts, req, err, sizeof(err));
	return p.server == ts->self;
}
