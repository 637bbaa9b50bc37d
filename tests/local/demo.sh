# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2119
#
# `make demo HOST=local`: without Xen and without root, a guest that is a process gets SCSI disks from
# xenpvd and verifies them. Ends with a picture of what happened.
# shellcheck source=tests/local/local.sh
. "${BASH_SOURCE[0]%/*}/local.sh"

# say TEXT: what is done now.
say() {
	echo "demo: $*"
}

# fail TEXT: the end; what was said before.
fail() {
	say "this failed: $*"
	tail -n 20 xenpvd.log web.out 2>/dev/null
	exit 1
}

# indent TEXT: four columns to the right.
indent() {
	printf '    %s\n' "${1//$'\n'/$'\n'    }"
}

# run COMMAND...: of an administrator; shown, and what it says.
run() {
	echo "  \$ $*"
	"$@" || fail "$*"
}

# inside COMMAND: of the guest; shown, and what it says.
inside() {
	echo "  guest> $1"
	guest_do web "$1" | sed 's/^/  /'
	((PIPESTATUS[0] == 0)) || fail "$1"
}

# bench WHAT ARGUMENTS: one line of figures for the picture.
bench() {
	local said
	said=$(guest_do web "bench $2 time=1") || fail "bench $2"
	printf '    %-22s %s\n' "$1" "$(sed 's/^.*QD [0-9]*: //; s/ p99\.9 .*//' <<<"$said")"
}

say "user $(id -un), a host in the directory $WORK/host; Linux $(uname -r)"
truncate -s 256M disk.img big.img
echo "  \$ xenpvd --host $XENPV_HOST &"
daemon_start || fail "xenpvd"
echo "  \$ xenpv --host $XENPV_HOST guest web      # a process that is a domain; XENPV_HOST from here on"
guest_start web || fail "the guest"
run xenpv scsi-attach web disk.img 0:0:0:0
run xenpv scsi-attach web big.img 0:0:0:1,blocksize=4096
luns=$(xenpv scsi-list web) || fail "scsi-list"
inside list
guest_do web "inquiry 0:0:0:0" | sed -n '/identification/s/^/  /p'
inside "verify 0:0:0:0 64M"
inside "verify 0:0:0:1 64M"
head -c 1M /dev/urandom >noise
inside "write 0:0:0:0 100M noise"
cmp -n 1048576 noise disk.img 0 104857600 || fail "what the guest has written is in disk.img"
say "what the guest has written is in disk.img: compared"
say "bench: 4 KiB reads at random, a second each"
figures=$(
	bench "one disk, QD 1" "0:0:0:0 qd=1"
	bench "one disk, QD 16" "0:0:0:0 qd=16"
	bench "two disks, QD 16 each" "0:0:0:0 0:0:0:1 qd=16"
	bench "writes, QD 16" "0:0:0:0 rw=randwrite qd=16"
)
[[ $figures == *IOPS* && $figures != *failed* ]] || fail "bench: $figures"
dom=$(guest_id web)
said=$(xenpv scsi-detach web 0:0:0:1 2>&1) || fail "scsi-detach: $said"
guest_stop web || fail "the guest ends"
daemon_stop || fail "xenpvd ends"
cat <<END

  guest 'web', domain $dom                                      $XENPV_HOST
  +-------------------------+    requests, grants, events    +------------------------------+
  | xenpv guest             |  --------------------------->  | xenpv-worker -> disk.img,    |
  | core/scsi_front         |  <---------------------------  |                 big.img      |
  +-------------------------+     (shared memory, eventfds)  | xenpvd (xenstore, policy)    |
                                                             | xenpv-local (Xen, xenstored) |
                                                             +------------------------------+

  xenpv scsi-list web:
$(indent "$luns")

  verified       64 MiB written and read back on each, blocks of 512 and of 4096 bytes: no difference
  4 KiB, $(nproc) processors, image in $(stat -f -c %T "$WORK"):
$figures

END
