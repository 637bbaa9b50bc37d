/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an administrator gives to a guest: a "pdev" and its options. This
 * parses them, resolves and opens what they name, measures it, and gives it an
 * identity. Used by the command line (parse, check before anything is written
 * to xenstore) and by the daemon (parse again, open).
 *
 *   pdev     a path: regular file or block device, relative or by any link;
 *            or nbd:unix:/SOCKET[:EXPORT] or nbd://HOST[:PORT][/EXPORT], what
 *            an NBD server serves; or iscsi://HOST[:PORT]/TARGET/LUN, a LUN of
 *            an iSCSI target, as it is; or null:SIZE[kMGT], storage that forgets
 *            (for measurements);
 *            or cdrom:PDEV, a CD drive with one of these as its medium, or
 *            cdrom: alone, without one; a regular file whose name ends in
 *            ".iso" is that, too;
 *            or vtl:DIR:changer, vtl:DIR:driveN, of the virtual tape library
 *            in the folder DIR;
 *            or fault:SPEC:PDEV, one of these with faults of its own making
 *            (for tests; storage/fault_spec.h)
 *   options  comma separated: ro rw shared feature-host serial=TEXT
 *            product=TEXT naa=HEX blocksize=512|4096 direct=auto|on|off
 *            format=raw|qcow2|vhdx|vpc|vmdk
 *            passthrough wwid=TEXT backend=xenpv|kernel|DOMAIN
 *
 * A path of a tape drive (st, nst), a medium changer (sch), a CD drive (sr), or
 * of any SCSI device's sg node is that device itself; so is a disk with the
 * option passthrough; so is what has a SCSI address, H:C:T:L, or is behind a
 * port, naa.WWN:LUN (sgdev_find_port()). What was found is kept by the option
 * wwid: the device is found again when its nodes have changed, and no other is
 * taken for it.
 *
 * With backend=DOMAIN it is a device of that driver domain: its xenpvd finds out
 * what the name means there. Here it is a text.
 *
 * (host:N, a whole adapter, is no pdev: control/vscsi_host.h.)
 *
 * Options are given after the vdev: "PDEV,VDEV,ro,serial=A1".
 *
 * Every function that can fail because of what was typed takes ERR, room for
 * LEN bytes (PDEV_ERR_MAX is enough), and leaves one line there, without a
 * newline: what is wrong, with what, and what to try. ERR is untouched on
 * success. Return values are 0 or a negative errno. Nothing here allocates or
 * logs; pdev_open() may block as long as open(2) does.
 */
#ifndef CONTROL_PDEV_H
#define CONTROL_PDEV_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/sgdev.h"
#include "storage/fault_spec.h"
#include "wire/port.h"

#define PDEV_ERR_MAX	 512
#define PDEV_OPTIONS_MAX 320
#define PDEV_ID_MAX	 64
#define PDEV_ARGS_MAX	 128
#define PDEV_SERIAL_MAX	 32 /* with NUL; struct proto_lun */
#define PDEV_PRODUCT_MAX 17 /* with NUL; INQUIRY has 16 characters */
#define PDEV_BACKEND_MAX 64 /* with NUL; of a domain's name */

enum pdev_kind {
	PDEV_FILE,	/* regular file */
	PDEV_BLOCK,	/* block device */
	PDEV_NULL,	/* null:SIZE */
	PDEV_NBD,	/* nbd:... */
	PDEV_SG,	/* a real SCSI device, by its sg node */
	PDEV_ISCSI,	/* iscsi:... */
	PDEV_EMPTY,	/* cdrom: without a medium */
	PDEV_VTL,	/* of a virtual tape library */
	PDEV_ELSEWHERE, /* a driver domain's; nothing is known of it here */
};

enum pdev_direct {
	PDEV_DIRECT_AUTO, /* O_DIRECT where the file system has it */
	PDEV_DIRECT_ON,	  /* ... or fail */
	PDEV_DIRECT_OFF,  /* through the page cache, written through */
};

/* Of a file; all but raw are served by qemu-nbd (pdev_image.h). */
enum pdev_format {
	PDEV_RAW,
	PDEV_QCOW2,
	PDEV_VHDX,
	PDEV_VPC, /* VHD */
	PDEV_VMDK,
};

struct pdev_options {
	bool read_only;
	bool shared;	  /* other LUNs may have the same pdev if they say so */
	bool passthrough; /* a disk: give it itself */
	bool kernel;	  /* served by xen-scsiback, not by xenpvd (lio.h) */
	char backend[PDEV_BACKEND_MAX]; /* served by this domain; "": by ours */
	bool no_scsi; /* set by who cannot: what has blocks gives those, and
			 other devices are refused; no word of the list */
	bool feature_host; /* of the controller, not of the LUN: the command
			      line writes it to the node "feature-host" */
	enum pdev_direct direct;
	enum pdev_format format;
	uint32_t block_size;		/* 0: the device's own, 512 for files */
	uint64_t naa;			/* 0: derived */
	char serial[PDEV_SERIAL_MAX];	/* "": derived */
	char product[PDEV_PRODUCT_MAX]; /* "": the default */
	char wwid[SGDEV_WWID_MAX];	/* PDEV_SG: which it is; "": find out */
};

struct pdev {
	char name[PATH_MAX]; /* node p-devname: as given, made absolute */
	char path[PATH_MAX]; /* node p-dev: links resolved; nbd: in full */
	enum pdev_kind kind;
	bool cdrom; /* it is the medium of a CD drive; read-only then */
	uint64_t null_size;
	char fault[FAULT_TEXT_MAX]; /* what to break; "": nothing */
	struct pdev_options options;
	struct sgdev sg; /* PDEV_SG */
	int vtl_drive;	 /* PDEV_VTL: which drive; -1: the changer */
	bool again;	 /* for a worker's successor, in the way of others: be
			 quick about it; pdev_parse() says no */
};

/* What the opened thing is. All sizes in bytes. */
struct pdev_props {
	uint64_t size;
	uint32_t block_size, phys_size;
	uint32_t align; /* O_DIRECT: of offset and length */
	uint32_t discard_granularity, discard_alignment;
	bool read_only, direct, discard, zero, rotational;
	bool multi; /* may be opened once for each of several queues */
	uint64_t naa;
	char serial[PDEV_SERIAL_MAX];
	uint32_t depth;	     /* PDEV_SG: commands at once; 0: not known */
	char model[28];	     /* PDEV_ISCSI: vendor and product; or "" */
	const char *storage; /* driver, and what it alone understands: */
	char args[PDEV_ARGS_MAX];
	char id[PDEV_ID_MAX]; /* equal for two pdevs iff they are one
			      device; "" for null, which nobody shares */
};

/* "H:C:T:L" of a vdev. HOST selects the controller, xenstore's device id. */
struct pdev_vdev {
	uint16_t host, channel, target, lun;
};

/* Has TEXT no control character, so that it can stand in a line for people? */
bool pdev_is_line(const char *text);

/* Take digits, a number of at most MAX, off *TEXT: are there any? */
bool pdev_number(const char **text, unsigned long max, unsigned long *value);

/*
 * Parse "H:C:T:L", decimal, nothing else: host at most 65535, channel and
 * target 255, lun 16383. -EINVAL otherwise.
 */
int pdev_vdev_parse(struct pdev_vdev *vdev, const char *text, char *err,
		    size_t len) XPV_MUST_CHECK;

/*
 * Parse a comma separated option list into OPTIONS; NULL and "" give the
 * defaults. -EINVAL for an unknown name (the nearest known one is proposed), a
 * bad or missing value, or a contradiction.
 */
int pdev_options_parse(struct pdev_options *options, const char *text,
		       char *err, size_t len) XPV_MUST_CHECK;

/* Is it our domain's xenpvd that serves what has OPTIONS? */
static inline bool pdev_by_us(const struct pdev_options *options)
{
	return !options->kernel && !options->backend[0];
}

/*
 * The node "options" of a LUN: what pdev_options_parse() reads back as the
 * same OPTIONS, feature-host left out; "" for the defaults. TEXT has room for
 * PDEV_OPTIONS_MAX bytes.
 */
void pdev_options_format(const struct pdev_options *options, char *text);

/* "raw", "qcow2"... */
const char *pdev_format_name(enum pdev_format format);

/* Does the whole NAME (struct pdev) say that it is a CD drive? */
bool pdev_is_cdrom(const char *name);

/*
 * Would NAME mean the same in another directory? That is what nodes hold.
 */
bool pdev_is_whole(const char *name);

/*
 * Find out what NAME names and fill in PDEV with it and *OPTIONS (NULL: the
 * defaults); opens nothing. -ENOENT, -EACCES, -EISDIR, -EINVAL (a character
 * device, a socket, not a size, ...), -ENAMETOOLONG.
 */
int pdev_parse(struct pdev *pdev, const char *name,
	       const struct pdev_options *options, char *err,
	       size_t len) XPV_MUST_CHECK;

/*
 * The id that pdev_open() would give, into ID (PDEV_ID_MAX bytes), without
 * opening; "" for what nobody shares: PDEV_NULL, PDEV_EMPTY. A negative errno
 * when PDEV is not there any more.
 */
int pdev_id(const struct pdev *pdev, char *id) XPV_MUST_CHECK;

/*
 * Open PDEV and measure it. *FD is the caller's to close; -1 for PDEV_NULL and
 * PDEV_EMPTY, whose size is 0. -EXDEV for PDEV_ELSEWHERE. A
 * block device that is not shared is opened exclusively, so that one which the
 * host itself has mounted is refused. -EBUSY for that; -EROFS for one that
 * cannot be written and has no "ro"; -EINVAL for an empty one or one whose
 * size is not a multiple of the block size; -EOPNOTSUPP when direct=on cannot
 * be had; or the errno of open(2). Nothing in the file or device is changed.
 *
 * The descriptor of PDEV_NBD and PDEV_ISCSI is a connection: two users of it, by dup(2) or
 * one after the other, would take each other's answers. Each gets one of its
 * own, and there is but one unless props->multi. For its errors and how long
 * it may block see pdev_nbd.h and pdev_iscsi.h.
 *
 * The *FD of PDEV_SG is only good for being opened again; -EBUSY means that a
 * program has one of its nodes open; and pdev_guard() is to be called as well.
 */
int pdev_open(const struct pdev *pdev, int *fd, struct pdev_props *props,
	      char *err, size_t len) XPV_MUST_CHECK;

/* pdev_is_connection - is what pdev_open() gave one that only its first user can
 * have, by props->storage and props->args? So is what pdev_gone() made of it. */
bool pdev_is_connection(const char *storage, const char *args);

/* pdev_gone - make of *PROPS, of a connection that does not come back, what fails
 * for ever: the guest gets errors; pdev_is_gone - is it that? */
void pdev_gone(struct pdev_props *props);
bool pdev_is_gone(const char *storage, const char *args);

/*
 * What must stay open while a guest has PDEV, so that the host does not use it:
 * the block device of a real disk, exclusively. *FD is the caller's to close;
 * -1 for everything else. -EBUSY: it is mounted, or part of something.
 */
int pdev_guard(const struct pdev *pdev, int *fd, char *err,
	       size_t len) XPV_MUST_CHECK;

/*
 * What the command line asks before it writes anything: would pdev_open()
 * succeed? PROPS may be NULL. Of PDEV_ELSEWHERE nobody here can tell: 0, and
 * props of zeroes. A -EBUSY here can also mean that a guest has it
 * already; the line says so.
 */
int pdev_check(const struct pdev *pdev, struct pdev_props *props, char *err,
	       size_t len) XPV_MUST_CHECK;

#endif
