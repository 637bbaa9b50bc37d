# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# For tests that are bash scripts: each check is one TAP line. A script sources this, checks, and ends
# with `tap_end`.

tap_count=0
tap_failed=0
tap_said=${TMPDIR:-/tmp}/tap.said.$$

# tap_result STATUS TEXT: one result.
tap_result() {
	((++tap_count))
	if (($1)); then
		((++tap_failed))
		echo "not ok $tap_count - $2"
	else
		echo "ok $tap_count - $2"
	fi
}

# ok TEXT COMMAND...: it succeeds. What it says is shown when it does not.
ok() {
	local text=$1 rc
	shift
	"$@" >"$tap_said" 2>&1 # not in a subshell, so that it can wait for our children
	rc=$?
	tap_result $rc "$text"
	((rc == 0)) || { echo "status $rc of: $*"; tail -n 40 "$tap_said"; } | sed 's/^/# /'
	return $rc
}

# is TEXT GOT WANTED: they are equal.
is() {
	[[ $2 == "$3" ]]
	local rc=$?
	tap_result $rc "$1"
	((rc == 0)) || printf '%s\n' "got:" "$2" "wanted:" "$3" | sed 's/^/# /'
	return $rc
}

# like TEXT GOT REGEX: it matches.
like() {
	[[ $2 =~ $3 ]]
	local rc=$?
	tap_result $rc "$1"
	((rc == 0)) || printf '%s\n' "got:" "$2" "wanted to match: $3" | sed 's/^/# /'
	return $rc
}

# conform_results FILE [PREFIX]: the cases of FILE.json, of `xenpv conform --json`, become results of ours. Without any,
# FILE.log says why.
conform_results() {
	local verdict case detail n=0
	while IFS=$'\t' read -r verdict case detail; do
		((++n))
		case $verdict in
		skip) echo "ok $((++tap_count)) - ${2-}$case # SKIP $detail" ;;
		*)
			[[ $verdict == pass ]]
			tap_result $? "${2-}$case${detail:+: $detail}"
			;;
		esac
	done < <(jq -r '.results[] | [.result, .case, .detail] | @tsv' "$1.json")
	((n > 0)) && return
	tap_result 1 "${2-}cases were run"
	sed 's/^/# /' "$1.log"
	return 1
}

# note TEXT: for people.
note() {
	echo "# $*"
}

# bail TEXT: nothing else can be checked.
bail() {
	tap_result 1 "$*"
	tap_end
}

# tap_end: the plan, and the status.
tap_end() {
	rm -f "$tap_said"
	echo "1..$tap_count"
	exit $((tap_failed > 0))
}
