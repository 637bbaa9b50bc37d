# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Start-up of the interactive shell of "lab shell".
# shellcheck source=lab/dom0/helpers.sh
. /lab/helpers.sh
PS1='dom0:\w\$ '
