# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh
#
# Shared by the gates. A gate looks at the tree in the current directory,
# prints one line per finding and ends with 1 if there was one.

# shellcheck disable=SC2034 # gates end with it
bad=0

# complain TEXT: one finding.
complain() {
	printf '%s\n' "$*"
	# shellcheck disable=SC2034
	bad=1
}

# files ERE: names of the tree's files that match. In a clone what git knows,
# so that half-written files of others don't count; else all there is.
files() {
	if [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$(pwd -P)" ]; then
		git ls-files
	else
		find . -type f ! -path './.git/*' ! -path './build*' |
			sed 's,^\./,,'
	fi | sort | grep -E "$1" | while read -r file; do
		[ -f "$file" ] && echo "$file"
	done
}

# scripts: names of all shell scripts, by suffix or first line.
scripts() {
	files . | while read -r file; do
		case $file in
		*.sh) echo "$file" ;;
		*) head -c 64 "$file" | head -n 1 |
			grep -qaE '^#!.*[/ ](ba|da)?sh( |$)' && echo "$file" ;;
		esac
	done
}
