/* SPDX-License-Identifier: BSD-2-Clause */
/* What a driver domain says of itself: see presence.h. */
#include "control/presence.h"

#include <errno.h>
#include <string.h>

#include "host/log.h"

static void on_written(struct store *st, const struct store_reply *rsp,
		       void *ctx)
{
	(void)st;
	(void)ctx;
	if (rsp->err && rsp->err != -ECANCELED)
		log_line(LOG_WARNING, NULL,
			 "cannot write " PRESENCE_NODE
			 ": %s; no toolstack will find this driver domain",
			 strerror(-rsp->err));
	else if (!rsp->err)
		log_line(LOG_INFO, NULL, "serving as a driver domain");
}

static void on_domid(struct store *st, const struct store_reply *rsp, void *ctx)
{
	(void)ctx;
	if (rsp->err || !strcmp(rsp->value, "0"))
		return;
	if (store_write(st, 0, PRESENCE_NODE, XENPV_VERSION,
			strlen(XENPV_VERSION), on_written, NULL))
		log_line(LOG_WARNING, NULL,
			 "cannot write " PRESENCE_NODE ": out of memory");
}

void presence_tell(struct store *st)
{
	if (store_read(st, 0, "domid", on_domid, NULL))
		log_line(LOG_WARNING, NULL, "cannot read domid");
}
