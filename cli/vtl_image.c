/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cartridges to and from files that other programs know: the tape images of
 * SIMH. A block is its length (32 bits, little-endian), the data, filled up to
 * an even number of bytes, and the length again; a filemark is a length of 0;
 * the end is a length of all ones, or the end of the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/vtl.h"
#include "lun/cart_file.h"

#define END   0xffffffffu
#define CLASS 0xf0000000u /* of records that are not plain data */

static int failed(char *err, const char *file, int rc)
{
	snprintf(err, VTL_ERR_MAX, "'%.200s': %s", file, strerror(-rc));
	return rc;
}

/* ----------------------------------------------------------------- export */

static int put_number(FILE *f, uint32_t n)
{
	const uint8_t p[4] = {(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16),
			      (uint8_t)(n >> 24)};

	return fwrite(p, 1, 4, f) == 4 ? 0 : -EIO;
}

static int put_record(void *ctx, const struct cart_record *r,
		      const uint8_t *data)
{
	FILE *f = ctx;
	int rc = put_number(f, r->len);

	if (rc || r->type == CART_MARK)
		return rc;
	if (fwrite(data, 1, r->len, f) != r->len ||
	    ((r->len & 1) && putc(0, f) == EOF))
		return -EIO;
	return put_number(f, r->len);
}

/* A new file, or none. */
static int export_to(const char *file, int fd, const struct cart *c,
		     struct cart_sum *sum, char *err)
{
	FILE *f = fopen(file, "wxe");
	int rc;

	if (!f)
		return failed(err, file, -errno);
	rc = cart_file_scan(fd, c, sum, put_record, f);
	if (!rc)
		rc = put_number(f, END);
	if (!rc && (fflush(f) || fsync(fileno(f))))
		rc = -errno;
	if (fclose(f) && !rc)
		rc = -errno;
	if (rc) {
		unlink(file);
		return failed(err, file, rc);
	}
	return 0;
}

int vtl_export(const struct cli_args *args, char *err)
{
	struct cart_sum sum;
	struct vtl_cart *vc;
	struct cart c;
	struct vtl v;
	int fd, rc;

	rc = vtl_open(&v, args->arg[1], VTL_CHANGE, err, VTL_ERR_MAX);
	if (rc)
		return rc;
	rc = vtl_named(&v, args->arg[2], O_RDONLY, &vc, &fd, err);
	if (!rc) {
		rc = cart_file_load(fd, &c);
		if (rc)
			failed(err, args->arg[2], rc);
		else
			rc = export_to(args->arg[3], fd, &c, &sum, err);
		close(fd);
	}
	if (!rc) {
		printf("%s: %" PRIu64 " blocks, %" PRIu64 " filemarks, %" PRIu64
		       " bytes\n",
		       args->arg[3], sum.blocks, sum.marks, sum.bytes);
		if (sum.damaged) {
			snprintf(err, VTL_ERR_MAX,
				 "cartridge %s is damaged: record %" PRIu64
				 " and what comes behind is missing",
				 vc->barcode, sum.at.number);
			rc = -EBADMSG;
		}
	}
	vtl_close(&v);
	return rc;
}

/* ----------------------------------------------------------------- import */

/* 1; 0 at the end of the file. */
static int get_number(FILE *f, uint32_t *n)
{
	uint8_t p[4];
	size_t got = fread(p, 1, 4, f);

	*n = p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	     (uint32_t)p[3] << 24;
	if (got == 4)
		return 1;
	return got || ferror(f) ? -EBADMSG : 0;
}

/* The data of a block of LEN bytes, and what comes behind it. */
static int get_block(FILE *f, uint8_t *buf, uint32_t len)
{
	uint32_t again;

	if ((len & CLASS) || len > CART_BLOCK_MAX)
		return -EBADMSG;
	if (fread(buf, 1, len, f) != len || ((len & 1) && getc(f) == EOF))
		return -EBADMSG;
	return get_number(f, &again) == 1 && again == len ? 0 : -EBADMSG;
}

static int copy_in(FILE *f, int fd, struct cart *c, uint64_t *at)
{
	uint8_t *buf = malloc(CART_BLOCK_MAX);
	uint32_t len;
	int rc = buf ? 0 : -ENOMEM;

	while (!rc) {
		*at = (uint64_t)ftello(f);
		rc = get_number(f, &len);
		if (rc <= 0 || len == END)
			break;
		rc = len ? get_block(f, buf, len) : 0;
		if (!rc)
			rc = cart_file_append(fd, c, buf, len);
	}
	free(buf);
	return rc < 0 ? rc : 0;
}

static int import_from(FILE *f, const struct cli_args *args, struct vtl *v,
		       char *err)
{
	uint64_t at = 0;
	struct cart c;
	int fd, rc;

	rc = vtl_add(v, args->arg[2], UINT64_C(2500) << 30, 0, &c, &fd, err,
		     VTL_ERR_MAX);
	if (rc)
		return rc;
	rc = copy_in(f, fd, &c, &at);
	if (!rc)
		rc = cart_file_sync(fd, &c);
	if (rc == -EBADMSG)
		snprintf(err, VTL_ERR_MAX,
			 "'%.200s' is no tape image of SIMH: what is at byte "
			 "%" PRIu64 " is no record",
			 args->arg[3], at);
	else if (rc)
		failed(err, args->arg[3], rc);
	close(fd);
	if (!rc)
		rc = vtl_save(v, err, VTL_ERR_MAX);
	if (rc) {
		vtl_add_undo(v);
		return rc;
	}
	printf("cartridge %s: %" PRIu64 " records, %" PRIu64 " filemarks\n",
	       c.barcode, c.end.number, c.end.file);
	return 0;
}

int vtl_import(const struct cli_args *args, char *err)
{
	FILE *f = fopen(args->arg[3], "re");
	struct vtl v;
	int rc;

	if (!f)
		return failed(err, args->arg[3], -errno);
	rc = vtl_open(&v, args->arg[1], VTL_CHANGE, err, VTL_ERR_MAX);
	if (!rc) {
		rc = import_from(f, args, &v, err);
		vtl_close(&v);
	}
	fclose(f);
	return rc;
}
