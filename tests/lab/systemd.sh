# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# xenpvd as its unit says, under a systemd that is the first process of a PID namespace of dom0:
# restarted, killed and stopped under verified load of a guest, which notices nothing.
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"
# shellcheck source=tests/lab/load.sh
. "$SCENARIO_DIR/load.sh"

# systemd_start: with nothing but the journal and what our unit wants. Its /proc has Xen's files.
systemd_start() {
	rm -f /lib/systemd/system/{sysinit,sockets,timers,multi-user}.target.wants/* /etc/systemd/system/*.wants/*
	ln -s /lib/systemd/system/systemd-journald.service /lib/systemd/system/sysinit.target.wants/
	mkdir -p /etc/systemd/system/lab.target.wants /run/log/journal
	printf '[Unit]\nRequires=basic.target\nAfter=basic.target\nAllowIsolate=yes\n' >/etc/systemd/system/lab.target
	ln -s "$(unit_file)" /etc/systemd/system/lab.target.wants/xenpvd.service
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	container=lab unshare --pid --mount --cgroup --fork --mount-proc sh -c \
		'mount -t xenfs xenfs /proc/xen; exec /lib/systemd/systemd --unit=lab.target --log-target=console' \
		>"$OUT/systemd.log" 2>&1 </dev/null &
	wait_for 120 test -S /run/systemd/private
}

# unit_file: ours.
unit_file() {
	find /lib/systemd/system /usr/lib/systemd/system /usr/local/lib/systemd/system -name xenpvd.service 2>/dev/null |
		head -n 1
}

# inside COMMAND...: where systemd is the first process.
inside() {
	nsenter --target "$(pgrep -x systemd | head -n 1)" --pid --mount --cgroup "$@"
}

# property NAME: of the unit.
property() {
	inside systemctl show -P "$1" xenpvd
}

active() {
	[[ $(property ActiveState) == active ]]
}

# restarted N: systemd has started it again N times, by itself. To ask takes long enough to be in its way.
restarted() {
	sleep 1
	[[ $(property NRestarts) -ge $1 ]] && active && xenpv status >/dev/null
}

# metrics ADDRESS: what a Prometheus would read there, without its HTTP head.
metrics() {
	printf 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n' | timeout 60 socat -t 60 - "$1" | sed '1,/^\r$/d'
}

worker() {
	pgrep -x xenpv-worker | head -n 1
}

# scope: the unit that the worker is in; limit NAME: a property of it.
scope() {
	sed -n 's|^0::.*/xenpv\.slice/\(xenpv-[0-9]*-[0-9]*\.scope\)$|\1|p' "/proc/$(worker)/cgroup"
}
limit() {
	inside systemctl show -P "$1" "$(scope)"
}
has_scope() {
	[[ -n $(scope) ]]
}

# With two guests: number_of GUEST: its worker's process, as xenpvd numbers it; another_worker GUEST NUMBER: for
# wait_for; cgroup GUEST FILE: what the kernel says of that worker's scope.
number_of() {
	xenpv status --json | jq --arg name "$1" '.guests[] | select(.name == $name).worker'
}
another_worker() {
	[[ $(number_of "$1") =~ ^[1-9] && $(number_of "$1") != "$2" ]]
}
cgroup() {
	cat "/sys/fs/cgroup/xenpv.slice/xenpv-$(guest_id "$1")-$(number_of "$1").scope/$2"
}

# killed_for_memory N: so many workers, by the kernel, since the first one's start.
killed_for_memory() {
	[[ $(awk '$1 == "oom_kill" {print $2}' /sys/fs/cgroup/xenpv.slice/memory.events) == "$1" ]]
}

# limits_of GUEST: of memory and threads, and the share of processors, as the kernel has them.
limits_of() {
	paste -d ' ' <(cgroup "$1" memory.max) <(cgroup "$1" pids.max) <(cgroup "$1" cpu.weight)
}
limited() {
	limits_of "$1" | tee /dev/stderr | grep -qx "$((2048 << 20)) 2048 100"
}
one_worker() {
	[[ $(pgrep -xc xenpv-worker) == 1 ]]
}

is "systemd has nothing to say about the unit" "$(systemd-analyze verify --man=no "$(unit_file)" 2>&1)" ''
ok "systemd starts" systemd_start || bail "no systemd"
ok "and xenpvd" inside timeout 120 systemctl start xenpvd || {
	inside journalctl --no-pager | sed 's/^/# /'
	bail "it does not"
}
truncate -s 128M /var/tmp/scsi.img /var/tmp/blk.img
ok "a guest starts" guest_start g || bail "no guest"
ok "scsi-attach" xenpv scsi-attach g /var/tmp/scsi.img 0:0:0:0
ok "block-attach" xenpv block-attach g /var/tmp/blk.img,raw,xvdf,w
ok "the guest has both" wait_for 30 guest_run g 60 'test -b /dev/sda && test -b /dev/xvdf'
ok "its worker is in a scope of its own" wait_for 30 has_scope
ok "the kernel has its limits of memory and threads, and its share" limited g
for unit in xendomains libvirtd; do
	ok "when the host goes down it ends after $unit" grep -qw "$unit.service" <<<"$(limit Before)"
done
old_scope=$(scope)

note "a worker that would take more memory than its scope may"
truncate -s 64M /var/tmp/neighbour.img
ok "a neighbour starts" guest_start n memory=192 || bail "no neighbour"
ok "scsi-attach" xenpv scsi-attach n /var/tmp/neighbour.img 0:0:0:0
ok "the neighbour has it" wait_for 30 guest_run n 60 'test -b /dev/sda'
old=$(number_of g) neighbour=$(number_of n)
cgroup g memory.stat >"$OUT/memory.stat"
ok "the limit: what it has, and a little" inside systemctl set-property --runtime "$old_scope" \
	MemoryMax=$(($(cgroup g memory.current) + (256 << 10)))
say "$(cgroup g memory.current) of $(cgroup g memory.max)"
ok "that suffices as long as it has nothing to do" killed_for_memory 0
ok "load on the PVSCSI disk" load g sda scsi
ok "the kernel kills it" wait_for 300 killed_for_memory 1
ok "which says so" grep -E "oom_memcg=/xenpv.slice/$old_scope,.*task=xenpv-worker" <<<"$(dmesg)"
ok "another takes its place" wait_for 120 another_worker g "$old"
ok "with the limits as they were" wait_for 120 limited g
ok "the neighbour's disk is written and read" guest_run n 240 'head -c 8M /dev/urandom >/tmp/data &&
	dd if=/tmp/data of=/dev/sda bs=1M oflag=direct && dd if=/dev/sda bs=1M count=8 iflag=direct | cmp - /tmp/data'
is "by the worker that it had" "$(number_of n)" "$neighbour"
ok "scsi-detach" xenpv scsi-detach n 0:0:0:0
guest_stop n
ok "its worker ends" wait_for 60 one_worker
ok "no more than one was killed" killed_for_memory 1
ok "both devices are served" wait_for 30 served
old_scope=$(scope)

note "xenpvd comes and goes, and so do workers"
ok "load on the block disk" load g xvdf blk

old=$(worker)
for ((i = 1; i <= 3; i++)); do
	sleep 2
	ok "systemctl restart, $i" inside systemctl restart xenpvd
	ok "both devices are served" wait_for 30 served
done
is "the worker has gone on" "$(worker)" "$old"
ok "SIGKILL of xenpvd" kill -KILL "$(pgrep -x xenpvd)"
ok "systemd starts it again" wait_for 60 restarted 1
ok "both devices are served after it" wait_for 30 served
is "the worker has gone on then, too" "$(worker)" "$old"
ok "SIGKILL of the worker" kill -KILL "$old"
ok "both devices are served by the standby" wait_for 60 served
old=$(worker)
ok "SIGKILL of all" pkill -KILL '^xenpv(d|-worker|-standby)$'
ok "systemd starts it again after that" wait_for 60 restarted 2
ok "both devices are served by another worker" wait_for 60 served
ok "which is another" test "$(worker)" != "$old"
ok "it has its scope, too" wait_for 30 has_scope
ok "which is another" test "$(scope)" != "$old_scope"
is "the old ones are gone" "$(inside systemctl list-units --plain --no-legend 'xenpv-*.scope' | wc -l)" 1
ok "systemctl stop" inside systemctl stop xenpvd
is "the unit is inactive" "$(property ActiveState)" inactive
ok "its worker goes on" test -n "$(worker)"
sleep 2
ok "systemctl start" inside systemctl start xenpvd
ok "both devices are served in the end" wait_for 30 served
ok "xenpv upgrade" xenpv upgrade
ok "systemd knows it as the same service" wait_for 30 active

ok "xenpv-metrics.socket" inside systemctl start xenpv-metrics.socket
for address in TCP:127.0.0.1:9934 UNIX-CONNECT:/run/xenpv-metrics.sock; do
	said=$(metrics "$address")
	is "metrics at $address" "$(sed -n 's/^xenpv_connected{.*device="\([^"]*\)".*} /\1 /p' <<<"$said" | sort | paste -sd,)" \
		'scsi/0 1,xvdf 1'
	is "all of them" "$(tail -n 1 <<<"$said")" '# EOF'
done

ok "the load on the PVSCSI disk saw no error" load_ends g scsi
ok "nor did the discards" load_ends g scsi-trim
ok "the load on the block disk saw no error" load_ends g blk
ok "nor did the discards there" load_ends g blk-trim
say "the slowest request took $(slowest g scsi) ms on PVSCSI, $(slowest g blk) ms on the block disk"
xenpv status --json | jq -c '.guests[] | {restarts, gap_max_us}' | sed 's/^/# /'
inside journalctl -u xenpvd -o json --no-pager >"$OUT/journal.json"
ok "the journal has its lines, with their priority" jq -es \
	'any(.[]; .PRIORITY == "3" and (.MESSAGE | test("worker pid=[0-9]+ (has died|was killed)")))' "$OUT/journal.json"
ok "scsi-detach" xenpv scsi-detach g 0:0:0:0
ok "block-detach" xenpv block-detach g xvdf
guest_stop g
ok "no worker is left" wait_for 20 no_workers
ok "systemctl stop at the end" inside systemctl stop xenpvd
tap_end
