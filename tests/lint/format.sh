#!/bin/sh
# All C sources have the shape of .clang-format. Skipped (status 77) where there is no clang-format.
set -eu
# shellcheck source=tests/lint/lib.sh
. "$(dirname "$0")/lib.sh"

command -v clang-format >/dev/null || {
	echo "no clang-format" >&2
	exit 77
}
scripts/format --check >/dev/null 2>&1 || {
	for file in $(find src include tests -name '*.[ch]' | sort); do
		clang-format --dry-run -Werror "$file" >/dev/null 2>&1 || complain "$file: scripts/format"
	done
}
verdict
