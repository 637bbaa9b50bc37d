/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control/disk_spec: disks as xl writes them. Where libxlutil is installed, its
 * own parser is asked the same (XENPV_HAVE_XLUTIL).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/disk_spec.h"

#ifdef XENPV_HAVE_XLUTIL
#	include <libxl.h>
#	include <libxlutil.h>
#endif

static const struct {
	const char *text, *target, *vdev;
	bool read_only, cdrom;
} right[] = {
	/* The examples of xl-disk-configuration(5). */
	{"/dev/vg/guest-volume,,hda", "/dev/vg/guest-volume", "hda", 0, 0},
	{"/dev/vg/guest-volume,raw,hda,rw", "/dev/vg/guest-volume", "hda", 0,
	 0},
	{"format=raw, vdev=hda, access=rw, target=/dev/vg/guest-volume",
	 "/dev/vg/guest-volume", "hda", 0, 0},
	{"raw:/dev/vg/guest-volume,hda,w", "/dev/vg/guest-volume", "hda", 0, 0},
	{"phy:/dev/vg/guest-volume,hda,r", "/dev/vg/guest-volume", "hda", 1, 0},
	{"file:/root/image.iso,hdc:cdrom,r", "/root/image.iso", "hdc", 1, 1},
	{"phy:/dev/vg/guest-volume,xvda1", "/dev/vg/guest-volume", "xvda1", 0,
	 0},
	{"/root/image.iso,,hdc,cdrom", "/root/image.iso", "hdc", 1, 1},
	{"/root/image.iso,,hdc,,cdrom", "/root/image.iso", "hdc", 1, 1},
	{"/root/image.iso,,hdc,r,cdrom", "/root/image.iso", "hdc", 1, 1},
	{"format=raw, vdev=hdc, access=ro, devtype=cdrom, target=/root/image.iso",
	 "/root/image.iso", "hdc", 1, 1},

	{"a.img,raw,xvda,r", "a.img", "xvda", 1, 0},
	{"a.img,raw,xvda,ro", "a.img", "xvda", 1, 0},
	{"a.img,raw,xvda,w", "a.img", "xvda", 0, 0},
	{"a.img,raw,xvda", "a.img", "xvda", 0, 0},
	{"a.img,,xvda,,", "a.img", "xvda", 0, 0},
	{"  a.img, raw, xvda,  w", "a.img", "xvda", 0, 0},
	{"vdev=xvdb,a.img", "a.img", "xvdb", 0, 0},
	{"vdev=xvdb,a.img,raw,rw", "a.img", "xvdb", 0, 0},
	{"access=r,vdev=xvdb,format=raw,a.img", "a.img", "xvdb", 1, 0},
	{"vdev=xvda,target=a,b=c,raw", "a,b=c,raw", "xvda", 0, 0},
	{"a.img,raw,xvda,rw,discard", "a.img", "xvda", 0, 0},
	{"a.img,raw,xvda,rw,no-discard", "a.img", "xvda", 0, 0},
	{"a.img,raw,xvda,rw,direct-io-safe", "a.img", "xvda", 0, 0},
	{"a.img,raw,d3p1,rw,devtype=disk", "a.img", "d3p1", 0, 0},
	{"/a b.img,raw,xvda,rw", "/a b.img", "xvda", 0, 0},
};

static void what_xl_writes(void **state)
{
	struct disk_spec spec;
	char err[1024];

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(right); i++) {
		err[0] = '\0';
		if (disk_spec_parse(&spec, right[i].text, err, sizeof(err)))
			fail_msg("%s: %s", right[i].text, err);
		assert_string_equal(spec.target, right[i].target);
		assert_string_equal(spec.vdev, right[i].vdev);
		if (spec.options.read_only != right[i].read_only ||
		    spec.cdrom != right[i].cdrom)
			fail_msg("%s: access or type", right[i].text);
	}
}

static void options_of_ours(void **state)
{
	struct disk_spec spec;
	char err[1024];

	(void)state;
	assert_int_equal(
		disk_spec_parse(
			&spec,
			"a.img,raw,xvdc,ro,shared,blocksize=4096,direct=off,no-discard",
			err, sizeof(err)),
		0);
	assert_true(spec.options.shared && spec.options.read_only);
	assert_true(spec.no_discard);
	assert_int_equal(spec.options.block_size, 4096);
	assert_int_equal(spec.options.direct, PDEV_DIRECT_OFF);
	assert_int_equal(spec.number, 202 << 8 | 2 << 4);
	assert_int_equal(spec.tune.value[TUNE_QUEUES], 0);
	assert_int_equal(spec.options.format, PDEV_RAW);
	assert_int_equal(disk_spec_parse(&spec,
					 "a.vhd,vhd,xvdc,ro,queues=16,shared",
					 err, sizeof(err)),
			 0);
	assert_int_equal(spec.tune.value[TUNE_QUEUES], 16);
	assert_int_equal(spec.options.format, PDEV_VPC);
	assert_true(spec.options.shared && spec.options.read_only);
	assert_int_equal(
		disk_spec_parse(&spec, "/dev/vg0/a,raw,xvda,rw,backend=storage",
				err, sizeof(err)),
		0);
	assert_string_equal(spec.options.backend, "storage");
}

static void what_is_refused(void **state)
{
	static const struct {
		const char *text;
		int rc;
		const char *says;
	} rows[] = {
		{"", -EINVAL, "empty"},
		{",", -EINVAL, "no target"},
		{"a.img", -EINVAL, "no vdev"},
		{"a.img,raw", -EINVAL, "no vdev"},
		{"vdev=xvda", -EINVAL, "no target"},
		{"vdev=xvda,target=", -EINVAL, "no target"},
		{"a.img,raw,vda,rw", -EINVAL, "vdev 'vda'"},
		{"a.img,raw,xvda,rx", -EINVAL, "access 'rx'"},
		{"a.img,raw,xvda,rw,more", -EINVAL, "'more' is too much"},
		{"a.img,qcow,xvda,rw", -EOPNOTSUPP, "qcow2"},
		{"a.img,format=empty,xvda", -EOPNOTSUPP, "not supported"},
		{"a.img,elf,xvda,rw", -EINVAL, "format 'elf' is unknown"},
		{"a.img,raw,xvda,rw,queues=0", -EINVAL, "from 1 to 16"},
		{"a.img,raw,xvda,rw,queues=17", -EINVAL, "from 1 to 16"},
		{"a.img,raw,xvda,rw,queues=", -EINVAL, "from 1 to 16"},
		{"a.img,raw,xvda,rw,queues=0x4", -EINVAL, "from 1 to 16"},
		{"a.img,raw,xvda,queues=2,queues=2", -EINVAL,
		 "queues is given twice"},
		{"a.img,raw,xvda,rw,queues", -EINVAL, "too much"},
		{"a.img,raw,xvda,rw,vdev=xvdb", -EINVAL, "vdev is given twice"},
		{"a.img,raw,xvda,rw,target=b", -EINVAL, "target is given"},
		{"a.img,raw,xvda,rw,color=red", -EINVAL, "'color' is unknown"},
		{"a.img,raw,xvda,rw,shared=1", -EINVAL, "takes no value"},
		{"a.img,raw,xvda,rw,blocksize", -EINVAL, "needs a value"},
		{"a.img,raw,xvda,rw,blocksize=1k", -EINVAL, "512"},
		{"a.img,raw,xvda,rw,devtype=floppy", -EINVAL, "floppy"},
		{"a.img,raw,xvda,rw,cdrom", -EINVAL, "cannot be written"},
		{",,hdc,,cdrom", -EOPNOTSUPP, "without a medium"},
		{"a.img,raw,xvda,rw,script=x", -EOPNOTSUPP, "script=x"},
		{"a.img,raw,xvda,rw,backend=kernel", -EOPNOTSUPP,
		 "xl block-attach"},
		{"a.img,raw,xvda,rw,backend=two words", -EINVAL, "backend="},
		{"a.img,raw,xvda,rw,backendtype=phy", -EOPNOTSUPP, "xenpvd"},
		{"a.img,raw,xvda,rw,specification=virtio", -EOPNOTSUPP,
		 "virtio"},
		{"a.img,raw,xvda,rw,untrusted", -EOPNOTSUPP, "untrusted"},
		{"a\nb,raw,xvda", -EINVAL, "control character"},
	};
	struct disk_spec spec;
	char err[1024];

	(void)state;
	for (size_t i = 0; i < XPV_ARRAY_SIZE(rows); i++) {
		err[0] = '\0';
		if (disk_spec_parse(&spec, rows[i].text, err, sizeof(err)) !=
		    rows[i].rc)
			fail_msg("%s: %s", rows[i].text, err);
		if (!strstr(err, rows[i].says) || strchr(err, '\n'))
			fail_msg("%s says '%s'", rows[i].text, err);
	}
}

static void long_words_end(void **state)
{
	static char text[DISK_SPEC_MAX + 64];
	struct disk_spec spec;
	char err[1024];

	(void)state;
	for (size_t n = 1; n < sizeof(text); n += 31) {
		memset(text, 'a', n);
		memcpy(text + n, ",raw,xvda", n + 10 < sizeof(text) ? 10 : 1);
		text[sizeof(text) - 1] = '\0';
		if (!disk_spec_parse(&spec, text, err, sizeof(err)))
			assert_true(n < sizeof(spec.target));
		memset(text, ',', n);
		text[n] = '\0';
		assert_int_not_equal(
			disk_spec_parse(&spec, text, err, sizeof(err)), 0);
	}
}

#ifdef XENPV_HAVE_XLUTIL
static void as_libxlutil(void **state)
{
	FILE *null = fopen("/dev/null", "w");
	XLU_Config *cfg = xlu_cfg_init(null, "test");

	(void)state;
	assert_non_null(cfg);
	for (size_t i = 0; i < XPV_ARRAY_SIZE(right); i++) {
		const char *text = right[i].text;
		struct disk_spec spec;
		libxl_device_disk disk;
		char err[1024] = "";
		int ours, theirs;

		libxl_device_disk_init(&disk);
		theirs = xlu_disk_parse(cfg, 1, &text, &disk);
		ours = disk_spec_parse(&spec, text, err, sizeof(err));
		if (!!ours != !!theirs)
			fail_msg("%s: libxlutil %d, we %d (%s)", text, theirs,
				 ours, err);
		if (ours)
			goto next;
		assert_string_equal(disk.pdev_path, spec.target);
		assert_string_equal(disk.vdev, spec.vdev);
		if (!disk.readwrite != spec.options.read_only)
			fail_msg("%s: access", text);
		if (!!disk.is_cdrom != spec.cdrom)
			fail_msg("%s: type", text);
next:
		libxl_device_disk_dispose(&disk);
	}
	xlu_cfg_destroy(cfg);
	fclose(null);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_xl_writes),
		cmocka_unit_test(options_of_ours),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(long_words_end),
#ifdef XENPV_HAVE_XLUTIL
		cmocka_unit_test(as_libxlutil),
#endif
	};

	return cmocka_run_group_tests_name("disk_spec", tests, NULL, NULL);
}
