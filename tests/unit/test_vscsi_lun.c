/* SPDX-License-Identifier: BSD-2-Clause */
/* control/vscsi_lun: what is opened for the next worker. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/daemon.h"
#include "control/vscsi.h"

struct world {
	struct daemon daemon;
	struct guest guest;
	struct vscsi ctl;
	struct vscsi_lun lun;
};

/* A LUN with a file of which we know when it is opened. */
static struct world *world_new(const char *pname, const char *options)
{
	int fd = open("/dev/null", O_PATH | O_CLOEXEC);
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	assert_true(fd >= 0);
	w->guest.daemon = &w->daemon;
	w->ctl.dev.guest = &w->guest;
	w->lun.ctl = &w->ctl;
	w->lun.pname = strdup(pname);
	w->lun.vdev = strdup("0:0:0:0");
	w->lun.options = strdup(options);
	w->lun.order.type = PROTO_LUN_ADD;
	assert_int_equal(reopen_keep(&w->lun.file[0], fd, false), 0);
	close(fd);
	return w;
}

static void world_free(struct world *w)
{
	reopen_drop(&w->lun.file[0]);
	free(w->lun.pname);
	free(w->lun.vdev);
	free(w->lun.options);
	free(w);
}

/* What is still there is opened as it is. */
static void the_same_file(void **state)
{
	struct world *w = world_new("/dev/null", "");
	int fds[PROTO_FDS_MAX];
	struct proto_msg msg;

	(void)state;
	assert_int_equal(lun_again(&w->lun, &msg, fds), 0);
	assert_true(fds[0] >= 0);
	assert_true(msg.u.lun.flags & PROTO_LUN_RESUME);
	close(fds[0]);
	world_free(w);
}

/* A device that has vanished: its node's number may be another's by now, so it
 * is looked for by what it is. */
static void a_device_that_has_gone(void **state)
{
	struct world *w = world_new("4711:0:0:0", "wwid=naa.5000c500deadbeef");
	int fds[PROTO_FDS_MAX];
	struct proto_msg msg;

	(void)state;
	strcpy(w->lun.sg.address, "4711:0:0:0");
	w->lun.sg.made = 1;
	assert_int_equal(lun_again(&w->lun, &msg, fds), -ENODEV);
	assert_non_null(strstr(w->lun.error, "naa.5000c500deadbeef"));
	for (int i = 0; i < PROTO_FDS_MAX; i++)
		assert_int_equal(fds[i], -1);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_file),
		cmocka_unit_test(a_device_that_has_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
