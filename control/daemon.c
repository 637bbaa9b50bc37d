/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xenpvd: what holds the parts together: see daemon.h.
 */
#include "control/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "control/arrival.h"
#include "control/ctl.h"
#include "control/device.h"
#include "control/guest_worker.h"
#include "control/hotplug.h"
#include "control/presence.h"
#include "control/rundir.h"
#include "control/spawner.h"
#include "control/toolstack.h"
#include "core/xs.h"

/* DOMID_FIRST_RESERVED of Xen's public/xen.h. */
#define DOMID_END 0x7ff0u

#define USEC_PER_S 1000000ull

/* A question to xenstore about one guest, or about its devices of a class, or
 * one of these. */
struct query {
	TAILQ_ENTRY(query) entry; /* of one about a device */
	struct daemon *daemon;
	const struct device_class *class;
	uint32_t domid, id;
};

/* ------------------------------------------------------ what there is */

static struct query *query_new(struct daemon *daemon,
			       const struct device_class *class, uint32_t domid,
			       uint32_t id)
{
	struct query *query = calloc(1, sizeof(*query));

	if (query) {
		query->daemon = daemon;
		query->class = class;
		query->domid = domid;
		query->id = id;
	}
	return query;
}

/* A request that could not be made is a lost connection, or no memory. */
static void asked(struct query *query, int rc)
{
	if (!rc)
		return;
	free(query);
	if (rc != -ENOTCONN)
		log_line(LOG_ERR, NULL, "cannot ask xenstore: %s",
			 strerror(-rc));
}

static struct device *find_device(struct daemon *daemon,
				  const struct device_class *class,
				  uint32_t domid, uint32_t id)
{
	struct guest *guest = guest_find(daemon, domid);
	struct device *dev;

	if (!guest)
		return NULL;
	TAILQ_FOREACH(dev, &guest->devices, entry)
		if (dev->class == class && dev->id == id)
			return dev;
	return NULL;
}

static void add_device(struct daemon *daemon, const struct device_class *class,
		       uint32_t domid, uint32_t id)
{
	struct guest *guest;
	int rc = -ENOMEM;

	if (daemon->stopping || find_device(daemon, class, domid, id))
		return;
	guest = guest_get(daemon, domid);
	if (guest) {
		rc = device_new(guest, class, id);
		guest_put(guest);
	}
	if (rc)
		log_line(LOG_ERR, NULL,
			 "dom=%" PRIu32 " dev=%s/%" PRIu32
			 " cannot be served: %s",
			 domid, class->word, id,
			 rc == -ENOSPC ? "the guest has too many devices"
				       : strerror(-rc));
}

static void on_device_read(struct store *st, const struct store_reply *rsp,
			   void *ctx)
{
	struct query *query = ctx;
	struct daemon *daemon = query->daemon;

	(void)st;
	if (!rsp->err)
		add_device(daemon, query->class, query->domid, query->id);
	TAILQ_REMOVE(&daemon->queries, query, entry);
	free(query);
}

/* Is there such a device? */
static void ask_device(struct query *query)
{
	struct daemon *daemon = query->daemon;
	char path[96];
	int rc;

	snprintf(path, sizeof(path), "%s/%" PRIu32 "/%" PRIu32 "/frontend-id",
		 query->class->dir, query->domid, query->id);
	rc = store_read(daemon->store, 0, path, on_device_read, query);
	if (rc)
		TAILQ_REMOVE(&daemon->queries, query, entry);
	asked(query, rc);
}

static struct query *find_query(struct daemon *daemon,
				const struct device_class *class,
				uint32_t domid, uint32_t id)
{
	struct query *query;

	TAILQ_FOREACH(query, &daemon->queries, entry)
		if (query->class == class && query->domid == domid &&
		    query->id == id)
			return query;
	return NULL;
}

/* Something about this device has changed. A new one has some twenty nodes, each
 * of which is told: it is asked for once. What is told while the answer is under
 * way was there before it: xenstored answers in order. */
static void touch_device(struct daemon *daemon,
			 const struct device_class *class, uint32_t domid,
			 uint32_t id, const char *node)
{
	struct device *dev = find_device(daemon, class, domid, id);
	struct query *query;

	if (dev) {
		device_kick_own(dev, node);
		return;
	}
	if (find_query(daemon, class, domid, id))
		return;
	query = query_new(daemon, class, domid, id);
	if (!query)
		return;
	TAILQ_INSERT_TAIL(&daemon->queries, query, entry);
	ask_device(query);
}

/* Whole numbers only: a directory of another name is not ours. */
static bool parse_name(const char *name, size_t len, uint32_t end,
		       uint32_t *value)
{
	return !xs_parse_u32(name, len, value) && *value < end &&
	       (name[0] != '0' || len == 1);
}

static void on_guest_ls(struct store *st, const struct store_reply *rsp,
			void *ctx)
{
	struct query *query = ctx;
	const char *name, *end = rsp->value + rsp->len;
	uint32_t id;

	(void)st;
	for (name = rsp->value; name < end; name += strlen(name) + 1) {
		if (parse_name(name, strlen(name), query->class->id_end, &id))
			touch_device(query->daemon, query->class, query->domid,
				     id, "");
	}
	free(query);
}

/* Something about a directory of the guest has changed. */
static void touch_guest(struct daemon *daemon, const struct device_class *class,
			uint32_t domid)
{
	struct guest *guest = guest_find(daemon, domid);
	struct query *query = query_new(daemon, class, domid, 0);
	struct device *dev;
	char path[64];

	if (guest)
		TAILQ_FOREACH(dev, &guest->devices, entry)
			device_kick(dev);
	if (!query)
		return;
	snprintf(path, sizeof(path), "%s/%" PRIu32, class->dir, domid);
	asked(query, store_ls(daemon->store, 0, path, on_guest_ls, query));
}

static void on_introduced(struct store *st, const struct store_reply *rsp,
			  void *ctx)
{
	struct query *query = ctx;
	struct guest *guest = guest_find(query->daemon, query->domid);
	struct device *dev;

	/* A driver domain may not ask. Its guest is gone when its end is. */
	if (rsp->err && rsp->err != -EACCES)
		goto out;
	if (rsp->err || strcmp(rsp->value, "F")) {
		touch_guest(query->daemon, query->class, query->domid);
		goto out;
	}
	if (guest) {
		guest->gone = true;
		TAILQ_FOREACH(dev, &guest->devices, entry)
			device_kick(dev);
		guest_put(guest);
	} else {
		daemon_clean(query->daemon, query->domid);
	}
out:
	free(query);
	(void)st;
}

static void on_removed(struct store *st, const struct store_reply *rsp,
		       void *ctx)
{
	(void)st;
	(void)ctx;
	/* A driver domain's directories are its toolstack's, if it has made none
	 * for this guest. */
	if (rsp->err && rsp->err != -ENOENT && rsp->err != -ECANCELED &&
	    rsp->err != -EACCES)
		log_line(LOG_WARNING, NULL,
			 "cannot remove nodes of a guest that is gone: %s",
			 strerror(-rsp->err));
}

void daemon_clean(struct daemon *daemon, uint32_t domid)
{
	char path[64];

	log_line(LOG_INFO, NULL,
		 "dom=%" PRIu32 " is gone; its backend nodes are removed",
		 domid);
	for (size_t i = 0; device_classes[i]; i++) {
		snprintf(path, sizeof(path), "%s/%" PRIu32,
			 device_classes[i]->dir, domid);
		if (store_rm(daemon->store, 0, path, on_removed, daemon))
			log_line(LOG_WARNING, NULL, "cannot remove %s", path);
	}
}

static void daemon_scan(struct daemon *daemon);

/* The end of the first scan is the moment in which we do our work. */
static void scan_done(struct daemon *daemon)
{
	if (--daemon->scanning)
		return;
	if (daemon->scan_again) {
		daemon->scan_again = false;
		daemon_scan(daemon);
	} else if (!daemon->ready) {
		daemon->ready = true;
		log_line(LOG_INFO, NULL, "version %s ready", XENPV_VERSION);
		(void)sd_notify(0, "READY=1");
	}
}

static void on_scan(struct store *st, const struct store_reply *rsp, void *ctx)
{
	struct query *scan = ctx;
	struct daemon *daemon = scan->daemon;
	const char *name, *end = rsp->value + rsp->len;
	struct query *query;
	uint32_t domid;

	for (name = rsp->value; name < end; name += strlen(name) + 1) {
		if (!parse_name(name, strlen(name), DOMID_END, &domid))
			continue;
		query = query_new(daemon, scan->class, domid, 0);
		if (query)
			asked(query, store_is_introduced(st, domid,
							 on_introduced, query));
	}
	free(scan);
	if (rsp->err != -ECANCELED && rsp->err != -ECONNRESET)
		scan_done(daemon);
}

/* Look at all guests, of each first whether it exists. */
static void daemon_scan(struct daemon *daemon)
{
	if (daemon->scanning) {
		daemon->scan_again = true;
		return;
	}
	for (size_t i = 0; device_classes[i]; i++) {
		const struct device_class *class = device_classes[i];
		struct query *scan = query_new(daemon, class, 0, 0);

		if (!scan)
			continue;
		if (store_ls(daemon->store, 0, class->dir, on_scan, scan))
			free(scan);
		else
			daemon->scanning++;
	}
}

/* The class whose directory PATH is, or is below. */
static const struct device_class *class_of(const char *path)
{
	for (size_t i = 0; device_classes[i]; i++) {
		size_t len = strlen(device_classes[i]->dir);

		if (!strncmp(path, device_classes[i]->dir, len) &&
		    (!path[len] || path[len] == '/'))
			return device_classes[i];
	}
	return NULL;
}

static void on_backend(struct store *st, int err, const char *path, void *ctx)
{
	const struct device_class *class = class_of(path);
	struct daemon *daemon = ctx;
	const char *name, *slash;
	uint32_t domid, id;

	(void)st;
	if (err) {
		log_line(LOG_ERR, NULL, "xenstore refuses to watch %s: %s",
			 path, strerror(-err));
		daemon->result = err;
		(void)sd_event_exit(daemon->event, 0);
		return;
	}
	if (!class)
		return;
	name = path + strlen(class->dir);
	if (!name[0] || !name[1]) {
		daemon_scan(daemon);
		return;
	}
	name++;
	slash = strchrnul(name, '/');
	if (!parse_name(name, (size_t)(slash - name), DOMID_END, &domid))
		return;
	if (!*slash) {
		touch_guest(daemon, class, domid);
		return;
	}
	name = slash + 1;
	slash = strchrnul(name, '/');
	if (parse_name(name, (size_t)(slash - name), class->id_end, &id))
		touch_device(daemon, class, domid, id, slash + (*slash == '/'));
}

static void on_release(struct store *st, int err, const char *path, void *ctx)
{
	struct daemon *daemon = ctx;

	(void)st;
	(void)path;
	if (err)
		return;
	daemon_scan(daemon);
	ts_kernel_sweep_aside(daemon->cfg.site);
	arrivals_gone(daemon->arrivals);
}

/* -------------------------------------------------------------- its end */

void daemon_progress(struct daemon *daemon)
{
	if (daemon->stopping && TAILQ_EMPTY(&daemon->guests))
		(void)sd_event_exit(daemon->event, 0);
}

static int on_stop_timer(sd_event_source *s, uint64_t usec, void *ctx)
{
	struct daemon *daemon = ctx;
	struct guest *guest;
	struct device *dev;

	(void)usec;
	if (daemon->forcing)
		return sd_event_exit(daemon->event, 0);
	daemon->forcing = true;
	TAILQ_FOREACH(guest, &daemon->guests, entry) {
		struct log_where where = guest_where(guest);

		log_line(
			LOG_WARNING, &where,
			"has not let go of its devices in %d s; they are closed all the same",
			DAEMON_STOP_S);
		TAILQ_FOREACH(dev, &guest->devices, entry)
			device_leave(dev, true);
	}
	(void)sd_event_source_set_time_relative(s, DAEMON_FORCE_S * USEC_PER_S);
	(void)sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	return 0;
}

void daemon_close(struct daemon *daemon)
{
	struct guest *guest, *next;
	struct device *dev;

	if (daemon->stopping)
		return;
	daemon->stopping = true;
	(void)sd_notify(0, "STOPPING=1");
	log_line(LOG_INFO, NULL, "closing all devices");
	if (sd_event_add_time_relative(
		    daemon->event, &daemon->stop_timer, CLOCK_MONOTONIC,
		    DAEMON_STOP_S * USEC_PER_S, 0, on_stop_timer, daemon) < 0)
		(void)sd_event_exit(daemon->event, 0);
	for (guest = TAILQ_FIRST(&daemon->guests); guest; guest = next) {
		next = TAILQ_NEXT(guest, entry);
		TAILQ_FOREACH(dev, &guest->devices, entry)
			device_leave(dev, false);
		guest_put(guest);
	}
	daemon_progress(daemon);
}

static int on_close(sd_event_source *s, const struct signalfd_siginfo *si,
		    void *ctx)
{
	(void)s;
	(void)si;
	daemon_close(ctx);
	return 0;
}

/* Nothing else is to be done: what there is goes on without us. */
static int on_leave(sd_event_source *s, const struct signalfd_siginfo *si,
		    void *ctx)
{
	struct daemon *daemon = ctx;

	(void)s;
	(void)si;
	(void)sd_notify(0, "STOPPING=1");
	log_line(LOG_INFO, NULL, "leaving; workers go on serving");
	return sd_event_exit(daemon->event, 0);
}

void daemon_upgrade(struct daemon *daemon)
{
	daemon->upgrading = true;
	log_line(LOG_INFO, NULL, "starting %s again", daemon->cfg.argv[0]);
	(void)sd_event_exit(daemon->event, 0);
}

static void on_lost(struct store *st, int err, void *ctx)
{
	struct daemon *daemon = ctx;

	(void)st;
	/* xenstored cannot be started again while Xen runs. */
	log_line(LOG_CRIT, NULL,
		 "the connection to xenstore is lost: %s; check xenstored",
		 strerror(-err));
	daemon->result = err;
	daemon->host_gone = !strcmp(site_name(daemon->cfg.site), "local");
	(void)sd_event_exit(daemon->event, 0);
}

/* ------------------------------------------------- an earlier xenpvd's */

void daemon_renew(struct daemon *daemon)
{
	struct guest *guest, *old = NULL;

	if (!daemon->cfg.renew || !spawn_is_ready(daemon))
		return;
	TAILQ_FOREACH(guest, &daemon->guests, entry) {
		if (guest->ending || guest_is_down(guest))
			return;
		if (guest->adopted && guest->usable)
			old = guest;
	}
	if (old)
		guest_renew(old);
}

/* A directory in the run directory, and what its guest has now for a uuid. */
struct remains {
	struct daemon *daemon;
	uint32_t domid;
	char uuid[GUEST_UUID_MAX];
};

static void on_remains(struct store *st, const struct store_reply *rsp,
		       void *ctx)
{
	struct remains *it = ctx;
	struct daemon *daemon = it->daemon;
	const char *uuid = rsp->err ? "" : rsp->value;

	(void)st;
	if (rsp->err && rsp->err != -ENOENT)
		goto out;
	if (strrchr(uuid, '/'))
		uuid = strrchr(uuid, '/') + 1;
	/* It goes on by itself, when it knows its name. */
	if (strcmp(uuid, it->uuid) || (!*uuid && rsp->err == -ENOENT))
		guest_end(daemon, it->domid, it->uuid);
	else
		(void)guest_get(daemon, it->domid);
out:
	free(it);
}

static void look_at_remains(void *ctx, uint32_t domid, const char *uuid)
{
	struct remains *it = calloc(1, sizeof(*it));
	char path[64];

	if (!it)
		return;
	it->daemon = ctx;
	it->domid = domid;
	snprintf(it->uuid, sizeof(it->uuid), "%s", uuid);
	snprintf(path, sizeof(path), "/local/domain/%" PRIu32 "/vm", domid);
	if (store_read(it->daemon->store, 0, path, on_remains, it))
		free(it);
}

/* ------------------------------------------------------------- its start */

static int on_store(sd_event_source *s, int fd, uint32_t revents, void *ctx)
{
	struct daemon *daemon = ctx;

	(void)s;
	(void)fd;
	(void)revents;
	(void)store_dispatch(daemon->store); /* on_lost() has been called */
	return 0;
}

/* What was asked since goes out; what to poll for depends on what is left. */
static int before_poll(sd_event_source *s, void *ctx)
{
	struct daemon *daemon = ctx;
	int rc = store_flush(daemon->store);
	short events;

	if (rc)
		store_fail(daemon->store, rc);
	events = store_events(daemon->store);
	if (store_fd(daemon->store) < 0)
		return sd_event_source_set_enabled(s, SD_EVENT_OFF);
	/* POLLIN and POLLOUT are EPOLLIN and EPOLLOUT on Linux. */
	return sd_event_source_set_io_events(s, (uint32_t)events);
}

static int start_site(const struct daemon_cfg *cfg)
{
	char libexec[PATH_MAX], err[SITE_WORD_MAX + PATH_MAX] = "";
	const char *slash = strrchr(cfg->worker, '/');
	int rc;

	snprintf(libexec, sizeof(libexec), "%.*s",
		 slash ? (int)(slash - cfg->worker) : 1,
		 slash ? cfg->worker : ".");
	rc = site_start(cfg->site, libexec, err, sizeof(err));
	if (rc && err[0])
		log_line(LOG_ERR, NULL, "%s", err);
	return rc;
}

static int open_store(struct daemon *daemon)
{
	const struct daemon_cfg *cfg = &daemon->cfg;
	char err[SITE_WORD_MAX + 64];
	int rc;

	rc = store_open(&daemon->store, cfg->xenstore, on_lost, daemon);
	if (rc) {
		rc = site_explain_store(cfg->site, rc, err, sizeof(err));
		log_line(LOG_ERR, NULL, "%s", err);
	}
	return rc;
}

static int make_dir(const char *path, mode_t mode)
{
	if (!mkdir(path, mode) || errno == EEXIST)
		return 0;
	log_line(LOG_ERR, NULL, "cannot make the directory %s: %s", path,
		 strerror(errno));
	return -errno;
}

static int make_dirs(const struct daemon_cfg *cfg)
{
	char path[PATH_MAX];
	int rc;

	snprintf(path, sizeof(path), "%s/state", cfg->state_dir);
	rc = make_dir(cfg->run_dir, 0755);
	if (!rc)
		rc = rundir_init(cfg->run_dir);
	if (!rc)
		rc = make_dir(cfg->state_dir, 0700);
	if (!rc)
		rc = make_dir(path, 0700);
	return rc;
}

/* Does somebody answer at the control socket? */
static bool is_running(const struct daemon_cfg *cfg)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, r;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/control",
		 cfg->run_dir);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return true;
	r = connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	close(fd);
	return !r;
}

/*
 * One xenpvd on a machine: two would both answer the same guests. The lock is
 * its alone: workers live longer.
 */
static int take_lock(struct daemon *daemon)
{
	const struct timespec pause = {.tv_nsec = 100000000};
	char path[PATH_MAX];
	int rc = -EBUSY;

	snprintf(path, sizeof(path), "%s/lock", daemon->cfg.run_dir);
	daemon->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (daemon->lock < 0) {
		rc = -errno;
		log_line(LOG_ERR, NULL, "cannot open %s: %s", path,
			 strerror(errno));
		return rc;
	}
	for (int i = 0; i < DAEMON_WAIT_S * 10; i++) {
		if (!flock(daemon->lock, LOCK_EX | LOCK_NB))
			return 0;
		if (is_running(&daemon->cfg)) {
			log_line(LOG_ERR, NULL,
				 "%s is locked: xenpvd runs already; %s", path,
				 daemon->cfg.site->word[SITE_DAEMON_LOG]);
			return rc;
		}
		if (!i)
			log_line(LOG_WARNING, NULL,
				 "waiting for an earlier xenpvd to end");
		nanosleep(&pause, NULL);
	}
	log_line(LOG_ERR, NULL,
		 "%s is locked by what does not end; find it with fuser %s",
		 path, path);
	return rc;
}

static int check_worker(const struct daemon_cfg *cfg)
{
	int rc;

	if (!access(cfg->worker, X_OK))
		return 0;
	rc = -errno;
	log_line(LOG_ERR, NULL, "no worker %s: %s; give its path with --worker",
		 cfg->worker, strerror(-rc));
	return rc;
}

/* Two descriptors for each LUN, on their way to a worker. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int start_loop(struct daemon *daemon)
{
	sigset_t mask;
	int rc;

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	sigaddset(&mask, SIGCHLD); /* of arrivals: sd_event_add_child() */
	if (sigprocmask(SIG_BLOCK, &mask, NULL))
		return -errno;
	rc = sd_event_new(&daemon->event);
	if (rc < 0)
		return rc;
	rc = sd_event_add_signal(daemon->event, NULL, SIGTERM, on_leave,
				 daemon);
	if (rc >= 0)
		rc = sd_event_add_signal(daemon->event, NULL, SIGINT, on_close,
					 daemon);
	if (rc >= 0)
		rc = sd_event_add_io(daemon->event, &daemon->store_io,
				     store_fd(daemon->store), EPOLLIN, on_store,
				     daemon);
	if (rc >= 0)
		rc = sd_event_source_set_prepare(daemon->store_io, before_poll);
	/* Asked before anything else, and so answered. */
	if (rc >= 0)
		rundir_guests(daemon->cfg.run_dir, look_at_remains, daemon);
	for (size_t i = 0; device_classes[i] && rc >= 0; i++)
		rc = store_watch(daemon->store, device_classes[i]->dir, -1,
				 on_backend, daemon, NULL);
	if (rc >= 0)
		rc = store_watch(daemon->store, "@releaseDomain", 0, on_release,
				 daemon, NULL);
	return rc < 0 ? rc : 0;
}

static void start_hotplug(struct daemon *daemon)
{
	int rc = hotplug_new(&daemon->hotplug, daemon);

	if (rc)
		log_line(
			LOG_WARNING, NULL,
			"the kernel does not tell of SCSI devices that come back: %s",
			strerror(-rc));
}

/* In the same process, for whoever watches it; returns if that fails. */
static int start_again(const struct daemon_cfg *cfg)
{
	int rc;

	(void)setenv(DAEMON_RENEW, "1", 1);
	execvp(cfg->argv[0], cfg->argv);
	rc = -errno;
	log_line(LOG_ERR, NULL, "cannot start %s: %s; start it again",
		 cfg->argv[0], strerror(errno));
	return rc;
}

int daemon_run(const struct daemon_cfg *cfg)
{
	struct daemon daemon = {.cfg = *cfg, .lock = -1};
	struct timespec now;
	struct guest *guest;
	int rc;

	clock_gettime(CLOCK_REALTIME, &now);
	daemon.started_us = (uint64_t)now.tv_sec * USEC_PER_S +
			    (uint64_t)now.tv_nsec / 1000;
	TAILQ_INIT(&daemon.guests);
	TAILQ_INIT(&daemon.queries);
	LIST_INIT(&daemon.claims);
	raise_limits();
	rc = start_site(cfg);
	if (!rc)
		rc = open_store(&daemon);
	if (rc)
		return rc;
	rc = check_worker(cfg);
	if (!rc)
		rc = make_dirs(cfg);
	if (!rc)
		rc = take_lock(&daemon);
	if (rc)
		goto out;
	rc = start_loop(&daemon);
	if (!rc)
		rc = ctl_new(&daemon.ctl, &daemon);
	if (!rc)
		rc = arrivals_new(&daemon.arrivals, &daemon);
	if (!rc)
		start_hotplug(&daemon);
	/* A local host is one user's own, who has no say in systemd's slices. */
	if (!rc && !site_place(cfg->site))
		daemon.scopes = scopes_new(daemon.event, &cfg->limits);
	if (!rc) {
		presence_tell(daemon.store);
		spawn_ready(&daemon);
		rc = sd_event_loop(daemon.event);
	}
	if (rc)
		log_line(LOG_ERR, NULL, "cannot run: %s", strerror(-rc));
	else
		rc = daemon.result;
out:
	/* Nothing is answered any more; contexts end with their owners. */
	daemon.stopping = true;
	ctl_free(daemon.ctl);
	daemon.ctl = NULL;
	hotplug_free(daemon.hotplug);
	sd_event_source_disable_unref(daemon.store_io);
	store_close(daemon.store);
	daemon.store = NULL;
	arrivals_free(daemon.arrivals);
	daemon.arrivals = NULL;
	while ((guest = TAILQ_FIRST(&daemon.guests)))
		guest_free(guest);
	spawn_end(&daemon);
	scopes_free(daemon.scopes);
	sd_event_source_disable_unref(daemon.stop_timer);
	sd_event_unref(daemon.event);
	if (daemon.lock >= 0)
		close(daemon.lock);
	if (!rc && daemon.upgrading)
		rc = start_again(cfg);
	else if (!rc)
		log_line(LOG_INFO, NULL, "stopped");
	return rc;
}
