# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# A virtual tape library in a stock PV guest: what a backup does with it (tape-cases.sh), and a worker that is
# killed while tar writes.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

# node GUEST VDEV KIND PATTERN: the guest's node of that kind at that place.
node() {
	local h c t l
	IFS=: read -r h c t l <<<"$2"
	guest_run "$1" 30 "for host in /sys/bus/xen/devices/vscsi-$h/host*; do
		ls \$host/target*/*:$c:$t:$l/$3 2>/dev/null; done | grep -m 1 -x '$4'"
}

# expected: what comes of each case.
expected() {
	cat <<-'END'
		inquiry|Medium Changer; 'XENPV   '; 'VTL changer     '
		status|2 drives, 8 slots, 4 full
		transfer|there; and back
		load|loaded; BOT ONLINE
		filemark|10+0; 5+0; 0+0; 0+0
	END
}

# killed GUEST TAPE: tar stops with an error when the worker is killed under it; the tape goes on afterwards.
killed() {
	guest_run "$1" 120 "mt-st -f /dev/n$2 rewind
		(cat /dev/zero | dd of=/dev/n$2 bs=64k count=1200 2>/tmp/dd.err; echo status \$? >>/tmp/dd.err) &
		echo begun" || return
	sleep 1
	kill -KILL "$(pgrep -x xenpv-worker | head -n 1)"
	guest_run "$1" 120 "while ! grep -q status /tmp/dd.err; do sleep 0.2; done; cat /tmp/dd.err
		mt-st -f /dev/n$2 rewind && mt-st -f /dev/n$2 status | grep BOT"
}

cd /var/tmp || exit 1
ok "a library" xenpv vtl create lib --drives 2 --slots 8 --tapes 4 --capacity 24M
daemon_start || bail "xenpvd starts"
guest_start g1 || bail "the guest starts"
guest_run g1 30 'modprobe -a st ch sg'
ok "the changer" xenpv scsi-attach g1 vtl:lib:changer 0:0:0:0
ok "a drive" xenpv scsi-attach g1 vtl:lib:drive0 0:0:0:1
ok "another drive" xenpv scsi-attach g1 vtl:lib:drive1 0:0:0:2
tape=$(node g1 0:0:0:1 scsi_tape 'st[0-9]*') sg=$(guest_sg g1 0:0:0:1) changer=$(guest_sg g1 0:0:0:0)
like "the guest has them" "$tape $sg $changer" '^st[0-9]+ sg[0-9]+ sg[0-9]+$' || tap_end
guest_put g1 "$SCENARIO_DIR/tape-cases.sh" /tmp/cases
guest_run g1 600 "bash /tmp/cases $tape $sg $changer - 2>/tmp/times; cat /tmp/times >&2" >"$OUT/cases" 2>"$OUT/times"
sed 's/^/# /' "$OUT/cases"
while IFS='|' read -r name text; do
	is "$name" "$(sed -n "s/^$name|//p" "$OUT/cases")" "$text"
done < <(expected)
guest_run g1 60 "mtx -f /dev/$changer load 2 0 && mtx -f /dev/$changer status" | sed 's/^/# /'
killed g1 "$tape" >"$OUT/killed" 2>&1
sed 's/^/# /' "$OUT/killed"
guest_run g1 30 "mt-st -f /dev/n$tape rewind; dmesg | tail -n 20" | sed 's/^/# /'
for lun in 0 1 2; do
	ok "detach of LUN $lun" xenpv scsi-detach --timeout 60 g1 0:0:0:$lun
done
ok "verify" xenpv vtl verify lib
xenpv vtl verify lib | sed 's/^/# /'
ok "xenpvd stops" daemon_stop
tap_end
