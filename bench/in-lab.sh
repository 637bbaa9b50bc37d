# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# For the programs of this folder that measure in the lab. There the clock counts instructions (LAB_ICOUNT of lab/lab),
# unless LAB_ICOUNT is set and empty.
export LAB_ICOUNT=${LAB_ICOUNT-1}

# in_lab SCENARIO NAME VARIABLE...: runs it with the VARIABLEs that are set. Sets out, the folder of its results: *.tsv,
# to which it adds lines, and where.txt, on what it ran.
in_lab() {
	local scenario=$1 name job rc=0
	out=${LAB_OUT:-build/lab/out/$2}
	shift 2
	job=$(mktemp)
	{
		for name; do
			[[ ! -v $name ]] || printf '%s=%q\n' "$name" "${!name}"
		done
		cat "$scenario" bench/where.sh
	} >"$job"
	rm -f "$out"/*.tsv
	LAB_OUT=$out lab/lab run "$job" --timeout 7200 || rc=$?
	rm -f "$job"
	[[ $rc == 0 ]] || return "$rc"
	if [[ $LAB_ICOUNT ]]; then
		echo "Its clock counts instructions, $((1 << LAB_ICOUNT)) ns each, so that the load of the emulating machine" \
			"changes nothing." >>"$out/where.txt"
	fi
}
