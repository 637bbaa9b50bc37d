/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a disk is served, as an administrator sets it: numbers, each in a node of
 * its own name in the backend's directory. Nothing set means the default, and
 * has no node.
 *
 *     queues=N        rings that a frontend may have, 1 to 16
 *     persistent=N    grants of each ring that are kept mapped, 0 to 4096
 *     iops=N          at most so many requests a second
 *     iops-burst=N    and so many at once
 *     bps=N           at most so many bytes a second; also as 100M
 *     bps-burst=N     and so many at once
 *     on-enospc=fail  (the default) a write that finds no space fails; or
 *               pause it waits until there is some
 *
 * The limits and on-enospc can be changed while the disk is in use; 0 takes a
 * limit away.
 */
#ifndef CONTROL_DISK_TUNE_H
#define CONTROL_DISK_TUNE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/tree.h"
#include "wire/port.h"

enum disk_tune_key {
	TUNE_QUEUES,
	TUNE_PERSISTENT,
	TUNE_IOPS,
	TUNE_IOPS_BURST,
	TUNE_BPS,
	TUNE_BPS_BURST,
	TUNE_ON_ENOSPC, /* 1: pause */
	TUNE_N,
};

#define TUNE_TEXT_MAX 24

struct disk_tune {
	uint64_t value[TUNE_N]; /* 0: not set, or none */
	uint32_t given;		/* 1 << key: it was set */
};

/* disk_tune_name - what KEY is called. */
const char *disk_tune_name(enum disk_tune_key key);

/* disk_tune_text - the value of KEY as its node has it; TUNE_TEXT_MAX bytes. */
void disk_tune_text(const struct disk_tune *tune, enum disk_tune_key key,
		    char *text);

/* disk_tune_is_set - has KEY a node? A limit of 0 is none, and has none. */
bool disk_tune_is_set(const struct disk_tune *tune, enum disk_tune_key key);

/* disk_tune_live - can KEY be changed while the disk is in use? */
bool disk_tune_live(enum disk_tune_key key);

/*
 * disk_tune_set - one setting, "KEY=VALUE"
 *
 * Return: 0; -ENOENT: no such key, and nothing in @err; -EINVAL, with a line
 * there: no such value, or the key is set already.
 */
int disk_tune_set(struct disk_tune *tune, const char *item, char *err,
		  size_t len) XPV_MUST_CHECK;

/* disk_tune_read - all of them, of a backend's nodes. -EINVAL likewise. */
int disk_tune_read(struct disk_tune *tune, const struct store_tree *back,
		   char *err, size_t len) XPV_MUST_CHECK;

#endif
