# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2317
#
# libvirt's XML, without libvirt and SCSI devices: all that is wrong with it is refused, and the hook leaves
# alone what is not ours. The rest is tests/lab/libvirt.sh.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"
# shellcheck source=tests/bad-input.sh
. "$here/../bad-input.sh"

# xml FILE TEXT: a file of it.
xml() {
	printf '%s\n' "$2" >"$1.xml"
}

# attach FILE, detach FILE, hook FILE OPERATION, convert FILE: what reads it.
attach() {
	xenpv libvirt-attach web "$1.xml"
}
detach() {
	xenpv libvirt-detach web "$1.xml"
}
hook() {
	xenpv libvirt-hook web "$2" begin - <"$1.xml"
}
convert() {
	xenpv domxml-to-vscsi "$1.xml"
}

source="<source><adapter name='scsi_host999'/><address bus='0' target='1' unit='0'/></source>"
device="<hostdev mode='subsystem' type='scsi'>$source</hostdev>"
xml device "$device"
xml network '<network><name>n</name></network>'
xml usb "<hostdev mode='subsystem' type='usb'/>"
xml vhost "<hostdev mode='subsystem' type='scsi_host'><source protocol='vhost' wwpn='naa.5123456789abcde0'/></hostdev>"
xml iscsi "<hostdev mode='subsystem' type='scsi'><source protocol='iscsi' name='iqn.2026-11.lab:x/1'/></hostdev>"
xml text 'phy:/dev/sda,xvda,w'
xml cut "<hostdev mode='subsystem' type='scsi'>"
xml adapter "<hostdev type='scsi'><source><adapter name='pci0'/></source></hostdev>"
xml place "<hostdev type='scsi'>$source<address type='drive' target='64'/></hostdev>"
xml entity "<!DOCTYPE d [<!ENTITY a SYSTEM '/etc/passwd'>]><hostdev type='scsi'>&a;</hostdev>"
xml plain "<domain type='xen'><name>web</name><devices><hostdev type='usb'/></devices></domain>"
xml domain "<domain type='xen'><name>web</name><devices>
$device</devices></domain>"
xml twice "<domain><devices>
$(sed "s:</h:<address type='drive' unit='1'/></h:" device.xml)
$(sed "s:</h:<address type='drive' unit='1'/></h:" device.xml)</devices></domain>"
truncate -s 5M big.xml

note "without xenpvd"
ok "the hook is nothing to a domain without SCSI devices" hook plain start
for operation in prepare reconnect migrate restore; do
	ok "nor is $operation to any" hook domain $operation
done
is "it changes no XML" "$(hook domain migrate)" ''
is "no devices are no list" "$(convert plain | tr -d '\n')" 'vscsi = []'

ok "xenpvd starts" daemon_start || bail "xenpvd: $(cat xenpvd.log)"
ok "the guest starts" guest_start web
note "what is refused"
for how in attach detach; do
	refused "$how: another document" "network.xml:1: it is a <network>" $how network
	refused "$how: another device" "usb.xml:1: .*type='usb'" $how usb
	refused "$how: a whole adapter" "type='scsi_host'" $how vhost
	refused "$how: iSCSI" "iscsi.xml:1: .*protocol='iscsi'" $how iscsi
	refused "$how: no XML" "text.xml:1: it is not XML" $how text
	refused "$how: half of it" "cut.xml:[12]: it is not XML" $how cut
	refused "$how: another adapter" "adapter.xml:1: .*scsi_hostN" $how adapter
	refused "$how: no place of a guest" "place.xml:1: .*0:0:64:0" $how place
	refused "$how: entities" "entity.xml: .*DOCTYPE" $how entity
	refused "$how: too large" "big.xml: .*bytes" $how big
	refused "$how: no such file" "none.xml cannot be read: No such file" $how none
	refused "$how: a whole domain" "domain.xml is a whole <domain>" $how domain
	refused "$how: a device that is not there" "999:0:1:0 .line 1. is not there" $how device
done
refused "no such guest" "nobody" xenpv libvirt-attach nobody device.xml
refused "an option that is none" "--forced" xenpv libvirt-detach --forced web device.xml
for how in "hook domain start" "convert domain"; do
	# shellcheck disable=SC2086 # words
	refused "${how%% *}: a device that is not there" "999:0:1:0 .line 2. is not there" $how
done
refused "hook: one place twice" "lines 2 and 3 have the same <address>" hook twice start
refused "hook: no domain" "standard input is one device" hook device start
refused "hook: no XML" "standard input:1: it is not XML" hook text start
refused "hook: started without a number" "lacks its id" hook domain started
tap_end
