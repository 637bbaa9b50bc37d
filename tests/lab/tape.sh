# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash disable=SC2016,SC2119,SC2154,SC2317
#
# Tape drives of tgt and their changer in a guest: what a backup does with them comes out as it does in dom0, case by
# case. The table of all is $OUT/tape.md. Variables, words of a list with + between them:
#
#	TAPE_GUESTS	pv; pv+pvh is longer
#	TAPE_CASES	those of tape-cases.sh that tgt knows; all is every one
#	TAPE_ISCSI	yes: the PV guest once more, its devices straight from the target (iscsi://)
#	TAPE_KERNEL	yes: the kernel's backend has its turn, too, in the PV guest; nothing is expected of it
# shellcheck source=tests/lab/tap.sh
. "$SCENARIO_DIR/tap.sh"
# shellcheck source=tests/lab/tgt.sh
. "$SCENARIO_DIR/tgt.sh"
# shellcheck source=tests/bad-input.sh
. "$TREE/tests/bad-input.sh"

# give_all COMMAND GUEST HOST: the two drives, the changer, the CD drive, on the guest's controller HOST.
give_all() {
	local lun
	for lun in 1 2 3 4; do
		"$1" "$2" "$(tgt_address "$lun")" "$3:0:$lun:0" || return
	done
}

# detach_all GUEST: all of them, in any order.
detach_all() {
	local lun
	for lun in 3 1 2 4; do
		detach "$1" "0:0:$lun:0" || return
	done
}

# cases NAME COMMAND...: runs what is in tape-cases.sh there; results in $OUT/cases-NAME.
cases() {
	local name=$1 start=$SECONDS
	shift
	# a guest that gets them again has other numbers for them
	"$@" 2>"$OUT/cases-$name.times" | sed 's|/dev/nst[0-9]*|the drive|g' >"$OUT/cases-$name"
	note "$name: $((SECONDS - start)) s"
	sed 's/^/# /' "$OUT/cases-$name" "$OUT/cases-$name.times"
}

# guest_cases GUEST HOST NAME: runs them with the devices that a guest has from its controller HOST.
guest_cases() {
	local tape sg changer cd
	tape=$(guest_node "$1" "$2:0:1:0" scsi_tape st) sg=$(guest_sg "$1" "$2:0:1:0")
	changer=$(guest_sg "$1" "$2:0:3:0") cd=$(guest_node "$1" "$2:0:4:0" block)
	note "$1: $tape $sg $changer $cd"
	guest_put "$1" "$SCENARIO_DIR/tape-cases.sh" /tmp/cases
	cases "$3" guest_run "$1" 1500 "bash /tmp/cases $tape $sg $changer $cd $wanted 2>/dev/null"
}

# said NAME CASE
said() {
	sed -n "s/^$2|//p" "$OUT/cases-$1"
}

# compare NAME: each case is as it is in dom0. Only blocks of more than 508 KiB do not fit into the
# commands of a guest's stock frontend: it refuses them.
compare() {
	local name text
	while IFS='|' read -r name text; do
		[[ $name != large ]] || text="524288 refused; 1048576 refused"
		is "$1: $name" "$(said "$1" "$name")" "$text"
	done <"$OUT/cases-dom0"
}

# table NAME...: of all results.
table() {
	local name text who cell
	echo "| case | in dom0 |$(printf ' %s |' "$@")"
	echo "|---|---|$(printf -- '---|%.0s' "$@")"
	while IFS='|' read -r name text; do
		echo -n "| $name | $text |"
		for who; do
			cell=$(said "$who" "$name")
			[[ $cell != "$text" ]] || cell="the same"
			echo -n " ${cell:-nothing} |"
		done
		echo
	done <"$OUT/cases-dom0"
}

# of_the_library GUEST: what else can be said while it has the drives.
of_the_library() {
	is "$1: scsi-devices knows whose they are" "$(xenpv scsi-devices --json |
		jq -r --arg at "$(tgt_address 1)" '.[] | select(.address == $at) | .used_by')" "guest $1 as 0:0:1:0"
	refused "$1: a drive that it has" "0:0:1:0" xenpv scsi-attach "$1" "$(tgt_address 1)" 0:0:9:0
	guest_run "$1" 60 "dmesg | grep -iE 'scsi|st[0-9]' | tail -n 15" | sed 's/^/# /'
}

wanted="inquiry status transfer load load_empty position filemark filemark_sense short variable large fixed"
wanted+=" whole_file restore tar end unload cd"
[[ ! ${TAPE_CASES:-} ]] || wanted=${TAPE_CASES//+/ }
[[ $wanted != all ]] || wanted=
{ tgt_make 16 && tgt_login; } || bail "the tape library"
daemon_start || bail "xenpvd starts"
is "scsi-devices lists them" "$(xenpv scsi-devices --json | jq -r '.[] | select(.vendor != "Linux") | "\(.type) \(.nodes)"' |
	sed 's/[0-9]//g;s/sd[a-z]/sd/' | paste -sd,)" "storage sg,tape st nst sg,tape st nst sg,changer sch sg,cd/dvd sr sg,disk sd sg"
# shellcheck disable=SC2086
cases dom0 bash "$SCENARIO_DIR/tape-cases.sh" "$(tgt_node 1 scsi_tape st)" "$(tgt_node 1 scsi_generic)" \
	"$(tgt_node 3 scsi_generic)" "$(tgt_node 4 block)" $wanted
# natively CASE RESULT: what is compared with must be right itself.
natively() {
	[[ ! $wanted || " $wanted " == *" $1 "* ]] || return 0
	is "in dom0: $1" "$(said dom0 "$1")" "$2"
}
natively tar "written 0; on tape 3; compared 0"
natively restore "0 a; 0.4; b/ b/2"
natively whole_file "as it was"
is "in dom0 each case has a result" "$(grep -vc '|.' "$OUT/cases-dom0")" 0

# by_iscsi GUEST: the same devices from the target itself, which dom0 has left.
by_iscsi() {
	local lun pid
	# shellcheck disable=SC2217 # that it has it open is all
	sleep 600 <"/dev/$(tgt_node 1 scsi_generic)" &
	pid=$!
	refused "$1: a drive that dom0 uses by its own session" "in use: sleep \(process $pid, sg[0-9]+\)" \
		xenpv scsi-attach "$1" "iscsi://127.0.0.1/$TGT_IQN/1" 0:0:1:0
	kill "$pid"
	ok "$1: dom0 logs out" tgt_logout
	for lun in 1 2 3 4; do
		ok "$1: scsi-attach by iSCSI: LUN $lun" attach "$1" "iscsi://127.0.0.1/$TGT_IQN/$lun" "0:0:$lun:0"
	done
	guest_cases "$1" 0 "$1-iscsi"
	columns+=("$1-iscsi")
	compare "$1-iscsi"
	ok "$1: all are taken back" detach_all "$1"
	ok "$1: dom0 logs in" tgt_login
}

columns=()
guests=${TAPE_GUESTS:-pv}
for type in ${guests//+/ }; do
	guest_start "$type" type="$type" || bail "the $type guest starts"
	if ! ok "$type: scsi-attach of four devices by address" give_all attach "$type" 0; then
		sed 's/^/# /' "$OUT/xenpvd.log"
		tap_end
	fi
	xenpv scsi-list "$type" | sed 's/^/# /'
	guest_cases "$type" 0 "$type"
	columns+=("$type")
	compare "$type"
	of_the_library "$type"
	ok "$type: all are taken back" detach_all "$type"
	if [[ ${TAPE_KERNEL:-} == yes && $type == pv ]]; then
		give_all kernel_vscsi_attach pv 1 || bail "the kernel's backend"
		guest_cases pv 1 kernel
	fi
	[[ $type != pv || ${TAPE_ISCSI:-} != yes ]] || by_iscsi pv
	xl destroy "$type"
done
[[ ! -e $OUT/cases-kernel ]] || columns+=(kernel)
table "${columns[@]}" | tee "$OUT/tape.md" | sed 's/^/# /'
ok "no worker is left" wait_for 120 no_workers
ok "xenpvd stops in an orderly way" daemon_stop
is "dom0's kernel has nothing to complain about" \
	"$(complaints 'changed security contexts')" ''
tap_end
