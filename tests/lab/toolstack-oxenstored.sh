# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034
#
# toolstack.sh, where xenstored is the one in OCaml.
# shellcheck source=tests/lab/on_oxenstored.sh
. "$SCENARIO_DIR/on_oxenstored.sh"
# shellcheck source=tests/lab/toolstack.sh
. "$SCENARIO_DIR/toolstack.sh"
