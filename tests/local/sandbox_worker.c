/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker that has been taken over: xenpv-worker with a storage driver more,
 * whose open() does in the queue's thread what its argument says, and ends with
 * what came of it: a negative errno, or -EALREADY when it went through. For
 * tests only; linked with --wrap=storage_find, it needs nothing in the worker.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <xen/xen.h>

#include <xen/grant_table.h>

#include <xen/evtchn.h>
#include <xen/gntdev.h>

#include "host/uring.h"
#include "storage/storage.h"

#define WENT_THROUGH (-EALREADY)

/* As lun/sg.c opens a node, which is what the filter lets through. */
#define NODE_FLAGS (O_RDWR | O_NONBLOCK | O_CLOEXEC)

static int result(long r)
{
	return r < 0 ? -errno : WENT_THROUGH;
}

/* ----------------------------------------------------------------- attempts */

static int open_read(const char *arg, struct uring *u)
{
	(void)u;
	return result(open(arg, O_RDONLY));
}

static int open_node(const char *arg, struct uring *u)
{
	(void)u;
	return result(open(arg, NODE_FLAGS));
}

static int create(const char *arg, struct uring *u)
{
	(void)u;
	return result(open(arg, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
}

static int unix_path(const char *arg, struct uring *u)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)u;
	if (fd < 0)
		return -errno;
	strncpy(to.sun_path, arg, sizeof(to.sun_path) - 1);
	return result(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static int inet(const char *arg, struct uring *u)
{
	(void)arg, (void)u;
	return result(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int new_process(const char *arg, struct uring *u)
{
	pid_t pid = fork();

	(void)arg, (void)u;
	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int new_process3(const char *arg, struct uring *u)
{
	uint64_t args[11] = {0}; /* struct clone_args, with no flags */
	long pid = syscall(SYS_clone3, args, sizeof(args));

	(void)arg, (void)u;
	if (pid == 0)
		_exit(0);
	return result(pid);
}

static int exec(const char *arg, struct uring *u)
{
	char *none[] = {NULL};

	(void)u;
	return result(execve(arg, none, none));
}

static int trace(const char *arg, struct uring *u)
{
	pid_t pid = getppid();
	long r = ptrace(PTRACE_SEIZE, pid, NULL, NULL);

	(void)arg, (void)u;
	if (r < 0)
		return -errno;
	/* Let go: it would stop at every signal. */
	if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0 ||
	    waitpid(pid, NULL, __WALL) < 0 ||
	    ptrace(PTRACE_DETACH, pid, NULL, NULL) < 0)
		return -EIO;
	return WENT_THROUGH;
}

static int peek(const char *arg, struct uring *u)
{
	char to;
	struct iovec here = {&to, 1};
	struct iovec there = {(void *)strtoul(arg, NULL, 16), 1};

	(void)u;
	return result(process_vm_readv(getppid(), &here, 1, &there, 1, 0));
}

static int signal_other(const char *arg, struct uring *u)
{
	(void)arg, (void)u;
	return result(kill(getppid(), 0));
}

static int signal_thread(const char *arg, struct uring *u)
{
	(void)arg, (void)u;
	return result(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int do_mount(const char *arg, struct uring *u)
{
	(void)u;
	return result(mount("none", arg, "tmpfs", 0, NULL));
}

static int leave(const char *arg, struct uring *u)
{
	(void)arg, (void)u;
	return result(unshare(CLONE_FS));
}

static int map_code(const char *arg, struct uring *u)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)arg, (void)u;
	return result(p == MAP_FAILED ? -1 : 0);
}

static int make_code(const char *arg, struct uring *u)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)arg, (void)u;
	return p == MAP_FAILED
		       ? -errno
		       : result(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int become_root(const char *arg, struct uring *u)
{
	(void)arg, (void)u;
	return result(syscall(SYS_setuid, 0));
}

static int other_call(const char *arg, struct uring *u)
{
	(void)u;
	return result(syscall(strtol(arg, NULL, 10), 0, 0, 0, 0, 0));
}

/* ------------------------------------------------------------------ io_uring */

struct waited {
	struct uring_op op;
	int32_t res;
	bool over;
};

static void on_done(struct uring_op *op, int32_t res, uint32_t flags)
{
	struct waited *w = (struct waited *)op;

	(void)flags;
	w->res = res;
	w->over = true;
}

/* On the queue's own ring. */
static int own_ring_open(const char *arg, struct uring *u)
{
	struct waited w = {.op.done = on_done};
	struct io_uring_sqe *sqe = uring_sqe(u);

	io_uring_prep_openat(sqe, AT_FDCWD, arg, O_RDONLY, 0);
	uring_attach(sqe, &w.op);
	while (!w.over) {
		uring_submit(u, true);
		uring_reap(u);
	}
	return w.res < 0 ? w.res : WENT_THROUGH;
}

/* On one that it has made for itself, with no restrictions. */
static int other_ring(void (*prep)(struct io_uring_sqe *sqe, const void *arg),
		      const void *arg)
{
	struct io_uring ring;
	struct io_uring_cqe *cqe;
	int r = io_uring_queue_init(4, &ring, 0);

	if (r < 0)
		return r;
	prep(io_uring_get_sqe(&ring), arg);
	r = io_uring_submit_and_wait(&ring, 1);
	if (r >= 0)
		r = io_uring_wait_cqe(&ring, &cqe);
	if (r >= 0)
		r = cqe->res;
	io_uring_queue_exit(&ring);
	return r;
}

static void prep_open(struct io_uring_sqe *sqe, const void *arg)
{
	io_uring_prep_openat(sqe, AT_FDCWD, arg, O_RDONLY, 0);
}

static int other_ring_open(const char *arg, struct uring *u)
{
	int r = other_ring(prep_open, arg);

	(void)u;
	return r < 0 ? r : WENT_THROUGH;
}

struct connection {
	int fd;
	struct sockaddr_storage to;
	socklen_t len;
};

static void prep_socket(struct io_uring_sqe *sqe, const void *arg)
{
	const struct connection *c = arg;

	io_uring_prep_socket(sqe, c->to.ss_family, SOCK_STREAM, 0, 0);
}

static void prep_connect(struct io_uring_sqe *sqe, const void *arg)
{
	const struct connection *c = arg;

	io_uring_prep_connect(sqe, c->fd, (const struct sockaddr *)&c->to,
			      c->len);
}

static int ring_connect(struct connection *c)
{
	int r;

	c->fd = other_ring(prep_socket, c);
	if (c->fd < 0)
		return c->fd;
	r = other_ring(prep_connect, c);
	close(c->fd);
	return r < 0 ? r : WENT_THROUGH;
}

/* ARG: a port at 127.0.0.1 */
static int other_ring_inet(const char *arg, struct uring *u)
{
	struct connection c = {.len = sizeof(struct sockaddr_in)};
	struct sockaddr_in *to = (struct sockaddr_in *)&c.to;

	(void)u;
	to->sin_family = AF_INET;
	to->sin_port = htons((uint16_t)atoi(arg));
	to->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return ring_connect(&c);
}

/* ARG: an abstract name */
static int other_ring_unix(const char *arg, struct uring *u)
{
	struct connection c = {0};
	struct sockaddr_un *to = (struct sockaddr_un *)&c.to;

	(void)u;
	to->sun_family = AF_UNIX;
	strncpy(to->sun_path + 1, arg, sizeof(to->sun_path) - 2);
	c.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			    strlen(arg));
	return ring_connect(&c);
}

/* ----------------------------------------------------------------------- Xen */

/* The result of REQUEST at the first descriptor of evtchn that there is. */
static int at_evtchn(unsigned long request, void *arg)
{
	int fd;

	for (fd = 5; fd < 1024; fd++)
		if (ioctl(fd, request, arg) >= 0 ||
		    (errno != EBADF && errno != ENOTTY && errno != ENOSYS))
			return result(errno ? -1 : 0);
	/* None: a worker without sandbox, which opens them as it needs them. */
	fd = open("/dev/xen/evtchn", O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : result(ioctl(fd, request, arg));
}

/* ARG: DOMID PORT */
static int bind_event(const char *arg, struct uring *u)
{
	struct ioctl_evtchn_bind_interdomain bind = {0};

	(void)u;
	errno = 0;
	if (sscanf(arg, "%u %u", &bind.remote_domain, &bind.remote_port) != 2)
		return -EBADMSG;
	return at_evtchn(IOCTL_EVTCHN_BIND_INTERDOMAIN, &bind);
}

static int bind_virq(const char *arg, struct uring *u)
{
	struct ioctl_evtchn_bind_virq bind = {.virq = VIRQ_DEBUG};

	(void)arg, (void)u;
	errno = 0;
	return at_evtchn(IOCTL_EVTCHN_BIND_VIRQ, &bind);
}

/* ARG: a port of another process */
static int notify(const char *arg, struct uring *u)
{
	struct ioctl_evtchn_notify n = {.port = (unsigned)atoi(arg)};

	(void)u;
	errno = 0;
	return at_evtchn(IOCTL_EVTCHN_NOTIFY, &n);
}

/* -------------------------------------------------------------- the "driver" */

static const struct {
	const char *name;
	int (*run)(const char *arg, struct uring *u);
} attempts[] = {
	{"open_read", open_read},
	{"open_node", open_node},
	{"create", create},
	{"unix_path", unix_path},
	{"inet", inet},
	{"new_process", new_process},
	{"new_process3", new_process3},
	{"exec", exec},
	{"trace", trace},
	{"peek", peek},
	{"signal_other", signal_other},
	{"signal_thread", signal_thread},
	{"mount", do_mount},
	{"leave", leave},
	{"map_code", map_code},
	{"make_code", make_code},
	{"become_root", become_root},
	{"other_call", other_call},
	{"own_ring_open", own_ring_open},
	{"other_ring_open", other_ring_open},
	{"other_ring_inet", other_ring_inet},
	{"other_ring_unix", other_ring_unix},
	{"bind_event", bind_event},
	{"bind_virq", bind_virq},
	{"notify", notify},
};

/* The arguments are "NAME" or "NAME ARG". */
static int attempt_open(struct storage **out, const struct storage_cfg *cfg,
			struct uring *u)
{
	size_t len = strcspn(cfg->args, " ");
	const char *arg = cfg->args[len] ? cfg->args + len + 1 : "";

	(void)out;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(attempts); i++)
		if (strlen(attempts[i].name) == len &&
		    !strncmp(attempts[i].name, cfg->args, len))
			return attempts[i].run(arg, u);
	return -EBADMSG;
}

static const struct storage_driver attempt = {
	.name = "attempt",
	.open = attempt_open,
};

const struct storage_driver *__real_storage_find(const char *name);
const struct storage_driver *__wrap_storage_find(const char *name);

const struct storage_driver *__wrap_storage_find(const char *name)
{
	return strcmp(name, attempt.name) ? __real_storage_find(name)
					  : &attempt;
}
