/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What sg devices need and a sandboxed worker may not: their node is opened by
 * name, and a reset wants CAP_SYS_ADMIN and CAP_SYS_RAWIO (scsi_ioctl_reset()
 * of Linux). A process of its own, made before the rights are given up, does
 * two things for the worker: it puts the node that a descriptor stands for into
 * the root directory, which it shares with the worker and which is empty
 * otherwise, and it resets the device that a descriptor belongs to. It takes
 * nothing but descriptors of sg devices, and only those that the worker has.
 *
 * Without a helper everything is done here.
 */
#ifndef LUN_SG_HELPER_H
#define LUN_SG_HELPER_H

#include <stddef.h>

/*
 * sg_helper_start - make the process; once, before there are threads
 * @title: where the process's command line is, of @room bytes, to be
 *	overwritten there
 * @confine: run in it once it is ready: 0, or a negative errno and it ends
 *
 * It ends with this process. Return: 0 or a negative errno.
 */
int sg_helper_start(char *title, size_t room, int (*confine)(void));

/* sg_helper_open - open with FLAGS the node that PATH_FD, an O_PATH descriptor,
 * stands for. From any thread. A descriptor, or a negative errno. */
int sg_helper_open(int path_fd, int flags);

/* sg_helper_reset - reset the device of sg descriptor FD, and nothing more than
 * that. Waits for the kernel's error handling. From any thread. 0 or a negative
 * errno. */
int sg_helper_reset(int fd);

#endif
