/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What libiscsi calls in the place of the C library: the names that it refers to
 * are changed when it is linked (lun/meson.build). With that it works where it
 * may neither make a socket nor connect one, as in a sandboxed worker: it takes a
 * connection that somebody else has made, and the environment, the resolver and
 * /dev/urandom do not come into it. For lun/iscsi_link.c alone; none is called by
 * name otherwise.
 */
#ifndef LUN_ISCSI_OWN_H
#define LUN_ISCSI_OWN_H

#include <netdb.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

struct iscsi_context;

/* The next socket that this thread's libiscsi makes is FD: connected, not
 * blocking; it stays the caller's to close. -1: there is none. */
void iscsi_own_hand(int fd);

/* From now on this thread's data-in is told: TAKEN gets its place and bytes. NULL:
 * not any more. */
void iscsi_own_watch(void (*taken)(void *arg, const void *at, size_t len),
		     void *arg);

int iscsi_own_socket(int domain, int type, int protocol);
int iscsi_own_connect(int fd, const struct sockaddr *addr, socklen_t len);
int iscsi_own_close(int fd);
int iscsi_own_fcntl(int fd, int cmd, ...);
int iscsi_own_setsockopt(int fd, int level, int name, const void *value,
			 socklen_t len);
int iscsi_own_getsockopt(int fd, int level, int name, void *value,
			 socklen_t *len);
int iscsi_own_getsockname(int fd, struct sockaddr *addr, socklen_t *len);
int iscsi_own_getaddrinfo(const char *node, const char *service,
			  const struct addrinfo *hints, struct addrinfo **out);
void iscsi_own_freeaddrinfo(struct addrinfo *list);
/* Data-in of commands is read by this one, into where it belongs. */
ssize_t iscsi_own_readv(int fd, const struct iovec *iov, int count);
ssize_t iscsi_own_writev(int fd, const struct iovec *iov, int count);
int iscsi_own_open(const char *path, int flags, ...);
int iscsi_own_rand(void);
void iscsi_own_srand(unsigned int seed);
time_t iscsi_own_time(time_t *out);
char *iscsi_own_getenv(const char *name);

/* Of libiscsi itself: the connection is of no use any more. Ours does not make
 * another one, so that iscsi_service() fails. */
int iscsi_reconnect(struct iscsi_context *iscsi);
/* iSER, which would bring the libraries of RDMA with it: there is none. */
void iscsi_init_iser_transport(struct iscsi_context *iscsi);

#endif
