/* SPDX-License-Identifier: BSD-2-Clause */
/* Disks of NBD servers: see pdev_nbd.h. */
#include "control/pdev_nbd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libnbd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/fail.h"
#include "control/late.h"
#include "control/portal.h"
#include "host/clock.h"

#define UNIX_PREFIX "nbd:unix:"
#define TCP_PREFIX  "nbd://"
#define PORT	    "10809" /* IANA's */

#define BLOCK_MIN   512u
#define BLOCK_MAX   4096u
#define REQUEST_MAX (32u << 20) /* where the server names no limit */

/* Transmission flags of the protocol, those that the worker looks at. */
#define FLAG_SEND_FLUSH	 (1u << 2)
#define FLAG_SEND_FUA	 (1u << 3)
#define FLAG_SEND_ZEROES (1u << 6)

/* What is used of libnbd. */
#define LIBNBD(X)                                                              \
	X(nbd_aio_connect_socket)                                              \
	X(nbd_aio_connect_tcp)                                                 \
	X(nbd_aio_connect_unix)                                                \
	X(nbd_aio_get_fd)                                                      \
	X(nbd_aio_is_closed)                                                   \
	X(nbd_aio_is_dead)                                                     \
	X(nbd_aio_is_ready)                                                    \
	X(nbd_can_flush)                                                       \
	X(nbd_can_fua)                                                         \
	X(nbd_can_multi_conn)                                                  \
	X(nbd_can_trim)                                                        \
	X(nbd_can_zero)                                                        \
	X(nbd_close)                                                           \
	X(nbd_create)                                                          \
	X(nbd_get_block_size)                                                  \
	X(nbd_get_errno)                                                       \
	X(nbd_get_error)                                                       \
	X(nbd_get_size)                                                        \
	X(nbd_is_read_only)                                                    \
	X(nbd_is_rotational)                                                   \
	X(nbd_poll)                                                            \
	X(nbd_set_export_name)                                                 \
	X(nbd_set_request_structured_replies)

static struct {
	LIBNBD(LATE_MEMBER)
} nbd;

static const char *const nbd_names[] = {LIBNBD(LATE_NAME)};

/* Where a server is, and what of it is wanted. */
struct place {
	char socket[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* or "" */
	struct portal portal;
	char export[256];
};

/* N characters of TEXT into OUT; false if there are none, or too many. */
static bool copy(char *out, size_t room, const char *text, size_t n)
{
	if (!n || n >= room)
		return false;
	memcpy(out, text, n);
	out[n] = '\0';
	return true;
}

static bool split_unix(struct place *p, const char *text)
{
	size_t n = strcspn(text, ":");

	return text[0] == '/' && copy(p->socket, sizeof(p->socket), text, n) &&
	       (!text[n] || copy(p->export, sizeof(p->export), text + n + 1,
				 strlen(text + n + 1)));
}

static bool split_tcp(struct place *p, const char *text)
{
	if (!portal_split(&p->portal, &text, PORT))
		return false;
	if (!*text || !strcmp(text, "/"))
		return true;
	return copy(p->export, sizeof(p->export), text + 1, strlen(text + 1));
}

static bool split(struct place *p, const char *name)
{
	memset(p, 0, sizeof(*p));
	if (!strncmp(name, UNIX_PREFIX, strlen(UNIX_PREFIX)))
		return split_unix(p, name + strlen(UNIX_PREFIX));
	if (!strncmp(name, TCP_PREFIX, strlen(TCP_PREFIX)))
		return split_tcp(p, name + strlen(TCP_PREFIX));
	return false;
}

bool pdev_nbd_is(const char *name)
{
	return !strncmp(name, "nbd:", 4);
}

int pdev_nbd_parse(struct pdev *pdev, const char *name, char *err, size_t len)
{
	char at[PORTAL_TEXT_MAX];
	struct place p;

	if (!split(&p, name))
		return fail(
			err, len, -EINVAL,
			"pdev '%.200s' is neither nbd:unix:/SOCKET[:EXPORT] nor nbd://HOST[:PORT][/EXPORT]",
			name);
	pdev->kind = PDEV_NBD;
	strcpy(pdev->name, name);
	/* One spelling for one export, for whoever compares. */
	if (p.socket[0]) {
		snprintf(pdev->path, sizeof(pdev->path), UNIX_PREFIX "%s%s%s",
			 p.socket, p.export[0] ? ":" : "", p.export);
	} else {
		portal_format(&p.portal, at);
		snprintf(pdev->path, sizeof(pdev->path), TCP_PREFIX "%s/%s", at,
			 p.export);
	}
	return 0;
}

/* ----------------------------------------------------------------- connect */

/* What libnbd says, which is "function: what has failed: why". */
static int explain(const struct pdev *pdev, char *err, size_t len)
{
	int error = nbd.nbd_get_errno();
	const char *text = nbd.nbd_get_error();
	const char *colon = text ? strstr(text, ": ") : NULL;

	return fail(
		err, len, error ? -error : -EPROTO,
		"pdev '%.200s': %.200s; does that server run, and does it have this export?",
		pdev->name, colon ? colon + 2 : "the server refuses");
}

/* By CLIENT, or (-1) by where PDEV says that its server is. */
static int begin(const struct pdev *pdev, struct nbd_handle *h, int client)
{
	struct place p;
	int rc;

	/* Simple replies are all that the worker knows. */
	if (nbd.nbd_set_request_structured_replies(h, false))
		return -1;
	if (client >= 0)
		return nbd.nbd_aio_connect_socket(h, client);
	if (!split(&p, pdev->path))
		return -1;
	rc = nbd.nbd_set_export_name(h, p.export);
	if (rc)
		return rc;
	return p.socket[0] ? nbd.nbd_aio_connect_unix(h, p.socket)
			   : nbd.nbd_aio_connect_tcp(h, p.portal.host,
						     p.portal.port);
}

static int connect_to(const struct pdev *pdev, struct nbd_handle *h, int client,
		      char *err, size_t len)
{
	int64_t end = clock_ms() +
		      (pdev->again ? PDEV_NBD_AGAIN_MS : PDEV_NBD_PATIENCE_MS),
		left;
	int rc = begin(pdev, h, client);

	while (!rc && !nbd.nbd_aio_is_ready(h)) {
		if (nbd.nbd_aio_is_dead(h) || nbd.nbd_aio_is_closed(h))
			return fail(
				err, len, -EPIPE,
				"pdev '%.200s': the server has closed the connection; look into its log",
				pdev->name);
		left = end - clock_ms();
		if (left <= 0)
			return fail(
				err, len, -ETIMEDOUT,
				"pdev '%.200s': its server does not answer; is it stopped, or does it serve one client only, and has that?",
				pdev->name);
		if (nbd.nbd_poll(h, (int)left) < 0)
			rc = -1;
	}
	if (!rc)
		return 0;
	/* Hung up, before or while something was sent. */
	rc = explain(pdev, err, len);
	return client >= 0 && nbd.nbd_aio_is_dead(h) ? -EPIPE : rc;
}

/* ----------------------------------------------------------------- measure */

static int check_blocks(const struct pdev *pdev, struct pdev_props *props,
			uint32_t min, char *err, size_t len)
{
	props->align = min ? min : 1;
	props->block_size = pdev->options.block_size;
	if (!props->block_size)
		props->block_size = min > BLOCK_MIN ? BLOCK_MAX : BLOCK_MIN;
	if (min > props->block_size)
		return fail(err, len, -EINVAL,
			    "pdev '%.200s' has blocks of %u bytes; %s",
			    pdev->name, min,
			    min > BLOCK_MAX
				    ? "only 512 and 4096 can be served"
				    : "leave out blocksize, or give 4096");
	return 0;
}

static int measure(const struct pdev *pdev, struct nbd_handle *h,
		   struct pdev_props *props, char *err, size_t len)
{
	int64_t size = nbd.nbd_get_size(h);
	int64_t min = nbd.nbd_get_block_size(h, LIBNBD_SIZE_MINIMUM);
	int64_t good = nbd.nbd_get_block_size(h, LIBNBD_SIZE_PREFERRED);
	int64_t max = nbd.nbd_get_block_size(h, LIBNBD_SIZE_MAXIMUM);
	bool zero = nbd.nbd_can_zero(h) > 0;
	uint32_t flags = 0;
	int rc;

	if (size < 0 || min < 0 || good < 0 || max < 0)
		return explain(pdev, err, len);
	props->read_only |= nbd.nbd_is_read_only(h) > 0;
	if (props->read_only && !pdev->options.read_only)
		return fail(
			err, len, -EROFS,
			"pdev '%.200s' is read-only at its server; add the option ro",
			pdev->name);
	rc = check_blocks(pdev, props, (uint32_t)min, err, len);
	if (rc)
		return rc;
	props->size = (uint64_t)size;
	props->phys_size = props->block_size;
	if (good > props->phys_size && good <= 65536)
		props->phys_size = (uint32_t)good;
	props->zero = zero;
	/* Blocks that are given back read as zeroes: by zeroing, not by TRIM. */
	props->discard = zero && nbd.nbd_can_trim(h) > 0;
	props->discard_granularity = props->phys_size;
	props->rotational = nbd.nbd_is_rotational(h) > 0;
	props->multi = nbd.nbd_can_multi_conn(h) > 0;
	flags |= nbd.nbd_can_flush(h) > 0 ? FLAG_SEND_FLUSH : 0;
	flags |= nbd.nbd_can_fua(h) > 0 ? FLAG_SEND_FUA : 0;
	flags |= zero ? FLAG_SEND_ZEROES : 0;
	snprintf(props->args, sizeof(props->args), "%x %" PRId64, flags,
		 max ? max : (int64_t)REQUEST_MAX);
	return 0;
}

/* ------------------------------------------------------------------- open */

/* The socket of H, for io_uring, which waits by itself. */
static int take_socket(struct nbd_handle *h)
{
	int fd = fcntl(nbd.nbd_aio_get_fd(h), F_DUPFD_CLOEXEC, 3);
	int flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);

	if (fd < 0)
		return -errno;
	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK)) {
		close(fd);
		return -EIO;
	}
	portal_tune(fd);
	return fd;
}

int pdev_nbd_negotiate(const struct pdev *pdev, int client, int *fd,
		       struct pdev_props *props, char *err, size_t len)
{
	struct nbd_handle *h = NULL;
	int rc;

	rc = late_load("libnbd.so.0", nbd_names, &nbd,
		       XPV_ARRAY_SIZE(nbd_names), err, len);
	if (!rc)
		h = nbd.nbd_create();
	if (!h) {
		if (client >= 0)
			close(client);
		return rc ? rc
			  : fail(err, len, -ENOMEM, "out of memory; try again");
	}
	rc = connect_to(pdev, h, client, err, len);
	if (!rc)
		rc = measure(pdev, h, props, err, len);
	if (!rc) {
		*fd = take_socket(h);
		if (*fd < 0)
			rc = fail(err, len, *fd, "pdev '%.200s': %s; try again",
				  pdev->name, strerror(-*fd));
	}
	/* It goes without a word to the server: the connection goes on. */
	nbd.nbd_close(h);
	return rc;
}

int pdev_nbd_open(const struct pdev *pdev, int *fd, struct pdev_props *props,
		  char *err, size_t len)
{
	return pdev_nbd_negotiate(pdev, -1, fd, props, err, len);
}

/* storage/null.c's word. */
#define GONE "gone"

void pdev_gone(struct pdev_props *props)
{
	props->storage = "null";
	strcpy(props->args, GONE);
}

bool pdev_is_gone(const char *storage, const char *args)
{
	return !strcmp(storage, "null") && !strcmp(args, GONE);
}

bool pdev_is_connection(const char *storage, const char *args)
{
	return !strcmp(storage, "nbd") || !strcmp(storage, "iscsi") ||
	       !strcmp(storage, "vtl") || pdev_is_gone(storage, args) ||
	       (!strcmp(storage, "fault") && !strncmp(args, "nbd ", 4));
}
