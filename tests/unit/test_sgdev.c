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
	      "echo G24S >sys/devices/3:0:1:0/rev\n"
	      "for n in st0l nst0l nst0m; do mkdir sys/devices/3:0:1:0/scsi_tape/$n; done\n"
	      "device 10:0:0:1 8 STK L700\n"
	      "device session5/4:0:0:9 0 IET DISK\n"
	      "rmdir sys/class/scsi_device/session5/4:0:0:9 2>/dev/null ||\n"
	      " rm -r sys/class/scsi_device/session5\n"
	      "mkdir sys/class/scsi_device/4:0:0:9 sys/class/iscsi_session\n"
	      "ln -s $PWD/sys/devices/session5/4:0:0:9 \\\n"
	      " sys/class/scsi_device/4:0:0:9/device\n"
	      "mkdir sys/class/iscsi_session/session5\n"
	      "echo iqn.a:one >sys/class/iscsi_session/session5/targetname\n"
	      "node sys/devices/10:0:0:1/scsi_changer/sch0 86:0 char\n"
	      "mkdir -p sys/class/fc_transport/target10:0:0 sys/class/fc_host/host3\n"
	      "echo 0x500308C09D8A8001 >sys/class/fc_transport/target10:0:0/port_name\n"
	      "echo 0x210000e08b000001 >sys/class/fc_host/host3/port_name\n"
	      "mkdir -p dev/disk/by-id dev/tape/by-id; >dev/sda; >dev/nst0; >dev/sda1\n"
	      "ln -s ../../sda1 dev/disk/by-id/a\n"
	      "ln -s ../../sda dev/disk/by-id/wwn-0x3333\n"
	      "ln -s ../../sda dev/disk/by-id/scsi-longer-name\n"
	      "ln -s ../../nst0 dev/tape/by-id/scsi-DRV0001-nst\n"
	      "device 3:0:2:0 0 V M\n"
	      "echo same >sys/devices/3:0:2:0/wwid\n"
	      "node sys/devices/3:0:2:0/block/sdb 8:16 block\n"
	      "echo 0x5000c50000000002 >sys/devices/3:0:2:0/sas_address\n"
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

static void commands_under_way(void **state)
{
	struct sgdev disk;
	uint32_t n;

	(void)state;
	assert_int_equal(sgdev_find(&roots, true, makedev(8, 0), &disk), 0);
	assert_int_equal(sgdev_active(&roots, &disk, &n), -ENODEV);
	shell("cd sys/devices/2:0:0:0; echo 0x1f >iorequest_cnt");
	assert_int_equal(sgdev_active(&roots, &disk, &n), -ENODEV);
	shell("cd sys/devices/2:0:0:0; echo 0x1f >iodone_cnt");
	assert_int_equal(sgdev_active(&roots, &disk, &n), 0);
	assert_int_equal(n, 0);
	/* they are of 32 bits */
	shell("cd sys/devices/2:0:0:0; echo 0x3 >iorequest_cnt; echo 0xfffffffe >iodone_cnt");
	assert_int_equal(sgdev_active(&roots, &disk, &n), 0);
	assert_int_equal(n, 5);
	strcpy(disk.address, "9:9:9:9");
	assert_int_equal(sgdev_active(&roots, &disk, &n), -ENODEV);
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
	assert_string_equal(tape.wwid, "HP-Ultrium_3-SCSI-DRV0001");
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

static void by_address(void **state)
{
	struct sgdev dev;

	(void)state;
	assert_int_equal(sgdev_at(&roots, "3:0:1:0", &dev), 0);
	assert_string_equal(dev.sg, "sg5");
	assert_string_equal(dev.serial, "DRV0001");
	assert_string_equal(dev.rev, "G24S");
	assert_int_equal(sgdev_at(&roots, "3:0:1:1", &dev), -ENODEV);
	assert_int_equal(sgdev_at(&roots, "10:0:0:1", &dev), 0);
	/* without serial number and world wide id the address is all there is */
	assert_string_equal(dev.wwid, "STK-L700-10:0:0:1");
}

static void by_port(void **state)
{
	struct sgdev dev;

	(void)state;
	/* a target port, in any case of letters */
	assert_int_equal(sgdev_find_port(&roots, "500308c09d8a8001", 1, &dev),
			 0);
	assert_string_equal(dev.address, "10:0:0:1");
	assert_int_equal(sgdev_find_port(&roots, "500308c09d8a8001", 0, &dev),
			 -ENODEV);
	assert_int_equal(sgdev_find_port(&roots, "5000c50000000002", 0, &dev),
			 0);
	assert_string_equal(dev.address, "3:0:2:0");
	/* behind the host's own port there are three */
	assert_int_equal(sgdev_find_port(&roots, "210000e08b000001", 0, &dev),
			 -EEXIST);
	assert_int_equal(sgdev_find_port(&roots, "0", 0, &dev), -ENODEV);
	assert_int_equal(sgdev_find_iscsi(&roots, "iqn.A:one", 9, &dev), 0);
	assert_string_equal(dev.address, "4:0:0:9");
	assert_int_equal(sgdev_find_iscsi(&roots, "iqn.a:one", 8, &dev),
			 -ENODEV);
	assert_int_equal(sgdev_find_iscsi(&roots, "iqn.a:two", 9, &dev),
			 -ENODEV);
}

static void collect(void *ctx, const struct sgdev *dev)
{
	char *text = ctx;

	strcat(strcat(text, dev->address), " ");
}

static void each_in_order(void **state)
{
	char text[256] = "";

	(void)state;
	sgdev_each(&roots, collect, text);
	assert_string_equal(
		text, "2:0:0:0 3:0:1:0 3:0:2:0 3:0:3:0 4:0:0:9 10:0:0:1 ");
}

static void another_at_its_address(void **state)
{
	struct sgdev dev;

	(void)state;
	assert_int_equal(sgdev_at(&roots, "3:0:3:0", &dev), 0);
	assert_true(sgdev_is_there(&roots, &dev));
	shell("mv sys/devices/3:0:3:0 sys/devices/gone; cp -a sys/devices/gone sys/devices/3:0:3:0");
	assert_false(sgdev_is_there(&roots, &dev));
	assert_int_equal(sgdev_at(&roots, "3:0:3:0", &dev), 0);
	shell("rm -r sys/devices/3:0:3:0");
	assert_false(sgdev_is_there(&roots, &dev));
	shell("mv sys/devices/gone sys/devices/3:0:3:0");
}

static void names_and_nodes(void **state)
{
	static const struct {
		const char *address, *type, *nodes, *name;
	} cases[] = {
		{"2:0:0:0", "disk", "sda sg4", "disk/by-id/wwn-0x3333"},
		{"3:0:1:0", "tape", "st0 nst0 sg5",
		 "tape/by-id/scsi-DRV0001-nst"},
		{"10:0:0:1", "changer", "sch0", "10:0:0:1"},
		{"3:0:2:0", "disk", "sdb", "3:0:2:0"},
	};
	char dev_dir[80], text[256], want[256];
	struct sgdev dev;

	(void)state;
	snprintf(dev_dir, sizeof(dev_dir), "%s/dev", dir);
	for (size_t i = 0; i < XPV_ARRAY_SIZE(cases); i++) {
		assert_int_equal(sgdev_at(&roots, cases[i].address, &dev), 0);
		assert_string_equal(sgdev_type(dev.type), cases[i].type);
		sgdev_nodes(&roots, &dev, text, sizeof(text));
		assert_string_equal(text, cases[i].nodes);
		sgdev_name(&roots, dev_dir, &dev, text, sizeof(text));
		snprintf(want, sizeof(want), "%s%s%s",
			 strchr(cases[i].name, '/') ? dev_dir : "",
			 strchr(cases[i].name, '/') ? "/" : "", cases[i].name);
		assert_string_equal(text, want);
	}
	/* Without udev the identifier tells it, if it is one and no other's. */
	assert_int_equal(sgdev_at(&roots, "3:0:3:0", &dev), 0);
	shell("echo naa.600140500000000000000000000000ab >sys/devices/3:0:3:0/wwid");
	assert_int_equal(sgdev_at(&roots, "3:0:3:0", &dev), 0);
	sgdev_name(&roots, "/nowhere", &dev, text, sizeof(text));
	assert_string_equal(text, "naa.600140500000000000000000000000ab:0");
	shell("echo same >sys/devices/3:0:3:0/wwid");
}

static void user(const struct sgdev *dev, char *text, size_t len)
{
	struct sgdev_users users;

	assert_int_equal(sgdev_users_read(&roots, &users), 0);
	sgdev_user(&roots, &users, dev, text, len);
	sgdev_users_free(&users);
}

static void users_are_named(void **state)
{
	struct sgdev disk, tape;
	char text[128];

	(void)state;
	assert_int_equal(sgdev_find(&roots, true, makedev(8, 0), &disk), 0);
	assert_int_equal(sgdev_find(&roots, false, makedev(9, 128), &tape), 0);
	user(&tape, text, sizeof(text));
	assert_string_equal(text, "");
	/* st0 has the number of /dev/null here, which anybody may link to. */
	shell("ln -s /dev/null proc/77/fd/5; ln -s /nowhere proc/77/fd/6");
	user(&tape, text, sizeof(text));
	assert_string_equal(text, "tar (process 77, st0)");
	user(&disk, text, sizeof(text));
	assert_string_equal(text, "");

	sgdev_holder(&roots, &disk, text, sizeof(text));
	assert_string_equal(text, "");
	shell("echo '30 1 8:1 / /mnt/data rw - ext4 /dev/sda1 rw' >>proc/self/mountinfo");
	sgdev_holder(&roots, &disk, text, sizeof(text));
	assert_string_equal(text, "mounted on /mnt/data");
	shell("mkdir -p sys/devices/2:0:0:0/block/sda/holders/dm-3");
	sgdev_holder(&roots, &disk, text, sizeof(text));
	assert_string_equal(text, "part of dm-3");
	shell("mkdir -p sys/devices/dm-3/dm; ln -s $PWD/sys/devices/dm-3 sys/class/block/dm-3\n"
	      "echo vg0-root >sys/devices/dm-3/dm/name");
	sgdev_holder(&roots, &disk, text, sizeof(text));
	assert_string_equal(text, "part of vg0-root (dm-3)");
	shell("printf 'Filename\\tType\\n/dev/sda10 partition\\n' >proc/swaps");
	sgdev_holder(&roots, &disk, text, sizeof(text));
	assert_string_equal(text, "part of vg0-root (dm-3)");
	shell("printf '/dev/sda\\t\\tpartition\\n' >>proc/swaps");
	sgdev_holder(&roots, &disk, text, sizeof(text));
	assert_string_equal(text, "swap space");
	sgdev_holder(&roots, &tape, text, sizeof(text));
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(disk_from_any_node),
		cmocka_unit_test(commands_under_way),
		cmocka_unit_test(tape_without_wwid),
		cmocka_unit_test(what_is_none),
		cmocka_unit_test(by_address),
		cmocka_unit_test(by_port),
		cmocka_unit_test(each_in_order),
		cmocka_unit_test(another_at_its_address),
		cmocka_unit_test(names_and_nodes),
		cmocka_unit_test(users_are_named),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
