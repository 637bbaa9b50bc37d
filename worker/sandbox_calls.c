/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system calls of a worker, and who needs each: "file:function", or
 * "file:function:name" where C knows the call by another name; "libc:what" for
 * those that the C library makes by itself. The gate `calls` of tests/tidy
 * checks that the function is there and makes the call, and that no file of the
 * worker makes one without a row.
 *
 * All else ends with EPERM, clone3 with ENOSYS, so that the C library takes
 * clone, whose flags can be looked at. What a ring of io_uring may do is a table
 * of its own, in host/uring.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <scsi/scsi_ioctl.h>
#include <scsi/sg.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* In this order: the last two use types of the first. */
#include <xen/xen.h>

#include <xen/grant_table.h>

#include <xen/evtchn.h>
#include <xen/gntdev.h>

#include "worker/sandbox.h"

enum on {
	ON_XEN = 1,
	ON_LOCAL = 2,
	HELPER = 4, /* lun/sg_helper, on any host */
	WORKER = ON_XEN | ON_LOCAL,
};

struct call {
	unsigned on; /* a set of enum on */
	int nr;
	const char *who;
	unsigned args; /* that are looked at */
	struct scmp_arg_cmp arg[2];
};

#define CALL(on, name, who)                                                    \
	{                                                                      \
		on, SCMP_SYS(name), who, 0,                                    \
		{                                                              \
			{                                                      \
				0                                              \
			}                                                      \
		}                                                              \
	}
#define CALL_IF(on, name, who, ...)                                            \
	{                                                                      \
		on, SCMP_SYS(name), who, 1,                                    \
		{                                                              \
			__VA_ARGS__                                            \
		}                                                              \
	}
#define CALL_IF2(on, name, who, ...)                                           \
	{                                                                      \
		on, SCMP_SYS(name), who, 2,                                    \
		{                                                              \
			__VA_ARGS__                                            \
		}                                                              \
	}
#define IOCTL(on, request, who)                                                \
	CALL_IF(on, ioctl, who, IS(1, (uint32_t)(request)))

/* Conditions: the argument (of 32 bits), or its bits in MASK, are VALUE. */
#define IS(n, value) SCMP_A##n##_32(SCMP_CMP_EQ, value, 0)
#define BITS(n, mask, value)                                                   \
	SCMP_A##n##_64(SCMP_CMP_MASKED_EQ, (uint64_t)(mask), (uint64_t)(value))

/* A thread, not a process: what pthread_create() of the C library asks for. */
#define THREAD                                                                 \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)

/* No other flags than those with which lun/sg.c opens a node. */
#define SG_FLAGS (O_RDWR | O_NONBLOCK | O_CLOEXEC)

static const struct call calls_of[] = {
	/* the data path */
	CALL(WORKER, io_uring_enter, "host/uring.c:uring_submit:io_uring_"),
	CALL(WORKER, io_uring_setup, "host/uring.c:uring_init:io_uring_queue"),
	CALL(WORKER, io_uring_register,
	     "host/uring.c:restrict_ring:io_uring_register"),
	IOCTL(ON_XEN, IOCTL_GNTDEV_GRANT_COPY,
	      "host/xen.c:xen_copy:xengnttab_grant_copy"),
	IOCTL(ON_XEN, IOCTL_EVTCHN_NOTIFY,
	      "host/xen.c:xen_notify:xenevtchn_notify"),
	CALL(ON_LOCAL, write, "host/local.c:local_notify"),
	CALL(WORKER, write, "lun/sg.c:start"),
	CALL(WORKER, read, "lun/sg.c:collect"),
	CALL(WORKER, lseek, "storage/file.c:find_extent"),
	CALL(WORKER, clock_gettime, "worker/queue.c:queue_now"),
	CALL(WORKER, clock_nanosleep, "worker/queue.c:pause_for"),
	CALL(WORKER, getppid, "worker/queue.c:poll_max:SYS_getppid"),
	/* rings */
	IOCTL(ON_XEN, IOCTL_GNTDEV_MAP_GRANT_REF,
	      "host/xen.c:map_ring:xengnttab_map_domain_grant_refs"),
	IOCTL(ON_XEN, IOCTL_GNTDEV_MAP_GRANT_REF,
	      "host/xen.c:xen_map:xengnttab_map_grant_ref"),
	IOCTL(ON_XEN, IOCTL_GNTDEV_GET_OFFSET_FOR_VADDR,
	      "host/xen.c:xen_close:xengnttab_unmap"),
	IOCTL(ON_XEN, IOCTL_GNTDEV_UNMAP_GRANT_REF,
	      "host/xen.c:xen_unmap:xengnttab_unmap"),
	IOCTL(ON_XEN, IOCTL_GNTDEV_UNMAP_GRANT_REF,
	      "host/xen.c:xen_close:xengnttab_unmap"),
	IOCTL(ON_XEN, IOCTL_EVTCHN_BIND_INTERDOMAIN,
	      "host/xen.c:xen_open:xenevtchn_bind_interdomain"),
	IOCTL(ON_XEN, IOCTL_EVTCHN_UNBIND,
	      "host/xen.c:xen_close:xenevtchn_unbind"),
	CALL(ON_XEN, read, "host/xen.c:empty"),
	CALL_IF(ON_XEN, fcntl, "host/xen.c:empty", IS(1, F_SETFL)),
	CALL_IF2(ON_LOCAL, socket, "host/local_abi.c:local_connect",
		 IS(0, AF_UNIX), IS(1, SOCK_SEQPACKET | SOCK_CLOEXEC)),
	CALL(ON_LOCAL, connect, "host/local_abi.c:local_connect"),
	CALL(ON_LOCAL, sendmsg, "host/local_abi.c:local_send_msg"),
	CALL(ON_LOCAL, recvmsg, "host/local_abi.c:local_recv_msg"),
	CALL_IF(ON_LOCAL, fcntl, "host/local_abi.c:local_map_memory",
		IS(1, F_GET_SEALS)),
	CALL(ON_LOCAL, newfstatat, "host/local_abi.c:local_map_memory:fstat"),
	/* journals */
	CALL(WORKER, flock, "worker/journal_file.c:journal_file_open"),
	CALL(WORKER, ftruncate, "worker/journal_file.c:journal_file_open"),
	CALL(WORKER, newfstatat,
	     "worker/journal_file.c:journal_file_open:fstat"),
	CALL(WORKER, fstat, "worker/journal_file.c:journal_file_open"),
	CALL_IF(WORKER, fcntl, "storage/file.c:wait_for_predecessor",
		IS(1, F_OFD_SETLK)),
	/* storages and LUNs */
	CALL(WORKER, ftruncate, "storage/file.c:file_submit"),
	CALL(WORKER, recvmsg, "lun/library.c:receive_fds"),
	CALL(WORKER, close, "lun/library.c:receive_fds"),
	CALL(WORKER, newfstatat, "lun/library.c:library_get:fstat"),
	CALL(WORKER, fstat, "lun/library.c:library_get"),
	CALL(WORKER, pread64, "lun/cart_file.c:read_all:pread"),
	CALL(WORKER, pwrite64, "lun/cart_file.c:write_all:pwrite"),
	CALL(WORKER, lseek, "lun/cart_file.c:cart_file_trim"),
	CALL(WORKER, ftruncate, "lun/cart_file.c:cart_file_trim"),
	CALL(WORKER, fdatasync, "lun/cart_file.c:cart_file_sync"),
	CALL(WORKER, sendto, "storage/nbd.c:nbd_close:send"),
	CALL(WORKER, shutdown, "storage/nbd.c:lose"),
	CALL(WORKER, pread64, "lun/state.c:read_slot:pread"),
	CALL(WORKER, pwrite64, "lun/state.c:state_save:pwrite"),
	CALL(WORKER, fdatasync, "lun/state.c:state_save"),
	CALL(WORKER, ftruncate, "lun/keep.c:keep_open"),
	CALL(WORKER, pread64, "lun/iscsi.c:log_in:pread"),
	CALL(WORKER, shutdown, "lun/iscsi.c:lose"),
	CALL(WORKER, poll, "lun/iscsi_link.c:iscsi_link_wait"),
	CALL(WORKER, sendto, "lun/iscsi_link.c:service:iscsi_service"),
	CALL(WORKER, recvfrom, "lun/iscsi_link.c:service:iscsi_service"),
	CALL(WORKER, readv, "lun/iscsi_own.c:iscsi_own_readv"),
	CALL(WORKER, sendmsg, "lun/iscsi_own.c:iscsi_own_writev"),
	CALL(WORKER, getrandom, "lun/iscsi_own.c:iscsi_own_rand"),
	CALL(WORKER, clock_gettime, "lun/iscsi_own.c:iscsi_own_time"),
	IOCTL(WORKER, SG_GET_VERSION_NUM, "lun/sg.c:ask_driver"),
	IOCTL(WORKER, SG_GET_SCSI_ID, "lun/sg.c:ask_driver"),
	IOCTL(WORKER, SG_SET_RESERVED_SIZE, "lun/sg.c:ask_driver"),
	IOCTL(WORKER, BLKSECTGET, "lun/sg.c:ask_driver"),
	CALL_IF(WORKER, openat, "lun/sg_helper.c:sg_helper_open:open",
		BITS(2, ~(uint64_t)O_EXCL, SG_FLAGS)),
	CALL(WORKER, geteuid, "lun/sg_helper.c:ask"),
	CALL(WORKER, pipe2, "lun/sg_helper.c:ask"),
	CALL(WORKER, sendmsg, "lun/sg_helper.c:ask"),
	CALL(WORKER, read, "lun/sg_helper.c:ask"),
	CALL(WORKER, eventfd2, "lun/sg.c:sg_open:eventfd"),
	/* control, threads */
	CALL(WORKER, sendmsg, "worker/proto.c:proto_send"),
	CALL(WORKER, recvmsg, "worker/proto.c:proto_recv"),
	CALL(WORKER, eventfd2, "worker/mailbox.c:mailbox_init:eventfd"),
	CALL(WORKER, write, "worker/mailbox.c:mailbox_put"),
	CALL(WORKER, close, "worker/mailbox.c:mailbox_fini"),
	CALL(WORKER, getpid, "worker/door.c:let_in"),
	CALL(WORKER, poll, "worker/door.c:door_wait"),
	CALL(WORKER, accept4, "worker/door.c:let_in"),
	CALL(WORKER, dup3, "worker/door.c:let_in"),
	CALL(WORKER, write, "host/log.c:emit"),
	CALL_IF(WORKER, prctl, "worker/queue.c:name_thread:pthread_setname_np",
		IS(0, PR_SET_NAME)),
	CALL(WORKER, sched_getaffinity, "worker/queue.c:poll_max:sysconf"),
	CALL_IF(WORKER, clone, "worker/queue.c:queue_start:pthread_create",
		BITS(0, THREAD, THREAD)),
	CALL_IF(WORKER, clone, "lun/sg.c:sg_reset:pthread_create",
		BITS(0, THREAD, THREAD)),
	/* memory, nothing of it to be executed */
	CALL_IF(WORKER, mmap, "worker/arena.c:arena_init",
		BITS(2, PROT_EXEC, 0)),
	CALL_IF(WORKER, mmap, "worker/path.c:arena_new", BITS(2, PROT_EXEC, 0)),
	CALL_IF(WORKER, mmap, "lun/places.c:places_init",
		BITS(2, PROT_EXEC, 0)),
	CALL_IF(WORKER, mmap, "worker/journal_file.c:journal_file_open",
		BITS(2, PROT_EXEC, 0)),
	CALL_IF(WORKER, mmap, "worker/journal_file.c:journal_file_look",
		BITS(2, PROT_EXEC, 0)),
	CALL_IF(ON_LOCAL, mmap, "host/local.c:map_ring", BITS(2, PROT_EXEC, 0)),
	CALL_IF(ON_LOCAL, mmap, "host/local_abi.c:local_map_memory",
		BITS(2, PROT_EXEC, 0)),
	CALL(WORKER, munmap, "worker/arena.c:arena_fini"),
	CALL_IF(WORKER, mprotect, "libc:stack of a thread",
		BITS(2, PROT_EXEC, 0)),
	CALL(WORKER, brk, "libc:malloc"),
	CALL(WORKER, mremap, "libc:realloc"),
	CALL(WORKER, madvise, "libc:free, the end of a thread"),
	CALL(WORKER, getrandom, "libc:malloc"),
	/* the C library's threads and signals */
	CALL(WORKER, futex, "libc:locks"),
	CALL(WORKER, set_robust_list, "libc:start of a thread"),
	CALL(WORKER, rseq, "libc:start of a thread"),
	CALL(WORKER, rt_sigprocmask, "libc:start of a thread"),
	CALL(WORKER, sched_yield, "libc:locks"),
	CALL(WORKER, restart_syscall, "libc:going on after a signal"),
	CALL(WORKER, rt_sigreturn, "libc:end of a signal's handler"),
	CALL(WORKER, exit, "libc:end of a thread"),
	CALL(WORKER, exit_group, "libc:end of the process"),
	/* abort(): an assertion of ours */
	CALL(WORKER, gettid, "libc:abort"),
	CALL(WORKER, rt_sigaction, "libc:abort"),

	/* the helper, which comes to its own end, too */
	CALL(HELPER, recvmsg, "lun/sg_helper.c:next"),
	CALL(HELPER, newfstatat, "lun/sg_helper.c:serve:fstat"),
	CALL(HELPER, fstat, "lun/sg_helper.c:serve"),
	CALL_IF2(HELPER, mknodat, "lun/sg_helper.c:make_node",
		 IS(0, (uint32_t)AT_FDCWD),
		 BITS(2, 0xffffffff, S_IFCHR | 0600)),
	CALL(HELPER, fchownat, "lun/sg_helper.c:make_node"),
	CALL(HELPER, unlinkat, "lun/sg_helper.c:remove_node"),
	IOCTL(HELPER, SG_SCSI_RESET, "lun/sg_helper.c:reset_device"),
	CALL(HELPER, write, "lun/sg_helper.c:answer"),
	CALL(HELPER, close, "lun/sg_helper.c:run"),
	CALL(HELPER, wait4, "lun/sg_helper.c:run:waitpid"),
	CALL(HELPER, clone, "lun/sg_helper.c:run:fork"),
	CALL(HELPER, exit_group, "lun/sg_helper.c:run:_exit"),
	CALL(HELPER, set_robust_list, "libc:fork"),
	CALL(HELPER, rseq, "libc:fork"),
	CALL(HELPER, rt_sigprocmask, "libc:fork"),
	CALL(HELPER, restart_syscall, "libc:going on after a signal"),
	CALL(HELPER, rt_sigreturn, "libc:end of a signal's handler"),
};

/* Rows of the same call without conditions are one rule. */
static bool said_before(const struct call *row, unsigned on)
{
	const struct call *other;

	for (other = calls_of; other < row; other++)
		if (other->nr == row->nr && (other->on & on) &&
		    other->args == 0)
			return true;
	return false;
}

/* Signals to ourselves only: abort(). */
static int add_abort(scmp_filter_ctx filter)
{
	return seccomp_rule_add(
		filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
		SCMP_A0_32(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
}

static int add_rules(scmp_filter_ctx filter, unsigned on)
{
	int rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS),
				  SCMP_SYS(clone3), 0);

	for (size_t i = 0; i < XPV_ARRAY_SIZE(calls_of) && !rc; i++) {
		const struct call *c = &calls_of[i];

		if (!(c->on & on) || said_before(c, on))
			continue;
		rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, c->nr,
					    c->args, c->arg);
		if (rc == -EEXIST) /* two rows with the same condition */
			rc = 0;
	}
	return rc;
}

/* The rules of ON; the caller has OUT to release. */
static int make_filter(unsigned on, scmp_filter_ctx *out)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int rc;

	if (!filter)
		return -ENOMEM;
	rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH,
			      SCMP_ACT_KILL_PROCESS);
	/* A tree rather than a list. */
	if (!rc)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!rc)
		rc = add_rules(filter, on);
	if (!rc && on != HELPER)
		rc = add_abort(filter);
	if (rc)
		seccomp_release(filter);
	else
		*out = filter;
	return rc;
}

/* The file FD, as what the kernel takes. */
static int read_program(int fd, struct sock_fprog *prog)
{
	off_t size = lseek(fd, 0, SEEK_END);
	size_t count = (size_t)size / sizeof(*prog->filter);

	if (size <= 0 || count > BPF_MAXINSNS)
		return size < 0 ? -errno : -E2BIG;
	prog->filter = malloc((size_t)size);
	if (!prog->filter)
		return -ENOMEM;
	if (pread(fd, prog->filter, (size_t)size, 0) != size) {
		free(prog->filter);
		return -EIO;
	}
	prog->len = (unsigned short)count;
	return 0;
}

int sandbox_calls_make(const struct host_ops *host, struct sock_fprog *prog)
{
	scmp_filter_ctx filter;
	int fd, rc;

	rc = make_filter(host == &host_xen ? ON_XEN : ON_LOCAL, &filter);
	if (rc)
		return rc;
	fd = memfd_create("filter", MFD_CLOEXEC);
	rc = fd < 0 ? -errno : seccomp_export_bpf(filter, fd);
	if (!rc)
		rc = read_program(fd, prog);
	if (fd >= 0)
		close(fd);
	seccomp_release(filter);
	return rc;
}

int sandbox_calls_enter(const struct sock_fprog *prog)
{
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, prog) < 0 ? -errno
								    : 0;
}

int sandbox_helper_calls(void)
{
	scmp_filter_ctx filter;
	int rc = make_filter(HELPER, &filter);

	if (rc)
		return rc;
	rc = seccomp_load(filter);
	seccomp_release(filter);
	return rc;
}
