# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# A real libvirtd with its driver for Xen: SCSI host devices of a domain that virsh starts, through our
# hook; more of them while it runs; what is refused. The domain is that of the documentation.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"
# shellcheck source=tests/lab/tgt.sh
. "$SCENARIO_DIR/tgt.sh"
# shellcheck source=tests/bad-input.sh
. "$TREE/tests/bad-input.sh"

EXAMPLES=$TREE/doc/examples
CMDLINE="console=hvc0 quiet mitigations=off rodata=off cryptomgr.notests panic=1"

# hostdev HOST UNIT TARGET [MORE [ATTRIBUTES]]: one device; without TARGET it may have any place.
hostdev() {
	echo "<hostdev mode='subsystem' type='scsi' managed='no' ${5-}>"
	echo "<source><adapter name='scsi_host$1'/><address bus='0' target='0' unit='$2'/></source>${4-}"
	[[ ! $3 ]] || echo "<address type='drive' controller='0' bus='0' target='$3' unit='0'/>"
	echo "</hostdev>"
}

# domain NAME HOSTDEVS: a PV guest that has nothing but busybox.
domain() {
	cat <<-END
		<domain type='xen'><name>$1</name><memory unit='MiB'>256</memory><vcpu>1</vcpu>
		<os><type arch='x86_64' machine='xenpv'>linux</type><kernel>/boot/vmlinux</kernel>
		<initrd>/boot/guest.cpio.gz</initrd><cmdline>$CMDLINE</cmdline></os>
		<devices><console type='pty'><target type='xen'/></console>$2</devices></domain>
	END
}

# example: the same of the example in the documentation, with its devices as they are here.
example() {
	sed -e "s:/boot/guest/vmlinuz:/boot/vmlinux:; s:/boot/guest/initrd.img:/boot/guest.cpio.gz:" \
		-e "s:<cmdline>.*<:<cmdline>$CMDLINE<:; s:>2048<:>256<:; /<disk /,/<.disk>/d" \
		-e "s/'scsi_host1'/'debug'/; s/'scsi_host2'/'scsi_host$tape'/; s/'debug'/'scsi_host$debug'/" \
		"$EXAMPLES/libvirt.xml"
}

# valid FILE: by libvirt's own schema.
valid() {
	virt-xml-validate "$1" domain
}

# not_started DOMAIN REGEX: virsh says why, and nothing has been made.
not_started() {
	local said
	said=$(virsh start "$1" 2>&1) && return 1
	echo "$said"
	[[ $said =~ $2 && $(virsh domstate "$1") == "shut off" ]] && ! guest_exists "$1"
}

# started DOMAIN: by virsh, and its userland is ready.
started() {
	local offset
	offset=$(guest_log_size "$1")
	virsh -q start "$1" && guest_wait "$1" "$offset"
}

# is_off DOMAIN: for wait_for.
is_off() {
	[[ $(virsh domstate "$1") == "shut off" ]]
}

# models GUEST: its SCSI devices as it knows them, "C:T:L MODEL", in that order.
models() {
	guest_run "$1" 60 'cd /sys/class/scsi_device; for d in *; do
		read -r model <$d/device/model; echo "${d#*:} $model"; done' | sort | paste -s -d ,
}

# has GUEST MODELS: for wait_for.
has() {
	[[ $(models "$1") == "$2" ]]
}

# places GUEST: where it has devices, by xenstore.
places() {
	xenpv scsi-list --json "$1" | jq -r '.[].vdev' | sort | paste -s -d ' '
}

# reads_tape GUEST: what it writes to the tape.
reads_tape() {
	guest_run "$1" 120 'set -e
		dd if=/dev/urandom of=/tmp/t bs=32k count=8 2>/dev/null
		dd if=/tmp/t of=/dev/st0 bs=32k 2>/dev/null
		dd if=/dev/st0 of=/tmp/back bs=32k 2>/dev/null
		cmp /tmp/t /tmp/back'
}

export LIBVIRT_DEFAULT_URI=xen:///system
modprobe -a sd_mod sg
modprobe scsi_debug dev_size_mb=16 max_luns=3 delay=0 || bail "scsi_debug"
debug=$(basename "$(wait_for 60 ls -d /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*)")
debug=${debug#host}
tgt_make 16 >"$OUT/tgt.log" 2>&1 || bail "no tape library: $(cat "$OUT/tgt.log")"
tgt_login || bail "no tape library"
tape=$(tgt_address 1)
tape=${tape%%:*}
mtx -f "/dev/$(tgt_node 3 scsi_generic)" load 1 0 >/dev/null || bail "no tape"

# No model of a processor that libvirt knows has as little as this one.
sed -i /vme/d /usr/share/libvirt/cpu_map/x86_486.xml
# Of its drivers that for Xen is what we want: some take long to start, and that for QEMU wants a user who
# is not here, and ends all of libvirtd.
find /usr/lib/*/libvirt/connection-driver -name '*.so' ! -name '*_libxl.so' -delete
mkdir -p /run/dbus /etc/libvirt/hooks/libxl.d /var/log/libvirt
ln -s /usr/local/libexec/xenpv/libvirt-hook /etc/libvirt/hooks/libxl
# Somebody takes the device of one domain between our two looks at it.
cat >/etc/libvirt/hooks/libxl.d/thief <<-'END'
	#!/bin/sh
	[ "$1 $2" != "late start" ] || exec xenpv scsi-attach --timeout 120 backup "$(cat /root/stolen)" 0:0:6:0
END
chmod 755 /etc/libvirt/hooks/libxl.d/thief
dbus-uuidgen --ensure
dbus-daemon --system --fork >"$OUT/dbus.log" 2>&1
virtlogd -d >"$OUT/virtlogd.log" 2>&1
libvirtd -d >"$OUT/libvirtd.log" 2>&1
ok "libvirtd has its driver for Xen" wait_for 240 eval 'virsh version >"$OUT/version" 2>&1' ||
	{ sed 's/^/# /' "$OUT/version"; tap_end; }

note "libvirt's schema"
sed "/<devices>/r $EXAMPLES/libvirt-disk.xml" "$EXAMPLES/libvirt.xml" >more.xml
sed "/unit='1'/d" more.xml >broken.xml
ok "the example of the documentation is valid" valid "$EXAMPLES/libvirt.xml"
ok "with the other example, too" valid more.xml
ok "not everything is" eval '! valid broken.xml'

note "what does not start"
example >backup.xml
domain two "$(hostdev "$debug" 1 1 '<shareable/>')$(hostdev "$debug" 2 2 '' "sgio='filtered'")" >two.xml
domain clash "$(hostdev "$debug" 0 1)" >clash.xml
domain late "$(hostdev "$debug" 2 1)" >late.xml
domain missing "$(hostdev 99 0 1)" >missing.xml
ok "libvirt takes them" virsh -q "$(printf 'define --validate %s.xml; ' backup two clash late missing)"
ok "no xenpvd" not_started backup "xenpvd"
daemon_start || bail "xenpvd starts"
ok "a device that is not there" not_started missing "SCSI device 99:0:0:0 .line [0-9]+. is not there"

note "virsh start"
all="0:1:0 Ultrium 3-SCSI,0:1:1 L700,0:2:0 scsi_debug"
ok "virsh start, and it is up" started backup || tap_end
ok "it has its devices where its XML says" wait_for 60 has backup "$all" || models backup
is "each the device itself" "$(guest_run backup 60 'cat /sys/class/scsi_device/*:0:2:0/device/wwid')" \
	"$(cat "/sys/class/scsi_device/$debug:0:0:0/device/wwid")"
ok "what it writes to the tape it reads" reads_tape backup
ok "another domain's device does not start one" not_started clash \
	"hooks/libxl clash start begin.*<hostdev> of line [0-9]+: .* is vdev 0:0:2:0 of guest 'backup' already"
ok "reboot from inside" reboot_inside backup
ok "it has its devices again" wait_for 60 has backup "$all" || models backup
ok "and its tape" reads_tape backup

note "while it runs"
sed "s/scsi_host1'/scsi_host$debug'/" "$EXAMPLES/libvirt-disk.xml" >disk.xml
hostdev "$debug" 2 3 '' "sgio='filtered' rawio='yes'" >raw.xml
hostdev "$debug" 2 4 >elsewhere.xml
hostdev "$debug" 1 5 >alone.xml
ok "virsh cannot" eval '! virsh attach-device backup disk.xml --live'
ok "libvirt-attach: readonly, without a place" xenpv libvirt-attach --timeout 120 backup disk.xml
ok "libvirt-attach: rawio" xenpv libvirt-attach --timeout 120 backup raw.xml
is "a disk made from it at the first free place, and the device itself" "$(models backup)" \
	"0:0:0 DISK,$all,0:3:0 scsi_debug"
is "the guest may only read it" "$(guest_run backup 60 'cat /sys/class/scsi_device/*:0:0:0/device/block/*/ro')" 1
refused "twice" "0:0:3:0" xenpv libvirt-attach backup raw.xml
refused "it is not there" "has not the device .* at this <address>" xenpv libvirt-detach backup elsewhere.xml
ok "libvirt-detach, by its place" xenpv libvirt-detach --timeout 120 backup raw.xml

ok "a domain that shares a disk, paused" virsh -q start --paused two
is "it has them before it runs" "$(places two)" "0:0:1:0 0:0:2:0"
ok "it runs" virsh -q resume two
ok "it is up" guest_wait two 0
ok "the device itself, and what sgio='filtered' makes of it" wait_for 60 has two "0:1:0 scsi_debug,0:2:0 DISK" ||
	models two
refused "shared by the others alone" "0:0:[01]:0 of guest" xenpv libvirt-attach backup alone.xml
ok "libvirt-detach, by the device" xenpv libvirt-detach --timeout 120 backup disk.xml
is "what is left" "$(places backup)" "0:0:1:0 0:0:1:1 0:0:2:0"
virsh dumpxml backup | xenpv domxml-to-vscsi - >vscsi.cfg
sed 's/^/# /' vscsi.cfg
id="wwid=[^']+"
like "as a line of xl's file" "$(tr -d '\n' <vscsi.cfg)" \
	"^vscsi = \\[ *'$tape:0:0:1,0:0:1:0,$id', *'$tape:0:0:3,0:0:1:1,$id', *'$debug:0:0:0,0:0:2:0,$id',\\]\$"

note "the end"
ok "virsh shutdown" virsh -q shutdown two
ok "it ends" wait_for 120 is_off two
echo "$debug:0:0:2" >stolen
ok "a device that is taken at the last moment" not_started late \
	"hooks/libxl late started begin.* is vdev 0:0:6:0 of guest 'backup' already"
ok "virsh shutdown of the other one" virsh -q shutdown backup
ok "it ends" wait_for 120 is_off backup
ok "nothing is left" wait_for 60 nothing_left || ok "what is left" what_is_left
ok "the device that was in use" started clash
ok "it is there" wait_for 60 has clash "0:1:0 scsi_debug"
ok "virsh destroy, and at once again" virsh -q "destroy clash; start --paused clash"
is "with its device" "$(places clash)" 0:0:1:0
ok "virsh destroy" virsh -q destroy clash
ok "nothing is left" wait_for 60 nothing_left || ok "what is left" what_is_left
ok "xenpvd ends" daemon_stop
is "nor in /run" "$(find /run/xenpv ! -type d ! -name lock)" ''
tap_end
