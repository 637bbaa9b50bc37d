/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Theory of operation. Descriptors that are not the worker's are closed, and
 * the host's devices opened (host_ops.prepare), since nothing can be opened
 * later. What comes then is a row each of the table at the end. The first four
 * take time, but need no guest, so that a worker can have them behind it
 * before there is one:
 *
 *     namespaces    no network, no System V IPC, mounts of its own
 *     root          an empty directory; on a local host its socket is in it
 *     helper        lun/sg_helper, a process that keeps a few capabilities
 *     filter        the program of the stage `calls`
 *     limits        of descriptors and threads
 *     capabilities  none, and none to be had
 *     user          a user of its own: no other's files, no other's processes
 *     privileges    none by executing a file, either
 *     calls         only the system calls that it needs
 *
 * As root the namespaces are made as root; otherwise in a user namespace, which
 * there is only for that.
 *
 * A PID namespace would want one more process, and hide others that cannot be
 * signalled or traced anyway, by their user and by the calls.
 */
#include "worker/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/close_range.h>

#include "host/local_abi.h"
#include "host/log.h"
#include "host/uring.h"
#include "lun/sg_helper.h"
#include "worker/proto.h"

/*
 * A guest's worker has a user of its own: this and the domain's number. The
 * range is one that systemd's list of users and groups (UIDS-GIDS) calls
 * unused.
 */
#define USER_BASE 0x70000000u

/* Where the new root is put together; any directory that there always is. */
#define NEW_ROOT "/proc"

/* Rings at a time, as many as main.c has queues. */
#define LINKS_MAX 256

/* Of one worker: rings, storages, and what is on its way to become them. */
#define FDS_MAX	    4096
#define THREADS_MAX 2048

#define CAP(name) (1ull << CAP_##name)

static int fail(void)
{
	return errno ? -errno : -EIO;
}

/* The user that S is to become, or the one that it is. */
static uid_t user_of(const struct sandbox *s)
{
	return s->host == &host_xen ? USER_BASE + s->domid : geteuid();
}

/* ------------------------------------------------------- namespaces, root */

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return fail();
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? fail() : 0;
}

/* Have all capabilities in a user namespace, and be ourselves for all others. */
static int user_namespace(void)
{
	char uid[64], gid[64];
	int rc;

	snprintf(uid, sizeof(uid), "%u %u 1", geteuid(), geteuid());
	snprintf(gid, sizeof(gid), "%u %u 1", getegid(), getegid());
	if (unshare(CLONE_NEWUSER) < 0)
		return fail();
	rc = write_file("/proc/self/setgroups", "deny");
	if (!rc)
		rc = write_file("/proc/self/uid_map", uid);
	if (!rc)
		rc = write_file("/proc/self/gid_map", gid);
	return rc;
}

static int namespaces(struct sandbox *s)
{
	int rc = geteuid() == 0 ? 0 : user_namespace();

	(void)s;
	if (rc)
		return rc;
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) <
	    0)
		return fail();
	/* What is mounted here is nobody else's. */
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? fail()
								     : 0;
}

/* Make the directories on the way to PATH, which is below the new root. */
static int make_dirs(char *path)
{
	char *at = path + sizeof(NEW_ROOT);

	while ((at = strchr(at, '/'))) {
		*at = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return fail();
		*at++ = '/';
	}
	return 0;
}

/* A local host's socket, in the new root where it is in the old one. */
static int keep_socket(const char *place)
{
	const char *old;
	char path[512];
	int fd, rc, n;

	n = snprintf(path, sizeof(path), NEW_ROOT "%s/" LOCAL_HOST, place);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	old = path + strlen(NEW_ROOT);
	rc = make_dirs(path);
	if (rc)
		return rc;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail();
	close(fd);
	return mount(old, path, NULL, MS_BIND, NULL) < 0 ? fail() : 0;
}

/*
 * Not MS_NODEV: lun/sg_helper puts nodes into it. One that is open has its inode
 * as long, though it is removed at once: as many as there may be descriptors.
 */
#define ROOT_OPTIONS "size=64k,nr_inodes=4160,mode=0755"
_Static_assert(FDS_MAX + 64 == 4160, "ROOT_OPTIONS");

static int empty_root(struct sandbox *s)
{
	int rc = 0;

	if (mount("none", NEW_ROOT, "tmpfs", MS_NOSUID | MS_NOEXEC,
		  ROOT_OPTIONS) < 0)
		return fail();
	if (s->place)
		rc = keep_socket(s->place);
	if (rc)
		return rc;
	/* The old root comes to lie over the new one, and is taken off. */
	if (chdir(NEW_ROOT) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return fail();
	return 0;
}

/* ------------------------------------------------------------------ rights */

/* Have KEEP in the sets of this process, and nothing else. */
static int set_capabilities(uint64_t keep)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{.effective = (uint32_t)keep, .permitted = (uint32_t)keep},
		{.effective = (uint32_t)(keep >> 32),
		 .permitted = (uint32_t)(keep >> 32)},
	};

	return syscall(SYS_capset, &head, data) < 0 ? fail() : 0;
}

/* No file that is executed has any. */
static int bound_capabilities(void)
{
	unsigned long cap;

	for (cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return fail();
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0
		       ? fail()
		       : 0;
}

static int no_privileges(struct sandbox *s)
{
	(void)s;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? fail() : 0;
}

/* For lun/sg_helper: nodes, and what a reset wants. */
static int confine_helper(void)
{
	int rc = bound_capabilities();

	if (!rc)
		rc = no_privileges(NULL);
	if (!rc)
		rc = set_capabilities(CAP(MKNOD) | CAP(CHOWN) | CAP(SYS_ADMIN) |
				      CAP(SYS_RAWIO));
	return rc ? rc : sandbox_helper_calls();
}

static int start_helper(struct sandbox *s)
{
	return sg_helper_start(s->title, s->title_room, confine_helper);
}

static int set_limit(int what, rlim_t value)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)what, &limit) < 0)
		return fail();
	if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < value)
		value = limit.rlim_max;
	limit.rlim_cur = limit.rlim_max = value;
	return setrlimit((__rlimit_resource_t)what, &limit) < 0 ? fail() : 0;
}

/* As much as is asked for, or rings do without (uring_memory()). */
static void lock_memory(void)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};

	if (setrlimit(RLIMIT_MEMLOCK, &all) == 0)
		uring_may_lock();
}

static int limits(struct sandbox *s)
{
	int rc = set_limit(RLIMIT_NOFILE, FDS_MAX);

	lock_memory();
	/* They are counted by user, and that may have others. */
	if (!rc && user_of(s) != geteuid())
		rc = set_limit(RLIMIT_NPROC, THREADS_MAX);
	return rc;
}

/* All but those that the stage `user` needs. */
static int capabilities(struct sandbox *s)
{
	bool more = user_of(s) != geteuid();
	int rc = bound_capabilities();

	return rc ? rc : set_capabilities(more ? CAP(SETUID) | CAP(SETGID) : 0);
}

static int own_user(struct sandbox *s)
{
	uid_t user = user_of(s);

	if (setgroups(0, NULL) < 0 || setresgid(user, user, user) < 0 ||
	    setresuid(user, user, user) < 0)
		return fail();
	/* A core is useful, and only root gets to see it. */
	if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
		return fail();
	return set_capabilities(0);
}

static int make_filter(struct sandbox *s)
{
	return sandbox_calls_make(s->host, &s->calls);
}

static int calls(struct sandbox *s)
{
	int rc = s->calls.len ? sandbox_calls_enter(&s->calls) : -ENOEXEC;

	free(s->calls.filter);
	s->calls = (struct sock_fprog){0};
	return rc;
}

/* ------------------------------------------------------------- the stages */

#ifdef XENPV_INSTRUMENTED
static const bool instrumented = true;
#else
static const bool instrumented = false;
#endif

static bool as_root(const struct sandbox *s)
{
	(void)s;
	return geteuid() == 0;
}

static bool on_xen(const struct sandbox *s)
{
	return s->host == &host_xen;
}

static const struct stage {
	const char *name;
	int (*enter)(struct sandbox *s);
	bool (*wanted)(const struct sandbox *s); /* NULL: always */
	bool early;				 /* of sandbox_begin() */
	bool plain; /* builds with sanitizers or for coverage cannot */
	bool after; /* makes no sense without the one before it */
} stages[] = {
	{.name = "namespaces",
	 .enter = namespaces,
	 .early = true,
	 .plain = true},
	{.name = "root",
	 .enter = empty_root,
	 .early = true,
	 .plain = true,
	 .after = true},
	{.name = "helper",
	 .enter = start_helper,
	 .wanted = as_root,
	 .early = true,
	 .plain = true,
	 .after = true},
	{.name = "filter", .enter = make_filter, .early = true, .plain = true},
	{.name = "limits", .enter = limits},
	{.name = "capabilities", .enter = capabilities},
	{.name = "user", .enter = own_user, .wanted = on_xen},
	{.name = "privileges", .enter = no_privileges},
	{.name = "calls", .enter = calls, .plain = true},
};

static int walk(struct sandbox *s, bool early, char *err, size_t len)
{
	bool before = true;
	int rc;

	for (size_t i = 0; i < XPV_ARRAY_SIZE(stages); i++) {
		const struct stage *stage = &stages[i];

		if (stage->early != early ||
		    (stage->wanted && !stage->wanted(s)) ||
		    (stage->plain && instrumented) || (stage->after && !before))
			continue;
		rc = stage->enter(s);
		before = rc == 0;
		if (rc && on_xen(s)) {
			snprintf(
				err, len,
				"stage '%s' of its sandbox: %s; xenpvd --no-sandbox does without",
				stage->name, strerror(-rc));
			return rc;
		}
		if (rc)
			log_line(LOG_WARNING, NULL,
				 "the sandbox is without %s: %s", stage->name,
				 strerror(-rc));
	}
	return 0;
}

int sandbox_begin(struct sandbox *s, char *err, size_t len)
{
	const char *why = "";
	int rc = 0;

	/* Ours are stdio, the socket to control, and its lock behind that. */
	close_range(PROTO_FD + 2, ~0u, 0);
	if (s->host->prepare)
		rc = s->host->prepare(LINKS_MAX, &why);
	if (!rc)
		return walk(s, true, err, len);
	snprintf(err, len, "%s: %s", why, strerror(-rc));
	return rc;
}

int sandbox_enter(struct sandbox *s, char *err, size_t len)
{
	const char *why = "";
	int rc = 0;

	if (s->host->restrict_to)
		rc = s->host->restrict_to(s->domid, &why);
	if (!rc)
		return walk(s, false, err, len);
	snprintf(err, len, "%s: %s", why, strerror(-rc));
	return rc;
}
