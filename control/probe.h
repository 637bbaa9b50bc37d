/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Properties and identity of opened storage: what the kernel says about a
 * block device in sysfs, and what a file system offers for a file. Reads only;
 * no file or device is changed.
 *
 * Identity: a text that stays the same for as long as the backing is the same
 * thing, over reboots and (for real disks) on every host that sees it. The
 * NAA identifier is a hash of it.
 */
#ifndef CONTROL_PROBE_H
#define CONTROL_PROBE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/port.h"

#define PROBE_IDENTITY_MAX (PATH_MAX + 64)

struct probe_caps {
	bool discard, zero, rotational;
	uint32_t discard_granularity;
	uint32_t discard_alignment; /* of the first whole one */
};

/*
 * probe_naa - NAA identifier of an identity
 *
 * Type 3h, locally assigned (SPC-4 7.8.6.6): 0x3 in the top four bits, under
 * it 60 bits of the 64 bit FNV-1a hash of @identity, folded by exclusive or.
 */
uint64_t probe_naa(const char *identity);

/*
 * probe_block_caps - what a block device can do
 * @sysdir: its directory, "/sys/dev/block/8:1"; a partition's queue is found
 *          at its disk
 *
 * What cannot be read counts as not offered.
 */
void probe_block_caps(const char *sysdir, struct probe_caps *caps);

/*
 * probe_block_identity - name a block device
 * @path: used when there is nothing better
 * @by_id: directory of links to devices, "/dev/disk/by-id"
 * @out: PROBE_IDENTITY_MAX bytes
 *
 * The first that exists of: the device's world wide id, the device mapper's or
 * MD's uuid, the serial number, the first link in @by_id, the path. Of a
 * partition: its disk's, then "-part" and its number.
 */
void probe_block_identity(const char *sysdir, const char *by_id, dev_t rdev,
			  const char *path, char *out);

/*
 * probe_file_caps - what the file system of @fd can do
 *
 * Taken from the file system's type: asking by trying could change the file's
 * times. The data path must still expect EOPNOTSUPP (ext4 without extents, NFS
 * before 4.2).
 */
void probe_file_caps(int fd, struct probe_caps *caps);

/*
 * probe_direct_align - alignment for O_DIRECT on @fd, which was opened with it
 *
 * Return: bytes, a power of two of at most 4096; 0 if direct I/O is not to be
 * had after all.
 */
uint32_t probe_direct_align(int fd, uint32_t block_size);

#endif
