# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# For scenarios that are another's, where xenstored is the one in OCaml: sourced first.
pgrep -x oxenstored >/dev/null || {
	echo "not ok 1 - oxenstored runs: LAB_LINUX_ARGS=XENSTORED=oxenstored"
	echo 1..1
	exit 1
}
