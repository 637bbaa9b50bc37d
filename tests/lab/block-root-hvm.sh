# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# block-root.sh with an HVM guest, which takes a minute to boot under emulation.
TYPES=hvm
. "$SCENARIO_DIR/block-root.sh"
