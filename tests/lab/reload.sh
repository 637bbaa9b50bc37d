# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# A guest starts its driver again while xenpvd does not look: when it looks again, both ends are
# Connected, as before, but the ring is another one and the guest has forgotten its disks.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"

IMAGE=/var/tmp/reload.img
SECOND=/var/tmp/second.img

# ring: the frontend's ring.
ring() {
	echo "$(xenstore-read "$front/ring-ref") $(xenstore-read "$front/event-channel")"
}

# front_is STATE: whether the frontend has that state.
front_is() {
	[[ $(xenstore-read "$front/state") == "$1" ]]
}

# reload_unseen: xenpvd is left stopped. The driver is taken from the device and given again, which is
# what loading it again does, but its module may be held by whatever looks at the disk.
reload_unseen() {
	kill -STOP "$daemon_pid"
	guest_run g 60 'cd "$(dirname /sys/bus/xen/drivers/*/vscsi-0)" &&
		echo vscsi-0 >unbind && echo vscsi-0 >bind' && wait_for 60 front_is 4
}

# states: of both ends, and of the disks at our end.
states() {
	xenstore-read "$back/state" "$front/state" "$back/vscsi-devs/dev-0/state" \
		"$back/vscsi-devs/dev-1/state" 2>/dev/null | tr '\n' ' '
}
connected() {
	[[ $(states) =~ ^(4 )+$ ]]
}

# same VDEV FILE: the guest reads there what is in the file.
same() {
	local sum
	sum=$(md5sum <"$2")
	guest_run g 60 "dd if=/dev/$(guest_disk g "$1") bs=1M iflag=direct 2>/dev/null | md5sum" |
		grep -q "${sum%% *}"
}

daemon_start --log-level debug || bail "xenpvd starts"
guest_start g || bail "the guest starts"
for image in "$IMAGE" "$SECOND"; do
	head -c 8M /dev/urandom >"$image"
done
ok "attach" xenpv scsi-attach g "$IMAGE" 0:0:0:0 || tap_end
back=/local/domain/0/backend/xenpv-vscsi/$(xl domid g)/0
front=/local/domain/$(xl domid g)/device/vscsi/0
ok "the guest reads the disk" same 0:0:0:0 "$IMAGE"

before=$(ring)
ok "the driver starts again while xenpvd does not look" reload_unseen
like "both ends are Connected as if nothing had been" "$(states)" '^4 4 4'
[[ $(ring) != "$before" ]]
tap_result $? "the ring is another one: $before, now $(ring)"
ok "the guest has no disk" has_no_disk g 0:0:0:0
kill -CONT "$daemon_pid"
ok "xenpvd looks: the guest has its disk again" wait_for 30 has_disk g 0:0:0:0
ok "all is Connected" wait_for 60 connected
ok "the guest reads the disk" same 0:0:0:0 "$IMAGE"

ok "once more" reload_unseen
xenstore-write "$back/vscsi-devs/dev-1/p-devname" "$SECOND" "$back/vscsi-devs/dev-1/p-dev" "$SECOND" \
	"$back/vscsi-devs/dev-1/v-dev" 0:0:0:1 "$back/vscsi-devs/dev-1/state" 1 "$back/state" 7
ok "and a disk is added before xenpvd looks" wait_for 60 front_is 7
kill -CONT "$daemon_pid"
ok "the guest has the first disk" wait_for 30 has_disk g 0:0:0:0
ok "the guest has the second disk" wait_for 30 has_disk g 0:0:0:1
ok "all is Connected" wait_for 60 connected
ok "the guest reads the first disk" same 0:0:0:0 "$IMAGE"
ok "the guest reads the second disk" same 0:0:0:1 "$SECOND"
is "xenpvd has found a new ring twice" "$(grep -c 'the guest has a new ring' "$OUT/xenpvd.log")" 2
like "no worker died" "$(grep -E 'died|level=err' "$OUT/xenpvd.log")" '^$'

ok "detach" xenpv scsi-detach g 0:0:0:1
xl destroy g
ok "no worker is left" wait_for 20 no_workers
ok "xenpvd stops" daemon_stop
tap_end
