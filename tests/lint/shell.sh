#!/bin/sh
# Every shell script of the tree passes shellcheck, the tests included.
set -eu
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

scripts=$(find scripts .ci tests -type f ! -path '*/sample-mail/*' \
	-exec sh -c 'head -c 40 "$1" | head -1 | grep -qE "^#!.*/(env )?(ba)?sh"' _ {} \; -print)
# shellcheck disable=SC2086
shellcheck -x $scripts || complain "shellcheck"
found=$(find tests -name '*.bats' -o -name '*.bash')
# shellcheck disable=SC2086
[ -z "$found" ] || shellcheck -x -s bats $found || complain "shellcheck of the end-to-end tests"
verdict
