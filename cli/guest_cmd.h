/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The commands inside `xenpv guest`: one table. A line of words is one command;
 * each returns an exit status after one line on stderr if it is not 0.
 */
#ifndef CLI_GUEST_CMD_H
#define CLI_GUEST_CMD_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

#include "guest/disk.h"
#include "guest/pvscsi.h"
#include "guest/session.h"
#include "guest/vbd.h"

/* Words of a line. */
#define GUEST_WORDS_MAX 64

struct guest_ctx {
	struct session *session;
	const volatile sig_atomic_t *stop; /* a signal says: end */
};

struct guest_cmd {
	const char *name;
	const char *args; /* for the usage line */
	const char *summary;
	int min, max; /* words after the name; max -1: any number */
	int (*run)(struct guest_ctx *ctx, int n, char **word);
};

/* Ends with a NULL name. */
extern const struct guest_cmd guest_cmds[];

/* guest_run - run one line; blank lines and those that begin with # do
 * nothing. LINE is changed. */
int guest_run(struct guest_ctx *ctx, char *line);

/* guest_cmds_help - the table, one line each. */
void guest_cmds_help(FILE *f);

/* One file per kind. */
int guest_wait(struct guest_ctx *ctx, int n, char **word);
int guest_list(struct guest_ctx *ctx, int n, char **word);
int guest_inquiry(struct guest_ctx *ctx, int n, char **word);
int guest_cdb(struct guest_ctx *ctx, int n, char **word);
int guest_reset(struct guest_ctx *ctx, int n, char **word);
int guest_abort(struct guest_ctx *ctx, int n, char **word);
int guest_read(struct guest_ctx *ctx, int n, char **word);
int guest_write(struct guest_ctx *ctx, int n, char **word);
int guest_verify(struct guest_ctx *ctx, int n, char **word);
int guest_flush(struct guest_ctx *ctx, int n, char **word);
int guest_discard(struct guest_ctx *ctx, int n, char **word);
int guest_tape_read(struct guest_ctx *ctx, int n, char **word);
int guest_tape_write(struct guest_ctx *ctx, int n, char **word);
int guest_bench(struct guest_ctx *ctx, int n, char **word);

/* ---- what they share ---- */

/* What a command works on: a LUN, or a block device. */
struct guest_lun {
	const char *text; /* as it was typed */
	struct pvscsi *v;
	struct scsi_addr addr;
	struct vbd *b; /* then V is NULL */
};

/*
 * guest_disk_find - find what is at TEXT, H:C:T:L or the name of a disk (vbd_name_is()
 * of guest/vbd.h); it may take MS to appear
 *
 * Return: 0, or -1 after a line on stderr.
 */
int guest_disk_find(struct guest_ctx *ctx, const char *text, int ms,
		    struct guest_lun *lun);

/*
 * guest_lun - likewise, and it must be a LUN
 *
 * Return: 0, or -1 after a line on stderr.
 */
int guest_lun(struct guest_ctx *ctx, const char *text, int ms,
	      struct guest_lun *lun);

/* guest_open - what LUN is: 0, or an error and one line in @err. */
int guest_open(const struct guest_lun *lun, struct vdisk *d, char *err,
	       size_t len);

/* guest_disk - likewise, and it must have blocks. */
int guest_disk(struct guest_ctx *ctx, const char *text, struct vdisk *d);

/* How long a LUN is waited for when a command names it. */
#define GUEST_PATIENCE_MS 10000

/* guest_size - "4096", "64k", "1M", "2g" as bytes; false if it is none. */
bool guest_size(const char *text, uint64_t *bytes);

/* guest_hex - bytes as people read them: offset, hex, text. */
void guest_hex(FILE *f, const uint8_t *data, size_t len);

/* guest_memory - gdev_memory(): 0, or -1 after a line on stderr. */
int guest_memory(struct gdev *d, uint32_t n, uint8_t **va, uint64_t *frame);

/* guest_step - session_step() that ends with a signal: 0, or a negative
 * errno. */
int guest_step(struct guest_ctx *ctx, int timeout_ms);

/* guest_option - the value of WORD if it is KEY=VALUE, else NULL. */
const char *guest_option(const char *word, const char *key);

#endif
