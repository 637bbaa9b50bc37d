# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2317
#
# What doc/images.md shows: images over a base, snapshots, a base with a cache, disks that forget.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"

# says GUEST TEXT COMMAND REGEX: one result: what the command says in the guest matches.
says() {
	like "$2" "$(guest_do "$1" "$3")" "$4"
}

# kit NAME WORD...: nbdkit in the background, until its socket NAME.sock is there.
kit() {
	local name=$1
	shift
	alone nbdkit -f -U "$name.sock" "$@" >"$name.log" 2>&1 &
	guest_pid[$name]=$! # so that it ends with us
	wait_for 10 test -S "$name.sock"
}

# end NAME: that server.
end() {
	kill "${guest_pid[$1]}"
	wait "${guest_pid[$1]}" 2>/dev/null
	unset "guest_pid[$1]"
}

# reads: how many bytes of the base were read by the nbdkit whose log is base.log.
reads() {
	sed -n 's/.* Read .*count=\(0x[0-9a-f]*\).*/\1/p' base.log | { n=0; while read -r c; do n=$((n + c)); done; echo $n; }
}

# servers N: of images, as many run.
servers() {
	[[ $(ours qemu-nbd | wc -l) == "$1" ]]
}

# a_base: one for two guests.
a_base() {
	ok "an image on a base" qemu-img create -q -f qcow2 -F raw -b "$WORK/base.img" web.qcow2
	ok "another one" qemu-img create -q -f qcow2 -F raw -b "$WORK/base.img" mail.qcow2
	ok "a guest gets one" xenpv scsi-attach web web.qcow2 0:0:0:0,format=qcow2
	ok "another guest the other" xenpv block-attach mail "vdev=xvda,format=qcow2,access=rw,target=$WORK/mail.qcow2"
	says web "it reads the base" 'read 0:0:0:0 0 16M back' '16777216 bytes'
	ok "as it is" cmp back base.img
	says web "it writes" 'verify 0:0:0:0 4M' 'no difference'
	says mail "the other one does not see that" 'read xvda 0 16M back' '16777216 bytes'
	ok "but the base" cmp back base.img
	says mail "it writes" 'verify xvda 4M' 'no difference'
	is "nothing was written to the base" "$(md5sum <base.img)" "$sum"
}

snapshots() {
	local said
	said=$(qemu-img snapshot -c busy web.qcow2 2>&1)
	like "no snapshot of what a guest has" "$? $said" '^1 .*Failed to get "write" lock'
	ok "detach" xenpv scsi-detach web 0:0:0:0
	ok "its server ends" wait_for 10 servers 1
	ok "a snapshot" qemu-img snapshot -c before web.qcow2
	like "it is in the list" "$(qemu-img snapshot -l web.qcow2)" 'before'
	qemu-img convert -f qcow2 -O raw web.qcow2 before.img
	ok "the guest has its disk again" xenpv scsi-attach web web.qcow2 0:0:0:0,format=qcow2
	says web "and writes something else" "write 0:0:0:0 0 noise" 'bytes written'
	ok "detach" xenpv scsi-detach web 0:0:0:0
	ok "its server ends" wait_for 10 servers 1
	no_difference=$(qemu-img compare -f raw -F qcow2 before.img web.qcow2)
	like "which is there" "$no_difference" 'mismatch|Content'
	ok "back to the snapshot" qemu-img snapshot -a before web.qcow2
	ok "attach" xenpv scsi-attach web web.qcow2 0:0:0:0,format=qcow2
	says web "the guest reads" 'read 0:0:0:0 0 16M back' '16777216 bytes'
	ok "what there was then" cmp back before.img
	ok "detach" xenpv scsi-detach web 0:0:0:0
	ok "and from the other guest" xenpv block-detach mail xvda
	ok "the servers end" wait_for 10 servers 0
	ok "the snapshot can be removed" qemu-img snapshot -d before web.qcow2
	ok "the images are in order" eval 'qemu-img check -q web.qcow2 && qemu-img check -q mail.qcow2'
}

a_cache() {
	local once
	ok "a server with a cache" kit base -r --filter=cache --filter=log file base.img cache-on-read=true logfile=base.log
	ok "an image on it" qemu-img create -q -f qcow2 -F raw -b "nbd:unix:$WORK/base.sock" far.qcow2
	ok "another one" qemu-img create -q -f qcow2 -F raw -b "nbd:unix:$WORK/base.sock" far2.qcow2
	ok "a guest gets one" xenpv scsi-attach web far.qcow2 0:0:0:0,format=qcow2
	says web "it reads all of it" 'read 0:0:0:0 0 16M back' '16777216 bytes'
	ok "it is the base" cmp back base.img
	once=$(reads)
	is "which was read once" $((once / (16 << 20))) 1
	ok "another guest gets the other" xenpv scsi-attach mail far2.qcow2 0:0:0:0,format=qcow2
	says mail "it reads all of it" 'read 0:0:0:0 0 16M back' '16777216 bytes'
	ok "the base, too" cmp back base.img
	is "of which nothing was read again" "$(reads)" "$once"
	says mail "it writes" 'verify 0:0:0:0 4M' 'no difference'
	ok "detach" xenpv scsi-detach web 0:0:0:0
	ok "detach" xenpv scsi-detach mail 0:0:0:0
	end base
	is "nothing was written to the base" "$(md5sum <base.img)" "$sum"
}

a_disk_that_forgets() {
	ok "a server that forgets" kit scratch --filter=cow file base.img
	ok "attach" xenpv scsi-attach web "nbd:unix:$WORK/scratch.sock" 0:0:1:0
	says web "the guest writes" 'verify 0:0:1:0 4M' 'no difference'
	ok "detach" xenpv scsi-detach web 0:0:1:0
	end scratch
	is "nothing was written to the base" "$(md5sum <base.img)" "$sum"
}

head -c 16M /dev/urandom >base.img
head -c 2M /dev/urandom >noise
sum=$(md5sum <base.img)
ok "xenpvd starts" daemon_start || bail "xenpvd: $(cat xenpvd.log)"
ok "a guest" guest_start web
ok "another one" guest_start mail
a_base
snapshots
a_cache
a_disk_that_forgets
guest_stop web
guest_stop mail
ok "no worker is left" wait_for 20 no_workers
ok "xenpvd ends" daemon_stop
tap_end
