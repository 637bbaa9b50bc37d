# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# The smallest scenario: a PV and a PVH guest, and what they have. Ends with status 7, to see that it
# arrives.
xl info | grep -E '^(xen_version|virt_caps)'
for type in pv pvh; do
	guest_start "g-$type" type=$type || exit
	guest_run "g-$type" 20 'uname -r; lsscsi --version; fio --version; sg_inq --version' || exit
	guest_run "g-$type" 20 'iscsi-test-cu --help 2>&1 | head -n 3' || exit
done
xl list | tee "$OUT/guests.txt"
guest_stop g-pv
guest_stop g-pvh
say "done"
exit 7
