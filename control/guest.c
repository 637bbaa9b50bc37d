/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A guest that has devices of ours: see guest.h.
 */
#include "control/guest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/daemon.h"
#include "control/device.h"
#include "control/guest_worker.h"
#include "control/rundir.h"
#include "control/spawner.h"

struct log_where guest_where(const struct guest *guest)
{
	struct log_where where = {.guest = true,
				  .dom = guest->domid,
				  .name = guest->name[0] ? guest->name : NULL};

	return where;
}

void guest_kick(struct guest *guest)
{
	struct device *dev;

	TAILQ_FOREACH(dev, &guest->devices, entry)
		device_kick(dev);
}

/* ------------------------------------------------------- name and number */

/* A name is shown in log lines as key=value: one word of plain characters. */
static void copy_word(char *out, size_t room, const char *text)
{
	size_t n = 0;

	for (; *text && n + 1 < room; text++) {
		unsigned char c = (unsigned char)*text;

		out[n++] = c > 0x20 && c < 0x7f && c != '"' ? (char)c : '_';
	}
	out[n] = '\0';
}

/* True if GUEST was only waiting for this to be freed. */
static bool read_done(struct guest *guest)
{
	guest->reads--;
	if (guest->dropped) {
		guest_put(guest);
		return true;
	}
	return false;
}

static void on_name(struct store *st, const struct store_reply *rsp, void *ctx)
{
	struct guest *guest = ctx;

	(void)st;
	if (!rsp->err)
		copy_word(guest->name, sizeof(guest->name), rsp->value);
	(void)read_done(guest);
}

static void on_uuid(struct store *st, const struct store_reply *rsp, void *ctx)
{
	struct guest *guest = ctx;
	const char *slash;

	(void)st;
	if (!rsp->err) {
		slash = strrchr(rsp->value, '/'); /* "/vm/<uuid>" */
		copy_word(guest->uuid, sizeof(guest->uuid),
			  slash ? slash + 1 : rsp->value);
	}
	/* Without one its devices work; only reservations that outlive the
	 * guest do not find their owner again. */
	if (read_done(guest))
		return;
	if (rsp->err != -ECANCELED && !guest->known) {
		guest->known = true;
		guest_worker_find(guest);
		guest_kick(guest);
		/* Found by its directory, and there was nothing. */
		guest_put(guest);
	}
}

static int ask(struct guest *guest, const char *node, store_fn *fn)
{
	char path[64];
	int rc;

	snprintf(path, sizeof(path), "/local/domain/%u/%s", guest->domid, node);
	rc = store_read(guest->daemon->store, 0, path, fn, guest);
	if (!rc)
		guest->reads++;
	return rc;
}

static void on_name_change(struct store *st, int err, const char *path,
			   void *ctx)
{
	(void)st;
	(void)path;
	/* The guest can make it fire only as often as xenstored lets it. */
	if (!err && !((struct guest *)ctx)->reads)
		(void)ask(ctx, "name", on_name);
}

/* ------------------------------------------------------------- existence */

struct guest *guest_find(struct daemon *daemon, uint32_t domid)
{
	struct guest *guest;

	TAILQ_FOREACH(guest, &daemon->guests, entry)
		if (guest->domid == domid)
			return guest;
	return NULL;
}

struct guest *guest_get(struct daemon *daemon, uint32_t domid)
{
	struct guest *guest = guest_find(daemon, domid);
	char path[64];

	if (guest)
		return guest;
	guest = calloc(1, sizeof(*guest));
	if (!guest)
		return NULL;
	guest->daemon = daemon;
	guest->domid = domid;
	guest->pidfd = guest->dir = -1;
	TAILQ_INIT(&guest->devices);
	TAILQ_INSERT_TAIL(&daemon->guests, guest, entry);
	snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
	/* The order matters: the name is there when the devices are kicked. */
	if (ask(guest, "name", on_name) || ask(guest, "vm", on_uuid) ||
	    store_watch(daemon->store, path, 0, on_name_change, guest,
			&guest->name_watch)) {
		guest_put(guest);
		return NULL;
	}
	return guest;
}

static void destroy(struct guest *guest)
{
	struct daemon *daemon = guest->daemon;

	link_free(guest->link);
	guest_worker_forget(guest);
	sd_event_source_disable_unref(guest->pause);
	free(guest);
	daemon_progress(daemon);
}

/* Nothing of it is left that somebody could take up. */
static void remove_dir(struct guest *guest)
{
	if (guest->dir < 0)
		return;
	close(guest->dir);
	guest->dir = -1;
	rundir_remove(guest->daemon->cfg.run_dir, guest->domid, guest->uuid);
}

void guest_put(struct guest *guest)
{
	if (!TAILQ_EMPTY(&guest->devices))
		return;
	guest_worker_end(guest);
	if (guest->pid)
		return;
	if (!guest->dropped) {
		/* Out of sight; what is left waits for answers only. */
		guest->dropped = true;
		TAILQ_REMOVE(&guest->daemon->guests, guest, entry);
		store_unwatch(guest->daemon->store, guest->name_watch);
		guest->name_watch = NULL;
		remove_dir(guest);
		if (guest->gone)
			daemon_clean(guest->daemon, guest->domid);
	}
	if (!guest->reads)
		destroy(guest);
}

void guest_free(struct guest *guest)
{
	struct device *dev;

	if (guest->pid && guest->daemon->host_gone)
		spawn_signal(guest->pidfd, SIGKILL);
	/* Its link answers what is outstanding: the devices must still be. */
	link_free(guest->link);
	guest->link = NULL;
	while ((dev = TAILQ_FIRST(&guest->devices)))
		device_free(dev);
	TAILQ_REMOVE(&guest->daemon->guests, guest, entry);
	if (guest->daemon->host_gone)
		remove_dir(guest);
	else if (guest->dir >= 0)
		close(guest->dir);
	guest_worker_forget(guest);
	sd_event_source_disable_unref(guest->pause);
	free(guest);
}

void guest_end(struct daemon *daemon, uint32_t domid, const char *uuid)
{
	const char *run = daemon->cfg.run_dir;
	struct spawned proc;
	int dir = rundir_open(run, domid, uuid, false), sock;

	if (dir < 0)
		return;
	sock = rundir_connect(dir);
	if (sock >= 0 && !spawn_adopt(sock, &proc)) {
		log_line(LOG_INFO, NULL,
			 "dom=%" PRIu32
			 " is gone; its worker pid=%d is told to end",
			 domid, (int)proc.pid);
		spawn_signal(proc.pidfd, SIGTERM);
		close(proc.pidfd);
	}
	if (sock >= 0)
		close(sock);
	close(dir);
	rundir_remove(run, domid, uuid);
}
