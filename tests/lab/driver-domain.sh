# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# A driver domain: xenpvd in a guest serves another guest, under the stock `xl devd`; its worker and
# itself are killed under verified load. Then that domain is destroyed and made anew.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"
# shellcheck source=tests/lab/load.sh
. "$SCENARIO_DIR/load.sh"

# loop NAME: the loop device of that file.
loop() {
	losetup -j "/var/tmp/$1.img" -n -O NAME | grep . || losetup -f --show "/var/tmp/$1.img"
}

# driver_start: the domain "storage", whose own disks are two files of dom0.
driver_start() {
	local file
	guest_start storage driver_domain=1 disk="format=raw,vdev=xvdb,access=w,script=block-lab,target=$(loop b)" \
		disk="format=raw,vdev=xvdc,access=w,script=block-lab,target=$(loop c)" || return
	for file in /usr/local/sbin/xenpvd /usr/local/sbin/xenpv /usr/local/libexec/xenpv/xenpv-worker; do
		guest_run storage 30 "mkdir -p ${file%/*} /var/lib/xenpv" || return
		gzip -9 <"$file" | guest_feed storage 120 "gunzip >$file && chmod 755 $file" || return
	done
	driver_daemon
}

# driver_daemon: xenpvd there, until it answers.
driver_daemon() {
	guest_run storage 60 'setsid xenpvd >>/tmp/xenpvd.log 2>&1 </dev/null &
		for i in $(seq 200); do xenpv status >/dev/null 2>&1 && exit; sleep 0.1; done; tail /tmp/xenpvd.log; exit 1'
}

# there_served: both devices are connected, as the driver domain's xenpvd knows it.
there_served() {
	[[ $(guest_run storage 60 'xenpv status --json' |
		jq '[.guests[].devices[] | select(.connected and (.down | not))] | length') == 2 ]]
}

# awaited: the new backends wait for the guest; before that it may not resume.
awaited() {
	local back g
	back=/local/domain/$(guest_id storage)/backend
	g=$(guest_id g)
	[[ $(xenstore-read "$back/xenpv-vbd/$g/51792/state" "$back/xenpv-vscsi/$g/0/state" | xargs) == '2 2' ]]
}

# busy DISK: the load on the guest's disk is going on. in_flight: requests are under way for seconds.
busy() {
	guest_run g 60 "ended() { set -- \$(cat /sys/block/$1/stat); echo \$((\$1 + \$5)); }
		before=\$(ended); sleep 1; [ \$((\$(ended) - before)) -gt 5 ]"
}
in_flight() {
	guest_run g 60 "for i in \$(seq 30); do grep -q '[1-9]' /sys/block/$1/inflight || exit; sleep 0.1; done"
}

# nodes: all of xenstore that an attempt could change; that a domain has a directory "backend" means nothing.
nodes() {
	xenstore-ls -f /local/domain | grep -v '/data/\|/backend = ""'
}

# refused TEXT REGEX COMMAND...: fails, says so in one line, and changes nothing.
refused() {
	local text=$1 regex=$2 before said
	shift 2
	before=$(nodes)
	said=$("$@" 2>&1) && said="(succeeded) $said"
	like "$text" "$said" "$regex"
	is "$text: one line" "$(wc -l <<<"$said")" 1
	is "$text: xenstore is as it was" "$(nodes)" "$before"
}

truncate -s 128M /var/tmp/b.img /var/tmp/c.img
ok "a guest starts" guest_start g || bail "no guest"
refused "a domain that is not there" "backend 'storage': there is no such domain" \
	xenpv block-attach g /dev/xvdb,raw,xvdf,w,backend=storage
ok "the driver domain starts, with xenpvd" driver_start || bail "no driver domain"
ok "xl devd runs there beside it" guest_run storage 60 'command -v xl && xl devd && pgrep -af "xl devd"'
refused "a domain without xenpvd" "backend 'g' runs no xenpvd|is the guest itself" \
	xenpv scsi-attach g /dev/xvdc 0:0:0:0,backend=g
refused "a name that means nothing there" "give the whole path" \
	xenpv scsi-attach g c.img 0:0:0:0,backend=storage
refused "a device that is not there" "xenpvd cannot give '/dev/none' to guest 'g'" \
	xenpv block-attach g /dev/none,raw,xvdf,w,backend=storage
ok "scsi-attach" xenpv scsi-attach g /dev/xvdc 0:0:0:0,backend=storage
ok "block-attach" xenpv block-attach g /dev/xvdb,raw,xvdf,w,backend=storage
ok "the guest has both" wait_for 30 guest_run g 60 'test -b /dev/sda && test -b /dev/xvdf'
like "scsi-list knows whose it is" "$(xenpv scsi-list g)" ' /dev/xvdc +storage +connected'
like "block-list, too" "$(xenpv block-list g)" ' /dev/xvdb .* storage +connected'
is "nothing of it is dom0's" "$(xenstore-ls -f /local/domain/0/backend | grep xenpv)" ''
refused "the same device again" "given to guest . \(dom [0-9]+\) as 0:0:0:0 already" \
	xenpv scsi-attach g /dev/xvdc 0:0:1:0,backend=storage

# The storage is a disk of blkfront, which cannot write zeroes: no discard, so that half of the load ends at once.
is "discard is not offered" "$(guest_run g 60 'cat /sys/block/{sda,xvdf}/queue/discard_max_bytes' | xargs)" '0 0'
ok "load on the PVSCSI disk" load g sda scsi
ok "load on the block disk" load g xvdf blk
for i in 1 2 3; do
	sleep 2
	ok "the worker is killed ($i)" guest_run storage 60 'pkill -KILL -x xenpv-worker'
	ok "both are served again" wait_for 60 there_served
done
ok "xenpvd is killed and started again" guest_run storage 60 'pkill -KILL -x xenpvd'
ok "it runs" driver_daemon
ok "both are served again" wait_for 60 there_served
for name in scsi blk; do
	ok "the load saw no error: $name" load_ends g "$name"
done
ok "scsi-detach" xenpv scsi-detach g 0:0:0:0
ok "block-detach" xenpv block-detach g xvdf
is "nothing is left in the driver domain's nodes" \
	"$(xenstore-ls -f "/local/domain/$(guest_id storage)/backend" | grep -c 51792)" 0

# The domain is destroyed under load, and made anew: a backend of another number. A guest's frontends look for their
# backends when they resume, and blkfront sends again what was under way. The programs are to wait where they can be
# frozen, in io_getevents(): no flushes, and few requests at a time.
LIGHT="--runtime=60 --fdatasync=0 --bsrange=4k-32k --iodepth=4 --offset=2m"
ok "scsi-attach again" xenpv scsi-attach g /dev/xvdc 0:0:0:0,backend=storage
ok "block-attach again" xenpv block-attach g /dev/xvdb,raw,xvdf,w,backend=storage
ok "the guest has both again" wait_for 30 guest_run g 60 'test -b /dev/sda && test -b /dev/xvdf'
ok "and writes" guest_run g 120 'for d in sda xvdf; do dd if=/dev/urandom of=/tmp/$d bs=64k count=16 2>/dev/null &&
	dd if=/tmp/$d of=/dev/$d bs=64k oflag=direct || exit; done'
sums=$(guest_run g 120 'md5sum </tmp/sda; md5sum </tmp/xvdf')
# shellcheck disable=SC2086 # several options
ok "load on the block disk again" load g xvdf blk $LIGHT
ok "it is busy" wait_for 60 busy xvdf
ok "the driver domain is destroyed" xl destroy storage
ok "requests wait for their answers" in_flight xvdf
ok "the guest is saved meanwhile" xl save g /var/tmp/g.save
ok "the driver domain is made anew" driver_start
ok "the guest is restored, paused" xl restore -p /var/tmp/g.save
ok "scsi-attach from the new one" xenpv scsi-attach --no-wait g /dev/xvdc 0:0:0:0,backend=storage
ok "block-attach from the new one" xenpv block-attach --no-wait g /dev/xvdb,raw,xvdf,w,backend=storage
ok "xenpvd there has looked at both" wait_for 30 awaited
ok "it goes on" xl unpause g
ok "with both, and what it wrote" guest_run g 120 'for d in sda xvdf; do
	dd if=/dev/$d bs=64k count=16 iflag=direct | cmp - /tmp/$d || exit; done'
ok "the load saw no error" load_ends g blk

# xen-scsifront waits for the answers, and lets go of nothing while commands are under way: such a guest is made anew.
# shellcheck disable=SC2086 # several options
ok "load on the PVSCSI disk again" load g sda scsi $LIGHT
ok "it is busy" wait_for 60 busy sda
ok "the driver domain is destroyed again" xl destroy storage
ok "commands wait for their answers" in_flight sda
ok "the guest is destroyed, too" xl destroy g
ok "the driver domain is back" driver_start
ok "the guest starts again" guest_start g
ok "scsi-attach" xenpv scsi-attach g /dev/xvdc 0:0:0:0,backend=storage
ok "block-attach" xenpv block-attach g /dev/xvdb,raw,xvdf,w,backend=storage
ok "the guest has both" wait_for 30 guest_run g 60 'test -b /dev/sda && test -b /dev/xvdf'
is "with what was written" "$(guest_run g 120 'for d in sda xvdf; do head -c 1M /dev/$d | md5sum; done')" "$sums"

# Or the guest gives back what is left of its disk, and gets it again. (Only one that has nothing in flight: Linux
# waits for the answers.)
ok "scsi-detach" xenpv scsi-detach g 0:0:0:0
ok "the driver domain is destroyed with nothing in flight" xl destroy storage
like "the disk is nobody's" "$(xenpv block-list g)" '^Guest.*
g +xvdz [^
]*$'
ok "block-detach of what is left" xenpv block-detach --force g xvdf
ok "the guest does not have it" wait_for 60 guest_run g 60 '! test -e /sys/block/xvdf'
ok "the driver domain is back" driver_start
ok "block-attach again" xenpv block-attach g /dev/xvdb,raw,xvdf,w,backend=storage
ok "the guest has it" wait_for 30 guest_run g 60 'test -b /dev/xvdf'
ok "it works" guest_run g 120 'dd if=/dev/urandom of=/tmp/x bs=64k count=16 &&
	dd if=/tmp/x of=/dev/xvdf bs=64k oflag=direct && dd if=/dev/xvdf bs=64k count=16 iflag=direct | cmp - /tmp/x'
guest_stop g
ok "the guest's end leaves nothing there" wait_for 60 guest_run storage 60 '! xenpv status --json | grep -q \"domid\"'
guest_get storage /tmp/xenpvd.log "$OUT/xenpvd.log"
guest_stop storage
tap_end
