/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a worker that has been taken over can do: each attempt of
 * tests/local/sandbox_worker.c is made twice, in a worker in its sandbox and in
 * one without. There it must end otherwise, or the test would prove nothing.
 *
 *     test_sandbox local              on a local host, which is made for it
 *     test_sandbox xen DOMID OTHER    in dom0; numbers of two guests
 *
 * XENPV_WORKER is the program, XENPV_LOCAL that of the local host.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/local_start.h"
#include "wire/port.h"
#include "worker/proto.h"

#define PATIENCE     60000 /* ms */
#define WENT_THROUGH EALREADY
#define ANYTHING     (-1)

enum on {
	XEN = 1,
	LOCAL = 2,
	BOTH = 3,
};

static char dir[] = ":/tmp/xenpv-sandbox-XXXXXX";
static char host[128], domid[16] = "1";
static char abstract[32], port[16], path[108], address[24];
static char guest_port[24], other_port[24];
static int failed, count;

/* An attempt, and what it ends with, in the sandbox and without. */
static const struct row {
	enum on on;
	const char *what; /* for people */
	const char *name, *arg;
	int inside, outside; /* errno */
} rows[] = {
	{BOTH, "open a file", "open_read", "/etc/passwd", EPERM, WENT_THROUGH},
	{BOTH, "open a file, the way an sg node is", "open_node", "/etc/passwd",
	 ENOENT, WENT_THROUGH},
	{BOTH, "open /proc/self/mem, likewise", "open_node", "/proc/self/mem",
	 ENOENT, WENT_THROUGH},
	{BOTH, "go up from the root", "open_node", "../../../../etc/passwd",
	 ENOENT, WENT_THROUGH},
	{XEN, "open another event channel device", "open_node",
	 "/dev/xen/evtchn", ENOENT, WENT_THROUGH},
	{XEN, "open /dev/xen/privcmd", "open_node", "/dev/xen/privcmd", ENOENT,
	 WENT_THROUGH},
	{BOTH, "create a file", "create", "/tmp/xenpv-sandbox-test", EPERM,
	 WENT_THROUGH},
	{XEN, "make a local socket", "unix_path", path, EPERM, WENT_THROUGH},
	{LOCAL, "connect to another socket than the host's", "unix_path", path,
	 ENOENT, WENT_THROUGH},
	{BOTH, "make a socket of the internet", "inet", "", EPERM,
	 WENT_THROUGH},
	{BOTH, "fork", "new_process", "", EPERM, WENT_THROUGH},
	{BOTH, "fork, by clone3", "new_process3", "", ENOSYS, ANYTHING},
	{BOTH, "execute a program", "exec", "/nonexistent", EPERM, ENOENT},
	{BOTH, "trace another process", "trace", "", EPERM, WENT_THROUGH},
	{BOTH, "read another process's memory", "peek", address, EPERM,
	 WENT_THROUGH},
	{BOTH, "signal another process", "signal_other", "", EPERM,
	 WENT_THROUGH},
	{BOTH, "signal its thread", "signal_thread", "", EPERM, WENT_THROUGH},
	{BOTH, "mount", "mount", "/nonexistent", EPERM, ENOENT},
	{BOTH, "leave a namespace", "leave", "", EPERM, WENT_THROUGH},
	{BOTH, "map executable memory", "map_code", "", EPERM, WENT_THROUGH},
	{BOTH, "make memory executable", "make_code", "", EPERM, WENT_THROUGH},
	{BOTH, "become root", "become_root", "", EPERM, WENT_THROUGH},
	{BOTH, "bpf()", "other_call", "321", EPERM, EINVAL},
	{BOTH, "perf_event_open()", "other_call", "298", EPERM, EFAULT},
	{BOTH, "init_module()", "other_call", "175", EPERM, ANYTHING},
	{BOTH, "add_key()", "other_call", "248", EPERM, ANYTHING},
	{BOTH, "open a file, by the queue's io_uring", "own_ring_open",
	 "/etc/passwd", EACCES, EACCES},
	/* It can make a ring that nobody has restricted, and that does what
	 * the filter would not let through; then the namespaces are left. */
	{BOTH, "open a file, by another io_uring", "other_ring_open",
	 "/etc/passwd", ENOENT, WENT_THROUGH},
	{BOTH, "connect to 127.0.0.1, by another io_uring", "other_ring_inet",
	 port, ENETUNREACH, WENT_THROUGH},
	{BOTH, "connect to an abstract socket, by another io_uring",
	 "other_ring_unix", abstract, ECONNREFUSED, WENT_THROUGH},
	/* EINVAL: what Xen says of a port that is not there. */
	{XEN, "bind an event channel of another guest", "bind_event",
	 other_port, EACCES, EINVAL},
	{XEN, "bind one of its own guest", "bind_event", guest_port, EINVAL,
	 EINVAL},
	{XEN, "bind a virtual interrupt", "bind_virq", "", EPERM, ANYTHING},
	{XEN, "notify an event channel of another process", "notify", "3",
	 ENOTCONN, ENOTCONN},
};

static _Noreturn void bail(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ------------------------------------------------------------------- workers */

struct worker {
	pid_t pid;
	int sock;
	uint32_t cookie;
};

static void start(struct worker *w, bool sandbox)
{
	int sock[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock))
		bail("socketpair");
	w->pid = fork();
	if (w->pid == 0) {
		dup2(sock[1], PROTO_FD);
		execl(getenv("XENPV_WORKER"), "xenpv-worker", "--host", host,
		      sandbox ? NULL : "--no-sandbox", NULL);
		_exit(127);
	}
	close(sock[1]);
	w->sock = sock[0];
	w->cookie = 0;
}

/* The next message of TYPE; all else is left aside. */
static struct proto_msg receive(struct worker *w, uint32_t type)
{
	struct pollfd p = {.fd = w->sock, .events = POLLIN};
	int fds[PROTO_FDS_MAX], nfds, r;
	struct proto_msg msg;

	do {
		if (poll(&p, 1, PATIENCE) != 1)
			bail("the worker does not answer");
		r = proto_recv(w->sock, &msg, fds, &nfds);
		if (r <= 0)
			bail("the worker has ended");
	} while (msg.type != type);
	return msg;
}

static int ask(struct worker *w, struct proto_msg *msg)
{
	msg->class = PROTO_CLASS_BLK;
	msg->controller = 51712;
	msg->cookie = ++w->cookie;
	if (proto_send(w->sock, msg, NULL, 0))
		bail("the worker cannot be asked");
	return receive(w, PROTO_REPLY).rc;
}

/* W is that of the guest: what is left of the sandbox comes now. */
static void begin(struct worker *w)
{
	struct proto_msg msg = {.type = PROTO_BEGIN};

	(void)receive(w, PROTO_HELLO);
	msg.u.hello.domid = (uint32_t)strtoul(domid, NULL, 10);
	if (ask(w, &msg))
		bail("the worker is of no guest");
}

/* errno that ROW's attempt ends with in W. */
static int attempt(struct worker *w, const struct row *row)
{
	struct proto_msg msg = {
		.type = PROTO_BLK_OPEN,
		.u.blk = {.size = 1 << 20,
			  .block_size = 512,
			  .storage = "attempt"},
	};

	snprintf(msg.u.blk.args, sizeof(msg.u.blk.args), "%s%s%s", row->name,
		 *row->arg ? " " : "", row->arg);
	return -ask(w, &msg);
}

static void stop(struct worker *w)
{
	struct proto_msg msg = {.type = PROTO_BLK_CLOSE};

	(void)ask(w, &msg);
	close(w->sock);
	waitpid(w->pid, NULL, 0);
}

/* ------------------------------------------------------- what is tried at */

/* Sockets that could be connected to. */
static void listen_all(void)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&in, sizeof(in)) ||
	    listen(fd, 8) || getsockname(fd, (struct sockaddr *)&in, &len))
		bail("a socket at 127.0.0.1");
	snprintf(port, sizeof(port), "%u", ntohs(in.sin_port));

	snprintf(abstract, sizeof(abstract), "xenpv-sandbox-%d", getpid());
	strcpy(un.sun_path + 1, abstract);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    bind(fd, (struct sockaddr *)&un,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			     strlen(abstract))) ||
	    listen(fd, 8))
		bail("an abstract socket");

	snprintf(path, sizeof(path), "/tmp/xenpv-sandbox-%d", getpid());
	strcpy(un.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&un, sizeof(un)) ||
	    listen(fd, 8))
		bail("a local socket");

	snprintf(address, sizeof(address), "%lx", (unsigned long)&failed);
	/* Yama lets only ancestors trace otherwise. */
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
}

static const char *word(int error)
{
	return error == WENT_THROUGH ? "it went through"
	       : error == EBADMSG    ? "no such attempt"
				     : strerror(error);
}

static void check(const struct row *row, int inside, int outside)
{
	bool ok = inside == row->inside;

	/* Without root the system refuses some of it anyway. */
	if (row->outside != ANYTHING && outside != row->outside &&
	    geteuid() == 0)
		ok = false;
	printf("%sok %d - %s: %s (without the sandbox: %s)\n", ok ? "" : "not ",
	       ++count, row->what, word(inside), word(outside));
	if (ok)
		return;
	failed = 1;
	printf("# wanted: %s (without the sandbox: %s)\n", word(row->inside),
	       row->outside == ANYTHING ? "anything" : word(row->outside));
}

int main(int argc, char **argv)
{
	bool xen = argc == 4 && !strcmp(argv[1], "xen");
	struct worker inside, outside;
	char err[256] = "";

	if (!xen && argc != 2)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (xen) {
		snprintf(domid, sizeof(domid), "%s", argv[2]);
		snprintf(guest_port, sizeof(guest_port), "%s 4000", argv[2]);
		snprintf(other_port, sizeof(other_port), "%s 4000", argv[3]);
	} else if (!mkdtemp(dir + 1) ||
		   local_start(getenv("XENPV_LOCAL"), dir + 1, err,
			       sizeof(err))) {
		bail(err);
	}
	snprintf(host, sizeof(host), "%s%s", argv[1], xen ? "" : dir);
	listen_all();
	start(&inside, true);
	start(&outside, false);
	begin(&inside);
	begin(&outside);
	for (size_t i = 0; i < XPV_ARRAY_SIZE(rows); i++)
		if (rows[i].on & (xen ? XEN : LOCAL))
			check(&rows[i], attempt(&inside, &rows[i]),
			      attempt(&outside, &rows[i]));
	stop(&inside);
	stop(&outside);
	(void)unlink(path);
	(void)unlink("/tmp/xenpv-sandbox-test");
	printf("1..%d\n", count);
	return failed;
}
