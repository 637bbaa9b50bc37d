/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of `xenpv vtl` share. */
#ifndef CLI_VTL_H
#define CLI_VTL_H

#include "cli/commands.h"
#include "control/vtl_dir.h"

#define VTL_ERR_MAX 512

/* Each: 0, or a negative errno and one line in ERR (VTL_ERR_MAX bytes). The
 * first operand in ARGS is the subcommand. */
int vtl_import(const struct cli_args *args, char *err);
int vtl_export(const struct cli_args *args, char *err);

/* The cartridge that args->arg[2] names, and its file; -ENOENT. */
int vtl_named(struct vtl *v, const char *barcode, int flags,
	      struct vtl_cart **cart, int *fd, char *err);

#endif
