/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control/sgdev: from a node to a SCSI device and who uses it, on a sysfs and a
 * proc of our own.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/sgdev.h"

static char dir[] = "/tmp/test_sgdev.XXXXXX";
static char sys_dir[64], proc_dir[64];
static struct sgdev_roots roots = {.sys = sys_dir, .proc = proc_dir};

static void shell(const char *script)
{
	char command[4096];

	snprintf(command, sizeof(command), "cd %s && { %s\n}", dir, script);
	assert_int_equal(system(command), 0);
}

/* A disk with a partition that is mounted, a tape of which nothing is known
 * but vendor and model, a disk without sg node. */
static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(sys_dir, sizeof(sys_dir), "%s/sys", dir);
	snprintf(proc_dir, sizeof(proc_dir), "%s/proc", dir);
	shell("set -e\n"
	      "device() { # ADDRESS TYPE VENDOR MODEL\n"
	      " d=sys/devices/$1; mkdir -p $d sys/class/scsi_device/$1\n"
	      " echo $2 >$d/type; echo \"$3\" >$d/vendor; echo \"$4\" >$d/model\n"
	      " echo 32 >$d/queue_depth\n"
	      " ln -s $PWD/$d sys/class/scsi_device/$1/device; }\n"
	      "node() { # PATH MAJOR:MINOR CLASS\n"
	      " mkdir -p $1; echo $2 >$1/dev; ln -s $PWD/${1%/*/*} $1/device\n"
	      " mkdir -p sys/dev/$3 sys/class/block\n"
	      " ln -s $PWD/$1 sys/dev/$3/$2; }\n"
	      "mkdir -p sys/class/scsi_host/host3 proc/self proc/77/fd\n"
	      "echo 4 >sys/class/scsi_host/host3/can_queue\n"
	      "device 2:0:0:0 0 'Linux   ' 'scsi_debug      '\n"
	      "echo 'naa.3333 0\t00 ,x ' >sys/devices/2:0:0:0/wwid\n"
	      "node sys/devices/2:0:0:0/scsi_generic/sg4 21:4 char\n"
	      "node sys/devices/2:0:0:0/block/sda 8:0 block\n"
	      "mkdir -p sys/devices/2:0:0:0/block/sda/queue\n"
	      "echo 4096 >sys/devices/2:0:0:0/block/sda/queue/logical_block_size\n"
	      "mkdir sys/devices/2:0:0:0/block/sda/sda1\n"
	      "echo 8:1 >sys/devices/2:0:0:0/block/sda/sda1/dev\n"
	      "ln -s $PWD/sys/devices/2:0:0:0/block/sda sys/class/block/sda\n"
	      "echo '22 1 0:20 / /proc rw - proc proc rw' >proc/self/mountinfo\n"
	      "device 3:0:1:0 1 'HP      ' 'Ultrium 3-SCSI  '\n"
	      "printf '\\0\\200\\0\\7DRV0001' >sys/devices/3:0:1:0/vpd_pg80\n"
	      "node sys/devices/3:0:1:0/scsi_generic/sg5 21:5 char\n"
	      "node sys/devices/3:0:1:0/scsi_tape/nst0 9:128 char\n"
	      "node sys/devices/3:0:1:0/scsi_tape/st0 1:3 char\n"
	      "device 3:0:2:0 0 V M\n"
	      "echo same >sys/devices/3:0:2:0/wwid\n"
	      "node sys/devices/3:0:2:0/block/sdb 8:16 block\n"
	      "device 3:0:3:0 0 V M\n"
	      "echo same >sys/devices/3:0:3:0/wwid\n"
	      "mkdir -p sys/devices/virtual/null; ln -s $PWD/sys/devices/virtual/null sys/dev/char/1:5\n"
	      "echo 'tar' >proc/77/comm\n");
	return 0;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void disk_from_any_node(void **state)
{
	struct sgdev a, b;

	(void)state;
	assert_int_equal(sgdev_find(&roots, true, makedev(8, 0), &a), 0);
	assert_int_equal(sgdev_find(&roots, false, makedev(21, 4), &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_string_equal(a.address, "2:0:0:0");
	assert_string_equal(a.sg, "sg4");
	assert_string_equal(a.block, "sda");
	assert_int_equal(a.block_dev, makedev(8, 0));
	assert_int_equal(a.block_size, 4096);
	assert_string_equal(a.vendor, "Linux");
	assert_string_equal(a.model, "scsi_debug");
	assert_int_equal(a.depth, 32);
	/* nothing that would end an option or a line */
	assert_string_equal(a.wwid, "naa.3333_0_00_x");
}

static void tape_without_wwid(void **state)
{
	struct sgdev tape, again;

	(void)state;
	assert_int_equal(sgdev_find(&roots, false, makedev(9, 128), &tape), 0);
	assert_int_equal(tape.type, 1);
	assert_string_equal(tape.sg, "sg5");
	assert_string_equal(tape.block, "");
	assert_int_equal(tape.block_size, 0);
	assert_int_equal(tape.depth, 4); /* its host takes fewer */
	assert_string_equal(tape.wwid, "HP-Ultrium_3-SCSI-DRV0001-3:0:1:0");
	assert_int_equal(sgdev_find_wwid(&roots, tape.wwid, &again), 0);
	assert_memory_equal(&tape, &again, sizeof(tape));
}

static void what_is_none(void **state)
{
	struct sgdev dev;

	(void)state;
	assert_int_equal(sgdev_find(&roots, false, makedev(1, 5), &dev),
			 -ENODEV);
	assert_int_equal(sgdev_find(&roots, false, makedev(8, 0), &dev),
			 -ENODEV);
	assert_int_equal(sgdev_find(&roots, true, makedev(8, 1), &dev),
			 -ENODEV); /* a partition */
	assert_int_equal(sgdev_find_wwid(&roots, "nothing", &dev), -ENODEV);
	assert_int_equal(sgdev_find_wwid(&roots, "same", &dev), -EEXIST);
	assert_int_equal(sgdev_find(&roots, true, makedev(8, 16), &dev), 0);
	assert_string_equal(dev.sg, "");
}

static void users_are_named(void **state)
{
	struct sgdev disk, tape;
	char text[128];

	(void)state;
	assert_int_equal(sgdev_find(&roots, true, makedev(8, 0), &disk), 0);
	assert_int_equal(sgdev_find(&roots, false, makedev(9, 128), &tape), 0);
	sgdev_user(&roots, &tape, text, sizeof(text));
	assert_string_equal(text, "");
	/* st0 has the number of /dev/null here, which anybody may link to. */
	shell("ln -s /dev/null proc/77/fd/5; ln -s /nowhere proc/77/fd/6");
	sgdev_user(&roots, &tape, text, sizeof(text));
	assert_string_equal(text, "tar (process 77, st0)");
	sgdev_user(&roots, &disk, text, sizeof(text));
	assert_string_equal(text, "");

	sgdev_holder(&roots, &disk, text, sizeof(text));
	assert_string_equal(text, "");
	shell("echo '30 1 8:1 / /mnt/data rw - ext4 /dev/sda1 rw' >>proc/self/mountinfo");
	sgdev_holder(&roots, &disk, text, sizeof(text));
	assert_string_equal(text, "mounted on /mnt/data");
	shell("mkdir -p sys/devices/2:0:0:0/block/sda/holders/dm-3");
	sgdev_holder(&roots, &disk, text, sizeof(text));
	assert_string_equal(text, "part of dm-3");
	sgdev_holder(&roots, &tape, text, sizeof(text));
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disk_from_any_node),
		cmocka_unit_test(tape_without_wwid),
		cmocka_unit_test(what_is_none),
		cmocka_unit_test(users_are_named),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
