/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The wire protocol of xenstore: Xen's public/io/xs_wire.h with fixed-width
 * fields. A message is a header and at most WIRE_XS_PAYLOAD_MAX bytes, in the
 * byte order of the machine, over a socket, a device, or the shared page.
 */
#ifndef WIRE_XS_H
#define WIRE_XS_H

#include "wire/port.h"

/* wire_xs_hdr.type; a reply has the type of its request, or is an ERROR */
enum wire_xs_type {
	WIRE_XS_CONTROL = 0,
	WIRE_XS_DIRECTORY = 1,
	WIRE_XS_READ = 2,
	WIRE_XS_GET_PERMS = 3,
	WIRE_XS_WATCH = 4,
	WIRE_XS_UNWATCH = 5,
	WIRE_XS_TRANSACTION_START = 6,
	WIRE_XS_TRANSACTION_END = 7,
	WIRE_XS_INTRODUCE = 8,
	WIRE_XS_RELEASE = 9,
	WIRE_XS_GET_DOMAIN_PATH = 10,
	WIRE_XS_WRITE = 11,
	WIRE_XS_MKDIR = 12,
	WIRE_XS_RM = 13,
	WIRE_XS_SET_PERMS = 14,
	WIRE_XS_WATCH_EVENT = 15,
	WIRE_XS_ERROR = 16,
	WIRE_XS_IS_DOMAIN_INTRODUCED = 17,
	WIRE_XS_RESUME = 18,
	WIRE_XS_SET_TARGET = 19,
	/* 20 was RESTRICT */
	WIRE_XS_RESET_WATCHES = 21,
	WIRE_XS_DIRECTORY_PART = 22,
	WIRE_XS_GET_FEATURE = 23, /* from here on: newer than Xen 4.17 */
	WIRE_XS_SET_FEATURE = 24,
	WIRE_XS_GET_QUOTA = 25,
	WIRE_XS_SET_QUOTA = 26,
	WIRE_XS_INVALID = 0xffff, /* will never be a valid type */
};

struct wire_xs_hdr {
	uint32_t type;	 /* enum wire_xs_type */
	uint32_t req_id; /* chosen by the client, echoed in the reply */
	uint32_t tx_id;	 /* transaction, 0 = none */
	uint32_t len;	 /* bytes that follow */
};

#define WIRE_XS_PAYLOAD_MAX  4096u
#define WIRE_XS_ABS_PATH_MAX 3072u /* without the NUL */
#define WIRE_XS_REL_PATH_MAX 2048u
#define WIRE_XS_RING_SIZE    1024u

/* The page that a domain shares with xenstored; indexes run freely. */
struct wire_xs_page {
	uint8_t req[WIRE_XS_RING_SIZE]; /* requests to xenstored */
	uint8_t rsp[WIRE_XS_RING_SIZE]; /* replies and events */
	uint32_t req_cons, req_prod;
	uint32_t rsp_cons, rsp_prod;
	uint32_t server_features; /* WIRE_XS_FEATURE_* */
	uint32_t connection;	  /* WIRE_XS_CONNECTED or _RECONNECT */
	uint32_t error;		  /* WIRE_XS_ERROR_* */
};

/* server_features */
#define WIRE_XS_FEATURE_RECONNECTION 1u
#define WIRE_XS_FEATURE_ERROR	     2u
#define WIRE_XS_FEATURE_WATCHDEPTH   4u /* WATCH takes a depth */
#define WIRE_XS_FEATURE_DOMID_ANY    8u

/* connection */
#define WIRE_XS_CONNECTED 0u
#define WIRE_XS_RECONNECT 1u

/* error */
#define WIRE_XS_ERROR_NONE    0u
#define WIRE_XS_ERROR_COMM    1u
#define WIRE_XS_ERROR_RINGIDX 2u
#define WIRE_XS_ERROR_PROTO   3u

_Static_assert(sizeof(struct wire_xs_hdr) == 16, "xs_wire.h");
_Static_assert(sizeof(struct wire_xs_page) == 2076, "xs_wire.h");
_Static_assert(offsetof(struct wire_xs_page, req_cons) == 2048, "xs_wire.h");

#endif
