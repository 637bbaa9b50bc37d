/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What control and a worker say to each other: messages of one fixed struct
 * over a SOCK_SEQPACKET socket pair, one message a packet, file descriptors
 * beside it (SCM_RIGHTS). Control asks and the worker answers every request
 * once, with PROTO_REPLY and the request's cookie; the worker speaks unasked
 * only to say that a ring is broken (PROTO_BROKEN).
 *
 * Both ends are built from one tree; PROTO_VERSION in the first message
 * (PROTO_HELLO, worker to control) refuses a mixed installation.
 *
 * The worker finds the socket as descriptor PROTO_FD, says PROTO_HELLO, and is
 * nobody's until PROTO_BEGIN. When it reads end of file there, control has gone:
 * it goes on serving, and waits at the socket that came with PROTO_BEGIN for the
 * next control, which it greets likewise. Answers to questions of an earlier
 * control may still come then: control tells them by the cookie, whose upper
 * part is PROTO_SERIAL of the hello. Without anything to serve it ends.
 *
 * SIGTERM, in any version: take no more requests, finish what is in flight, end.
 *
 * A worker that has lost the way to a storage ends at once, with the status
 * PROTO_STATUS_LOST: the next one is given another way, and goes on by the
 * journals.
 */
#ifndef WORKER_PROTO_H
#define WORKER_PROTO_H

#include <stdint.h>

#define PROTO_VERSION	  8
#define PROTO_FD	  3
#define PROTO_FDS_MAX	  3
#define PROTO_STATUS_LOST 75
#define PROTO_TEXT_MAX	  200
#define PROTO_ARGS_MAX	  128
#define PROTO_ID_MAX	  80
#define PROTO_UUID_MAX	  40

/* The cookies of the control that was greeted with hello.serial begin here. */
#define PROTO_SERIAL_SHIFT   20
#define PROTO_SERIAL(serial) ((serial) << PROTO_SERIAL_SHIFT)

/*
 * Segments of one request, announced as feature-sg-grant: 4 MiB, for tapes with
 * large blocks. Stock Linux frontends use at most 128 (SG_ALL), and 127 pages;
 * others as many as there are. Memory is taken as it is used.
 */
#define PROTO_SEGS_MAX 1024

enum proto_type {
	PROTO_HELLO = 1,   /* worker: u.hello */
	PROTO_REPLY,	   /* worker: rc, text; u.stats after PROTO_STATS */
	PROTO_BROKEN,	   /* worker: controller, text: this ring was stopped */
	PROTO_SCSI_OPEN,   /* control: controller, u.ring: connect a ring; with
			      PROTO_RING_JOURNAL fds[0] is its journal */
	PROTO_SCSI_CLOSE,  /* control: controller: finish what is in flight,
			      unmap, unbind; its LUNs stay */
	PROTO_LUN_ADD,	   /* control: controller, addr, u.lun; fds[0] storage
			      (absent for "null"), fds[1] state file, with
			      PROTO_LUN_KEEP the last one what a successor must
			      know of it (a file in memory); of kind "sg": the sg node (O_PATH), and
			      a descriptor to be kept open (may be absent); of
			      kind "iscsi": a connection, and a struct
			      iscsi_login */
	PROTO_LUN_DEL,	   /* control: controller, addr */
	PROTO_LUN_MEDIUM,  /* control: controller, addr, u.lun: another medium
			      for a drive, fds[0] its storage; size 0: none.
			      -EBUSY: the guest prevents it */
	PROTO_SCSI_FORGET, /* control: controller: close and drop its LUNs */
	PROTO_STATS,	   /* control: controller */
	PROTO_LOG_LEVEL,   /* control: u.level (syslog priority) */
	PROTO_BLK_OPEN,	   /* control: controller, queue, u.blk, fds[0] storage
			      (absent for "null"): connect one ring of a disk;
			      with PROTO_RING_JOURNAL its journal is the last
			      descriptor; after a failure, too,
			      PROTO_BLK_CLOSE ends it */
	PROTO_BLK_CLOSE,   /* control: controller, queue: finish what is in
			      flight, unmap, unbind, close the storage */
	PROTO_BLK_RESIZE,  /* control: controller, queue, u.size; -ENOENT when
			      its ring is not open */
	PROTO_BLK_LIMITS,  /* control: controller, queue, u.limits (of the whole
			      device, told to each queue); -ENOENT likewise */
	PROTO_BEGIN,	   /* control: u.hello.domid and uuid: whose worker it
			      is from now on; fds[0] the socket, bound and not
			      listening, at which the next control knocks (may
			      be absent: then it ends with this one) */
	PROTO_LIST,	   /* control: controller, queue: what is there? -ENOENT
			      or PROTO_ITEM for each, before the reply */
	PROTO_ITEM,	   /* worker, cookie of the list: u.lun (and addr), or
			      u.ring, or u.blk as they were given, by `item`;
			      rc: -EPROTO if the ring is broken */
};

/* Whose controller a message is about; each class has its own numbers. */
enum proto_class {
	PROTO_CLASS_SCSI,
	PROTO_CLASS_BLK, /* controller: the virtual device number of a disk */
};

/* A LUN's place on its controller: the last three parts of VDEV H:C:T:L. */
struct proto_addr {
	uint16_t channel, target, lun;
	uint16_t pad;
};

/*
 * In flags of struct proto_ring and of struct proto_blk. A journal is a regular
 * file in memory (tmpfs) that control has made for this ring, opened for this
 * worker alone (see worker/journal.h); the message's text, which is control's
 * to choose, is kept in it.
 */
#define PROTO_RING_JOURNAL (1u << 16) /* the last descriptor is a journal */
#define PROTO_RING_RECOVER                                                     \
	(1u << 17) /* go on where a dead worker stopped: all
					 of u is as it was when that one opened
					 the ring, LUNs have been added */

struct proto_ring {
	uint32_t gref;	   /* ring-ref */
	uint32_t port;	   /* event-channel of the frontend */
	uint32_t segs_max; /* feature-sg-grant as announced */
	uint32_t flags;	   /* PROTO_RING_* */
};

#define PROTO_LUN_READ_ONLY  (1u << 0)
#define PROTO_LUN_DISCARD    (1u << 1) /* storage can deallocate */
#define PROTO_LUN_ZERO	     (1u << 2) /* storage can zero a range itself */
#define PROTO_LUN_DIRECT     (1u << 3) /* descriptor was opened O_DIRECT */
#define PROTO_LUN_ROTATIONAL (1u << 4)
#define PROTO_LUN_SHARED     (1u << 5) /* other guests use it too */
#define PROTO_LUN_FORCE	     (1u << 7) /* MEDIUM: whatever the guest wants */
#define PROTO_LUN_KEEP	     (1u << 8) /* the last descriptor is for lun/keep */
#define PROTO_LUN_FENCED                                                       \
	(1u << 9) /* with RESUME: what the dead worker had begun has ended */
#define PROTO_LUN_RESUME                                                       \
	(1u << 6) /* a dead worker had it: initiators must
					  not notice */

struct proto_lun {
	char kind[16]; /* lun type: "emulated", "cdrom", "sg"... */
	char storage
		[16]; /* storage driver: "file", "null"; sg: "none"; iscsi */
	char args[PROTO_ARGS_MAX]; /* struct storage_cfg */
	uint64_t size;		   /* bytes, a multiple of block_size; sg: 0 */
	uint32_t block_size; /* logical: 512 or 4096; sg: of disks, or 0 */
	uint32_t phys_size;  /* physical block size, bytes */
	uint32_t align;	     /* O_DIRECT alignment of offset and length */
	uint32_t flags;	     /* PROTO_LUN_* */
	uint32_t discard_granularity; /* bytes, 0 = block_size */
	uint32_t depth;		      /* sg: commands at once, 0 = any */
	uint64_t naa;		      /* NAA identifier, VPD 83 */
	uint64_t initiator;    /* persistent identity of guest and controller */
	char serial[32];       /* unit serial number, VPD 80 */
	char product[20];      /* INQUIRY product, at most 16 characters */
	char id[PROTO_ID_MAX]; /* control's: which storage it is */
};

/* Pages of one block ring: WIRE_BLK_RING_PAGES_MAX. */
#define PROTO_BLK_PAGES_MAX 16

/* A second; 0: no limit. Of a burst: what may come at once; 0: by default. */
struct proto_limits {
	uint64_t iops, bps; /* requests, bytes */
	uint64_t iops_burst, bps_burst;
	uint64_t pause; /* 1: what finds no space waits for some */
};

/* One ring of a disk; what was announced to the guest, and what is behind. */
struct proto_blk {
	uint32_t gref[PROTO_BLK_PAGES_MAX]; /* ring-ref, ring-ref0... */
	uint32_t pages;
	uint32_t port;		 /* event-channel of the frontend */
	uint32_t abi;		 /* enum blk_abi */
	uint32_t features;	 /* of enum blk_back_feature */
	uint32_t indirect_max;	 /* feature-max-indirect-segments */
	uint32_t persistent_max; /* grants kept mapped; 0: none */
	uint32_t salt;		 /* a number that the guest cannot know */
	uint32_t block_size;	 /* of the device, bytes: 512 or 4096 */
	uint32_t align;		 /* O_DIRECT alignment of offset and length */
	uint64_t size;		 /* bytes, a multiple of block_size */
	uint32_t flags;		 /* PROTO_LUN_*, PROTO_RING_* */
	uint32_t discard_granularity; /* bytes, 0 = block_size */
	uint32_t pad;
	char storage[16];	    /* storage driver: "file", "null" */
	char args[PROTO_ARGS_MAX];  /* struct storage_cfg */
	struct proto_limits limits; /* of the device */
	char id[PROTO_ID_MAX];	    /* control's: which storage it is */
};

/*
 * How long requests took, from when they were taken off the ring to their
 * answer: step I counts those of less than 2^I microseconds that no earlier
 * step has, the last all others, too.
 */
#define PROTO_LATENCY_STEPS 24

/* Counters since the controller was opened; all monotonic but the last two. */
struct proto_stats {
	uint64_t requests, responses, guest_errors;
	uint64_t errors; /* responses that are not "done, and well" */
	uint64_t read_ops, read_bytes, write_ops, write_bytes;
	uint64_t wakeups, notifies, copies;
	uint64_t latency_ns; /* of all responses together */
	uint64_t latency[PROTO_LATENCY_STEPS];
	uint32_t inflight, luns;
	uint32_t mapped; /* pages of the guest that are kept mapped */
	uint32_t pad;
};

/* PROTO_HELLO, and PROTO_BEGIN. In every version the first two members are
 * these. */
struct proto_hello {
	uint32_t version;
	uint32_t pid;
	uint32_t serial;	    /* controls that were there before */
	uint32_t domid;		    /* PROTO_NOBODY before PROTO_BEGIN */
	char uuid[PROTO_UUID_MAX];  /* of the guest, "" if it has none */
	char build[PROTO_UUID_MAX]; /* version and revision of the program */
};

#define PROTO_NOBODY UINT32_MAX

struct proto_msg {
	uint32_t type;	     /* enum proto_type */
	uint32_t cookie;     /* control's; echoed in the reply */
	uint32_t controller; /* U: the H of VDEV; of a disk its number */
	uint16_t class;	     /* enum proto_class */
	uint16_t queue;	     /* of a disk, from 0 */
	int32_t rc;	     /* REPLY, ITEM: 0 or negative errno */
	uint32_t item;	     /* ITEM: enum proto_type of what it was given by */
	struct proto_addr addr;
	union {
		struct proto_hello hello;
		struct proto_ring ring;
		struct proto_lun lun;
		struct proto_blk blk;
		struct proto_stats stats;
		uint64_t size; /* bytes */
		struct proto_limits limits;
		int32_t level;
	} u;
	char text[PROTO_TEXT_MAX]; /* for people; NUL-terminated */
};

/*
 * Send MSG with NFDS descriptors (which stay the caller's). FD is blocking for
 * the worker; for control it is not, and -EAGAIN means the worker does not
 * read. Returns 0 or a negative errno.
 */
int proto_send(int fd, const struct proto_msg *msg, const int *fds, int nfds);

/*
 * Receive one message. Descriptors go to FDS (room for PROTO_FDS_MAX), their
 * number to *NFDS, and are the caller's to close. Returns 1 for a message, 0 at
 * end of file, -EAGAIN when there is none, -EPROTO for one of a wrong size
 * (its descriptors are closed), or another negative errno. Strings in the
 * message are NUL-terminated on return whatever the peer sent.
 */
int proto_recv(int fd, struct proto_msg *msg, int *fds, int *nfds);

#endif
