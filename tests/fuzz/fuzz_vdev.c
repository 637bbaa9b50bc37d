/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an administrator types: VDEV[,options] and pdevs that name nothing of
 * this machine. What is taken can be written and is read as the same; what is
 * refused says why in one line and changes nothing.
 */
#include <errno.h>

#include "control/vdev.h"
#include "tests/fuzz/fuzz.h"

#define UNTOUCHED "untouched"

/* After a call that gave RC and may have left a line in ERR. */
static void check_err(int rc, const char *err)
{
	if (rc == 0) {
		FUZZ_CHECK(!strcmp(err, UNTOUCHED));
		return;
	}
	FUZZ_CHECK(rc < 0 && strcmp(err, UNTOUCHED) && *err);
	FUZZ_CHECK(strlen(err) < PDEV_ERR_MAX && !strchr(err, '\n'));
}

static void check_same(const struct pdev_options *a,
		       const struct pdev_options *b)
{
	FUZZ_CHECK(a->read_only == b->read_only && a->shared == b->shared &&
		   a->direct == b->direct && a->block_size == b->block_size &&
		   a->naa == b->naa && !strcmp(a->serial, b->serial) &&
		   !strcmp(a->product, b->product));
}

static void check_options(const char *text)
{
	struct pdev_options o, again, old;
	char err[PDEV_ERR_MAX] = UNTOUCHED, node[PDEV_OPTIONS_MAX];
	int rc;

	memset(&o, 0x55, sizeof(o));
	old = o;
	rc = pdev_options_parse(&o, text, err, sizeof(err));
	check_err(rc, err);
	if (rc) {
		FUZZ_CHECK(!memcmp(&o, &old, sizeof(o)));
		return;
	}
	FUZZ_CHECK(memchr(o.serial, '\0', sizeof(o.serial)) &&
		   memchr(o.product, '\0', sizeof(o.product)));
	pdev_options_format(&o, node);
	FUZZ_CHECK(strlen(node) < sizeof(node));
	FUZZ_CHECK(!pdev_options_parse(&again, node, err, sizeof(err)));
	check_same(&o, &again);
	FUZZ_CHECK(!again.feature_host); /* of the controller: no node here */
}

static void check_vdev(const char *text, bool with_options)
{
	char err[PDEV_ERR_MAX] = UNTOUCHED, again[VDEV_TEXT_MAX];
	struct pdev_options o;
	struct pdev_vdev at;
	int rc = vdev_parse(&at, with_options ? &o : NULL, text, err,
			    sizeof(err));

	check_err(rc, err);
	if (rc)
		return;
	FUZZ_CHECK(at.channel <= VDEV_CHANNEL_MAX &&
		   at.target <= VDEV_TARGET_MAX && at.lun <= VDEV_LUN_MAX);
	vdev_format(&at, again);
	FUZZ_CHECK(vdev_is(&at, again));
	FUZZ_CHECK(!vdev_parse(&at, NULL, again, err, sizeof(err)));
}

/* null:SIZE only: nothing else may be looked for on this machine. */
static void check_pdev(const char *text)
{
	char err[PDEV_ERR_MAX] = UNTOUCHED;
	char *name = malloc(strlen(text) + sizeof("null:"));
	struct pdev_props props;
	struct pdev pdev;
	int rc, fd;

	FUZZ_CHECK(name);
	sprintf(name, "null:%s", text);
	rc = pdev_parse(&pdev, name, NULL, err, sizeof(err));
	free(name);
	check_err(rc, err);
	if (rc)
		return;
	FUZZ_CHECK(pdev.kind == PDEV_NULL && pdev.null_size > 0);
	rc = pdev_open(&pdev, &fd, &props, err, sizeof(err));
	check_err(rc, err);
	if (rc)
		return;
	FUZZ_CHECK(fd == -1 && props.size == pdev.null_size &&
		   props.size % props.block_size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = {data, size};
	uint8_t what = fuzz_u8(&in);
	char *text = calloc(1, in.left + 1);

	FUZZ_CHECK(text);
	memcpy(text, in.p, in.left);
	switch (what % 4) {
	case 0:
		check_options(text);
		break;
	case 1:
		check_vdev(text, true);
		break;
	case 2:
		check_vdev(text, false);
		break;
	default:
		check_pdev(text);
		break;
	}
	free(text);
	return 0;
}
