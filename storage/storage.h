/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where bytes live. A storage is opened from a descriptor that control has
 * opened and checked; it belongs to one thread and works through that thread's
 * io_uring. One file per driver, each ending in one struct storage_driver;
 * storage_drivers[] lists them.
 *
 * Completions never come from within submit: always from uring_reap().
 * Data leaves the process before its write completes: there is no write-back
 * state here, so that a worker can die at any moment.
 */
#ifndef STORAGE_STORAGE_H
#define STORAGE_STORAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "host/uring.h"
#include "wire/port.h"

enum storage_op {
	STORAGE_READ,	 /* offset, len, buf */
	STORAGE_WRITE,	 /* offset, len, buf, fua */
	STORAGE_FLUSH,	 /* completed writes are on stable storage */
	STORAGE_DISCARD, /* offset, len: deallocate; reads as zeroes */
	STORAGE_ZERO,	 /* offset, len, unmap, fua: reads as zeroes */
	STORAGE_EXTENT,	 /* offset, len: extent_len and extent_mapped */
	STORAGE_CUT,	 /* offset: it ends there; of files that grow */
};

struct storage;

/*
 * One operation. Offsets and lengths are bytes inside the storage's size and
 * multiples of its alignment; buffers are aligned likewise. The struct stays
 * the driver's from submit until DONE is called, with RESULT set: 0,
 * XPV_EIO, XPV_ENOSPC, XPV_EROFS, XPV_ENOTSUP or XPV_ECANCELED.
 */
struct storage_io {
	struct uring_op op; /* the driver's; first */
	enum storage_op what;
	bool fua;
	bool unmap;
	uint64_t offset, len;
	uint8_t *buf;
	uint64_t extent_len;
	bool extent_mapped;
	int result;
	void (*done)(struct storage_io *io);
	/* the driver's own */
	struct storage *storage;
	struct storage_io *next;
	uint64_t progress;
};

#define STORAGE_FENCE_MS 8000

struct storage_cfg {
	int fd;	       /* owned by the storage once open() succeeds; or -1 */
	uint64_t size; /* bytes */
	bool read_only;
	bool discard, zero; /* the backing can do it; may still fail */
	const char *args;   /* what only this driver knows of; or NULL, "" */
	/* Who uses the storage, one process at a time: open() waits until what
	 * a dead one had begun has ended, at most STORAGE_FENCE_MS, then fails
	 * with -EBUSY. FD must be of an open file of its own then. 0: nobody
	 * else, or none that writes. */
	uint64_t fence;
	/* There is no way to the backing any more, and IO waits for it: nothing
	 * of it has been done for sure. Does not return: somebody else goes on,
	 * with a new way. NULL: it fails instead. */
	void (*lost)(void);
};

struct storage_driver {
	const char *name;
	/* 0 or a negative errno. U is used until close(). May wait (fence). */
	int (*open)(struct storage **out, const struct storage_cfg *cfg,
		    struct uring *u);
	void (*submit)(struct storage *s, struct storage_io *io);
	/* Ask for an early end of IO; it completes all the same, once. */
	void (*cancel)(struct storage *s, struct storage_io *io);
	/* Nothing is in flight any more. */
	void (*close)(struct storage *s);
};

/* Every storage starts with this. */
struct storage {
	const struct storage_driver *driver;
};

/* NULL-terminated. */
extern const struct storage_driver *const storage_drivers[];

extern const struct storage_driver storage_fault;
extern const struct storage_driver storage_file;
extern const struct storage_driver storage_nbd;
extern const struct storage_driver storage_null;

/* The driver called NAME, or NULL. */
const struct storage_driver *storage_find(const char *name);

/* A negative errno as a storage result. */
int storage_result(int err);

#endif
