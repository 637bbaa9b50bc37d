# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2317
#
# A whole SCSI adapter as a controller, on a sysfs of our own making in a mount namespace: which LUNs come and
# go, and what is refused. There is no sg driver behind it, so that all LUNs fail; real ones are in the lab.
if ((EUID)) && [[ ! -v OWN_SYSFS ]]; then
	unshare -rm true 2>/dev/null || { echo "1..0 # SKIP there are no user namespaces"; exit 0; }
	# Root to mount, then a user again.
	exec unshare -rm bash -c 'mount -t tmpfs none /sys/class && mkdir -p /sys/class/scsi_{device,host}/ &&
		exec unshare -U --map-user=65534 --map-group=65534 env OWN_SYSFS=/sys/class bash "$0"' "$0"
fi
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"
# shellcheck source=tests/bad-input.sh
. "${BASH_SOURCE[0]%/*}/../bad-input.sh"

# device ADDRESS WWID: a disk.
device() {
	local dir=$OWN_SYSFS/fake/$1
	mkdir -p "$dir/scsi_generic/sg${1##*:}" "$OWN_SYSFS/scsi_device/$1"
	echo 0 >"$dir/type"
	echo Linux >"$dir/vendor"
	echo disk >"$dir/model"
	echo "$2" >"$dir/wwid"
	ln -sfn "$dir" "$OWN_SYSFS/scsi_device/$1/device"
}

# no_device ADDRESS
no_device() {
	rm -r "$OWN_SYSFS/scsi_device/$1" "$OWN_SYSFS/fake/$1"
}

# luns_are GUEST PLACES: those are its LUNs.
luns_are() {
	[[ $(xenpv scsi-list --json "$1" | jq -r '[.[].vdev] | sort | join(" ")') == "$2" ]]
}

# rounds: those of all devices so far; more_rounds N: than that many.
rounds() {
	grep -c 'own=.*action' xenpvd.log
}
more_rounds() {
	(($(rounds) > $1))
}

# look GUEST: something has changed, as the kernel's event would say.
look() {
	xenstore-write "/local/domain/0/backend/xenpv-vscsi/$(guest_id "$1")/1/looked" "$EPOCHREALTIME"
}

mkdir "$OWN_SYSFS/scsi_host/host7" "$OWN_SYSFS/scsi_host/host8"
device 7:0:0:0 naa.5000000000000000
device 7:0:0:3 naa.5000000000000003
device 7:0:64:0 naa.5000000000000064
device 8:0:0:1 naa.5000000000000081
daemon_start --log-level debug || bail "xenpvd starts"
guest_start g1 || bail "a guest starts"
is "scsi-devices lists them" "$(xenpv scsi-devices --json | jq -r '[.[].address] | join(" ")')" \
	"7:0:0:0 7:0:0:3 7:0:64:0 8:0:0:1"
like "as a table, with a name that stays" "$(xenpv scsi-devices)" '7:0:0:3 +disk +Linux +disk +- +- +naa.5000000000000003:3 +sg3'
refused "no such adapter" "no such SCSI adapter" xenpv scsi-attach g1 host:9 1:0:0:0
refused "no number" "is not host:N" xenpv scsi-attach g1 host: 1:0:0:0
refused "more than a number" "is not host:N" xenpv scsi-attach g1 host:7x 1:0:0:0
refused "an option" "no option 'ro'" xenpv scsi-attach g1 host:7 1:0:0:0,ro
refused "a device without its node" "7:0:0:0.*No such file" xenpv scsi-attach g1 7:0:0:0 0:0:0:0
refused "a device that is none" "no such SCSI device" xenpv scsi-attach g1 7:0:0:9 0:0:0:0

ok "scsi-attach of an adapter" xenpv scsi-attach g1 host:7 1:0:0:0
ok "its LUNs are there, but for what guests cannot address" wait_for 20 luns_are g1 "1:0:0:0 1:0:0:3"
like "what cannot be served says why" "$(xenpv scsi-list g1)" '1:0:0:3 .*failed: .*sg3: No such file'
refused "a LUN on its controller" "is an adapter" xenpv scsi-attach g1 null:1M 1:0:9:0
refused "another adapter on its controller" "is in use" xenpv scsi-attach g1 host:8 1:0:0:0
refused "to save a guest that has one" "controller 1 of guest 'g1' is the whole adapter host:7" xenpv save g1 "$WORK/g1.save"
no_device 7:0:0:3
device 7:0:0:5 naa.5000000000000005
look g1
ok "one goes, one comes" wait_for 20 luns_are g1 "1:0:0:0 1:0:0:5"
no_device 7:0:0:5
device 7:0:0:5 naa.5000000000000055
look g1
ok "another device at the same place takes it" wait_for 20 eval \
	'xenpv scsi-list --json g1 | jq -e ".[] | select(.options == \"wwid=naa.5000000000000055\")" >/dev/null'
# While the guest stands, the controller stays at Reconfiguring.
freeze "${guest_pid[g1]}"
device 7:0:0:6 naa.5000000000000066
look g1
ok "one comes while the guest stands" wait_for 20 luns_are g1 "1:0:0:0 1:0:0:5 1:0:0:6"
device 7:0:0:7 naa.5000000000000077
before=$(rounds)
look g1
ok "xenpvd has looked meanwhile" wait_for 20 more_rounds "$before"
kill -CONT "${guest_pid[g1]}"
ok "what came meanwhile is seen when it goes on" wait_for 20 luns_are g1 "1:0:0:0 1:0:0:5 1:0:0:6 1:0:0:7"
rmdir "$OWN_SYSFS/scsi_host/host7"
mkdir "$OWN_SYSFS/scsi_host/host7"
device 7:0:0:8 naa.5000000000000088
look g1
sleep 1
ok "an adapter that gets the number later is not taken for it" luns_are g1 "1:0:0:0 1:0:0:5 1:0:0:6 1:0:0:7"
ok "scsi-detach takes it as a whole" xenpv scsi-detach g1 1:0:0:5
is "nothing is left" "$(xenstore-ls -f /local/domain | grep -cE '/xenpv-vscsi/[0-9]|/device/vscsi')" 0
ok "the guest ends" guest_stop g1
ok "xenpvd stops" daemon_stop
tap_end
