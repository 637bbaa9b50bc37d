# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2317
#
# What guests' files list, without Xen and xl: xenpvd gives it to a guest that appears, config-attach to one
# that is there; and all that is wrong is refused by the commands that need xl before they need it.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"
# shellcheck source=tests/bad-input.sh
. "$here/../bad-input.sh"

# config FILE LINE...: a guest's file.
config() {
	printf '%s\n' "${@:2}" >"$1"
}

# has GUEST VDEV PDEV STATE: so xenpv says.
has() {
	xenpv scsi-list "$1" | grep -q "^$1  *$2 .* $3 .* $4\$"
}
has_disk() {
	xenpv block-list "$1" | grep -q "^$1  *$2 .* $3 .* $4\$"
}
no_devices_of() {
	! { xenpv scsi-list; xenpv block-list; } | grep -q "^$1 "
}
no_devices() {
	! tree | grep -q /state
}
logged() {
	grep -q "$1" xenpvd.log
}

mkdir auto
truncate -s 64M a.img b.img c.img d.img
truncate -s 0 empty.img
ok "xenpvd starts" daemon_start --command "$XENPV_BUILD/xenpv" --guest-dirs "$WORK/none:$WORK/auto" ||
	bail "xenpvd: $(cat xenpvd.log)"

note "a guest that appears, and has a file"
config auto/web.cfg 'name = "web"' "vscsi = [ '$WORK/a.img,0:0:0:0', '$WORK/b.img,0:0:1:0,ro' ]" \
	"xenpv_disk = [ '$WORK/c.img,raw,xvda,rw' ]"
config auto/other.cfg 'name = "other"' "vscsi = [ '$WORK/d.img,0:0:0:0' ]"
config auto/web.cfg~ 'name = "web"' "vscsi = [ '$WORK/d.img,0:0:0:0' ]"
config auto/plain 'name = "plain"' 'memory = 64'
ln -s web.cfg auto/link.cfg
ok "the guest starts" guest_start web
ok "it has its first device" wait_for 20 has web 0:0:0:0 "$WORK/a.img" connected
ok "its second" wait_for 20 has web 0:0:1:0 "$WORK/b.img" connected
ok "its disk" wait_for 20 has_disk web xvda "$WORK/c.img" connected
ok "and it works" guest_do web "verify 0:0:0:0 8M"
is "no more than those" "$(xenpv scsi-list | grep -c img)" 2
said=$(xenpv config-attach --dirs "$WORK/auto" web)
is "to attach them again is nothing" "$?:$said" "0:"
guest_kill web
ok "nothing is left of it" wait_for 20 no_devices_of web

note "a guest that the toolstack is about to make"
config auto/unborn 'name = "unborn"' "vscsi = [ '$WORK/b.img,0:0:0:0' ]"
xenstore-write /local/domain/77/name unborn
ok "another one comes and goes" guest_start passer-by
guest_kill passer-by
sleep 1
is "it gets nothing before xenstored knows it" "$(xenstore-ls -f / | grep -c '/77/')" 1
xenstore-rm /local/domain/77
rm auto/unborn

note "a guest without one, and one with two"
ok "a guest without a file" guest_start lonely
config auto/two1 'name = "two"' "vscsi = [ '$WORK/a.img,0:0:0:0' ]"
config auto/two2 'name = "two"' "vscsi = [ '$WORK/b.img,0:0:0:0' ]"
ok "a guest with two" guest_start two
ok "which the log says" wait_for 20 logged "guest 'two' has two files, $WORK/auto/two1 and $WORK/auto/two2"
is "none has anything" "$(xenpv scsi-list | grep -c img)" 0
refused "config-attach without a file" "no file in .* lists devices of guest 'lonely'" \
	xenpv config-attach --dirs "$WORK/auto" lonely
refused "config-attach with two" "two files" xenpv config-attach --dirs "$WORK/auto" two

note "config-attach"
config lonely.cfg 'name = "lonely"' "vscsi = [ '$WORK/a.img,0:0:0:0', '$WORK/b.img,1:0:0:0' ]" \
	"xenpv_disk = [ '$WORK/c.img,raw,xvda,ro' ]"
ok "gives a guest what a file lists" xenpv config-attach lonely lonely.cfg
ok "it has it" has lonely 1:0:0:0 "$WORK/b.img" connected
ok "and its disk" has_disk lonely xvda "$WORK/c.img" connected

note "a device that is in use when the guest appears"
config auto/late 'name = "late"' "vscsi = [ '$WORK/a.img,0:0:0:0' ]"
ok "the guest starts" guest_start late
sleep 1
is "it waits" "$(xenpv scsi-list late | grep -c img)" 0
ok "the other one lets go" xenpv scsi-detach lonely 0:0:0:0
ok "it has it" wait_for 20 has late 0:0:0:0 "$WORK/a.img" connected

note "what is refused, all of it before xl is looked for"
wrong() {
	config wrong.cfg 'name = "wrong"' "$3"
	refused "create: $1" "^xenpv: wrong.cfg:$2" xenpv create wrong.cfg
	refused "config-attach: $1" "^xenpv: wrong.cfg:$2" xenpv config-attach lonely wrong.cfg
}
wrong "no bracket" '3: config parsing error near .*: syntax error, unexpected .end, expecting' "vscsi = [ '/a,0:0:0:0'"
wrong "no list" '2:1: vscsi is not a list: write vscsi = \[' "vscsi = '/a,0:0:0:0'"
wrong "an unknown option" "2:23: vscsi: unknown option 'shred'; did you mean 'shared'" "vscsi = [ '/a,0:0:0:0,shred' ]"
wrong "a bad vdev" "2:15: vscsi: vdev '0:0:0' is not" "vscsi = [ '/a,0:0:0' ]"
wrong "one place twice" "2:26: vscsi: vdev 0:0:0:0 is given twice" "vscsi = [ '/a,0:0:0:0', '/b,0:0:0:0' ]"
wrong "contradicting controllers" '2:26: vscsi: the devices of controller 0 do not agree' \
	"vscsi = [ '/a,0:0:0:0', '/b,0:0:1:0,feature-host' ]"
wrong "a whole adapter" "2:20: vscsi: vdev 'host', a whole adapter" "vscsi = [ '2:0:0:0,host' ]"
wrong "no such device" "2:12: vscsi: pdev '/missing'" "vscsi = [ '/missing,0:0:0:0' ]"
wrong "one device twice" "2:.*: xenpv_disk: '$WORK/d.img' is listed twice" \
	"vscsi = [ '$WORK/d.img,0:0:0:0' ]; xenpv_disk = [ '$WORK/d.img,raw,xvdb' ]"
wrong "a relative path" "2:12: vscsi: pdev 'd.img' is found from here only.*write '$WORK/d.img'" "vscsi = [ 'd.img,0:0:0:0' ]"
wrong "in use by a guest" "2:.*: vscsi: pdev '$WORK/b.img' is vdev 1:0:0:0 of guest 'lonely'" \
	"vscsi = [ '$WORK/b.img,0:0:5:0' ]"
wrong "nothing in it" "2:.*: vscsi: .*empty" "vscsi = [ '$WORK/empty.img,0:0:5:0' ]"
wrong "another backend domain" "2:.*: vscsi: backend '7': there is no such domain" "vscsi = [ '$WORK/d.img,0:0:5:0, 7' ]"
wrong "a bad disk" "2:17: xenpv_disk: vdev 'vda'" "xenpv_disk = [ '$WORK/d.img,raw,vda' ]"
refused "create: no such file" "none.cfg cannot be read" xenpv create none.cfg
refused "create: a directory" "cannot be read: Is a directory" xenpv create "$WORK"
refused "create: no file" "no guest's file" xenpv create memory=64
refused "create: two files" "second file" xenpv create wrong.cfg lonely.cfg
refused "create: an option of xl that is not passed" "unknown option -F" xenpv create -F wrong.cfg
refused "config-attach: unknown guest" "nobody" xenpv config-attach nobody lonely.cfg
refused "restore: not a saved guest" "has no list of devices" xenpv restore lonely.cfg
refused "restore: no such file" "none.save" xenpv restore none.save
# saved FILE LENGTH LINE...: what xl would have written, and a list behind it.
saved() {
	local list
	list=$(printf '%s\n' "${@:3}"; printf .)
	printf 'Xen\0%s\nxenpv-devices %08x\n' "${list%.}" "${2:-$((${#list} - 1))}" >"$1"
}
saved wrong.save '' 'name = "saved"' "vscsi = [ '$WORK/d.img,0:0:0:0' ]"
refused "restore: a list without a UUID" "wrong.save: there is no uuid=" xenpv restore wrong.save
saved wrong.save 99999 'name = "saved"'
refused "restore: a list that cannot be" "has no list of devices" xenpv restore wrong.save
saved wrong.save '' 'name = "saved"' 'uuid = "11111111-2222-3333-4444-555555555555"' \
	"vscsi = [ '$WORK/b.img,0:0:0:0' ]"
refused "restore: a configuration without a UUID" "lonely.cfg: there is no uuid=" xenpv restore lonely.cfg wrong.save
mv b.img b.away
refused "restore: a device that is not there" "wrong.save:3:.*: vscsi: pdev '$WORK/b.img'" xenpv restore wrong.save
mv b.away b.img
refused "save: a file that cannot be" "is not saved: $WORK/none/x.devices cannot be written" \
	xenpv save lonely "$WORK/none/x"
refused "migrate: unknown guest" "nobody" xenpv migrate nobody elsewhere
refused "migrate: a host that is none" "no host's name" xenpv migrate lonely 'a;b'
refused "migrate-receive: no UUID" "not a UUID" xenpv migrate-receive lonely
refused "save: unknown guest" "nobody" xenpv save nobody x.save
config wrong.cfg 'name = "wrong"' "vscsi = [ '$WORK/d.img,0:0:5:0' ]"
for g in lonely two late; do
	guest_kill $g
done
ok "nothing is left" wait_for 20 no_devices
ok "xenpvd ends" daemon_stop
refused "create: no xenpvd" "xenpvd is not running" xenpv create wrong.cfg
refused "config-attach: no xenpvd" "xenpvd is not running" xenpv config-attach lonely wrong.cfg
tap_end
