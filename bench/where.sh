# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# In dom0 of the lab, behind a scenario: on what it has measured.
kernel_version=$(uname -r)
echo "Xen $(xl info | sed -n 's/^xen_version *: //p') on $(xl info | sed -n 's/^nr_cpus *: //p') processor(s)," \
	"Linux $kernel_version in dom0 ($(nproc) virtual processors) and guest (1)." >"$OUT/where.txt"
