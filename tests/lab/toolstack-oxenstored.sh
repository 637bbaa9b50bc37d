# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2034
#
# toolstack.sh, where xenstored is the one in OCaml.
pgrep -x oxenstored >/dev/null || {
	echo "not ok 1 - oxenstored runs: LAB_LINUX_ARGS=XENSTORED=oxenstored"
	echo 1..1
	exit 1
}
# shellcheck source=tests/lab/toolstack.sh
. "$SCENARIO_DIR/toolstack.sh"
