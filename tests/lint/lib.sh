# shellcheck shell=sh
# Sourced by each lint: goes to the root of the tree; `complain` reports, `verdict` ends.
cd "$(dirname "$0")/../.." || exit 1
complaints=0
complain() {
	echo "$*" >&2
	complaints=$((complaints + 1))
}
verdict() {
	[ "$complaints" -eq 0 ]
}
